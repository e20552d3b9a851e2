/**
 * onnxruntime-node's own InferenceSession.run() on the file that aipc runs, the plain way: each step's present tensors
 * are the next step's past. See ../measure.mjs.
 */
import { performance } from 'node:perf_hooks';
import path from 'node:path';
import * as ort from 'onnxruntime-node';
import { readKvShape } from '../kv-shape.mjs';
import { serve } from '../measure.mjs';

/** A prompt goes in pieces of so many tokens: the graph gives a row of logits for each, 128 kB. */
const PIECE_TOKENS = 512;
const F32_BYTES = 4;

const int64 = (values, dims) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims);

function largestOfLastRow(logits) {
  const [, , vocabulary] = logits.dims;
  const row = logits.data.subarray(logits.data.length - vocabulary);
  let best = 0;
  for (let id = 1; id < vocabulary; id += 1) if (row[id] > row[best]) best = id;
  return best;
}

await serve({
  async open({ model, threads }) {
    const session = await ort.InferenceSession.create(path.join(model, 'model.onnx'), {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
    });
    const { kvHeads, headSize, elements } = await readKvShape(model);
    const pastNames = session.inputNames.filter((name) => name.startsWith('past_key_values.'));
    const none = new ort.Tensor('float32', new Float32Array(0), [1, kvHeads, 0, headSize]);
    const start = () => ({ past: pastNames.map((name) => [name, none]), length: 0, pending: [] });
    let state = start();

    /** Runs the tokens over the past and keeps the present; returns the most likely next token. */
    const step = async (tokens) => {
      const length = state.length + tokens.length;
      const outputs = await session.run({
        input_ids: int64(tokens, [1, tokens.length]),
        attention_mask: int64(new Array(length).fill(1), [1, length]),
        ...Object.fromEntries(state.past),
      });
      const past = pastNames.map((name) => [name, outputs[name.replace('past_key_values', 'present')]]);
      state = { ...state, past, length };
      return largestOfLastRow(outputs.logits);
    };

    return {
      info: { runtimeVersion: `onnxruntime-node ${ort.env.versions.node}`, kvDtype: 'f32' },
      kvBytesPerToken: elements * F32_BYTES,
      async answer(tokens, newTokens, onToken) {
        const prompt = [...state.pending, ...tokens];
        let next;
        for (let from = 0; from < prompt.length; from += PIECE_TOKENS) {
          next = await step(prompt.slice(from, from + PIECE_TOKENS));
        }
        onToken(next, performance.now());
        for (let count = 1; count < newTokens; count += 1) {
          next = await step([next]);
          onToken(next, performance.now());
        }
        state.pending = [next];
      },
      reset() {
        state = start();
      },
      dispose: () => session.release(),
    };
  },
});
