/**
 * NVIDIA's GPUs, whose driver has no files to read: nvidia-smi, started once, writes a line for each GPU and interval.
 * Columns: `nvidia-smi --help-query-gpu`.
 */
import { LinesProcess } from '../lines-process.js';
import type { NvidiaRow } from './accelerators.js';

const COLUMNS = 'pci.bus_id,utilization.gpu,memory.used,memory.total,clocks.sm,clocks.max.sm,name';

/** `00000000:3B:00.0, 17, 512, 81559, 1980, 1980, NVIDIA H100`; undefined: another line. */
export function parseNvidiaRow(line: string): NvidiaRow | undefined {
  const [busId = '', utilization, used, total, clock, maxClock, ...name] = line.split(',').map((cell) => cell.trim());
  const address = /^[0-9a-f]{4}([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])$/u.exec(busId.toLowerCase())?.[1];
  if (address === undefined || name.length === 0) return undefined;
  const number = (cell: string | undefined): number | null =>
    cell !== undefined && /^\d+(?:\.\d+)?$/u.test(cell) ? Number(cell) : null;
  return {
    pciAddress: address,
    name: name.join(', '),
    utilizationPercent: number(utilization),
    usedMebibytes: number(used),
    totalMebibytes: number(total),
    clockMhz: number(clock),
    maxClockMhz: number(maxClock),
  };
}

export class NvidiaSmi implements Disposable {
  readonly #rows = new Map<string, NvidiaRow>();
  readonly #process: LinesProcess;

  constructor(intervalMs: number) {
    const args = [`--query-gpu=${COLUMNS}`, '--format=csv,noheader,nounits', `--loop-ms=${Math.round(intervalMs)}`];
    this.#process = new LinesProcess('nvidia-smi', args, (line) => {
      const row = parseNvidiaRow(line);
      if (row !== undefined) this.#rows.set(row.pciAddress, row);
    });
  }

  /** The last line of each GPU, by PCI address. */
  get rows(): ReadonlyMap<string, NvidiaRow> {
    return this.#rows;
  }

  /** Why a GPU has no line. */
  get problem(): string {
    return this.#process.problem ?? 'nvidia-smi has not answered yet';
  }

  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]();
  }
}
