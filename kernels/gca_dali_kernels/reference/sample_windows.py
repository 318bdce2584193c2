"""Draw saliency-weighted windows: the specification.

Enters: integral images, sample indices, image shapes, a law. Leaves: windows, turns (rotation
step and flip), the share of mass retained, and whether a window had to grow. Next:
`sample_cutouts` and `render_views`.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from gca_dali_kernels import philox
from gca_dali_kernels.law import (
    AREA,
    CONTRASTIVE_CROP,
    NUM_GROWTH_STEPS,
    NUM_SIZE_ATTEMPTS,
    REJECTION,
    UNITS_PER_CELL,
    WindowLaw,
)
from gca_dali_kernels.reference.mass import mass_turned, mass_upright

Size = tuple[int, int]
Place = tuple[int, int]
UPRIGHT = -1


def sample_windows(
    integrals: np.ndarray,
    marks: np.ndarray,
    index: np.ndarray,
    shapes: np.ndarray,
    key: tuple[int, int],
    law: WindowLaw,
    num_views: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw `num_views` windows for each of B images.

    Parameters
    ----------
    integrals : numpy.ndarray, uint32, [B, h + 1, w + 1]
    marks : numpy.ndarray, int32, [B, 5]
    index : numpy.ndarray, int64, [B]
        Sample indices: rows of the manifest.
    shapes : numpy.ndarray, int32, [B, 2]
        Height and width of each image in pixels.
    key : tuple of int
        Seed (uint64) and epoch (uint32).
    law : WindowLaw
    num_views : int

    Returns
    -------
    windows : numpy.ndarray, int32, [B, V, 4]
        y0, x0, y1, x1 in units of 1/256 map cell.
    turns : numpy.ndarray, int32, [B, V, 2]
        Step of `law.rotations_q16` (-1: upright) and horizontal flip (0 or 1).
    retained : numpy.ndarray, float32, [B, V]
        Share of the map's mass in the (rotated) window; 1 for a map without mass.
    grown : numpy.ndarray, bool, [B, V]
    """
    windows = np.zeros((len(index), num_views, 4), np.int32)
    turns = np.zeros((len(index), num_views, 2), np.int32)
    retained = np.zeros((len(index), num_views), np.float32)
    grown = np.zeros((len(index), num_views), bool)
    for b in range(len(index)):
        for v in range(num_views):
            one = Draw(integrals[b], marks[b], shapes[b], law, (*key, int(index[b]), v))
            windows[b, v], turns[b, v], retained[b, v], grown[b, v] = one.window()
    return windows, turns, retained, grown


class Draw:
    """One window of one image."""

    def __init__(
        self,
        integral: np.ndarray,
        marks: np.ndarray,
        shape: np.ndarray,
        law: WindowLaw,
        key: tuple[int, int, int, int],
    ) -> None:
        """Keep what all steps read; `key` is (seed, epoch, index, view)."""
        self.integral, self.marks, self.law, self.key = integral, marks, law, key
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

    def window(self) -> tuple[tuple[int, ...], tuple[int, int], np.float32, bool]:
        """Return window, turn, retained share and whether it grew."""
        step, flip = self.turn()
        found = self.candidate(step)
        grew = False
        if found is None:
            # No candidate was accepted: search upright, at the first size drawn.
            step = UPRIGHT
            size = self.size(0)
            found = self.search(size)
            if found is None:
                grew = True
                found = self.grow(size)
        (y0, x0), (h, w) = found
        share = np.float32(1.0)
        if self.total:
            share = np.float32(self.mass((y0, x0), (h, w), step) / (self.total << 16))
        return (y0, x0, y0 + h, x0 + w), (step, flip), share, grew

    def turn(self) -> tuple[int, int]:
        """Draw the rotation step and the flip."""
        words = self.words(philox.TURN, 0)
        flip = int(words[0] < self.law.record["flip_q32"])
        if words[1] < self.law.record["rotation_q32"]:
            return words[2] >> 22, flip
        return UPRIGHT, flip

    def candidate(self, step: int) -> tuple[Place, Size] | None:
        """Return the accepted candidate of lowest number, if there is one."""
        law = self.law.record
        size = self.size(0)
        for number in range(law["num_candidates"]):
            if law["law"] == REJECTION and number > 0:
                size = self.size(number)
            words = self.words(philox.PLACE, number)
            place = self.place(size, words)
            if self.accepts(place, size, step, words):
                return place, size
        return None

    def accepts(self, place: Place, size: Size, step: int, words: tuple[int, ...]) -> bool:
        """Accept with probability share^weight, and only if the share is at least tau."""
        law = self.law.record
        if self.total == 0 or (law["tau_q16"] == 0 and law["weight"] == 0):
            return True
        mass = self.mass(place, size, step)
        return (
            mass >= law["tau_q16"] * self.total
            and (law["weight"] < 1 or words[2] * self.total < mass << 16)
            and (law["weight"] < 2 or words[3] * self.total < mass << 16)
        )

    def mass(self, place: Place, size: Size, step: int) -> int:
        """Return the mass in a window that is rotated by `step`."""
        (y0, x0), (h, w) = place, size
        if step == UPRIGHT:
            return mass_upright(self.integral, y0, x0, y0 + h, x0 + w)
        cosine, sine = (int(value) for value in self.law.rotations_q16[step])
        centre2 = (2 * y0 + h, 2 * x0 + w)
        return mass_turned(self.integral, centre2, size, (cosine, sine), self.aspect_q16)

    def size(self, number: int) -> Size:
        """Draw a size: the first of ten that fits; else the last, kept at its area."""
        law = self.law.record
        h, w, area = 0, 0, 0
        for attempt in range(NUM_SIZE_ATTEMPTS):
            words = self.words(philox.SIZE, number * NUM_SIZE_ATTEMPTS + attempt)
            low, high = int(law["size_low"]), int(law["size_high"])
            drawn = low + ((high - low) * (words[0] >> 1) >> 31)
            if law["size"] != AREA:
                return max((self.height << 16) // drawn, 1), max((self.width << 16) // drawn, 1)
            area, side_q16 = drawn, isqrt(drawn)
            aspect = int(self.law.aspects_q16[words[1] >> 22])
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
        if self.law.record["law"] != CONTRASTIVE_CROP:
            y0 = words[0] * (self.height - h + 1) >> 32
            x0 = words[1] * (self.width - w + 1) >> 32
            return y0, x0
        top, left, bottom, right = (int(mark) * UNITS_PER_CELL for mark in self.marks[:4])
        y0 = self.beta_place(words[0], top, bottom, h, self.height)
        return y0, self.beta_place(words[1], left, right, w, self.width)

    def beta_place(self, word: int, low: int, high: int, length: int, extent: int) -> int:
        """Place one side by a Beta draw over the centres that lie in [low, high]."""
        first = max(low - length // 2, 0)
        last = min(high - length // 2, extent - length)
        step, fraction = word >> 22, (word >> 6) & 0xFFFF
        table = self.law.betas_q16
        near, far = int(table[step]), int(table[step + 1])
        beta = near + ((far - near) * fraction >> 16)
        start = first + ((last - first) * beta >> 16)
        return min(max(start, 0), extent - length)

    def search(self, size: Size) -> tuple[Place, Size] | None:
        """Return the first place, counted from a random start, that holds tau.

        The mass is bilinear between places where an edge meets a cell border, so its greatest
        values lie on the lattice of such places: if none of them holds tau, no place does.
        """
        rows = lattice(size[0], self.height)
        columns = lattice(size[1], self.width)
        count = len(rows) * len(columns)
        start = self.words(philox.SEARCH, 0)[0] * count >> 32
        for number in range(count):
            row, column = divmod((start + number) % count, len(columns))
            y0, x0 = rows[row], columns[column]
            if y0 is not None and x0 is not None and self.holds((y0, x0), size):
                return (y0, x0), size
        return None

    def holds(self, place: Place, size: Size) -> bool:
        """Tell whether the upright window holds tau, and any mass if places are weighted."""
        law = self.law.record
        least = max(int(law["tau_q16"]) * self.total, min(int(law["weight"]), self.total))
        return self.mass(place, size, UPRIGHT) >= least

    def grow(self, size: Size) -> tuple[Place, Size]:
        """Enlarge the window towards the whole image by the fewest of 256 steps that hold tau."""
        h, w = size
        for step in range(1, NUM_GROWTH_STEPS + 1):
            larger = (
                h + -(-(self.height - h) * step // NUM_GROWTH_STEPS),
                w + -(-(self.width - w) * step // NUM_GROWTH_STEPS),
            )
            found = self.search(larger)
            if found is not None:
                return found
        raise AssertionError("the whole image holds all of its mass")


def lattice(length: int, extent: int) -> list[int | None]:
    """Return starts at which an edge of a window meets a cell border; None where it would leave.

    First those whose near edge lies on a border, then those whose far edge does.
    """
    borders = range(0, extent + 1, UNITS_PER_CELL)
    starts = [*borders, *(border - length for border in borders)]
    return [start if 0 <= start <= extent - length else None for start in starts]
