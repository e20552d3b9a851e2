import { describe, expect, it } from 'vitest';
import { splitPlugin } from './plugin-target.js';

const epLibraries = { QNN: '/qnn.dll', OpenVINO: '/ov.dll' };

describe('splitPlugin', () => {
  it.each([
    ['auto', {}],
    ['npu', { kind: 'npu' }],
    ['GPU.1', { kind: 'gpu', index: 1 }],
  ])('takes the library that the provider names, in any case, and the device %s among its own', (device, chosen) => {
    const { plugin, options } = splitPlugin({ epLibraries, provider: 'qnn', device, threads: 2 });
    expect(plugin).toEqual({ name: 'QNN', library: '/qnn.dll', ...chosen });
    expect(options).toEqual({ provider: 'cpu', device: 'cpu', threads: 2 });
  });

  it('leaves everything as it is without libraries', () => {
    const given = { provider: 'openvino', device: 'npu' };
    expect(splitPlugin(given)).toEqual({ plugin: undefined, options: given });
  });

  it('refuses libraries that the provider does not name, options without them, and devices that mean nothing', () => {
    const bad = [{ epLibraries }, { epLibraries, provider: 'cpu' }, { epOptions: { a: 'b' } }];
    for (const given of [...bad, { epLibraries, provider: 'QNN', device: 'tpu' }]) {
      expect(() => splitPlugin(given)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }) as Error);
    }
  });
});
