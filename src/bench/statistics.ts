/** Medians, percentiles and spreads of a few measurements. */

/** Of repeated measurements; nothing is left out. */
export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** In the order in which they were measured. */
  readonly values: readonly number[];
}

/** Of many measurements. */
export interface Percentiles {
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly least: number;
  readonly most: number;
}

/** The value below which `share` (0 to 1) of the values lie, with straight lines between neighbours. At least one value. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('There is no quantile of nothing.');
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** At least one value. */
export function summarise(values: readonly number[]): Summary {
  const { median, least, most } = percentiles(values);
  return { median, least, most, values: values.map(rounded) };
}

/** At least one value. */
export function percentiles(values: readonly number[]): Percentiles {
  return {
    median: rounded(quantile(values, 0.5)),
    p90: rounded(quantile(values, 0.9)),
    p99: rounded(quantile(values, 0.99)),
    least: rounded(quantile(values, 0)),
    most: rounded(quantile(values, 1)),
  };
}

/** To three digits after the point: microseconds where milliseconds are meant. */
export function rounded(value: number): number {
  return Number(value.toFixed(3));
}
