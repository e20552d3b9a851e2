/** Reads a model folder's tokenizer.json and tokenizer_config.json. What they mean is create-tokenizer.ts's concern. */
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ModelFormatError, NotFoundError } from '../errors.js';
import { hasErrorCode, readFolderFile } from '../file-system.js';
import { tokenizerSteps } from './create-tokenizer.js';
import {
  MAX_TOKENIZER_FILE_BYTES,
  MAX_TOKENIZER_FILE_CONTAINERS,
  MAX_TOKENIZER_FILE_DEPTH,
  MAX_TOKENIZER_FILE_VALUES,
} from './limits.js';
import { type Tokenizer } from './tokenizer.js';

/** The parsed file; undefined if there is none. */
async function readJson(file: string): Promise<unknown> {
  const text = await readText(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ModelFormatError('TOKENIZER_MALFORMED', `${file}: not JSON. Get the file again from its source.`, {
      cause: error,
      details: { file },
    });
  }
}

async function readText(file: string): Promise<string | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFolderFile(file, { maxBytes: MAX_TOKENIZER_FILE_BYTES, remedy: 'Get it again from its source.' });
  } catch (error) {
    if (error instanceof NotFoundError && hasErrorCode(error.cause, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
  const { values, containers, depth } = measureJson(bytes);
  checkLimit(file, 'values', values, MAX_TOKENIZER_FILE_VALUES);
  checkLimit(file, 'objects and arrays', containers, MAX_TOKENIZER_FILE_CONTAINERS);
  checkLimit(file, 'levels', depth, MAX_TOKENIZER_FILE_DEPTH);
  return bytes.toString('utf8');
}

function checkLimit(file: string, what: string, found: number, allowed: number): void {
  if (found <= allowed) return;
  throw new ModelFormatError(
    'FILE_LIMIT_EXCEEDED',
    `${file}: ${found} ${what}, more than the limit of ${allowed}. Is it the right file?`,
    { details: { file, what, found, allowed } },
  );
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/** What a JSON text would become, told by the characters outside of its strings. About 2 ms a megabyte. */
function measureJson(bytes: Uint8Array): { values: number; containers: number; depth: number } {
  let values = 0;
  let containers = 0;
  let depth = 0;
  let level = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) isInString = !isInString;
    else if (isInString) at += byte === BACKSLASH ? 1 : 0;
    else if (byte === COMMA) values += 1;
    else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      containers += 1;
      level += 1;
      if (level > depth) depth = level;
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) level -= 1;
  }
  return { values, containers, depth };
}

/**
 * Loads the tokenizer of a model folder.
 *
 * Throws MODEL_FILE_MISSING without a tokenizer.json that can be read, FILE_LIMIT_EXCEEDED, and what createTokenizer throws.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const file = path.join(folder, 'tokenizer.json');
  const tokenizerJson = await readJson(file);
  if (tokenizerJson === undefined) {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${file} does not exist. A model folder needs it; it comes with the model's weights.`,
      { details: { file } },
    );
  }
  const tokenizerConfig = await readJson(path.join(folder, 'tokenizer_config.json'));
  const steps = tokenizerSteps({ tokenizerJson, tokenizerConfig, location: folder });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await setImmediate();
  }
}
