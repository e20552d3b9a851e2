/**
 * The caller's OpenVINO properties (`ovConfig`): names are checked against what the device says that it supports;
 * values are the runtime's to judge.
 */
import { OptionError } from '../../errors.js';

/** OpenVINO properties by name, each value as text. */
export type OvConfig = Readonly<Record<string, string>>;

/** Properties that ov::Core takes for every device, beside the device's own (openvino/runtime/properties.hpp). */
const CORE_PROPERTIES = ['CACHE_DIR', 'CACHE_MODE', 'ENABLE_MMAP', 'WEIGHTS_PATH'];

/**
 * What devices list as supported but only tell. The C API does not say which can be set
 * (PropertyMutability::RO in openvino/runtime/properties.hpp, intel_gpu/properties.hpp, intel_npu/properties.hpp).
 */
const READ_ONLY = [
  /^(SUPPORTED_PROPERTIES|AVAILABLE_DEVICES|EXECUTION_DEVICES|FULL_DEVICE_NAME|NETWORK_NAME|LOADED_FROM_CACHE)$/,
  /^(OPTIMIZATION_CAPABILITIES|COMPATIBILITY_CHECK|RUNTIME_REQUIREMENTS|MAX_BATCH_SIZE|OPTIMAL_\w+|RANGE_FOR_\w+)$/,
  /^DEVICE_(TYPE|ARCHITECTURE|GOPS|LUID|UUID|THERMAL|PCI_INFO)$/,
  /^GPU_(DEVICE_\w+|UARCH_VERSION|DRIVER_VERSION|EXECUTION_UNITS_COUNT|CACHELINE_SIZE|MEMORY_STATISTICS)$/,
  /^NPU_(DRIVER_VERSION|COMPILER_VERSION|DEVICE_ALLOC_MEM_SIZE|DEVICE_TOTAL_MEM_SIZE|MAX_TILES)$/,
];

/** Not text (callbacks, pointers), or decided by the option `device`. */
const NOT_SETTABLE = ['CACHE_ENCRYPTION_CALLBACKS', 'MODEL_PTR', 'DEVICE_ID'];

/** Throws OPTION_INVALID unless every value is text. */
export function checkOvConfig(where: string, ovConfig: unknown): OvConfig {
  for (const [name, value] of Object.entries({ ...(ovConfig as object | undefined) })) {
    if (typeof value === 'string') continue;
    throw new OptionError('OPTION_INVALID', `${where}: ovConfig.${name} must be a string.`, {
      details: { option: `ovConfig.${name}` },
    });
  }
  return (ovConfig ?? {}) as OvConfig;
}

export interface SupportedProperties {
  /** OpenVINO's name. */
  readonly device: string;
  /** The device's SUPPORTED_PROPERTIES. */
  readonly listed: readonly string[];
  /** What the device takes though it does not list it. */
  readonly unlisted: readonly string[];
}

/** Throws OPTION_UNKNOWN for a property that cannot be set on the device, with the list of those that can. */
export function refuseUnknownProperties(where: string, ovConfig: OvConfig, supported: SupportedProperties): void {
  const { device, listed, unlisted } = supported;
  const isSettable = (name: string): boolean =>
    !READ_ONLY.some((pattern) => pattern.test(name)) && !NOT_SETTABLE.includes(name);
  const known = [...new Set([...listed, ...CORE_PROPERTIES].filter(isSettable).concat(unlisted))].sort();
  for (const name of Object.keys(ovConfig)) {
    if (known.includes(name)) continue;
    throw new OptionError(
      'OPTION_UNKNOWN',
      `${where}: ovConfig has '${name}', which OpenVINO does not let one set for ${device}. ` +
        `It supports: ${known.join(', ')}.`,
      { details: { option: `ovConfig.${name}`, device, known } },
    );
  }
}

/** The property of `ovConfig` that a runtime's message blames, if it blames one. */
export function blamedProperty(message: string, ovConfig: OvConfig): string | undefined {
  return Object.keys(ovConfig).find((name) => message.includes(name));
}
