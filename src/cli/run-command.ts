/** `aipc run`: one answer, streamed, or a conversation. */
import { Command, Option } from 'commander';
import { loadModel } from '../model/load-model.js';
import type { LoadModelOptions } from '../model/load-options.js';
import { emulationOf, type GenerateOptions, type GenerationInput } from '../model/result.js';
import type { Model } from '../model/model.js';
import { PREFERENCES, type Preference } from '../devices/recommendation-rules.js';
import { catalogue } from '../models/catalogue.js';
import { answerOnce, type OutputMode } from './answer.js';
import { converse } from './conversation.js';
import { estimateTokens, formatSelection } from './device-choice.js';
import { CliUsageError } from './exit.js';
import { addLoadingOptions, readLoadingOptions, type LoadingFlags } from './loading-options.js';
import { collect, parseDecimal, parseInteger } from './parse.js';
import { ProgressLine } from './progress-line.js';
import { readPrompt, splitModelAndPrompt } from './prompt.js';
import { readReference } from './reference.js';

/** As commander hands them over. */
interface RunFlags extends LoadingFlags {
  promptFile?: string;
  system?: string;
  raw?: true;
  echo?: true;
  maxNewTokens?: number;
  stop?: readonly string[];
  seed?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  repetitionPenalty?: number;
  doSample: boolean;
  device: string;
  provider: string;
  prefer?: Preference;
  weightFormat?: LoadModelOptions['weightFormat'];
  stats?: true;
  json?: true;
  jsonl?: true;
  checkReference?: string;
}

export function runCommand(signal: AbortSignal): Command {
  const command = new Command('run')
    .description('one answer, streamed; without a prompt on a terminal: a conversation')
    .argument(
      '[model]',
      `${catalogue.map((entry) => entry.name).join(', ')}; a Hugging Face id (OWNER/NAME, OWNER/NAME@REVISION, ` +
        'OWNER/NAME:FOLDER), a folder, a .gguf file, a URL of one with #sha256=, or pip:NAME; default: $AIPC_MODEL',
    )
    .argument('[prompt]', 'the prompt; else --prompt-file or standard input')
    .option('--prompt-file <file>', 'read the prompt from a file: UTF-8, or UTF-16 with a byte order mark')
    .option('--system <text>', 'system message')
    .option('--raw', 'the prompt is templated already: <|system|>...<|end|>...')
    .option('--echo', 'print the prompt, too (return_full_text)')
    .option('--max-new-tokens <n>', 'most tokens to generate (default: to the end of the context)', parseInteger)
    .option('--stop <text>', 'end the answer at this text (repeatable)', collect)
    .option('--seed <n>', 'seed for sampling', parseInteger)
    .option('--temperature <t>', 'sample with this temperature', parseDecimal)
    .option('--top-p <p>', 'sample from the likeliest tokens that reach probability p', parseDecimal)
    .option('--top-k <k>', 'sample from the k likeliest tokens', parseInteger)
    .option('--min-p <p>', 'sample from tokens at least p times as likely as the likeliest', parseDecimal)
    .option('--repetition-penalty <r>', 'above 1: discourage repetition', parseDecimal)
    .option('--no-do-sample', 'greedy, whatever the sampling options say')
    .option('--device <device>', 'the hardware: auto, cpu, gpu, gpu.N, npu; dml, webgpu, cuda: gpu so', 'auto')
    .option(
      '--provider <provider>',
      'the software way to it: auto, cpu, dml, webgpu, cuda (ONNX Runtime), openvino, or the name of an --ep-library',
      'auto',
    )
    .addOption(new Option('--prefer <what>', 'what --device auto goes by').choices(PREFERENCES))
    .addOption(new Option('--weight-format <format>', 'where aipc converts').choices(['int4', 'int8', 'fp16', 'fp32']));
  return addLoadingOptions(command)
    .option('--stats', 'say on stderr what ran where and how fast')
    .addOption(new Option('--json', 'print one JSON object at the end').conflicts(['jsonl', 'echo']))
    .addOption(new Option('--jsonl', 'print one JSON object per part').conflicts(['json', 'echo']))
    .option('--check-reference <file>', "compare the answer's token ids with those in a JSON file")
    .addHelpText('after', `\nGreedy unless --temperature, --top-p, --top-k or --min-p is given.`)
    .action((model: string | undefined, prompt: string | undefined, flags: RunFlags) =>
      run(model, prompt, flags, signal),
    );
}

async function run(
  modelArgument: string | undefined,
  promptArgument: string | undefined,
  flags: RunFlags,
  signal: AbortSignal,
): Promise<void> {
  const { reference, prompt } = splitModelAndPrompt(modelArgument, promptArgument);
  if (flags.raw === true && flags.system !== undefined) {
    throw new CliUsageError('--raw and --system exclude each other: a raw prompt holds its own system message.');
  }
  const given = await readPrompt(prompt, flags.promptFile);
  if (given === null && flags.raw === true) throw new CliUsageError('--raw needs a prompt.');
  const { checkReference } = flags;
  const expected = checkReference === undefined ? undefined : await readReference(checkReference);
  const options = generateOptions(flags, signal);
  const model = await load(reference, flags, given, signal);
  try {
    if (model.notice !== null) process.stderr.write(`${model.notice}\n`);
    const emulation = emulationOf(model.execution);
    if (emulation !== null) {
      process.stderr.write(
        `emulation: the path of ${emulation.of} runs ${emulation.where}: ${model.execution.deviceName}\n`,
      );
    }
    if (given === null) {
      await converse(model, { system: flags.system, options, stats: flags.stats === true });
    } else {
      await answerOnce(model, toInput(given, flags), options, {
        mode: outputMode(flags),
        echo: flags.echo === true,
        stats: flags.stats === true,
        reference: expected,
      });
    }
  } finally {
    await model.dispose();
  }
  signal.throwIfAborted();
}

async function load(reference: string, flags: RunFlags, prompt: string | null, signal: AbortSignal): Promise<Model> {
  const progress = new ProgressLine();
  try {
    return await loadModel(reference, {
      device: flags.device.toLowerCase(),
      provider: flags.provider.toLowerCase(),
      ...(flags.weightFormat === undefined ? {} : { weightFormat: flags.weightFormat }),
      ...readLoadingOptions(flags),
      ...(flags.prefer === undefined ? {} : { prefer: flags.prefer }),
      ...(prompt === null || prompt === '' ? {} : { promptTokens: estimateTokens(prompt) }),
      onDeviceChoice: (selection) => process.stderr.write(formatSelection(selection)),
      maxSlots: 1, // one answer or one conversation
      onProgress: progress.update,
      onWarning: (message) => process.stderr.write(`aipc: ${message}\n`),
      signal,
    });
  } finally {
    progress.end();
  }
}

const samplingFlags = ['temperature', 'topP', 'topK', 'minP'] as const;

function generateOptions(flags: RunFlags, signal: AbortSignal): GenerateOptions {
  const ignored = flags.doSample ? [] : samplingFlags.filter((name) => flags[name] !== undefined);
  if (ignored.length > 0) {
    const names = ignored.map((name) => `--${name.replace(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`);
    process.stderr.write(`--no-do-sample: greedy; ${names.join(', ')} ignored\n`);
  }
  return {
    ...(flags.doSample ? {} : { doSample: false }),
    ...Object.fromEntries(
      ([...samplingFlags, 'repetitionPenalty', 'seed', 'maxNewTokens', 'stop'] as const).flatMap((name) =>
        flags[name] === undefined ? [] : [[name, flags[name]]],
      ),
    ),
    signal,
  };
}

function toInput(prompt: string, flags: RunFlags): GenerationInput {
  if (flags.raw === true) return { prompt };
  if (flags.system === undefined) return prompt;
  return {
    messages: [
      { role: 'system', content: flags.system },
      { role: 'user', content: prompt },
    ],
  };
}

function outputMode(flags: RunFlags): OutputMode {
  if (flags.json === true) return 'json';
  return flags.jsonl === true ? 'jsonl' : 'text';
}
