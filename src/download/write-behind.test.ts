import { mkdtemp, open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_WAITING_BYTES, WriteBehind } from './write-behind.js';

let folder: string;
let handle: FileHandle;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-write-'));
  handle = await open(path.join(folder, 'file'), 'wx+');
});
afterEach(async () => {
  await handle.close();
  await rm(folder, { recursive: true });
});
const written = (): Promise<Buffer> => readFile(path.join(folder, 'file'));

describe('WriteBehind', () => {
  it('writes all bytes in order, from its position on, whatever pieces they come in', async () => {
    const pieces = Array.from({ length: 300 }, (_, index) => Buffer.alloc((index * 997) % 9000, index));
    const writer = new WriteBehind(handle, 5);
    for (const piece of pieces) await writer.append(piece);
    await writer.flush();
    expect(await written()).toEqual(Buffer.concat([Buffer.alloc(5), ...pieces]));
  });

  it('lets no more than its limit wait for the disk', async () => {
    const writer = new WriteBehind(handle, 0);
    const first = writer.append(Buffer.alloc(10));
    let isAccepted = false;
    const large = writer.append(Buffer.alloc(MAX_WAITING_BYTES)).then(() => void (isAccepted = true));
    await first;
    expect(isAccepted).toBe(false);
    await large;
    expect(await written()).toHaveLength(MAX_WAITING_BYTES + 10);
  });

  it('tells of a failure at the next opportunity, and each time after it', async () => {
    const readOnly = await open(path.join(folder, 'file'), 'r');
    const writer = new WriteBehind(readOnly, 0);
    await writer.append(Buffer.from('x'));
    await expect(writer.flush()).rejects.toMatchObject({ code: 'EBADF' });
    await expect(writer.append(Buffer.alloc(MAX_WAITING_BYTES))).rejects.toMatchObject({ code: 'EBADF' });
    await writer.settle();
    await readOnly.close();
  });
});
