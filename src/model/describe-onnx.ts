/**
 * What an ONNX folder is, in words, and which devices and providers it suits, by its configuration and its graph. It loads nothing and does not know the machine.
 */
import { joinedTableOffset } from '../engine/onnxruntime/folder-provider-options.js';
import type { GenaiConfig } from '../engine/onnxruntime/genai-config.js';
import { sharesKv } from '../engine/onnxruntime/graph-check.js';
import type { OnnxGraph } from '../engine/onnxruntime/onnx-graph.js';
import { ignoredFolderOptions } from '../engine/onnxruntime/session-options.js';
import type { DeviceSuits } from './device-suits.js';

/** TensorProto.DataType */
const FLOAT = 1;
const FLOAT16 = 10;

/** `81 % of the bytes quantised (int4 or int8)`, most of them first; shares under one per cent are left out. */
export function onnxWeights({ weightBytes }: OnnxGraph): readonly string[] {
  const shares = new Map<string, number>();
  for (const [elementType, bytes] of weightBytes) {
    const name = nameOf(elementType);
    shares.set(name, (shares.get(name) ?? 0) + bytes);
  }
  const total = [...shares.values()].reduce((sum, bytes) => sum + bytes, 0);
  return [...shares]
    .sort(([, a], [, b]) => b - a)
    .filter(([, bytes]) => bytes / total >= 0.01)
    .map(([name, bytes]) => `${Math.round((100 * bytes) / total)} % of the bytes ${name}`);
}

function nameOf(elementType: number): string {
  if (elementType === FLOAT) return 'f32';
  return elementType === FLOAT16 ? 'f16' : 'quantised (int4 or int8)';
}

const MADE_FOR: Readonly<Record<string, string>> = { dml: 'DirectML', webgpu: 'WebGPU', cuda: 'CUDA' };

/** What it was made for, and how its graph goes about attention. */
export function onnxGraph(config: GenaiConfig, graph: OnnxGraph): readonly string[] {
  const made = [...config.providerOptions.keys()].flatMap((name) => MADE_FOR[name] ?? []);
  const kvType = graph.inputTypes.get(config.pastKey.replace('%d', '0')) === FLOAT16 ? 'f16' : 'f32';
  const ignored = ignoredFolderOptions(config.sessionOptions);
  return [
    ...made.map((name) => `made for ${name}`),
    sharesKv(graph)
      ? `GroupQueryAttention, KV cache in ${kvType}, past and present in one memory`
      : `plain attention, KV cache in ${kvType}, written anew at every run`,
    ...(graph.inputTypes.has(config.positionIds) ? ['takes position_ids'] : []),
    ...(graph.operators.has('If') ? ['chooses between two rotary tables (longrope)'] : []),
    ...(ignored.length > 0 ? [`session options that aipc does not take: ${ignored.join(', ')}`] : []),
  ];
}

export function onnxDevices(config: GenaiConfig, graph: OnnxGraph): readonly DeviceSuits[] {
  const isHalf = graph.inputTypes.get(config.pastKey.replace('%d', '0')) === FLOAT16;
  const offset = joinedTableOffset(config);
  const onCpu = [
    ...(isHalf
      ? ['Computed in half precision, as its graph is: a folder made for the CPU is faster and more exact.']
      : []),
    ...(sharesKv(graph) ? [] : ['Its graph copies the KV cache at every token: long contexts are slow.']),
    ...(offset === undefined ? [] : [`Up to ${offset} tokens: the rotary table beyond is for WebGPU.`]),
  ];
  return [
    { device: 'cpu', suits: true, reasons: [], needs: [], notes: onCpu },
    gpu(config, graph, isHalf),
    {
      device: 'npu',
      suits: false,
      reasons: ['NPUs take OpenVINO models'],
      needs: ['the weights, or an OpenVINO folder made of them'],
      notes: [],
    },
  ];
}

/** Providers whose kernels run the graph: DirectML and CUDA have GroupQueryAttention in half precision alone. */
function gpu(config: GenaiConfig, graph: OnnxGraph, isHalf: boolean): DeviceSuits {
  if (!sharesKv(graph)) {
    return {
      device: 'gpu',
      suits: false,
      reasons: ['its graph has no GroupQueryAttention, and copies its KV cache at every token'],
      needs: ["the weights, or a folder of onnxruntime-genai's model builder for that provider"],
      notes: [],
    };
  }
  const isJoined = joinedTableOffset(config) !== undefined;
  const providers = [
    'webgpu',
    ...(isHalf && !isJoined && !graph.operators.has('If') && graph.inputTypes.has(config.positionIds) ? ['dml'] : []),
    ...(isHalf && !isJoined ? ['cuda'] : []),
  ];
  const ways = providers.map((name) => `--provider ${name}`).join(', ');
  const others = isHalf ? '' : ' DirectML and CUDA want a folder with f16 activations.';
  return { device: 'gpu', suits: true, reasons: [], needs: [], notes: [`With ${ways}.${others}`] };
}
