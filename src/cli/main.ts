#!/usr/bin/env node
/** The command line's entry: commands, exit codes. Each command has a file of its own. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { CliInterrupted, describeError, exitCodeOf, exitCodes } from './exit.js';
import { benchCommand } from './bench-command.js';
import { cacheCommand } from './cache-command.js';
import { devicesCommand } from './devices-command.js';
import { doctorCommand } from './doctor-command.js';
import { exportCommand } from './export-command.js';
import { watchInterrupts } from './interrupt.js';
import { listCommand } from './list-command.js';
import { pullCommand } from './pull-command.js';
import { rmCommand } from './rm-command.js';
import { runCommand } from './run-command.js';
import { setupCommand } from './setup-command.js';
import { showCommand } from './show-command.js';
import { topCommand } from './top-command.js';
import { verifyCommand } from './verify-command.js';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const interrupt = watchInterrupts();
const program = new Command('aipc')
  .description("Phi on your AI PC: quantise, export and run Microsoft's Phi-3 family, without Python")
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .exitOverride()
  .addCommand(runCommand(interrupt.signal))
  .addCommand(benchCommand(interrupt.signal))
  .addCommand(topCommand(interrupt.signal))
  .addCommand(verifyCommand(interrupt.signal))
  .addCommand(devicesCommand(interrupt.signal))
  .addCommand(doctorCommand(interrupt.signal))
  .addCommand(pullCommand(interrupt.signal))
  .addCommand(listCommand())
  .addCommand(showCommand(interrupt.signal))
  .addCommand(rmCommand(interrupt.signal))
  .addCommand(cacheCommand())
  .addCommand(exportCommand(interrupt.signal))
  .addCommand(setupCommand(interrupt.signal));
for (const command of [program, ...program.commands, ...program.commands.flatMap((inner) => inner.commands)]) {
  command.exitOverride();
}

// A reader that went away (`aipc run ... | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitCodes.success);
});
// What is said on stderr is not what the command is for: it goes on without a reader.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  const interrupted = interrupt.signal.aborted || error instanceof CliInterrupted;
  if (!(error instanceof CommanderError) && !interrupted) process.stderr.write(`${describeError(error)}\n`);
  process.exitCode = exitCodeOf(error, interrupted);
} finally {
  interrupt.stop();
}
