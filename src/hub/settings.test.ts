import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hubSettings } from './settings.js';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'aipc-hub-home-'));
});
afterEach(() => rm(home, { recursive: true }));

const homeVariable = process.platform === 'win32' ? 'USERPROFILE' : 'HOME';

describe('the cache', () => {
  const cacheOf = (more: Record<string, string>): string =>
    path.relative(home, hubSettings({ [homeVariable]: home, ...more }).cacheFolder);

  it.each<[string, Record<string, string>, string]>([
    ['lies where Python tools have it', {}, '.cache/huggingface/hub'],
    ['follows XDG_CACHE_HOME', { XDG_CACHE_HOME: '~/xdg' }, 'xdg/huggingface/hub'],
    ['follows HF_HOME', { HF_HOME: '~/hf' }, 'hf/hub'],
    ['follows HF_HUB_CACHE first', { HF_HOME: '~/hf', HF_HUB_CACHE: '~/cache' }, 'cache'],
    ['follows the older name', { HUGGINGFACE_HUB_CACHE: '~/old' }, 'old'],
    ['takes names of variables', { DISK: '~', HF_HOME: '~/${NAME}/$NAME', NAME: 'n' }, 'n/n/hub'],
    ['ignores what is empty', { HF_HOME: '', HF_HUB_CACHE: '' }, '.cache/huggingface/hub'],
  ])('%s', (_name, environment, expected) => {
    expect(cacheOf(environment)).toBe(path.normalize(expected));
  });
});

describe('the endpoint', () => {
  it('is huggingface.co unless another is set, with a path or without', () => {
    expect(hubSettings({}).endpoint.href).toBe('https://huggingface.co/');
    expect(hubSettings({ HF_ENDPOINT: 'https://mirror.example/api/hf/' }).endpoint.href).toBe(
      'https://mirror.example/api/hf',
    );
  });

  it.each(['mirror.example', 'file:///etc', ''])('%j', (HF_ENDPOINT) => {
    if (HF_ENDPOINT === '') expect(hubSettings({ HF_ENDPOINT }).endpoint.host).toBe('huggingface.co');
    else expect(() => hubSettings({ HF_ENDPOINT })).toThrow(/HF_ENDPOINT must begin with/u);
  });
});

describe('the token', () => {
  it('comes from the environment, then from where `hf auth login` puts it', async () => {
    const environment = { HF_HOME: home };
    expect(hubSettings(environment).token).toBe(null);
    await writeFile(path.join(home, 'token'), 'hf_file\n');
    expect(hubSettings(environment).token).toBe('hf_file');
    await writeFile(path.join(home, 'other'), 'hf_other');
    expect(hubSettings({ ...environment, HF_TOKEN_PATH: path.join(home, 'other') }).token).toBe('hf_other');
    expect(hubSettings({ ...environment, HF_TOKEN: ' hf_variable ' }).token).toBe('hf_variable');
  });

  it('is not sent unasked where HF_HUB_DISABLE_IMPLICIT_TOKEN says so', () => {
    expect(hubSettings({ HF_TOKEN: 'hf_x', HF_HUB_DISABLE_IMPLICIT_TOKEN: 'yes' }).token).toBe(null);
  });

  it('is refused where it could not be sent, without being shown', () => {
    expect(() => hubSettings({ HF_TOKEN: 'hf_se\ncret' })).toThrow(/HF_TOKEN holds no token/u);
    expect(() => hubSettings({ HF_TOKEN: 'hf_se\ncret' })).not.toThrow(/cret/u);
  });
});

it.each([
  ['1', true],
  ['true', true],
  ['on', true],
  ['0', false],
  ['', false],
])('HF_HUB_OFFLINE=%s means offline: %s', (value, expected) => {
  expect(hubSettings({ HF_HUB_OFFLINE: value }).offline).toBe(expected);
});
