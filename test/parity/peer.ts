/** Runs a Python peer of this folder: a request as JSON in, an answer as JSON out. It does not prepare Python (run.mjs). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';

async function ask(script: string, request: object): Promise<unknown> {
  const python = process.env['AIPC_PARITY_PYTHON'];
  if (python === undefined) throw new Error('Start the parity tests with `npm run test:parity`: it prepares Python.');
  const child = spawn(python, ['-X', 'utf8', path.join('test', 'parity', script)]);
  child.stdin.end(JSON.stringify(request));
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [output, complaint, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  if (code !== 0) throw new Error(`${script} ended with ${String(code)}:\n${complaint}`);
  return JSON.parse(output);
}

export interface GenaiAnswers {
  readonly version: string;
  /** Greedy tokens, up to an end-of-text token, which is left out. */
  readonly answers: readonly (readonly number[])[];
  /** f32 [prompts, vocabulary]: the logits after each prompt. */
  readonly logits: Float32Array;
}

/** The exported folder in onnxruntime-genai. */
export async function askGenai(
  folder: string,
  prompts: readonly (readonly number[])[],
  maxNewTokens: number,
): Promise<GenaiAnswers> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'aipc-parity-'));
  try {
    const logitsFile = path.join(scratch, 'logits.f32');
    const answer = await ask('genai_peer.py', { folder, prompts, maxNewTokens, logitsFile });
    const bytes = await readFile(logitsFile);
    const logits = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    return { ...(answer as Omit<GenaiAnswers, 'logits'>), logits };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

export interface TokenizersAnswers {
  readonly version: string;
  readonly encoded: readonly (readonly number[])[];
  readonly decoded: readonly string[];
}

/** A tokenizer.json in Hugging Face's library. */
export async function askTokenizers(
  file: string,
  texts: readonly string[],
  ids: readonly (readonly number[])[],
): Promise<TokenizersAnswers> {
  return (await ask('tokenizers_peer.py', { file, texts, ids })) as TokenizersAnswers;
}
