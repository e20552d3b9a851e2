/**
 * The small files that travel with a model's weights into a converted folder: tokenizer, chat template, configs.
 * From a Hugging Face folder they are copied; for a .gguf file they are made from its metadata.
 */
import path from 'node:path';
import { NotFoundError } from '../errors.js';
import { readFolderFile } from '../file-system.js';
import { tokenizerJsonFromGguf } from '../tokenizer/gguf-vocabulary.js';
import { readGgufTokenizer } from '../weights/gguf-tokenizer.js';
import { openWeights } from '../weights/open-weights.js';
import { configJson, generationConfigJson } from './gguf-config-files.js';
import { kindOfPath } from './path-kind.js';

export interface Sidecar {
  /** File name in the converted folder. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const REQUIRED = ['tokenizer.json'];
const OPTIONAL = [
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
  'config.json',
  'generation_config.json',
];
/** The largest tokenizer.json of the Phi family is 16 MB. */
const SIDECAR_LIMIT_BYTES = 64 * 1024 * 1024;

/** `source`: a Hugging Face folder or a .gguf file. Throws MODEL_FILE_MISSING, FILE_LIMIT_EXCEEDED. */
export async function collectSidecars(source: string): Promise<readonly Sidecar[]> {
  if (source.toLowerCase().endsWith('.gguf')) {
    const { tokenizerJson, tokenizerConfig } = tokenizerJsonFromGguf(await readGgufTokenizer(source));
    return [jsonFile('tokenizer.json', tokenizerJson), jsonFile('tokenizer_config.json', tokenizerConfig)];
  }
  const sidecars: Sidecar[] = [];
  for (const name of [...REQUIRED, ...OPTIONAL]) {
    const file = path.join(source, name);
    if ((await kindOfPath(file)) !== 'file') {
      if (!REQUIRED.includes(name)) continue;
      throw new NotFoundError(
        'MODEL_FILE_MISSING',
        `${source} has no ${name}. Copy it from the model's page; a tokenizer.model alone is not enough.`,
        { details: { file } },
      );
    }
    const limits = { maxBytes: SIDECAR_LIMIT_BYTES, remedy: "Copy it from the model's page." };
    sidecars.push({ name, bytes: await readFolderFile(file, limits) });
  }
  return sidecars;
}

/**
 * The sidecars with config.json and generation_config.json in any case, made from what is known of the model where the
 * source has none: programs that know no other description of a folder need both.
 * Throws what collectSidecars and openWeights throw.
 */
export async function collectSidecarsAndConfigs(source: string, signal?: AbortSignal): Promise<readonly Sidecar[]> {
  const sidecars = await collectSidecars(source);
  await using weights = await openWeights(source, signal === undefined ? {} : { signal });
  const { config } = weights;
  const made = [jsonFile('config.json', configJson(config)), jsonFile('generation_config.json', generationConfigJson(config))];
  return [...sidecars, ...made.filter(({ name }) => !sidecars.some((sidecar) => sidecar.name === name))];
}

function jsonFile(name: string, value: unknown): Sidecar {
  return { name, bytes: Buffer.from(`${JSON.stringify(value, null, 2)}\n`, 'utf8') };
}
