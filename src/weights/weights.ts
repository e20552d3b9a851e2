/**
 * The one view of a model's weights that everything after it sees, whatever file format they came in:
 * a ModelConfig and canonically named tensors, read lazily, by rows, as f32.
 * It does not quantise, does not keep a file in memory and does not know any runtime.
 */

/** Storage types that can be read. Block types (Q*) are GGML's, 32 values to a block, those of _K 256. */
export type DType =
  ('F32' | 'F16' | 'BF16') | ('Q8_0' | 'Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1') | ('Q4_K' | 'Q5_K' | 'Q6_K');

export type Architecture = 'phi3' | 'llama';

/**
 * Position scaling of the 128k models of the Phi family: rotary frequency i is divided by a factor of its own, from
 * one list while the sequence is at most originalContextTokens long, from another beyond (transformers:
 * modeling_rope_utils.py, _compute_longrope_parameters).
 */
export interface LongRope {
  readonly originalContextTokens: number;
  /** rotarySize / 2 positive numbers each. */
  readonly shortFactors: readonly number[];
  readonly longFactors: readonly number[];
  /** On cos and sin, so that its square is on the scores of the rotated elements; the same for both lists. */
  readonly attentionFactor: number;
}

/** What a decoder needs to know about itself. Counts are counts, sizes are in elements. */
export interface ModelConfig {
  readonly architecture: Architecture;
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly kvHeadCount: number;
  readonly headSize: number;
  /** Leading elements of each head that are rotated; equals headSize without partial rotary. */
  readonly rotarySize: number;
  readonly ropeTheta: number;
  /** null: rotary frequencies follow from ropeTheta alone. */
  readonly longRope: LongRope | null;
  readonly rmsNormEpsilon: number;
  /** Longest context the model was made for, in tokens. */
  readonly contextTokens: number;
  /** A token sees itself and the (slidingWindow - 1) before it ... exactly as transformers' `sliding_window`; null: all. */
  readonly slidingWindow: number | null;
  readonly tiedEmbeddings: boolean;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number | null;
}

/** A canonical tensor. Vectors have shape [n], matrices [rows, columns] with rows = output features. */
export interface TensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
  /** How the file stores it. */
  readonly dtype: DType;
}

/**
 * Canonical names are those of a Hugging Face Llama, without fused matrices:
 *   model.embed_tokens.weight, model.norm.weight, lm_head.weight (absent when tied),
 *   model.layers.N.{input_layernorm,post_attention_layernorm}.weight,
 *   model.layers.N.self_attn.{q_proj,k_proj,v_proj,o_proj}.weight,
 *   model.layers.N.mlp.{gate_proj,up_proj,down_proj}.weight
 * Fused files (Phi-3's qkv_proj and gate_up_proj) are shown as views of row ranges; rows that a format permutes
 * (q and k of a Llama GGUF) are shown in Hugging Face's order.
 */
export interface WeightSource extends AsyncDisposable {
  readonly config: ModelConfig;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Where the weights came from, for messages: a file or folder path. */
  readonly location: string;
  /** Every file read, absolute paths: what a cache key must cover. */
  readonly files: readonly string[];
  /**
   * Rows [firstRow, firstRow + rowCount) of a matrix, or elements of a vector, dequantised to f32, row-major.
   * Memory used is about that of the result. Throws TENSOR_MISSING, FILE_TRUNCATED, or the signal's reason.
   */
  readRows(name: string, firstRow: number, rowCount: number, signal?: AbortSignal): Promise<Float32Array>;
}
