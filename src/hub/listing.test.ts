import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MAX_LISTING_PAGES } from './limits.js';
import { listRepo } from './listing.js';
import { hubSettings } from './settings.js';
import { serve } from '../download/testing/file-server.js';
import { testBytes } from './testing/hub-server.js';
import { REPO, scratchHub } from './testing/scratch-hub.js';

const hub = scratchHub({ entriesPerPage: 2 });
const list = (more: object = {}) => listRepo({ repo: REPO, settings: hub.settings, ...more });
const withToken = (HF_TOKEN: string) => ({ settings: hubSettings({ ...hub.environment, HF_TOKEN }) });

const small = { path: 'config.json', content: Buffer.from('{}') };
const large = { path: 'model.safetensors', content: testBytes(1000), lfs: true };

describe('listRepo', () => {
  it('names the commit, and each file with its size and hashes', async () => {
    const commit = hub.server.publish({ repo: REPO, files: [small, large] });
    const sha256 = createHash('sha256').update(large.content).digest('hex');
    const gitHash = createHash('sha1').update('blob 2\0{}').digest('hex');
    expect(await list()).toEqual({
      repo: REPO,
      revision: 'main',
      commit,
      files: [
        { path: small.path, sizeBytes: 2, sha256: null, gitHash },
        { path: large.path, sizeBytes: 1000, sha256, gitHash: expect.stringMatching(/^[0-9a-f]{40}$/u) as string },
      ],
    });
  });

  it('reads all pages, from the host of the settings even where they link to another', async () => {
    const files = Array.from({ length: 7 }, (_, index) => ({ ...small, path: `${index}.json` }));
    hub.server.publish({ repo: REPO, files });
    expect((await list()).files.map(({ path }) => path)).toEqual(files.map(({ path }) => path));
    expect(hub.server.requests.filter(({ url }) => url.includes('/tree/'))).toHaveLength(4);
  });

  it('asks for a branch, a tag with slashes, or a commit, which it need not look up', async () => {
    const main = hub.server.publish({ repo: REPO, files: [small] });
    const other = hub.server.publish({ repo: REPO, files: [large], branch: 'refs/pr/1' });
    expect((await list({ revision: 'refs/pr/1' })).commit).toBe(other);
    const before = hub.server.requests.length;
    expect((await list({ revision: main })).files).toHaveLength(1);
    expect(hub.server.requests).toHaveLength(before + 1);
  });

  it('does not ask where that is forbidden', async () => {
    const settings = hubSettings({ ...hub.environment, HF_HUB_OFFLINE: '1' });
    await expect(list({ settings })).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
    expect(hub.server.requests).toEqual([]);
  });
});

describe('a hub that refuses says why', () => {
  it('there is no such model', async () => {
    await expect(list()).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('There is no maker/tiny-model') as string,
    });
  });

  it('there is no such revision', async () => {
    hub.server.publish({ repo: REPO, files: [small] });
    await expect(list({ revision: 'v2' })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('no revision v2') as string,
    });
  });

  it('a private model needs a token, and is listed with one', async () => {
    hub.server.publish({ repo: REPO, files: [small], access: 'private' });
    await expect(list()).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('set HF_TOKEN') as string,
    });
    expect((await list(withToken(hub.server.token))).files).toHaveLength(1);
  });

  it('the token is no good', async () => {
    hub.server.publish({ repo: REPO, files: [small] });
    await expect(list(withToken('hf_old'))).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/does not accept the token/u) as string,
    });
  });
});

describe('a listing that no hub sends is refused', () => {
  const entry = { type: 'file', path: 'a', size: 1, oid: 'a'.repeat(40) };

  it.each<[string, unknown]>([
    ['a path that leads up', { ...entry, path: '../../etc/cron.d/x' }],
    ['an absolute path', { ...entry, path: '/etc/passwd' }],
    ['a path with NUL', { ...entry, path: 'a\0b' }],
    ['no path', { ...entry, path: 7 }],
    ['a negative size', { ...entry, size: -1 }],
    ['a size beyond all files', { ...entry, size: 2 ** 41 }],
    ['a hash that is a path', { ...entry, oid: '../../../../etc/passwd'.padEnd(40, 'x') }],
    ['a SHA-256 that is a path', { ...entry, lfs: { oid: '../'.repeat(22).slice(0, 64), size: 1 } }],
    ['no hash', { ...entry, oid: undefined }],
    ['an entry that is no object', 'a'],
  ])('%s', async (_name, hostile) => {
    hub.server.publish({ repo: REPO, files: [small], listing: [entry, hostile] });
    await expect(list()).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
  });

  it('the same path twice', async () => {
    hub.server.publish({ repo: REPO, files: [small], listing: [entry, entry, entry] });
    await expect(list()).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
  });

  it.each<[string, unknown, string]>([
    ['no commit', {}, 'FILE_MALFORMED'],
    ['a commit that is a path', { sha: '../../..' }, 'FILE_MALFORMED'],
    ['no JSON', undefined, 'FILE_MALFORMED'],
    ['more than anybody needs', { sha: 'a'.repeat(9 * 2 ** 20) }, 'FILE_LIMIT_EXCEEDED'],
  ])('%s', async (_name, answer, code) => {
    await using server = await serve((_request, response) =>
      response.end(answer === undefined ? '<html>' : JSON.stringify(answer)),
    );
    const settings = hubSettings({ ...hub.environment, HF_ENDPOINT: server.url('') });
    await expect(list({ settings })).rejects.toMatchObject({ code });
  });

  it('pages without end', async () => {
    await using server = await serve((_request, response, nth) => {
      response.writeHead(200, { link: `<?cursor=${nth}>; rel="next"` }).end('[]');
    });
    const settings = hubSettings({ ...hub.environment, HF_ENDPOINT: server.url('') });
    await expect(list({ settings, revision: 'a'.repeat(40) })).rejects.toMatchObject({ code: 'FILE_LIMIT_EXCEEDED' });
    expect(server.requests).toHaveLength(MAX_LISTING_PAGES);
  });

  it('files without end', async () => {
    const many = (nth: number) => Array.from({ length: 5_000 }, (_, index) => ({ ...entry, path: `${nth}-${index}` }));
    await using server = await serve((_request, response, nth) => {
      response.writeHead(200, { link: `<?cursor=${nth}>; rel="next"` }).end(JSON.stringify(many(nth)));
    });
    const settings = hubSettings({ ...hub.environment, HF_ENDPOINT: server.url('') });
    await expect(list({ settings, revision: 'a'.repeat(40) })).rejects.toMatchObject({ code: 'FILE_LIMIT_EXCEEDED' });
    expect(server.requests.length).toBeLessThan(10);
  });
});
