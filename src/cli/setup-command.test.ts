/** `aipc setup openvino` as a program. What it installs is tested in src/setup. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('./main.js', import.meta.url));

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(path.join(tmpdir(), 'aipc-setup-cli-'));
});
afterEach(() => rm(cache, { recursive: true }));

interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function setup(args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, AIPC_CACHE: cache, ...environment };
    execFile(process.execPath, [main, 'setup', 'openvino', ...args], { env }, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

/** A runtime of an older release, as `--list` and `--remove` see it. */
async function putOld(): Promise<string> {
  const folder = path.join(cache, 'runtimes', 'openvino-2025.1.0-linux-x64');
  await mkdir(path.join(folder, 'lib'), { recursive: true });
  const manifest = {
    schemaVersion: 1,
    version: '2025.1.0',
    buildNumber: '2025.1.0-1',
    platform: 'linux',
    arch: 'x64',
    source: 'a test',
    sourceSha256: null,
    files: [{ name: 'lib/x', sizeBytes: 5_000_000, sha256: '' }],
  };
  await writeFile(path.join(folder, 'aipc-runtime.json'), JSON.stringify(manifest));
  return folder;
}

describe('aipc setup openvino', () => {
  it('lists and removes what is in the cache, old versions too', async () => {
    const folder = await putOld();
    expect(await setup(['--list'])).toEqual({
      exitCode: 0,
      stdout: `installed: OpenVINO 2025.1.0 in ${folder} (5 MB, not used by this aipc)\n`,
      stderr: '',
    });
    const { stdout } = await setup(['--remove', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ removed: [{ folder, version: '2025.1.0', isCurrent: false }] });
    expect((await setup(['--list'])).stdout).toBe("there is no OpenVINO in aipc's cache\n");
    expect((await setup(['--remove'])).stdout).toBe("there was no OpenVINO in aipc's cache\n");
  });

  it.each([
    ['a source that does not fit', ['--remove', '--from', 'pip'], /cannot be used with/u],
    ['a version whose archive is not known', ['--openvino-version', '2024.1.0'], /OPTION_INVALID/u],
    ['an unknown option', ['--form', 'pip'], /unknown option.*--from/su],
  ])('ends with 2 for %s', async (_name, args, message) => {
    expect(await setup(args)).toMatchObject({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringMatching(message) as string,
    });
  });

  it('ends with 1, and says what else can be done, where the host is not there', async () => {
    const environment = { AIPC_OPENVINO_MIRROR: 'http://openvino.invalid' };
    expect(await setup([], environment)).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringMatching(/--from pip.*\[(?:SOURCE_UNREACHABLE|MODEL_FEATURE_UNSUPPORTED)\]/su) as string,
    });
  });
});
