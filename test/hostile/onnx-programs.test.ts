/**
 * A graph is a program: each of these, put into a valid one of a few hundred kilobytes, would take gigabytes or minutes
 * when it is loaded or run. All are refused before the runtime sees them, and the message says where and what is allowed.
 * On aipc before these checks half of them took the machine's memory (over 2 GiB, then they were stopped).
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOnnxRuntimeEngine } from '../../src/engine/onnxruntime/onnxruntime-engine.js';
import type { CaseFile } from './cases.js';
import { node, PROGRAMS, whole, withProgram, zeros, type Program } from './onnx-programs.js';
import { HostileRunner } from './pool.js';

const MODELS = path.join('test', 'contract', 'models');

let runner: HostileRunner;
beforeAll(async () => {
  runner = await HostileRunner.create();
});
afterAll(() => runner[Symbol.asyncDispose]());

/** A graph with GroupQueryAttention or with plain attention, and the file that describes it. */
async function filesOf(kind: string): Promise<Map<string, CaseFile> & { get(name: 'model.onnx'): Buffer }> {
  const [folder, config, graph] =
    kind === 'plain attention'
      ? ['torch-plain-attention', 'config.json', path.join('onnx', 'model.onnx')]
      : ['builder-cpu-fp32-inside', 'genai_config.json', 'model.onnx'];
  const files = new Map<string, CaseFile>();
  files.set(config, await readFile(path.join(MODELS, folder, config)));
  files.set('model.onnx', await readFile(path.join(MODELS, folder, graph)));
  return files as Map<string, CaseFile> & { get(name: 'model.onnx'): Buffer };
}

async function outcome(kind: string, program?: Program): Promise<string> {
  const files = await filesOf(kind);
  if (program !== undefined) files.set('model.onnx', withProgram(files.get('model.onnx'), program));
  const { failure, outcomes } = await runner.run(
    { id: 'program', target: 'files', uses: ['onnx'], files, what: 'program' },
    1,
  );
  expect(failure).toBeUndefined();
  return outcomes[0] ?? '';
}

describe.each(['plain attention', 'GroupQueryAttention'])('a graph with %s', (kind) => {
  it('runs unchanged, and with a small program in it', async () => {
    expect(await outcome(kind)).toBe('ok');
    const small: Program = { initialisers: [zeros('a', 1), zeros('b', 1)], nodes: [node('Add', ['a', 'b'], 'made')] };
    // ReduceMax without axes, as this program ends, is fine.
    expect(await outcome(kind, small)).toBe('ok');
  });

  it.each(PROGRAMS)('with %s is refused', async (_, program) => {
    expect(await outcome(kind, program)).toMatch(/^(FILE_LIMIT_EXCEEDED|MODEL_FEATURE_UNSUPPORTED)$/);
  });
});

describe('what the refusal says', () => {
  const refusal = async (program: Program): Promise<unknown> => {
    const folder = await mkdtemp(path.join(tmpdir(), 'aipc-program-'));
    try {
      const files = await filesOf('plain attention');
      files.set('model.onnx', withProgram(files.get('model.onnx'), program));
      for (const [name, bytes] of files) await writeFile(path.join(folder, name), bytes as Buffer);
      return await createOnnxRuntimeEngine(folder).catch((error: unknown) => error);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  it('names the node, what was found and what is allowed, where a size is known', async () => {
    const program = {
      initialisers: [zeros('one', 1), whole('shape', [50_000, 50_000])],
      nodes: [node('Expand', ['one', 'shape'], 'made')],
    };
    expect(await refusal(program)).toMatchObject({
      code: 'FILE_LIMIT_EXCEEDED',
      message: expect.stringMatching(
        /node Expand \('made'\).*25000\d{5} elements.*bytes of weights \d+ are allowed.*aipc export onnx/u,
      ) as string,
      details: { operator: 'Expand', limit: expect.any(Number) as number },
    });
  });

  it('says that a size cannot be told where a text decides it', async () => {
    const program = {
      initialisers: [zeros('one', 1), whole('flat', [-1])],
      nodes: [
        node('Cast', ['logits_before'], 'wholes'),
        node('Reshape', ['wholes', 'flat'], 'shape'),
        node('Expand', ['one', 'shape'], 'made'),
      ],
    };
    expect(await refusal(program)).toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
      message: expect.stringMatching(
        /node Expand \('made'\) whose size depends on what it computes.*aipc export onnx/u,
      ) as string,
    });
  });
});
