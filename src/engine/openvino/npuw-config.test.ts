import { describe, expect, it } from 'vitest';
import type { Properties } from './c-api.js';
import { planNpuw, type NpuwPlan, type NpuwRequest } from './npuw-config.js';

const plan = (request: Partial<NpuwRequest> = {}): NpuwPlan =>
  planNpuw({ where: 'test', modelContextTokens: 4096, ...request });
const planWith = (ovConfig: Properties): NpuwPlan => plan({ ovConfig });
const lengths = ({ maxPromptTokens, minResponseTokens, contextTokens, chunkTokens }: NpuwPlan): number[] => [
  maxPromptTokens,
  minResponseTokens,
  contextTokens,
  chunkTokens,
];
const refusal = (...parts: readonly string[]): Error =>
  expect.objectContaining({
    code: 'OPTION_INVALID',
    message: expect.stringMatching(new RegExp(parts.join('.*'), 's')) as string,
  }) as Error;

describe('the lengths of a model on the NPU', () => {
  it.each<[string, Partial<NpuwRequest>, number[]]>([
    ['by default', {}, [1024, 512, 1535, 256]],
    ['a longer prompt', { maxPromptTokens: 2048 }, [2048, 512, 2559, 256]],
    ['a longer answer', { minResponseTokens: 1024 }, [1024, 1024, 2047, 256]],
    ['rounded to whole chunks and to 64', { maxPromptTokens: 700, minResponseTokens: 100 }, [768, 128, 895, 256]],
    ['no longer than a chunk', { maxPromptTokens: 100, minResponseTokens: 10 }, [128, 64, 191, 64]],
    ['chunks below 64', { maxPromptTokens: 100, minResponseTokens: 64, prefillChunkTokens: 16 }, [128, 64, 191, 16]],
    ['a context of 4096', { contextTokens: 4096 }, [3584, 576, 4096, 256]],
    ['a context of 100', { contextTokens: 100 }, [64, 64, 100, 32]],
    ['a context and a prompt', { contextTokens: 2000, maxPromptTokens: 512 }, [512, 1536, 2000, 256]],
    ['a context and an answer', { contextTokens: 2000, minResponseTokens: 128 }, [2048, 128, 2000, 256]],
    ['a longrope model', { modelContextTokens: 131072, ropeBoundaries: [1000] }, [512, 512, 1000, 256]],
    ['a model of 512 tokens', { modelContextTokens: 512 }, [256, 320, 512, 128]],
    ['a model of 512 tokens and a prompt', { modelContextTokens: 512, maxPromptTokens: 300 }, [512, 256, 512, 256]],
  ])('%s', (_, request, expected) => {
    expect(lengths(plan(request))).toEqual(expected);
  });

  it('are those of the properties, in NPUW’s names or those of openvino-genai', () => {
    expect(lengths(planWith({ NPUW_LLM_MAX_PROMPT_LEN: '2048', NPUW_LLM_MIN_RESPONSE_LEN: '64' }))).toEqual(
      lengths(planWith({ MAX_PROMPT_LEN: '2048', MIN_RESPONSE_LEN: '64' })),
    );
  });

  it.each<[string, Partial<NpuwRequest>, string[]]>([
    ['a prompt as long as the context', { maxPromptTokens: 4096 }, ['maxPromptTokens 4096', '4096 tokens']],
    ['an answer longer than the context', { minResponseTokens: 9000 }, ['minResponseTokens 9000', '4096 tokens']],
    ['a context beyond the model', { contextTokens: 5000 }, ['contextTokens', '4096', '5000']],
    [
      'a context that the lengths do not make',
      { contextTokens: 3000, maxPromptTokens: 1024, minResponseTokens: 512 },
      ['contextTokens 3000', 'maxPromptTokens 1024', 'minResponseTokens 512', '1535'],
    ],
    ['a chunk that is no power of two', { prefillChunkTokens: 200 }, ['power of two', '200']],
    ['a chunk too small', { prefillChunkTokens: 8 }, ['from 16']],
    ['a length twice', { maxPromptTokens: 512, ovConfig: { MAX_PROMPT_LEN: '512' } }, ['maxPromptTokens', 'one of']],
    ['a name twice', { ovConfig: { MAX_PROMPT_LEN: '1', NPUW_LLM_MAX_PROMPT_LEN: '1' } }, ['are the same']],
    ['a length that is no number', { ovConfig: { MIN_RESPONSE_LEN: 'long' } }, ['MIN_RESPONSE_LEN', "'long'"]],
    ['a switch that is neither on nor off', { ovConfig: { NPUW_LLM_ENABLE_PREFIX_CACHING: '2' } }, ['YES or NO']],
    ['another pipeline', { ovConfig: { NPUW_LLM: 'NO' } }, ['NPUW_LLM must be YES']],
    ['more tokens a decode', { ovConfig: { NPUW_LLM_MAX_GENERATION_TOKEN_LEN: '8' } }, ['must be 1', 'slow']],
    ['continuous prefill', { ovConfig: { NPUW_LLM_ENABLE_CONTINUOUS_PREFILL: 'YES' } }, ['C API']],
    ['a name that every object has', { ovConfig: { constructor: '1', NPUW_LLM: 'NO' } }, ['NPUW_LLM must be YES']],
    ['a map that is none', { ovConfig: { PREFILL_CONFIG: '["NPUW_DQ"]' } }, ['PREFILL_CONFIG', 'map']],
  ])('are refused: %s', (_, request, parts) => {
    expect(() => plan(request)).toThrow(refusal(...parts));
  });
});

describe('the properties of a model on the NPU', () => {
  it('let no other device step in, and keep the KV cache between turns within bounds', () => {
    expect(plan().properties).toEqual({
      NPU_USE_NPUW: 'YES',
      NPUW_LLM: 'YES',
      NPUW_DEVICES: 'NPU',
      NPUW_LLM_BATCH_DIM: '0',
      NPUW_LLM_SEQ_LEN_DIM: '2',
      NPUW_LLM_MAX_PROMPT_LEN: '1024',
      NPUW_LLM_MIN_RESPONSE_LEN: '512',
      NPUW_LLM_PREFILL_CHUNK_SIZE: '256',
      NPUW_LLM_GENERATE_PYRAMID: 'NO',
      NPUW_LLM_ENABLE_PREFIX_CACHING: 'YES',
      NPUW_LLM_PREFIX_CACHING_BLOCK_SIZE: '256',
      NPUW_LLM_PREFIX_CACHING_MAX_NUM_BLOCKS: '4',
    });
  });

  it('have generate models of several lengths only where the prompt can be long', () => {
    expect(plan({ maxPromptTokens: 1025 }).hasGenerateVariants).toBe(true);
    expect(plan({ maxPromptTokens: 4000 }).properties['NPUW_LLM_GENERATE_PYRAMID']).toBe('YES');
    expect(plan({ maxPromptTokens: 4000, ovConfig: { NPUW_LLM_GENERATE_PYRAMID: 'no' } }).hasGenerateVariants).toBe(
      false,
    );
  });

  it('compute the whole prompt in one run where the caller turns the prefix cache or chunks off', () => {
    for (const ovConfig of [{ NPUW_LLM_ENABLE_PREFIX_CACHING: 'NO' }, { PREFILL_HINT: 'STATIC' }]) {
      const { cachesPrefixes, chunkTokens, properties } = planWith(ovConfig);
      expect([cachesPrefixes, chunkTokens]).toEqual([false, 1024]);
      expect(properties['NPUW_LLM_ENABLE_PREFIX_CACHING']).toBe('NO');
      expect(properties['NPUW_LLM_PREFIX_CACHING_MAX_NUM_BLOCKS']).toBeUndefined();
    }
  });

  it('pass on what the caller gives, under NPUW’s names', () => {
    expect(
      planWith({
        GENERATE_HINT: 'BEST_PERF',
        NPUW_DQ: 'YES',
        '++PREFILL_CONFIG': '{"NPUW_F16IC":"NO"}',
        NPU_TURBO: 'YES',
      }).properties,
    ).toMatchObject({
      NPUW_LLM_GENERATE_HINT: 'BEST_PERF',
      NPUW_DQ: 'YES',
      '++NPUW_LLM_PREFILL_CONFIG': '{NPUW_F16IC:NO}',
      NPU_TURBO: 'YES',
    });
  });

  it.each<[Properties, readonly string[]]>([
    [{}, ['npu']],
    [{ NPUW_DEVICES: 'NPU' }, ['npu']],
    [{ NPUW_DEVICES: 'CPU' }, ['cpu']],
    [{ NPUW_DEVICES: 'NPU, CPU' }, ['npu', 'cpu']],
    [{ NPUW_SUBMODEL_DEVICE: '0:NPU,last:CPU' }, ['npu', 'cpu']],
    [{ '++GENERATE_CONFIG': '{NPUW_DEVICES:CPU}' }, ['npu', 'cpu']],
    [{ PREFILL_CONFIG: '{"NPUW_DEVICES": "CPU"}' }, ['npu', 'cpu']],
  ])('%j run on %j, which is an emulation unless it is the NPU alone', (ovConfig, devices) => {
    const found = planWith(ovConfig);
    expect(found.devices).toEqual(devices);
    expect(found.isEmulated).toBe(devices.join() !== 'npu');
  });
});
