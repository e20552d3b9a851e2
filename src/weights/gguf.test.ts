import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AipcError } from '../errors.js';
import { readGgufHead, type GgufHead } from './gguf.js';
import { ModelFile } from './model-file.js';
import {
  array,
  f32,
  GGUF_TYPES as T,
  ggufOf,
  TemporaryFolder,
  text,
  u32,
  u64,
  type GgufEntry,
  type GgufTestTensor,
} from './testing/files.js';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await TemporaryFolder.make();
});
afterAll(() => folder[Symbol.asyncDispose]());

async function read(content: Uint8Array, wants: (key: string) => boolean = () => true): Promise<GgufHead> {
  await using file = await ModelFile.open(await folder.write('model.gguf', content));
  return await readGgufHead(file, wants);
}

async function failure(
  content: Uint8Array,
  wants?: (key: string) => boolean,
): Promise<{ code: string; message: string }> {
  const error = await read(content, wants).then(
    () => undefined,
    (reason: unknown) => reason as AipcError,
  );
  if (error === undefined) throw new Error('the file was accepted');
  return { code: error.code, message: error.message };
}

function codeOf(error: unknown): string {
  return error instanceof AipcError ? error.code : String(error);
}

const MAX_U64 = 2n ** 64n - 1n;
const i64 = (value: bigint): Buffer => u64(BigInt.asUintN(64, value));
const f64 = (value: number): Buffer => Buffer.from(Float64Array.of(value).buffer);

const EVERY_TYPE: readonly GgufEntry[] = [
  ['u8', T.u8, Buffer.of(200)],
  ['i8', T.i8, Buffer.of(200)],
  ['u16', T.u16, Buffer.of(0xff, 0xff)],
  ['i16', T.i16, Buffer.of(0xff, 0xff)],
  ['u32', T.u32, u32(4_000_000_000)],
  ['i32', T.i32, u32(0xffffffff)],
  ['f32', T.f32, f32(0.5)],
  ['true', T.bool, Buffer.of(1)],
  ['false', T.bool, Buffer.of(0)],
  ['text', T.string, text('grüße')],
  ['none', T.string, text('')],
  ['u64', T.u64, u64(MAX_U64)],
  ['small u64', T.u64, u64(5)],
  ['i64', T.i64, i64(-5n)],
  ['f64', T.f64, f64(1e300)],
  ['texts', T.array, array(T.string, [text('a'), text(''), text('▁b')])],
  ['floats', T.array, array(T.f32, [f32(1), f32(-2)])],
  ['ints', T.array, array(T.i32, [u32(0xffffffff), u32(7)])],
  ['longs', T.array, array(T.u64, [u64(MAX_U64)])],
  ['booleans', T.array, array(T.bool, [Buffer.of(1), Buffer.of(0)])],
  ['nothing', T.array, array(T.f64, [])],
];
const EVERY_VALUE = {
  u8: 200,
  i8: -56,
  u16: 65_535,
  i16: -1,
  u32: 4_000_000_000,
  i32: -1,
  f32: 0.5,
  true: true,
  false: false,
  text: 'grüße',
  none: '',
  u64: MAX_U64,
  'small u64': 5,
  i64: -5,
  f64: 1e300,
  texts: ['a', '', '▁b'],
  floats: Float32Array.of(1, -2),
  ints: Int32Array.of(-1, 7),
  longs: BigUint64Array.of(MAX_U64),
  booleans: Uint8Array.of(1, 0),
  nothing: new Float64Array(),
};

const F32 = 0;
const Q4_1 = 3;
const Q3_K = 11;
const tensor = (over: Partial<GgufTestTensor> = {}): GgufTestTensor => ({
  name: 'a',
  dimensions: [4],
  type: F32,
  offset: 0,
  ...over,
});

describe('readGgufHead', () => {
  it.each([2, 3])('reads metadata of every value type, version %i', async (version) => {
    const head = await read(ggufOf({ version, metadata: EVERY_TYPE }));
    expect(head.version).toBe(version);
    expect(Object.fromEntries(head.metadata)).toEqual(EVERY_VALUE);
  });

  it('walks over the keys that nobody asked for', async () => {
    const head = await read(ggufOf({ metadata: EVERY_TYPE }), (key) => key === 'f64' || key === 'longs');
    expect(Object.fromEntries(head.metadata)).toEqual({ f64: 1e300, longs: EVERY_VALUE.longs });
  });

  it('reads strings that cross the read buffer, in a long array', async () => {
    const words = Array.from({ length: 30_000 }, (_, i) => `token ${i} ${'é'.repeat(i % 17)}`);
    const head = await read(ggufOf({ metadata: [['texts', T.array, array(T.string, words.map(text))]] }));
    expect(head.metadata.get('texts')).toEqual(words);
  });

  it('gives tensors outermost dimension first, from the aligned start of the data', async () => {
    const file = ggufOf({
      alignment: 64,
      metadata: [['general.alignment', T.u32, u32(64)]],
      tensors: [
        { name: 'matrix', dimensions: [32, 3], type: Q4_1, offset: 64 },
        { name: 'vector', dimensions: [4], type: F32, offset: 0 },
        { name: 'unreadable', dimensions: [256], type: Q3_K, offset: 128 },
      ],
      data: new Uint8Array(128 + 210),
    });
    const start = file.length - (128 + 210);
    expect(start % 64).toBe(0);
    expect((await read(file)).tensors).toEqual([
      { name: 'matrix', shape: [3, 32], typeName: 'Q4_1', dtype: 'Q4_1', offsetBytes: start + 64 },
      { name: 'vector', shape: [4], typeName: 'F32', dtype: 'F32', offsetBytes: start },
      { name: 'unreadable', shape: [256], typeName: 'Q3_K', dtype: null, offsetBytes: start + 128 },
    ]);
  });

  const small = ggufOf({
    metadata: EVERY_TYPE,
    tensors: [tensor(), tensor({ name: 'b', dimensions: [2, 1], offset: 32 })],
    data: new Uint8Array(40),
  });

  it('refuses the file cut off after any number of bytes', async () => {
    for (let length = 0; length < small.length; length++) {
      const { code } = await failure(small.subarray(0, length));
      expect([length, code]).toEqual([length, 'FILE_TRUNCATED']);
    }
  });

  it.each([
    ['reads', () => true],
    ['walks over', () => false],
  ])('survives 8 bytes of ones anywhere in the header, whether it %s the metadata', async (_what, wants) => {
    const outcomes = new Set<string>();
    // Steps of 3: every number is at least 4 bytes wide, so that each is hit.
    for (let at = 0; at < small.length - 48; at += 3) {
      const damaged = Buffer.from(small);
      damaged.fill(0xff, at, at + 8);
      outcomes.add(await read(damaged, wants).then(() => 'accepted', codeOf));
    }
    // Accepted: where the ones fall into a number or the padding, the file is another well-formed one.
    const allowed = [
      'DTYPE_UNSUPPORTED',
      'FILE_LIMIT_EXCEEDED',
      'FILE_MALFORMED',
      'FILE_TRUNCATED',
      'MODEL_FEATURE_UNSUPPORTED',
      'accepted',
    ];
    expect([...outcomes].sort()).toEqual(allowed);
  });

  const data = new Uint8Array(64);
  const nested = array(T.array, [array(T.u8, [Buffer.of(1)])]);
  it.each<[what: string, file: Uint8Array, code: string, message: RegExp]>([
    ['another magic', Buffer.from('GGML\0\0\0\x03'), 'FILE_MALFORMED', /magic "GGUF"/],
    ['version 1', ggufOf({ version: 1 }), 'MODEL_FEATURE_UNSUPPORTED', /GGUF version 1; aipc reads versions 2 and 3/],
    ['version 4', ggufOf({ version: 4 }), 'MODEL_FEATURE_UNSUPPORTED', /GGUF version 4/],
    ['big endian', ggufOf({ version: 0x03000000 }), 'MODEL_FEATURE_UNSUPPORTED', /big-endian/],
    ['2^64 - 1 tensors', ggufOf({ tensorCount: MAX_U64 }), 'FILE_LIMIT_EXCEEDED', /number of tensors/],
    ['2^64 - 1 keys', ggufOf({ metadataCount: MAX_U64 }), 'FILE_LIMIT_EXCEEDED', /number of metadata keys/],
    ['more keys than there are', ggufOf({ metadataCount: 60_000n }), 'FILE_TRUNCATED', /a metadata key/],
    [
      'a key given twice',
      ggufOf({ metadata: [['k', T.u8, Buffer.of(1)], ['k', T.u8, Buffer.of(1)]] }), // prettier-ignore
      'FILE_MALFORMED',
      /"k" is given twice/,
    ],
    ['a key of 64 KiB', ggufOf({ metadata: [['k'.repeat(65_536), T.u8, Buffer.of(1)]] }), 'FILE_LIMIT_EXCEEDED', /key/],
    [
      'an unknown value type',
      ggufOf({ metadata: [['k', 13, u64(0)]] }),
      'FILE_MALFORMED',
      /"k" has the unknown value type 13/,
    ],
    [
      'a boolean of 2',
      ggufOf({ metadata: [['k', T.bool, Buffer.of(2)]] }),
      'FILE_MALFORMED',
      /must be 0 or 1, found 2/,
    ],
    ['a string of 2^64 - 1', ggufOf({ metadata: [['k', T.string, u64(MAX_U64)]] }), 'FILE_LIMIT_EXCEEDED', /length of/],
    ['a string of 1 MB that is not there', ggufOf({ metadata: [['k', T.string, u64(1e6)]] }), 'FILE_TRUNCATED', /"k"/],
    [
      'text that is not UTF-8',
      ggufOf({ metadata: [['k', T.string, Buffer.concat([u64(1), Buffer.of(0xff)])]] }),
      'FILE_MALFORMED',
      /"k" at byte \d+ is not valid UTF-8/,
    ],
    [
      'an array of 2^64 - 1',
      ggufOf({ metadata: [['k', T.array, Buffer.concat([u32(T.u8), u64(MAX_U64)])]] }),
      'FILE_LIMIT_EXCEEDED',
      /element count/,
    ],
    [
      'an array of a million strings that are not there',
      ggufOf({ metadata: [['k', T.array, Buffer.concat([u32(T.string), u64(1_000_000)])]] }),
      'FILE_TRUNCATED',
      /"k"/,
    ],
    [
      'an array of arrays',
      ggufOf({ metadata: [['k', T.array, nested]] }),
      'FILE_LIMIT_EXCEEDED',
      /depth .* limit is 1/,
    ],
    [
      'an alignment of 0',
      ggufOf({ metadata: [['general.alignment', T.u32, u32(0)]] }),
      'FILE_MALFORMED',
      /power of two from 8/,
    ],
    [
      'an alignment that is text',
      ggufOf({ metadata: [['general.alignment', T.string, text('32')]] }),
      'FILE_MALFORMED',
      /power of two from 8/,
    ],
    ['a tensor given twice', ggufOf({ tensors: [tensor(), tensor()], data }), 'FILE_MALFORMED', /"a" is listed twice/],
    ['no dimensions', ggufOf({ tensors: [tensor({ dimensions: [] })], data }), 'FILE_LIMIT_EXCEEDED', /dimensions/],
    [
      'five dimensions',
      ggufOf({ tensors: [tensor({ dimensions: [1, 1, 1, 1, 1] })], data }),
      'FILE_LIMIT_EXCEEDED',
      /limit is 4/,
    ],
    ['a dimension of 0', ggufOf({ tensors: [tensor({ dimensions: [0] })], data }), 'FILE_MALFORMED', /blocks of 1/],
    [
      'a dimension of 2^64 - 1',
      ggufOf({ tensors: [tensor({ dimensions: [MAX_U64] })], data }),
      'FILE_LIMIT_EXCEEDED',
      /a dimension of "a"/,
    ],
    [
      'a shape whose product overflows',
      ggufOf({ tensors: [tensor({ dimensions: [2n ** 53n - 1n, 2n ** 53n - 1n, 2n ** 53n - 1n] })], data }),
      'FILE_TRUNCATED',
      /"a" needs/,
    ],
    [
      'a row that is not whole blocks',
      ggufOf({ tensors: [tensor({ dimensions: [33, 1], type: Q4_1 })], data }),
      'FILE_MALFORMED',
      /\[1, 33\] is not made of Q4_1 blocks of 32/,
    ],
    ['an unknown type', ggufOf({ tensors: [tensor({ type: 99 })], data }), 'DTYPE_UNSUPPORTED', /type 99.*Q8_0/],
    ['an unaligned offset', ggufOf({ tensors: [tensor({ offset: 4 })], data }), 'FILE_MALFORMED', /not aligned to 32/],
    ['an offset past the end', ggufOf({ tensors: [tensor({ offset: 64 })], data }), 'FILE_TRUNCATED', /tensor "a"/],
    [
      'an offset of 2^64 - 1',
      ggufOf({ tensors: [tensor({ offset: MAX_U64 })], data }),
      'FILE_LIMIT_EXCEEDED',
      /offset/,
    ],
    [
      'overlapping tensors',
      ggufOf({ tensors: [tensor({ dimensions: [16] }), tensor({ name: 'b', offset: 32 })], data }),
      'FILE_MALFORMED',
      /"b" overlaps the tensor before it/,
    ],
  ])('refuses %s', async (_what, file, code, message) => {
    for (const wants of [() => true, () => false]) {
      // Text is checked only where it is read.
      if (!wants() && /not UTF-8|boolean/.test(_what)) continue;
      const found = await failure(file, wants);
      expect(found.message).toMatch(message);
      expect(found.code).toBe(code);
    }
  });
});
