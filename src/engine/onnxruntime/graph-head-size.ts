/**
 * The head size that a graph's attention has, read from the first layer: GroupQueryAttention's number of heads, and the
 * inputs of the quantised matrix behind it. The model builder leaves that dimension of its KV cache open, and a buffer of
 * another size would be found out in the first run alone. It looks no further than the first layer.
 */
import { openRegularFile, unreadable } from '../../file-system.js';
import { ModelFormatError } from '../../errors.js';
import type { GenaiConfig } from './genai-config.js';
import { ProtoReader, type Field } from './proto-reader.js';

interface Node {
  readonly operator: string;
  readonly firstInput: string;
  readonly firstOutput: string;
  readonly integers: ReadonlyMap<string, number>;
}

/** Throws TENSOR_SHAPE_MISMATCH where the configuration says another head size than the graph; else FILE_*. */
export async function checkHeadSize(config: GenaiConfig): Promise<void> {
  const found = await readHeadSize(config.modelFile);
  if (found === undefined || found === config.headSize) return;
  throw new ModelFormatError(
    'TENSOR_SHAPE_MISMATCH',
    `${config.modelFile}: the heads of its attention have ${found} values, ${config.file} says ${config.headSize} ` +
      '(head_size). The two files do not belong together: download or export the folder anew.',
    { details: { file: config.modelFile, name: 'head_size', found, allowed: config.headSize } },
  );
}

/** Undefined where the first layer does not tell: no GroupQueryAttention, or other matrices behind it. */
async function readHeadSize(modelFile: string): Promise<number | undefined> {
  const handle = await openRegularFile(modelFile).catch((error: unknown) => {
    throw unreadable(modelFile, error, 'Export or download it anew.');
  });
  try {
    const { size } = await handle.stat();
    const reader = new ProtoReader(handle, modelFile, size);
    let attention: Node | undefined;
    for await (const field of reader.fields(0, size)) {
      if (field.number !== 7) continue; // ModelProto.graph
      for await (const entry of reader.fields(field.start, field.end)) {
        if (entry.number !== 1) continue; // GraphProto.node
        const node = await readNode(reader, entry);
        if (node.operator === 'GroupQueryAttention') attention ??= node;
        else if (attention !== undefined && node.firstInput === attention.firstOutput) {
          const columns = node.operator === 'MatMulNBits' ? node.integers.get('K') : undefined;
          const heads = attention.integers.get('num_heads');
          return columns === undefined || heads === undefined || heads === 0 ? undefined : columns / heads;
        }
      }
    }
    return undefined;
  } finally {
    await handle.close();
  }
}

async function readNode(reader: ProtoReader, node: Field): Promise<Node> {
  let operator = '';
  const firstOf: [input: string | undefined, output: string | undefined] = [undefined, undefined];
  const integers = new Map<string, number>();
  for await (const field of reader.fields(node.start, node.end)) {
    if (field.number === 4) operator = await reader.text(field);
    else if (field.number === 1) firstOf[0] ??= await reader.text(field);
    else if (field.number === 2) firstOf[1] ??= await reader.text(field);
    else if (field.number === 5) await readInteger(reader, field, integers);
  }
  return { operator, firstInput: firstOf[0] ?? '', firstOutput: firstOf[1] ?? '', integers };
}

/** AttributeProto: name (1), i (3). */
async function readInteger(reader: ProtoReader, attribute: Field, into: Map<string, number>): Promise<void> {
  let name = '';
  let value: number | undefined;
  for await (const field of reader.fields(attribute.start, attribute.end)) {
    if (field.number === 1) name = await reader.text(field);
    else if (field.number === 3 && field.isVarint) value = field.value;
  }
  if (value !== undefined) into.set(name, value);
}
