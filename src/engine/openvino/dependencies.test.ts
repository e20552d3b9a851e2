import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openvinoDependencies } from './dependencies.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'aipc-dependencies-'));
});
afterEach(() => rm(root, { recursive: true }));

const inside = (file: string): string => path.join(root, ...file.split('/'));

async function put(...files: readonly string[]): Promise<void> {
  for (const file of files) {
    await mkdir(path.dirname(inside(file)), { recursive: true });
    await writeFile(inside(file), '');
  }
}

describe('openvinoDependencies', () => {
  it.each([
    [
      'a flat folder on Linux',
      'linux',
      ['lib/libopenvino_c.so.2641', 'lib/libopenvino.so.2641', 'lib/libtbb.so.12', 'lib/libtbbmalloc.so.2'],
      ['lib/libtbb.so.12', 'lib/libopenvino.so.2641'],
    ],
    [
      "Intel's archive on Linux",
      'linux',
      [
        'runtime/lib/intel64/libopenvino_c.so.2026.4.1',
        'runtime/lib/intel64/libopenvino.so.2641',
        'runtime/lib/intel64/libopenvino.so.2026.4.1',
        'runtime/lib/intel64/libopenvino_intel_cpu_plugin.so',
        'runtime/3rdparty/tbb/lib/libtbb.so.12',
        'runtime/3rdparty/tbb/lib/libtbb.so.12.13',
      ],
      ['runtime/3rdparty/tbb/lib/libtbb.so.12.13', 'runtime/lib/intel64/libopenvino.so.2026.4.1'],
    ],
    [
      "Intel's archive on Windows",
      'win32',
      [
        'runtime/bin/intel64/Release/openvino_c.dll',
        'runtime/bin/intel64/Release/openvino.dll',
        'runtime/3rdparty/tbb/bin/tbb12.dll',
        'runtime/3rdparty/tbb/bin/tbb12_debug.dll',
      ],
      ['runtime/3rdparty/tbb/bin/tbb12.dll', 'runtime/bin/intel64/Release/openvino.dll'],
    ],
    [
      "Intel's archive on macOS",
      'darwin',
      [
        'runtime/lib/arm64/Release/libopenvino_c.2641.dylib',
        'runtime/lib/arm64/Release/libopenvino.2641.dylib',
        'runtime/3rdparty/tbb/lib/libtbb.12.dylib',
      ],
      ['runtime/3rdparty/tbb/lib/libtbb.12.dylib', 'runtime/lib/arm64/Release/libopenvino.2641.dylib'],
    ],
    ["a system's folder without TBB", 'linux', ['usr/lib/libopenvino_c.so.2641'], []],
  ] as const)('names what is there, TBB first: %s', async (_name, platform, files, expected) => {
    await put(...files);
    expect(openvinoDependencies(inside(files[0]), platform)).toEqual(expected.map(inside));
  });

  it('is nothing for a library that is not there', () => {
    expect(openvinoDependencies(inside('nowhere/libopenvino_c.so'), 'linux')).toEqual([]);
  });
});
