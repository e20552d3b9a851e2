/** Reads tokenizer.json's `model` field (type BPE) into a vocabulary that bpe.ts can run. */
import { type AddedToken, isOrdinary } from './added-tokens.js';
import { type BpeVocabulary, SeamSet } from './bpe.js';
import { JsonReader } from './json-reader.js';
import { MAX_MERGES, MAX_TOKEN_CHARACTERS, MAX_VOCABULARY_TOKENS } from './limits.js';
import { MergeTable } from './merge-table.js';

/** Entries read between two turns of other work: about a millisecond's. */
const ENTRIES_PER_STEP = 1024;

type Steps<T> = Generator<void, T>;

interface Tokens {
  readonly ids: Map<string, number>;
  /** By id. */
  readonly tokens: (string | undefined)[];
}

function* parseVocabulary(json: JsonReader): Steps<Tokens> {
  const entries = Object.entries(json.object());
  if (entries.length > MAX_VOCABULARY_TOKENS) {
    throw json.malformed(`${entries.length} tokens, more than the limit of ${MAX_VOCABULARY_TOKENS}`);
  }
  const ids = new Map<string, number>();
  const tokens: (string | undefined)[] = [];
  for (const [index, [token, value]] of entries.entries()) {
    if (index % ENTRIES_PER_STEP === 0) yield;
    // The reader that can name the place is made only for what is wrong: there are 200,000 tokens.
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= MAX_VOCABULARY_TOKENS) {
      new JsonReader(value, `${json.path}[${JSON.stringify(token.slice(0, 60))}]`).index(MAX_VOCABULARY_TOKENS - 1);
      continue;
    }
    if (token.length > MAX_TOKEN_CHARACTERS) {
      throw json.malformed(`a token of ${token.length} characters, more than the limit of ${MAX_TOKEN_CHARACTERS}`);
    }
    if (tokens[value] !== undefined) throw json.malformed(`two tokens with id ${value}`);
    tokens[value] = token;
    ids.set(token, value);
  }
  return { ids, tokens };
}

/** A merge is written "left right" or ["left", "right"]. */
function parseMerge(value: unknown, json: JsonReader, index: number): readonly [string, string] {
  const parts: unknown = typeof value === 'string' ? value.split(' ') : value;
  if (Array.isArray(parts) && parts.length === 2) {
    const [left, right] = parts as [unknown, unknown];
    if (typeof left === 'string' && typeof right === 'string') return [left, right];
  }
  throw new JsonReader(value, `${json.path}[${index}]`).malformed('expected a pair of tokens');
}

interface Merges {
  readonly merges: MergeTable;
  readonly seams: SeamSet;
  /** By id: 1 if a merge takes the token. */
  readonly merging: Uint8Array;
}

function* parseMerges(json: JsonReader, { ids, tokens }: Tokens, controlIds: ReadonlySet<number>): Steps<Merges> {
  const written = json.array(MAX_MERGES);
  const merges = new MergeTable(written.length);
  const seams = new SeamSet();
  const merging = new Uint8Array(tokens.length);
  let rank = 0;
  for (const [index, value] of written.entries()) {
    if (index % ENTRIES_PER_STEP === 0) yield;
    if (typeof value === 'string' && value.startsWith('#version')) continue;
    const [left, right] = parseMerge(value, json, index);
    const leftId = ids.get(left);
    const rightId = ids.get(right);
    const mergedId = ids.get(left + right);
    if (leftId === undefined || rightId === undefined || mergedId === undefined) {
      const missing = [left, right, left + right].find((token) => !ids.has(token)) ?? '';
      throw new JsonReader(value, `${json.path}[${index}]`).malformed(
        `token ${JSON.stringify(missing.slice(0, 60))} is not in the vocabulary`,
      );
    }
    // Text must never become a control token, not by merging either.
    if (!controlIds.has(mergedId)) {
      merging[leftId] = 1;
      merging[rightId] = 1;
      merges.add(leftId, rightId, rank, mergedId);
      seams.add(left.charCodeAt(left.length - 1), right.charCodeAt(0));
    }
    rank += 1;
  }
  return { merges, seams, merging };
}

function parseByteIds(ids: ReadonlyMap<string, number>): Int32Array {
  return Int32Array.from(
    { length: 256 },
    (_, byte) => ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`) ?? -1,
  );
}

function refuseEmptyOrNull(json: JsonReader, field: string): void {
  const reader = json.get(field);
  if (!reader.isNull && reader.value !== '') throw reader.unsupported(`a BPE model with ${field}`, ['null']);
}

/** In steps: see tokenizerSteps(). */
export function* parseModel(json: JsonReader, addedTokens: readonly AddedToken[]): Steps<BpeVocabulary> {
  const typeField = json.get('type');
  // Files of 2020 leave the type out; a BPE model is known by its merges.
  const type = typeField.isNull && !json.get('merges').isNull ? 'BPE' : typeField.string(64);
  if (type !== 'BPE') throw typeField.unsupported(`model '${type}'`, ['BPE']);
  refuseEmptyOrNull(json, 'continuing_subword_prefix');
  refuseEmptyOrNull(json, 'end_of_word_suffix');
  const dropout = json.get('dropout');
  if (!dropout.isNull && dropout.value !== 0) throw dropout.unsupported('a BPE model with dropout', ['null', '0']);

  const vocabulary = yield* parseVocabulary(json.get('vocab'));
  const { ids, tokens } = vocabulary;
  const controlIds = new Set(addedTokens.filter((token) => !isOrdinary(token)).map((token) => token.id));
  const { merges, seams, merging } = yield* parseMerges(json.get('merges'), vocabulary, controlIds);
  const unknownField = json.get('unk_token');
  const unknownId = unknownField.isNull ? null : ids.get(unknownField.string(MAX_TOKEN_CHARACTERS));
  if (unknownId === undefined) throw unknownField.malformed('the token is not in the vocabulary');
  const byteIds = json.get('byte_fallback').boolean(false) ? parseByteIds(ids) : null;
  return {
    ids,
    tokens,
    merges,
    seams,
    byteIds,
    unknownIsSeparate: byteIds !== null && byteIds.every((id) => id !== -1 && merging[id] === 0),
    unknownId,
    fuseUnknown: json.get('fuse_unk').boolean(false),
    wholeWords: json.get('ignore_merges').boolean(false)
      ? new Map([...ids].filter(([, id]) => !controlIds.has(id)))
      : null,
  };
}
