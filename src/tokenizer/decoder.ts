/**
 * tokenizer.json's `decoder`: tokens (strings) back to text, one token at a time. What has been handed out never
 * changes, and all of it together is what Hugging Face's decoder makes of all tokens at once; therefore bytes are held
 * back until it is certain which character they make. Constant time a token, amortised.
 */
import { fromByteLevel } from './byte-level.js';
import { type JsonReader } from './json-reader.js';
import { MAX_COMPONENTS, MAX_TOKEN_CHARACTERS } from './limits.js';

type Sink = (token: string) => void;

/** One step of a decoder at work on one sequence. */
interface Stage {
  push(token: string, sink: Sink): void;
  flush(sink: Sink): void;
}

/** Makes the stages for one more sequence. */
export type DecoderFactory = () => TextDecoderChain;

const SUPPORTED = ['Sequence', 'ByteLevel', 'Replace', 'ByteFallback', 'Fuse', 'Strip', 'Metaspace'];

/** The stages of one decoder, one after the other. */
export class TextDecoderChain {
  private readonly stages: readonly Stage[];
  private text = '';

  constructor(stages: readonly Stage[]) {
    this.stages = stages;
  }

  /** The text that became certain with this token. */
  push(token: string): string {
    this.pushFrom(0, token);
    return this.take();
  }

  /** What was held back. */
  flush(): string {
    for (const [index, stage] of this.stages.entries()) {
      stage.flush((token) => {
        this.pushFrom(index + 1, token);
      });
    }
    return this.take();
  }

  private pushFrom(index: number, token: string): void {
    const stage = this.stages[index];
    if (stage === undefined) this.text += token;
    else {
      stage.push(token, (result) => {
        this.pushFrom(index + 1, result);
      });
    }
  }

  private take(): string {
    const { text } = this;
    this.text = '';
    return text;
  }
}

/** A step that looks at each token by itself. `isFirst`: the first token of the sequence. */
function perToken(map: (token: string, isFirst: boolean) => string): () => Stage {
  return () => {
    let isFirst = true;
    return {
      push(token, sink) {
        sink(map(token, isFirst));
        isFirst = false;
      },
      flush() {
        // nothing is held back
      },
    };
  };
}

/** Bytes written as GPT-2's characters; what is not UTF-8 becomes U+FFFD, one for each maximal part. */
function byteLevel(): Stage {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push(token, sink) {
      sink(utf8.decode(fromByteLevel(token), { stream: true }));
    },
    flush(sink) {
      sink(utf8.decode());
    },
  };
}

/** `+` stands here because Rust's number parser, which Hugging Face's library asks, takes it. */
const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2}|\+[0-9A-Fa-f])>$/;

/**
 * Tokens `<0x..>` become characters. A run of them that is not wholly UTF-8 becomes as many U+FFFD as it has bytes,
 * valid parts included, and so nothing of a run is certain before its end.
 */
function byteFallback(): Stage {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
  let bytes: number[] = [];
  const flush = (sink: Sink): void => {
    if (bytes.length === 0) return;
    let text: string;
    try {
      text = utf8.decode(Uint8Array.from(bytes));
    } catch {
      text = '\uFFFD'.repeat(bytes.length); // the only failure: the bytes are not UTF-8
    }
    bytes = [];
    sink(text);
  };
  return {
    push(token, sink) {
      const byte = BYTE_TOKEN.exec(token)?.[1];
      if (byte === undefined) {
        flush(sink);
        sink(token);
      } else bytes.push(Number.parseInt(byte, 16));
    },
    flush,
  };
}

/** How many times `content` stands at the beginning of `token`, up to `limit`. */
function leadingCount(token: string, content: string, limit: number): number {
  let count = 0;
  while (count < limit && token.startsWith(content, count * content.length)) count += 1;
  return count;
}

function strip(content: string, start: number): (token: string) => string {
  return (token) => token.slice(leadingCount(token, content, start) * content.length);
}

/** Strip after Fuse: the whole text is one token, and its beginning may come in parts. */
function stripWholeText(content: string, start: number): () => Stage {
  return () => {
    let left = start;
    return {
      push(token, sink) {
        if (token === '') return;
        const count = leadingCount(token, content, left);
        const rest = token.slice(count * content.length);
        left = rest === '' ? left - count : 0;
        sink(rest);
      },
      flush() {
        // nothing is held back
      },
    };
  };
}

/** By how much Replace steps may lengthen a token, all together: published ones keep its length. */
const MAX_GROWTH = 32;

/** How many times as long a token a step can make. */
function growthOf(json: JsonReader): number {
  if (json.get('type').value !== 'Replace') return 1;
  const pattern = json.get('pattern').get('String');
  if (pattern.isNull) return 1; // refused elsewhere
  const content = json.get('content').string(MAX_TOKEN_CHARACTERS);
  return Math.max(1, content.length / Math.max(1, pattern.string(MAX_TOKEN_CHARACTERS).length));
}

function parseStage(json: JsonReader, isFused: boolean): () => Stage {
  const type = json.get('type').string(64);
  if (isFused && type !== 'Strip') throw json.unsupported(`decoder '${type}' after 'Fuse'`, ['Strip']);
  switch (type) {
    case 'ByteLevel':
      return byteLevel;
    case 'ByteFallback':
      return byteFallback;
    case 'Replace': {
      const pattern = json.get('pattern').get('String');
      if (pattern.isNull) throw json.get('pattern').unsupported('a decoder with a regular expression', ['String']);
      const searched = pattern.string(MAX_TOKEN_CHARACTERS);
      if (searched === '') throw pattern.malformed('an empty pattern');
      const content = json.get('content').string(MAX_TOKEN_CHARACTERS);
      return perToken((token) => token.replaceAll(searched, () => content));
    }
    case 'Strip': {
      const content = json.get('content').string(2);
      if (content === '') throw json.get('content').malformed('an empty content');
      const start = json.get('start').index(MAX_TOKEN_CHARACTERS);
      if (json.get('stop').index(MAX_TOKEN_CHARACTERS) !== 0) {
        throw json.get('stop').unsupported('a decoder that strips the end', ['0']);
      }
      return isFused ? stripWholeText(content, start) : perToken(strip(content, start));
    }
    case 'Metaspace': {
      const replacement = json.get('replacement').string(1);
      const scheme = json.get('prepend_scheme');
      const adds = scheme.isNull ? json.get('add_prefix_space').boolean(true) : scheme.value !== 'never';
      return perToken((token, isFirst) => token.replaceAll(replacement, isFirst && adds ? '' : ' '));
    }
    default:
      throw json.unsupported(`decoder '${type}'`, SUPPORTED);
  }
}

/** Reads the `decoder` field. Without a decoder, tokens are joined with spaces. */
export function parseDecoder(json: JsonReader): DecoderFactory {
  const makers: (() => Stage)[] = [];
  if (json.isNull) makers.push(perToken((token, isFirst) => (isFirst ? token : ` ${token}`)));
  else {
    const isSequence = json.get('type').value === 'Sequence';
    let isFused = false;
    let growth = 1;
    for (const field of isSequence ? json.get('decoders').elements(MAX_COMPONENTS) : [json]) {
      growth *= growthOf(field);
      if (growth > MAX_GROWTH) throw field.malformed(`steps that make a token more than ${MAX_GROWTH} times as long`);
      // Joining is what the end of the chain does anyway: Fuse only changes what later steps see as one token.
      if (field.get('type').value === 'Fuse') isFused = true;
      else makers.push(parseStage(field, isFused));
    }
  }
  return () => new TextDecoderChain(makers.map((make) => make()));
}
