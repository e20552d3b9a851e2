/**
 * Whether a device computes what the CPU computes: the same weights, the same prompts, greedy tokens and perplexity on
 * both, one after the other. It measures no time.
 */
import type { Execution, GenerationInput } from '../model/result.js';
import { resolveDevice } from '../model/choose-device.js';
import { loadModel } from '../model/load-model.js';
import { LOAD_MODEL_KEYS, type LoadModelOptions } from '../model/load-options.js';
import type { Model } from '../model/model.js';
import { onnxRuntimeModels } from '../model/onnxruntime-model.js';
import { prepareModel } from '../model/prepare-model.js';
import { UnsupportedError } from '../errors.js';
import { checkChoice, checkNumber, refuseUnknownKeys } from '../options.js';
import { compareAnswers, type AnswerComparison, type GreedyAnswer } from './compare-tokens.js';

/** auto: cpu, where ONNX Runtime runs the device; same-file where OpenVINO does, whose quantised weights are others. */
export type ReferenceKind = 'auto' | 'cpu' | 'same-file';

export interface VerifyModelOptions extends LoadModelOptions {
  /**
   * cpu: ONNX Runtime on the CPU, the same weights in the same format; same-file: the very files that the device runs, by
   * OpenVINO on the CPU in f32. Default auto.
   */
  readonly reference?: ReferenceKind;
  /** User messages, or texts for models without a chat template; default: DEFAULT_PROMPTS. */
  readonly prompts?: readonly string[];
  /** Tokens that are compared for each prompt; default 48. */
  readonly newTokens?: number;
  /** Margin in logits up to which the reference counts as undecided; default 0.5. */
  readonly logitTolerance?: number;
  /** How far the perplexities may be apart, in percent; default 2. */
  readonly perplexityTolerancePercent?: number;
}

export const DEFAULT_PROMPTS = ['Can you introduce yourself?', 'What is an NPU, and when is it useful?'] as const;
const DEFAULT_NEW_TOKENS = 48;
const DEFAULT_LOGIT_TOLERANCE = 0.5;
const DEFAULT_PERPLEXITY_TOLERANCE_PERCENT = 2;

export interface Verification {
  readonly modelId: string;
  readonly weightFormat: string | null;
  readonly device: Execution;
  readonly reference: Execution;
  /** How the reference was made, in words. */
  readonly referenceKind: string;
  readonly answers: readonly (AnswerComparison & { readonly prompt: string })[];
  /** Of the prompts with the reference's answers. */
  readonly perplexity: {
    readonly reference: number;
    /** Null: this device cannot score, `problem` says why. */
    readonly device: number | null;
    readonly differencePercent: number | null;
    readonly problem: string | null;
  };
  readonly tolerances: { readonly logits: number; readonly perplexityPercent: number };
  /** All answers are the same or part at a near-tie, and the perplexities agree. */
  readonly agrees: boolean;
}

/** In f32 all through, without the shortcuts that OpenVINO's CPU plug-in takes by default. */
const EXACT_OPENVINO_CPU = {
  INFERENCE_PRECISION_HINT: 'f32',
  KV_CACHE_PRECISION: 'f32',
  DYNAMIC_QUANTIZATION_GROUP_SIZE: '0',
};

/** Throws OPTION_UNKNOWN, OPTION_INVALID, and what loadModel() and Model.trace() throw. */
export async function verifyModel(modelReference: string, options: VerifyModelOptions = {}): Promise<Verification> {
  const own = ['reference', 'prompts', 'newTokens', 'logitTolerance', 'perplexityTolerancePercent'];
  refuseUnknownKeys('verify', options, [...LOAD_MODEL_KEYS, ...own]);
  const {
    reference,
    prompts = DEFAULT_PROMPTS,
    newTokens,
    logitTolerance,
    perplexityTolerancePercent,
    ...given
  } = options;
  const kind = checkChoice('verify', 'reference', reference ?? 'auto', ['auto', 'cpu', 'same-file']);
  const number = (name: string, value: number, min: number, max: number, integer: boolean): number =>
    checkNumber('verify', name, value, { min, max, integer });
  const count = number('newTokens', newTokens ?? DEFAULT_NEW_TOKENS, 1, 10_000, true);
  const logits = number('logitTolerance', logitTolerance ?? DEFAULT_LOGIT_TOLERANCE, 0, 100, false);
  const percent = perplexityTolerancePercent ?? DEFAULT_PERPLEXITY_TOLERANCE_PERCENT;
  const perplexityPercent = number('perplexityTolerancePercent', percent, 0, 1000, false);
  const load: LoadModelOptions = { ...given, maxSlots: 1, publish: false };

  // The device's own files first: a device that is not there is told before minutes of computing.
  const download = load.download ?? 'if-missing';
  const { options: resolved, plugin } = await resolveDevice(modelReference, load, download);
  if (plugin !== undefined) await onnxRuntimeModels.requirePlugin(plugin);
  const prepared = await prepareModel(modelReference, resolved, download);
  const way = referenceWay(kind, modelReference, prepared, load);
  const expected = await withModel(way.reference, way.options, (model) =>
    expectedOf(model, prompts, count, options.signal),
  );
  return withModel(modelReference, load, async (model) => {
    const answers: Verification['answers'][number][] = [];
    for (const { prompt, tokenIds, answer } of expected.answers) {
      const found = await greedyAnswer(model, { tokenIds }, count, options.signal);
      answers.push({ prompt, ...compareAnswers(found, answer, logits) });
    }
    const scored = await scoreAll(model, expected.scoredIds, options.signal);
    const differencePercent = scored.perplexity === null ? null : 100 * (scored.perplexity / expected.perplexity - 1);
    const perplexityAgrees = differencePercent === null || Math.abs(differencePercent) <= perplexityPercent;
    return {
      modelId: model.identity.id,
      weightFormat: model.identity.weightFormat,
      device: model.execution,
      reference: expected.execution,
      referenceKind: way.words,
      answers,
      perplexity: {
        reference: expected.perplexity,
        device: scored.perplexity,
        differencePercent,
        problem: scored.problem,
      },
      tolerances: { logits, perplexityPercent },
      agrees: perplexityAgrees && answers.every(({ verdict }) => verdict !== 'different'),
    };
  });
}

interface ReferenceWay {
  readonly reference: string;
  readonly options: LoadModelOptions;
  readonly words: string;
}

function referenceWay(
  kind: ReferenceKind,
  modelReference: string,
  { folder, target }: Awaited<ReturnType<typeof prepareModel>>,
  options: LoadModelOptions,
): ReferenceWay {
  const { weightFormat, contextTokens, threads, revision, download, onProgress, onWarning, signal } = options;
  const asGiven = { contextTokens, threads, revision, download, onProgress, onWarning, signal };
  const common: LoadModelOptions = {
    ...Object.fromEntries(Object.entries(asGiven).filter(([, value]) => value !== undefined)),
    ...{ device: 'cpu', maxSlots: 1, publish: false },
  };
  if (target.runtime === 'openvino' && kind !== 'cpu') {
    const words = 'the same files by OpenVINO on the CPU, in f32 with a KV cache in f32';
    const ours = { ...common, provider: 'openvino', ovConfig: { ...EXACT_OPENVINO_CPU, CACHE_DIR: '' } };
    return { reference: folder, options: ours, words };
  }
  if (kind === 'same-file') {
    return {
      reference: folder,
      options: { ...common, provider: 'cpu' },
      words: 'the same files by ONNX Runtime on the CPU',
    };
  }
  const quantised = target.runtime === 'openvino' && weightFormat !== 'fp16' && weightFormat !== 'fp32';
  const words = 'ONNX Runtime on the CPU, the same weights in the same format';
  return {
    reference: modelReference,
    options: { ...common, provider: 'cpu', ...(weightFormat === undefined ? {} : { weightFormat }) },
    words: quantised ? `${words}, but quantised in another way: differences are that, too` : words,
  };
}

interface Expected {
  readonly execution: Execution;
  readonly answers: readonly {
    readonly prompt: string;
    readonly tokenIds: Int32Array;
    readonly answer: GreedyAnswer;
  }[];
  /** Prompts with their answers. */
  readonly scoredIds: readonly Int32Array[];
  readonly perplexity: number;
}

async function expectedOf(
  model: Model,
  prompts: readonly string[],
  newTokens: number,
  signal: AbortSignal | undefined,
): Promise<Expected> {
  const answers: Expected['answers'][number][] = [];
  for (const prompt of prompts) {
    const tokenIds = await model.encodeInput(model.hasChatTemplate ? prompt : { prompt }, signal);
    answers.push({ prompt, tokenIds, answer: await greedyAnswer(model, { tokenIds }, newTokens, signal) });
  }
  const scoredIds = answers.map(({ tokenIds, answer }) => Int32Array.from([...tokenIds, ...answer.tokenIds]));
  const { perplexity, problem } = await scoreAll(model, scoredIds, signal);
  if (perplexity === null) throw new Error(`the reference cannot score: ${problem}`);
  return { execution: model.execution, answers, scoredIds, perplexity };
}

async function greedyAnswer(
  model: Model,
  input: GenerationInput,
  newTokens: number,
  signal: AbortSignal | undefined,
): Promise<GreedyAnswer> {
  const logits: Float32Array[] = [];
  const { tokenIds } = await model.trace(input, {
    newTokens,
    onLogits: (row) => logits.push(row.slice()),
    ...(signal === undefined ? {} : { signal }),
  });
  return { tokenIds, logits };
}

/** One perplexity over all texts. */
async function scoreAll(
  model: Model,
  texts: readonly Int32Array[],
  signal: AbortSignal | undefined,
): Promise<
  { readonly perplexity: number; readonly problem: null } | { readonly perplexity: null; readonly problem: string }
> {
  let sum = 0;
  let count = 0;
  try {
    for (const tokenIds of texts) {
      const { logProbabilities } = await model.score({ tokenIds }, signal === undefined ? {} : { signal });
      sum += logProbabilities.reduce((total, value) => total + value, 0);
      count += logProbabilities.length;
    }
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return { perplexity: null, problem: error.message };
  }
  return { perplexity: Math.exp(-sum / count), problem: null };
}

async function withModel<T>(
  reference: string,
  options: LoadModelOptions,
  use: (model: Model) => Promise<T>,
): Promise<T> {
  await using model = await loadModel(reference, options);
  return await use(model);
}
