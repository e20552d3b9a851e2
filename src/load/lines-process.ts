/**
 * One long-lived program that reports figures as lines on its standard output: it is started once, for starting it at each
 * sample would cost more than what it measures. What the lines say is for others.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** No line of a counter program is longer; a program that writes such is not the one it seems. */
const MAX_LINE_CHARACTERS = 1_000_000;

export class LinesProcess implements Disposable {
  readonly #child: ChildProcess;
  #problem: string | null = null;
  #disposed = false;

  constructor(command: string, args: readonly string[], onLine: (line: string) => void) {
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true });
    this.#child.on('error', (error) => this.#end(`${command} does not run: ${error.message}`));
    this.#child.on('close', (code, signal) => this.#end(`${command} ended (${signal ?? `exit code ${String(code)}`})`));
    const { stdout } = this.#child;
    if (stdout !== null) {
      createInterface({ input: stdout }).on('line', (line) => {
        if (line.length <= MAX_LINE_CHARACTERS) onLine(line);
      });
      // Watching must not keep the program that watches alive.
      if (stdout instanceof Socket) stdout.unref();
    }
    this.#child.unref();
  }

  /** Why no more lines come; null: they do. */
  get problem(): string | null {
    return this.#problem;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#child.kill();
  }

  #end(problem: string): void {
    if (!this.#disposed) this.#problem ??= problem;
  }
}
