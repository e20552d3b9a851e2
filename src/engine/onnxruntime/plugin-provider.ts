/**
 * Execution providers that come as libraries of their own: registers one with ONNX Runtime, lists the devices that it
 * offers, chooses among them and appends one to a session's options. What is missing is an error that says what was found;
 * nothing else runs in its place. Where such libraries come from: docs/gpu.md. It creates no session.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { EngineError, NotFoundError, OptionError } from '../../errors.js';
import type { OrtApi, Pointer } from './c-api.js';
import { describeDevice } from './describe-device.js';
import { listEpDevices, type EpDevice, type NativeEpDevice } from './ep-devices.js';
import { PROVIDER_PROFILES, type ProviderProfile } from './providers.js';

export interface PluginQuery {
  /** The caller's own name for it; ONNX Runtime takes it for the registration. */
  readonly name: string;
  /** Path of the library. */
  readonly library: string;
  /** Which of the devices that it offers; undefined: the first. */
  readonly kind?: EpDevice['kind'] | undefined;
  /** Counts those of that kind from 0. */
  readonly index?: number | undefined;
}

/** A device of a plug-in that was chosen. */
export interface Plugin {
  readonly name: string;
  readonly device: NativeEpDevice;
  readonly profile: ProviderProfile;
}

interface Registration {
  readonly library: string;
  readonly devices: readonly NativeEpDevice[];
}

/** Registrations are the process's: for each library of ONNX Runtime, by name. */
const registrations = new WeakMap<OrtApi, Map<string, Promise<Registration>>>();

/**
 * Throws RUNTIME_LIBRARY_NOT_FOUND (no such file), RUNTIME_INCOMPATIBLE (no plug-in, or one that does not load),
 * DEVICE_NOT_FOUND (it offers no such device here), OPTION_INVALID (the name stands for another library already).
 */
export async function openPlugin(api: OrtApi, query: PluginQuery): Promise<Plugin> {
  const { name, library } = query;
  const devices = await pluginDevices(api, name, library);
  const device = findOffered(query, devices);
  if (device === undefined) throw offersNone(query, devices, listEpDevices(api));
  return { name, device, profile: profileOf(device) };
}

/** The device that is asked for among those that the plug-in offers, virtual ones left out. */
export function findOffered<Device extends EpDevice>(
  { kind, index = 0 }: PluginQuery,
  offered: readonly Device[],
): Device | undefined {
  return offered.filter((device) => canCompute(device) && (kind === undefined || device.kind === kind))[index];
}

/** The devices that a plug-in offers here; registers it first. Throws as openPlugin() does, but not for having none. */
export async function pluginDevices(api: OrtApi, name: string, library: string): Promise<readonly NativeEpDevice[]> {
  const file = path.resolve(library);
  let known = registrations.get(api);
  if (known === undefined) registrations.set(api, (known = new Map<string, Promise<Registration>>()));
  const earlier = known.get(name);
  if (earlier !== undefined) {
    const registration = await earlier;
    if (registration.library === file) return registration.devices;
    throw new OptionError(
      'OPTION_INVALID',
      `The name ${name} stands for ${registration.library} in this process already, not for ${file}. Choose another name.`,
      { details: { option: 'plugin', found: file, allowed: registration.library } },
    );
  }
  const registering = register(api, name, file);
  known.set(name, registering);
  registering.catch(() => known.delete(name));
  return (await registering).devices;
}

/** One at a time: what a library adds to the list of devices is what it offers. */
let turn: Promise<unknown> = Promise.resolve();

async function register(api: OrtApi, name: string, file: string): Promise<Registration> {
  if (!existsSync(file)) {
    throw new NotFoundError(
      'RUNTIME_LIBRARY_NOT_FOUND',
      `The library of the provider ${name} is not there: ${file}. docs/gpu.md says where such libraries come from.`,
      { details: { provider: name, file } },
    );
  }
  const mine = turn.then(async () => {
    const before = new Set(listEpDevices(api).map(({ pointer }) => pointer));
    try {
      await api.async.registerExecutionProviderLibrary(api.env, name, file);
    } catch (cause) {
      if (!(cause instanceof EngineError)) throw cause;
      throw new EngineError(
        'RUNTIME_INCOMPATIBLE',
        `${file} is no execution provider that ${api.file} can load as ${name}. ${cause.message}`,
        { cause, details: { provider: name, file } },
      );
    }
    unregisterAtExit(api, name);
    return { library: file, devices: listEpDevices(api).filter(({ pointer }) => !before.has(pointer)) };
  });
  turn = mine.catch(() => undefined);
  return mine;
}

/**
 * A plug-in that is still registered when the system takes the process down may crash it (WebGPU's does), and the exit code
 * with it.
 */
function unregisterAtExit(api: OrtApi, name: string): void {
  process.once('exit', () => api.UnregisterExecutionProviderLibrary(api.env, name));
}

/** Appends the device; the options are the provider's own. Throws DEVICE_NOT_FOUND where it does not start. */
export function appendPlugin(
  api: OrtApi,
  sessionOptions: Pointer,
  { name, device }: Plugin,
  options: Readonly<Record<string, string>>,
): void {
  const [keys, values] = [Object.keys(options), Object.values(options)];
  const devices = BigUint64Array.of(device.pointer);
  try {
    api.SessionOptionsAppendExecutionProvider_V2(sessionOptions, api.env, devices, 1, keys, values, keys.length);
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    throw new NotFoundError(
      'DEVICE_NOT_FOUND',
      `The provider ${name} (${describePluginDevice(device)}) does not start. ${cause.message}`,
      { cause, details: { provider: name } },
    );
  }
}

/** `GPU of OpenVINOExecutionProvider (Intel, ov_device GPU)`. */
export function describePluginDevice(device: EpDevice): string {
  const { kind, provider, providerVendor, providerMetadata, metadata } = device;
  const own = providerMetadata['ov_device'];
  const description = metadata['Description'];
  const details = [
    providerVendor,
    canCompute(device) ? '' : 'virtual, for compiling alone',
    own === undefined ? '' : `ov_device ${own}`,
    description ?? '',
  ];
  return `${kind.toUpperCase()} of ${provider} (${details.filter((detail) => detail !== '').join(', ')})`;
}

/** A virtual device stands for hardware that is not there: models can be compiled for it. */
export function canCompute({ metadata }: EpDevice): boolean {
  return metadata['is_virtual'] !== '1';
}

/** Whether what the device computes is computed by the CPU. */
export function isSoftwareDevice(device: EpDevice): boolean {
  return describeDevice(profileOf(device), undefined).emulated;
}

/** Where the KV cache goes and what the kernels can do follows from the provider; of others nothing is known. */
function profileOf({ kind, provider }: EpDevice): ProviderProfile {
  const known = Object.values(PROVIDER_PROFILES).find(
    ({ registeredName, name }) => registeredName === provider && name !== 'cpu',
  );
  if (known !== undefined) return known;
  return {
    ...PROVIDER_PROFILES.cpu, // plain memory, which every provider takes
    label: provider,
    device: kind === 'cpu' ? 'cpu' : 'gpu',
    maxBatch: 1,
    // What the provider does not take would run on the CPU without a word.
    sessionEntries: { 'session.disable_cpu_ep_fallback': '1' },
  };
}

/** `all`: of all providers that ONNX Runtime has, where they were asked. */
export function offersNone(
  { name, library, kind, index }: PluginQuery,
  offered: readonly EpDevice[],
  all?: readonly EpDevice[],
): NotFoundError {
  const wanted = kind === undefined ? 'device' : kind.toUpperCase();
  const list = (devices: readonly EpDevice[]): string => devices.map(describePluginDevice).join('; ') || 'none';
  return new NotFoundError(
    'DEVICE_NOT_FOUND',
    `The provider ${name} (${library}) offers no ${wanted}${(index ?? 0) === 0 ? '' : ` with index ${index ?? 0}`} on this machine. ` +
      `It offers: ${list(offered)}. ${all === undefined ? '' : `ONNX Runtime has in all: ${list(all)}. `}` +
      'Check that the device and its driver are there; a provider offers what it supports alone.',
    { details: { provider: name, offered: offered.map(describePluginDevice) } },
  );
}
