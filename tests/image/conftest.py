"""Fixtures of the tests of DICOM files."""

from __future__ import annotations

import pytest


@pytest.fixture
def write(tmp_path):
    """Give a function that writes bytes to a file and returns its path."""

    def write_bytes(data: bytes):
        path = tmp_path / "image.dcm"
        path.write_bytes(data)
        return path

    return write_bytes
