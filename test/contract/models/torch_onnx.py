"""llama-tiny through torch.onnx, laid out as onnx-community does it: config.json, and graphs in `onnx/` whose attention is
plain: they join past and present, compute mask and rotary angles, and know no GroupQueryAttention.

`model.onnx` is what the TorchScript exporter writes (as optimum used it), opset 14; `model_fp16.onnx` what torch.export
writes, in fp16 and with its weights in two data files; `model_q4.onnx` is the first with its matrices in int4, as
transformers.js's scripts quantise.
"""

import shutil
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from transformers import AutoModelForCausalLM
from transformers.cache_utils import DynamicCache

import make_onnx_models as common

NAME = "llama-tiny"


class WithFlatCache(torch.nn.Module):
    """Keys and values of each layer as inputs and outputs of their own."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, *past):
        cache = DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        output = self.model(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, past_key_values=cache, use_cache=True
        )
        present = [tensor for layer in output.past_key_values.layers for tensor in (layer.keys, layer.values)]
        return (output.logits, *present)


def export(folder: Path, file: Path, dtype: torch.dtype, dynamo: bool) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()
    config = model.config
    layers, heads = config.num_hidden_layers, config.num_key_value_heads
    size = config.hidden_size // config.num_attention_heads
    past_tokens, tokens = 5, 3
    past = [torch.randn(2, heads, past_tokens, size, dtype=dtype) for _ in range(2 * layers)]
    inputs = (
        torch.ones(2, tokens, dtype=torch.long),
        torch.ones(2, past_tokens + tokens, dtype=torch.long),
        torch.arange(past_tokens, past_tokens + tokens)[None].expand(2, tokens).contiguous(),
        *past,
    )
    pairs = [(layer, kind) for layer in range(layers) for kind in ("key", "value")]
    names = {
        "input_names": ["input_ids", "attention_mask", "position_ids", *(f"past_key_values.{n}.{kind}" for n, kind in pairs)],
        "output_names": ["logits", *(f"present.{n}.{kind}" for n, kind in pairs)],
    }
    if dynamo:
        free = torch.export.Dim.DYNAMIC
        two = {0: free, 1: free}
        shapes = {"input_ids": two, "attention_mask": two, "position_ids": two, "past": tuple({0: free, 2: free} for _ in past)}
        torch.onnx.export(WithFlatCache(model), inputs, file, dynamic_shapes=shapes, dynamo=True, opset_version=18,
                          external_data=False, verbose=False, **names)  # fmt: skip
    else:
        axes = {name: {0: "batch_size", 2: "past_sequence_length"} for name in names["input_names"][3:]}
        axes |= {name: {0: "batch_size", 2: "total_sequence_length"} for name in names["output_names"][1:]}
        axes |= {name: {0: "batch_size", 1: "sequence_length"} for name in ("input_ids", "position_ids", "logits")}
        axes["attention_mask"] = {0: "batch_size", 1: "total_sequence_length"}
        torch.onnx.export(WithFlatCache(model), inputs, file, dynamic_axes=axes, dynamo=False, opset_version=14, **names)


def plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without stack traces and shapes of intermediate values, which are half of a tiny file."""
    del model.graph.value_info[:]
    for part in [model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output]:
        del part.metadata_props[:]
        part.doc_string = ""
    return model


def make_torch_folder(target: Path, scratch: Path) -> None:
    source = common.GOLDEN / "models" / NAME
    made = scratch / "torch"
    (made / "onnx").mkdir(parents=True)
    export(source, made / "onnx" / "model.onnx", torch.float32, dynamo=False)
    export(source, scratch / "half.onnx", torch.float16, dynamo=True)
    onnx.save(plain(onnx.load(made / "onnx" / "model.onnx")), made / "onnx" / "model.onnx")
    half = plain(onnx.load(scratch / "half.onnx"))
    common.spread(half, made / "onnx", ["model_fp16.onnx_data", "model_fp16.onnx_data_1"])
    onnx.save(half, made / "onnx" / "model_fp16.onnx")
    quantiser = MatMulNBitsQuantizer(onnx.load(made / "onnx" / "model.onnx"), block_size=32, is_symmetric=True, accuracy_level=1)
    quantiser.process()
    int4 = quantiser.model.model
    onnx.save(plain(int4), made / "onnx" / "model_q4.onnx")
    for name in ("config.json", "generation_config.json"):
        shutil.copy(source / name, made / name)
    common.keep(made, target)
    for file in ("model.onnx", "model_fp16.onnx", "model_q4.onnx"):
        by_order = file == "model_q4.onnx"
        peer = common.with_weights(source, int4, by_name=False) if by_order else common.reference.load(source)
        half_precision = file == "model_fp16.onnx"
        least = common.LEAST_GAP_IN_FP16 if half_precision else common.LEAST_GAP
        prompts = common.answers(peer, common.PROMPT_LENGTHS, common.NEW_TOKENS, least, len(file))
        common.write_answers(made, NAME, half_precision, f"torch.onnx, onnx/{file}", prompts)
        (made / "greedy.json").rename(target / f"greedy-{file.removesuffix('.onnx')}.json")
    size = sum(item.stat().st_size for item in target.rglob("*") if item.is_file())
    print(f"{target.name}: {size // 1000} kB", flush=True)
