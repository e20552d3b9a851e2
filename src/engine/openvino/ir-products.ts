/**
 * Whether compressed weights lie as OpenVINO's CPU plug-in (2026.4) takes them for granted: where they are square and are
 * not transposed, loading them ends the process by a division. Exporters write a row for each output (transpose_b).
 */
import { ModelFormatError } from '../../errors.js';
import { DECOMPRESSION } from './ir-weights.js';
import type { IrLayer, IrXml } from './ir-xml.js';

const MAX_CHAIN = 16;
const TRUE: ReadonlySet<string | undefined> = new Set(['true', 'True', '1']);

/** Throws FILE_MALFORMED for a MatMul whose second input is compressed weights with a column for each output. */
export function checkProducts(xml: IrXml): void {
  for (const layer of xml.layers.values()) {
    if (layer.type !== 'MatMul' || TRUE.has(layer.data['transpose_b']) || !isCompressed(xml, layer)) continue;
    const { name, type } = layer;
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${xml.file}: the layer ${name.slice(0, 200)} (${type}) multiplies by compressed weights that lie the other way: its ` +
        'transpose_b is not true. This is not a sound OpenVINO IR of a decoder: download or export it anew.',
      { details: { file: xml.file, layer: name.slice(0, 200), type } },
    );
  }
}

/** Const -> Convert [-> Subtract] -> Multiply [-> Reshape] [-> Convert] -> port 1. */
function isCompressed({ layers, sources }: IrXml, { id }: IrLayer): boolean {
  let isScaled = false;
  let at = layers.get(sources.get(`${id}:1`) ?? '');
  for (let length = 0; at !== undefined && DECOMPRESSION.has(at.type) && length < MAX_CHAIN; length += 1) {
    isScaled ||= at.type === 'Multiply';
    at = layers.get(sources.get(`${at.id}:0`) ?? '');
  }
  return isScaled && at?.type === 'Const';
}
