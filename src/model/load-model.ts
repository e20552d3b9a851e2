/**
 * loadModel(): from a name or path to a Model that answers. It puts the parts together and decides nothing that
 * the caller could have decided: what it chose is in Model.execution and Model.identity.
 */
import { loadChatTemplate } from '../chat/load-template.js';
import type { ChatTemplate } from '../chat/template.js';
import { NotFoundError } from '../errors.js';
import { Scheduler } from '../generation/scheduler.js';
import { resolveModel } from '../models/resolve.js';
import { checkChoice, refuseUnknownKeys } from '../options.js';
import { loadTokenizer } from '../tokenizer/load-tokenizer.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { LOAD_MODEL_KEYS, type LoadModelOptions } from './load-options.js';
import { Model } from './model.js';
import { onnxRuntimeModels } from './onnxruntime-model.js';
import { openvinoModels } from './openvino-model.js';
import { chooseTarget } from './target.js';

/**
 * @param reference a catalogue name (`demo`, `smollm2-135m`), a folder of Hugging Face weights, an ONNX model folder
 *   (with genai_config.json), an OpenVINO one (with openvino_model.xml) or a .gguf file. Weights are converted once and kept in aipc's cache.
 * @throws OPTION_*, MODEL_NOT_FOUND, MODEL_FILE_MISSING, ARCHITECTURE_UNSUPPORTED, FILE_*, MEMORY_INSUFFICIENT,
 *   DISK_INSUFFICIENT, DEVICE_NOT_FOUND, RUNTIME_*, or the signal's reason
 */
export async function loadModel(reference: string, options: LoadModelOptions = {}): Promise<Model> {
  const startedMs = performance.now();
  refuseUnknownKeys('loadModel', options, LOAD_MODEL_KEYS);
  const device = options.device ?? 'auto';
  const download = checkChoice('loadModel', 'download', options.download ?? 'if-missing', ['never', 'if-missing']);
  const { onProgress, signal } = options;

  const resolved = await resolveModel(reference, { download, onProgress, signal });
  const target = chooseTarget({
    device,
    provider: options.provider ?? 'auto',
    kind: resolved.kind,
    location: resolved.path,
  });
  const folder =
    target.runtime === 'openvino'
      ? await openvinoModels.prepare(resolved, target, options)
      : await onnxRuntimeModels.prepare(resolved, target, options);
  onProgress?.({ phase: 'load', label: resolved.id, doneBytes: null, totalBytes: null });
  const tokenizer = await loadTokenizer(folder);
  const chatTemplate = await findChatTemplate(folder, tokenizer);
  chatTemplate?.warmUp();
  try {
    const { engine, bosTokenId, endTokenIds, weightFormat } =
      target.runtime === 'openvino'
        ? await openvinoModels.open(folder, target, options)
        : await onnxRuntimeModels.open(folder, target, options);
    return new Model({
      identity: { id: resolved.id, revision: resolved.revision, weightFormat },
      notice: resolved.notice,
      requestedDevice: device.toLowerCase(),
      engine,
      scheduler: new Scheduler(engine),
      tokenizer,
      chatTemplate,
      bosTokenId,
      endTokenIds: new Set(endTokenIds),
      loadMs: performance.now() - startedMs,
    });
  } catch (error) {
    await chatTemplate?.dispose();
    throw error;
  }
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
