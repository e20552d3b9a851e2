/**
 * The load of a Mac: Node.js' own figures of CPU and memory, and what the registry of drivers says of the GPU, without
 * rights of an administrator. The Neural Engine and frequencies are shown to administrators alone (powermetrics).
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { notAvailable, type AcceleratorLoad, type LoadSource, type SystemLoad } from '../load-sample.js';
import { OsCpu, osMemory } from '../os-cpu.js';

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 4 * 2 ** 20;
/** ioreg has no mode that goes on: it is asked no more often than this. */
const GPU_INTERVAL_MS = 2000;
const FREQUENCY = notAvailable('macOS shows frequencies to administrators alone (powermetrics)');

export class MacosLoadSource implements LoadSource {
  readonly #cpu = new OsCpu();
  #gpus: Pick<SystemLoad, 'accelerators' | 'acceleratorsNotAvailable'> | undefined;
  #askedMs = -Infinity;

  async sample(): Promise<SystemLoad> {
    if (this.#gpus === undefined || performance.now() - this.#askedMs >= GPU_INTERVAL_MS) {
      this.#askedMs = performance.now();
      this.#gpus = await readGpus();
    }
    return { cpu: { ...this.#cpu.sample(), frequencyMhz: FREQUENCY }, memory: osMemory(), ...this.#gpus };
  }

  [Symbol.dispose](): void {
    // it holds nothing
  }
}

async function readGpus(): Promise<Pick<SystemLoad, 'accelerators' | 'acceleratorsNotAvailable'>> {
  try {
    const args = ['-r', '-d', '1', '-w', '0', '-c', 'IOAccelerator'];
    const { stdout } = await run('ioreg', args, { maxBuffer: MAX_OUTPUT_BYTES, timeout: 5000 });
    return {
      accelerators: parseIoreg(stdout),
      acceleratorsNotAvailable: 'macOS shows the load of the Neural Engine to administrators alone (powermetrics)',
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { accelerators: [], acceleratorsNotAvailable: `ioreg failed: ${why}` };
  }
}

/** One accelerator for each entry of ioreg that has statistics. */
export function parseIoreg(text: string): readonly AcceleratorLoad[] {
  return text.split(/^(?=\s*\+-o )/mu).flatMap((entry): AcceleratorLoad[] => {
    const statistics = /"PerformanceStatistics"\s*=\s*\{([^}]*)\}/u.exec(entry)?.[1];
    if (statistics === undefined) return [];
    // With its closing quote a name does not match a longer one: "In use system memory (driver)".
    const figure = (name: string): number | undefined => {
      const value = new RegExp(`"${name}"=(\\d{1,15})(?:,|$)`, 'u').exec(statistics)?.[1];
      return value === undefined ? undefined : Number(value);
    };
    const name = /^\s*\+-o (\S+)/u.exec(entry)?.[1] ?? 'GPU';
    const missing = notAvailable('this driver does not report it');
    const utilization = figure('Device Utilization %');
    return [
      {
        kind: 'gpu',
        id: name,
        name: /"model"\s*=\s*"([^"]*)"/u.exec(entry)?.[1] ?? name,
        utilizationPercent: utilization === undefined ? missing : Math.min(100, utilization),
        scope: 'device',
        memoryUsedBytes: figure('In use system memory') ?? missing,
        memoryTotalBytes: notAvailable('the GPU shares the memory of the machine'),
        frequencyMhz: FREQUENCY,
        maxFrequencyMhz: FREQUENCY,
      },
    ];
  });
}
