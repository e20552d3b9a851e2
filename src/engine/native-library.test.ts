import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyNativeMemory, findNativeLibrary, findOnnxRuntimeLibrary, loadNativeLibrary } from './native-library.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-library-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('findOnnxRuntimeLibrary', () => {
  it('finds the library of onnxruntime-node for this platform', () => {
    const file = findOnnxRuntimeLibrary({});
    expect(file).toContain(path.join('onnxruntime-node', 'bin'));
    expect(file).toContain(path.join(process.platform, process.arch));
  });

  it('looks into ONNXRUNTIME_LIB_DIR and nowhere else', () => {
    expect(() => findOnnxRuntimeLibrary({ ONNXRUNTIME_LIB_DIR: folder })).toThrow(
      expect.objectContaining({
        code: 'RUNTIME_LIBRARY_NOT_FOUND',
        message: expect.stringMatching(/ONNXRUNTIME_LIB_DIR.*unset it/s) as string,
      }),
    );
  });
});

describe('findNativeLibrary', () => {
  const query = { runtime: 'Test Runtime', fileName: /^libtest\.so(\.\d+)*$/, remedy: 'Install it.' };

  it('prefers the first place, and there the most specific version', async () => {
    for (const name of ['libtest.so', 'libtest.so.1.2', 'libtest.so.1', 'libtest.so.1.2.3.txt']) {
      await writeFile(path.join(folder, name), '');
    }
    const places = [
      { origin: 'missing', folder: path.join(folder, 'missing') },
      { origin: 'here', folder },
    ];
    expect(findNativeLibrary({ ...query, places })).toBe(path.join(folder, 'libtest.so.1.2'));
  });

  it('names every place that it looked at, why, and what to do', async () => {
    await mkdir(path.join(folder, 'libtest.so'));
    const places = [
      { origin: 'the package', folder: undefined },
      { origin: 'a variable', folder: path.join(folder, 'missing') },
      { origin: 'a folder of that name', folder },
    ];
    expect(() => findNativeLibrary({ ...query, places })).toThrow(
      /Test Runtime.*the package.*a variable.*ENOENT.*a folder of that name.*no libtest\.so\*.*Install it\./s,
    );
  });
});

describe('loadNativeLibrary', () => {
  it('says which file the system refuses', async () => {
    const file = path.join(folder, 'libonnxruntime.so.1');
    await writeFile(file, 'not a library');
    expect(() => loadNativeLibrary(file)).toThrow(
      expect.objectContaining({
        code: 'RUNTIME_INCOMPATIBLE',
        message: expect.stringContaining(file) as string,
      }),
    );
  });
});

describe('copyNativeMemory', () => {
  it('copies bytes without the event loop', async () => {
    const { default: koffi } = await import('koffi');
    const from = new Float64Array(new ArrayBuffer(8 * 1000)).map((_, i) => i);
    const to = new Float64Array(new ArrayBuffer(8 * 1000));
    await copyNativeMemory(koffi.address(to), koffi.address(from), 8 * 999);
    expect([...to.subarray(0, 3), to[998], to[999]]).toEqual([0, 1, 2, 998, 0]);
  });
});
