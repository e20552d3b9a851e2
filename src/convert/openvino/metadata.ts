/**
 * What optimum-intel's exports say about themselves, in rt_info and openvino_config.json, as far as it is true of ours:
 * NNCF's parameters are there (NPUW reads the group size), versions of programs that had no part in it are not.
 */
import type { RuntimeInfo } from './ir-xml.js';
import { OPENVINO_EXPORTER_VERSION, type OpenvinoRecipe } from './recipe.js';

/** `nncf/weight_compression` as NNCF 3.4 dumps it (algorithm.py, dump_parameters), `runtime_options` as optimum sets them. */
export function runtimeInfo(recipe: OpenvinoRecipe): RuntimeInfo {
  return {
    aipc: { exporter_version: String(OPENVINO_EXPORTER_VERSION) },
    ...('symmetric' in recipe ? { nncf: { weight_compression: compressionInfo(recipe) } } : {}),
    runtime_options: {
      // GPU: activations are divided by it where f16 would overflow.
      ACTIVATIONS_SCALE_FACTOR: '8.0',
      // Uncompressed models get an uncompressed cache, where the CPU plug-in would take u8.
      ...('symmetric' in recipe ? {} : { KV_CACHE_PRECISION: 'f16' }),
    },
  };
}

function compressionInfo(recipe: Extract<OpenvinoRecipe, { readonly symmetric: boolean }>): RuntimeInfo {
  const int4 = recipe.weightFormat === 'int4' ? recipe : null;
  return {
    advanced_parameters: `{'group_size_fallback_mode': '${int4?.groupSizeFallback ?? 'error'}'}`,
    all_layers: int4?.allLayers === true ? 'True' : 'False',
    awq: 'False',
    backup_mode: 'int8_asym',
    compression_format: 'dequantize',
    gptq: 'False',
    group_size: String(int4?.groupSize ?? -1),
    ignored_scope: '[]',
    lora_correction: 'False',
    mode: `${recipe.weightFormat}_${recipe.symmetric ? 'sym' : 'asym'}`,
    ratio: pythonFloat(int4?.ratio ?? 1),
    scale_estimation: 'False',
    sensitivity_metric: 'weight_quantization_error',
  };
}

/** Python writes 1.0 where JavaScript writes 1. */
function pythonFloat(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** openvino_config.json: OVConfig with an OVWeightQuantizationConfig (optimum/intel/openvino/configuration.py). */
export function openvinoConfig(recipe: OpenvinoRecipe): object {
  const common = { dtype: recipe.weightFormat, input_info: null, output_attentions: false, save_onnx_model: false };
  if (!('symmetric' in recipe)) return common;
  const int4 = recipe.weightFormat === 'int4' ? recipe : null;
  return {
    ...common,
    quantization_config: {
      all_layers: int4?.allLayers ?? null,
      backup_precision: null,
      bits: int4 === null ? 8 : 4,
      dataset: null,
      dtype: recipe.weightFormat,
      gptq: null,
      group_size: int4?.groupSize ?? -1,
      group_size_fallback: int4?.groupSizeFallback ?? null,
      ignored_scope: null,
      lora_correction: null,
      num_samples: null,
      processor: null,
      quant_method: 'default',
      ratio: int4?.ratio ?? 1,
      scale_estimation: null,
      sensitivity_metric: null,
      statistics_path: null,
      sym: recipe.symmetric,
      tokenizer: null,
    },
  };
}
