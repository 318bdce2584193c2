"""The README is short, shows its code early, and names what a reader decides by."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.plot import PAGES, fill
from manual_pages import read_blocks

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 120


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short(readme):
    assert len(readme.splitlines()) < MAX_LINES


def test_code_comes_before_line_30(readme):
    first = readme[: readme.index("```")].count("\n") + 1
    assert first < 30


def test_its_python_is_eight_lines():
    (block,) = (block for block in read_blocks(ROOT / "README.md") if block.language == "python")
    assert block.is_run and len(list(filter(None, block.code.splitlines()))) <= 8


def test_both_commands_are_named(readme):
    assert "make demo" in readme
    assert "make test" in readme


def test_what_has_not_run_is_said(readme):
    assert "None of the CUDA code has run on a GPU yet" in readme
    assert readme.count("simulated") >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_and_the_answer_are_those_of_the_results(page):
    text = page.read_text(encoding="utf-8")
    assert fill(text, PAGES[page]) == text, "run python benchmarks/plot.py"
    assert "<!--" in text
