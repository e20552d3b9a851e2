/**
 * Whether the edges of an IR make a graph that the runtime can follow: it walks from the results back to the inputs by
 * recursion, without looking for cycles and without counting how deep it is. It does not know what layers compute.
 */
import { ModelFormatError } from '../../errors.js';
import type { IrXml } from './ir-xml.js';

/** Layers on the longest way through a graph. Phi-3-mini's, of 32 decoder layers, has about 1,000. */
export const MAX_GRAPH_DEPTH = 2 ** 14;

/**
 * Throws FILE_MALFORMED for an edge from or to nothing and for a cycle, FILE_LIMIT_EXCEEDED for a graph too deep. Returns
 * the ids of the layers in an order in which each follows those that feed it.
 */
export function checkGraph({ file, layers, sources }: IrXml): readonly string[] {
  const targets = new Map<string, string[]>();
  /** How many inputs of a layer come from layers that are not reached yet. */
  const waiting = new Map([...layers.keys()].map((id) => [id, 0]));
  for (const [input, from] of sources) {
    const to = input.slice(0, input.indexOf(':'));
    const count = waiting.get(to);
    if (count === undefined || !layers.has(from)) {
      throw malformed(file, `an edge leads from layer ${from} to ${to}, one of which is not there`);
    }
    waiting.set(to, count + 1);
    const known = targets.get(from);
    if (known === undefined) targets.set(from, [to]);
    else known.push(to);
  }
  let level = [...layers.keys()].filter((id) => waiting.get(id) === 0);
  const order: string[] = [];
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > MAX_GRAPH_DEPTH) {
      throw new ModelFormatError(
        'FILE_LIMIT_EXCEEDED',
        `${file}: more than ${MAX_GRAPH_DEPTH} layers follow one another. No decoder is as deep: it is damaged or hostile.`,
        { details: { file, limit: MAX_GRAPH_DEPTH } },
      );
    }
    order.push(...level);
    const next: string[] = [];
    for (const id of level) {
      for (const to of targets.get(id) ?? []) {
        const left = (waiting.get(to) ?? 0) - 1;
        waiting.set(to, left);
        if (left === 0) next.push(to);
      }
    }
    level = next;
  }
  if (order.length < layers.size) throw malformed(file, 'its edges make a cycle');
  return order;
}

function malformed(file: string, what: string): ModelFormatError {
  return new ModelFormatError(
    'FILE_MALFORMED',
    `${file}: ${what}. This is not a sound OpenVINO IR: download or export it anew.`,
    { details: { file } },
  );
}
