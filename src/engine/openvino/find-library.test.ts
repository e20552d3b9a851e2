import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findOpenvinoLibrary, findOpenvinoLibraryOn, type SearchHost } from './find-library.js';
import { OPENVINO_VERSION } from './runtime-folder.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'aipc-openvino-'));
});
afterEach(() => rm(root, { recursive: true }));

const inside = (file: string): string => path.join(root, ...file.split('/'));

/** A machine whose whole file tree is in a temporary folder; values of `variables` that begin with '/' are in it, too. */
function machine(platform: NodeJS.Platform, arch: string, variables: Record<string, string> = {}): SearchHost {
  const entries = Object.entries(variables).map(([name, value]) => [
    name,
    value.startsWith('/') ? inside(value) : value,
  ]);
  const environment = { AIPC_CACHE: inside('cache'), ...(Object.fromEntries(entries) as Record<string, string>) };
  return { platform, arch, root, home: inside('home/me'), environment };
}

async function put(...files: readonly string[]): Promise<void> {
  for (const file of files) {
    await mkdir(path.dirname(inside(file)), { recursive: true });
    await writeFile(inside(file), '');
  }
}

const kinds = {
  windows: ['win32', 'x64'],
  linux: ['linux', 'x64'],
  'Linux on Arm': ['linux', 'arm64'],
  macOS: ['darwin', 'arm64'],
} as const;

const cases: readonly [string, keyof typeof kinds, string, Record<string, string>][] = [
  ["aipc's cache", 'windows', `cache/runtimes/openvino-${OPENVINO_VERSION}-win32-x64/lib/openvino_c.dll`, {}],
  ["aipc's cache", 'linux', `cache/runtimes/openvino-${OPENVINO_VERSION}-linux-x64/lib/libopenvino_c.so.2641`, {}],
  [
    "aipc's cache",
    'macOS',
    `cache/runtimes/openvino-${OPENVINO_VERSION}-darwin-arm64/lib/libopenvino_c.2641.dylib`,
    {},
  ],
  ['OPENVINO_LIB_DIR', 'windows', 'mine/openvino_c.dll', { OPENVINO_LIB_DIR: '/mine' }],
  ['OPENVINO_LIB_DIR', 'linux', 'mine/libopenvino_c.so.2641', { OPENVINO_LIB_DIR: '/mine' }],
  ['OPENVINO_LIB_DIR', 'macOS', 'mine/libopenvino_c.dylib', { OPENVINO_LIB_DIR: '/mine' }],
  ['a virtual environment', 'windows', 'venv/Lib/site-packages/openvino/libs/openvino_c.dll', { VIRTUAL_ENV: '/venv' }],
  [
    'a virtual environment',
    'linux',
    'venv/lib/python3.12/site-packages/openvino/libs/libopenvino_c.so.2641',
    { VIRTUAL_ENV: '/venv' },
  ],
  [
    'a virtual environment',
    'macOS',
    'venv/lib/python3.13/site-packages/openvino/libs/libopenvino_c.2641.dylib',
    { VIRTUAL_ENV: '/venv' },
  ],
  ['the wheel in conda', 'windows', 'conda/Lib/site-packages/openvino/libs/openvino_c.dll', { CONDA_PREFIX: '/conda' }],
  ["conda-forge's package", 'windows', 'conda/Library/bin/openvino_c.dll', { CONDA_PREFIX: '/conda' }],
  ["conda-forge's package", 'linux', 'conda/lib/libopenvino_c.so.2641', { CONDA_PREFIX: '/conda' }],
  ["conda-forge's package", 'macOS', 'conda/lib/libopenvino_c.2641.dylib', { CONDA_PREFIX: '/conda' }],
  [
    'setupvars',
    'windows',
    'ov/runtime/bin/intel64/Release/openvino_c.dll',
    { INTEL_OPENVINO_DIR: '/ov', 'PROGRAMFILES(X86)': '/Program Files (x86)' },
  ],
  ['setupvars', 'linux', 'ov/runtime/lib/intel64/libopenvino_c.so.2026.4.1', { INTEL_OPENVINO_DIR: '/ov' }],
  ['setupvars', 'Linux on Arm', 'ov/runtime/lib/aarch64/libopenvino_c.so.2026.4.1', { INTEL_OPENVINO_DIR: '/ov' }],
  ['setupvars', 'macOS', 'ov/runtime/lib/arm64/Release/libopenvino_c.2641.dylib', { INTEL_OPENVINO_DIR: '/ov' }],
  [
    "Intel's archive where its guide puts it",
    'windows',
    'Program Files (x86)/Intel/openvino_2026.4.1/runtime/bin/intel64/Release/openvino_c.dll',
    { 'ProgramFiles(x86)': '/Program Files (x86)' },
  ],
  [
    "Intel's archive where its guide puts it",
    'linux',
    'opt/intel/openvino_2026.4.1/runtime/lib/intel64/libopenvino_c.so.2026.4.1',
    {},
  ],
  [
    "Intel's archive in the home folder",
    'linux',
    'home/me/intel/openvino_2026.4.1/runtime/lib/intel64/libopenvino_c.so.2641',
    {},
  ],
  [
    "Intel's archive where its guide puts it",
    'macOS',
    'opt/intel/openvino_2026.4.1/runtime/lib/arm64/Release/libopenvino_c.2641.dylib',
    {},
  ],
  ['apt', 'linux', 'usr/lib/x86_64-linux-gnu/libopenvino_c.so.2641', {}],
  ['apt', 'Linux on Arm', 'usr/lib/aarch64-linux-gnu/libopenvino_c.so.2641', {}],
  ['yum', 'linux', 'usr/lib64/libopenvino_c.so.2641', {}],
  ['Homebrew', 'macOS', 'opt/homebrew/lib/libopenvino_c.2641.dylib', {}],
  ['Homebrew at its own prefix', 'macOS', 'brew/lib/libopenvino_c.2641.dylib', { HOMEBREW_PREFIX: '/brew' }],
  ['Homebrew', 'linux', 'home/linuxbrew/.linuxbrew/lib/libopenvino_c.so.2641', {}],
];

describe('findOpenvinoLibrary', () => {
  it.each(cases)('finds %s on %s', async (_name, kind, file, variables) => {
    await put(file);
    const [platform, arch] = kinds[kind];
    expect(findOpenvinoLibraryOn(machine(platform, arch, variables))).toBe(inside(file));
  });

  const inOrder = [
    `cache/runtimes/openvino-${OPENVINO_VERSION}-linux-x64/lib/libopenvino_c.so.2641`,
    'venv/lib/python3.12/site-packages/openvino/libs/libopenvino_c.so.2641',
    'conda/lib/libopenvino_c.so.2641',
    'ov/runtime/lib/intel64/libopenvino_c.so.2641',
    'opt/intel/openvino_2026.10/runtime/lib/intel64/libopenvino_c.so.2641',
    'opt/intel/openvino_2026.4.1/runtime/lib/intel64/libopenvino_c.so.2641',
    'usr/lib/x86_64-linux-gnu/libopenvino_c.so.2641',
  ];

  it("prefers aipc's cache, then Python, then the system, and there the newest", async () => {
    await put(...inOrder);
    const host = machine('linux', 'x64', {
      VIRTUAL_ENV: '/venv',
      CONDA_PREFIX: '/conda',
      INTEL_OPENVINO_DIR: '/ov',
    });
    for (const file of inOrder) {
      expect(findOpenvinoLibraryOn(host)).toBe(inside(file));
      await rm(inside(file));
    }
  });

  it('looks into OPENVINO_LIB_DIR and nowhere else', async () => {
    await put(...inOrder);
    const search = (): string => findOpenvinoLibraryOn(machine('linux', 'x64', { OPENVINO_LIB_DIR: '/empty' }));
    expect(search).toThrow(/OPENVINO_LIB_DIR: .*empty \(ENOENT\)\nSet OPENVINO_LIB_DIR .*or unset it/su);
    expect(search).not.toThrow(/cache/u);
  });

  it('does not take a runtime of another version in the cache, nor one for another machine', async () => {
    await put(
      'cache/runtimes/openvino-2025.1.0-linux-x64/lib/libopenvino_c.so.2510',
      `cache/runtimes/openvino-${OPENVINO_VERSION}-linux-arm64/lib/libopenvino_c.so.2641`,
    );
    expect(() => findOpenvinoLibraryOn(machine('linux', 'x64'))).toThrow(
      expect.objectContaining({ code: 'RUNTIME_LIBRARY_NOT_FOUND' }),
    );
  });

  it.each(Object.entries(kinds))('says what was looked at and what to type on %s', (_name, [platform, arch]) => {
    const search = (): string =>
      findOpenvinoLibraryOn(machine(platform, arch, { 'ProgramFiles(x86)': '/Program Files (x86)' }));
    expect(search).toThrow(/aipc's cache: .*none is active.*Intel's archive.*\nRun `npx aipc setup openvino`/su);
  });

  it('adds what an NPU needs on Linux', async () => {
    await put('sys/bus/pci/devices/0000:00:0b.0/vendor', 'sys/bus/pci/devices/0000:00:0b.0/class');
    await writeFile(inside('sys/bus/pci/devices/0000:00:0b.0/vendor'), '0x8086');
    await writeFile(inside('sys/bus/pci/devices/0000:00:0b.0/class'), '0x120000');
    expect(() => findOpenvinoLibraryOn(machine('linux', 'x64'))).toThrow(
      /setup openvino`.*\nIntel NPU: .*intel-level-zero-npu/su,
    );
  });

  it.each([
    ['win32', 'arm64', 'Windows on Arm'],
    ['darwin', 'x64', 'Macs with an Intel CPU'],
    ['freebsd', 'x64', 'freebsd x64'],
  ] as const)('says that there is none for %s %s', (platform, arch, machineName) => {
    const search = (): string => findOpenvinoLibraryOn(machine(platform, arch));
    expect(search).toThrow(`no OpenVINO ${OPENVINO_VERSION} for ${machineName}`);
    expect(search).not.toThrow(/setup openvino/u);
  });

  it('searches the machine that it runs on', async () => {
    const name = { win32: 'openvino_c.dll', darwin: 'libopenvino_c.dylib' }[process.platform as string];
    const file = name ?? 'libopenvino_c.so';
    await put(file);
    expect(findOpenvinoLibrary({ OPENVINO_LIB_DIR: root })).toBe(inside(file));
  });
});
