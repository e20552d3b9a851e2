/** A question on the terminal that takes yes or no. */
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { CliInterrupted } from './exit.js';

export interface ConfirmStreams {
  readonly input: Readable;
  readonly output: Writable;
}

/** Only y and yes are yes; the end of the input (Ctrl-D) is no. Throws CliInterrupted at Ctrl-C, or the signal's reason. */
export async function confirm(
  question: string,
  signal: AbortSignal,
  { input, output }: ConfirmStreams = { input: process.stdin, output: process.stderr },
): Promise<boolean> {
  const terminal = createInterface({ input, output, terminal: true });
  const ended = new AbortController();
  const interrupted = new AbortController();
  terminal.once('SIGINT', () => interrupted.abort());
  terminal.once('close', () => ended.abort());
  try {
    const stop = AbortSignal.any([signal, interrupted.signal, ended.signal]);
    const answer = await terminal.question(`${question} [y/N] `, { signal: stop });
    return /^y(?:es)?$/iu.test(answer.trim());
  } catch (error) {
    signal.throwIfAborted();
    if (interrupted.signal.aborted) throw new CliInterrupted();
    if (ended.signal.aborted) return false;
    throw error;
  } finally {
    terminal.close();
  }
}
