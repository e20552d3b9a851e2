/** Runs a module of aipc in a process of its own and takes the one message that it sends: native code may crash there. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface ChildTask {
  /** URL of the module. */
  readonly module: URL;
  readonly parameters: readonly string[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export type ChildAnswer<T> =
  | { readonly answer: T }
  /** It ended without one: how, and what it last wrote to its standard error. */
  | { readonly end: string; readonly output: string };

const MOST_OUTPUT_CHARACTERS = 4_000;

/** Throws the signal's reason. */
export async function answerOfChild<T>({ module, parameters, timeoutMs, signal }: ChildTask): Promise<ChildAnswer<T>> {
  signal?.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  const child = fork(fileURLToPath(module), parameters, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    killSignal: 'SIGKILL',
  });
  let answer: { readonly value: T } | undefined;
  let output = '';
  child.on('message', (message) => (answer = { value: message as T }));
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (text: string) => (output = (output + text).slice(-MOST_OUTPUT_CHARACTERS)));
  const end = await new Promise<string>((resolve) => {
    child.on('error', (error) => {
      if (error.name !== 'AbortError') resolve(error.message);
    });
    child.on('close', (code, killedBy) => resolve(killedBy ?? `exit code ${code ?? 'none'}`));
  });
  signal?.throwIfAborted();
  if (answer !== undefined) return { answer: answer.value };
  return { end: timeout.aborted ? `no answer in ${timeoutMs / 1000} s` : end, output };
}
