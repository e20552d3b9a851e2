"""Scope: the model's configuration, and the model folder made from a checkpoint.

Writes config.json, generation_config.json and model.safetensors (fp16) into
models/demo. The tokenizer files come from `make_tokenizer.py`, the model card
is written by hand.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import Phi3Config

from make_tokenizer import BASE_VOCABULARY, MARKERS, MODEL_DIR, write_json

VOCABULARY = 4096  # 4032 pieces and 11 markers, padded to a multiple of 128


def marker_id(marker: str) -> int:
    return BASE_VOCABULARY + MARKERS.index(marker)


CONFIG = {
    "architectures": ["Phi3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "embd_pdrop": 0.0,
    "eos_token_id": marker_id("<|endoftext|>"),
    "hidden_act": "silu",
    "hidden_size": 256,
    "initializer_range": 0.02,
    "intermediate_size": 768,
    "max_position_embeddings": 4096,
    "model_type": "phi3",
    "num_attention_heads": 4,
    "num_hidden_layers": 8,
    "num_key_value_heads": 4,
    "original_max_position_embeddings": 4096,
    "pad_token_id": marker_id("<|endoftext|>"),
    "resid_pdrop": 0.0,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "sliding_window": 2047,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "transformers_version": "4.40.2",
    "use_cache": True,
    "vocab_size": VOCABULARY,
}

GENERATION_CONFIG = {
    "_from_model_config": True,
    "bos_token_id": 1,
    "eos_token_id": [marker_id(marker) for marker in ("<|endoftext|>", "<|assistant|>", "<|end|>")],
    "pad_token_id": marker_id("<|endoftext|>"),
    "transformers_version": "4.40.2",
}


def model_config() -> Phi3Config:
    """The configuration for training: the same model in fp32."""
    return Phi3Config(**{key: value for key, value in CONFIG.items() if key not in ("torch_dtype", "transformers_version")})


def export_weights(checkpoint: Path) -> None:
    weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
    halves = {name: tensor.to(torch.float16).contiguous() for name, tensor in sorted(weights.items())}
    if not all(tensor.isfinite().all() for tensor in halves.values()):
        raise ValueError("a weight does not fit into fp16")
    save_file(halves, MODEL_DIR / "model.safetensors", metadata={"format": "pt"})
    print(f"{len(halves)} tensors, {sum(t.numel() for t in halves.values()):,} parameters")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, nargs="?", help="checkpoint of train.py; without it, only the configuration")
    arguments = parser.parse_args()
    write_json("config.json", CONFIG)
    write_json("generation_config.json", GENERATION_CONFIG)
    if arguments.checkpoint:
        export_weights(arguments.checkpoint)


if __name__ == "__main__":
    main()
