/** Where `aipc run` finds its model and its prompt: arguments, $AIPC_MODEL, a file, standard input. */
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { catalogue } from '../models/catalogue.js';
import { isModelReference } from '../models/reference.js';
import { CliUsageError } from './exit.js';

/** More than any model's context; a larger prompt is a mistake or an attack. */
const PROMPT_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * With $AIPC_MODEL set, a single argument is the prompt unless it names a model or an existing path.
 * Without a model: an error that lists what there is.
 */
export function splitModelAndPrompt(
  modelArgument: string | undefined,
  promptArgument: string | undefined,
): { reference: string; prompt: string | undefined } {
  const fallback = process.env['AIPC_MODEL'];
  if (fallback !== undefined && fallback !== '' && promptArgument === undefined) {
    const isModel = modelArgument !== undefined && (isModelReference(modelArgument) || existsSync(modelArgument));
    if (!isModel) return { reference: fallback, prompt: modelArgument };
  }
  if (modelArgument === undefined) {
    const lines = catalogue.map((entry) => `  ${entry.name.padEnd(17)} ${entry.description} (${entry.license})`);
    throw new CliUsageError(
      `which model? Name one, or set AIPC_MODEL:\n${lines.join('\n')}\n  or a Hugging Face id (OWNER/NAME), a folder of weights, an ONNX or OpenVINO folder, a .gguf file`,
    );
  }
  return { reference: modelArgument, prompt: promptArgument };
}

/** The prompt's text; null on a terminal without one: a conversation. */
export async function readPrompt(argument: string | undefined, file: string | undefined): Promise<string | null> {
  if (argument !== undefined && file !== undefined) {
    throw new CliUsageError('a prompt and --prompt-file exclude each other.');
  }
  if (argument !== undefined) return checkedPrompt(argument, 'the prompt');
  if (file !== undefined) {
    if ((await stat(file)).size > PROMPT_LIMIT_BYTES) throw tooLarge(file);
    return checkedPrompt(decodeUtf8(await readFile(file), file), file);
  }
  if (process.stdin.isTTY) return null;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const buffer = chunk as Buffer;
    bytes += buffer.length;
    if (bytes > PROMPT_LIMIT_BYTES) throw tooLarge('standard input');
    chunks.push(buffer);
  }
  return checkedPrompt(decodeUtf8(Buffer.concat(chunks), 'standard input').replace(/\r?\n$/u, ''), 'standard input');
}

function decodeUtf8(bytes: Buffer, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes); // drops a byte order mark
  } catch {
    throw new CliUsageError(`${where} is not UTF-8; save it as UTF-8 and try again.`);
  }
}

function checkedPrompt(text: string, where: string): string {
  if (text.trim() === '') throw new CliUsageError(`${where} is empty.`);
  return text;
}

function tooLarge(where: string): CliUsageError {
  return new CliUsageError(`${where} has more than ${PROMPT_LIMIT_BYTES} bytes.`);
}
