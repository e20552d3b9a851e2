/**
 * Added tokens: strings that become one id before anything else looks at the text (control tokens such as `<|end|>`,
 * and others). This finds them in a text as Hugging Face's AddedVocabulary does, and only where they are allowed.
 * It does not tokenise what lies between.
 */
import { type JsonReader } from './json-reader.js';
import { MAX_ADDED_CHARACTERS, MAX_ADDED_TOKEN_CHARACTERS, MAX_ADDED_TOKENS, MAX_VOCABULARY_TOKENS } from './limits.js';
import { type Range } from './normalizer.js';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Matches only where no word character touches it. */
  readonly singleWord: boolean;
  /** Takes the white space before it. */
  readonly lstrip: boolean;
  /** Takes the white space after it. */
  readonly rstrip: boolean;
  /** Is looked for in the normalised text, in normalised form. */
  readonly normalized: boolean;
  /** A control token: left out when decoding. */
  readonly special: boolean;
}

/** Part of a text: one added token (id) or what lies between two (id null). */
export interface Segment extends Range {
  readonly id: number | null;
}

/**
 * Whether ordinary text may yield this token: not if it is a control token, nor if it looks like one (`<|tool|>`,
 * `</s>`, `[INST]`), which many files fail to declare special. What is left are words and runs of white space (Phi-2
 * has such), which Hugging Face's ids for ordinary text depend on.
 */
export function isOrdinary(token: AddedToken): boolean {
  return !token.special && /^[\p{L}\p{M}\p{N}\p{White_Space}\u2581]+$/u.test(token.content);
}

/** Reads the `added_tokens` field; a later token with the same content takes the place of an earlier one. */
export function parseAddedTokens(json: JsonReader): AddedToken[] {
  if (json.isNull) return [];
  const tokens = new Map<string, AddedToken>();
  let characters = 0;
  for (const element of json.elements(MAX_ADDED_TOKENS)) {
    const content = element.get('content').string(MAX_ADDED_TOKEN_CHARACTERS);
    characters += content.length;
    if (characters > MAX_ADDED_CHARACTERS) {
      throw json.malformed(`added tokens of more than ${MAX_ADDED_CHARACTERS} characters in all`);
    }
    if (content === '') continue; // as Hugging Face's library does
    tokens.set(content, {
      id: element.get('id').index(MAX_VOCABULARY_TOKENS - 1),
      content,
      singleWord: element.get('single_word').boolean(false),
      lstrip: element.get('lstrip').boolean(false),
      rstrip: element.get('rstrip').boolean(false),
      normalized: element.get('normalized').boolean(true),
      special: element.get('special').boolean(false),
    });
  }
  return [...tokens.values()];
}

interface TrieNode {
  readonly next: Map<number, TrieNode>;
  token: AddedToken | null;
  /** isOrdinary(token), worked out once. */
  ordinary: boolean;
  /** How many spaces normalisation put in front (Llama 2 looks for "▁<s>"). They need not be the template's. */
  leadingSpaces: number;
}

function emptyNode(): TrieNode {
  return { next: new Map(), token: null, ordinary: false, leadingSpaces: 0 };
}

const WHITE_SPACE = /\p{White_Space}/u;
// The word characters of Rust's regex crate, which Hugging Face's library asks.
const STARTS_WITH_WORD_CHARACTER = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const ENDS_WITH_WORD_CHARACTER = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;

export class AddedTokenMatcher {
  private readonly root = emptyNode();
  /** By UTF-16 code unit: 1 if a token begins with it. Every character of a text asks. */
  private readonly isFirstUnit = new Uint8Array(0x10000);

  /** `form` gives the string to look for (the content, or its normalised form). */
  constructor(tokens: readonly AddedToken[], form: (token: AddedToken) => string) {
    for (const token of tokens) {
      const content = form(token);
      if (content === '') continue;
      this.isFirstUnit[content.charCodeAt(0)] = 1;
      let node = this.root;
      for (let i = 0; i < content.length; i += 1) {
        const unit = content.charCodeAt(i);
        let child = node.next.get(unit);
        if (child === undefined) {
          child = emptyNode();
          node.next.set(unit, child);
        }
        node = child;
      }
      if (node.token !== null) continue; // two tokens with one normalised form: the first one counts
      node.token = token;
      node.ordinary = isOrdinary(token);
      node.leadingSpaces = Math.max(0, countLeadingSpaces(content) - countLeadingSpaces(token.content));
    }
  }

  get isEmpty(): boolean {
    return this.root.next.size === 0;
  }

  /**
   * Cuts `text` into segments that cover it, leftmost-longest. A token that is not ordinary counts only where it lies
   * wholly within one of `controlRanges` (ascending, apart): elsewhere it is as if the vocabulary lacked it.
   */
  split(text: string, controlRanges: readonly Range[]): Segment[] {
    if (this.isEmpty) return text === '' ? [] : [{ id: null, start: 0, end: text.length }];
    const segments: Segment[] = [];
    let covered = 0;
    let whiteSpaceEnd = 0;
    let rangeIndex = 0;
    let position = 0;
    while (position < text.length) {
      if (this.isFirstUnit[text.charCodeAt(position)] !== 1) {
        position += 1;
        continue;
      }
      while ((controlRanges[rangeIndex]?.end ?? Infinity) <= position) rangeIndex += 1;
      const token = this.longestAt(text, position, controlRanges, rangeIndex);
      if (token === null) {
        position += 1;
        continue;
      }
      let start = position;
      let end = position + token.length;
      position = end;
      const { id, singleWord, lstrip, rstrip } = token.token;
      if (singleWord && touchesWord(text, start, end)) continue;
      if (lstrip) while (start > covered && WHITE_SPACE.test(text.charAt(start - 1))) start -= 1;
      if (rstrip) {
        // What an earlier token took is not looked at again: a run of matches inside it stays linear.
        if (end < whiteSpaceEnd) end = whiteSpaceEnd;
        while (end < text.length && WHITE_SPACE.test(text.charAt(end))) end += 1;
        whiteSpaceEnd = end;
      }
      if (covered < start) segments.push({ id: null, start: covered, end: start });
      segments.push({ id, start, end });
      covered = end;
    }
    if (covered < text.length) segments.push({ id: null, start: covered, end: text.length });
    return segments;
  }

  /** `rangeIndex`: of the first range that ends after `start`. */
  private longestAt(
    text: string,
    start: number,
    controlRanges: readonly Range[],
    rangeIndex: number,
  ): { token: AddedToken; length: number } | null {
    let longest: { token: AddedToken; length: number } | null = null;
    let node: TrieNode | undefined = this.root;
    for (let end = start + 1; end <= text.length; end += 1) {
      node = node.next.get(text.charCodeAt(end - 1));
      if (node === undefined) break;
      const { token, ordinary, leadingSpaces } = node;
      if (token !== null && (ordinary || liesWithin(controlRanges, rangeIndex, start + leadingSpaces, end))) {
        longest = { token, length: end - start };
      }
    }
    return longest;
  }
}

function countLeadingSpaces(text: string): number {
  return /^[\p{White_Space}\u2581]*/u.exec(text)?.[0].length ?? 0;
}

/** Whether one of the ranges, from `index` on, covers [start, end). */
function liesWithin(ranges: readonly Range[], index: number, start: number, end: number): boolean {
  for (let at = index; ; at += 1) {
    const range = ranges[at];
    if (range === undefined || range.start > start) return false;
    if (end <= range.end) return true;
  }
}

function touchesWord(text: string, start: number, end: number): boolean {
  return (
    ENDS_WITH_WORD_CHARACTER.test(text.slice(Math.max(0, start - 2), start)) ||
    STARTS_WITH_WORD_CHARACTER.test(text.slice(end, end + 2))
  );
}
