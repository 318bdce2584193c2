"""Encoded bytes → grey images with their true values.

Enters: JPEG, PNG or TIFF bytes. Leaves: uint8, or uint16 for a manifest with deeper images, whose
8-bit images are then scaled by 257. Next: `saliency`, `windows`, `views`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gca_dali.common.machine import describe, is_machine_fault
from gca_dali.steps.device import CPU, is_out_of_memory

# The values that become black and white.
EIGHT_BITS = np.array([0, 255], np.float32)
SIXTEEN_BITS = np.array([0, 65535], np.float32)

# A grey PNG of one pixel: whoever refuses it refuses everything.
_SOUND_PNG = (
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a494441"
    "5478da6368000000820081da45083b0000000049454e44ae426082"
)
_SOUND = np.frombuffer(bytes.fromhex(_SOUND_PNG), np.uint8)


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


def decode_either(encoded: Any, keys: Any, is_deep: Any, find_ranges: Any, device: str) -> Any:
    """Return images (DALI, uint16, [H, W, 1]) and the values that become black and white.

    The CPU decodes deep images, `device` the others of the same batch. The pipeline's conditionals
    must be on: they turn the `if` into a choice for each sample.

    Parameters
    ----------
    encoded, keys : nvidia.dali.DataNode
        See `BatchSource`.
    is_deep : nvidia.dali.DataNode, bool, []
    find_ranges : callable
        `ViewMaker.find_ranges`, of the deep ones.
    device : str
        "mixed"; "cpu" for a pipeline without a GPU.
    """
    import nvidia.dali.fn as fn
    from nvidia.dali import types

    if is_deep:
        decoded = decode_grey(encoded, True, device="cpu")
        ranges = fn.python_function(decoded, keys, function=find_ranges, batch_processing=True)
        images = decoded.gpu() if device == "mixed" else decoded
    else:
        images = decode_grey(encoded, True, device=device)
        ranges = types.Constant(SIXTEEN_BITS, device="cpu")
    return images, ranges


def find_fault(encoded: np.ndarray, deep: bool, name: str, device: str = CPU) -> str | None:
    """Return why a file cannot be decoded, or None if it can; decodes it alone.

    Parameters
    ----------
    encoded : numpy.ndarray, uint8, 1-D
        The file.
    deep : bool
        As in `decode_grey`.
    name : str
        What messages call it.
    device : str
        "cpu", or "cuda:N" for a file that goes to the GPU's decoder.

    Raises
    ------
    RuntimeError, MemoryError
        If a GPU has no memory left, or DALI decodes nothing at the moment: no fault of the file.
    """
    from gca_dali.image.claims import UnreadableImageError
    from gca_dali.image.read import decode_image

    refusal = _try_decoder(encoded, deep, CPU)
    if refusal is not None:
        try:
            decode_image(encoded.tobytes(), name)
        except UnreadableImageError as explained:
            return str(explained)
        if _try_decoder(_SOUND, deep, CPU) is not None:
            raise MemoryError(f"DALI refuses every image: {refusal}")
        return refusal
    if device == CPU:
        return None
    refusal = _try_decoder(encoded, deep, device)
    return refusal and f"the GPU's decoder refuses what the CPU's accepts: {refusal}"


def _try_decoder(encoded: np.ndarray, deep: bool, device: str) -> str | None:
    """Return what DALI says of one file; None if it decodes it."""
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    device_id = None if device == CPU else int(device.removeprefix("cuda:"))
    decoder = "cpu" if device == CPU else "mixed"

    @pipeline_def(batch_size=1, num_threads=1, device_id=device_id)
    def define() -> Any:
        return decode_grey(fn.external_source(lambda: [encoded], batch=True), deep, decoder)

    pipeline = define()
    pipeline.build()  # fails by the machine alone: it has not seen the file
    try:
        pipeline.run()
    except RuntimeError as error:
        if is_out_of_memory(error) or is_machine_fault(error):
            raise
        return describe(error)
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
