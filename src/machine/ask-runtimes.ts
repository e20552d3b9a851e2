/** Asks OpenVINO, ONNX Runtime and plug-ins of it, each in a process of its own, which devices they drive. */
import { answerOfChild } from './child-answer.js';
import type { PluginLibrary } from './plugin-libraries.js';
import type {
  AskedPlugin,
  OnnxRuntimeAnswer,
  OpenvinoAnswer,
  PluginAnswer,
  Problem,
  RuntimeAnswer,
} from './runtime-answer.js';

/** The NPU's and the GPU's plug-ins take seconds to start on a cold machine. */
const TIMEOUT_MS = 60_000;

/** Throws the signal's reason alone. */
export async function askRuntimes(
  libraries: readonly PluginLibrary[],
  signal: AbortSignal | undefined,
): Promise<RuntimeAnswer> {
  const [openvino, onnxruntime, plugins] = await Promise.all([
    ask<OpenvinoAnswer>('openvino', signal),
    ask<OnnxRuntimeAnswer>('onnxruntime', signal),
    askPlugins(libraries, signal),
  ]);
  return { openvino, onnxruntime, plugins };
}

async function ask<T>(runtime: 'openvino' | 'onnxruntime', signal: AbortSignal | undefined): Promise<T | Problem> {
  const result = await answerOfWorker<T>([runtime], signal);
  if ('answer' in result) return result.answer;
  return { problem: `the process that loaded it ended with ${result.end}`, code: null };
}

/** Plug-ins alone. Throws the signal's reason; a plug-in that cannot be loaded is an answer. */
export function askPlugins(
  libraries: readonly PluginLibrary[],
  signal: AbortSignal | undefined,
): Promise<readonly AskedPlugin[]> {
  return Promise.all(
    libraries.map(async ({ name, library }) => {
      const result = await answerOfWorker<PluginAnswer>(['plugin', name, library], signal);
      const answer = 'answer' in result ? result.answer : pluginEnded(name, library, result);
      return { name, library, answer };
    }),
  );
}

function pluginEnded(
  name: string,
  library: string,
  { end, output }: { readonly end: string; readonly output: string },
): Problem {
  const said = output.trim() === '' ? '' : ` It said: ${output.trim()}`;
  const problem =
    `The plug-in ${name} (${library}) does not load: the process that registered it ended with ${end}.${said} Check that it ` +
    'was built for this system and this ONNX Runtime, and that its driver is there; docs/gpu.md says where plug-ins come from.';
  return { problem, code: null };
}

function answerOfWorker<T>(
  parameters: readonly string[],
  signal: AbortSignal | undefined,
): ReturnType<typeof answerOfChild<T | Problem>> {
  const module = new URL('./ask-runtimes-worker.js', import.meta.url);
  return answerOfChild<T | Problem>({ module, parameters, timeoutMs: TIMEOUT_MS, signal });
}
