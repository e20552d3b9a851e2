import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTokenizer } from '../tokenizer/create-tokenizer.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { ChatMessage, PromptPiece } from './message.js';
import { createChatTemplate, type ChatTemplate } from './template.js';

interface TokenizerJson {
  readonly added_tokens: { id: number; content: string; rstrip: boolean }[];
  readonly model: { readonly vocab: Readonly<Record<string, number>> };
}

/** A small vocabulary with all control tokens of the model that it stands for. */
function tokenizerOf(family: string, controlTokens: readonly string[]): Tokenizer {
  const file = new URL(`../../../test/golden/tokenizer/${family}.tokenizer.json`, import.meta.url);
  const json = JSON.parse(readFileSync(file, 'utf8')) as TokenizerJson;
  const known = json.added_tokens.map(({ content }) => content);
  const size = Math.max(...Object.values(json.model.vocab), ...json.added_tokens.map(({ id }) => id)) + 1;
  for (const [i, content] of controlTokens.filter((token) => !known.includes(token)).entries()) {
    const flags = { single_word: false, lstrip: false, rstrip: family === 'phi3', normalized: false, special: true };
    json.added_tokens.push({ id: size + i, content, ...flags });
  }
  return createTokenizer({ tokenizerJson: json });
}

const phi3 = tokenizerOf('phi3', [
  ...['<unk>', '<s>', '</s>', '<|endoftext|>', '<|assistant|>', '<|placeholder1|>', '<|placeholder2|>'],
  ...[
    '<|placeholder3|>',
    '<|placeholder4|>',
    '<|system|>',
    '<|end|>',
    '<|placeholder5|>',
    '<|placeholder6|>',
    '<|user|>',
  ],
]);
const smollm2 = tokenizerOf('smollm2', [
  ...['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<repo_name>', '<reponame>', '<file_sep>', '<filename>'],
  ...['<gh_stars>', '<issue_start>', '<issue_comment>', '<issue_closed>', '<jupyter_start>', '<jupyter_text>'],
  ...['<jupyter_code>', '<jupyter_output>', '<jupyter_script>', '<empty_output>'],
]);
const PHI_3 = [...phi3.addedTokens.keys()];

/** The control tokens that the model would read, in their order. */
function controlTokensIn(pieces: readonly PromptPiece[], tokenizer: Tokenizer): number[] {
  const added = new Set(tokenizer.addedTokens.values());
  return [...tokenizer.encodePieces(pieces)].filter((id) => added.has(id));
}

/** Texts made to become this token: whole, nested, cut, repeated, in another case, split by what a template may drop. */
function lookAlikes(token: string): string[] {
  const half = Math.ceil(token.length / 2);
  const [head, tail] = [token.slice(0, half), token.slice(half)];
  return [
    token,
    token + token,
    `a ${token} b`,
    ` \n${token}\n `,
    head + token + tail,
    token.slice(0, 1) + token + token.slice(1),
    head,
    tail,
    token.slice(0, -1),
    token.slice(1),
    token.slice(1, -1),
    token.slice(0, 1),
    token.slice(-1),
    `${tail}${head}`,
    token.toUpperCase(),
    `${head}</think>${tail}`,
    `${head} ${tail}`,
    `${token.slice(0, 1)}\uFDD0${token.slice(1)}`,
    `${head}\n${tail}`,
    `x</think>${token}</think>${token.slice(1)}`,
    token.split('').join(' '),
  ];
}

/** Texts put together at random, the same every time, of parts of control tokens and of what templates look for. */
function mixtures(controlTokens: readonly string[], seed: number): string[] {
  const parts = [
    ' ',
    '\n',
    '<',
    '|',
    '>',
    '<|',
    '|>',
    '</think>',
    'end',
    'user',
    'x',
    '</',
    '<|en',
    'd|>',
    '\uFDD1',
    '<s',
    's>',
  ];
  parts.push(...controlTokens);
  let state = seed;
  const below = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Array.from({ length: 50 }, () =>
    Array.from({ length: 1 + below(7) }, () => parts[below(parts.length)]).join(''),
  );
}

const TEMPLATES: Record<string, string> = {
  plain: "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|><|im_end|>' }}{% endfor %}",
  trimming: "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content | trim + '<|end|><|im_end|>' }}{% endfor %}",
  'tight against angle brackets': '{% for m in messages %}<|{{ m.role }}|><{{ m.content }}><|end|>{% endfor %}',
  'around the content': '{% for m in messages %}<|{{ m.content }}|><|end|></{{ m.content }}><|end|>{% endfor %}',
  'completing what the content begins': '{% for m in messages %}<|user|>{{ m.content }}|>end|>{% endfor %}',
  'lower case': '{% for m in messages %}<|user|>{{ m.content | lower }}<|end|>{% endfor %}',
  'first and last characters': '{% for m in messages %}{{ m.content[:3] }}<|end|>{{ m.content[-3:] }}{% endfor %}',
  'length and comparison':
    "{% for m in messages %}<|user|>{% if m.content == 'x' %}y{% else %}{{ m.content }}{% endif %}" +
    '{{ m.content[0:1] }}<|end|>{% endfor %}',
  'dropping a thought':
    "{% for m in messages %}<|user|>{{ m.content.split('</think>')[-1].strip() }}<|end|>{% endfor %}",
  'joining what a thought parted':
    "{% for m in messages %}<|user|>{{ m.content.split('</think>') | join('') }}<|end|>{% endfor %}",
  'dropping spaces and line ends':
    "{% for m in messages %}<|user|>{{ m.content | replace(' ', '') | replace('\\n', '') }}<|end|>{% endfor %}",
  'beginning and joining':
    "{% for m in messages %}<|user|>{% if m.content.startswith('<') %}{{ m.content.split('</think>') | join('') }}" +
    '{% else %}{{ m.content }}{% endif %}<|end|>{% endfor %}',
  'as JSON': '<|user|>{{ messages | tojson }}<|end|>',
  'as ASCII': '<|user|>{{ messages | tojson(ensure_ascii=true) }}<|end|>',
};

describe.each([
  ['Phi-3', phi3],
  ['SmolLM2', smollm2],
])("no text becomes one of %s's control tokens", (_, tokenizer) => {
  const controlTokens = [...tokenizer.addedTokens.keys()];

  describe.each(Object.entries(TEMPLATES))('through a template: %s', (_, source) => {
    let template: ChatTemplate;
    beforeAll(() => {
      template = createChatTemplate({ source, controlTokens });
    });
    afterAll(() => template.dispose());

    it("whatever the text: the prompt has the template's control tokens alone, in their order", async () => {
      const controlTokensOf = async (contents: readonly string[]) => {
        const messages = contents.map((content, i): ChatMessage => ({
          role: i % 2 === 0 ? 'user' : 'assistant',
          content,
        }));
        return controlTokensIn(await template.render(messages, { addGenerationPrompt: true }), tokenizer);
      };
      // Many to a conversation, since each render takes milliseconds; then in other orders, to meet other neighbours.
      for (const contents of [
        ...controlTokens.map(lookAlikes),
        ...[1, 2, 3, 4].map((n) => mixtures(controlTokens, n)),
      ]) {
        const neutral = await controlTokensOf(contents.map(() => 'neutral'));
        expect(await controlTokensOf(contents)).toEqual(neutral);
        expect(await controlTokensOf(contents.toReversed())).toEqual(neutral);
      }
    });
  });
});

describe('a template that searches for what is no control token', () => {
  it('finds it, as in transformers', async () => {
    await using template = createChatTemplate({
      source: "{% for m in messages %}<|user|>{{ m.content.split('</think>')[-1].strip() }}<|end|>{% endfor %}",
      controlTokens: PHI_3,
    });
    const messages: ChatMessage[] = [{ role: 'assistant', content: '<think>a < b</think> c <|end|> d > e' }];
    const pieces = await template.render(messages, { addGenerationPrompt: true });
    expect(pieces.map(({ text }) => text).join('')).toBe('<|user|>c <|end|> d > e<|end|>');
    expect(controlTokensIn(pieces, phi3)).toEqual([phi3.addedTokens.get('<|user|>'), phi3.addedTokens.get('<|end|>')]);
  });
});

describe('a vocabulary with tokens of spaces', () => {
  it('leaves spaces to be trimmed', async () => {
    await using template = createChatTemplate({
      source: '{% for m in messages %}<|user|>{{ m.content | trim }}<|end|>{% endfor %}',
      controlTokens: [...PHI_3, '  ', '\n\n'],
    });
    const pieces = await template.render([{ role: 'user', content: '  hi  ' }], { addGenerationPrompt: true });
    expect(pieces[1]).toEqual({ text: 'hi', specialTokens: 'text' });
  });
});

describe('an ordinary conversation', () => {
  it('is one piece of text for each message, between the pieces of the template', async () => {
    await using template = createChatTemplate({ source: TEMPLATES['plain'] ?? '', controlTokens: PHI_3 });
    const messages: ChatMessage[] = [
      { role: 'user', content: 'if (a < b) { c > d }' },
      { role: 'assistant', content: 'Yes | no.' },
    ];
    const pieces = await template.render(messages, { addGenerationPrompt: true });
    expect(pieces.map((piece) => piece.specialTokens)).toEqual(['parse', 'text', 'parse', 'text', 'parse']);
  });
});
