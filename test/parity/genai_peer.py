"""onnxruntime-genai on an exported folder: greedy tokens and the logits after each prompt.

The folder's providers are cleared: one made for a GPU runs on the CPU, too.

Reads a request as JSON on stdin, {"folder", "prompts": [[id]], "maxNewTokens", "logitsFile"}, and writes
{"version", "answers": [[id]]} on stdout, without end-of-text tokens; one fp32 row for each prompt goes to logitsFile.
"""

import json
import sys

import numpy as np
import onnxruntime_genai as og

request = json.load(sys.stdin)
config = og.Config(request["folder"])
config.clear_providers()
model = og.Model(config)
answers, rows = [], []
for prompt in request["prompts"]:
    parameters = og.GeneratorParams(model)
    parameters.set_search_options(do_sample=False, max_length=len(prompt) + request["maxNewTokens"])
    generator = og.Generator(model, parameters)
    generator.append_tokens(np.array(prompt, dtype=np.int32))
    rows.append(np.asarray(generator.get_logits(), dtype=np.float32).reshape(-1, generator.get_logits().shape[-1])[-1])
    while not generator.is_done():
        generator.generate_next_token()
    answers.append([int(token) for token in generator.get_sequence(0)][len(prompt) :])
np.stack(rows).astype("<f4").tofile(request["logitsFile"])
json.dump({"version": og.__version__, "answers": answers}, sys.stdout)
