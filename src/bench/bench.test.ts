/** Real cells of the demo model in processes of their own, and what is kept of them. No figure is asserted: only how they relate. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithOpenvino, openvinoEnvironment } from '../../test/openvino.js';
import { benchModel } from './bench.js';
import { ovConfigFor, resolveBenchOptions } from './bench-options.js';
import { drawChart } from './chart.js';
import { compareReports } from './compare.js';
import { joinReports } from './join-reports.js';
import { parseMeasurements, readMeasurements } from './measurements.js';
import { readReport } from './parse-report.js';
import { renderPng } from './png.js';
import { labelOf, type BenchReport } from './report.js';

// Before the cache moves: cells are processes of their own, which look for the library again.
const openvino = openvinoEnvironment();
const before = process.env['AIPC_CACHE'];
let folder: string;
let report: BenchReport;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-bench-'));
  process.env['AIPC_CACHE'] = path.join(folder, 'cache');
  report = await benchModel('demo', {
    devices: ['cpu:cpu', 'cpu:nonsense'],
    promptTokens: [16],
    newTokens: 8,
    repeats: 3,
    coldStarts: 2,
  });
});
afterAll(async () => {
  if (before === undefined) delete process.env['AIPC_CACHE'];
  else process.env['AIPC_CACHE'] = before;
  await rm(folder, { recursive: true });
});

const only = (): Extract<BenchReport['cells'][number], { status: 'measured' }> => {
  const [cell] = report.cells;
  if (cell?.status !== 'measured') throw new Error('the cell was not measured');
  return cell;
};

describe('benchModel', () => {
  it('measures each cell as often as it was asked, and the parts fit together', () => {
    const cell = only();
    expect(cell).toMatchObject({ device: 'cpu', provider: 'cpu', promptTokens: 16, usedWeightFormat: 'int4' });
    expect(cell.execution).toMatchObject({ device: 'cpu', emulated: false });
    expect(cell.tokenIntervalsMs.map((run) => run.length)).toEqual([7, 7, 7]);
    expect(cell.timeToFirstTokenMs.values).toHaveLength(3);
    expect(cell.coldStartMs.values).toHaveLength(2);
    // The process has to start and to load before its first token.
    expect(cell.coldStartMs.least).toBeGreaterThan(cell.loadMs.least);
    expect(cell.loadMs.least).toBeGreaterThan(0);
    const [first] = cell.tokenIntervalsMs;
    const wholeMs = first?.reduce((sum, ms) => sum + ms, 0) ?? 0;
    expect(cell.decodeTokensPerSecond?.values[0]).toBeCloseTo(7000 / wholeMs, 0);
    expect(cell.prefillTokensPerSecond.values[0]).toBeCloseTo(16_000 / (cell.timeToFirstTokenMs.values[0] ?? 0), -1);
    expect(cell.peakMemoryBytes).toBeGreaterThan(30e6);
    expect(cell.load.cpuPercent).toBeTypeOf('number');
  });

  it('calls an emulated device so, and says what computes', () => {
    const cell = only();
    const on = (device: string, provider: string): string =>
      labelOf({ ...cell, execution: { ...cell.execution, requested: 'auto', device, provider, emulated: true } });
    expect(on('cpu', 'openvino')).toBe('npu emulated on cpu, ONNX Runtime, int4');
    expect(on('gpu', 'webgpu')).toBe('gpu emulated in software, ONNX Runtime webgpu, int4');
  });

  it('has the reason in the place of a cell that cannot be measured', () => {
    expect(report.cells[1]).toMatchObject({ status: 'failed', device: 'cpu', provider: 'nonsense' });
    expect(report.cells[1]).toHaveProperty('error.code', 'OPTION_INVALID');
  });

  it('keeps what it measured for recommendations on this machine', async () => {
    const kept = await readMeasurements();
    expect(kept).toHaveLength(1);
    expect(kept[0]).toMatchObject({
      modelId: 'demo',
      deviceId: 'cpu',
      weightFormat: 'int4',
      promptTokens: 16,
      decodeTokensPerSecond: only().decodeTokensPerSecond?.median,
      measuredAt: report.startedAt,
    });
  });

  it('replaces a damaged file of measurements and says so; readers are told what to do', async () => {
    expect(() => parseMeasurements('{"schemaVersion":1,"measurements":[{}]}', 'FILE')).toThrow(/delete it/u);
    expect(() => parseMeasurements('{', 'FILE')).toThrow(expect.objectContaining({ code: 'FILE_MALFORMED' }));
    expect(() => parseMeasurements('{"schemaVersion":1,"measurements":{"length":1e9}}', 'FILE')).toThrow();
    const sound = JSON.stringify({ ...(await readMeasurements())[0], deviceId: '../../etc' });
    expect(() => parseMeasurements(`{"schemaVersion":1,"measurements":[${sound}]}`, 'FILE')).toThrow(/measurement 0/u);
  });

  it('ends with the reason of its signal, whatever its processes do', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => abort.abort(reason), 300);
    const options = { promptTokens: [16], newTokens: 2000, repeats: 1000, signal: abort.signal };
    await expect(benchModel('demo', options)).rejects.toBe(reason);
  });

  it('refuses options that make no sense', () => {
    for (const options of [
      { devices: ['cpu:'] },
      { devices: [] },
      { repeats: 0 },
      { promptTokens: [0] },
      { repeat: 3 },
    ]) {
      expect(() => resolveBenchOptions(options as object)).toThrow(expect.objectContaining({ name: 'OptionError' }));
    }
  });

  it('makes a cell of each device, provider, format and length', () => {
    const { cells } = resolveBenchOptions({
      devices: ['CPU', 'npu:openvino'],
      providers: ['cpu', 'openvino'],
      weightFormats: ['int4', 'int8'],
      promptTokens: [32, 64],
    });
    expect(cells).toHaveLength(3 * 2 * 2);
    expect(cells[0]).toEqual({ device: 'cpu', provider: 'cpu', weightFormat: 'int4', promptTokens: 32 });
  });

  it("gives OpenVINO's properties to OpenVINO's cells, and the NPU's to the NPU's", () => {
    const cell = { weightFormat: null, promptTokens: 1 };
    const config = { NPUW_DEVICES: 'CPU', PERFORMANCE_HINT: 'LATENCY' };
    expect(ovConfigFor({ ...cell, device: 'cpu', provider: 'cpu' }, config)).toBeUndefined();
    expect(ovConfigFor({ ...cell, device: 'cpu', provider: 'openvino' }, config)).toEqual({
      PERFORMANCE_HINT: 'LATENCY',
    });
    expect(ovConfigFor({ ...cell, device: 'npu', provider: 'auto' }, config)).toEqual(config);
  });
});

describe('a saved report', () => {
  const save = async (value: unknown): Promise<string> => {
    const file = path.join(folder, 'report.json');
    await writeFile(file, JSON.stringify(value));
    return file;
  };

  it('comes back as it was', async () => {
    expect(await readReport(await save(report))).toEqual(JSON.parse(JSON.stringify(report)));
  });

  it('is refused where it is something else', async () => {
    const [cell] = report.cells;
    for (const value of [
      null,
      { ...report, schemaVersion: 2 },
      { ...report, cells: [{}] },
      { ...report, cells: [{ ...cell, tokenIntervalsMs: [['1']] }] },
      { ...report, model: '\u001b[2J' },
    ]) {
      await expect(readReport(await save(value))).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
    }
  });

  it('stands beside others of the same machine, model and settings, and of no other', () => {
    expect(joinReports([report, { ...report, startedAt: 'later' }]).cells).toHaveLength(4);
    const other = { ...report, settings: { ...report.settings, newTokens: 9 } };
    expect(() => joinReports([report, other])).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
  });

  it('compares with another: what changed beyond the spreads, and what cannot be compared', () => {
    const cell = only();
    const twice = { median: 1000, least: 990, most: 1010, values: [990, 1000, 1010] };
    const faster = { ...cell, decodeTokensPerSecond: twice };
    const slow = { ...cell, decodeTokensPerSecond: { ...twice, median: 500, least: 490, most: 510 } };
    const { cells, remarks } = compareReports(
      { ...report, cells: [slow] },
      { ...report, cells: [faster], settings: { ...report.settings, newTokens: 9 } },
    );
    expect(cells[0]?.figures.find(({ name }) => name === 'decode')).toMatchObject({ ratio: 2, verdict: 'better' });
    expect(cells[0]?.figures.find(({ name }) => name === 'load')).toMatchObject({ ratio: 1, verdict: 'the same' });
    expect(remarks).toEqual(['the answers differ: 8 and 9 tokens']);
    expect(compareReports(report, { ...report, cells: [] }).cells).toEqual([]);
  });
});

describe('the chart', () => {
  it('has both forms, names what was measured and what was not, and is a picture as PNG', async () => {
    const svg = await drawChart(report);
    for (const text of ['Time to first token', 'Latency of each token', labelOf(only()), 'OPTION_INVALID']) {
      expect(svg).toContain(text);
    }
    const png = await renderPng(svg);
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    await writeFile(path.join(folder, 'chart.png'), png);
    expect((await readFile(path.join(folder, 'chart.png'))).length).toBeGreaterThan(10_000);
  });
});

describeWithOpenvino('benchModel on an emulated NPU', () => {
  it('says so, and keeps nothing of it', async () => {
    Object.assign(process.env, openvino);
    const kept = await readMeasurements();
    const options = {
      devices: ['npu'],
      promptTokens: [16],
      newTokens: 4,
      repeats: 1,
      ovConfig: { NPUW_DEVICES: 'CPU' },
    };
    const { cells } = await benchModel('demo', options);
    expect(cells[0]).toMatchObject({ status: 'measured', execution: { emulated: true } });
    expect(cells.map(labelOf)[0]).toMatch(/^npu emulated on cpu/u);
    expect(await readMeasurements()).toEqual(kept);
  });
});
