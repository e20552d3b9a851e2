/**
 * Which OpenVINO aipc uses and where `aipc setup openvino` keeps it. It installs nothing and looks for nothing.
 *
 *   <cache>/runtimes/openvino-2026.4.1-linux-x64/
 *     aipc-runtime.json   the manifest: where it came from, every file with its SHA-256
 *     lib/                the libraries, all in one folder, as in Intel's wheels
 *     licenses/           the licence and the third-party notices
 */
import path from 'node:path';
import { cacheFolder } from '../../cache-folder.js';

/** The release that aipc is built and tested for. Its number in library names is 2641. */
export const OPENVINO_VERSION = '2026.4.1';

/** What Intel builds this release for, in Node.js' words (`process.platform`-`process.arch`). */
const PUBLISHED_FOR: readonly string[] = ['win32-x64', 'linux-x64', 'linux-arm64', 'darwin-arm64'];

/** The machine that a runtime is for; everything that differs between machines can be given, so that it can be tested. */
export interface RuntimeHost {
  readonly platform: NodeJS.Platform;
  /** As `process.arch`. */
  readonly arch: string;
  readonly environment: NodeJS.ProcessEnv;
}

export function currentHost(environment: NodeJS.ProcessEnv = process.env): RuntimeHost {
  return { platform: process.platform, arch: process.arch, environment };
}

/** Whether Intel publishes OpenVINO for this kind of machine: not for Windows on Arm, not for Macs with Intel's CPUs. */
export function isOpenvinoPublishedFor({ platform, arch }: Pick<RuntimeHost, 'platform' | 'arch'>): boolean {
  return PUBLISHED_FOR.includes(`${platform}-${arch}`);
}

export interface RuntimeFolder {
  /** Absolute. It exists complete or not at all. */
  readonly path: string;
  /** The folder of the libraries inside it. */
  readonly libraryFolder: string;
  readonly licenseFolder: string;
  readonly manifestFile: string;
}

/** The folder that holds every installed runtime, of any version. */
export function runtimesFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return path.join(cacheFolder(environment), 'runtimes');
}

/** Where one version for one kind of machine is, or would be. */
export function openvinoRuntimeFolder(host: RuntimeHost = currentHost(), version = OPENVINO_VERSION): RuntimeFolder {
  const name = `openvino-${version}-${host.platform}-${host.arch}`;
  return runtimeFolderAt(path.join(runtimesFolder(host.environment), name));
}

/** The parts of a runtime folder, whatever its name (while it is being filled it has a temporary one). */
export function runtimeFolderAt(folder: string): RuntimeFolder {
  return {
    path: folder,
    libraryFolder: path.join(folder, 'lib'),
    licenseFolder: path.join(folder, 'licenses'),
    manifestFile: path.join(folder, 'aipc-runtime.json'),
  };
}
