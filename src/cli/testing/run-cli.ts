/** For tests: the command line as a program of its own: arguments in, output and exit code out. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../main.js', import.meta.url));

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly environment?: Record<string, string>;
  /** Sends SIGINT once stderr matches. */
  readonly interruptOn?: RegExp;
  /** Sends the signal once the promise is resolved. */
  readonly kill?: { readonly when: Promise<unknown>; readonly signal: 'SIGKILL' | 'SIGINT' };
}

/** What ONNX Runtime itself writes to stderr on a Windows without Direct3D (Wine on a machine without a screen). */
const WITHOUT_DIRECT3D = /^Failed to create DXGI factory\.\r?\n/gmu;

/** Runs `aipc ARGS` to its end. */
export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, AIPC_MODEL: '', ...options.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let interrupted = false;
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
    if (options.interruptOn?.test(stderr) === true && !interrupted) {
      interrupted = true;
      child.kill('SIGINT');
    }
  });
  const { kill } = options;
  void kill?.when.then(() => child.kill(kill.signal));
  child.stdin.on('error', () => undefined); // it may end without reading
  child.stdin.end(options.stdin ?? '');
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { exitCode, stdout, stderr: stderr.replaceAll(WITHOUT_DIRECT3D, '') };
}
