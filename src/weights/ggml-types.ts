/**
 * ggml's tensor types by id: name and block size, for the types that can be read and for those that can only be
 * measured and named. Ids and sizes: ggml.h `enum ggml_type`, and gguf-py `GGML_QUANT_SIZES`.
 */
import { UnsupportedError } from '../errors.js';
import { BLOCK_LAYOUTS, type BlockLayout } from './dequantise.js';
import { quoted } from './format-error.js';
import { type DType } from './weights.js';

export interface GgmlType extends BlockLayout {
  readonly name: string;
  /** null: can be measured, but not read. */
  readonly dtype: DType | null;
}

const readable = (dtype: DType): GgmlType => ({ name: dtype, dtype, ...BLOCK_LAYOUTS[dtype] });
const unreadable = (name: string, blockElements: number, blockBytes: number): GgmlType => ({
  name,
  dtype: null,
  blockElements,
  blockBytes,
});

const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map([
  [0, readable('F32')],
  [1, readable('F16')],
  [2, readable('Q4_0')],
  [3, readable('Q4_1')],
  [6, readable('Q5_0')],
  [7, readable('Q5_1')],
  [8, readable('Q8_0')],
  [9, unreadable('Q8_1', 32, 40)],
  [10, unreadable('Q2_K', 256, 84)],
  [11, unreadable('Q3_K', 256, 110)],
  [12, readable('Q4_K')],
  [13, readable('Q5_K')],
  [14, readable('Q6_K')],
  [15, unreadable('Q8_K', 256, 292)],
  [16, unreadable('IQ2_XXS', 256, 66)],
  [17, unreadable('IQ2_XS', 256, 74)],
  [18, unreadable('IQ3_XXS', 256, 98)],
  [19, unreadable('IQ1_S', 256, 50)],
  [20, unreadable('IQ4_NL', 32, 18)],
  [21, unreadable('IQ3_S', 256, 110)],
  [22, unreadable('IQ2_S', 256, 82)],
  [23, unreadable('IQ4_XS', 256, 136)],
  [24, unreadable('I8', 1, 1)],
  [25, unreadable('I16', 1, 2)],
  [26, unreadable('I32', 1, 4)],
  [27, unreadable('I64', 1, 8)],
  [28, unreadable('F64', 1, 8)],
  [29, unreadable('IQ1_M', 256, 56)],
  [30, readable('BF16')],
  [34, unreadable('TQ1_0', 256, 54)],
  [35, unreadable('TQ2_0', 256, 66)],
  [39, unreadable('MXFP4', 32, 17)],
]);

/** Throws DTYPE_UNSUPPORTED for an id that is not in the table: not even its size is known. */
export function ggmlType(file: string, tensor: string, id: number): GgmlType {
  const type = GGML_TYPES.get(id);
  if (type === undefined) {
    throw new UnsupportedError(
      'DTYPE_UNSUPPORTED',
      `${file}: tensor ${quoted(tensor)} has the unknown ggml type ${id}. Readable types: ${Object.keys(BLOCK_LAYOUTS).join(', ')}.`,
      { details: { file, tensor, type: id, supported: Object.keys(BLOCK_LAYOUTS) } },
    );
  }
  return type;
}
