"""Fixtures of the data path: files written for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    """Give a function that writes bytes to a file and returns its path."""

    def write_bytes(data: bytes) -> Path:
        path = tmp_path / "image.dcm"
        path.write_bytes(data)
        return path

    return write_bytes
