"""DICOM files of codestreams that were made elsewhere, and with other headers, for tests."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.uid import UID

from benchmarks.fuzz_seeds import make_dicom


def wrap_codestream(
    pixels: np.ndarray, fragments: list[bytes], syntax: UID, table: bytes = b"", **options: Any
) -> bytes:
    """Write a DICOM X-ray of these fragments, padded to even lengths.

    The header claims shape and type of `pixels`; `options` are those of `make_dicom`.
    """
    items = [table, *(part + b"\0" * (len(part) % 2) for part in fragments)]
    dataset = dcmread(io.BytesIO(make_dicom(pixels, **options)))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = b"".join(
        struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items
    )
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def edit(data: bytes, **elements: Any) -> bytes:
    """Set elements of a file; None leaves one out."""
    dataset = dcmread(io.BytesIO(data))
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()
