/**
 * Native runs of a decoder on ONNX Runtime, on any provider: prompts one sequence at a time, one-token steps as a batch
 * of neighbouring rows of the KV memory where the provider takes several. It owns the session and all native memory.
 * Life cycle, checks and chunking are the engine core's.
 */
import { EngineError } from '../../errors.js';
import type { EngineBackend, RunSequence, SlotCache } from '../engine-core.js';
import type { EngineInfo, EngineLimits } from '../engine.js';
import { widenFloat16 } from '../float16.js';
import { requireRegimeOfRun, ropeRegimeRange } from '../run-plan.js';
import { takePointer, type OrtApi, type Pointer } from './c-api.js';
import type { DecoderIo } from './decoder-io.js';
import { DeviceKv } from './device-kv.js';
import type { KvMemory } from './kv-memory.js';
import { KvPool } from './kv-pool.js';
import { LogitsChoice } from './logits-choice.js';
import { RunBinding } from './run-binding.js';
import { TransferCounter } from './transfer-counter.js';

/**
 * A batch binds neighbouring rows, so idle rows between busy ones are computed too. One costs less than reading the
 * weights once more in a second run, two cost more (four layers of Phi-3-mini's shape, int4, AVX2, 2 threads: a run
 * of 1 row takes 18.5 ms, of 2 rows 23, of 3 rows 32, of 4 rows 42).
 */
const MAX_IDLE_ROWS_BETWEEN = 1;

/** The KV cache of one sequence: a row of the pool. */
class RowCache implements SlotCache {
  readonly row: number;
  readonly capacityTokens: number;
  /** Valid positions; what lies beyond is never read and overwritten later. */
  occupied = 0;
  readonly #backend: OnnxRuntimeBackend;

  constructor(backend: OnnxRuntimeBackend, row: number, capacityTokens: number) {
    this.#backend = backend;
    this.row = row;
    this.capacityTokens = capacityTokens;
  }

  truncate(length: number): boolean {
    this.occupied = Math.min(this.occupied, length);
    return true;
  }

  clear(): Promise<void> {
    this.occupied = 0;
    this.#backend.releaseUnusedMemory();
    return Promise.resolve();
  }

  dispose(): Promise<void> {
    this.#backend.closeCache(this);
    return this.clear();
  }
}

type Sequence = RunSequence<RowCache>;

/** Rows [firstRow, firstRow + sequences.length) of one native run; undefined where a row is idle. */
interface RowRange {
  readonly firstRow: number;
  readonly sequences: readonly (Sequence | undefined)[];
}

/** An array whose memory never moves: V8 keeps short arrays without an ArrayBuffer of their own on its heap. */
function integers(count: number): BigInt64Array<ArrayBuffer> {
  return new BigInt64Array(new ArrayBuffer(count * BigInt64Array.BYTES_PER_ELEMENT));
}

export interface BackendParts {
  readonly api: OrtApi;
  /** The backend releases it. */
  readonly session: Pointer;
  readonly io: DecoderIo;
  readonly info: EngineInfo;
  readonly limits: EngineLimits;
  /** Whether the graph takes the rope regime from the positions of a run, not from the width of its mask. */
  readonly regimeByPositions: boolean;
  /** Where the KV cache is to lie; undefined: in plain memory, where the provider computes. */
  readonly deviceMemory?: { readonly name: string; readonly deviceId: number } | undefined;
}

export class OnnxRuntimeBackend implements EngineBackend<RowCache> {
  readonly info: EngineInfo;
  readonly limits: EngineLimits;
  readonly transfers: TransferCounter | undefined;
  readonly #api: OrtApi;
  readonly #session: Pointer;
  readonly #io: DecoderIo;
  readonly #regimeByPositions: boolean;
  readonly #runOptions: Pointer;
  readonly #kv: KvMemory;
  /** Index: row of the KV memory. */
  readonly #caches: (RowCache | undefined)[] = [];
  readonly #bindings = new Map<string, RunBinding>();
  #isRunning = false;
  #isInterrupted = false;

  readonly #tokens: BigInt64Array;
  readonly #positions: BigInt64Array;
  #ones = integers(0);
  readonly #logitsChoice: LogitsChoice;
  #mask = integers(0);
  #logits: Float32Array | Uint16Array;

  constructor({ api, session, io, info, limits, regimeByPositions, deviceMemory }: BackendParts) {
    this.#api = api;
    this.#session = session;
    this.#io = io;
    this.info = info;
    this.limits = limits;
    this.#regimeByPositions = regimeByPositions;
    const shape = { layers: io.layers.length, kvHeads: io.kvHeads, headSize: io.headSize, type: io.kvType };
    this.#kv =
      deviceMemory === undefined
        ? new KvPool(api, shape, limits.contextTokens)
        : new DeviceKv(api, session, shape, deviceMemory.name, deviceMemory.deviceId);
    this.transfers = deviceMemory === undefined ? undefined : new TransferCounter(api);
    this.#runOptions = takePointer((out) => api.CreateRunOptions(out));
    const maxTokens = Math.max(limits.prefillChunkTokens, limits.maxSlots);
    this.#logitsChoice = new LogitsChoice(io);
    this.#tokens = integers(maxTokens);
    this.#positions = integers(maxTokens);
    this.#logits = this.#logitsArray(1);
  }

  openCache(capacityTokens: number): Promise<RowCache> {
    const free = this.#caches.indexOf(undefined);
    const row = free === -1 ? this.#caches.length : free;
    this.#kv.requireRoom(row, capacityTokens, this.#capacities());
    const cache = new RowCache(this, row, capacityTokens);
    this.#caches[row] = cache;
    return Promise.resolve(cache);
  }

  closeCache(cache: RowCache): void {
    if (this.#caches[cache.row] !== cache) return;
    this.#caches[cache.row] = undefined;
    const { generation } = this.#kv;
    this.#kv.releaseRow(cache.row);
    if (this.#kv.generation !== generation) this.#releaseBindings(); // they hold on to what is to go
  }

  /** Gives the KV memory back when no sequence holds a token. */
  releaseUnusedMemory(): void {
    if (this.#isRunning || this.#caches.some((cache) => cache !== undefined && cache.occupied > 0)) return;
    this.#releaseBindings();
    this.#kv.release();
  }

  async run(sequences: readonly Sequence[]): Promise<void> {
    if (this.#regimeByPositions) for (const sequence of sequences) requireRegimeOfRun(this.limits, sequence);
    this.#isInterrupted = false;
    this.#api.RunOptionsUnsetTerminate(this.#runOptions);
    this.#isRunning = true;
    try {
      for (const range of this.#rowRanges(sequences)) {
        await this.#runRange(range);
      }
      for (const { cache, pastTokens, tokens } of sequences) cache.occupied = pastTokens + tokens.length;
    } finally {
      this.#isRunning = false;
    }
  }

  interrupt(): void {
    this.#isInterrupted = true;
    if (this.#isRunning) this.#api.RunOptionsSetTerminate(this.#runOptions);
  }

  async dispose(): Promise<void> {
    this.#releaseBindings();
    this.#kv.dispose();
    this.#api.ReleaseRunOptions(this.#runOptions);
    await this.#api.async.releaseSession(this.#session);
  }

  /** By row; 0: no slot. */
  #capacities(): number[] {
    return this.#caches.map((cache) => cache?.capacityTokens ?? 0);
  }

  /**
   * Groups one-token steps into ranges of neighbouring rows. An idle row in a range gets a meaningless token behind
   * its last one, so a row that is full to the end of the context, or of the run's rope regime, cannot be in one.
   */
  #rowRanges(sequences: readonly Sequence[]): RowRange[] {
    const ranges: { firstRow: number; sequences: (Sequence | undefined)[] }[] = [];
    for (const sequence of [...sequences].sort((a, b) => a.cache.row - b.cache.row)) {
      const { row } = sequence.cache;
      const range = ranges.at(-1);
      const gapStart = range === undefined ? 0 : range.firstRow + range.sequences.length;
      const hasFullRow = this.#caches
        .slice(gapStart, row)
        .some((cache) => (cache?.occupied ?? 0) >= ropeRegimeRange(this.limits, sequence.finalLength).longest);
      if (range === undefined || row - gapStart > MAX_IDLE_ROWS_BETWEEN || hasFullRow) {
        ranges.push({ firstRow: row, sequences: [sequence] });
      } else {
        for (let idle = gapStart; idle < row; idle += 1) range.sequences.push(undefined);
        range.sequences.push(sequence);
      }
    }
    return ranges;
  }

  async #runRange({ firstRow, sequences }: RowRange): Promise<void> {
    const rows = sequences.length;
    const rowTokens = sequences[0]?.tokens.length ?? 0;
    /** For each row, how many positions attend and are attended to: the past and this run's tokens. */
    const totals = sequences.map((sequence, i) =>
      sequence === undefined ? this.#occupied(firstRow + i) + 1 : sequence.pastTokens + rowTokens,
    );
    const maskWidth = Math.max(...totals, this.#leastMaskWidth(sequences));
    const positions = sequences.map((sequence, i) =>
      Math.max(totals[i] ?? 0, Math.min(sequence?.finalLength ?? 0, sequence?.cache.capacityTokens ?? 0)),
    );
    await this.#kv.reserve(
      { firstRow, rows, positions: Math.max(...positions, maskWidth) },
      this.#capacities(),
      this.#caches.map((cache) => cache?.occupied ?? 0),
    );
    const binding = this.#bindingFor(firstRow, rows);
    const logitsRows = this.#bindTensors(binding, sequences, totals, maskWidth, rowTokens);
    if (this.#isInterrupted) throw new EngineError('RUNTIME_FAILED', 'The run was interrupted.');
    await this.#api.async.runWithBinding(this.#session, this.#runOptions, binding.pointer);
    binding.countTransfers();
    for (const [i, sequence] of sequences.entries()) {
      if (sequence !== undefined) this.#takeLogits(sequence, i * logitsRows + logitsRows - sequence.logitsRows);
    }
  }

  /**
   * A longrope graph takes the long factors where the mask is wider than the boundary, so the runs of a sequence that
   * will be as long get such a mask from the first on, with zeros behind their tokens.
   */
  #leastMaskWidth(sequences: RowRange['sequences']): number {
    const finalLength = Math.max(...sequences.map((sequence) => sequence?.finalLength ?? 0));
    return ropeRegimeRange(this.limits, finalLength).shortest;
  }

  #occupied(row: number): number {
    return this.#caches[row]?.occupied ?? 0;
  }

  /** Binds tokens, mask, positions and logits; returns how many rows of logits each sequence gets. */
  #bindTensors(
    binding: RunBinding,
    sequences: readonly (Sequence | undefined)[],
    totals: readonly number[],
    maskWidth: number,
    rowTokens: number,
  ): number {
    const io = this.#io;
    const rows = sequences.length;
    for (const [i, sequence] of sequences.entries()) {
      for (let at = 0; at < rowTokens; at += 1) {
        this.#tokens[i * rowTokens + at] = BigInt(sequence?.tokens[at] ?? 0);
        this.#positions[i * rowTokens + at] = BigInt((totals[i] ?? 0) - rowTokens + at);
      }
    }
    binding.bindInput(io.inputIds, this.#tokens, [rows, rowTokens]);
    if (io.positionIds !== undefined) binding.bindInput(io.positionIds, this.#positions, [rows, rowTokens]);
    const isFull = rows === 1 && totals[0] === maskWidth;
    binding.bindInput(io.attentionMask, isFull ? this.#onesFor(maskWidth) : this.#batchMask(totals, maskWidth), [
      rows,
      maskWidth,
    ]);
    const wantedRows = Math.max(...sequences.map((sequence) => sequence?.logitsRows ?? 0));
    const logitsRows = this.#logitsChoice.bind(binding, rowTokens, wantedRows);
    const count = rows * logitsRows * io.vocabularySize;
    if (this.#logits.length < count) this.#logits = this.#logitsArray(rows * logitsRows);
    binding.bindOutput(io.logits, this.#logits, [rows, logitsRows, io.vocabularySize]);
    return logitsRows;
  }

  /** At least `width` ones. They grow with the sequences: a file may claim a context that no memory holds. */
  #onesFor(width: number): BigInt64Array {
    if (this.#ones.length < width) {
      this.#ones = integers(Math.max(width, Math.min(2 * this.#ones.length, this.limits.contextTokens))).fill(1n);
    }
    return this.#ones;
  }

  /** int64 [rows, width]: ones up to each row's total, zeros behind; the graph takes their sum for the length. */
  #batchMask(totals: readonly number[], width: number): BigInt64Array {
    if (this.#mask.length < totals.length * width) {
      this.#mask = integers(Math.max(totals.length * width, 2 * this.#mask.length));
    }
    for (const [i, total] of totals.entries()) {
      this.#mask.fill(1n, i * width, i * width + total).fill(0n, i * width + total, (i + 1) * width);
    }
    return this.#mask;
  }

  #takeLogits({ logits, logitsRows }: Sequence, firstRow: number): void {
    const { vocabularySize } = this.#io;
    const start = firstRow * vocabularySize;
    const end = start + logitsRows * vocabularySize;
    if (this.#logits instanceof Float32Array) logits.set(this.#logits.subarray(start, end));
    else widenFloat16(this.#logits.subarray(start, end), logits);
  }

  #logitsArray(rows: number): Float32Array | Uint16Array {
    const count = rows * this.#io.vocabularySize;
    return this.#io.logitsType === 'f16' ? new Uint16Array(count) : new Float32Array(count);
  }

  #bindingFor(firstRow: number, rows: number): RunBinding {
    const key = `${firstRow}+${rows}`;
    let binding = this.#bindings.get(key);
    if (binding !== undefined && binding.generation !== this.#kv.generation) {
      this.#releaseBindings(); // all of them point into memory that is gone
      binding = undefined;
    }
    if (binding === undefined) {
      binding = new RunBinding(this.#api, this.#session, this.#io, this.#kv, firstRow, rows, this.transfers);
      this.#bindings.set(key, binding);
    }
    return binding;
  }

  #releaseBindings(): void {
    for (const binding of this.#bindings.values()) binding.release();
    this.#bindings.clear();
  }
}
