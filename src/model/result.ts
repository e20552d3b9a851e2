/** What an answer is made of: options in, parts and results out. It does not produce them. */
import type { SamplingOptions } from '../sampling/sampling.js';
import type { ChatMessage } from '../chat/message.js';
import type { EngineInfo } from '../engine/engine.js';

/** A string is one user message; `prompt` is text that is templated already; `tokenIds` are used as they are. */
export type GenerationInput =
  | string
  | { readonly messages: readonly ChatMessage[] }
  | { readonly prompt: string }
  | { readonly tokenIds: ArrayLike<number> };

export interface GenerateOptions extends SamplingOptions {
  /** 1 to the model's context; default: to the end of the context. */
  readonly maxNewTokens?: number;
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: string | readonly string[];
  /** false: greedy, whatever the sampling options say, as transformers' do_sample=False. */
  readonly doSample?: boolean;
  /** Ends the answer within one native run; what was produced so far is the result ('aborted'). */
  readonly signal?: AbortSignal;
}

export type FinishReason = 'stop' | 'length' | 'aborted';

/** Counts of tokens. */
export interface Usage {
  /** Tokens of the prompt, cached ones included. */
  readonly inputTokens: number;
  /** Tokens of the prompt that the KV cache held already. */
  readonly cachedInputTokens: number;
  /** Tokens generated, without the end-of-turn token. */
  readonly outputTokens: number;
}

/** Null where nothing was measured (no token, or only one). */
export interface Timings {
  readonly loadMs: number;
  readonly timeToFirstTokenMs: number | null;
  readonly prefillTokensPerSecond: number | null;
  readonly decodeTokensPerSecond: number | null;
}

/** What was asked for and what really ran. */
export interface Execution {
  readonly requested: string;
  readonly device: string;
  readonly deviceName: string;
  readonly provider: string;
  readonly runtimeVersion: string;
  /** The precisions that the runtime reports: of what it computes in, and of the KV cache. */
  readonly activationDtype: EngineInfo['activationDtype'];
  readonly kvDtype: EngineInfo['kvDtype'];
  /** True where a device's code path ran on other hardware. */
  readonly emulated: boolean;
}

export interface ModelIdentity {
  readonly id: string;
  readonly revision: string | null;
  /** Null for a ready-made folder that does not say. */
  readonly weightFormat: string | null;
}

export interface GenerateResult {
  readonly text: string;
  /** Ids generated, without the end-of-turn token. */
  readonly tokenIds: readonly number[];
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly timings: Timings;
  readonly execution: Execution;
  readonly model: ModelIdentity;
  /** The seed that was used; null for greedy answers. */
  readonly seed: number | null;
}

/** Parts of a streamed answer; names follow the AI SDK. */
export type StreamPart =
  | { readonly type: 'start'; readonly inputTokens: number; readonly cachedInputTokens: number }
  | { readonly type: 'text-delta'; readonly text: string; readonly tokenIds: readonly number[] }
  | ({ readonly type: 'finish' } & GenerateResult);

/**
 * What an emulation stands for and where its work is done, in words; null where there is none. OpenVINO runs an NPU's path
 * on other devices; elsewhere it is a GPU that its driver plays in software, the device itself and no other. What was
 * asked for does not tell: it may be `auto`.
 */
export function emulationOf({
  device,
  provider,
  emulated,
}: Pick<Execution, 'device' | 'provider' | 'emulated'>): { readonly of: string; readonly where: string } | null {
  if (!emulated) return null;
  return provider === 'openvino' ? { of: 'npu', where: `on ${device}` } : { of: device, where: 'in software' };
}

/** `cpu`, `gpu.0 emulated in software`, `npu emulated on cpu`. */
export function deviceInWords(execution: Pick<Execution, 'device' | 'provider' | 'emulated'>): string {
  const emulation = emulationOf(execution);
  return emulation === null ? execution.device : `${emulation.of} emulated ${emulation.where}`;
}
