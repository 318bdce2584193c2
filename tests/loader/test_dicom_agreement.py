"""What the index accepts of DICOM, `Manifest.read` and the loader read, and see the same pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from benchmarks.fuzz_seeds import encode_frame, make_dicom, make_lut, make_seeds
from dicom_codestreams import edit, wrap_codestream
from gca_dali import GCALoader, Manifest, ViewGroup, ViewPolicy
from gca_dali.data.fetch import make_fetcher
from gca_dali.policy.parts import Crop
from lossless_jpeg import encode_lossless

WHOLE = ViewPolicy(
    (ViewGroup(1, 32, Crop(size_by="zoom", size_range=(1.0, 1.0)), flip=0.0),),
    mean=0.0,
    deviation=1.0,
)
Y, X = np.mgrid[:32, :32]
GREY8 = (Y * 7 + X).astype(np.uint8)
GREY12 = (Y * 127 + X * 3).astype(np.uint16)
COLOUR = np.stack([GREY8, GREY8.T, 255 - GREY8], -1)


def make_streams() -> dict[str, bytes]:
    """Combine codestreams with headers that do and do not fit them."""
    streams: list[tuple[UID, np.ndarray, bytes]] = [
        (JPEGBaseline8Bit, GREY8, encode_frame(JPEGBaseline8Bit, GREY8, 8)),
        (JPEGExtended12Bit, GREY12, encode_frame(JPEGExtended12Bit, GREY12, 12)),
        (JPEGLosslessSV1, GREY12, encode_lossless(GREY12, 12, modulus=12)),
        (JPEGLSLossless, GREY12, encode_frame(JPEGLSLossless, GREY12, 12)),
        (JPEGLSNearLossless, GREY12, bytes(imagecodecs.jpegls_encode(GREY12, level=2))),
        (JPEG2000Lossless, GREY12, encode_frame(JPEG2000Lossless, GREY12, 12)),
        (JPEG2000Lossless, COLOUR, encode_frame(JPEG2000Lossless, COLOUR, 8)),
        (JPEGBaseline8Bit, COLOUR, encode_frame(JPEGBaseline8Bit, COLOUR, 8)),
    ]
    headers: dict[str, dict[str, Any]] = {
        "plain": {},
        "stored 8": {"BitsStored": 8, "HighBit": 7},
        "stored 10": {"BitsStored": 10, "HighBit": 9},
        "high bit": {"BitsStored": 12, "HighBit": 15},
        "signed": {"PixelRepresentation": 1},
        "called grey": {"PhotometricInterpretation": "MONOCHROME2"},
        "called RGB": {"PhotometricInterpretation": "RGB"},
        "called YBR": {"PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 1},
        "palette": {"PhotometricInterpretation": "PALETTE COLOR"},
    }
    files = {}
    for syntax, pixels, coded in streams:
        for shape in (pixels, pixels.astype(np.uint16), pixels[..., None][..., 0][:-1]):
            for name, elements in headers.items():
                size = "x".join(map(str, shape.shape))
                label = f"{syntax.keyword} {size} {shape.dtype} {name}"
                files[label] = wrap_codestream(shape, [coded], syntax, **elements)
    return files


def make_headers() -> dict[str, bytes]:
    elements: list[dict[str, Any]] = [
        {"HighBit": 3},
        {"HighBit": 15},
        {"BitsStored": 17},
        {"BitsStored": 5, "HighBit": 4, "PixelRepresentation": 1},
        {"RescaleSlope": "1e308"},
        {"RescaleSlope": "0"},
        {"WindowCenter": "100", "WindowWidth": "0"},
        {"ModalityLUTSequence": [make_lut(0, np.arange(10))]},
        {"VOILUTSequence": [make_lut(0, np.arange(4096))]},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"PhotometricInterpretation": "RGB"},
        {"PhotometricInterpretation": "YBR_FULL"},
        {"PhotometricInterpretation": "HSV"},
        {"SamplesPerPixel": 3},
        {"NumberOfFrames": 2},
        {"Rows": 33},
        {"Rows": 0},
    ]
    short = make_lut(0, np.arange(10))
    short.LUTDescriptor = [4096, 0, 16]
    elements.append({"ModalityLUTSequence": [short]})
    empty = Dataset()
    empty.LUTDescriptor = empty.LUTData = None
    empty["LUTData"].VR = "OW"
    elements.append({"VOILUTSequence": [empty], "WindowCenter": "9", "WindowWidth": "99"})
    return {
        f"{syntax.keyword} {number}": edit(make_dicom(GREY12, syntax=syntax), **one)
        for number, one in enumerate(elements)
        for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless)
        # How many rows run lengths have only decoding tells.
        if syntax != RLELossless or one != {"Rows": 33}
    }


def check_agreement(manifest: Manifest) -> None:
    """Read each row in both ways; nothing may be set aside that the index accepted."""
    images = [manifest.read(row) for row in range(len(manifest))]
    fetcher = make_fetcher(manifest)
    assert fetcher.gives == "images"
    for row, image in enumerate(images):
        assert image.dtype == np.uint16
        assert image.shape == (manifest.height[row], manifest.width[row]), manifest.path[row]
        np.testing.assert_array_equal(fetcher.fetch(row)[..., 0], image)
    loader = GCALoader(manifest, WHOLE, device="cpu", batch_size=8, shuffle=False, drop_last=False)
    seen = {}
    for batch in loader:
        seen |= dict(zip(batch.index.tolist(), batch.views[0].numpy(), strict=True))
    assert loader.quarantine.reasons == {}
    assert sorted(seen) == list(range(len(manifest)))
    for row, image in enumerate(images):
        if image.shape == (32, 32):
            np.testing.assert_allclose(seen[row][0], image / 65535, atol=1e-4)


@pytest.mark.parametrize("kind", ["seeds", "streams", "headers"])
def test_what_the_index_accepts_is_read(tmp_path: Path, kind: str):
    files = {"seeds": make_seeds, "streams": make_streams, "headers": make_headers}[kind]()
    files = {name: data for name, data in files.items() if kind != "seeds" or name[:5] == "dicom"}
    for name, data in files.items():
        (tmp_path / f"{name}.dcm").write_bytes(data)
    manifest = Manifest.from_folder(tmp_path)
    assert len(manifest) + len(manifest.refused) == len(files)
    assert len(manifest) > len(files) // 4
    assert (kind == "seeds") == (not manifest.refused)
    assert all("\n" not in refused.reason for refused in manifest.refused)
    check_agreement(manifest)


def test_the_real_files_that_the_index_accepts_are_read(shared_data):
    manifest = Manifest.from_folder(shared_data / "dicom")
    refused = {Path(one.path).name for one in manifest.refused}
    assert refused == {"ct_no_meta.dcm", "mr_truncated.dcm", "wg04_RG2_hip_JPLY.dcm"}
    assert len(manifest) == 18
    check_agreement(manifest)
