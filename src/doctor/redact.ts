/**
 * Takes out of a report what is the user's own: name, home folder, host name, serial numbers, hardware addresses, unique
 * ids, tokens. Paths stay readable from the home folder on. Pure.
 */

export interface PersonalData {
  readonly userName: string;
  readonly homeFolder: string;
  readonly hostName: string;
}

/** Shorter names are parts of too many words; they still go out of paths. */
const SHORTEST_NAME = 3;

/** Every text in `value`, at any depth; keys are aipc's own and stay. */
export function redactAll<T>(value: T, personal: PersonalData): T {
  if (typeof value === 'string') return redact(value, personal) as T;
  if (Array.isArray(value)) return value.map((entry: unknown) => redactAll(entry, personal)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, redactAll(entry as unknown, personal)]),
  ) as T;
}

export function redact(text: string, { userName, homeFolder, hostName }: PersonalData): string {
  let result = text;
  // As it is, with the slashes turned, and as JSON within JSON writes it.
  for (const home of new Set([homeFolder, homeFolder.replaceAll('\\', '/'), homeFolder.replaceAll('\\', '\\\\')])) {
    if (home.length > 1) result = replaceIgnoringCase(result, home, '~');
  }
  result = result
    .replace(/([a-z]:)?([\\/]+)(users|home)([\\/]+)[^\\/\s'":;,]+/giu, '$1$2$3$4<user>')
    .replace(/\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b/giu, '<hardware address>')
    .replace(/\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/giu, '<unique id>')
    .replace(/\bhf_[A-Za-z0-9]{8,}/gu, '<token>')
    .replace(
      /\b(serial(?:[ _-]?(?:number|no\.?))?["']?\s*[:=]?\s*["']?)(?=[A-Z0-9-]*\d)[A-Z0-9-]{4,}/giu,
      '$1<serial number>',
    )
    .replace(/[\w.+-]+@[\w-]+(?:\.[\w-]+)+/gu, '<address>')
    .replace(/\/\/[^/\s:@]+:[^/\s@]+@/gu, '//<user>@');
  for (const [name, stand] of [
    [hostName, '<host>'],
    [hostName.split('.')[0] ?? '', '<host>'],
    [userName, '<user>'],
  ] as const) {
    if (name.length >= SHORTEST_NAME) result = replaceWord(result, name, stand);
  }
  return result;
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/gu, '\\$&');
}

function replaceIgnoringCase(text: string, part: string, by: string): string {
  return text.replace(new RegExp(escape(part), 'giu'), () => by);
}

/** Not inside of another word: `Anna` stays in `Annapurna`. */
function replaceWord(text: string, word: string, by: string): string {
  return text.replace(new RegExp(`(?<![\\p{L}\\p{N}])${escape(word)}(?![\\p{L}\\p{N}])`, 'giu'), () => by);
}
