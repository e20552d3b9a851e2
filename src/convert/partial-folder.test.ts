import { spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkTargetFolder, createPartialFolder } from './partial-folder.js';

let parent: string;
let target: string;
const roomy = (): Promise<void> => Promise.resolve();

beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'aipc-partial-'));
  target = path.join(parent, 'model');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** A process that makes a partial folder with a file in it, says so, and then waits. */
async function startHolder(): Promise<ReturnType<typeof spawn>> {
  const module = new URL('./partial-folder.js', import.meta.url).href;
  const program = `
    import { writeFileSync } from 'node:fs';
    const { createPartialFolder } = await import(${JSON.stringify(module)});
    const folder = await createPartialFolder(${JSON.stringify(target)}, async () => {});
    writeFileSync(folder.path + '/a', 'a');
    console.log('ready');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

describe('createPartialFolder', () => {
  it('shows the target only after commit, complete', async () => {
    const partial = await createPartialFolder(target, roomy);
    writeFileSync(path.join(partial.path, 'a'), 'new');
    expect(existsSync(target)).toBe(false);
    await partial.commit('test', false);
    expect(readdirSync(parent)).toEqual(['model']);
    expect(readFileSync(path.join(target, 'a'), 'utf8')).toBe('new');
    await partial.discard();
    expect(readdirSync(target)).toEqual(['a']);
  });

  // Wine and most Windows accounts make no links.
  it.skipIf(process.platform === 'win32').each([
    ['an empty folder', []],
    ['an exported model', ['aipc.json']],
  ])('fills %s that the target is a link to, and leaves the link', async (_, there) => {
    const elsewhere = path.join(parent, 'elsewhere');
    mkdirSync(elsewhere);
    for (const name of there) writeFileSync(path.join(elsewhere, name), 'old');
    symlinkSync('elsewhere', target);
    const partial = await createPartialFolder(target, roomy);
    writeFileSync(path.join(partial.path, 'a'), 'new');
    await partial.commit('test', there.length > 0);
    expect(readdirSync(parent).sort()).toEqual(['elsewhere', 'model']);
    expect(lstatSync(target).isSymbolicLink()).toBe(true);
    expect(readdirSync(elsewhere)).toEqual(['a']);
  });

  it.skipIf(process.platform === 'win32')('refuses a link to nothing before anything is made', async () => {
    symlinkSync('nowhere', target);
    await expect(checkTargetFolder('test', target, true)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('leaves nothing after discard, twice without harm', async () => {
    const partial = await createPartialFolder(target, roomy);
    writeFileSync(path.join(partial.path, 'a'), 'new');
    await partial.discard();
    await partial.discard();
    expect(readdirSync(parent)).toEqual([]);
  });

  it('creates nothing when the check of the parent fails', async () => {
    const problem = new Error('no room');
    await expect(createPartialFolder(target, () => Promise.reject(problem))).rejects.toBe(problem);
    expect(readdirSync(parent)).toEqual([]);
  });

  it('takes the place of an empty folder', async () => {
    mkdirSync(target);
    const partial = await createPartialFolder(target, roomy);
    writeFileSync(path.join(partial.path, 'a'), 'new');
    await partial.commit('test', false);
    expect(readdirSync(target)).toEqual(['a']);
  });

  it('does not take the place of a folder that was filled meanwhile', async () => {
    const partial = await createPartialFolder(target, roomy);
    mkdirSync(target);
    writeFileSync(path.join(target, 'aipc.json'), '{}');
    await expect(partial.commit('test', false)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await partial.discard();
    expect(readdirSync(parent)).toEqual(['model']);
  });

  it('replaces an exported model as a whole when forced', async () => {
    mkdirSync(target);
    writeFileSync(path.join(target, 'aipc.json'), '{}');
    const partial = await createPartialFolder(target, roomy);
    writeFileSync(path.join(partial.path, 'new'), 'new');
    await partial.commit('test', true);
    expect(readdirSync(target)).toEqual(['new']);
    expect(readdirSync(parent)).toEqual(['model']);
  });

  it('does not touch the partial folders of living processes, of other machines and of other targets', async () => {
    const mine = await createPartialFolder(target, roomy);
    const [name = ''] = readdirSync(parent);
    const foreign = [
      'model.partial-999999999-0123456789abcdef',
      'model2.partial-999999999-0123456789abcdef',
      'model.partial-notes',
    ];
    for (const folder of foreign) mkdirSync(path.join(parent, folder));
    await (await createPartialFolder(target, roomy)).discard();
    expect(readdirSync(parent).sort()).toEqual([name, ...foreign].sort());
    await mine.discard();
  });

  it('removes what a killed process left, at the next export to the same target', async () => {
    const child = await startHolder();
    expect(readdirSync(parent)).toHaveLength(1);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(readdirSync(parent)).toHaveLength(1);
    await (await createPartialFolder(target, roomy)).discard();
    expect(readdirSync(parent)).toEqual([]);
  });

  it('puts back the folder that a process was killed while replacing', async () => {
    const child = await startHolder();
    const [name = ''] = readdirSync(parent);
    child.kill('SIGKILL');
    await once(child, 'close');
    renameSync(path.join(parent, name), path.join(parent, `${name}-replaced`));
    await (await createPartialFolder(target, roomy)).discard();
    expect(readdirSync(parent)).toEqual(['model']);
    expect(readdirSync(target)).toEqual(['a']);
  });

  // Windows has no signals: there kill() ends a process at once, and the next export cleans up.
  it.skipIf(process.platform === 'win32').each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'removes its folder on %s, and the process still dies of it',
    async (signal) => {
      const child = await startHolder();
      child.kill(signal);
      expect(await once(child, 'close')).toEqual([null, signal]);
      expect(readdirSync(parent)).toEqual([]);
    },
  );
});

describe('checkTargetFolder', () => {
  it('takes a folder that does not exist or is empty', async () => {
    await checkTargetFolder('test', target, false);
    mkdirSync(target);
    await checkTargetFolder('test', target, false);
  });

  it('refuses a file', async () => {
    writeFileSync(target, '');
    await expect(checkTargetFolder('test', target, true)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('refuses a folder with files, and lets force replace an exported model only', async () => {
    mkdirSync(target);
    writeFileSync(path.join(target, 'thesis.docx'), '');
    await expect(checkTargetFolder('test', target, false)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(checkTargetFolder('test', target, true)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    writeFileSync(path.join(target, 'genai_config.json'), '{}');
    await expect(checkTargetFolder('test', target, false)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await checkTargetFolder('test', target, true);
  });
});
