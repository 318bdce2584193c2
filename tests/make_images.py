"""Tiny image files of every kind, and folders, tables and manifests of them, for tests.

Images show a ramp of 40 x 60 pixels unless said otherwise.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from gca_dali.data.manifest import Manifest

HEIGHT, WIDTH = 40, 60
ORIENTATION_TAG = 274


def make_ramp(bits: int = 8) -> np.ndarray:
    ramp = np.add.outer(np.arange(HEIGHT) * 3, np.arange(WIDTH) * 2)
    return ramp.astype(np.uint8) if bits == 8 else (ramp * 200 + 7).astype(np.uint16)


def encode(image: np.ndarray, form: str, mode: str | None = None, **options) -> bytes:
    """Encode with Pillow; `orientation` writes an EXIF tag."""
    orientation = options.pop("orientation", None)
    if orientation is not None:
        exif = Image.Exif()
        exif[ORIENTATION_TAG] = orientation
        options["exif"] = exif
    picture = Image.fromarray(image)
    file = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(file, form, **options)
    return file.getvalue()


def encode_tiff(image: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


def encode_png(rows: list[bytes], height: int, width: int, depth: int, colour: int) -> bytes:
    """Write a PNG by hand: Pillow writes neither 16-bit alpha nor a false size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    )


def make_accepted() -> dict[str, tuple[bytes, tuple[int, int, int, str]]]:
    """Give every kind that is read: file, (height, width, bits, format)."""
    grey, deep = make_ramp(8), make_ramp(16)
    colour = np.repeat(grey[..., None], 3, axis=2)
    big = deep.astype(">u2")
    alpha = [np.stack([row, np.full_like(row, 65535)], -1).tobytes() for row in big]
    triple = [np.stack([row] * 3, -1).tobytes() for row in big]
    nibbles = [((row[::2] >> 4 << 4) | (row[1::2] >> 4)).tobytes() for row in grey]
    jpeg = encode(grey, "JPEG")
    jpegs = {
        "grey": jpeg,
        "progressive": encode(grey, "JPEG", progressive=True),
        "colour": encode(colour, "JPEG"),
        "zeros_after_end": jpeg + bytes(9000),
        "fill_bytes": jpeg[:2] + b"\xff\xff" + jpeg[2:],
        "thumbnail": jpeg[:2] + b"\xff\xe2" + struct.pack(">H", len(jpeg) + 2) + jpeg + jpeg[2:],
    }
    pngs = {
        "grey": (encode(grey, "PNG"), 8),
        "deep": (encode(deep, "PNG"), 16),
        "one_bit": (encode(grey, "PNG", "1"), 8),
        "four_bits": (encode_png(nibbles, HEIGHT, WIDTH, 4, 0), 8),
        "palette": (encode(grey, "PNG", "P"), 8),
        "colour_alpha": (encode(grey, "PNG", "RGBA"), 8),
        "deep_alpha": (encode_png(alpha, HEIGHT, WIDTH, 16, 4), 16),
        "deep_colour": (encode_png(triple, HEIGHT, WIDTH, 16, 2), 16),
        "zeros_after_end": (encode(grey, "PNG") + bytes(9000), 8),
    }
    tiffs = {
        "grey": (encode_tiff(grey), 8),
        "deep": (encode_tiff(deep), 16),
        "big_endian": (encode_tiff(deep, byteorder=">"), 16),
        "big_tiff": (encode_tiff(deep, bigtiff=True), 16),
        "lzw": (encode_tiff(deep, compression="lzw"), 16),
        "deflate": (encode_tiff(deep, compression="deflate", predictor=True), 16),
        "tiles": (encode_tiff(deep, tile=(16, 16)), 16),
        "colour": (encode_tiff(colour, photometric="rgb"), 8),
    }
    upright = {"jpeg": jpegs, "png": pngs, "tiff": tiffs}
    accepted = {}
    for form, files in upright.items():
        for name, item in files.items():
            data, bits = item if isinstance(item, tuple) else (item, 8)
            accepted[f"{form}_{name}"] = (data, (HEIGHT, WIDTH, bits, form))
    # Lying on their side: the header gives the size of the upright image.
    side = {
        "jpeg": encode(grey, "JPEG", orientation=6),
        "png": encode(grey, "PNG", orientation=8),
        "tiff": encode_tiff(grey, extratags=[(ORIENTATION_TAG, 3, 1, 5, True)]),
    }
    for form, data in side.items():
        accepted[f"{form}_on_its_side"] = (data, (WIDTH, HEIGHT, 8, form))
    return accepted


def make_rare_tiffs() -> dict[str, bytes]:
    """Give sound TIFFs that DALI turns into black, garbage or an error."""
    grey, deep = make_ramp(8), make_ramp(16)
    colour = np.stack([deep, deep // 2, deep // 3])
    planes = {"photometric": "rgb", "planarconfig": "separate"}
    return {
        "white": encode_tiff(grey, photometric="miniswhite"),
        "deep_white": encode_tiff(deep, photometric="miniswhite"),
        "planes": encode_tiff(colour, **planes),
        "planes_lzw": encode_tiff(colour, compression="lzw", predictor=True, **planes),
        "lzma": encode_tiff(deep, compression="lzma"),
        "zstd": encode_tiff(deep, compression="zstd"),
        "jpeg2000": encode_tiff(grey, compression="jpeg2000"),
        "deep_jpeg2000": encode_tiff(deep, compression="jpeg2000"),
        "deep_tiles": encode_tiff(deep, compression="jpeg2000", tile=(16, 16)),
    }


def make_refused() -> dict[str, tuple[bytes, str]]:
    """Give every kind that is refused: file, words of the reason."""
    grey, deep = make_ramp(8), make_ramp(16)
    jpeg, png, tiff = encode(grey, "JPEG"), encode(grey, "PNG"), encode_tiff(deep)
    colour, inks = (np.repeat(grey[..., None], n, axis=2) for n in (3, 4))
    frame = jpeg.index(b"\xff\xc0")
    twelve = jpeg[: frame + 4] + b"\x0c" + jpeg[frame + 5 :]
    lossless = jpeg[:frame] + b"\xff\xc3" + jpeg[frame + 2 :]
    flat = jpeg[: frame + 5] + b"\0\0" + jpeg[frame + 7 :]
    huge = jpeg[: frame + 5] + b"\xff\xff\xff\xff" + jpeg[frame + 9 :]
    return {
        "empty.png": (b"", "empty file"),
        "text.png": (b"a radiologist's note", "not an image (extension .png)"),
        "sound.wav": (b"RIFF....WAVE", "not an image (extension .wav)"),
        "noname": (b"\0" * 200, "not an image (extension none)"),
        "bare.dcm": (b"\x08\0\x05\0CS", "without its file header"),
        "start.jpg": (jpeg[:2] + b"\xff", "truncated"),
        "cut.jpg": (jpeg[:-100], "truncated"),
        "no_end.jpg": (jpeg[:-2], "without its end marker"),
        "no_scan.jpg": (jpeg[:2] + b"\xff\xd9", "without image data"),
        "twelve_bits.jpg": (twelve, "12-bit JPEG outside DICOM"),
        "lossless.jpg": (lossless, "lossless JPEG outside DICOM"),
        "cmyk.jpg": (encode(grey, "JPEG", "CMYK"), "4 channels"),
        "flat.jpg": (flat, "has no pixels"),
        "huge.jpg": (huge, "claims 65535 x 65535 pixels, over 200 megapixels"),
        "cut.png": (png[:-60], "truncated"),
        "no_end.png": (png[:-12], "without its end chunk"),
        "no_pixels.png": (png[:33] + png[-12:], "without image data"),
        "odd.png": (encode_png([b"\0"], 1, 1, 3, 0), "unknown kind"),
        "bomb.png": (encode_png([b"\0"], 100_000, 100_000, 8, 0), "over 200 megapixels"),
        "flat.png": (encode_png([b"\0"], 0, 10, 8, 0), "has no pixels"),
        "cut.tif": (tiff[:-1000], "truncated"),
        "start.tif": (tiff[:8], "truncated"),
        "float.tif": (encode_tiff(grey.astype(np.float32)), "32-bit float32 TIFF"),
        "signed.tif": (encode_tiff(deep.astype(np.int16)), "16-bit int16 TIFF"),
        "one_bit.tif": (encode_tiff(grey > 99), "1-bit bool TIFF"),
        "pages.tif": (encode_tiff(np.stack([grey] * 3), photometric="minisblack"), "3 pages"),
        "many.tif": (
            encode_tiff(np.stack([grey[:1, :2]] * 300), photometric="minisblack"),
            "over 256 pages",
        ),
        "webp.tif": (encode_tiff(colour, photometric="rgb", compression="webp"), "with WEBP"),
        "separated.tif": (encode_tiff(inks, photometric="separated"), "TIFF of kind SEPARATED"),
    }


def put_images(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(encode(np.zeros((3, 5), np.uint8), "PNG"))
    return root


def put_csv(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def make_rows(**changes) -> Manifest:
    """Make a manifest of two rows without files."""
    columns = {
        "root": Path("/xrays"),
        "path": ["a.png", "b.png"],
        "height": [1, 2],
        "width": [3, 4],
        "bits": [8, 16],
        "format": ["png", "png"],
    }
    return Manifest(**(columns | changes))
