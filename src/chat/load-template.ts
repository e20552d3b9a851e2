/**
 * Finds a model folder's chat template and special tokens, as transformers does: `chat_template.jinja`, then
 * `chat_template` in `tokenizer_config.json`, then the older `chat_template.json`. It parses no template.
 */
import { join } from 'node:path';
import { ModelFormatError, NotFoundError } from '../errors.js';
import { hasErrorCode, readFolderFile } from '../file-system.js';
import { MAX_TEMPLATE_FILE_BYTES } from './limits.js';
import { createChatTemplate, type ChatTemplate, type ChatTemplateOptions } from './template.js';

const TEMPLATE_FILE = 'chat_template.jinja';
const CONFIG_FILE = 'tokenizer_config.json';
const OLD_TEMPLATE_FILE = 'chat_template.json';

/**
 * The chat template of a model folder, ready to render.
 * Throws what readChatTemplate and createChatTemplate throw.
 */
export async function loadChatTemplate(
  folder: string,
  options: Pick<ChatTemplateOptions, 'controlTokens'>,
): Promise<ChatTemplate> {
  return createChatTemplate({ ...(await readChatTemplate(folder)), controlTokens: options.controlTokens });
}

/**
 * The source of a model folder's chat template and the special tokens that tokenizer_config.json names.
 * Throws MODEL_FILE_MISSING where there is no template, FILE_MALFORMED and FILE_LIMIT_EXCEEDED for its files.
 */
export async function readChatTemplate(folder: string): Promise<Omit<ChatTemplateOptions, 'controlTokens'>> {
  const config = await readJsonObject(folder, CONFIG_FILE);
  const source =
    (await readText(folder, TEMPLATE_FILE)) ??
    templateIn(folder, CONFIG_FILE, config) ??
    templateIn(folder, OLD_TEMPLATE_FILE, await readJsonObject(folder, OLD_TEMPLATE_FILE));
  if (source === undefined) {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `The model in ${folder} has no chat template (${TEMPLATE_FILE}, or chat_template in ${CONFIG_FILE} or ` +
        `${OLD_TEMPLATE_FILE}): it may not be made for conversations. Give raw prompts instead ({ prompt } in the ` +
        'library, --raw on the command line), or add the template of the model it comes from.',
      { details: { folder, lookedFor: [TEMPLATE_FILE, CONFIG_FILE, OLD_TEMPLATE_FILE] } },
    );
  }
  const bosToken = tokenIn(folder, config, 'bos_token');
  const eosToken = tokenIn(folder, config, 'eos_token');
  const unkToken = tokenIn(folder, config, 'unk_token');
  const padToken = tokenIn(folder, config, 'pad_token');
  return {
    source,
    ...(bosToken === undefined ? {} : { bosToken }),
    ...(eosToken === undefined ? {} : { eosToken }),
    ...(unkToken === undefined ? {} : { unkToken }),
    ...(padToken === undefined ? {} : { padToken }),
  };
}

type JsonObject = Readonly<Record<string, unknown>>;

/** A template, or the one named `default` (else the only one) of a list of { name, template }. */
function templateIn(folder: string, file: string, content: JsonObject | undefined): string | undefined {
  const found = content?.['chat_template'] ?? undefined;
  if (found === undefined || typeof found === 'string') return found;
  const list: unknown[] = Array.isArray(found) ? found : [];
  const named = list.filter(
    (entry): entry is { name: string; template: string } =>
      isObject(entry) && typeof entry['name'] === 'string' && typeof entry['template'] === 'string',
  );
  const chosen = named.find(({ name }) => name === 'default') ?? (named.length === 1 ? named[0] : undefined);
  if (chosen === undefined) {
    throw malformed(
      folder,
      file,
      "chat_template must be a string, or a list of { name, template } of which one has the name 'default'",
    );
  }
  return chosen.template;
}

/** A special token is a string or, with the flags of an added token, { content }. */
function tokenIn(folder: string, config: JsonObject | undefined, key: string): string | undefined {
  const found = config?.[key] ?? undefined;
  const content = isObject(found) ? found['content'] : found;
  if (content !== undefined && typeof content !== 'string') {
    throw malformed(folder, CONFIG_FILE, `${key} must be a string or { content: string }`);
  }
  return content;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function readJsonObject(folder: string, file: string): Promise<JsonObject | undefined> {
  const text = await readText(folder, file);
  if (text === undefined) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw malformed(folder, file, 'it is not JSON', cause);
  }
  if (!isObject(content)) throw malformed(folder, file, 'it must hold an object');
  return content;
}

/** undefined: there is no such file. */
async function readText(folder: string, file: string): Promise<string | undefined> {
  try {
    const bytes = await readFolderFile(join(folder, file), {
      maxBytes: MAX_TEMPLATE_FILE_BYTES,
      remedy: "Download the model's tokenizer files again.",
    });
    return bytes.toString('utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    if (hasErrorCode(error.cause, 'ENOENT')) return undefined;
    // There is one, and without it the model would be taken for one without a template.
    throw malformed(folder, file, error.message, error);
  }
}

function malformed(folder: string, file: string, problem: string, cause?: unknown): ModelFormatError {
  const path = join(folder, file);
  return new ModelFormatError('FILE_MALFORMED', `${path}: ${problem}. Download the model's tokenizer files again.`, {
    cause,
    details: { file: path },
  });
}
