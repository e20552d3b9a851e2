/** How much a token adds to a model's KV cache, from the folder's config.json. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** { layers, kvHeads, headSize, elements }: keys and values of one token, over all layers. */
export async function readKvShape(folder) {
  const config = JSON.parse(await readFile(path.join(folder, 'config.json'), 'utf8'));
  const layers = config.num_hidden_layers;
  const kvHeads = config.num_key_value_heads;
  const headSize = config.hidden_size / config.num_attention_heads;
  return { layers, kvHeads, headSize, elements: 2 * layers * kvHeads * headSize };
}
