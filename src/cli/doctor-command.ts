/** `aipc doctor`: what works here, what does not, what to do; and the file for a bug report. */
import { Command } from 'commander';
import { diagnose, withoutPersonalData, type DoctorCheck } from '../doctor/diagnose.js';
import { replaceFile } from '../file-system.js';
import { exitCodes } from './exit.js';
import { epLibraryOption } from './loading-options.js';

interface DoctorFlags {
  epLibrary?: Readonly<Record<string, string>>;
  report?: string;
  offline?: true;
  json?: true;
}

/** Bumped when a field of --json and --report changes its meaning. */
const JSON_SCHEMA_VERSION = 1;

export function doctorCommand(signal: AbortSignal): Command {
  return new Command('doctor')
    .description('check what works here: versions, drivers, permissions, room, network, an answer on each device')
    .option('--report <file>', 'write all that was found to a file for a bug report, without personal data')
    .addOption(epLibraryOption())
    .option('--offline', 'ask nobody over the network')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nEnds with 0 where nothing failed, else with 1. Nothing is sent anywhere.')
    .action((flags: DoctorFlags) => doctor(flags, signal));
}

async function doctor({ report, epLibrary, offline, json }: DoctorFlags, signal: AbortSignal): Promise<void> {
  const diagnosis = await diagnose({
    offline: offline === true,
    ...(epLibrary === undefined ? {} : { epLibraries: epLibrary }),
    ...(json === true ? {} : { onCheck: (check) => process.stdout.write(formatCheck(check)) }),
    signal,
  });
  if (json === true) {
    process.stdout.write(`${JSON.stringify({ schemaVersion: JSON_SCHEMA_VERSION, ...diagnosis })}\n`);
  } else {
    process.stdout.write(formatSummary(diagnosis.checks));
  }
  if (report !== undefined) {
    const content = { schemaVersion: JSON_SCHEMA_VERSION, ...withoutPersonalData(diagnosis) };
    await replaceFile(report, `${JSON.stringify(content, null, 2)}\n`);
    process.stderr.write(`written to ${report}; look it over before you send it\n`);
  }
  if (diagnosis.checks.some(({ status }) => status === 'fail')) process.exitCode = exitCodes.failure;
}

function formatCheck({ status, title, found, remedy }: DoctorCheck): string {
  return `${status.padEnd(4)}  ${title}: ${found}\n${remedy === null ? '' : `      -> ${remedy}\n`}`;
}

function formatSummary(checks: readonly DoctorCheck[]): string {
  const count = (status: DoctorCheck['status']): number => checks.filter((check) => check.status === status).length;
  return `${count('pass')} passed, ${count('warn')} warnings, ${count('fail')} failed\n`;
}
