/** What a tokenizer may be at most, several times the largest in wide use (Gemma, 262,144 tokens). */

/** A token, its id and its merges take some 130 bytes: Gemma's file has less than 40 MB, Phi-4-mini's 16 MB. */
export const MAX_TOKENIZER_FILE_BYTES = 64 * 1024 * 1024;
/**
 * Values in that file, told by their commas: a token has one, a merge written as a pair two or three. Gemma's file has
 * 2 million. As JavaScript holds them, a hostile file's empty objects take 20 times their bytes.
 */
export const MAX_TOKENIZER_FILE_VALUES = 1 << 22;
/** Objects and arrays among them: merges written as pairs. Gemma's file has 520,000. */
export const MAX_TOKENIZER_FILE_CONTAINERS = 1 << 20;
/** Levels of nesting; files have eight. */
export const MAX_TOKENIZER_FILE_DEPTH = 64;
/** Ids are below this, too. */
export const MAX_VOCABULARY_TOKENS = 1 << 20;
/** SentencePiece vocabularies have about two merges for a token. */
export const MAX_MERGES = 1 << 20;
/** The longest token of o200k (Phi-4-mini) is 128 spaces. */
export const MAX_TOKEN_CHARACTERS = 1024;
/** Gemma marks some thousands of tokens as added, other models at most some hundred. */
export const MAX_ADDED_TOKENS = 1 << 16;
/** Looking for added tokens takes at most this many steps a character. */
export const MAX_ADDED_TOKEN_CHARACTERS = 256;
/** Of all added tokens together: the tree that finds them has a node for each, of some 200 bytes. */
export const MAX_ADDED_CHARACTERS = 1 << 18;
/** Steps of one normalizer, pre-tokenizer, post-processor or decoder; five at most are in use. */
export const MAX_COMPONENTS = 16;
/** Of one encode call, in UTF-16 code units: a hundred times the longest context of the Phi family. */
export const MAX_TEXT_CHARACTERS = 1 << 26;
