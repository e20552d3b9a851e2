/** Where `aipc run` finds its model and its prompt: arguments, $AIPC_MODEL, a file, standard input. */
import { createReadStream, existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { catalogue } from '../models/catalogue.js';
import { isModelReference } from '../models/reference.js';
import { cannotBeRead, CliUsageError } from './exit.js';

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
    return checkedPrompt(decodeText(await readAll(createReadStream(file), file), file), file);
  }
  if (process.stdin.isTTY) return null;
  const bytes = await readAll(process.stdin, 'standard input');
  return checkedPrompt(decodeText(bytes, 'standard input').replace(/\n$/u, ''), 'standard input');
}

/** To its end, which a pipe or a device need not have. */
async function readAll(stream: Readable, where: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      const buffer = chunk as Buffer;
      bytes += buffer.length;
      if (bytes > PROMPT_LIMIT_BYTES) throw tooLarge(where);
      chunks.push(buffer);
    }
  } catch (error) {
    throw error instanceof CliUsageError ? error : cannotBeRead(where, error);
  }
  return Buffer.concat(chunks);
}

/** Windows PowerShell's `>` writes UTF-16 with a byte order mark. */
const BYTE_ORDER_MARKS = [
  { encoding: 'utf-16le', mark: Buffer.of(0xff, 0xfe) },
  { encoding: 'utf-16be', mark: Buffer.of(0xfe, 0xff) },
] as const;

/**
 * UTF-8, or UTF-16 that says so by its byte order mark. Lines end with \n as in the model's training data and as
 * Python's open() has it: after \r\n a raw prompt would not be the template's.
 */
function decodeText(bytes: Buffer, where: string): string {
  const encoding = BYTE_ORDER_MARKS.find(({ mark }) => bytes.subarray(0, 2).equals(mark))?.encoding ?? 'utf-8';
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes); // drops a byte order mark
  } catch {
    throw notUtf8(where);
  }
  // A character code of 0 is valid UTF-8, but text that has one is UTF-16 or UTF-32.
  if (text.includes('\0')) throw notUtf8(where);
  return text.replaceAll('\r\n', '\n');
}

function notUtf8(where: string): CliUsageError {
  return new CliUsageError(
    `${where} is neither UTF-8 nor UTF-16 with a byte order mark; save it as UTF-8 and try again. ` +
      'In PowerShell: Set-Content -Encoding utf8; for pipes $OutputEncoding = [Text.UTF8Encoding]::new().',
  );
}

function checkedPrompt(text: string, where: string): string {
  if (text.trim() === '') throw new CliUsageError(`${where} is empty.`);
  return text;
}

function tooLarge(where: string): CliUsageError {
  return new CliUsageError(`${where} has more than ${PROMPT_LIMIT_BYTES} bytes.`);
}
