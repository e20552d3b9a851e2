/**
 * What to call the device that a provider computes on, in reports. The C API does not tell: the CPU's model is the
 * system's, a CUDA card's name the driver's; of other GPUs only the provider is known here.
 */
import { cpus } from 'node:os';
import koffi from 'koffi';
import type { EngineInfo } from '../engine.js';
import type { ProviderProfile } from './providers.js';

/** Software Vulkan devices, by the names of their manifests. */
const SOFTWARE_VULKAN = /swiftshader|lvp_icd/i;

/** `index`: the provider's own. */
export function describeDevice(
  { name, label }: ProviderProfile,
  index: number | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): Pick<EngineInfo, 'deviceName' | 'emulated'> {
  const cpu = cpus()[0]?.model.trim() ?? 'unknown CPU';
  if (name === 'cpu') return { deviceName: cpu, emulated: false };
  const manifests = `${environment['VK_ICD_FILENAMES'] ?? ''} ${environment['VK_DRIVER_FILES'] ?? ''}`;
  if (name === 'webgpu' && process.platform === 'linux' && SOFTWARE_VULKAN.test(manifests)) {
    return { deviceName: `software Vulkan on ${cpu}`, emulated: true };
  }
  const found = name === 'cuda' ? cudaDeviceName(index ?? 0) : undefined;
  const fallback = `${label} device ${index === undefined ? 'of its own choice' : index}`;
  return { deviceName: found ?? fallback, emulated: false };
}

const NAME_BYTES = 256;

/** By the driver's own library (cuda.h); undefined where it does not answer: a name decides nothing. */
function cudaDeviceName(index: number): string | undefined {
  try {
    const driver = koffi.load(process.platform === 'win32' ? 'nvcuda.dll' : 'libcuda.so.1');
    const handle: [number] = [0];
    const name = Buffer.alloc(NAME_BYTES);
    const calls = [
      () => driver.func('int cuInit(unsigned int)')(0) as number,
      () => driver.func('int cuDeviceGet(_Out_ int *, int)')(handle, index) as number,
      () => driver.func('int cuDeviceGetName(void *, int, int)')(name, NAME_BYTES, handle[0]) as number,
    ];
    if (calls.some((call) => call() !== 0)) return undefined;
    return name.toString('utf8', 0, name.indexOf(0));
  } catch {
    return undefined;
  }
}
