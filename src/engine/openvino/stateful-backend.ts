/**
 * Native runs of a stateful decoder on OpenVINO's CPU and GPU plug-ins: one infer request for each slot, whose state is
 * the KV cache. It owns the compiled model and all requests. Life cycle, checks and chunking are the engine core's.
 *
 * The C API gives no hold on a state: it grows by what a run appends and goes with its request. So an emptied slot gets
 * a new request, and tokens that a rewind drops stay where they are, hidden by zeros in the attention mask.
 */
import { EngineError, OptionError } from '../../errors.js';
import type { EngineBackend, RunSequence, SlotCache } from '../engine-core.js';
import type { EngineInfo, EngineLimits } from '../engine.js';
import { requireMemory } from '../memory.js';
import { returnFreedMemory } from '../native-library.js';
import { ropeRegime } from '../run-plan.js';
import type { OvApi, Pointer } from './c-api.js';
import { INPUT, OUTPUT_LOGITS, type DecoderInputs } from './decoder-inputs.js';
import { InferRequest } from './infer-request.js';

/** A state that is full is copied into a larger one, and both take memory for a moment. */
const KV_GROWTH_FACTOR = 2;

/** Arrays whose memory never moves: V8 keeps short ones without an ArrayBuffer of their own on its heap. */
function integers(count: number): BigInt64Array<ArrayBuffer> {
  return new BigInt64Array(new ArrayBuffer(count * BigInt64Array.BYTES_PER_ELEMENT));
}

class RequestCache implements SlotCache {
  readonly capacityTokens: number;
  readonly #backend: StatefulBackend;
  #request: InferRequest | undefined;
  #occupied = 0;
  /** Of the occupied positions, those not hidden. */
  #valid = 0;
  /** i64 [occupied], 0 where a position is hidden; undefined while none is. */
  #mask: BigInt64Array | undefined;
  #isLost = false;

  constructor(backend: StatefulBackend, capacityTokens: number) {
    this.#backend = backend;
    this.capacityTokens = capacityTokens;
  }

  get occupied(): number {
    return this.#occupied;
  }

  /** The request to run `count` more tokens with. */
  request(): InferRequest {
    this.#request ??= this.#backend.openRequest();
    return this.#request;
  }

  /** i64 [occupied + count]: the mask of a run that appends `count` tokens. */
  maskOf(count: number, ones: BigInt64Array): BigInt64Array {
    if (this.#mask === undefined) return ones;
    return this.#mask.fill(1n, this.#occupied, this.#occupied + count);
  }

  append(count: number): void {
    this.#occupied += count;
    this.#valid += count;
  }

  /** After a failed run nobody knows what the state holds. */
  lose(): void {
    this.#isLost = true;
  }

  truncate(length: number): boolean {
    if (length === 0) {
      this.#empty();
      return true;
    }
    if (this.#isLost) return false;
    if (length === this.#valid) return true;
    if (this.#backend.limits.rewind === 'none') return false;
    this.#mask ??= integers(this.capacityTokens).fill(1n, 0, this.#occupied);
    for (let at = this.#occupied - 1; this.#valid > length; at -= 1) {
      if (this.#mask[at] === 0n) continue;
      this.#mask[at] = 0n;
      this.#valid -= 1;
    }
    return true;
  }

  async clear(): Promise<void> {
    const hadMemory = this.#request !== undefined;
    this.#empty();
    if (hadMemory) await returnFreedMemory();
  }

  dispose(): Promise<void> {
    this.#backend.closeCache(this);
    return this.clear();
  }

  #empty(): void {
    this.#request?.free();
    this.#request = undefined;
    this.#mask = undefined;
    this.#occupied = 0;
    this.#valid = 0;
    this.#isLost = false;
  }
}

type Sequence = RunSequence<RequestCache>;

export interface StatefulBackendParts {
  readonly api: OvApi;
  /** The backend frees it. */
  readonly compiledModel: Pointer;
  readonly inputs: DecoderInputs;
  readonly info: EngineInfo;
  readonly limits: EngineLimits;
  /** Of the host's memory; 0 where the device has its own. */
  readonly kvBytesPerToken: number;
}

export class StatefulBackend implements EngineBackend<RequestCache> {
  readonly info: EngineInfo;
  readonly limits: EngineLimits;
  readonly #parts: StatefulBackendParts;
  readonly #caches = new Set<RequestCache>();
  #failure: unknown;

  readonly #tokens: BigInt64Array;
  readonly #positions: BigInt64Array;
  #ones = integers(0);
  readonly #firstLogitsRow = integers(1);
  /** One sequence, so no reordering: i32 [1]. */
  readonly #beams = new Int32Array(new ArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #logits = new Float32Array(0);

  constructor(parts: StatefulBackendParts) {
    this.#parts = parts;
    this.info = parts.info;
    this.limits = parts.limits;
    this.#tokens = integers(this.limits.prefillChunkTokens);
    this.#positions = integers(this.limits.prefillChunkTokens);
  }

  openCache(capacityTokens: number): Promise<RequestCache> {
    let tokensToCome = capacityTokens;
    for (const other of this.#caches) tokensToCome += other.capacityTokens - other.occupied;
    requireMemory(
      `A KV cache of ${capacityTokens} tokens beside ${this.#caches.size} others`,
      tokensToCome * this.#parts.kvBytesPerToken * KV_GROWTH_FACTOR,
      'Open the slot with a smaller capacityTokens, or dispose other slots.',
    );
    const cache = new RequestCache(this, capacityTokens);
    this.#caches.add(cache);
    return Promise.resolve(cache);
  }

  closeCache(cache: RequestCache): void {
    this.#caches.delete(cache);
  }

  openRequest(): InferRequest {
    return new InferRequest(this.#parts.api, this.#parts.compiledModel);
  }

  async run(sequences: readonly Sequence[]): Promise<void> {
    for (const sequence of sequences) await this.#runOne(sequence);
  }

  /**
   * Runs a token through the model. The CPU plug-in packs the weights and the GPU's builds kernels in the first run, for
   * seconds: that belongs to loading.
   */
  async warmUp(): Promise<void> {
    const cache = new RequestCache(this, 1);
    const tokens = new Int32Array(1);
    try {
      await this.#runOne({ cache, pastTokens: 0, tokens, logits: new Float32Array(0), logitsRows: 0, finalLength: 1 });
    } finally {
      await cache.clear();
    }
  }

  /** A run goes to its end: cancelling one is not safe, see AsyncFunctions.infer. */
  interrupt(): void {}

  async dispose(): Promise<void> {
    await this.#parts.api.async.freeCompiledModel(this.#parts.compiledModel);
  }

  async #runOne(sequence: Sequence): Promise<void> {
    this.#refuseAfterFailure();
    this.#refuseOtherRegime(sequence);
    const { cache, tokens } = sequence;
    const request = cache.request();
    const rows = this.#bind(request, sequence);
    try {
      await request.infer();
    } catch (error) {
      this.#failure = error;
      cache.lose();
      throw error;
    }
    cache.append(tokens.length);
    this.#takeLogits(sequence, rows);
  }

  /** Returns how many rows of logits the run computes. */
  #bind(request: InferRequest, { cache, pastTokens, tokens, logits, logitsRows }: Sequence): number {
    const { inputs } = this.#parts;
    const count = tokens.length;
    for (let at = 0; at < count; at += 1) {
      this.#tokens[at] = BigInt(tokens[at] ?? 0);
      this.#positions[at] = BigInt(pastTokens + at);
    }
    request.bind(INPUT.inputIds, this.#tokens, [1, count]);
    request.bind(INPUT.attentionMask, cache.maskOf(count, this.#onesFor(cache.occupied + count)), [
      1,
      cache.occupied + count,
    ]);
    if (inputs.hasPositionIds) request.bind(INPUT.positionIds, this.#positions, [1, count]);
    if (inputs.hasBeamIdx) request.bind(INPUT.beamIdx, this.#beams, [1]);
    let rows = count;
    if (inputs.hasLogitsFirstRow) {
      rows = Math.max(1, logitsRows);
      this.#firstLogitsRow[0] = BigInt(count - rows);
      request.bind(INPUT.logitsFirstRow, this.#firstLogitsRow, [1]);
    }
    // Where the run computes just the rows that are wanted, it writes them where they are wanted.
    const target = rows === logitsRows ? logits : this.#reserveLogits(rows);
    request.bind(OUTPUT_LOGITS, target, [1, rows, this.info.vocabularySize]);
    return rows;
  }

  /** At least `count` ones. They grow with the sequences: a file may claim a context that no memory holds. */
  #onesFor(count: number): BigInt64Array {
    if (this.#ones.length < count) {
      this.#ones = integers(Math.max(count, Math.min(2 * this.#ones.length, this.limits.contextTokens))).fill(1n);
    }
    return this.#ones;
  }

  #reserveLogits(rows: number): Float32Array {
    const count = rows * this.info.vocabularySize;
    if (this.#logits.length < count) this.#logits = new Float32Array(count);
    return this.#logits;
  }

  #takeLogits({ logits, logitsRows }: Sequence, rows: number): void {
    if (rows === logitsRows) return;
    const { vocabularySize } = this.info;
    logits.set(this.#logits.subarray((rows - logitsRows) * vocabularySize, rows * vocabularySize));
  }

  /** All requests share the compiled graph, which keeps half-changed shapes when a run fails in its midst. */
  #refuseAfterFailure(): void {
    if (this.#failure === undefined) return;
    throw new EngineError(
      'RUNTIME_FAILED',
      'An earlier run failed inside OpenVINO, and what runs after it cannot be trusted. Dispose the engine and load ' +
        'the model again.',
      { cause: this.#failure },
    );
  }

  /** The graph chooses the rope factors by the highest position of the run, so a run must reach beyond the boundary. */
  #refuseOtherRegime({ pastTokens, tokens, finalLength }: Sequence): void {
    if (ropeRegime(this.limits, pastTokens + tokens.length) === ropeRegime(this.limits, finalLength)) return;
    throw new OptionError(
      'OPTION_INVALID',
      `This model changes its rope factors at ${this.limits.ropeBoundaries.join(', ')} tokens: give a prompt of ` +
        `${finalLength} tokens in one step.`,
      { details: { finalLength, ropeBoundaries: this.limits.ropeBoundaries } },
    );
  }
}
