"""Makes models/phi4-mini.mixed.gguf and vectors/phi4-mini.mixed.gguf.json.

    /tmp/golden/bin/python make_gguf_golden.py         # after make_golden.py, in the same environment

The tiny Phi-4-mini as llama.cpp's converter lays it out (fused attn_qkv and ffn_up, longrope's factors as tensors, partial
rotary, no output.weight), its matrices in one quantised type after the other; and what transformers computes with the
weights that the gguf package makes of them again.
"""

import json
import random
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q
from gguf import quants
from tokenizers import Tokenizer

import reference
from tiny_models import CHAT_TEMPLATE, END_ID, ENDOFTEXT_ID, SPECIAL_TOKENS, VOCABULARY_SIZE

HERE = Path(__file__).resolve().parent
MODEL = "phi4-mini"
TYPES = [Q.Q5_1, Q.Q5_0, Q.Q8_0, Q.Q4_1, Q.Q4_0]
NAMES = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.qkv_proj": "attn_qkv",
         "self_attn.o_proj": "attn_output", "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}  # fmt: skip
PROMPTS, TOKENS, LEAST_GAP = 8, 64, 0.02


def ggml_name(name):
    if name.startswith("model.layers."):
        _, _, layer, part = name.removesuffix(".weight").split(".", 3)
        return f"blk.{layer}.{NAMES[part]}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]


def write_metadata(writer, config, folder):
    rope = config["rope_scaling"]
    original = config["original_max_position_embeddings"]
    head_size = config["hidden_size"] // config["num_attention_heads"]
    writer.add_name(MODEL)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_rope_scaling_orig_ctx_len(original)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(int(config["partial_rotary_factor"] * head_size))
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_sliding_window(config["sliding_window"] or 0)
    scale = config["max_position_embeddings"] / original
    writer.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(scale) / np.log(original))))
    writer.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], np.float32))
    writer.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], np.float32))
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")  # what the tiny models have, whatever the family
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if t in SPECIAL_TOKENS else gguf.TokenType.NORMAL for t in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(ENDOFTEXT_ID)
    writer.add_pad_token_id(ENDOFTEXT_ID)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def texts_of(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rng = random.Random(4)
    pieces = ["hello", " the world", "\n\n", "  ", "Ünï", "我们", "🙂", "<|end|>", "<|user|>", "x = [1, 2]", "\tdef", "'ll"]
    texts = ["".join(rng.choice(pieces) for _ in range(rng.randint(1, 9))) for _ in range(60)]
    return [[text, tokenizer.encode(text, add_special_tokens=False).ids] for text in texts]


def main():
    folder = HERE / "models" / MODEL
    config = json.loads((folder / "config.json").read_text())
    model = reference.load(folder)
    writer = gguf.GGUFWriter(HERE / "models" / f"{MODEL}.mixed.gguf", "phi3")
    write_metadata(writer, config, folder)
    matrices = 0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = parameter.float().numpy()
            if value.ndim == 1:
                writer.add_tensor(ggml_name(name), value.astype(np.float32))
                continue
            qtype = TYPES[matrices % len(TYPES)]
            matrices += 1
            stored = quants.quantize(value, qtype)
            writer.add_tensor(ggml_name(name), stored, raw_dtype=qtype)
            parameter.copy_(torch.from_numpy(quants.dequantize(stored, qtype)))
            print(ggml_name(name), qtype.name)
    model.tie_weights()
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    rng = np.random.default_rng(12)
    boundary = config["original_max_position_embeddings"]
    kept = []
    for length in [1, boundary - 1, boundary, boundary + 6, *rng.integers(2, 72, 60)]:
        prompt = rng.integers(len(SPECIAL_TOKENS), VOCABULARY_SIZE, int(length)).tolist()
        run = reference.greedy_recomputed(model, prompt, TOKENS)
        if run.smallest_gap >= LEAST_GAP and not {ENDOFTEXT_ID, END_ID} & set(run.token_ids):
            kept.append({"tokenIds": prompt, "greedyTokenIds": run.token_ids})
        if len(kept) == PROMPTS:
            break
    else:
        sys.exit(f"only {len(kept)} prompts pass")
    lengths = [len(prompt["tokenIds"]) for prompt in kept]
    assert min(lengths) < boundary and max(lengths) > boundary, lengths
    golden = {**reference.versions(), "gguf": "0.19.0", "prompts": kept, "texts": texts_of(folder)}
    text = json.dumps(golden, ensure_ascii=True, separators=(",", ":")).replace("},{", "},\n{").replace("],[", "],\n[")
    (HERE / "vectors" / f"{MODEL}.mixed.gguf.json").write_text(text + "\n")
    print(lengths)


main()
