import { describe, expect, it } from 'vitest';
import { OptimumFolder } from '../../../test/contract/optimum-models.js';
import { checkInputs } from './ir-arity.js';
import { readIrXml, type IrLayer, type IrXml } from './ir-xml.js';

/** A layer of `type` that so many parameters feed. */
function fed(type: string, inputs: number): IrXml {
  const layer = (id: string, of: string): IrLayer => ({ id, name: id, type: of, data: {}, outputs: [] });
  const parameters = Array.from({ length: inputs }, (_, index) => `p${index}`);
  return {
    file: 'model.xml',
    xmlBytes: 0,
    version: 11,
    layers: new Map([['x', layer('x', type)], ...parameters.map((id) => [id, layer(id, 'Parameter')] as const)]),
    sources: new Map(parameters.map((id, port) => [`x:${port}`, id])),
    sourcePorts: new Map(),
    constants: [],
    rtInfo: new Map(),
  };
}

describe('checkInputs', () => {
  it.each([
    ['Broadcast', 0],
    ['Broadcast', 1],
    ['Broadcast', 4],
    ['Const', 1],
    ['MatMul', 1],
    ['MatMul', 3],
    ['Result', 0],
    ['SomethingNew', 0],
  ])('refuses the type %s with %d inputs', (type, inputs) => {
    expect(() => checkInputs(fed(type, inputs))).toThrow(
      expect.objectContaining({
        code: 'FILE_MALFORMED',
        message: expect.stringContaining(`(${type}) has ${inputs} inputs`) as string,
      }) as Error,
    );
  });

  it.each([
    ['Broadcast', 2],
    ['Broadcast', 3],
    ['Const', 0],
    ['ReadValue', 0],
    ['ReadValue', 1],
    ['Concat', 64],
    ['SomethingNew', 5],
  ])('takes the type %s with %d inputs', (type, inputs) => {
    expect(() => checkInputs(fed(type, inputs))).not.toThrow();
  });

  it.each(['optimum-int4-asym-gs32-ratio06', 'optimum-fp16'] as const)(
    'takes %s as optimum-cli wrote it',
    async (name) => {
      await using folder = await OptimumFolder.unpack(name);
      const xml = await readIrXml(`${folder.path}/openvino_model.xml`);
      expect(() => checkInputs(xml)).not.toThrow();
    },
  );
});
