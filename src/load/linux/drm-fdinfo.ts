/**
 * What GPU drivers say of each program that has the device open: /proc/PID/fdinfo/FD, Documentation/gpu/drm-usage-stats.rst
 * of the kernel. It parses and adds up; drm-clients.ts finds the files.
 */
import { percentOf } from '../load-sample.js';

/** One program's use of one device. Several file descriptors can be one client. */
export interface DrmClient {
  /** PCI address of the device; null: the driver names none. */
  readonly pciAddress: string | null;
  readonly clientId: string;
  /** By engine class. `busy` grows in nanoseconds, or in cycles where `cycles` says how many have passed. */
  readonly engines: ReadonlyMap<
    string,
    { readonly busy: number; readonly cycles: number | null; readonly capacity: number }
  >;
  /** Held in any memory that the GPU uses; null: not said. */
  readonly residentBytes: number | null;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20 };

/** Undefined for files that are not a GPU's. */
export function parseFdinfo(text: string): DrmClient | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (line.startsWith('drm-') && colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const clientId = fields.get('drm-client-id');
  if (clientId === undefined) return undefined;
  const engines = new Map<string, { busy: number; cycles: number | null; capacity: number }>();
  let resident: number | null = null;
  let memory: number | null = null;
  for (const [key, value] of fields) {
    const [amount = '', unit = ''] = value.split(/\s+/u);
    const number = Number(amount);
    if (!Number.isFinite(number)) continue;
    const capacityOf = (engine: string): number =>
      Math.max(1, Number(fields.get(`drm-engine-capacity-${engine}`) ?? 1) || 1);
    if (key.startsWith('drm-engine-') && !key.startsWith('drm-engine-capacity-')) {
      const engine = key.slice('drm-engine-'.length);
      engines.set(engine, { busy: number, cycles: null, capacity: capacityOf(engine) });
    } else if (key.startsWith('drm-cycles-')) {
      const engine = key.slice('drm-cycles-'.length);
      const cycles = Number(fields.get(`drm-total-cycles-${engine}`));
      // Without the clock beside it (msm), cycles say nothing about a share.
      if (Number.isFinite(cycles)) engines.set(engine, { busy: number, cycles, capacity: capacityOf(engine) });
    } else if (key.startsWith('drm-resident-')) resident = (resident ?? 0) + number * (UNITS[unit] ?? 1);
    else if (key.startsWith('drm-memory-')) memory = (memory ?? 0) + number * (UNITS[unit] ?? 1);
  }
  return { pciAddress: fields.get('drm-pdev') ?? null, clientId, engines, residentBytes: resident ?? memory };
}

/**
 * The busiest engine class's share between two looks, in percent, all clients together. A client that is new counts from
 * the next look on: what it did before is not of this interval. Null: no client has such counters.
 */
export function engineUtilization(
  before: ReadonlyMap<string, DrmClient>,
  after: ReadonlyMap<string, DrmClient>,
  elapsedMs: number,
): number | null {
  const shares = new Map<string, number>();
  let hasCounters = false;
  for (const [key, client] of after) {
    for (const [engine, now] of client.engines) {
      hasCounters = true;
      const then = before.get(key)?.engines.get(engine);
      if (then === undefined) continue;
      const elapsed = now.cycles === null ? elapsedMs * 1e6 : now.cycles - (then.cycles ?? now.cycles);
      const share = percentOf(now.busy - then.busy, elapsed * now.capacity);
      shares.set(engine, (shares.get(engine) ?? 0) + share);
    }
  }
  return hasCounters ? Math.min(100, Math.max(0, ...shares.values())) : null;
}
