/**
 * A conversation on the terminal: Ctrl-C ends the answer, at the prompt it ends the conversation. So do Ctrl-D and the
 * caller's signal, whenever they come.
 */
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import type { GenerateOptions } from '../model/result.js';
import type { Model } from '../model/model.js';
import { describeError } from './exit.js';
import { AipcError } from '../errors.js';
import { LoadMeter } from '../load/load-meter.js';
import { formatStats } from './stats.js';

export interface ConversationSettings {
  readonly system: string | undefined;
  /** The signal ends the conversation. */
  readonly options: GenerateOptions;
  readonly stats: boolean;
}

/** Answers go to `output`, all else to `messages`. */
export interface ConversationStreams {
  readonly input: Readable;
  readonly output: Writable;
  readonly messages: Writable;
}

/** What a conversation needs of a model. */
export type ConversationModel = Pick<Model, 'createChat' | 'identity' | 'execution'>;

const HELP = '/exit ends the conversation, /reset begins a new one, Ctrl-C stops an answer';

export async function converse(
  model: ConversationModel,
  settings: ConversationSettings,
  streams: ConversationStreams = { input: process.stdin, output: process.stdout, messages: process.stderr },
): Promise<void> {
  const { input, messages } = streams;
  const terminal = createInterface({ input, output: messages, terminal: true });
  const closed = new AbortController();
  terminal.once('close', () => closed.abort());
  const { signal } = settings.options;
  const ended = signal === undefined ? closed.signal : AbortSignal.any([closed.signal, signal]);
  const newChat = (): ReturnType<Model['createChat']> =>
    model.createChat(settings.system === undefined ? {} : { system: settings.system });
  let chat = newChat();
  messages.write(`${model.identity.id} on ${model.execution.device}. ${HELP}\n`);
  try {
    while (true) {
      const line = await ask(terminal, ended);
      if (line === null || line === '/exit') break;
      if (line === '/reset') {
        await chat.dispose();
        chat = newChat();
      } else if (line.startsWith('/')) messages.write(`${HELP}\n`);
      else if (line !== '') await answerTurn(chat, line, settings, terminal, streams);
    }
  } finally {
    terminal.close();
    await chat.dispose();
  }
}

type Terminal = ReturnType<typeof createInterface>;

/** A line without surrounding spaces; null when the conversation ends (Ctrl-C, Ctrl-D, a signal). */
async function ask(terminal: Terminal, ended: AbortSignal): Promise<string | null> {
  const interrupted = new AbortController();
  const end = (): void => interrupted.abort();
  terminal.once('SIGINT', end);
  const signal = AbortSignal.any([ended, interrupted.signal]);
  try {
    if (signal.aborted) return null; // while an answer came
    return (await terminal.question('\n> ', { signal })).trim();
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  } finally {
    terminal.off('SIGINT', end);
  }
}

async function answerTurn(
  chat: ReturnType<Model['createChat']>,
  text: string,
  settings: ConversationSettings,
  terminal: Terminal,
  { output, messages }: ConversationStreams,
): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort(new DOMException('Interrupted.', 'AbortError'));
  terminal.once('SIGINT', interrupt);
  using meter = settings.stats ? new LoadMeter() : null;
  const ended = settings.options.signal;
  const signal = ended === undefined ? interrupted.signal : AbortSignal.any([ended, interrupted.signal]);
  try {
    const run = chat.stream(text, { ...settings.options, signal });
    for await (const piece of run.textStream) output.write(piece);
    output.write('\n');
    if (meter !== null) messages.write(formatStats(await run.result, await meter.stop()));
  } catch (error) {
    // A turn that fails on purpose (context full, bad template) must not end the conversation.
    if (!(error instanceof AipcError) && !signal.aborted) throw error;
    if (ended?.aborted !== true) messages.write(`${describeError(error)}\n`);
  } finally {
    terminal.off('SIGINT', interrupt);
  }
}
