/** The likeliest token of a row, and the check that a row of logits is usable at all. */
import { EngineError } from '../errors.js';

/**
 * The index of the largest logit, logits f32 [vocabularySize]; of equal ones the lowest.
 * Throws RUNTIME_FAILED where a logit is NaN or the largest is not finite: such a row comes from a broken model or
 * runtime, and no choice from it would mean anything.
 */
export function argmax(logits: Float32Array): number {
  let best = -Infinity;
  let index = -1;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] as number;
    // Written so that NaN, which is neither, comes through.
    if (!(logit <= best)) {
      if (Number.isNaN(logit)) refuse(`a NaN logit at token ${i}`, i);
      best = logit;
      index = i;
    }
  }
  if (index < 0) refuse('no finite logit', -1);
  if (best === Infinity) refuse(`an infinite logit at token ${index}`, index);
  return index;
}

function refuse(found: string, token: number): never {
  throw new EngineError(
    'RUNTIME_FAILED',
    `The model returned ${found}, so no token can be chosen. The weights may be damaged or may overflow in the dtype ` +
      `or on the device used: try weight format fp32 or device cpu.`,
    { details: { token } },
  );
}
