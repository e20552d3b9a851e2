/** Reads a model folder's tokenizer.json and tokenizer_config.json. What they mean is create-tokenizer.ts's concern. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ModelFormatError, NotFoundError } from '../errors.js';
import { tokenizerSteps } from './create-tokenizer.js';
import { MAX_TOKENIZER_FILE_BYTES } from './limits.js';
import { type Tokenizer } from './tokenizer.js';

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

/** The parsed file; undefined if there is none. */
async function readJson(file: string): Promise<unknown> {
  let sizeBytes: number;
  try {
    sizeBytes = (await stat(file)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  if (sizeBytes > MAX_TOKENIZER_FILE_BYTES) {
    throw new ModelFormatError(
      'FILE_LIMIT_EXCEEDED',
      `${file}: ${sizeBytes} bytes, more than the limit of ${MAX_TOKENIZER_FILE_BYTES}. Is it the right file?`,
      { details: { file, sizeBytes, maxBytes: MAX_TOKENIZER_FILE_BYTES } },
    );
  }
  const text = await readFile(file, 'utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ModelFormatError('TOKENIZER_MALFORMED', `${file}: not JSON. Get the file again from its source.`, {
      cause: error,
      details: { file },
    });
  }
}

/**
 * Loads the tokenizer of a model folder.
 *
 * Throws MODEL_FILE_MISSING without a tokenizer.json, FILE_LIMIT_EXCEEDED, and what createTokenizer throws.
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
