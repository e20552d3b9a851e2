/**
 * Everything that reading a model's weights needs to know, as plain data: it can be posted to a worker thread, which
 * then reads tensors without parsing any header again.
 */
import { type FileIdentity } from './model-file.js';
import { type PlacedTensor } from './tensor-layout.js';
import { type ModelConfig } from './weights.js';

export interface WeightIndex {
  readonly location: string;
  readonly config: ModelConfig;
  /** Every file read, absolute paths. */
  readonly files: readonly string[];
  /** Those that hold tensors, as they were when they were indexed. */
  readonly dataFiles: readonly FileIdentity[];
  readonly tensors: readonly PlacedTensor[];
}
