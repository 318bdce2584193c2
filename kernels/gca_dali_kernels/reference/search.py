"""The exact search for a window that holds enough, and its growth: the specification.

Enters: a `Draw` and a size. Leaves: the first place from a random start that holds tau, or the
least enlargement that has one. Used by the law "hold" and by "rejection", where no draw held.
"""

from __future__ import annotations

from gca_dali_kernels import philox
from gca_dali_kernels.law import NUM_GROWTH_STEPS, UNITS_PER_CELL
from gca_dali_kernels.reference.draw import UPRIGHT, Draw, Place, Size


def search(draw: Draw, size: Size, offset: int) -> tuple[Place, Size] | None:
    """Return the first place, counted from a random start, that holds tau.

    The mass is bilinear between places where an edge meets a cell border, so its greatest
    values lie on the lattice of such places: if none of them holds tau, no place does.
    """
    rows = lattice(size[0], draw.height)
    columns = lattice(size[1], draw.width)
    count = len(rows) * len(columns)
    start = draw.words(philox.SEARCH, offset)[0] * count >> 32
    for number in range(count):
        row, column = divmod((start + number) % count, len(columns))
        y0, x0 = rows[row], columns[column]
        if y0 is not None and x0 is not None and holds(draw, (y0, x0), size):
            return (y0, x0), size
    return None


def holds(draw: Draw, place: Place, size: Size) -> bool:
    """Tell whether the upright window holds tau, and any mass if places are weighted."""
    least = max(int(draw.law["tau_q16"]) * draw.total, min(int(draw.law["weight"]), draw.total))
    return draw.mass(place, size, UPRIGHT) >= least


def grow(draw: Draw, size: Size, offset: int) -> tuple[Place, Size]:
    """Enlarge the window towards the whole image by the fewest of 256 steps that hold tau."""
    h, w = size
    for step in range(1, NUM_GROWTH_STEPS + 1):
        larger = (
            h + -(-(draw.height - h) * step // NUM_GROWTH_STEPS),
            w + -(-(draw.width - w) * step // NUM_GROWTH_STEPS),
        )
        found = search(draw, larger, offset)
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
