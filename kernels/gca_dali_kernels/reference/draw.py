"""Sizes, places and turns of one view, and the attended point of an image: the specification.

Enters: an integral image, a law, the random words of a key. Leaves: numbers in units of 1/256 cell.
Next: `sample_windows` chooses among them; `sample_cutouts` draws from the same words.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from gca_dali_kernels import philox
from gca_dali_kernels.law import (
    AREA,
    CONTRASTIVE_CROP,
    FOCUS_MARGIN_TENTHS,
    NUM_SIZE_ATTEMPTS,
    UNITS_PER_CELL,
    ViewLaws,
)
from gca_dali_kernels.reference.mass import mass_turned, mass_upright

Size = tuple[int, int]
Place = tuple[int, int]
UPRIGHT = -1
NO_FOCUS = (-1, -1)


class Draw:
    """What is drawn for one view of one image."""

    def __init__(
        self,
        integral: np.ndarray,
        marks: np.ndarray,
        shape: np.ndarray,
        laws: ViewLaws,
        key: tuple[int, int, int, int],
        focus: Place = NO_FOCUS,
    ) -> None:
        """Keep what all steps read; `key` is (seed, epoch, index, view)."""
        self.integral, self.marks, self.key = integral, marks, key
        group = int(laws.group_of_view[key[3]])
        self.law = laws.window_records[group]
        self.aspects_q16 = laws.aspects_q16[group]
        self.rotations_q16 = laws.rotations_q16[group]
        self.betas_q16 = laws.betas_q16[group]
        self.focus = focus if self.law["focus"] else NO_FOCUS
        self.height = (integral.shape[0] - 1) * UNITS_PER_CELL
        self.width = (integral.shape[1] - 1) * UNITS_PER_CELL
        height_px, width_px = int(shape[0]), int(shape[1])
        self.wide_q16 = isqrt((width_px << 32) // height_px)
        self.tall_q16 = isqrt((height_px << 32) // width_px)
        self.aspect_q16 = max((width_px * self.height << 16) // (height_px * self.width), 1)
        self.total = int(integral[-1, -1])

    def words(self, kind: int, number: int) -> tuple[int, ...]:
        """Return four random words for draw `number` of `kind`."""
        seed, epoch, index, view = self.key
        return philox.draw(seed, epoch, index, philox.purpose_of(kind, view), number)

    def turn(self) -> tuple[int, int]:
        """Draw the rotation step and the flip."""
        words = self.words(philox.TURN, 0)
        flip = int(words[0] < self.law["flip_q32"])
        if words[1] < self.law["rotation_q32"]:
            return words[2] >> 22, flip
        return UPRIGHT, flip

    def mass(self, place: Place, size: Size, step: int) -> int:
        """Return the mass in a window that is rotated by `step`."""
        (y0, x0), (h, w) = place, size
        if step == UPRIGHT:
            return mass_upright(self.integral, y0, x0, y0 + h, x0 + w)
        cosine, sine = (int(value) for value in self.rotations_q16[step])
        centre2 = (2 * y0 + h, 2 * x0 + w)
        return mass_turned(self.integral, centre2, size, (cosine, sine), self.aspect_q16)

    def size(self, number: int) -> Size:
        """Draw a size: the first of ten that fits; else the last, kept at its area."""
        law = self.law
        h, w, area = 0, 0, 0
        for attempt in range(NUM_SIZE_ATTEMPTS):
            words = self.words(philox.SIZE, number + attempt)
            low, high = int(law["size_low"]), int(law["size_high"])
            drawn = low + ((high - low) * (words[0] >> 1) >> 31)
            if law["size"] != AREA:
                return max((self.height << 16) // drawn, 1), max((self.width << 16) // drawn, 1)
            area, side_q16 = drawn, isqrt(drawn)
            aspect = int(self.aspects_q16[words[1] >> 22])
            h = max((self.height * side_q16 * self.wide_q16 // aspect) >> 16, 1)
            w = max(((self.width * side_q16 * self.tall_q16) >> 16) * aspect >> 32, 1)
            if h <= self.height and w <= self.width:
                return h, w
        if w > self.width:
            return min(max(area * self.height >> 32, 1), self.height), self.width
        return self.height, min(max(area * self.width >> 32, 1), self.width)

    def place(self, size: Size, words: tuple[int, ...]) -> Place:
        """Draw a place: uniform, or by ContrastiveCrop's Beta law around the box of the map."""
        h, w = size
        if self.law["law"] != CONTRASTIVE_CROP:
            y0 = uniform_start(words[0], h, self.height, self.focus[0])
            return y0, uniform_start(words[1], w, self.width, self.focus[1])
        top, left, bottom, right = (int(mark) * UNITS_PER_CELL for mark in self.marks[:4])
        y0 = self.beta_start(words[0], top, bottom, h, self.height)
        return y0, self.beta_start(words[1], left, right, w, self.width)

    def beta_start(self, word: int, low: int, high: int, length: int, extent: int) -> int:
        """Place one side by a Beta draw over the centres that lie in [low, high]."""
        first = max(low - length // 2, 0)
        last = min(high - length // 2, extent - length)
        step, fraction = word >> 22, (word >> 6) & 0xFFFF
        table = self.betas_q16
        near, far = int(table[step]), int(table[step + 1])
        beta = near + ((far - near) * fraction >> 16)
        start = first + ((last - first) * beta >> 16)
        return min(max(start, 0), extent - length)


def uniform_start(word: int, length: int, extent: int, point: int) -> int:
    """Place one side: anywhere, or where the point lies in its inner 80 % (`point` ≥ 0).

    Near the border of the map, where no such place is, the nearest place to it is taken: the point
    still lies in the window.
    """
    first, last = 0, extent - length
    if point >= 0:
        margin = length * FOCUS_MARGIN_TENTHS // 10
        low, high = point - (length - 1 - margin), point - margin
        first, last = min(max(low, first), last), min(max(high, first), last)
    return first + (word * (last - first + 1) >> 32)


def draw_focus(integral: np.ndarray, key: tuple[int, int, int]) -> Place:
    """Draw the attended point of an image in proportion to its saliency, in units of 1/256 cell.

    Parameters
    ----------
    integral : numpy.ndarray, uint32, [h + 1, w + 1]
    key : tuple of int
        Seed, epoch and index: all views of an image share the point.

    Returns
    -------
    tuple of int
        y and x; (-1, -1) for a map without mass.
    """
    total = int(integral[-1, -1])
    if total == 0:
        return NO_FOCUS
    words = philox.draw(*key, philox.purpose_of(philox.FOCUS, 0), 0)
    # Levels of all cells stand in a row, row by row; the 64-bit share of it says which is meant.
    level = ((words[0] << 32) + words[1]) * total >> 64
    row = int(np.searchsorted(integral[:, -1], level, side="right")) - 1
    along = integral[row + 1].astype(np.int64) - integral[row]
    column = int(np.searchsorted(along, level - int(integral[row, -1]), side="right")) - 1
    return (row << 8) + (words[2] >> 24), (column << 8) + (words[3] >> 24)
