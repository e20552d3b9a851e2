/**
 * The small valid models that the mutators start from: those in the repository, and exports of them. It mutates nothing.
 */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { exportModel } from '../../src/model/export-model.js';
import { exportOpenvinoModel } from '../../src/model/export-openvino-model.js';
import { sweepLayers } from './mutate/ir-layers.js';
import { sweptModels, type SweptModel } from './node-sweep.js';
import { LLAMA_TINY_GGUF, tinyModelFolder } from '../golden/vectors.js';

/** The files of a model, by name; for a .gguf file one. */
export interface SeedModel {
  readonly name: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

export interface Seeds {
  /** Hugging Face folders: one file of weights, and shards. */
  readonly single: readonly SeedModel[];
  readonly sharded: readonly SeedModel[];
  readonly gguf: readonly SeedModel[];
  readonly onnx: readonly SeedModel[];
  /** With plain attention. */
  readonly plain: readonly SeedModel[];
  readonly openvino: readonly SeedModel[];
  /** Of which every node is changed in turn. */
  readonly swept: readonly SweptModel[];
  /** The same of the layers of OpenVINO's. */
  readonly layered: readonly SweptModel[];
}

export const GGUF_FILE = 'model.gguf';
const CONTRACT_MODELS = path.join('test', 'contract', 'models');

/** Paths are relative to the repository's root. Exports go through a temporary folder. */
export async function loadSeeds(): Promise<Seeds> {
  const contract = (name: string): Promise<SeedModel> => readModel(name, path.join(CONTRACT_MODELS, name));
  const root = await mkdtemp(path.join(tmpdir(), 'aipc-hostile-seeds-'));
  try {
    const onnx = path.join(root, 'onnx-int4');
    await exportModel(tinyModelFolder('phi3-window'), onnx, { weightFormat: 'int4', blockSize: 32, workers: 0 });
    const openvino = path.join(root, 'openvino-int8');
    await exportOpenvinoModel(tinyModelFolder('llama-tiny'), openvino, { weightFormat: 'int8', workers: 0 });
    const aipc = await readModel('aipc onnx int4', onnx);
    const dml = await contract('builder-dml-fp16');
    const plain = await plainAttention();
    const irs = [
      await contract('optimum-int8'),
      await contract('optimum-int4-asym-gs32-ratio06'),
      await readModel('aipc openvino int8', openvino),
    ];
    const decoders = [aipc, dml, await contract('builder-cpu-int4-asym'), await communityGqa(), plain];
    let swept: readonly SweptModel[] | undefined;
    return {
      single: await Promise.all((['llama-tiny', 'phi3-window'] as const).map((name) => tiny(name))),
      sharded: [await tiny('phi3-deep')],
      gguf: [{ name: 'llama-tiny.gguf', files: new Map([[GGUF_FILE, await readFile(LLAMA_TINY_GGUF)]]) }],
      onnx: [await contract('builder-cpu-int4'), dml, aipc],
      plain: [plain],
      get swept() {
        return (swept ??= sweptModels(decoders, plain));
      },
      openvino: irs,
      layered: irs.map((model) => ({
        ...model,
        sweep: sweepLayers(model.files.get('openvino_model.xml')?.toString() ?? ''),
      })),
    };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function tiny(name: Parameters<typeof tinyModelFolder>[0]): Promise<SeedModel> {
  return readModel(name, tinyModelFolder(name));
}

/** One of torch's graphs, with the configuration beside it. */
async function plainAttention(): Promise<SeedModel> {
  return oneGraph('torch-plain-attention', 'model_fp16');
}

async function communityGqa(): Promise<SeedModel> {
  return oneGraph('onnx-community-gqa', 'model_q4');
}

/** The graph and its weights lie in a folder of their own, where others are. */
async function oneGraph(name: string, graph: string): Promise<SeedModel> {
  const folder = path.join(CONTRACT_MODELS, name);
  const files = new Map([['config.json', await readFile(path.join(folder, 'config.json'))]]);
  for (const file of (await readdir(path.join(folder, 'onnx'))).sort()) {
    if (file === `${graph}.onnx`) files.set('model.onnx', await readFile(path.join(folder, 'onnx', file)));
    else if (file.startsWith(`${graph}.onnx_`)) files.set(file, await readFile(path.join(folder, 'onnx', file)));
  }
  return { name, files };
}

async function readModel(name: string, folder: string): Promise<SeedModel> {
  const files = new Map<string, Buffer>();
  for (const file of (await readdir(folder)).sort()) {
    const bytes = await readFile(path.join(folder, file));
    if (file === 'openvino_model.xml.gz') files.set('openvino_model.xml', gunzipSync(bytes));
    else if (file !== 'greedy.json') files.set(file, bytes);
  }
  return { name, files };
}
