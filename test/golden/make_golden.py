"""Makes the tiny random models (models/) and what transformers computes with them (vectors/).

    python -m venv /tmp/golden && /tmp/golden/bin/pip install -r requirements.txt
    /tmp/golden/bin/python make_golden.py

Seeded: a second run writes the same bytes with the same versions on the same kind of machine. The random weights are
scaled up until every candidate prompt's 64 greedy tokens hold at least 24 distinct ones (a model that repeats itself
proves little); prompts are dropped where rounding could decide a token (first and second logit closer than 0.02) or
where a peer would stop (an end-of-text token). docs/testing.md describes the files.
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

import reference
from rtn import int4_round_trip
from tiny_models import END_ID, ENDOFTEXT_ID, SPECIAL_TOKENS, TINY_MODELS, VOCABULARY_SIZE, TinyModel
from tiny_models import make_weights, write_json, write_model

HERE = Path(__file__).resolve().parent
PROMPT_COUNT, CANDIDATE_COUNT = 10, 120
GREEDY_TOKENS, LEAST_DISTINCT, LEAST_GAP = 64, 24, 0.02
LONGEST_PROMPT = 72
PERPLEXITY_TOKENS = 96
# A pass over the whole sequence for each token takes longer.
CANDIDATE_COUNT_LONGROPE = 40
# Of the conversation of a longrope model: tokens that each turn adds before its answer, and answers' lengths.
TURN_TOKENS, TURN_ANSWER_TOKENS = (12, 24, 40), 16
GAINS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)


def check_sliding_window(model: PreTrainedModel, window: int) -> None:
    """Proves on the model itself that transformers lets a token see itself and the window - 1 tokens before it."""
    random = np.random.default_rng(5)
    token_ids = random.integers(len(SPECIAL_TOKENS), VOCABULARY_SIZE, size=window + 12).tolist()
    changed = [token_ids[0] + 1 if token_ids[0] + 1 < VOCABULARY_SIZE else token_ids[0] - 1, *token_ids[1:]]
    layers = model.model.layers
    model.model.layers = layers[:1]  # one layer: what a row sees is then its own window, not that of the rows before
    model.config.num_hidden_layers = 1
    difference = np.abs(reference.logits_of(model, token_ids) - reference.logits_of(model, changed)).max(axis=-1)
    model.model.layers = layers
    model.config.num_hidden_layers = len(layers)
    assert (difference[:window] > 0).all(), "a token inside the window is not seen"
    assert (difference[window:] == 0).all(), "a token outside the window is seen"


def candidates(model: TinyModel) -> list[list[int]]:
    """Seeded prompts of 1 to LONGEST_PROMPT tokens, none of them a control token."""
    random = np.random.default_rng(1000 + model.seed)
    if model.original_context is None:
        lengths = [1, 2, LONGEST_PROMPT, *random.integers(3, LONGEST_PROMPT, size=CANDIDATE_COUNT - 3).tolist()]
    else:  # some on each side of the boundary, and on it
        boundary = model.original_context
        around = [1, 2, LONGEST_PROMPT, boundary - 1, boundary, boundary + 1]
        beyond = random.integers(boundary + 2, LONGEST_PROMPT, size=12).tolist()
        below = random.integers(3, boundary - 1, size=CANDIDATE_COUNT_LONGROPE - len(around) - len(beyond)).tolist()
        lengths = [*around, *beyond, *below]
    return [random.integers(len(SPECIAL_TOKENS), VOCABULARY_SIZE, size=length).tolist() for length in lengths]


def greedy(tiny: TinyModel, model: PreTrainedModel, prompt: list[int], count: int) -> reference.Greedy:
    by = reference.greedy if tiny.original_context is None else reference.greedy_recomputed
    return by(model, prompt, count)


def check_longrope(model: PreTrainedModel, boundary: int) -> None:
    """Proves on the model itself that a sequence of `boundary` tokens is in one regime, all of one more in the other."""
    random = np.random.default_rng(6)
    token_ids = random.integers(len(SPECIAL_TOKENS), VOCABULARY_SIZE, size=boundary + 1).tolist()
    shorter = reference.logits_of(model, token_ids[:boundary])
    assert np.abs(reference.logits_of(model, token_ids[: boundary - 1]) - shorter[: boundary - 1]).max() < 1e-4
    # One token more, and the rows of all tokens before it are others (but the first's: its angle is 0 in both).
    difference = np.abs(reference.logits_of(model, token_ids)[:boundary] - shorter).max(axis=-1)
    assert difference[0] < 1e-4 and (difference[1:] > 1e-3).all(), difference


def conversation(tiny: TinyModel, model: PreTrainedModel) -> list[dict]:
    """Turns over one cache: below the boundary, across it in the middle of an answer, begun beyond it, and back: the
    first question once more with other words after it, which is shorter than the boundary."""
    for seed in range(2000, 2100):
        random = np.random.default_rng(seed + tiny.seed)

        def words(count: int) -> list[int]:
            return random.integers(len(SPECIAL_TOKENS), VOCABULARY_SIZE, size=count).tolist()

        turns, history = [], []
        for added in TURN_TOKENS:
            prompt = history + words(added)
            turns.append((prompt, greedy(tiny, model, prompt, TURN_ANSWER_TOKENS)))
            history = prompt + turns[-1][1].token_ids
        back = turns[0][0] + words(5)
        turns.append((back, greedy(tiny, model, back, TURN_ANSWER_TOKENS)))
        if min(run.smallest_gap for _, run in turns) >= LEAST_GAP:
            return [{"promptTokenIds": prompt, "greedyTokenIds": run.token_ids} for prompt, run in turns]
    sys.exit(f"{tiny.name}: no conversation passes")


def scale_weights(tiny: TinyModel, folder: Path) -> tuple[PreTrainedModel, float, list[tuple[list[int], reference.Greedy]]]:
    """Writes the model with the smallest gain that passes, and returns it as transformers reads it back."""
    for gain in GAINS:
        write_model(folder, tiny, make_weights(tiny, gain))
        model = reference.load(folder)
        runs: list[tuple[list[int], reference.Greedy]] = []
        for prompt in candidates(tiny):
            run = greedy(tiny, model, prompt, GREEDY_TOKENS)
            if run.distinct_tokens < LEAST_DISTINCT:
                print(f"  gain {gain}: {run.distinct_tokens} distinct tokens, scaling up", flush=True)
                break
            runs.append((prompt, run))
        else:
            return model, gain, runs
    sys.exit(f"{tiny.name}: no gain gives {LEAST_DISTINCT} distinct tokens on every candidate")


def with_int4_weights(tiny: TinyModel, folder: Path, block_size: int, symmetric: bool) -> PreTrainedModel:
    """The model with every projection and the head replaced by its int4 round trip; the embedding stays as it is."""
    model = reference.load(folder)
    if tiny.tied:  # the head's copy is quantised, the embedding's is not
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            quantised = int4_round_trip(module.weight.detach().numpy(), block_size, symmetric)
            module.weight = torch.nn.Parameter(torch.from_numpy(quantised))
    return model


def make(tiny: TinyModel) -> None:
    folder = HERE / "models" / tiny.name
    model, gain, runs = scale_weights(tiny, folder)
    if tiny.crosses_window:
        check_sliding_window(model, tiny.sliding_window)
    if tiny.original_context is not None:
        check_longrope(model, tiny.original_context)
    stops = {ENDOFTEXT_ID, END_ID}
    kept = [(prompt, run) for prompt, run in runs if run.smallest_gap >= LEAST_GAP and not stops & set(run.token_ids)]
    if len(kept) < PROMPT_COUNT:
        sys.exit(f"{tiny.name}: only {len(kept)} prompts pass, {PROMPT_COUNT} are needed: raise CANDIDATE_COUNT")
    # The longest first: those that cross the window, or longrope's boundary, in prefill.
    if tiny.crosses_window or tiny.original_context is not None:
        kept.sort(key=lambda pair: -len(pair[0]))
        kept = kept[:5] + kept[-5:]
    kept = sorted(kept[:PROMPT_COUNT], key=lambda pair: len(pair[0]))

    rows: list[np.ndarray] = []  # every golden row of logits of this model, in the order of the .f32 file

    def store(values: np.ndarray) -> int:
        """Appends [n, vocabulary] rows, returns the index of the first."""
        first = sum(len(block) for block in rows)
        rows.append(values.astype("<f4"))
        return first

    longest = len(kept) - 1
    last_rows = store(np.stack([reference.logits_of(model, prompt)[-1] for prompt, _ in kept]))
    all_rows = store(reference.logits_of(model, kept[longest][0]))
    sequence = reference.sample(model, kept[0][0][:1], PERPLEXITY_TOKENS, 1.5, tiny.seed)
    loss = reference.mean_negative_log_likelihood(model, sequence)
    int4 = []
    for block_size, symmetric in tiny.int4:
        quantised = with_int4_weights(tiny, folder, block_size, symmetric)
        values = np.stack([reference.logits_of(quantised, prompt)[-1] for prompt, _ in kept])
        int4.append({"blockSize": block_size, "symmetric": symmetric, "lastRowsAt": store(values)})
    data = np.concatenate(rows)
    (HERE / "vectors").mkdir(exist_ok=True)
    (HERE / "vectors" / f"{tiny.name}.f32").write_bytes(data.tobytes())
    lines = {
        "model": tiny.name,
        "madeBy": reference.versions(),
        "gain": gain,
        "vocabularySize": VOCABULARY_SIZE,
        "slidingWindow": tiny.sliding_window,
        "longropeBoundary": tiny.original_context,
        "prompts": [
            {
                "tokenIds": prompt,
                "greedyTokenIds": run.token_ids,
                "smallestGap": round(run.smallest_gap, 4),
                "distinctTokens": run.distinct_tokens,
            }
            for prompt, run in kept
        ],
        "logits": {
            "file": f"{tiny.name}.f32",
            "rowCount": len(data),
            "lastRowsAt": last_rows,
            "allRows": {"promptIndex": longest, "at": all_rows},
        },
        "perplexity": {"tokenIds": sequence, "meanNegativeLogLikelihood": loss, "perplexity": math.exp(loss)},
        "int4": int4,
    }
    if tiny.original_context is not None:
        lines["turns"] = conversation(tiny, model)
    write_json(HERE / "vectors" / f"{tiny.name}.json", lines)
    print(
        f"{tiny.name}: gain {gain}, {len(runs)} candidates, {len(kept)} kept, lengths {[len(p) for p, _ in kept]},"
        f" distinct {min(r.distinct_tokens for _, r in kept)}+, gap {min(r.smallest_gap for _, r in kept):.3f}+,"
        f" logits' standard deviation {data[:PROMPT_COUNT].std():.2f}, perplexity {math.exp(loss):.4f}",
        flush=True,
    )


def main() -> None:
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or [tiny.name for tiny in TINY_MODELS]
    for tiny in TINY_MODELS:
        if tiny.name in wanted:
            make(tiny)


if __name__ == "__main__":
    main()
