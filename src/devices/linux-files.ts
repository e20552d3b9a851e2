/** Reading Linux' virtual files: what is not there or not readable is undefined. Every file is small. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';

export function readText(...parts: readonly string[]): string | undefined {
  try {
    return readFileSync(path.join(...parts), 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** One byte of a binary file. */
export function readByte(offset: number, ...parts: readonly string[]): number | undefined {
  try {
    return readFileSync(path.join(...parts))[offset];
  } catch {
    return undefined;
  }
}

/** Names in a folder, in order; none where there is none. */
export function listFolder(...parts: readonly string[]): readonly string[] {
  try {
    return readdirSync(path.join(...parts)).sort();
  } catch {
    return [];
  }
}

/** The last part of what a link leads to. */
export function linkName(...parts: readonly string[]): string | undefined {
  try {
    return path.basename(readlinkSync(path.join(...parts)));
  } catch {
    return undefined;
  }
}

/** `0-3,8,10-11` as numbers. */
export function parseCpuList(text: string): readonly number[] {
  return text
    .split(',')
    .filter((part) => /^\d+(-\d+)?$/u.test(part.trim()))
    .flatMap((part) => {
      const [from = 0, to = from] = part.trim().split('-').map(Number);
      return Array.from({ length: Math.min(to - from + 1, 4096) }, (_, index) => from + index);
    });
}
