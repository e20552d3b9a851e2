import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { confirm } from './confirm.js';
import { CliInterrupted, exitCodeOf } from './exit.js';

function ask(keys: string, signal = new AbortController().signal): Promise<boolean> {
  const input = new PassThrough();
  const answer = confirm('Remove it?', signal, { input, output: new PassThrough() });
  input.write(keys);
  return answer;
}

describe('confirm', () => {
  it.each<[string, boolean]>([
    ['y\r', true],
    ['Yes\r', true],
    ['n\r', false],
    ['\r', false],
    ['yesterday\r', false],
    ['\u0004', false],
  ])('takes %j for %s', async (keys, expected) => {
    expect(await ask(keys)).toBe(expected);
  });

  it('ends the command at Ctrl-C, with the exit code of that', async () => {
    const error: unknown = await ask('\u0003').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CliInterrupted);
    expect(exitCodeOf(error, false)).toBe(130);
  });

  it("rejects with the signal's reason", async () => {
    await expect(ask('', AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  });
});
