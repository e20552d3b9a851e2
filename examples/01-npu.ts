/**
 * The Phi-3 cookbook's first way, "use the NPU to run Phi-3": the weights are quantised to int4 when they are first
 * loaded, and the answer streams from the NPU.
 *
 *   node dist/examples/01-npu.js [MODEL] [KEY=VALUE...]
 *
 * MODEL: a folder of Phi-3 weights or `demo`. KEY=VALUE: OpenVINO properties; where there is no
 * NPU, NPUW_DEVICES=CPU runs the NPU's code path on the CPU.
 */
import { loadModel } from 'aipc';

const [reference = 'microsoft/Phi-3-mini-4k-instruct', ...properties] = process.argv.slice(2);

await using model = await loadModel(reference, {
  device: 'npu',
  weightFormat: 'int4', // or 'int8', 'fp16'
  ovConfig: Object.fromEntries(properties.map((property) => property.split('=') as [string, string])),
});
if (model.notice !== null) console.error(model.notice);

const query = '<|system|>You are a helpful AI assistant.<|end|><|user|>Can you introduce yourself?<|end|><|assistant|>';
const run = model.stream(
  { prompt: query }, // templated already; the answer does not repeat it
  { maxNewTokens: 1024, temperature: 0.3, doSample: false }, // greedy: doSample wins over the temperature
);
for await (const piece of run.textStream) process.stdout.write(piece);

const { execution, timings } = await run.result;
console.error(`\n${execution.emulated ? 'NPU emulated by ' : ''}${execution.device}: ${execution.deviceName}`);
console.error(`first token after ${timings.timeToFirstTokenMs?.toFixed(0) ?? '?'} ms`);
