import { describe, expect, it } from 'vitest';
import { loadOrtApi } from './c-api.js';
import { createSessionOptions, resolveSessionOptions } from './session-options.js';

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
