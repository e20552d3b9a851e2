/**
 * What aipc says about well-formed models that it does not run. One sentence each: what was found, what would work.
 */
import { UnsupportedError } from '../errors.js';
import { quoted } from './format-error.js';
import { type Architecture } from './weights.js';

const SUPPORTED: readonly Architecture[] = ['phi3', 'llama'];

/**
 * Relatives of Phi-3 that people will try: which part of them aipc has not, and which text model is nearest. Both
 * Hugging Face's and GGUF's spellings.
 */
const RELATIVES: ReadonlyMap<unknown, string> = new Map([
  [
    'phi3small',
    'Phi-3-small has its own decoder (block-sparse attention, a gated GELU, another tokenizer), which aipc does not ' +
      'run. Take Phi-3-mini, or Phi-3-medium for a larger model.',
  ],
  [
    'phi3_v',
    'Phi-3-vision and Phi-3.5-vision add an image encoder, which aipc does not run. For text take Phi-3.5-mini-instruct.',
  ],
  ...['phi4mm', 'phi4_multimodal'].map(
    (name) =>
      [
        name,
        'Phi-4-multimodal adds image and speech encoders and adapters, which aipc does not run. For text take ' +
          'Phi-4-mini-instruct, the language model in it.',
      ] as const,
  ),
  [
    'phimoe',
    'Phi-3.5-MoE and Phi-mini-MoE are mixtures of experts, which aipc does not run. Take Phi-3.5-mini-instruct, or ' +
      'phi-4 for a larger model.',
  ],
  [
    'phi4flash',
    'Phi-4-mini-flash mixes attention with state-space layers, which aipc does not run. Take Phi-4-mini-reasoning.',
  ],
  ...['phi', 'phi2', 'mixformer-sequential'].map(
    (name) =>
      [
        name,
        'Phi-1, Phi-1.5 and Phi-2 have their own decoder (attention and MLP side by side), which aipc does not run. ' +
          'Take Phi-3-mini-4k-instruct.',
      ] as const,
  ),
]);

/** Throws ARCHITECTURE_UNSUPPORTED unless `found` names one that aipc runs. */
export function checkArchitecture(file: string, found: unknown): Architecture {
  const supported = SUPPORTED.find((name) => name === found);
  if (supported !== undefined) return supported;
  const relative = RELATIVES.get(found);
  const name = typeof found === 'string' ? quoted(found) : 'not given';
  throw new UnsupportedError(
    'ARCHITECTURE_UNSUPPORTED',
    `${file}: the model's architecture is ${name}, which is not supported. ` +
      (relative === undefined ? '' : `${relative} `) +
      'Supported: phi3 (Phi-3-mini, Phi-3.5-mini, Phi-3-medium, Phi-4-mini, phi-4 and models built like them) and llama.',
    { details: { file, found: typeof found === 'string' ? found : null, supported: SUPPORTED } },
  );
}

/** `feature` completes "uses ..."; `remedy` is a whole sentence. */
export function unsupportedFeature(file: string, feature: string, remedy: string): UnsupportedError {
  return new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${file}: the model uses ${feature}, which aipc does not run. ${remedy}`,
    { details: { file, feature } },
  );
}
