/**
 * The Phi-3 cookbook's third way, "run Phi-3 with OpenVINO": a model is exported to OpenVINO's format and runs on the
 * CPU, a GPU or the NPU.
 *
 *   node dist/examples/03-openvino.js [MODEL] [DEVICE] [OUTPUT_FOLDER]
 *
 * MODEL: a folder of Phi-3 weights or `demo`. DEVICE: cpu, gpu.0 (the cookbook's choice), npu. OUTPUT_FOLDER must not
 * exist yet; a folder that `aipc export openvino` made can be given to loadModel directly.
 */
import { exportOpenvinoModel, loadModel } from 'aipc';

const [reference = 'microsoft/Phi-3-mini-4k-instruct', device = 'gpu.0', folder = './openvinomodel/phi3/int4'] =
  process.argv.slice(2);

// aipc export openvino --weight-format int4 --group-size 128 --ratio 0.6 --sym
await exportOpenvinoModel(reference, folder, { weightFormat: 'int4', groupSize: 128, ratio: 0.6, symmetric: true });

await using model = await loadModel(folder, {
  device,
  ovConfig: { PERFORMANCE_HINT: 'LATENCY', NUM_STREAMS: '1', CACHE_DIR: '' },
});

const prompt =
  '<|system|>You are a helpful AI assistant.<|end|><|user|>Can you introduce yourself?<|end|><|assistant|>';
const { text, execution } = await model.generate({ prompt }, { maxNewTokens: 1024 });
console.log(text);
console.error(`${execution.device}: ${execution.deviceName}, ${execution.activationDtype}`);
