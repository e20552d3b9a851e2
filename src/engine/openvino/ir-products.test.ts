import { describe, expect, it } from 'vitest';
import { checkProducts } from './ir-products.js';
import type { IrLayer, IrXml } from './ir-xml.js';

/** Const -> Convert -> ... -> MatMul's second input. */
function productOf(transpose_b: string, through: readonly string[]): IrXml {
  const types = ['Const', 'Convert', ...through, 'MatMul'];
  const layers = types.map((type, id): IrLayer => {
    const data = type === 'MatMul' ? { transpose_b } : ({} as Record<string, string>);
    return { id: String(id), name: `n${id}`, type, data, outputs: [] };
  });
  const sources = new Map(
    types.slice(1).map((type, before) => [`${before + 1}:${type === 'MatMul' ? 1 : 0}`, String(before)]),
  );
  return {
    ...{ file: 'model.xml', xmlBytes: 0, version: 11, sourcePorts: new Map(), constants: [], rtInfo: new Map() },
    ...{ layers: new Map(layers.map((layer) => [layer.id, layer])), sources },
  };
}

describe('compressed weights', () => {
  it('may have a row for each output, as exporters write them', () => {
    checkProducts(productOf('true', ['Subtract', 'Multiply', 'Convert']));
  });

  it('are refused with a column for each output', () => {
    expect(() => checkProducts(productOf('false', ['Multiply', 'Reshape']))).toThrow(
      expect.objectContaining({
        code: 'FILE_MALFORMED',
        message: expect.stringContaining('transpose_b is not true') as string,
      }),
    );
  });

  it('are not what is widened alone', () => {
    checkProducts(productOf('false', []));
  });
});
