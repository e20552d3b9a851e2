/**
 * Appends an execution provider to a session's options, or says why it cannot be: which one, what was found, what to
 * install. ONNX Runtime would otherwise run on the CPU without a word. It creates no session.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import koffi from 'koffi';
import { EngineError, NotFoundError } from '../../errors.js';
import { loadOrtApi, takePointer, type OrtApi, type Pointer } from './c-api.js';
import type { ProviderProfile } from './providers.js';

/** What the caller may say of the device. */
export interface ProviderDevice {
  /** The runtime's own index; undefined: the provider's best one. */
  readonly index: number | undefined;
  /** The provider's own options; they win over aipc's. */
  readonly options: Readonly<Record<string, string>>;
}

/** Names as ONNX Runtime registers them, best first. */
export function availableProviders(api: OrtApi): readonly string[] {
  const count: [number] = [0];
  const names = takePointer((out) => api.GetAvailableProviders(out, count));
  try {
    return Array.from({ length: count[0] }, (_, i) => koffi.decode.string(namedAt(names, i)));
  } finally {
    api.ReleaseAvailableProviders(names, count[0]);
  }
}

function namedAt(names: Pointer, index: number): Pointer {
  return koffi.decode(names, index * koffi.sizeof('void *'), 'void *') as Pointer;
}

/** Throws DEVICE_NOT_FOUND or RUNTIME_LIBRARY_NOT_FOUND, with what was found and what to install. */
export function appendProvider(
  api: OrtApi,
  sessionOptions: Pointer,
  profile: ProviderProfile,
  device: ProviderDevice,
): void {
  if (profile.name === 'cpu') return;
  const found = availableProviders(api);
  if (!found.includes(profile.registeredName)) {
    throw new NotFoundError(
      'DEVICE_NOT_FOUND',
      `The provider ${profile.name} (${profile.label}) is not in ${api.file} (ONNX Runtime ${api.version}, ` +
        `${process.platform} ${process.arch}), which has ${found.join(', ')}. ${profile.remedy}`,
      { details: { provider: profile.name, found, file: api.file } },
    );
  }
  for (const [key, value] of Object.entries(profile.sessionEntries)) {
    api.AddSessionConfigEntry(sessionOptions, key, value);
  }
  const options = { ...profile.deviceOptions(device.index), ...device.options };
  const [keys, values] = [Object.keys(options), Object.values(options)];
  try {
    if (profile.name === 'cuda') appendCuda(api, sessionOptions, keys, values);
    else
      api.SessionOptionsAppendExecutionProvider(sessionOptions, REGISTRY_NAME[profile.name], keys, values, keys.length);
  } catch (cause) {
    throw doesNotStart(api, profile, cause);
  }
}

/** Whether the provider starts on that device, before a model is at hand. Throws as appendProvider() does. */
export async function checkProvider(profile: ProviderProfile, device: ProviderDevice): Promise<void> {
  const api = await loadOrtApi();
  const sessionOptions = takePointer((out) => api.CreateSessionOptions(out));
  try {
    appendProvider(api, sessionOptions, profile, device);
  } finally {
    api.ReleaseSessionOptions(sessionOptions);
  }
}

/** Names that SessionOptionsAppendExecutionProvider takes. */
const REGISTRY_NAME = { dml: 'DML', webgpu: 'WebGPU' } as const;

/** CUDA has a function of its own. */
function appendCuda(api: OrtApi, sessionOptions: Pointer, keys: readonly string[], values: readonly string[]): void {
  const cudaOptions = takePointer((out) => api.CreateCUDAProviderOptions(out));
  try {
    api.UpdateCUDAProviderOptions(cudaOptions, keys, values, keys.length);
    api.SessionOptionsAppendExecutionProvider_CUDA_V2(sessionOptions, cudaOptions);
  } finally {
    api.ReleaseCUDAProviderOptions(cudaOptions);
  }
}

function doesNotStart(api: OrtApi, profile: ProviderProfile, cause: unknown): Error {
  if (!(cause instanceof EngineError)) return cause instanceof Error ? cause : new Error(String(cause));
  const missing = profile.name === 'cuda' ? missingCudaLibrary(path.dirname(api.file)) : undefined;
  if (missing !== undefined) {
    return new NotFoundError(
      'RUNTIME_LIBRARY_NOT_FOUND',
      `The provider ${profile.name} (${profile.label}) does not start: ${missing}. ${profile.remedy}`,
      { cause, details: { provider: profile.name, missing, file: api.file } },
    );
  }
  return new NotFoundError(
    'DEVICE_NOT_FOUND',
    `The provider ${profile.name} (${profile.label}) does not start. ${firstLine(cause.message)} ${profile.remedy}`,
    { cause, details: { provider: profile.name, file: api.file } },
  );
}

function firstLine(message: string): string {
  const line = message.split('\n')[0]?.trim() ?? '';
  return line.endsWith('.') ? line : `${line}.`;
}

/**
 * Which library the CUDA provider lacks: ONNX Runtime writes it to its log alone. The provider's own libraries lie
 * beside onnxruntime's; what they need is for the system to find.
 */
export function missingCudaLibrary(folder: string, platform: NodeJS.Platform = process.platform): string | undefined {
  const [prefix, suffix] = platform === 'win32' ? ['', '.dll'] : ['lib', '.so'];
  for (const part of ['shared', 'cuda']) {
    const file = path.join(folder, `${prefix}onnxruntime_providers_${part}${suffix}`);
    if (!existsSync(file)) return `${path.basename(file)} is missing in ${folder}`;
    try {
      koffi.load(file, { global: true });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const library = /(lib[\w.+-]+): cannot open shared object file/u.exec(message)?.[1];
      return library === undefined
        ? `${file} cannot be loaded: ${message}`
        : `${file} needs ${library}, which was not found`;
    }
  }
  return undefined;
}
