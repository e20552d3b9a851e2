/**
 * Whether the yes-or-no attributes of layers are that. OpenVINO (2026.4) takes a number for one of them as it is, and
 * then divides by what it makes of it.
 */
import { ModelFormatError } from '../../errors.js';
import type { IrXml } from './ir-xml.js';

const FLAGS = [
  ...['transpose_a', 'transpose_b', 'keep_dims', 'special_zero', 'causal', 'm_pythondiv', 'exclusive', 'reverse'],
  ...['with_right_bound', 'is_upper', 'return_axes'],
] as const;
const VALUES: ReadonlySet<string> = new Set(['true', 'false', 'True', 'False', '1', '0']);

/** Throws FILE_MALFORMED for a layer of the main graph with a flag that is neither true nor false. */
export function checkFlags({ file, layers }: IrXml): void {
  for (const { name, type, data } of layers.values()) {
    for (const flag of FLAGS) {
      const found = data[flag];
      if (found === undefined || VALUES.has(found)) continue;
      throw new ModelFormatError(
        'FILE_MALFORMED',
        `${file}: the layer ${name} (${type}) has ${flag}="${found.slice(0, 80)}", which is neither true nor false. ` +
          'This is not a sound OpenVINO IR: download or export it anew.',
        { details: { file, layer: name, type, attribute: flag, found: found.slice(0, 80) } },
      );
    }
  }
}
