/** Samples of this system's processors, when it is asked for them. It does not know which models run. */
import { LinuxLoadSource } from './linux/linux-source.js';
import type { LoadSource, SystemSample } from './load-sample.js';
import { MacosLoadSource } from './macos/macos-source.js';
import { OtherLoadSource } from './other-source.js';
import { WindowsLoadSource } from './windows/windows-source.js';

/** Each sample says what happened since the one before, or since it was made. */
export class SystemSampler implements Disposable {
  readonly #source: LoadSource;
  #sampledMs = performance.now();

  /** `intervalMs`: how often it will be asked, about. */
  constructor(intervalMs: number) {
    this.#source = createSource(intervalMs);
  }

  async sample(): Promise<SystemSample> {
    const startedMs = performance.now();
    const intervalMs = startedMs - this.#sampledMs;
    this.#sampledMs = startedMs;
    return { intervalMs, ...(await this.#source.sample()) };
  }

  [Symbol.dispose](): void {
    this.#source[Symbol.dispose]();
  }
}

function createSource(intervalMs: number): LoadSource {
  if (process.platform === 'linux') return new LinuxLoadSource(intervalMs);
  if (process.platform === 'win32') return new WindowsLoadSource(intervalMs);
  if (process.platform === 'darwin') return new MacosLoadSource();
  return new OtherLoadSource();
}
