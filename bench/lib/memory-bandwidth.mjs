/**
 * How fast this machine reads memory: the bound for decoding, which reads all weights for each token. Each thread looks
 * for a byte that is not there in zeros of its own, with the C library's memchr (Buffer's indexOf), which reads with the
 * CPU's widest loads and does nothing else. It measures reading only, from memory that no cache holds.
 */
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { summarise } from './statistics.mjs';

/** For all threads together: well beyond every cache. */
const TOTAL_BYTES = 2 ** 30;
const PASSES = 12;
const WARM_UP_PASSES = 2;

/** Gigabytes (1e9) a second of all threads together: { threads, bytes, method, gigabytesPerSecond: summary }. */
export async function measureMemoryBandwidth(threads) {
  const bytesPerThread = Math.floor(TOTAL_BYTES / threads);
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL(import.meta.url), { workerData: bytesPerThread }),
  );
  const answers = () => Promise.all(workers.map((worker) => once(worker, 'message')));
  try {
    await answers(); // their memory is there
    const rates = [];
    for (let pass = 0; pass < PASSES; pass += 1) {
      const started = performance.now();
      const done = answers();
      for (const worker of workers) worker.postMessage('read');
      await done;
      const seconds = (performance.now() - started) / 1000;
      if (pass >= WARM_UP_PASSES) rates.push((threads * bytesPerThread) / 1e9 / seconds);
    }
    return {
      method: 'memchr over zeros, each thread its own',
      threads,
      bytes: threads * bytesPerThread,
      gigabytesPerSecond: summarise(rates),
    };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

if (!isMainThread) {
  // Filled, so that every page is one of its own: untouched ones are all the same page of zeros.
  const zeros = Buffer.alloc(workerData, 1).fill(0);
  parentPort.on('message', () => parentPort.postMessage(zeros.indexOf(1)));
  parentPort.postMessage('ready');
}
