import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CliUsageError } from './exit.js';
import { readPrompt, splitModelAndPrompt } from './prompt.js';

describe('model and prompt from the arguments', () => {
  beforeEach(() => vi.stubEnv('AIPC_MODEL', ''));
  afterEach(() => vi.unstubAllEnvs());

  it('takes both as given', () => {
    expect(splitModelAndPrompt('demo', 'Hello')).toEqual({ reference: 'demo', prompt: 'Hello' });
  });

  it('lists the models when none is named', () => {
    expect(() => splitModelAndPrompt(undefined, undefined)).toThrow(/phi-3-mini-4k .*demo /su);
  });

  it('takes the model from AIPC_MODEL and the one argument as the prompt', () => {
    vi.stubEnv('AIPC_MODEL', 'demo');
    expect(splitModelAndPrompt('Who are you?', undefined)).toEqual({ reference: 'demo', prompt: 'Who are you?' });
    expect(splitModelAndPrompt(undefined, undefined)).toEqual({ reference: 'demo', prompt: undefined });
  });

  it('prefers an argument that names a model over AIPC_MODEL', () => {
    vi.stubEnv('AIPC_MODEL', 'demo');
    expect(splitModelAndPrompt('smollm2-135m', undefined)).toEqual({ reference: 'smollm2-135m', prompt: undefined });
    expect(splitModelAndPrompt('smollm2-135m', 'Hi')).toEqual({ reference: 'smollm2-135m', prompt: 'Hi' });
  });
});

describe('reading a prompt', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-prompt-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('reads a UTF-8 file, with or without a byte order mark', async () => {
    const file = path.join(folder, 'prompt.txt');
    await writeFile(file, '\uFEFFGrüße שלום 🙂');
    await expect(readPrompt(undefined, file)).resolves.toBe('Grüße שלום 🙂');
  });

  it.each([
    ['UTF-8', Buffer.from('Grüße 🙂\r\nשלום\r\n')],
    ['UTF-8 with a byte order mark', Buffer.from('\uFEFFGrüße 🙂\r\nשלום\r\n')],
    ["UTF-16 of Windows PowerShell's redirection", Buffer.from('\uFEFFGrüße 🙂\r\nשלום\r\n', 'utf16le')],
    ['big-endian UTF-16', Buffer.from('\uFEFFGrüße 🙂\r\nשלום\r\n', 'utf16le').swap16()],
  ])('reads a file in %s, with its lines ended as the model knows them', async (_, bytes) => {
    const file = path.join(folder, 'prompt.txt');
    await writeFile(file, bytes);
    await expect(readPrompt(undefined, file)).resolves.toBe('Grüße 🙂\nשלום\n');
  });

  it.each(['nowhere', '.'])('says that %s cannot be read', async (name) => {
    const read = readPrompt(undefined, path.join(folder, name));
    await expect(read).rejects.toThrow(CliUsageError);
    await expect(read).rejects.toThrow(/cannot be read/u);
  });

  // Windows has no such file.
  it.skipIf(process.platform === 'win32')('does not read for ever what has no end', async () => {
    await expect(readPrompt(undefined, '/dev/zero')).rejects.toThrow(/more than 16777216 bytes/u);
  });

  it.each([
    ['UTF-16 without a byte order mark', Buffer.from('Hello', 'utf16le')],
    ['half a UTF-16 character', Buffer.from([0xff, 0xfe, 0x47, 0x00, 0x48])],
    ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x48, 0, 0, 0])],
    ["a code page's umlaut", Buffer.from([0x47, 0xfc])],
  ])('refuses %s, and says how to save it', async (_, bytes) => {
    const file = path.join(folder, 'prompt.txt');
    await writeFile(file, bytes);
    await expect(readPrompt(undefined, file)).rejects.toThrow(/neither UTF-8 nor UTF-16.*-Encoding utf8/u);
  });

  it('refuses bytes that are not UTF-8, an empty prompt and two prompts', async () => {
    const file = path.join(folder, 'latin1.txt');
    await writeFile(file, Buffer.from([0x47, 0xfc]));
    await expect(readPrompt(undefined, file)).rejects.toThrow(CliUsageError);
    await expect(readPrompt(' ', undefined)).rejects.toThrow('empty');
    await expect(readPrompt('a', file)).rejects.toThrow('exclude each other');
  });
});
