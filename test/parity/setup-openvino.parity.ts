/** `aipc setup openvino --from pip` with the real index: the wheel, its checksum, the library that comes out of it. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findOpenvinoLibrary } from '../../src/engine/openvino/find-library.js';
import { OPENVINO_VERSION } from '../../src/engine/openvino/runtime-folder.js';

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

let cache: string;
beforeAll(async () => {
  cache = await mkdtemp(path.join(tmpdir(), 'aipc-setup-pip-'));
});
afterAll(() => rm(cache, { recursive: true }));

interface Result {
  readonly installed: boolean;
  readonly version: string;
  readonly libraryFolder: string;
  readonly devices: readonly string[] | null;
}

async function setup(...args: readonly string[]): Promise<Result> {
  const env = { ...process.env, AIPC_CACHE: cache };
  const { stdout } = await promisify(execFile)(process.execPath, [main, 'setup', 'openvino', '--json', ...args], {
    env,
  });
  return JSON.parse(stdout) as Result;
}

it('installs the wheel of the pinned version, once', async () => {
  const first = await setup('--from', 'pip');
  expect(first).toMatchObject({ installed: true, version: OPENVINO_VERSION });
  expect(first.devices).toContain('CPU');
  expect(path.dirname(findOpenvinoLibrary({ AIPC_CACHE: cache }))).toBe(first.libraryFolder);
  expect(await setup()).toMatchObject({ installed: false, version: OPENVINO_VERSION, devices: null });
});
