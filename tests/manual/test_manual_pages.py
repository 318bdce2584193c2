"""Commands and Python blocks of the manual run as they stand, page by page, in a fresh folder.

Training is cut short and pictures show one image: options are added behind those of the page. What
needs a GPU, a trainer that is not installed, or minutes is parsed only; `PARSED` and the mark
no-run say what.
"""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gca_dali.cli.main import COMMANDS, app
from gca_dali.phantoms import write_phantoms
from manual_pages import DOCS, ROOT, Block, read_blocks

# Run by tests of their own (demo, doctor, bench), or by test_encoder_docs.py.
PARSED = ("demo", "doctor", "bench")
ENCODERS = "encoders.md"
SHORTER = {
    "pretrain": "--epochs 1 --size 32 --batch-size 8 --encoder test_byobnet",
    "gaze fit": "--epochs 1 --input-px 32 --batch-size 4",
    "preview": "--num-images 1",
    "probe": "--fractions 1",
}
NUM_PHANTOMS, SIDE = 24, 384
RUN = [page for page in DOCS if page.name != "refused.md" and list(read_blocks(page))]


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """What `gca-dali demo --out demo` leaves, with fewer and smaller phantoms."""
    folder = tmp_path_factory.mktemp("demo")
    write_phantoms(folder / "phantoms", NUM_PHANTOMS, kind="mixed", height=SIDE, width=SIDE, seed=7)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_a_page_runs_as_it_stands(page, demo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(demo, tmp_path / "demo")
    names: dict[str, object] = {"__name__": "__main__"}
    for block in read_blocks(page):
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            code = compile(block.code, str(page), "exec")
            if block.is_run and page.name != ENCODERS:
                exec(code, names)
        elif block.language == "sh":
            run_commands(block, page)


def run_commands(block: Block, page: Path) -> None:
    """Run the commands of a block; parse those that are not to be run."""
    for program, *words in block.commands:
        if program == "gca-dali":
            name = " ".join(words[:2] if words[0] == "gaze" else words[:1])
            parse(name, words)
            if block.is_run and name not in PARSED and page.name != ENCODERS:
                run(words + SHORTER.get(name, "").split())
        elif program == "make":
            assert f"\n{words[0]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
        elif program in ("python", "torchrun"):
            check_module(words)
        else:
            assert program in ("pip", ".", "cd", "git"), program


def run(words: list[str]) -> None:
    done = CliRunner().invoke(app, words)
    logging.getLogger("gca_dali").handlers.clear()
    assert done.exit_code == 0, f"{' '.join(words)}\n{done.output}"


def parse(name: str, words: list[str]) -> None:
    """Raise unless a command knows all of these words."""
    command = typer.main.get_command(importlib.import_module(COMMANDS[words[0]][0]).app)
    rest = words[1:]
    for part in name.split()[1:]:
        command, rest = command.commands[part], rest[1:]  # type: ignore[attr-defined]
    command.make_context(name, list(rest))


def check_module(words: list[str]) -> None:
    """Raise unless the file or module that Python or torchrun is given exists."""
    if "-m" in words:
        module = words[words.index("-m") + 1]
        path = ROOT / Path(*module.split("."))
        assert path.with_suffix(".py").exists() or path.is_dir() or module == "pytest", words
    else:
        files = [word for word in words if word.endswith(".py")]
        assert files and (ROOT / files[0]).exists(), words


def test_unknown_options_are_found():
    parse("preview", ["preview", "x", "--policies", "a", "b"])
    with pytest.raises(Exception, match="--polices"):
        parse("preview", ["preview", "x", "--polices", "a"])
    with pytest.raises(AssertionError):
        check_module(["benchmarks/nowhere.py"])


def test_the_readme_runs_as_the_pages_do(demo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(demo, tmp_path / "demo")
    names: dict[str, object] = {}
    blocks = list(read_blocks(ROOT / "README.md"))
    assert {"python", "sh"} <= {block.language for block in blocks}
    for block in blocks:
        if block.language == "python" and block.is_run:
            exec(compile(block.code, "README.md", "exec"), names)
        elif block.language == "sh":
            run_commands(block, ROOT / "README.md")


def test_pages_that_run_are_many():
    assert len(RUN) >= 9
    assert sys.version_info >= (3, 10) and os.environ["CUDA_VISIBLE_DEVICES"] == ""
