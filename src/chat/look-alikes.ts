/**
 * Keeps the text of messages from becoming control tokens. Before rendering, the contents are marked with sentinels:
 * Unicode noncharacters that occur nowhere else. After it, what the marks enclose or touch is a piece of 'text', in which
 * the tokenizer sees no control token and across which none can reach; the rest, the template's own, is to 'parse'.
 * It neither renders nor tokenises.
 *
 * A template may trim, split, cut, compare or join contents, so that no one way of marking suits all. There are three:
 *
 * - extents: a mark at either end of the content, inside its surrounding white space so that trimming is not disturbed,
 *   and every character with which a control token begins or ends has a mark on its inner side, which breaks the token;
 * - edges: only the latter, for templates that look at how a content begins or ends;
 * - literals: the same, but for what the template itself has between quotes and what is no part of a control token: for
 *   templates that look for something like `</think>` in a content.
 *
 * Each of them breaks whatever may begin or end a control token, even one assembled from parts of a content, or of a
 * content and the template's text. The first whose rendering, marks removed, equals that of the unmarked messages
 * is taken: what the model reads is then what transformers would render.
 */
import type { PromptPiece } from './message.js';

/** In the order in which they are tried. The last one disturbs a template only where it looks for control tokens. */
export const MARKINGS = ['extents', 'edges', 'literals'] as const;
export type Marking = (typeof MARKINGS)[number];

export interface Sentinels {
  readonly contentStart: string;
  readonly contentEnd: string;
  /** After a character with which a control token may begin. */
  readonly afterFirst: string;
  /** Before a character with which a control token may end. */
  readonly beforeLast: string;
}

/** Four of the noncharacters U+FDD0 to U+FDEF that are in none of `texts`; undefined if there are not. */
export function chooseSentinels(texts: readonly string[]): Sentinels | undefined {
  const used = new Set(texts.flatMap((text) => text.match(/[\uFDD0-\uFDEF]/g) ?? []));
  const free = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i)).filter((c) => !used.has(c));
  const [contentStart, contentEnd, afterFirst, beforeLast] = free;
  if (contentStart === undefined || contentEnd === undefined || afterFirst === undefined || beforeLast === undefined) {
    return undefined;
  }
  return { contentStart, contentEnd, afterFirst, beforeLast };
}

/** Marks contents before rendering and splits what was rendered, for one set of control tokens and sentinels. */
export interface Marker {
  mark(content: string, marking: Marking): string;
  /** undefined: the marks at the ends of contents are not in pairs, and do not tell where contents begin and end. */
  split(rendered: string): PromptPiece[] | undefined;
}

/** `template`: its source. */
export function createMarker(controlTokens: readonly string[], sentinels: Sentinels, template: string): Marker {
  // Some vocabularies have tokens of spaces: text all the same, and to be trimmed.
  const tokens = controlTokens.filter((token) => token.trim() !== '');
  const first = anyOf(tokens.map((token) => Array.from(token)[0] ?? ''));
  const last = anyOf(tokens.map((token) => Array.from(token).at(-1) ?? ''));
  const mayBeFirst = characterTest(first);
  const mayBeLast = characterTest(last);
  const literal = anyOf(harmlessLiterals(template, tokens));
  const { contentStart, contentEnd, afterFirst, beforeLast } = sentinels;
  const marks = {
    contentStart: contentStart.charCodeAt(0),
    contentEnd: contentEnd.charCodeAt(0),
    afterFirst: afterFirst.charCodeAt(0),
    beforeLast: beforeLast.charCodeAt(0),
  };

  const breakUp = (text: string): string =>
    text.replace(new RegExp(first, 'giu'), `$&${afterFirst}`).replace(new RegExp(last, 'giu'), `${beforeLast}$&`);

  return {
    mark(content, marking) {
      if (marking === 'edges') return breakUp(content);
      if (marking === 'literals') {
        // Splitting at a group keeps it: every other part is a literal.
        const parts = content.split(new RegExp(`(${literal})`, 'u'));
        return parts.map((part, i) => (i % 2 === 1 ? part : breakUp(part))).join('');
      }
      const core = content.trim();
      if (core === '') return breakUp(content);
      const start = content.indexOf(core);
      return (
        breakUp(content.slice(0, start)) +
        (contentStart + breakUp(core) + contentEnd) +
        breakUp(content.slice(start + core.length))
      );
    },

    split(rendered) {
      const text = rendered.replace(new RegExp(`[${contentStart}${contentEnd}${afterFirst}${beforeLast}]`, 'g'), '');
      const isText = new Uint8Array(text.length);
      let contentFrom: number | undefined;
      for (let i = 0, at = 0; i < rendered.length; i++) {
        const unit = rendered.charCodeAt(i);
        if (unit === marks.contentStart) {
          if (contentFrom !== undefined) return undefined;
          contentFrom = at;
        } else if (unit === marks.contentEnd) {
          if (contentFrom === undefined) return undefined;
          isText.fill(1, contentFrom, at);
          contentFrom = undefined;
        } else if (unit === marks.afterFirst) {
          // A template that cuts contents may have parted a mark from its character: then it touches another.
          const pair = text.codePointAt(at - 2) ?? 0;
          const codePoint = pair > 0xffff ? pair : (text.codePointAt(at - 1) ?? 0);
          if (mayBeFirst(codePoint)) isText.fill(1, at - (codePoint > 0xffff ? 2 : 1), at);
        } else if (unit === marks.beforeLast) {
          const codePoint = text.codePointAt(at) ?? 0;
          if (mayBeLast(codePoint)) isText.fill(1, at, at + (codePoint > 0xffff ? 2 : 1));
        } else {
          at++;
        }
      }
      return contentFrom === undefined ? piecesOf(text, isText) : undefined;
    },
  };
}

/** A test whether a character matches a pattern, in whatever case; remembers what it found. */
function characterTest(pattern: string): (codePoint: number) => boolean {
  const whole = new RegExp(`^(?:${pattern})$`, 'iu');
  const known = new Map<number, boolean>();
  return (codePoint) => {
    let matches = known.get(codePoint);
    if (matches === undefined) {
      matches = whole.test(String.fromCodePoint(codePoint));
      known.set(codePoint, matches);
    }
    return matches;
  };
}

/**
 * What stands between quotes in a template, where it can neither be nor become part of a control token: no token contains
 * it or is contained in it, and none can begin in it and end behind it or the other way round.
 */
function harmlessLiterals(template: string, tokens: readonly string[]): string[] {
  const quoted = [...template.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/gs)].map(([, a, b]) => a ?? b ?? '');
  const folded = tokens.map((token) => token.toLowerCase());
  return quoted.filter((text) => {
    if (text === '' || text.includes('\\')) return false;
    const literal = text.toLowerCase();
    return folded.every(
      (token) =>
        !token.includes(literal) && !literal.includes(token) && !overlaps(literal, token) && !overlaps(token, literal),
    );
  });
}

/** Whether some end of `left` is a beginning of `right`. */
function overlaps(left: string, right: string): boolean {
  for (let length = Math.min(left.length, right.length); length > 0; length--) {
    if (left.endsWith(right.slice(0, length))) return true;
  }
  return false;
}

function piecesOf(text: string, isText: Uint8Array): PromptPiece[] {
  const pieces: PromptPiece[] = [];
  let from = 0;
  while (from < text.length) {
    const kind = isText[from];
    const change = isText.indexOf(kind === 1 ? 0 : 1, from);
    const to = change < 0 ? text.length : change;
    pieces.push({ text: text.slice(from, to), specialTokens: kind === 1 ? 'text' : 'parse' });
    from = to;
  }
  return pieces;
}

/** A pattern for any of the texts, the longest first; for nothing, where there are none. */
function anyOf(texts: readonly string[]): string {
  if (texts.length === 0) return '(?!)';
  const longestFirst = [...new Set(texts)].sort((a, b) => b.length - a.length);
  return longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|');
}
