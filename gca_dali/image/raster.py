"""Bytes of a JPEG, PNG or TIFF in, an upright grey array out.

An open file and its format enter; uint8 or uint16 [H, W] leaves. Called by `image.read`, which
sniffs the format and turns whatever a decoder raises into one named refusal.
"""

from __future__ import annotations

import io
from typing import BinaryIO

import imagecodecs
import numpy as np
import tifffile
from PIL import JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from gca_dali.image.chunks import keep_critical
from gca_dali.image.claims import (
    UnreadableImageError,
    check_num_pixels,
    read_exif_orientation,
)
from gca_dali.image.headers_tiff import (
    MAX_SAMPLES,
    find_full_pages,
    has_more_samples,
    read_orientation,
)
from gca_dali.image.plain_png import read_plain_png

_BITS_TAG = 258
_PHOTOMETRIC_TAG = 262
_WHITE_IS_ZERO = 0
_PNG_GREY = 0
_PNG_DEPTH_OFFSET = 24
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
        # Only the EXIF block, as DALI does: Image.getexif would also believe an XMP comment.
        exif = image.info.get("exif", b"").removeprefix(b"Exif\0\0")
        return _finish(_to_grey(image, name), read_exif_orientation(exif))
    return _read_png(stream.read(), name)


def _read_png(data: bytes, name: str) -> np.ndarray:
    data, exif = keep_critical(data)
    plain = read_plain_png(data)
    if plain is not None:
        return _finish(plain, read_exif_orientation(exif))
    image = PngImagePlugin.PngImageFile(io.BytesIO(data))
    check_num_pixels(name, image.height, image.width)
    grey = _to_grey(image, name)
    depth, colour = data[_PNG_DEPTH_OFFSET : _PNG_DEPTH_OFFSET + 2]
    if depth == 16 and colour != _PNG_GREY:
        # Pillow cuts 16-bit colour to 8; it still had to read the file to its end without fault.
        grey = luma(imagecodecs.png_decode(data))
    return _finish(grey, read_exif_orientation(exif))


def _read_tiff(stream: BinaryIO, name: str) -> np.ndarray:
    num_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        page = next(find_full_pages(file), None)
        if page is None:
            raise UnreadableImageError(name, "a TIFF of thumbnails", "Save the image alone.")
        check_num_pixels(name, page.imagelength, page.imagewidth)
        # Pillow takes the first page, and passes over an orientation that is no SHORT.
        if page.index == 0 and read_orientation(page)[1] and not has_more_samples(page):
            stream.seek(0)
            grey = _read_plain_tiff(stream, name)
            if grey is not None:
                return grey
        return _read_page(page, num_bytes, name)


def _read_plain_tiff(stream: BinaryIO, name: str) -> np.ndarray | None:
    """Let Pillow read the first page; None for what it has no true mode for."""
    try:
        image = TiffImagePlugin.TiffImageFile(stream)
    except SyntaxError:
        return None  # such as 16-bit planes or big-endian white-is-zero
    check_num_pixels(name, image.height, image.width)
    bits = image.tag_v2.get(_BITS_TAG, (1,))
    is_deep = max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if is_deep and not image.mode.startswith("I;16"):
        return None
    grey = _to_grey(image, name)
    # Pillow inverts 8 bits itself, and turns every TIFF upright.
    if is_deep and image.tag_v2.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        grey = ~grey
    return _finish(grey, 1)


def _read_page(page: tifffile.TiffPage, num_bytes: int, name: str) -> np.ndarray:
    if page.dtype not in (np.uint8, np.uint16) or page.imagedepth != 1:
        what = f"TIFF pixels of {page.dtype} with {page.imagedepth} slices"
        raise UnreadableImageError(name, what, "Save one slice of 8 or 16 bits.")
    if page.samplesperpixel > MAX_SAMPLES:
        raise UnreadableImageError(name, f"a TIFF of {page.samplesperpixel} samples per pixel")
    # tifffile fills segments that it cannot find with zeros.
    segments = zip(page.dataoffsets, page.databytecounts, strict=True)
    if any(size == 0 or start + size > num_bytes for start, size in segments):
        raise UnreadableImageError(name, "a TIFF that is cut short")
    pixels = page.asarray(maxworkers=1)
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1)
    if has_more_samples(page):
        pixels = _drop_more_samples(pixels, page)
    grey = luma(pixels)
    if page.photometric == _WHITE_IS_ZERO:
        grey = ~grey
    return _finish(grey, read_orientation(page)[0])


def _drop_more_samples(pixels: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    """Keep grey or colour; what was multiplied by alpha is divided by it again."""
    num_extra = len(page.extrasamples) or 1
    kept = pixels[..., : page.samplesperpixel - num_extra]
    if page.extrasamples[:1] != (tifffile.EXTRASAMPLE.ASSOCALPHA,):
        return kept
    white = np.iinfo(pixels.dtype).max
    alpha = pixels[..., kept.shape[-1] :][..., :1]
    whole = kept * np.float64(white) / np.maximum(alpha, 1)
    return np.rint(whole.clip(0, white)).astype(pixels.dtype)


def _to_grey(image: ImageFile, name: str) -> np.ndarray:
    image.load()
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("I", "F"):
        raise UnreadableImageError(name, f"pixels of mode {image.mode}", "Save 8 or 16 bits.")
    return np.asarray(image.convert("L"))


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
