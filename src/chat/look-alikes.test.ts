import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChatMessage, PromptPiece } from './message.js';
import { createChatTemplate, type ChatTemplate } from './template.js';

const PHI_3 = [
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
];
const SMOLLM2 = [
  ...['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<repo_name>', '<reponame>', '<file_sep>', '<filename>'],
  ...['<gh_stars>', '<issue_start>', '<issue_comment>', '<issue_closed>', '<jupyter_start>', '<jupyter_text>'],
  ...['<jupyter_code>', '<jupyter_output>', '<jupyter_script>', '<empty_output>'],
];

/**
 * The control tokens that a tokenizer finds: leftmost, longest first, as Hugging Face's added tokens, in the pieces
 * as one text; a match that touches a 'text' piece is none, and the search goes on behind its first character.
 */
function controlTokensIn(pieces: readonly PromptPiece[], controlTokens: readonly string[]): string[] {
  const text = pieces.map((piece) => piece.text).join('');
  const mayParse = pieces.flatMap((piece) =>
    Array.from({ length: piece.text.length }, () => piece.specialTokens === 'parse'),
  );
  const longestFirst = [...controlTokens].sort((a, b) => b.length - a.length);
  const found: string[] = [];
  for (let at = 0; at < text.length;) {
    const match = longestFirst.find(
      (token) => text.startsWith(token, at) && mayParse.slice(at, at + token.length).every(Boolean),
    );
    if (match !== undefined) found.push(match);
    at += match?.length ?? 1;
  }
  return found;
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
  ['Phi-3', PHI_3],
  ['SmolLM2', SMOLLM2],
])("no text becomes one of %s's control tokens", (_, controlTokens) => {
  describe.each(Object.entries(TEMPLATES))('through a template: %s', (name, source) => {
    let template: ChatTemplate;
    beforeAll(() => {
      template = createChatTemplate({ source, controlTokens });
    });
    afterAll(() => template.dispose());

    it("whatever the text: the prompt has the template's control tokens, each in its place", async () => {
      const count = async (contents: readonly string[]) => {
        const messages = contents.map((content, i): ChatMessage => ({
          role: i % 2 === 0 ? 'user' : 'assistant',
          content,
        }));
        return controlTokensIn(await template.render(messages, { addGenerationPrompt: true }), controlTokens);
      };
      for (const token of controlTokens) {
        // Many to a conversation, since each render takes milliseconds; then in other orders, to meet other neighbours.
        const contents = lookAlikes(token);
        const neutral = await count(contents.map(() => 'neutral'));
        expect(await count(contents)).toEqual(neutral);
        expect(await count(contents.toReversed())).toEqual(neutral);
      }
      expect(name).toBeTruthy();
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
    expect(controlTokensIn(pieces, PHI_3)).toEqual(['<|user|>', '<|end|>']);
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
