/** What a benchmark is asked for: options, checked, and the cells that follow from them. It runs nothing. */
import { OptionError } from '../errors.js';
import { LOADING_KEYS, type LoadingOptions, type LoadModelOptions } from '../model/load-options.js';
import type { LoadProgress } from '../models/progress.js';
import { checkNumber, refuseUnknownKeys } from '../options.js';
import type { CellRequest } from './report.js';

/** The options of loading go to the cells that they are for: OpenVINO's to OpenVINO's, a plug-in to those that name it or auto. */
export interface BenchOptions extends LoadingOptions {
  /** As in --device, each with a provider after a colon where it has its own: `cpu`, `cpu:openvino`, `npu`. Default: auto. */
  readonly devices?: readonly string[];
  /** For the devices that name none, each with each. Default: auto. */
  readonly providers?: readonly string[];
  /** Default: what aipc chooses. */
  readonly weightFormats?: readonly NonNullable<LoadModelOptions['weightFormat']>[];
  /** Tokens of the prompts; default 32 and 1024. */
  readonly promptTokens?: readonly number[];
  /** Tokens of each answer, whatever they are; default 128. */
  readonly newTokens?: number;
  /** Answers that are measured for each cell, in one process; default 5. */
  readonly repeats?: number;
  /** Answers before them, at least 1: the first is the cold start. Default 1. */
  readonly warmUps?: number;
  /** Processes that measure load and cold start, the one of the repetitions among them; default 1. */
  readonly coldStarts?: number;
  readonly download?: LoadModelOptions['download'];
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly onWarning?: (message: string) => void;
  /** Before each cell, and after each of its repetitions. */
  readonly onCell?: (
    cell: CellRequest,
    position: { readonly index: number; readonly count: number },
    done: number,
  ) => void;
  readonly signal?: AbortSignal;
}

const KEYS = [
  ...['devices', 'providers', 'weightFormats', 'promptTokens', 'newTokens', 'repeats', 'warmUps', 'coldStarts'],
  ...LOADING_KEYS,
  ...['download', 'onProgress', 'onWarning', 'onCell', 'signal'],
];

/** More is a mistake, and would run for days. */
const MAX_CELLS = 200;

export interface ResolvedBenchOptions extends BenchOptions {
  readonly cells: readonly CellRequest[];
  readonly newTokens: number;
  readonly repeats: number;
  readonly warmUps: number;
  readonly coldStarts: number;
}

/** Throws OPTION_UNKNOWN and OPTION_INVALID. */
export function resolveBenchOptions(options: BenchOptions): ResolvedBenchOptions {
  refuseUnknownKeys('bench', options, KEYS);
  const count = (name: 'newTokens' | 'repeats' | 'warmUps' | 'coldStarts', fallback: number, max: number): number =>
    checkNumber('bench', name, options[name] ?? fallback, { min: 1, max, integer: true });
  const prompts = (options.promptTokens ?? [32, 1024]).map((tokens) =>
    checkNumber('bench', 'promptTokens', tokens, { min: 1, max: 1_000_000, integer: true }),
  );
  const targets = (options.devices ?? ['auto']).flatMap((text) => {
    const [device = '', provider, ...rest] = text.toLowerCase().split(':');
    if (device === '' || provider === '' || rest.length > 0) {
      throw invalid(`'${text}' is no device: give DEVICE or DEVICE:PROVIDER, e.g. cpu:openvino.`, text);
    }
    const providers = provider === undefined ? (options.providers ?? ['auto']) : [provider];
    return providers.map((name) => ({ device, provider: name.toLowerCase() }));
  });
  const formats = options.weightFormats ?? [null];
  const cells = targets.flatMap(({ device, provider }) =>
    formats.flatMap((weightFormat) =>
      prompts.map((promptTokens) => ({ device, provider, weightFormat, promptTokens })),
    ),
  );
  if (cells.length === 0 || cells.length > MAX_CELLS) {
    throw invalid(`these options make ${cells.length} cells; 1 to ${MAX_CELLS} can be run.`, cells.length);
  }
  return {
    ...options,
    cells,
    newTokens: count('newTokens', 128, 100_000),
    repeats: count('repeats', 5, 1000),
    warmUps: count('warmUps', 1, 100),
    coldStarts: count('coldStarts', 1, 100),
  };
}

function invalid(problem: string, found: unknown): OptionError {
  return new OptionError('OPTION_INVALID', `bench: ${problem}`, { details: { found } });
}

/** Devices that are short for a GPU with that provider, and the providers themselves. */
const SHORT_DEVICES: readonly string[] = ['dml', 'webgpu', 'cuda'];

/** The options of loading as far as they are this cell's business. */
export function loadingFor(cell: CellRequest, options: LoadingOptions): LoadingOptions {
  const { device, provider } = cell;
  const { contextTokens, threads, revision, sessionOptions, activations, providerOptions, epLibraries } = options;
  const { maxPromptTokens, minResponseTokens, allowUnsupported } = options;
  const ovConfig = ovConfigFor(cell, options.ovConfig);
  const isNpu = device.startsWith('npu');
  const names = Object.keys(epLibraries ?? {});
  const isPlugin = names.some((name) => name.toLowerCase() === provider);
  const isWebgpu = provider === 'webgpu' || device === 'webgpu';
  const isShort = SHORT_DEVICES.includes(device);
  const mayBePlugin = isPlugin || (provider === 'auto' && !isShort);
  const hasOptions = isPlugin || isShort || SHORT_DEVICES.includes(provider);
  return {
    ...defined({ contextTokens, threads, ovConfig, revision }),
    ...(ovConfig === undefined ? defined({ sessionOptions }) : {}),
    ...(isWebgpu ? defined({ activations }) : {}),
    ...(hasOptions || (mayBePlugin && names.length > 0) ? defined({ providerOptions }) : {}),
    ...(mayBePlugin ? defined({ epLibraries }) : {}),
    ...(isNpu && !isPlugin ? defined({ maxPromptTokens, minResponseTokens, allowUnsupported }) : {}),
  };
}

function defined(values: LoadingOptionsOrUndefined): LoadingOptions {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

type LoadingOptionsOrUndefined = { readonly [K in keyof LoadingOptions]: LoadingOptions[K] | undefined };

/** OpenVINO's properties as far as they are this cell's business. */
export function ovConfigFor(
  { device, provider }: CellRequest,
  ovConfig: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  const runsOnOpenvino = provider === 'openvino' || (provider === 'auto' && /^(?:gpu|npu)/u.test(device));
  if (ovConfig === undefined || !runsOnOpenvino) return undefined;
  const isForNpu = (key: string): boolean => /^NPUW?_/u.test(key);
  const own = Object.entries(ovConfig).filter(([key]) => device.startsWith('npu') || !isForNpu(key));
  return own.length === 0 ? undefined : Object.fromEntries(own);
}
