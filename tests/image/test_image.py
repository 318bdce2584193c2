"""True values, upright, by content: what read_image gives for every format, and what it refuses."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmarks.fuzz_seeds import make_dicom, make_seeds
from gca_dali.image.claims import read_exif_orientation, sniff_format
from gca_dali.image.raster import luma, turn_upright
from gca_dali.image.read import decode_image, read_image

Y, X = np.mgrid[:37, :53]
GREY8 = ((Y * 5 + X * 3) % 256).astype(np.uint8)
GREY16 = ((Y * 1500 + X * 700) % 65536).astype(np.uint16)
COLOUR8 = np.stack([GREY8, 255 - GREY8, (Y * 7 % 256).astype(np.uint8)], -1)
COLOUR16 = np.stack([GREY16, 65535 - GREY16, (Y * 1700 % 65536).astype(np.uint16)], -1)
# DALI rounds colour in floating point, we in 1/65536: one level, and two of 65,536.
DALI_TOLERANCE = {"uint8": 1, "uint16": 2}


def save(pixels: np.ndarray, kind: str, orientation: int = 1, **options) -> bytes:
    file = io.BytesIO()
    if orientation != 1:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def tiff(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **{"photometric": "minisblack", **options})
    return file.getvalue()


def luma_by_hand(pixels: np.ndarray) -> np.ndarray:
    grey = 0.299 * pixels[..., 0] + 0.587 * pixels[..., 1] + 0.114 * pixels[..., 2]
    return np.floor(grey + 0.5).astype(pixels.dtype)


GREY_FILES = {
    "png8": (save(GREY8, "PNG"), GREY8),
    "png16": (save(GREY16, "PNG"), GREY16),
    "png1": (save(GREY8 > 99, "PNG"), np.where(GREY8 > 99, 255, 0)),
    "png_alpha": (save(np.dstack([GREY8, X.astype(np.uint8)]), "PNG"), GREY8),
    "png16_alpha": (
        bytes(imagecodecs.png_encode(np.dstack([GREY16, GREY16.T[:37, :1] + 0 * GREY16]))),
        GREY16,
    ),
    "tiff8": (save(GREY8, "TIFF"), GREY8),
    "tiff16": (tiff(GREY16), GREY16),
    "tiff16_big_endian": (tiff(GREY16, byteorder=">"), GREY16),
    "tiff16_lzw": (tiff(GREY16, compression="lzw", predictor=True), GREY16),
    "tiff16_tiled": (tiff(GREY16, tile=(16, 32), compression="zlib"), GREY16),
    "tiff16_bigtiff": (tiff(GREY16, bigtiff=True), GREY16),
    "tiff8_white": (tiff(GREY8, photometric="miniswhite"), 255 - GREY8),
    "tiff16_white": (tiff(GREY16, photometric="miniswhite"), 65535 - GREY16),
    "tiff16_white_be": (tiff(GREY16, photometric="miniswhite", byteorder=">"), 65535 - GREY16),
    "tiff_pages": (tiff(np.stack([GREY8, 255 - GREY8])), GREY8),
    "tiff8_j2k": (tiff(GREY8, compression="jpeg2000"), GREY8),
}


@pytest.mark.parametrize("name", GREY_FILES)
def test_grey_values_come_as_stored(name):
    data, expected = GREY_FILES[name]
    image = decode_image(data)
    assert image.dtype == (np.uint16 if "16" in name else np.uint8)
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (save(COLOUR8, "PNG"), COLOUR8),
        (save(np.dstack([COLOUR8, GREY8]), "PNG"), COLOUR8),
        (bytes(imagecodecs.png_encode(COLOUR16)), COLOUR16),
        (save(COLOUR8, "TIFF"), COLOUR8),
        (tiff(COLOUR16, photometric="rgb"), COLOUR16),
        (tiff(np.moveaxis(COLOUR16, -1, 0).copy(), photometric="rgb", planarconfig=2), COLOUR16),
        (tiff(np.dstack([COLOUR16, GREY16]), photometric="rgb", extrasamples=[2]), COLOUR16),
    ],
    ids=["png", "png_alpha", "png16", "tiff", "tiff16", "tiff16_planes", "tiff16_alpha"],
)
def test_colour_becomes_luma_and_alpha_is_dropped(data, pixels):
    image = decode_image(data)
    assert image.dtype == pixels.dtype
    difference = np.abs(image.astype(int) - luma_by_hand(pixels))
    assert difference.max() <= 1


def test_palettes_are_expanded():
    palette = Image.fromarray(COLOUR8).quantize(32)
    file = io.BytesIO()
    palette.save(file, "PNG")
    np.testing.assert_array_equal(
        decode_image(file.getvalue()), luma(np.asarray(palette.convert("RGB")))
    )


def test_luma_of_white_is_white():
    for dtype in (np.uint8, np.uint16):
        white = np.full((2, 3, 3), np.iinfo(dtype).max, dtype)
        np.testing.assert_array_equal(luma(white), white[..., 0])


UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_is_applied(orientation):
    expected = UPRIGHT[orientation](GREY8)
    np.testing.assert_array_equal(turn_upright(GREY8, orientation), expected)
    np.testing.assert_array_equal(decode_image(save(GREY8, "PNG", orientation)), expected)
    tag = [(274, "H", 1, orientation, True)]
    np.testing.assert_array_equal(decode_image(tiff(GREY8, extratags=tag)), expected)
    deep = UPRIGHT[orientation](GREY16)
    np.testing.assert_array_equal(decode_image(tiff(GREY16, extratags=tag)), deep)
    white = tiff(GREY16, extratags=tag, photometric="miniswhite", byteorder=">")
    np.testing.assert_array_equal(decode_image(white), 65535 - deep)
    plain = decode_image(save(GREY8, "JPEG", quality=95))
    turned = decode_image(save(GREY8, "JPEG", orientation, quality=95))
    np.testing.assert_array_equal(turned, UPRIGHT[orientation](plain))


def exif_block(order: str = ">", orientation: int = 6, kind: int = 3) -> bytes:
    start = b"MM\0*" if order == ">" else b"II*\0"
    entry = struct.pack(f"{order}HHLHH", 0x0112, kind, 1, orientation, 0)
    return start + struct.pack(f"{order}LH", 8, 1) + entry + bytes(4)


def test_exif_orientation_by_hand():
    for order in "<>":
        for orientation in range(1, 9):
            assert read_exif_orientation(exif_block(order, orientation)) == orientation
    good = exif_block()
    broken = [b"", good[:19], good[1:], b"XX" + good[2:], b"MM\0\0" + good[4:]]
    broken += [exif_block(orientation=9), exif_block(orientation=0), exif_block(kind=4)]
    broken += [good[:4] + struct.pack(">L", 1 << 31) + good[8:]]
    for block in broken:
        assert read_exif_orientation(block) == 1


def test_broken_exif_is_ignored():
    data = save(GREY8, "JPEG", 6, quality=95)
    place = data.index(b"Exif\0\0") + 6
    broken = data[:place] + b"XXXX" + data[place + 4 :]
    assert decode_image(broken).shape == GREY8.shape


def test_dali_gives_the_same_pixels():
    pytest.importorskip("nvidia.dali")
    from nvidia.dali import fn, pipeline_def, types

    files = [save(GREY8, "JPEG", orientation, quality=95) for orientation in UPRIGHT]
    files += [save(COLOUR8, "JPEG", quality=95, subsampling=0), save(GREY8, "PNG", 6)]
    files += [save(COLOUR8, "PNG"), save(np.dstack([COLOUR8, GREY8]), "PNG"), save(GREY8, "TIFF")]
    files += [tiff(GREY8, extratags=[(274, "H", 1, 6, True)])]
    deep = [save(GREY16, "PNG"), tiff(GREY16), tiff(GREY16, compression="lzw", predictor=True)]
    deep += [bytes(imagecodecs.png_encode(COLOUR16)), tiff(COLOUR16, photometric="rgb")]
    for batch, dtype in ((files, types.UINT8), (deep, types.UINT16)):

        @pipeline_def(batch_size=len(batch), num_threads=1, device_id=None)
        def pipeline(batch=batch, dtype=dtype):
            arrays = [np.frombuffer(data, np.uint8) for data in batch]
            data = fn.external_source(lambda: arrays, batch=True)
            return fn.decoders.image(data, device="cpu", output_type=types.GRAY, dtype=dtype)

        (outputs,) = pipeline().run()
        for number, data in enumerate(batch):
            ours, theirs = decode_image(data), np.asarray(outputs[number])[..., 0]
            assert ours.shape == theirs.shape, number
            difference = np.abs(ours.astype(int) - theirs)
            assert difference.max() <= DALI_TOLERANCE[ours.dtype.name], number


def test_content_decides_not_the_extension(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(save(GREY16, "PNG"))
    np.testing.assert_array_equal(read_image(path), GREY16)
    np.testing.assert_array_equal(read_image(str(path)), GREY16)


def test_dicom_goes_through_its_reader(tmp_path):
    path = tmp_path / "no_extension"
    path.write_bytes(make_dicom(GREY16, PhotometricInterpretation="MONOCHROME1"))
    image = read_image(path)
    assert image.dtype == np.uint16
    assert image.ravel()[GREY16.argmin()] == 65535


def test_sniffing():
    names = {name: sniff_format(data) for name, data in make_seeds().items()}
    assert all(name.startswith(kind) and kind for name, kind in names.items())
    assert sniff_format(b"GIF89a") == sniff_format(b"") == ""
