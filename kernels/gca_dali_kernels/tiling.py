"""How `render_views` cuts a view into tiles, and the shared memory that a tile takes.

Enters: the size of a view, the widest blur, what the device offers. Leaves: `Tiling`. The formulas
are those of render_views.cu.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gca_dali_kernels.look import ViewLook

NUM_WARPS, WARP_SIZE, SUMS_WIDTH = 8, 32, 512
TAPS_BYTES, FLOAT_BYTES = 16, 4
PAIR = 2  # columns that a lane finishes together
HEIGHTS, WIDTHS = (32, 16, 8), (256, 128, 64, 32)
# More blocks on a multiprocessor hide no more of the memory's latency: 24 warps.
BLOCKS_WANTED = 3
# What CUDA keeps of each block's shared memory, and the kernel's own variables.
RESERVED_BYTES = 1024 + 512

TILING_DTYPE = np.dtype(
    [(name, np.int32) for name in ("height", "width", "num_rows", "num_columns")]
)


@dataclass(frozen=True)
class SharedMemory:
    """Shared memory of a device in bytes: what one block may have, and a multiprocessor holds."""

    per_block: int
    per_multiprocessor: int


@dataclass(frozen=True)
class Tiling:
    """How views of `size` are cut.

    Attributes
    ----------
    size : tuple of int
        Height and width of a view in pixels.
    height, width : int
        Of a tile in pixels; the width is even.
    margin : int
        Pixels around a tile that the widest blur reads.
    """

    size: tuple[int, int]
    height: int
    width: int
    margin: int

    @property
    def num_rows(self) -> int:
        """Greatest height of a tile with its margin, which ends where the view does."""
        return min(self.height + 2 * self.margin, self.size[0])

    @property
    def num_columns(self) -> int:
        """Greatest width of a tile with its margin; both start and width are even."""
        return round_up(min(self.width + 2 * self.margin + 1, self.size[1]))

    @property
    def num_shared_bytes(self) -> int:
        """Dynamic shared memory of one block."""
        floats = NUM_WARPS * (SUMS_WIDTH + WARP_SIZE)
        floats += self.num_rows * self.num_columns + self.margin + 1
        return floats * FLOAT_BYTES + (self.num_rows + self.num_columns) * TAPS_BYTES

    @property
    def num_tiles(self) -> int:
        """How many tiles cover a view."""
        return -(-self.size[0] // self.height) * -(-self.size[1] // self.width)

    @property
    def record(self) -> np.void:
        """What the kernel is given."""
        values = (self.height, self.width, self.num_rows, self.num_columns)
        return np.array([values], TILING_DTYPE)[0]

    def cost(self, memory: SharedMemory) -> float:
        """Return what a pixel costs on a device, in arbitrary units, infinity where none fits.

        Pixels of the margin are work done twice; few blocks on a multiprocessor wait for memory,
        though less than in proportion.
        """
        num_bytes = self.num_shared_bytes + RESERVED_BYTES
        if num_bytes > memory.per_block or self.num_columns > SUMS_WIDTH:
            return math.inf
        num_blocks = min(memory.per_multiprocessor // num_bytes, BLOCKS_WANTED)
        repeated = self.num_rows * self.num_columns / (self.height * self.width)
        return repeated * math.sqrt(BLOCKS_WANTED / num_blocks)


def round_up(num_columns: int) -> int:
    """Return the next even number."""
    return num_columns + num_columns % PAIR


@lru_cache(maxsize=64)
def choose_tiling(
    size: tuple[int, int], looks: tuple[ViewLook, ...], memory: SharedMemory
) -> Tiling:
    """Return the tiling of views of `size` pixels that costs least.

    Raises
    ------
    ValueError
        If a blur is so wide that no tile with its margin fits.
    """
    margin = greatest_radius(looks)
    tilings = [
        Tiling((size[0], size[1]), height, min(width, round_up(size[1])), margin)
        for width in WIDTHS
        for height in HEIGHTS
    ]
    best = min(tilings, key=lambda tiling: tiling.cost(memory))
    if best.cost(memory) == math.inf:
        raise ValueError(
            f"blur_sigma_px must leave room for a tile and its margin, got a margin of {margin} "
            "pixels. Blur less, or use device='cpu'."
        )
    return best


def greatest_radius(looks: tuple[ViewLook, ...]) -> int:
    """Return the radius in pixels of the widest blur that may be drawn."""
    sigmas = [look.blur_sigma_px[1] for look in looks if look.blur > 0.0]
    return math.ceil(3.0 * max(sigmas, default=0.0))
