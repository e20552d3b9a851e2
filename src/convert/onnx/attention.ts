/**
 * Attention in the node forms that each execution provider takes: q, k, v from one product and rotated inside of
 * GroupQueryAttention; for DirectML, whose kernel does neither, three products and a RotaryEmbedding each for q and k,
 * by an input with the positions. It does not know what is around attention.
 */
import type { Decoder, DecoderLayer } from '../decoder.js';
import type { OnnxTarget } from '../recipe.js';
import { float, int, type GraphWriter } from './graph-writer.js';
import type { RotaryTables } from './rotary-tables.js';

/** Names of values of the graph. */
export interface AttentionValues {
  readonly target: OnnxTarget;
  /** int32 [batch]: index of each sequence's last key. */
  readonly seqlens: string;
  /** int32 scalar. */
  readonly totalLength: string;
  readonly rotary: RotaryTables;
  /** Key and value. */
  readonly past: readonly string[];
  readonly present: readonly string[];
}

/** Adds attention up to, not including, the output projection; returns the name of [batch, tokens, heads * headSize]. */
export function attention(
  graph: GraphWriter,
  name: string,
  hidden: string,
  layer: DecoderLayer,
  decoder: Decoder,
  values: AttentionValues,
): string {
  const { headCount, kvHeadCount, scale, windowTokens } = decoder.attention;
  const isFused = values.target !== 'dml';
  const projected = isFused
    ? [graph.linear(`${name}/attn/qkv_proj`, hidden, layer.qkv), '', '']
    : separate(graph, name, hidden, layer, decoder, values.rotary);
  const output = `${name}/attn/GroupQueryAttention/output_0`;
  graph.node(
    'GroupQueryAttention',
    `${name}/attn/GroupQueryAttention`,
    [
      ...projected,
      ...values.past,
      values.seqlens,
      values.totalLength,
      ...(isFused ? [values.rotary.cos, values.rotary.sin] : []),
    ],
    {
      num_heads: int(headCount),
      kv_num_heads: int(kvHeadCount),
      scale: float(scale),
      // Counts the token itself, as transformers' sliding_window does (measured on ONNX Runtime 1.30 and 1.32).
      local_window_size: int(windowTokens ?? -1),
      softcap: float(0),
      do_rotary: int(isFused ? 1 : 0),
      rotary_interleaved: int(0),
    },
    { domain: 'com.microsoft', outputs: [output, ...values.present] },
  );
  return output;
}

/** q and k, rotated, and v. */
function separate(
  graph: GraphWriter,
  name: string,
  hidden: string,
  { qkv }: DecoderLayer,
  { attention: { headCount, kvHeadCount, headSize }, rope: { rotarySize } }: Decoder,
  { cos, sin, rows }: RotaryTables,
): readonly string[] {
  const isPartial = rotarySize < headSize;
  return qkv.parts.map((part, index) => {
    const letter = ['q', 'k', 'v'][index] ?? '';
    const projected = graph.linear(`${name}/attn/${letter}_proj`, hidden, {
      inputSize: qkv.inputSize,
      outputSize: part.rowCount,
      parts: [part],
    });
    if (letter === 'v') return projected;
    return graph.node(
      'RotaryEmbedding',
      `${name}/attn/${letter}_rotary/RotaryEmbedding`,
      [projected, rows, cos, sin],
      {
        interleaved: int(0),
        // The kernel takes head sizes from the tables, unless only a part of each head is rotated.
        num_heads: int(isPartial ? (letter === 'q' ? headCount : kvHeadCount) : 0),
        rotary_embedding_dim: int(isPartial ? rotarySize : 0),
      },
      { domain: 'com.microsoft' },
    );
  });
}
