"""A program that is forked and killed at random moments: prepares a store, or trains from one.

`python killed_runs.py prepare MANIFEST FOLDER NUM_KILLS SECONDS`, `... train STORE STATE NUM_KILLS
SECONDS`. The imports are paid once; each child does the work from where its predecessor was killed,
after at most so many seconds. One that came to its end is followed by another run, FOLDER-1.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

MOST_RUNS = 40


def prepare(manifest_path: str, folder: str) -> None:
    from gca_dali.data.manifest import Manifest
    from gca_dali.prepare.run import Share, StoreOptions, prepare_store

    manifest = Manifest.open(manifest_path)
    options = StoreOptions(32, "png16", samples_per_shard=2)
    prepare_store(manifest, folder, options, saliency="centre", share=Share(num_workers=1))


def train(store: str, state_path: str) -> None:
    """Take one epoch; after each batch what was seen and the state go to disk in one step."""
    from gca_dali.data.manifest import Manifest
    from gca_dali.loader import GCALoader
    from gca_dali.policy.view_policy import ViewPolicy

    loader = GCALoader(
        Manifest.open(store),
        ViewPolicy.gca(size=32),
        saliency="stored",
        batch_size=2,
        device="cpu",
        num_threads=1,
    )
    path = Path(state_path)
    saved = json.loads(path.read_text()) if path.exists() else {"seen": [], "state": None}
    if saved["state"] is not None:
        loader.load_state_dict(saved["state"])
        if saved["state"]["epoch"] == 1:
            return
    for batch in loader:
        for b, index in enumerate(batch.index.tolist()):
            sums = [float(view[b].double().sum()) for view in batch.views]
            saved["seen"].append([index, *sums])
        write_state(path, saved["seen"], loader.state_dict())
    write_state(path, saved["seen"], loader.state_dict())


def write_state(path: Path, seen: list, state: dict) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"seen": seen, "state": state}))
    partial.replace(path)


def run_child(work, arguments: list[str], seconds: float | None) -> bool:
    """Fork, work, and kill after some time; True if it came to its end before."""
    child = os.fork()
    if child == 0:
        work(*arguments)
        os._exit(0)
    if seconds is None:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    time.sleep(seconds)
    if os.waitpid(child, os.WNOHANG)[0] == child:
        return True
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def main() -> None:
    import gca_dali.gaze.predictor
    import gca_dali.loader
    import gca_dali.prepare.run  # noqa: F401

    kind, source, target, wanted, seconds = sys.argv[1:]
    work = {"prepare": prepare, "train": train}[kind]
    chance, num_killed, ended, longest = random.Random(0), 0, [], float(seconds)
    while num_killed < int(wanted) and len(ended) < MOST_RUNS:
        arguments = [source, f"{target}-{len(ended)}"]
        if run_child(work, arguments, chance.uniform(0.0, longest)):
            ended.append(arguments[1])  # begin another, and kill it earlier on a fast machine
            longest *= 0.85
        else:
            num_killed += 1
    arguments = [source, f"{target}-{len(ended)}"]
    whole = run_child(work, arguments, None)
    print(json.dumps({"killed": num_killed, "whole": whole, "ended": [*ended, arguments[1]]}))


if __name__ == "__main__":
    main()
