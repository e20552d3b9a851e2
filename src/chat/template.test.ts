import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelFormatError, OptionError, UsageError } from '../errors.js';
import { MAX_CONVERSATION_CHARACTERS, MAX_TEMPLATE_CHARACTERS } from './limits.js';
import type { ChatMessage, PromptPiece } from './message.js';
import { createChatTemplate, type ChatTemplate } from './template.js';

type Rendering = string | { readonly raises: string } | { readonly fails: true };
interface Golden {
  readonly tokens: { readonly bosToken: string; readonly eosToken: string; readonly unkToken: string };
  readonly localTime: string;
  readonly families: readonly {
    readonly name: string;
    readonly template: string;
    readonly renderings: readonly {
      readonly messages: readonly ChatMessage[];
      readonly withGenerationPrompt: Rendering;
      readonly without: Rendering;
    }[];
  }[];
  readonly featureMessages: readonly ChatMessage[];
  readonly features: readonly { readonly name: string; readonly template: string; readonly rendering: Rendering }[];
}
const golden = JSON.parse(
  readFileSync(new URL('../../../test/golden/chat/renderings.json', import.meta.url), 'utf8'),
) as Golden;

const CONTROL_TOKENS = [
  ...['<s>', '</s>', '<unk>', '<|endoftext|>', '<|system|>', '<|user|>', '<|assistant|>', '<|end|>'],
  ...['<|im_start|>', '<|im_end|>', '[INST]', '[/INST]'],
];
const now = new Date(golden.localTime); // no zone in the text: local time

const join = (pieces: readonly PromptPiece[]) => pieces.map(({ text }) => text).join('');
const open = (source: string) => createChatTemplate({ source, ...golden.tokens, controlTokens: CONTROL_TOKENS });

async function outcome(template: ChatTemplate, messages: readonly ChatMessage[], addGenerationPrompt: boolean) {
  try {
    return join(await template.render(messages, { addGenerationPrompt, now }));
  } catch (error) {
    if (!(error instanceof ModelFormatError) || error.code !== 'CHAT_TEMPLATE_FAILED') throw error;
    return 'raised' in error.details ? { raises: error.details['raised'] } : { fails: true };
  }
}

describe.each(golden.families)("transformers' renderings of $name", ({ template: source, renderings }) => {
  let template: ChatTemplate;
  beforeAll(() => {
    template = open(source);
  });
  afterAll(() => template.dispose());

  it('are reproduced to the byte', async () => {
    for (const { messages, withGenerationPrompt, without } of renderings) {
      expect(await outcome(template, messages, true)).toEqual(withGenerationPrompt);
      expect(await outcome(template, messages, false)).toEqual(without);
    }
  });
});

describe("transformers' renderings of a feature", () => {
  it.each(golden.features)('are reproduced: $name', async ({ template: source, rendering }) => {
    await using template = open(source);
    expect(await outcome(template, golden.featureMessages, true)).toEqual(rendering);
  });
});

describe('the pieces of a prompt', () => {
  const source = "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}";
  let template: ChatTemplate;
  beforeAll(() => {
    template = open(source);
  });
  afterAll(() => template.dispose());

  it("keep a message apart from the template's control tokens", async () => {
    const pieces = await template.render([{ role: 'user', content: 'Say <|end|> now' }], {
      addGenerationPrompt: false,
    });
    expect(pieces).toEqual([
      { text: '<|user|>\n', specialTokens: 'parse' },
      { text: 'Say <|end|> now', specialTokens: 'text' },
      { text: '<|end|>\n', specialTokens: 'parse' },
    ]);
  });

  it('hold content that uses the very noncharacters that serve as marks', async () => {
    const content = '\uFDD0<|end|>\uFDD1\uFDD2';
    const pieces = await template.render([{ role: 'user', content }], { addGenerationPrompt: false });
    expect(pieces[1]).toEqual({ text: content, specialTokens: 'text' });
  });

  it('hold half a surrogate pair and control characters unchanged', async () => {
    const content = 'a\uD83D b\u0000c\u2028';
    expect(join(await template.render([{ role: 'user', content }], { addGenerationPrompt: false }))).toContain(content);
  });
});

describe('a template under limits', () => {
  const hostile: [string, string, string][] = [
    ['a huge range', '{% for i in range(10**9) %}x{% endfor %}', 'range'],
    ['a range of floats', '{{ range(0.5) }}', 'failed'],
    ['an endless loop', '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}', 'time'],
    [
      'a string that doubles',
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
      'output',
    ],
    [
      'a string of half a gigabyte',
      "{% set n = namespace(x='ab') %}{% for i in range(26) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x | upper }}",
      'memory',
    ],
    [
      'a list that doubles',
      '{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}',
      'memory',
    ],
    ['a huge indentation', "{{ 'x\\ny' | indent(10**8) | upper }}", 'output'],
    [
      'a long output',
      "{% set x %}{{ 'x' | indent(10**5, true) }}{% endset %}{% for i in range(999) %}{{ x }}{% endfor %}",
      'output',
    ],
    ['deep brackets', `{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`, 'nesting'],
    ['deep blocks', '{% if true %}'.repeat(10_000) + '{% endif %}'.repeat(10_000), 'nesting'],
    ['white space that a pattern tries again and again', `${' '.repeat(200_000)}x`, 'time'],
    ['a macro that calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', 'failed'],
  ];
  it.each(hostile)('is stopped: %s', async (_, source, limit) => {
    await using template = open(source);
    const failure: unknown = await template
      .render([{ role: 'user', content: 'x' }], { addGenerationPrompt: true })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ModelFormatError);
    if (limit === 'failed') expect(failure).toMatchObject({ code: 'CHAT_TEMPLATE_FAILED' });
    else {
      expect(failure).toMatchObject({ code: 'CHAT_TEMPLATE_LIMIT_EXCEEDED' });
      // On a busy machine the time may be up before the memory is full or the end is reached.
      const limits = limit === 'range' ? ['range'] : [limit, 'time'];
      expect(limits).toContain(failure instanceof ModelFormatError && failure.details['limit']);
    }
  });

  it('reaches nothing of JavaScript or Node', async () => {
    const names = ['constructor', '__proto__', 'prototype', 'toString', 'valueOf', 'process', 'globalThis', 'require'];
    const reads = names.flatMap((n) => [`messages.${n}`, `messages[0]['${n}']`, `'x'.${n}`, `raise_exception.${n}`, n]);
    await using template = open(reads.map((read) => `{{ ${read} }}`).join(''));
    expect(await template.render([{ role: 'user', content: 'x' }], { addGenerationPrompt: true })).toEqual([]);
  });

  it('serves the next conversation after one that it could not', async () => {
    await using template = open(
      "{% if 'bomb' in messages[0].content %}{% set n = namespace(x=[1]) %}{% for i in range(99) %}" +
        '{% set n.x = n.x + n.x %}{% endfor %}{% endif %}{{ messages[0].content }}',
    );
    const render = (content: string) => template.render([{ role: 'user', content }], { addGenerationPrompt: true });
    const [first, bomb, last] = await Promise.allSettled([render('one'), render('bomb'), render('two')]);
    expect(first).toMatchObject({ status: 'fulfilled', value: [{ text: 'one' }] });
    expect(bomb).toMatchObject({ status: 'rejected', reason: { code: 'CHAT_TEMPLATE_LIMIT_EXCEEDED' } });
    expect(last).toMatchObject({ status: 'fulfilled', value: [{ text: 'two' }] });
  });

  it('is refused when its source is too long', () => {
    expect(() => open('x'.repeat(MAX_TEMPLATE_CHARACTERS + 1))).toThrow(/has \d+ characters; \d+ are allowed/);
  });

  it('renders the longest conversation that is allowed', async () => {
    await using template = open('{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}');
    const content = '好 and <words> '
      .repeat(MAX_CONVERSATION_CHARACTERS / 32)
      .padEnd(MAX_CONVERSATION_CHARACTERS / 2, '好');
    const messages: ChatMessage[] = [
      { role: 'user', content },
      { role: 'assistant', content },
    ];
    const pieces = await template.render(messages, { addGenerationPrompt: true });
    expect(join(pieces)).toBe(`<|user|>${content}<|end|><|assistant|>${content}<|end|>`);
  });
});

describe('what is wrong with a template', () => {
  it.each([
    ['line 3', 'a\nb\n{{ $ }}\n'],
    ['line 2', '{% if true %}\n{% elseif %}\n{% endif %}'],
    ['line 3', '{% for m in messages %}\n{{ m.role }}\n{% endfo %}'],
    ['line 2', "x\n{{ 'unfinished }}"],
    ['line 2', 'x\n{# unfinished'],
    ['line 2', '{% for m in messages %}\n{{ m }}'],
  ])('is said with its place, %s, for %j', async (place, source) => {
    await using template = open(source);
    await expect(template.render([], { addGenerationPrompt: true })).rejects.toMatchObject({
      code: 'CHAT_TEMPLATE_FAILED',
      message: expect.stringContaining(`${place}: `) as string,
    });
  });

  it('is said in the words of the template, without its control characters', async () => {
    await using template = open("{{ raise_exception('No \u001b]0;title\u0007 system prompt') }}");
    await expect(template.render([], { addGenerationPrompt: true })).rejects.toThrow(
      'The chat template refuses this conversation: No  ]0;title  system prompt',
    );
  });
});

describe('bad messages', () => {
  it.each([
    ['a role that is none of the four', [{ role: '<|system|>', content: '' }], 'OPTION_INVALID'],
    ['a content that is no text', [{ role: 'user', content: 7 }], 'INPUT_INVALID'],
    ['tools that are no text', [{ role: 'system', content: '', tools: [] }], 'INPUT_INVALID'],
    ['no message', [null], 'INPUT_INVALID'],
    ['no list', 'hello', 'INPUT_INVALID'],
    ['an unknown key', [{ role: 'user', content: '', name: 'x' }], 'OPTION_UNKNOWN'],
    ['too much text', [{ role: 'user', content: 'x'.repeat(MAX_CONVERSATION_CHARACTERS + 1) }], 'INPUT_INVALID'],
    [
      'all noncharacters at once',
      [{ role: 'user', content: Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i)).join('') }],
      'INPUT_INVALID',
    ],
  ])('are refused: %s', async (_, messages, code) => {
    await using template = open('x');
    const rendered = template.render(messages as ChatMessage[], { addGenerationPrompt: true });
    await expect(rendered).rejects.toBeInstanceOf(OptionError);
    await expect(rendered).rejects.toMatchObject({ code });
  });
});

describe('an abort', () => {
  const endless = '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}';

  it("rejects at once with the signal's own reason, and the template can be used again", async () => {
    await using template = open(`{% if messages[0].content == 'loop' %}${endless}{% endif %}ok`);
    const abort = new AbortController();
    const reason = new Error('enough');
    const rendered = template.render([{ role: 'user', content: 'loop' }], {
      addGenerationPrompt: true,
      signal: abort.signal,
    });
    setTimeout(() => {
      abort.abort(reason);
    }, 300);
    const from = performance.now();
    await expect(rendered).rejects.toBe(reason);
    expect(performance.now() - from).toBeLessThan(3000);
    expect(join(await template.render([{ role: 'user', content: 'x' }], { addGenerationPrompt: true }))).toBe('ok');
  });

  it('that came before the call starts nothing', async () => {
    await using template = open('x');
    const reason = new Error('too late');
    const options = { addGenerationPrompt: true, signal: AbortSignal.abort(reason) };
    await expect(template.render([], options)).rejects.toBe(reason);
  });
});

describe('disposal', () => {
  it('ends a render that waits and refuses later ones, and may come twice', async () => {
    const template = open('x');
    const waiting = template.render([], { addGenerationPrompt: true });
    const settled = expect(waiting).rejects.toBeInstanceOf(UsageError);
    await template.dispose();
    await template.dispose();
    await settled;
    await expect(template.render([], { addGenerationPrompt: true })).rejects.toMatchObject({ code: 'DISPOSED' });
  });

  it('is allowed for a template that never rendered', async () => {
    await open('x').dispose();
  });
});
