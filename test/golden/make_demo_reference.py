"""Makes models/demo/reference.json: what transformers answers with the demo model, in fp32.

    /tmp/golden/bin/python make_demo_reference.py

`npm run demo` compares its answer with it token by token. The demo converts to int4, whose answer must be the same:
the script tells how close the closest choice among the tokens is.
"""

import sys
from pathlib import Path

from transformers import AutoTokenizer

import reference
from tiny_models import write_json

DEMO = Path(__file__).resolve().parents[2] / "models" / "demo"
MESSAGES = [{"role": "user", "content": "Can you introduce yourself?"}]
TOKEN_COUNT = 32


def main() -> None:
    tokenizer = AutoTokenizer.from_pretrained(DEMO, local_files_only=True)
    model = reference.load(DEMO)
    prompt = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True, return_dict=False)
    stops = model.generation_config.eos_token_id
    run = reference.greedy(model, prompt, TOKEN_COUNT)
    if set(stops if isinstance(stops, list) else [stops]) & set(run.token_ids):
        sys.exit(f"the answer ends within {TOKEN_COUNT} tokens: {tokenizer.decode(run.token_ids)!r}")
    write_json(DEMO / "reference.json", {
        "madeBy": "transformers",
        "versions": reference.versions(),
        "prompt": MESSAGES,
        "inputTokenIds": prompt,
        "outputTokenIds": run.token_ids,
        "outputText": tokenizer.decode(run.token_ids),
    })  # fmt: skip
    print(f"smallest gap between two best logits {run.smallest_gap:.2f}: {tokenizer.decode(run.token_ids)!r}")


if __name__ == "__main__":
    main()
