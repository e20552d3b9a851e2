import { describe, expect, it } from 'vitest';
import { configFromHuggingFace } from '../weights/hugging-face-config.js';
import type { ModelConfig } from '../weights/weights.js';
import { configJson, generationConfigJson } from './gguf-config-files.js';

const PHI3: ModelConfig = {
  architecture: 'phi3',
  vocabularySize: 32_064,
  hiddenSize: 3072,
  intermediateSize: 8192,
  layerCount: 32,
  headCount: 32,
  kvHeadCount: 32,
  headSize: 96,
  rotarySize: 72,
  ropeTheta: 10_000,
  longRope: null,
  rmsNormEpsilon: 1e-5,
  contextTokens: 4096,
  slidingWindow: 2047,
  tiedEmbeddings: false,
  bosTokenId: 1,
  eosTokenIds: [32_000, 32_007],
  padTokenId: 32_000,
};
const LLAMA: ModelConfig = {
  ...PHI3,
  architecture: 'llama',
  kvHeadCount: 8,
  // Not the width divided by the heads.
  headSize: 128,
  rotarySize: 128,
  ropeTheta: 500_000,
  slidingWindow: null,
  tiedEmbeddings: true,
  bosTokenId: null,
  eosTokenIds: [2],
  padTokenId: null,
};

const LONG: ModelConfig = {
  ...PHI3,
  contextTokens: 131_072,
  rotarySize: 4,
  headSize: 4,
  hiddenSize: 128,
  longRope: { originalContextTokens: 4096, shortFactors: [1, 1.5], longFactors: [1.25, 60], attentionFactor: 1.19 },
};

describe('configJson and generationConfigJson', () => {
  it.each([
    ['Phi-3', PHI3],
    ['Llama', LLAMA],
    ['Phi-3 with longrope', LONG],
    ['Phi-3 without a window or end token', { ...PHI3, rotarySize: 96, slidingWindow: null, eosTokenIds: [] }],
  ])('say all that the config holds, as a Hugging Face folder would (%s)', (_, config) => {
    const files = [configJson(config), generationConfigJson(config)].map(
      (file) => JSON.parse(JSON.stringify(file)) as Record<string, unknown>,
    );
    expect(configFromHuggingFace('config.json', files[0] ?? {}, files[1])).toEqual(config);
    expect(configFromHuggingFace('config.json', files[0] ?? {}, undefined)).toEqual(config);
  });
});
