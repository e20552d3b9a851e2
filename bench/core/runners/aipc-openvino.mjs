/** aipc on OpenVINO's CPU plug-in. See ../measure.mjs. */
import { createOpenvinoEngine } from '../../../dist/src/engine/openvino/openvino-engine.js';
import { loadModel } from '../../../dist/src/index.js';
import { readKvShape } from '../kv-shape.mjs';
import { serve } from '../measure.mjs';
import { createRuntime } from './aipc.mjs';

const KV_BYTES = { f32: 4, f16: 2, bf16: 2, i8: 1, u8: 1, u4: 0.5 };

await serve({
  async open({ model, threads, contextTokens }) {
    const engine = await createOpenvinoEngine(model, { device: 'cpu', threads, contextTokens });
    const { activationDtype, kvDtype } = engine.info;
    const { elements } = await readKvShape(model);
    return createRuntime(engine, { info: { activationDtype }, kvBytesPerToken: elements * KV_BYTES[kvDtype] });
  },
  async firstToken({ model, threads, contextTokens, tokens }, onToken) {
    const loaded = await loadModel(model, { threads, contextTokens, device: 'cpu', provider: 'openvino' });
    await loaded.generate({ tokenIds: tokens }, { maxNewTokens: 1 });
    onToken();
    await loaded.dispose();
  },
});
