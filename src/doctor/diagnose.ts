/** diagnose(): every check of `aipc doctor`, in order. It repairs nothing. */
import { hostname, userInfo } from 'node:os';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Machine } from '../devices/device.js';
import type { ProviderStatus } from '../devices/provider.js';
import { detectDevices } from '../machine/detect-devices.js';
import { refuseUnknownKeys } from '../options.js';
import type { DoctorCheck } from './check.js';
import { checkDrivers, checkPermissions, checkProviders, checkRuntimes } from './device-checks.js';
import { checkInference, inferenceTasks } from './inference-check.js';
import { redactAll } from './redact.js';
import { checkCache, checkDisks, checkHub, checkMemory, checkNode } from './system-checks.js';

export type { DoctorCheck } from './check.js';

export interface DiagnoseOptions {
  /** Asks nobody over the network. Default false, or what HF_HUB_OFFLINE says. */
  readonly offline?: boolean;
  /** Told of each check as it is done. */
  readonly onCheck?: (check: DoctorCheck) => void;
  readonly signal?: AbortSignal;
}

export interface Diagnosis {
  readonly aipcVersion: string;
  readonly nodeVersion: string;
  readonly machine: Machine;
  readonly providers: readonly ProviderStatus[];
  readonly checks: readonly DoctorCheck[];
}

/** Throws the signal's reason alone: what does not work is in the checks. */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
  refuseUnknownKeys('diagnose', options, ['offline', 'onCheck', 'signal']);
  const { offline = false, onCheck, signal } = options;
  const checks: DoctorCheck[] = [];
  const add = (...done: readonly DoctorCheck[]): void => {
    for (const check of done) {
      checks.push(check);
      onCheck?.(check);
    }
  };
  add(checkNode());
  const { machine, providers } = await detectDevices(signal === undefined ? {} : { signal });
  add(
    ...checkRuntimes(machine, providers),
    ...checkProviders(providers),
    ...checkDrivers(machine),
    ...checkPermissions(),
  );
  add(checkMemory(machine), ...(await checkDisks()), await checkCache(), await checkHub(offline, signal));
  let reference: string | null = null;
  for (const task of inferenceTasks(providers)) {
    const { check, text } = await checkInference(task, reference, signal);
    add(check);
    reference ??= text;
  }
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  return { aipcVersion: version, nodeVersion: process.version, machine, providers, checks };
}

/** The diagnosis as it is sent to others: without the user's name, home folder, host name, serial numbers and addresses. */
export function withoutPersonalData(diagnosis: Diagnosis): Diagnosis {
  return redactAll(diagnosis, { userName: userInfo().username, homeFolder: homedir(), hostName: hostname() });
}
