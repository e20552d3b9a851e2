/** How commands end: exit codes, and errors in words. It does not print answers. */
import { CommanderError } from 'commander';
import { AipcError, OptionError } from '../errors.js';
import { fileErrorReason } from '../file-system.js';

export const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Wrong usage that only the command line can notice. */
export class CliUsageError extends Error {}

/** What the command line was asked to check is not so. */
export class CliCheckFailure extends Error {}

/** Ctrl-C at a question, which the terminal hands over as a key and not as a signal. */
export class CliInterrupted extends Error {}

/** For a file that the command line names. */
export function cannotBeRead(file: string, cause: unknown): CliUsageError {
  return new CliUsageError(`${file} cannot be read: ${fileErrorReason(cause)}.`, { cause });
}

/** The exit code that an error stands for. `interrupted`: Ctrl-C was pressed before. */
export function exitCodeOf(error: unknown, interrupted: boolean): number {
  if (interrupted || error instanceof CliInterrupted) return exitCodes.interrupted;
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
  return error instanceof OptionError || error instanceof CliUsageError ? exitCodes.usage : exitCodes.failure;
}

/** One line for a person: the message of errors raised on purpose, the stack of surprises (they are bugs). */
export function describeError(error: unknown): string {
  if (error instanceof AipcError) return `aipc: ${error.message} [${error.code}]`;
  if (error instanceof CliUsageError || error instanceof CliCheckFailure) return `aipc: ${error.message}`;
  return `aipc: unexpected error, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
