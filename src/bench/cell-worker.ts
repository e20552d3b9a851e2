/**
 * One cell of a benchmark in a process of its own: it loads the model, answers, and tells the times. It is given a CellTask
 * as its argument and talks to measure-cell.ts through messages. With no repetitions it only makes ready: fetches, converts,
 * compiles, fills the system's file cache.
 */
import { availableParallelism } from 'node:os';
import { AipcError } from '../errors.js';
import { loadModel } from '../model/load-model.js';
import type { Model } from '../model/model.js';
import type { TokenTrace } from '../model/token-trace.js';
import type { CellTask, FromCell } from './cell-task.js';
import { randomPrompt } from './random-prompt.js';

const task = JSON.parse(process.argv[2] ?? '') as CellTask;
const abort = new AbortController();
const { signal } = abort;
process.on('message', () => abort.abort(new DOMException('The benchmark was interrupted.', 'AbortError')));
process.on('disconnect', () => process.exit(1)); // nobody is there to be told
process.on('SIGINT', () => undefined); // the parent gets it too, and says what to do

function tell(message: FromCell): void {
  process.send?.(message);
}

async function measure(model: Model): Promise<void> {
  const { promptTokens, newTokens, warmUps, repeats } = task;
  const answer = (index: number, onFirst?: () => void): Promise<TokenTrace> =>
    model.trace(
      { tokenIds: randomPrompt(promptTokens, model.vocabularySize, index) },
      {
        newTokens,
        signal,
        onLogits: (_logits, token) => {
          if (token === 0) onFirst?.();
        },
      },
    );
  let firstTokenAtMs = Number.NaN;
  for (let index = 0; index < warmUps; index++) {
    await answer(index, index === 0 ? () => (firstTokenAtMs = performance.timeOrigin + performance.now()) : undefined);
  }
  tell({ type: 'begin' });
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  const traces: TokenTrace[] = [];
  for (let index = 0; index < repeats; index++) {
    traces.push(await answer(warmUps + index));
    tell({ type: 'repeated', count: index + 1 });
  }
  const { user, system } = process.cpuUsage(startedCpu);
  const elapsedUs = 1000 * (performance.now() - startedMs);
  tell({
    type: 'measured',
    modelId: model.identity.id,
    execution: model.execution,
    usedWeightFormat: model.identity.weightFormat,
    firstTokenAtMs,
    loadMs: model.loadMs,
    traces,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    processCpuPercent: repeats === 0 ? 0 : (100 * (user + system)) / elapsedUs / availableParallelism(),
  });
}

try {
  await using model = await loadModel(task.reference, {
    ...task.load,
    maxSlots: 1,
    publish: false,
    signal,
    onProgress: (progress) => tell({ type: 'progress', progress }),
    onWarning: (message) => tell({ type: 'warning', message }),
  });
  await measure(model);
} catch (error) {
  tell({
    type: 'failed',
    code: error instanceof AipcError ? error.code : 'PROCESS_FAILED',
    message: error instanceof AipcError ? error.message : String(error instanceof Error ? error.stack : error),
  });
}
process.disconnect();
