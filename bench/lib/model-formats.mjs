/**
 * Bench/phi3-shape's folder in every format that benchmarks run: made where it is missing or older than the weights, kept
 * beside them. Each tool's own export is a process of its own.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runExport } from './exports.mjs';
import { runMeasured } from './measured-process.mjs';

const GGUF_WRITER = fileURLToPath(new URL('../phi3-gguf.mjs', import.meta.url));

function folderBytes(folder) {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0);
}

/** How each format that is made here keeps the embedding: f32, 8 bits, Q4_0. */
const EMBEDDING_BYTES_PER_VALUE = { onnx: 4, openvino: 1, gguf: 18 / 32 };

/**
 * `weights`: the file that holds them. Of the result, `bytes` is all that a runtime is given and `matrixBytes` what it has
 * to have read before it can answer: the embedding, of which it looks a few rows up, can stay on disk.
 */
function describe(model, format, location, weights) {
  const config = JSON.parse(readFileSync(path.join(model, 'config.json'), 'utf8'));
  const embeddingBytes = config.vocab_size * config.hidden_size * EMBEDDING_BYTES_PER_VALUE[format];
  const weightBytes = statSync(weights).size;
  return {
    path: location,
    bytes: location === weights ? weightBytes : folderBytes(location),
    matrixBytes: weightBytes - embeddingBytes,
  };
}

/** Makes what `weights` says is there already, unless it is and is newer than the model's own stamp. */
async function once(model, weights, make) {
  const madeMs = existsSync(weights) ? statSync(weights).mtimeMs : 0;
  if (madeMs < statSync(path.join(model, 'phi3-shape.json')).mtimeMs) await make();
}

/** `aipc export onnx`, int4. */
export async function makeOnnx(model, blockSize) {
  const folder = `${model}-onnx-int4-block-${blockSize}`;
  const weights = path.join(folder, 'model.onnx.data');
  const flags = ['--weight-format', 'int4', '--block-size', String(blockSize)];
  await once(model, weights, () => runExport({ tool: 'aipc', format: 'onnx', model, flags, folder }));
  return describe(model, 'onnx', folder, weights);
}

/** @param {'aipc' | 'optimum-cli'} tool `flags` of the export, e.g. the cookbook's; `name` stands for them in the path */
export async function makeOpenvino(model, { tool, python, name, flags }) {
  const folder = `${model}-${name}-${tool}`;
  const weights = path.join(folder, 'openvino_model.bin');
  await once(model, weights, () => runExport({ tool, format: 'openvino', python, model, flags, folder }));
  return describe(model, 'openvino', folder, weights);
}

/** Q4_0, for llama.cpp. */
export async function makeGguf(model) {
  const file = `${model}-q4_0.gguf`;
  await once(model, file, () => runMeasured(process.execPath, [GGUF_WRITER, model, file]));
  return describe(model, 'gguf', file, file);
}
