"""What onnxruntime-genai's model builder gives each execution provider: inputs, outputs and nodes, without the weights.

    python -m venv .venv && .venv/bin/pip install onnxruntime-genai==0.18.0 onnx onnx-ir torch transformers
    .venv/bin/python test/golden/onnx-targets/make_builder_forms.py

writes builder-forms.json beside this file, from test/golden/models/phi3-gqa.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx

HERE = Path(__file__).parent
SOURCE = HERE.parent / "models" / "phi3-gqa"
FORMS = [
    ("cpu", "int4", []),
    ("dml", "int4", []),
    ("webgpu", "int4", []),
    ("webgpu-fp32", "int4", ["use_webgpu_fp32=true"]),
    ("cuda", "int4", []),
    ("dml", "fp16", []),
    ("webgpu", "fp16", []),
    ("cuda", "fp16", []),
]


def value(info):
    return {"name": info.name, "type": onnx.TensorProto.DataType.Name(info.type.tensor_type.elem_type).lower()}


def attribute(found):
    got = onnx.helper.get_attribute_value(found)
    return round(got, 6) if isinstance(got, float) else got


def form(folder):
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    types = {t.name: onnx.TensorProto.DataType.Name(t.data_type).lower() for t in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Constant":
            continue
        nodes.append(
            {
                "opType": node.op_type,
                "domain": node.domain,
                "attributes": {a.name: attribute(a) for a in sorted(node.attribute, key=lambda a: a.name)},
                # Of what a node reads: the type of a constant, and whether an optional input is there.
                "inputs": [types.get(name, "" if name == "" else "value") for name in node.input],
            }
        )
    config = json.loads((folder / "genai_config.json").read_text())["model"]["decoder"]
    return {
        "inputs": [value(info) for info in model.graph.input],
        "outputs": [value(info) for info in model.graph.output],
        "nodes": nodes,
        "config": {key: config[key] for key in ("inputs", "outputs", "session_options")},
    }


def main():
    forms = {}
    for name, weights, extra in FORMS:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(SOURCE), "-o", folder]
            command += ["-p", weights, "-e", name.split("-")[0]]
            if extra:
                command += ["--extra_options", *extra]
            subprocess.run(command, check=True)
            forms[f"{name}/{weights}"] = form(Path(folder))
    lines = []
    for name, found in forms.items():
        parts = {key: json.dumps(part) for key, part in found.items() if key != "nodes"}
        nodes = ",\n      ".join(json.dumps(node) for node in found["nodes"])
        body = ",\n    ".join(f'"{key}": {part}' for key, part in parts.items())
        lines.append(f'  "{name}": {{\n    {body},\n    "nodes": [\n      {nodes}\n    ]\n  }}')
    (HERE / "builder-forms.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
