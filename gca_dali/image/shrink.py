"""A decoded image → the small grey image that a store keeps, and what was done to it.

An image of any depth enters; uint16 over the full range leaves, its shorter side at most as long as
asked for. It runs in the worker processes; next is `gca_dali.store.encoding`.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from PIL import Image

WHITE = 65535
_BLOCK_BYTES = 1 << 20


def shrink(
    image: np.ndarray, shorter_side: int, stretched: bool = False
) -> tuple[np.ndarray, tuple[int, int]]:
    """Resize a grey image, antialiased, and bring it to the full range of uint16.

    Parameters
    ----------
    image : numpy.ndarray, uint8 or uint16, [H, W]
    shorter_side : int
        Pixels of the shorter side afterwards; smaller images keep their size.
    stretched : bool
        The image's least and greatest value become 0 and 65535; otherwise those of its dtype do.

    Returns
    -------
    pixels : numpy.ndarray, uint16, [h, w]
        Lanczos-filtered (three lobes), rounded and clipped.
    ends : tuple of int
        The values that became 0 and 65535.
    """
    low, high = 0, int(np.iinfo(image.dtype).max)
    if stretched:
        low, high = int(image.min()), int(image.max())
        high = max(high, low + 1)
    height, width = shrunk_size(image.shape[0], image.shape[1], shorter_side)
    grey = image.astype(np.float32)
    grey -= low
    grey *= WHITE / (high - low)
    if (height, width) != image.shape:
        resized = Image.fromarray(grey).resize((width, height), Image.Resampling.LANCZOS)
        grey = np.asarray(resized)
    return np.rint(grey.clip(0, WHITE)).astype(np.uint16), (low, high)


def shrunk_size(height: int, width: int, shorter_side: int) -> tuple[int, int]:
    """Give height and width after resizing to a shorter side, never enlarging, in pixels."""
    shorter = min(height, width)
    if shorter <= shorter_side:
        return height, width
    return (
        max(round(height * shorter_side / shorter), 1),
        max(round(width * shorter_side / shorter), 1),
    )


def shrink_and_tell(
    request: dict[str, Any], image: np.ndarray, intensity: dict[str, Any] | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Do what a request to a worker asks for; see `DecoderPool.shrink`.

    Parameters
    ----------
    request : dict
        With "path" and "shrink".
    image : numpy.ndarray, uint8 or uint16, [H, W]
    intensity : dict or None
        Fields of `DicomIntensity`; None for other formats.

    Returns
    -------
    pixels : numpy.ndarray, uint16, [h, w]
    facts : dict
        For the record of the sample.
    """
    pixels, (low, high) = shrink(image, **request["shrink"])
    if intensity is None:
        voi = "stretched" if request["shrink"]["stretched"] else "none"
        intensity = {"voi": voi, "low": low, "high": high, "inverted": False}
    height, width = image.shape
    facts = {"height": height, "width": width, "intensity": intensity}
    return pixels, facts | {"source": hash_file(request["path"])}


def hash_file(path: str) -> dict[str, Any]:
    """Give the size of a file and its BLAKE2b-160 as 40 hex digits."""
    digest, num_bytes = hashlib.blake2b(digest_size=20), 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            num_bytes += len(block)
    return {"num_bytes": num_bytes, "blake2b": digest.hexdigest()}
