"""Hugging Face's `tokenizers` on an exported tokenizer.json.

Reads {"file", "texts": [text], "ids": [[id]]} as JSON on stdin and writes {"version", "encoded": [[id]], "decoded":
[text]} on stdout: texts without special tokens added, ids with special tokens shown.
"""

import json
import sys

import tokenizers

sys.stdin.reconfigure(encoding="utf-8")
request = json.load(sys.stdin)
tokenizer = tokenizers.Tokenizer.from_file(request["file"])
encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in request["texts"]]
decoded = [tokenizer.decode(ids, skip_special_tokens=False) for ids in request["ids"]]
json.dump({"version": tokenizers.__version__, "encoded": encoded, "decoded": decoded}, sys.stdout)
