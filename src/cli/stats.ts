/** What ran where and how fast, in words, for stderr. */
import type { MeanLoad } from '../load/load-meter.js';
import { deviceInWords, type GenerateResult } from '../model/result.js';
import { formatMeanLoad } from './load-view.js';

export function formatStats(result: GenerateResult, load: MeanLoad): string {
  const { execution, timings, usage, model } = result;
  const format = model.weightFormat === null ? '' : `, ${model.weightFormat}`;
  const lines = [
    `model    ${model.id}${format}, loaded in ${duration(timings.loadMs)}`,
    `ran on   ${deviceInWords(execution)}: ${execution.deviceName}, by ${execution.runtimeVersion}, provider ` +
      `${execution.provider} (asked for ${execution.requested}), in ${execution.activationDtype} with a KV cache in ` +
      execution.kvDtype,
    `load     ${formatMeanLoad(load)}`,
    `prompt   ${usage.inputTokens} tokens, ${usage.cachedInputTokens} of them cached` +
      `, first token after ${duration(timings.timeToFirstTokenMs)} (prefill ${rate(timings.prefillTokensPerSecond)})`,
    `answer   ${usage.outputTokens} tokens (${result.finishReason}), ${rate(timings.decodeTokensPerSecond)}`,
  ];
  return `${lines.join('\n')}\n`;
}

function duration(ms: number | null): string {
  if (ms === null) return 'n/a';
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function rate(tokensPerSecond: number | null): string {
  return tokensPerSecond === null ? 'n/a' : `${tokensPerSecond.toFixed(1)} tokens/s`;
}
