"""One measurement of openvino-genai in a process of its own; request and answer as in aipc-run.mjs, and `backend`:
SDPA (the stateful pipeline) or PA (paged attention, openvino-genai's default where the CPU can); `properties` may have
more of OpenVINO's. The answer has also
`intervalsMs`, the times between tokens of each counted run, and `loadedResidentBytes` (Linux). A request with
`firstToken`, a list of ids, ends when the token after them is there, with a line on stdout."""

import json
import os
import sys
import time

import numpy as np
import openvino as ov
import openvino_genai


class Clock(openvino_genai.StreamerBase):
    """Notes when tokens come; makes no text."""

    def __init__(self):
        super().__init__()
        self.times = []

    def write(self, token):
        now = time.perf_counter()
        self.times += [now] * (len(token) if isinstance(token, list) else 1)
        return openvino_genai.StreamingStatus.RUNNING

    def end(self):
        pass


def answer(pipeline, prompt, new_tokens):
    ids = ov.Tensor(np.array([prompt], dtype=np.int64))
    inputs = openvino_genai.TokenizedInputs(ids, ov.Tensor(np.ones((1, len(prompt)), dtype=np.int64)))
    config = openvino_genai.GenerationConfig(max_new_tokens=new_tokens, do_sample=False, ignore_eos=True)
    clock = Clock()
    started = time.perf_counter()
    pipeline.generate(inputs, config, clock)
    assert len(clock.times) == new_tokens, f"{len(clock.times)} tokens came, {new_tokens} were asked for"
    return (clock.times[0] - started) * 1000, list(np.diff(clock.times) * 1000)


def resident_bytes():
    if not os.path.exists("/proc/self/statm"):
        return None
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


request = json.load(sys.stdin)
started = time.perf_counter()
pipeline = openvino_genai.LLMPipeline(
    request["folder"],
    "CPU",
    ATTENTION_BACKEND=request["backend"],
    INFERENCE_NUM_THREADS=request["threads"],
    **request.get("properties", {}),
)
load_ms = (time.perf_counter() - started) * 1000
if "firstToken" in request:
    answer(pipeline, request["firstToken"], 1)
    print("first token", flush=True)
    sys.exit(0)
cases = []
loaded_resident_bytes = None
for case in request["cases"]:
    warm_up, *counted = case["prompts"]
    answer(pipeline, warm_up, request["newTokens"])
    loaded_resident_bytes = loaded_resident_bytes or resident_bytes()
    runs = [answer(pipeline, prompt, request["newTokens"]) for prompt in counted]
    cases.append({
        "promptTokens": case["promptTokens"],
        "prefillMs": [prefill for prefill, _ in runs],
        "decodeMs": [float(np.mean(intervals)) for _, intervals in runs],
        "intervalsMs": [intervals for _, intervals in runs],
    })
version = f"openvino-genai {openvino_genai.__version__.split('-')[0]}"
report = {"runtimeVersion": version, "loadMs": load_ms, "loadedResidentBytes": loaded_resident_bytes, "cases": cases}
json.dump(report, sys.stdout)
