/**
 * A tensor as a file's header announces it, before anyone knows what it is for.
 * It does not know canonical names.
 */
import type { DType } from './weights.js';

export interface StoredTensor {
  readonly name: string;
  /** Outermost dimension first (GGUF's own order reversed). */
  readonly shape: readonly number[];
  /** The format's own name of the type, for messages. */
  readonly typeName: string;
  /** null: a type that cannot be read. */
  readonly dtype: DType | null;
  /** Byte offset of the first element from the start of the file. */
  readonly offsetBytes: number;
}

/** Longest tensor name accepted, in bytes of UTF-8. ggml's own limit is 64, Hugging Face's names stay under 200. */
export const MAX_TENSOR_NAME_BYTES = 1024;
/** Most tensors accepted in one model. The largest dense ones (126 layers of 9) have about 1,200. */
export const MAX_TENSORS = 16_384;
/** Most dimensions accepted; ggml's limit is 4, weights of decoders have 1 or 2. */
export const MAX_TENSOR_DIMENSIONS = 8;
