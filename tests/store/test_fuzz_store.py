"""Broken stores: every one refused by name, or read with the pixels it had.

``python -m benchmarks.fuzz_store --num-files N`` searches longer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NUM_FILES = 1500


def test_broken_stores_are_refused_by_name():
    # In a process of its own: the reader of parquet files is native code.
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz_store", "--num-files", str(NUM_FILES)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["num_files"] == NUM_FILES
    assert result["num_read"] + result["num_refused"] == NUM_FILES
    assert min(result["num_read"], result["num_refused"]) > NUM_FILES // 20
