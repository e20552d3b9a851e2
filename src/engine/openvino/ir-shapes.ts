/**
 * Whether slices and reshapes give what the file says that they give. OpenVINO (2026.4) works shapes out anew and does
 * not compare; its CPU plug-in fuses such layers into rotations and attention of the shapes that it expects there, and
 * with other numbers reads and writes beyond its memory. What is not known before a run is not checked.
 * Source: OpenVINO's operation specifications of Slice-8 and Reshape-1.
 */
import { ModelFormatError } from '../../errors.js';
import type { ConstantNumbers } from './ir-constants.js';
import type { IrLayer, IrXml } from './ir-xml.js';

/** Throws FILE_MALFORMED for a layer whose constants make another shape than its output is said to have. */
export async function checkShapes(xml: IrXml, numbers: ConstantNumbers): Promise<void> {
  for (const layer of xml.layers.values()) {
    const said = layer.outputs[0]?.dims;
    if (said === undefined || said.length === 0) continue; // aipc's own graphs leave shapes to the runtime
    const input = (port: number): IrLayer | undefined => xml.layers.get(xml.sources.get(`${layer.id}:${port}`) ?? '');
    let problem: string | undefined;
    if (layer.type === 'Slice') problem = await findWrongSlice(input, numbers, said);
    else if (layer.type === 'Reshape') problem = findWrongReshape(await numbers.read(input(1)), said);
    if (problem === undefined) continue;
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${xml.file}: the layer ${layer.name} ${problem}. This is not a sound OpenVINO IR: download or export it anew.`,
      { details: { file: xml.file, layer: layer.name, type: layer.type, said } },
    );
  }
}

/** A slice of one dimension, whose inputs are data, start, stop, step and axis. */
async function findWrongSlice(
  input: (port: number) => IrLayer | undefined,
  numbers: ConstantNumbers,
  said: readonly number[],
): Promise<string | undefined> {
  const bounds: bigint[] = [];
  for (const port of [1, 2, 3, 4]) {
    const [number, more] = (await numbers.read(input(port))) ?? [];
    if (number === undefined || more !== undefined) return undefined;
    bounds.push(number);
  }
  const [start = 0n, stop = 0n, step = 0n, axis = 0n] = bounds;
  const [data, other] = input(0)?.outputs ?? [];
  if (data === undefined || other !== undefined) return undefined; // of several outputs: which one?
  const at = Number(axis < 0n ? axis + BigInt(data.dims.length) : axis);
  const [whole, wanted] = [data.dims[at], said[at]];
  if (whole === undefined || wanted === undefined || whole < 0 || wanted < 0) return undefined;
  const found = sliceSize(BigInt(whole), start, stop, step);
  if (found === BigInt(wanted)) return undefined;
  return `takes ${found} of ${whole} values, from ${start} to ${stop} by ${step}, but says that it takes ${wanted}`;
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

/** 0 and -1 stand for what the input has; any other number is the dimension. */
function findWrongReshape(shape: readonly bigint[] | undefined, said: readonly number[]): string | undefined {
  if (shape === undefined) return undefined;
  if (shape.length === said.length && shape.every((size, at) => size <= 0n || size === BigInt(said[at] ?? -1))) {
    return undefined;
  }
  return `makes the shape [${shape.join(', ')}], but says that it makes [${said.join(', ')}]`;
}
