import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AipcError } from '../errors.js';
import { ModelFile } from './model-file.js';
import { readSafetensorsTensors } from './safetensors.js';
import { type StoredTensor } from './stored-tensor.js';
import { f32Safetensors, safetensorsOf, TemporaryFolder, u64 } from './testing/files.js';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await TemporaryFolder.make();
});
afterAll(() => folder[Symbol.asyncDispose]());

async function read(content: Uint8Array, signal?: AbortSignal): Promise<StoredTensor[]> {
  await using file = await ModelFile.open(await folder.write('model.safetensors', content));
  return await readSafetensorsTensors(file, signal);
}

/** The code and message that reading `content` fails with. */
async function failure(content: Uint8Array): Promise<{ code: string; message: string }> {
  const error = await read(content).then(
    () => undefined,
    (reason: unknown) => reason as AipcError,
  );
  if (error === undefined) throw new Error('the file was accepted');
  return { code: error.code, message: error.message };
}

const entry = (dtype: string, shape: string, start: number | string, end: number | string): string =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${start},${end}]}`;

describe('readSafetensorsTensors', () => {
  it('finds name, shape, type and place of each tensor, in any order and with padding after the header', async () => {
    const header = `{"b":${entry('F16', '[3]', 8, 14)},"__metadata__":{"format":"pt"},"a":${entry('F32', '[1,2]', 0, 8)}}   `;
    expect(await read(safetensorsOf(header, new Uint8Array(14)))).toEqual([
      { name: 'b', shape: [3], typeName: 'F16', dtype: 'F16', offsetBytes: 8 + header.length + 8 },
      { name: 'a', shape: [1, 2], typeName: 'F32', dtype: 'F32', offsetBytes: 8 + header.length },
    ]);
  });

  it('accepts scalars, empty tensors, no tensors, and JSON escapes in names', async () => {
    const header = `{"s\\u00e9\\"":${entry('F32', '[]', 0, 4)},"empty":${entry('F32', '[0,5]', 4, 4)}}`;
    expect((await read(safetensorsOf(header, new Uint8Array(4)))).map(({ name }) => name)).toEqual(['sé"', 'empty']);
    expect(await read(safetensorsOf('{}'))).toEqual([]);
  });

  it('measures types that it cannot read, and marks them', async () => {
    const header = `{"a":${entry('F8_E4M3', '[2]', 0, 2)},"b":${entry('F4', '[4]', 2, 4)},"c":${entry('I64', '[1]', 4, 12)}}`;
    const tensors = await read(safetensorsOf(header, new Uint8Array(12)));
    expect(tensors.map(({ typeName, dtype }) => [typeName, dtype])).toEqual([
      ['F8_E4M3', null],
      ['F4', null],
      ['I64', null],
    ]);
  });

  it('keeps a tensor called __proto__ apart from objects', async () => {
    const header = `{"__proto__":${entry('F32', '[1]', 0, 4)}}`;
    expect((await read(safetensorsOf(header, new Uint8Array(4))))[0]?.name).toBe('__proto__');
  });

  const whole = f32Safetensors({
    first: { shape: [2], values: Float32Array.of(1, 2) },
    second: { shape: [1, 1], values: Float32Array.of(3) },
  });

  it('refuses the file cut off after any number of bytes', async () => {
    for (let length = 0; length < whole.length; length++) {
      const { code, message } = await failure(whole.subarray(0, length));
      expect([length, code]).toEqual([length, 'FILE_TRUNCATED']);
      expect(message).toContain('fetch the file again');
    }
  });

  it('refuses the header with any one byte inverted', async () => {
    const headerBytes = Number(whole.readBigUInt64LE());
    for (let at = 0; at < 8 + headerBytes; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      expect((await failure(damaged)).code).toMatch(/^FILE_(MALFORMED|TRUNCATED|LIMIT_EXCEEDED)$/);
    }
  });

  const eight = new Uint8Array(8);
  it.each<[what: string, file: Uint8Array, code: string, message: RegExp]>([
    ['a header length of 2^64 - 1', Buffer.from(u64(2n ** 64n - 1n)), 'FILE_LIMIT_EXCEEDED', /limit is 33554432/],
    ['a header longer than the file', u64(1000), 'FILE_TRUNCATED', /header needs 1008 bytes/],
    ['a header of length 0', u64(0), 'FILE_MALFORMED', /first byte/],
    ['space before the header', safetensorsOf(' {}'), 'FILE_MALFORMED', /first byte/],
    ['a header that is an array', safetensorsOf('[]'), 'FILE_MALFORMED', /first byte/],
    ['deep nesting', safetensorsOf('{"a":'.repeat(50_000)), 'FILE_MALFORMED', /unknown or repeated key/],
    ['deep arrays', safetensorsOf(`{"a":{"shape":${'['.repeat(100_000)}`), 'FILE_MALFORMED', /expected an integer/],
    ['endless white space', safetensorsOf(`{${' '.repeat(1_100_000)}}`), 'FILE_LIMIT_EXCEEDED', /white space/],
    [
      'endless metadata',
      safetensorsOf(`{"__metadata__":{${'"":"",'.repeat(66_000)}"":""}}`),
      'FILE_LIMIT_EXCEEDED',
      /__metadata__ keys is 65537/,
    ],
    [
      'endless tensors',
      safetensorsOf(`{${Array.from({ length: 16_385 }, (_, i) => `"${i}":${entry('F32', '[0]', 0, 0)}`).join(',')}}`),
      'FILE_LIMIT_EXCEEDED',
      /number of tensors is 16385/,
    ],
    ['text after the header', safetensorsOf('{} x'), 'FILE_MALFORMED', /expected the end of the header/],
    ['a trailing comma', safetensorsOf('{"__metadata__":{},}'), 'FILE_MALFORMED', /expected '"'/],
    ['invalid UTF-8', Buffer.concat([u64(2), Buffer.of(0x7b, 0xff)]), 'FILE_MALFORMED', /UTF-8/],
    ['a bad escape', safetensorsOf('{"\\x":1}'), 'FILE_MALFORMED', /bad escape/],
    ['a control character in a name', safetensorsOf('{"a\n":1}'), 'FILE_MALFORMED', /rest of a string/],
    ['metadata that is not text', safetensorsOf('{"__metadata__":{"a":1}}'), 'FILE_MALFORMED', /expected '"'/],
    ['a name of 2 kB', safetensorsOf(`{"${'n'.repeat(2000)}":1}`), 'FILE_LIMIT_EXCEEDED', /name in bytes/],
    [
      'a name given twice',
      safetensorsOf(`{"a":${entry('F32', '[1]', 0, 4)},"a":${entry('F32', '[1]', 4, 8)}}`, eight),
      'FILE_MALFORMED',
      /names "a" twice/,
    ],
    ['a missing key', safetensorsOf('{"a":{"dtype":"F32","shape":[]}}'), 'FILE_MALFORMED', /must have dtype/],
    ['an unknown key', safetensorsOf('{"a":{"offset":1}}'), 'FILE_MALFORMED', /unknown or repeated key "offset"/],
    ['a repeated key', safetensorsOf('{"a":{"shape":[],"shape":[]}}'), 'FILE_MALFORMED', /repeated key "shape"/],
    ['three offsets', safetensorsOf('{"a":{"data_offsets":[0,1,2]}}'), 'FILE_MALFORMED', /two integers/],
    ['a negative offset', safetensorsOf('{"a":{"data_offsets":[-1,2]}}'), 'FILE_MALFORMED', /expected an integer/],
    ['a fraction', safetensorsOf('{"a":{"shape":[1.0]}}'), 'FILE_MALFORMED', /expected '\]'/],
    ['nine dimensions', safetensorsOf('{"a":{"shape":[1,1,1,1,1,1,1,1,1]}}'), 'FILE_LIMIT_EXCEEDED', /limit is 8/],
    [
      'an offset of 2^64 - 1',
      safetensorsOf(`{"a":${entry('F32', '[2]', 0, '18446744073709551615')}}`, eight),
      'FILE_LIMIT_EXCEEDED',
      /an integer/,
    ],
    [
      'a shape whose product overflows',
      safetensorsOf(`{"a":${entry('F32', '[9007199254740991,9007199254740991]', 0, 8)}}`, eight),
      'FILE_MALFORMED',
      /needs .* bytes, its range 0..8 has 8/,
    ],
    [
      'a size that is not shape times dtype',
      safetensorsOf(`{"a":${entry('F16', '[2,2]', 0, 6)}}`, new Uint8Array(6)),
      'FILE_MALFORMED',
      /F16 \[2, 2\] needs 8 bytes, its range 0..6 has 6/,
    ],
    [
      'half a byte',
      safetensorsOf(`{"a":${entry('F4', '[3]', 0, 2)}}`, new Uint8Array(2)),
      'FILE_MALFORMED',
      /needs 1.5 bytes/,
    ],
    [
      'an unknown dtype',
      safetensorsOf(`{"a":${entry('F99', '[1]', 0, 4)}}`, eight),
      'FILE_MALFORMED',
      /unknown dtype "F99"/,
    ],
    [
      'overlapping tensors',
      safetensorsOf(`{"a":${entry('F32', '[2]', 0, 8)},"b":${entry('F32', '[1]', 4, 8)}}`, eight),
      'FILE_MALFORMED',
      /"b" starts at data byte 4, not 8: it overlaps/,
    ],
    [
      'a gap between tensors',
      safetensorsOf(`{"a":${entry('F16', '[1]', 0, 2)},"b":${entry('F32', '[1]', 4, 8)}}`, eight),
      'FILE_MALFORMED',
      /"b" starts at data byte 4, not 2: it leaves a gap/,
    ],
    ['data that no tensor covers', safetensorsOf('{}', eight), 'FILE_MALFORMED', /8 bytes after the last tensor/],
    [
      'a range that ends before it starts',
      safetensorsOf(`{"a":${entry('F32', '[1]', 8, 4)}}`, eight),
      'FILE_MALFORMED',
      /its range 8..4 has -4/,
    ],
  ])('refuses %s', async (_what, file, code, message) => {
    const found = await failure(file);
    expect(found.message).toMatch(message);
    expect(found.code).toBe(code);
  });

  it('stops at an abort in the middle of a long header', async () => {
    const controller = new AbortController();
    const metadata = `{"__metadata__":{${'"k":"vvvvvvvvvvvvvvvv",'.repeat(50_000)}"k":"v"}}`;
    setImmediate(() => {
      controller.abort(new Error('enough'));
    });
    await expect(read(safetensorsOf(metadata), controller.signal)).rejects.toThrow('enough');
  });

  it('takes the length of the header off a budget that shards share', async () => {
    const content = f32Safetensors({ a: { shape: [1], values: Float32Array.of(1) } });
    await using file = await ModelFile.open(await folder.write('model.safetensors', content));
    const headerBytes = content.length - 8 - 4;
    const budget = { bytes: headerBytes + 1 };
    await readSafetensorsTensors(file, undefined, budget);
    expect(budget.bytes).toBe(1);
    await expect(readSafetensorsTensors(file, undefined, budget)).rejects.toMatchObject({
      code: 'FILE_LIMIT_EXCEEDED',
    });
  });
});
