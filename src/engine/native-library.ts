/**
 * Finds and loads native runtime libraries through koffi. It knows how platforms name shared libraries and where to
 * look; it does not know what is in them.
 */
import { readdirSync, type Dirent } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import { EngineError, NotFoundError } from '../errors.js';

/**
 * Stack of an asynchronous call. Runtimes build and optimise graphs recursively: koffi's default of 128 KiB crashes
 * the process when OpenVINO compiles a large model; 8 MiB is what Linux gives a main thread.
 */
const ASYNC_STACK_BYTES = 8 * 2 ** 20;
/** Stacks kept between calls: as many as calls that run at once in one process (two engines). */
const RESIDENT_ASYNC_POOLS = 2;

/** Where a library may be: `folder` is undefined where there is nothing to look at, and `origin` says why. */
export interface LibraryPlace {
  /** For the message: what made this a place to look at. */
  readonly origin: string;
  readonly folder: string | undefined;
}

export interface LibraryQuery {
  /** Human name of the runtime. */
  readonly runtime: string;
  readonly fileName: RegExp;
  /** Looked at in this order. */
  readonly places: readonly LibraryPlace[];
  /** What the user can do when there is none. */
  readonly remedy: string;
}

/** The path of the first library that matches; throws RUNTIME_LIBRARY_NOT_FOUND with every place looked at. */
export function findNativeLibrary({ runtime, fileName, places, remedy }: LibraryQuery): string {
  const looked: string[] = [];
  for (const { origin, folder } of places) {
    if (folder === undefined) {
      looked.push(origin);
      continue;
    }
    let entries: Dirent[];
    try {
      entries = readdirSync(folder, { withFileTypes: true });
    } catch (error) {
      looked.push(`${origin}: ${folder} (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`);
      continue;
    }
    // The longest name is the most specific version; shorter ones are usually links to it.
    const names = entries.filter((entry) => !entry.isDirectory() && fileName.test(entry.name)).map(({ name }) => name);
    const [name] = names.sort((a, b) => b.length - a.length);
    if (name !== undefined) return path.resolve(folder, name);
    looked.push(`${origin}: ${folder} (no ${asPattern(fileName)})`);
  }
  throw new NotFoundError(
    'RUNTIME_LIBRARY_NOT_FOUND',
    `The ${runtime} library was not found. Looked at:\n${looked.map((place) => `  - ${place}`).join('\n')}\n${remedy}`,
    { details: { runtime, looked, platform: process.platform, arch: process.arch } },
  );
}

/** A regular expression for a file name as a person writes it: `libopenvino_c.so*`. */
function asPattern({ source }: RegExp): string {
  return source
    .replace(/^\^|\$$/gu, '')
    .replaceAll('(\\.\\d+)*', '*')
    .replaceAll('\\', '');
}

/** The file name of onnxruntime's shared library on this platform. */
function onnxRuntimeFileName(platform: NodeJS.Platform): RegExp {
  if (platform === 'win32') return /^onnxruntime\.dll$/i;
  return platform === 'darwin' ? /^libonnxruntime(\.\d+)*\.dylib$/ : /^libonnxruntime\.so(\.\d+)*$/;
}

/** The folder with the binaries of the npm package onnxruntime-node for this platform. */
function onnxRuntimeNodePlace(): LibraryPlace {
  const origin = 'the npm package onnxruntime-node';
  let packageFolder: string;
  try {
    packageFolder = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  } catch {
    return { origin: `${origin}: not installed`, folder: undefined };
  }
  const bin = path.join(packageFolder, 'bin');
  let napi: string | undefined;
  try {
    napi = readdirSync(bin)
      .filter((name) => name.startsWith('napi-'))
      .sort()
      .at(-1);
  } catch {
    return { origin: `${origin}: ${bin} is missing`, folder: undefined };
  }
  return { origin, folder: path.join(bin, napi ?? 'napi-v6', process.platform, process.arch) };
}

/**
 * The path of onnxruntime's library: in the folder ONNXRUNTIME_LIB_DIR when that is set (and only there: whoever
 * names a folder does not want another one), else in onnxruntime-node.
 */
export function findOnnxRuntimeLibrary(environment: NodeJS.ProcessEnv = process.env): string {
  const folder = environment['ONNXRUNTIME_LIB_DIR'];
  const isNamed = folder !== undefined && folder !== '';
  return findNativeLibrary({
    runtime: 'ONNX Runtime',
    fileName: onnxRuntimeFileName(process.platform),
    places: isNamed ? [{ origin: 'ONNXRUNTIME_LIB_DIR', folder }] : [onnxRuntimeNodePlace()],
    remedy: isNamed
      ? 'Set ONNXRUNTIME_LIB_DIR to the folder that holds the library, or unset it to use onnxruntime-node.'
      : 'Run `npm install onnxruntime-node`, or set ONNXRUNTIME_LIB_DIR to a folder that holds the library.',
  });
}

/** koffi takes its configuration only before the first library is loaded, which a program around aipc may have done. */
function configureCalls(): void {
  if ((koffi.config().async_stack_size ?? 0) >= ASYNC_STACK_BYTES) return;
  try {
    koffi.config({ async_stack_size: ASYNC_STACK_BYTES, resident_async_pools: RESIDENT_ASYNC_POOLS });
  } catch (cause) {
    throw new EngineError(
      'RUNTIME_INCOMPATIBLE',
      'koffi was used before aipc with too small a stack for asynchronous calls. Before its first use, call ' +
        `koffi.config({ async_stack_size: ${ASYNC_STACK_BYTES} }), or load the model first.`,
      { cause },
    );
  }
}

/** Windows takes no longer path (MAX_PATH), except where it begins with `\\\\?\\`, as Node.js' own functions have it. */
const LONGEST_PLAIN_PATH = 259;

/** A path as native functions take it: a long one on Windows in the form that has no limit. */
export function nativePath(file: string): string {
  return process.platform === 'win32' && path.resolve(file).length > LONGEST_PLAIN_PATH
    ? path.toNamespacedPath(path.resolve(file))
    : file;
}

/** Loads a library; throws RUNTIME_INCOMPATIBLE when the system refuses it. */
export function loadNativeLibrary(file: string): LibraryHandle {
  configureCalls();
  try {
    if (process.platform === 'win32') {
      // So that the libraries beside it (DirectML.dll) are found before older ones in System32.
      koffi.load('kernel32.dll').func('bool __stdcall SetDllDirectoryW(str16)')(path.dirname(file));
    }
    return koffi.load(nativePath(file));
  } catch (cause) {
    throw new EngineError(
      'RUNTIME_INCOMPATIBLE',
      `${file} cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}. ` +
        `It must be built for ${process.platform} ${process.arch} and find the libraries that it depends on.`,
      { cause, details: { file } },
    );
  }
}

/** What `bind` makes of a library, once for each path. */
export function bindOnce<Api>(
  bound: Map<string, Promise<Api>>,
  file: string,
  bind: (file: string) => Promise<Api>,
): Promise<Api> {
  let api = bound.get(file);
  if (api === undefined) {
    api = bind(file);
    bound.set(file, api);
    api.catch(() => bound.delete(file)); // so that a repaired installation is tried again
  }
  return api;
}

export type NativeFunction = ReturnType<LibraryHandle['func']>;

/** Calls a native function on one of libuv's threads. What its pointers lead to must live until it resolves. */
export function callLater(native: NativeFunction, parameters: readonly unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    native.async(...parameters, (error: Error | null, result: unknown) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}

let copyFunction: NativeFunction | undefined;

/** Copies native memory on a worker thread. The regions must not overlap and must live until it resolves. */
export async function copyNativeMemory(to: bigint, from: bigint, bytes: number): Promise<void> {
  copyFunction ??=
    process.platform === 'win32'
      ? koffi.load('kernel32.dll').func('void __stdcall RtlMoveMemory(void *, const void *, size_t)')
      : koffi.load(null).func('void *memcpy(void *, const void *, size_t)');
  await callLater(copyFunction, [to, from, bytes]);
}

let trimFunction: NativeFunction | null | undefined;

/**
 * Gives memory that native code has freed back to the system. glibc keeps blocks of up to 32 MiB for itself, and a
 * runtime's KV cache consists of such; other allocators need no telling.
 */
export async function returnFreedMemory(): Promise<void> {
  if (trimFunction === undefined) trimFunction = findTrimFunction();
  if (trimFunction !== null) await callLater(trimFunction, [0]);
}

function findTrimFunction(): NativeFunction | null {
  if (process.platform !== 'linux') return null;
  try {
    return koffi.load(null).func('int malloc_trim(size_t)');
  } catch {
    return null; // musl has none
  }
}
