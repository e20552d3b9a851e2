import { mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import koffi from 'koffi';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MappedByLoad } from './mapped-files.js';

const FILE_BYTES = 4 * 2 ** 20;
/** Protection and flags: as ONNX Runtime maps external data (read and written, privately), and OpenVINO its .bin. */
const MAP_PRIVATE = [3, 2] as const;
const MAP_SHARED_TO_READ = [1, 1] as const;

async function map(file: string, [protection, flags]: readonly [number, number] = MAP_PRIVATE): Promise<bigint> {
  const mmap = koffi.load(null).func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)');
  await using handle = await open(file, 'r');
  return BigInt(mmap(0, FILE_BYTES, protection, flags, handle.fd, 0) as number);
}

function unmap(address: bigint): void {
  koffi.load(null).func('int munmap(uintptr_t, size_t)')(address, FILE_BYTES);
}

function byteAt(address: bigint): number {
  return koffi.decode(address, 'uint8_t') as number;
}

/** Touches all pages; gives the sum of the first bytes. */
function touch(address: bigint): number {
  let sum = 0;
  for (let at = 0; at < FILE_BYTES; at += 4096) sum += byteAt(address + BigInt(at));
  return sum;
}

async function residentBytes(address: bigint): Promise<number> {
  const smaps = await readFile('/proc/self/smaps', 'latin1');
  const from = smaps.indexOf(`${address.toString(16)}-`);
  return 1024 * Number(/Rss:\s+(\d+)/.exec(smaps.slice(from))?.[1]);
}

describe.runIf(process.platform === 'linux')('the pages that a load has mapped', () => {
  let folder: string;
  let file: string;
  let addresses: bigint[];
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'aipc-mapped-'));
    file = path.join(folder, 'model.onnx.data');
    await writeFile(file, Buffer.alloc(FILE_BYTES, 7));
    addresses = [];
  });
  afterEach(async () => {
    addresses.forEach(unmap);
    await rm(folder, { recursive: true });
  });
  const mapped = async (): Promise<bigint> => {
    const address = await map(file);
    addresses.push(address);
    return address;
  };

  it('leave memory, and are read from the file again', async () => {
    using load = new MappedByLoad();
    const address = await mapped();
    const sum = touch(address);
    expect(await residentBytes(address)).toBe(FILE_BYTES);
    expect(await load.returnPages(folder)).toBe(FILE_BYTES);
    expect(await residentBytes(address)).toBe(0);
    expect(touch(address)).toBe(sum);
  });

  it('stay where one of them was written to: the change would be lost', async () => {
    using load = new MappedByLoad();
    const address = await mapped();
    touch(address);
    koffi.encode(address + 8192n, 'uint8_t', 9);
    expect(await load.returnPages(folder)).toBe(0);
    expect(byteAt(address + 8192n)).toBe(9);
    expect(await residentBytes(address)).toBe(FILE_BYTES);
  });

  it('stay where they were mapped before, or another load was under way: they may be gone at any time', async () => {
    const earlier = await mapped();
    touch(earlier);
    {
      using load = new MappedByLoad();
      expect(await load.returnPages(folder)).toBe(0);
      using other = new MappedByLoad();
      touch(await mapped());
      expect(await load.returnPages(folder)).toBe(0);
      expect(await other.returnPages(folder)).toBe(0);
    }
    using last = new MappedByLoad();
    touch(await mapped());
    expect(await last.returnPages(folder)).toBe(FILE_BYTES);
    expect(await residentBytes(earlier)).toBe(FILE_BYTES);
  });

  it('stay where they are of a file elsewhere; a link counts as what it leads to, and may lead to nothing', async () => {
    const links = path.join(folder, 'links');
    await mkdir(links);
    await symlink('nothing', path.join(links, 'a'));
    using load = new MappedByLoad();
    touch(await mapped());
    expect(await load.returnPages(links)).toBe(0);
    await symlink(file, path.join(links, 'b'));
    expect(await load.returnPages(links)).toBe(FILE_BYTES);
  });

  it('are left alone after disposal, which may come twice', async () => {
    const load = new MappedByLoad();
    touch(await mapped());
    load[Symbol.dispose]();
    load[Symbol.dispose]();
    expect(await load.returnPages(folder)).toBe(0);
    using next = new MappedByLoad();
    touch(await mapped());
    expect(await next.returnPages(folder)).toBe(FILE_BYTES);
  });

  it('stay while a load that was given up goes on in the background', async () => {
    let end: () => void = () => undefined;
    const goesOn = new Promise<void>((resolve) => (end = resolve));
    {
      using load = new MappedByLoad();
      load.lastUntil(goesOn);
    }
    {
      using second = new MappedByLoad();
      touch(await mapped());
      expect(await second.returnPages(folder)).toBe(0);
    }
    end();
    await goesOn;
    using third = new MappedByLoad();
    touch(await mapped());
    expect(await third.returnPages(folder)).toBe(FILE_BYTES);
  });

  it('of a mapping that nobody can write to leave memory, too', async () => {
    using load = new MappedByLoad();
    const address = await map(file, MAP_SHARED_TO_READ);
    addresses.push(address);
    touch(address);
    expect(await load.returnPages(folder)).toBe(FILE_BYTES);
    expect(await residentBytes(address)).toBe(0);
  });
});
