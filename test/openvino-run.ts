/**
 * One inference of an exported graph on OpenVINO's CPU plug-in, for tests of the exporter: the logits, and the
 * operations that really ran, which is what the plug-in's fusions left of the graph.
 */
import koffi from 'koffi';
import path from 'node:path';
import {
  ELEMENT_TYPE,
  loadOvApi,
  shapeOf,
  takePointer,
  type OvApi,
  type Pointer,
} from '../src/engine/openvino/c-api.js';

// ov_profiling_info_t and ov_profiling_info_list_t (openvino/c/ov_infer_request.h).
const INFO = koffi.struct({
  status: 'int',
  realTimeUs: 'int64_t',
  cpuTimeUs: 'int64_t',
  nodeName: 'str',
  executionType: 'str',
  nodeType: 'str',
});
const LIST = koffi.struct({ infos: 'void *', size: 'size_t' });
/** ov_profiling_info_t.Status. An operation that took less than a microsecond counts as NOT_RUN. */
const OPTIMIZED_OUT = 1;

export interface OpenvinoRun {
  /** f32 [rows, vocabulary] */
  readonly logits: Float32Array;
  /** How many operations of each type ran. */
  readonly operations: Readonly<Record<string, number>>;
}

/**
 * Runs `tokens` as a prompt, in f32. With `logitsFirstRow` the graph that takes it is run, else the standard one.
 */
export async function runOpenvinoPrompt(
  folder: string,
  tokens: readonly number[],
  logitsFirstRow?: number,
): Promise<OpenvinoRun> {
  const api = await loadOvApi();
  const xmlName = logitsFirstRow === undefined ? 'openvino_model.xml' : 'openvino_model_logits_rows.xml';
  const model = await api.async.readModel(path.join(folder, xmlName), path.join(folder, 'openvino_model.bin'));
  const compiled = await api.async.compileModel(model, 'CPU', {
    PERF_COUNT: 'YES',
    INFERENCE_PRECISION_HINT: 'f32',
    KV_CACHE_PRECISION: 'f32',
    DYNAMIC_QUANTIZATION_GROUP_SIZE: '0',
  });
  const request = takePointer((out) => api.ov_compiled_model_create_infer_request(compiled, out));
  const tensors: Pointer[] = [];
  const dims = [1, tokens.length];
  const bind = (name: string, shape: readonly number[], data: BigInt64Array | Int32Array): void => {
    const type = data instanceof Int32Array ? ELEMENT_TYPE.i32 : ELEMENT_TYPE.i64;
    const tensor = takePointer((out) => api.ov_tensor_create_from_host_ptr(type, shapeOf(shape), data, out));
    tensors.push(tensor);
    api.ov_infer_request_set_tensor(request, name, tensor);
  };
  try {
    bind('input_ids', dims, BigInt64Array.from(tokens, BigInt));
    bind('attention_mask', dims, new BigInt64Array(tokens.length).fill(1n));
    bind('position_ids', dims, BigInt64Array.from(tokens.keys(), BigInt));
    bind('beam_idx', [1], new Int32Array(1));
    if (logitsFirstRow !== undefined) bind('logits_first_row', [1], BigInt64Array.of(BigInt(logitsFirstRow)));
    await api.async.infer(request);
    return { logits: readLogits(api, request), operations: executedOperations(api, request) };
  } finally {
    for (const tensor of tensors) api.ov_tensor_free(tensor);
    api.ov_infer_request_free(request);
    await api.async.freeCompiledModel(compiled);
    api.ov_model_free(model);
  }
}

function readLogits(api: OvApi, request: Pointer): Float32Array {
  const tensor = takePointer((out) => api.ov_infer_request_get_tensor(request, 'logits', out));
  try {
    const size: [number] = [0];
    api.ov_tensor_get_byte_size(tensor, size);
    const data = takePointer((out) => api.ov_tensor_data(tensor, out));
    return new Float32Array(koffi.view(data, size[0]).slice(0));
  } finally {
    api.ov_tensor_free(tensor);
  }
}

function executedOperations(api: OvApi, request: Pointer): Record<string, number> {
  const getInfo = api.library.func('ov_infer_request_get_profiling_info', 'int', [
    'void *',
    koffi.out(koffi.pointer(LIST)),
  ]);
  const freeInfo = api.library.func('ov_profiling_info_list_free', 'void', [koffi.pointer(LIST)]);
  const list = {} as { infos: Pointer; size: number | bigint };
  const status = getInfo(request, list) as number;
  if (status !== 0) throw new Error(`ov_infer_request_get_profiling_info gave status ${status}.`);
  try {
    const infos = koffi.decode(list.infos, INFO, Number(list.size)) as { status: number; nodeType: string }[];
    const counts: Record<string, number> = {};
    for (const { nodeType } of infos.filter((info) => info.status !== OPTIMIZED_OUT)) {
      counts[nodeType] = (counts[nodeType] ?? 0) + 1;
    }
    return counts;
  } finally {
    freeInfo(list);
  }
}
