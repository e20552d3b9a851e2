/**
 * Attacks on model files that somebody published, one case for each shape, with where it was published. All are used in
 * a process of their own under the promise's limits (pool.ts): time, memory, no crash, nothing written.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  array,
  ggufOf,
  GGUF_TYPES as T,
  safetensorsOf,
  text,
  u32,
  u64,
  type GgufTestFile,
} from '../../src/weights/testing/files.js';
import type { CaseFile, Use } from './cases.js';
import { editOnnx, messageIn, nestedGraphs, type Field, type Message } from './mutate/onnx.js';
import { findChange } from './node-sweep.js';
import { HostileRunner } from './pool.js';
import { GGUF_FILE, loadSeeds, type SeedModel, type Seeds } from './seeds.js';

let runner: HostileRunner;
let seeds: Seeds;
beforeAll(async () => {
  seeds = await loadSeeds();
  runner = await HostileRunner.create();
});
afterAll(() => runner[Symbol.asyncDispose]());

type Files = Readonly<Record<string, CaseFile | string>>;

/** What comes of using `base` with some files changed: `ok` or the code of an error. Fails where a limit is broken. */
async function outcome(use: Use, base: SeedModel | undefined, changed: Files, file?: string): Promise<string> {
  const files = new Map<string, CaseFile>(base?.files ?? []);
  for (const [name, content] of Object.entries(changed)) {
    files.set(name, typeof content === 'string' ? Buffer.from(content) : content);
  }
  const hostile = { id: 'named', target: 'files', uses: [use], files, what: 'named' } as const;
  const { failure, outcomes } = await runner.run(file === undefined ? hostile : { ...hostile, file }, 1);
  expect(failure).toBeUndefined();
  return outcomes[0] ?? '';
}

function first(models: readonly SeedModel[]): SeedModel {
  const [model] = models;
  if (model === undefined) throw new RangeError('no model');
  return model;
}

function fileOf({ files, name }: SeedModel, file: string): Buffer {
  const bytes = files.get(file);
  if (bytes === undefined) throw new RangeError(`${name} has no ${file}`);
  return bytes;
}

const MAX_U64 = 2n ** 64n - 1n;

describe('GGUF', () => {
  const tensor = { name: 't', dimensions: [32], type: 0, offset: 0 };
  const cases: [attack: string, file: GgufTestFile | Buffer, code: string][] = [
    // CVE-2024-21836 (Talos): the size of the array of tensor entries overflows.
    ['a number of tensors that overflows', { tensorCount: 2n ** 61n }, 'FILE_LIMIT_EXCEEDED'],
    // CVE-2024-23605 (Talos, Databricks): the size of the array of keys overflows, one entry is allocated.
    ['a number of keys that overflows', { metadataCount: 2n ** 64n / 48n + 1n }, 'FILE_LIMIT_EXCEEDED'],
    // CVE-2024-23496 (Talos, Databricks): the length of a string and its end of text are 0 together.
    ['a string of 2^64 - 1 bytes', Buffer.concat([ggufOf({ metadataCount: 1n }), u64(MAX_U64)]), 'FILE_LIMIT_EXCEEDED'],
    // CVE-2024-21825 (Talos, Databricks): count times element size overflows.
    [
      'an array of 2^61 numbers',
      { metadata: [['a', T.array, Buffer.concat([u32(T.u64), u64(2n ** 61n)])]] },
      'FILE_LIMIT_EXCEEDED',
    ],
    [
      'an array of 2^60 strings',
      { metadata: [['a', T.array, Buffer.concat([u32(T.string), u64(2n ** 60n)])]] },
      'FILE_LIMIT_EXCEEDED',
    ],
    // CVE-2024-21802 (Talos, Databricks): n_dims indexes an array of four.
    [
      'a tensor of 2^32 - 1 dimensions',
      Buffer.concat([ggufOf({ tensorCount: 1n }), text('t'), u32(0xffffffff)]),
      'FILE_LIMIT_EXCEEDED',
    ],
    // CVE-2026-33298: the bytes of a tensor wrap around to few (ggml_nbytes).
    [
      'a shape whose product wraps around',
      { tensors: [{ ...tensor, dimensions: [2 ** 40, 2 ** 40, 2 ** 40] }], data: Buffer.alloc(128) },
      'FILE_TRUNCATED',
    ],
    // CVE-2025-53630: the sum of all tensors' bytes wraps around.
    [
      'sizes whose sum wraps around',
      {
        tensors: [
          { ...tensor, name: 'a', dimensions: [2 ** 52, 1024] },
          { ...tensor, name: 'b', dimensions: [2 ** 52, 1024], offset: 2n ** 53n - 32n },
        ],
        data: Buffer.alloc(128),
      },
      'FILE_TRUNCATED',
    ],
    // CVE-2026-7482 ("Bleeding Llama", Ollama): offset and size beyond the end of the file.
    [
      'a tensor beyond the end',
      { tensors: [{ ...tensor, dimensions: [2 ** 30] }], data: Buffer.alloc(128) },
      'FILE_TRUNCATED',
    ],
    [
      'an offset beyond the end',
      { tensors: [{ ...tensor, offset: 2n ** 40n }], data: Buffer.alloc(128) },
      'FILE_TRUNCATED',
    ],
    // CVE-2024-39720 (Ollama): a file of the four bytes of the magic alone.
    ['the magic alone', Buffer.from('GGUF'), 'FILE_TRUNCATED'],
    // llama.cpp pull request 19856 fixed the six below.
    ['an alignment of 0', { metadata: [['general.alignment', T.u32, u32(0)]] }, 'FILE_MALFORMED'],
    ['an alignment that is no power of two', { metadata: [['general.alignment', T.u32, u32(48)]] }, 'FILE_MALFORMED'],
    [
      'a negative tensor type',
      { tensors: [{ ...tensor, type: 0xffffffff }], data: Buffer.alloc(128) },
      'DTYPE_UNSUPPORTED',
    ],
    [
      'a key given twice',
      {
        metadata: [
          ['a', T.u32, u32(1)],
          ['a', T.u32, u32(2)],
        ],
      },
      'FILE_MALFORMED',
    ],
    [
      'more strings than there are bytes',
      { metadata: [['tokenizer.ggml.tokens', T.array, Buffer.concat([u32(T.string), u64(2n ** 20n)])]] },
      'FILE_TRUNCATED',
    ],
    [
      'more numbers than there are bytes',
      { metadata: [['tokenizer.ggml.scores', T.array, Buffer.concat([u32(T.f32), u64(2n ** 20n)])]] },
      'FILE_TRUNCATED',
    ],
    // llama.cpp GHSA-96jg-mvhq-q7q7, pull request 24997: padding to it wraps around.
    ['an alignment of 2^31', { metadata: [['general.alignment', T.u32, u32(2 ** 31)]] }, 'FILE_MALFORMED'],
    // llama.cpp pull request 26318: an assertion fails on the type of the number; here it is the number that it is.
    [
      'an alignment that is a signed number',
      { metadata: [['general.alignment', T.i32, u32(32)]] },
      'ARCHITECTURE_UNSUPPORTED',
    ],
    [
      'an alignment that is a negative number',
      { metadata: [['general.alignment', T.i32, u32(2 ** 32 - 32)]] },
      'FILE_MALFORMED',
    ],
    // llama.cpp pull request 27188 (gguf-py), ollama issue 17042: counts that no file has bytes for.
    ['2^63 keys', { metadataCount: 2n ** 63n }, 'FILE_LIMIT_EXCEEDED'],
    [
      'an array of an array of 2^62 numbers',
      { metadata: [['a', T.array, Buffer.concat([u32(T.array), u64(1), u32(T.u8), u64(2n ** 62n)])]] },
      'FILE_LIMIT_EXCEEDED',
    ],
    // llama.cpp pull request 18674: the stride wraps around to 0.
    [
      'a dimension of 2^42 + 1',
      { tensors: [{ ...tensor, dimensions: [32, 2 ** 42 + 1] }], data: Buffer.alloc(128) },
      'FILE_TRUNCATED',
    ],
    // CVE-2024-32878 (llama.cpp): the file ends among the keys, and what was not read is freed.
    ['an end among its keys', Buffer.concat([ggufOf({ metadataCount: 3n }), text('a')]), 'FILE_TRUNCATED'],
    // CVE-2025-49847 (llama.cpp, GHSA-8wwf-w4qm-gpqr): the length of a token becomes a negative number of 32 bits.
    [
      'a token of 2^31 bytes',
      {
        metadata: [['tokenizer.ggml.tokens', T.array, Buffer.concat([u32(T.string), u64(1), u64(2 ** 31)])]],
      },
      'FILE_LIMIT_EXCEEDED',
    ],
    // ggml's docs/gguf.md allows arrays in arrays; readers that recurse run out of stack.
    [
      'arrays in arrays',
      {
        metadata: [
          [
            'a',
            T.array,
            array(
              T.array,
              Array.from({ length: 9 }, () => u32(T.array)),
            ),
          ],
        ],
      },
      'FILE_LIMIT_EXCEEDED',
    ],
    [
      'tensors that overlap',
      { tensors: [tensor, { ...tensor, name: 'b', offset: 32 }], data: Buffer.alloc(256) },
      'FILE_MALFORMED',
    ],
    [
      'a tensor without elements',
      { tensors: [{ ...tensor, dimensions: [0] }], data: Buffer.alloc(128) },
      'FILE_MALFORMED',
    ],
  ];
  it.each(cases)('with %s is refused', async (_, file, code) => {
    const bytes = Buffer.isBuffer(file) ? file : ggufOf(file);
    expect(await outcome('weights', undefined, { [GGUF_FILE]: bytes }, GGUF_FILE)).toBe(code);
  });

  // llama.cpp pull requests 25969 and 26511: `-1` is read as a number, and indexes a table of 256 bytes.
  it.each(['<0x-1>', '<0xZZ>', '<0x+F>', '<0x100>', '<0x>'])(
    'with a token of a byte %j keeps it a token',
    async (byte) => {
      const tokens = ['<unk>', 'a', '\u2581', byte];
      const metadata: GgufTestFile['metadata'] = [
        ['tokenizer.ggml.model', T.string, text('llama')],
        ['tokenizer.ggml.tokens', T.array, array(T.string, tokens.map(text))],
        [
          'tokenizer.ggml.scores',
          T.array,
          array(
            T.f32,
            tokens.map(() => u32(0)),
          ),
        ],
        ['tokenizer.ggml.token_type', T.array, array(T.i32, [2, 1, 1, 6].map(u32))],
      ];
      expect(await outcome('tokenizer', undefined, { [GGUF_FILE]: ggufOf({ metadata }) }, GGUF_FILE)).toMatch(
        /^(ok|TOKENIZER_MALFORMED|TOKENIZER_UNSUPPORTED)$/,
      );
    },
  );

  it('with a vocabulary that would make millions of merges is refused', async () => {
    // Of our own: each token of a SentencePiece vocabulary is cut everywhere, in time and memory that nobody bounded.
    const tokens = Array.from({ length: 40_000 }, (_, i) =>
      text('x'.repeat(1 + (i % 90)) + String(i).padStart(6, '0')),
    );
    const metadata: GgufTestFile['metadata'] = [
      ['tokenizer.ggml.model', T.string, text('llama')],
      [
        'tokenizer.ggml.tokens',
        T.array,
        array(T.string, [...Array.from({ length: 10 }, (_, i) => text(String(i))), ...tokens]),
      ],
      [
        'tokenizer.ggml.scores',
        T.array,
        array(
          T.f32,
          Array.from({ length: 40_010 }, () => u32(0)),
        ),
      ],
    ];
    expect(await outcome('tokenizer', undefined, { [GGUF_FILE]: ggufOf({ metadata }) }, GGUF_FILE)).not.toBe('untyped');
  });

  it('with 48 MiB of empty strings in its head ends in time', async () => {
    const strings = (count: number): Buffer => Buffer.concat([u32(T.string), u64(count), Buffer.alloc(8 * count)]);
    const metadata = Array.from({ length: 6 }, (_, i) => [`k${i}`, T.array, strings(2 ** 20)] as const);
    expect(await outcome('weights', undefined, { [GGUF_FILE]: ggufOf({ metadata }) }, GGUF_FILE)).toBe(
      'FILE_LIMIT_EXCEEDED',
    );
  });
});

describe('safetensors', () => {
  const f32 = (name: string, start: number, end: number, shape = [(end - start) / 4]): string =>
    `"${name}":${JSON.stringify({ dtype: 'F32', shape, data_offsets: [start, end] })}`;
  const cases: [attack: string, file: Buffer, code: string][] = [
    // Trail of Bits' review of safetensors (2023), and the promises of its README that came of it ("Benefits").
    ['a header of 2^64 - 1 bytes', Buffer.concat([u64(MAX_U64), Buffer.from('{}')]), 'FILE_LIMIT_EXCEEDED'],
    ['a header of 2^63 bytes', Buffer.concat([u64(2n ** 63n), Buffer.from('{}')]), 'FILE_LIMIT_EXCEEDED'],
    ['a header longer than the file', Buffer.concat([u64(1000), Buffer.from('{}')]), 'FILE_TRUNCATED'],
    ['a name given twice', safetensorsOf(`{${f32('a', 0, 4)},${f32('a', 0, 4)}}`, Buffer.alloc(4)), 'FILE_MALFORMED'],
    [
      'tensors that overlap',
      safetensorsOf(`{${f32('a', 0, 8)},${f32('b', 4, 12)}}`, Buffer.alloc(12)),
      'FILE_MALFORMED',
    ],
    [
      'a hole, where another file could hide',
      safetensorsOf(`{${f32('a', 0, 4)},${f32('b', 8, 12)}}`, Buffer.alloc(12)),
      'FILE_MALFORMED',
    ],
    ['another file behind the tensors', safetensorsOf(`{${f32('a', 0, 4)}}`, Buffer.alloc(400)), 'FILE_MALFORMED'],
    ['no tensors, all of it another file', safetensorsOf('{}', Buffer.alloc(400)), 'FILE_MALFORMED'],
    ['a byte order mark', safetensorsOf(`\uFEFF{${f32('a', 0, 4)}}`, Buffer.alloc(4)), 'FILE_MALFORMED'],
    ['white space before the header', safetensorsOf(` {${f32('a', 0, 4)}}`, Buffer.alloc(4)), 'FILE_MALFORMED'],
    ['offsets that run backwards', safetensorsOf(`{${f32('a', 4, 0, [1])}}`, Buffer.alloc(4)), 'FILE_MALFORMED'],
    [
      'a shape whose product wraps around',
      safetensorsOf(`{${f32('a', 0, 4, [2 ** 32, 2 ** 32, 1])}}`, Buffer.alloc(4)),
      'FILE_MALFORMED',
    ],
    [
      'offsets beyond 2^53',
      safetensorsOf(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[9007199254740993,9007199254740997]}}',
        Buffer.alloc(4),
      ),
      'FILE_LIMIT_EXCEEDED',
    ],
    [
      'metadata that nests',
      safetensorsOf(`{"__metadata__":${'{"a":'.repeat(100_000)}"b"${'}'.repeat(100_000)}}`),
      'FILE_MALFORMED',
    ],
    // huggingface.co/Damir2024/Malicious-safetensor-poc: 100,000 tensors of nothing.
    [
      '100,000 tensors',
      safetensorsOf(`{${Array.from({ length: 100_000 }, (_, i) => f32(`t${i}`, 0, 0)).join(',')}}`),
      'FILE_LIMIT_EXCEEDED',
    ],
    // The reference takes headers of 100 MB.
    ['a header of 100 MB', Buffer.concat([u64(100_000_000), Buffer.alloc(100_000_000, ' ')]), 'FILE_LIMIT_EXCEEDED'],
    [
      'a header of 32 MiB',
      safetensorsOf(`{"__metadata__":{"a":"${'x'.repeat(32 * 2 ** 20 - 30)}"}}`, Buffer.alloc(4)),
      'FILE_MALFORMED',
    ],
  ];
  it.each(cases)('with %s is refused', async (_, bytes, code) => {
    expect(await outcome('weights', first(seeds.single), { 'model.safetensors': bytes })).toBe(code);
  });

  // Paths in an index, as in CVE-2022-25882 for ONNX.
  it.each([
    '../outside.safetensors',
    '/etc/x.safetensors',
    '..\\x.safetensors',
    'C:\\x.safetensors',
    'a\0.safetensors',
  ])('with a shard at %j is refused', async (shard) => {
    const base = first(seeds.sharded);
    const index = JSON.parse(fileOf(base, 'model.safetensors.index.json').toString()) as {
      weight_map: Record<string, string>;
    };
    for (const tensor of Object.keys(index.weight_map)) index.weight_map[tensor] = shard;
    expect(await outcome('weights', base, { 'model.safetensors.index.json': JSON.stringify(index) })).toBe(
      'FILE_MALFORMED',
    );
  });

  it('with a thousand shards that are links to one long header is refused in time', async () => {
    const header = safetensorsOf(`{"__metadata__":{"a":"${'x'.repeat(4 * 2 ** 20)}"}}`);
    const links = Array.from({ length: 1000 }, (_, i) => [`s${i}.safetensors`, { link: 'one.safetensors' }] as const);
    const map = Object.fromEntries(links.map(([name], i) => [`t${i}`, name]));
    expect(
      await outcome('weights', first(seeds.sharded), {
        'model.safetensors.index.json': JSON.stringify({ weight_map: map }),
        'one.safetensors': header,
        ...Object.fromEntries(links),
      }),
    ).toBe('FILE_LIMIT_EXCEEDED');
  });
});

describe('tokenizer.json', () => {
  const edited = (edit: (json: Record<string, unknown>) => void): string => {
    const json = JSON.parse(fileOf(first(seeds.single), 'tokenizer.json').toString()) as Record<string, unknown>;
    edit(json);
    return JSON.stringify(json);
  };
  const replace = (content: string): object => ({ type: 'Replace', pattern: { String: 'a' }, content });
  const cases: [attack: string, make: () => string, code: string][] = [
    // CWE-1333; npm's `tokenizers` runs any expression of the file: this one ends in the year 10^60.
    [
      'an exponential expression',
      () =>
        edited((json) => {
          json['pre_tokenizer'] = { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false };
        }),
      'TOKENIZER_UNSUPPORTED',
    ],
    // CVE-2025-6638 (transformers, MarianTokenizer), CVE-2024-12720 (Nougat): theirs, where a file could bring them.
    ...['>>.+<<', '([\\w\\W]*)*$', '(\\n|.)*\\n+'].map((pattern): [string, () => string, string] => [
      `the expression ${pattern}`,
      () =>
        edited((json) => {
          json['pre_tokenizer'] = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
        }),
      'TOKENIZER_UNSUPPORTED',
    ]),
    // sentencepiece issue 1269: a trie whose nodes point beyond it.
    [
      'a table of characters that points beyond itself',
      () =>
        edited((json) => {
          const charsmap = Buffer.concat([u32(8), u32(0xffffffff), u32(0x7fffffff), Buffer.from('x\0')]);
          json['normalizer'] = { type: 'Precompiled', precompiled_charsmap: charsmap.toString('base64') };
        }),
      'TOKENIZER_UNSUPPORTED',
    ],
    [
      'a normalizer that doubles the text, sixteen times',
      () =>
        edited((json) => {
          json['normalizer'] = { type: 'Sequence', normalizers: Array.from({ length: 16 }, () => replace('aaaaaaaa')) };
        }),
      'TOKENIZER_MALFORMED',
    ],
    [
      'a decoder that makes a gigabyte of a token',
      () =>
        edited((json) => {
          json['decoder'] = { type: 'Sequence', decoders: Array.from({ length: 3 }, () => replace('a'.repeat(1000))) };
        }),
      'TOKENIZER_MALFORMED',
    ],
    ['ten million empty objects', () => `[${'{},'.repeat(10_000_000)}{}]`, 'FILE_LIMIT_EXCEEDED'],
    ['ten million numbers', () => `[${'1,'.repeat(10_000_000)}1]`, 'FILE_LIMIT_EXCEEDED'],
    ['a million levels', () => '['.repeat(1_000_000) + ']'.repeat(1_000_000), 'FILE_LIMIT_EXCEEDED'],
    ['five million levels', () => '['.repeat(5_000_000), 'FILE_LIMIT_EXCEEDED'],
    // CVE-2026-1260 and issue 1263 of sentencepiece: a piece as long as the stack.
    [
      'a token of a megabyte',
      () =>
        edited((json) => {
          (json['model'] as { vocab: Record<string, number> }).vocab['x'.repeat(2 ** 20)] = 400;
        }),
      'TOKENIZER_MALFORMED',
    ],
    [
      'an id of 2^31',
      () =>
        edited((json) => {
          (json['model'] as { vocab: Record<string, number> }).vocab['never'] = 2 ** 31;
        }),
      'TOKENIZER_MALFORMED',
    ],
  ];
  it.each(cases)('with %s is refused', async (_, make, code) => {
    expect(await outcome('tokenizer', first(seeds.single), { 'tokenizer.json': make() })).toBe(code);
  });

  // Lists that make work for each text: an error or a tokenizer, within the limits either way.
  const tokens = (count: number, content: (i: number) => string): object[] =>
    Array.from({ length: count }, (_, i) => ({
      ...{ id: 1000 + i, content: content(i), special: false, normalized: false },
      ...{ single_word: false, lstrip: false, rstrip: false },
    }));
  const lists: [attack: string, edit: (json: Record<string, unknown>) => void][] = [
    ['60,000 added tokens', (json) => void (json['added_tokens'] = tokens(60_000, (i) => `<${i}>`))],
    ['added tokens that begin alike', (json) => void (json['added_tokens'] = tokens(400, (i) => 'a'.repeat(i + 1)))],
    ['an empty added token', (json) => void (json['added_tokens'] = tokens(1, () => ''))],
    ['2,000 added tokens of one text', (json) => void (json['added_tokens'] = tokens(2000, () => 'a'))],
    [
      '300,000 merges',
      (json) => void ((json['model'] as Record<string, unknown>)['merges'] = Array<string>(300_000).fill('a b')),
    ],
    [
      'merges of what is not there',
      (json) =>
        void ((json['model'] as Record<string, unknown>)['merges'] = Array.from(
          { length: 1000 },
          (_, i) => `q${i} z${i}`,
        )),
    ],
  ];
  it.each(lists)('with %s ends in time', async (_, edit) => {
    expect(await outcome('tokenizer', first(seeds.single), { 'tokenizer.json': edited(edit) })).toMatch(
      /^(ok|[A-Z_]+)$/,
    );
  });

  // CWE-1321: what JSON.parse makes of these keys must stay a key.
  it.each(['__proto__', 'constructor', 'toString'])('with a token %j keeps it a token', async (token) => {
    const json = fileOf(first(seeds.single), 'tokenizer.json').toString();
    const changed = json.replace(/"vocab":\s*\{/, (found) => `${found}"${token}": 900,`);
    expect(await outcome('tokenizer', first(seeds.single), { 'tokenizer.json': changed })).toBe('ok');
  });
});

describe('a chat template', () => {
  const cases: [attack: string, source: string][] = [
    // CVE-2024-34359 (llama-cpp-python), CVE-2026-5760 (SGLang): out of the sandbox by Python's attributes.
    [
      'of llama-cpp-python',
      '{% for c in [].__class__.__base__.__subclasses__() %}{{ c.__init__.__globals__["os"].system("id") }}{% endfor %}',
    ],
    ['of SGLang', "{{ cycler.__init__.__globals__.os.popen('id').read() }}"],
    // The same by JavaScript's.
    ['that asks for the Function constructor', '{{ messages.constructor.constructor("return process")().exit(1) }}'],
    ['that asks a string for it', '{{ ""["constructor"]["constructor"]("return this")() }}'],
    ['that asks a function for it', '{{ range.constructor("return process")() }}'],
    ['that writes to a prototype', '{% set messages.__proto__.polluted = 1 %}{% set x.__proto__.polluted = 1 %}'],
    // vLLM, CVE-2025-61620: templates that take time and memory.
    ['that counts to a billion', '{% for i in range(1000000000) %}{% endfor %}'],
    [
      'that loops in loops',
      '{% for i in range(99999) %}{% for j in range(99999) %}{% set x = i * j %}{% endfor %}{% endfor %}',
    ],
    [
      'that prints without end',
      '{% for i in range(99999) %}{% for j in range(99999) %}xxxxxxxxxx{% endfor %}{% endfor %}',
    ],
    [
      'that doubles a string',
      '{% set ns = namespace(s="x") %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}',
    ],
    [
      'that doubles a list',
      '{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}',
    ],
    ['that calls itself', '{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}'],
    ['that nests 30,000 deep', `{{ ${'('.repeat(30_000)}1${')'.repeat(30_000)} }}`],
    // llama.cpp pull requests 19087 and 26387: the parser calls itself for each block, each bracket.
    ['of 20,000 blocks in blocks', '{% if true %}'.repeat(20_000) + 'x' + '{% endif %}'.repeat(20_000)],
    ['of 20,000 loops in loops', '{% for i in [1] %}'.repeat(20_000)],
    ['of 100,000 signs', `{{ ${'-'.repeat(100_000)}1 }}{{ ${'not '.repeat(100_000)}1 }}`],
    [
      'that closes what it never opened',
      `{% macro f(n) %}{% if n > 5 %}${')'.repeat(150)}{{ f(n - 0) }}{% endif %}{% endmacro %}{{ f(8) }}`,
    ],
    // Ways out of Python's sandbox: CVE-2016-10745, CVE-2019-10906, CVE-2024-56326, CVE-2025-27516.
    ['that formats its way out', "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}"],
    ['that maps its way out', "{{ '{a.constructor}'.format_map({'a': messages}) }}"],
    ['that keeps a way out for later', "{% set f = '{0.constructor}'.format %}{{ f(messages) }}"],
    ['that filters its way out', "{{ messages | attr('constructor') | attr('constructor') }}"],
    ['that maps an attribute', "{{ [messages] | map(attribute='constructor.constructor') | list }}"],
    ['that multiplies a string', '{{ "x" * 1000000000 }}{{ "x" * (10 ** 9) }}'],
    ['that pads a string', '{{ "x" | indent(1000000000) }}{{ "x" | center(1000000000) }}'],
    ['that joins a list a billion times', '{{ range(99999) | join(range(99999) | join("x")) }}'],
    [
      'that replaces every letter, over and over',
      '{% set ns = namespace(s="aaaaaaaaaa") %}{% for i in range(30) %}{% set ns.s = ns.s.replace("a", "aaaaaaaaaa") %}{% endfor %}{{ ns.s }}',
    ],
    [
      'of two macros that call each other',
      '{% macro f(x) %}{{ g(x) }}{% endmacro %}{% macro g(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}',
    ],
    ['that sorts and sorts', '{% for i in range(9999) %}{{ range(99999) | sort | length }}{% endfor %}'],
    ['that indents a conversation by a billion', '{{ messages | tojson(indent=1000000000) }}'],
  ];
  it.each(cases)('%s ends in time, with an error or harmless text', async (_, source) => {
    expect(await outcome('template', first(seeds.single), { 'chat_template.jinja': source })).toMatch(
      /^(ok|CHAT_TEMPLATE_FAILED|CHAT_TEMPLATE_LIMIT_EXCEEDED)$/,
    );
  });
});

describe('an ONNX folder', () => {
  const initialiser = (model: Message): Message => messageIn(messageIn(model, 7), 5);
  const bytes = (number: number, value: string | Buffer): Field => ({
    number,
    isFixed: false,
    value: Buffer.from(value),
  });
  const number = (field: number, value: bigint): Field => ({ number: field, isFixed: false, value });
  /** The external_data entry `key` of the first initialiser that has one. */
  const setExternal = (key: string, value: string) => (model: Message) => {
    for (const { number: field, value: tensor } of messageIn(model, 7).fields) {
      if (field !== 5 || typeof tensor !== 'object' || Buffer.isBuffer(tensor)) continue;
      for (const { value: entry } of tensor.fields.filter((part) => part.number === 13)) {
        if (typeof entry !== 'object' || Buffer.isBuffer(entry)) continue;
        const [name, found] = [
          entry.fields.find((part) => part.number === 1),
          entry.fields.find((part) => part.number === 2),
        ];
        if (found === undefined || !Buffer.isBuffer(name?.value) || name.value.toString() !== key) continue;
        found.value = Buffer.from(value);
        return;
      }
    }
    throw new RangeError(`no external ${key}`);
  };
  const addNode =
    (operator: string, ...attributes: Field[]) =>
    (model: Message) => {
      const fields = [bytes(2, `${operator}_output`), bytes(4, operator), ...attributes];
      messageIn(model, 7).fields.push({ number: 1, isFixed: false, value: { kind: 'node', fields } });
    };
  const cases: [attack: string, edit: (model: Message) => void, code: string][] = [
    // CVE-2022-25882, CVE-2024-27318 (onnx): weights are read from anywhere.
    ['weights in ../', setExternal('location', '../outside.bin'), 'FILE_MALFORMED'],
    ['weights in x/../../', setExternal('location', 'x/../../outside.bin'), 'FILE_MALFORMED'],
    ['weights in ..\\', setExternal('location', '..\\outside.bin'), 'FILE_MALFORMED'],
    ['weights at an absolute path', setExternal('location', '/etc/passwd'), 'FILE_MALFORMED'],
    ['weights on a share', setExternal('location', '\\\\host\\share\\x'), 'FILE_MALFORMED'],
    ['weights in a stream of a file', setExternal('location', 'model.onnx.data:x'), 'FILE_MALFORMED'],
    ['weights in a path with a NUL', setExternal('location', 'model.onnx.data\0/../../x'), 'FILE_MALFORMED'],
    // onnxruntime pull request 28709: the runtime takes this for an address in memory.
    ['weights at an address in memory', setExternal('location', '*/_ORT_MEM_ADDR_/*'), 'FILE_MALFORMED'],
    // CVE-2026-34445 (onnx): `length` decides how much memory is taken.
    ['weights of 9 petabytes', setExternal('length', '9007199254740991'), 'TENSOR_SHAPE_MISMATCH'],
    ['weights of negative length', setExternal('length', '-1'), 'FILE_MALFORMED'],
    ['weights of a length in hexadecimal', setExternal('length', '0x10'), 'FILE_MALFORMED'],
    // CWE-190; openvino pull request 34070 for its ONNX frontend.
    ['an offset that overflows with the length', setExternal('offset', '18446744073709551600'), 'FILE_MALFORMED'],
    ['an offset beyond the file', setExternal('offset', '1000000000'), 'FILE_TRUNCATED'],
    // A shape that its bytes do not fill.
    [
      'an initialiser of 2^62 elements',
      (model) => void initialiser(model).fields.push(number(1, 2n ** 62n)),
      'TENSOR_SHAPE_MISMATCH',
    ],
    [
      'an initialiser of negative size',
      (model) => void initialiser(model).fields.push(number(1, 2n ** 64n - 1n)),
      'TENSOR_SHAPE_MISMATCH',
    ],
    // Protocol buffers' own recursion limit is 100.
    [
      'graphs in graphs, 20,000 deep',
      (model) => void messageIn(model, 7).fields.push(bytes(1, nestedGraphs(20_000))),
      'FILE_MALFORMED',
    ],
    ['functions of its own', (model) => void model.fields.push(bytes(25, '')), 'MODEL_FEATURE_UNSUPPORTED'],
    [
      'sparse weights that are dense in memory',
      (model) => void messageIn(model, 7).fields.push(bytes(15, '')),
      'MODEL_FEATURE_UNSUPPORTED',
    ],
    ['a loop', addNode('Loop'), 'MODEL_FEATURE_UNSUPPORTED'],
    ['a shape filled with a constant', addNode('ConstantOfShape'), 'MODEL_FEATURE_UNSUPPORTED'],
    ['an operator of somebody else', addNode('RunMyLibrary'), 'MODEL_FEATURE_UNSUPPORTED'],
    [
      'a million empty fields',
      (model) => {
        const { fields } = messageIn(model, 7);
        for (let i = 0; i < 2 ** 20; i += 1) fields.push(number(50, 0n));
      },
      'FILE_LIMIT_EXCEEDED',
    ],
  ];
  it.each(cases)('with %s is refused', async (_, edit, code) => {
    const base = first(seeds.onnx);
    const model = editOnnx(fileOf(base, 'model.onnx'), edit);
    expect(await outcome('onnx', base, { 'model.onnx': model })).toBe(code);
  });

  // CVE-2026-27489, CVE-2026-34446, CVE-2026-34447 (onnx): the name is harmless, the link behind it is not.
  it.each(['../outside.bin', '/etc/passwd', '/dev/zero', 'model.onnx.data'])(
    'with data that is a link to %s is refused',
    async (link) => {
      expect(await outcome('onnx', first(seeds.onnx), { 'model.onnx.data': { link } })).toBe(
        link === 'model.onnx.data' ? 'MODEL_FILE_MISSING' : 'FILE_MALFORMED',
      );
    },
  );

  // The runtime has no such rule for what it is not told of by a graph.
  it.each<[Use, string, () => readonly SeedModel[]]>([
    ['onnx', 'genai_config.json', () => seeds.onnx],
    ['openvino', 'config.json', () => seeds.openvino],
    ['openvino', 'openvino_model.bin', () => seeds.openvino],
    ['tokenizer', 'tokenizer.json', () => seeds.single],
    ['template', 'chat_template.jinja', () => seeds.single],
    ['weights', 'config.json', () => seeds.single],
  ])('that shows a file of the user as %s %s is refused', async (use, name, models) => {
    expect(await outcome(use, first(models()), { [name]: { link: '/etc/passwd' } })).toBe('FILE_MALFORMED');
  });

  it.each(['../model.onnx', '/etc/passwd', 'C:\\model.onnx', 'model.onnx:stream', 'a\0b'])(
    'with its graph at %j is refused',
    async (filename) => {
      const base = first(seeds.onnx);
      const config = JSON.parse(fileOf(base, 'genai_config.json').toString()) as {
        model: { decoder: { filename: string } };
      };
      config.model.decoder.filename = filename;
      expect(await outcome('onnx', base, { 'genai_config.json': JSON.stringify(config) })).toBe('FILE_MALFORMED');
    },
  );

  it('with a context of 2^24 tokens takes no memory for it', async () => {
    const base = first(seeds.onnx);
    const config = JSON.parse(fileOf(base, 'genai_config.json').toString()) as { model: { context_length: number } };
    config.model.context_length = 2 ** 24;
    expect(await outcome('onnx', base, { 'genai_config.json': JSON.stringify(config) })).toMatch(
      /^(ok|MEMORY_INSUFFICIENT)$/,
    );
  });
});

describe('an OpenVINO folder', () => {
  const xmlOf = (): string => fileOf(first(seeds.openvino), 'openvino_model.xml').toString();
  const laughs =
    '<!DOCTYPE net [<!ENTITY a0 "ha">' +
    Array.from({ length: 9 }, (_, i) => `<!ENTITY a${i + 1} "${`&a${i};`.repeat(10)}">`).join('') +
    ']>';
  const chain = (length: number): string =>
    `<net version="11"><layers>${Array.from({ length }, (_, i) => `<layer id="${i}" name="n" type="Relu" version="opset1"/>`).join('')}</layers><edges>` +
    `${Array.from({ length: length - 1 }, (_, i) => `<edge from-layer="${i}" from-port="0" to-layer="${i + 1}" to-port="0"/>`).join('')}</edges></net>`;
  const cases: [attack: string, edit: (xml: string) => string, code: string][] = [
    // "Billion laughs" (CVE-2003-1564) and outside entities (CWE-611).
    ['entities that grow', (xml) => laughs + xml.replace(/name="[^"]*"/, 'name="&a9;"'), 'FILE_MALFORMED'],
    [
      'an outside entity',
      (xml) => '<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + xml.replace(/name="[^"]*"/, 'name="&x;"'),
      'FILE_MALFORMED',
    ],
    // openvino pull request 33945: offset + size wraps around.
    [
      'an offset that overflows with the size',
      (xml) => xml.replace(/offset="\d+"/, 'offset="18446744073709551565"'),
      'FILE_MALFORMED',
    ],
    ['an offset beyond the weights', (xml) => xml.replace(/offset="\d+"/, 'offset="900000000"'), 'FILE_TRUNCATED'],
    ['a size that is not that of the shape', (xml) => xml.replace(/size="\d+"/, 'size="1"'), 'TENSOR_SHAPE_MISMATCH'],
    [
      'a shape that wraps around',
      (xml) => xml.replace(/shape="\d+, ?\d+"/, 'shape="4294967296, 4294967296"'),
      'TENSOR_SHAPE_MISMATCH',
    ],
    // openvino pull request 37261.
    [
      'ranges of the weights in rt_info',
      (xml) =>
        xml.replace(
          '<output>',
          '<rt_info><attribute name="WeightlessCacheAttribute" version="0" original_size="1" bin_offset="99999999999" original_dtype="f32"/></rt_info><output>',
        ),
      'FILE_MALFORMED',
    ],
    // openvino pull requests 33817 and 33838.
    [
      'preprocessing with ranges of the weights',
      (xml) =>
        xml.replace(
          '</layers>',
          '</layers><pre-process reference-layer-name="x"><channel id="0"><mean offset="99999999999" size="4"/></channel></pre-process>',
        ),
      'FILE_MALFORMED',
    ],
    ...['Loop', 'TensorIterator', 'If', 'RandomUniform', 'Eye', 'OneHot', 'Pad', 'Interpolate', 'Extension'].map(
      (type): [string, (xml: string) => string, string] => [
        `a layer ${type}`,
        (xml) => xml.replace('type="Sqrt"', `type="${type}"`),
        'MODEL_FEATURE_UNSUPPORTED',
      ],
    ),
    [
      'edges that make a cycle',
      (xml) =>
        xml.replace(/<edge from-layer="(\d+)" from-port="\d+" to-layer="(\d+)"/, (found, from: string) =>
          found.replace(/to-layer="\d+"/, `to-layer="${from}"`),
        ),
      'FILE_MALFORMED',
    ],
    [
      'an edge from nowhere',
      (xml) => xml.replace(/<edge from-layer="\d+"/, '<edge from-layer="99999"'),
      'FILE_MALFORMED',
    ],
    ['20,000 layers in a row', () => chain(20_000), 'FILE_LIMIT_EXCEEDED'],
    ['elements 100,000 deep', () => '<net version="11">' + '<a>'.repeat(100_000), 'FILE_LIMIT_EXCEEDED'],
    ['100,000 layers', () => chain(100_000), 'FILE_LIMIT_EXCEEDED'],
    [
      'an attribute of 10 MB',
      (xml) => xml.replace(/name="[^"]*"/, `name="${'x'.repeat(10_000_000)}"`),
      'FILE_MALFORMED',
    ],
  ];
  it.each(cases)('with %s is refused', async (_, edit, code) => {
    const xml = edit(xmlOf());
    expect(xml).not.toBe(xmlOf());
    expect(await outcome('openvino', first(seeds.openvino), { 'openvino_model.xml': xml })).toBe(code);
  });
});

describe('a node of an ONNX graph', () => {
  const G = 'node \\d+ GroupQueryAttention';
  const I32 = 'a constant of type 6';
  // Pull requests of microsoft/onnxruntime, and what they refuse.
  const cases: [attack: string, model: string, change: string][] = [
    ['with a negative length of the keys (28031)', 'aipc onnx int4', `${G}, input 5: ${I32} \\[1\\] of -2147483648`],
    ['with a length beyond the rotary tables (28277)', 'aipc onnx int4', `${G}, input 5: ${I32} \\[1\\] of 2147483647`],
    ['with lengths of another batch (28031, 28259)', 'aipc onnx int4', `${G}, input 5: ${I32} \\[3\\]`],
    ['with a total length of no number (32607)', 'aipc onnx int4', `${G}, input 6: ${I32} \\[0\\]`],
    ['with a total length of 2^31 - 1 (28031)', 'aipc onnx int4', `${G}, input 6: ${I32} \\[1\\] of 2147483647`],
    ['with groups beyond the scales (27582)', 'MatMulNBits sample 2', `input 4: ${I32} \\[64\\] of 2147483647`],
    ['with negative groups (27582)', 'MatMulNBits sample 2', `input 4: ${I32} \\[64\\] of -1`],
    [
      'with positions beyond the rotary tables (27597)',
      'RotaryEmbedding sample 1',
      'input 1: .* \\[1, 3\\] of 1048576',
    ],
    ['with negative positions (27597)', 'RotaryEmbedding sample 1', 'input 1: .* \\[1, 3\\] of -1'],
    ['with a past of 2^31 - 1 (28747)', 'MultiHeadAttention sample 1', `input 8: ${I32} \\[1\\] of 2147483647`],
    [
      'with a skip of no rows (31676)',
      'SkipLayerNormalization sample 1',
      'input 1: a constant of type 1 \\[0, 3, 8\\]',
    ],
    ['that divides by 0 (27693, 27833)', 'Div sample 2', 'input 1: a constant of type 7 \\[2\\] of 0'],
    ['that divides the least number by -1 (27693)', 'Div sample 2', 'input 1: a constant of type 7 \\[2\\] of -1'],
    ['with batches that do not match (27090)', 'GatherND sample 1', 'batch_dims added: 2$'],
  ];
  it.each(cases)('%s is refused, or computed within bounds', async (_, model, change) => {
    const files = findChange(seeds.swept, model, new RegExp(change));
    const hostile = { id: 'named', target: 'files', uses: ['onnx'], files, what: 'named' } as const;
    const { failure, outcomes } = await runner.run(hostile, 1);
    expect(failure).toBeUndefined();
    expect(outcomes[0]).toMatch(
      /^(ok|TENSOR_SHAPE_MISMATCH|FILE_MALFORMED|MODEL_FEATURE_UNSUPPORTED|FILE_LIMIT_EXCEEDED|RUNTIME_FAILED)$/,
    );
  });
});

describe('code in a model folder', () => {
  // trust_remote_code and pickles: CVE-2025-32434 and CVE-2026-1839 among many. aipc runs and reads neither.
  it('that config.json and tokenizer_config.json name is not run', async () => {
    const base = first(seeds.single);
    const auto_map = {
      AutoConfig: 'evil.Config',
      AutoModelForCausalLM: 'evil.Model',
      AutoTokenizer: ['evil.Tok', null],
    };
    const withMap = (file: string): string =>
      JSON.stringify({ ...(JSON.parse(fileOf(base, file).toString()) as object), auto_map });
    const changed = {
      'config.json': withMap('config.json'),
      'tokenizer_config.json': withMap('tokenizer_config.json'),
      'evil.py': 'import os; os.system("touch /tmp/evil")',
    };
    expect(await outcome('weights', base, changed)).toBe('ok');
    expect(await outcome('tokenizer', base, changed)).toBe('ok');
  });

  it('in a pickle is not read', async () => {
    const { name, files } = first(seeds.single);
    const without = { name, files: new Map([...files].filter(([file]) => !file.endsWith('.safetensors'))) };
    const pickle = "cos\nsystem\n(S'touch /tmp/evil'\ntR.";
    expect(await outcome('weights', without, { 'pytorch_model.bin': pickle })).toBe('MODEL_FILE_MISSING');
  });
});

describe('numbers in configuration files', () => {
  const extremes: readonly (readonly [string, string])[] = [
    ...[['a billion', '1000000000'] as const, ['2^53', '9007199254740992'] as const, ['-1', '-1'] as const],
    ...[['0', '0'] as const, ['a fraction', '1.5'] as const, ['text', '"32"'] as const, ['a list', '[32]'] as const],
    ...[['null', 'null'] as const, ['NaN', 'NaN'] as const, ['beyond doubles', '1e999'] as const],
  ];
  const withNumber = (bytes: Buffer, key: string, number: string): string => {
    const changed = bytes.toString().replace(new RegExp(`("${key}":\\s*)[^,}\\n]+`), `$1${number}`);
    expect(changed).not.toBe(bytes.toString());
    return changed;
  };
  it.each(extremes)('of %s are refused or read for what they are', async (_, number) => {
    for (const key of ['num_hidden_layers', 'hidden_size', 'num_attention_heads', 'vocab_size', 'intermediate_size']) {
      const base = first(seeds.single);
      const config = withNumber(fileOf(base, 'config.json'), key, number);
      expect(await outcome('weights', base, { 'config.json': config })).toMatch(/^[A-Z_]+$/);
    }
    for (const key of ['num_hidden_layers', 'head_size', 'num_key_value_heads', 'context_length', 'vocab_size']) {
      const base = first(seeds.onnx);
      const config = withNumber(fileOf(base, 'genai_config.json'), key, number);
      expect(await outcome('onnx', base, { 'genai_config.json': config })).toMatch(/^[A-Z_]+$/);
    }
  });

  it('that name a library of operators are refused: no code of a model folder runs', async () => {
    const base = first(seeds.onnx);
    const config = JSON.parse(fileOf(base, 'genai_config.json').toString()) as {
      model: { decoder: { session_options: Record<string, unknown> } };
    };
    config.model.decoder.session_options['custom_ops_library'] = '../outside.so';
    expect(await outcome('onnx', base, { 'genai_config.json': JSON.stringify(config) })).toBe(
      'MODEL_FEATURE_UNSUPPORTED',
    );
  });
});

describe('configuration files', () => {
  // CWE-1321, CWE-674, and numbers that JSON can write and no count can be.
  const cases: [attack: string, text: string][] = [
    ['a prototype', '{"__proto__":{"model_type":"llama"},"constructor":{"prototype":{"polluted":1}}}'],
    ['100,000 levels', '{"model_type":' + '['.repeat(100_000) + ']'.repeat(100_000) + '}'],
    [
      '100,000 levels where a list is due',
      '{"model_type":"llama","eos_token_id":' + '['.repeat(100_000) + ']'.repeat(100_000) + '}',
    ],
    ['a number beyond doubles', '{"model_type":"llama","vocab_size":1e400}'],
    ['a name of 200,000 characters', JSON.stringify({ model_type: 'x'.repeat(200_000) })],
    ['text that is not UTF-8', '{"model_type":"\uD800"}'],
    ['nothing', ''],
  ];
  it.each(cases)('with %s are refused by every reader', async (_, content) => {
    expect(await outcome('weights', first(seeds.single), { 'config.json': content })).toMatch(/^[A-Z_]+$/);
    expect(await outcome('openvino', first(seeds.openvino), { 'config.json': content })).toMatch(/^[A-Z_]+$/);
    expect(await outcome('onnx', first(seeds.onnx), { 'genai_config.json': content })).toMatch(/^[A-Z_]+$/);
    expect(await outcome('tokenizer', first(seeds.single), { 'tokenizer.json': content })).toMatch(/^[A-Z_]+$/);
  });
});
