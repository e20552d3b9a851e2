/** aipc on ONNX Runtime's CPU provider. See ../measure.mjs. */
import { performance } from 'node:perf_hooks';
import { loadOrtApi } from '../../../dist/src/engine/onnxruntime/c-api.js';
import { createOnnxRuntimeEngine } from '../../../dist/src/engine/onnxruntime/onnxruntime-engine.js';
import { loadModel } from '../../../dist/src/index.js';
import { readKvShape } from '../kv-shape.mjs';
import { serve } from '../measure.mjs';
import { createRuntime } from './aipc.mjs';

const F32_BYTES = 4;

/** Counts the time from the call of the native function until its promise is resolved. */
function timeNativeRuns(api) {
  const { runWithBinding } = api.async;
  let totalMs = 0;
  api.async.runWithBinding = async (...given) => {
    const started = performance.now();
    try {
      await runWithBinding(...given);
    } finally {
      totalMs += performance.now() - started;
    }
  };
  return () => totalMs;
}

await serve({
  async open({ model, threads, contextTokens, sessionOptions, prefillChunkTokens }) {
    const nativeMs = timeNativeRuns(await loadOrtApi());
    const engine = await createOnnxRuntimeEngine(model, {
      threads,
      contextTokens,
      sessionOptions,
      ...(prefillChunkTokens === undefined ? {} : { prefillChunkTokens }),
    });
    const { elements } = await readKvShape(model);
    return createRuntime(engine, { info: {}, kvBytesPerToken: elements * F32_BYTES, nativeMs });
  },
  // What a program does that wants an answer: the library's own entry, tokenizer and chat template included.
  async firstToken({ model, threads, contextTokens, sessionOptions, tokens }, onToken) {
    const loaded = await loadModel(model, { threads, contextTokens, sessionOptions });
    await loaded.generate({ tokenIds: tokens }, { maxNewTokens: 1 });
    onToken();
    await loaded.dispose();
  },
});
