import { describe, expect, it } from 'vitest';
import { checkFlags } from './ir-flags.js';
import type { IrXml } from './ir-xml.js';

const withFlag = (value: string): IrXml => ({
  file: 'model.xml',
  xmlBytes: 0,
  version: 11,
  layers: new Map([['1', { id: '1', name: 'product', type: 'MatMul', data: { transpose_b: value }, outputs: [] }]]),
  sources: new Map(),
  sourcePorts: new Map(),
  constants: [],
  rtInfo: new Map(),
});

describe('checkFlags', () => {
  it.each(['true', 'false', '1', '0'])('takes %s', (value) => {
    expect(() => checkFlags(withFlag(value))).not.toThrow();
  });

  it.each(['127', '', 'yes', '-1', 'true '])("refuses '%s'", (value) => {
    expect(() => checkFlags(withFlag(value))).toThrow(
      expect.objectContaining({
        code: 'FILE_MALFORMED',
        message: expect.stringContaining(`transpose_b="${value}"`) as string,
      }) as Error,
    );
  });
});
