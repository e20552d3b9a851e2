/**
 * Runs a command in a process of its own and says how long it took and how much memory it and its descendants held at
 * most. Memory comes from /proc, so only on Linux; elsewhere those fields are missing.
 *
 * Two figures, both of the whole tree at one moment: `peakResidentBytes`, which counts mapped files (the weights that a
 * program maps) as /usr/bin/time does, and `peakPrivateBytes`, without them.
 *
 * `firstOutputMs` is when the first byte came on stdout, from before the process was there.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;
const KIBIBYTE = 1024;

/** Reads a file of /proc; undefined when the process has ended meanwhile. */
function readProc(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined;
    throw error;
  }
}

function childrenOf(pid) {
  let threads;
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return [];
    throw error;
  }
  return threads
    .flatMap((thread) => readProc(`/proc/${pid}/task/${thread}/children`)?.trim().split(' ') ?? [])
    .filter(Boolean);
}

/** Bytes held now: [resident, private] of one process; zeros when it has ended. */
function memoryOf(pid) {
  const status = readProc(`/proc/${pid}/status`) ?? '';
  const bytes = (field) => Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * KIBIBYTE;
  return { resident: bytes('VmRSS'), private: bytes('RssAnon') + bytes('RssShmem'), highWater: bytes('VmHWM') };
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, input?: string }} [options] `input` goes to stdin
 * @returns {Promise<{ wallMs: number, firstOutputMs?: number, stdout: string, stderr: string, peakResidentBytes?: number, peakPrivateBytes?: number }>}
 *   Rejects with the end of stderr when the command fails.
 */
export async function runMeasured(command, args, { cwd, env, input = '' } = {}) {
  const started = performance.now();
  const child = spawn(command, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(input);
  let running = true;
  const ended = once(child, 'close').finally(() => {
    running = false;
  });
  const outputs = Promise.all([ended, text(child.stdout), text(child.stderr)]);
  let firstOutputMs;
  child.stdout.once('data', () => {
    firstOutputMs = performance.now() - started;
  });
  outputs.catch(() => undefined); // awaited below
  const peak = { resident: 0, private: 0, highWater: 0 };
  while (running && process.platform === 'linux' && child.pid !== undefined) {
    const sum = { resident: 0, private: 0 };
    const pids = [String(child.pid)];
    for (let pid = pids.pop(); pid !== undefined; pid = pids.pop()) {
      const memory = memoryOf(pid);
      sum.resident += memory.resident;
      sum.private += memory.private;
      // Between two looks a process may have held more: its own high-water mark knows.
      peak.highWater = Math.max(peak.highWater, memory.highWater);
      pids.push(...childrenOf(pid));
    }
    peak.resident = Math.max(peak.resident, sum.resident, peak.highWater);
    peak.private = Math.max(peak.private, sum.private);
    await Promise.race([ended.catch(() => undefined), sleep(POLL_MS)]);
  }
  const [[code, signal], stdout, stderr] = await outputs;
  const wallMs = performance.now() - started;
  if (code !== 0) {
    const why = signal === null ? `ended with ${code}` : `was ended by ${signal}`;
    throw new Error(`'${[command, ...args].join(' ')}' ${why}:\n${stderr.slice(-4000)}`);
  }
  const memory =
    process.platform === 'linux' ? { peakResidentBytes: peak.resident, peakPrivateBytes: peak.private } : {};
  return { wallMs, firstOutputMs, stdout, stderr, ...memory };
}
