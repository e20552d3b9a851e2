/**
 * A byte-level BPE tokenizer of any size with Phi-3's control tokens and chat template: what a folder of random weights
 * needs so that every tool reads it. Its merges are made up and mean nothing.
 */

/** Phi-3's control tokens after the 32,000 base pieces, in order of their ids. */
const CONTROL_TOKENS = [
  '<|endoftext|>',
  '<|assistant|>',
  '<|placeholder1|>',
  '<|placeholder2|>',
  '<|placeholder3|>',
  '<|placeholder4|>',
  '<|system|>',
  '<|end|>',
  '<|placeholder5|>',
  '<|placeholder6|>',
  '<|user|>',
];
const FIRST_TOKENS = ['<unk>', '<s>', '</s>'];
const CHAT_TEMPLATE =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}";

/** GPT-2's printable character for each byte. */
function byteAlphabet() {
  const printable = (byte) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

/** @returns the least number of base pieces: the bytes and the first control tokens */
export const LEAST_BASE_PIECES = FIRST_TOKENS.length + 256;

/**
 * tokenizer.json and tokenizer_config.json as values. Control tokens take the ids from `basePieces` on.
 * @param {number} basePieces at least LEAST_BASE_PIECES
 */
export function byteTokenizer(basePieces) {
  const bytes = byteAlphabet();
  const vocabulary = new Map([...FIRST_TOKENS, ...bytes].map((piece, id) => [piece, id]));
  const merges = [];
  // Every pair of lower-case letters and spaces first, then longer pieces built on these.
  const pieces = [...bytes.slice(0x61, 0x7b), bytes[0x20]];
  for (let left = 0; vocabulary.size < basePieces; left += 1) {
    for (let right = 0; right < 27 && vocabulary.size < basePieces; right += 1) {
      const joined = pieces[left] + pieces[right];
      if (vocabulary.has(joined)) continue;
      vocabulary.set(joined, vocabulary.size);
      merges.push([pieces[left], pieces[right]]);
      pieces.push(joined);
    }
  }
  const control = CONTROL_TOKENS.map((content, index) => ({ id: basePieces + index, content }));
  const added = [...FIRST_TOKENS.map((content, id) => ({ id, content })), ...control];
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: added.map((token) => ({ ...token, ...flags })),
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(vocabulary),
        merges,
      },
    },
    config: {
      add_bos_token: false,
      add_eos_token: false,
      bos_token: '<s>',
      chat_template: CHAT_TEMPLATE,
      clean_up_tokenization_spaces: false,
      eos_token: '<|endoftext|>',
      model_max_length: 4096,
      pad_token: '<|endoftext|>',
      tokenizer_class: 'PreTrainedTokenizerFast',
      unk_token: '<unk>',
    },
    ids: { bos: 1, endOfText: basePieces, end: basePieces + CONTROL_TOKENS.indexOf('<|end|>') },
  };
}
