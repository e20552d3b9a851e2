/** Asks OpenVINO and ONNX Runtime, each in a process of its own, which devices they drive. */
import { answerOfChild } from './child-answer.js';
import type { OnnxRuntimeAnswer, OpenvinoAnswer, Problem, RuntimeAnswer } from './runtime-answer.js';

/** The NPU's and the GPU's plug-ins take seconds to start on a cold machine. */
const TIMEOUT_MS = 60_000;

/** Throws the signal's reason alone. */
export async function askRuntimes(signal?: AbortSignal): Promise<RuntimeAnswer> {
  const [openvino, onnxruntime] = await Promise.all([
    ask<OpenvinoAnswer>('openvino', signal),
    ask<OnnxRuntimeAnswer>('onnxruntime', signal),
  ]);
  return { openvino, onnxruntime };
}

async function ask<T>(runtime: 'openvino' | 'onnxruntime', signal: AbortSignal | undefined): Promise<T | Problem> {
  const module = new URL('./ask-runtimes-worker.js', import.meta.url);
  const result = await answerOfChild<T | Problem>({ module, parameters: [runtime], timeoutMs: TIMEOUT_MS, signal });
  if ('answer' in result) return result.answer;
  return { problem: `the process that loaded it ended with ${result.end}`, code: null };
}
