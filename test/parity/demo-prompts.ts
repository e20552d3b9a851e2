/** Questions to the built-in model, as its chat template writes them: token ids for peers that take no text. */
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.js';

const QUESTIONS = ['Can you introduce yourself?', 'What is an NPU?', 'Is a GPU better than an NPU?'];

/** `folder`: of the built-in model, or an export of it. */
export async function demoPrompts(folder: string): Promise<readonly (readonly number[])[]> {
  const tokenizer = await loadTokenizer(folder);
  const turns = QUESTIONS.map((question) => `<|user|>\n${question}<|end|>\n<|assistant|>\n`);
  return turns.map((turn) => Array.from(tokenizer.encode(turn, { specialTokens: 'parse' })));
}
