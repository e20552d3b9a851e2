"""Scope: loss, exact answers and logit gaps of a model on given conversations.

An answer counts as exact when every one of its tokens, the end marker included,
is the most likely one after the tokens before it: greedy decoding then gives
this answer. Does not choose the conversations.
"""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Result:
    exact: list[bool]  # one per conversation
    smallest_gap: float  # between the expected token's logit and the best other one
    loss: float  # mean cross-entropy per predicted token

    @property
    def exact_rate(self) -> float:
        return sum(self.exact) / len(self.exact)


def padded(samples: list[tuple[list[int], list[bool]]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and the mask of predicted tokens, padded on the right with 0 and False."""
    longest = max(len(ids) for ids, _ in samples)
    ids = torch.zeros(len(samples), longest, dtype=torch.long)
    mask = torch.zeros(len(samples), longest, dtype=torch.bool)
    for row, (sample_ids, predicted) in enumerate(samples):
        ids[row, : len(sample_ids)] = torch.tensor(sample_ids)
        mask[row, : len(predicted)] = torch.tensor(predicted)
    return ids, mask


def predicted_logits(model: nn.Module, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and targets at the positions whose next token is to be predicted."""
    model.set_attn_implementation("eager" if ids.shape[1] > 256 else "sdpa")  # faster on CPU for long rows
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    wanted = mask[:, 1:]
    return model.lm_head(hidden[:, :-1][wanted]), ids[:, 1:][wanted]


@torch.no_grad()
def measure(model: nn.Module, samples: list[tuple[list[int], list[bool]]], batch: int = 16) -> Result:
    order = sorted(range(len(samples)), key=lambda index: len(samples[index][0]))
    exact = [False] * len(samples)
    gaps, losses, count = [], 0.0, 0
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        ids, mask = padded([samples[index] for index in chosen])
        logits, targets = predicted_logits(model, ids, mask)
        logits = logits.float()
        losses += nn.functional.cross_entropy(logits, targets, reduction="sum").item()
        count += len(targets)
        own = logits.gather(1, targets[:, None])[:, 0]
        others = logits.scatter(1, targets[:, None], float("-inf")).amax(dim=1)
        gap = own - others
        gaps.append(gap.min().item())
        for index, part in zip(chosen, gap.split(mask[:, 1:].sum(dim=1).tolist())):
            exact[index] = bool((part > 0).all())
    return Result(exact, min(gaps), losses / count)
