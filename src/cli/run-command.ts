/** `aipc run`: one answer, streamed, or a conversation. */
import { Command, Option } from 'commander';
import { loadModel } from '../model/load-model.js';
import type { LoadModelOptions } from '../model/load-options.js';
import type { GenerateOptions, GenerationInput } from '../model/result.js';
import type { Model } from '../model/model.js';
import { PREFERENCES, type Preference } from '../devices/recommendation-rules.js';
import { catalogue } from '../models/catalogue.js';
import { answerOnce, type OutputMode } from './answer.js';
import { converse } from './conversation.js';
import { estimateTokens, formatSelection } from './device-choice.js';
import { CliUsageError } from './exit.js';
import { collect, collectKeyValue, collectKeyValueOrJson, parseDecimal, parseInteger } from './parse.js';
import { ProgressLine } from './progress-line.js';
import { readPrompt, splitModelAndPrompt } from './prompt.js';

/** As commander hands them over. */
interface RunFlags {
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
  epLibrary?: Readonly<Record<string, string>>;
  epOption?: Readonly<Record<string, string>>;
  activations?: LoadModelOptions['activations'];
  providerOption?: Readonly<Record<string, string>>;
  contextTokens?: number;
  threads?: number;
  sessionOption?: Readonly<Record<string, string>>;
  ovConfig?: Readonly<Record<string, string>>;
  maxPromptTokens?: number;
  minResponseTokens?: number;
  revision?: string;
  allowUnsupported?: true;
  offline?: true;
  stats?: true;
  json?: true;
  jsonl?: true;
  checkReference?: string;
}

export function runCommand(signal: AbortSignal): Command {
  return new Command('run')
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
      'the software way to it: auto, cpu, dml, webgpu, cuda (ONNX Runtime), openvino',
      'auto',
    )
    .addOption(new Option('--prefer <what>', 'what --device auto goes by').choices(PREFERENCES))
    .addOption(new Option('--weight-format <format>', 'where aipc converts').choices(['int4', 'int8', 'fp16', 'fp32']))
    .option('--ep-library <name=path>', 'execution provider plug-in, for --provider NAME (repeatable)', collectKeyValue)
    .option('--ep-option <key=value>', 'option of that provider, by its own name (repeatable)', collectKeyValue)
    .addOption(new Option('--activations <type>', 'webgpu: fp32 where the device has no f16').choices(['fp32', 'fp16']))
    .option(
      '--context-tokens <n>',
      'most tokens of prompt and answer together (default: what the model was made for; 8192 if more, on ONNX Runtime)',
      parseInteger,
    )
    .option('--threads <n>', 'CPU threads', parseInteger)
    .option('--provider-option <key=value>', "option of ONNX Runtime's provider (repeatable)", collectKeyValue)
    .option('--session-option <key=value>', 'ONNX Runtime session configuration entry (repeatable)', collectKeyValue)
    .option(
      '--ov-config <key=value>',
      'OpenVINO property (repeatable), or a JSON object of them',
      collectKeyValueOrJson,
    )
    .option('--max-prompt-tokens <n>', 'npu: longest prompt (default: 1024)', parseInteger)
    .option('--min-response-tokens <n>', 'npu: room for the answer beyond the longest prompt', parseInteger)
    .option('--allow-unsupported', 'npu: try weights that Intel does not support there')
    .option('--revision <revision>', 'of a model on the hub: a branch, tag or commit')
    .option('--offline', 'download nothing')
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
  const options = generateOptions(flags, signal);
  const model = await load(reference, flags, given, signal);
  try {
    if (model.notice !== null) process.stderr.write(`${model.notice}\n`);
    if (model.execution.emulated) {
      process.stderr.write(
        `emulation: the path of ${model.execution.requested} runs on ${model.execution.device}, ${model.execution.deviceName}\n`,
      );
    }
    if (given === null) {
      await converse(model, { system: flags.system, options, stats: flags.stats === true });
    } else {
      await answerOnce(model, toInput(given, flags), options, {
        mode: outputMode(flags),
        echo: flags.echo === true,
        stats: flags.stats === true,
        referenceFile: flags.checkReference,
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
      ...(flags.epLibrary === undefined ? {} : { epLibraries: flags.epLibrary }),
      ...(flags.epOption === undefined ? {} : { epOptions: flags.epOption }),
      ...(flags.activations === undefined ? {} : { activations: flags.activations }),
      ...(flags.providerOption === undefined ? {} : { providerOptions: flags.providerOption }),
      ...(flags.contextTokens === undefined ? {} : { contextTokens: flags.contextTokens }),
      ...(flags.threads === undefined ? {} : { threads: flags.threads }),
      ...(flags.sessionOption === undefined ? {} : { sessionOptions: flags.sessionOption }),
      ...(flags.ovConfig === undefined ? {} : { ovConfig: flags.ovConfig }),
      ...(flags.maxPromptTokens === undefined ? {} : { maxPromptTokens: flags.maxPromptTokens }),
      ...(flags.minResponseTokens === undefined ? {} : { minResponseTokens: flags.minResponseTokens }),
      ...(flags.allowUnsupported === undefined ? {} : { allowUnsupported: true }),
      ...(flags.revision === undefined ? {} : { revision: flags.revision }),
      ...(flags.prefer === undefined ? {} : { prefer: flags.prefer }),
      ...(prompt === null || prompt === '' ? {} : { promptTokens: estimateTokens(prompt) }),
      onDeviceChoice: (selection) => process.stderr.write(formatSelection(selection)),
      download: flags.offline === true ? 'never' : 'if-missing',
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
