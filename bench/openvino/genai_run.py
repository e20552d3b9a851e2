"""One measurement of openvino-genai in a process of its own; request and answer as in aipc-run.mjs, and `backend`:
SDPA (the stateful pipeline) or PA (paged attention, openvino-genai's default where the CPU can)."""

import json
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
    first, last = clock.times[0], clock.times[-1]
    return (first - started) * 1000, (last - first) * 1000 / (new_tokens - 1)


request = json.load(sys.stdin)
started = time.perf_counter()
pipeline = openvino_genai.LLMPipeline(
    request["folder"], "CPU", ATTENTION_BACKEND=request["backend"], INFERENCE_NUM_THREADS=request["threads"]
)
load_ms = (time.perf_counter() - started) * 1000
cases = []
for case in request["cases"]:
    runs = [answer(pipeline, prompt, request["newTokens"]) for prompt in case["prompts"]][1:]
    cases.append({
        "promptTokens": case["promptTokens"],
        "prefillMs": [prefill for prefill, _ in runs],
        "decodeMs": [decode for _, decode in runs],
    })
version = f"openvino-genai {openvino_genai.__version__.split('-')[0]}"
json.dump({"runtimeVersion": version, "loadMs": load_ms, "cases": cases}, sys.stdout)
