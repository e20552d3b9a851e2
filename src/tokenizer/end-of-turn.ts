/**
 * Which tokens end a turn, told by the texts of a vocabulary's control tokens: a model's configuration often names one
 * where its family was trained with several (Phi-3's config.json names <|endoftext|>, and the model ends with <|end|>).
 *
 * Sources: generation_config.json of Phi-3-mini-4k-instruct (32000, 32001, 32007), Phi-4-mini-instruct (200020, 199999)
 * and phi-4 (100265), llama.cpp's end-of-generation texts (llama-vocab.cpp).
 */
import { type Tokenizer } from './tokenizer.js';

interface Family {
  /** All of these are control tokens of the family's vocabulary. */
  readonly has: readonly string[];
  readonly ends: readonly string[];
}

const FAMILIES: readonly Family[] = [
  // Phi-3 and Phi-3.5, whose vocabulary is Llama 2's: an answer that goes on with another answer has ended, too.
  { has: ['<s>', '<|user|>', '<|assistant|>', '<|end|>'], ends: ['<|endoftext|>', '<|assistant|>', '<|end|>'] },
  // Phi-4-mini
  { has: ['<|user|>', '<|assistant|>', '<|end|>'], ends: ['<|end|>', '<|endoftext|>'] },
  // phi-4, SmolLM2 and others
  { has: ['<|im_start|>', '<|im_end|>'], ends: ['<|im_end|>', '<|endoftext|>'] },
  // Llama 3
  { has: ['<|start_header_id|>', '<|eot_id|>'], ends: ['<|eot_id|>', '<|end_of_text|>'] },
];

/** Ids that end a turn besides those that the model's configuration names; none for a vocabulary of another kind. */
export function endOfTurnTokenIds(tokenizer: Pick<Tokenizer, 'addedTokens' | 'specialTokenIds'>): number[] {
  const controlId = (token: string): number[] => {
    const id = tokenizer.addedTokens.get(token);
    return id !== undefined && tokenizer.specialTokenIds.has(id) ? [id] : [];
  };
  const family = FAMILIES.find(({ has }) => has.every((token) => controlId(token).length > 0));
  return family?.ends.flatMap(controlId) ?? [];
}
