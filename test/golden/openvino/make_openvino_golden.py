"""Writes exports.json: what optimum-intel's export, with NNCF's weight compression, makes of the small models here.

For each model and set of options it runs optimum-cli and notes every matrix of the IR: element type, shape and a hash of
its constant, scale and zero point. No weights are kept. The exporter's tests hold aipc's own exports to it.

    python3 -m venv /tmp/optimum && /tmp/optimum/bin/pip install -r requirements.txt
    /tmp/optimum/bin/python make_openvino_golden.py            # all
    /tmp/optimum/bin/python make_openvino_golden.py phi3-gqa   # one model; the others stay
"""

import hashlib
import importlib.metadata
import json
import re
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]

MODELS = {
    name: REPOSITORY / "test" / "golden" / "models" / name
    for name in ("phi3-window", "phi3-gqa", "phi3-deep", "llama-tiny")
} | {"demo": REPOSITORY / "models" / "demo"}

# What every model is exported as. The keys are aipc's options.
COMMON = [
    {},
    {"weightFormat": "fp32"},
    {"weightFormat": "fp16"},
    {"weightFormat": "int8"},
    {"weightFormat": "int8", "symmetric": True},
    {"weightFormat": "int4", "groupSize": 32},
    {"weightFormat": "int4", "groupSize": 32, "symmetric": True},
    {"weightFormat": "int4", "groupSize": -1},
    {"weightFormat": "int4", "groupSize": -1, "symmetric": True},
    {"weightFormat": "int4", "groupSize": 16, "allLayers": True},
    {"weightFormat": "int4", "groupSize": 32, "allLayers": True, "ratio": 0.7, "symmetric": True},
    *({"weightFormat": "int4", "groupSize": 32, "ratio": ratio, "symmetric": True} for ratio in (0.2, 0.4, 0.6, 0.8, 0.95)),
]
OWN = {
    "phi3-window": [
        {"weightFormat": "int4", "groupSize": 64, "groupSizeFallback": fallback, "ratio": ratio}
        for fallback in ("adjust", "ignore")
        for ratio in (1.0, 0.6)
    ],
    "phi3-gqa": [{"weightFormat": "int4"}, {"weightFormat": "int4", "groupSize": 64, "ratio": 0.6}],
    "phi3-deep": [{"weightFormat": "int4", "groupSize": 64, "ratio": 0.5}],
    "llama-tiny": [
        {"weightFormat": "int4", "groupSize": 64, "groupSizeFallback": fallback, "symmetric": True}
        for fallback in ("adjust", "ignore")
    ]
    # 48 divides neither 64 nor 160: every matrix gets a size of its own.
    + [{"weightFormat": "int4", "groupSize": 48, "groupSizeFallback": "adjust", "allLayers": True}],
    "demo": [{"weightFormat": "int4", "ratio": 0.6, "symmetric": True}, {"weightFormat": "int4", "groupSize": 64}],
}

# Left as they are stored, optimum-intel keeps them BF16, which aipc makes fp16.
STORED_AS_BF16 = ("phi3-deep",)

FLAGS = {
    "weightFormat": "--weight-format",
    "groupSize": "--group-size",
    "ratio": "--ratio",
    "groupSizeFallback": "--group-size-fallback",
    "symmetric": "--sym",
    "allLayers": "--all-layers",
}

PART = re.compile(r"self\.(?P<matrix>.*?)(?:\._openvino_orig_weight|\.weight)(?:_compressed)?(?P<part>/zero_point|/scale)?$")


def export(model: Path, options: dict, folder: Path) -> None:
    from optimum.commands.optimum_cli import main

    flags = []
    for option, value in options.items():
        flags += [FLAGS[option]] if value is True else [FLAGS[option], str(value)]
    sys.argv = ["optimum-cli", "export", "openvino", "--model", str(model), "--task", "text-generation-with-past",
                "--disable-convert-tokenizer", *flags, str(folder)]  # fmt: skip
    main()


def matrices(folder: Path) -> dict[str, str]:
    """Name to `type[shape] hash`, the hash over values, zero points and scales as far as there are any."""
    data = (folder / "openvino_model.bin").read_bytes()
    parts: dict[str, dict[str, tuple[str, bytes]]] = {}
    for layer in ElementTree.parse(folder / "openvino_model.xml").getroot().iter("layer"):
        match = PART.match(layer.get("name", ""))
        if layer.get("type") != "Const" or match is None:
            continue
        attributes = layer.find("data").attrib
        start, size = int(attributes["offset"]), int(attributes["size"])
        kind = f"{attributes['element_type']}[{attributes['shape'].replace(' ', '')}]"
        parts.setdefault(match["matrix"], {})[match["part"] or ""] = (kind, data[start : start + size])
    described = {}
    for name, found in sorted(parts.items()):
        digest = hashlib.sha256()
        for part in ("", "/zero_point", "/scale"):
            if part in found:
                digest.update(f"{part}:{found[part][0]}:".encode() + found[part][1])
        described[name] = f"{found[''][0]} {digest.hexdigest()[:16]}"
    return described


def main() -> None:
    target = HERE / "exports.json"
    chosen = sys.argv[1:] or list(MODELS)
    made = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {"models": {}}
    made["madeBy"] = {name: importlib.metadata.version(name) for name in ("optimum-intel", "nncf", "openvino")}
    for name in chosen:
        exports = []
        for options in COMMON + OWN[name]:
            if options == {} and name in STORED_AS_BF16:
                continue
            with tempfile.TemporaryDirectory() as folder:
                export(MODELS[name], options, Path(folder) / "model")
                exports.append({"options": options, "matrices": matrices(Path(folder) / "model")})
            print(name, options, flush=True)
        made["models"][name] = exports
    # One line for each export's options and for each matrix.
    target.write_text(json.dumps({"madeBy": made["madeBy"], "models": made["models"]}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
