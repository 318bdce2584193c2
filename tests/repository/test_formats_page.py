"""The tables of docs/formats.md are those that the result files give; its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.plot import TABLES, fill

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "formats.md"


def test_its_tables_are_written_from_the_results():
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"<!-- table: (\w+) -->", text) == ["codings", "formats", "pngs"]
    assert fill(text) == text


def test_a_number_that_was_typed_is_written_over():
    text = PAGE.read_text(encoding="utf-8")
    typed = re.sub(r"(?m)^(\| PNG8, [^|]* \| )[\d.]+", r"\g<1>999999.9", text)
    assert typed != text
    assert fill(typed) == text


def test_a_coding_without_a_rival_has_an_empty_cell():
    alone = {"provider": "gca_dali", "metric": "time per image", "p50": 12.34, "device": "a CPU"}
    names = ("UNC", "RLE", "JPLL", "JPLY_fixed", "JLSL", "JLSN", "J2KR", "J2KI")
    rows = TABLES["codings"][1]([alone | {"workload": f"hip {name}"} for name in names])
    assert rows[2:4] == [
        "| uncompressed | 12.3 |  |  |  |",
        "| RLE (`dicomrle_decode`) | 12.3 |  |  |  |",
    ]


@pytest.mark.parametrize(
    "command", ["benchmarks/loaders/bench_formats.py", "benchmarks/loaders/bench_png.py"]
)
def test_its_commands_exist(command):
    assert (ROOT / command).exists()
    assert command.removesuffix(".py").replace("/", ".") in PAGE.read_text(encoding="utf-8")
