/** aipc as a runtime of ../measure.mjs, over an engine that is open: one conversation that keeps its KV cache. */
import { Scheduler } from '../../../dist/src/generation/scheduler.js';
import { answer } from '../../lib/aipc-answer.mjs';

export function createRuntime(engine, { info, kvBytesPerToken, nativeMs }) {
  const scheduler = new Scheduler(engine);
  let sequence = scheduler.createSequence();
  let history = [];
  return {
    info: { runtimeVersion: engine.info.runtimeVersion, kvDtype: engine.info.kvDtype, ...info },
    kvBytesPerToken,
    nativeMs,
    async answer(tokens, newTokens, onToken) {
      const heldTokens = Math.max(0, history.length - 1); // the last one generated was never computed
      const promptTokens = [...history, ...tokens];
      const { tokenIds, cachedTokens } = await answer(scheduler, { sequence, promptTokens, newTokens, onToken });
      if (cachedTokens !== heldTokens) throw new Error(`${cachedTokens} tokens were cached, not ${heldTokens}.`);
      history = [...promptTokens, ...tokenIds];
    },
    async reset() {
      await sequence.dispose();
      sequence = scheduler.createSequence();
      history = [];
    },
    async dispose() {
      await scheduler.dispose();
      await engine.dispose();
    },
  };
}
