"""Philox4x32-10, the counter-based generator behind every random number of the loader.

Enters: a key (seed) and a counter that names what is drawn (`counter_words`). Leaves: four 32-bit
words. The same words come from `philox.cuh` on the device and `cpu.philox` in Numba. Salmon et
al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011; known answers from Random123.
"""

from __future__ import annotations

import numpy as np

MULTIPLIER_0, MULTIPLIER_1 = 0xD2511F53, 0xCD9E8D57
WEYL_0, WEYL_1 = 0x9E3779B9, 0xBB67AE85
NUM_ROUNDS = 10
MASK = 0xFFFFFFFF

# What a draw is for: the low byte of the counter's last word, the view stands above it.
ORDER, SIZE, PLACE, SEARCH, TURN, CUTOUT, APPEARANCE, NOISE, REPLACEMENT, FOCUS = range(10)


def philox4x32(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, ...]:
    """Return the four random words of one counter.

    Parameters
    ----------
    counter : tuple of int, 4 × uint32
    key : tuple of int, 2 × uint32

    Returns
    -------
    tuple of int, 4 × uint32

    Examples
    --------
    >>> [hex(word) for word in philox4x32((0, 0, 0, 0), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(NUM_ROUNDS):
        product_0, product_1 = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product_1 >> 32) ^ c1 ^ k0,
            product_1 & MASK,
            (product_0 >> 32) ^ c3 ^ k1,
            product_0 & MASK,
        )
        k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    return c0, c1, c2, c3


def philox_array(counters: np.ndarray, seed: int) -> np.ndarray:
    """Return the words of many counters at once.

    Parameters
    ----------
    counters : numpy.ndarray, uint32, [N, 4]
    seed : int
        64-bit seed; its low word is the first word of the key.

    Returns
    -------
    numpy.ndarray, uint32, [N, 4]
    """
    c0, c1, c2, c3 = (counters[:, i].astype(np.uint64) for i in range(4))
    k0, k1 = split_seed(seed)
    mask, shift = np.uint64(MASK), np.uint64(32)
    for _ in range(NUM_ROUNDS):
        product_0, product_1 = np.uint64(MULTIPLIER_0) * c0, np.uint64(MULTIPLIER_1) * c2
        c0, c1, c2, c3 = (
            (product_1 >> shift) ^ c1 ^ np.uint64(k0),
            product_1 & mask,
            (product_0 >> shift) ^ c3 ^ np.uint64(k1),
            product_0 & mask,
        )
        k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def split_seed(seed: int) -> tuple[int, int]:
    """Return the low and high 32-bit words of a 64-bit seed."""
    return seed & MASK, (seed >> 32) & MASK


def draw(seed: int, epoch: int, index: int, purpose: int, number: int) -> tuple[int, ...]:
    """Return four words keyed by (seed, epoch, index, view, purpose) and a draw number.

    Parameters
    ----------
    purpose : int
        `purpose_of(kind, view)`.
    number : int
        Number of the draw: the candidate, attempt or pixel it is for.
    """
    return philox4x32((number & MASK, index & MASK, epoch & MASK, purpose), split_seed(seed))


def purpose_of(kind: int, view: int) -> int:
    """Return the counter's last word: what is drawn, for which view."""
    return kind | (view << 8)
