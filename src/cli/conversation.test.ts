import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { GenerationStream } from '../model/generation-stream.js';
import type { GenerateOptions, GenerateResult, StreamPart } from '../model/result.js';
import { converse, type ConversationModel } from './conversation.js';

const RESULT = { text: 'Hello', finishReason: 'stop' } as GenerateResult;

/** A terminal, and a model whose answers come when the test lets them. */
function setUp() {
  const input = new PassThrough();
  const [output, messages] = [new PassThrough(), new PassThrough()];
  let said = '';
  messages.setEncoding('utf8').on('data', (text: string) => (said += text));
  let answered = '';
  output.setEncoding('utf8').on('data', (text: string) => (answered += text));
  const answers = new PassThrough({ objectMode: true });
  const asked: string[] = [];
  let disposals = 0;
  const stream = (text: string, { signal }: GenerateOptions): GenerationStream => {
    asked.push(text);
    const parts = async function* (): AsyncGenerator<StreamPart, void, void> {
      yield { type: 'text-delta', text: 'Hel', tokenIds: [1] };
      await Promise.race([once(answers, 'data'), ...(signal === undefined ? [] : [once(signal, 'abort')])]);
      if (signal?.aborted !== true) yield { type: 'text-delta', text: 'lo', tokenIds: [2] };
      yield { type: 'finish', ...RESULT };
    };
    return new GenerationStream(parts(), new AbortController());
  };
  const dispose = (): Promise<void> => {
    disposals += 1;
    return Promise.resolve();
  };
  const chat = { stream, dispose };
  const model = { createChat: () => chat, identity: { id: 'demo' }, execution: { device: 'cpu' } };
  const interrupt = new AbortController();
  const done = converse(
    model as unknown as ConversationModel,
    { system: undefined, options: { signal: interrupt.signal }, stats: false },
    { input, output, messages },
  );
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return {
    ...{ input, answers, asked, interrupt, done, until },
    said: () => said,
    answered: () => answered,
    disposals: () => disposals,
  };
}

describe('a conversation on the terminal', () => {
  it('answers line after line, and ends with /exit', async () => {
    const talk = setUp();
    talk.input.write('Hi\r');
    await talk.until(() => talk.answered() === 'Hel');
    talk.answers.write({});
    await talk.until(() => talk.answered() === 'Hello\n');
    talk.input.write('/exit\r');
    await talk.done;
    expect([talk.asked, talk.disposals()]).toEqual([['Hi'], 1]);
  });

  it.each<[string, (talk: ReturnType<typeof setUp>) => void]>([
    ['Ctrl-D', ({ input }) => input.write('\u0004')],
    ['the end of its input', ({ input }) => input.end()],
    ['Ctrl-C', ({ input }) => input.write('\u0003')],
    ["the caller's signal", ({ interrupt }) => interrupt.abort()],
  ])('ends at the prompt with %s', async (_, end) => {
    const talk = setUp();
    await talk.until(() => talk.said().includes('> '));
    end(talk);
    await talk.done;
    expect(talk.disposals()).toBe(1);
  });

  it.each<[string, (talk: ReturnType<typeof setUp>) => void]>([
    ['Ctrl-D', ({ input }) => input.write('\u0004')],
    ['the end of its input', ({ input }) => input.end()],
  ])('ends after the answer that is under way at %s', async (_, end) => {
    const talk = setUp();
    talk.input.write('Hi\r');
    await talk.until(() => talk.answered() === 'Hel');
    end(talk);
    await new Promise((resolve) => setTimeout(resolve, 20));
    talk.answers.write({});
    await talk.done;
    expect([talk.answered(), talk.disposals()]).toEqual(['Hello\n', 1]);
  });

  it('stops the answer that is under way when the signal of the caller ends it all', async () => {
    const talk = setUp();
    talk.input.write('Hi\r');
    await talk.until(() => talk.answered() === 'Hel');
    talk.interrupt.abort();
    await talk.done;
    expect([talk.answered(), talk.disposals()]).toEqual(['Hel\n', 1]);
  });

  it('goes on after an answer that Ctrl-C stopped', async () => {
    const talk = setUp();
    talk.input.write('Hi\r');
    await talk.until(() => talk.answered() === 'Hel');
    talk.input.write('\u0003');
    await talk.until(() => talk.answered() === 'Hel\n');
    talk.input.write('Again\r');
    await talk.until(() => talk.asked.length === 2);
    talk.answers.write({});
    await talk.until(() => talk.answered() === 'Hel\nHello\n');
    talk.input.end();
    await talk.done;
  });
});
