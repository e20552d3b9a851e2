/** Several saved reports as one, so that cells that were measured one by one stand in one table and one chart. */
import { OptionError } from '../errors.js';
import type { BenchReport } from './report.js';

/** At least one. Throws INPUT_INVALID for reports of another machine, model or settings: their cells do not compare. */
export function joinReports(reports: readonly BenchReport[]): BenchReport {
  const [first, ...others] = reports;
  if (first === undefined) throw new OptionError('INPUT_INVALID', 'There is no report to show.');
  const identity = ({ machine, model, settings }: BenchReport): string => JSON.stringify([machine, model, settings]);
  const stranger = others.find((report) => identity(report) !== identity(first));
  if (stranger !== undefined) {
    throw new OptionError(
      'INPUT_INVALID',
      `The reports differ in machine, model, tokens or repetitions: ${identity(first)} and ${identity(stranger)}. ` +
        'Show them one by one, or compare two of them with --compare.',
    );
  }
  return { ...first, cells: reports.flatMap(({ cells }) => cells) };
}
