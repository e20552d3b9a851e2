/**
 * The Phi-3 cookbook's second way, "run Phi-3 with DirectML and ONNX Runtime": an int4 ONNX model answers on a GPU. The
 * provider is all that differs between DirectML and the others.
 *
 *   node dist/examples/02-directml.js [MODEL] [PROVIDER] [MAX_NEW_TOKENS] [ACTIVATIONS]
 *
 * MODEL: a name, a folder of Phi-3 weights, an ONNX folder made for the provider, or `demo`. PROVIDER: dml (Windows),
 * webgpu, cuda or cpu. ACTIVATIONS: `fp32` for WebGPU devices without f16.
 */
import { loadModel } from 'aipc';

const [reference = 'phi-3-mini', provider = 'dml', maxNewTokens = '1024', activations] = process.argv.slice(2);

await using model = await loadModel(reference, {
  provider,
  weightFormat: 'int4',
  ...(activations === 'fp32' ? { activations } : {}),
});
if (model.notice !== null) console.error(model.notice);

await using chat = model.createChat({ system: 'You are a helpful AI assistant.' });
const run = chat.stream('Can you introduce yourself?', {
  maxNewTokens: Number(maxNewTokens),
  temperature: 0.3,
  doSample: false,
});
for await (const piece of run.textStream) process.stdout.write(piece);

const { execution, timings } = await run.result;
console.error(`\n${execution.device}, ${execution.provider}: ${execution.deviceName}, ${execution.runtimeVersion}`);
console.error(`first token after ${timings.timeToFirstTokenMs?.toFixed(0) ?? '?'} ms`);
