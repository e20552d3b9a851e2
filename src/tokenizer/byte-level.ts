/**
 * GPT-2's byte-level alphabet: each of the 256 bytes is written as one printable character, so that a vocabulary of
 * strings can hold any byte. https://github.com/openai/gpt-2/blob/master/src/encoder.py (bytes_to_unicode)
 */

/** True for the bytes that stand for themselves as Latin-1 characters. */
function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

const CHARACTER_OF_BYTE: readonly string[] = (() => {
  const characters: string[] = [];
  let others = 0;
  for (let byte = 0; byte < 256; byte += 1) {
    characters.push(String.fromCharCode(isPrintable(byte) ? byte : 256 + others));
    if (!isPrintable(byte)) others += 1;
  }
  return characters;
})();

const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  CHARACTER_OF_BYTE.map((character, byte) => [character, byte]),
);

const utf8 = new TextEncoder();

/** The UTF-8 bytes of a text, each written in the byte-level alphabet. */
export function toByteLevel(text: string): string {
  let result = '';
  for (const byte of utf8.encode(text)) result += CHARACTER_OF_BYTE[byte] ?? '';
  return result;
}

/** The bytes that a token stands for; a token with a character outside the alphabet stands for its UTF-8 bytes. */
export function fromByteLevel(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i += 1) {
    const byte = BYTE_OF_CHARACTER.get(token.charAt(i));
    if (byte === undefined) return utf8.encode(token);
    bytes[i] = byte;
  }
  return bytes;
}
