/** How far a transfer of several files is, how fast, and how long it will take. It draws nothing. */

export interface SnapshotProgress {
  /** 'waiting': others are downloading all that is missing. */
  readonly state: 'waiting' | 'downloading';
  /** Of all files wanted, those that were there included. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Over the last seconds; null: too early to say. */
  readonly bytesPerSecond: number | null;
  /** At that speed; null: too early to say, or nothing moves. */
  readonly remainingMs: number | null;
  /** The path of the file that moved last. */
  readonly file: string;
}

/** Long enough to smooth bursts, short enough to show that a line got slower. */
const WINDOW_MS = 5_000;
/** Below it, a speed is mostly chance. */
const LEAST_WINDOW_MS = 500;
/** Nobody reads faster. */
const REPORT_EVERY_MS = 100;

interface FileState {
  readonly state: 'waiting' | 'downloading';
  readonly doneBytes: number;
}

export class TransferProgress {
  readonly #totalBytes: number;
  readonly #report: (progress: SnapshotProgress) => void;
  readonly #now: () => number;
  /** Of files that are on the way, by path. */
  readonly #active = new Map<string, FileState>();
  #finishedBytes: number;
  /** What the network brought, at times of the window. */
  readonly #samples: { readonly atMs: number; readonly movedBytes: number }[] = [];
  #movedBytes = 0;
  #reportedAtMs = -Infinity;
  #reportedState: string | undefined;

  /** `finishedBytes`: of files that are there already. */
  constructor(
    totalBytes: number,
    finishedBytes: number,
    report: (progress: SnapshotProgress) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#totalBytes = totalBytes;
    this.#finishedBytes = finishedBytes;
    this.#report = report;
    this.#now = now;
  }

  update(file: string, state: FileState): void {
    const before = this.#active.get(file);
    // What an earlier call brought is no speed of this one, and a file that begins anew has not moved backwards.
    if (before?.state === 'downloading' && state.doneBytes > before.doneBytes) {
      this.#movedBytes += state.doneBytes - before.doneBytes;
    }
    this.#active.set(file, state);
    this.#tell(file, false);
  }

  /** The file is there, whoever brought it. */
  finish(file: string, sizeBytes: number): void {
    this.#active.delete(file);
    this.#finishedBytes += sizeBytes;
    this.#tell(file, this.#active.size === 0);
  }

  #tell(file: string, isLast: boolean): void {
    const nowMs = this.#now();
    const active = [...this.#active.values()];
    const state = active.length > 0 && active.every((one) => one.state === 'waiting') ? 'waiting' : 'downloading';
    if (!isLast && state === this.#reportedState && nowMs - this.#reportedAtMs < REPORT_EVERY_MS) return;
    this.#reportedAtMs = nowMs;
    this.#reportedState = state;
    const doneBytes = active.reduce((sum, one) => sum + one.doneBytes, this.#finishedBytes);
    const bytesPerSecond = this.#speed(nowMs);
    const remainingMs =
      bytesPerSecond === null || bytesPerSecond === 0 ? null : ((this.#totalBytes - doneBytes) / bytesPerSecond) * 1000;
    this.#report({ state, doneBytes, totalBytes: this.#totalBytes, bytesPerSecond, remainingMs, file });
  }

  #speed(nowMs: number): number | null {
    this.#samples.push({ atMs: nowMs, movedBytes: this.#movedBytes });
    // The oldest sample is the last one from before the window.
    while ((this.#samples[1]?.atMs ?? Infinity) <= nowMs - WINDOW_MS) this.#samples.shift();
    const [oldest] = this.#samples;
    if (oldest === undefined || nowMs - oldest.atMs < LEAST_WINDOW_MS) return null;
    return ((this.#movedBytes - oldest.movedBytes) / (nowMs - oldest.atMs)) * 1000;
  }
}
