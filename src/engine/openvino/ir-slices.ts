/**
 * Whether slices take what the file says that they do. OpenVINO's CPU plug-in fuses slices into rotations of the shape
 * that it expects there, without looking at where they begin and end; with other numbers it writes beyond its memory
 * (2026.4). It checks slices along dimensions that are known; others the runtime works out by itself.
 * Source: OpenVINO's operation specification of Slice-8.
 */
import { ModelFormatError } from '../../errors.js';
import { openRegularFile } from '../../file-system.js';
import type { IrLayer, IrXml } from './ir-xml.js';

/** What the inputs of a Slice are, by port: data, start, stop, step, axes. */
const BOUND_PORTS = ['1', '2', '3', '4'] as const;
const ELEMENT_BYTES: Readonly<Record<string, 4 | 8>> = { i32: 4, i64: 8 };

/** Throws FILE_MALFORMED for a slice of one dimension whose result has another size than its output is said to have. */
export async function checkSlices(xml: IrXml, binFile: string): Promise<void> {
  const { file, layers, sources } = xml;
  const handle = await openRegularFile(binFile);
  try {
    const known = new Map<string, bigint | undefined>();
    /** The value of a constant of one number; undefined for anything else. */
    const numberOf = async (layer: IrLayer | undefined): Promise<bigint | undefined> => {
      if (layer?.type !== 'Const') return undefined;
      const { element_type: type = '', offset = '', size = '' } = layer.data;
      const bytes = ELEMENT_BYTES[type];
      if (bytes === undefined || Number(size) !== bytes) return undefined;
      const key = `${type}@${offset}`;
      if (!known.has(key)) {
        const buffer = Buffer.alloc(8);
        await handle.read(buffer, 0, bytes, Number(offset));
        known.set(key, bytes === 8 ? buffer.readBigInt64LE() : BigInt(buffer.readInt32LE()));
      }
      return known.get(key);
    };
    for (const layer of layers.values()) {
      if (layer.type !== 'Slice') continue;
      const input = (port: string): IrLayer | undefined => layers.get(sources.get(`${layer.id}:${port}`) ?? '');
      const bounds: (bigint | undefined)[] = [];
      for (const port of BOUND_PORTS) bounds.push(await numberOf(input(port)));
      const [start, stop, step, axis] = bounds;
      const [from, other] = input('0')?.outputs ?? [];
      const to = layer.outputs[0]?.dims;
      if (from === undefined || other !== undefined || to === undefined) continue; // of several outputs: which one?
      if (start === undefined || stop === undefined || step === undefined || axis === undefined) continue;
      const at = Number(axis < 0n ? axis + BigInt(from.dims.length) : axis);
      const [whole, said] = [from.dims[at], to[at]];
      if (whole === undefined || said === undefined || whole < 0 || said < 0) continue;
      const found = sliceSize(BigInt(whole), start, stop, step);
      if (found === BigInt(said)) continue;
      throw new ModelFormatError(
        'FILE_MALFORMED',
        `${file}: the layer ${layer.name} takes ${found} of ${whole} values from ${start} to ${stop}, but says that it ` +
          `takes ${said}. This is not a sound OpenVINO IR: download or export it anew.`,
        { details: { file, layer: layer.name, start: String(start), stop: String(stop), found: String(found), said } },
      );
    }
  } finally {
    await handle.close();
  }
}

/** Values that Slice-8 takes of `whole`: negative bounds count from the end, others are cut off at the ends. */
function sliceSize(whole: bigint, start: bigint, stop: bigint, step: bigint): bigint {
  if (step === 0n) return -1n; // no slice at all
  const [first, last] = step > 0n ? [0n, whole] : [-1n, whole - 1n];
  const bound = (value: bigint): bigint => {
    const fromStart = value < 0n ? value + whole : value;
    return fromStart < first ? first : fromStart > last ? last : fromStart;
  };
  const distance = step > 0n ? bound(stop) - bound(start) : bound(start) - bound(stop);
  const width = step > 0n ? step : -step;
  return distance <= 0n ? 0n : (distance + width - 1n) / width;
}
