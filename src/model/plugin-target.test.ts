import { describe, expect, it } from 'vitest';
import { checkPluginLibraries } from '../machine/plugin-libraries.js';
import { forPlugin, namedPlugin, pluginQuery } from './plugin-target.js';

const libraries = checkPluginLibraries('test', { QNN: '/qnn.dll', VitisAI: '/vitis.dll' });
const [qnn] = libraries;
const refused = expect.objectContaining({ code: 'OPTION_INVALID' }) as Error;

describe('a plug-in that the provider names', () => {
  it('is found in any case; auto names none', () => {
    expect(namedPlugin(libraries, { provider: 'qnn' })).toBe(qnn);
    expect(namedPlugin(libraries, { device: 'npu' })).toBeUndefined();
    expect(namedPlugin(libraries, { provider: 'AUTO' })).toBeUndefined();
  });

  it.each([{ provider: 'cpu' }, { provider: 'QMN' }, { device: 'webgpu' }])('is no other: %j', (given) => {
    expect(() => namedPlugin(libraries, given)).toThrow(refused);
  });

  it.each([
    ['auto', {}],
    ['npu', { kind: 'npu' }],
    ['GPU.1', { kind: 'gpu', index: 1 }],
    ['npu.0', { kind: 'npu', index: 0 }],
  ])('has the device %s among its own', (device, chosen) => {
    const library = { name: 'QNN', library: '/qnn.dll' };
    expect(pluginQuery(library, device)).toEqual({ ...library, ...chosen });
  });

  it('has no device that means nothing', () => {
    expect(() => pluginQuery({ name: 'QNN', library: '/qnn.dll' }, 'tpu')).toThrow(refused);
  });

  it('runs a graph of the CPU provider', () => {
    const given = { epLibraries: { QNN: '/qnn.dll' }, provider: 'QNN', device: 'npu', threads: 2 };
    expect(forPlugin(given)).toEqual({ provider: 'cpu', device: 'cpu', threads: 2 });
  });
});
