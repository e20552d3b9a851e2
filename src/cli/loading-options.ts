/**
 * The options of loading a model, declared once: run, bench, verify and pull have the same, with the same help. An option that is
 * added here appears in all of them.
 */
import { Option, type Command } from 'commander';
import type { LoadingOptions } from '../model/load-options.js';
import { collectKeyValue, collectKeyValueOrJson, parseInteger } from './parse.js';

/** As commander hands them over. */
export interface LoadingFlags {
  readonly epLibrary?: Readonly<Record<string, string>>;
  readonly providerOption?: Readonly<Record<string, string>>;
  readonly activations?: NonNullable<LoadingOptions['activations']>;
  readonly contextTokens?: number;
  readonly threads?: number;
  readonly sessionOption?: Readonly<Record<string, string>>;
  readonly ovConfig?: Readonly<Record<string, string>>;
  readonly maxPromptTokens?: number;
  readonly minResponseTokens?: number;
  readonly allowUnsupported?: true;
  readonly revision?: string;
  readonly offline?: true;
}

/** `devices` and `doctor` have it too. */
export function epLibraryOption(): Option {
  return new Option(
    '--ep-library <name=path>',
    'execution provider plug-in of ONNX Runtime, under a name of yours for --provider (repeatable)',
  ).argParser(collectKeyValue);
}

const OPTIONS: Readonly<
  Record<keyof LoadingFlags, { readonly key: keyof LoadingOptions | 'download'; option: () => Option }>
> = {
  epLibrary: { key: 'epLibraries', option: epLibraryOption },
  providerOption: {
    key: 'providerOptions',
    option: () =>
      new Option(
        '--provider-option <key=value>',
        "option of ONNX Runtime's provider, a plug-in or not, by its own name (repeatable)",
      ).argParser(collectKeyValue),
  },
  activations: {
    key: 'activations',
    option: () =>
      new Option('--activations <type>', 'webgpu: fp32 where the device has no f16').choices(['fp32', 'fp16']),
  },
  contextTokens: {
    key: 'contextTokens',
    option: () =>
      new Option(
        '--context-tokens <n>',
        'most tokens of prompt and answer together (default: what the model was made for; 8192 if more, on ONNX Runtime)',
      ).argParser(parseInteger),
  },
  threads: { key: 'threads', option: () => new Option('--threads <n>', 'CPU threads').argParser(parseInteger) },
  sessionOption: {
    key: 'sessionOptions',
    option: () =>
      new Option('--session-option <key=value>', 'ONNX Runtime session configuration entry (repeatable)').argParser(
        collectKeyValue,
      ),
  },
  ovConfig: {
    key: 'ovConfig',
    option: () =>
      new Option('--ov-config <key=value>', 'OpenVINO property (repeatable), or a JSON object of them').argParser(
        collectKeyValueOrJson,
      ),
  },
  maxPromptTokens: {
    key: 'maxPromptTokens',
    option: () => new Option('--max-prompt-tokens <n>', 'npu: longest prompt (default: 1024)').argParser(parseInteger),
  },
  minResponseTokens: {
    key: 'minResponseTokens',
    option: () =>
      new Option('--min-response-tokens <n>', 'npu: room for the answer beyond the longest prompt').argParser(
        parseInteger,
      ),
  },
  allowUnsupported: {
    key: 'allowUnsupported',
    option: () => new Option('--allow-unsupported', 'npu: try weights that Intel does not support there'),
  },
  revision: {
    key: 'revision',
    option: () => new Option('--revision <revision>', 'of a model on the hub: a branch, tag or commit'),
  },
  offline: { key: 'download', option: () => new Option('--offline', 'download nothing') },
};

export function addLoadingOptions(command: Command): Command {
  for (const { option } of Object.values(OPTIONS)) command.addOption(option());
  return command;
}

/** What was given, by the library's names. */
export function readLoadingOptions(flags: LoadingFlags): LoadingOptions & { readonly download?: 'never' } {
  const given = (Object.keys(OPTIONS) as (keyof LoadingFlags)[]).flatMap((name): readonly [string, unknown][] => {
    if (flags[name] === undefined) return [];
    return [[OPTIONS[name].key, name === 'offline' ? 'never' : flags[name]]];
  });
  return Object.fromEntries(given);
}
