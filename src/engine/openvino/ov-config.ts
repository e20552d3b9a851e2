/**
 * The properties that a model is compiled with: aipc's defaults, then what the caller asks for. Names are checked
 * against what the device says that it supports; values are the runtime's to judge.
 */
import { availableParallelism, cpus } from 'node:os';
import { OptionError } from '../../errors.js';
import type { Properties } from './c-api.js';

export type OvConfig = Readonly<Record<string, string>>;

/** Properties that ov::Core takes for every device, beside the device's own (openvino/runtime/properties.hpp). */
const CORE_PROPERTIES = ['CACHE_DIR', 'CACHE_MODE', 'ENABLE_MMAP', 'WEIGHTS_PATH'];

/**
 * What devices list as supported but only tell. The C API does not say which can be set
 * (openvino/runtime/properties.hpp, intel_gpu/properties.hpp, intel_npu/properties.hpp: PropertyMutability::RO).
 */
const READ_ONLY =
  /^(SUPPORTED_PROPERTIES|AVAILABLE_DEVICES|EXECUTION_DEVICES|FULL_DEVICE_NAME|NETWORK_NAME|OPTIMIZATION_CAPABILITIES|COMPATIBILITY_CHECK|RUNTIME_REQUIREMENTS|MAX_BATCH_SIZE|OPTIMAL_\w+|RANGE_FOR_\w+|DEVICE_(TYPE|ARCHITECTURE|GOPS|LUID|UUID|THERMAL|PCI_INFO)|GPU_(DEVICE_TOTAL_MEM_SIZE|DEVICE_MAX_ALLOC_MEM_SIZE|UARCH_VERSION|EXECUTION_UNITS_COUNT|MEMORY_STATISTICS)|NPU_(DRIVER_VERSION|COMPILER_VERSION|DEVICE_ALLOC_MEM_SIZE|DEVICE_TOTAL_MEM_SIZE))$/;

/** Not text (callbacks, pointers), or decided by the option `device`. */
const NOT_SETTABLE = ['CACHE_ENCRYPTION_CALLBACKS', 'MODEL_PTR', 'DEVICE_ID'];

export interface PropertyRequest {
  readonly where: string;
  /** OpenVINO's name of the device. */
  readonly device: string;
  readonly ovConfig: OvConfig;
  readonly threads: number | undefined;
  /** The device's SUPPORTED_PROPERTIES. */
  readonly supported: readonly string[];
  /** Names that the device takes though it does not list them. */
  readonly unlisted?: (name: string) => boolean;
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID. */
export function resolveProperties(request: PropertyRequest): Properties {
  const { where, device, ovConfig, threads } = request;
  const settable = settableProperties(request.supported);
  for (const [name, value] of Object.entries<unknown>({ ...ovConfig })) {
    if (typeof value !== 'string') {
      throw new OptionError('OPTION_INVALID', `${where}: ovConfig.${name} must be a string.`, {
        details: { option: `ovConfig.${name}` },
      });
    }
    if (settable.includes(name) || request.unlisted?.(name) === true) continue;
    throw new OptionError(
      'OPTION_UNKNOWN',
      `${where}: ovConfig has '${name}', which OpenVINO does not let one set for ${device}. ` +
        `It supports: ${settable.join(', ')}.`,
      { details: { option: `ovConfig.${name}`, device, known: settable } },
    );
  }
  return { PERFORMANCE_HINT: 'LATENCY', ...threadProperties(request), ...ovConfig };

  function threadProperties({ where: place }: PropertyRequest): Properties {
    if (device !== 'CPU') {
      if (threads === undefined) return {};
      throw new OptionError('OPTION_INVALID', `${place}: threads are for the device cpu; this is ${device}.`, {
        details: { option: 'threads', device },
      });
    }
    const asked = ovConfig['INFERENCE_NUM_THREADS'];
    if (threads === undefined) return defaultThreads();
    if (asked !== undefined && asked !== String(threads)) {
      throw new OptionError(
        'OPTION_INVALID',
        `${place}: threads is ${threads} and ovConfig.INFERENCE_NUM_THREADS is '${asked}'. Give one of them.`,
        { details: { option: 'threads', found: threads, other: asked } },
      );
    }
    return { INFERENCE_NUM_THREADS: String(threads) };
  }
}

function settableProperties(supported: readonly string[]): string[] {
  const names = [...supported, ...CORE_PROPERTIES].filter(
    (name) => !READ_ONLY.test(name) && !NOT_SETTABLE.includes(name),
  );
  return [...new Set(names)].sort();
}

/** OpenVINO starts a thread for each physical core, but does not see what a container leaves of them. */
function defaultThreads(): Properties {
  const threads = availableParallelism();
  return threads < cpus().length ? { INFERENCE_NUM_THREADS: String(threads) } : {};
}

/** The property of `ovConfig` that a runtime's message blames, if it blames one. */
export function blamedProperty(message: string, ovConfig: OvConfig): string | undefined {
  return Object.keys(ovConfig).find((name) => message.includes(name));
}
