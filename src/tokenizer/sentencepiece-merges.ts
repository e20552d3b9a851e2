/**
 * Merges for a SentencePiece vocabulary, which has scores in their place: a pair of tokens merges if its concatenation
 * is a token, the highest score first. Among equal scores the order is that of the ids of the left, then of the right
 * token: so are the merges in the published tokenizer.json files of Llama 2 and Phi-3 (all 61,249 equal), and so runs
 * of spaces, whose tokens all have one score, come out as llama.cpp cuts them.
 */

interface Merge {
  readonly pair: readonly [left: string, right: string];
  readonly score: number;
  readonly leftId: number;
  readonly rightId: number;
}

/**
 * `vocabulary`: ids of the tokens that take part; `scores`: by id. Time grows with the total length of the tokens.
 * Null where there would be more than `maxMerges`.
 */
export function mergesFromScores(
  vocabulary: ReadonlyMap<string, number>,
  scores: Float32Array,
  maxMerges: number,
): (readonly [string, string])[] | null {
  const merges: Merge[] = [];
  for (const [token, id] of vocabulary) {
    const score = scores[id] ?? 0;
    for (let at = 1; at < token.length; at += 1) {
      const left = token.slice(0, at);
      const leftId = vocabulary.get(left);
      if (leftId === undefined) continue;
      const right = token.slice(at);
      const rightId = vocabulary.get(right);
      if (rightId === undefined) continue;
      if (merges.length === maxMerges) return null;
      merges.push({ pair: [left, right], score, leftId, rightId });
    }
  }
  merges.sort((a, b) => b.score - a.score || a.leftId - b.leftId || a.rightId - b.rightId);
  return merges.map(({ pair }) => pair);
}
