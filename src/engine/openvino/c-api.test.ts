import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeWithOpenvino } from '../../../test/openvino.js';
import { ELEMENT_TYPE, loadOvApi, readableMessage, shapeOf, takePointer } from './c-api.js';

describe('readableMessage', () => {
  it('keeps what the runtime says and drops where in its sources it was', () => {
    const message =
      'Exception from src/inference/src/cpp/core.cpp:151:\nException from src/inference/src/dev/plugin.cpp:58:\n' +
      'NotFound: Unsupported property FOO\n  by CPU plugin.\n\n';
    expect(readableMessage(message)).toBe('NotFound: Unsupported property FOO by CPU plugin.');
  });
});

describeWithOpenvino("OpenVINO's C API", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-ov-api-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** y = x + 1, x f32 [?]. */
  async function writeModel(name = 'model'): Promise<[xml: string, bin: string]> {
    const port = (id: number, names = ''): string => `<port id="${id}" precision="FP32"${names}><dim>-1</dim></port>`;
    const xml = path.join(folder, `${name}.xml`);
    const bin = path.join(folder, `${name}.bin`);
    await writeFile(
      xml,
      `<?xml version="1.0"?><net name="n" version="11"><layers>
      <layer id="0" name="x" type="Parameter" version="opset1"><data shape="?" element_type="f32"/>
        <output>${port(0, ' names="x"')}</output></layer>
      <layer id="1" name="one" type="Const" version="opset1">
        <data element_type="f32" shape="1" offset="0" size="4"/>
        <output><port id="0" precision="FP32"><dim>1</dim></port></output></layer>
      <layer id="2" name="y" type="Add" version="opset1"><data auto_broadcast="numpy"/>
        <input>${port(0)}${port(1)}</input><output>${port(2, ' names="y"')}</output></layer>
      <layer id="3" name="r" type="Result" version="opset1"><input>${port(0)}</input></layer>
      </layers><edges><edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
      <edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
      <edge from-layer="2" from-port="2" to-layer="3" to-port="0"/></edges></net>`,
    );
    await writeFile(bin, Buffer.from(Float32Array.of(1).buffer));
    return [xml, bin];
  }

  it('knows its version and the CPU', async () => {
    const api = await loadOvApi();
    expect(api.version).toMatch(/^\d{4}\.\d+\.\d+$/);
    expect(api.buildNumber.startsWith(api.version)).toBe(true);
    expect(await api.async.availableDevices()).toContain('CPU');
    expect(await api.async.deviceProperty('CPU', 'FULL_DEVICE_NAME')).not.toBe('');
    expect(await loadOvApi()).toBe(api);
  });

  it('reads, compiles and infers with memory of this process, from a path in any script', async () => {
    const api = await loadOvApi();
    const model = await api.async.readModel(...(await writeModel('模型 näive')));
    const compiled = await api.async.compileModel(model, 'CPU', { INFERENCE_PRECISION_HINT: 'f32', NUM_STREAMS: '1' });
    api.ov_model_free(model);
    expect(await api.async.compiledModelProperty(compiled, 'EXECUTION_DEVICES')).toBe('CPU');
    const request = takePointer((out) => api.ov_compiled_model_create_infer_request(compiled, out));
    const [x, y] = [new Float32Array(new ArrayBuffer(12)), new Float32Array(new ArrayBuffer(12))];
    x.set([1, 2, 3]);
    const [input, output] = [x, y].map((data) =>
      takePointer((out) => api.ov_tensor_create_from_host_ptr(ELEMENT_TYPE.f32, shapeOf([3]), data, out)),
    ) as [bigint, bigint];
    api.ov_infer_request_set_tensor(request, 'x', input);
    api.ov_infer_request_set_tensor(request, 'y', output);
    await api.async.infer(request);
    expect([...y]).toEqual([2, 3, 4]);
    const elementType: [number] = [0];
    api.ov_tensor_get_element_type(output, elementType);
    expect(elementType[0]).toBe(ELEMENT_TYPE.f32);
    for (const tensor of [input, output]) api.ov_tensor_free(tensor);
    api.ov_infer_request_free(request);
    await api.async.freeCompiledModel(compiled);
  });

  it("rejects with the runtime's own words", async () => {
    const api = await loadOvApi();
    const [xml, bin] = await writeModel();
    await expect(api.async.readModel(path.join(folder, 'none.xml'), bin)).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
      message: expect.stringMatching(/^OpenVINO [\d.]+, ov_core_read_model\w*: .*none\.xml/) as string,
    });
    const model = await api.async.readModel(xml, bin);
    await expect(api.async.compileModel(model, 'CPU', { NO_SUCH: '1' })).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
      message: expect.stringContaining('Unsupported property NO_SUCH') as string,
    });
    api.ov_model_free(model);
  });
});
