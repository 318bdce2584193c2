"""Fill a table in child processes that are killed on the way; run by `test_predicted_kills`.

    python fill_worker.py LABELS PREDICTOR NUM_KILLS

Prints one JSON object. Children are forked, so that what is heavy is imported once; the parent
computes nothing with torch before.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback

import numpy as np
import torch

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.predicted import PredictedTable, table_path
from gca_dali.gaze.predictor import GazePredictor
from gca_dali.image.read import read_image

BATCH_SIZE = 2
PATIENCE_SECONDS = 60


def fill(predictor: GazePredictor, manifest: Manifest, order: np.ndarray) -> None:
    """Look all maps up in the order given, as a loader would."""
    torch.set_num_threads(1)
    table = PredictedTable.open(predictor, manifest)
    for first in range(0, len(order), BATCH_SIZE):
        index = order[first : first + BATCH_SIZE]
        table.take(index, [read_image(manifest.files[row]) for row in index])


def start(predictor: GazePredictor, manifest: Manifest, order: np.ndarray) -> int:
    """Fill in a child process and return its number."""
    child = os.fork()
    if child == 0:
        try:
            fill(predictor, manifest, order)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return child


def finish(child: int) -> None:
    """Wait for a child that must end by itself."""
    status = os.waitpid(child, 0)[1]
    if status != 0:
        raise RuntimeError(f"a child must end with status 0, got {status}.")


def maps_found(table: PredictedTable) -> dict[int, bytes]:
    """Return the maps that a process would trust."""
    table._found[:] = False
    every = np.arange(len(table.files))
    present = np.setdiff1d(every, table.missing(every))
    return {row: table.maps[row].tobytes() for row in present.tolist()}


def kill_while_it_fills(predictor: GazePredictor, manifest: Manifest, rng: random.Random) -> int:
    """Kill one child after a random number of further maps; return how many maps there are."""
    every = np.arange(len(manifest))
    before = len(maps_found(PredictedTable.open(predictor, manifest)))
    target = before + rng.randint(1, 4)
    child = start(predictor, manifest, np.random.default_rng(rng.randint(0, 99)).permutation(every))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if len(maps_found(PredictedTable.open(predictor, manifest))) >= target:
            break
        time.sleep(0.005)
    time.sleep(rng.random() * 0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return before


def main() -> None:
    manifest = Manifest.from_csv(sys.argv[1])
    predictor = GazePredictor.load(sys.argv[2], "cpu")
    num_kills, rng = int(sys.argv[3]), random.Random(0)
    every = np.arange(len(manifest))
    path = table_path(predictor, manifest)

    finish(start(predictor, manifest, every))
    whole = maps_found(PredictedTable.open(predictor, manifest))
    path.unlink()

    kills, torn, unequal, tables = 0, 0, 0, 0
    while kills < num_kills:
        kill_while_it_fills(predictor, manifest, rng)
        kills += 1
        found = maps_found(PredictedTable.open(predictor, manifest))
        torn += sum(whole[row] != held for row, held in found.items())
        if len(found) > len(manifest) - 6 or kills == num_kills:
            finish(start(predictor, manifest, every))
            unequal += maps_found(PredictedTable.open(predictor, manifest)) != whole
            tables += 1
            path.unlink()

    # Two processes that begin together, from both ends.
    for child in [start(predictor, manifest, order) for order in (every, every[::-1])]:
        finish(child)
    together = maps_found(PredictedTable.open(predictor, manifest))
    result = {
        "images": len(manifest),
        "maps": len(whole),
        "kills": kills,
        "tables": tables,
        "torn": torn,
        "unequal": unequal,
        "together_equal": together == whole,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
