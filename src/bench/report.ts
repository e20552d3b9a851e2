/** What a benchmark found: the types of its JSON. It measures and reads nothing. */
import type { MeanLoad } from '../load/load-meter.js';
import { deviceInWords, type Execution } from '../model/result.js';
import type { Percentiles, Summary } from './statistics.js';

/** Bumped when a field changes its meaning. */
export const REPORT_SCHEMA_VERSION = 1;

export interface BenchReport {
  readonly schemaVersion: typeof REPORT_SCHEMA_VERSION;
  readonly aipcVersion: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly machine: BenchMachine;
  /** A name or the last part of a path: where a folder lies is not told. */
  readonly model: string;
  readonly settings: { readonly newTokens: number; readonly repeats: number; readonly warmUps: number };
  readonly cells: readonly BenchCell[];
}

export interface BenchMachine {
  readonly cpu: string;
  readonly logicalProcessors: number;
  readonly memoryGiB: number;
  /** `Linux x64`. */
  readonly system: string;
  readonly node: string;
}

/** What one cell of the table was asked for. */
export interface CellRequest {
  /** As in --device. */
  readonly device: string;
  /** As in --provider. */
  readonly provider: string;
  /** Null: the model's own, or what aipc chooses. */
  readonly weightFormat: string | null;
  readonly promptTokens: number;
}

export type BenchCell = MeasuredCell | FailedCell;

export interface FailedCell extends CellRequest {
  readonly status: 'failed';
  /** `code`: of AipcError, or `PROCESS_FAILED`. */
  readonly error: { readonly code: string; readonly message: string };
}

export interface MeasuredCell extends CellRequest {
  readonly status: 'measured';
  /** What really ran, emulation told. */
  readonly execution: Execution;
  /** Of what really ran; null: a ready-made folder that does not say. */
  readonly usedWeightFormat: string | null;
  /** From before the process was there to the first token of its first answer, files in the system's cache. */
  readonly coldStartMs: Summary;
  /** loadModel(), conversion and compilation done before. */
  readonly loadMs: Summary;
  /** Of each repetition, from the call. */
  readonly timeToFirstTokenMs: Summary;
  /** Tokens of the prompt for each second until the first token. */
  readonly prefillTokensPerSecond: Summary;
  /** Of the tokens after the first; null: only one was generated. */
  readonly decodeTokensPerSecond: Summary | null;
  /** Of all tokens after the first of all repetitions. */
  readonly timePerTokenMs: Percentiles | null;
  /** Time between each token and the one before it, for each repetition, from the second token on. */
  readonly tokenIntervalsMs: readonly (readonly number[])[];
  /** Most memory of the process that was resident at a time, mapped files among it. */
  readonly peakMemoryBytes: number;
  /** CPU time of the process during the repetitions, as a share of all logical processors. */
  readonly processCpuPercent: number;
  /** The machine's processors during the repetitions. */
  readonly load: Omit<MeanLoad, 'ownCpuPercent'>;
}

/** `cpu, ONNX Runtime, int4`; an emulated device is called so. */
export function labelOf(cell: BenchCell): string {
  if (cell.status === 'failed') return [cell.device, cell.provider, cell.weightFormat].filter(Boolean).join(', ');
  const { execution, usedWeightFormat } = cell;
  const runtime = execution.runtimeVersion.replace(/ \d.*$/u, '');
  const provider = ['cpu', 'openvino'].includes(execution.provider) ? '' : ` ${execution.provider}`;
  return `${deviceInWords(execution)}, ${runtime}${provider}${usedWeightFormat === null ? '' : `, ${usedWeightFormat}`}`;
}
