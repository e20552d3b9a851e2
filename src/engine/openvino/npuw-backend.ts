/**
 * Native runs of a decoder on the NPU through NPUW, which has one KV cache for each compiled model and decides by
 * itself what a call is. This keeps the token ids of the sequence, so that whatever NPUW cannot continue is prefilled
 * again; npuw-steps.ts says when that is. Life cycle, checks and chunking are the engine core's.
 */
import koffi from 'koffi';
import { EngineError } from '../../errors.js';
import type { EngineBackend, RunSequence, SlotCache } from '../engine-core.js';
import type { EngineInfo, EngineLimits } from '../engine.js';
import { widenFloat16 } from '../float16.js';
import { ELEMENT_TYPE, shapeOf, takePointer, type OvApi, type Pointer } from './c-api.js';
import type { NpuwPlan } from './npuw-config.js';
import {
  afterNpuwStep,
  EMPTY_STATE,
  planNpuwSteps,
  PRIME_TOKENS,
  type NpuwState,
  type NpuwStep,
} from './npuw-steps.js';

/** One sequence: its token ids, from which the KV cache can be made again. */
class NpuwCache implements SlotCache {
  /** int64 [capacity]; the first `occupied` are the sequence. */
  readonly tokens: BigInt64Array;
  occupied = 0;

  constructor(capacityTokens: number) {
    this.tokens = integers(capacityTokens);
  }

  truncate(length: number): boolean {
    this.occupied = Math.min(this.occupied, length);
    return true;
  }

  clear(): Promise<void> {
    this.occupied = 0;
    return Promise.resolve();
  }

  dispose(): Promise<void> {
    return this.clear();
  }
}

/** An array whose memory never moves: V8 keeps short arrays without an ArrayBuffer of their own on its heap. */
function integers(count: number): BigInt64Array<ArrayBuffer> {
  return new BigInt64Array(new ArrayBuffer(count * BigInt64Array.BYTES_PER_ELEMENT));
}

function commonPrefix(a: BigInt64Array, b: BigInt64Array): number {
  const end = Math.min(a.length, b.length);
  let length = 0;
  while (length < end && a[length] === b[length]) length += 1;
  return length;
}

/** What the core may ask of a model compiled by this plan. */
function npuwLimits(plan: NpuwPlan): EngineLimits {
  const chunkTokens = Math.min(plan.chunkTokens, plan.contextTokens);
  return {
    contextTokens: plan.contextTokens,
    maxSlots: 1, // the KV cache belongs to the compiled model
    maxBatch: 1,
    minFirstTokens: 1,
    maxPromptTokens: Math.min(plan.maxPromptTokens, plan.contextTokens),
    maxAppendTokens: plan.contextTokens,
    prefillChunkTokens: chunkTokens,
    firstChunkTokens: chunkTokens,
    rewind: 'exact',
    logits: 'last',
    ropeBoundaries: [],
    abort: 'between-runs',
  };
}

export interface NpuwBackendParts {
  readonly api: OvApi;
  /** Compiled for the device `NPU` with the plan's properties. The backend frees it. */
  readonly compiledModel: Pointer;
  readonly plan: NpuwPlan;
  readonly info: EngineInfo;
}

export class NpuwBackend implements EngineBackend<NpuwCache> {
  readonly info: EngineInfo;
  readonly limits: EngineLimits;
  readonly #api: OvApi;
  readonly #compiledModel: Pointer;
  readonly #request: Pointer;
  readonly #plan: NpuwPlan;
  /** Whose tokens the compiled model holds. */
  #owner: NpuwCache | undefined;
  #state: NpuwState = EMPTY_STATE;
  /** The tokens of the last prefill, whose whole chunks the prefix cache holds. */
  #prefilled: BigInt64Array = integers(0);
  #isInterrupted = false;

  readonly #positions: BigInt64Array;
  /** All ones, except while a decode hides dropped positions. */
  readonly #mask: BigInt64Array;
  readonly #primeTokens = integers(PRIME_TOKENS);

  constructor({ api, compiledModel, plan, info }: NpuwBackendParts) {
    this.#api = api;
    this.#compiledModel = compiledModel;
    this.#plan = plan;
    this.info = info;
    this.limits = npuwLimits(plan);
    const count = Math.max(plan.contextTokens, PRIME_TOKENS) + 1;
    this.#positions = integers(count);
    for (let position = 0; position < count; position += 1) this.#positions[position] = BigInt(position);
    this.#mask = integers(count).fill(1n);
    this.#request = takePointer((out) => api.ov_compiled_model_create_infer_request(compiledModel, out));
  }

  /** The first runs of both models take longer than all others: they belong to loading. */
  async warmUp(): Promise<void> {
    try {
      await this.#runStep({ kind: 'prime' }, new NpuwCache(0));
    } catch (error) {
      this.#api.ov_infer_request_free(this.#request);
      throw error;
    }
  }

  openCache(capacityTokens: number): Promise<NpuwCache> {
    return Promise.resolve(new NpuwCache(capacityTokens));
  }

  async run(sequences: readonly RunSequence<NpuwCache>[]): Promise<void> {
    this.#isInterrupted = false;
    for (const sequence of sequences) await this.#runSequence(sequence);
  }

  interrupt(): void {
    this.#isInterrupted = true;
  }

  async dispose(): Promise<void> {
    this.#api.ov_infer_request_free(this.#request);
    await this.#api.async.freeCompiledModel(this.#compiledModel);
  }

  async #runSequence({ cache, pastTokens, tokens, logits, logitsRows }: RunSequence<NpuwCache>): Promise<void> {
    const total = pastTokens + tokens.length;
    for (const [i, token] of tokens.entries()) cache.tokens[pastTokens + i] = BigInt(token);
    this.#state = {
      ...this.#state,
      validTokens: this.#owner === cache ? Math.min(this.#state.validTokens, pastTokens) : 0,
      cachedTokens: commonPrefix(this.#prefilled, cache.tokens.subarray(0, total)),
    };
    this.#owner = cache;
    const growth = { past: pastTokens, total, wantsLogits: logitsRows > 0 };
    for (const step of planNpuwSteps(this.#plan, this.#state, growth)) {
      if (this.#isInterrupted) throw new EngineError('RUNTIME_FAILED', 'The run was interrupted.');
      await this.#runStep(step, cache);
    }
    cache.occupied = total;
    if (logitsRows > 0) this.#takeLogits(logits);
  }

  async #runStep(step: NpuwStep, cache: NpuwCache): Promise<void> {
    const before = this.#state;
    this.#state = { ...EMPTY_STATE, cachedTokens: before.cachedTokens }; // until it has succeeded
    switch (step.kind) {
      case 'prefill': {
        const tokens = cache.tokens.subarray(0, step.tokens);
        await this.#infer(tokens, 0, step.tokens);
        this.#prefilled = tokens.slice();
        break;
      }
      case 'decode': {
        const { position, maskTokens } = step;
        this.#mask.fill(0n, position, maskTokens);
        try {
          await this.#infer(cache.tokens.subarray(position, position + 1), position, maskTokens + 1);
        } finally {
          this.#mask.fill(1n, position, maskTokens);
        }
        break;
      }
      case 'prime': {
        const last = PRIME_TOKENS - 1;
        await this.#infer(this.#primeTokens.subarray(0, last), 0, last);
        await this.#infer(this.#primeTokens.subarray(last), last, PRIME_TOKENS);
        break;
      }
    }
    this.#state = afterNpuwStep(this.#plan, before, step);
  }

  /** One inference of `tokens` at `position`, with `maskTokens` of the mask. */
  async #infer(tokens: BigInt64Array, position: number, maskTokens: number): Promise<void> {
    const inputs = {
      input_ids: tokens,
      attention_mask: this.#mask.subarray(0, maskTokens),
      position_ids: this.#positions.subarray(position, position + tokens.length),
    };
    const tensors: Pointer[] = [];
    try {
      for (const [name, data] of Object.entries(inputs)) {
        const shape = shapeOf([1, data.length]);
        const tensor = takePointer((out) =>
          this.#api.ov_tensor_create_from_host_ptr(ELEMENT_TYPE.i64, shape, data, out),
        );
        tensors.push(tensor);
        this.#api.ov_infer_request_set_tensor(this.#request, name, tensor);
      }
      await this.#api.async.infer(this.#request);
    } finally {
      for (const tensor of tensors) this.#api.ov_tensor_free(tensor);
    }
  }

  /** Copies the last row of the logits, of which there is one or one for each token. */
  #takeLogits(logits: Float32Array): void {
    const tensor = takePointer((out) => this.#api.ov_infer_request_get_tensor(this.#request, 'logits', out));
    try {
      const type: [number] = [0];
      const size: [number | bigint] = [0];
      this.#api.ov_tensor_get_element_type(tensor, type);
      this.#api.ov_tensor_get_byte_size(tensor, size);
      const bytes = Number(size[0]);
      const view = koffi.view(
        takePointer((out) => this.#api.ov_tensor_data(tensor, out)),
        bytes,
      );
      const elementBytes = type[0] === ELEMENT_TYPE.f16 ? 2 : 4;
      const start = bytes - logits.length * elementBytes;
      if (start < 0 || (type[0] !== ELEMENT_TYPE.f16 && type[0] !== ELEMENT_TYPE.f32)) {
        throw new EngineError(
          'RUNTIME_INCOMPATIBLE',
          `The model's logits have ${bytes} bytes of element type ${type[0]}; ${logits.length} f32 or f16 were expected.`,
        );
      }
      if (type[0] === ELEMENT_TYPE.f16) widenFloat16(new Uint16Array(view, start, logits.length), logits);
      else logits.set(new Float32Array(view, start, logits.length));
    } finally {
      this.#api.ov_tensor_free(tensor);
    }
  }
}
