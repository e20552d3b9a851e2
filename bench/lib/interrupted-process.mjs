/**
 * Runs a command on a terminal of its own, as a person would, notes what it shows of its progress, presses Ctrl-C after a
 * while and says how it ended. The terminal is util-linux's `script`, so it works on Linux alone.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

const CTRL_C = '\x03';
/** Who has not ended by then does not end. */
const PATIENCE_MS = 60_000;

export const canInterrupt = process.platform === 'linux';

const quoted = (argument) => `'${argument.replaceAll("'", "'\\''")}'`;

/** What a terminal showed, as the lines and the states of a line that one saw one after another. */
function shownTexts(output) {
  // eslint-disable-next-line no-control-regex -- what terminals understand as colours and movements
  const plain = output.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '\r');
  return [...new Set(plain.split(/[\r\n]+/).map((line) => line.trim()))].filter(Boolean);
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, afterMs: number }} options
 * @returns {Promise<{ exitCode: number | null, endedMs: number | null, percentages: number, texts: number, lastText: string }>}
 *   `endedMs` from Ctrl-C to the end (null: it went on and was killed); `percentages` and `texts`: how many different ones
 *   it had shown by then. Rejects where the command ended before.
 */
export async function runInterrupted(command, args, { env, afterMs }) {
  const line = [command, ...args].map(quoted).join(' ');
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', `exec ${line}`, '/dev/null'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => (output += chunk));
  const ended = once(child, 'close');
  const early = await Promise.race([ended, sleep(afterMs)]);
  if (early !== undefined) throw new Error(`'${line}' ended with ${early[0]} before Ctrl-C:\n${output.slice(-2000)}`);
  const texts = shownTexts(output);
  const percentages = new Set(output.match(/\d+(?:\.\d+)?\s?%/g));
  const pressed = performance.now();
  child.stdin.write(CTRL_C);
  const end = await Promise.race([ended, sleep(PATIENCE_MS)]);
  const endedMs = end === undefined ? null : performance.now() - pressed;
  if (end === undefined) {
    process.kill(-child.pid, 'SIGKILL'); // its own group: it was started detached
    await ended;
  }
  child.stdin.destroy();
  return {
    exitCode: end?.[0] ?? null,
    endedMs,
    percentages: percentages.size,
    texts: texts.length,
    lastText: texts.at(-1) ?? '',
  };
}
