import { describe, expect, it } from 'vitest';
import { chooseOnnxFile, dataFilesOf } from './onnx-files.js';

const FILES = ['model.onnx', 'model_fp16.onnx', 'model_q4f16.onnx', 'model_q4.onnx', 'model_quantized.onnx'].map(
  (name) => `onnx/${name}`,
);

describe('chooseOnnxFile', () => {
  it('takes the only file, whatever its name', () => {
    expect(chooseOnnxFile('repo', ['decoder.onnx'], undefined)).toBe('decoder.onnx');
  });

  it.each([
    ['int4', 'onnx/model_q4.onnx'], // before q4f16, whose half precision CPUs widen
    ['int8', 'onnx/model_quantized.onnx'],
    ['fp16', 'onnx/model_fp16.onnx'],
    ['fp32', 'onnx/model.onnx'],
  ] as const)('takes for %s %s', (weightFormat, file) => {
    expect(chooseOnnxFile('repo', FILES, weightFormat)).toBe(file);
  });

  it('lists what there is where nothing says which one is meant, or none is in the asked format', () => {
    expect(() => chooseOnnxFile('repo', FILES, undefined)).toThrow(
      /repo holds several.*onnx\/model_q4f16\.onnx \(int4\).*--weight-format fp32\|fp16\|int4\|int8, or name the file/u,
    );
    expect(() => chooseOnnxFile('repo', FILES.slice(0, 2), 'int4')).toThrow(/no ONNX file in int4.*model_fp16\.onnx/u);
  });
});

describe('dataFilesOf', () => {
  it('takes the data files of one graph alone', () => {
    const names = ['m_q4.onnx', 'm_q4.onnx_data', 'm_q4.onnx_data_1', 'm_q4f16.onnx_data', 'm_q4.onnx.data', 'm_q4.onnx_x'];
    expect(dataFilesOf('m_q4.onnx', names)).toEqual(['m_q4.onnx_data', 'm_q4.onnx_data_1', 'm_q4.onnx.data']);
  });
});
