/** The load of a Windows machine: Node.js' own figures of CPU and memory, and those of counter-worker.ts. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { notAvailable, type AcceleratorLoad, type LoadSource, type Reading, type SystemLoad } from '../load-sample.js';
import { OsCpu, osMemory } from '../os-cpu.js';
import type { Adapter } from './adapters.js';

export interface CounterMessage {
  /** Null: this Windows does not count what its GPUs do (before 10, version 1709). */
  readonly adapters: readonly Adapter[] | null;
  /** Null: not counted. */
  readonly frequencyMhz: number | null;
}

export class WindowsLoadSource implements LoadSource {
  readonly #cpu = new OsCpu();
  readonly #counters: ChildProcess;
  #message: CounterMessage | undefined;
  #problem = 'the counters have not answered yet';

  constructor(intervalMs: number) {
    const worker = fileURLToPath(new URL('./counter-worker.js', import.meta.url));
    this.#counters = fork(worker, [String(intervalMs)], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], execArgv: [] });
    this.#counters.on('message', (message) => (this.#message = message as CounterMessage));
    const ended = (why: string): void => {
      this.#message = undefined;
      this.#problem = `the process that reads the performance counters ended (${why})`;
    };
    this.#counters.on('error', (error) => ended(error.message));
    this.#counters.on('close', (code, signal) => ended(signal ?? `exit code ${String(code)}`));
    // Watching must not keep the program that watches alive.
    this.#counters.unref();
    this.#counters.channel?.unref();
  }

  sample(): Promise<SystemLoad> {
    return Promise.resolve({
      cpu: { ...this.#cpu.sample(), frequencyMhz: this.#message?.frequencyMhz ?? notAvailable(this.#problem) },
      memory: osMemory(),
      ...acceleratorsOf(this.#message, this.#problem),
    });
  }

  [Symbol.dispose](): void {
    this.#counters.kill();
  }
}

/** What the counters said as loads. `problem`: why they said nothing. */
export function acceleratorsOf(
  message: CounterMessage | undefined,
  problem: string,
): Pick<SystemLoad, 'accelerators' | 'acceleratorsNotAvailable'> {
  if (message === undefined) return { accelerators: [], acceleratorsNotAvailable: problem };
  if (message.adapters === null) {
    return { accelerators: [], acceleratorsNotAvailable: 'needs Windows 10, version 1709' };
  }
  const accelerators = message.adapters.flatMap((adapter) =>
    adapter.kind === null ? [] : [toLoad(adapter, adapter.kind)],
  );
  const unknown = message.adapters.length - accelerators.length;
  return {
    accelerators: accelerators.sort((a, b) => Number(a.kind === 'npu') - Number(b.kind === 'npu')),
    acceleratorsNotAvailable: unknown === 0 ? null : `${unknown} more that no program has in use now`,
  };
}

function toLoad(adapter: Adapter, kind: 'gpu' | 'npu'): AcceleratorLoad {
  const { luid, utilizationPercent, dedicatedBytes, sharedBytes } = adapter;
  const used: Reading =
    dedicatedBytes === null && sharedBytes === null
      ? notAvailable('this Windows does not count it')
      : (dedicatedBytes ?? 0) + (sharedBytes ?? 0);
  const notCounted = notAvailable('Windows has no counter of it');
  return {
    kind,
    id: luid,
    name: `${kind.toUpperCase()} with LUID ${luid}`,
    utilizationPercent,
    scope: 'device',
    memoryUsedBytes: used,
    memoryTotalBytes: notCounted,
    frequencyMhz: notCounted,
    maxFrequencyMhz: notCounted,
  };
}
