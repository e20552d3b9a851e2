/**
 * Text to token ids and back, for one vocabulary. It does not know messages, templates or models.
 */

export interface Tokenizer {
  /** Ids the vocabulary defines, added tokens included (a model's logits may have more rows). */
  readonly vocabularySize: number;
  /** Ids of the control ("special") tokens. */
  readonly specialTokenIds: ReadonlySet<number>;
  /** Contents of all added tokens (special or not), by content. */
  readonly addedTokens: ReadonlyMap<string, number>;
  /**
   * Encodes without adding bos/eos.
   * specialTokens 'parse': added tokens in the text become their ids (template text); 'text': they are ordinary text (default).
   * Equal to Hugging Face's `encode(text, add_special_tokens=False)` in 'parse' mode.
   */
  encode(text: string, options?: { readonly specialTokens?: 'parse' | 'text' }): Int32Array;
  /**
   * Encodes pieces of one prompt as if they were one text, where only the pieces marked 'parse' can yield
   * control tokens. Byte-identical to encode(joined) for pieces without control-token look-alikes.
   */
  encodePieces(pieces: readonly { readonly text: string; readonly specialTokens: 'parse' | 'text' }[]): Int32Array;
  /** Equal to Hugging Face's `decode(ids, skip_special_tokens=...)` without clean-up. Default: skip. */
  decode(ids: ArrayLike<number>, options?: { readonly skipSpecialTokens?: boolean }): string;
  /** Incremental decoding: never half a character; the pieces joined equal decode() of all ids. */
  createDecoder(options?: { readonly skipSpecialTokens?: boolean }): StreamDecoder;
  /** True when Hugging Face's tokenizer would prepend bos on `encode(text)` with special tokens on. */
  readonly prependsBos: boolean;
}

export interface StreamDecoder {
  /** Text that became certain with this id; '' while a character is incomplete. */
  push(id: number): string;
  /** What is left at the end (incomplete bytes as U+FFFD, as Hugging Face does). */
  flush(): string;
}
