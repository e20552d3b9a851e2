/** Progress of long work on stderr: a bar on a terminal, one line a phase elsewhere. Nothing for what ends within a second. */
import { Presets, SingleBar } from 'cli-progress';

/** What every long call reports, whatever its phases. */
interface Progress {
  readonly phase: string;
  readonly label: string;
  /** Both null while the size is unknown. */
  readonly doneBytes: number | null;
  readonly totalBytes: number | null;
  /** Of a download; null or left out: not known. */
  readonly bytesPerSecond?: number | null;
}

const PATIENCE_MS = 1000;
const BYTES_PER_MB = 1_000_000;

export class ProgressLine {
  readonly #startedMs = performance.now();
  readonly #isTerminal = process.stderr.isTTY;
  #bar: SingleBar | null = null;
  #shown = '';

  readonly update = (progress: Progress): void => {
    if (progress.phase === 'load' || performance.now() - this.#startedMs < PATIENCE_MS) return;
    const title = `${progress.phase} ${progress.label}`;
    const sizeIsNew = this.#isTerminal && this.#bar === null && progress.totalBytes !== null;
    if (title !== this.#shown || sizeIsNew) this.#begin(title, progress.totalBytes);
    if (progress.doneBytes === null) return;
    const speed = progress.bytesPerSecond == null ? '' : `, ${megabytes(progress.bytesPerSecond)} MB/s`;
    this.#bar?.update(progress.doneBytes, { doneMb: megabytes(progress.doneBytes), speed });
  };

  /** Leaves the line as it stands; to be called before anything else is printed. */
  end(): void {
    this.#bar?.stop();
    this.#bar = null;
  }

  #begin(title: string, totalBytes: number | null): void {
    this.end();
    this.#shown = title;
    if (!this.#isTerminal || totalBytes === null) {
      process.stderr.write(`${title} ...\n`);
      return;
    }
    const format = `${title} [{bar}] {percentage}% {doneMb}/${megabytes(totalBytes)} MB{speed}, {eta_formatted} left`;
    this.#bar = new SingleBar({ format, stream: process.stderr, hideCursor: true }, Presets.legacy);
    this.#bar.start(totalBytes, 0, { doneMb: '0', speed: '' });
  }
}

function megabytes(bytes: number): string {
  return (bytes / BYTES_PER_MB).toFixed(bytes < 10 * BYTES_PER_MB ? 1 : 0);
}
