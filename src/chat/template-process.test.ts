import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { KILL_GRACE_MS, RENDER_TIME_LIMIT_MS } from './limits.js';
import { TemplateProcess } from './template-process.js';

const MODULE = new URL('./template-process.js', import.meta.url).href;
const ENDLESS = '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}';

/** A program of its own that has a template process; `body` sees `templates` and `endless`, a request. */
function startProgram(body: string) {
  const conversation = {
    messages: [],
    variables: { addGenerationPrompt: true, specialTokens: {}, localTimeMs: 0 },
    controlTokens: [],
  };
  const code = `
    const { TemplateProcess } = await import(${JSON.stringify(MODULE)});
    const templates = new TemplateProcess();
    const endless = { source: ${JSON.stringify(ENDLESS)}, conversation: ${JSON.stringify(conversation)} };
    ${body}`;
  const program = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  program.stdout.setEncoding('utf8');
  return program;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // ESRCH: no such process
  }
}

async function hasEnded(pid: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    if (!isAlive(pid)) return true;
    await sleep(50);
  }
  return false;
}

describe('the process that renders templates', () => {
  it('does not keep its program alive, and ends with it', async () => {
    const program = startProgram(`
      await templates.request({ source: 'x', conversation: undefined });
      console.log(templates.pid);`);
    const [output] = (await once(program.stdout, 'data')) as [string];
    const [exitCode] = (await once(program, 'exit')) as [number];
    expect(exitCode).toBe(0);
    expect(await hasEnded(Number(output), 5_000)).toBe(true);
  });

  it('keeps its program alive while a request waits for an answer', async () => {
    const program = startProgram(`
      const answer = await templates.request({ source: 'x', conversation: endless.conversation });
      console.log(answer.pieces[0].text);`);
    expect(await once(program.stdout, 'data')).toEqual(['x\n']);
    expect(await once(program, 'exit')).toEqual([0, null]);
  });

  it('keeps its program alive until it is disposed of', async () => {
    const program = startProgram(`
      await templates.request({ source: 'x', conversation: undefined });
      await templates.dispose();
      console.log('disposed');`);
    expect(await once(program.stdout, 'data')).toEqual(['disposed\n']);
    expect(await once(program, 'exit')).toEqual([0, null]);
  });

  it('keeps its program alive until it is disposed of in the middle of a request', async () => {
    const program = startProgram(`
      await templates.request({ source: 'x', conversation: undefined });
      const failure = templates.request(endless).catch((error) => error.code);
      setTimeout(async () => {
        await templates.dispose();
        console.log(await failure);
      }, 200);`);
    expect(await once(program.stdout, 'data')).toEqual(['DISPOSED\n']);
    expect(await once(program, 'exit')).toEqual([0, null]);
  });

  it('ends even in an endless loop, and even when its program was killed', async () => {
    const program = startProgram(`
      await templates.request({ source: 'x', conversation: undefined });
      templates.request(endless);
      setTimeout(() => console.log(templates.pid), 200);`);
    const [output] = (await once(program.stdout, 'data')) as [string];
    const pid = Number(output);
    program.kill('SIGKILL');
    await once(program, 'exit');
    // Windows ends a program's processes with it.
    if (process.platform !== 'win32') expect(isAlive(pid)).toBe(true);
    expect(await hasEnded(pid, RENDER_TIME_LIMIT_MS + KILL_GRACE_MS + 10_000)).toBe(true);
  });

  it('holds on to no prompt that it has rendered', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const templates = new TemplateProcess();
    const variables = { addGenerationPrompt: false, specialTokens: {}, localTimeMs: 0 };
    const conversation = { messages: [{ role: 'user', content: 'Hi' }], variables, controlTokens: [] } as const;
    const render = async (): Promise<WeakRef<object>> =>
      new WeakRef(await templates.request({ source: '{{ messages[0].content }}', conversation }));
    try {
      const rendered = await render();
      await render(); // what holds the last one only is no leak
      await sleep(0); // a WeakRef holds its target until the turn ends
      collect();
      expect(rendered.deref()).toBeUndefined();
    } finally {
      await templates.dispose();
    }
  });

  it('sees nothing of the environment', async () => {
    // Were NODE_OPTIONS passed on, the process could not start.
    const program = startProgram(`
      process.env.NODE_OPTIONS = '--no-such-option';
      const answer = await templates.request({ source: 'x', conversation: endless.conversation });
      console.log(answer.kind);`);
    expect(await once(program.stdout, 'data')).toEqual(['pieces\n']);
    await once(program, 'exit');
  });
});
