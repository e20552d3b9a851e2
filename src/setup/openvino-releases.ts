/**
 * Where OpenVINO is published: Intel's archives and the wheels on the Python package index, as data. It downloads
 * nothing.
 *
 * Source of the archives' names: Intel's installation guides (docs.openvino.ai, "Install OpenVINO Runtime from an
 * Archive File") and the links of projects that use these archives. An archive's build has another commit than the
 * wheel's of the same version. Beside each archive lies `<name>.sha256`.
 */
import { OPENVINO_VERSION, type RuntimeHost } from '../engine/openvino/runtime-folder.js';
import type { WheelTags } from '../download/pip-download.js';
import { OptionError, UnsupportedError } from '../errors.js';
import { whyNoRuntime } from '../engine/openvino/find-library.js';

const OFFICIAL_BASE = 'https://storage.openvinotoolkit.org/repositories/openvino/packages';
/** Names a base URL with the same layout, for networks that cannot reach Intel's. */
export const MIRROR_VARIABLE = 'AIPC_OPENVINO_MIRROR';

interface ArchiveRelease {
  readonly host: string;
  /** The oldest C library that it runs with; none on Windows and macOS. */
  readonly leastGlibc?: string;
  /** Below the base URL. */
  readonly path: string;
}

const BUILD = `${OPENVINO_VERSION}.22982.07f9c262b05`;

/** The newest that fits is taken: those for newer systems support more devices (RHEL 8's has no NPU). */
const ARCHIVES: readonly ArchiveRelease[] = [
  { host: 'win32-x64', path: `${OPENVINO_VERSION}/windows/openvino_toolkit_windows_${BUILD}_x86_64.zip` },
  {
    host: 'linux-x64',
    leastGlibc: '2.39',
    path: `${OPENVINO_VERSION}/linux/openvino_toolkit_ubuntu24_${BUILD}_x86_64.tgz`,
  },
  {
    host: 'linux-x64',
    leastGlibc: '2.35',
    path: `${OPENVINO_VERSION}/linux/openvino_toolkit_ubuntu22_${BUILD}_x86_64.tgz`,
  },
  {
    host: 'linux-x64',
    leastGlibc: '2.28',
    path: `${OPENVINO_VERSION}/linux/openvino_toolkit_rhel8_${BUILD}_x86_64.tgz`,
  },
  {
    host: 'linux-arm64',
    leastGlibc: '2.35',
    path: `${OPENVINO_VERSION}/linux/openvino_toolkit_ubuntu22_${BUILD}_arm64.tgz`,
  },
  { host: 'darwin-arm64', path: `${OPENVINO_VERSION}/macos/openvino_toolkit_macos_12_6_${BUILD}_arm64.tgz` },
];

export interface ArchiveLocation {
  readonly url: URL;
  readonly fileName: string;
}

/** `glibc`: e.g. `2.36`; undefined where there is none (Windows, macOS, Linux with musl). */
export function archiveFor(host: RuntimeHost, glibc: string | undefined): ArchiveLocation {
  const release = ARCHIVES.find(
    ({ host: name, leastGlibc }) =>
      name === `${host.platform}-${host.arch}` &&
      (leastGlibc === undefined || (glibc !== undefined && isAtLeast(glibc, leastGlibc))),
  );
  if (release === undefined) throw noRuntime(host, glibc);
  const mirror = host.environment[MIRROR_VARIABLE];
  const base = mirror === undefined || mirror === '' ? OFFICIAL_BASE : mirror;
  const text = `${base.replace(/\/+$/u, '')}/${release.path}`;
  if (!URL.canParse(text) || !/^https?:/u.test(text)) {
    throw new OptionError('OPTION_INVALID', `${MIRROR_VARIABLE} is no http or https URL: ${base}`, {
      details: { option: MIRROR_VARIABLE, found: base },
    });
  }
  return { url: new URL(text), fileName: release.path.slice(release.path.lastIndexOf('/') + 1) };
}

function noRuntime(host: RuntimeHost, glibc: string | undefined): UnsupportedError {
  const reason =
    whyNoRuntime(host) ??
    `OpenVINO ${OPENVINO_VERSION} needs glibc 2.28 or newer (2.35 on Arm); this system has ` +
      `${glibc === undefined ? 'none (musl?)' : glibc}.`;
  return new UnsupportedError('MODEL_FEATURE_UNSUPPORTED', reason, {
    details: { platform: host.platform, arch: host.arch, glibc: glibc ?? null },
  });
}

/** The C library's version on this machine; undefined where it is not glibc. */
export function currentGlibc(): string | undefined {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime;
}

function isAtLeast(version: string, least: string): boolean {
  return new Intl.Collator('en', { numeric: true }).compare(version, least) >= 0;
}

export interface WheelRelease {
  readonly tags: WheelTags;
  /** Of the pinned version; measured on the index. */
  readonly sha256: string;
}

/** The libraries in it do not depend on Python's version: one is as good as another. */
const PYTHON = { pythonVersion: '3.11', abi: 'cp311' };

const WHEELS: Readonly<Record<string, WheelRelease>> = {
  'win32-x64': {
    tags: { ...PYTHON, platform: 'win_amd64' },
    sha256: 'bfddae6d6d3ad240157b946f180c33d0ddfaaae7487995d929a4e6b4bc12b283',
  },
  'linux-x64': {
    tags: { ...PYTHON, platform: 'manylinux_2_28_x86_64' },
    sha256: '2d22b1da03f7caf74df30e9f6417d0ab2f637e4a38e08e1dcd294d2c37407aaf',
  },
  'linux-arm64': {
    tags: { ...PYTHON, platform: 'manylinux_2_35_aarch64' },
    sha256: 'bea1eb3733c34ef331adc945da0ccda5937865031139073663be84c517ffda22',
  },
  'darwin-arm64': {
    tags: { ...PYTHON, platform: 'macosx_11_0_arm64' },
    sha256: 'd3740853691ae4a9003bc3417a4625d848e2cc3251af4b815c59199b38be252a',
  },
};

export function wheelFor(host: RuntimeHost): WheelRelease {
  const wheel = WHEELS[`${host.platform}-${host.arch}`];
  if (wheel === undefined) throw noRuntime(host, undefined);
  return wheel;
}
