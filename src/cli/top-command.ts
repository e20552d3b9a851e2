/** `aipc top`: live load of CPU, memory, GPU and NPU, and of the models that run with aipc. */
import { Command } from 'commander';
import { monitorLoad } from '../load/monitor.js';
import { formatLoad, LoadHistory } from './load-view.js';
import { parseDecimal, parseInteger } from './parse.js';

/** Bumped when a field of --json changes its meaning. */
const JSON_SCHEMA_VERSION = 1;
const HISTORY_SAMPLES = 40;

const SCREEN = { enter: '\u001b[?1049h\u001b[?25l', leave: '\u001b[?25h\u001b[?1049l', clear: '\u001b[H\u001b[J' };

interface TopFlags {
  readonly interval: number;
  readonly samples?: number;
  readonly json?: true;
}

export function topCommand(signal: AbortSignal): Command {
  return new Command('top')
    .description('live load of CPU, memory, GPU and NPU, and of the models that run; Ctrl-C ends it')
    .option('--interval <seconds>', 'between two samples, from 0.1', parseDecimal, 1)
    .option('--samples <n>', 'end after so many', parseInteger)
    .option('--json', 'print one JSON object a line for each sample')
    .action((flags: TopFlags) => top(flags, signal));
}

async function top({ interval, samples = Infinity, json }: TopFlags, signal: AbortSignal): Promise<void> {
  const history = new LoadHistory(HISTORY_SAMPLES);
  const screen = json !== true && process.stdout.isTTY;
  const every = `every ${interval} s, Ctrl-C ends`;
  if (screen) process.stdout.write(`${SCREEN.enter}${SCREEN.clear}aipc top, ${every}\n`);
  try {
    let count = 0;
    for await (const sample of monitorLoad({ intervalMs: interval * 1000, signal })) {
      if (json === true) process.stdout.write(`${JSON.stringify({ schemaVersion: JSON_SCHEMA_VERSION, ...sample })}\n`);
      else {
        history.add(sample);
        const view = formatLoad(sample, history, screen ? process.stdout.columns : Infinity);
        const header = `aipc top, ${sample.time}${screen ? `, ${every}` : ''}\n`;
        process.stdout.write(`${screen ? SCREEN.clear : ''}${header}${view}${screen ? '' : '\n'}`);
      }
      if (++count >= samples) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error; // Ctrl-C is how it ends
  } finally {
    if (screen) process.stdout.write(SCREEN.leave);
  }
}
