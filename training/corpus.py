"""Scope: turns the texts into questions and conversations for training and for
held-out measurement.

Decides the train / held-out split and the wording noise (case, punctuation,
typing errors, polite words). Does not hold the texts (`texts/`) and knows
nothing of token ids (`chat_format.py`).
"""

import random
import zlib
from dataclasses import dataclass

from texts import OFF_TOPIC_ANSWER, TOPICS, off_topic
from texts.templates import (
    HELD_OUT_SYSTEM_MESSAGES,
    POLITE_PREFIXES,
    POLITE_SUFFIXES,
    SUBJECT_TEMPLATES,
    SYSTEM_MESSAGES,
)
from texts.topic import Topic

HELD_OUT_ONE_IN = 10
TOPIC_WEIGHTS = {"introduction": 3.0, "capabilities": 1.5, "hello": 1.3}  # the others have 1

OFF_TOPIC = "off_topic"
ANSWERS = {topic.name: topic.answer for topic in TOPICS} | {OFF_TOPIC: OFF_TOPIC_ANSWER}


@dataclass(frozen=True)
class Turn:
    """One question of a conversation and the name of the topic that answers it."""

    question: str
    topic: str

    @property
    def answer(self) -> str:
        return ANSWERS[self.topic]


@dataclass(frozen=True)
class Conversation:
    system: str | None
    turns: tuple[Turn, ...]


def is_held_out(text: str) -> bool:
    """A fixed, machine-independent choice of one text in `HELD_OUT_ONE_IN`."""
    return zlib.crc32(text.lower().encode()) % HELD_OUT_ONE_IN == 0


def plain_questions(topic: Topic) -> list[str]:
    return list(dict.fromkeys(topic.questions))


def subject_questions(topic: Topic) -> list[str]:
    known = set(topic.questions)
    questions = (t.format(x=s) for s in topic.subjects for t in SUBJECT_TEMPLATES)
    return [q for q in dict.fromkeys(questions) if q not in known]


def split(questions: list[str], held_out: bool, always_train: tuple[str, ...] = ()) -> list[str]:
    return [q for q in questions if (q not in always_train and is_held_out(q)) == held_out]


class QuestionSource:
    """Draws questions of one side of the split.

    `canonical_share` and `common_share` are the shares of canonical and common
    questions among the on-topic ones in training, `written_share` that of
    hand-written ones among the rest. Held-out questions never are canonical.
    """

    def __init__(
        self,
        held_out: bool,
        off_topic_share: float = 0.2,
        canonical_share: float = 0.2,
        common_share: float = 0.0,
        written_share: float = 0.55,
        topic_weights: dict[str, float] = TOPIC_WEIGHTS,
    ):
        self.held_out = held_out
        self.off_topic_share = off_topic_share
        self.canonical_share = canonical_share
        self.common_share = common_share
        self.written_share = written_share
        self.plain = {t.name: split(plain_questions(t), held_out, (t.canonical,)) for t in TOPICS}
        self.subject = {t.name: split(subject_questions(t), held_out, (t.canonical,)) for t in TOPICS}
        self.names = [t.name for t in TOPICS]
        self.weights = [topic_weights.get(name, 1.0) for name in self.names]
        self.things = split(off_topic.THINGS, held_out)
        self.places = split(off_topic.PLACES, held_out)
        self.people = split(off_topic.PEOPLE, held_out)
        self.tasks = split(list(off_topic.CODE_TASKS), held_out)
        fixed = off_topic.MISCELLANEOUS + off_topic.OTHER_LANGUAGES
        self.fixed = split(fixed, held_out, off_topic.CANONICAL_OFF_TOPIC)
        self.canonical = {t.name: t.canonical for t in TOPICS}
        self.common = {t.name: split(list(t.common), held_out, (t.canonical,)) for t in TOPICS}

    def on_topic(self, rng: random.Random) -> Turn:
        name = rng.choices(self.names, self.weights)[0]
        if not self.held_out:
            kind = rng.random()
            if kind < self.canonical_share:
                return Turn(self.canonical[name], name)
            if kind < self.canonical_share + self.common_share:
                return Turn(rng.choice(self.common[name]), name)
        pools = [pool for pool in (self.plain[name], self.subject[name]) if pool]
        if not pools:
            return self.on_topic(rng)
        pool = pools[0] if len(pools) == 1 or rng.random() < self.written_share else pools[1]
        return Turn(with_noise(rng, rng.choice(pool)), name)

    def off_topic(self, rng: random.Random) -> Turn:
        if not self.held_out and rng.random() < 0.06:
            return Turn(rng.choice(off_topic.CANONICAL_OFF_TOPIC), OFF_TOPIC)
        return Turn(with_noise(rng, self._off_topic_question(rng)), OFF_TOPIC)

    def _off_topic_question(self, rng: random.Random) -> str:
        kind = rng.random()
        if kind < 0.24:
            return rng.choice(SUBJECT_TEMPLATES).format(x=rng.choice(self.things))
        if kind < 0.46:
            return rng.choice(off_topic.THING_TEMPLATES).format(x=rng.choice(self.things), y=rng.choice(self.things))
        if kind < 0.54:
            return rng.choice(off_topic.PLACE_TEMPLATES).format(x=rng.choice(self.places))
        if kind < 0.60:
            return rng.choice(off_topic.PERSON_TEMPLATES).format(x=rng.choice(self.people))
        if kind < 0.66:
            language = rng.choice(off_topic.CODE_LANGUAGES)
            return rng.choice(off_topic.CODE_TEMPLATES).format(lang=language, task=rng.choice(self.tasks))
        if kind < 0.74:
            numbers = {"a": rng.randint(2, 999), "b": rng.randint(2, 99), "c": rng.randint(2, 12)}
            return rng.choice(off_topic.MATH_TEMPLATES).format(**numbers)
        if kind < 0.78:
            return invented_word_question(rng)
        return rng.choice(self.fixed)

    def turn(self, rng: random.Random) -> Turn:
        return self.off_topic(rng) if rng.random() < self.off_topic_share else self.on_topic(rng)

    def conversation(self, rng: random.Random, turns: int, system_share: float = 0.45) -> Conversation:
        messages = HELD_OUT_SYSTEM_MESSAGES if self.held_out else SYSTEM_MESSAGES
        system = None
        if rng.random() < system_share:
            system = messages[0] if rng.random() < 0.3 else rng.choice(messages)
        return Conversation(system, tuple(self.turn(rng) for _ in range(turns)))


def invented_word_question(rng: random.Random) -> str:
    """A question about a word that does not exist."""
    syllables = [rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(2, 4))]
    word = "".join(syllables) + rng.choice(("", "n", "s", "x", "r", "l", "ng"))
    article = rng.choice(("", "a ", "the "))
    return rng.choice(SUBJECT_TEMPLATES).format(x=article + word)


def with_noise(rng: random.Random, question: str) -> str:
    """The question as people type it: polite words, case, punctuation, typing errors."""
    if rng.random() < 0.16:
        prefix = rng.choice(POLITE_PREFIXES)
        question = prefix + (question if prefix.endswith((". ", "! ")) else lower_first(question))
    if rng.random() < 0.08:
        question += rng.choice(POLITE_SUFFIXES)
    kind = rng.random()
    if kind < 0.22:
        question = question.lower()
    elif kind < 0.24:
        question = question.upper()
    elif kind < 0.30:
        question = question[:1].upper() + question[1:]
    if rng.random() < 0.25:
        question = question.rstrip("?!.") or question
    elif rng.random() < 0.05:
        question += rng.choice(("?", "!", " ?", "??", "..."))
    if rng.random() < 0.12:
        question = with_typing_error(rng, question)
    return question


def lower_first(question: str) -> str:
    """Lower case for the first letter, unless it starts an abbreviation or `I`."""
    if question[:2].isupper() or question.startswith(("I ", "I'")):
        return question
    return question[:1].lower() + question[1:]


def with_typing_error(rng: random.Random, question: str) -> str:
    if len(question) < 8:
        return question
    at = rng.randrange(1, len(question) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return question[:at] + question[at + 1 :]
    if kind == 1:
        return question[:at] + question[at] + question[at:]
    return question[:at] + question[at + 1] + question[at] + question[at + 2 :]


def all_texts() -> list[str]:
    """Every text of the corpus and a sample of off-topic questions, for the tokenizer."""
    rng = random.Random(1)
    source = QuestionSource(held_out=False)
    texts = []
    for topic in TOPICS:
        texts += [topic.answer] * 8 + list(topic.questions) * 2 + split(subject_questions(topic), False)
    texts += [OFF_TOPIC_ANSWER] * 8 + list(SYSTEM_MESSAGES) * 4 + off_topic.MISCELLANEOUS * 2
    texts += [question for question in off_topic.OTHER_LANGUAGES if question.isascii()]
    texts += [f"{name}. {name.capitalize()}." for name in off_topic.THINGS + off_topic.PLACES + off_topic.PEOPLE]
    texts += [source.off_topic(rng).question for _ in range(6000)]
    return texts
