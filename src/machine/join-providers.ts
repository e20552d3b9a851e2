/**
 * The runtimes' answers and the machine's devices under one index: pure. Devices are matched by LUID, else by PCI
 * address, else, where one vendor has one device of the kind, by that.
 */
import type { Accelerator, Machine } from '../devices/device.js';
import { isKnown } from '../devices/device.js';
import type { DrivenDevice, ProviderName, ProviderStatus } from '../devices/provider.js';
import { knownProvider } from '../devices/provider-knowledge.js';
import type { EpDevice } from '../engine/onnxruntime/ep-devices.js';
import { PROVIDER_PROFILES } from '../engine/onnxruntime/providers.js';
import { joinPlugins } from './join-plugins.js';
import type { OpenvinoDeviceFacts, RuntimeAnswer } from './runtime-answer.js';

/** ONNX Runtime's own providers for GPUs that are made for the system, as it registers them. */
function registeredProviders(platform: NodeJS.Platform): readonly {
  readonly provider: ProviderName;
  readonly name: string;
}[] {
  return Object.values(PROVIDER_PROFILES)
    .filter(({ name }) => knownProvider(name)?.systems.some((system) => system === platform) === true)
    .map(({ name, registeredName }) => ({ provider: name, name: registeredName }));
}

export interface JoinedMachine {
  readonly machine: Machine;
  readonly providers: readonly ProviderStatus[];
}

export function joinProviders(machine: Machine, answer: RuntimeAnswer): JoinedMachine {
  const known = {
    ...machine,
    accelerators: machine.accelerators.map((device) => withOpenvinoMemory(device, machine, answer)),
  };
  const plugins = joinPlugins(known, answer.plugins);
  return {
    machine: { ...known, accelerators: plugins.accelerators },
    providers: [...onnxRuntimeStatuses(machine, answer), openvinoStatus(machine, answer), ...plugins.providers],
  };
}

function openvinoStatus(machine: Machine, { openvino }: RuntimeAnswer): ProviderStatus {
  if ('problem' in openvino) {
    return { provider: 'openvino', runtime: null, libraryFile: null, drives: [], problem: shortProblem(openvino) };
  }
  const { version, libraryFile, devices } = openvino;
  const drives = devices.flatMap((facts): readonly DrivenDevice[] => {
    if (facts.name === 'CPU') return [{ deviceId: 'cpu', providerDevice: 'CPU', name: facts.fullName }];
    const device = findOpenvinoDevice(facts, machine, devices);
    return device === undefined ? [] : [{ deviceId: device.id, providerDevice: facts.name, name: facts.fullName }];
  });
  const missing = machine.accelerators.filter(
    ({ id, vendor }) => vendor === 'intel' && !drives.some(({ deviceId }) => deviceId === id),
  );
  return {
    provider: 'openvino',
    runtime: `OpenVINO ${version}`,
    libraryFile,
    drives,
    problem:
      missing.length === 0
        ? null
        : `it is installed, but finds no ${missing.map(({ id }) => id).join(', ')}: the driver is missing or too old (aipc doctor)`,
  };
}

/** The library's own message goes on over many lines; the first says what, the last what to do. */
function shortProblem({ problem, code }: { readonly problem: string; readonly code: string | null }): string {
  return code === 'RUNTIME_LIBRARY_NOT_FOUND'
    ? 'not installed: npx aipc setup openvino'
    : (problem.split('\n')[0] ?? problem);
}

function findOpenvinoDevice(
  facts: OpenvinoDeviceFacts,
  { accelerators }: Machine,
  all: readonly OpenvinoDeviceFacts[],
): Accelerator | undefined {
  const kind = facts.name.startsWith('NPU') ? 'npu' : 'gpu';
  const ofKind = accelerators.filter((device) => device.kind === kind && device.vendor === 'intel');
  const luid = facts.luid === null ? null : readableLuid(facts.luid);
  const address = facts.pciInfo === null ? null : pciAddressOf(facts.pciInfo);
  const exact = ofKind.find(
    (device) => (luid !== null && device.luid === luid) || (address !== null && device.pciAddress === address),
  );
  const isOnly = ofKind.length === 1 && all.filter(({ name }) => name.startsWith(kind.toUpperCase())).length === 1;
  return exact ?? (isOnly ? ofKind[0] : undefined);
}

/** OpenVINO prints the bytes as they lie in memory, the least first; zeros mean that the driver gives none. */
export function readableLuid(text: string): string | null {
  const bytes = text.match(/[0-9a-f]{2}/giu);
  if (bytes?.length !== 8 || /^0+$/u.test(text)) return null;
  return bytes.reverse().join('').toLowerCase();
}

/** `{domain: 0 bus: 3 device: 0x1f function: 0}`: device is hexadecimal, the others decimal. */
export function pciAddressOf(text: string): string | null {
  const found = /domain: (\d+) bus: (\d+) device: 0x([0-9a-f]+) function: (\d+)/iu.exec(text);
  if (found === null) return null;
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  const [, domain, bus, device, fn] = found;
  return `${hex(Number(domain), 4)}:${hex(Number(bus), 2)}:${hex(Number.parseInt(device ?? '0', 16), 2)}.${fn ?? '0'}`;
}

/** i915 and xe do not tell a card's memory; OpenVINO does. For an integrated GPU it gives the machine's. */
function withOpenvinoMemory(device: Accelerator, machine: Machine, { openvino }: RuntimeAnswer): Accelerator {
  if ('problem' in openvino || isKnown(device.dedicatedMemoryBytes) || device.isIntegrated !== false) return device;
  const facts = openvino.devices.find((one) => findOpenvinoDevice(one, machine, openvino.devices)?.id === device.id);
  const bytes = facts?.totalMemoryBytes ?? null;
  return bytes === null ? device : { ...device, dedicatedMemoryBytes: bytes };
}

function onnxRuntimeStatuses(machine: Machine, { onnxruntime }: RuntimeAnswer): readonly ProviderStatus[] {
  if ('problem' in onnxruntime) {
    const problem = onnxruntime.problem.split('\n')[0] ?? onnxruntime.problem;
    return [{ provider: 'cpu', runtime: null, libraryFile: null, drives: [], problem }];
  }
  const { version, libraryFile, providers, cudaProblem, epDevices } = onnxruntime;
  const common = { runtime: `ONNX Runtime ${version}`, libraryFile };
  const cpu: ProviderStatus = {
    ...common,
    provider: 'cpu',
    drives: [{ deviceId: 'cpu', providerDevice: 'CPU', name: machine.cpu.name }],
    problem: null,
  };
  return [
    cpu,
    ...registeredProviders(machine.platform).map(({ provider, name }): ProviderStatus => {
      if (!providers.includes(name)) {
        return { ...common, provider, drives: [], problem: `this build of ONNX Runtime ${version} has no ${name}` };
      }
      if (provider === 'cuda' && cudaProblem !== null) {
        return { ...common, provider, drives: [], problem: cudaProblem };
      }
      const drives = drivenBy(provider, name, machine, epDevices ?? []);
      const gpus = machine.accelerators.filter(({ kind }) => kind === 'gpu').length;
      const problem =
        drives.length > 0
          ? null
          : gpus === 0
            ? 'this machine has no GPU for it'
            : 'it lists none of the GPUs of this machine';
      return { ...common, provider, drives, problem };
    }),
  ];
}

/**
 * DirectML and, on Windows, WebGPU list their adapters. Elsewhere ONNX Runtime lists none for them: WebGPU takes the
 * system's choice of GPU, which is certain where there is one, and CUDA counts NVIDIA's by PCI address.
 */
function drivenBy(
  provider: ProviderName,
  registeredName: string,
  machine: Machine,
  epDevices: readonly EpDevice[],
): readonly DrivenDevice[] {
  const gpus = machine.accelerators.filter(({ kind }) => kind === 'gpu');
  if (provider === 'cuda') {
    return gpus
      .filter(({ vendor }) => vendor === 'nvidia')
      .sort((a, b) => (a.pciAddress ?? '').localeCompare(b.pciAddress ?? '', 'en'))
      .map((device, index) => ({ deviceId: device.id, providerDevice: String(index), name: device.name }));
  }
  const listed = epDevices.filter((one) => one.provider === registeredName && one.kind === 'gpu');
  if (listed.length > 0) {
    const free = [...gpus];
    return listed.flatMap((one): readonly DrivenDevice[] => {
      const index = free.findIndex(({ pciIds, vendor }) =>
        pciIds === null
          ? vendor === 'qualcomm' && [0x5143, 0x4d4f4351].includes(one.vendorId)
          : Number.parseInt(pciIds.vendor, 16) === one.vendorId && Number.parseInt(pciIds.device, 16) === one.deviceId,
      );
      const [device] = index === -1 ? [] : free.splice(index, 1);
      if (device === undefined) return [];
      const number = one.metadata['DxgiAdapterNumber'];
      // DirectML takes adapter 0 for one without a number, which may be another: such a device is not offered.
      if (provider === 'dml' && number === undefined) return [];
      return [{ deviceId: device.id, providerDevice: number ?? '0', name: one.metadata['Description'] ?? device.name }];
    });
  }
  const [only, ...others] = gpus;
  if (provider !== 'webgpu' || only === undefined || others.length > 0) return [];
  return [{ deviceId: only.id, providerDevice: '0', name: only.name }];
}
