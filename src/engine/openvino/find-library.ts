/**
 * Where OpenVINO's C library is on this machine: in the folder that the user named, in aipc's cache, in the active
 * Python environment, in the system. It loads nothing and does not check versions.
 */
import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { findNativeLibrary, type LibraryPlace } from '../native-library.js';
import { linuxDriverAdvice } from './linux-drivers.js';
import {
  currentHost,
  isOpenvinoPublishedFor,
  OPENVINO_VERSION,
  openvinoRuntimeFolder,
  type RuntimeHost,
} from './runtime-folder.js';

/** A machine to look at. `root` is '/' outside of tests. */
export interface SearchHost extends RuntimeHost {
  readonly root: string;
  readonly home: string;
}

/** What the user types to get the library. */
export const SETUP_COMMAND = 'npx aipc setup openvino';

/**
 * The absolute path of libopenvino_c. `OPENVINO_LIB_DIR`, when set, is the only place looked at: whoever names a
 * folder does not want another one. Throws RUNTIME_LIBRARY_NOT_FOUND with every place looked at and what to type next.
 */
export function findOpenvinoLibrary(environment: NodeJS.ProcessEnv = process.env): string {
  return findOpenvinoLibraryOn({ ...currentHost(environment), root: '/', home: homedir() });
}

export function findOpenvinoLibraryOn(host: SearchHost): string {
  const named = variable(host, 'OPENVINO_LIB_DIR');
  const places =
    named === undefined
      ? [...cachePlaces(host), ...pythonPlaces(host), ...systemPlaces(host)]
      : [{ origin: 'OPENVINO_LIB_DIR', folder: named }];
  return findNativeLibrary({
    runtime: 'OpenVINO',
    fileName: openvinoFileName(host.platform),
    places,
    remedy: remedyFor(host, named !== undefined),
  });
}

/** The C library's file name: `openvino_c.dll`, `libopenvino_c.2641.dylib`, `libopenvino_c.so.2641`. */
export function openvinoFileName(platform: NodeJS.Platform): RegExp {
  if (platform === 'win32') return /^openvino_c\.dll$/i;
  return platform === 'darwin' ? /^libopenvino_c(\.\d+)*\.dylib$/ : /^libopenvino_c\.so(\.\d+)*$/;
}

/** Why a machine of this kind has no OpenVINO, in words; undefined where Intel publishes one. */
export function whyNoRuntime({ platform, arch }: Pick<RuntimeHost, 'platform' | 'arch'>): string | undefined {
  if (isOpenvinoPublishedFor({ platform, arch })) return undefined;
  const machine =
    platform === 'darwin' && arch === 'x64'
      ? 'Macs with an Intel CPU'
      : platform === 'win32' && arch === 'arm64'
        ? 'Windows on Arm'
        : `${platform} ${arch}`;
  return `Intel publishes no OpenVINO ${OPENVINO_VERSION} for ${machine}; ONNX Runtime runs here: --provider cpu.`;
}

function remedyFor(host: SearchHost, isNamed: boolean): string {
  if (isNamed) {
    return (
      'Set OPENVINO_LIB_DIR to the folder that holds the library, or unset it to use the runtime that ' +
      `\`${SETUP_COMMAND}\` installs.`
    );
  }
  const why = whyNoRuntime(host);
  if (why !== undefined) return `${why} A build of your own serves when OPENVINO_LIB_DIR names its folder.`;
  const step = `Run \`${SETUP_COMMAND}\`, or set OPENVINO_LIB_DIR to a folder that holds the library.`;
  const drivers = host.platform === 'linux' ? linuxDriverAdvice(host.root) : [];
  return [step, ...drivers].join('\n');
}

function cachePlaces(host: SearchHost): readonly LibraryPlace[] {
  return [{ origin: "aipc's cache", folder: openvinoRuntimeFolder(host).libraryFolder }];
}

/** The wheel `openvino` has its libraries in `openvino/libs`; conda-forge's package has them with all others. */
function pythonPlaces(host: SearchHost): readonly LibraryPlace[] {
  const environments = (['VIRTUAL_ENV', 'CONDA_PREFIX'] as const).flatMap((name) => {
    const folder = variable(host, name);
    return folder === undefined ? [] : [{ name, folder }];
  });
  if (environments.length === 0) {
    return [{ origin: 'a Python environment: none is active (VIRTUAL_ENV, CONDA_PREFIX)', folder: undefined }];
  }
  return environments.flatMap(({ name, folder }) => [
    ...sitePackages(host, folder).map((packages) => ({
      origin: `the Python environment of ${name}`,
      folder: path.join(packages, 'openvino', 'libs'),
    })),
    ...(name === 'CONDA_PREFIX'
      ? [{ origin: name, folder: path.join(folder, ...(host.platform === 'win32' ? ['Library', 'bin'] : ['lib'])) }]
      : []),
  ]);
}

function sitePackages(host: SearchHost, environment: string): readonly string[] {
  if (host.platform === 'win32') return [path.join(environment, 'Lib', 'site-packages')];
  const versions = matches(path.join(environment, 'lib'), /^python3\.\d+t?$/);
  const found = versions.map((version) => path.join(environment, 'lib', version, 'site-packages'));
  return found.length > 0 ? found : [path.join(environment, 'lib', 'python3.*', 'site-packages')];
}

function systemPlaces(host: SearchHost): readonly LibraryPlace[] {
  const places = archivePlaces(host);
  if (host.platform === 'win32') return places;
  const brew =
    variable(host, 'HOMEBREW_PREFIX') ??
    path.join(host.root, ...(host.platform === 'darwin' ? ['opt', 'homebrew'] : ['home', 'linuxbrew', '.linuxbrew']));
  const folders =
    host.platform === 'darwin'
      ? [path.join(host.root, 'usr', 'local', 'lib')]
      : [
          path.join(host.root, 'usr', 'lib', host.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'),
          path.join(host.root, 'usr', 'lib64'),
          path.join(host.root, 'usr', 'lib'),
          path.join(host.root, 'usr', 'local', 'lib'),
        ];
  return [
    ...places,
    ...folders.map((folder) => ({ origin: 'the system', folder })),
    { origin: 'Homebrew', folder: path.join(brew, 'lib') },
  ];
}

/** Intel's archive, unpacked: where its setupvars script points, else where Intel's guide tells to put it. */
function archivePlaces(host: SearchHost): readonly LibraryPlace[] {
  const active = variable(host, 'INTEL_OPENVINO_DIR');
  const roots =
    host.platform === 'win32'
      ? ['ProgramFiles(x86)', 'ProgramFiles'].flatMap((name) => {
          const folder = variable(host, name);
          return folder === undefined ? [] : [path.join(folder, 'Intel')];
        })
      : [path.join(host.root, 'opt', 'intel'), path.join(host.home, 'intel')];
  return [
    ...(active === undefined ? [] : [{ origin: 'INTEL_OPENVINO_DIR', folder: archiveLibraries(host, active) }]),
    ...roots.flatMap((root): readonly LibraryPlace[] => {
      const names = matches(root, /^openvino(?:_.*\d.*)?$/);
      if (names.length === 0)
        return [{ origin: `Intel's archive: no ${path.join(root, 'openvino*')}`, folder: undefined }];
      return names.map((name) => ({
        origin: "Intel's archive",
        folder: archiveLibraries(host, path.join(root, name)),
      }));
    }),
  ];
}

/** The folder of the libraries inside Intel's archive. */
function archiveLibraries({ platform, arch }: SearchHost, archive: string): string {
  const runtime = path.join(archive, 'runtime');
  if (platform === 'win32') return path.join(runtime, 'bin', 'intel64', 'Release');
  if (platform === 'darwin') return path.join(runtime, 'lib', arch === 'arm64' ? 'arm64' : 'intel64', 'Release');
  return path.join(runtime, 'lib', arch === 'arm64' ? 'aarch64' : 'intel64');
}

/** Names in a folder that match, the newest version first; none where the folder cannot be read. */
function matches(folder: string, pattern: RegExp): readonly string[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  const order = new Intl.Collator('en', { numeric: true });
  return names.filter((name) => pattern.test(name)).sort((a, b) => order.compare(b, a));
}

/** A variable's value; undefined when unset or empty. Windows' names are matched in any case, as Windows does. */
function variable({ environment, platform }: SearchHost, name: string): string | undefined {
  const key =
    platform === 'win32'
      ? Object.keys(environment).find((candidate) => candidate.toLowerCase() === name.toLowerCase())
      : name;
  const value = key === undefined ? undefined : environment[key];
  return value === '' ? undefined : value;
}
