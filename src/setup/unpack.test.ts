/** Archives into a runtime's folder: what is kept, and what no archive may do. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMountSmallDisk, runOnSmallDisk } from '../download/testing/small-disk.js';
import { runtimeFolderAt } from '../engine/openvino/runtime-folder.js';
import { MAX_ARCHIVE_ENTRIES } from './archive-limits.js';
import { copyFolder } from './copy-folder.js';
import { RuntimeWriter, type InstalledFile } from './runtime-writer.js';
import { tgz, zip, type TarEntry } from './testing/archives.js';
import { unpackTar } from './unpack-tar.js';
import { unpackZip } from './unpack-zip.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'aipc-unpack-'));
});
afterEach(() => rm(root, { recursive: true }));

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const top = 'openvino_toolkit_ubuntu24_2026.4.1_x86_64';
const lib = `${top}/runtime/lib/intel64`;
const tbb = `${top}/runtime/3rdparty/tbb/lib`;

/** As Intel's Linux archive has it. */
const linuxArchive: readonly TarEntry[] = [
  { path: `${top}/`, type: 'Directory' },
  { path: `${top}/setupvars.sh`, content: bytes('echo') },
  { path: `${lib}/libopenvino.so`, type: 'SymbolicLink', linkpath: 'libopenvino.so.2641' },
  { path: `${lib}/libopenvino.so.2026.4.1`, content: bytes('core') },
  { path: `${lib}/libopenvino.so.2641`, type: 'SymbolicLink', linkpath: 'libopenvino.so.2026.4.1' },
  { path: `${lib}/libopenvino_c.so.2026.4.1`, content: bytes('c api') },
  { path: `${lib}/libopenvino_c.so.2641`, type: 'SymbolicLink', linkpath: './libopenvino_c.so.2026.4.1' },
  { path: `${lib}/libopenvino_intel_cpu_plugin.so`, content: bytes('cpu') },
  { path: `${lib}/libopenvino_onnx_frontend.so.2641`, content: bytes('not needed') },
  { path: `${tbb}/libtbb.so.12.13`, content: bytes('tbb') },
  { path: `${tbb}/libtbb.so.12`, type: 'Link', linkpath: `${tbb}/libtbb.so.12.13` },
  { path: `${top}/docs/licensing/LICENSE`, content: bytes('Apache') },
  { path: `${top}/runtime/include/openvino/c/openvino.h`, content: bytes('header') },
];

const installedNames = [
  'lib/libopenvino.so.2641',
  'lib/libopenvino_c.so.2641',
  'lib/libopenvino_intel_cpu_plugin.so',
  'lib/libtbb.so.12',
  'licenses/LICENSE',
];

type Unpack = typeof unpackTar;

async function unpack(how: Unpack, name: string, content?: Uint8Array): Promise<readonly InstalledFile[]> {
  const source = path.join(root, name);
  if (content !== undefined) await writeFile(source, content);
  const folder = runtimeFolderAt(path.join(root, 'runtime-folder'));
  const writer = await RuntimeWriter.create(source, folder, 'linux');
  await how(source, writer, {});
  return writer.finish();
}

const malformed = { code: 'FILE_MALFORMED' };

describe('a tar archive', () => {
  it('becomes one folder of libraries under the names that the loader asks for', async () => {
    const files = await unpack(unpackTar, 'a.tgz', tgz(linuxArchive));
    expect(files.map(({ name }) => name)).toEqual(installedNames);
    expect(await readdir(path.join(root, 'runtime-folder', 'lib'))).toHaveLength(4);
    expect(await readFile(path.join(root, 'runtime-folder', 'lib', 'libtbb.so.12'), 'utf8')).toBe('tbb');
    expect(files[0]).toEqual({
      name: 'lib/libopenvino.so.2641',
      sizeBytes: 4,
      sha256: createHash('sha256').update('core').digest('hex'),
    });
  });

  it.each<[string, TarEntry]>([
    ['an absolute path', { path: '/tmp/libopenvino.so' }],
    ['a path that leads up', { path: `${lib}/../../../../libopenvino.so.1`, content: bytes('x') }],
    ['a Windows path', { path: 'C:\\Windows\\openvino_c.dll' }],
    ['a link to an absolute path', { path: `${lib}/libopenvino.so.9`, type: 'SymbolicLink', linkpath: '/etc/passwd' }],
    ['a link that leads up', { path: 'a/b', type: 'SymbolicLink', linkpath: '../../c' }],
    ['a hard link that leads up', { path: 'a/b', type: 'Link', linkpath: '../c' }],
    ['a device', { path: `${lib}/libopenvino_x_plugin.so`, type: 'CharacterDevice' }],
    ['a pipe', { path: 'a', type: 'FIFO' }],
    ['a file twice', { path: `${lib}/libopenvino_intel_cpu_plugin.so`, content: bytes('other') }],
    ['two libraries of one name', { path: `${lib}/libtbb.so.12`, content: bytes('other') }],
  ])('is refused for %s', async (_name, entry) => {
    await expect(unpack(unpackTar, 'a.tgz', tgz([...linuxArchive, entry]))).rejects.toMatchObject(malformed);
    expect(await readdir(root)).toEqual(['a.tgz', 'runtime-folder']);
  });

  it('is not led astray by links in a circle or to nothing', async () => {
    const odd: readonly TarEntry[] = [
      { path: `${lib}/libtbb.so.1`, type: 'SymbolicLink', linkpath: 'libtbb.so.2' },
      { path: `${lib}/libtbb.so.2`, type: 'SymbolicLink', linkpath: 'libtbb.so.1' },
      { path: `${lib}/libhwloc.so.15`, type: 'SymbolicLink', linkpath: 'libhwloc.so.15.9' },
    ];
    const files = await unpack(unpackTar, 'a.tgz', tgz([...linuxArchive, ...odd]));
    expect(files.map(({ name }) => name)).toEqual(installedNames);
  });

  it.each([
    ['cut off in its compression', tgz(linuxArchive).subarray(0, -20)],
    [
      'cut off in a file',
      gzipSync(gunzipSync(tgz([{ path: `${lib}/libopenvino.so.1`, content: randomBytes(9000) }])).subarray(0, 2000)),
    ],
    ['text', bytes('<!doctype html>')],
    ['compressed text', gzipSync(randomBytes(5000).toString('hex'))],
    ['empty', new Uint8Array()],
  ])('is refused when it is %s', async (_name, content) => {
    await expect(unpack(unpackTar, 'a.tgz', content)).rejects.toMatchObject(malformed);
  });

  it('is refused when one bit of it is wrong', async () => {
    const content = tgz(linuxArchive);
    content[content.length >> 1] = 255 - Number(content[content.length >> 1]);
    await expect(unpack(unpackTar, 'a.tgz', content)).rejects.toMatchObject(malformed);
  });

  it('is refused when it unpacks to far more than it is', async () => {
    const bomb = tgz([{ path: `${top}/zeros`, content: new Uint8Array(20_000_000) }]);
    await expect(unpack(unpackTar, 'a.tgz', bomb)).rejects.toMatchObject({ code: 'FILE_LIMIT_EXCEEDED' });
  });

  it('is refused when it has too many files', async () => {
    const names = Array.from({ length: MAX_ARCHIVE_ENTRIES + 1 }, (_, i) => ({
      path: `x/${(i * 2654435761) % 2 ** 32}`,
    }));
    // Stored, so that it is the number and not the ratio.
    await expect(unpack(unpackTar, 'a.tgz', tgz(names))).rejects.toMatchObject({ code: 'FILE_LIMIT_EXCEEDED' });
  });

  it('stops when it is told to', async () => {
    const source = path.join(root, 'a.tgz');
    await writeFile(source, tgz(linuxArchive));
    const writer = await RuntimeWriter.create(source, runtimeFolderAt(path.join(root, 'runtime-folder')), 'linux');
    const reason = new Error('enough');
    await expect(unpackTar(source, writer, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('a wheel', () => {
  const libraries = {
    'openvino/libs/libopenvino.so.2641': bytes('core'),
    'openvino/libs/libopenvino_c.so.2641': bytes('c api'),
  };
  const others = {
    'openvino/__init__.py': bytes('import'),
    'openvino-2026.4.1.dist-info/licenses/LICENSE': bytes('Apache'),
  };
  const record = (members: Record<string, Uint8Array>): Uint8Array =>
    bytes(
      Object.entries(members)
        .map(([name, content]) => {
          const digest = createHash('sha256').update(content).digest('base64url');
          return `${name},sha256=${digest},${content.length}\n`;
        })
        .join(''),
    );
  const recordName = 'openvino-2026.4.1.dist-info/RECORD';
  const wheel = zip({ ...libraries, ...others, [recordName]: record({ ...libraries, ...others }) });

  it('gives its libraries and licences', async () => {
    const files = await unpack(unpackZip, 'a.whl', wheel);
    expect(files.map(({ name }) => name)).toEqual([
      'lib/libopenvino.so.2641',
      'lib/libopenvino_c.so.2641',
      'licenses/LICENSE',
    ]);
  });

  it.each([
    ['differs from', { ...libraries, ...others, 'openvino/libs/libopenvino.so.2641': bytes('other') }],
    ['is not in', others],
  ])('is refused where a library %s its list', async (_name, listed) => {
    const content = zip({ ...libraries, ...others, [recordName]: record(listed) });
    await expect(unpack(unpackZip, 'a.whl', content)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  });

  it('is refused without a list', async () => {
    const content = zip({ ...libraries, ...others });
    await expect(unpack(unpackZip, 'a.whl', content)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  });

  it('is refused when it is cut off', async () => {
    await expect(unpack(unpackZip, 'a.whl', wheel.subarray(0, 300))).rejects.toMatchObject(malformed);
  });
});

describe('a zip archive', () => {
  const library = { [`${lib}/libopenvino_c.so.2641`]: bytes('c api') };

  it.each<[string, Record<string, Uint8Array>]>([
    ['an absolute path', { '/tmp/x': bytes('x') }],
    ['a path that leads up', { 'a/../../x': bytes('x') }],
    ['a drive', { 'C:/x': bytes('x') }],
    ['a backslash', { 'a\\..\\x': bytes('x') }],
  ])('is refused for %s', async (_name, members) => {
    await expect(unpack(unpackZip, 'a.zip', zip({ ...library, ...members }))).rejects.toMatchObject(malformed);
  });

  it('is refused for a library that is a link', async () => {
    const content = zip({ [`${lib}/libopenvino_c.so.2641`]: [bytes('/etc/passwd'), { os: 3, attrs: 0o120777 << 16 }] });
    await expect(unpack(unpackZip, 'a.zip', content)).rejects.toMatchObject(malformed);
  });

  it('is refused when a byte of it is wrong', async () => {
    const content = zip({ [`${lib}/libopenvino_c.so.2641`]: [bytes('x'.repeat(100)), { level: 0 }] });
    const at = Buffer.from(content).indexOf('xxx') + 50;
    content[at] = 0;
    await expect(unpack(unpackZip, 'a.zip', content)).rejects.toMatchObject({
      ...malformed,
      message: expect.stringContaining('CRC-32') as string,
    });
  });

  it('is refused when it unpacks to far more than it is', async () => {
    const content = zip({ ...library, zeros: new Uint8Array(50_000_000) });
    await expect(unpack(unpackZip, 'a.zip', content)).rejects.toMatchObject({ code: 'FILE_LIMIT_EXCEEDED' });
  });
});

describe('a folder', () => {
  async function put(files: Record<string, string>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(root, name)), { recursive: true });
      await writeFile(path.join(root, name), text);
    }
  }
  const names = async (name: string): Promise<string[]> => (await unpack(copyFolder, name)).map((file) => file.name);

  it.skipIf(process.platform === 'win32')("may be Intel's archive, unpacked [needs symbolic links]", async () => {
    await put({
      'ov/runtime/lib/intel64/libopenvino_c.so.2026.4.1': 'c api',
      'ov/runtime/3rdparty/tbb/lib/libtbb.so.12': 'tbb',
      'ov/docs/licensing/LICENSE': 'Apache',
      'ov/samples/a.cpp': '',
    });
    await symlink('libopenvino_c.so.2026.4.1', path.join(root, 'ov/runtime/lib/intel64/libopenvino_c.so.2641'));
    expect(await names('ov')).toEqual(['lib/libopenvino_c.so.2641', 'lib/libtbb.so.12', 'licenses/LICENSE']);
  });

  it.each(['site', 'site/openvino/libs'])('may be of a Python environment: %s', async (name) => {
    await put({
      'site/openvino/libs/libopenvino_c.so.2641': 'c api',
      'site/openvino-2026.4.1.dist-info/licenses/LICENSE': 'Apache',
      'site/numpy/libs/libopenvino.so.1': 'not it',
    });
    expect(await names(name)).toEqual(['lib/libopenvino_c.so.2641', 'licenses/LICENSE']);
  });

  it.skipIf(process.platform === 'win32')('may be flat, with links to elsewhere [needs symbolic links]', async () => {
    await put({ 'cellar/libtbb.so.12.13': 'tbb', 'flat/libopenvino_c.so.2641': 'c api', 'flat/notes.txt': '' });
    await symlink('../cellar/libtbb.so.12.13', path.join(root, 'flat/libtbb.so.12'));
    expect(await names('flat')).toEqual(['lib/libopenvino_c.so.2641', 'lib/libtbb.so.12']);
  });

  it('that is not there is an error of its own', async () => {
    await expect(unpack(copyFolder, 'nowhere')).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });
});

describe.skipIf(!canMountSmallDisk())('a full disk [needs unshare(1) and mount(1)]', () => {
  it.each(['a.tgz', 'a.zip'])('is an error of its own while %s is unpacked', async (name) => {
    const source = path.join(root, name);
    const library = randomBytes(2_000_000);
    const entry = `${lib}/libopenvino_c.so.2641`;
    await writeFile(source, name === 'a.tgz' ? tgz([{ path: entry, content: library }]) : zip({ [entry]: library }));
    const url = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);
    const script = `
      const { RuntimeWriter } = await import(${url('./runtime-writer.js')});
      const { unpackTar } = await import(${url('./unpack-tar.js')});
      const { unpackZip } = await import(${url('./unpack-zip.js')});
      const { runtimeFolderAt } = await import(${url('../engine/openvino/runtime-folder.js')});
      const [disk, source] = process.argv.slice(1);
      const writer = await RuntimeWriter.create(source, runtimeFolderAt(disk + '/runtime'), 'linux');
      const unpack = source.endsWith('.zip') ? unpackZip : unpackTar;
      console.log(await unpack(source, writer, {}).catch((error) => error.code));`;
    expect((await runOnSmallDisk(script, root, source)).trim()).toBe('DISK_INSUFFICIENT');
  });
});
