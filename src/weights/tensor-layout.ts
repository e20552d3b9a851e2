/**
 * Which stored tensors a decoder needs, and how each canonical tensor lies in them: as it is, as a range of rows of a
 * fused matrix, or with the rows of each head interleaved. Every one is checked for presence, shape and dtype.
 * It reads nothing.
 */
import { ModelFormatError, UnsupportedError } from '../errors.js';
import { BLOCK_LAYOUTS, storedBytes } from './dequantise.js';
import { quoted } from './format-error.js';
import { type StoredTensor } from './stored-tensor.js';
import { unsupportedFeature } from './unsupported.js';
import { type DType, type ModelConfig, type TensorInfo } from './weights.js';

export type Naming = 'hugging-face' | 'gguf';

/** A canonical tensor and the place of its rows. Structured-cloneable. */
export interface PlacedTensor extends TensorInfo {
  /** Index into WeightIndex.dataFiles. */
  readonly dataFile: number;
  /** Byte offset of its first row from the start of the file. */
  readonly offsetBytes: number;
  /**
   * Head size, where the rows of each head are interleaved: llama.cpp's converter stores row s * size/2 + j of a head
   * (s 0 or 1) as row 2j + s (convert_hf_to_gguf.py, `LlamaModel.permute`). null: rows are in order.
   */
  readonly interleavedHeadSize: number | null;
}

/** A stored tensor and the file it is in. */
export interface LocatedTensor extends StoredTensor {
  readonly dataFile: number;
}

interface Part {
  readonly name: string;
  readonly rows: number;
  readonly interleaved?: boolean;
}

/** One stored tensor and the canonical tensors stacked in it, row by row. */
interface Demand {
  readonly stored: string;
  /** Absent: a vector. */
  readonly columns?: number;
  readonly parts: readonly Part[];
}

/**
 * Places all tensors of `config`'s decoder. `where` names the model in messages.
 * Throws TENSOR_MISSING, TENSOR_SHAPE_MISMATCH, DTYPE_UNSUPPORTED, or MODEL_FEATURE_UNSUPPORTED for a layer tensor
 * that the decoder would leave out (a bias, a further layer): its output would be wrong without it.
 */
export function placeTensors(
  where: string,
  config: ModelConfig,
  naming: Naming,
  stored: ReadonlyMap<string, LocatedTensor>,
): PlacedTensor[] {
  const used = new Set<string>();
  const placed = [...demands(config, naming)].flatMap((demand) => {
    used.add(demand.stored);
    return place(where, config, demand, stored.get(demand.stored));
  });
  const layerPrefix = naming === 'gguf' ? 'blk.' : 'model.layers.';
  for (const name of stored.keys()) {
    // Old Llama checkpoints carry the rotary frequencies, which follow from rope_theta.
    if (!name.startsWith(layerPrefix) || used.has(name) || name.endsWith('.rotary_emb.inv_freq')) continue;
    throw unsupportedFeature(
      where,
      `the tensor ${quoted(name)}, which is not part of a ${config.architecture} decoder of ${config.layerCount} layers`,
      'Check that the configuration belongs to these weights.',
    );
  }
  return placed;
}

function* demands(config: ModelConfig, naming: Naming): Generator<Demand> {
  const { hiddenSize, intermediateSize, vocabularySize, headSize } = config;
  const gguf = naming === 'gguf';
  const queryRows = config.headCount * headSize;
  const kvRows = config.kvHeadCount * headSize;
  const matrix = (name: string, stored: string, rows: number, columns: number, interleaved = false): Demand => ({
    stored: gguf ? stored : name,
    columns,
    parts: [{ name, rows, interleaved }],
  });
  const vector = (name: string, stored: string): Demand => ({
    stored: gguf ? stored : name,
    parts: [{ name, rows: hiddenSize }],
  });

  yield matrix('model.embed_tokens.weight', 'token_embd.weight', vocabularySize, hiddenSize);
  for (let layer = 0; layer < config.layerCount; layer++) {
    const hf = (name: string): string => `model.layers.${layer}.${name}.weight`;
    const blk = (name: string): string => `blk.${layer}.${name}.weight`;
    yield vector(hf('input_layernorm'), blk('attn_norm'));
    if (config.architecture === 'phi3') {
      yield {
        stored: gguf ? blk('attn_qkv') : hf('self_attn.qkv_proj'),
        columns: hiddenSize,
        parts: [
          { name: hf('self_attn.q_proj'), rows: queryRows },
          { name: hf('self_attn.k_proj'), rows: kvRows },
          { name: hf('self_attn.v_proj'), rows: kvRows },
        ],
      };
    } else {
      yield matrix(hf('self_attn.q_proj'), blk('attn_q'), queryRows, hiddenSize, gguf);
      yield matrix(hf('self_attn.k_proj'), blk('attn_k'), kvRows, hiddenSize, gguf);
      yield matrix(hf('self_attn.v_proj'), blk('attn_v'), kvRows, hiddenSize);
    }
    yield matrix(hf('self_attn.o_proj'), blk('attn_output'), hiddenSize, queryRows);
    yield vector(hf('post_attention_layernorm'), blk('ffn_norm'));
    if (config.architecture === 'phi3') {
      yield {
        // GGUF's ffn_up of a Phi-3 holds gate, then up, like Hugging Face's gate_up_proj.
        stored: gguf ? blk('ffn_up') : hf('mlp.gate_up_proj'),
        columns: hiddenSize,
        parts: [
          { name: hf('mlp.gate_proj'), rows: intermediateSize },
          { name: hf('mlp.up_proj'), rows: intermediateSize },
        ],
      };
    } else {
      yield matrix(hf('mlp.gate_proj'), blk('ffn_gate'), intermediateSize, hiddenSize);
      yield matrix(hf('mlp.up_proj'), blk('ffn_up'), intermediateSize, hiddenSize);
    }
    yield matrix(hf('mlp.down_proj'), blk('ffn_down'), hiddenSize, intermediateSize);
  }
  yield vector('model.norm.weight', 'output_norm.weight');
  if (!config.tiedEmbeddings) yield matrix('lm_head.weight', 'output.weight', vocabularySize, hiddenSize);
}

function place(where: string, config: ModelConfig, demand: Demand, found: LocatedTensor | undefined): PlacedTensor[] {
  const rows = demand.parts.reduce((sum, part) => sum + part.rows, 0);
  const expected = demand.columns === undefined ? [rows] : [rows, demand.columns];
  const details = { tensor: demand.stored, expected };
  if (found === undefined) {
    throw new ModelFormatError(
      'TENSOR_MISSING',
      `${where}: the tensor ${quoted(demand.stored)} of shape [${expected.join(', ')}] is missing; a ${config.architecture} decoder of ${config.layerCount} layers needs it. Check that all files of the model are there.`,
      { details },
    );
  }
  if (found.shape.length !== expected.length || found.shape.some((size, i) => size !== expected[i])) {
    throw new ModelFormatError(
      'TENSOR_SHAPE_MISMATCH',
      `${where}: the tensor ${quoted(demand.stored)} has the shape [${found.shape.join(', ')}], expected [${expected.join(', ')}]. Check that the configuration belongs to these weights.`,
      { details: { ...details, found: found.shape } },
    );
  }
  const dtype = readableType(where, found, demand.columns === undefined);
  const rowBytes = storedBytes(dtype, demand.columns ?? 1);
  let firstRow = 0;
  return demand.parts.map(({ name, rows: partRows, interleaved }) => {
    const offsetBytes = found.offsetBytes + firstRow * rowBytes;
    firstRow += partRows;
    return {
      name,
      shape: demand.columns === undefined ? [partRows] : [partRows, demand.columns],
      dtype,
      dataFile: found.dataFile,
      offsetBytes,
      interleavedHeadSize: interleaved === true ? config.headSize : null,
    };
  });
}

function readableType(where: string, found: StoredTensor, isVector: boolean): DType {
  const supported = Object.keys(BLOCK_LAYOUTS);
  // A vector is read by element, which blocks do not allow; ggml never quantises one.
  const inBlocks = found.dtype !== null && BLOCK_LAYOUTS[found.dtype].blockElements > 1;
  if (found.dtype !== null && !(isVector && inBlocks)) return found.dtype;
  throw new UnsupportedError(
    'DTYPE_UNSUPPORTED',
    `${where}: the tensor ${quoted(found.name)} is stored as ${found.typeName}${isVector ? ' (a vector)' : ''}, which aipc does not read. ` +
      `Take the model's safetensors, or a GGUF file of another type: Q4_K_M, Q5_K_M, Q6_K, Q8_0 or F16 (aipc reads ${supported.join(', ')}).`,
    { details: { tensor: found.name, type: found.typeName, supported } },
  );
}
