"""Small valid files of every format and coding that the package reads, made in memory.

Gradients enter; bytes of JPEG, PNG, TIFF and DICOM files leave. `benchmarks.fuzz` breaks them; the
tests of the DICOM reader build their own cases with `make_dicom`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

_ENCODERS: dict[UID, Callable[[np.ndarray, int], bytes | bytearray]] = {
    JPEGBaseline8Bit: lambda pixels, bits: imagecodecs.jpeg8_encode(pixels, level=95),
    JPEGExtended12Bit: lambda pixels, bits: imagecodecs.jpeg8_encode(
        pixels, level=95, bitspersample=bits
    ),
    JPEGLosslessSV1: lambda pixels, bits: imagecodecs.jpeg8_encode(
        pixels, lossless=True, bitspersample=bits, predictor=1
    ),
    JPEGLSLossless: lambda pixels, bits: imagecodecs.jpegls_encode(pixels),
    JPEG2000Lossless: lambda pixels, bits: imagecodecs.jpeg2k_encode(
        pixels, codecformat="J2K", reversible=True, bitspersample=bits
    ),
    HTJ2KLossless: lambda pixels, bits: imagecodecs.htj2k_encode(pixels, reversible=True),
}


CODECS = tuple(_ENCODERS)


def encode_frame(syntax: UID, pixels: np.ndarray, bits: int) -> bytes:
    """Compress one frame.

    Parameters
    ----------
    syntax : pydicom.uid.UID
        One of ``CODECS``.
    pixels : numpy.ndarray, uint8 or uint16, [H, W] or [H, W, 3]
        Stored values.
    bits : int
        Bits of a value, for codecs that carry them.

    Returns
    -------
    bytes
    """
    return bytes(_ENCODERS[syntax](pixels, bits))


def make_dicom(
    pixels: np.ndarray,
    *,
    syntax: UID = ExplicitVRLittleEndian,
    bits_stored: int | None = None,
    num_frames: int = 1,
    **elements: Any,
) -> bytes:
    """Write a DICOM X-ray.

    Parameters
    ----------
    pixels : numpy.ndarray, uint8, int8, uint16 or int16, [H, W], [H, W, 3] or [frames, H, W]
        Stored values.
    syntax : pydicom.uid.UID
        Transfer syntax: uncompressed, deflated, RLE or one of ``CODECS``.
    bits_stored : int, optional
        Bits of a value; those of the dtype where none are given.
    num_frames : int
        Frames along the first axis, if more than 1.
    **elements
        Further elements of the header by keyword; None leaves one out.

    Returns
    -------
    bytes
        The file.
    """
    frames = list(pixels) if num_frames > 1 else [pixels]
    dataset = Dataset()
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "4711"
    dataset.StudyDate = "20200102"
    dataset.Modality = "DX"
    dataset.NumberOfFrames = num_frames
    dataset.Rows, dataset.Columns = frames[0].shape[:2]
    dataset.SamplesPerPixel = 3 if frames[0].ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if frames[0].ndim == 3 else "MONOCHROME2"
    if frames[0].ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * pixels.itemsize
    dataset.BitsStored = bits_stored or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax in CODECS:
        encoded = [encode_frame(syntax, frame, dataset.BitsStored) for frame in frames]
        dataset.PixelData = encapsulate(encoded)
        dataset["PixelData"].is_undefined_length = True
    elif syntax == RLELossless:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.PixelData = pixels.tobytes()
        dataset.compress(RLELossless, generate_instance_uid=False)
    else:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        dataset.PixelData += b"\0" * (len(dataset.PixelData) % 2)
        dataset["PixelData"].VR = "OW" if pixels.itemsize == 2 else "OB"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def make_lut(first: int, entries: np.ndarray, bits: int = 16) -> Dataset:
    """Make an item of a VOI or modality LUT sequence.

    Parameters
    ----------
    first : int
        Input of the first entry.
    entries : numpy.ndarray, uint16, [N]
        Outputs.
    bits : int
        Depth that the descriptor claims.

    Returns
    -------
    pydicom.Dataset
    """
    item = Dataset()
    item.LUTDescriptor = [len(entries) % 65536, first, bits]
    item.LUTData = entries.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item


def make_seeds(height: int = 24, width: int = 32) -> dict[str, bytes]:
    """Make one small file for each format and coding.

    Parameters
    ----------
    height, width : int
        Pixels.

    Returns
    -------
    dict of str to bytes
        File contents by name; the part before the first "-" names the format.
    """
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 9, (height, width))
    grey8 = ((y * 5 + x * 3 + noise) % 256).astype(np.uint8)
    grey12 = ((y * 97 + x * 131) % 4096).astype(np.uint16)
    grey16 = (grey12 * 16 + 5).astype(np.uint16)
    colour8 = np.stack([grey8, 255 - grey8, grey8[::-1]], -1)
    colour16 = np.stack([grey16, 65535 - grey16, grey16[::-1]], -1)
    return {
        **_make_jpeg_and_png(grey8, grey16, colour8, colour16),
        **_make_tiff(grey8, grey16, colour8, colour16),
        **_make_dicom_codings(grey8, grey12),
        **_make_dicom_headers(grey8, grey12, colour8),
    }


def _make_jpeg_and_png(
    grey8: np.ndarray, grey16: np.ndarray, colour8: np.ndarray, colour16: np.ndarray
) -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "jpeg-grey": _save(grey8, "JPEG", quality=90),
        "jpeg-colour": _save(colour8, "JPEG", quality=90),
        "jpeg-progressive": _save(grey8, "JPEG", quality=90, progressive=True, exif=exif),
        "png-grey8": _save(grey8, "PNG"),
        "png-grey16": _save(grey16, "PNG"),
        "png-palette": _save(np.asarray(Image.fromarray(colour8).quantize(16)), "PNG", exif=exif),
        "png-colour16": bytes(imagecodecs.png_encode(colour16)),
    }


def _make_tiff(
    grey8: np.ndarray, grey16: np.ndarray, colour8: np.ndarray, colour16: np.ndarray
) -> dict[str, bytes]:
    return {
        "tiff-grey8": _save(grey8, "TIFF"),
        "tiff-grey8_jpeg": _save(grey8, "TIFF", compression="jpeg"),
        "tiff-colour8_lzw": _save(colour8, "TIFF", compression="tiff_lzw"),
        "tiff-grey16": _save(grey16, "TIFF"),
        "tiff-grey16_lzw": _write_tiff(grey16, compression="lzw", predictor=True),
        "tiff-grey16_tiled": _write_tiff(grey16, tile=(16, 16), compression="zlib"),
        "tiff-grey16_white": _write_tiff(grey16, photometric="miniswhite", byteorder=">"),
        "tiff-colour16": _write_tiff(colour16, photometric="rgb", compression="zlib"),
        "tiff-big": _write_tiff(grey16, bigtiff=True),
    }


def _make_dicom_codings(grey8: np.ndarray, grey12: np.ndarray) -> dict[str, bytes]:
    plain = {
        "explicit": ExplicitVRLittleEndian,
        "implicit": ImplicitVRLittleEndian,
        "big_endian": ExplicitVRBigEndian,
        "deflated": DeflatedExplicitVRLittleEndian,
        "rle": RLELossless,
    }
    files = {
        f"dicom-{name}": make_dicom(grey12, syntax=syntax, bits_stored=12)
        for name, syntax in plain.items()
    }
    for syntax in CODECS:
        deep = syntax != JPEGBaseline8Bit
        pixels, bits = (grey12, 12) if deep else (grey8, 8)
        files[f"dicom-{syntax.keyword}"] = make_dicom(pixels, syntax=syntax, bits_stored=bits)
    return files


def _make_dicom_headers(
    grey8: np.ndarray, grey12: np.ndarray, colour8: np.ndarray
) -> dict[str, bytes]:
    lut = make_lut(0, np.arange(4096) ** 2 // 4096, bits=12)
    return {
        "dicom-voi_lut": make_dicom(grey12, bits_stored=12, VOILUTSequence=[lut]),
        "dicom-modality_lut": make_dicom(grey12, bits_stored=12, ModalityLUTSequence=[lut]),
        "dicom-window": make_dicom(
            grey12.astype(np.int16),
            bits_stored=13,
            PhotometricInterpretation="MONOCHROME1",
            WindowCenter=[2000, 100],
            WindowWidth=[3000, 50],
            RescaleSlope=2,
            RescaleIntercept=-1000,
            PixelPaddingValue=0,
        ),
        "dicom-frames": make_dicom(np.stack([grey8, 255 - grey8]), num_frames=2),
        "dicom-colour": make_dicom(colour8),
    }


def _save(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def _write_tiff(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **{"photometric": "minisblack", **options})
    return file.getvalue()
