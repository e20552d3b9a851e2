/** The whole way: from a mirror, a file or a folder into the cache, and found and loaded from there. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create } from 'tar';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { describeWithOpenvino } from '../../test/openvino.js';
import { sendFile, serve, type FileServer, type Handler } from '../download/testing/file-server.js';
import { findOpenvinoLibrary } from '../engine/openvino/find-library.js';
import { OPENVINO_VERSION } from '../engine/openvino/runtime-folder.js';
import { probeRuntime } from './probe.js';
import { installedOpenvinos, removeOpenvino, setupOpenvino, type SetupProgress } from './setup-openvino.js';
import { tgz, zip } from './testing/archives.js';

let cache: string;
let environment: NodeJS.ProcessEnv;
let mirror: FileServer | null = null;
beforeEach(async () => {
  cache = await mkdtemp(path.join(tmpdir(), 'aipc-setup-'));
  environment = { AIPC_CACHE: cache };
});
afterEach(async () => {
  await mirror?.[Symbol.asyncDispose]();
  mirror = null;
  await rm(cache, { recursive: true });
});

const runtimes = async (): Promise<string[]> => (await readdir(path.join(cache, 'runtimes'))).sort();
const nothing = { code: 'RUNTIME_LIBRARY_NOT_FOUND' };
const notFound = (): void => {
  expect(() => findOpenvinoLibrary(environment)).toThrow(expect.objectContaining(nothing));
};

/** Serves `archive` and its checksum at every path, as Intel's host does at one. */
async function serveArchive(archive: Uint8Array, handler?: Handler, checksum = sha256Of(archive)): Promise<void> {
  let nthArchive = 0;
  mirror = await serve((request, response, nth) => {
    const url = request.url ?? '';
    if (url.endsWith('.sha256')) {
      response.end(`${checksum}  ${path.posix.basename(url).slice(0, -'.sha256'.length)}\n`);
    } else if (handler !== undefined) handler(request, response, nthArchive++);
    else sendFile(request, response, { content: archive });
    expect(nth).toBeLessThan(50);
  });
  environment['AIPC_OPENVINO_MIRROR'] = mirror.url('/openvino/packages');
}

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const paths = (): (string | undefined)[] => mirror?.requests.map(({ url }) => path.posix.extname(url ?? '')) ?? [];

const runsHere = `${process.platform}-${process.arch}`;

describe('setupOpenvino', () => {
  it.each([
    ['an unknown option', { form: 'pip' }, 'OPTION_UNKNOWN'],
    ['a version that is none', { version: 'newest' }, 'OPTION_INVALID'],
    ['a version whose archive it does not know', { version: '2025.1.0' }, 'OPTION_INVALID'],
    ['no source', { from: '' }, 'OPTION_INVALID'],
    ['a path to nothing', { from: '/nonexistent/openvino.tgz' }, 'MODEL_FILE_MISSING'],
    ['a file that is no archive', { from: import.meta.filename }, 'OPTION_INVALID'],
  ])('refuses %s', async (_name, options, code) => {
    await expect(setupOpenvino({ environment, ...options })).rejects.toMatchObject({ code });
  });

  it('does nothing when it is told to stop before', async () => {
    const reason = new Error('before');
    await expect(setupOpenvino({ environment, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await readdir(cache)).toEqual([]);
  });
});

describe.skipIf(!['linux-x64', 'linux-arm64', 'win32-x64', 'darwin-arm64'].includes(runsHere))(
  'the archive [needs a machine that Intel builds for]',
  () => {
    const fake = tgz([{ path: 'top/runtime/lib/intel64/libopenvino_c.so.2641', content: new Uint8Array(5000) }]);

    it('is not downloaded where its checksum is not published', async () => {
      mirror = await serve((_request, response) => response.end('<!doctype html><title>Index</title>'));
      environment['AIPC_OPENVINO_MIRROR'] = mirror.url('/openvino');
      await expect(setupOpenvino({ environment })).rejects.toMatchObject({
        code: 'SOURCE_UNREACHABLE',
        message: expect.stringMatching(/no checksum.*--from pip/su) as string,
      });
      expect(paths()).toEqual(['.sha256']);
    });

    it('is refused and not kept where its checksum is another one', async () => {
      await serveArchive(fake, undefined, 'a'.repeat(64));
      await expect(setupOpenvino({ environment })).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
      expect(await readdir(path.join(cache, 'runtimes', 'downloads'))).toEqual([]);
      notFound();
    });

    it('names what else can be done where the host is not there', async () => {
      environment['AIPC_OPENVINO_MIRROR'] = 'http://openvino.invalid/packages';
      await expect(setupOpenvino({ environment })).rejects.toMatchObject({
        code: 'SOURCE_UNREACHABLE',
        message: expect.stringMatching(/AIPC_OPENVINO_MIRROR.*--from pip.*--from PATH/su) as string,
      });
    });

    it.skipIf(process.platform === 'win32')(
      'is refused where its library does not load [the archive is of Linux]',
      async () => {
        await serveArchive(fake);
        await expect(setupOpenvino({ environment })).rejects.toMatchObject({
          code: process.platform === 'linux' ? 'RUNTIME_INCOMPATIBLE' : 'FILE_MALFORMED',
          message: expect.stringContaining('Nothing was installed') as string,
        });
        notFound();
        expect((await runtimes()).filter((name) => name !== 'downloads')).toEqual([]);
      },
    );

    it('is refused where it is for another system', async () => {
      const file = path.join(cache, 'other.zip');
      await writeFile(file, zip({ 'openvino/libs/libopenvino_c.so.txt': new Uint8Array(10) }));
      await expect(setupOpenvino({ environment, from: file })).rejects.toMatchObject({
        code: 'FILE_MALFORMED',
        message: expect.stringContaining('made for another system') as string,
      });
    });
  },
);

/** Libraries that the CPU needs: enough to load, a third of the whole. */
const needed = ['libopenvino.so', 'libopenvino_c.so', 'libopenvino_ir_frontend.so', 'libtbb.so'];
const plugin = `libopenvino_${process.arch === 'arm64' ? 'arm' : 'intel'}_cpu_plugin.so`;

// What Intel's Linux archive looks like is known best, and its libraries are at hand in the wheel.
describe.skipIf(process.platform !== 'linux')('a runtime of real libraries [needs Linux]', () => {
  describeWithOpenvino('with OpenVINO', () => {
    let workshop: string;
    /** The unpacked archive, below `workshop`. */
    const top = `openvino_toolkit_ubuntu24_${OPENVINO_VERSION}.22982.07f9c262b05_x86_64`;
    const libFolder = path.join(top, 'runtime', 'lib', process.arch === 'arm64' ? 'aarch64' : 'intel64');
    const tbbFolder = path.join(top, 'runtime', '3rdparty', 'tbb', 'lib');
    let archive: Buffer;
    let archiveFile: string;

    /** Writes a library as the archive has it: no RPATH, the long version in its name, the short one a link. */
    async function putLibrary(source: string, folder: string): Promise<void> {
      const name = path.basename(source);
      const content = withoutRpath(await readFile(source));
      await mkdir(path.join(workshop, folder), { recursive: true });
      const [, stem, version] = /^(\w+\.so)(?:\.(\d+))?$/u.exec(name) ?? [];
      if (stem === undefined) throw new Error(`not a library: ${name}`);
      if (version === undefined) {
        await writeFile(path.join(workshop, folder, name), content);
        return;
      }
      const longName = `${stem}.${stem.startsWith('libopenvino') ? OPENVINO_VERSION : `${version}.13`}`;
      await writeFile(path.join(workshop, folder, longName), content);
      await symlink(longName, path.join(workshop, folder, name));
      await symlink(name, path.join(workshop, folder, stem));
    }

    beforeAll(async () => {
      workshop = await mkdtemp(path.join(tmpdir(), 'aipc-workshop-'));
      const real = path.dirname(findOpenvinoLibrary());
      const names = (await readdir(real)).filter(
        (name) => name === plugin || needed.includes(name.replace(/(\.so)\.\d+$/u, '$1')),
      );
      for (const name of names) {
        await putLibrary(path.join(real, name), name.startsWith('libtbb') ? tbbFolder : libFolder);
      }
      await mkdir(path.join(workshop, top, 'docs', 'licensing'), { recursive: true });
      await writeFile(path.join(workshop, top, 'docs', 'licensing', 'LICENSE'), 'Apache License');
      await mkdir(path.join(workshop, top, 'runtime', 'include', 'openvino', 'c'), { recursive: true });
      await writeFile(path.join(workshop, top, 'runtime', 'include', 'openvino', 'c', 'openvino.h'), '');
      await writeFile(path.join(workshop, top, 'setupvars.sh'), '');
      archiveFile = path.join(workshop, `${top}.tgz`);
      await create({ cwd: workshop, file: archiveFile, gzip: { level: 1 } }, [top]);
      archive = await readFile(archiveFile);
    });
    afterAll(() => rm(workshop, { recursive: true }));

    const installed = `openvino-${OPENVINO_VERSION}-${runsHere}`;

    it('comes from a mirror, resumed where the line broke, and is found and loaded', async () => {
      await serveArchive(archive, (request, response, nth) =>
        sendFile(request, response, {
          content: archive,
          ...(nth === 0 ? { cutAfterBytes: 5_000_000 } : {}),
        }),
      );
      const phases: string[] = [];
      const onProgress = ({ phase }: SetupProgress): void => {
        if (phases.at(-1) !== phase) phases.push(phase);
      };
      const result = await setupOpenvino({ environment, onProgress });
      expect(result).toMatchObject({ installed: true, version: OPENVINO_VERSION, others: [] });
      expect(result.devices).toContain('CPU');
      expect(phases).toEqual(['download', 'unpack', 'check']);
      expect(paths()).toEqual(['.sha256', '.tgz', '.tgz']);
      expect(mirror?.requests.at(-1)?.headers.range).toMatch(/^bytes=\d{6,}-$/u);
      expect(mirror?.requests[1]?.url).toMatch(new RegExp(`^/openvino/packages/${OPENVINO_VERSION}/linux/`, 'u'));

      const found = findOpenvinoLibrary(environment);
      expect(found).toBe(path.join(result.libraryFolder, 'libopenvino_c.so.2641'));
      expect(await probeRuntime(path.dirname(found), undefined)).toMatchObject({ version: OPENVINO_VERSION });
      expect(await readdir(path.join(result.folder, 'licenses'))).toEqual(['LICENSE']);
      expect(await readdir(path.join(cache, 'runtimes', 'downloads'))).toEqual([]);
      expect(await runtimes()).toEqual(['downloads', installed]);

      // The second time nothing is asked for.
      const again = await setupOpenvino({ environment });
      expect(again).toEqual({ ...result, installed: false, devices: null });
      expect(mirror?.requests).toHaveLength(3);

      // What was damaged since is put right.
      await truncate(found, 1000);
      expect(await setupOpenvino({ environment, from: archiveFile })).toMatchObject({ installed: true });
      expect(await probeRuntime(path.dirname(found), undefined)).toMatchObject({ version: OPENVINO_VERSION });

      expect(await removeOpenvino({ environment })).toMatchObject([{ version: OPENVINO_VERSION, isCurrent: true }]);
      expect(await runtimes()).toEqual([]);
      expect(await removeOpenvino({ environment })).toEqual([]);
      notFound();
    });

    it('comes from a folder, also over another one', async () => {
      await setupOpenvino({ environment, from: path.join(workshop, top) });
      const result = await setupOpenvino({
        environment,
        from: path.join(workshop, libFolder, '..', '..', '..'),
        force: true,
      });
      expect(result).toMatchObject({ installed: true, source: path.join(workshop, top) });
      expect(await runtimes()).toEqual([installed]);
    });

    it('comes from a wheel', async () => {
      const members: Record<string, Uint8Array> = {};
      for (const folder of [libFolder, tbbFolder]) {
        for (const entry of await readdir(path.join(workshop, folder), { withFileTypes: true })) {
          if (!/\.so\.\d+$|_plugin\.so$/u.test(entry.name)) continue;
          members[`openvino/libs/${entry.name}`] = await readFile(path.join(workshop, folder, entry.name));
        }
      }
      const record = Object.entries(members).map(
        ([name, content]) =>
          `${name},sha256=${createHash('sha256').update(content).digest('base64url')},${content.length}`,
      );
      const wheel = path.join(cache, 'openvino-any.whl');
      const dist = `openvino-${OPENVINO_VERSION}.dist-info`;
      await writeFile(wheel, zip({ ...members, [`${dist}/RECORD`]: Buffer.from(record.join('\n')) }, 0));
      expect(await setupOpenvino({ environment, from: wheel })).toMatchObject({ installed: true, source: wheel });
      expect(await installedOpenvinos(environment)).toHaveLength(1);
    });

    it('is checked against a checksum beside the file', async () => {
      const file = path.join(cache, path.basename(archiveFile));
      await copyFile(archiveFile, file);
      await writeFile(`${file}.sha256`, `${'0'.repeat(64)} *${path.basename(file)}`);
      await expect(setupOpenvino({ environment, from: file })).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    });

    it('of another version is refused, and taken where it is asked for, but not used by itself', async () => {
      const other = '2025.4.1';
      const folder = path.join(cache, 'other');
      await mkdir(folder);
      for (const source of [libFolder, tbbFolder]) {
        for (const name of await readdir(path.join(workshop, source))) {
          if (!/\.so\.\d+$|_plugin\.so$/u.test(name)) continue;
          const content = await readFile(path.join(workshop, source, name));
          if (name.startsWith('libopenvino.so')) replaceAll(content, `${OPENVINO_VERSION}-`, `${other}-`);
          await writeFile(path.join(folder, name), content);
        }
      }
      await expect(setupOpenvino({ environment, from: folder })).rejects.toMatchObject({
        code: 'RUNTIME_INCOMPATIBLE',
        message: expect.stringContaining(`is OpenVINO ${other}; this aipc is made for ${OPENVINO_VERSION}`) as string,
      });
      const result = await setupOpenvino({ environment, from: folder, version: other });
      expect(result).toMatchObject({ installed: true, version: other });
      notFound();
      expect(findOpenvinoLibrary({ ...environment, OPENVINO_LIB_DIR: result.libraryFolder })).toContain(other);
      expect(await installedOpenvinos(environment)).toMatchObject([{ version: other, isCurrent: false }]);
      expect(await removeOpenvino({ environment })).toHaveLength(1);
    });

    const module = new URL('./setup-openvino.js', import.meta.url).href;
    const startProcess = (): ReturnType<typeof spawn> =>
      spawn(
        process.execPath,
        [
          '--input-type=module',
          '-e',
          `const { setupOpenvino } = await import(${JSON.stringify(module)});
           const onProgress = ({ phase }) => console.log(phase);
           console.log((await setupOpenvino({ onProgress })).installed ? 'installed' : 'there');`,
        ],
        { env: { ...process.env, ...environment, OPENVINO_LIB_DIR: '' }, stdio: ['ignore', 'pipe', 'inherit'] },
      );

    it('is installed once by several processes', async () => {
      await serveArchive(archive);
      const ends = await Promise.all(
        Array.from({ length: 3 }, async () => {
          let output = '';
          for await (const chunk of startProcess().stdout ?? []) output += String(chunk);
          return output.trim().split('\n').at(-1);
        }),
      );
      expect(ends.sort()).toEqual(['installed', 'there', 'there']);
      expect(paths()).toEqual(['.sha256', '.tgz']);
      expect(await runtimes()).toEqual(['downloads', installed]);
    });

    it('survives being killed at any moment', async () => {
      await serveArchive(archive);
      for (const phase of ['download', 'unpack', 'check']) {
        const child = startProcess();
        for await (const chunk of child.stdout ?? []) {
          if (String(chunk).split('\n').includes(phase)) break;
        }
        child.kill('SIGKILL');
        notFound();
      }
      await setupOpenvino({ environment });
      expect(await runtimes()).toEqual(['downloads', installed]);
      expect(await probeRuntime(path.dirname(findOpenvinoLibrary(environment)), undefined)).toMatchObject({
        version: OPENVINO_VERSION,
      });
    });

    it('leaves nothing when it is interrupted', async () => {
      const controller = new AbortController();
      const reason = new Error('enough');
      const running = setupOpenvino({
        environment,
        from: archiveFile,
        signal: controller.signal,
        onProgress: ({ phase, doneBytes }) => {
          if (phase === 'unpack' && doneBytes !== null && doneBytes > 1_000_000) controller.abort(reason);
        },
      });
      await expect(running).rejects.toBe(reason);
      expect(await runtimes()).toEqual([]);
    });
  });
});

/** Intel's Linux archive has libraries without an RPATH, the wheel those with one: this makes the one into the other. */
function withoutRpath(library: Buffer): Buffer {
  replaceAll(library, '\0$ORIGIN\0', '\0/nowher\0');
  return library;
}

function replaceAll(bytes: Buffer, from: string, to: string): void {
  for (let at = bytes.indexOf(from); at !== -1; at = bytes.indexOf(from, at + 1)) bytes.write(to, at, 'latin1');
}
