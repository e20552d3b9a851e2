/**
 * Tells `aipc top` of a model that runs in this process: a small file in aipc's cache, replaced as a whole while there is
 * something new, removed at the end. It holds counts and names, nothing of prompts or answers. It knows nothing of models:
 * who runs one gives the figures.
 */
import { rmSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { replaceFile } from '../file-system.js';
import type { RunningModel } from './load-sample.js';
import { STATUS_HEARTBEAT_MS, STATUS_SCHEMA_VERSION, statusFolder } from './running-models.js';

/** How often it looks for something new. */
const LOOK_MS = 500;

let published = 0;

/** All that a process does not know of itself. */
export type ModelStatus = Omit<RunningModel, 'processId'>;

export class ModelPublication implements AsyncDisposable {
  readonly #read: () => ModelStatus;
  readonly #onProblem: (message: string) => void;
  readonly #file = path.join(statusFolder(), `${process.pid}-${++published}.json`);
  readonly #timer: NodeJS.Timeout;
  readonly #onExit = (): void => {
    if (this.#isThere) rmSync(this.#file, { force: true });
  };
  #isThere = false;
  #written = '';
  #writtenMs = 0;
  #writing: Promise<void> = Promise.resolve();
  #ended = false;

  /** `read` gives the figures of the moment. `onProblem` is told once, where the file cannot be written: nothing else fails. */
  constructor(read: () => ModelStatus, onProblem: (message: string) => void) {
    this.#read = read;
    this.#onProblem = onProblem;
    this.#look();
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    process.once('exit', this.#onExit);
  }

  /** Removes the file. Twice is harmless. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    process.off('exit', this.#onExit);
    this.#ended = true; // no more writing
    await this.#writing;
    if (this.#isThere) await rm(this.#file, { force: true });
    this.#isThere = false;
  }

  #look(): void {
    if (this.#ended) return;
    const text = JSON.stringify({ schemaVersion: STATUS_SCHEMA_VERSION, processId: process.pid, ...this.#read() });
    const nowMs = performance.now();
    if (text === this.#written && nowMs - this.#writtenMs < STATUS_HEARTBEAT_MS) return;
    this.#written = text;
    this.#writtenMs = nowMs;
    this.#writing = this.#writing.then(() => this.#write(text));
  }

  async #write(text: string): Promise<void> {
    if (this.#ended) return;
    try {
      await mkdir(path.dirname(this.#file), { recursive: true });
      this.#isThere = true;
      await replaceFile(this.#file, text);
    } catch (error) {
      this.#ended = true;
      const why = error instanceof Error ? error.message : String(error);
      this.#onProblem(`aipc top will not see this model: ${why}. Set AIPC_CACHE to a folder that can be written.`);
    }
  }
}
