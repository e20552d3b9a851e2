/**
 * Added tokens of a GGUF vocabulary. GGUF has a type for each token and no place for the other flags of a tokenizer.json:
 * which white space beside it a token takes is restored here for the families whose published files have it, told by
 * their control tokens (llama.cpp does so for Phi-3, by the model's name: llama-vocab.cpp).
 */

/** https://github.com/ggml-org/llama.cpp/blob/master/include/llama.h (enum llama_token_type) */
export const TokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface AddedTokenJson {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

interface PublishedFlags {
  readonly lstrip: (token: string) => boolean;
  readonly rstrip: (token: string) => boolean;
  /** Control tokens by type, because they look like it, that the published file does not declare special. */
  readonly isPlain: (token: string) => boolean;
}

const never = (): boolean => false;
const PHI3_WITHOUT_STRIP = new Set(['<unk>', '<s>', '<|endoftext|>']);
const PHI4_MINI_STRIPPED = new Set(['<|assistant|>', '<|end|>', '<|user|>', '<|system|>', '<|tag|>']);
const PHI4_MINI_PLAIN = new Set(
  ['tool', '/tool', 'tool_call', '/tool_call', 'tool_response'].map((name) => `<|${name}|>`),
);

function publishedFlags(model: string, pre: string, hasControl: (token: string) => boolean): PublishedFlags {
  const isChatOfPhi = ['<|user|>', '<|assistant|>', '<|end|>'].every(hasControl);
  if (model === 'llama' && isChatOfPhi) {
    return { lstrip: never, rstrip: (token) => !PHI3_WITHOUT_STRIP.has(token), isPlain: never };
  }
  if (pre === 'gpt-4o' && isChatOfPhi) {
    return {
      lstrip: never,
      rstrip: (token) => PHI4_MINI_STRIPPED.has(token),
      isPlain: (token) => PHI4_MINI_PLAIN.has(token),
    };
  }
  if (pre === 'dbrx' && ['<|im_start|>', '<|im_sep|>', '<|im_end|>'].every(hasControl)) {
    // phi-4: all of them, on both sides.
    return { lstrip: () => true, rstrip: () => true, isPlain: never };
  }
  return { lstrip: never, rstrip: never, isPlain: never };
}

/** `ids`: the tokens that exist. */
export function addedTokens(
  model: string,
  pre: string,
  tokenTypes: Int32Array | undefined,
  ids: ReadonlyMap<string, number>,
): AddedTokenJson[] {
  const typeOf = (id: number): number => tokenTypes?.[id] ?? TokenType.normal;
  const flags = publishedFlags(model, pre, (token) => {
    const id = ids.get(token);
    return id !== undefined && typeOf(id) === TokenType.control;
  });
  const added: AddedTokenJson[] = [];
  for (const [content, id] of ids) {
    const type = typeOf(id);
    const isSpecial = type === TokenType.control || type === TokenType.unknown;
    if (!isSpecial && type !== TokenType.userDefined) continue;
    added.push({
      id,
      content,
      single_word: false,
      lstrip: flags.lstrip(content),
      rstrip: flags.rstrip(content),
      normalized: false,
      special: isSpecial && !flags.isPlain(content),
    });
  }
  return added;
}
