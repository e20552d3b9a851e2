/** Ctrl-C as a Windows console sends it: to every process of the console, the template's included. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface Ended {
  readonly exitCode: number | null;
  /** Whether the console took the event. */
  readonly sent: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

describe.skipIf(process.platform !== 'win32')('Ctrl-C in a console [needs Windows or npm run test:windows]', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-ctrl-c-'));
  });
  afterEach(() => rm(folder, { recursive: true, maxRetries: 5 }));

  async function interrupted(waitFor: string, args: string[]): Promise<Ended> {
    const driver = fileURLToPath(new URL('./console-driver.js', import.meta.url));
    const result = path.join(folder, 'result.json');
    const environment = { ...process.env, AIPC_CACHE: path.join(folder, 'cache') };
    const child = spawn(process.execPath, [driver, result, waitFor, ...args], {
      detached: true, // from this console
      stdio: 'ignore',
      env: environment,
    });
    await once(child, 'close');
    return JSON.parse(await readFile(result, 'utf8')) as Ended;
  }

  it('ends an answer with 130 and what was said so far', async () => {
    const ended = await interrupted('stdout', ['run', 'demo', 'Can you introduce yourself?']);
    expect(ended).toMatchObject({ exitCode: 130, sent: true });
    expect(ended.stdout).toMatch(/^I /u);
  });

  it('ends a conversion, of which nothing stays', async () => {
    const conversions = path.join(folder, 'cache', 'conversions');
    const ended = await interrupted(conversions, ['run', 'demo', 'Hi']);
    expect(ended).toMatchObject({ exitCode: 130, sent: true, stdout: '' });
    expect(await readdir(conversions)).toEqual([]);
  });
});
