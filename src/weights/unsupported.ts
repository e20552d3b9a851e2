/**
 * What aipc says about well-formed models that it does not run. One sentence each: what was found, what would work.
 */
import { UnsupportedError } from '../errors.js';
import { quoted } from './format-error.js';
import { type Architecture } from './weights.js';

const SUPPORTED: readonly Architecture[] = ['phi3', 'llama'];

/** Relatives of Phi-3 that people will try: their own sentence. Both Hugging Face's and GGUF's spellings. */
const RELATIVES: ReadonlyMap<string, string> = new Map([
  ['phi3small', 'Phi-3-small has its own decoder (block-sparse attention, another tokenizer)'],
  ['phi3_v', 'Phi-3-vision and Phi-3.5-vision add an image encoder'],
  ['phi4mm', 'Phi-4-multimodal adds image and speech encoders'],
  ['phi4_multimodal', 'Phi-4-multimodal adds image and speech encoders'],
  ['phimoe', 'Phi-3.5-MoE is a mixture of experts'],
  ['phi', 'Phi-1 and Phi-2 have their own decoder'],
  ['phi2', 'Phi-1 and Phi-2 have their own decoder'],
]);

/** Throws ARCHITECTURE_UNSUPPORTED unless `found` names one that aipc runs. */
export function checkArchitecture(file: string, found: unknown): Architecture {
  const supported = SUPPORTED.find((name) => name === found);
  if (supported !== undefined) return supported;
  const relative = typeof found === 'string' ? RELATIVES.get(found) : undefined;
  const name = typeof found === 'string' ? quoted(found) : 'not given';
  throw new UnsupportedError(
    'ARCHITECTURE_UNSUPPORTED',
    `${file}: the model's architecture is ${name}. ${relative === undefined ? '' : `${relative}, which aipc does not run. `}` +
      `Supported: phi3 (Phi-3-mini, Phi-3-medium and models built like them) and llama.`,
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
