/** A bar chart of medians with their spread, as SVG. It knows nothing of what was measured. */
import { writeFile } from 'node:fs/promises';
import * as echarts from 'echarts';

const WIDTH = 960;
const PANEL_HEIGHT = 90;
const BAR_HEIGHT = 40;
/** Half the height of the ends of the thin line. */
const CAP = 5;
const COLORS = ['#2f6fb2', '#b0b7bf', '#8a929b', '#646b73', '#d3d8dd', '#4b5157'];

/**
 * Panels one below the other, each with an axis of its own that starts at 0. The thin line on a bar goes from the least
 * to the largest measurement. Bars of one `group` (else: of one name) have one colour in all panels.
 * @param {string} file
 * @param {{ title: string, subtitle: string, panels: readonly { name: string, unit: string, digits?: number,
 *   bars: readonly { name: string, group?: string, median: number, least: number, most: number }[] }[] }} chart
 */
export async function writeBarChart(file, { title, subtitle, panels }) {
  const groupOf = ({ name, group = name }) => group;
  const groups = [...new Set(panels.flatMap(({ bars }) => bars.map(groupOf)))];
  const color = (bar) => COLORS[groups.indexOf(groupOf(bar)) % COLORS.length];
  const top = 84 + 16 * subtitle.split('\n').length;
  const heights = panels.map(({ bars }) => bars.length * BAR_HEIGHT);
  const tops = heights.map(
    (_, index) => top + heights.slice(0, index).reduce((sum, height) => sum + height + PANEL_HEIGHT, 0),
  );
  const height = tops.at(-1) + heights.at(-1) + PANEL_HEIGHT;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    title: [
      { text: title, subtext: subtitle, left: 20, top: 16, itemGap: 8 },
      ...panels.map(({ name, unit }, index) => ({
        text: `${name} (${unit})`,
        left: 20,
        top: tops[index] - 30,
        textStyle: { fontSize: 14 },
      })),
    ],
    grid: panels.map((_, index) => ({ left: 230, right: 170, top: tops[index], height: heights[index] })),
    xAxis: panels.map((_, index) => ({ gridIndex: index, type: 'value', min: 0, splitLine: { show: true } })),
    yAxis: panels.map(({ bars }, index) => ({
      gridIndex: index,
      type: 'category',
      inverse: true,
      data: bars.map(({ name }) => name),
      axisTick: { show: false },
    })),
    series: panels.flatMap(({ bars, digits = 1, unit }, index) => [
      {
        type: 'bar',
        xAxisIndex: index,
        yAxisIndex: index,
        barWidth: BAR_HEIGHT * 0.55,
        data: bars.map((bar) => ({ value: bar.median, itemStyle: { color: color(bar) } })),
      },
      {
        type: 'custom',
        xAxisIndex: index,
        yAxisIndex: index,
        z: 3,
        encode: { x: [0, 1], y: 2 },
        data: bars.map((bar, row) => [bar.least, bar.most, row]),
        renderItem: ({ dataIndex }, api) => {
          const [left, y] = api.coord([api.value(0), api.value(2)]);
          const [right] = api.coord([api.value(1), api.value(2)]);
          const style = { stroke: '#222222', lineWidth: 1.5 };
          const line = (x1, y1, x2, y2) => ({ type: 'line', shape: { x1, y1, x2, y2 }, style });
          const text = `${bars[dataIndex].median.toFixed(digits)} ${unit}`;
          const spread = [
            line(left, y, right, y),
            line(left, y - CAP, left, y + CAP),
            line(right, y - CAP, right, y + CAP),
          ];
          const children = [
            ...(left === right ? [] : spread),
            { type: 'text', style: { text, x: right + 8, y, fill: '#222222', verticalAlign: 'middle' } },
          ];
          return { type: 'group', children };
        },
      },
    ]),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  await writeFile(file, svg.endsWith('\n') ? svg : `${svg}\n`);
}
