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
import type { PluginQuery } from '../engine/onnxruntime/plugin-provider.js';
import { askRuntimes } from '../machine/ask-runtimes.js';
import { detectDevices, detectMachine } from '../machine/detect-devices.js';
import { joinProviders, type JoinedMachine } from '../machine/join-providers.js';
import { checkPluginLibraries, requirePlugins, type PluginLibrary } from '../machine/plugin-libraries.js';
import { findInCatalogue } from '../models/catalogue.js';
import type { CatalogueEntry } from '../models/catalogue-entry.js';
import { rankSources } from '../models/choose-source.js';
import { locateModel, type LocatedModel, type LocateOptions, type ModelKind } from '../models/resolve.js';
import { checkChoice, checkNumber, refuseUnknownKeys } from '../options.js';
import { devicesForOpenvinoFolder } from './describe-model.js';
import type { LoadModelOptions } from './load-options.js';
import { forPlugin, namedPlugin, pluginQuery } from './plugin-target.js';
import { entryNeeds, needsOf, sourceRequest } from './prepare-model.js';
import { memoryBytes } from './requirements.js';
import { chooseTarget, type Target } from './target.js';

export interface RecommendDevicesOptions extends Pick<
  LoadModelOptions,
  | 'weightFormat'
  | 'contextTokens'
  | 'revision'
  | 'provider'
  | 'epLibraries'
  | 'maxPromptTokens'
  | 'prefer'
  | 'promptTokens'
  | 'signal'
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
  refuseUnknownKeys('recommendDevices', options, [...keys, 'epLibraries', 'signal', 'download']);
  const { epLibraries, signal } = options;
  const joined = await detectDevices({
    ...(epLibraries === undefined ? {} : { epLibraries }),
    ...(signal === undefined ? {} : { signal }),
  });
  const model = await modelOf(reference, options, options.download ?? 'never');
  return { ...joined, recommendations: await recommendFor(joined, model, 'recommendDevices', options) };
}

/** A device of aipc's index under the number that its provider knows it by. */
export interface ResolvedDevice {
  /** As given, or with the device and the provider that were chosen. */
  readonly options: LoadModelOptions;
  /** The plug-in that runs it, named or chosen; the options are then those of the CPU provider. */
  readonly plugin: PluginQuery | undefined;
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
  const libraries = checkPluginLibraries('loadModel', options.epLibraries);
  if (libraries.length > 0) return resolveWithPlugins(reference, options, libraries, download);
  if (/^gpu\.\d{1,2}$/u.test(device)) return resolveGpu(device, options);
  if (device !== 'auto') return { options, deviceId: null, plugin: undefined };
  const { signal, onDeviceChoice } = options;
  const machine = await detectMachine(signal);
  const joined =
    machine.accelerators.length === 0 ? cpuAlone(machine) : joinProviders(machine, await askRuntimes([], signal));
  const model = await modelOf(reference, options, download);
  const recommendations = await recommendFor(joined, model, 'loadModel', options);
  const [chosen] = recommendations.ranked;
  if (chosen === undefined) return { options, deviceId: null, plugin: undefined };
  onDeviceChoice?.({ ...recommendations, chosen });
  return { options: { ...options, ...asDeviceAndProvider(chosen) }, deviceId: chosen.deviceId, plugin: undefined };
}

/**
 * With plug-ins: one that is named and a kind of device (the first of the kind), or the best of what the plug-ins and all
 * others drive. A plug-in that cannot be loaded, or offers nothing here, is an error: nothing is run in its place.
 */
async function resolveWithPlugins(
  reference: string,
  given: LoadModelOptions,
  libraries: readonly PluginLibrary[],
  download: LocateOptions['download'],
): Promise<ResolvedDevice> {
  const { signal, onDeviceChoice } = given;
  const device = (given.device ?? 'auto').toLowerCase();
  const named = namedPlugin(libraries, given);
  if (named !== undefined && device !== 'auto' && !device.includes('.')) {
    return { options: forPlugin(given), deviceId: null, plugin: pluginQuery(named, device) };
  }
  const [machine, answer] = await Promise.all([detectMachine(signal), askRuntimes(libraries, signal)]);
  requirePlugins(answer.plugins);
  const joined = joinProviders(machine, answer);
  refuseWithoutDevices(joined.providers.filter(({ provider }) => named === undefined || provider === named.name));
  const model = await modelOf(reference, given, download);
  const { ranked, rejected, prefer } = await recommendFor(joined, model, 'loadModel', given);
  const isAsked = ({ deviceId }: { readonly deviceId: string }): boolean =>
    device === 'auto' || deviceId === device || deviceId.startsWith(`${device}.`);
  const asked = { prefer, ranked: ranked.filter(isAsked), rejected: rejected.filter(isAsked) };
  const [chosen] = asked.ranked;
  if (chosen === undefined) throw drivenByNone(device, given.provider ?? 'auto', asked, joined.machine);
  onDeviceChoice?.({ ...asked, chosen });
  const library = libraries.find(({ name }) => name === chosen.provider);
  if (library !== undefined) {
    const plugin = pluginQuery(library, chosen.providerDevice);
    return { options: forPlugin(given), deviceId: chosen.deviceId, plugin };
  }
  const { epLibraries: _, ...others } = given;
  return { options: { ...others, ...asDeviceAndProvider(chosen) }, deviceId: chosen.deviceId, plugin: undefined };
}

function refuseWithoutDevices(providers: readonly ProviderStatus[]): void {
  const idle = providers.find(({ offers }) => offers?.length === 0);
  if (idle === undefined) return;
  throw new NotFoundError(
    'DEVICE_NOT_FOUND',
    `The plug-in ${idle.provider} (${idle.libraryFile ?? '?'}) loads, but ${idle.problem ?? 'it offers no device'}. Leave it out ` +
      'to run without it.',
    { details: { provider: idle.provider, file: idle.libraryFile } },
  );
}

function drivenByNone(
  device: string,
  provider: string,
  { rejected }: Pick<Recommendations, 'rejected'>,
  machine: Machine,
): NotFoundError {
  const reasons = rejected.map(
    (one) => `${one.deviceId}${one.provider === null ? '' : `, provider ${one.provider}`}: ${one.reason}`,
  );
  const there = machine.accelerators.map(({ id, name }) => `${id} (${name})`);
  return new NotFoundError(
    'DEVICE_NOT_FOUND',
    `Nothing here runs this model with the device '${device}' and the provider '${provider}'. ` +
      `${reasons.length > 0 ? `${reasons.join('; ')}. ` : ''}There are: ${['cpu', ...there].join(', ')}. ` +
      '`aipc devices` with the same --ep-library lists what drives what.',
    { details: { device, provider } },
  );
}

/** With one GPU or none there is nothing to tell apart, and the runtime says what it finds. */
async function resolveGpu(device: string, options: LoadModelOptions): Promise<ResolvedDevice> {
  const machine = await detectMachine(options.signal);
  const gpus = machine.accelerators.filter(({ kind }) => kind === 'gpu');
  if (gpus.length < 2) return { options, deviceId: null, plugin: undefined };
  const { providers } = joinProviders(machine, await askRuntimes([], options.signal));
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
  return { options: { ...options, ...found }, deviceId: device as DeviceId, plugin: undefined };
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
        .map((driven) => ({
          status,
          providerDevice: driven.providerDevice,
          place: placeOf({ device, status, driven }, 'speed'),
        })),
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
    providers:
      provider === 'auto' ? providers : providers.filter((status) => status.provider.toLowerCase() === provider),
    model: facts,
    promptTokens: promptTokens ?? null,
    prefer,
    measurements: await readMeasurements(),
    npuPromptTokens: maxPromptTokens,
  });
  const rejected = [...found.rejected];
  const ranked = found.ranked.filter((one) => {
    const isPlugin = providers.some((status) => status.provider === one.provider && status.offers !== undefined);
    const { device, provider: way } = isPlugin ? { device: 'cpu', provider: 'cpu' } : asDeviceAndProvider(one);
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
