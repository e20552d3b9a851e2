/**
 * The two lists of longrope, which GGUF files hold as tensors (llama.cpp, convert_hf_to_gguf.py,
 * Phi3MiniModel.generate_extra_tensors). Their length and range are the configuration's concern (config-fields.ts).
 */
import { ModelFormatError } from '../errors.js';
import { CONFIG_LIMITS } from './config-fields.js';
import { BLOCK_LAYOUTS, dequantise, storedBytes } from './dequantise.js';
import { malformed, quoted } from './format-error.js';
import { type GgufHead } from './gguf.js';
import { type ModelFile } from './model-file.js';

export const LONG_FACTORS = 'rope_factors_long.weight';
export const SHORT_FACTORS = 'rope_factors_short.weight';

export interface RopeFactors {
  readonly short: readonly number[];
  readonly long: readonly number[];
}

/** null: the file has neither. Throws TENSOR_MISSING for one without the other, FILE_MALFORMED, FILE_TRUNCATED. */
export async function readRopeFactors(file: ModelFile, head: GgufHead): Promise<RopeFactors | null> {
  const found = head.tensors.filter(({ name }) => name === LONG_FACTORS || name === SHORT_FACTORS);
  if (found.length === 0) return null;
  return { short: await readVector(file, head, SHORT_FACTORS), long: await readVector(file, head, LONG_FACTORS) };
}

async function readVector(file: ModelFile, head: GgufHead, name: string): Promise<number[]> {
  const tensor = head.tensors.find((candidate) => candidate.name === name);
  if (tensor === undefined) {
    throw new ModelFormatError(
      'TENSOR_MISSING',
      `${file.path}: the tensor ${quoted(name)} is missing, and the other one of longrope's two is there. Get the file again from its source.`,
      { details: { tensor: name } },
    );
  }
  const { shape, dtype, typeName, offsetBytes } = tensor;
  const [count = 0] = shape;
  const most = CONFIG_LIMITS.headSize.max / 2;
  if (shape.length !== 1 || count > most || dtype === null || BLOCK_LAYOUTS[dtype].blockElements !== 1) {
    throw malformed(
      file.path,
      `the tensor ${quoted(name)} must be at most ${most} numbers of type F32, found ${typeName} of shape [${shape.join(', ')}].`,
      { tensor: name },
    );
  }
  const bytes = new Uint8Array(storedBytes(dtype, count));
  await file.read(bytes, offsetBytes, `the tensor ${quoted(name)}`);
  const values = new Float32Array(count);
  dequantise(dtype, bytes.buffer, 0, count, values, 0);
  return Array.from(values);
}
