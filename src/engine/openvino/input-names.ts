/** Names of the tensors that aipc gives a decoder's graph. */

/** i64 [1], the first row of hidden states that lm_head sees. */
export const LOGITS_FIRST_ROW = 'logits_first_row';

export const INPUT = {
  inputIds: 'input_ids',
  attentionMask: 'attention_mask',
  positionIds: 'position_ids',
  beamIdx: 'beam_idx',
  logitsFirstRow: LOGITS_FIRST_ROW,
} as const;
