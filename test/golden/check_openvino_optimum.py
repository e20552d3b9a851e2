"""aipc's OpenVINO folders in optimum-intel: OVModelForCausalLM gives aipc's greedy tokens, in fp32 and fp16 also those
of transformers (vectors/).

    python -m venv /tmp/optimum && /tmp/optimum/bin/pip install -r ../contract/models/optimum-requirements.txt
    npm run build && /tmp/optimum/bin/python test/golden/check_openvino_optimum.py    # at the repository's root

It exports with `aipc export openvino` to a temporary folder, and lets aipc run on the OpenVINO of this environment.
Everything computes in f32: f32 inference, f32 KV cache, dynamic quantisation off. Prints a line for each folder and
ends with 1 where tokens differ. It needs torch, so that it is run by hand (docs/testing.md holds the results).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import openvino
import torch
import transformers
from optimum.intel import OVModelForCausalLM
from optimum.intel.version import __version__ as optimum_intel_version

ROOT = Path(__file__).resolve().parents[2]
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
TOKENS = 64
TINY = ("phi3-window", "phi3-gqa", "phi3-deep", "llama-tiny")
FLOATS = (["--weight-format", "fp32"], ["--weight-format", "fp16"])
QUANTISED = (
    ["--weight-format", "int8"],
    ["--weight-format", "int8", "--sym"],
    ["--weight-format", "int4", "--sym", "--group-size", "16"],
    ["--weight-format", "int4", "--sym", "--group-size", "32"],
    ["--weight-format", "int4", "--sym", "--group-size", "-1"],
    ["--weight-format", "int4", "--group-size", "32"],
    ["--weight-format", "int4", "--group-size", "-1"],
    ["--weight-format", "int4", "--group-size", "32", "--ratio", "0.6"],
    ["--weight-format", "int4", "--sym", "--group-size", "32", "--ratio", "0.6"],
    ["--weight-format", "int4", "--sym", "--group-size", "32", "--all-layers"],
)
WIDE = (
    ["--weight-format", "int4", "--sym", "--group-size", "64"],
    ["--weight-format", "int4", "--sym", "--group-size", "128"],
    ["--weight-format", "int4", "--group-size", "128", "--ratio", "0.6"],
)


def node(*arguments: str, **options) -> str:
    libraries = Path(openvino.__file__).parent / "libs"
    environment = {**os.environ, "OPENVINO_LIB_DIR": str(libraries)}
    done = subprocess.run(
        ["node", *arguments], cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE, **options
    )
    return done.stdout


def aipc_tokens(folder: str, prompts: list[list[int]]) -> list[list[int]]:
    request = json.dumps({"folder": folder, "prompts": prompts, "count": TOKENS})
    return json.loads(node("dist/test/golden/greedy-tokens.js", input=request))["answers"]


def optimum_tokens(folder: str, prompts: list[list[int]]) -> list[list[int]]:
    model = OVModelForCausalLM.from_pretrained(folder, ov_config=EXACT)
    model.generation_config.eos_token_id = None
    answers = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        mask = torch.ones_like(ids)
        answer = model.generate(ids, attention_mask=mask, max_new_tokens=TOKENS, do_sample=False, pad_token_id=0)
        answers.append(answer[0, len(prompt) :].tolist())
    return answers


def check(source: str, flags: list[str], prompts: list[list[int]], expected: list[list[int]] | None, scratch: str) -> bool:
    folder = str(Path(scratch) / "-".join([Path(source).name, *(flag.lstrip("-") for flag in flags)]))
    node("dist/src/cli/main.js", "export", "openvino", "--model", source, *flags, folder, stderr=subprocess.DEVNULL)
    optimum, aipc = optimum_tokens(folder, prompts), aipc_tokens(folder, prompts)
    same = sum(a == b for a, b in zip(optimum, aipc, strict=True))
    line = f"{Path(source).name} {' '.join(flags)}: {same} of {len(prompts)} answers the same"
    if expected is not None:
        matching = sum(a == b for a, b in zip(optimum, expected, strict=True))
        line += f", {matching} as transformers'"
        same = min(same, matching)
    print(line, flush=True)
    return same == len(prompts)


def main() -> None:
    versions = {"optimum-intel": optimum_intel_version, "transformers": transformers.__version__}
    print(json.dumps({**versions, "openvino": openvino.__version__.split("-")[0], "torch": torch.__version__}))
    passed = []
    with tempfile.TemporaryDirectory() as scratch:
        for model in TINY:
            vectors = json.loads((ROOT / "test" / "golden" / "vectors" / f"{model}.json").read_text())
            prompts = [entry["tokenIds"] for entry in vectors["prompts"]]
            golden = [entry["greedyTokenIds"] for entry in vectors["prompts"]]
            source = f"test/golden/models/{model}"
            for flags in FLOATS:
                # Where fp16 does not hold the weights exactly, transformers is another model.
                exact = flags == FLOATS[0] or model in ("phi3-gqa", "llama-tiny")
                passed.append(check(source, flags, prompts, golden if exact else None, scratch))
            for flags in [*QUANTISED, *(WIDE if model == "phi3-gqa" else ())]:
                passed.append(check(source, flags, prompts, None, scratch))
        demo = json.loads((ROOT / "models" / "demo" / "reference.json").read_text())
        for flags in [*FLOATS, ["--weight-format", "int8"], *WIDE[1:]]:
            passed.append(check("models/demo", flags, [demo["inputTokenIds"]], None, scratch))
    print(f"{sum(passed)} of {len(passed)} folders give the same tokens")
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
