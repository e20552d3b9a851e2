/**
 * A Decoder and a recipe become an ONNX graph and the tasks that fill its data file, laid out as onnxruntime-genai's
 * model builder does for the recipe's target (src/python/py/models/builders/base.py, 0.18): attention.ts has what differs;
 * SkipSimplifiedLayerNormalization; MatMulNBits. It reads no weights and writes no file.
 *
 * One thing is added: `logits_first_row`, an initialiser that a caller may override (which is why ONNX wants it among
 * the inputs too). Only rows from it on, of those that input_ids holds, go through the head: 0 (the default, and what
 * onnxruntime-genai gets) gives logits for all, S - 1 for the last one, S - n for the last n.
 */
import { UnsupportedError } from '../../errors.js';
import type { Decoder } from '../decoder.js';
import type { WeightRecipe } from '../recipe.js';
import type { TensorTask } from '../tensor-task.js';
import { attention } from './attention.js';
import { GraphWriter, int } from './graph-writer.js';
import type { OnnxModel, OnnxValue } from './onnx-model.js';
import { POSITION_IDS, rotaryTables } from './rotary-tables.js';

export interface DecoderGraph {
  readonly model: OnnxModel;
  /** Fill the data file, except for padding, which is zero. */
  readonly tasks: readonly TensorTask[];
  readonly dataFileBytes: number;
}

/** An `ends` beyond any length, meaning "to the end" (ONNX Slice). */
const INT64_MAX = 2n ** 63n - 1n;

/** Throws MODEL_FEATURE_UNSUPPORTED if ONNX Runtime's operators cannot run this shape. */
export function buildDecoderGraph(
  decoder: Decoder,
  recipe: WeightRecipe,
  names: { readonly dataFile: string; readonly producerVersion: string },
): DecoderGraph {
  checkHeads(decoder);
  const graph = new GraphWriter(recipe);
  const { vocabularySize } = decoder;

  // Mask -> what GroupQueryAttention asks for: index of each sequence's last key, and the longest length.
  graph.constant('one', [1], [1n]);
  graph.constant('one_scalar', [], [1n]);
  const mask = '/model/attn_mask_reformat/attn_mask_subgraph';
  graph.node('ReduceSum', `${mask}/ReduceSum`, ['attention_mask', 'one'], { keepdims: int(0) });
  graph.node('Sub', `${mask}/Sub`, [`${mask}/ReduceSum/output_0`, 'one']);
  const seqlens = graph.cast(`${mask}/Sub/Cast`, `${mask}/Sub/output_0`, 'int32');
  graph.node('Shape', `${mask}/Shape`, ['attention_mask']);
  const maskWidth = graph.node('Gather', `${mask}/Gather`, [`${mask}/Shape/output_0`, 'one_scalar'], { axis: int(0) });
  const totalLength = graph.cast(`${mask}/Gather/Cast`, maskWidth, 'int32');
  const rotary = rotaryTables(graph, decoder, recipe.target, maskWidth);

  let residual = graph.embedding('/model/embed_tokens', 'input_ids', decoder.embedding, decoder.hiddenSize);
  const norms = [...decoder.layers.map((layer) => layer.inputNorm), decoder.finalNorm];
  const normName = (index: number): string =>
    index < decoder.layers.length ? `/model/layers.${index}/input_layernorm` : '/model/norm';
  let hidden = graph.norm(normName(0), residual, at(norms, 0));
  const caches: OnnxValue[] = [];
  const presents: OnnxValue[] = [];
  decoder.layers.forEach((layer, index) => {
    const name = `/model/layers.${index}`;
    const kv = (prefix: string, part: string, length: string): OnnxValue => ({
      name: `${prefix}.${index}.${part}`,
      dataType: graph.floatType,
      shape: ['batch_size', decoder.attention.kvHeadCount, length, decoder.attention.headSize],
    });
    const past = ['key', 'value'].map((part) => kv('past_key_values', part, 'past_sequence_length'));
    const present = ['key', 'value'].map((part) => kv('present', part, 'total_sequence_length'));
    caches.push(...past);
    presents.push(...present);

    const attended = attention(graph, name, hidden, layer, decoder, {
      target: recipe.target,
      seqlens,
      totalLength,
      rotary,
      past: past.map((value) => value.name),
      present: present.map((value) => value.name),
    });
    const attentionOutput = graph.linear(`${name}/attn/o_proj`, attended, layer.attentionOutput);
    [hidden, residual] = graph.skipNorm(
      `${name}/post_attention_layernorm`,
      residual,
      attentionOutput,
      layer.postAttentionNorm,
    );
    const gate = graph.linear(`${name}/mlp/gate_proj`, hidden, layer.gate);
    const up = graph.linear(`${name}/mlp/up_proj`, hidden, layer.up);
    const sigmoid = graph.node('Sigmoid', `${name}/mlp/act_fn/Sigmoid`, [gate]);
    const silu = graph.node('Mul', `${name}/mlp/act_fn/Mul`, [gate, sigmoid]);
    const product = graph.node('Mul', `${name}/mlp/Mul`, [silu, up]);
    const mlpOutput = graph.linear(`${name}/mlp/down_proj`, product, layer.down);
    // The norm after the last layer is the final one; the sum it also returns is then of no more use.
    [hidden, residual] = graph.skipNorm(normName(index + 1), residual, mlpOutput, at(norms, index + 1));
  });

  graph.constant('logits_first_row', [1], [0n]);
  graph.constant('int64_max', [1], [INT64_MAX]);
  const rows = graph.node('Slice', '/lm_head/Slice', [hidden, 'logits_first_row', 'int64_max', 'one']);
  graph.linear('/lm_head', rows, decoder.head, 'logits');

  return {
    tasks: graph.tasks,
    dataFileBytes: graph.dataFileBytes,
    model: {
      ...names,
      inputs: [
        { name: 'input_ids', dataType: 'int64', shape: ['batch_size', 'sequence_length'] },
        { name: 'attention_mask', dataType: 'int64', shape: ['batch_size', 'total_sequence_length'] },
        ...(recipe.target === 'dml' ? [POSITION_IDS] : []),
        ...caches,
        { name: 'logits_first_row', dataType: 'int64', shape: [1] },
      ],
      outputs: [
        { name: 'logits', dataType: graph.floatType, shape: ['batch_size', 'logits_length', vocabularySize] },
        ...presents,
      ],
      nodes: graph.nodes,
      externalTensors: graph.externalTensors,
      inlineTensors: graph.inlineTensors,
    },
  };
}

function checkHeads({ attention: { headSize, headCount, kvHeadCount }, rope: { rotarySize } }: Decoder): void {
  const problems = [
    headSize % 16 === 0 ? '' : `a head size of ${headSize} (a multiple of 16 is needed)`,
    rotarySize % 16 === 0 ? '' : `a rotary size of ${rotarySize} (a multiple of 16 is needed)`,
    headCount % kvHeadCount === 0 ? '' : `${headCount} heads that share ${kvHeadCount} KV heads unevenly`,
  ].filter((problem) => problem !== '');
  if (problems.length > 0) {
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `ONNX Runtime's GroupQueryAttention cannot run this model: ${problems.join('; ')}.`,
      { details: { headSize, headCount, kvHeadCount, rotarySize } },
    );
  }
}

function at<T>(array: readonly T[], index: number): T {
  const element = array[index];
  if (element === undefined) throw new RangeError(`No element ${index} in ${array.length}.`);
  return element;
}
