"""What operators are given by the user's pipeline, checked.

Enters: lists of B arrays. Leaves: arrays of the whole batch. What is wrong is said in one line that
names the argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

MAX_EPOCH = 2**32 - 1
MAX_SEED = 2**64 - 1
MAX_SIDE_PX = 65_535
MAX_MAP_SIDE = 256
IMAGE_TYPES = ("uint8", "uint16", "float32")


def check_seed(seed: Any) -> int:
    """Return a seed; raise ValueError unless it is an integer of 64 bits."""
    return _check_integer("seed", seed, MAX_SEED)


def check_epoch(epoch: Any) -> int:
    """Return an epoch; raise ValueError unless it is an integer of 32 bits."""
    return _check_integer("epoch", epoch, MAX_EPOCH)


def _check_integer(name: str, value: Any, greatest: int) -> int:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not 0 <= value <= greatest:
        raise ValueError(f"{name} must be an integer from 0 to {greatest}, got {value}. Use 0.")
    return int(value)


def check_same_length(**batches: Sequence[Any]) -> None:
    """Raise ValueError unless all batches, by their names, have as many samples as the first."""
    (first, expected), *others = ((name, len(batch)) for name, batch in batches.items())
    for name, found in others:
        if found != expected:
            raise ValueError(
                f"{name} must have the batch size of {first}, {expected}, got {found}. Take both "
                "from the same reader and the same branch."
            )


def read_keys(keys: Sequence[np.ndarray]) -> np.ndarray:
    """Return sample index and epoch, int64, [B, 2].

    Raises
    ------
    TypeError, ValueError
        If they are other than `keys` makes them.
    """
    remedy = "Make them with keys(index, epoch)."
    for key in keys:
        if key.dtype != np.int64 or key.shape != (2,):
            raise TypeError(
                f"keys must be int64 [2] (index, epoch), got {key.dtype} {list(key.shape)}. "
                f"{remedy}"
            )
    both = np.array(keys, np.int64).reshape(-1, 2)
    wrong = (both < 0).any(axis=1) | (both[:, 1] > MAX_EPOCH)
    if wrong.any():
        raise ValueError(
            f"keys must be an index of 0 or more and an epoch from 0 to {MAX_EPOCH}, got "
            f"{both[wrong][0].tolist()}. {remedy}"
        )
    return both


def read_images(images: Sequence[Any]) -> list[Any]:
    """Return images as [H, W]; whether they are NumPy's or CuPy's does not matter.

    Raises
    ------
    TypeError, ValueError
        If they are not grey, or of a type that the kernels do not read.
    """
    for image in images:
        if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,)) or 0 in image.shape:
            raise ValueError(
                f"images must be grey, [H, W] or [H, W, 1], got {list(image.shape)}. Decode with "
                "output_type=types.GRAY and keep the layout HWC."
            )
        if str(image.dtype) not in IMAGE_TYPES:
            raise TypeError(
                f"images must be {', '.join(IMAGE_TYPES)}, got {image.dtype}. Use fn.cast."
            )
    return [image.reshape(image.shape[:2]) for image in images]


def check_maps(maps: Sequence[Any]) -> None:
    """Raise TypeError or ValueError unless maps are uint8, [h, w], of one size."""
    for saliency in maps:
        sides = list(saliency.shape)
        if str(saliency.dtype) != "uint8" or saliency.ndim != 2:
            raise TypeError(
                f"saliency must be uint8 [h, w], got {saliency.dtype} {sides}. saliency(keys, …) "
                "makes it."
            )
        if sides != list(maps[0].shape) or not 1 <= min(sides) <= max(sides) <= MAX_MAP_SIDE:
            raise ValueError(
                f"saliency must have one size of 1 to {MAX_MAP_SIDE} cells a side, got {sides}. "
                "Use fn.resize; 64 × 64 is usual."
            )


def read_shapes(shapes: Sequence[np.ndarray]) -> np.ndarray:
    """Return heights and widths in pixels, int32, [B, 2].

    Raises
    ------
    ValueError
        If they are no shapes of images.
    """
    for shape in shapes:
        if shape.ndim != 1 or len(shape) < 2 or not all(1 <= n <= MAX_SIDE_PX for n in shape[:2]):
            raise ValueError(
                f"shapes must be [H, W] or [H, W, C] of 1 to {MAX_SIDE_PX} px, got "
                f"{np.asarray(shape).tolist()}. Use fn.peek_image_shape(encoded) or images.shape()."
            )
    return np.array([shape[:2] for shape in shapes], np.int32).reshape(-1, 2)


def read_ranges(ranges: Sequence[np.ndarray]) -> np.ndarray:
    """Return the values that become black and white, float32, [B, 2].

    Raises
    ------
    ValueError
        If one is no pair of ascending numbers.
    """
    for pair in ranges:
        if pair.shape != (2,) or not pair[0] < pair[1]:
            raise ValueError(
                f"ranges must be [2], black below white, got {np.asarray(pair).tolist()}. "
                "Leave it out for the full range of 8 bits and the image's own of 16."
            )
    return np.array(ranges, np.float32).reshape(-1, 2)


def read_numbers(name: str, values: Sequence[np.ndarray]) -> list[float]:
    """Return one number of each sample.

    Raises
    ------
    ValueError
        If there is none or several.
    """
    for value in values:
        if value.size != 1:
            raise ValueError(
                f"{name} must be one number for each sample, got {list(value.shape)}. "
                "Give a scalar."
            )
    # Digits that float32 does not have are none of the user's.
    return [round(float(value.reshape(())), 6) for value in values]
