/** The ready-made ONNX folders of test/contract/models, and the answers of transformers beside each. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const CONTRACT_MODELS = path.join('test', 'contract', 'models');

export interface OnnxAnswers {
  readonly madeBy: Readonly<Record<string, string>>;
  /** Computed in fp16. */
  readonly half: boolean;
  readonly prompts: readonly {
    readonly tokenIds: readonly number[];
    readonly greedyTokenIds: readonly number[];
    /** Of the last token of the prompt. */
    readonly firstLogits: readonly number[];
  }[];
}

export const onnxModelFolder = (name: string): string => path.join(CONTRACT_MODELS, name);

/** The folders that have a greedy.json of make_onnx_models.py. */
export const ONNX_MODELS: readonly string[] = readdirSync(CONTRACT_MODELS).filter(
  (name) => !name.startsWith('optimum-') && existsSync(path.join(CONTRACT_MODELS, name, 'greedy.json')),
);

export function onnxAnswers(name: string, file = 'greedy.json'): OnnxAnswers {
  return JSON.parse(readFileSync(path.join(CONTRACT_MODELS, name, file), 'utf8')) as OnnxAnswers;
}
