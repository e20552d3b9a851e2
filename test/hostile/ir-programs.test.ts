/**
 * An OpenVINO graph is a program as well: each of these, put into a valid one of a few hundred kilobytes, would take
 * gigabytes or minutes when it is compiled or run. All are refused before the runtime sees them.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readIrOutline } from '../../src/engine/openvino/ir-outline.js';
import { OptimumFolder } from '../contract/optimum-models.js';
import { validCase, HostileRunner } from './pool.js';
import { layer, PROGRAMS, whole, withProgram, zeros, type IrFiles, type Program } from './ir-programs.js';

let files: IrFiles;
let config: Buffer;
let runner: HostileRunner;
beforeAll(async () => {
  await using folder = await OptimumFolder.unpack('optimum-int8');
  files = {
    xml: await readFile(path.join(folder.path, 'openvino_model.xml'), 'utf8'),
    bin: await readFile(path.join(folder.path, 'openvino_model.bin')),
  };
  config = await readFile(path.join(folder.path, 'config.json'));
  runner = await HostileRunner.create();
});
afterAll(() => runner[Symbol.asyncDispose]());

async function outcome(program: Program): Promise<string> {
  const { xml, bin } = withProgram(files, program);
  const model = new Map([
    ['openvino_model.xml', Buffer.from(xml)],
    ['openvino_model.bin', bin],
    ['config.json', config],
  ]);
  const { failure, outcomes } = await runner.run(validCase('program', ['openvino'], model), 1);
  expect(failure).toBeUndefined();
  return outcomes[0] ?? '';
}

/** Small ones of what the attacks use: such graphs are read as they are, and run where the runtime is there. */
const SMALL: readonly (readonly [what: string, program: Program])[] = [
  [
    'a sum',
    { layers: [zeros('a', 4, 1), zeros('b', 1, 4), layer('made', 'Add', ['a', 'b'], { auto_broadcast: 'numpy' })] },
  ],
  [
    'a Broadcast',
    { layers: [zeros('a', 1), whole('shape', [3, 4]), layer('made', 'Broadcast', ['a', 'shape'], { mode: 'numpy' })] },
  ],
  [
    'a value put into its place',
    {
      layers: [
        ...[whole('line', [-1]), whole('last', [-1]), zeros('value', 1), whole('axis', [0])],
        layer('values', 'Reshape', ['hidden', 'line'], { special_zero: 'false' }),
        layer('made', 'ScatterElementsUpdate', ['values', 'last', 'value', 'axis']),
      ],
    },
  ],
  [
    'a Range over the tokens',
    {
      layers: [
        ...[whole('start', 0), whole('step', 1), whole('at', 1), whole('axis', 0)],
        layer('run', 'ShapeOf', ['input_ids'], { output_type: 'i64' }),
        layer('tokens', 'Gather', ['run', 'at', 'axis'], { batch_dims: 0 }),
        layer('made', 'Range', ['start', 'tokens', 'step'], { output_type: 'i64' }),
      ],
      isWhole: true,
    },
  ],
  [
    'attention',
    {
      layers: [
        ...[zeros('one', 1), whole('shape', [1, 1, 5, 2])],
        layer('query', 'Broadcast', ['one', 'shape'], { mode: 'numpy' }),
        layer('made', 'ScaledDotProductAttention', ['query', 'query', 'query'], { causal: 'false' }),
      ],
    },
  ],
];

describe('an IR', () => {
  it.each(SMALL)('with %s in it is taken', async (_, program) => {
    expect(await outcome(program)).toBe('ok');
  });

  it.each(PROGRAMS)('with %s is refused', async (_, program) => {
    expect(await outcome(program)).toMatch(/^(FILE_LIMIT_EXCEEDED|MODEL_FEATURE_UNSUPPORTED|FILE_MALFORMED)$/);
  });

  it('is refused with the layer, what was found and what is allowed', async () => {
    const program: Program = {
      layers: [
        zeros('column', 15_000, 1),
        zeros('row', 1, 15_000),
        layer('made', 'MatMul', ['column', 'row'], { transpose_a: 'false', transpose_b: 'false' }),
      ],
    };
    const folder = await mkdtemp(path.join(tmpdir(), 'aipc-program-'));
    try {
      const { xml, bin } = withProgram(files, program);
      await writeFile(path.join(folder, 'openvino_model.xml'), xml);
      await writeFile(path.join(folder, 'openvino_model.bin'), bin);
      await expect(readIrOutline(folder)).rejects.toMatchObject({
        code: 'FILE_LIMIT_EXCEEDED',
        message: expect.stringMatching(
          /node MatMul \('program_made'\).*2251?\d+ elements.*bytes of weights \d+ are allowed.*aipc export openvino/u,
        ) as string,
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
