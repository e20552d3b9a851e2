/**
 * One measurement in a process of its own: node encode.mjs JSON, { tool, tokenizer, kind, units }.
 * Prints { ms, tokens, sha256 }: the best of three encodings, and what came out. Time is the process's own, so that what
 * else runs on the machine counts for little.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createTokenizer } from '../../dist/src/tokenizer/create-tokenizer.js';
import { tokenizerJsonFromGguf } from '../../dist/src/tokenizer/gguf-vocabulary.js';
import { readGgufTokenizer } from '../../dist/src/weights/gguf-tokenizer.js';
import { TEXTS } from './texts.mjs';

const { tool, tokenizer: file, kind, units } = JSON.parse(process.argv[2]);

async function tokenizerFiles() {
  if (file.endsWith('.gguf')) return tokenizerJsonFromGguf(await readGgufTokenizer(file));
  return { tokenizerJson: JSON.parse(readFileSync(file, 'utf8')), tokenizerConfig: {} };
}

async function encoder() {
  const files = await tokenizerFiles();
  if (tool === 'aipc') {
    const tokenizer = createTokenizer(files);
    return (text) => tokenizer.encode(text, { specialTokens: 'parse' });
  }
  const { Tokenizer } = await import('@huggingface/tokenizers');
  const tokenizer = new Tokenizer(files.tokenizerJson, files.tokenizerConfig);
  return (text) => tokenizer.encode(text, { add_special_tokens: false }).ids;
}

const encode = await encoder();
const text = TEXTS[kind](units);
// The compiler's work, on other text: words that are known already would not be the same work.
for (let turn = 0; turn < 5; turn += 1) encode(TEXTS[kind](units + 20_000).slice(-20_000));
let ms = Infinity;
let ids = [];
for (let turn = 0; turn < (tool === 'aipc' ? 3 : 1); turn += 1) {
  const start = process.cpuUsage();
  ids = encode(text);
  const { user, system } = process.cpuUsage(start);
  ms = Math.min(ms, (user + system) / 1000);
}
const sha256 = createHash('sha256').update(Int32Array.from(ids)).digest('hex');
console.log(JSON.stringify({ ms, tokens: ids.length, sha256 }));
