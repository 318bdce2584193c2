"""The page of refusals has every message of the source, and real refusals are found in it."""

from __future__ import annotations

import ast
import re

import pytest
from typer.testing import CliRunner

from benchmarks.manual.messages import PAGE, fill, raised, read_messages
from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.cli.main import app
from gca_dali.common.machine import _REMEDIES, _UNKNOWN
from gca_dali.gaze.readers import read_fixations
from gca_dali.policy.parts import Crop

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_lists_are_those_of_the_source():
    assert fill(TEXT) == TEXT, "run python -m benchmarks.manual.messages"
    assert len(re.findall(r"^- `", TEXT, re.MULTILINE)) > 350


def test_remedies_of_the_machine_are_told():
    for remedy in {*_REMEDIES.values(), _UNKNOWN}:
        assert remedy in TEXT


def is_listed(message: str) -> bool:
    """Tell whether a message is one of the page's, "…" standing for anything."""
    first = " ".join(message.split())
    for found in re.finditer(r"^- `(.*)`(?:<br>.*)?$", TEXT, re.MULTILINE):
        pattern = ".*?".join(map(re.escape, found[1].split("…")))
        if len(found[1].replace("…", "")) > 20 and re.match(pattern, first):
            return True
    return False


def refuse_pixels(tmp_path):
    (tmp_path / "a.csv").write_text("image,x,y,duration\n" + "a.png,0.2,0.4,0.3\n" * 5)
    read_fixations(tmp_path / "a.csv")


def refuse_milliseconds(tmp_path):
    (tmp_path / "a.csv").write_text("image,x,y,duration\n" + "a.png,20,40,300\n" * 5)
    read_fixations(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "refuse",
    [
        refuse_pixels,
        refuse_milliseconds,
        lambda folder: Manifest.from_folder(folder / "nowhere"),
        lambda folder: Manifest.from_folder(folder),
        lambda folder: Manifest.open(folder / "a.txt"),
        lambda folder: Crop(law="free", tau=0.5),
        lambda folder: ViewPolicy.gca(num_views=0),
        lambda folder: ViewPolicy.gca(roh=0.5),
        lambda folder: ViewPolicy.load(folder / "no.toml"),
        lambda folder: GCALoader(None, None, None),  # type: ignore[arg-type]
        lambda folder: GCALoader(None, None, "centre", batchsize=3),  # type: ignore[arg-type]
    ],
)
def test_what_is_refused_is_on_the_page(refuse, tmp_path):
    with pytest.raises((ValueError, TypeError, OSError)) as caught:
        refuse(tmp_path)
    assert is_listed(str(caught.value)), str(caught.value)


def test_what_a_command_refuses_is_on_the_page(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for arguments in (["index", str(tmp_path)], ["preview", str(tmp_path), "--out", "a.jpg"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 1
        assert is_listed(result.stderr.removeprefix("gca-dali: ")), result.stderr


def test_other_words_are_not_on_the_page():
    assert not is_listed("the moon must be full, got half. Wait.")


def raise_of(source: str) -> ast.Call:
    (found,) = (node.exc for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Raise))
    assert isinstance(found, ast.Call)
    return found


def test_messages_are_read_off_the_source(tmp_path):
    names = {"what": ["a", "b"]}
    call = raise_of(
        "raise ValueError(f'{x} must be {what}, got {y!r}. Use ' + ('c' if z else 'd'))"
    )
    assert raised(call, names) == [
        f"… must be {what}, got …. Use {end}" for what in "ab" for end in "cd"
    ]
    assert raised(raise_of("raise UnreadableImageError(p, f'{n} bits', 'Save it.')"), {}) == [
        "… bits. Save it."
    ]
    path = tmp_path / "a.py"
    path.write_text(
        'def f(x):\n    """x must be odd, got this docstring. No."""\n'
        "    if x:\n        what = 'one'\n        raise ValueError(f'x must be {what}, got it.')\n"
        "    what = 'two'\n    raise ValueError(f'x must be {what}, got it.')\n"
        "def g():\n    return f'y must be {3}, got none. Use 3.'\n"
    )
    assert read_messages(path) == [
        "x must be one, got it.",
        "x must be two, got it.",
        "y must be …, got none. Use 3.",
    ]
