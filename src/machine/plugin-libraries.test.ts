import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { askPlugins } from './ask-runtimes.js';
import { detectDevices } from './detect-devices.js';
import { checkPluginLibraries, requirePlugins } from './plugin-libraries.js';

describe('libraries of plug-ins', () => {
  it.each([
    { cuda: '/a.so' },
    { OpenVINO: '/a.so' },
    { 'a b': '/a.so' },
    { 'a:b': '/a.so' },
    { A: '/a.so', a: '/b.so' },
    { A: '' },
    Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`P${index}`, '/a.so'])),
  ])('are refused as %j', (given) => {
    expect(() => checkPluginLibraries('test', given as Record<string, string>)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }) as Error,
    );
  });

  it('are asked in a process of their own, and an error names one that is not there or no plug-in', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'aipc-plugins-'));
    try {
      const text = path.join(folder, 'text.so');
      await writeFile(text, 'no library');
      await expect(detectDevices({ epLibraries: { Mine: path.join(folder, 'none.so') } })).rejects.toMatchObject({
        code: 'RUNTIME_LIBRARY_NOT_FOUND',
        message: expect.stringMatching(/Mine.*none\.so/u) as string,
      });
      const asked = await askPlugins(checkPluginLibraries('test', { Text: text }), undefined);
      expect(() => requirePlugins(asked)).toThrow(
        expect.objectContaining({ code: 'RUNTIME_INCOMPATIBLE', details: { provider: 'Text', file: text } }) as Error,
      );
    } finally {
      await rm(folder, { recursive: true, maxRetries: 5 });
    }
  });

  it('that end the process are an error that says how', () => {
    const answer = { problem: 'The plug-in Mine: the process ended with SIGSEGV.', code: null };
    expect(() => requirePlugins([{ name: 'Mine', library: '/mine.so', answer }])).toThrow(
      expect.objectContaining({ code: 'RUNTIME_FAILED', message: answer.problem }) as Error,
    );
  });
});
