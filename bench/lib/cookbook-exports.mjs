/**
 * The two exports of Microsoft's Phi-3 cookbook, by aipc and by optimum-cli, as child processes that are measured. The
 * flags are the cookbook's own; only the model and the folder differ.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runMeasured } from './measured-process.mjs';

const AIPC = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const TASK = ['--task', 'text-generation-with-past'];

export const COOKBOOK_EXPORTS = {
  int4: [
    ...TASK,
    ...['--weight-format', 'int4', '--group-size', '128', '--ratio', '0.6', '--sym'],
    '--trust-remote-code',
  ],
  fp16: [...TASK, '--weight-format', 'fp16', '--trust-remote-code'],
};

/** @param {'aipc' | 'optimum-cli'} tool @param {readonly string[]} flags */
function commandOf(tool, python, model, flags, folder) {
  const args = ['export', 'openvino', '--model', model, ...flags, folder];
  return tool === 'aipc'
    ? [process.execPath, [AIPC, ...args]]
    : [python, ['-m', 'optimum.commands.optimum_cli', ...args]];
}

/**
 * Exports into `folder`, which is replaced. Both tools get the model on disk and no network.
 * @param {{ tool: 'aipc' | 'optimum-cli', python?: string, model: string, flags: readonly string[], folder: string }} job
 */
export async function runExport({ tool, python, model, flags, folder }) {
  await rm(folder, { recursive: true, force: true });
  const [command, args] = commandOf(tool, python, path.resolve(model), flags, path.resolve(folder));
  return runMeasured(command, args, { env: { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1' } });
}

/** Exports unless a complete folder is there: a benchmark that only runs models need not make them each time. */
export async function exportOnce(job) {
  const stamp = path.join(job.folder, 'openvino_model.xml');
  if (!existsSync(stamp)) await runExport(job);
  return job.folder;
}
