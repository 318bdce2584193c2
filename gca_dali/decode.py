"""Encoded bytes → grey images with their true values.

Enters: JPEG, PNG or TIFF bytes. Leaves: uint8, or uint16 for a manifest with deeper images, whose
8-bit images are then scaled by 257. Next: `saliency`, `windows`, `views`.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def decode_grey(encoded: Any, deep: bool, device: str) -> Any:
    """Return decoded images (DALI, uint8 | uint16, [H, W, 1]).

    Parameters
    ----------
    encoded : nvidia.dali.DataNode, uint8, 1-D
    deep : bool
        Decode to 16 bits. Without it a 16-bit file would lose its low byte.
    device : str
        "cpu", or "mixed" for images on the GPU.
    """
    import nvidia.dali.fn as fn
    from nvidia.dali import types

    # GRAY always: ANY_DATA crashes the process on a grey JPEG (DALI 2.2 to 2.4).
    dtype = types.UINT16 if deep else types.UINT8
    return fn.decoders.image(encoded, device=device, output_type=types.GRAY, dtype=dtype)


def find_fault(file: str, deep: bool) -> str | None:
    """Return why a file cannot be decoded, or None if it can; decodes it once, alone.

    Parameters
    ----------
    file : str
        Absolute path.
    deep : bool
        As in `decode_grey`.
    """
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    from gca_dali.image import UnreadableImageError, read_image

    @pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def define() -> Any:
        return decode_grey(fn.io.file.read(np.frombuffer(file.encode(), np.uint8)), deep, "cpu")

    try:
        define().run()
    except RuntimeError as error:
        try:
            read_image(file)
        except (UnreadableImageError, OSError, ValueError) as explained:
            return str(explained)
        # DALI ends with two lines of its own; the decoder's word stands before them.
        lines = [line for line in str(error).splitlines() if line and "no longer valid" not in line]
        return lines[-1]
    return None


def value_ranges(images: list[np.ndarray], bits: np.ndarray) -> np.ndarray:
    """Return the values that become black and white, float32, [B, 2].

    An image of up to 8 bits keeps its full range. A deeper one is stretched from its least to its
    greatest value: scanners leave most of 16 bits empty, and the view would be black.

    Parameters
    ----------
    images : list of numpy.ndarray, uint8 | uint16, B × [H, W]
    bits : numpy.ndarray, [B]
        Stored bits per the manifest.
    """
    ranges = np.empty((len(images), 2), np.float32)
    for b, image in enumerate(images):
        low, high = 0, 255 if image.dtype == np.uint8 else 65535
        if bits[b] > 8:
            low, high = int(image.min()), int(image.max())
        ranges[b] = low, max(high, low + 1)
    return ranges
