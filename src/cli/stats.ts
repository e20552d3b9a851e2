/** What ran where and how fast, in words, for stderr. */
import { availableParallelism } from 'node:os';
import type { GenerateResult } from '../model/result.js';

/** CPU time of this process over a stretch of wall time, as a share of all cores. */
export class CpuLoadMeter {
  readonly #startedUs = process.cpuUsage();
  readonly #startedMs = performance.now();

  /** 0 to 100. */
  percent(): number {
    const used = process.cpuUsage(this.#startedUs);
    const wallUs = (performance.now() - this.#startedMs) * 1000;
    return Math.min(100, (100 * (used.user + used.system)) / (wallUs * availableParallelism()));
  }
}

export function formatStats(result: GenerateResult, cpuLoadPercent: number): string {
  const { execution, timings, usage, model } = result;
  const format = model.weightFormat === null ? '' : `, ${model.weightFormat}`;
  const emulated = execution.emulated ? ` (emulating ${execution.requested})` : '';
  const lines = [
    `model    ${model.id}${format}, loaded in ${duration(timings.loadMs)}`,
    `ran on   ${execution.device}${emulated}: ${execution.deviceName}, by ${execution.runtimeVersion}, provider ` +
      `${execution.provider} (asked for ${execution.requested}), in ${execution.activationDtype} with a KV cache in ` +
      `${execution.kvDtype}, CPU load of this process ${cpuLoadPercent.toFixed(0)} %`,
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
