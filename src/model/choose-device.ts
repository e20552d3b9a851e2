/**
 * What `--device auto` means: the machine, its providers, the model and the speeds measured here become one device, with
 * the reasons. It only chooses; a chosen device that then fails is an error, never another device.
 */
import { readMeasurements } from '../bench/measurements.js';
import type { DeviceId, Machine } from '../devices/device.js';
import type { ProviderStatus } from '../devices/provider.js';
import { recommend, type ModelFacts, type Recommendation, type Recommendations } from '../devices/recommend.js';
import { placeOf, PREFERENCES, type Preference } from '../devices/recommendation-rules.js';
import { findOpenvinoLibrary } from '../engine/openvino/find-library.js';
import { NPU_LENGTHS } from '../engine/openvino/device-profiles.js';
import { NotFoundError, OptionError, UnsupportedError } from '../errors.js';
import { askRuntimes } from '../machine/ask-runtimes.js';
import { detectDevices, detectMachine } from '../machine/detect-devices.js';
import { joinProviders, type JoinedMachine } from '../machine/join-providers.js';
import { findInCatalogue } from '../models/catalogue.js';
import type { CatalogueEntry } from '../models/catalogue-entry.js';
import { rankSources } from '../models/choose-source.js';
import { locateModel, type LocatedModel, type LocateOptions, type ModelKind } from '../models/resolve.js';
import { checkChoice, checkNumber, refuseUnknownKeys } from '../options.js';
import { devicesForOpenvinoFolder } from './describe-model.js';
import type { LoadModelOptions } from './load-options.js';
import { entryNeeds, needsOf, sourceRequest } from './prepare-model.js';
import { memoryBytes } from './requirements.js';
import { chooseTarget, type Target } from './target.js';

export interface RecommendDevicesOptions extends Pick<
  LoadModelOptions,
  'weightFormat' | 'contextTokens' | 'revision' | 'provider' | 'maxPromptTokens' | 'prefer' | 'promptTokens' | 'signal'
> {
  /** Default never: a model of the catalogue is known without its files. */
  readonly download?: 'never' | 'if-missing';
}

/** detectDevices() and recommend() for one model, with what `aipc bench` measured on this machine. */
export async function recommendDevices(
  reference: string,
  options: RecommendDevicesOptions = {},
): Promise<JoinedMachine & { readonly recommendations: Recommendations }> {
  const keys = ['weightFormat', 'contextTokens', 'revision', 'provider', 'maxPromptTokens', 'prefer', 'promptTokens'];
  refuseUnknownKeys('recommendDevices', options, [...keys, 'signal', 'download']);
  const joined = await detectDevices(options.signal === undefined ? {} : { signal: options.signal });
  const model = await modelOf(reference, options, options.download ?? 'never');
  return { ...joined, recommendations: await recommendFor(joined, model, 'recommendDevices', options) };
}

/** A device of aipc's index under the number that its provider knows it by. */
export interface ResolvedDevice {
  /** As given, or with the device and the provider that were chosen. */
  readonly options: LoadModelOptions;
  /** aipc's own id of the device; null: what the engine says. */
  readonly deviceId: DeviceId | null;
}

/**
 * auto: the options with a device in its place; as they are where nothing here runs the model: loading it then says what
 * is missing. gpu.N on a machine with several GPUs: with the provider's own number of it. Throws what locateModel()
 * throws, DEVICE_NOT_FOUND where no provider drives gpu.N.
 */
export async function resolveDevice(
  reference: string,
  options: LoadModelOptions,
  download: LocateOptions['download'],
): Promise<ResolvedDevice> {
  const device = (options.device ?? 'auto').toLowerCase();
  if (/^gpu\.\d{1,2}$/u.test(device)) return resolveGpu(device, options);
  if (device !== 'auto') return { options, deviceId: null };
  const { signal, onDeviceChoice } = options;
  const machine = await detectMachine(signal);
  const joined =
    machine.accelerators.length === 0 ? cpuAlone(machine) : joinProviders(machine, await askRuntimes(signal));
  const model = await modelOf(reference, options, download);
  const recommendations = await recommendFor(joined, model, 'loadModel', options);
  const [chosen] = recommendations.ranked;
  if (chosen === undefined) return { options, deviceId: null };
  onDeviceChoice?.({ ...recommendations, chosen });
  return { options: { ...options, ...asDeviceAndProvider(chosen) }, deviceId: chosen.deviceId };
}

/** With one GPU or none there is nothing to tell apart, and the runtime says what it finds. */
async function resolveGpu(device: string, options: LoadModelOptions): Promise<ResolvedDevice> {
  const machine = await detectMachine(options.signal);
  const gpus = machine.accelerators.filter(({ kind }) => kind === 'gpu');
  if (gpus.length < 2) return { options, deviceId: null };
  const { providers } = joinProviders(machine, await askRuntimes(options.signal));
  const [found] = numbersOfGpu(device, options.provider ?? 'auto', machine, providers);
  if (found === undefined) {
    const there = gpus.map(({ id, name }) => `${id} (${name})`).join(', ');
    throw new NotFoundError(
      'DEVICE_NOT_FOUND',
      `No provider${options.provider === undefined ? '' : ` '${options.provider}'`} drives ${device} here; this machine has ` +
        `${there}. \`aipc devices\` lists what drives what.`,
      { details: { device, provider: options.provider ?? 'auto', available: gpus.map(({ id }) => id) } },
    );
  }
  return { options: { ...options, ...found }, deviceId: device as DeviceId };
}

/** The ways to a GPU of aipc's index, best first, under the providers' own numbers. */
export function numbersOfGpu(
  deviceId: string,
  provider: string,
  machine: Machine,
  providers: readonly ProviderStatus[],
): readonly { readonly device: string; readonly provider: string }[] {
  const device = machine.accelerators.find(({ id }) => id === deviceId);
  if (device === undefined) return [];
  return providers
    .filter((status) => provider.toLowerCase() === 'auto' || status.provider === provider.toLowerCase())
    .flatMap((status) =>
      status.drives
        .filter((driven) => driven.deviceId === deviceId)
        .map(({ providerDevice }) => ({ status, providerDevice, place: placeOf({ device, status }, 'speed') })),
    )
    .sort((a, b) => a.place - b.place)
    .map(({ status, providerDevice }) =>
      asDeviceAndProvider({ deviceId: device.id, provider: status.provider, providerDevice }),
    );
}

/** Where there is a CPU and nothing else, no runtime needs to be loaded to say so; the files tell which are there. */
function cpuAlone(machine: Machine): JoinedMachine {
  const drives = [{ deviceId: 'cpu', providerDevice: 'CPU', name: machine.cpu.name }] as const;
  const common = { runtime: null, drives, problem: null };
  const providers: ProviderStatus[] = [{ ...common, provider: 'cpu', libraryFile: null }];
  try {
    providers.push({ ...common, provider: 'openvino', libraryFile: findOpenvinoLibrary() });
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
  }
  return { machine, providers };
}

interface JudgedModel {
  readonly facts: ModelFacts;
  /** Throws what makes it impossible to run the model so. */
  readonly require: (device: string, provider: string) => void;
}

async function recommendFor(
  { machine, providers }: JoinedMachine,
  { facts, require }: JudgedModel,
  where: string,
  options: Pick<LoadModelOptions, 'provider' | 'prefer' | 'promptTokens' | 'maxPromptTokens'>,
): Promise<Recommendations> {
  const { promptTokens, maxPromptTokens = NPU_LENGTHS.maxPromptTokens } = options;
  const prefer: Preference = checkChoice(where, 'prefer', options.prefer ?? 'balanced', PREFERENCES);
  if (promptTokens !== undefined) checkNumber(where, 'promptTokens', promptTokens, { min: 1, max: 1e9, integer: true });
  const provider = (options.provider ?? 'auto').toLowerCase();
  const found = recommend({
    machine,
    providers: provider === 'auto' ? providers : providers.filter((status) => status.provider === provider),
    model: facts,
    promptTokens: promptTokens ?? null,
    prefer,
    measurements: await readMeasurements(),
    npuPromptTokens: maxPromptTokens,
  });
  const rejected = [...found.rejected];
  const ranked = found.ranked.filter((one) => {
    const { device, provider: way } = asDeviceAndProvider(one);
    try {
      require(device, way);
      return true;
    } catch (error) {
      if (!(error instanceof OptionError || error instanceof UnsupportedError || error instanceof NotFoundError))
        throw error;
      rejected.push({ deviceId: one.deviceId, provider: one.provider, reason: error.message });
      return false;
    }
  });
  return { prefer, ranked, rejected };
}

/** The provider's own number, which is what a target names. */
function asDeviceAndProvider({
  deviceId,
  provider,
  providerDevice,
}: Pick<Recommendation, 'deviceId' | 'provider' | 'providerDevice'>): {
  readonly device: string;
  readonly provider: string;
} {
  if (!deviceId.startsWith('gpu')) return { device: deviceId, provider };
  const number = /(\d+)$/u.exec(providerDevice)?.[1] ?? '0';
  return { device: `gpu.${number}`, provider };
}

async function modelOf(
  reference: string,
  options: Pick<LoadModelOptions, 'weightFormat' | 'contextTokens' | 'revision' | 'signal'>,
  download: LocateOptions['download'],
): Promise<JudgedModel> {
  const entry = findInCatalogue(reference);
  if (entry !== undefined) return judgeEntry(entry, options);
  const { revision, signal } = options;
  const request = sourceRequest({ device: 'cpu', provider: 'auto', weightFormat: options.weightFormat });
  return judgeLocated(await locateModel(reference, { request, revision, download, signal }), options);
}

/** By the catalogue alone: neither its files nor the hub are asked. */
function judgeEntry(
  entry: CatalogueEntry,
  options: Pick<LoadModelOptions, 'weightFormat' | 'contextTokens'>,
): JudgedModel {
  const memory = ({ runtime }: Pick<Target, 'runtime'>): number | null =>
    memoryBytes(entryNeeds(entry, targetOf(runtime), options)) ?? null;
  return {
    facts: {
      id: entry.name,
      weightFormat: options.weightFormat ?? null,
      providers: null,
      unsuited: {},
      memoryBytes: { onnxruntime: memory({ runtime: 'onnxruntime' }), openvino: memory({ runtime: 'openvino' }) },
    },
    require: (device, provider) => {
      const [{ source, converts }] = rankSources(
        entry,
        sourceRequest({ device, provider, weightFormat: options.weightFormat }),
      );
      const isReadyMade =
        source.kind === 'hub' && !converts && (source.format === 'onnx' || source.format === 'openvino');
      const kind: ModelKind = isReadyMade ? (source.format === 'onnx' ? 'onnx' : 'openvino') : 'weights';
      chooseTarget({ device, provider, kind, location: entry.name });
    },
  };
}

async function judgeLocated(
  located: LocatedModel,
  options: Pick<LoadModelOptions, 'weightFormat' | 'contextTokens'>,
): Promise<JudgedModel> {
  const { id, kind, location } = located;
  const memory = async (runtime: Target['runtime']): Promise<number | null> =>
    memoryBytes(await needsOf(located, targetOf(runtime), options)) ?? null;
  return {
    facts: {
      id,
      weightFormat: options.weightFormat ?? null,
      providers: kind === 'openvino' ? ['openvino'] : null,
      unsuited: kind === 'openvino' && located.missingBytes === 0 ? await unsuitedDevices(located) : {},
      memoryBytes: { onnxruntime: await memory('onnxruntime'), openvino: await memory('openvino') },
    },
    require: (device, provider) => {
      chooseTarget({ device, provider, kind, location });
    },
  };
}

async function unsuitedDevices(located: LocatedModel): Promise<ModelFacts['unsuited']> {
  const { path } = await located.fetch();
  const judged = await devicesForOpenvinoFolder(path);
  return Object.fromEntries(
    judged
      .filter(({ suits }) => !suits)
      .map(({ device, reasons, needs }) => [device, `${reasons.join('; ')}: needs ${needs.join(' ')}`]),
  );
}

/** Of which the needs look at the runtime alone. */
function targetOf(runtime: Target['runtime']): Target {
  return runtime === 'openvino' ? { runtime, device: 'cpu' } : { runtime, provider: 'cpu', device: 'cpu' };
}
