/**
 * tokenizer.json's `pre_tokenizer`: cuts a normalised stretch of text into words, which the model then tokenises
 * each by itself.
 */
import { toByteLevel } from './byte-level.js';
import { type JsonReader } from './json-reader.js';
import { MAX_COMPONENTS } from './limits.js';
import { scanDigitRuns, scanGpt2, scanSingleDigits, SCANNER_OF_EXPRESSION, type WordScanner } from './word-scanner.js';

/** Takes a word: text.slice(start, end). */
type Sink = (text: string, start: number, end: number) => void;

/** One stage: hands the parts of text.slice(start, end) to `sink`. `isFirst`: that begins the whole input. */
type Split = (text: string, start: number, end: number, isFirst: boolean, sink: Sink) => void;

/** How the words that the stages cut are spelt in the model's vocabulary. */
type Spelling = 'text' | 'byte-level';

const SUPPORTED = ['Sequence', 'ByteLevel', 'Digits', 'Split', 'Metaspace'];

export class PreTokenizer {
  /** The model's vocabulary spells words so; spell() does it. Apart, so that words can be cached as they stand in the text. */
  readonly spelling: Spelling;
  private readonly splits: readonly Split[];

  constructor(splits: readonly Split[], spelling: Spelling) {
    this.splits = splits;
    this.spelling = spelling;
  }

  /** It cuts nothing. */
  get isEmpty(): boolean {
    return this.splits.length === 0;
  }

  /** Hands the words of text.slice(start, end) to `sink`, in order. `isFirst`: that begins the whole input. */
  split(text: string, start: number, end: number, isFirst: boolean, sink: Sink): void {
    this.splitFrom(0, text, start, end, isFirst, sink);
  }

  spell(word: string): string {
    return this.spelling === 'byte-level' ? toByteLevel(word) : word;
  }

  private splitFrom(stage: number, text: string, start: number, end: number, isFirst: boolean, sink: Sink): void {
    if (start === end) return;
    const split = this.splits[stage];
    if (split === undefined) {
      sink(text, start, end);
      return;
    }
    let first = isFirst;
    split(text, start, end, isFirst, (partText, partStart, partEnd) => {
      this.splitFrom(stage + 1, partText, partStart, partEnd, first, sink);
      first = false;
    });
  }
}

function byScanner(scan: WordScanner): Split {
  return (text, start, end, _isFirst, sink) => {
    for (let at = start; at < end;) {
      const wordEnd = scan(text, at, end);
      sink(text, at, wordEnd);
      at = wordEnd;
    }
  };
}

function prefixed(prefix: string, condition: 'always' | 'first', split: Split): Split {
  return (text, start, end, isFirst, sink) => {
    if (text.startsWith(prefix, start) || (condition === 'first' && !isFirst)) split(text, start, end, isFirst, sink);
    else {
      const longer = prefix + text.slice(start, end);
      split(longer, 0, longer.length, isFirst, sink);
    }
  };
}

const whole: Split = (text, start, end, _isFirst, sink) => sink(text, start, end);

function parseByteLevel(json: JsonReader): Split {
  const split = json.get('use_regex').boolean(true) ? byScanner(scanGpt2) : whole;
  return json.get('add_prefix_space').boolean(true) ? prefixed(' ', 'always', split) : split;
}

function parseSplit(json: JsonReader): Split {
  const pattern = json.get('pattern').get('Regex');
  if (pattern.isNull) throw json.get('pattern').unsupported('a Split by a plain string', ['Regex']);
  const scan = SCANNER_OF_EXPRESSION.get(pattern.string(4096));
  if (scan === undefined) {
    throw pattern.unsupported('this regular expression', ['those of GPT-2, Llama 3, Qwen 2, Phi-4 and Phi-4-mini']);
  }
  const behavior = json.get('behavior').string(64);
  const invert = json.get('invert').boolean(false);
  // The known expressions match everything, hence nothing is left between the matches: with Removed and invert, which
  // older converters wrote, the matches are what is kept.
  if (!(behavior === 'Isolated' && !invert) && !(behavior === 'Removed' && invert)) {
    throw json.unsupported(`a Split with behavior '${behavior}' and invert ${invert}`, [
      'Isolated, not inverted',
      'Removed, inverted',
    ]);
  }
  return byScanner(scan);
}

function parseMetaspace(json: JsonReader): Split {
  const replacement = json.get('replacement').string(1);
  if (replacement === '') throw json.get('replacement').malformed('an empty replacement');
  const legacyPrefix = json.get('add_prefix_space').boolean(true) ? 'always' : 'never';
  const schemeField = json.get('prepend_scheme');
  const scheme = schemeField.isNull ? legacyPrefix : schemeField.string(16);
  const cut = byScanner((text, start, end) => {
    const next = text.indexOf(replacement, start + 1);
    return next === -1 || next > end ? end : next;
  });
  const split = json.get('split').boolean(true) ? cut : whole;
  const replaced =
    (inner: Split): Split =>
    (text, start, end, isFirst, sink) => {
      const marked = text.slice(start, end).replaceAll(' ', replacement);
      inner(marked, 0, marked.length, isFirst, sink);
    };
  if (scheme === 'never') return replaced(split);
  if (scheme === 'always' || scheme === 'first') return replaced(prefixed(replacement, scheme, split));
  throw schemeField.unsupported(`prepend_scheme '${scheme}'`, ['always', 'first', 'never']);
}

function parseStage(json: JsonReader): { split: Split; spelling: Spelling } {
  const type = json.get('type').string(64);
  switch (type) {
    case 'ByteLevel':
      return { split: parseByteLevel(json), spelling: 'byte-level' };
    case 'Digits':
      return {
        split: byScanner(json.get('individual_digits').boolean(false) ? scanSingleDigits : scanDigitRuns),
        spelling: 'text',
      };
    case 'Split':
      return { split: parseSplit(json), spelling: 'text' };
    case 'Metaspace':
      return { split: parseMetaspace(json), spelling: 'text' };
    default:
      throw json.unsupported(`pre-tokenizer '${type}'`, SUPPORTED);
  }
}

/** Reads the `pre_tokenizer` field; null gives one that leaves a text whole. */
export function parsePreTokenizer(json: JsonReader): PreTokenizer {
  if (json.isNull) return new PreTokenizer([], 'text');
  const isSequence = json.get('type').value === 'Sequence';
  const fields = isSequence ? json.get('pretokenizers').elements(MAX_COMPONENTS) : [json];
  const stages = fields.map(parseStage);
  const byteLevel = stages.findIndex((stage) => stage.spelling === 'byte-level');
  if (byteLevel !== -1 && byteLevel !== stages.length - 1) {
    throw json.unsupported('a pre-tokenizer after ByteLevel', ['ByteLevel as the last of a Sequence']);
  }
  return new PreTokenizer(
    stages.map((stage) => stage.split),
    byteLevel === -1 ? 'text' : 'byte-level',
  );
}
