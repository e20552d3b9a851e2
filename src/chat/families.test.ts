/**
 * Each family's published template and all of its added tokens: whoever types one, in whatever message, the model reads
 * the template's own control tokens and no others.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTokenizer } from '../tokenizer/create-tokenizer.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { ChatMessage } from './message.js';
import { createChatTemplate, type ChatTemplate } from './template.js';

const goldenFile = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../test/golden/${name}`, import.meta.url), 'utf8')) as unknown;

const { families: TEMPLATES } = goldenFile('chat/renderings.json') as {
  readonly families: readonly { readonly name: string; readonly template: string }[];
};

interface Family {
  readonly name: string;
  /** Of renderings.json. */
  readonly templates: readonly string[];
  /** In test/golden/tokenizer. */
  readonly vocabulary: string;
  /** All added tokens of the published tokenizer.json, in the order of their ids. */
  readonly addedTokens: readonly string[];
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

const numbered = (name: string, from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `<|${name}${from + i}|>`);

const FAMILIES: readonly Family[] = [
  {
    name: 'Phi-3 and Phi-3.5',
    templates: ['phi-3-mini-2024-04', 'phi-3-mini-2024-07', 'phi-3.5-mini', 'phi-3-medium'],
    vocabulary: 'phi3',
    addedTokens: [
      ...['<unk>', '<s>', '</s>', '<|endoftext|>', '<|assistant|>'],
      ...[...numbered('placeholder', 1, 4), '<|system|>', '<|end|>', ...numbered('placeholder', 5, 6), '<|user|>'],
    ],
    lstrip: false,
    rstrip: true,
  },
  {
    name: 'Phi-4-mini',
    templates: ['phi-4-mini'],
    vocabulary: 'phi4mini',
    addedTokens: [
      ...['<|endoftext|>', '<|endofprompt|>', '<|assistant|>', '<|end|>', '<|user|>', '<|system|>', '<|tool|>'],
      ...['<|/tool|>', '<|tool_call|>', '<|/tool_call|>', '<|tool_response|>', '<|tag|>'],
    ],
    lstrip: false,
    rstrip: true,
  },
  {
    name: 'phi-4',
    templates: ['phi-4-2024-12', 'phi-4'],
    vocabulary: 'phi4',
    addedTokens: [
      ...['<|dummy_0|>', '<|endoftext|>', '<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>'],
      ...[...numbered('dummy_', 1, 3), '<|im_start|>', '<|im_end|>', '<|im_sep|>', ...numbered('dummy_', 4, 12)],
      ...['<|endofprompt|>', ...numbered('dummy_', 13, 87)],
    ],
    lstrip: true,
    rstrip: true,
  },
  {
    name: 'SmolLM2',
    templates: ['smollm2'],
    vocabulary: 'smollm2',
    addedTokens: [
      ...['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<repo_name>', '<reponame>', '<file_sep>', '<filename>'],
      ...['<gh_stars>', '<issue_start>', '<issue_comment>', '<issue_closed>', '<jupyter_start>', '<jupyter_text>'],
      ...['<jupyter_code>', '<jupyter_output>', '<jupyter_script>', '<empty_output>'],
    ],
    lstrip: false,
    rstrip: false,
  },
];

/** The small vocabulary with the family's added tokens. */
function tokenizerOf({ vocabulary, addedTokens, lstrip, rstrip }: Family): Tokenizer {
  const json = goldenFile(`tokenizer/${vocabulary}.tokenizer.json`) as {
    added_tokens: { id: number; content: string }[];
    readonly model: { readonly vocab: Record<string, number> };
  };
  const ids = new Map(json.added_tokens.map(({ id, content }) => [content, id]));
  let next = Math.max(...Object.values(json.model.vocab), ...ids.values()) + 1;
  json.added_tokens = addedTokens.map((content) => ({
    id: ids.get(content) ?? json.model.vocab[content] ?? next++,
    content,
    ...{ single_word: false, lstrip, rstrip, normalized: false, special: true },
  }));
  return createTokenizer({ tokenizerJson: json });
}

/** A conversation that has `text` in a message of each role, and as tools. */
const conversation = (text: string): ChatMessage[] => [
  { role: 'system', content: text, tools: text },
  { role: 'user', content: text },
  { role: 'assistant', content: text },
  { role: 'tool', content: text },
  { role: 'user', content: ` ${text}\n` },
];

describe.each(FAMILIES)('$name', (family) => {
  const tokenizer = tokenizerOf(family);

  it('has its added tokens', () => {
    expect([...tokenizer.addedTokens.keys()].sort()).toEqual([...family.addedTokens].sort());
  });

  describe.each(family.templates)('through the template %s', (name) => {
    let template: ChatTemplate;
    beforeAll(() => {
      const source = TEMPLATES.find((candidate) => candidate.name === name)?.template ?? '';
      const named = { bosToken: '<s>', eosToken: '<|endoftext|>' };
      template = createChatTemplate({ source, ...named, controlTokens: family.addedTokens });
    });
    afterAll(() => template.dispose());

    async function countsOf(text: string): Promise<ReadonlyMap<number, number>> {
      const added = new Set(tokenizer.addedTokens.values());
      const pieces = await template.render(conversation(text), { addGenerationPrompt: true });
      const counts = new Map<number, number>();
      for (const id of tokenizer.encodePieces(pieces)) if (added.has(id)) counts.set(id, (counts.get(id) ?? 0) + 1);
      return counts;
    }

    it('keeps every added token that is typed text', async () => {
      const neutral = await countsOf('neutral');
      expect(neutral.size).toBeGreaterThan(1);
      for (const token of family.addedTokens) {
        for (const text of [token, `a${token}${token} b`, ` ${token}\n${token.slice(0, -1)}`, token.slice(1)]) {
          expect(await countsOf(text), text).toEqual(neutral);
        }
      }
    });
  });
});
