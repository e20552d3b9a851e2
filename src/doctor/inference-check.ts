/**
 * Each device that a provider drives, by a real answer of the demo model in a process of its own. The CPU's answer by
 * ONNX Runtime is what the others are compared with: a driver that computes nonsense says so.
 */
import type { DrivenDevice, ProviderStatus } from '../devices/provider.js';
import { answerOfChild } from '../machine/child-answer.js';
import { AipcError } from '../errors.js';
import { chooseTarget } from '../model/target.js';
import { fail, pass, warn, type DoctorCheck } from './check.js';

export type InferenceAnswer =
  | {
      readonly text: string;
      readonly tokens: number;
      readonly ranOn: string;
      readonly deviceName: string;
      readonly runtimeVersion: string;
      readonly emulated: boolean;
      readonly decodeTokensPerSecond: number | null;
      readonly seconds: number;
    }
  | { readonly problem: string };

/** An NPU compiles even the demo model for a minute or more the first time. */
const TIMEOUT_MS = 300_000;

export interface InferenceTask {
  readonly provider: string;
  readonly driven: DrivenDevice;
  /** Of a plug-in: all that the devices were numbered with. */
  readonly epLibraries?: Readonly<Record<string, string>>;
}

/** Every provider on every device that it drives, the reference first. */
export function inferenceTasks(
  providers: readonly ProviderStatus[],
  epLibraries: Readonly<Record<string, string>> = {},
): readonly InferenceTask[] {
  const driving = providers.filter(({ drives }) => drives.length > 0);
  const usable = Object.fromEntries(
    Object.entries(epLibraries).filter(([name]) => driving.some(({ provider }) => provider === name)),
  );
  return driving.flatMap(({ provider, drives, offers }) =>
    drives.map((driven) => ({ provider, driven, ...(offers === undefined ? {} : { epLibraries: usable }) })),
  );
}

/** `reference`: the first answer's text, once there is one. Throws the signal's reason. */
export async function checkInference(
  { provider, driven, epLibraries }: InferenceTask,
  reference: string | null,
  signal: AbortSignal | undefined,
): Promise<{ readonly check: DoctorCheck; readonly text: string | null }> {
  const { deviceId, providerDevice } = driven;
  const [id, title] = [`inference:${deviceId}:${provider}`, `an answer on ${deviceId}, provider ${provider}`];
  const isNumbered = deviceId.startsWith('gpu') && epLibraries === undefined;
  const device = isNumbered ? `gpu.${/(\d+)$/u.exec(providerDevice)?.[1] ?? '0'}` : deviceId;
  try {
    if (epLibraries === undefined) chooseTarget({ device, provider, kind: 'weights', location: 'demo' });
  } catch (error) {
    if (!(error instanceof AipcError)) throw error;
    return { check: warn(id, title, `not tried: ${error.message}`, null), text: null };
  }
  const result = await answerOfChild<InferenceAnswer>({
    module: new URL('./inference-worker.js', import.meta.url),
    parameters: [device, provider, JSON.stringify(epLibraries ?? {})],
    timeoutMs: TIMEOUT_MS,
    signal,
  });
  return judgeInference({ id, title, reference }, result);
}

export function judgeInference(
  { id, title, reference }: { readonly id: string; readonly title: string; readonly reference: string | null },
  result: Awaited<ReturnType<typeof answerOfChild<InferenceAnswer>>>,
): { readonly check: DoctorCheck; readonly text: string | null } {
  const remedy = 'Update the driver of the device; if it stays, send this report (aipc doctor --report FILE).';
  if ('end' in result) {
    const found = `the process ended with ${result.end}${result.output === '' ? '' : `: ${result.output.trim()}`}`;
    return { check: fail(id, title, found, remedy), text: null };
  }
  const { answer } = result;
  if ('problem' in answer) return { check: fail(id, title, answer.problem, remedy), text: null };
  const { text, tokens, ranOn, deviceName, runtimeVersion, emulated, decodeTokensPerSecond, seconds } = answer;
  const speed = decodeTokensPerSecond === null ? '' : `, ${decodeTokensPerSecond.toFixed(0)} tokens/s`;
  const found =
    `ran on ${ranOn} (${deviceName}${emulated ? ', emulated' : ''}) by ${runtimeVersion}, ` +
    `${seconds.toFixed(1)} s with loading${speed}: '${text.slice(0, 60)}'`;
  if (tokens === 0 || text.trim() === '') return { check: fail(id, title, `${found}: an empty answer`, remedy), text };
  const agrees = reference === null || firstWords(text) === firstWords(reference);
  if (agrees) return { check: pass(id, title, found), text };
  const other = `${found}, where the CPU says '${reference.slice(0, 60)}'`;
  return { check: warn(id, title, other, 'aipc verify demo --device DEVICE tells how far they are apart.'), text };
}

const COMPARED_WORDS = 4;

/** Differently quantised weights may part later, but not at once. */
function firstWords(text: string): string {
  return text.trim().split(/\s+/u).slice(0, COMPARED_WORDS).join(' ');
}
