/** Systems that aipc has no source for: CPU and memory, as Node.js knows them. */
import { notAvailable, type LoadSource, type SystemLoad } from './load-sample.js';
import { OsCpu, osMemory } from './os-cpu.js';

export class OtherLoadSource implements LoadSource {
  readonly #cpu = new OsCpu();

  sample(): Promise<SystemLoad> {
    return Promise.resolve({
      cpu: { ...this.#cpu.sample(), frequencyMhz: notAvailable(`not known how on ${process.platform}`) },
      memory: osMemory(),
      accelerators: [],
      acceleratorsNotAvailable: `not known how to look for GPUs and NPUs on ${process.platform}`,
    });
  }

  [Symbol.dispose](): void {
    // it holds nothing
  }
}
