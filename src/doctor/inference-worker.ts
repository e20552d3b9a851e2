/**
 * A process of its own that answers one question with the demo model on one device: a driver may crash it.
 * Arguments: device, provider and, as JSON, epLibraries, as loadModel() takes them.
 */
import { loadModel } from '../model/load-model.js';
import type { InferenceAnswer } from './inference-check.js';

const QUESTION = 'Who are you?';
const ANSWER_TOKENS = 24;

async function answer(device: string, provider: string, libraries: string): Promise<InferenceAnswer> {
  const startedMs = performance.now();
  try {
    const epLibraries = JSON.parse(libraries) as Record<string, string>;
    const model = await loadModel('demo', { device, provider, epLibraries, download: 'never', maxSlots: 1 });
    try {
      const { text, tokenIds, execution, timings } = await model.generate(QUESTION, { maxNewTokens: ANSWER_TOKENS });
      const { decodeTokensPerSecond } = timings;
      const { device: ranOn, deviceName, runtimeVersion, emulated } = execution;
      const seconds = (performance.now() - startedMs) / 1000;
      return {
        text,
        tokens: tokenIds.length,
        ranOn,
        deviceName,
        runtimeVersion,
        emulated,
        decodeTokensPerSecond,
        seconds,
      };
    } finally {
      await model.dispose();
    }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

const [device = 'cpu', provider = 'cpu', libraries = '{}'] = process.argv.slice(2);
process.send?.(await answer(device, provider, libraries));
process.disconnect();
