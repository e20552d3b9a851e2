/** When to try again after a failure that may pass. It knows nothing of HTTP but the Retry-After header. */
import { setTimeout as sleep } from 'node:timers/promises';

/** A failure that another attempt may not meet. */
export class TransientError extends Error {
  /** How long the server asked to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

export interface RetryPolicy {
  /** Attempts after the first one that may bring nothing new, in a row. */
  readonly maxRetries: number;
  /** The wait before the first retry; it doubles each time. */
  readonly firstDelayMs: number;
}

/** Half a minute of trying in all, as long as a person waits for a dead line. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = { maxRetries: 5, firstDelayMs: 1000 };

/** A server that asks for more is not waited for. */
const MAX_RETRY_AFTER_MS = 120_000;

/**
 * Runs `attempt` until it resolves, as long as it fails with TransientError; the last one is thrown.
 * `progress` grows with what was achieved: an attempt that got further than any before it does not count as in vain.
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  progress: () => number,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<T> {
  let best = progress();
  for (let inVain = 0; ;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      const reached = progress();
      inVain = reached > best ? 0 : inVain + 1;
      best = Math.max(best, reached);
      const asked = error.retryAfterMs;
      if (inVain > policy.maxRetries || (asked !== undefined && asked > MAX_RETRY_AFTER_MS)) throw error;
      const backoff = policy.firstDelayMs * 2 ** Math.max(0, inVain - 1);
      // Jitter, so that clients that were cut together do not come back together.
      await pause(asked ?? backoff * (0.75 + Math.random() / 2), signal);
    }
  }
}

/** Waits; rejects with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Milliseconds of a Retry-After header (seconds, or a date); undefined where there is none. */
export function retryAfterMs(header: string | undefined, nowMs = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/u.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
