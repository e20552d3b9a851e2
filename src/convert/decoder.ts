/**
 * What a decoder computes, said once for every runtime: the ordered layers with their linears, norms, attention and
 * rotary embedding, and which tensor rows each part is made of. Writers (ONNX, OpenVINO) read this and
 * never a ModelConfig or a tensor list. It holds no weights and knows no runtime.
 *
 * Both families are the pre-norm Llama decoder with a SiLU-gated MLP and no biases; Phi-3 adds the sliding window
 * (transformers: models/phi3/modeling_phi3.py, models/llama/modeling_llama.py).
 */
import { ModelFormatError, UnsupportedError } from '../errors.js';
import type { Architecture, ModelConfig, TensorInfo } from '../weights/weights.js';

/** Rows of one tensor. */
export interface LinearPart {
  readonly tensor: string;
  /** Output features. */
  readonly rowCount: number;
}

/** y = x W^T with W [outputSize, inputSize]; W is the parts one below the other. */
export interface Linear {
  readonly inputSize: number;
  readonly outputSize: number;
  readonly parts: readonly LinearPart[];
}

/** y = x / sqrt(mean(x^2) + epsilon) * weight */
export interface RmsNorm {
  readonly tensor: string;
  readonly size: number;
  readonly epsilon: number;
}

export interface DecoderLayer {
  readonly inputNorm: RmsNorm;
  /** Rows of q, then k, then v. */
  readonly qkv: Linear;
  readonly attentionOutput: Linear;
  readonly postAttentionNorm: RmsNorm;
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
}

export interface Attention {
  readonly headCount: number;
  readonly kvHeadCount: number;
  readonly headSize: number;
  /** Factor on q k^T. */
  readonly scale: number;
  /** Tokens that a token sees, itself included; null: all before it. */
  readonly windowTokens: number | null;
}

/**
 * Rotary embedding with halves (not interleaved), of the first `rotarySize` elements of each head. The angle of element i
 * at position p is p / (factors[i] * theta^(2i / rotarySize)).
 */
export interface Rope {
  readonly theta: number;
  readonly rotarySize: number;
  /** rotarySize / 2; null: all 1. */
  readonly factors: readonly number[] | null;
  /** On cos and sin. */
  readonly magnitude: number;
  /** Longrope's other regime; null where no sequence is so long. */
  readonly beyond: RopeBeyond | null;
}

/** The factors for all positions of a sequence longer than `boundaryTokens`; keys computed with others are of no use to it. */
export interface RopeBeyond {
  readonly boundaryTokens: number;
  /** rotarySize / 2 */
  readonly factors: readonly number[];
}

export interface Decoder {
  readonly architecture: Architecture;
  /**
   * Whether the family multiplies by one matrix for q, k, v and by one for gate, up (transformers' modeling code does for
   * Phi-3, not for Llama). The result is the same; a quantiser that rates whole matrices, as NNCF does, chooses others.
   */
  readonly fusedProjections: boolean;
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly contextTokens: number;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number | null;
  /** [vocabularySize, hiddenSize] */
  readonly embedding: LinearPart;
  readonly attention: Attention;
  readonly rope: Rope;
  readonly layers: readonly DecoderLayer[];
  readonly finalNorm: RmsNorm;
  /** Reads the embedding's tensor when the two are tied. */
  readonly head: Linear;
}

/** Tensors that some files carry although the decoder computes them itself. */
const DERIVED_TENSOR = /\.rotary_emb\.inv_freq$/;

/**
 * Describes the decoder of `config` and checks `tensors` against it: each needed tensor is there with the right
 * shape (TENSOR_MISSING, TENSOR_SHAPE_MISMATCH), and there is none that the description would silently ignore,
 * such as a bias (MODEL_FEATURE_UNSUPPORTED). `location` is for the messages.
 */
export function describeDecoder(
  config: ModelConfig,
  tensors: ReadonlyMap<string, TensorInfo>,
  location: string,
): Decoder {
  const { hiddenSize, intermediateSize, headCount, kvHeadCount, headSize, vocabularySize } = config;
  const used = new Set<string>();

  const take = (name: string, shape: readonly number[]): string => {
    const tensor = tensors.get(name);
    if (tensor === undefined) {
      throw new ModelFormatError('TENSOR_MISSING', `${location}: tensor '${name}' is missing. Is the model complete?`, {
        details: { tensor: name, location },
      });
    }
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis])) {
      throw new ModelFormatError(
        'TENSOR_SHAPE_MISMATCH',
        `${location}: tensor '${name}' has shape [${tensor.shape.join(', ')}], ` +
          `but the model's configuration asks for [${shape.join(', ')}].`,
        { details: { tensor: name, found: tensor.shape, expected: shape, location } },
      );
    }
    used.add(name);
    return name;
  };
  const norm = (name: string): RmsNorm => ({
    tensor: take(name, [hiddenSize]),
    size: hiddenSize,
    epsilon: config.rmsNormEpsilon,
  });
  const linear = (inputSize: number, ...parts: readonly LinearPart[]): Linear => {
    for (const part of parts) take(part.tensor, [part.rowCount, inputSize]);
    return { inputSize, outputSize: parts.reduce((sum, part) => sum + part.rowCount, 0), parts };
  };

  const embedding: LinearPart = {
    tensor: take('model.embed_tokens.weight', [vocabularySize, hiddenSize]),
    rowCount: vocabularySize,
  };
  const layers = Array.from({ length: config.layerCount }, (_, index): DecoderLayer => {
    const prefix = `model.layers.${index}`;
    const attention = `${prefix}.self_attn`;
    const mlp = `${prefix}.mlp`;
    return {
      inputNorm: norm(`${prefix}.input_layernorm.weight`),
      qkv: linear(
        hiddenSize,
        { tensor: `${attention}.q_proj.weight`, rowCount: headCount * headSize },
        { tensor: `${attention}.k_proj.weight`, rowCount: kvHeadCount * headSize },
        { tensor: `${attention}.v_proj.weight`, rowCount: kvHeadCount * headSize },
      ),
      attentionOutput: linear(headCount * headSize, { tensor: `${attention}.o_proj.weight`, rowCount: hiddenSize }),
      postAttentionNorm: norm(`${prefix}.post_attention_layernorm.weight`),
      gate: linear(hiddenSize, { tensor: `${mlp}.gate_proj.weight`, rowCount: intermediateSize }),
      up: linear(hiddenSize, { tensor: `${mlp}.up_proj.weight`, rowCount: intermediateSize }),
      down: linear(intermediateSize, { tensor: `${mlp}.down_proj.weight`, rowCount: hiddenSize }),
    };
  });
  const finalNorm = norm('model.norm.weight');
  const head = linear(
    hiddenSize,
    config.tiedEmbeddings ? embedding : { tensor: 'lm_head.weight', rowCount: vocabularySize },
  );

  for (const name of tensors.keys()) {
    const ignorable = DERIVED_TENSOR.test(name) || (config.tiedEmbeddings && name === 'lm_head.weight');
    if (!used.has(name) && !ignorable) {
      throw new UnsupportedError(
        'MODEL_FEATURE_UNSUPPORTED',
        `${location}: tensor '${name}' is not part of a ${config.architecture} decoder as aipc knows it; ` +
          'leaving it out would change the answers.',
        { details: { tensor: name, location } },
      );
    }
  }

  return {
    architecture: config.architecture,
    fusedProjections: config.architecture === 'phi3',
    vocabularySize,
    hiddenSize,
    contextTokens: config.contextTokens,
    bosTokenId: config.bosTokenId,
    eosTokenIds: config.eosTokenIds,
    padTokenId: config.padTokenId,
    embedding,
    attention: {
      headCount,
      kvHeadCount,
      headSize,
      scale: 1 / Math.sqrt(headSize),
      // A window that no sequence fills hides nothing (the 128k models name one of 262,144 tokens).
      windowTokens: (config.slidingWindow ?? Infinity) < config.contextTokens ? config.slidingWindow : null,
    },
    rope: describeRope(config),
    layers,
    finalNorm,
    head,
  };
}

function describeRope({ ropeTheta, rotarySize, longRope, contextTokens }: ModelConfig): Rope {
  const plain = { theta: ropeTheta, rotarySize, factors: null, magnitude: 1, beyond: null };
  if (longRope === null) return plain;
  const { originalContextTokens, shortFactors, longFactors, attentionFactor } = longRope;
  return {
    ...plain,
    factors: shortFactors,
    magnitude: attentionFactor,
    beyond:
      originalContextTokens < contextTokens ? { boundaryTokens: originalContextTokens, factors: longFactors } : null,
  };
}
