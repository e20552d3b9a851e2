/**
 * The engine interface: one model compiled for one device by one runtime, and the KV caches (slots) that it serves.
 * It is everything that generation knows of a runtime. It does not tokenise, sample or schedule.
 */

/** What really runs, for `execution` reports. */
export interface EngineInfo {
  readonly provider: string;
  /** Name and version, e.g. `ONNX Runtime 1.30.0`. */
  readonly runtimeVersion: string;
  readonly requestedDevice: string;
  /** The device that really computes: `cpu`, `gpu.0`, `npu`... */
  readonly device: string;
  /** Human name of that device, e.g. the CPU's model. */
  readonly deviceName: string;
  /** True where a device's code path runs on other hardware. */
  readonly emulated: boolean;
  readonly vocabularySize: number;
  /** The precision that the device computes in, as the runtime reports it. */
  readonly activationDtype: 'f32' | 'f16' | 'bf16';
  readonly kvDtype: 'f32' | 'f16' | 'bf16' | 'i8' | 'u8' | 'u4';
}

export interface EngineLimits {
  /** Most tokens that one slot can hold. */
  readonly contextTokens: number;
  readonly maxSlots: number;
  /** One-token steps in one native run. */
  readonly maxBatch: number;
  /** Fewest tokens in the first step on an empty slot. */
  readonly minFirstTokens: number;
  /** Most tokens in the first step on an empty slot. */
  readonly maxPromptTokens: number;
  /** Most tokens appended over a past in one step. */
  readonly maxAppendTokens: number;
  /** The engine splits longer steps into native runs of at most this many tokens. */
  readonly prefillChunkTokens: number;
  /** The same for the run that starts on an empty slot, where that may be longer. */
  readonly firstChunkTokens: number;
  /** exact: dropped tokens are gone; masked: they stay occupied; none: only reset() is possible. */
  readonly rewind: 'exact' | 'masked' | 'none';
  /** Rows of logits a step can ask for. */
  readonly logits: 'any' | 'last';
  /** Lengths at which the rope regime changes and the KV cache must be recomputed (longrope: [4096]). */
  readonly ropeBoundaries: readonly number[];
  /** Whether an abort interrupts a native run or waits for its end. */
  readonly abort: 'inside-run' | 'between-runs';
}

/** Which of the rope regimes serves a sequence of `length` tokens: boundary b is crossed by token b + 1. */
export function ropeRegime({ ropeBoundaries }: Pick<EngineLimits, 'ropeBoundaries'>, length: number): number {
  return ropeBoundaries.filter((boundary) => length > boundary).length;
}

export type SlotState = 'ready' | 'running' | 'lost' | 'disposed';

/** The KV cache of one sequence. Owns native memory; dispose() may be called twice. */
export interface Slot extends AsyncDisposable {
  readonly state: SlotState;
  /** Valid tokens. */
  readonly length: number;
  /** Occupied positions; more than length after a masked rewind. */
  readonly occupied: number;
  readonly capacityTokens: number;
  /**
   * Drops the tokens after `length` (0 to the present length). False: not possible here (device, rope boundary, lost
   * slot); reset() and prefill again. Throws BUSY while running, DISPOSED, OPTION_INVALID.
   */
  rewind(length: number): boolean;
  /** Empties the slot; revives a lost one. Throws BUSY while running, DISPOSED. */
  reset(): Promise<void>;
  /** Waits for a forward in flight. */
  dispose(): Promise<void>;
}

export interface Step {
  readonly slot: Slot;
  /** Appended at slot.length. Not empty. */
  readonly tokens: Int32Array;
  /**
   * Length of the sequence after the whole prompt that this step belongs to, at least slot.length + tokens.length:
   * decides the rope regime. Refused when the slot holds tokens of another regime: reset() and prefill again.
   */
  readonly finalLength: number;
  /** Rows wanted, always of the last tokens; `last: n` needs n from 1 to tokens.length. */
  readonly logits: 'none' | 'last' | 'all' | { readonly last: number };
}

/** f32 [rows, vocabularySize], row-major, in the engine's memory: valid until the next forward(). */
export interface StepLogits {
  readonly rows: number;
  readonly data: Float32Array;
}

/** Bytes that native runs have moved between the host's memory and a device's since the engine was made. */
export interface Transfers {
  /** Native runs that are counted here. */
  readonly runs: number;
  readonly toDeviceBytes: number;
  readonly toHostBytes: number;
}

export interface Engine extends AsyncDisposable {
  readonly info: EngineInfo;
  /** Undefined where runs compute in the host's memory, or nothing counts. */
  readonly transfers?: Transfers | undefined;
  readonly limits: EngineLimits;
  /** Throws SLOTS_EXHAUSTED at once when none is free, MEMORY_INSUFFICIENT when the cache cannot fit. */
  openSlot(options: { readonly capacityTokens: number }): Promise<Slot>;
  /**
   * Runs each step's tokens through the model, one step for each slot. One forward at a time (else BUSY).
   * When it rejects, each slot is unchanged or 'lost'. An abort rejects with the signal's reason.
   * Throws CONTEXT_EXCEEDED, SLOT_LOST, DISPOSED, OPTION_INVALID, RUNTIME_FAILED.
   */
  forward(steps: readonly Step[], signal?: AbortSignal): Promise<readonly StepLogits[]>;
  /** Disposes the slots too; a forward in flight is stopped and rejects with DISPOSED. */
  dispose(): Promise<void>;
}
