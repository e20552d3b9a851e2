"""Scope: trains the byte-pair encoding on the corpus and writes the tokenizer
files of models/demo in the form Phi-3-mini-4k uses.

Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json. Does
not write the model's own configuration (`export.py`).
"""

import json

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from chat_format import MODEL_DIR
from corpus import all_texts

BASE_VOCABULARY = 4032
MARKERS = (
    "<|endoftext|>", "<|assistant|>", "<|placeholder1|>", "<|placeholder2|>", "<|placeholder3|>", "<|placeholder4|>",
    "<|system|>", "<|end|>", "<|placeholder5|>", "<|placeholder6|>", "<|user|>",
)  # fmt: skip
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + "
    "'<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)


def learned_merges(vocabulary_size: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Single characters and merges, learned inside words so that no merge crosses a space."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("▁", "merged_with_next"),
            pre_tokenizers.Split(Regex(r"[0-9]|[^\w▁]|_"), "isolated"),
        ]
    )
    alphabet = [chr(code) for code in range(33, 127)] + ["▁"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, min_frequency=2, initial_alphabet=alphabet, limit_alphabet=len(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(all_texts(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    joined = {a + b for a, b in merges}
    characters = [piece for piece in model["vocab"] if piece not in joined]
    return characters, merges


def added_token(token_id: int, content: str, rstrip: bool, special: bool = True) -> dict:
    return {
        "id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": rstrip,
        "normalized": False, "special": special,
    }  # fmt: skip


def build_tokenizer() -> dict:
    specials = ["<unk>", "<s>", "</s>"]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    room = BASE_VOCABULARY - len(specials) - len(byte_tokens)
    characters, merges = learned_merges(room)
    pieces = [a + b for a, b in merges] + characters
    if len(set(pieces)) != len(pieces) or len(pieces) != room:
        raise ValueError(f"{len(pieces)} pieces, {len(set(pieces))} of them different, {room} wanted")
    vocabulary = {piece: index for index, piece in enumerate(specials + byte_tokens + pieces)}
    added = [
        added_token(0, "<unk>", rstrip=False),
        added_token(1, "<s>", rstrip=False),
        added_token(2, "</s>", rstrip=True, special=False),
    ]
    added += [added_token(BASE_VOCABULARY + i, marker, rstrip=i > 0) for i, marker in enumerate(MARKERS)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocabulary,
            "merges": [f"{a} {b}" for a, b in merges],
        },
    }


def build_tokenizer_config(tokenizer: dict) -> dict:
    decoder = {str(token["id"]): {k: v for k, v in token.items() if k != "id"} for token in tokenizer["added_tokens"]}
    return {
        "add_bos_token": False,
        "add_eos_token": False,
        "added_tokens_decoder": decoder,
        "bos_token": "<s>",
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|endoftext|>",
        "legacy": False,
        "model_max_length": 4096,
        "pad_token": "<|endoftext|>",
        "padding_side": "left",
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer",
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
    }


def build_special_tokens_map() -> dict:
    names = {"bos_token": "<s>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<unk>"}
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return {name: {"content": content, **flags} for name, content in names.items()}


def write_json(name: str, data: dict) -> None:
    MODEL_DIR.mkdir(parents=True, exist_ok=True)
    (MODEL_DIR / name).write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    tokenizer = build_tokenizer()
    write_json("tokenizer.json", tokenizer)
    write_json("tokenizer_config.json", build_tokenizer_config(tokenizer))
    write_json("special_tokens_map.json", build_special_tokens_map())
    print(f"{len(tokenizer['model']['vocab'])} pieces, {len(tokenizer['model']['merges'])} merges, {len(MARKERS)} markers")


if __name__ == "__main__":
    main()
