"""Every block of docs/encoders.md runs as it stands and gives the features of the checkpoint."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import gca_dali as gca
from gca_dali.cli import export as export_command
from gca_dali.ssl.encoders import EncoderConfig
from make_checkpoint import write_checkpoint

PAGE = Path(__file__).resolve().parents[2] / "docs" / "encoders.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run and what the page's two commands make of it."""
    folder = tmp_path_factory.mktemp("page")
    checkpoint = write_checkpoint(folder / "run", EncoderConfig(view_size_px=64))
    for name in ("encoder.safetensors", "encoder.onnx"):
        done = CliRunner().invoke(export_command.app, [str(checkpoint), str(folder / name)])
        assert done.exit_code == 0, done.stderr
        assert "resnet18" in done.stdout and "1 × 64 × 64" in done.stdout
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split()[1])
def test_a_block_gives_the_features(
    block: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "onnxruntime" in block:
        pytest.importorskip("onnxruntime")
    monkeypatch.chdir(folder)
    views = torch.randn(3, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    names: dict[str, object] = {"views": views}
    with torch.no_grad():
        exec(compile(block, str(PAGE), "exec"), names)
        expected = gca.load_encoder("run/last.safetensors")(views)
    tolerance = 1e-4 if "onnxruntime" in block else 1e-5
    features = torch.as_tensor(names["features"])
    torch.testing.assert_close(features, expected, rtol=tolerance, atol=tolerance)


def test_the_page_shows_six_ways_in_five_lines_each() -> None:
    assert len(BLOCKS) == 6
    for block in BLOCKS:
        lines = [line for line in block.splitlines() if line.strip()]
        assert len([line for line in lines if line.split()[0] not in ("import", "from")]) <= 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run/last.safetensors", "encoder.pt"], "out must end in .safetensors or .onnx"),
        (["none", "encoder.onnx"], "checkpoint must be a file, got none"),
    ],
)
def test_export_refuses_in_one_line(arguments: list[str], message: str, folder: Path) -> None:
    before = os.getcwd()
    os.chdir(folder)
    try:
        done = CliRunner().invoke(export_command.app, arguments)
    finally:
        os.chdir(before)
    assert done.exit_code == 1 and message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
