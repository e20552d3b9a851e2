/**
 * Which files of an archive, a wheel or a folder make a runtime, and how they are laid out when installed: all
 * libraries in one folder, each under the one name that the loader asks for, as in Intel's wheels. It reads and writes
 * nothing.
 */
import path from 'node:path';
import { ModelFormatError } from '../errors.js';

export interface WantedFile {
  readonly kind: 'library' | 'license';
  /** A plain file name. */
  readonly name: string;
}

/** Where libraries are: in Intel's archives (below one top folder or none), in wheels. */
const LIBRARY_FOLDERS = [
  /^(?:[^/]+\/)?runtime\/lib\/[^/]+(?:\/Release)?$/,
  /^(?:[^/]+\/)?runtime\/bin\/[^/]+\/Release$/,
  /^(?:[^/]+\/)?runtime\/3rdparty\/(?:tbb|hwloc)\/(?:lib|lib64|bin)$/,
  /^openvino\/libs$/,
];
/** Where licences and third-party notices are; the rest of the path is part of the name. */
const LICENSE_FOLDERS = [
  /^(?:[^/]+\/)?docs\/licensing\/(.+)$/,
  /^(?:[^/]+\/)?runtime\/3rdparty\/([^/]+\/LICENSE[^/]*)$/,
  /^openvino-[^/]+\.dist-info\/licenses\/(.+)$/,
];

/**
 * What aipc needs: the core, its C API, the reader of IR files, the plug-ins of all devices, the NPU's compiler, TBB.
 * Not the readers of other model formats, nor debug builds and what a compiler needs.
 */
const STEM = /^(?:openvino|openvino_c|openvino_ir_frontend|openvino_\w+_plugin|openvino_intel_npu_\w+|tbb\w*|hwloc)$/i;
const DATA_FILES = ['cache.json', 'plugins.xml'];

/** What to do with a file of a source; null: leave it out. `archivePath` has forward slashes. */
export function wantedFile(archivePath: string, platform: NodeJS.Platform): WantedFile | null {
  const { dir, base } = path.posix.parse(archivePath);
  if (LIBRARY_FOLDERS.some((folder) => folder.test(dir))) {
    const stem = libraryStem(base, platform);
    const isWanted = stem === null ? DATA_FILES.includes(base) : STEM.test(stem) && !/_debug$/i.test(stem);
    return isWanted ? { kind: 'library', name: base } : null;
  }
  for (const folder of LICENSE_FOLDERS) {
    const rest = folder.exec(archivePath)?.[1];
    if (rest !== undefined) return { kind: 'license', name: rest.replaceAll('/', '-') };
  }
  return null;
}

/** `libopenvino.so.2641` -> `openvino`; null: no library. */
function libraryStem(name: string, platform: NodeJS.Platform): string | null {
  const pattern =
    platform === 'win32'
      ? /^(\w+)\.dll$/i
      : platform === 'darwin'
        ? /^lib(\w+?)(?:\.\d+)*\.(?:dylib|so)$/
        : /^lib(\w+)\.so(?:\.\d+)*$/;
  return pattern.exec(name)?.[1] ?? null;
}

/**
 * The name under which a library that goes by several is asked for: the one with a single number (`libtbb.so.12`,
 * `libopenvino.2641.dylib`), which is its soname. `names[0]` is the file's own.
 */
export function loaderName(names: readonly [string, ...string[]]): string {
  return names.find((name) => /^[^.]+\.so\.\d+$|^[^.]+\.\d+\.dylib$/.test(name)) ?? names[0];
}

/**
 * Throws FILE_MALFORMED for a path that leads out of the archive: absolute, with a drive, or through `..`. An archive
 * that holds one is not Intel's, whatever else it holds.
 */
export function checkArchivePath(archive: string, archivePath: string): void {
  const isSafe =
    archivePath !== '' &&
    !/^[/\\]|^[A-Za-z]:|[\\\0]/u.test(archivePath) &&
    !archivePath.split('/').some((part) => part === '..');
  if (isSafe) return;
  throw new ModelFormatError(
    'FILE_MALFORMED',
    `${archive} holds ${JSON.stringify(archivePath)}, a path that leads out of it. Nothing was unpacked; do not use it.`,
    { details: { file: archive, entry: archivePath } },
  );
}
