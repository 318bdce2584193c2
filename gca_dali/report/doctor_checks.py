"""Decode tiny files and compare them with what was encoded; run by :mod:`gca_dali.report.doctor`.

``python -m gca_dali.report.doctor_checks KIND`` prints one JSON object per coding. It is a process
of its own because a decoder that does not fit the machine may end the process instead of raising.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HEIGHT, WIDTH = 24, 32
# Grey levels of 255 by which a lossy JPEG of quality 95 may differ on this smooth image.
LOSSY_TOLERANCE = 8


def _truth(bits: int) -> np.ndarray:
    """Make a smooth ramp over the lower 15/16 of the range, [24, 32]."""
    ramp = np.add.outer(np.arange(HEIGHT) * 4, np.arange(WIDTH) * 4) / 240
    return (ramp * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def make_image_files() -> dict[str, tuple[bytes, np.ndarray, int]]:
    """Encode the ramp in each coding that DALI should read.

    Returns
    -------
    dict
        Name of the coding to the file, the truth (uint8 or uint16, [24, 32]) and the tolerance in
        grey levels.
    """
    import tifffile
    from PIL import Image

    grey, deep = _truth(8), _truth(16)

    def save(image: np.ndarray, form: str, **options: object) -> bytes:
        file = io.BytesIO()
        Image.fromarray(image).save(file, form, **options)
        return file.getvalue()

    def save_tiff(image: np.ndarray, **options) -> bytes:
        file = io.BytesIO()
        tifffile.imwrite(file, image, photometric="minisblack", **options)
        return file.getvalue()

    lossy = {"quality": 95}
    colour = np.repeat(grey[..., None], 3, axis=2)
    return {
        "jpeg": (save(grey, "JPEG", **lossy), grey, LOSSY_TOLERANCE),
        "jpeg progressive": (save(grey, "JPEG", progressive=True, **lossy), grey, LOSSY_TOLERANCE),
        "jpeg colour": (save(colour, "JPEG", **lossy), grey, LOSSY_TOLERANCE),
        "png 8": (save(grey, "PNG"), grey, 0),
        "png 16": (save(deep, "PNG"), deep, 0),
        "tiff 8": (save_tiff(grey), grey, 0),
        "tiff 16": (save_tiff(deep), deep, 0),
        "tiff 16 lzw": (save_tiff(deep, compression="lzw"), deep, 0),
    }


def make_dicom_files() -> dict[str, tuple[bytes, np.ndarray, int]]:
    """Encode the ramp in each DICOM coding that X-rays come in, 12 bits where it can.

    Returns
    -------
    dict
        As :func:`make_image_files`.
    """
    import imagecodecs
    from pydicom.uid import (
        ExplicitVRLittleEndian,
        JPEG2000Lossless,
        JPEGBaseline8Bit,
        JPEGExtended12Bit,
        JPEGLosslessSV1,
        JPEGLSLossless,
    )

    grey, deep = _truth(8), _truth(12)
    frames = {
        "dicom uncompressed": (ExplicitVRLittleEndian, deep.tobytes(), deep, 0),
        "dicom jpeg baseline": (
            JPEGBaseline8Bit,
            imagecodecs.jpeg8_encode(grey, level=95),
            grey,
            LOSSY_TOLERANCE,
        ),
        "dicom jpeg extended 12": (
            JPEGExtended12Bit,
            imagecodecs.jpeg_encode(deep, bitspersample=12, level=95),
            deep,
            16 * LOSSY_TOLERANCE,
        ),
        "dicom jpeg lossless": (
            JPEGLosslessSV1,
            imagecodecs.ljpeg_encode(deep, bitspersample=12),
            deep,
            0,
        ),
        "dicom jpeg-ls": (JPEGLSLossless, imagecodecs.jpegls_encode(deep), deep, 0),
        "dicom jpeg 2000": (
            JPEG2000Lossless,
            imagecodecs.jpeg2k_encode(deep, level=0, codecformat="j2k", reversible=True),
            deep,
            0,
        ),
    }
    files = {
        name: (_wrap_dicom(syntax, frame, truth), truth, tolerance)
        for name, (syntax, frame, truth, tolerance) in frames.items()
    }
    return files | {"dicom rle": (_wrap_rle(deep), deep, 0)}


def _make_dataset(truth: np.ndarray):
    from pydicom import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"  # Computed Radiography Image Storage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["gca_dali doctor"])
    dataset.Rows, dataset.Columns = truth.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 8 * truth.itemsize
    dataset.BitsStored = 8 if truth.itemsize == 1 else 12
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    return dataset


def _to_bytes(dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _wrap_dicom(syntax, frame: bytes, truth: np.ndarray) -> bytes:
    from pydicom.encaps import encapsulate

    dataset = _make_dataset(truth)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([frame]) if syntax.is_encapsulated else frame
    dataset["PixelData"].VR = "OB" if syntax.is_encapsulated else "OW"
    return _to_bytes(dataset)


def _wrap_rle(truth: np.ndarray) -> bytes:
    from pydicom.uid import RLELossless

    dataset = _make_dataset(truth)
    dataset.compress(RLELossless, truth, encoding_plugin="pydicom")
    return _to_bytes(dataset)


def check_dali(device: str) -> Iterator[tuple[str, str]]:
    """Decode every coding with DALI.

    Parameters
    ----------
    device : str
        "cpu" or "cuda".

    Yields
    ------
    tuple of str
        Name of the coding; "ok" or what is wrong.
    """
    dali: Any = importlib.import_module("nvidia.dali")
    on_gpu = device == "cuda"

    def decode(data: bytes, bits: int) -> np.ndarray:
        encoded = [np.frombuffer(data, np.uint8)]
        pipeline = dali.Pipeline(batch_size=1, num_threads=1, device_id=0 if on_gpu else None)
        with pipeline:
            image = dali.fn.decoders.image(
                dali.fn.external_source(source=lambda: encoded, batch=True),
                device="mixed" if on_gpu else "cpu",
                output_type=dali.types.GRAY,
                dtype=dali.types.UINT16 if bits == 16 else dali.types.UINT8,
            )
            pipeline.set_outputs(image)
        pipeline.build()
        (batch,) = pipeline.run()
        return np.asarray((batch.as_cpu() if on_gpu else batch).at(0))[..., 0]

    for name, (data, truth, tolerance) in make_image_files().items():
        bits = 8 * truth.itemsize
        yield name, _compare(partial(decode, data, bits), truth, tolerance)


def check_dicom() -> Iterator[tuple[str, str]]:
    """Decode every DICOM coding with the reader of this package.

    Yields
    ------
    tuple of str
        Name of the coding; "ok" or what is wrong.
    """
    from gca_dali.image.dicom import stored_values

    with tempfile.TemporaryDirectory() as folder:
        for name, (data, truth, tolerance) in make_dicom_files().items():
            path = Path(folder, f"{name}.dcm")
            path.write_bytes(data)
            yield name, _compare(partial(stored_values, path), truth, tolerance)


def _compare(decode: Callable[[], np.ndarray], truth: np.ndarray, tolerance: int) -> str:
    try:
        found = decode()
    except Exception as error:  # whatever a decoder raises is the finding
        return " ".join(str(error).split())[:200] or type(error).__name__
    if found.shape != truth.shape:
        return f"gives {found.shape} instead of {truth.shape}"
    worst = int(np.abs(found.astype(np.int64) - truth).max())
    return "ok" if worst <= tolerance else f"wrong pixels, off by up to {worst} levels"


def main() -> None:
    """Run the checks named on the command line: dali-cpu, dali-cuda or dicom."""
    kind = sys.argv[1]
    checks = check_dicom() if kind == "dicom" else check_dali(kind.removeprefix("dali-"))
    for name, finding in checks:
        print(json.dumps({"coding": name, "finding": finding}), flush=True)


if __name__ == "__main__":
    main()
