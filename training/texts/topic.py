"""Scope: the record that holds one topic of the test model's texts.

Does not hold any text itself and does not build training samples.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One thing the model can talk about: many questions, one answer.

    `questions` are full questions; the first one is the canonical question, and
    the first four are the common ones, which training shows more often.
    `subjects` are names of a concept ("an NPU", "the KV cache"); the generic
    question templates of `templates.py` turn each into more questions.
    """

    name: str
    answer: str
    questions: tuple[str, ...]
    subjects: tuple[str, ...] = ()

    @property
    def canonical(self) -> str:
        return self.questions[0]

    @property
    def common(self) -> tuple[str, ...]:
        return self.questions[:4]
