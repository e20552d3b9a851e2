/**
 * An OpenVINO IR (version 11) graph: operations are added in order, each names its inputs. It knows no decoder and does
 * not write (ir-xml.ts). Output shapes are left out: OpenVINO infers them when it reads the graph.
 * Operations: https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets.html
 */
import type { DataLayout } from './data-layout.js';

/** Element types of constants, and what a port calls them. */
const PRECISIONS = {
  f32: 'FP32',
  f16: 'FP16',
  i64: 'I64',
  i32: 'I32',
  i8: 'I8',
  u8: 'U8',
  i4: 'I4',
  u4: 'U4',
  boolean: 'BOOL',
} as const;
export type ElementType = keyof typeof PRECISIONS;
export type Precision = (typeof PRECISIONS)[ElementType];

/** An output of an operation: what others take as input. */
export interface Value {
  readonly layer: number;
  readonly port: number;
  readonly type: ElementType;
}

export interface IrLayer {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly inputs: readonly Value[];
  readonly outputs: readonly { readonly precision: Precision; readonly tensorName: string | null }[];
  /** The constant is a compressed form of floats; plug-ins then keep it compressed. */
  readonly isDecompression: boolean;
}

export interface OperationOptions {
  /** Element type of every output. Default: that of the first input. */
  readonly type?: ElementType;
  readonly outputCount?: number;
  /** Unique in the graph. Default: type and number. */
  readonly name?: string;
  /** Name of the output tensor. */
  readonly tensorName?: string;
  readonly version?: string;
  readonly isDecompression?: boolean;
}

type Attributes = Readonly<Record<string, string | number | boolean>>;

export class IrGraph {
  readonly layers: IrLayer[] = [];
  readonly #layout: DataLayout;

  constructor(layout: DataLayout) {
    this.#layout = layout;
  }

  parameter(name: string, type: ElementType, shape: string): Value {
    return this.operation('Parameter', [], { shape, element_type: type }, { type, name, tensorName: name });
  }

  /** Adds an operation of the first operation set unless told otherwise. Returns its first output. */
  operation(
    type: string,
    inputs: readonly Value[],
    attributes: Attributes = {},
    options: OperationOptions = {},
  ): Value {
    const layer = this.layers.length;
    const elementType = options.type ?? inputs[0]?.type ?? 'f32';
    const outputCount = options.outputCount ?? 1;
    this.layers.push({
      name: options.name ?? `${type}_${layer}`,
      type,
      version: options.version ?? 'opset1',
      attributes: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, String(value)])),
      inputs,
      outputs: Array.from({ length: outputCount }, () => ({
        precision: PRECISIONS[elementType],
        tensorName: options.tensorName ?? null,
      })),
      isDecompression: options.isDecompression ?? false,
    });
    return { layer, port: inputs.length, type: elementType };
  }

  /** One of the outputs of an operation with several. */
  output(first: Value, index: number): Value {
    return { ...first, port: first.port + index };
  }

  /** A constant whose bytes are at a known place of the data file. */
  constantAt(
    type: ElementType,
    shape: readonly number[],
    offsetBytes: number,
    sizeBytes: number,
    name?: string,
  ): Value {
    return this.operation(
      'Const',
      [],
      { element_type: type, shape: shape.join(', '), offset: offsetBytes, size: sizeBytes },
      { type, ...(name === undefined ? {} : { name }) },
    );
  }

  i64(values: number | bigint | readonly (number | bigint)[]): Value {
    const list = BigInt64Array.from([values].flat(), BigInt);
    return this.#constant('i64', Array.isArray(values) ? [list.length] : [], list);
  }

  i32(values: number | readonly number[]): Value {
    const list = Int32Array.from([values].flat());
    return this.#constant('i32', Array.isArray(values) ? [list.length] : [], list);
  }

  f32(shape: readonly number[], values: ArrayLike<number>): Value {
    return this.#constant('f32', shape, Float32Array.from(values));
  }

  boolean(value: boolean): Value {
    return this.#constant('boolean', [], Uint8Array.of(value ? 1 : 0));
  }

  #constant(
    type: ElementType,
    shape: readonly number[],
    values: BigInt64Array | Int32Array | Float32Array | Uint8Array,
  ): Value {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return this.constantAt(type, shape, this.#layout.place(bytes), bytes.length);
  }
}
