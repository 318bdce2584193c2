"""Bytes of a JPEG, PNG or TIFF in, an upright grey array out.

An open file and its format enter; uint8 or uint16 [H, W] leaves. Called by `image.read`, which
sniffs the format and turns whatever a decoder raises into one named refusal.
"""

from __future__ import annotations

import io
import logging
from typing import BinaryIO

import imagecodecs
import numpy as np
import tifffile
from PIL import JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from gca_dali.image.claims import (
    ORIENTATION_TAG,
    UnreadableImageError,
    check_num_pixels,
    read_exif_orientation,
)

# A refusal says what is wrong; without a handler tifffile would also write it to the terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_BITS_TAG = 258
_PHOTOMETRIC_TAG = 262
_WHITE_IS_ZERO = 0
_PNG_GREY = 0
_PNG_DEPTH_OFFSET = 24
_MAX_SAMPLES = 4
# ITU-R BT.601 luma in 1/65536, the integers that Pillow uses: uint32 holds 65535 times their sum.
_LUMA = (19595, 38470, 7471)


def decode_raster(stream: BinaryIO, kind: str, name: str) -> np.ndarray:
    """Decode an open JPEG, PNG or TIFF.

    Parameters
    ----------
    stream : BinaryIO
        Seekable, at its beginning.
    kind : str
        "jpeg", "png" or "tiff".
    name : str
        What error messages call the file.

    Returns
    -------
    numpy.ndarray, uint8 or uint16, [H, W]
        Grey, upright, values as stored.

    Raises
    ------
    UnreadableImageError
        For a size or pixel type that is refused.
    Exception
        Anything else that a decoder raises on broken bytes: SyntaxError, struct.error, KeyError.
    """
    # The plug-ins, not Image.open: that one warns at 89 megapixels and tries every other format.
    if kind == "tiff":
        return _read_tiff(stream, name)
    if kind == "jpeg":
        image = JpegImagePlugin.JpegImageFile(stream)
        check_num_pixels(name, image.height, image.width)
        # libjpeg's own luma, which is what DALI takes, instead of a round trip through RGB.
        image.draft("L", image.size)
        return _finish(_to_grey(image, name), _exif_orientation(image))
    image = PngImagePlugin.PngImageFile(stream)
    check_num_pixels(name, image.height, image.width)
    grey = _to_grey(image, name)
    stream.seek(_PNG_DEPTH_OFFSET)
    depth, colour = stream.read(2)
    if depth == 16 and colour != _PNG_GREY:
        # Pillow cuts 16-bit colour to 8; it still had to read the file to its end without fault.
        stream.seek(0)
        grey = luma(imagecodecs.png_decode(stream.read()))
    return _finish(grey, _exif_orientation(image))


def _read_tiff(stream: BinaryIO, name: str) -> np.ndarray:
    try:
        image = TiffImagePlugin.TiffImageFile(stream)
    except SyntaxError:
        # What Pillow has no mode for, such as 16-bit planes or big-endian white-is-zero.
        return _read_deep_tiff(stream, name)
    check_num_pixels(name, image.height, image.width)
    bits = image.tag_v2.get(_BITS_TAG, (1,))
    is_deep = max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if is_deep and not image.mode.startswith("I;16"):
        return _read_deep_tiff(stream, name)
    grey = _to_grey(image, name)
    # Pillow inverts 8 bits itself, and turns every TIFF upright.
    if is_deep and image.tag_v2.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        grey = ~grey
    return _finish(grey, 1)


def _read_deep_tiff(stream: BinaryIO, name: str) -> np.ndarray:
    num_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        page = file.pages.first
        check_num_pixels(name, page.imagelength, page.imagewidth)
        if page.dtype not in (np.uint8, np.uint16) or page.imagedepth != 1:
            what = f"TIFF pixels of {page.dtype} with {page.imagedepth} slices"
            raise UnreadableImageError(name, what, "Save one slice of 8 or 16 bits.")
        if page.samplesperpixel > _MAX_SAMPLES:
            raise UnreadableImageError(name, f"a TIFF of {page.samplesperpixel} samples per pixel")
        # tifffile fills segments that it cannot find with zeros.
        segments = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(size == 0 or start + size > num_bytes for start, size in segments):
            raise UnreadableImageError(name, "a TIFF that is cut short")
        pixels = page.asarray(maxworkers=1)
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3:
            pixels = np.moveaxis(pixels, 0, -1)
        grey = luma(pixels)
        if page.photometric == _WHITE_IS_ZERO:
            grey = ~grey
        tag = page.tags.get(ORIENTATION_TAG)
        return _finish(grey, tag.value if tag else 1)


def _to_grey(image: ImageFile, name: str) -> np.ndarray:
    image.load()
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("I", "F"):
        raise UnreadableImageError(name, f"pixels of mode {image.mode}", "Save 8 or 16 bits.")
    return np.asarray(image.convert("L"))


def _exif_orientation(image: ImageFile) -> int:
    # Only the EXIF block, as DALI does: Image.getexif would also believe an XMP comment.
    return read_exif_orientation(image.info.get("exif", b"").removeprefix(b"Exif\0\0"))


def _finish(grey: np.ndarray, orientation: int) -> np.ndarray:
    return np.ascontiguousarray(turn_upright(grey, orientation))


def luma(pixels: np.ndarray) -> np.ndarray:
    """Turn colour into grey by ITU-R BT.601, rounding as Pillow does; alpha is dropped.

    Parameters
    ----------
    pixels : numpy.ndarray, uint8 or uint16, [H, W] or [H, W, samples]
        One or two samples are grey and grey with alpha; three or four RGB and RGBA.

    Returns
    -------
    numpy.ndarray, same dtype, [H, W]
    """
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] < 3:
        return pixels[..., 0]
    grey = np.full(pixels.shape[:2], 32768, np.uint32)
    for channel, weight in enumerate(_LUMA):
        grey += pixels[..., channel].astype(np.uint32) * np.uint32(weight)
    return (grey >> 16).astype(pixels.dtype)


def turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation (Exif 2.32, tag 0x0112); unknown values change nothing.

    Parameters
    ----------
    image : numpy.ndarray, [H, W]
        Pixels as stored.
    orientation : int
        1…8.

    Returns
    -------
    numpy.ndarray, [H, W] or, for 5…8, [W, H]
        A view of the input.
    """
    if orientation in (5, 6, 7, 8):
        image = image.T
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image
