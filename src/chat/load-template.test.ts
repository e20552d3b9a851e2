import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_TEMPLATE_FILE_BYTES } from './limits.js';
import { loadChatTemplate, readChatTemplate } from './load-template.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aipc-chat-'));
});
afterEach(() => rm(folder, { recursive: true }));

const put = (file: string, content: unknown) =>
  writeFile(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content));

describe("a model folder's chat template", () => {
  it('is read from tokenizer_config.json with the special tokens, written either way', async () => {
    await put('tokenizer_config.json', {
      chat_template: 'a template',
      bos_token: '<s>',
      eos_token: { content: '<|endoftext|>', special: true },
      unk_token: null,
    });
    expect(await readChatTemplate(folder)).toEqual({
      source: 'a template',
      bosToken: '<s>',
      eosToken: '<|endoftext|>',
    });
  });

  it("is the one named 'default' of a list, or the only one", async () => {
    const tools = { name: 'tool_use', template: 'tools' };
    await put('tokenizer_config.json', { chat_template: [tools, { name: 'default', template: 'chat' }] });
    expect((await readChatTemplate(folder)).source).toBe('chat');
    await put('tokenizer_config.json', { chat_template: [tools] });
    expect((await readChatTemplate(folder)).source).toBe('tools');
  });

  it('is chat_template.jinja before the others, as in transformers', async () => {
    await put('tokenizer_config.json', { chat_template: 'config', eos_token: '</s>' });
    await put('chat_template.json', { chat_template: 'old' });
    await put('chat_template.jinja', '\uFEFFfile');
    expect(await readChatTemplate(folder)).toEqual({ source: 'file', eosToken: '</s>' });
  });

  it('is chat_template.json where there is nothing else', async () => {
    await put('chat_template.json', { chat_template: 'old' });
    expect(await readChatTemplate(folder)).toEqual({ source: 'old' });
  });

  it('renders', async () => {
    await put('tokenizer_config.json', {
      chat_template: '{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}',
      eos_token: '</s>',
    });
    await using template = await loadChatTemplate(folder, { controlTokens: ['</s>'] });
    const pieces = await template.render([{ role: 'user', content: 'Hi' }], { addGenerationPrompt: true });
    expect(pieces).toEqual([
      { text: 'Hi', specialTokens: 'text' },
      { text: '</s>', specialTokens: 'parse' },
    ]);
  });

  it('is missed in words that name the folder and the way without it', async () => {
    await put('tokenizer_config.json', { bos_token: '<s>' });
    await expect(readChatTemplate(folder)).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringMatching(/has no chat template.*raw prompts.*--raw/s) as string,
    });
  });

  it.each([
    ['that is no JSON', '{"chat_template": ', 'FILE_MALFORMED'],
    ['that holds a list', [], 'FILE_MALFORMED'],
    ['with a template that is a number', { chat_template: 7 }, 'FILE_MALFORMED'],
    [
      'with several templates and no default',
      {
        chat_template: [
          { name: 'a', template: '' },
          { name: 'b', template: '' },
        ],
      },
      'FILE_MALFORMED',
    ],
    ['with a token that is a number', { chat_template: '', bos_token: 1 }, 'FILE_MALFORMED'],
  ])('is refused from a file %s', async (_, content, code) => {
    await put('tokenizer_config.json', content);
    await expect(readChatTemplate(folder)).rejects.toMatchObject({ code });
  });

  it('is refused from a file that is too large, without reading it', async () => {
    await put('tokenizer_config.json', '');
    await truncate(join(folder, 'tokenizer_config.json'), MAX_TEMPLATE_FILE_BYTES + 1);
    await expect(readChatTemplate(folder)).rejects.toMatchObject({ code: 'FILE_LIMIT_EXCEEDED' });
  });
});
