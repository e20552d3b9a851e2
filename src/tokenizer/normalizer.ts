/**
 * tokenizer.json's `normalizer`: rewrites a stretch of text before it is split into words.
 * It does not search for added tokens and does not split.
 */
import { ModelFormatError } from '../errors.js';
import { type JsonReader } from './json-reader.js';
import { MAX_COMPONENTS } from './limits.js';

/** One character that stands for a space, or a quotation mark for two: published files need no more than two. */
const MAX_REPLACEMENT_CHARACTERS = 8;
/** NFKD, the step that grows a text most, makes 18 characters of U+FDFA. A hostile sequence of steps would double on. */
const MAX_GROWTH = 32;

/** A stretch of a text: [start, end). */
export interface Range {
  readonly start: number;
  readonly end: number;
}

interface Step {
  readonly apply: (text: string) => string;
  /**
   * What a text comes to if it is normalised in parts: `prefix`, something in front of the first part; `unit`, the same
   * for each part, for the step looks at one UTF-16 code unit at a time; `whole`, something else.
   */
  readonly reach: 'prefix' | 'unit' | 'whole';
  /**
   * Where ranges of the text, ascending and apart, lie in apply(text); null if the step cannot tell.
   * Takes time in proportion to the text and the ranges.
   */
  readonly mapRanges: ((text: string, ranges: readonly Range[]) => Range[]) | null;
}

const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;
const SUPPORTED = ['Sequence', 'Prepend', 'Replace', ...FORMS];

export class Normalizer {
  private readonly steps: readonly Step[];

  constructor(steps: readonly Step[]) {
    this.steps = steps;
  }

  /** True when positions in the text can be followed through normalize(). */
  get tracksPositions(): boolean {
    return this.steps.every((step) => step.mapRanges !== null);
  }

  /** True when a text can be normalised in parts. */
  get worksInParts(): boolean {
    return this.steps.every((step) => step.reach !== 'whole');
  }

  /** A part of a text after the first, which takes normalize(). Call it only if worksInParts. */
  normalizeLaterPart(part: string): string {
    let result = part;
    for (const step of this.steps) if (step.reach === 'unit') result = step.apply(result);
    return result;
  }

  normalize(text: string): string {
    let result = text;
    for (const step of this.steps) {
      result = step.apply(result);
      if (result.length > MAX_GROWTH * (text.length + 1)) {
        throw new ModelFormatError(
          'TOKENIZER_MALFORMED',
          `The tokenizer's normalizer makes a text of ${text.length} characters more than ${MAX_GROWTH} times as long. ` +
            'Get the model again from its source.',
        );
      }
    }
    return result;
  }

  /**
   * Where ranges of `text` lie in normalize(text). A range that begins or ends inside a rewritten stretch shrinks to
   * leave that stretch out. Call it only if tracksPositions.
   */
  mapRanges(text: string, ranges: readonly Range[]): Range[] {
    let current = text;
    let mapped = [...ranges];
    for (const { apply, mapRanges } of this.steps) {
      if (mapRanges !== null) mapped = mapRanges(current, mapped);
      current = apply(current);
    }
    return mapped.filter((range) => range.start < range.end);
  }
}

function prepend(content: string): Step {
  return {
    apply: (text) => (text === '' ? '' : content + text),
    reach: 'prefix',
    // A range at the very beginning takes in what is prepended: Llama 2 looks for "▁<s>" there.
    mapRanges: (_text, ranges) =>
      ranges.map(({ start, end }) => ({ start: start === 0 ? 0 : start + content.length, end: end + content.length })),
  };
}

/**
 * replaceAll for one UTF-16 code unit, which is what every Llama tokenizer does to each space: for a long text several
 * times as fast, and without a list of all the parts.
 */
function replaceUnit(text: string, pattern: string, content: string): string {
  const from = pattern.charCodeAt(0);
  const to = content.charCodeAt(0);
  const units = new Uint16Array(text.length);
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    units[at] = unit === from ? to : unit;
  }
  return Buffer.from(units.buffer).toString('utf16le');
}

function replace(pattern: string, content: string): Step {
  const growth = content.length - pattern.length;
  const isUnit = pattern.length === 1 && content.length === 1;
  return {
    reach: isUnit ? 'unit' : 'whole',
    apply: (text) => {
      if (!text.includes(pattern)) return text;
      return isUnit ? replaceUnit(text, pattern, content) : text.replaceAll(pattern, () => content);
    },
    mapRanges: (text, ranges) => {
      let shift = 0;
      let next = text.indexOf(pattern);
      /** Where `position` lies afterwards; inside an occurrence, that is the side of it that `inward` says. */
      const map = (position: number, inward: 'before' | 'after'): number => {
        while (next !== -1 && next + pattern.length <= position) {
          shift += growth;
          next = text.indexOf(pattern, next + pattern.length);
        }
        if (next === -1 || next >= position) return position + shift;
        return inward === 'before' ? next + shift : next + content.length + shift;
      };
      return ranges.map(({ start, end }) => ({ start: map(start, 'after'), end: map(end, 'before') }));
    },
  };
}

function parseSteps(json: JsonReader, steps: Step[]): void {
  const type = json.get('type').string(64);
  if (type === 'Sequence') {
    for (const element of json.get('normalizers').elements(MAX_COMPONENTS)) {
      if (element.get('type').value === 'Sequence') throw element.malformed('a Sequence inside a Sequence');
      parseSteps(element, steps);
    }
  } else if (type === 'Prepend') {
    steps.push(prepend(json.get('prepend').string(MAX_REPLACEMENT_CHARACTERS)));
  } else if (type === 'Replace') {
    const pattern = json.get('pattern');
    if (pattern.get('String').isNull) throw pattern.unsupported('a normalizer with a regular expression', ['String']);
    const searched = pattern.get('String').string(MAX_REPLACEMENT_CHARACTERS);
    if (searched === '') throw pattern.malformed('an empty pattern');
    steps.push(replace(searched, json.get('content').string(MAX_REPLACEMENT_CHARACTERS)));
  } else {
    const form = FORMS.find((name) => name === type);
    if (form === undefined) throw json.unsupported(`normalizer '${type}'`, SUPPORTED);
    steps.push({ apply: (text) => text.normalize(form), reach: 'whole', mapRanges: null });
  }
}

/** Reads the `normalizer` field; null gives a normalizer that changes nothing. */
export function parseNormalizer(json: JsonReader): Normalizer {
  const steps: Step[] = [];
  if (!json.isNull) parseSteps(json, steps);
  return new Normalizer(steps);
}
