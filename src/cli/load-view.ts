/** Load in words and lines for a terminal. It reads no counter. */
import type { MeanLoad } from '../load/load-meter.js';
import {
  isKnown,
  type AcceleratorLoad,
  type LoadSample,
  type Reading,
  type RunningModel,
} from '../load/load-sample.js';
import { deviceInWords } from '../model/result.js';
import { formatTable } from './sizes.js';

const BARS = '▁▂▃▄▅▆▇█';
/** Of a bar's height. */
const STEPS = BARS.length;
const GIBIBYTE = 2 ** 30;

/** One bar for each percentage, the latest at the right; a gap where nothing was known. */
function sparkline(percents: readonly Reading[]): string {
  return percents
    .map((percent) =>
      isKnown(percent) ? (BARS[Math.min(STEPS - 1, Math.floor((percent / 100) * STEPS))] ?? ' ') : ' ',
    )
    .join('');
}

/** `47 %`, or `not available (needs kernel 6.11, this is 6.8.0)`. */
export function formatReading(reading: Reading, unit: string, digits = 0): string {
  return isKnown(reading) ? `${reading.toFixed(digits)} ${unit}` : `not available (${reading.notAvailable})`;
}

/** What was seen of each processor, oldest first. */
export class LoadHistory {
  readonly #length: number;
  readonly #percents = new Map<string, Reading[]>();

  constructor(length: number) {
    this.#length = length;
  }

  add(sample: LoadSample): void {
    const { totalBytes, usedBytes } = sample.memory;
    this.#push('cpu', sample.cpu.utilizationPercent);
    this.#push('memory', (100 * usedBytes) / totalBytes);
    for (const { id, utilizationPercent } of sample.accelerators) this.#push(id, utilizationPercent);
  }

  line(key: string): string {
    return sparkline(this.#percents.get(key) ?? []).padStart(this.#length);
  }

  #push(key: string, percent: Reading): void {
    const percents = this.#percents.get(key) ?? [];
    percents.push(percent);
    if (percents.length > this.#length) percents.shift();
    this.#percents.set(key, percents);
  }
}

/** The whole view, for a terminal of that width. */
export function formatLoad(sample: LoadSample, history: LoadHistory, columns: number): string {
  const { cpu, memory, accelerators, acceleratorsNotAvailable, models } = sample;
  const percent = (reading: Reading): string => (isKnown(reading) ? `${reading.toFixed(0)} %` : 'n/a').padStart(5);
  const cores = cpu.coresPercent.map((core) => core.toFixed(0)).join(' ');
  const memoryPercent = (100 * memory.usedBytes) / memory.totalBytes;
  const lines = [
    `CPU ${percent(cpu.utilizationPercent)} ${history.line('cpu')}  each ${cores}; ${frequency(cpu.frequencyMhz)}`,
    `RAM ${percent(memoryPercent)} ${history.line('memory')}  ${gibibytes(memory.usedBytes)} of ${gibibytes(memory.totalBytes)}`,
    ...accelerators.flatMap((device) => [
      `${device.kind.toUpperCase()} ${percent(device.utilizationPercent)} ${history.line(device.id)}  ${device.name}, ${device.id}`,
      ...describeAccelerator(device).map((line) => `          ${line}`),
    ]),
    ...(accelerators.length === 0 && acceleratorsNotAvailable === null
      ? ['no GPU and no NPU that this system shows']
      : []),
    ...(acceleratorsNotAvailable === null ? [] : [`GPU, NPU: ${acceleratorsNotAvailable}`]),
    '',
    ...(models.length === 0 ? ['no model runs with aipc'] : formatModels(models).trimEnd().split('\n')),
  ];
  return lines.map((line) => `${line.slice(0, columns)}\n`).join('');
}

function describeAccelerator(device: AcceleratorLoad): string[] {
  const { utilizationPercent, memoryUsedBytes, memoryTotalBytes, frequencyMhz, maxFrequencyMhz, scope } = device;
  const of = isKnown(memoryTotalBytes) ? ` of ${gibibytes(memoryTotalBytes)}` : '';
  const most = isKnown(maxFrequencyMhz) ? ` of ${maxFrequencyMhz.toFixed(0)}` : '';
  const whose = scope === 'visible-processes' ? ', of the programs that you may look at' : '';
  return [
    ...(isKnown(utilizationPercent) ? [] : [`load ${formatReading(utilizationPercent, '%')}`]),
    `memory ${isKnown(memoryUsedBytes) ? gibibytes(memoryUsedBytes) + of : formatReading(memoryUsedBytes, '')}${whose}`,
    `clock ${isKnown(frequencyMhz) ? `${frequencyMhz.toFixed(0)}${most} MHz` : formatReading(frequencyMhz, 'MHz')}`,
  ];
}

function frequency(reading: Reading): string {
  return isKnown(reading) ? `${reading.toFixed(0)} MHz` : `clock ${formatReading(reading, 'MHz')}`;
}

function formatModels(models: readonly RunningModel[]): string {
  const rows = models.map((model) => [
    model.weightFormat === null ? model.modelId : `${model.modelId} ${model.weightFormat}`,
    `${deviceInWords(model)}, ${model.provider}`,
    model.state,
    model.tokensPerSecond === null ? '-' : model.tokensPerSecond.toFixed(1),
    `${model.kvCacheTokens} of ${model.contextTokens}`,
    String(model.outputTokens),
    String(model.processId),
  ]);
  return formatTable([['MODEL', 'COMPUTES ON', 'DOES', 'TOKENS/S', 'KV CACHE', 'TOKENS', 'PROCESS'], ...rows]);
}

function gibibytes(bytes: number): string {
  return `${(bytes / GIBIBYTE).toFixed(1)} GiB`;
}

/** One line: `CPU 97 %, this process 95 %; NPU (intel_vpu) not available (...)`. */
export function formatMeanLoad({
  cpuPercent,
  ownCpuPercent,
  accelerators,
  acceleratorsNotAvailable,
}: MeanLoad): string {
  const devices = accelerators.map(
    ({ kind, name, utilizationPercent, scope }) =>
      `; ${kind.toUpperCase()} ${formatReading(utilizationPercent, '%')}${scope === 'device' ? '' : ' by your programs'}, ${name}`,
  );
  const others = acceleratorsNotAvailable === null ? '' : `; GPU, NPU: ${acceleratorsNotAvailable}`;
  return `CPU ${formatReading(cpuPercent, '%')}, this process ${ownCpuPercent.toFixed(0)} %${devices.join('')}${others}`;
}
