"""The README shows its code early, and the code runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
NUM_IMAGES = 70
# A block that must not run here (it needs files that only the reader has) begins with this tag.
BLOCK = re.compile(r"^```python[ \t]*(?P<mark>[^\n]*)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_code_comes_before_line_30(readme):
    first = readme[: readme.index("```")].count("\n") + 1
    assert first < 30


def test_both_commands_are_named(readme):
    assert "make demo" in readme
    assert "make test" in readme


def test_links_to_files_of_the_repository_lead_somewhere(readme):
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", readme)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_python_blocks_run_one_after_the_other(readme, tmp_path):
    blocks = [item["code"] for item in BLOCK.finditer(readme) if "no-run" not in item["mark"]]
    assert blocks
    folder = tmp_path / "xrays"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(NUM_IMAGES):
        coarse = rng.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(coarse).resize((96, 80)).save(folder / f"{number}.jpg")
    child = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
