/**
 * What plug-ins offer and the machine's devices under one index: pure. A device is matched by LUID, else by PCI address, else
 * by its ids, else as the only one of its maker and kind. What the machine's own files do not show is added to it: the
 * plug-in knows it.
 */
import type { Accelerator, DeviceId, Machine } from '../devices/device.js';
import { pciVendor } from '../devices/pci-ids.js';
import type { OfferedDevice, ProviderStatus } from '../devices/provider.js';
import type { EpDevice } from '../engine/onnxruntime/ep-devices.js';
import { canCompute, describePluginDevice } from '../engine/onnxruntime/plugin-provider.js';
import type { AskedPlugin, PluginAnswer } from './runtime-answer.js';

export interface JoinedPlugins {
  /** With the devices that plug-ins alone know of. */
  readonly accelerators: readonly Accelerator[];
  readonly providers: readonly ProviderStatus[];
}

export function joinPlugins(
  { accelerators, cpu }: Pick<Machine, 'accelerators' | 'cpu'>,
  plugins: readonly AskedPlugin[],
): JoinedPlugins {
  let known = accelerators;
  const providers = plugins.map(({ name, library, answer }): ProviderStatus => {
    if ('problem' in answer) {
      return { provider: name, runtime: null, libraryFile: library, drives: [], problem: answer.problem, offers: [] };
    }
    const devices = answer.devices.filter(canCompute);
    const joined = joinPlugin(known, devices);
    known = joined.accelerators;
    return {
      provider: name,
      runtime: `ONNX Runtime ${answer.version}`,
      libraryFile: library,
      drives: joined.offers.map(({ deviceId, providerDevice, isSoftware }, index) => {
        const device = devices[index];
        const name = deviceId === 'cpu' ? cpu.name : device === undefined ? null : describePluginDevice(device);
        return { deviceId, providerDevice, name, isSoftware };
      }),
      problem: joined.offers.length === 0 ? whyNothing(answer) : null,
      offers: joined.offers,
    };
  });
  return { accelerators: known, providers };
}

function whyNothing({ devices }: PluginAnswer): string {
  return devices.length === 0
    ? 'it offers no device on this machine: check the device and its driver'
    : `it offers nothing that computes, only ${devices.map(describePluginDevice).join('; ')}`;
}

function joinPlugin(
  accelerators: readonly Accelerator[],
  devices: PluginAnswer['devices'],
): { readonly accelerators: readonly Accelerator[]; readonly offers: readonly OfferedDevice[] } {
  const all = [...accelerators];
  const free = new Set(all);
  const counts = { cpu: 0, gpu: 0, npu: 0 };
  const offers = devices.map((device): OfferedDevice => {
    const providerDevice = `${device.kind}.${counts[device.kind]++}`;
    return { ...offerOf(device), deviceId: idOf(device, free, all), providerDevice };
  });
  return { accelerators: all, offers };
}

function offerOf(device: PluginAnswer['devices'][number]): Omit<OfferedDevice, 'deviceId' | 'providerDevice'> {
  const { kind, provider, providerVendor, providerMetadata, vendor, vendorId, deviceId, metadata, isSoftware } = device;
  return {
    kind,
    epName: provider,
    epVendor: providerVendor,
    epMetadata: providerMetadata,
    hardware: { vendor, vendorId, deviceId, metadata },
    isSoftware,
  };
}

/** Of a device that is not there yet, which is then put into `all`. */
function idOf(device: EpDevice, free: Set<Accelerator>, all: Accelerator[]): DeviceId {
  const { kind } = device;
  if (kind === 'cpu') return 'cpu';
  const found = findAccelerator(device, [...free]);
  if (found !== undefined) {
    free.delete(found);
    return found.id;
  }
  const count = all.filter((one) => one.kind === kind).length;
  const added = addedAccelerator(device, kind === 'npu' && count === 0 ? 'npu' : `${kind}.${count}`);
  all.push(added);
  return added.id;
}

function findAccelerator(device: EpDevice, free: readonly Accelerator[]): Accelerator | undefined {
  const { kind, vendorId, deviceId, metadata } = device;
  const ofKind = free.filter((one) => one.kind === kind);
  const luid = luidOf(metadata['LUID']);
  const address = metadata['pci_bus_id']?.toLowerCase();
  const exact = ofKind.find((one) => one.luid !== null && one.luid === luid);
  if (exact !== undefined) return exact;
  const byAddress = ofKind.find((one) => one.pciAddress !== null && one.pciAddress === address);
  if (byAddress !== undefined) return byAddress;
  const byIds = ofKind.find(
    ({ pciIds }) => pciIds !== null && pciIds.vendor === hex(vendorId) && pciIds.device === hex(deviceId),
  );
  if (byIds !== undefined) return byIds;
  const ofMaker = ofKind.filter(({ pciIds, vendor }) => pciIds === null && vendor === pciVendor(hex(vendorId)));
  return ofMaker.length === 1 ? ofMaker[0] : undefined;
}

/** ONNX Runtime prints the number, in decimal. */
function luidOf(text: string | undefined): string | undefined {
  if (text === undefined || !/^\d{1,20}$/u.test(text)) return undefined;
  return BigInt(text).toString(16).padStart(16, '0');
}

function hex(id: number): string {
  return id.toString(16).padStart(4, '0');
}

function addedAccelerator(device: EpDevice, id: Accelerator['id']): Accelerator {
  const { kind, vendorId, deviceId, metadata } = device;
  const nobodyElse = { notAvailable: 'only the plug-in knows this device' };
  const discrete = metadata['Discrete'];
  return {
    id,
    kind: kind === 'npu' ? 'npu' : 'gpu',
    name: describePluginDevice(device),
    vendor: pciVendor(hex(vendorId)),
    generation: null,
    isIntegrated: discrete === undefined ? null : discrete !== '1',
    pciIds: vendorId === 0 ? null : { vendor: hex(vendorId), device: hex(deviceId) },
    pciAddress: metadata['pci_bus_id']?.toLowerCase() ?? null,
    luid: luidOf(metadata['LUID']) ?? null,
    driver: { name: nobodyElse, version: nobodyElse, oldest: null, isTooOld: null },
    dedicatedMemoryBytes: nobodyElse,
    problems: [],
  };
}
