/**
 * Collects a graph's nodes and constants, lays the constants out in the data file, and notes the task that fills each.
 * Its methods are the building blocks of a decoder; the order in which they are put together is decoder-graph.ts's.
 */
import type { Linear, LinearPart, RmsNorm } from '../decoder.js';
import { quantisedRowLayout } from '../quantise.js';
import type { WeightRecipe } from '../recipe.js';
import type { TensorTask } from '../tensor-task.js';
import {
  DATA_TYPE,
  type ExternalTensor,
  type InlineTensor,
  type OnnxAttribute,
  type OnnxDataType,
  type OnnxNode,
} from './onnx-model.js';

export const int = (value: number): OnnxAttribute => ({ int: value });
export const float = (value: number): OnnxAttribute => ({ float: value });

/**
 * Tensors begin on a page, so that ONNX Runtime can map them instead of copying.
 * (Windows maps at multiples of 64 KiB; there ONNX Runtime rounds down itself.)
 */
const TENSOR_ALIGNMENT_BYTES = 4096;

const ELEMENT_BYTES: Readonly<Record<OnnxDataType, number>> = {
  float32: 4,
  uint8: 1,
  int32: 4,
  int64: 8,
  float16: 2,
};

export class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly externalTensors: ExternalTensor[] = [];
  readonly inlineTensors: InlineTensor[] = [];
  readonly tasks: TensorTask[] = [];
  readonly #recipe: WeightRecipe;
  #dataFileBytes = 0;

  constructor(recipe: WeightRecipe) {
    this.#recipe = recipe;
  }

  /** Of activations, the KV cache, norms, scales and tables. */
  get floatType(): 'float16' | 'float32' {
    return this.#recipe.activations === 'fp16' ? 'float16' : 'float32';
  }

  /** The same as tasks call it. */
  get floatDtype(): 'fp16' | 'fp32' {
    return this.#recipe.activations;
  }

  get dataFileBytes(): number {
    return this.#dataFileBytes;
  }

  /** Names of values and nodes follow PyTorch's: node `/a/b` gives `/a/b/output_0`. Returns the output's name. */
  node(
    opType: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    options: { readonly domain?: OnnxNode['domain']; readonly outputs?: readonly string[] } = {},
  ): string {
    const outputs = options.outputs ?? [`${name}/output_0`];
    this.nodes.push({ opType, domain: options.domain ?? '', name, inputs, outputs, attributes });
    return outputs[0] ?? '';
  }

  cast(name: string, input: string, to: OnnxDataType): string {
    return this.node('Cast', name, [input], { to: int(DATA_TYPE[to]) });
  }

  /** A small int64 constant inside the model file. */
  constant(name: string, shape: readonly number[], values: readonly bigint[]): void {
    this.inlineTensors.push({ name, shape, values });
  }

  /** Reserves room in the data file for a constant. Returns its offset in bytes. */
  external(name: string, dataType: OnnxDataType, shape: readonly number[]): number {
    const offsetBytes = Math.ceil(this.#dataFileBytes / TENSOR_ALIGNMENT_BYTES) * TENSOR_ALIGNMENT_BYTES;
    const lengthBytes = shape.reduce((product, size) => product * size, ELEMENT_BYTES[dataType]);
    this.externalTensors.push({ name, dataType, shape, offsetBytes, lengthBytes });
    this.#dataFileBytes = offsetBytes + lengthBytes;
    return offsetBytes;
  }

  /** Rows of the table, looked up, in the type of activations; fp16 weights are widened after the lookup where that is fp32. */
  embedding(name: string, ids: string, table: LinearPart, width: number): string {
    const fp16 = this.#recipe.weightFormat === 'fp16' || this.floatDtype === 'fp16';
    const tensor = constantName(name, 'weight');
    const offsetBytes = this.external(tensor, fp16 ? 'float16' : 'float32', [table.rowCount, width]);
    this.tasks.push({
      kind: 'copy',
      tensor: table.tensor,
      rowCount: table.rowCount,
      columnCount: width,
      dtype: fp16 ? 'fp16' : 'fp32',
      offsetBytes,
    });
    const rows = this.node('Gather', `${name}/Gather`, [tensor, ids], { axis: int(0) });
    return fp16 && this.floatDtype === 'fp32' ? this.cast(`${name}/Cast`, rows, 'float32') : rows;
  }

  norm(name: string, input: string, norm: RmsNorm): string {
    // ONNX Runtime registers this one in ai.onnx, unlike its Skip sibling.
    return this.node(
      'SimplifiedLayerNormalization',
      `${name}/SimplifiedLayerNormalization`,
      [input, this.#normWeight(name, norm)],
      { axis: int(-1), epsilon: float(norm.epsilon), stash_type: int(1) },
    );
  }

  /** Returns [norm(residual + branch), residual + branch]. */
  skipNorm(name: string, residual: string, branch: string, norm: RmsNorm): [normalised: string, sum: string] {
    const node = `${name}/SkipLayerNorm`;
    const sum = `${node}/output_3`;
    const normalised = this.node(
      'SkipSimplifiedLayerNormalization',
      node,
      [residual, branch, this.#normWeight(name, norm)],
      { epsilon: float(norm.epsilon) },
      { domain: 'com.microsoft', outputs: [`${node}/output_0`, '', '', sum] },
    );
    return [normalised, sum];
  }

  /** input [.., inputSize] -> [.., outputSize]; `output` names the result where it must have a given name. */
  linear(name: string, input: string, linear: Linear, output?: string): string {
    const { inputSize, outputSize } = linear;
    const outputs = output === undefined ? {} : { outputs: [output] };
    if (!('block' in this.#recipe)) {
      const weight = this.#matMulWeight(name, linear, this.#recipe.weightFormat);
      return this.node('MatMul', `${name}/MatMul`, [input, weight], {}, outputs);
    }
    const { block, accuracyLevel } = this.#recipe;
    return this.node(
      'MatMulNBits',
      `${name}/MatMulNBits`,
      [input, ...this.#blockWeight(name, linear)],
      {
        K: int(inputSize),
        N: int(outputSize),
        bits: int(block.bits),
        block_size: int(block.blockSize),
        // 0 is the default, and not every execution provider accepts the attribute.
        ...(accuracyLevel === 0 ? {} : { accuracy_level: int(accuracyLevel) }),
      },
      { domain: 'com.microsoft', ...outputs },
    );
  }

  #normWeight(name: string, norm: RmsNorm): string {
    const tensor = constantName(name, 'weight');
    const offsetBytes = this.external(tensor, this.floatType, [norm.size]);
    this.tasks.push({
      kind: 'copy',
      tensor: norm.tensor,
      rowCount: norm.size,
      columnCount: 1,
      dtype: this.floatDtype,
      offsetBytes,
    });
    return tensor;
  }

  /** [inputSize, outputSize], as ONNX's MatMul wants it; fp16 is widened where activations are fp32 (once, at load). */
  #matMulWeight(name: string, { inputSize, outputSize, parts }: Linear, dtype: 'fp16' | 'fp32'): string {
    const tensor = constantName(name, 'MatMul.weight');
    const offsetBytes = this.external(tensor, dtype === 'fp16' ? 'float16' : 'float32', [inputSize, outputSize]);
    let firstColumn = 0;
    for (const part of parts) {
      this.tasks.push({
        kind: 'transpose',
        tensor: part.tensor,
        rowCount: part.rowCount,
        columnCount: inputSize,
        dtype,
        offsetBytes,
        firstColumn,
        outputColumnCount: outputSize,
      });
      firstColumn += part.rowCount;
    }
    return dtype === 'fp16' && this.floatDtype === 'fp32' ? this.cast(`${name}/Cast`, tensor, 'float32') : tensor;
  }

  /** MatMulNBits' inputs after the first: B, scales and, unless symmetric, zero points. */
  #blockWeight(name: string, { inputSize, outputSize, parts }: Linear): string[] {
    if (!('block' in this.#recipe)) throw new TypeError('The recipe has no blocks.');
    const { block } = this.#recipe;
    const layout = quantisedRowLayout(inputSize, block);
    const values = constantName(name, `MatMul.weight_Q${block.bits}`);
    const scales = constantName(name, 'MatMul.weight_scales');
    const zeroPoints = constantName(name, 'MatMul.weight_zp');
    const blobBytes = layout.valueBytesPerRow / layout.blocksPerRow;
    let valuesOffsetBytes = this.external(values, 'uint8', [outputSize, layout.blocksPerRow, blobBytes]);
    let scalesOffsetBytes = this.external(scales, this.floatType, [outputSize, layout.blocksPerRow]);
    let zeroPointsOffsetBytes = block.symmetric
      ? 0
      : this.external(zeroPoints, 'uint8', [outputSize, layout.zeroPointBytesPerRow]);
    for (const part of parts) {
      this.tasks.push({
        kind: 'quantise',
        tensor: part.tensor,
        rowCount: part.rowCount,
        columnCount: inputSize,
        block,
        scaleDtype: this.floatDtype,
        valuesOffsetBytes,
        scalesOffsetBytes,
        zeroPointsOffsetBytes,
      });
      valuesOffsetBytes += part.rowCount * layout.valueBytesPerRow;
      scalesOffsetBytes += part.rowCount * layout.blocksPerRow * ELEMENT_BYTES[this.floatType];
      zeroPointsOffsetBytes += part.rowCount * layout.zeroPointBytesPerRow;
    }
    return block.symmetric ? [values, scales] : [values, scales, zeroPoints];
  }
}

/** `/model/layers.0/mlp/up_proj` -> `model.layers.0.mlp.up_proj.weight` */
function constantName(node: string, suffix: string): string {
  return `${node.slice(1).replaceAll('/', '.')}.${suffix}`;
}
