/** What a tokenizer may be at most. Each limit is several times the largest known among published models. */

/** Gemma's tokenizer.json, the largest in wide use, has 33 MB. */
export const MAX_TOKENIZER_FILE_BYTES = 128 * 1024 * 1024;
/** Gemma has 262,144 tokens, Phi-4-mini 200,029. Ids are below this, too. */
export const MAX_VOCABULARY_TOKENS = 1 << 20;
/** Gemma has 580,604 merges. */
export const MAX_MERGES = 1 << 22;
/** Longest token of o200k (Phi-4-mini): 128 characters; byte-level characters included. */
export const MAX_TOKEN_CHARACTERS = 1024;
/** Gemma marks 6,415 tokens as added. */
export const MAX_ADDED_TOKENS = 1 << 16;
/** Looking for added tokens takes at most this many steps a character. */
export const MAX_ADDED_TOKEN_CHARACTERS = 256;
/** Steps of one normalizer, pre-tokenizer, post-processor or decoder; five at most are in use. */
export const MAX_COMPONENTS = 16;
/** Of one encode call, in UTF-16 code units: a hundred times the longest context of the Phi family. */
export const MAX_TEXT_CHARACTERS = 1 << 26;
