/**
 * Exports by aipc and by the tools that people use today, as child processes: their command lines. For OpenVINO they are
 * the two lines of Microsoft's Phi-3 cookbook, where only the model and the folder differ; for ONNX those of
 * onnxruntime-genai's model builder.
 */
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

const ONNX_INT4 = {
  aipc: ['--weight-format', 'int4', '--block-size', '32', '--accuracy-level', '4'],
  builder: ['-p', 'int4', '-e', 'cpu', '--extra_options', 'int4_block_size=32', 'int4_accuracy_level=4'],
};

/**
 * What is compared: the format of the folder, its largest file, and the flags of each tool. `peer` is the tool beside
 * aipc; findPeer(peerPackage) gives the Python that runs it.
 */
export const EXPORTS = {
  'onnx-int4': {
    format: 'onnx',
    dataFile: 'model.onnx.data',
    peer: 'genai-builder',
    peerPackage: 'onnxruntime-genai',
    flags: { aipc: ONNX_INT4.aipc, 'genai-builder': ONNX_INT4.builder },
  },
  ...Object.fromEntries(
    Object.entries(COOKBOOK_EXPORTS).map(([weightFormat, flags]) => [
      `openvino-${weightFormat}`,
      {
        format: 'openvino',
        dataFile: 'openvino_model.bin',
        peer: 'optimum-cli',
        peerPackage: 'optimum-intel',
        flags: { aipc: flags, 'optimum-cli': flags },
      },
    ]),
  ),
};

const COMMANDS = {
  aipc: ({ format, model, flags, folder }) => [
    process.execPath,
    [AIPC, 'export', format, '--model', model, ...flags, folder],
  ],
  'optimum-cli': ({ python, format, model, flags, folder }) => [
    python,
    ['-m', 'optimum.commands.optimum_cli', 'export', format, '--model', model, ...flags, folder],
  ],
  'genai-builder': ({ python, model, flags, folder }) => [
    python,
    ['-m', 'onnxruntime_genai.models.builder', '-i', model, '-o', folder, '-c', `${folder}-cache`, ...flags],
  ],
};

/**
 * [command, arguments, environment] of an export into `folder`. Every tool gets the model on disk and no network.
 * @param {{ tool: keyof typeof COMMANDS, format: 'openvino' | 'onnx', python?: string, model: string,
 *   flags: readonly string[], folder: string }} job
 */
export function exportCommand({ tool, model, folder, ...job }) {
  const [command, args] = COMMANDS[tool]({ ...job, model: path.resolve(model), folder: path.resolve(folder) });
  return [command, args, { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1' }];
}

/** Exports into `folder`, which is replaced. `job` as exportCommand's. */
export async function runExport(job) {
  await rm(job.folder, { recursive: true, force: true });
  const [command, args, env] = exportCommand(job);
  try {
    return await runMeasured(command, args, { env });
  } finally {
    await rm(`${job.folder}-cache`, { recursive: true, force: true });
  }
}
