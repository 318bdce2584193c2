"""Sound files with something odd about them, as cameras, scanners and tools write them.

Each shows an image of 26 x 38 pixels without any symmetry. All three ways to its pixels must agree.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import tifffile
from PIL import Image

HEIGHT, WIDTH = 26, 38
ORIENTATION = 274
SHORT, LONG, BYTE = 3, 4, 1


def make_image(bits: int = 8) -> np.ndarray:
    """Make a smooth image that no turn or flip leaves as it is."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    image = 12 + 3.0 * x + 2.0 * y + 70.0 * ((x > 20) & (y > 15))
    return image.astype(np.uint8) if bits == 8 else (image * 250 + 3 * x).astype(np.uint16)


def exif_block(orientation: int, order: str = "<", kind: int = SHORT, count: int = 1) -> bytes:
    """Write an EXIF block with one directory and one tag."""
    form = {SHORT: "H2x", LONG: "L", BYTE: "B3x"}[kind]
    entry = struct.pack(f"{order}HHL{form}", ORIENTATION, kind, count, orientation)
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}LH", 8, 1) + entry + bytes(4)


def jpeg(mode: str = "L", segments: bytes = b"", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(make_image()).convert(mode).save(file, "JPEG", quality=95, **options)
    return file.getvalue()[:2] + segments + file.getvalue()[2:]


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def chunk(kind: bytes, data: bytes, damage: int = 0) -> bytes:
    checksum = zlib.crc32(kind + data) ^ damage
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(
    pixels: np.ndarray,
    colour: int = 0,
    *,
    before: bytes = b"",
    after: bytes = b"",
    depth: int | None = None,
) -> bytes:
    """Write a PNG by hand; chunks go before or after the pixels."""
    depth = depth or 8 * pixels.itemsize
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    rows = b"".join(b"\0" + row.tobytes() for row in big)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, 0)
    packed = zlib.compress(rows)
    half = len(packed) // 2
    data = chunk(b"IDAT", packed[:half]) + chunk(b"IDAT", b"") + chunk(b"IDAT", packed[half:])
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + before + data + after + chunk(b"IEND", b"")


def tiff(image: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


def odd_jpegs() -> Iterator[tuple[str, bytes]]:
    for order in "<>":
        for kind in (SHORT, LONG, BYTE):
            for value in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9):
                block = b"Exif\0\0" + exif_block(value, order, kind)
                yield f"turn{value}{order}{kind}", jpeg(segments=segment(0xE1, block))
    for name, block in odd_blocks():
        yield name, jpeg(segments=segment(0xE1, b"Exif\0\0" + block))
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'
    yield "xmp", jpeg(segments=segment(0xE1, xmp))
    block = segment(0xE1, b"Exif\0\0" + exif_block(6))
    yield "xmp_first", jpeg(segments=segment(0xE1, xmp) + block)
    yield "exif_ff", jpeg(segments=segment(0xE1, b"Exif\0\xff" + exif_block(6)))
    yield "comment", jpeg(segments=segment(0xFE, b"a remark"))
    yield "colour", jpeg("RGB")
    yield "colour420", jpeg("RGB", subsampling=2)
    yield "rgb", jpeg("RGB", keep_rgb=True)
    yield "progressive", jpeg(progressive=True)
    yield "restarts", jpeg(restart_marker_blocks=2)
    grey = jpeg()
    place = grey.index(b"\xff\xc0") + 11
    yield "sampled", grey[:place] + b"\x22" + grey[place + 1 :]
    first, last = grey.index(b"\xff\xdb"), grey.index(b"\xff\xda")
    strays = {"zero": b"\0", "text": b"stray", "no_marker": b"\xff\0", "fill": b"\xff\xff"}
    strays |= {"restart": b"\xff\xd0", "reserved": b"\xff\x01", "start": b"\xff\xd8"}
    strays["segment"] = segment(0xF7, b"of another standard")
    for name, stray in strays.items():
        for where, start in (("start", 2), ("tables", first), ("scan", last)):
            if where != "start" or stray[0] == 0xFF:
                yield f"stray_{name}_{where}", grey[:start] + stray + grey[start:]


def odd_blocks() -> Iterator[tuple[str, bytes]]:
    sound = exif_block(6)
    entry = sound[10:22]
    yield "two_tags", sound[:8] + b"\2\0" + entry + exif_block(3)[10:]
    yield "two_values", exif_block(6, count=2)
    yield "cut_short", sound[:16]
    yield "far_offset", sound[:4] + b"\xff\xff\0\0" + sound[8:]
    yield "many_entries", sound[:8] + b"\xff\0" + sound[10:]
    chained = sound[:-4] + struct.pack("<L", len(sound)) + b"\1\0" + exif_block(3)[10:]
    yield "second_directory", chained
    yield "behind_others", sound[:8] + b"\2\0" + struct.pack("<HHLL", 271, 2, 1, 0) + sound[10:]


def odd_pngs() -> Iterator[tuple[str, bytes]]:
    grey, deep = make_image(8), make_image(16)
    for order in "<>":
        for kind in (SHORT, LONG, BYTE):
            for value in (0, 1, 3, 6, 8, 9):
                block = chunk(b"eXIf", exif_block(value, order, kind))
                yield f"turn{value}{order}{kind}", png(grey, before=block)
    for name, block in odd_blocks():
        yield name, png(deep, before=chunk(b"eXIf", block))
    yield "turn_after", png(grey, after=chunk(b"eXIf", exif_block(6)))
    yield (
        "turn_before_and_after",
        png(grey, before=chunk(b"eXIf", exif_block(3)), after=chunk(b"eXIf", exif_block(6))),
    )
    for kind in (b"tEXt", b"gAMA", b"tIME", b"zTXt", b"pHYs"):
        data = {b"gAMA": struct.pack(">I", 45455), b"pHYs": bytes(9), b"tIME": bytes(7)}
        text = data.get(kind, b"a\0\0" + zlib.compress(b"remark"))
        name = kind.decode()
        yield f"{name}_crc", png(grey, before=chunk(kind, text, damage=1))
        yield f"{name}_crc_after", png(deep, after=chunk(kind, text, damage=1))
        yield f"{name}_sound", png(deep, before=chunk(kind, text))
    yield "gamma", png(grey, before=chunk(b"gAMA", struct.pack(">I", 100000)))
    yield "srgb", png(deep, before=chunk(b"sRGB", b"\0"))
    yield "background", png(deep, before=chunk(b"bKGD", b"\0\1"))
    yield "significant", png(deep, before=chunk(b"sBIT", b"\x0c"))
    yield "transparent", png(grey, before=chunk(b"tRNS", b"\0" + grey[0, 0].tobytes()))
    yield "deep_transparent", png(deep, before=chunk(b"tRNS", b"\0\1"))
    yield "unknown", png(grey, before=chunk(b"vpAg", bytes(9)))
    for bits, pixels in ((8, grey), (16, deep)):
        half = (pixels // 2).astype(pixels.dtype)
        yield f"alpha{bits}", png(np.stack([pixels, half], 2), 4)
        yield f"colour{bits}", png(np.stack([pixels, half, pixels], 2), 2)
        yield f"colour_alpha{bits}", png(np.stack([pixels, half, pixels, half], 2), 6)
    palette = bytes(np.repeat(np.arange(255, -1, -1, dtype=np.uint8), 3))
    yield "palette", png(grey, 3, before=chunk(b"PLTE", palette))
    alpha = chunk(b"PLTE", palette) + chunk(b"tRNS", bytes(range(256)))
    yield "palette_alpha", png(grey, 3, before=alpha)


def odd_tiffs() -> Iterator[tuple[str, bytes]]:
    grey, deep = make_image(8), make_image(16)
    for order in "<>":
        for kind in (SHORT, LONG, BYTE):
            for value in (0, 1, 3, 6, 8, 9):
                tag = (ORIENTATION, kind, 1, value, True)
                for bits, image in ((8, grey), (16, deep)):
                    name = f"turn{value}{order}{kind}_{bits}"
                    yield name, tiff(image, byteorder=order, extratags=[tag])
    for bits, image in ((8, grey), (16, deep)):
        opaque = np.full_like(image, np.iinfo(image.dtype).max)
        half = (opaque // 2).astype(image.dtype)
        ramp = (np.arange(WIDTH) * (int(opaque[0, 0]) // WIDTH)).astype(image.dtype) + 0 * image
        for alpha, values in (("opaque", opaque), ("half", half), ("ramp", ramp)):
            for extra in ("unspecified", "assocalpha", "unassalpha"):
                name = f"{alpha}_{extra}_{bits}"
                pixels = np.stack([image // 2, values], 2)
                options = {"extrasamples": [extra], "planarconfig": "contig"}
                yield f"grey_{name}", tiff(pixels, photometric="minisblack", **options)
                colour = np.stack([image // 2, image // 3, image // 4, values], 2)
                yield f"colour_{name}", tiff(colour, photometric="rgb", **options)
        three = np.stack([image, half, half], 2)
        two_more = ["unspecified", "unspecified"]
        options = {"planarconfig": "contig", "extrasamples": two_more}
        yield f"grey_two_more_{bits}", tiff(three, photometric="minisblack", **options)
        yield f"colour_{bits}", tiff(three, photometric="rgb")
        yield (
            f"white_alpha_{bits}",
            tiff(
                np.stack([image, opaque], 2),
                photometric="miniswhite",
                planarconfig="contig",
                extrasamples=["unassalpha"],
            ),
        )
        small = image[::2, ::2].copy()
        for name, order in (("first", (1, 0)), ("last", (0, 1)), ("old", (255, 0))):
            yield f"thumbnail_{name}_{bits}", pages(image, small, *order)
        yield f"thumbnail_below_{bits}", nested(image, small)
        yield f"image_below_{bits}", nested(small, image, subfiletype=1)
        yield f"tiles_{bits}", tiff(image, tile=(16, 16))
        yield (
            f"planes_{bits}",
            tiff(np.stack([image] * 3), photometric="rgb", planarconfig="separate"),
        )


def pages(image: np.ndarray, small: np.ndarray, first: int, second: int) -> bytes:
    """Write two pages; the one whose number is not 0 is a thumbnail."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for kind in (first, second):
            page = small if kind else image
            if kind == 255:
                tag = {"extratags": [(255, SHORT, 1, 2, True)]}
            else:
                tag = {"subfiletype": kind}
            writer.write(page, photometric="minisblack", metadata=None, contiguous=False, **tag)
    return file.getvalue()


def nested(first: np.ndarray, below: np.ndarray, subfiletype: int = 0) -> bytes:
    """Write a page with another in its SubIFD."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        more = {"photometric": "minisblack", "metadata": None}
        writer.write(first, subifds=1, subfiletype=subfiletype, **more)
        writer.write(below, subfiletype=1 - subfiletype, **more)
    return file.getvalue()


def make_odd() -> dict[str, bytes]:
    """Give all of them, by file name."""
    parts = (("jpg", odd_jpegs()), ("png", odd_pngs()), ("tif", odd_tiffs()))
    return {f"{name}.{suffix}": data for suffix, files in parts for name, data in files}
