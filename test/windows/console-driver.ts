/**
 * For the test of Ctrl-C: a program in a console of its own, which starts the command line there, sends the console's
 * Ctrl-C once that is at work, and writes how it ended as JSON. Windows alone.
 * Its arguments: the file for that, `stdout` or a folder (it waits for the first bytes, or for something in it), then
 * those of the command line.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';

const [resultFile = '', waitFor = '', ...args] = process.argv.slice(2);
const CTRL_C_EVENT = 0;
const kernel32 = koffi.load('kernel32.dll');
const allocConsole = kernel32.func('bool __stdcall AllocConsole()');
const setHandler = kernel32.func('bool __stdcall SetConsoleCtrlHandler(void *, bool)');
const sendEvent = kernel32.func('bool __stdcall GenerateConsoleCtrlEvent(uint32_t, uint32_t)');
allocConsole();
setHandler(null, false); // a process that was started detached ignores Ctrl-C, and so would its children

// Ctrl-C reaches every process of a console.
process.on('SIGINT', () => undefined);
const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
let sent: boolean | undefined;
const send = (): void => {
  sent ??= sendEvent(CTRL_C_EVENT, 0) as boolean;
};
const written = { stdout: '', stderr: '' };
for (const stream of ['stdout', 'stderr'] as const) {
  child[stream].on('data', (chunk: Buffer) => {
    written[stream] += chunk.toString('utf8');
    if (stream === waitFor) send();
  });
}
const watch = setInterval(() => {
  if (waitFor !== 'stdout' && existsSync(waitFor) && readdirSync(waitFor).length > 0) send();
}, 2);
child.on('close', (exitCode) => {
  clearInterval(watch);
  writeFileSync(resultFile, JSON.stringify({ exitCode, sent, ...written }));
  process.exit();
});
