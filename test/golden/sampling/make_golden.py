"""Probabilities after transformers' chain of logits processors, for src/sampling/sampling.test.ts.

Run with Python 3.11+, torch and transformers (made with torch 2.15, transformers 5.23):
    python test/golden/sampling/make_golden.py > test/golden/sampling/probabilities.json

For each set of options: random float32 logits [vocabulary], a random history, and the probability of every token
after repetition penalty (in float32, the logits' dtype), temperature, top-k, top-p and min-p (in float64). Cases where a token sits within 1e-9 of
a top-p or min-p limit would test rounding, not meaning, and are drawn again.
"""

import json

import torch
from transformers import __version__
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

VOCABULARY = 48
OPTIONS = [
    {"temperature": 1.0},
    {"temperature": 0.3},
    {"temperature": 1.7},
    {"topK": 1},
    {"topK": 5},
    {"topK": 1000},
    {"topP": 0.1},
    {"topP": 0.9},
    {"topP": 0.999},
    {"minP": 0.05},
    {"minP": 0.5},
    {"temperature": 0.7, "topK": 10},
    {"temperature": 0.7, "topP": 0.8},
    {"temperature": 1.5, "topK": 20, "topP": 0.9},
    {"temperature": 1.5, "topK": 20, "topP": 0.95, "minP": 0.1},
    {"temperature": 1.0, "repetitionPenalty": 1.3},
    {"temperature": 0.8, "repetitionPenalty": 0.7, "topK": 12},
    {"temperature": 0.9, "repetitionPenalty": 1.1, "topK": 30, "topP": 0.85, "minP": 0.02},
]


def processors(options):
    chain = []
    if "repetitionPenalty" in options:
        chain.append(RepetitionPenaltyLogitsProcessor(options["repetitionPenalty"]))
    if "temperature" in options:
        chain.append(TemperatureLogitsWarper(options["temperature"]))
    if "topK" in options:
        chain.append(TopKLogitsWarper(options["topK"]))
    if "topP" in options:
        chain.append(TopPLogitsWarper(options["topP"]))
    if "minP" in options:
        chain.append(MinPLogitsWarper(options["minP"]))
    return chain


def probabilities(options, logits, history):
    scores = logits[None]
    for processor in processors(options):
        if not isinstance(processor, RepetitionPenaltyLogitsProcessor):
            scores = scores.to(torch.float64)
        scores = processor(history[None], scores)
    return torch.softmax(scores, dim=-1)[0]


def nudged(options, factor):
    return {k: min(v * factor, 1.0) if k in ("topP", "minP") else v for k, v in options.items()}


def main():
    generator = torch.Generator().manual_seed(3)
    cases = []
    for options in OPTIONS:
        for scale in (1.0, 4.0):
            while True:
                logits = torch.randn(VOCABULARY, generator=generator) * scale
                history = torch.randint(0, VOCABULARY, (20,), generator=generator)
                expected = probabilities(options, logits, history)
                nearby = [probabilities(nudged(options, f), logits, history) for f in (1 - 1e-9, 1 + 1e-9)]
                if all(torch.equal(expected > 0, n > 0) for n in nearby):
                    break
            cases.append(
                {
                    "options": options,
                    "logits": logits.tolist(),
                    "history": history.tolist(),
                    "probabilities": [float(f"{p:.15g}") for p in expected.tolist()],
                }
            )
    print(
        json.dumps({"transformers": __version__, "vocabularySize": VOCABULARY, "cases": cases}, separators=(",", ":"))
    )


main()
