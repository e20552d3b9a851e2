/** Long texts in parts, so that what is made of them on the way is small and is made in the same memory again. */

/** UTF-16 code units: what is made of a part lies in a core's cache. */
export const PART_UNITS = 1 << 14;

/** The parts of text.slice(start, end), none of which ends within a surrogate pair. */
export function* textParts(text: string, start: number, end: number): Generator<string> {
  for (let at = start; at < end;) {
    let partEnd = Math.min(at + PART_UNITS, end);
    const next = text.charCodeAt(partEnd);
    if (partEnd < end && next >= 0xdc00 && next < 0xe000) partEnd += 1;
    yield text.slice(at, partEnd);
    at = partEnd;
  }
}
