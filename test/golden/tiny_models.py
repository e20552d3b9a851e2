"""The tiny random models: their shapes, their seeded weights, and how they are written as Hugging Face folders.

It does not run a model (reference.py) and does not choose prompts (make_golden.py). Every size is a multiple of 32 so
that int4 blocks fit; `phi3-gqa` has widths of 128 for blocks of 128. No width equals another without need, so that a
transposed or misplaced tensor cannot pass unnoticed.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import gguf
import ml_dtypes  # safetensors writes BF16 from its type
import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY_SIZE = 320
CONTEXT_TOKENS = 512
TIED_EMBEDDING_STD = 0.03
SPECIAL_TOKENS = ["<unk>", "<s>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
BOS_ID, ENDOFTEXT_ID, END_ID = 1, 2, 6

TRAINING_TEXT = [
    "A language model reads tokens and predicts the next token.",
    "Quantisation stores weights in four bits, in blocks of thirty-two values with one scale.",
    "An NPU runs neural networks with little power; a GPU runs them fast; a CPU runs them anywhere.",
]

# Phi-3's own template: user and assistant turns between its control tokens.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)


@dataclass(frozen=True)
class TinyModel:
    name: str
    architecture: str  # 'phi3' or 'llama'
    hidden_size: int
    intermediate_size: int
    layer_count: int
    head_count: int
    kv_head_count: int
    sliding_window: int | None = None
    rope_theta: float = 10000.0
    partial_rotary_factor: float = 1.0
    # Longrope: positions are scaled, with other factors beyond so many tokens.
    original_context: int | None = None
    tied: bool = False
    stored: str = "F32"  # dtype of the matrices in the file; the values are rounded to it, norms stay F32
    shard_count: int = 1
    also_gguf: bool = False
    seed: int = 0
    # (block size, symmetric) of the int4 round trips that get vectors
    int4: tuple[tuple[int, bool], ...] = ((32, True),)

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.head_count

    @property
    def crosses_window(self) -> bool:
        return self.sliding_window is not None and self.sliding_window < CONTEXT_TOKENS


TINY_MODELS = (
    TinyModel("phi3-window", "phi3", 64, 96, 2, 4, 4, sliding_window=20, seed=11, int4=((32, True), (32, False))),
    TinyModel("phi3-gqa", "phi3", 128, 128, 2, 8, 2, stored="F16", seed=12,
              int4=((128, True), (128, False), (64, True), (16, True))),
    TinyModel("phi3-deep", "phi3", 64, 128, 8, 4, 1, sliding_window=48, stored="BF16", shard_count=2, seed=13),
    TinyModel("llama-tiny", "llama", 64, 160, 2, 4, 2, rope_theta=100000.0, tied=True, stored="F16", also_gguf=True,
              seed=14),
    # Phi-3-mini-128k and Phi-3.5-mini, and with its shared KV heads Phi-3-medium-128k: longrope, a window that nothing
    # fills. Eight layers, for the NPU's front end.
    TinyModel("phi3-longrope", "phi3", 64, 96, 8, 4, 2, sliding_window=262144, original_context=64, stored="F16",
              seed=15),
    # Phi-4-mini: longrope on three quarters of each head, shared KV heads, tied embeddings.
    TinyModel("phi4-mini", "phi3", 128, 96, 2, 2, 1, sliding_window=262144, original_context=64,
              partial_rotary_factor=0.75, tied=True, stored="BF16", seed=16),
    # phi-4: no window, a larger theta.
    TinyModel("phi4", "phi3", 64, 96, 2, 4, 2, rope_theta=250000.0, stored="BF16", seed=17),
)


def round_to(values: np.ndarray, stored: str) -> np.ndarray:
    """fp32 values that `stored` holds exactly."""
    if stored == "F32":
        return values.astype(np.float32)
    if stored == "F16":
        return values.astype(np.float16).astype(np.float32)
    bits = values.astype(np.float32).view(np.uint32)  # BF16: round half to even on the upper 16 bits
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def make_weights(model: TinyModel, gain: float) -> dict[str, np.ndarray]:
    """Hugging Face names to fp32 values. Projections have std gain / sqrt(inputs), so `gain` sets how far the layers
    move the residual stream; the head is scaled so that logits have a standard deviation of about 5 * gain."""
    random = np.random.default_rng(model.seed)

    def matrix(rows: int, columns: int, scale: float = 1.0) -> np.ndarray:
        return round_to(random.standard_normal((rows, columns)) * (scale * gain / np.sqrt(columns)), model.stored)

    def norm() -> np.ndarray:
        return (1 + 0.2 * random.standard_normal(model.hidden_size)).astype(np.float32)

    hidden, head = model.hidden_size, model.head_size
    q_rows, kv_rows = model.head_count * head, model.kv_head_count * head
    # A tied head scores what the residual stream keeps of the input's own embedding: a small one lets the layers win,
    # and the last norm gives the logits their size back.
    embedding_std = TIED_EMBEDDING_STD if model.tied else 1.0
    gate_scale = 2.0 if model.tied else 1.5
    embedding = random.standard_normal((VOCABULARY_SIZE, hidden)) * embedding_std
    weights = {"model.embed_tokens.weight": round_to(embedding, model.stored)}
    for layer in range(model.layer_count):
        prefix = f"model.layers.{layer}."
        q, k, v = matrix(q_rows, hidden, 1.5), matrix(kv_rows, hidden, 1.5), matrix(kv_rows, hidden)
        gate, up = matrix(model.intermediate_size, hidden, gate_scale), matrix(model.intermediate_size, hidden)
        if model.architecture == "phi3":
            weights[prefix + "self_attn.qkv_proj.weight"] = np.concatenate([q, k, v])
            weights[prefix + "mlp.gate_up_proj.weight"] = np.concatenate([gate, up])
        else:
            weights[prefix + "self_attn.q_proj.weight"] = q
            weights[prefix + "self_attn.k_proj.weight"] = k
            weights[prefix + "self_attn.v_proj.weight"] = v
            weights[prefix + "mlp.gate_proj.weight"] = gate
            weights[prefix + "mlp.up_proj.weight"] = up
        weights[prefix + "self_attn.o_proj.weight"] = matrix(hidden, q_rows)
        weights[prefix + "mlp.down_proj.weight"] = matrix(hidden, model.intermediate_size)
        weights[prefix + "input_layernorm.weight"] = norm()
        weights[prefix + "post_attention_layernorm.weight"] = norm()
    weights["model.norm.weight"] = norm() * np.float32(5 * gain / (TIED_EMBEDDING_STD * np.sqrt(hidden)) if model.tied else 1)
    if not model.tied:
        weights["lm_head.weight"] = matrix(VOCABULARY_SIZE, hidden, 5.0)
    return weights


def rope_scaling(model: TinyModel) -> dict | None:
    """Factors that grow along the head, the short ones to 2.5, the long ones to 40, as the published ones do."""
    if model.original_context is None:
        return None
    half = int(model.head_size * model.partial_rotary_factor) // 2
    along = np.linspace(0, 1, half)
    return {
        "long_factor": [round(float(value), 4) for value in 1.05 * (40 / 1.05) ** along],
        "short_factor": [round(float(value), 4) for value in 1 + 1.5 * along**2],
        "type": "longrope",
    }


def config_json(model: TinyModel) -> dict:
    """config.json with the keys that models of 2024 carry (rope_theta and torch_dtype at the top level)."""
    config = {
        "architectures": ["Phi3ForCausalLM" if model.architecture == "phi3" else "LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": BOS_ID,
        "eos_token_id": ENDOFTEXT_ID,
        "hidden_act": "silu",
        "hidden_size": model.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": model.intermediate_size,
        "max_position_embeddings": CONTEXT_TOKENS,
        "model_type": model.architecture,
        "num_attention_heads": model.head_count,
        "num_hidden_layers": model.layer_count,
        "num_key_value_heads": model.kv_head_count,
        "pad_token_id": ENDOFTEXT_ID,
        "rms_norm_eps": 1e-05,
        "rope_scaling": rope_scaling(model),
        "rope_theta": model.rope_theta,
        "tie_word_embeddings": model.tied,
        "torch_dtype": {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[model.stored],
        "use_cache": True,
        "vocab_size": VOCABULARY_SIZE,
    }
    if model.architecture == "phi3":
        config |= {
            "embd_pdrop": 0.0,
            "original_max_position_embeddings": model.original_context or CONTEXT_TOKENS,
            "resid_pdrop": 0.0,
            "sliding_window": model.sliding_window,
        }
    if model.partial_rotary_factor != 1:
        config["partial_rotary_factor"] = model.partial_rotary_factor
    return dict(sorted(config.items()))


def write_json(path: Path, value: object) -> None:
    """Indented, but lists of numbers on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    text = re.sub(r'\[\s+(-?\d[^\[\]{}"]*?)\s+\]', lambda numbers: f"[{' '.join(numbers[1].split())}]", text)
    path.write_text(text + "\n", encoding="utf-8")


def make_tokenizer() -> Tokenizer:
    """Byte-level BPE that fills the vocabulary: control tokens, the 256 bytes, a few merges."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    assert tokenizer.get_vocab_size() == VOCABULARY_SIZE, tokenizer.get_vocab_size()
    return tokenizer


def write_tokenizer(folder: Path) -> None:
    tokenizer = make_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        "add_bos_token": False,
        "add_eos_token": False,
        "bos_token": "<s>",
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|endoftext|>",
        "model_max_length": CONTEXT_TOKENS,
        "pad_token": "<|endoftext|>",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
    })


def write_safetensors(folder: Path, model: TinyModel, weights: dict[str, np.ndarray]) -> None:
    """One file, or shards with an index as Hugging Face splits large models."""
    def stored(values: np.ndarray) -> np.ndarray:
        if values.ndim == 1 or model.stored == "F32":
            return values
        if model.stored == "F16":
            return values.astype(np.float16)
        return values.astype(ml_dtypes.bfloat16)

    tensors = {name: stored(values) for name, values in weights.items()}
    if model.shard_count == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = list(tensors)
    per_shard = -(-len(names) // model.shard_count)
    weight_map: dict[str, str] = {}
    for shard in range(model.shard_count):
        file = f"model-{shard + 1:05d}-of-{model.shard_count:05d}.safetensors"
        part = {name: tensors[name] for name in names[shard * per_shard : (shard + 1) * per_shard]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map |= {name: file for name in part}
    total = sum(tensor.nbytes for tensor in tensors.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map})


def write_gguf(path: Path, model: TinyModel, weights: dict[str, np.ndarray]) -> None:
    """The same model as llama.cpp stores a Llama: rows of q and k permuted for interleaved rotary, F16 matrices."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(model.name)
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(model.hidden_size)
    writer.add_block_count(model.layer_count)
    writer.add_feed_forward_length(model.intermediate_size)
    writer.add_head_count(model.head_count)
    writer.add_head_count_kv(model.kv_head_count)
    writer.add_rope_dimension_count(model.head_size)
    writer.add_rope_freq_base(model.rope_theta)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY_SIZE)
    tokenizer = json.loads(make_tokenizer().to_str())
    vocabulary = tokenizer["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    writer.add_token_types([control if token in SPECIAL_TOKENS else normal for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(BOS_ID)
    writer.add_eos_token_id(ENDOFTEXT_ID)
    writer.add_pad_token_id(ENDOFTEXT_ID)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    parts = {
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    }  # fmt: skip
    for name, values in weights.items():
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = values.shape[0] // model.head_size
            halves = values.reshape(heads, 2, model.head_size // 2, values.shape[1])
            values = halves.swapaxes(1, 2).reshape(values.shape)
        if name.startswith("model.layers."):
            _, _, layer, part = name.removesuffix(".weight").split(".", 3)
            ggml_name = f"blk.{layer}.{parts[part]}.weight"
        else:
            ggml_name = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                         "lm_head.weight": "output.weight"}[name]  # fmt: skip
        writer.add_tensor(ggml_name, np.ascontiguousarray(values.astype(np.float32 if values.ndim == 1 else np.float16)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_model(folder: Path, model: TinyModel, weights: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config_json(model))
    write_json(folder / "generation_config.json", {
        "bos_token_id": BOS_ID, "eos_token_id": [ENDOFTEXT_ID, END_ID], "pad_token_id": ENDOFTEXT_ID,
    })
    write_safetensors(folder, model, weights)
    write_tokenizer(folder)
    if model.also_gguf:
        write_gguf(folder.parent / f"{model.name}.f16.gguf", model, weights)
