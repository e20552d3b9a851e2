/** The runtimes' libraries, the devices' drivers, and whether this user may use the devices. It computes nothing there. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { isKnown, type Accelerator, type Machine } from '../devices/device.js';
import type { ProviderStatus } from '../devices/provider.js';
import { canUse, RENDER_GROUP } from '../engine/openvino/linux-drivers.js';
import { hasErrorCode } from '../file-system.js';
import { fail, pass, warn, type DoctorCheck } from './check.js';

export function checkRuntimes({ accelerators }: Machine, providers: readonly ProviderStatus[]): readonly DoctorCheck[] {
  const onnxruntime = providers.find(({ provider }) => provider === 'cpu');
  const openvino = providers.find(({ provider }) => provider === 'openvino');
  return [
    onnxruntime?.runtime === undefined || onnxruntime.runtime === null
      ? fail(
          'onnxruntime',
          'ONNX Runtime',
          onnxruntime?.problem ?? 'it did not answer',
          'Install aipc again: npm install aipc',
        )
      : pass('onnxruntime', 'ONNX Runtime', `${onnxruntime.runtime} in ${onnxruntime.libraryFile ?? '?'}`),
    openvino === undefined || openvino.runtime === null
      ? missingOpenvino(openvino, accelerators)
      : foundOpenvino(openvino),
  ];
}

function missingOpenvino(status: ProviderStatus | undefined, accelerators: readonly Accelerator[]): DoctorCheck {
  const found = status?.problem ?? 'it did not answer';
  const isAbsent = found.startsWith('not installed');
  const intel = accelerators.filter(({ vendor }) => vendor === 'intel').map(({ id }) => id);
  const why =
    intel.length > 0 ? `${intel.join(', ')} of this machine need it` : 'it is optional without a GPU or NPU of Intel';
  const remedy = `Install it: npx aipc setup openvino (${why}).`;
  return isAbsent
    ? warn('openvino', 'OpenVINO', 'not installed', remedy)
    : fail(
        'openvino',
        'OpenVINO',
        found,
        `${remedy} Where it is installed, remove it first: npx aipc setup openvino --force.`,
      );
}

function foundOpenvino({ runtime, libraryFile, problem }: ProviderStatus): DoctorCheck {
  const found = `${runtime ?? ''} in ${libraryFile ?? '?'}`;
  return problem === null
    ? pass('openvino', 'OpenVINO', found)
    : warn('openvino', 'OpenVINO', `${found}; ${problem}`, null);
}

const PLUGIN_REMEDY =
  'Check the path after --ep-library, that the library is for this system, and that its device and driver are there: ' +
  'docs/gpu.md says where plug-ins come from.';

export function checkProviders(providers: readonly ProviderStatus[]): readonly DoctorCheck[] {
  return providers
    .filter(({ provider }) => !['cpu', 'openvino'].includes(provider))
    .map(({ provider, drives, problem, offers, libraryFile, runtime }) => {
      if (offers !== undefined && problem !== null) {
        const id = `plugin:${provider}`;
        const title = `plug-in ${provider}`;
        if (runtime === null) return fail(id, title, problem, PLUGIN_REMEDY);
        return fail(id, title, `${libraryFile ?? '?'} loads, but ${problem}`, PLUGIN_REMEDY);
      }
      const ids = drives.map(({ deviceId, providerDevice }) => `${deviceId} as ${providerDevice}`).join(', ');
      const found = drives.length === 0 ? `drives nothing here: ${problem ?? 'no device'}` : `drives ${ids}`;
      if (offers !== undefined) {
        const names = offers.map(({ epName }) => epName);
        return pass(`plugin:${provider}`, `plug-in ${provider}`, `${[...new Set(names)].join(', ')} ${found}`);
      }
      return pass(`provider:${provider}`, `provider ${provider}`, found);
    });
}

export function checkDrivers({ accelerators, notAvailable }: Machine): readonly DoctorCheck[] {
  const devices = accelerators.map((device): DoctorCheck => {
    const { id, name, driver, problems, generation } = device;
    const version = isKnown(driver.version) ? driver.version : `version not available (${driver.version.notAvailable})`;
    const kernel = isKnown(driver.name) ? driver.name : `no driver (${driver.name.notAvailable})`;
    const found = `${name}${generation === null ? '' : `, ${generation}`}, ${kernel} ${version}`;
    const [check, title] = [`driver:${id}`, `driver of ${id}`];
    return problems.length === 0 ? pass(check, title, found) : fail(check, title, found, problems.join(' '));
  });
  const none = pass('driver:none', 'GPU and NPU', 'this machine has none; the CPU serves');
  const missing = notAvailable.map((text, index) => warn(`detection:${index}`, 'detection', text, null));
  return [...(devices.length === 0 ? [none] : devices), ...missing];
}

const DEVICE_FILES = [
  { folder: 'dev/dri', file: /^renderD\d+$/u },
  { folder: 'dev/accel', file: /^accel\d+$/u },
] as const;

/** Linux alone has files that a user must be let at. `root` is '/' outside of tests. */
export function checkPermissions(platform: NodeJS.Platform = process.platform, root = '/'): readonly DoctorCheck[] {
  if (platform !== 'linux') return [];
  const files = DEVICE_FILES.flatMap(({ folder, file }) =>
    namesIn(path.join(root, folder))
      .filter((name) => file.test(name))
      .map((name) => path.join(root, folder, name)),
  );
  const [id, title] = ['permissions', 'permissions'];
  if (files.length === 0) return [pass(id, title, 'no /dev/dri/renderD* and no /dev/accel/accel* to be let at')];
  const closed = files.filter((file) => !canUse(file));
  if (closed.length === 0) return [pass(id, title, `${files.join(', ')} can be used`)];
  const remedy = `Let this user use them: sudo usermod -aG ${RENDER_GROUP} "$USER", then log in again.`;
  return [fail(id, title, `${closed.join(', ')} cannot be opened by this user`, remedy)];
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw error;
  }
}
