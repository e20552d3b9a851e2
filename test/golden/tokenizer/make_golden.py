"""Makes the small tokenizers in this folder and the ids that Hugging Face's `tokenizers` gives for generated strings.

    python make_golden.py            # needs: pip install tokenizers==0.23.*

Each FAMILY.tokenizer.json is trained here on the text below, in the shape that the named model family publishes.
FAMILY.golden.json holds [text, ids] pairs (encode, add_special_tokens=False) and, for decode, [ids, text without
special tokens, text with them]. The generator is seeded: a second run writes the same files.
"""

import json
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = Path(__file__).parent

CORPUS = """
An AI PC runs a language model on its own processor, its graphics unit or its neural processing unit.
Quantisation stores each weight in four bits instead of sixteen, so that the model fits into less memory.
The tokenizer turns text into numbers, and the numbers it gets back into text. It's what they've said, isn't it?
I'll say we're done; you'd think that's enough. HELLO WORLD, Hello World, hello world. CamelCase and snake_case_names.
def encode(text: str) -> list[int]:\n    return [ord(c) for c in text]\n\nfor (let i = 0; i < 10; i++) { sum += i; }
Ein Übungstext für die Größe des Wörterbuchs: Straßen, Bäume und Füße. Le café est très bon, n'est-ce pas ?
Съешь ещё этих мягких французских булок, да выпей чаю. 我们在电脑上运行模型。日本語のテキストもあります。
الذكاء الاصطناعي على جهازك. שלום עולם. 12 345 6789 0.5 3,14 1e-5 2024-06-30 100% #hashtag @name a+b=c x*y/z
system user assistant end tool message prompt answer question introduce yourself please thank you
"""

PHI3_ADDED = [
    # content, special, rstrip: as in microsoft/Phi-3-mini-4k-instruct
    ("<|endoftext|>", True, False),
    ("<|assistant|>", True, True),
    ("<|placeholder1|>", True, True),
    ("<|system|>", True, True),
    ("<|end|>", True, True),
    ("<|user|>", True, True),
]


def llama_like(normalized_specials=False):
    """SentencePiece-like BPE with byte fallback: Llama 2 and Phi-3."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    trained.train_from_iterator([CORPUS] * 2, trainers.BpeTrainer(vocab_size=420, show_progress=False))
    learnt = json.loads(trained.to_str())["model"]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = [t for t in learnt["vocab"] if len(t) == 1 and t not in "\n我们電"]
    tokens = ["<unk>", "<s>", "</s>", *byte_tokens]
    known = set(letters)
    merges = []
    for left, right in learnt["merges"]:
        if left in known and right in known:
            known.add(left + right)
            merges.append([left, right])
    merges += [["▁", "▁"], ["▁▁", "▁▁"], ["▁▁", "▁"]]
    ordered = [a + b for a, b in merges]
    tokens += ordered + [t for t in letters if t not in ordered]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={t: i for i, t in enumerate(dict.fromkeys(tokens))},
            merges=[tuple(m) for m in merges],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = [AddedToken(t, special=True, normalized=normalized_specials) for t in ("<unk>", "<s>")]
    tokenizer.add_special_tokens(special)
    return tokenizer


def phi3():
    tokenizer = llama_like()
    tokenizer.add_tokens([AddedToken("</s>", special=False, normalized=False, rstrip=True)])
    for content, special, rstrip in PHI3_ADDED:
        tokenizer.add_tokens([AddedToken(content, special=special, normalized=False, rstrip=rstrip)])
    return tokenizer


def llama2():
    """Older files look for the control tokens in normalised text; and some tokens with the other strip rules."""
    tokenizer = llama_like(normalized_specials=True)
    tokenizer.add_tokens(
        [
            AddedToken("</s>", special=True, normalized=True),
            AddedToken("<mask>", special=True, normalized=False, lstrip=True),
            AddedToken("<word>", special=False, normalized=False, single_word=True),
            AddedToken("plain", special=False, normalized=True, single_word=True),
            AddedToken("[both]", special=True, normalized=False, lstrip=True, rstrip=True),
        ]
    )
    return tokenizer


def byte_level(pre_tokenizer, vocab_size, specials):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=specials,
    )
    tokenizer.train_from_iterator([CORPUS] * 2, trainer)
    return tokenizer


def smollm2():
    return byte_level(
        pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
        640,
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    )


def gpt2():
    """With Phi-2's added runs of spaces, which are ordinary text."""
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), 600, [])
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in (8, 4, 3, 2)])
    tokenizer.add_tokens([AddedToken("<|endoftext|>", special=True, normalized=True)])
    return tokenizer


CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split_byte_level(pattern, specials, size=600):
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return byte_level(pre_tokenizers.Sequence([split, bytes_only]), size, specials)


def phi4():
    """All control tokens of microsoft/phi-4 take the white space on both sides."""
    tokenizer = split_byte_level(CL100K, [])
    dummies = [f"<|dummy_{n}|>" for n in range(3)]
    fim = ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
    contents = [dummies[0], "<|endoftext|>", *fim, *dummies[1:], "<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|endofprompt|>"]
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False, lstrip=True, rstrip=True) for t in contents])
    return tokenizer


def phi4mini():
    """As in microsoft/Phi-4-mini-instruct: those of tools are not declared special."""
    tokenizer = split_byte_level(O200K, ["<|endoftext|>", "<|endofprompt|>"])
    for content in ("<|assistant|>", "<|end|>", "<|user|>", "<|system|>"):
        tokenizer.add_tokens([AddedToken(content, special=True, normalized=False, rstrip=True)])
    for content in ("<|tool|>", "<|/tool|>", "<|tool_call|>", "<|/tool_call|>", "<|tool_response|>"):
        tokenizer.add_tokens([AddedToken(content, special=False, normalized=False)])
    tokenizer.add_tokens([AddedToken("<|tag|>", special=True, normalized=False, rstrip=True)])
    return tokenizer


FAMILIES = {
    "phi3": phi3,
    "llama2": llama2,
    "smollm2": smollm2,
    "gpt2": gpt2,
    "phi4": phi4,
    "phi4mini": phi4mini,
}

# Characters that tokenizers have got wrong somewhere.
CHARACTERS = (
    list("abzABZ019 .,;:!?'\"()[]{}<>|/\\@#$%^&*-_=+~`\t\n\r")
    + list("\u0000\u0007\u001f\u007f\u0085\u00a0\u00ad\u1680\u180e\u2003\u200b\u200c\u200d\u2028\u2029\u202f\u205f")
    + list("\u3000\ufeff\ufffd\uffff\u2581\u0120\u010a\u017f\u212a\u00df\u0130\u0131\u01c5\u02b0\u2160\u00b2\u00bd")
    + list("éèüößçñåøæœłžšđğıİ\u0301\u0308\u0327\u0338\u20dd\ufe0f")
    + list("абвяЖЩёіїαβγωΣςאבתשلمنيةـ٠١٢۴अआकि्तไทยกำ가나다각각あいアンー我们電脑模型。、「」")
    + list("𝒜𝔸𠀀𐍈🙂👍🏽👨‍👩‍👧🇫🇷❤\U0010ffff\ue000")
)
WORDS = [w for w in CORPUS.split(" ") if w]
SPACES = [" ", "  ", "   ", "    ", "     ", "        ", " " * 17, " " * 33, "\n", "\n\n", "\r\n", "\t", " \n ", "\u00a0", "\u3000 "]


def text_of(rng, markers):
    parts = []
    for _ in range(rng.choice([0, 1, 1, 2, 3, 5, 8, 13])):
        kind = rng.random()
        if kind < 0.35:
            parts.append(rng.choice(WORDS))
        elif kind < 0.55:
            parts.append(rng.choice(SPACES))
        elif kind < 0.75:
            parts.append("".join(rng.choice(CHARACTERS) for _ in range(rng.randint(1, 6))))
        elif kind < 0.85:
            parts.append(rng.choice(markers))
        elif kind < 0.88:
            marker = rng.choice(markers)
            parts.append(marker[: rng.randint(1, len(marker))])
        elif kind < 0.92:
            parts.append(rng.choice(CHARACTERS) * rng.randint(2, 40))
        elif kind < 0.95:
            parts.append("<0x%02X>" % rng.randrange(256))
        else:
            # any assigned block; surrogates cannot be given to the reference
            code = rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0x3000, 0xD800), rng.randrange(0x10000, 0x20000)])
            parts.append(chr(code))
        if rng.random() < 0.5:
            parts.append(" ")
    return "".join(parts)


def main():
    for name, make in FAMILIES.items():
        tokenizer = make()
        path = HERE / f"{name}.tokenizer.json"
        path.write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
        tokenizer = Tokenizer.from_file(str(path))
        markers = [t.content for t in tokenizer.get_added_tokens_decoder().values()]
        rng = random.Random(name)
        size = tokenizer.get_vocab_size()
        texts = ["", " ", "\n", *[m + "\n\nx" for m in markers], *[text_of(rng, markers) for _ in range(400)]]
        encoded = [[t, tokenizer.encode(t, add_special_tokens=False).ids] for t in texts]
        sequences = [[rng.randrange(size + 3) for _ in range(rng.randint(0, 24))] for _ in range(60)]
        # runs of byte tokens and control tokens, whole characters and halves
        sequences += [tokenizer.encode(t, add_special_tokens=False).ids[rng.randint(0, 3) :][:40] for t in texts[-60:]]
        # tokenizers 0.23 does not skip special tokens that are "normalized" (llama2 here): skip them beforehand.
        special = {i for i, t in tokenizer.get_added_tokens_decoder().items() if t.special}
        decoded = [
            [
                s,
                tokenizer.decode([i for i in s if i not in special], skip_special_tokens=False),
                tokenizer.decode(s, skip_special_tokens=False),
            ]
            for s in sequences
        ]
        golden = {"encode": encoded, "decode": decoded}
        text = json.dumps(golden, ensure_ascii=True, separators=(",", ":"))
        text = text.replace("],[\"", "],\n[\"").replace("\"],[[", "\"],\n[[") + "\n"
        (HERE / f"{name}.golden.json").write_text(text, "utf-8")
        print(name, size, len(encoded), len(decoded), len(text))


if __name__ == "__main__":
    main()
