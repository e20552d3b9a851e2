/** diagnose(): every check of `aipc doctor`, in order. It repairs nothing. */
import { hostname, userInfo } from 'node:os';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Machine } from '../devices/device.js';
import type { ProviderStatus } from '../devices/provider.js';
import { askRuntimes } from '../machine/ask-runtimes.js';
import { detectMachine } from '../machine/detect-devices.js';
import { joinProviders } from '../machine/join-providers.js';
import { checkPluginLibraries } from '../machine/plugin-libraries.js';
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
  /** Plug-in execution providers to check, too: name -> path, as loadModel() takes them. */
  readonly epLibraries?: Readonly<Record<string, string>>;
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

/** Throws OPTION_UNKNOWN, OPTION_INVALID, or the signal's reason: what does not work is in the checks. */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
  refuseUnknownKeys('diagnose', options, ['offline', 'epLibraries', 'onCheck', 'signal']);
  const { offline = false, epLibraries, onCheck, signal } = options;
  const libraries = checkPluginLibraries('diagnose', epLibraries);
  const checks: DoctorCheck[] = [];
  const add = (...done: readonly DoctorCheck[]): void => {
    for (const check of done) {
      checks.push(check);
      onCheck?.(check);
    }
  };
  add(checkNode());
  const [hardware, answer] = await Promise.all([detectMachine(signal), askRuntimes(libraries, signal)]);
  const { machine, providers } = joinProviders(hardware, answer); // a plug-in that does not load is a failed check
  add(
    ...checkRuntimes(machine, providers),
    ...checkProviders(providers),
    ...checkDrivers(machine),
    ...checkPermissions(),
  );
  add(checkMemory(machine), ...(await checkDisks()), await checkCache(), await checkHub(offline, signal));
  let reference: string | null = null;
  for (const task of inferenceTasks(providers, epLibraries)) {
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
