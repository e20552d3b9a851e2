/**
 * One safetensors file -> its tensors and where their bytes lie, with every check of the format's reference
 * implementation (safetensors 0.7, tensor.rs `read_metadata` and `validate`): the header's length, a header that is
 * one JSON object with unique names, ranges that cover the data section from its first byte to the end of the file
 * without a gap or an overlap, and sizes that equal shape x dtype.
 * It reads no tensor data and does not know canonical names.
 *
 * Layout: u64 header length N, N bytes of JSON, data. Little endian.
 */
import { malformed, overLimit, quoted, truncated } from './format-error.js';
import { type ModelFile } from './model-file.js';
import { parseSafetensorsHeader, type HeaderEntry } from './safetensors-header.js';
import { type StoredTensor } from './stored-tensor.js';
import { type DType } from './weights.js';

/**
 * Longest header accepted, of all shards together. The reference implementation takes 100 MB; 16,384 tensors
 * (MAX_TENSORS) with long names and notes of training tools have 5 MB, and this much takes less than a second to check.
 */
export const MAX_SAFETENSORS_HEADER_BYTES = 32 * 1024 * 1024;

/** Bytes of headers that may still be read; the shards of one model share it. */
export interface HeaderBudget {
  bytes: number;
}

const LENGTH_BYTES = 8;

/** Bits of one element of every dtype that the format knows (tensor.rs, `Dtype::bitsize`). */
const DTYPE_BITS: ReadonlyMap<string, number> = new Map([
  ['F4', 4],
  ['F6_E2M3', 6],
  ['F6_E3M2', 6],
  ...['BOOL', 'U8', 'I8', 'F8_E5M2', 'F8_E4M3', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ'].map((n) => [n, 8] as const),
  ...['I16', 'U16', 'F16', 'BF16'].map((n) => [n, 16] as const),
  ...['I32', 'U32', 'F32'].map((n) => [n, 32] as const),
  ...['I64', 'U64', 'F64', 'C64'].map((n) => [n, 64] as const),
]);

const READABLE: ReadonlyMap<string, DType> = new Map([
  ['F32', 'F32'],
  ['F16', 'F16'],
  ['BF16', 'BF16'],
]);

/** Takes the header's length off `budget`. Throws FILE_TRUNCATED, FILE_MALFORMED, FILE_LIMIT_EXCEEDED or the signal's reason. */
export async function readSafetensorsTensors(
  file: ModelFile,
  signal?: AbortSignal,
  budget: HeaderBudget = { bytes: MAX_SAFETENSORS_HEADER_BYTES },
): Promise<StoredTensor[]> {
  const lengthBytes = Buffer.alloc(LENGTH_BYTES);
  await file.read(lengthBytes, 0, 'the length of the safetensors header');
  const headerBytes = Number(lengthBytes.readBigUInt64LE());
  if (headerBytes > budget.bytes) {
    throw overLimit(file.path, 'the length of the safetensors header', headerBytes, budget.bytes);
  }
  budget.bytes -= headerBytes;
  const dataStart = LENGTH_BYTES + headerBytes;
  if (dataStart > file.sizeBytes) throw truncated(file.path, 'the safetensors header', dataStart, file.sizeBytes);
  const header = Buffer.allocUnsafe(headerBytes);
  await file.read(header, LENGTH_BYTES, 'the safetensors header');

  const entries = await parseSafetensorsHeader(file.path, header, signal);
  checkRanges(file, entries, dataStart);
  return entries.map(({ name, dtype, shape, dataOffsets: [start] }) => ({
    name,
    shape,
    typeName: dtype,
    dtype: READABLE.get(dtype) ?? null,
    offsetBytes: dataStart + start,
  }));
}

function checkRanges(file: ModelFile, entries: readonly HeaderEntry[], dataStart: number): void {
  const sorted = entries.toSorted((a, b) => a.dataOffsets[0] - b.dataOffsets[0] || a.dataOffsets[1] - b.dataOffsets[1]);
  let covered = 0;
  for (const { name, dtype, shape, dataOffsets } of sorted) {
    const [start, end] = dataOffsets;
    const details = { tensor: name, dtype, shape, dataOffsets };
    const bits = DTYPE_BITS.get(dtype);
    if (bits === undefined) {
      throw malformed(file.path, `tensor ${quoted(name)} has the unknown dtype ${quoted(dtype)}.`, details);
    }
    // Beyond 2^53 the product is rounded, but can then not equal a range that fits the file.
    const bytes = shape.reduce((product, size) => product * size, bits) / 8;
    if (end - start !== bytes) {
      throw malformed(
        file.path,
        `tensor ${quoted(name)}: ${dtype} [${shape.join(', ')}] needs ${bytes} bytes, its range ${start}..${end} has ${end - start}.`,
        details,
      );
    }
    if (start !== covered) {
      const problem = start < covered ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw malformed(
        file.path,
        `tensor ${quoted(name)} starts at data byte ${start}, not ${covered}: it ${problem}.`,
        details,
      );
    }
    covered = end;
  }
  const foundBytes = file.sizeBytes - dataStart;
  if (covered > foundBytes) throw truncated(file.path, 'the tensor data', dataStart + covered, file.sizeBytes);
  if (covered < foundBytes) {
    throw malformed(file.path, `${foundBytes - covered} bytes after the last tensor belong to nothing.`, {
      coveredBytes: covered,
      dataBytes: foundBytes,
    });
  }
}
