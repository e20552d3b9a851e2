/** `aipc cache prune`: removes from the caches what nobody will use again. */
import { Command } from 'commander';
import { pruneCache } from '../inventory/prune-cache.js';
import { formatSize, formatTable } from './sizes.js';

interface PruneFlags {
  dryRun?: true;
  json?: true;
}

export function cacheCommand(): Command {
  const prune = new Command('prune')
    .description(
      'remove what killed processes left behind, conversions of other versions and those whose source is gone; what is ' +
        'in use, and every complete download, stays',
    )
    .option('--dry-run', 'only say what would go')
    .option('--json', 'print the result as JSON')
    .action(async ({ dryRun, json }: PruneFlags) => {
      const pruned = await pruneCache({ dryRun: dryRun === true });
      const bytes = pruned.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      const rows = pruned.map(({ path, sizeBytes, reason }) => [formatSize(sizeBytes), reason, path]);
      process.stdout.write(
        json === true
          ? `${JSON.stringify({ pruned, bytes, dryRun: dryRun === true }, null, 2)}\n`
          : `${formatTable(rows)}${dryRun === true ? 'would free' : 'freed'} ${formatSize(bytes)}\n`,
      );
    });
  return new Command('cache').description("aipc's caches of downloads and conversions").addCommand(prune);
}
