/** `aipc rm`: takes a model out of the caches. */
import { Command } from 'commander';
import { planRemoval, removeAll, type RemovalPlan } from '../inventory/remove-model.js';
import { confirm } from './confirm.js';
import { CliUsageError } from './exit.js';
import { formatSize, formatTable } from './sizes.js';

interface RmFlags {
  yes?: true;
  json?: true;
}

export function rmCommand(signal: AbortSignal): Command {
  return new Command('rm')
    .description('remove what aipc has downloaded, converted and compiled of a model')
    .argument('<model>', 'as for run')
    .option('--yes', 'do not ask')
    .option('--json', 'print the result as JSON')
    .action((reference: string, flags: RmFlags) => rm(reference, flags, signal));
}

async function rm(reference: string, flags: RmFlags, signal: AbortSignal): Promise<void> {
  const plan = await planRemoval(reference);
  if (flags.json !== true) process.stdout.write(describe(plan));
  if (plan.items.length > 0 && flags.yes !== true) {
    if (!process.stdin.isTTY) throw new CliUsageError('nothing was removed: add --yes to remove without being asked.');
    if (flags.json === true) process.stderr.write(describe(plan));
    if (!(await confirm(`Remove these ${plan.items.length}?`, signal))) return;
  }
  const freedBytes = await removeAll(plan);
  process.stdout.write(
    flags.json === true
      ? `${JSON.stringify({ removed: plan.items, kept: plan.kept, freedBytes }, null, 2)}\n`
      : `freed ${formatSize(freedBytes)}\n`,
  );
}

function describe({ items, kept }: RemovalPlan): string {
  const rows = items.map(({ kind, what, path, sizeBytes }) => [kind, what, formatSize(sizeBytes), path]);
  const stays = kept.map(({ path, reason }) => `stays: ${path} (${reason})\n`);
  return formatTable(rows) + stays.join('');
}
