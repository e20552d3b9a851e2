"""huggingface_hub as a peer of aipc's hub cache: a request on stdin, an answer on stdout, both JSON.

HF_ENDPOINT and HF_HUB_CACHE come with the environment, so that both sides have the same server and cache.
"""

import json
import os
import sys

import huggingface_hub
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download


def describe(folder: str) -> dict:
    """Paths and sizes of a snapshot's files."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(parent, name)
            found[os.path.relpath(file, folder).replace(os.sep, "/")] = os.path.getsize(file)
    return found


def main() -> None:
    request = json.load(sys.stdin)
    repo, options = request["repo"], request.get("options", {})
    if request["action"] == "snapshot":
        folder = snapshot_download(repo, **options)
        answer = {"folder": folder, "files": describe(folder)}
    elif request["action"] == "file":
        answer = {"file": hf_hub_download(repo, request["path"], **options)}
    else:
        cache = scan_cache_dir()
        answer = {
            "warnings": [str(warning) for warning in cache.warnings],
            "repos": {
                one.repo_id: {"sizeBytes": one.size_on_disk, "commits": sorted(r.commit_hash for r in one.revisions)}
                for one in cache.repos
            },
        }
    json.dump({"version": huggingface_hub.__version__, **answer}, sys.stdout)


main()
