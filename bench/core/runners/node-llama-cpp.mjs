/** node-llama-cpp on the CPU with a GGUF file, through its LlamaContextSequence. See ../measure.mjs. */
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { readKvShape } from '../kv-shape.mjs';
import { serve } from '../measure.mjs';

/** Its KV cache is f16 unless one asks for something else. */
const F16_BYTES = 2;

await serve({
  async open({ model, weightsFolder, threads, contextTokens, peerEntry, flashAttention }) {
    const { getLlama, LlamaLogLevel } = await import(pathToFileURL(peerEntry).href);
    const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.warn });
    const loaded = await llama.loadModel({ modelPath: model });
    const context = await loaded.createContext({
      contextSize: contextTokens,
      threads,
      ...(flashAttention === undefined ? {} : { flashAttention }),
    });
    const sequence = context.getSequence();
    const { elements } = await readKvShape(weightsFolder);
    let pending = [];
    return {
      info: {
        runtimeVersion: `llama.cpp ${llama.llamaCppRelease.release}`,
        kvDtype: 'f16',
        flashAttention: context.flashAttention,
        batchTokens: context.batchSize,
        threads: context.currentThreads,
      },
      kvBytesPerToken: elements * F16_BYTES,
      async answer(tokens, newTokens, onToken) {
        const expected = sequence.nextTokenIndex + pending.length + tokens.length + newTokens - 1;
        let count = 0;
        let last;
        for await (const token of sequence.evaluate([...pending, ...tokens], { temperature: 0, yieldEogToken: true })) {
          onToken(token, performance.now());
          last = token;
          count += 1;
          if (count === newTokens) break;
        }
        if (sequence.nextTokenIndex !== expected) {
          throw new Error(`The sequence holds ${sequence.nextTokenIndex} tokens, not ${expected}.`);
        }
        pending = [last];
      },
      async reset() {
        await sequence.clearHistory();
        pending = [];
      },
      dispose: () => llama.dispose(),
    };
  },
});
