import { describe, expect, it } from 'vitest';
import { OPENVINO_VERSION } from '../engine/openvino/runtime-folder.js';
import { archiveFor, currentGlibc, MIRROR_VARIABLE, wheelFor } from './openvino-releases.js';

const host = (platform: NodeJS.Platform, arch: string, environment: NodeJS.ProcessEnv = {}) => ({
  platform,
  arch,
  environment,
});
const official = `https://storage.openvinotoolkit.org/repositories/openvino/packages/${OPENVINO_VERSION}`;

describe('archiveFor', () => {
  it.each([
    ['win32', 'x64', undefined, 'windows/openvino_toolkit_windows_', '_x86_64.zip'],
    ['linux', 'x64', '2.41', 'linux/openvino_toolkit_ubuntu24_', '_x86_64.tgz'],
    ['linux', 'x64', '2.39', 'linux/openvino_toolkit_ubuntu24_', '_x86_64.tgz'],
    ['linux', 'x64', '2.36', 'linux/openvino_toolkit_ubuntu22_', '_x86_64.tgz'],
    ['linux', 'x64', '2.34', 'linux/openvino_toolkit_rhel8_', '_x86_64.tgz'],
    ['linux', 'arm64', '2.36', 'linux/openvino_toolkit_ubuntu22_', '_arm64.tgz'],
    ['darwin', 'arm64', undefined, 'macos/openvino_toolkit_macos_12_6_', '_arm64.tgz'],
  ] as const)('for %s %s with glibc %s', (platform, arch, glibc, before, after) => {
    const { url, fileName } = archiveFor(host(platform, arch), glibc);
    expect(url.href).toMatch(new RegExp(`^${official}/${before}${OPENVINO_VERSION}\\.\\d+\\.[0-9a-f]{11}${after}$`));
    expect(url.href.endsWith(`/${fileName}`)).toBe(true);
  });

  it.each([
    ['win32', 'arm64', undefined, /Windows on Arm/],
    ['darwin', 'x64', undefined, /Macs with an Intel CPU/],
    ['linux', 'x64', '2.27', /needs glibc 2\.28.*has 2\.27/],
    ['linux', 'arm64', '2.31', /needs glibc/],
    ['linux', 'x64', undefined, /musl/],
  ] as const)('is none for %s %s with glibc %s, and says why', (platform, arch, glibc, message) => {
    expect(() => archiveFor(host(platform, arch), glibc)).toThrow(message);
  });

  it('is at the mirror where one is named', () => {
    const environment = { [MIRROR_VARIABLE]: 'http://mirror.example/openvino/' };
    expect(archiveFor(host('win32', 'x64', environment), undefined).url.href).toMatch(
      new RegExp(`^http://mirror\\.example/openvino/${OPENVINO_VERSION}/windows/openvino_toolkit_windows_`),
    );
  });

  it.each(['mirror.example', 'file:///srv', 'ftp://mirror'])('refuses %s as a mirror', (base) => {
    expect(() => archiveFor(host('win32', 'x64', { [MIRROR_VARIABLE]: base }), undefined)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    );
  });
});

describe('wheelFor', () => {
  it('knows one for each machine that Intel builds for', () => {
    for (const [platform, arch] of [
      ['win32', 'x64'],
      ['linux', 'x64'],
      ['linux', 'arm64'],
      ['darwin', 'arm64'],
    ] as const) {
      expect(wheelFor(host(platform, arch)).sha256).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(() => wheelFor(host('win32', 'arm64'))).toThrow(/Windows on Arm/);
  });
});

describe.skipIf(process.platform !== 'linux')('currentGlibc [needs Linux]', () => {
  it('is a version, or undefined with another C library', () => {
    expect(currentGlibc() ?? '2.0').toMatch(/^2\.\d+/);
  });
});
