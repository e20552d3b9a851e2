"""openvino-genai and the OpenVINO runtime on exported folders: greedy tokens, and the logits after each prompt.

Reads a request as JSON on stdin, {"device", "properties": {name: value}, "runs": [{"folder", "prompts": [[id]]}],
"maxNewTokens", "logitsFile"}, and writes {"versions", "answers": [[[id]]]} on stdout, for each run one answer to each
prompt; end-of-text tokens do not end an answer. openvino-genai gets token ids (an exported folder needs no
openvino_tokenizer.xml then) and runs with SDPA attention, which is the stateful graph as it is. On the CPU the runtime
itself also gives one f32 row of logits for each prompt; all of them go to logitsFile, one after the other.
"""

import json
import sys

import numpy as np
import openvino as ov
import openvino_genai


request = json.load(sys.stdin)
device, properties = request["device"], request["properties"]


def genai_answers(folder, prompts):
    # NPUs refuse properties that they do not know, so the backend is named for the CPU only.
    backend = {"ATTENTION_BACKEND": "SDPA"} if device == "CPU" else {}
    pipeline = openvino_genai.LLMPipeline(folder, device, **backend, **properties)
    config = openvino_genai.GenerationConfig(max_new_tokens=request["maxNewTokens"], do_sample=False, ignore_eos=True)
    answers = []
    for prompt in prompts:
        ids = ov.Tensor(np.array([prompt], dtype=np.int64))
        mask = ov.Tensor(np.ones((1, len(prompt)), dtype=np.int64))
        answer = pipeline.generate(openvino_genai.TokenizedInputs(ids, mask), config)
        answers.append([int(token) for token in answer.tokens[0]])
    return answers


def last_logits(folder, prompts):
    """f32 [prompts, vocabulary]"""
    compiled = ov.Core().compile_model(folder + "/openvino_model.xml", device, properties)
    rows = []
    for prompt in prompts:
        inference = compiled.create_infer_request()  # a fresh one has an empty state
        length = len(prompt)
        inference.infer({
            "input_ids": np.array([prompt], dtype=np.int64),
            "attention_mask": np.ones((1, length), dtype=np.int64),
            "position_ids": np.arange(length, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, dtype=np.int32),
        })
        rows.append(inference.get_tensor("logits").data[0, -1].astype("<f4"))
    return np.stack(rows)


answers = [genai_answers(run["folder"], run["prompts"]) for run in request["runs"]]
if "logitsFile" in request:
    with open(request["logitsFile"], "wb") as file:
        for run in request["runs"]:
            last_logits(run["folder"], run["prompts"]).tofile(file)
versions = {"openvino": ov.__version__, "openvino-genai": openvino_genai.__version__}
json.dump({"versions": versions, "answers": answers}, sys.stdout)
