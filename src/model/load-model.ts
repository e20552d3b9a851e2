/**
 * loadModel(): from a name or path to a Model that answers. It puts the parts together and decides nothing that
 * the caller could have decided: what it chose is in Model.execution and Model.identity.
 */
import { loadChatTemplate } from '../chat/load-template.js';
import type { ChatTemplate } from '../chat/template.js';
import type { WeightFormat } from '../convert/recipe.js';
import { readGenaiConfig } from '../engine/onnxruntime/genai-config.js';
import { createOnnxRuntimeEngine, onnxRuntimeVersion } from '../engine/onnxruntime/onnxruntime-engine.js';
import { NotFoundError, OptionError } from '../errors.js';
import { Scheduler } from '../generation/scheduler.js';
import { ensureConverted } from '../models/conversion-cache.js';
import { resolveModel, type ResolvedModel } from '../models/resolve.js';
import type { OnLoadProgress } from '../models/progress.js';
import { checkChoice, refuseUnknownKeys } from '../options.js';
import { loadTokenizer } from '../tokenizer/load-tokenizer.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { Model } from './model.js';
import { readWeightFormat } from './provenance.js';

export interface LoadModelOptions {
  /** The hardware: auto, cpu. Default auto. */
  readonly device?: string;
  /** The software way to it: auto, cpu (ONNX Runtime's CPU provider). Default auto. */
  readonly provider?: string;
  /** Where aipc converts: int4, int8, fp16, fp32. Default: the catalogue's choice, else int4. */
  readonly weightFormat?: WeightFormat;
  /** Most tokens that prompt and answer can have together; default: what the model was made for. */
  readonly contextTokens?: number;
  /** CPU threads of one native run; default: the engine's. */
  readonly threads?: number;
  /** Conversations that can hold a KV cache, and answer, at the same time. Default 4; memory is taken as they grow. */
  readonly maxSlots?: number;
  /** ONNX Runtime session configuration entries. */
  readonly sessionOptions?: Readonly<Record<string, string>>;
  /** Default if-missing. */
  readonly download?: 'never' | 'if-missing';
  readonly onProgress?: OnLoadProgress;
  /** Stops downloading, converting or loading; nothing half-written stays. */
  readonly signal?: AbortSignal;
}

const KEYS = [
  'device',
  'provider',
  'weightFormat',
  'contextTokens',
  'threads',
  'maxSlots',
  'sessionOptions',
  'download',
  'onProgress',
  'signal',
];

/**
 * @param reference a catalogue name (`demo`, `smollm2-135m`), a folder of Hugging Face weights, an ONNX model folder
 *   (with genai_config.json) or a .gguf file. Weights are converted once and kept in aipc's cache.
 * @throws OPTION_*, MODEL_NOT_FOUND, MODEL_FILE_MISSING, ARCHITECTURE_UNSUPPORTED, FILE_*, MEMORY_INSUFFICIENT,
 *   DISK_INSUFFICIENT, DEVICE_NOT_FOUND, RUNTIME_*, or the signal's reason
 */
export async function loadModel(reference: string, options: LoadModelOptions = {}): Promise<Model> {
  const startedMs = performance.now();
  refuseUnknownKeys('loadModel', options, KEYS);
  const requestedDevice = checkDevice(options.device ?? 'auto', options.provider ?? 'auto');
  const download = checkChoice('loadModel', 'download', options.download ?? 'if-missing', ['never', 'if-missing']);
  const { onProgress, signal } = options;

  const resolved = await resolveModel(reference, { download, onProgress, signal });
  const folder = await onnxFolderOf(resolved, options);
  onProgress?.({ phase: 'load', label: resolved.id, doneBytes: null, totalBytes: null });
  const tokenizer = await loadTokenizer(folder);
  const chatTemplate = await findChatTemplate(folder, tokenizer);
  chatTemplate?.warmUp();
  try {
    const config = await readGenaiConfig(folder);
    const weightFormat = await readWeightFormat(folder);
    const engine = await createOnnxRuntimeEngine(folder, {
      ...(options.maxSlots === undefined ? {} : { maxSlots: options.maxSlots }),
      ...(options.contextTokens === undefined ? {} : { contextTokens: options.contextTokens }),
      ...(options.threads === undefined ? {} : { threads: options.threads }),
      ...(options.sessionOptions === undefined ? {} : { sessionOptions: options.sessionOptions }),
      ...(signal === undefined ? {} : { signal }),
    });
    return new Model({
      identity: { id: resolved.id, revision: resolved.revision, weightFormat },
      notice: resolved.notice,
      requestedDevice,
      engine,
      scheduler: new Scheduler(engine),
      tokenizer,
      chatTemplate,
      bosTokenId: config.bosTokenId,
      endTokenIds: new Set(config.endTokenIds),
      loadMs: performance.now() - startedMs,
    });
  } catch (error) {
    await chatTemplate?.dispose();
    throw error;
  }
}

/** This version drives the CPU alone; whatever else is asked for is refused, never replaced. */
function checkDevice(device: string, provider: string): string {
  const requested = device.toLowerCase();
  const ok = ['auto', 'cpu'].includes(requested) && ['auto', 'cpu'].includes(provider.toLowerCase());
  if (ok) return requested;
  throw new NotFoundError(
    'DEVICE_NOT_FOUND',
    `device '${device}' with provider '${provider}' is not available: this version of aipc runs on the CPU ` +
      "(device 'auto' or 'cpu', provider 'auto' or 'cpu').",
    { details: { device, provider } },
  );
}

async function onnxFolderOf(model: ResolvedModel, options: LoadModelOptions): Promise<string> {
  const { onProgress, signal } = options;
  if (model.kind === 'weights') {
    return ensureConverted(model, {
      weights: { weightFormat: options.weightFormat ?? model.defaultWeightFormat },
      runtimeVersion: await onnxRuntimeVersion(),
      onProgress,
      signal,
    });
  }
  if (options.weightFormat !== undefined) {
    throw new OptionError(
      'OPTION_INVALID',
      `loadModel: weightFormat applies where aipc converts weights; ${model.path} is an ONNX folder already. Leave it out.`,
      { details: { option: 'weightFormat' } },
    );
  }
  return model.path;
}

/** Null where the folder has none: such a model takes raw prompts alone, and says so when asked to chat. */
async function findChatTemplate(folder: string, tokenizer: Tokenizer): Promise<ChatTemplate | null> {
  try {
    return await loadChatTemplate(folder, { controlTokens: tokenizer.addedTokens.keys() });
  } catch (error) {
    if (error instanceof NotFoundError && error.code === 'MODEL_FILE_MISSING') return null;
    throw error;
  }
}
