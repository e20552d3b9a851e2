"""Makes the ready-made ONNX folders of this directory, and beside each greedy.json: what transformers answers.

    python -m venv /tmp/onnx-models && /tmp/onnx-models/bin/pip install -r onnx-requirements.txt
    /tmp/onnx-models/bin/python make_onnx_models.py          # all; names make those only

Three kinds of folders: those of onnxruntime-genai's model builder, for every provider it knows; exports by torch.onnx,
laid out as onnx-community does it, whose graphs join past and present themselves; and builder folders changed by the
onnx package into what other versions wrote (opset 14 and IR 7, weights inside the model file, data in several files).

The reference is transformers in fp32 with the very weights that are in the ONNX file, dequantised by NumPy here. Every
token is chosen by one pass over the whole sequence, without a cache: a longrope model changes all its positions when
it crosses its original context. A prompt is kept only where the first and the second logit stay apart.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_model, set_external_data

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))

import reference  # noqa: E402
import transformers  # noqa: E402
from tiny_models import SPECIAL_TOKENS, VOCABULARY_SIZE  # noqa: E402

NEW_TOKENS = 40
PROMPT_LENGTHS = (70, 48, 30, 12, 2)
LEAST_GAP = 0.02
LEAST_GAP_IN_FP16 = 0.1
CANDIDATES = 60
END_IDS = {2, 6}
ORIGINAL_CONTEXT = 64


@dataclass(frozen=True)
class Folder:
    name: str
    source: str
    precision: str
    provider: str
    options: tuple[str, ...] = ()
    half: bool = False
    """Computed in fp16."""
    change: str | None = None
    prompts: tuple[int, ...] = PROMPT_LENGTHS
    new_tokens: int = NEW_TOKENS


EXACT = "accuracy_level=1"  # activations in fp32; at 4, the default, they are rounded to int8
LONGROPE_PROMPTS = (100, 50, 40, 12)
FOLDERS = (
    Folder("builder-cpu-fp32-inside", "phi3-window", "fp32", "cpu", change="weights_inside"),
    Folder("builder-cpu-int4-asym", "phi3-window", "int4", "cpu",
           (EXACT, "is_symmetric=false", "block_size=16")),
    Folder("builder-cpu-int4-tied", "llama-tiny", "int4", "cpu", (EXACT, "shared_embeddings=true")),
    Folder("builder-cpu-int4-gather-pruned", "phi3-window", "int4", "cpu",
           (EXACT, "op_types_to_quantize=MatMul/Gather", "prune_lm_head=true")),
    Folder("builder-cpu-int8", "llama-tiny", "int8", "cpu", (EXACT,)),
    Folder("builder-cpu-longrope", "longrope", "int4", "cpu", (EXACT,), prompts=LONGROPE_PROMPTS),
    Folder("builder-dml-int4-longrope", "longrope", "int4", "dml", half=True, prompts=LONGROPE_PROMPTS),
    Folder("builder-webgpu-graph-longrope", "longrope", "int4", "webgpu", ("enable_webgpu_graph=true", EXACT), half=True,
           prompts=(20, 12, 7, 2), new_tokens=30),
    Folder("builder-webgpu-int4", "llama-tiny", "int4", "webgpu", (EXACT,), half=True),
    Folder("builder-webgpu-int4-fp32", "llama-tiny", "int4", "webgpu", ("use_webgpu_fp32=true", EXACT)),
    Folder("builder-cuda-fp16", "llama-tiny", "fp16", "cuda", half=True),
    Folder("opset14-dml-int4", "llama-tiny", "int4", "dml", half=True, change="opset14_in_three_files"),
    Folder("onnx-community-gqa", "llama-tiny", "int4", "cpu", (EXACT,), change="onnx_community"),
)  # fmt: skip


def source_folder(folder: Folder, scratch: Path) -> Path:
    """The tiny models of test/golden; `longrope` is phi3-window with two sets of factors in place of its window."""
    if folder.source != "longrope":
        return GOLDEN / "models" / folder.source
    made = scratch / "longrope"
    if not made.exists():
        shutil.copytree(GOLDEN / "models" / "phi3-window", made)
        config = json.loads((made / "config.json").read_text())
        half = config["hidden_size"] // config["num_attention_heads"] // 2
        config |= {
            "max_position_embeddings": 4 * ORIGINAL_CONTEXT,
            "original_max_position_embeddings": ORIGINAL_CONTEXT,
            "sliding_window": None,
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1 + 0.05 * i for i in range(half)],
                "long_factor": [1.5 + 0.6 * i for i in range(half)],
            },
        }
        (made / "config.json").write_text(json.dumps(config, indent=2))
    return made


def build(folder: Folder, source: Path, made: Path) -> None:
    options = ["--extra_options", *folder.options] if folder.options else []
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(source), "-o", str(made),
               "-p", folder.precision, "-e", folder.provider, *options]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    if folder.change is not None:
        CHANGES[folder.change](made, source)


# Changes


def load(made: Path) -> onnx.ModelProto:
    model = onnx.load(made / "model.onnx", load_external_data=False)
    load_external_data_for_model(model, str(made))
    for tensor in model.graph.initializer:
        del tensor.external_data[:]
        tensor.data_location = TensorProto.DEFAULT
    return model


def weights_inside(made: Path, _source: Path) -> None:
    model = load(made)
    (made / "model.onnx.data").unlink()
    onnx.save(model, made / "model.onnx")


def spread(model: onnx.ModelProto, folder: Path, names: list[str]) -> None:
    """Puts the weights into several data files, one after the other in turn."""
    data: dict[str, bytearray] = {name: bytearray() for name in names}
    for index, tensor in enumerate(model.graph.initializer):
        if len(tensor.raw_data) < 64:
            continue
        name = names[index % len(names)]
        set_external_data(tensor, name, offset=len(data[name]), length=len(tensor.raw_data))
        data[name] += tensor.raw_data
        tensor.ClearField("raw_data")
    for name, content in data.items():
        (folder / name).write_bytes(bytes(content))


def opset14_in_three_files(made: Path, _source: Path) -> None:
    """As the builder of May 2024 wrote: opset 14, IR 7, the file named after the recipe."""
    model = load(made)
    model.ir_version = 7
    for opset in model.opset_import:
        if opset.domain == "":
            opset.version = 14
    name = "tiny-directml-int4-rtn-block-32"
    (made / "model.onnx").unlink()
    (made / "model.onnx.data").unlink()
    spread(model, made, [f"{name}.onnx.data", f"{name}.onnx.data_1", f"{name}.onnx.data_2"])
    onnx.save(model, made / f"{name}.onnx")
    config = json.loads((made / "genai_config.json").read_text())
    config["model"]["decoder"]["filename"] = f"{name}.onnx"
    config["model"]["eos_token_id"] = 2  # a number, not a list
    (made / "genai_config.json").write_text(json.dumps(config, indent=4))


def onnx_community(made: Path, source: Path) -> None:
    """onnx/model_q4.onnx with two data files and the input num_logits_to_keep; config.json, no genai_config.json."""
    model = load(made)
    graph = model.graph
    head = next(node for node in graph.node if node.output[0] == "logits")
    graph.input.append(helper.make_tensor_value_info("num_logits_to_keep", TensorProto.INT64, []))
    graph.initializer.extend([
        numpy_helper.from_array(np.array([np.iinfo(np.int64).max]), "slice_end"),
        numpy_helper.from_array(np.array([1]), "slice_axis"),
        numpy_helper.from_array(np.array([0]), "unsqueeze_axis"),
    ])  # fmt: skip
    hidden = head.input[0]
    added = [
        helper.make_node("Neg", ["num_logits_to_keep"], ["negative_count"]),
        helper.make_node("Unsqueeze", ["negative_count", "unsqueeze_axis"], ["slice_start"]),
        helper.make_node("Slice", [hidden, "slice_start", "slice_end", "slice_axis"], ["kept_hidden_states"]),
    ]
    at = list(graph.node).index(head)
    head.input[0] = "kept_hidden_states"
    nodes = [*graph.node[:at], *added, *graph.node[at:]]
    del graph.node[:]
    graph.node.extend(nodes)
    for dimension in graph.output[0].type.tensor_type.shape.dim[1:2]:
        dimension.dim_param = "num_logits_to_keep"
    for file in list(made.iterdir()):
        if file.is_file():
            file.unlink()
    (made / "onnx").mkdir()
    spread(model, made / "onnx", ["model_q4.onnx_data", "model_q4.onnx_data_1"])
    onnx.save(model, made / "onnx" / "model_q4.onnx")
    for name in ("config.json", "generation_config.json"):
        shutil.copy(source / name, made / name)


CHANGES = {change.__name__: change for change in (weights_inside, opset14_in_three_files, onnx_community)}


# The weights that are in a graph


def dequantise(node: onnx.NodeProto, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """The [N, K] fp32 matrix of a MatMulNBits node (com.microsoft, docs/ContribOperators.md)."""
    attributes = {item.name: item.i for item in node.attribute}
    bits, block = attributes["bits"], attributes["block_size"]
    rows, columns = attributes["N"], attributes["K"]
    blocks = (columns + block - 1) // block
    codes = unpack(tensors[node.input[1]].reshape(rows, blocks, -1), bits).reshape(rows, blocks, block)
    scales = tensors[node.input[2]].astype(np.float32).reshape(rows, blocks, 1)
    zero_points: np.ndarray | float = float(1 << (bits - 1))
    if len(node.input) > 3 and node.input[3]:
        packed = tensors[node.input[3]].reshape(rows, -1)
        zero_points = unpack(packed, bits)[:, :blocks].reshape(rows, blocks, 1).astype(np.float32)
    return ((codes.astype(np.float32) - zero_points) * scales).reshape(rows, -1)[:, :columns].astype(np.float32)


def unpack(packed: np.ndarray, bits: int) -> np.ndarray:
    if bits == 8:
        return packed
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)


def matrices_of(model: onnx.ModelProto) -> tuple[list[tuple[str, np.ndarray]], np.ndarray]:
    """Each multiplication by weights, in the order of the graph: the node's name and [N, K]; and the embedding."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:  # weights that are reshaped, transposed or cast before use
        if node.op_type in ("Reshape", "Transpose", "Constant", "Identity"):
            made = constant_output(node, tensors)
            if made is not None:
                tensors[node.output[0]] = made
    found: list[tuple[str, np.ndarray]] = []
    embedding: np.ndarray | None = None
    for node in model.graph.node:
        if node.op_type == "MatMulNBits":
            found.append((node.name, dequantise(node, tensors)))
        elif node.op_type == "MatMul" and node.input[1] in tensors:
            found.append((node.name, tensors[node.input[1]].astype(np.float32).T))
        elif node.op_type == "Gather" and node.input[0] in tensors and tensors[node.input[0]].ndim == 2:
            embedding = tensors[node.input[0]].astype(np.float32)
        elif node.op_type == "GatherBlockQuantized":
            embedding = dequantise_embedding(node, tensors)
    assert embedding is not None, "the graph has no embedding"
    return found, embedding


def constant_output(node: onnx.NodeProto, tensors: dict[str, np.ndarray]) -> np.ndarray | None:
    if node.op_type == "Constant":
        value = next((item.t for item in node.attribute if item.name == "value"), None)
        return None if value is None else numpy_helper.to_array(value)
    if any(name not in tensors for name in node.input):
        return None
    values = [tensors[name] for name in node.input]
    if node.op_type == "Reshape":
        return values[0].reshape([int(size) for size in values[1]])
    if node.op_type == "Transpose":
        return values[0].transpose(next((item.ints for item in node.attribute if item.name == "perm"), None))
    return values[0]


def dequantise_embedding(node: onnx.NodeProto, tensors: dict[str, np.ndarray]) -> np.ndarray:
    attributes = {item.name: item.i for item in node.attribute}
    codes, scales = tensors[node.input[0]], tensors[node.input[2]].astype(np.float32)
    if codes.dtype == np.uint8:  # packed, from 0 to 15 around 8
        values = unpack(codes, attributes.get("bits", 4)).astype(np.float32)
        middle = float(1 << (attributes.get("bits", 4) - 1))
        if len(node.input) > 3 and node.input[3]:
            points = unpack(tensors[node.input[3]].reshape(len(codes), -1), attributes.get("bits", 4))
            middle = np.repeat(points[:, : scales.reshape(len(codes), -1).shape[1]], attributes["block_size"], axis=1)
        values = values - middle
    else:
        values = codes.astype(np.float32)
    block = attributes["block_size"]
    scales = np.repeat(scales.reshape(len(values), -1), block, axis=1)[:, : values.shape[1]]
    return values * scales


PARTS = ("qkv_proj", "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def with_weights(source: Path, model: onnx.ModelProto, by_name: bool) -> transformers.PreTrainedModel:
    """transformers' model of `source` with the matrices and the embedding of the graph."""
    peer = reference.load(source)
    found, embedding = matrices_of(model)
    layers = peer.model.layers
    per_layer = (len(found) - 1) // len(layers)
    order = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    parts: list[dict[str, np.ndarray]] = [{} for _ in layers]
    for index, (name, matrix) in enumerate(found[:-1]):
        if by_name:
            part = next(part for part in PARTS if f"/{part}/" in name)
            parts[int(name.split("layers.")[1].split("/")[0])][part] = matrix
        else:
            parts[index // per_layer][order[index % per_layer]] = matrix
    for layer, matrices in zip(layers, parts):
        if "qkv_proj" not in matrices:
            matrices["qkv_proj"] = np.concatenate([matrices.pop(name) for name in ("q_proj", "k_proj", "v_proj")])
        put(layer, matrices)
    if by_name:  # the builder keeps norms in the type that config.json names
        tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for index, layer in enumerate(layers):
            for norm in ("input_layernorm", "post_attention_layernorm"):
                getattr(layer, norm).weight = parameter(tensors[f"model.layers.{index}.{norm}.weight"])
        peer.model.norm.weight = parameter(tensors[f"model.layers.{len(layers)}.final_norm_layernorm.weight"])
        # It writes no sliding window (GroupQueryAttention's local_window_size stays -1).
        for module in peer.modules():
            if hasattr(module, "sliding_window"):
                module.sliding_window = None
        peer.config.sliding_window = None
    peer.model.embed_tokens.weight = parameter(embedding)
    peer.lm_head.weight = parameter(found[-1][1])
    return peer


def put(layer: torch.nn.Module, matrices: dict[str, np.ndarray]) -> None:
    attention, mlp = layer.self_attn, layer.mlp
    attention.o_proj.weight = parameter(matrices["o_proj"])
    mlp.down_proj.weight = parameter(matrices["down_proj"])
    gate, up, qkv = matrices["gate_proj"], matrices["up_proj"], matrices["qkv_proj"]
    if hasattr(attention, "qkv_proj"):
        attention.qkv_proj.weight = parameter(qkv)
        mlp.gate_up_proj.weight = parameter(np.concatenate([gate, up]))
    else:
        rows = attention.q_proj.weight.shape[0], attention.k_proj.weight.shape[0]
        q, k, v = np.split(qkv, [rows[0], rows[0] + rows[1]])
        for module, matrix in ((attention.q_proj, q), (attention.k_proj, k), (attention.v_proj, v)):
            module.weight = parameter(matrix)
        mlp.gate_proj.weight, mlp.up_proj.weight = parameter(gate), parameter(up)


def parameter(values: np.ndarray) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)))


# The answers


def greedy(model: transformers.PreTrainedModel, prompt: list[int], count: int) -> tuple[list[int], float, list[float]]:
    """`count` tokens, each by a pass over all of the sequence; the smallest gap; the logits after the prompt."""
    token_ids: list[int] = []
    gap, first = float("inf"), []
    for _ in range(count):
        row = reference.logits_of(model, prompt + token_ids)[-1]
        if not token_ids:
            first = [round(float(value), 5) for value in row]
        top = np.sort(row)
        gap = min(gap, float(top[-1] - top[-2]))
        token_ids.append(int(row.argmax()))
    return token_ids, gap, first


def answers(model: transformers.PreTrainedModel, lengths: tuple[int, ...], count: int, least_gap: float, seed: int) -> list[dict]:
    random = np.random.default_rng(seed)
    kept = []
    for length in lengths:
        for _ in range(CANDIDATES):
            prompt = random.integers(len(SPECIAL_TOKENS), VOCABULARY_SIZE, size=length).tolist()
            token_ids, gap, first = greedy(model, prompt, count)
            if gap >= least_gap and not END_IDS & set(token_ids):
                kept.append({"tokenIds": prompt, "greedyTokenIds": token_ids, "smallestGap": round(gap, 4),
                             "firstLogits": first})  # fmt: skip
                break
    assert len(kept) >= min(2, len(lengths)), "hardly a prompt passes"
    return kept


def write_answers(made: Path, source: str, half: bool, how: str, prompts: list[dict]) -> None:
    lines = {"madeBy": {**reference.versions(), "how": how}, "source": source, "half": half, "prompts": prompts}
    text = json.dumps(lines, indent=1)
    import re
    (made / "greedy.json").write_text(re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text) + "\n")


def keep(made: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for file in sorted(made.iterdir()):
        if file.name in ("genai_config.json", "config.json", "generation_config.json", "greedy.json") or ".onnx" in file.name:
            shutil.copy(file, target / file.name)
        elif file.name == "onnx":
            shutil.copytree(file, target / "onnx")


def make(folder: Folder, scratch: Path) -> None:
    source = source_folder(folder, scratch)
    made = scratch / folder.name
    build(folder, source, made)
    file = next(file for file in [*made.glob("*.onnx"), *made.glob("onnx/*.onnx")])
    model = onnx.load(file)
    peer = with_weights(source, model, by_name=True)
    least = LEAST_GAP_IN_FP16 if folder.half else LEAST_GAP
    prompts = answers(peer, folder.prompts, folder.new_tokens, least, sum(map(ord, folder.name)))
    how = f"builder -p {folder.precision} -e {folder.provider} --extra_options {' '.join(folder.options)} ({folder.change or 'as it is'})"
    write_answers(made, folder.source, folder.half, how, prompts)
    keep(made, HERE / folder.name)
    size = sum(item.stat().st_size for item in (HERE / folder.name).rglob("*") if item.is_file())
    print(f"{folder.name}: {len(prompts)} prompts, {size // 1000} kB", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        for folder in FOLDERS:
            if not wanted or folder.name in wanted:
                make(folder, Path(scratch))
        if not wanted or "torch-plain-attention" in wanted:
            from torch_onnx import make_torch_folder

            make_torch_folder(HERE / "torch-plain-attention", Path(scratch))


if __name__ == "__main__":
    main()
