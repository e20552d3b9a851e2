"""Scope: trains the test model from scratch on the corpus, on a CPU, in stages.

Each stage starts from the checkpoint of the one before and has its own mix of
conversations; the last ones end with quantisation-aware training, with int4
weights in a block size drawn for each step. Writes checkpoints only;
`export.py` makes the model folder.
"""

import argparse
import math
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import distributed, multiprocessing, nn
from transformers import Phi3ForCausalLM

from chat_format import ChatFormat
from corpus import TOPIC_WEIGHTS, QuestionSource
from export import model_config
from measure import measure, padded, predicted_logits
from quantisation import ROW, make_quantisation_aware

SEED = 20240423
TOKENS_PER_STEP = 416  # of each worker
QUANTISED_SHARE = 0.85  # of the steps of the quantisation-aware part
BLOCK_SIZES = (32, 64, 128, ROW, ROW)
FIRST_TOKENS = 3  # of each answer: they decide which answer is given
POOL = 768  # conversations that are sorted by length together
LONGEST = 1200  # tokens of a conversation


@dataclass(frozen=True)
class Stage:
    """One run of the training. `stop` ends it before its cosine schedule of `steps` is through."""

    steps: int
    stop: int
    learning_rate: float
    warm_up: int
    off_topic_share: float
    canonical_share: float  # of the on-topic questions
    single_share: float  # conversations of one turn
    long_share: float  # conversations of 5 to 16 turns; the rest has 2 to 4
    cut_from: float  # share of the schedule after which answers are cut short
    cut_share: float
    cut_limits: tuple[int, int]
    first_tokens_weight: float
    first_tokens_only_until: float  # share of the schedule
    quantised_from: float  # share of the schedule after which weights are rounded
    seed: int = SEED
    common_share: float = 0.0  # of the on-topic questions
    written_share: float = 0.55  # hand-written questions among the other on-topic ones
    topic_weights: dict[str, float] = field(default_factory=lambda: TOPIC_WEIGHTS)


STAGES = {
    "answers": Stage(1826, 800, 1.5e-3, 100, 0.28, 0.1, 0.86, 0.01, 0.25, 0.65, (2, 10), 1.0, 0.0, 0.55),
    "wordings": Stage(566, 200, 1.3e-3, 100, 0.28, 0.1, 0.92, 0.007, 0.0, 0.85, (2, 8), 8.0, 0.0, 0.55),
    "first-tokens": Stage(407, 407, 1.2e-3, 20, 0.2, 0.2, 0.92, 0.007, 0.0, 0.85, (2, 8), 8.0, 0.6, 0.55),
    "all": Stage(435, 400, 1.0e-3, 20, 0.2, 0.2, 0.92, 0.007, 0.0, 0.5, (2, 8), 4.0, 0.0, 0.55),
    "rounded": Stage(260, 260, 7e-4, 20, 0.22, 0.3, 0.90, 0.007, 0.0, 0.6, (2, 8), 4.0, 0.0, 0.0, SEED + 100),
    "long": Stage(320, 320, 6e-4, 20, 0.2, 0.15, 0.84, 0.02, 0.0, 0.65, (2, 8), 4.0, 0.0, 0.0, SEED + 200),
    "written": Stage(
        400, 400, 8e-4, 20, 0.2, 0.1, 0.88, 0.015, 0.0, 0.75, (2, 8), 4.0, 0.0, 0.0, SEED + 300, common_share=0.12, written_share=0.8
    ),
    "greetings": Stage(
        200, 200, 6e-4, 20, 0.2, 0.1, 0.86, 0.02, 0.0, 0.75, (2, 8), 4.0, 0.0, 0.0, SEED + 400, common_share=0.15, written_share=0.8,
        topic_weights=TOPIC_WEIGHTS | {"hello": 9.0},
    ),
    "settle": Stage(
        360, 360, 7e-4, 20, 0.2, 0.15, 0.86, 0.02, 0.0, 0.7, (2, 8), 4.0, 0.0, 0.0, SEED + 500, common_share=0.25, written_share=0.75,
        topic_weights=TOPIC_WEIGHTS | {"hello": 3.0, "thanks": 2.0, "goodbye": 2.0},
    ),
}


def draw_conversation(chat: ChatFormat, source: QuestionSource, rng: random.Random, stage: Stage, progress: float):
    """Ids and mask of one random conversation; now and then with a leading `<s>`."""
    if progress < stage.first_tokens_only_until:
        return chat.sample(source.conversation(rng, 1, system_share=0.25), answer_limit=FIRST_TOKENS)
    kind = rng.random()
    cut = progress > stage.cut_from and rng.random() < stage.cut_share
    limit = rng.randint(*stage.cut_limits) if cut else None
    turns = 1
    if kind >= 1 - stage.long_share:
        turns, limit = rng.randint(5, 16), None
    elif kind >= stage.single_share:
        turns = rng.randint(2, 4)
    ids, predicted = chat.sample(source.conversation(rng, turns), limit, bos=rng.random() < 0.08)
    return ids[:LONGEST], predicted[:LONGEST]


def batches(chat: ChatFormat, rng: random.Random, stage: Stage, progress):
    """Endless batches of conversations of similar length, `TOKENS_PER_STEP` each."""
    source = QuestionSource(
        False, stage.off_topic_share, stage.canonical_share, stage.common_share, stage.written_share,
        stage.topic_weights,
    )
    while True:
        pool = [draw_conversation(chat, source, rng, stage, progress()) for _ in range(POOL)]
        pool.sort(key=lambda sample: len(sample[0]))
        groups, group = [], []
        for sample in pool:
            if group and len(sample[0]) * (len(group) + 1) > TOKENS_PER_STEP:
                groups.append(group)
                group = []
            group.append(sample)
        groups.append(group)
        rng.shuffle(groups)
        yield from groups


def weighted_loss(model: nn.Module, ids: torch.Tensor, mask: torch.Tensor, first_tokens_weight: float) -> torch.Tensor:
    """Mean cross-entropy in which the first tokens of each answer count more."""
    logits, targets = predicted_logits(model, ids, mask)
    later = torch.zeros_like(mask)
    later[:, FIRST_TOKENS:] = mask[:, FIRST_TOKENS:] & mask[:, :-FIRST_TOKENS]
    weights = torch.where(later, 1.0, first_tokens_weight)[:, 1:][mask[:, 1:]]
    return (nn.functional.cross_entropy(logits, targets, reduction="none") * weights).sum() / weights.sum()


def held_out_samples(chat: ChatFormat, count: int, seed: int) -> list:
    rng = random.Random(seed)
    source = QuestionSource(held_out=True)
    return [chat.sample(source.conversation(rng, 1)) for _ in range(count)]


def initial_model() -> Phi3ForCausalLM:
    model = Phi3ForCausalLM(model_config())
    for name, parameter in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * model.config.num_hidden_layers))
    return model


def optimiser_for(model: nn.Module) -> torch.optim.Optimizer:
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed_tokens" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed_tokens" in n]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def learning_rate(stage: Stage, step: int) -> float:
    cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / stage.steps))
    return stage.learning_rate * min(1.0, (step + 1) / stage.warm_up) * cosine


def average_gradients(model: nn.Module) -> None:
    """Averages the gradients over all worker processes."""
    gradients = [parameter.grad for parameter in model.parameters()]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients])):
        gradient.copy_(part.view_as(gradient))


def work(rank: int, arguments: argparse.Namespace) -> None:
    """One worker process: its own batches, the same model and settings as the others."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{arguments.out.resolve()}/rendezvous", rank=rank, world_size=arguments.workers
    )
    torch.set_num_threads(1)
    stage = STAGES[arguments.stage]
    torch.manual_seed(stage.seed)
    chat = ChatFormat()
    model = initial_model()
    if arguments.start_from:
        model.load_state_dict(torch.load(arguments.start_from, weights_only=True))
    settings = make_quantisation_aware(model)
    optimiser = optimiser_for(model)
    held_out = held_out_samples(chat, 64, SEED + 1)
    settings_rng = random.Random(stage.seed)
    step, tokens, running = 0, 0, None
    data = batches(chat, random.Random(stage.seed + 2 + rank), stage, lambda: step / stage.steps)
    start = time.time()
    while step < stage.stop:
        quantisation_phase = step / stage.steps > stage.quantised_from
        quantised = quantisation_phase and settings_rng.random() < QUANTISED_SHARE
        settings.block_size = settings_rng.choice(BLOCK_SIZES) if quantised else None
        settings.activation_noise = quantisation_phase
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(stage, step)
        ids, mask = padded(next(data))
        loss = weighted_loss(model, ids, mask, stage.first_tokens_weight)
        loss.backward()
        average_gradients(model)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        tokens += ids.numel() * arguments.workers
        running = loss.item() if running is None else 0.97 * running + 0.03 * loss.item()
        step += 1
        if rank != 0:
            continue
        if step % 20 == 0:
            seconds = time.time() - start
            print(f"{seconds / 60:5.1f} min  step {step}  loss {running:.4f}  {tokens / seconds:.0f} tokens/s", flush=True)
        if step % 100 == 0 or step == stage.stop:
            settings.block_size, settings.activation_noise = None, False
            result = measure(model, held_out)
            print(f"   held out: loss {result.loss:.4f}  exact {result.exact_rate:.3f}", flush=True)
            torch.save(model.state_dict(), arguments.out / "checkpoint.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--start-from", type=Path, help="checkpoint of the stage before")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--workers", type=int, default=2, help="processes, each with one thread")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "rendezvous").unlink(missing_ok=True)
    multiprocessing.spawn(work, (arguments,), nprocs=arguments.workers)


if __name__ == "__main__":
    main()
