"""What is random in a phantom: keyed streams and smooth fields.

A key enters, generators and float32 fields of the image's size leave; ``knee``, ``chest``
and ``film`` add them to what they draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

__all__ = ["KINDS", "Kind", "SmoothField", "block_means", "clouds", "grain", "stream"]

Kind = Literal["knee", "chest"]
KINDS: tuple[Kind, ...] = ("knee", "chest")
_EVEN_BYTES, _EVEN_PAIRS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_PURPOSES = ("label", "anatomy", "pose", "lesions", "texture", "film", "gaze")


def stream(kind: Kind, seed: int, number: int, purpose: str) -> np.random.Generator:
    """Open the random stream of one phantom for one purpose.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    seed : int
        0 to 2**64 − 1.
    number : int
        Index of the phantom, of its patient or of its block of labels, below 2**48.
    purpose : str
        Streams of different purposes are independent, so that leaving out the lesions
        changes nothing else.

    Returns
    -------
    numpy.random.Generator
        Over Philox, keyed by all four.
    """
    place = (KINDS.index(kind) << 60) | (_PURPOSES.index(purpose) << 52) | number
    return np.random.Generator(np.random.Philox(key=np.array([seed, place], dtype=np.uint64)))


@lru_cache(maxsize=64)
def _taps(length: int, num_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Four knots and their cubic B-spline weights per pixel: intp and float32, [4, length]."""
    at = (np.arange(length) + 0.5) / length * (num_cells - 1)
    knots = np.floor(at).astype(np.intp) + np.arange(-1, 3)[:, None]
    gap = np.abs(at - knots)
    weights = np.where(gap < 1, 2 / 3 - gap**2 + gap**3 / 2, np.maximum(2 - gap, 0) ** 3 / 6)
    return np.clip(knots, 0, num_cells - 1), weights.astype(np.float32)


class SmoothField:
    """A coarse grid of values, joined smoothly at any row of an image.

    Parameters
    ----------
    coarse : numpy.ndarray, float32, [rows, columns]
        Knots of a cubic B-spline over the whole image.
    shape : (int, int)
        Height and width of the image in pixels.
    """

    # Taps instead of a matrix product: the threads of a BLAS would cost more than they give
    # here, and the last bit would depend on the machine.
    def __init__(self, coarse: np.ndarray, shape: tuple[int, int]) -> None:
        knots, weights = _taps(shape[1], coarse.shape[1])
        wide = coarse[:, knots[0]] * weights[0]
        for at, weight in zip(knots[1:], weights[1:], strict=True):
            wide += coarse[:, at] * weight
        self._wide = wide
        self._knots, self._weights = _taps(shape[0], coarse.shape[0])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Values in some rows: float32, [h, W]."""
        knots, weights = self._knots[:, rows], self._weights[:, rows, None]
        part = self._wide[knots[0]]
        part *= weights[0]
        for at, weight in zip(knots[1:], weights[1:], strict=True):
            part += self._wide[at] * weight
        return part


def clouds(
    rng: np.random.Generator, shape: tuple[int, int], octaves: Sequence[tuple[int, int, float]]
) -> SmoothField:
    """Draw a field with blobs, or streaks, of chosen sizes.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced.
    shape : (int, int)
        Height and width of the field in pixels.
    octaves : sequence of (int, int, float)
        From large blobs to small: knots down and across, each at least 2, and the standard
        deviation that they add.

    Returns
    -------
    SmoothField
        Mean about 0.
    """
    coarse = np.zeros((2, 2), dtype=np.float32)
    for rows, columns, deviation in octaves:
        # A cubic B-spline through white noise keeps 0.48 of the deviation along each axis twice.
        noise = rng.standard_normal((rows, columns), dtype=np.float32)
        coarse = SmoothField(coarse, (rows, columns))[:] + noise * np.float32(deviation / 0.48)
    return SmoothField(coarse, shape)


def grain(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Draw bell-shaped noise without any smoothness.

    Each value is the sum of four random bytes, which takes less than half the time of
    ``standard_normal`` and looks the same.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced.
    shape : (int, int)
        Height and width in pixels.

    Returns
    -------
    numpy.ndarray, float32, [H, W]
        Mean 0, standard deviation 1, within ±3.5.
    """
    num_words = (shape[0] * shape[1] + 1) // 2
    words = rng.integers(2**64, size=num_words, dtype=np.uint64)
    pairs = words & _EVEN_BYTES
    words >>= np.uint64(8)
    words &= _EVEN_BYTES
    pairs += words
    sums = pairs & _EVEN_PAIRS
    pairs >>= np.uint64(16)
    pairs &= _EVEN_PAIRS
    sums += pairs
    noise = sums.view(np.uint32)[: shape[0] * shape[1]].astype(np.float32).reshape(shape)
    noise -= 510.0
    noise *= 1.0 / 147.8
    return noise


def block_means(image: np.ndarray, num_cells: int) -> np.ndarray:
    """Average an image over a coarse grid: the knots of a very wide blur.

    Parameters
    ----------
    image : numpy.ndarray, float32, [H, W]
        At least ``num_cells`` along each side.
    num_cells : int
        Along each axis.

    Returns
    -------
    numpy.ndarray, float32, [num_cells, num_cells]
    """
    rows, columns = (np.arange(num_cells) * length // num_cells for length in image.shape)
    sums = np.add.reduceat(np.add.reduceat(image, rows, axis=0), columns, axis=1)
    heights, widths = (
        np.diff(starts, append=length)
        for starts, length in zip((rows, columns), image.shape, strict=True)
    )
    return (sums / (heights[:, None] * widths)).astype(np.float32)
