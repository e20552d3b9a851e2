"""Makes the folders optimum-*: tiny models as optimum-cli exports them, and greedy.json, what Intel's own tools answer.

    python -m venv /tmp/optimum && /tmp/optimum/bin/pip install -r optimum-requirements.txt
    /tmp/optimum/bin/python make_optimum_models.py          # all; a name makes that one only

The weights are those of test/golden/models. Three peers must agree on each greedy answer before it is kept: the
runtime itself driven step by step (it also tells how close the two best logits come), openvino-genai given token ids,
and optimum-intel's OVModelForCausalLM. All run with f32 inference, an f32 KV cache, dynamic quantisation off and SDPA
attention: by default they round activations and the cache to 8 bits, each at its own places.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
import openvino_genai
import torch
import transformers
from optimum.intel import OVModelForCausalLM
from optimum.intel.version import __version__ as optimum_intel_version

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parents[1] / "golden"
END_IDS = [2, 6]
VOCABULARY_SIZE, CONTROL_TOKENS = 320, 7
NEW_TOKENS = 40
# Where the first and the second logit are closer, rounding could decide. NPUW keeps keys and values in f16.
LEAST_GAP, LEAST_GAP_ON_NPU = 0.01, 0.05
PROMPT_LENGTHS = (70, 48, 30, 12, 2)
CANDIDATES = 60
EXACT = {
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
    "INFERENCE_NUM_THREADS": "1",
}
EMULATED_NPU = {"NPUW_DEVICES": "CPU", "MAX_PROMPT_LEN": 128, "MIN_RESPONSE_LEN": 128}


@dataclass(frozen=True)
class Folder:
    name: str
    model: str
    flags: tuple[str, ...]
    npu: bool = False
    """Also ask openvino-genai's NPU path, emulated on the CPU: 8 layers, symmetric, per channel."""


FOLDERS = (
    Folder("optimum-int4-sym-gs16", "llama-tiny", ("--weight-format", "int4", "--sym", "--group-size", "16")),
    Folder("optimum-int4-asym-gs32-ratio06", "phi3-window",
           ("--weight-format", "int4", "--group-size", "32", "--ratio", "0.6")),
    Folder("optimum-int4-sym-channel", "phi3-deep",
           ("--weight-format", "int4", "--sym", "--group-size", "-1", "--ratio", "1.0"), npu=True),
    Folder("optimum-int8", "phi3-gqa", ("--weight-format", "int8")),
    Folder("optimum-fp16", "phi3-window", ("--weight-format", "fp16")),
)  # fmt: skip


def export(folder: Folder, scratch: Path) -> Path:
    made = scratch / folder.name
    command = [
        str(Path(sys.executable).with_name("optimum-cli")), "export", "openvino", "--model", f"test/golden/models/{folder.model}",
        "--task", "text-generation-with-past", *folder.flags, str(made),
    ]  # fmt: skip
    # openvino_config.json keeps the path as it was given.
    subprocess.run(command, check=True, capture_output=True, cwd=HERE.parents[2])
    return made


@dataclass(frozen=True)
class Greedy:
    token_ids: list[int]
    smallest_gap: float
    first_row: np.ndarray


def step_by_step(compiled: ov.CompiledModel, prompt: list[int]) -> Greedy:
    request = compiled.create_infer_request()
    token_ids, gaps, feed, past, first_row = [], [], prompt, 0, None
    for _ in range(NEW_TOKENS):
        length = past + len(feed)
        request.infer({
            "input_ids": np.array([feed], dtype=np.int64),
            "attention_mask": np.ones((1, length), dtype=np.int64),
            "position_ids": np.arange(past, length, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, dtype=np.int32),
        })
        row = request.get_tensor("logits").data[0, -1].astype(np.float32).copy()
        first_row = row if first_row is None else first_row
        second, first = np.sort(row)[-2:]
        gaps.append(float(first - second))
        token_ids.append(int(row.argmax()))
        feed, past = token_ids[-1:], length
    return Greedy(token_ids, min(gaps), first_row)


def genai_answer(pipeline: openvino_genai.LLMPipeline, prompt: list[int]) -> list[int]:
    ids = ov.Tensor(np.array([prompt], dtype=np.int64))
    inputs = openvino_genai.TokenizedInputs(ids, ov.Tensor(np.ones((1, len(prompt)), dtype=np.int64)))
    config = openvino_genai.GenerationConfig(max_new_tokens=NEW_TOKENS, do_sample=False, ignore_eos=True)
    return [int(token) for token in pipeline.generate(inputs, config).tokens[0]]


def optimum_answer(model: OVModelForCausalLM, prompt: list[int]) -> list[int]:
    ids = torch.tensor([prompt])
    options = {"max_new_tokens": NEW_TOKENS, "do_sample": False, "eos_token_id": None, "pad_token_id": END_IDS[0]}
    return model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, len(prompt) :].tolist()


def make(folder: Folder, scratch: Path) -> None:
    made = export(folder, scratch)
    # One core of its own in turn: two cores sum in another order from run to run.
    compiled = ov.Core().compile_model(made / "openvino_model.xml", "CPU", EXACT)
    genai = openvino_genai.LLMPipeline(str(made), "CPU", ATTENTION_BACKEND="SDPA", **EXACT)
    npu = openvino_genai.LLMPipeline(str(made), "NPU", **EMULATED_NPU) if folder.npu else None
    optimum = OVModelForCausalLM.from_pretrained(made, ov_config=EXACT)
    least_gap = LEAST_GAP_ON_NPU if npu else LEAST_GAP
    random = np.random.default_rng(7)
    kept = []
    for length in PROMPT_LENGTHS:  # the longest cross the sliding window in prefill, others in decode
        for _ in range(CANDIDATES):
            prompt = random.integers(CONTROL_TOKENS, VOCABULARY_SIZE, size=length).tolist()
            run = step_by_step(compiled, prompt)
            if run.smallest_gap >= least_gap and not set(run.token_ids) & set(END_IDS):
                break
        else:
            sys.exit(f"{folder.name}: no prompt of {length} tokens passes")
        assert genai_answer(genai, prompt) == run.token_ids, "openvino-genai answers otherwise"
        assert optimum_answer(optimum, prompt) == run.token_ids, "optimum-intel answers otherwise"
        if npu:
            assert genai_answer(npu, prompt) == run.token_ids, "openvino-genai's NPU path answers otherwise"
        kept.append((prompt, run))

    target = HERE / folder.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    # optimum's XML is 200 to 700 kB of text, 15 to 40 kB compressed.
    (target / "openvino_model.xml.gz").write_bytes(gzip.compress((made / "openvino_model.xml").read_bytes(), 9, mtime=0))
    for file in made.iterdir():
        if file.name != "openvino_model.xml" and "openvino_tokenizer" not in file.name and "detokenizer" not in file.name:
            shutil.copyfile(file, target / file.name)
    answers = {
        "command": ["optimum-cli", "export", "openvino", "--model", f"test/golden/models/{folder.model}", "--task",
                    "text-generation-with-past", *folder.flags, folder.name],
        "madeBy": {
            "optimum-intel": optimum_intel_version,
            "openvino": ov.__version__.split("-")[0],
            "openvino-genai": openvino_genai.__version__.split("-")[0],
            "transformers": transformers.__version__,
        },
        "properties": EXACT,
        "agreeing": ["openvino", "openvino-genai", "optimum-intel", *(["openvino-genai on NPU, emulated"] if npu else [])],
        "prompts": [
            {
                "tokenIds": prompt,
                "greedyTokenIds": run.token_ids,
                "smallestGap": round(run.smallest_gap, 4),
                "firstLogits": [round(float(value), 5) for value in run.first_row],
            }
            for prompt, run in kept
        ],
    }  # fmt: skip
    (target / "greedy.json").write_text(one_line_lists(json.dumps(answers, indent=2)) + "\n", encoding="utf-8")
    sizes = sum(file.stat().st_size for file in target.iterdir())
    gaps = min(run.smallest_gap for _, run in kept)
    distinct = min(len(set(run.token_ids)) for _, run in kept)
    print(f"{folder.name}: gap {gaps:.3f}+, {distinct}+ distinct tokens, {sizes} bytes", flush=True)


def one_line_lists(text: str) -> str:
    """Lists of numbers on one line."""
    return re.sub(r'\[\s+(-?\d[^\[\]{}"]*?)\s+\]', lambda numbers: f"[{' '.join(numbers[1].split())}]", text)


def main() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        for folder in FOLDERS:
            if folder.name in sys.argv[1:] or len(sys.argv) == 1:
                make(folder, Path(scratch))


if __name__ == "__main__":
    main()
