"""Encoded bytes → grey images with their true values.

Enters: JPEG, PNG or TIFF bytes. Leaves: uint8, or uint16 for a manifest with deeper images, whose
8-bit images are then scaled by 257. Next: `saliency`, `windows`, `views`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

EIGHT_BITS = np.array([0, 255], np.float32)  # the values that become black and white


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


def find_fault(encoded: np.ndarray, deep: bool, name: str) -> str | None:
    """Return why a file cannot be decoded, or None if it can; decodes it once, alone.

    Parameters
    ----------
    encoded : numpy.ndarray, uint8, 1-D
        The file.
    deep : bool
        As in `decode_grey`.
    name : str
        What messages call it.
    """
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    from gca_dali.image import UnreadableImageError, decode_image

    @pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def define() -> Any:
        return decode_grey(fn.external_source(lambda: [encoded], batch=True), deep, "cpu")

    try:
        define().run()
    except RuntimeError as error:
        try:
            decode_image(encoded.tobytes(), name)
        except UnreadableImageError as explained:
            return str(explained)
        # DALI ends with two lines of its own; the decoder's word stands before them.
        lines = [line for line in str(error).splitlines() if line and "no longer valid" not in line]
        return lines[-1]
    return None


def value_ranges(images: list[np.ndarray], stretched: np.ndarray) -> np.ndarray:
    """Return the values that become black and white, float32, [B, 2].

    An image of up to 8 bits, a DICOM or a stored one keeps its full range. A deep file is stretched
    from its least to its greatest value: scanners leave most of 16 bits empty, and the view would
    be black.

    Parameters
    ----------
    images : list of numpy.ndarray, uint8 | uint16, B × [H, W]
    stretched : numpy.ndarray, bool, [B]
        `Rows.stretched` of each.
    """
    ranges = np.empty((len(images), 2), np.float32)
    for b, image in enumerate(images):
        low, high = 0, 255 if image.dtype == np.uint8 else 65535
        if stretched[b]:
            low, high = int(image.min()), int(image.max())
        ranges[b] = low, max(high, low + 1)
    return ranges
