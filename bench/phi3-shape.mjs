/**
 * Writes a model of Phi-3-mini's shape with seeded random weights, as the hub holds it: bf16 safetensors in shards of
 * 5 GB with an index, config, generation config, tokenizer. For measuring time and memory; its answers are noise. Each
 * tensor has its own values, and norms differ from 1, so that no tool can fold or share what a real model keeps.
 *
 *   node bench/phi3-shape.mjs OUT_DIR [--layers 32] [--seed 1]
 *     [--hidden 3072 --intermediate 8192 --heads 32 --kv-heads 32 --vocabulary 32064 --shard-bytes 5000000000]
 *
 * Memory is bounded by two pieces of 16 MiB. A folder that it wrote completely is left alone when asked for again.
 */
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs, TextEncoder } from 'node:util';
import { byteTokenizer, LEAST_BASE_PIECES } from './lib/byte-tokenizer.mjs';
import { RandomTensor } from './lib/random-weights.mjs';

const PIECE_BYTES = 16 * 1024 * 1024;
const BF16_BYTES = 2;
/** Ids of a vocabulary of 32064 that are control tokens or unused: Phi-3's come after 32000 base pieces. */
const IDS_AFTER_BASE_PIECES = 64;

/** The shape's defaults are those of microsoft/Phi-3-mini-4k-instruct's config.json. */
export const PHI3_MINI = Object.freeze({
  layers: 32,
  hidden: 3072,
  intermediate: 8192,
  heads: 32,
  kvHeads: 32,
  vocabulary: 32_064,
  seed: 1,
  shardBytes: 5_000_000_000,
});

function configOf(shape, ids) {
  return {
    architectures: ['Phi3ForCausalLM'],
    attention_bias: false,
    attention_dropout: 0.0,
    bos_token_id: ids.bos,
    embd_pdrop: 0.0,
    eos_token_id: ids.endOfText,
    hidden_act: 'silu',
    hidden_size: shape.hidden,
    initializer_range: 0.02,
    intermediate_size: shape.intermediate,
    max_position_embeddings: 4096,
    model_type: 'phi3',
    num_attention_heads: shape.heads,
    num_hidden_layers: shape.layers,
    num_key_value_heads: shape.kvHeads,
    original_max_position_embeddings: 4096,
    pad_token_id: ids.endOfText,
    resid_pdrop: 0.0,
    rms_norm_eps: 1e-5,
    rope_scaling: null,
    rope_theta: 10000.0,
    sliding_window: 2047,
    tie_word_embeddings: false,
    torch_dtype: 'bfloat16',
    use_cache: true,
    vocab_size: shape.vocabulary,
  };
}

/** Name, shape and distribution of each tensor, in the order of the file. */
function tensorsOf({ layers, hidden, intermediate, heads, kvHeads, vocabulary }) {
  const headSize = hidden / heads;
  // What each layer adds to the residual stream stays small beside it, at any depth.
  const residual = 1 / Math.sqrt(2 * layers);
  // Layers of equal statistics would all be equally good to quantise; those of trained models are not.
  const spread = (layer) => 0.75 + 0.5 * ((layer * 0.618_034) % 1);
  const matrix = (name, rows, columns, scale = 1) => ({
    name: `${name}.weight`,
    shape: [rows, columns],
    deviation: scale / Math.sqrt(columns),
  });
  const norm = (name) => ({ name: `${name}.weight`, shape: [hidden], mean: 1, deviation: 0.1 });
  return [
    { name: 'model.embed_tokens.weight', shape: [vocabulary, hidden], deviation: 1 },
    ...Array.from({ length: layers }, (_, layer) => {
      const at = `model.layers.${layer}.`;
      return [
        norm(`${at}input_layernorm`),
        matrix(`${at}mlp.down_proj`, hidden, intermediate, residual * spread(layer)),
        matrix(`${at}mlp.gate_up_proj`, 2 * intermediate, hidden, spread(layer + 1)),
        norm(`${at}post_attention_layernorm`),
        matrix(`${at}self_attn.o_proj`, hidden, hidden, residual * spread(layer + 2)),
        matrix(`${at}self_attn.qkv_proj`, hidden + 2 * kvHeads * headSize, hidden, spread(layer + 3)),
      ];
    }).flat(),
    norm('model.norm'),
    matrix('lm_head', vocabulary, hidden),
  ].map((tensor) => ({ ...tensor, bytes: tensor.shape.reduce((product, size) => product * size, BF16_BYTES) }));
}

/** Tensors in order, a new shard where the next one would pass the limit: as transformers splits. */
function shardsOf(tensors, shardBytes) {
  const shards = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    if (bytes > 0 && bytes + tensor.bytes > shardBytes) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1).push(tensor);
    bytes += tensor.bytes;
  }
  return shards;
}

async function writeShard(file, tensors, seed) {
  const header = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const { name, shape, bytes } of tensors) {
    header[name] = { dtype: 'BF16', shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  // Padded with spaces to a multiple of 8, as the safetensors library pads.
  const text = JSON.stringify(header);
  const json = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const handle = await open(`${file}.partial`, 'w');
  try {
    await handle.write(new BigUint64Array([BigInt(json.length)]));
    await handle.write(json);
    // One piece is being written while the next is filled.
    const pieces = [new Uint32Array(PIECE_BYTES / 4), new Uint32Array(PIECE_BYTES / 4)];
    let turn = 0;
    let writing = Promise.resolve();
    for (const tensor of tensors) {
      const values = new RandomTensor({ ...tensor, seed });
      for (let written = 0; written < tensor.bytes; written += PIECE_BYTES) {
        const piece = pieces[turn++ % 2].subarray(0, Math.ceil(Math.min(PIECE_BYTES, tensor.bytes - written) / 4));
        values.fill(piece);
        await writing;
        const bytes = new Uint8Array(piece.buffer, 0, Math.min(PIECE_BYTES, tensor.bytes - written));
        writing = handle.writev([bytes]);
      }
    }
    await writing;
  } finally {
    await handle.close();
  }
  await rename(`${file}.partial`, file);
}

const writeJson = (folder, name, value) => writeFile(path.join(folder, name), `${JSON.stringify(value, null, 2)}\n`);

function checked(options) {
  const shape = { ...PHI3_MINI, ...options };
  for (const [option, value] of Object.entries(shape)) {
    if (!(option in PHI3_MINI)) throw new RangeError(`There is no option '${option}'.`);
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${option} must be a positive whole number.`);
  }
  const { hidden, heads, kvHeads, vocabulary } = shape;
  if (hidden % heads !== 0 || (hidden / heads) % 2 !== 0) throw new RangeError('hidden / heads must be even.');
  if (heads % kvHeads !== 0) throw new RangeError('kv-heads must divide heads.');
  const least = LEAST_BASE_PIECES + IDS_AFTER_BASE_PIECES;
  if (vocabulary < least) throw new RangeError(`vocabulary must be at least ${least}.`);
  return shape;
}

/** Writes the folder; `options` as PHI3_MINI. Resolves to { folder, bytes, parameters, wroteMs, reused }. */
export async function writePhi3Shape(folder, options = {}) {
  const shape = checked(options);
  const started = performance.now();
  const { tokenizer, config, ids } = byteTokenizer(shape.vocabulary - IDS_AFTER_BASE_PIECES);
  const tensors = tensorsOf(shape);
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const done = (reused) => ({
    folder,
    bytes,
    parameters: bytes / BF16_BYTES,
    wroteMs: Math.round(performance.now() - started),
    reused,
  });
  // Written last: it stands for all of the folder.
  const stamp = `${JSON.stringify({ writer: 'bench/phi3-shape.mjs', version: 1, ...shape }, null, 2)}\n`;
  const stampFile = path.join(folder, 'phi3-shape.json');
  if ((await readFile(stampFile, 'utf8').catch(() => '')) === stamp) return done(true);
  await mkdir(folder, { recursive: true });
  const shards = shardsOf(tensors, shape.shardBytes);
  const weightMap = {};
  for (const [index, shard] of shards.entries()) {
    const number = (value) => String(value).padStart(5, '0');
    const name =
      shards.length === 1 ? 'model.safetensors' : `model-${number(index + 1)}-of-${number(shards.length)}.safetensors`;
    await writeShard(path.join(folder, name), shard, shape.seed);
    for (const tensor of shard) weightMap[tensor.name] = name;
  }
  if (shards.length > 1) {
    await writeJson(folder, 'model.safetensors.index.json', {
      metadata: { total_size: bytes },
      weight_map: weightMap,
    });
  }
  await writeJson(folder, 'config.json', configOf(shape, ids));
  await writeJson(folder, 'generation_config.json', {
    _from_model_config: true,
    bos_token_id: ids.bos,
    eos_token_id: [ids.endOfText, ids.end],
    pad_token_id: ids.endOfText,
  });
  await writeJson(folder, 'tokenizer.json', tokenizer);
  await writeJson(folder, 'tokenizer_config.json', config);
  await writeFile(stampFile, stamp);
  return done(false);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const number = { type: 'string' };
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      layers: number,
      seed: number,
      hidden: number,
      intermediate: number,
      heads: number,
      'kv-heads': number,
      vocabulary: number,
      'shard-bytes': number,
    },
  });
  const [folder, ...more] = positionals;
  if (folder === undefined || more.length > 0) {
    console.error('Usage: node bench/phi3-shape.mjs OUT_DIR [--layers 32] [--seed 1] ...');
    process.exitCode = 2;
  } else {
    const camel = (option) => option.replace(/-(.)/, (_, letter) => letter.toUpperCase());
    const options = Object.fromEntries(Object.entries(values).map(([name, value]) => [camel(name), Number(value)]));
    console.log(JSON.stringify(await writePhi3Shape(folder, options)));
  }
}
