/** A conversation on the terminal: Ctrl-C ends the answer, at the prompt it ends the conversation. */
import { createInterface } from 'node:readline/promises';
import type { GenerateOptions } from '../model/result.js';
import type { Model } from '../model/model.js';
import { describeError } from './exit.js';
import { AipcError } from '../errors.js';
import { LoadMeter } from '../load/load-meter.js';
import { formatStats } from './stats.js';

export interface ConversationSettings {
  readonly system: string | undefined;
  readonly options: GenerateOptions;
  readonly stats: boolean;
}

const HELP = '/exit ends the conversation, /reset begins a new one, Ctrl-C stops an answer';

export async function converse(model: Model, settings: ConversationSettings): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  const newChat = (): ReturnType<Model['createChat']> =>
    model.createChat(settings.system === undefined ? {} : { system: settings.system });
  let chat = newChat();
  process.stderr.write(`${model.identity.id} on ${model.execution.device}. ${HELP}\n`);
  try {
    while (true) {
      const line = await ask(terminal);
      if (line === null || line === '/exit') break;
      if (line === '/reset') {
        await chat.dispose();
        chat = newChat();
      } else if (line.startsWith('/')) process.stderr.write(`${HELP}\n`);
      else if (line !== '') await answerTurn(chat, line, settings, terminal);
    }
  } finally {
    terminal.close();
    await chat.dispose();
  }
}

type Terminal = ReturnType<typeof createInterface>;

/** A line without surrounding spaces; null when the conversation ends (Ctrl-C, Ctrl-D). */
async function ask(terminal: Terminal): Promise<string | null> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  terminal.once('SIGINT', end);
  terminal.once('close', end);
  try {
    return (await terminal.question('\n> ', { signal: ended.signal })).trim();
  } catch (error) {
    if (ended.signal.aborted) return null;
    throw error;
  } finally {
    terminal.off('SIGINT', end);
    terminal.off('close', end);
  }
}

async function answerTurn(
  chat: ReturnType<Model['createChat']>,
  text: string,
  settings: ConversationSettings,
  terminal: Terminal,
): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort(new DOMException('Interrupted.', 'AbortError'));
  terminal.once('SIGINT', interrupt);
  using meter = settings.stats ? new LoadMeter() : null;
  try {
    const run = chat.stream(text, { ...settings.options, signal: interrupted.signal });
    for await (const piece of run.textStream) process.stdout.write(piece);
    process.stdout.write('\n');
    if (meter !== null) process.stderr.write(formatStats(await run.result, await meter.stop()));
  } catch (error) {
    // A turn that fails on purpose (context full, bad template) must not end the conversation.
    if (!(error instanceof AipcError) && !interrupted.signal.aborted) throw error;
    process.stderr.write(`${describeError(error)}\n`);
  } finally {
    terminal.off('SIGINT', interrupt);
  }
}
