import { describe, expect, it } from 'vitest';
import { folderProviderOptions, joinedTableOffset } from './folder-provider-options.js';

const config = (provider: string, options: Readonly<Record<string, string>>) => ({
  providerOptions: new Map([[provider, options]]),
});

describe('folderProviderOptions', () => {
  it('takes what says how a provider computes, whatever the case, and nothing of other providers', () => {
    const asked = config('webgpu', { VALIDATIONMODE: 'basic', enableGraphCapture: '1', deviceId: '3' });
    expect(folderProviderOptions(asked, 'webgpu')).toEqual({ validationMode: 'basic' });
    expect(folderProviderOptions(asked, 'dml')).toEqual({});
  });

  it('takes no addresses, devices or captured graphs', () => {
    const hostile = { user_compute_stream: '4096', gpu_external_alloc: '1', device_id: '1', enable_cuda_graph: '1' };
    expect(folderProviderOptions(config('cuda', hostile), 'cuda')).toEqual({});
  });
});

describe('joinedTableOffset', () => {
  it('is where the second rotary table begins', () => {
    expect(joinedTableOffset(config('webgpu', { multiRotaryCacheConcatOffset: '4096' }))).toBe(4096);
    for (const text of ['0', '-1', 'much', '9e99', '999999999999']) {
      expect(joinedTableOffset(config('webgpu', { multiRotaryCacheConcatOffset: text }))).toBeUndefined();
    }
  });
});
