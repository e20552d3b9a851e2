/**
 * tokenizer.json's `pre_tokenizer`: cuts a normalised stretch of text into words, which the model then tokenises
 * each by itself.
 */
import { toByteLevel } from './byte-level.js';
import { type JsonReader } from './json-reader.js';
import { MAX_COMPONENTS } from './limits.js';
import { GPT2_PATTERN, KNOWN_SPLIT_PATTERNS } from './split-patterns.js';

type Sink = (word: string) => void;

/** One stage: hands the parts of `text` to `sink`. `isFirst`: the text stands at the beginning of the whole input. */
type Split = (text: string, isFirst: boolean, sink: Sink) => void;

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

  /** Hands the words of `text` to `sink`, in order. */
  split(text: string, isFirst: boolean, sink: Sink): void {
    this.splitFrom(0, text, isFirst, sink);
  }

  spell(word: string): string {
    return this.spelling === 'byte-level' ? toByteLevel(word) : word;
  }

  private splitFrom(stage: number, text: string, isFirst: boolean, sink: Sink): void {
    if (text === '') return;
    const split = this.splits[stage];
    if (split === undefined) {
      sink(text);
      return;
    }
    let first = isFirst;
    split(text, isFirst, (part) => {
      this.splitFrom(stage + 1, part, first, sink);
      first = false;
    });
  }
}

/** Every match is a word, and so is what lies between two matches ("Isolated"). */
function byPattern(sticky: RegExp): Split {
  return (text, _isFirst, sink) => {
    let start = 0;
    while (start < text.length) {
      sticky.lastIndex = start;
      if (!sticky.test(text)) break;
      const end = sticky.lastIndex;
      sink(text.slice(start, end));
      start = end;
    }
    if (start < text.length) sink(text.slice(start));
  };
}

function prefixed(prefix: string, condition: 'always' | 'first', split: Split): Split {
  return (text, isFirst, sink) => {
    const lacks = !text.startsWith(prefix) && (isFirst || condition === 'always');
    split(lacks ? prefix + text : text, isFirst, sink);
  };
}

const whole: Split = (text, _isFirst, sink) => sink(text);
const singleDigits = byPattern(/\p{N}|\P{N}+/uy);
const digitRuns = byPattern(/\p{N}+|\P{N}+/uy);

function parseByteLevel(json: JsonReader): Split {
  const split = json.get('use_regex').boolean(true) ? byPattern(GPT2_PATTERN) : whole;
  return json.get('add_prefix_space').boolean(true) ? prefixed(' ', 'always', split) : split;
}

function parseSplit(json: JsonReader): Split {
  const pattern = json.get('pattern').get('Regex');
  if (pattern.isNull) throw json.get('pattern').unsupported('a Split by a plain string', ['Regex']);
  const expression = KNOWN_SPLIT_PATTERNS.get(pattern.string(4096));
  if (expression === undefined) {
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
  return byPattern(expression);
}

function parseMetaspace(json: JsonReader): Split {
  const replacement = json.get('replacement').string(1);
  if (replacement === '') throw json.get('replacement').malformed('an empty replacement');
  const legacyPrefix = json.get('add_prefix_space').boolean(true) ? 'always' : 'never';
  const schemeField = json.get('prepend_scheme');
  const scheme = schemeField.isNull ? legacyPrefix : schemeField.string(16);
  const cut: Split = (text, _isFirst, sink) => {
    let start = 0;
    for (let at = text.indexOf(replacement, 1); at !== -1; at = text.indexOf(replacement, at + 1)) {
      sink(text.slice(start, at));
      start = at;
    }
    sink(text.slice(start));
  };
  const split = json.get('split').boolean(true) ? cut : whole;
  const replaced =
    (inner: Split): Split =>
    (text, isFirst, sink) =>
      inner(text.replaceAll(' ', replacement), isFirst, sink);
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
      return { split: json.get('individual_digits').boolean(false) ? singleDigits : digitRuns, spelling: 'text' };
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
