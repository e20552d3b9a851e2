/**
 * The libraries of plug-in execution providers as a caller names them: checked. And an answer that says that one cannot be
 * loaded, as the error that it is. It loads none: ask-runtimes.ts does, in a process of its own.
 */
import path from 'node:path';
import { EngineError, NotFoundError, OptionError, type AipcErrorCode } from '../errors.js';
import type { AskedPlugin, PluginAnswer, Problem } from './runtime-answer.js';

export interface PluginLibrary {
  /** The caller's own name for the provider. */
  readonly name: string;
  /** Absolute. */
  readonly library: string;
}

/** Names that mean something already where a provider or a device is asked for. */
const TAKEN = ['auto', 'cpu', 'gpu', 'npu', 'openvino', 'dml', 'webgpu', 'cuda'];
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$/u;
const MOST_LIBRARIES = 16;

/** Throws OPTION_INVALID. */
export function checkPluginLibraries(
  where: string,
  given: Readonly<Record<string, string>> = {},
): readonly PluginLibrary[] {
  const refuse = (problem: string, found: unknown): OptionError =>
    new OptionError('OPTION_INVALID', `${where}: epLibraries: ${problem}`, {
      details: { option: 'epLibraries', found },
    });
  const entries = Object.entries<unknown>(given);
  if (entries.length > MOST_LIBRARIES) {
    throw refuse(`${entries.length} libraries; at most ${MOST_LIBRARIES}.`, entries.length);
  }
  const seen = new Set<string>();
  return entries.map(([name, library]) => {
    const lower = name.toLowerCase();
    if (!NAME.test(name)) throw refuse(`'${name}' is no name: letters, digits, '.', '_' and '-', at most 64.`, name);
    if (TAKEN.includes(lower)) {
      throw refuse(`${name} is a name of aipc's own. Choose another, e.g. ${name}-plugin.`, name);
    }
    if (seen.has(lower)) throw refuse(`${name} is there twice, in another case.`, name);
    seen.add(lower);
    if (typeof library !== 'string' || library === '') throw refuse(`${name} needs the path of its library.`, library);
    return { name, library: path.resolve(library) };
  });
}

/** Throws RUNTIME_LIBRARY_NOT_FOUND, RUNTIME_INCOMPATIBLE or RUNTIME_FAILED, which name the plug-in, for the first that cannot be loaded. */
export function requirePlugins(
  asked: readonly AskedPlugin[],
): asserts asked is readonly (AskedPlugin & { readonly answer: PluginAnswer })[] {
  for (const { name, library, answer } of asked) {
    if ('problem' in answer) throw pluginError(name, library, answer);
  }
}

const CODES: readonly AipcErrorCode[] = ['RUNTIME_LIBRARY_NOT_FOUND', 'RUNTIME_INCOMPATIBLE'];

function pluginError(name: string, library: string, { problem, code }: Problem): Error {
  const details = { details: { provider: name, file: library } };
  const known = CODES.find((one) => one === code);
  if (known === 'RUNTIME_LIBRARY_NOT_FOUND') return new NotFoundError(known, problem, details);
  return new EngineError(known ?? 'RUNTIME_FAILED', problem, details);
}
