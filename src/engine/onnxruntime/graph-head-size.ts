/**
 * The head size that a graph's attention has, told by the first layer: GroupQueryAttention's number of heads, and the
 * inputs of the quantised matrix behind it. The model builder leaves that dimension of its KV cache open, and a buffer of
 * another size would be found out in the first run alone. It looks no further than the first layer.
 */
import { ModelFormatError } from '../../errors.js';
import type { Graph } from '../graph-size/graph.js';
import type { GenaiConfig } from './genai-config.js';

/** Throws TENSOR_SHAPE_MISMATCH where the configuration says another head size than the graph. */
export function checkHeadSize(config: GenaiConfig, graph: Graph): void {
  const found = headSizeOf(graph);
  if (found === undefined || found === config.headSize) return;
  throw new ModelFormatError(
    'TENSOR_SHAPE_MISMATCH',
    `${config.modelFile}: the heads of its attention have ${found} values, ${config.file} says ${config.headSize} ` +
      '(head_size). The two files do not belong together: download or export the folder anew.',
    { details: { file: config.modelFile, name: 'head_size', found, allowed: config.headSize } },
  );
}

/** Undefined where the first layer does not tell: no GroupQueryAttention, or other matrices behind it. */
function headSizeOf({ nodes }: Graph): number | undefined {
  const first = nodes.findIndex(({ operator }) => operator === 'GroupQueryAttention');
  const attention = nodes[first];
  const output = attention?.outputs[0];
  const behind = nodes.slice(first + 1).find(({ inputs }) => inputs[0] === output);
  const heads = attention?.integers.get('num_heads')?.[0];
  const columns = behind?.operator === 'MatMulNBits' ? behind.integers.get('K')?.[0] : undefined;
  return columns === undefined || heads === undefined || heads === 0 ? undefined : columns / heads;
}
