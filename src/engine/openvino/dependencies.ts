/**
 * What must be loaded before OpenVINO's C library. Intel's Linux archive and apt packages outside of the loader's
 * folders have no RPATH, on Windows and macOS the archive keeps TBB in a folder of its own, and Intel expects its
 * setupvars script to have named these folders to the loader. A library that is loaded already is found by its name
 * on all three systems, so that no script is needed. It loads nothing itself.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';

/** In the order of loading: TBB, and the library that the C library wraps. */
const PATTERNS: Readonly<Record<'win32' | 'darwin' | 'linux', readonly RegExp[]>> = {
  win32: [/^tbb12\.dll$/i, /^openvino\.dll$/i],
  darwin: [/^libtbb(\.\d+)+\.dylib$/, /^libopenvino(\.\d+)+\.dylib$/],
  linux: [/^libtbb\.so(\.\d+)+$/, /^libopenvino\.so(\.\d+)+$/],
};

/**
 * Absolute paths of the libraries that are there, beside the C library or where Intel's archive has TBB. Empty where
 * the system's loader is to find them.
 */
export function openvinoDependencies(
  libraryFile: string,
  platform: NodeJS.Platform = process.platform,
): readonly string[] {
  const libraries = path.dirname(libraryFile);
  const folders = [libraries, ...tbbFolders(libraries)];
  const patterns = PATTERNS[platform === 'win32' || platform === 'darwin' ? platform : 'linux'];
  return patterns.flatMap((pattern) => {
    for (const folder of folders) {
      // The longest name is the file itself; shorter ones are links to it.
      const [name] = list(folder)
        .filter((candidate) => pattern.test(candidate))
        .sort((a, b) => b.length - a.length);
      if (name !== undefined) return [path.join(folder, name)];
    }
    return [];
  });
}

/** `<archive>/runtime/3rdparty/tbb/{lib,bin}`, for a folder somewhere below `<archive>/runtime`. */
function tbbFolders(libraries: string): readonly string[] {
  for (let folder = libraries, depth = 0; depth < 4; folder = path.dirname(folder), depth++) {
    if (path.basename(folder) !== 'runtime') continue;
    return ['lib', 'bin'].map((name) => path.join(folder, '3rdparty', 'tbb', name));
  }
  return [];
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
