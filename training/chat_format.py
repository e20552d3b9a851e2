"""Scope: Phi-3's chat format in token ids, with the loss mask for training.

Each text between two markers is encoded as its own segment. Does not build the
text form of a prompt; the chat template in tokenizer_config.json does.
"""

from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from corpus import Conversation

MODEL_DIR = Path(__file__).resolve().parent.parent / "models" / "demo"


class ChatFormat:
    def __init__(self, model_dir: Path = MODEL_DIR):
        tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
        self.system = tokenizer.token_to_id("<|system|>")
        self.user = tokenizer.token_to_id("<|user|>")
        self.assistant = tokenizer.token_to_id("<|assistant|>")
        self.end = tokenizer.token_to_id("<|end|>")
        self.bos = tokenizer.token_to_id("<s>")
        self.tokenizer = tokenizer
        self.encode = lru_cache(maxsize=50_000)(self._encode)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def prompt(self, system: str | None, turns: list[tuple[str, str | None]]) -> list[int]:
        """Ids of a prompt; the answer of the last turn is None."""
        ids = [] if system is None else [self.system, *self.encode(system), self.end]
        for question, answer in turns:
            ids += [self.user, *self.encode(question), self.end, self.assistant]
            if answer is not None:
                ids += [*self.encode(answer), self.end]
        return ids

    def sample(
        self, conversation: Conversation, answer_limit: int | None = None, bos: bool = False
    ) -> tuple[list[int], list[bool]]:
        """Ids of a whole conversation and, for each id, whether the model has to predict it.

        `answer_limit` cuts the last answer after that many tokens: its first
        tokens decide which answer is given.
        """
        ids = [self.bos] if bos else []
        if conversation.system is not None:
            ids += [self.system, *self.encode(conversation.system), self.end]
        predicted = [False] * len(ids)
        for position, turn in enumerate(conversation.turns):
            question = [self.user, *self.encode(turn.question), self.end, self.assistant]
            answer = [*self.encode(turn.answer), self.end]
            if answer_limit is not None and position == len(conversation.turns) - 1:
                answer = answer[:answer_limit]
            ids += question + answer
            predicted += [False] * len(question) + [True] * len(answer)
        return ids, predicted
