/**
 * Which device and provider to run a model with, and why: a pure function of what the machine has, what drives it, the
 * model and what was measured here. It looks at nothing and loads nothing.
 *
 * What cannot run is rejected with the reason. What can is ordered by rules (recommendation-rules.ts), labelled as such;
 * candidates with a measurement of their own then share out their places among themselves by measured speed.
 */
import { isKnown, type Accelerator, type CpuDevice, type DeviceId, type Machine } from './device.js';
import type { Measurement } from './measurement.js';
import { isMadeFor } from './provider-knowledge.js';
import type { DrivenDevice, ProviderName, ProviderStatus } from './provider.js';
import { placeOf, whyByRule, type Preference } from './recommendation-rules.js';

/** What of a model the choice depends on. */
export interface ModelFacts {
  readonly id: string;
  /** Of the folder, or as asked; null: each provider's default, int4. */
  readonly weightFormat: string | null;
  /** Providers that run the model as it is or after a conversion; null: all. */
  readonly providers: readonly ProviderName[] | null;
  /** Why its weights do not suit a kind of device; a kind that is missing suits. */
  readonly unsuited: Readonly<Partial<Record<'cpu' | 'gpu' | 'npu', string>>>;
  /** Memory to load it with its context, bytes; null: not known. */
  readonly memoryBytes: { readonly onnxruntime: number | null; readonly openvino: number | null };
}

export interface RecommendRequest {
  readonly machine: Machine;
  readonly providers: readonly ProviderStatus[];
  readonly model: ModelFacts;
  /** Null: not known. */
  readonly promptTokens: number | null;
  /**
   * balanced: the NPU where it serves, then the fastest. speed: what answers soonest. power: what takes least, and
   * leaves the CPU to others.
   */
  readonly prefer: Preference;
  readonly measurements: readonly Measurement[];
  /** Longest prompt that a model is compiled for on the NPU. */
  readonly npuPromptTokens: number;
}

export interface Recommendation {
  readonly deviceId: DeviceId;
  readonly provider: ProviderName;
  /** The provider's own name or number of the device. */
  readonly providerDevice: string;
  readonly basis: 'measured' | 'rule';
  readonly reason: string;
  /** What decided; null: a rule did. */
  readonly measurement: Measurement | null;
}

export interface Rejection {
  readonly deviceId: DeviceId;
  /** Null: no provider drives the device. */
  readonly provider: ProviderName | null;
  readonly reason: string;
}

export interface Recommendations {
  readonly prefer: Preference;
  /** Best first. Empty: nothing here runs the model. */
  readonly ranked: readonly Recommendation[];
  readonly rejected: readonly Rejection[];
}

/** What auto chose, and from what. */
export interface DeviceSelection extends Recommendations {
  readonly chosen: Recommendation;
}

export interface Candidate {
  readonly device: CpuDevice | Accelerator;
  readonly status: ProviderStatus;
  readonly driven: DrivenDevice;
}

export function recommend(request: RecommendRequest): Recommendations {
  const { machine, providers, prefer } = request;
  const candidates: Candidate[] = [];
  const rejected: Rejection[] = [];
  for (const device of [machine.cpu, ...machine.accelerators]) {
    const driving = providers.flatMap((status) =>
      status.drives.filter(({ deviceId }) => deviceId === device.id).map((driven) => ({ device, status, driven })),
    );
    if (driving.length === 0) {
      rejected.push({ deviceId: device.id, provider: null, reason: whyNotDriven(device, providers) });
    }
    for (const candidate of driving) {
      const reason = whyNot(candidate, request);
      if (reason === null) candidates.push(candidate);
      else rejected.push({ deviceId: device.id, provider: candidate.status.provider, reason });
    }
  }
  const byRule = candidates
    .map((candidate) => ({ candidate, place: placeOf(candidate, prefer) }))
    .sort((a, b) => a.place - b.place)
    .map(({ candidate }) => candidate);
  return { prefer, ranked: applyMeasurements(byRule, request), rejected };
}

/** Null: it can run. */
function whyNot(candidate: Candidate, request: RecommendRequest): string | null {
  const { device, status } = candidate;
  const { model, machine, promptTokens, npuPromptTokens } = request;
  const kind = device.id === 'cpu' ? 'cpu' : kindOf(device);
  if (model.providers !== null && !model.providers.includes(status.provider)) {
    return `${model.id} is not for the provider ${status.provider}`;
  }
  const unsuited = model.unsuited[kind];
  if (unsuited !== undefined) return unsuited;
  if (kind !== 'cpu' && 'driver' in device && device.driver.isTooOld === true) {
    const found = isKnown(device.driver.version) ? device.driver.version : 'unknown';
    return `its driver ${found} is older than ${device.driver.oldest ?? ''}, the oldest that runs language models`;
  }
  if (kind === 'npu' && status.provider === 'openvino') {
    if (model.weightFormat !== null && model.weightFormat !== 'int4') {
      return `an NPU takes int4 weights, these are ${model.weightFormat}`;
    }
    if (promptTokens !== null && promptTokens > npuPromptTokens) {
      return (
        `this prompt of about ${count(promptTokens)} tokens is longer than the ${count(npuPromptTokens)} ` +
        'that it is compiled for (--max-prompt-tokens)'
      );
    }
  }
  const needed = model.memoryBytes[status.provider === 'openvino' ? 'openvino' : 'onnxruntime'];
  const there = memoryThere(device, machine);
  if (needed !== null && there !== null && needed > there.bytes) {
    return `${model.id} needs about ${gigabytes(needed)}, ${there.of} has ${gigabytes(there.bytes)}`;
  }
  return null;
}

function kindOf(device: CpuDevice | Accelerator): 'cpu' | 'gpu' | 'npu' {
  return 'kind' in device ? device.kind : 'cpu';
}

/** The memory that a model on the device takes; null: not known. */
function memoryThere(
  device: CpuDevice | Accelerator,
  { memory }: Machine,
): { readonly bytes: number; readonly of: string } | null {
  if (!('kind' in device) || device.isIntegrated === true || device.kind === 'npu') {
    return { bytes: memory.availableBytes, of: 'the machine' };
  }
  const { dedicatedMemoryBytes } = device;
  return isKnown(dedicatedMemoryBytes) ? { bytes: dedicatedMemoryBytes, of: device.id } : null;
}

function whyNotDriven(device: CpuDevice | Accelerator, providers: readonly ProviderStatus[]): string {
  const names = providers.map(({ provider }) => provider);
  if (!('kind' in device)) {
    return names.length === 0 ? 'no provider answered' : `none of ${names.join(', ')} drives it`;
  }
  const missing = providers
    .filter((status) => status.problem !== null && mightDrive(status.provider, device))
    .map(({ provider, problem }) => `${provider}: ${problem ?? ''}`);
  const none = `none of ${names.join(', ')} drives it`;
  return [...device.problems, ...(missing.length > 0 ? missing : [none])].join('; ');
}

/** Whether a provider is made for a device of this kind, so that its absence is the reason. */
function mightDrive(provider: ProviderName, device: Accelerator): boolean {
  return provider !== 'cpu' && isMadeFor(provider, device) !== false;
}

function applyMeasurements(byRule: readonly Candidate[], request: RecommendRequest): readonly Recommendation[] {
  const { prefer } = request;
  const measured = byRule.flatMap((candidate) => {
    const measurement = measurementOf(candidate, request);
    return measurement === undefined ? [] : [{ candidate, measurement, seconds: secondsFor(measurement, request) }];
  });
  /** Where power decides, speed chooses among the providers of one device alone. */
  const mayChange = (a: Candidate, b: Candidate): boolean => prefer !== 'power' || a.device.id === b.device.id;
  const waiting = [...measured].sort((a, b) => a.seconds - b.seconds);
  return byRule.map((candidate): Recommendation => {
    if (!measured.some((entry) => entry.candidate === candidate)) return asRecommendation(candidate, null, request);
    const index = waiting.findIndex((entry) => mayChange(entry.candidate, candidate));
    const [next] = waiting.splice(index, 1);
    return next === undefined
      ? asRecommendation(candidate, null, request)
      : asRecommendation(next.candidate, next.measurement, request);
  });
}

function asRecommendation(
  candidate: Candidate,
  measurement: Measurement | null,
  { machine, model, prefer }: RecommendRequest,
): Recommendation {
  const { device, status, driven } = candidate;
  const reason =
    measurement === null
      ? whyByRule(candidate, { machine, weightFormat: model.weightFormat, prefer })
      : `measured here with ${count(measurement.promptTokens)} tokens of prompt: ` +
        `${measurement.decodeTokensPerSecond.toFixed(1)} tokens/s, the first after ${measurement.timeToFirstTokenMs.toFixed(0)} ms`;
  return {
    deviceId: device.id,
    provider: status.provider,
    providerDevice: driven.providerDevice,
    basis: measurement === null ? 'rule' : 'measured',
    reason,
    measurement,
  };
}

/** Of this model in this format on this device by this provider, with the prompt nearest in length. */
function measurementOf(
  { device, status }: Candidate,
  { measurements, model, promptTokens }: RecommendRequest,
): Measurement | undefined {
  const distance = ({ promptTokens: tokens }: Measurement): number =>
    promptTokens === null ? tokens : Math.abs(Math.log((tokens + 1) / (promptTokens + 1)));
  return measurements
    .filter(
      (one) =>
        one.modelId === model.id &&
        one.deviceId === device.id &&
        one.provider === status.provider &&
        (model.weightFormat === null || one.weightFormat === model.weightFormat),
    )
    .sort((a, b) => distance(a) - distance(b))[0];
}

/** An answer of this length stands for one where nobody says how long it will be. */
const TYPICAL_ANSWER_TOKENS = 128;

function secondsFor(measurement: Measurement, { promptTokens }: RecommendRequest): number {
  const prompt = promptTokens ?? measurement.promptTokens;
  return prompt / measurement.prefillTokensPerSecond + TYPICAL_ANSWER_TOKENS / measurement.decodeTokensPerSecond;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function count(tokens: number): string {
  return tokens.toLocaleString('en');
}
