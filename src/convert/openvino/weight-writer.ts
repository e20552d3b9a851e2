/**
 * Weights as nodes of an IR graph: constants with the steps that restore them to f32 while the plug-ins keep them
 * compressed, as NNCF inserts them, and the tasks that fill the constants. It does not decide formats (weight-plan.ts).
 */
import type { TensorTask } from '../tensor-task.js';
import { UnsupportedError } from '../../errors.js';
import { packedBytes, type CompressedFormat } from './compress-weights.js';
import type { DataLayout } from './data-layout.js';
import type { ElementType, IrGraph, Value } from './ir-graph.js';
import type { IntegerFormat, WeightMatrix, WeightPlan } from './weight-plan.js';

const FLOAT_BYTES = { fp16: 2, fp32: 4 } as const;

export class WeightWriter {
  /** For what the layout did not have before. */
  readonly tasks: TensorTask[] = [];
  readonly #graph: IrGraph;
  readonly #layout: DataLayout;
  readonly #plan: WeightPlan;
  readonly #matrices = new Map<string, Value>();

  constructor(graph: IrGraph, layout: DataLayout, plan: WeightPlan) {
    this.#graph = graph;
    this.#layout = layout;
    this.#plan = plan;
  }

  /** f32 [1, 1, size] */
  vector(tensor: string, size: number): Value {
    const { offsetBytes, isNew } = this.#layout.reserve(tensor, size * 4);
    if (isNew) this.tasks.push({ kind: 'copy', tensor, rowCount: size, columnCount: 1, dtype: 'fp32', offsetBytes });
    return this.#graph.constantAt('f32', [1, 1, size], offsetBytes, size * 4);
  }

  /** f32 [outputSize, inputSize]; nodes are made once, so that a tied head reads the embedding's. */
  matrix(matrix: WeightMatrix): Value {
    const known = this.#matrices.get(matrix.name);
    if (known !== undefined) return known;
    const format = this.#plan.get(matrix.name);
    if (format === undefined) throw new RangeError(`There is no plan for ${matrix.name}.`);
    const value = typeof format === 'string' ? this.#float(matrix, format) : this.#compressed(matrix, format);
    this.#matrices.set(matrix.name, value);
    return value;
  }

  #float({ name, linear }: WeightMatrix, dtype: 'fp16' | 'fp32'): Value {
    const { inputSize, outputSize } = linear;
    const rowBytes = inputSize * FLOAT_BYTES[dtype];
    const sizeBytes = outputSize * rowBytes;
    const place = this.#layout.reserve(name, sizeBytes);
    const type = dtype === 'fp16' ? 'f16' : 'f32';
    const shape = [outputSize, inputSize];
    const constant = this.#graph.constantAt(type, shape, place.offsetBytes, sizeBytes, `self.${name}`);
    let { offsetBytes } = place;
    for (const { tensor, rowCount } of place.isNew ? linear.parts : []) {
      this.tasks.push({ kind: 'copy', tensor, rowCount, columnCount: inputSize, dtype, offsetBytes });
      offsetBytes += rowCount * rowBytes;
    }
    return dtype === 'fp32' ? constant : this.#convert(constant, 'f32', true);
  }

  #compressed({ name, linear }: WeightMatrix, planned: IntegerFormat): Value {
    const graph = this.#graph;
    const { inputSize, outputSize, parts } = linear;
    const isGrouped = planned.groupSize !== -1;
    const format = { ...planned, groupSize: isGrouped ? planned.groupSize : inputSize };
    const { bits, symmetric, groupSize } = format;
    const groupsPerRow = inputSize / groupSize;
    const weightCount = outputSize * inputSize;
    const groupCount = outputSize * groupsPerRow;
    checkBytes(name, parts, inputSize, format);
    const reserve = (
      suffix: string,
      sizeBytes: number,
    ): { offsetBytes: number; sizeBytes: number; isNew: boolean } => ({
      ...this.#layout.reserve(`${name}${suffix}`, sizeBytes),
      sizeBytes,
    });
    const values = reserve('', packedBytes(weightCount, bits));
    const zeroPoints = symmetric ? null : reserve('/zero_point', packedBytes(groupCount, bits));
    const scales = reserve('/scale', groupCount * 2);
    let firstRow = 0;
    for (const { tensor, rowCount } of values.isNew ? parts : []) {
      const firstGroup = firstRow * groupsPerRow;
      this.tasks.push({
        kind: 'compress',
        tensor,
        rowCount,
        columnCount: inputSize,
        format,
        valuesOffsetBytes: values.offsetBytes + packedBytes(firstRow * inputSize, bits),
        scalesOffsetBytes: scales.offsetBytes + firstGroup * 2,
        zeroPointsOffsetBytes: zeroPoints === null ? 0 : zeroPoints.offsetBytes + packedBytes(firstGroup, bits),
      });
      firstRow += rowCount;
    }

    const shape = isGrouped ? [outputSize, groupsPerRow, groupSize] : [outputSize, inputSize];
    const groupShape = isGrouped ? [outputSize, groupsPerRow, 1] : [outputSize, 1];
    const constant = (
      type: ElementType,
      of: { readonly offsetBytes: number; readonly sizeBytes: number },
      dimensions: readonly number[],
      suffix: string,
    ): Value => graph.constantAt(type, dimensions, of.offsetBytes, of.sizeBytes, `self.${name}${suffix}`);
    const type = `${symmetric ? 'i' : 'u'}${bits}` as const;
    let restored = this.#convert(constant(type, values, shape, ''), 'f16');
    if (zeroPoints !== null) {
      const zeroPoint = this.#convert(constant(type, zeroPoints, groupShape, '/zero_point'), 'f16');
      restored = graph.operation('Subtract', [restored, zeroPoint], { auto_broadcast: 'numpy' });
    }
    restored = graph.operation('Multiply', [restored, constant('f16', scales, groupShape, '/scale')], {
      auto_broadcast: 'numpy',
    });
    if (isGrouped) {
      restored = graph.operation('Reshape', [restored, graph.i64([outputSize, inputSize])], { special_zero: false });
    }
    return this.#convert(restored, 'f32');
  }

  #convert(value: Value, type: ElementType, isDecompression = false): Value {
    return this.#graph.operation('Convert', [value], { destination_type: type }, { type, isDecompression });
  }
}

/** Parts of a fused matrix are written one by one, so each must begin with a byte of its own. */
function checkBytes(
  name: string,
  parts: WeightMatrix['linear']['parts'],
  inputSize: number,
  { bits, groupSize }: CompressedFormat,
): void {
  if (bits === 8) return;
  for (const { rowCount } of parts.slice(0, -1)) {
    if ((rowCount * inputSize) % 2 === 0 && (rowCount * (inputSize / groupSize)) % 2 === 0) continue;
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${name} is put together of parts with odd numbers of rows (${rowCount}) and groups, which int4 cannot keep apart. ` +
        "Use weightFormat 'int8' or another group size.",
      { details: { matrix: name, rowCount, inputSize, groupSize } },
    );
  }
}
