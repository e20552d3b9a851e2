/**
 * How the NPU runs a stateful decoder: which folders suit it, with which properties they are compiled, under which
 * limits they run, and what to report. On other hardware where NPUW_DEVICES says so, which is an emulation.
 */
import { OptionError } from '../../errors.js';
import { checkNumber, refuseUnknownKeys } from '../../options.js';
import { createEngine } from '../engine-core.js';
import type { EngineInfo } from '../engine.js';
import type { OvApi } from './c-api.js';
import type { CompiledFacts } from './compile.js';
import type { OpenvinoWarning } from './compiled-cache.js';
import { checkDecoderInputs } from './decoder-inputs.js';
import type { DevicePlan, PlanRequest } from './device-plan.js';
import { aipcDeviceName } from './devices.js';
import type { IrOutline } from './ir-outline.js';
import { requireNpu } from './npu-driver.js';
import { NpuwBackend } from './npuw-backend.js';
import { planNpuw, type NpuLengthOptions, type NpuwPlan } from './npuw-config.js';
import { isNpu, knownNpuProperties } from './npuw-properties.js';
import { checkSuitedToNpu } from './suitability.js';

export interface NpuOptions extends NpuLengthOptions {
  /** Runs weights outside what Intel supports on the NPU, and drivers older than known to work. Default false. */
  readonly allowUnsupported?: boolean;
}

const MAX_SLOTS = 64;

/**
 * NPUW compiles its parts with them, and loads kept parts without: a CPU that has bf16 then computes in it (OpenVINO
 * 2026.4, measured). An NPU's parts are kept as the driver's blobs.
 */
const PRECISION_PROPERTIES = ['INFERENCE_PRECISION_HINT', 'EXECUTION_MODE_HINT'];

/** Throws OPTION_*, MODEL_FEATURE_UNSUPPORTED, and for graphs that are no decoder TENSOR_MISSING, DTYPE_UNSUPPORTED. */
export function planNpu(request: PlanRequest, options: NpuOptions = {}): DevicePlan {
  const { where, sizes, ovConfig, config, outline } = request;
  refuseUnknownKeys(`${where}: npu`, options, ['maxPromptTokens', 'minResponseTokens', 'allowUnsupported']);
  const { allowUnsupported = false, ...lengths } = options;
  if (typeof (allowUnsupported as unknown) !== 'boolean') {
    throw new OptionError('OPTION_INVALID', `${where}: npu.allowUnsupported must be true or false.`, {
      details: { option: 'npu.allowUnsupported' },
    });
  }
  if (sizes.threads !== undefined) {
    throw new OptionError('OPTION_INVALID', `${where}: threads are for the device cpu; this is npu.`, {
      details: { option: 'threads', found: sizes.threads, device: 'NPU' },
    });
  }
  // More are allowed and not used: sequences take turns.
  if (sizes.maxSlots !== undefined) {
    checkNumber(where, 'maxSlots', sizes.maxSlots, { min: 1, max: MAX_SLOTS, integer: true });
  }
  checkDecoderInputs(outline);
  const notes = checkSuitedToNpu(outline.xmlFile, outline.weights, allowUnsupported);
  const plan = planNpuw({
    where,
    modelContextTokens: config.contextTokens,
    ropeBoundaries: config.ropeBoundaries,
    ...(sizes.contextTokens === undefined ? {} : { contextTokens: sizes.contextTokens }),
    ...(sizes.prefillChunkTokens === undefined ? {} : { prefillChunkTokens: sizes.prefillChunkTokens }),
    ...lengths,
    ovConfig,
  });
  return {
    properties: plan.properties,
    unlistedProperties: knownNpuProperties(),
    isEmulated: plan.isEmulated,
    lostInCache: plan.isEmulated ? PRECISION_PROPERTIES.find((name) => name in ovConfig) : undefined,
    cacheBytes: cacheBytes(plan, outline),
    warnings: notes.map((message): OpenvinoWarning => ({ code: 'WEIGHTS_UNSUPPORTED', message, details: { notes } })),
    requireDevice: async (api) => {
      if (plan.devices.some(isNpu)) await requireNpu(api, { allowUnsupported });
    },
    readFacts: (api) => readFacts(api, plan),
    createEngine: async ({ api, compiledModel, info }) => {
      const backend = new NpuwBackend({ api, compiledModel, plan, info });
      await backend.warmUp();
      return createEngine(backend);
    },
  };
}

/** Of the KV caches that NPUW allocates: of the generate model, of the prefill's past, and of the prefix cache. */
function cacheBytes(plan: NpuwPlan, { layers, kvHeads, headSize }: IrOutline): number {
  const F16_BYTES = 2;
  const generate = plan.maxPromptTokens + plan.minResponseTokens;
  const prefixes = plan.cachesPrefixes ? plan.maxPromptTokens : 0;
  return 2 * layers * kvHeads * headSize * F16_BYTES * (generate + plan.maxPromptTokens + prefixes);
}

const KV_DTYPES = ['f32', 'f16', 'bf16', 'i8', 'u8', 'u4'] as const satisfies readonly EngineInfo['kvDtype'][];

/** NPUW answers for most properties of the NPU's, whatever computes (EXECUTION_DEVICES is NPU always). */
async function readFacts(api: OvApi, plan: NpuwPlan): Promise<CompiledFacts> {
  const names = plan.devices.map((device) => device.toUpperCase());
  const deviceNames = await Promise.all(names.map((name) => api.async.deviceProperty(name, 'FULL_DEVICE_NAME')));
  const hardware = deviceNames.map((name) => name.trim()).join(', ');
  const kvPrecision = plan.properties['KV_CACHE_PRECISION']?.toLowerCase();
  return {
    devices: names.map(aipcDeviceName),
    deviceName: plan.isEmulated ? `${hardware} (emulating an NPU)` : hardware,
    activationDtype: 'f16', // NPUs compute in it; an emulation passes it between the parts of the model
    kvDtype: KV_DTYPES.find((dtype) => dtype === kvPrecision) ?? 'f16',
  };
}
