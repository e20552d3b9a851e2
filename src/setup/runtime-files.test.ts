import { describe, expect, it } from 'vitest';
import { checkArchivePath, loaderName, wantedFile } from './runtime-files.js';

const top = 'openvino_toolkit_x_2026.4.1.22982.07f9c262b05_x86_64';

describe('wantedFile', () => {
  it.each([
    ['win32', `${top}/runtime/bin/intel64/Release/openvino_c.dll`],
    ['win32', `${top}/runtime/bin/intel64/Release/openvino_intel_npu_compiler.dll`],
    ['win32', `${top}/runtime/bin/intel64/Release/openvino_intel_gpu_plugin.dll`],
    ['win32', `${top}/runtime/bin/intel64/Release/cache.json`],
    ['win32', `${top}/runtime/3rdparty/tbb/bin/tbb12.dll`],
    ['win32', 'openvino/libs/openvino.dll'],
    ['linux', `${top}/runtime/lib/intel64/libopenvino.so.2026.4.1`],
    ['linux', `${top}/runtime/lib/aarch64/libopenvino_arm_cpu_plugin.so`],
    ['linux', `${top}/runtime/lib/intel64/libopenvino_intel_npu_compiler.so`],
    ['linux', `${top}/runtime/3rdparty/tbb/lib/libtbbbind_2_5.so.3`],
    ['linux', `${top}/runtime/3rdparty/tbb/lib/libhwloc.so.15`],
    ['linux', 'openvino/libs/libopenvino_c.so.2641'],
    ['darwin', `${top}/runtime/lib/arm64/Release/libopenvino.2641.dylib`],
    ['darwin', `${top}/runtime/lib/arm64/Release/libopenvino_arm_cpu_plugin.so`],
    ['darwin', `${top}/runtime/3rdparty/tbb/lib/libtbb.12.dylib`],
    ['darwin', 'runtime/lib/arm64/Release/libopenvino_ir_frontend.2641.dylib'],
  ] as const)('on %s takes %s', (platform, file) => {
    expect(wantedFile(file, platform)).toEqual({ kind: 'library', name: file.slice(file.lastIndexOf('/') + 1) });
  });

  it.each([
    [`${top}/docs/licensing/LICENSE`, 'LICENSE'],
    [`${top}/docs/licensing/licensing/runtime-third-party-programs.txt`, 'licensing-runtime-third-party-programs.txt'],
    [`${top}/runtime/3rdparty/tbb/LICENSE.txt`, 'tbb-LICENSE.txt'],
    ['openvino-2026.4.1.dist-info/licenses/licensing/onetbb.txt', 'licensing-onetbb.txt'],
  ])('takes the licence %s as %s', (file, name) => {
    expect(wantedFile(file, 'linux')).toEqual({ kind: 'license', name });
  });

  it.each([
    ['win32', `${top}/runtime/bin/intel64/Debug/openvino_cd.dll`],
    ['win32', `${top}/runtime/3rdparty/tbb/bin/tbb12_debug.dll`],
    ['win32', `${top}/runtime/lib/intel64/Release/openvino.lib`],
    ['win32', `${top}/runtime/bin/intel64/Release/openvino_pytorch_frontend.dll`],
    ['win32', `${top}/runtime/bin/intel64/Release/openvino.pdb`],
    ['linux', `${top}/runtime/lib/intel64/libopenvino_onnx_frontend.so.2641`],
    ['linux', `${top}/runtime/lib/intel64/openvino_c.dll`],
    ['linux', `${top}/runtime/include/openvino/c/openvino.h`],
    ['linux', `${top}/runtime/lib/intel64/pkgconfig/openvino.pc`],
    ['linux', `${top}/samples/libopenvino.so.2641`],
    ['linux', `${top}/python/openvino/libs/libopenvino.so.2641`],
    ['linux', 'elsewhere/openvino/libs/libopenvino.so.2641'],
    ['linux', `${top}/runtime/3rdparty/tbb/lib/libtbb_debug.so.12`],
    ['linux', `${top}/setupvars.sh`],
  ] as const)('on %s leaves out %s', (platform, file) => {
    expect(wantedFile(file, platform)).toBeNull();
  });
});

describe('loaderName', () => {
  it.each([
    [['libopenvino.so.2026.4.1', 'libopenvino.so', 'libopenvino.so.2641'], 'libopenvino.so.2641'],
    [['libtbb.so.12.13', 'libtbb.so.12', 'libtbb.so'], 'libtbb.so.12'],
    [['libopenvino.2026.4.1.dylib', 'libopenvino.2641.dylib', 'libopenvino.dylib'], 'libopenvino.2641.dylib'],
    [['libopenvino_intel_cpu_plugin.so'], 'libopenvino_intel_cpu_plugin.so'],
    [['openvino_c.dll'], 'openvino_c.dll'],
  ] as const)('of %j is %s', (names, expected) => {
    expect(loaderName(names as unknown as [string, ...string[]])).toBe(expected);
  });
});

describe('checkArchivePath', () => {
  it.each(['/etc/passwd', '../x', 'a/../../x', 'C:/x', 'C:x', 'a\\..\\x', '\\\\host\\x', 'a/..', 'a\0b', ''])(
    'refuses %j',
    (name) => {
      expect(() => checkArchivePath('a.tgz', name)).toThrow(expect.objectContaining({ code: 'FILE_MALFORMED' }));
    },
  );

  it.each(['a', 'a/b', './a', 'a..b/..c', 'a/'])('takes %j', (name) => {
    expect(() => checkArchivePath('a.tgz', name)).not.toThrow();
  });
});
