/**
 * Pages of model files that a runtime has mapped and read while it loaded: it packs most weights into memory of its own
 * and never looks at them again, but they count as the process's until the system is short of memory. Here they are
 * given back at once; what is looked at later is read from the file, or the system's cache of it, again. Linux alone:
 * elsewhere nothing is done. It knows no runtime and no format.
 * Source: madvise(2), proc_pid_maps(5), proc_pid_pagemap(5).
 */
import { readFileSync } from 'node:fs';
import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import koffi from 'koffi';
import { callLater, type NativeFunction } from './native-library.js';

const MADV_DONTNEED = 4;
const PAGE_ENTRY_BYTES = 8;
/** Of the high half of an entry in pagemap: the page is in memory, is swapped out, is the file's and no changed copy. */
const IS_PRESENT = 2 ** 31;
const IS_SWAPPED = 2 ** 30;
const IS_OF_FILE = 2 ** 29;

const REFUSALS: readonly (string | undefined)[] = ['ENOENT', 'EACCES', 'EPERM'];

/** Address range, rights, offset, device, inode: of files that are mapped to be read, not to be run or written to. */
const MAPS_LINE = /^([0-9a-f]+)-([0-9a-f]+) (?:r[w-]-p|r--s) \S+ \S+ ([1-9]\d*)\s/;

interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly inode: number;
}

/** How many loads have begun, and how many have not ended: what appears while there is one alone is its own. */
let begun = 0;
let underWay = 0;

/** Looks at what a load maps, from its creation until it is disposed. */
export class MappedByLoad implements Disposable {
  readonly #before: ReadonlySet<string>;
  readonly #isAlone: boolean;
  readonly #number: number;
  #isOver = false;
  #end: Promise<unknown> | undefined;

  constructor() {
    underWay += 1;
    begun += 1;
    this.#isAlone = underWay === 1;
    this.#number = begun;
    this.#before = new Set(readMappings().keys());
  }

  /**
   * Gives the pages of `folder`'s files back that were mapped since. The mappings must last until it resolves. It does
   * nothing where another load was under way at any time: its mappings may end at any time. Resolves to their bytes.
   */
  async returnPages(folder: string): Promise<number> {
    const inodes = await inodesIn(folder);
    // Looked at at once: no other load of this process can begin in between. What is found is this one's.
    if (!this.#isAlone || this.#isOver || begun !== this.#number) return 0;
    const mapped = [...readMappings()]
      .filter(([line, { inode }]) => inodes.has(inode) && !this.#before.has(line))
      .map(([, mapping]) => mapping);
    if (mapped.length === 0) return 0;
    await using pagemap = await openUnlessRefused('/proc/self/pagemap');
    if (pagemap === undefined) return 0;
    const { madvise, pageBytes } = (systemCalls ??= openSystemCalls());
    let returnedBytes = 0;
    for (const { start, end } of mapped) {
      const bytes = end - start;
      if (!(await isUnchanged(pagemap, start / pageBytes, bytes / pageBytes))) continue;
      if ((await callLater(madvise, [start, bytes, MADV_DONTNEED])) === 0) returnedBytes += bytes;
    }
    return returnedBytes;
  }

  /** It counts as under way until then, disposed or not: a runtime that cannot be stopped may map and unmap. */
  lastUntil(end: Promise<unknown>): void {
    this.#end = end;
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const end = (): void => {
      underWay -= 1;
    };
    if (this.#end === undefined) end();
    else this.#end.then(end, end);
  }
}

/** By their lines, which are all different. */
function readMappings(): Map<string, Mapping> {
  const found = new Map<string, Mapping>();
  if (process.platform !== 'linux') return found;
  const maps = readUnlessRefused('/proc/self/maps') ?? '';
  for (const line of maps.split('\n')) {
    const [, start = '', end = '', inode = ''] = MAPS_LINE.exec(line) ?? [];
    if (start !== '') found.set(line, { start: parseInt(start, 16), end: parseInt(end, 16), inode: Number(inode) });
  }
  return found;
}

/** Systems and sandboxes without these files of /proc, or that keep them from programs: the pages stay. */
function throwUnlessRefusal(error: unknown): void {
  if (!REFUSALS.includes((error as NodeJS.ErrnoException).code)) throw error;
}

async function openUnlessRefused(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r');
  } catch (error) {
    throwUnlessRefusal(error);
    return undefined;
  }
}

function readUnlessRefused(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    throwUnlessRefusal(error);
    return undefined;
  }
}

/** Links followed: a model's folder in Hugging Face's cache is made of them. Those to nothing are no matter here. */
async function inodesIn(folder: string): Promise<Set<number>> {
  const found = await Promise.allSettled((await readdir(folder)).map((name) => stat(path.join(folder, name))));
  return new Set(found.flatMap((result) => (result.status === 'fulfilled' ? [result.value.ino] : [])));
}

/** Whether each page is as in the file: one that was written to would be lost. */
async function isUnchanged(pagemap: FileHandle, firstPage: number, pages: number): Promise<boolean> {
  const entries = new Uint32Array((pages * PAGE_ENTRY_BYTES) / Uint32Array.BYTES_PER_ELEMENT);
  const { byteLength } = entries;
  const { bytesRead } = await pagemap.read(entries, 0, byteLength, firstPage * PAGE_ENTRY_BYTES);
  if (bytesRead !== byteLength) return false;
  return entries.every((half, index) => {
    if (index % 2 === 0) return true;
    return (half & IS_SWAPPED) === 0 && ((half & IS_PRESENT) === 0 || (half & IS_OF_FILE) !== 0);
  });
}

interface SystemCalls {
  readonly madvise: NativeFunction;
  readonly pageBytes: number;
}

let systemCalls: SystemCalls | undefined;

function openSystemCalls(): SystemCalls {
  const library = koffi.load(null);
  const getPageSize = library.func('int getpagesize()') as unknown as () => number;
  return { madvise: library.func('int madvise(uintptr_t, size_t, int)'), pageBytes: getPageSize() };
}
