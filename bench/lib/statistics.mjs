/** Medians and spreads of a few repeated measurements. */

export function median(values) {
  if (values.length === 0) throw new RangeError('There is no median of nothing.');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** { median, least, most, values }, to three digits after the point. */
export function summarise(values) {
  const rounded = (value) => Number(value.toFixed(3));
  return {
    median: rounded(median(values)),
    least: rounded(Math.min(...values)),
    most: rounded(Math.max(...values)),
    values: values.map(rounded),
  };
}

/** Of measurements taken in pairs: `numerators[i] / denominators[i]`, so that a slow minute strikes both. */
export function pairRatios(numerators, denominators) {
  return summarise(numerators.map((numerator, pair) => numerator / denominators[pair]));
}
