/** For tests: small archives with any entries, also those that no archiver writes. */
import { gzipSync } from 'node:zlib';
import { zipSync, type Zippable } from 'fflate';
import { Header } from 'tar';

export interface TarEntry {
  readonly path: string;
  readonly type?: 'File' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'FIFO' | 'Directory';
  readonly content?: Uint8Array;
  readonly linkpath?: string;
}

const BLOCK_BYTES = 512;

export function tgz(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap(({ path, type = 'File', content = new Uint8Array(), linkpath }) => {
    const header = Buffer.alloc(BLOCK_BYTES);
    const needsExtended = new Header({
      path,
      type,
      size: content.length,
      mode: 0o644,
      mtime: new Date(0),
      ...(linkpath === undefined ? {} : { linkpath }),
    }).encode(header, 0);
    if (needsExtended) throw new Error(`too long for this helper: ${path}`);
    return [header, content, Buffer.alloc((BLOCK_BYTES - (content.length % BLOCK_BYTES)) % BLOCK_BYTES)];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK_BYTES)]), { level: 1 });
}

/** `level` 0 stores. */
export function zip(members: Zippable, level: 0 | 1 = 1): Uint8Array {
  return zipSync(members, { level });
}
