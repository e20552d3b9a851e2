/**
 * A Hugging Face folder of the Phi-3 family (bench/phi3-shape.mjs writes one) as a GGUF file for llama.cpp: the same
 * weights, every matrix in Q4_0 or F32 (the embedding and the output matrix, too), norms in f32, and the folder's
 * byte-level BPE tokenizer. Names and keys are those of llama.cpp's converter for its architecture `phi3`, which fuses q,
 * k and v (attn_qkv) and gate and up (ffn_up), and keeps longrope's factors as tensors.
 *
 *   node bench/phi3-gguf.mjs MODEL_FOLDER OUT.gguf [Q4_0 | F32]          (after `npm run build`)
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { openWeights } from '../dist/src/weights/open-weights.js';
import { writeGguf } from './lib/gguf-file.mjs';
import { quantiseQ4_0 } from './lib/q4-0.mjs';

/** Values read at once. */
const PIECE_VALUES = 4 * 1024 * 1024;
/** enum llama_ftype of llama.h. */
const FILE_TYPE = { F32: 0, Q4_0: 2 };
/** enum llama_token_type of llama.h. */
const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, unused: 5 };

/** The parts of each fused matrix, in the order of its rows. */
function tensorsOf(config) {
  const layer = (index) => {
    const at = `model.layers.${index}.`;
    return [
      { name: 'attn_norm', parts: [`${at}input_layernorm`] },
      { name: 'attn_qkv', parts: ['q', 'k', 'v'].map((part) => `${at}self_attn.${part}_proj`) },
      { name: 'attn_output', parts: [`${at}self_attn.o_proj`] },
      { name: 'ffn_norm', parts: [`${at}post_attention_layernorm`] },
      { name: 'ffn_up', parts: ['gate', 'up'].map((part) => `${at}mlp.${part}_proj`) },
      { name: 'ffn_down', parts: [`${at}mlp.down_proj`] },
    ].map(({ name, parts }) => ({ name: `blk.${index}.${name}`, parts }));
  };
  return [
    { name: 'token_embd', parts: ['model.embed_tokens'] },
    ...Array.from({ length: config.layerCount }, (_, index) => layer(index)).flat(),
    { name: 'output_norm', parts: ['model.norm'] },
    ...(config.tiedEmbeddings ? [] : [{ name: 'output', parts: ['lm_head'] }]),
  ].map(({ name, parts }) => ({ name: `${name}.weight`, parts: parts.map((part) => `${part}.weight`) }));
}

/** The tensor's values part after part, a few rows at a time. */
async function* readValues(weights, parts) {
  for (const part of parts) {
    const [rows, columns = 1] = weights.tensors.get(part).shape;
    const rowsAtOnce = Math.max(1, Math.floor(PIECE_VALUES / columns));
    for (let row = 0; row < rows; row += rowsAtOnce) {
      yield await weights.readRows(part, row, Math.min(rowsAtOnce, rows - row));
    }
  }
}

async function* encoded(weights, parts, encode) {
  for await (const values of readValues(weights, parts)) yield encode(values);
}

const asBytes = (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function placeTensor(weights, type, { name, parts }) {
  const shapes = parts.map((part) => weights.tensors.get(part).shape);
  if (shapes[0].length === 1)
    return { name, type: 'F32', shape: shapes[0], pieces: () => encoded(weights, parts, asBytes) };
  const rows = shapes.reduce((sum, [count]) => sum + count, 0);
  const encode = type === 'F32' ? asBytes : quantiseQ4_0;
  return { name, type, shape: [rows, shapes[0][1]], pieces: () => encoded(weights, parts, encode) };
}

/** Of a model with longrope, the tensors that llama.cpp's converter makes of its two lists. */
function factorTensors({ longRope }) {
  if (longRope === null) return [];
  const tensor = (name, values) => ({
    name: `rope_factors_${name}.weight`,
    type: 'F32',
    shape: [values.length],
    pieces: () => [asBytes(Float32Array.from(values))],
  });
  return [tensor('long', longRope.longFactors), tensor('short', longRope.shortFactors)];
}

async function readTokenizer(folder, config) {
  const read = async (name) => JSON.parse(await readFile(path.join(folder, name), 'utf8'));
  const { model, added_tokens: added } = await read('tokenizer.json');
  const { chat_template: chatTemplate } = await read('tokenizer_config.json');
  if (model.type !== 'BPE') throw new TypeError(`${folder}: a tokenizer of type ${model.type}; only BPE is written.`);
  // Ids that stand for no token fill the vocabulary up to the embedding's rows, as llama.cpp's converters do.
  const tokens = Array.from({ length: config.vocabularySize }, (_, id) => `[PAD${id}]`);
  const types = tokens.map(() => TOKEN_TYPE.unused);
  const put = (token, id, type) => {
    tokens[id] = token;
    types[id] = type;
  };
  for (const [token, id] of Object.entries(model.vocab)) put(token, id, TOKEN_TYPE.normal);
  for (const { content, id } of added) put(content, id, content === '<unk>' ? TOKEN_TYPE.unknown : TOKEN_TYPE.control);
  const merges = model.merges.map((merge) => (Array.isArray(merge) ? merge.join(' ') : merge));
  const unknown = added.find(({ content }) => content === '<unk>');
  return {
    'tokenizer.ggml.model': { string: 'gpt2' },
    'tokenizer.ggml.pre': { string: 'gpt-2' },
    'tokenizer.ggml.tokens': { string: tokens },
    'tokenizer.ggml.token_type': { i32: types },
    'tokenizer.ggml.merges': { string: merges },
    'tokenizer.ggml.bos_token_id': { u32: config.bosTokenId },
    'tokenizer.ggml.eos_token_id': { u32: config.eosTokenIds[0] },
    'tokenizer.ggml.padding_token_id': { u32: config.padTokenId },
    ...(unknown === undefined ? {} : { 'tokenizer.ggml.unknown_token_id': { u32: unknown.id } }),
    'tokenizer.ggml.add_bos_token': { bool: false },
    'tokenizer.chat_template': { string: chatTemplate },
  };
}

function modelMetadata(config, name, type) {
  const { longRope } = config;
  return {
    'general.architecture': { string: 'phi3' },
    'general.name': { string: name },
    'general.file_type': { u32: FILE_TYPE[type] },
    'general.quantization_version': { u32: 2 },
    'phi3.context_length': { u32: config.contextTokens },
    'phi3.rope.scaling.original_context_length': { u32: longRope?.originalContextTokens ?? config.contextTokens },
    ...(longRope === null ? {} : { 'phi3.rope.scaling.attn_factor': { f32: longRope.attentionFactor } }),
    'phi3.embedding_length': { u32: config.hiddenSize },
    'phi3.feed_forward_length': { u32: config.intermediateSize },
    'phi3.block_count': { u32: config.layerCount },
    'phi3.attention.head_count': { u32: config.headCount },
    'phi3.attention.head_count_kv': { u32: config.kvHeadCount },
    'phi3.attention.layer_norm_rms_epsilon': { f32: config.rmsNormEpsilon },
    'phi3.attention.sliding_window': { u32: config.slidingWindow ?? 0 },
    'phi3.rope.dimension_count': { u32: config.rotarySize },
    'phi3.rope.freq_base': { f32: config.ropeTheta },
  };
}

/** Writes `file`; resolves to { file, weightBytes, wroteMs }. Memory: a few pieces of 16 MiB. */
export async function writePhi3Gguf(folder, file, type = 'Q4_0') {
  if (!(type in FILE_TYPE)) throw new TypeError(`Types: ${Object.keys(FILE_TYPE).join(', ')}; '${type}' is none.`);
  const started = performance.now();
  const weights = await openWeights(folder);
  try {
    const { config } = weights;
    if (config.architecture !== 'phi3') throw new TypeError(`${folder} holds a model of type ${config.architecture}.`);
    const metadata = {
      ...modelMetadata(config, path.basename(folder), type),
      ...(await readTokenizer(folder, config)),
    };
    const tensors = [
      ...factorTensors(config),
      ...tensorsOf(config).map((tensor) => placeTensor(weights, type, tensor)),
    ];
    const weightBytes = await writeGguf(file, { metadata, tensors });
    return { file, weightBytes, wroteMs: Math.round(performance.now() - started) };
  } finally {
    await weights[Symbol.asyncDispose]();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, file, type, ...more] = process.argv.slice(2);
  if (folder === undefined || file === undefined || more.length > 0) {
    console.error('Usage: node bench/phi3-gguf.mjs MODEL_FOLDER OUT.gguf [Q4_0 | F32]');
    process.exitCode = 2;
  } else {
    console.log(JSON.stringify(await writePhi3Gguf(folder, file, type)));
  }
}
