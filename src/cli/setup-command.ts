/** `aipc setup openvino`: puts the OpenVINO runtime into aipc's cache, or takes it out. */
import { Command, Option } from 'commander';
import { linuxDriverAdvice } from '../engine/openvino/linux-drivers.js';
import type { InstalledRuntime } from '../setup/manifest.js';
import { installedOpenvinos, removeOpenvino, setupOpenvino, type SetupResult } from '../setup/setup-openvino.js';
import { ProgressLine } from './progress-line.js';

interface SetupOpenvinoFlags {
  from?: string;
  openvinoVersion?: string;
  force?: true;
  remove?: true;
  list?: true;
  json?: true;
}

export function setupCommand(signal: AbortSignal): Command {
  const openvino = new Command('openvino')
    .description(
      "Intel's OpenVINO runtime, for Intel CPUs, GPUs and NPUs: 60 to 250 MB to download, 150 to 300 MB on disk",
    )
    .option('--from <source>', "archive (Intel's, the default), pip, or the path of a folder, archive or wheel")
    .option('--openvino-version <version>', 'another version than the one that aipc is made for (pip or path)')
    .option('--force', 'install again what is there')
    .addOption(
      new Option('--remove', "take every OpenVINO out of aipc's cache").conflicts([
        'from',
        'openvinoVersion',
        'force',
        'list',
      ]),
    )
    .addOption(
      new Option('--list', "list every OpenVINO in aipc's cache").conflicts(['from', 'openvinoVersion', 'force']),
    )
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nEnvironment: AIPC_CACHE (the cache), AIPC_OPENVINO_MIRROR (a mirror of ' +
        'https://storage.openvinotoolkit.org/repositories/openvino/packages), HTTPS_PROXY, NO_PROXY.\n' +
        'A runtime that is installed elsewhere is used where OPENVINO_LIB_DIR names its folder.',
    )
    .action((flags: SetupOpenvinoFlags) => run(flags, signal));
  return new Command('setup').description('get what aipc needs beside npm packages').addCommand(openvino);
}

async function run(flags: SetupOpenvinoFlags, signal: AbortSignal): Promise<void> {
  if (flags.remove === true) {
    const removed = await removeOpenvino({ signal });
    print(flags, { removed }, describeList(removed, 'removed', "there was no OpenVINO in aipc's cache\n"));
  } else if (flags.list === true) {
    const installed = await installedOpenvinos();
    print(flags, { installed }, describeList(installed, 'installed', "there is no OpenVINO in aipc's cache\n"));
  } else {
    const result = await install(flags, signal);
    const advice = process.platform === 'linux' ? linuxDriverAdvice() : [];
    print(
      flags,
      { ...result, driverAdvice: advice },
      describeResult(result) + advice.map((line) => `${line}\n`).join(''),
    );
  }
}

async function install(flags: SetupOpenvinoFlags, signal: AbortSignal): Promise<SetupResult> {
  const progress = new ProgressLine();
  try {
    return await setupOpenvino({
      from: flags.from,
      version: flags.openvinoVersion,
      force: flags.force,
      onProgress: progress.update,
      signal,
    });
  } finally {
    progress.end();
  }
}

function print(flags: SetupOpenvinoFlags, json: object, text: string): void {
  process.stdout.write(flags.json === true ? `${JSON.stringify(json, null, 2)}\n` : text);
}

function describeResult({ installed, version, folder, sizeBytes, devices, others, source }: SetupResult): string {
  const size = `${(sizeBytes / 1e6).toFixed(0)} MB`;
  const lines = installed
    ? [`OpenVINO ${version} is in ${folder} (${size}); it finds here: ${(devices ?? []).join(', ').toLowerCase()}`]
    : [`OpenVINO ${version} is already in ${folder} (${size}, from ${source}); --force installs it again`];
  const other = others.map((runtime) => `not used by this aipc: OpenVINO ${runtime.version} in ${runtime.folder}`);
  return [...lines, ...other].map((line) => `${line}\n`).join('');
}

function describeList(runtimes: readonly InstalledRuntime[], what: string, none: string): string {
  if (runtimes.length === 0) return none;
  return runtimes
    .map(({ version, folder, sizeBytes, isCurrent }) => {
      const use = isCurrent ? '' : ', not used by this aipc';
      return `${what}: OpenVINO ${version} in ${folder} (${(sizeBytes / 1e6).toFixed(0)} MB${use})\n`;
    })
    .join('');
}
