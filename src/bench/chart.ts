/**
 * A report as a chart, in the two forms of Microsoft's cookbook: latency by device as bars, and the latency of each token
 * over the run as lines. SVG, drawn without a browser. Readable in print and for the colour-blind: each device has a colour
 * of Okabe and Ito's palette, a hatching, a dash and a marker of its own, and its figures beside it.
 */
import type { EChartsOption, SeriesOption } from 'echarts';
import { labelOf, type BenchReport, type MeasuredCell } from './report.js';
import { quantile } from './statistics.js';

/** A hatching, as ECharts takes it. */
interface Decal {
  readonly symbol: 'rect' | 'circle' | 'triangle';
  readonly symbolSize?: number;
  dashArrayX: (number | number[])[];
  dashArrayY: number[];
  readonly rotation?: number;
}

const WIDTH = 1060;
const LEFT = 270;
const RIGHT = 200;
const BAR_HEIGHT = 34;
/** Between two panels: axis, title of the next. */
const GAP = 88;
const LINES_HEIGHT = 260;
const CAP = 5;
const TEXT = '#1a1a1a';
/** M. Okabe and K. Ito, Color Universal Design (2008), without its yellow, which print loses. */
const COLORS = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#444444'];
const DECALS: readonly (Decal | undefined)[] = [
  undefined,
  { symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 5], rotation: -Math.PI / 4 },
  {
    symbol: 'circle',
    dashArrayX: [
      [8, 8],
      [0, 8, 8, 0],
    ],
    dashArrayY: [6, 0],
    symbolSize: 0.8,
  },
  { symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [4, 3], rotation: Math.PI / 4 },
  {
    symbol: 'rect',
    dashArrayX: [
      [6, 6],
      [0, 6, 6, 0],
    ],
    dashArrayY: [6, 0],
  },
  { symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: 0 },
  {
    symbol: 'triangle',
    dashArrayX: [
      [9, 9],
      [0, 9, 9, 0],
    ],
    dashArrayY: [7, 2],
    symbolSize: 0.75,
  },
];
const DASHES = ['solid', [9, 4], [3, 3], [9, 3, 3, 3], [14, 4], [5, 2], [2, 5]] as const;
const MARKERS = ['circle', 'rect', 'triangle', 'diamond', 'emptyCircle', 'emptyRect', 'emptyTriangle'] as const;
/** Lines and bars that differ more than this many times are drawn on a logarithmic axis, which says so. */
const LINEAR_RANGE = 30;

/** The measured cells as a whole SVG document. Cells that failed are named below the title. */
export async function drawChart(report: BenchReport): Promise<string> {
  const { init } = await import('echarts');
  const measured = report.cells.flatMap((cell) => (cell.status === 'measured' ? [cell] : []));
  const labels = [...new Set(measured.map(labelOf))];
  const layout = new Layout(report, measured, labels);
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: layout.height });
  chart.setOption(layout.option);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg.endsWith('\n') ? svg : `${svg}\n`;
}

interface Panel {
  readonly title: string;
  readonly top: number;
  readonly height: number;
  readonly xAxis: NonNullable<EChartsOption['xAxis']>;
  readonly yAxis: NonNullable<EChartsOption['yAxis']>;
  series(index: number): readonly SeriesOption[];
}

class Layout {
  readonly height: number;
  readonly option: EChartsOption;
  readonly #labels: readonly string[];

  constructor(report: BenchReport, cells: readonly MeasuredCell[], labels: readonly string[]) {
    this.#labels = labels;
    const subtitle = subtitleOf(report, cells);
    const prompts = [...new Set(cells.map(({ promptTokens }) => promptTokens))];
    const panels: Panel[] = [];
    let top = 96 + 17 * subtitle.length;
    const add = (make: (top: number) => Panel | undefined): void => {
      const panel = make(top);
      if (panel === undefined) return;
      panels.push(panel);
      top += panel.height + GAP;
    };
    for (const prompt of prompts) {
      const of = cells.filter(({ promptTokens }) => promptTokens === prompt);
      const name = `prompt of ${prompt} tokens`;
      add((at) =>
        this.#bars(at, `Time to first token, ${name} (ms, median; line: least to most)`, of.map(firstTokenBar)),
      );
      add((at) =>
        this.#bars(at, `Time per token, ${name} (ms, median; line: least to 90th percentile)`, of.flatMap(tokenBar)),
      );
    }
    for (const prompt of prompts) {
      const of = cells.filter(({ promptTokens }) => promptTokens === prompt);
      add((at) =>
        this.#lines(
          at,
          `Latency of each token after the first, prompt of ${prompt} tokens (ms, median of repetitions)`,
          of,
        ),
      );
    }
    this.height = top - GAP + 70;
    this.option = {
      animation: false,
      backgroundColor: '#ffffff',
      textStyle: { fontFamily: 'DejaVu Sans, Segoe UI, Helvetica, Arial, sans-serif', color: TEXT },
      title: [
        {
          text: titleOf(report),
          subtext: subtitle.join('\n'),
          left: 20,
          top: 16,
          itemGap: 8,
          subtextStyle: { color: '#444444', lineHeight: 17 },
        },
        ...panels.map((panel) => ({
          text: panel.title,
          left: 20,
          top: panel.top - 34,
          textStyle: { fontSize: 14, color: TEXT },
        })),
      ],
      grid: panels.map((panel) => ({ left: LEFT, right: RIGHT, top: panel.top, height: panel.height })),
      xAxis: panels.map((panel, gridIndex) => Object.assign({}, panel.xAxis, { gridIndex })),
      yAxis: panels.map((panel, gridIndex) => Object.assign({}, panel.yAxis, { gridIndex })),
      series: panels.flatMap((panel, index) => [...panel.series(index)]),
    };
  }

  #style(label: string): number {
    return this.#labels.indexOf(label) % COLORS.length;
  }

  #bars(top: number, title: string, bars: readonly Bar[]): Panel | undefined {
    if (bars.length === 0) return undefined;
    const isWide = ratioOf(bars.map(({ median }) => median)) > LINEAR_RANGE;
    const least = 10 ** Math.floor(Math.log10(Math.min(...bars.map(({ median }) => median)) / 2));
    return {
      title: isWide ? `${title}, logarithmic` : title,
      top,
      height: bars.length * BAR_HEIGHT,
      xAxis: isWide ? { type: 'log', min: least, startValue: least, ...AXIS } : { type: 'value', min: 0, ...AXIS },
      yAxis: {
        type: 'category',
        inverse: true,
        data: bars.map(({ label }) => label),
        axisTick: { show: false },
        axisLabel: { color: TEXT, width: LEFT - 30, overflow: 'break' },
      },
      series: (index) => [
        {
          type: 'bar',
          xAxisIndex: index,
          yAxisIndex: index,
          barWidth: BAR_HEIGHT * 0.6,
          data: bars.map(({ label, median }) => {
            const style = this.#style(label);
            const decal = DECALS[style];
            return {
              value: median,
              itemStyle: {
                color: COLORS[style] ?? TEXT,
                borderColor: TEXT,
                borderWidth: 0.5,
                ...(decal === undefined ? {} : { decal: { ...decal, color: 'rgba(255,255,255,0.75)' } }),
              },
            };
          }),
        },
        spreads(index, bars),
      ],
    };
  }

  #lines(top: number, title: string, cells: readonly MeasuredCell[]): Panel | undefined {
    const lines = cells.flatMap((cell) => {
      const points = medianIntervals(cell.tokenIntervalsMs);
      return points.length < 2 ? [] : [{ label: labelOf(cell), points }];
    });
    if (lines.length === 0) return undefined;
    const isWide = ratioOf(lines.map(({ points }) => quantile(points, 0.5))) > LINEAR_RANGE / 3;
    const longest = Math.max(...lines.map(({ points }) => points.length));
    const ends = endLabels(
      lines.map(({ points }) => points.at(-1) ?? 0),
      isWide,
    );
    return {
      title: isWide ? `${title}, logarithmic` : title,
      top,
      height: LINES_HEIGHT,
      xAxis: {
        type: 'value',
        min: 2,
        max: longest + 1,
        name: 'token',
        nameLocation: 'middle',
        nameGap: 28,
        minInterval: 1,
        ...AXIS,
      },
      yAxis: {
        type: isWide ? 'log' : 'value',
        ...(isWide ? {} : { min: 0 }),
        ...AXIS,
      },
      series: (index) =>
        lines.map(({ label, points }, line): SeriesOption => {
          const style = this.#style(label);
          const every = Math.max(1, Math.round(points.length / 12));
          return {
            type: 'line',
            xAxisIndex: index,
            yAxisIndex: index,
            data: points.map((ms, token) => ({
              value: [token + 2, ms],
              // A marker now and then, at another place for each line, so that lines on each other can be told apart.
              symbol: (token + line * Math.ceil(every / lines.length)) % every === 0 ? MARKERS[style] : 'none',
            })),
            symbolSize: 8,
            showAllSymbol: true,
            lineStyle: { color: COLORS[style], width: 2, type: DASHES[style] },
            itemStyle: { color: COLORS[style] },
            endLabel: {
              show: true,
              formatter: label,
              width: RIGHT - 14,
              overflow: 'break',
              color: TEXT,
              fontSize: 11,
              offset: [0, ends[line] ?? 0],
            },
          } as SeriesOption;
        }),
    };
  }
}

const AXIS = {
  axisLabel: { color: TEXT },
  axisLine: { show: true, lineStyle: { color: TEXT } },
  splitLine: { show: true, lineStyle: { color: '#d9d9d9' } },
} as const;

interface Bar {
  readonly label: string;
  readonly median: number;
  readonly from: number;
  readonly to: number;
}

function firstTokenBar(cell: MeasuredCell): Bar {
  const { median, least, most } = cell.timeToFirstTokenMs;
  return { label: labelOf(cell), median, from: least, to: most };
}

function tokenBar(cell: MeasuredCell): readonly Bar[] {
  const times = cell.timePerTokenMs;
  return times === null ? [] : [{ label: labelOf(cell), median: times.median, from: times.least, to: times.p90 }];
}

/** The thin lines on the bars, and the figures beside them. */
function spreads(index: number, bars: readonly Bar[]): SeriesOption {
  return {
    type: 'custom',
    xAxisIndex: index,
    yAxisIndex: index,
    z: 3,
    encode: { x: [0, 1], y: 2 },
    data: bars.map(({ median, from, to }, row) => [from, Math.max(median, to), row]),
    renderItem: (
      { dataIndex }: { dataIndex: number },
      api: { value(dimension: number): number; coord(point: number[]): number[] },
    ) => {
      const [left = 0, y = 0] = api.coord([api.value(0), api.value(2)]);
      const [right = 0] = api.coord([api.value(1), api.value(2)]);
      const style = { stroke: TEXT, lineWidth: 1.5 };
      const line = (x1: number, y1: number, x2: number, y2: number): object => ({
        type: 'line',
        shape: { x1, y1, x2, y2 },
        style,
      });
      const median = bars[dataIndex]?.median ?? Number.NaN;
      const text = `${median.toFixed(digitsFor(median))} ms`;
      return {
        type: 'group',
        children: [
          ...(left === right
            ? []
            : [line(left, y, right, y), line(left, y - CAP, left, y + CAP), line(right, y - CAP, right, y + CAP)]),
          { type: 'text', style: { text, x: right + 8, y, fill: TEXT, verticalAlign: 'middle' } },
        ],
      };
    },
  } as unknown as SeriesOption;
}

/** Vertical offsets that keep the labels at the lines' ends apart, in pixels. */
function endLabels(values: readonly number[], isLogarithmic: boolean): readonly number[] {
  const scaled = values.map((value) => (isLogarithmic ? Math.log10(value) : value));
  const low = isLogarithmic ? Math.floor(Math.min(...scaled)) : 0;
  const high = isLogarithmic ? Math.ceil(Math.max(...scaled)) : Math.max(...scaled) * 1.15;
  const natural = scaled.map((value) => LINES_HEIGHT * (1 - (value - low) / (high - low || 1)));
  const order = natural.map((_, index) => index).sort((a, b) => (natural[a] ?? 0) - (natural[b] ?? 0));
  const placed = [...natural];
  let floor = -Infinity;
  for (const index of order) {
    placed[index] = Math.max(natural[index] ?? 0, floor);
    floor = (placed[index] ?? 0) + 30;
  }
  const overhang = Math.max(0, floor - 30 - LINES_HEIGHT);
  return placed.map((y, index) => y - overhang - (natural[index] ?? 0));
}

/** The median of the repetitions, token by token. */
function medianIntervals(runs: readonly (readonly number[])[]): readonly number[] {
  const length = Math.max(0, ...runs.map((run) => run.length));
  return Array.from({ length }, (_, token) =>
    quantile(
      runs.flatMap((run) => run[token] ?? []),
      0.5,
    ),
  );
}

function ratioOf(values: readonly number[]): number {
  return Math.max(...values) / Math.max(Math.min(...values), Number.EPSILON);
}

function digitsFor(value: number): number {
  return value < 10 ? 2 : value < 100 ? 1 : 0;
}

function titleOf({ model, settings }: BenchReport): string {
  return `aipc bench: ${model}, ${settings.newTokens} new tokens, ${settings.repeats} repetitions`;
}

function subtitleOf({ machine, cells, startedAt }: BenchReport, measured: readonly MeasuredCell[]): readonly string[] {
  const runtimes = [...new Set(measured.map(({ execution }) => execution.runtimeVersion))];
  const emulated = measured.some(({ execution }) => execution.emulated);
  const failed = cells.flatMap((cell) => (cell.status === 'failed' ? [`${labelOf(cell)} (${cell.error.code})`] : []));
  return [
    `${machine.cpu}, ${machine.logicalProcessors} logical processors, ${machine.memoryGiB} GiB, ${machine.system}, Node.js ${machine.node}, ${startedAt.slice(0, 10)}`,
    runtimes.join(', '),
    ...(emulated
      ? ['An emulated device computes on other hardware: its figures say nothing about the device itself.']
      : []),
    ...(failed.length > 0 ? [`Not measured: ${[...new Set(failed)].join(', ')}`] : []),
  ];
}
