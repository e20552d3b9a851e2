import { describe, expect, it } from 'vitest';
import { loadOrtApi } from './c-api.js';
import {
  createSessionOptions,
  ignoredFolderOptions,
  refuseCustomOperators,
  resolveSessionOptions,
} from './session-options.js';

describe('resolveSessionOptions', () => {
  it('lets the caller win over the folder, and the folder over the defaults', () => {
    const spin = 'session.intra_op.spin_duration_us';
    const folder = { [spin]: '5', graph_optimization_level: 'ORT_ENABLE_BASIC' };
    expect(resolveSessionOptions({}, {}, undefined)[spin]).toBe('100');
    expect(resolveSessionOptions(folder, {}, undefined)).toMatchObject(folder);
    expect(resolveSessionOptions(folder, { [spin]: '7' }, undefined)[spin]).toBe('7');
    expect(resolveSessionOptions({ intra_op_num_threads: '9' }, {}, 3)['intra_op_num_threads']).toBe('3');
  });

  it('does not let a folder make the runtime write files or read weights elsewhere', () => {
    const hostile = {
      'ep.context_file_path': '/tmp/x',
      'session.model_external_initializers_file_folder_path': '/etc',
      enable_profiling: 'trace',
      optimized_model_filepath: '/tmp/x',
    };
    const resolved = resolveSessionOptions(hostile, {}, undefined);
    for (const key of Object.keys(hostile)) expect(resolved).not.toHaveProperty([key]);
  });

  it("takes a folder's entries that say how to compute, and genai's own names for some", () => {
    const folder = {
      'session.intra_op.allow_spinning': '0',
      'optimization.disable_specified_optimizers': 'MatMulNBitsFusion',
      enable_quant_qdq_cleanup: 'true',
      log_id: 'onnxruntime-genai',
      'session.load_model_format': 'ORT',
    };
    expect(resolveSessionOptions(folder, {}, undefined)).toMatchObject({
      'session.intra_op.allow_spinning': '0',
      'optimization.disable_specified_optimizers': 'MatMulNBitsFusion',
      'session.enable_quant_qdq_cleanup': '1',
    });
    expect(ignoredFolderOptions(folder)).toEqual(['session.load_model_format']);
  });

  it('refuses a folder that brings code', () => {
    expect(() => refuseCustomOperators('genai_config.json', { custom_ops_library: 'evil.so' })).toThrow(
      expect.objectContaining({ code: 'MODEL_FEATURE_UNSUPPORTED' }),
    );
    refuseCustomOperators('genai_config.json', { custom_ops_library: '' });
  });

  it("refuses the caller's misspelt options", () => {
    expect(() => resolveSessionOptions({}, { graph_optimisation_level: 'ORT_DISABLE_ALL' }, undefined)).toThrow(
      expect.objectContaining({ code: 'OPTION_UNKNOWN' }),
    );
  });
});

describe('createSessionOptions', () => {
  it('takes every known option and any configuration entry', async () => {
    const api = await loadOrtApi();
    const options = createSessionOptions(api, {
      intra_op_num_threads: '2',
      graph_optimization_level: 'ORT_ENABLE_EXTENDED',
      enable_cpu_mem_arena: 'false',
      enable_mem_pattern: '1',
      log_severity_level: '4',
      'session.set_denormal_as_zero': '1',
    });
    api.ReleaseSessionOptions(options);
    expect(options).not.toBe(0n);
  });

  it.each([
    ['intra_op_num_threads', '-1'],
    ['intra_op_num_threads', 'two'],
    ['graph_optimization_level', '99'],
    ['enable_mem_pattern', 'maybe'],
    ['log_severity_level', '7'],
  ])('refuses %s = %s', async (key, value) => {
    const api = await loadOrtApi();
    expect(() => createSessionOptions(api, { [key]: value })).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    );
  });
});
