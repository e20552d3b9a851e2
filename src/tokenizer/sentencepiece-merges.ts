/**
 * Merges for a SentencePiece vocabulary, which has scores in their place: a pair of tokens merges if its concatenation
 * is a token, the highest score first. The same order as transformers' converter for Llama
 * (convert_slow_tokenizer.py: generate_merges), on which Hugging Face's ids for such models rest.
 */

interface Merge {
  readonly left: string;
  readonly right: string;
  readonly score: number;
  readonly leftLength: number;
  readonly rightLength: number;
}

/**
 * `vocabulary`: ids of the tokens that take part, in ascending order of ids; `scores`: by id.
 * Time and memory grow with the total length of the tokens.
 */
export function mergesFromScores(
  vocabulary: ReadonlyMap<string, number>,
  scores: Float32Array,
): (readonly [string, string])[] {
  const merges: Merge[] = [];
  for (const [token, id] of vocabulary) {
    const characters = Array.from(token);
    const local: { merge: Merge; leftId: number; rightId: number }[] = [];
    let at = 0;
    for (const [index, character] of characters.entries()) {
      at += character.length;
      if (index === characters.length - 1) break;
      const left = token.slice(0, at);
      const right = token.slice(at);
      const leftId = vocabulary.get(left);
      const rightId = vocabulary.get(right);
      if (leftId === undefined || rightId === undefined) continue;
      const leftLength = index + 1;
      const rightLength = characters.length - leftLength;
      local.push({ merge: { left, right, score: scores[id] ?? 0, leftLength, rightLength }, leftId, rightId });
    }
    local.sort((a, b) => a.leftId - b.leftId || a.rightId - b.rightId);
    merges.push(...local.map(({ merge }) => merge));
  }
  merges.sort((a, b) => b.score - a.score || b.leftLength - a.leftLength || b.rightLength - a.rightLength);
  return merges.map(({ left, right }) => [left, right]);
}
