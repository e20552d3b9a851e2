"""Scope: measures models/demo: held-out loss and exact answers, and whether the
answers survive quantisation.

Changes nothing in the model folder. What counts as exact is defined in
`measure.py`.
"""

import argparse
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from chat_format import MODEL_DIR, ChatFormat
from corpus import ANSWERS, OFF_TOPIC, Conversation, QuestionSource, Turn
from measure import measure
from quantisation import ROW, make_quantisation_aware, round_linear_weights
from texts import TOPICS
from texts.off_topic import CANONICAL_OFF_TOPIC
from texts.templates import SYSTEM_MESSAGES

SEED = 7
CANONICAL = [Turn(t.canonical, t.name) for t in TOPICS] + [Turn(q, OFF_TOPIC) for q in CANONICAL_OFF_TOPIC]
VARIANTS = (
    ("fp16 weights", 16, ROW),
    ("int8 per row", 8, ROW),
    ("int4 block 32", 4, 32),
    ("int4 block 64", 4, 64),
    ("int4 block 128", 4, 128),
    ("int4 per row", 4, ROW),
)


def load(bits: int, block_size: int, checkpoint: Path | None = None):
    model = AutoModelForCausalLM.from_pretrained(MODEL_DIR, dtype=torch.float32).eval()
    if checkpoint:
        model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    if bits < 16:
        round_linear_weights(model, bits, block_size)
    return model


def canonical_conversations() -> dict[str, list[Conversation]]:
    """The canonical questions alone, with a system message, late in a chat, and after about 1000 tokens."""
    rng = random.Random(SEED)
    alone = [Conversation(None, (turn,)) for turn in CANONICAL]
    with_system = [Conversation(SYSTEM_MESSAGES[0], (turn,)) for turn in CANONICAL]
    late = [Conversation(None, (*rng.sample(CANONICAL, rng.randint(1, 3)), turn)) for turn in CANONICAL[::2]]
    far = [Conversation(SYSTEM_MESSAGES[0], (*rng.sample(CANONICAL, 15), turn)) for turn in CANONICAL[:10]]
    return {"alone": alone, "system message": with_system, "2-4 turns": late, "16 turns": far}


def question_groups() -> dict[str, list[Conversation]]:
    """Questions of the training, then ones that were held out."""
    trained = QuestionSource(held_out=False)
    common = [Turn(q, name) for name, questions in trained.common.items() for q in questions]
    rng = random.Random(SEED)
    source = QuestionSource(held_out=True)
    written = [Turn(q, name) for name, questions in source.plain.items() for q in questions]
    templated = [Turn(q, name) for name, questions in source.subject.items() for q in questions]
    return {
        "trained on: common ones": [Conversation(None, (turn,)) for turn in common],
        "held out: hand-written": [Conversation(None, (turn,)) for turn in written],
        "held out: from templates": [Conversation(None, (turn,)) for turn in rng.sample(templated, 200)],
        "held out: with noise": [Conversation(None, (source.on_topic(rng),)) for _ in range(200)],
        "held out: off-topic, noise": [Conversation(None, (source.off_topic(rng),)) for _ in range(200)],
        "held out: system message": [source.conversation(rng, 1, system_share=1.0) for _ in range(100)],
        "held out: 2-4 turns": [source.conversation(rng, rng.randint(2, 4)) for _ in range(60)],
    }


def last_turn_only(chat: ChatFormat, conversation: Conversation):
    """Ids and mask in which only the last answer counts."""
    ids, predicted = chat.sample(conversation)
    answer = len(chat.encode(conversation.turns[-1].answer)) + 1
    return ids, [False] * (len(ids) - answer) + predicted[len(ids) - answer :]


def print_questions(chat: ChatFormat) -> None:
    print("questions                      count   loss    exact (fp16)   exact (int4 block 32)")
    exact, rounded = load(16, ROW), load(4, 32)
    for name, conversations in question_groups().items():
        samples = [last_turn_only(chat, conversation) for conversation in conversations]
        result, result4 = measure(exact, samples), measure(rounded, samples)
        print(f"{name:28}   {len(samples):5}   {result.loss:.4f}  {result.exact_rate:8.1%}  {result4.exact_rate:18.1%}")


def print_survival(chat: ChatFormat, checkpoint: Path | None) -> None:
    groups = canonical_conversations()
    print("\ncanonical questions: exact / asked, smallest logit gap")
    print(f"{'weights':28}" + "".join(f"{name:>22}" for name in groups))
    rows = [(name, load(bits, size)) for name, bits, size in VARIANTS]
    noisy = load(4, 32)
    make_quantisation_aware(noisy).activation_noise = True
    rows.append(("int4 block 32, noisy inputs", noisy))
    if checkpoint:
        rows.insert(0, ("fp32 weights", load(16, ROW, checkpoint)))
    torch.manual_seed(SEED)
    missed = {}
    for name, model in rows:
        cells = []
        for group, conversations in groups.items():
            result = measure(model, [last_turn_only(chat, conversation) for conversation in conversations])
            cells.append(f"{sum(result.exact)}/{len(result.exact)}, {result.smallest_gap:+.2f}")
            missed[name, group] = [c.turns[-1].question for c, ok in zip(conversations, result.exact) if not ok]
        print(f"{name:28}" + "".join(f"{cell:>22}" for cell in cells))
    for (name, group), questions in missed.items():
        if questions:
            print(f"missed, {name}, {group}: {questions}")


def check_prompts_and_generation(chat: ChatFormat, questions: int) -> None:
    """The marker form, the templated form and `ChatFormat` agree, and real greedy generation gives the answers."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    model = AutoModelForCausalLM.from_pretrained(MODEL_DIR, dtype=torch.float32).eval()
    right = 0
    for turn in CANONICAL[:questions]:
        for system in (None, SYSTEM_MESSAGES[0]):
            head = "" if system is None else f"<|system|>{system}<|end|>"
            raw = tokenizer(f"{head}<|user|>{turn.question}<|end|><|assistant|>").input_ids
            messages = [] if system is None else [{"role": "system", "content": system}]
            messages.append({"role": "user", "content": turn.question})
            templated = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
            if not raw == list(templated) == chat.prompt(system, [(turn.question, None)]):
                raise AssertionError(f"the forms of the prompt differ: {turn.question}")
            output = model.generate(torch.tensor([raw]), max_new_tokens=128, do_sample=False)[0, len(raw) :]
            right += tokenizer.decode(output, skip_special_tokens=True) == ANSWERS[turn.topic]
    print(f"\nprompt forms agree; generate() gives {right} of {2 * questions} canonical answers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="checkpoint of train.py, to measure its fp32 weights as well")
    parser.add_argument("--generate", type=int, default=8, help="canonical questions to answer through generate()")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    chat = ChatFormat()
    print_questions(chat)
    print_survival(chat, arguments.checkpoint)
    check_prompts_and_generation(chat, min(arguments.generate, len(CANONICAL)))


if __name__ == "__main__":
    main()
