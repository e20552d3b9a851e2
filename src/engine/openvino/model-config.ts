/**
 * What must be known of a model beside its graph: context length, which tokens begin and end, the sliding window, the
 * rope regimes. Hugging Face's config.json and generation_config.json, as optimum, Intel and aipc put them beside an
 * IR. It does not look into the graph.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { MAX_CONTEXT_TOKENS, readModelJson } from '../model-json.js';
import { ropeBoundaries } from '../rope-boundaries.js';

export interface OpenvinoModelConfig {
  /** Path of config.json, for messages. */
  readonly file: string;
  readonly contextTokens: number;
  /** Any of them ends an answer. */
  readonly endTokenIds: readonly number[];
  readonly bosTokenId: number | null;
  /** A token sees this many positions, itself included; undefined where it sees all. */
  readonly slidingWindowTokens: number | undefined;
  /** Lengths at which the rope factors change (longrope), as EngineLimits.ropeBoundaries. */
  readonly ropeBoundaries: readonly number[];
}

/** Reads `folder`/config.json and generation_config.json. Throws MODEL_FILE_MISSING, FILE_*. */
export async function readOpenvinoModelConfig(folder: string): Promise<OpenvinoModelConfig> {
  const file = path.join(folder, 'config.json');
  const config = await readModelJson(file, 'An OpenVINO model folder needs one: give the folder that the export made.');
  const generationFile = path.join(folder, 'generation_config.json');
  const hasGeneration = await stat(generationFile).then(
    () => true,
    () => false,
  );
  const generation = hasGeneration ? await readModelJson(generationFile, '') : undefined;
  const contextTokens = config.count('max_position_embeddings', MAX_CONTEXT_TOKENS);
  // Chat models name further end tokens in generation_config.json alone.
  const named = generation?.tokenIds('eos_token_id') ?? [];
  return {
    file,
    contextTokens,
    endTokenIds: named.length > 0 ? named : config.tokenIds('eos_token_id'),
    bosTokenId: config.tokenIds('bos_token_id')[0] ?? generation?.tokenIds('bos_token_id')[0] ?? null,
    slidingWindowTokens: config.hasValue('sliding_window')
      ? config.count('sliding_window', Number.MAX_SAFE_INTEGER)
      : undefined,
    ropeBoundaries: ropeBoundaries(config, contextTokens),
  };
}
