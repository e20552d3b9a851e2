/**
 * The parent's side: writes a case's files into a folder of its own, has a worker process use them, judges what comes
 * back, and replaces a worker that crashed, hung or took too much. The limits are those of the promise in docs/testing.md.
 */
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CaseFile, HostileCase, Target, Use } from './cases.js';
import { OUTSIDE_FILE } from './mutate/names.js';
import type { WorkerReport, WorkerTask } from './worker.js';

/** Processor time of one case, all threads: on a busy machine the clock says nothing. */
export const CPU_LIMIT_MS = 1000;
export const MEMORY_LIMIT_BYTES = 100 * 2 ** 20;
/** By the clock: then it hangs. */
const HANG_LIMIT_MS = 30_000;
/** The worker is killed before it takes the machine's memory. */
const KILL_BYTES = 2 * 2 ** 30;
const WATCH_MS = 50;
/** A new process from time to time: small leaks of a runtime are not a case's fault. */
const CASES_PER_WORKER = 300;

export interface Verdict {
  readonly id: string;
  readonly target: Target;
  readonly what: string;
  readonly outcomes: readonly string[];
  /** What must not happen; undefined where all is well. */
  readonly failure?: string;
  readonly cpuMs: number;
  readonly peakAboveStartBytes: number;
}

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
const OUTSIDE_BYTES = Buffer.alloc(300_000, 0x3f);

/** Runs cases one at a time in a process that it keeps. */
export class HostileRunner implements AsyncDisposable {
  readonly #root: string;
  #child: ChildProcess | undefined;
  #stderr = '';
  #cases = 0;

  private constructor(root: string) {
    this.#root = root;
  }

  static async create(): Promise<HostileRunner> {
    const root = await mkdtemp(path.join(tmpdir(), 'aipc-hostile-'));
    for (const name of ['home', 'tmp']) await mkdir(path.join(root, name));
    return new HostileRunner(root);
  }

  /** Where the last case's files are. */
  get caseFolder(): string {
    return path.join(this.#root, 'case');
  }

  async run(hostile: HostileCase, number: number): Promise<Verdict> {
    const folder = await this.#write(hostile);
    const before = await listing(this.#root);
    const task: WorkerTask = {
      uses: hostile.uses,
      model: hostile.file === undefined ? folder : path.join(folder, hostile.file),
      outputFolder: path.join(this.caseFolder, 'exported'),
      number,
    };
    let report = await this.#useOnce(task);
    if (report.cpuMs > CPU_LIMIT_MS && report.failure === undefined) {
      // Where others compute too, the same work takes twice the time: what is slow is slow again.
      const again = await this.#useOnce(task);
      if (again.cpuMs < report.cpuMs) report = again;
    }
    const { id, target, what } = hostile;
    const failure =
      report.failure ??
      (report.cpuMs > CPU_LIMIT_MS ? `took ${Math.round(report.cpuMs)} ms of processor time` : undefined) ??
      (report.peakAboveStartBytes > MEMORY_LIMIT_BYTES
        ? `took ${Math.round(report.peakAboveStartBytes / 2 ** 20)} MiB above its start`
        : undefined) ??
      difference(before, await listing(this.#root)) ??
      ((await readFile(path.join(this.caseFolder, OUTSIDE_FILE))).equals(OUTSIDE_BYTES)
        ? undefined
        : 'a file outside of the model was changed');
    const { outcomes, cpuMs, peakAboveStartBytes } = report;
    return { id, target, what, outcomes, cpuMs, peakAboveStartBytes, ...(failure === undefined ? {} : { failure }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    await rm(this.#root, { recursive: true, force: true });
  }

  async #write({ files }: HostileCase): Promise<string> {
    await rm(this.caseFolder, { recursive: true, force: true });
    const folder = path.join(this.caseFolder, 'model');
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(this.caseFolder, OUTSIDE_FILE), OUTSIDE_BYTES);
    for (const [name, file] of files) await writeCaseFile(path.join(folder, name), file);
    return folder;
  }

  async #useOnce(task: WorkerTask): Promise<WorkerReport & { peakAboveStartBytes: number }> {
    try {
      return await this.#use(task);
    } finally {
      await rm(task.outputFolder, { recursive: true, force: true });
    }
  }

  async #use(task: WorkerTask): Promise<WorkerReport & { peakAboveStartBytes: number }> {
    if (this.#cases >= CASES_PER_WORKER) await this.#stop();
    const child = (this.#child ??= await this.#start());
    this.#cases += 1;
    const failed = (failure: string): WorkerReport => ({ outcomes: task.uses.map(() => 'failed'), failure, cpuMs: 0 });
    const report = await new Promise<WorkerReport>((resolve) => {
      const started = performance.now();
      const watch = setInterval(() => {
        if (residentBytes(child) > KILL_BYTES) kill(`took more than ${KILL_BYTES / 2 ** 20} MiB`);
        else if (performance.now() - started > HANG_LIMIT_MS) kill(`did not end within ${HANG_LIMIT_MS} ms`);
      }, WATCH_MS);
      const settle = (found: WorkerReport): void => {
        clearInterval(watch);
        child.removeAllListeners('message').removeAllListeners('exit');
        resolve(found);
      };
      const kill = (why: string): void => {
        settle(failed(why));
        child.kill('SIGKILL');
        this.#child = undefined;
      };
      child.once('message', settle);
      child.once('exit', (code, signal) => {
        this.#child = undefined;
        settle(
          failed(`the process ended with ${signal ?? `exit code ${code ?? 'unknown'}`}. ${this.#stderr.slice(-600)}`),
        );
      });
      child.send(task);
    });
    return { ...report, peakAboveStartBytes: report.peakAboveStartBytes ?? 0 };
  }

  async #start(): Promise<ChildProcess> {
    this.#cases = 0;
    this.#stderr = '';
    const child = fork(WORKER, [], {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // What it writes to its home, cache or temporary folder shows.
      env: {
        ...process.env,
        HOME: path.join(this.#root, 'home'),
        AIPC_CACHE: process.env['AIPC_CACHE'] ?? path.join(this.#root, 'home', 'cache'),
        TMPDIR: path.join(this.#root, 'tmp'),
      },
    });
    child.stderr?.on('data', (text: Buffer) => {
      this.#stderr = (this.#stderr + text.toString()).slice(-4000);
    });
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', () => reject(new Error(`The worker could not start. ${this.#stderr}`)));
    });
    child.removeAllListeners('exit');
    return child;
  }

  async #stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.disconnect();
    await exited;
  }
}

async function writeCaseFile(file: string, content: CaseFile): Promise<void> {
  if (Buffer.isBuffer(content)) await writeFile(file, content);
  else if ('link' in content) await symlink(content.link, file);
  else if ('folder' in content) await mkdir(file);
  else if ('pipe' in content) execFileSync('mkfifo', [file]);
  else {
    await using handle = await open(file, 'w');
    await handle.truncate(content.sparse);
  }
}

function residentBytes(child: ChildProcess): number {
  if (process.platform !== 'linux' || child.pid === undefined) return 0;
  try {
    return Number(readFileSync(`/proc/${child.pid}/statm`, 'utf8').split(' ')[1]) * 4096;
  } catch {
    return 0; // it has just ended, which `exit` tells
  }
}

async function listing(root: string): Promise<ReadonlySet<string>> {
  return new Set(await readdir(root, { recursive: true }));
}

function difference(before: ReadonlySet<string>, after: ReadonlySet<string>): string | undefined {
  const added = [...after].filter((name) => !before.has(name));
  const removed = [...before].filter((name) => !after.has(name));
  if (added.length + removed.length === 0) return undefined;
  return `files were left or removed: ${[...added.map((name) => `+${name}`), ...removed.map((name) => `-${name}`)].join(', ')}`;
}

/** A case that changes nothing: every use must succeed, or hostile cases prove nothing. */
export function validCase(
  name: string,
  uses: readonly Use[],
  files: ReadonlyMap<string, CaseFile>,
  file?: string,
): HostileCase {
  return { id: name, target: 'files', uses, files, what: 'unchanged', ...(file === undefined ? {} : { file }) };
}
