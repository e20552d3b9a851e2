/**
 * Native runs of a stateful decoder on OpenVINO's CPU and GPU plug-ins: one infer request for each slot, whose state is
 * the KV cache. It owns the compiled model and all requests. Life cycle, checks and chunking are the engine core's.
 *
 * The C API gives no hold on a state: it grows by what a run appends and goes with its request. So an emptied slot gets
 * a new request, and tokens that a rewind drops stay where they are, hidden by zeros in the attention mask.
 *
 * A longrope graph takes the factors that the highest position of a run asks for. The runs of a long prompt that end
 * below the boundary get one token more, a marker, at the first position beyond it: it comes last, so that no token sees
 * it, and is hidden afterwards like a dropped one.
 *
 * An abort cancels a run on an empty cache, which may be long and loses nothing. A run over a past goes to its end: what
 * the slot held stays valid. Before the run that follows a cancelled one the graph is mended (graph-mending.ts).
 */
import { EngineError } from '../../errors.js';
import type { EngineBackend, RunSequence, SlotCache } from '../engine-core.js';
import { ropeRegime, type EngineInfo, type EngineLimits } from '../engine.js';
import { requireMemory } from '../memory.js';
import { returnFreedMemory } from '../native-library.js';
import { isSameRow, mendingRun, type RunShape } from './graph-mending.js';
import { requireRegimeOfRun, ropeRegimeRange } from '../run-plan.js';
import type { OvApi, Pointer } from './c-api.js';
import { OUTPUT_LOGITS, type DecoderInputs } from './decoder-inputs.js';
import { INPUT } from './input-names.js';
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
  /** Positions that the state holds. */
  #held = 0;
  /** Of them, markers. */
  #markers = 0;
  /** Of them, those not hidden. */
  #valid = 0;
  /** i64 [held], 0 where a position is hidden; undefined while none is. */
  #mask: BigInt64Array | undefined;
  #isLost = false;

  constructor(backend: StatefulBackend, capacityTokens: number) {
    this.#backend = backend;
    this.capacityTokens = capacityTokens;
  }

  /** Markers do not count: they take nothing from the slot's capacity. */
  get occupied(): number {
    return this.#held - this.#markers;
  }

  get held(): number {
    return this.#held;
  }

  /** The request to run more tokens with. */
  request(): InferRequest {
    this.#request ??= this.#backend.openRequest();
    return this.#request;
  }

  /** i64 [held + count + markers]: the mask of a run that appends `count` tokens and so many markers. */
  maskOf(count: number, markers: number, ones: BigInt64Array): BigInt64Array {
    if (this.#mask === undefined && markers === 0) return ones;
    const end = this.#held + count;
    return this.#reserveMask(end + markers)
      .fill(1n, this.#held, end)
      .fill(0n, end, end + markers);
  }

  append(count: number, markers: number): void {
    this.#held += count + markers;
    this.#markers += markers;
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
    const mask = this.#reserveMask(this.#held);
    for (let at = this.#held - 1; this.#valid > length; at -= 1) {
      if (mask[at] === 0n) continue;
      mask[at] = 0n;
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

  #reserveMask(count: number): BigInt64Array {
    if (this.#mask === undefined || this.#mask.length < count) {
      const grown = integers(Math.max(count, this.capacityTokens, 2 * (this.#mask?.length ?? 0)));
      if (this.#mask === undefined) grown.fill(1n, 0, this.#held);
      else grown.set(this.#mask);
      this.#mask = grown;
    }
    return this.#mask;
  }

  #empty(): void {
    this.#request?.free();
    this.#request = undefined;
    this.#mask = undefined;
    this.#held = 0;
    this.#markers = 0;
    this.#valid = 0;
    this.#isLost = false;
  }
}

type Sequence = RunSequence<RequestCache>;

/** A cancellation is lost while the run has not begun; then it is asked for again. */
const CANCEL_AGAIN_MS = 10;

/** A run in flight that may be cancelled. */
class CancellableRun {
  readonly #request: InferRequest;
  #timer: NodeJS.Timeout | undefined;

  constructor(request: InferRequest) {
    this.#request = request;
  }

  get isCancelled(): boolean {
    return this.#timer !== undefined;
  }

  cancel(): void {
    this.#request.cancel();
    this.#timer ??= setInterval(() => this.#request.cancel(), CANCEL_AGAIN_MS);
  }

  /** To be called when the run has ended, before the request is freed. */
  end(): void {
    clearInterval(this.#timer);
  }
}

export interface StatefulBackendParts {
  readonly api: OvApi;
  /** The backend frees it. */
  readonly compiledModel: Pointer;
  readonly inputs: DecoderInputs;
  readonly info: EngineInfo;
  readonly limits: EngineLimits;
  /** Of the host's memory; 0 where the device has its own. */
  readonly kvBytesPerToken: number;
  /** Whether runs below a rope boundary can have a marker beyond it; else a prompt that crosses one must be one run. */
  readonly canMark: boolean;
  /** Whether a run on an empty cache may be cancelled. */
  readonly canCancel: boolean;
}

export class StatefulBackend implements EngineBackend<RequestCache> {
  readonly info: EngineInfo;
  readonly limits: EngineLimits;
  readonly #parts: StatefulBackendParts;
  readonly #caches = new Set<RequestCache>();
  #failure: unknown;
  #cancellable: CancellableRun | undefined;
  /** Since the run in flight was asked for. */
  #isInterrupted = false;
  /** A run was cancelled, and none has mended the graph since. */
  #isTorn = false;
  /** Of the last complete run. */
  #noted: RunShape = { tokens: 0, width: 0, rows: 0 };
  /** f32 [vocabulary]: what warmUp()'s run gave. */
  #warmUpRow = new Float32Array(0);

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
    const mostTokens = Math.max(this.limits.prefillChunkTokens, this.limits.firstChunkTokens) + 1;
    this.#tokens = integers(mostTokens);
    this.#positions = integers(mostTokens);
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
    this.#isInterrupted = false;
    this.#refuseAfterFailure();
    if (this.#isTorn) await this.#mend();
    for (const sequence of sequences) {
      this.#refuseAfterInterrupt();
      await this.#runOne(sequence);
    }
  }

  /**
   * Runs a token through the model. The CPU plug-in packs the weights and the GPU's builds kernels in the first run, for
   * seconds: that belongs to loading.
   */
  async warmUp(): Promise<void> {
    this.#warmUpRow = await this.#runApart(1, 1);
  }

  interrupt(): void {
    this.#isInterrupted = true;
    this.#cancellable?.cancel();
  }

  async dispose(): Promise<void> {
    await this.#parts.api.async.freeCompiledModel(this.#parts.compiledModel);
  }

  /** Runs tokens on a cache of their own and returns their last `rows` rows of logits. */
  async #runApart(count: number, rows: number): Promise<Float32Array<ArrayBuffer>> {
    const cache = new RequestCache(this, count);
    const logits = new Float32Array(rows * this.info.vocabularySize);
    try {
      await this.#runOne(
        { cache, pastTokens: 0, tokens: new Int32Array(count), logits, logitsRows: rows, finalLength: count },
        { canCancel: false },
      );
    } finally {
      await cache.clear();
    }
    return logits;
  }

  async #mend(): Promise<void> {
    const { tokens, rows } = mendingRun(this.#noted, this.#parts.inputs.hasLogitsFirstRow);
    await this.#runApart(tokens, rows);
    if (!isSameRow(await this.#runApart(1, 1), this.#warmUpRow)) {
      this.#failure = new EngineError('RUNTIME_FAILED', 'After a cancelled run OpenVINO computes something else.');
      this.#refuseAfterFailure();
    }
    this.#isTorn = false;
  }

  async #runOne(sequence: Sequence, { canCancel } = { canCancel: this.#parts.canCancel }): Promise<void> {
    const markers = this.#markersFor(sequence);
    const { cache, tokens } = sequence;
    const request = cache.request();
    const rows = this.#bind(request, sequence, markers);
    const run = canCancel && cache.held === 0 ? new CancellableRun(request) : undefined;
    this.#cancellable = run;
    try {
      await request.infer();
    } catch (error) {
      if (run?.isCancelled === true) this.#isTorn = true;
      else this.#failure = error;
      cache.lose();
      throw error;
    } finally {
      this.#cancellable = undefined;
      run?.end();
    }
    cache.append(tokens.length, markers);
    this.#noted = { tokens: tokens.length + markers, width: cache.held, rows };
    this.#takeLogits(sequence, rows, markers);
  }

  /** Returns how many rows of logits the run computes. */
  #bind(request: InferRequest, sequence: Sequence, markers: number): number {
    const { cache, pastTokens, tokens, logits, logitsRows, finalLength } = sequence;
    const { inputs } = this.#parts;
    const count = tokens.length + markers;
    for (let at = 0; at < count; at += 1) {
      this.#tokens[at] = BigInt(tokens[at] ?? 0);
      this.#positions[at] = BigInt(pastTokens + at);
    }
    if (markers > 0) this.#positions[count - 1] = BigInt(ropeRegimeRange(this.limits, finalLength).shortest - 1);
    const width = cache.held + count;
    request.bind(INPUT.inputIds, this.#tokens, [1, count]);
    request.bind(INPUT.attentionMask, cache.maskOf(tokens.length, markers, this.#onesFor(width)), [1, width]);
    if (inputs.hasPositionIds) request.bind(INPUT.positionIds, this.#positions, [1, count]);
    if (inputs.hasBeamIdx) request.bind(INPUT.beamIdx, this.#beams, [1]);
    let rows = count;
    if (inputs.hasLogitsFirstRow) {
      rows = logitsRows === 0 ? 1 : logitsRows + markers;
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

  #takeLogits({ logits, logitsRows }: Sequence, rows: number, markers: number): void {
    if (rows === logitsRows) return;
    const { vocabularySize } = this.info;
    const end = rows - markers;
    if (logitsRows > 0) logits.set(this.#logits.subarray((end - logitsRows) * vocabularySize, end * vocabularySize));
  }

  #refuseAfterInterrupt(): void {
    if (this.#isInterrupted) throw new EngineError('RUNTIME_FAILED', 'The run was interrupted before it began.');
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

  /** How many markers the run needs to be in the rope regime of its sequence: 0 or 1. Throws OPTION_INVALID. */
  #markersFor(sequence: Sequence): number {
    const { pastTokens, tokens, finalLength } = sequence;
    if (!this.#parts.canMark) requireRegimeOfRun(this.limits, sequence);
    return ropeRegime(this.limits, pastTokens + tokens.length) === ropeRegime(this.limits, finalLength) ? 0 : 1;
  }
}
