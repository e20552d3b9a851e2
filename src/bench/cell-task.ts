/** What goes to and comes from the process of a cell. */
import type { LoadingOptions, LoadModelOptions } from '../model/load-options.js';
import type { Execution } from '../model/result.js';
import type { LoadProgress } from '../models/progress.js';
import type { TokenTrace } from '../model/token-trace.js';

export interface CellTask {
  readonly reference: string;
  readonly load: LoadingOptions & Pick<LoadModelOptions, 'device' | 'provider' | 'weightFormat' | 'download'>;
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly warmUps: number;
  readonly repeats: number;
}

export type FromCell =
  | { readonly type: 'progress'; readonly progress: LoadProgress }
  | { readonly type: 'warning'; readonly message: string }
  /** Warm-ups are over. */
  | { readonly type: 'begin' }
  | { readonly type: 'repeated'; readonly count: number }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | CellFigures;

export interface CellFigures {
  readonly type: 'measured';
  readonly modelId: string;
  readonly execution: Execution;
  readonly usedWeightFormat: string | null;
  /** Milliseconds since 1970, of the first warm-up. */
  readonly firstTokenAtMs: number;
  readonly loadMs: number;
  readonly traces: readonly TokenTrace[];
  readonly peakMemoryBytes: number;
  readonly processCpuPercent: number;
}
