/** Runs a Python peer of this folder: a request as JSON in, an answer as JSON out. It does not prepare Python (run.mjs). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';

async function ask(script: string, request: object, environment: NodeJS.ProcessEnv = {}): Promise<unknown> {
  const python = process.env['AIPC_PARITY_PYTHON'];
  if (python === undefined) throw new Error('Start the parity tests with `npm run test:parity`: it prepares Python.');
  const child = spawn(python, ['-X', 'utf8', path.join('test', 'parity', script)], {
    env: { ...process.env, ...environment },
  });
  child.stdin.end(JSON.stringify(request));
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [output, complaint, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  if (code !== 0) throw new Error(`${script} ended with ${String(code)}:\n${complaint}`);
  return JSON.parse(output);
}

/** What a peer that runs models answered. */
export interface PeerAnswers {
  /** The peer's name, for messages. */
  readonly peer: string;
  /** Greedy tokens of each prompt. */
  readonly answers: readonly (readonly number[])[];
  /** f32 [prompts, vocabulary]: the logits after each prompt; absent where the peer does not give any out. */
  readonly logits?: Float32Array;
}

/** A scratch file that the peer fills with f32 values. */
async function withLogitsFile<Answer>(
  use: (logitsFile: string) => Promise<Answer>,
): Promise<{ answer: Answer; logits: Float32Array }> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'aipc-parity-'));
  try {
    const logitsFile = path.join(scratch, 'logits.f32');
    const answer = await use(logitsFile);
    const bytes = await readFile(logitsFile);
    return { answer, logits: new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** An ONNX folder in onnxruntime-genai: answers up to an end-of-text token, which is left out. */
export async function askGenai(
  folder: string,
  prompts: readonly (readonly number[])[],
  maxNewTokens: number,
): Promise<PeerAnswers & { readonly logits: Float32Array }> {
  const { answer, logits } = await withLogitsFile((logitsFile) =>
    ask('genai_peer.py', { folder, prompts, maxNewTokens, logitsFile }),
  );
  const { answers } = answer as Pick<PeerAnswers, 'answers'>;
  return { peer: 'onnxruntime-genai', answers, logits };
}

export interface OpenvinoRun {
  readonly folder: string;
  readonly prompts: readonly (readonly number[])[];
}

export interface OpenvinoRequest {
  /** Several in one process: Python and its packages take seconds to start. */
  readonly runs: readonly OpenvinoRun[];
  readonly maxNewTokens: number;
  /** In openvino-genai's names. */
  readonly properties: Readonly<Record<string, string | number>>;
}

/**
 * IR folders in openvino-genai (tokens) and the runtime (logits) on the CPU. End-of-text tokens do not end answers.
 * One entry for each run.
 */
export async function askOpenvinoGenai(request: OpenvinoRequest): Promise<readonly PeerAnswers[]> {
  const { answer, logits } = await withLogitsFile((logitsFile) =>
    ask('openvino_peer.py', { ...request, device: 'CPU', logitsFile }),
  );
  const { answers } = answer as { answers: readonly PeerAnswers['answers'][] };
  const rowCount = request.runs.reduce((sum, { prompts }) => sum + prompts.length, 0);
  const vocabularySize = logits.length / rowCount;
  let row = 0;
  return request.runs.map(({ prompts }, index) => {
    const rows = logits.subarray(row * vocabularySize, (row + prompts.length) * vocabularySize);
    row += prompts.length;
    return { peer: 'openvino-genai', answers: answers[index] ?? [], logits: rows };
  });
}

/** IR folders on openvino-genai's NPU path. */
export async function askOpenvinoGenaiNpu(request: OpenvinoRequest): Promise<readonly PeerAnswers[]> {
  const { answers } = (await ask('openvino_peer.py', { ...request, device: 'NPU' })) as {
    answers: readonly PeerAnswers['answers'][];
  };
  return answers.map((ofRun) => ({ peer: 'openvino-genai on NPU', answers: ofRun }));
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

export interface HuggingFaceHubRequest {
  readonly action: 'snapshot' | 'file' | 'scan';
  readonly repo: string;
  /** Of the one file. */
  readonly path?: string;
  /** Passed on to snapshot_download or hf_hub_download. */
  readonly options?: Readonly<Record<string, string | boolean>>;
}

export interface HuggingFaceHubAnswer {
  readonly version: string;
  /** snapshot: where, and the sizes of its files in bytes. */
  readonly folder?: string;
  readonly files?: Readonly<Record<string, number>>;
  /** file: where. */
  readonly file?: string;
  /** scan: what is cached, by repository, and what is wrong with it. */
  readonly repos?: Readonly<Record<string, { readonly sizeBytes: number; readonly commits: readonly string[] }>>;
  readonly warnings?: readonly string[];
}

/** Hugging Face's own library on a cache and a server that `environment` names. */
export async function askHuggingFaceHub(
  request: HuggingFaceHubRequest,
  environment: Readonly<Record<string, string>>,
): Promise<HuggingFaceHubAnswer> {
  return (await ask('hub_peer.py', request, environment)) as HuggingFaceHubAnswer;
}
