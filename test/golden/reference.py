"""Hugging Face transformers as the reference: fp32, CPU, one thread, eager attention. Logits, greedy tokens, perplexity.

It does not choose models or prompts and writes no file.
"""

import math
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedModel

torch.use_deterministic_algorithms(True)
transformers.utils.logging.disable_progress_bar()


def versions() -> dict[str, str]:
    return {
        "transformers": transformers.__version__,
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
        "attention": "eager",
        "dtype": "float32",
    }


def load(folder: Path, **options) -> PreTrainedModel:
    """The model of a folder (or GGUF file: gguf_file=NAME) as transformers itself reads it."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True, **options
    )
    assert model.config._attn_implementation == "eager"
    return model.eval()


@torch.no_grad()
def logits_of(model: PreTrainedModel, token_ids: list[int]) -> np.ndarray:
    """fp32 [tokens, vocabulary], one pass without a cache."""
    return model(torch.tensor([token_ids]), use_cache=False).logits[0].float().numpy()


@dataclass(frozen=True)
class Greedy:
    token_ids: list[int]
    """Smallest difference between the first and the second logit over all chosen tokens."""
    smallest_gap: float

    @property
    def distinct_tokens(self) -> int:
        return len(set(self.token_ids))


@torch.no_grad()
def greedy(model: PreTrainedModel, prompt: list[int], count: int) -> Greedy:
    """`count` greedy tokens with transformers' own KV cache, end-of-text tokens not heeded, then checked against one
    pass without a cache: a choice that depends on rounding would show there."""
    token_ids: list[int] = []
    cache, feed = None, torch.tensor([prompt])
    for _ in range(count):
        output = model(feed, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        token_ids.append(int(output.logits[0, -1].argmax()))
        feed = torch.tensor([[token_ids[-1]]])
    rows = logits_of(model, prompt + token_ids[:-1])[len(prompt) - 1 :]
    top = np.sort(rows, axis=-1)
    gap = float((top[:, -1] - top[:, -2]).min())
    if gap > 1e-3:
        assert rows.argmax(axis=-1).tolist() == token_ids, "the cached and the uncached pass choose different tokens"
    return Greedy(token_ids, gap)


@torch.no_grad()
def greedy_recomputed(model: PreTrainedModel, prompt: list[int], count: int) -> Greedy:
    """`count` greedy tokens, each by a pass over the whole sequence without a cache: what a model means whose keys depend
    on how long the sequence is (longrope). A cache that goes on across the boundary holds keys of both regimes; that is
    no reference, though transformers' forward() lets it happen."""
    token_ids: list[int] = []
    gap = math.inf
    for _ in range(count):
        row = logits_of(model, prompt + token_ids)[-1]
        second, first = np.sort(row)[-2:]
        gap = min(gap, float(first - second))
        token_ids.append(int(row.argmax()))
    return Greedy(token_ids, gap)


def mean_negative_log_likelihood(model: PreTrainedModel, token_ids: list[int]) -> float:
    """Natural logarithm, over the tokens after the first. Perplexity is its exponential."""
    rows = torch.from_numpy(logits_of(model, token_ids)[:-1]).double()
    chosen = torch.log_softmax(rows, dim=-1)[torch.arange(len(token_ids) - 1), torch.tensor(token_ids[1:])]
    return float(-chosen.mean())


@torch.no_grad()
def sample(model: PreTrainedModel, start: list[int], length: int, temperature: float, seed: int) -> list[int]:
    """A sequence the model finds plausible but not certain: something to measure perplexity on."""
    generator = torch.Generator().manual_seed(seed)
    token_ids = list(start)
    while len(token_ids) < length:
        row = torch.from_numpy(logits_of(model, token_ids)[-1])
        token_ids.append(int(torch.multinomial(torch.softmax(row / temperature, -1), 1, generator=generator)))
    return token_ids
