"""Draw saliency-weighted windows: the specification.

Enters: integral images, sample indices, image shapes, the laws of all views. Leaves: windows, turns
(rotation step and flip), the share of mass retained, whether a window had to grow, and the attended
point that views share. Next: `sample_cutouts` and `render_views`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gca_dali_kernels import philox
from gca_dali_kernels.law import (
    ATTEMPT_STRIDE,
    NUM_REDRAWS,
    NUM_SIZE_ATTEMPTS,
    ONE_Q16,
    REJECTION,
    RELATIVE,
    ViewLaws,
)
from gca_dali_kernels.reference.draw import NO_FOCUS, UPRIGHT, Draw, Place, Size, draw_focus
from gca_dali_kernels.reference.search import grow, search


class Choice(NamedTuple):
    """One window: y0, x0, y1, x1 in units, rotation step, mass, and whether it grew."""

    window: tuple[int, int, int, int]
    step: int
    mass: int
    grew: bool


def sample_windows(
    integrals: np.ndarray,
    marks: np.ndarray,
    index: np.ndarray,
    shapes: np.ndarray,
    key: tuple[int, int],
    laws: ViewLaws,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw the windows of all V views of each of B images.

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
    laws : ViewLaws

    Returns
    -------
    windows : numpy.ndarray, int32, [B, V, 4]
        y0, x0, y1, x1 in units of 1/256 map cell.
    turns : numpy.ndarray, int32, [B, V, 2]
        Step of the group's `rotations_q16` (-1: upright) and horizontal flip (0 or 1).
    retained : numpy.ndarray, float32, [B, V]
        Share of the map's mass in the (rotated) window; 1 for a map without mass.
    grown : numpy.ndarray, bool, [B, V]
    focus : numpy.ndarray, int32, [B, 2]
        y, x of the attended point in units; -1 without mass, or where no law asks for it.
    """
    shape = (len(index), laws.num_views)
    windows, turns = np.zeros((*shape, 4), np.int32), np.zeros((*shape, 2), np.int32)
    retained, grown = np.zeros(shape, np.float32), np.zeros(shape, bool)
    focus = np.full((len(index), 2), -1, np.int32)
    for b in range(len(index)):
        point = NO_FOCUS
        if laws.focus_view >= 0:
            point = draw_focus(integrals[b], (*key, int(index[b])))
            focus[b] = point
        for group in laws.slices:
            for v in range(group.start, group.stop):
                sample = (integrals[b], marks[b], shapes[b])
                draw = Draw(*sample, laws, (*key, int(index[b]), v), point)
                step, flip = draw.turn()
                choice = apart(draw, step, windows[b, group.start : v].tolist())
                windows[b, v], grown[b, v] = choice.window, choice.grew
                turns[b, v] = choice.step, flip
                share = choice.mass / (draw.total << 16) if draw.total else 1.0
                retained[b, v] = np.float32(share)
    return windows, turns, retained, grown, focus


def apart(draw: Draw, step: int, earlier: list[list[int]]) -> Choice:
    """Draw a window until it overlaps no earlier one of its group by more than max_iou.

    After `NUM_REDRAWS` draws the one with the least overlap is taken, the first of equals. The
    overlap of rotated windows is that of the windows before the rotation.
    """
    most = int(draw.law["max_iou_q16"])
    num_attempts = NUM_REDRAWS if earlier and most < ONE_Q16 else 1
    if num_attempts == 1:
        return choose(draw, step, 0)
    best, least = None, ONE_Q16 + 1
    for attempt in range(num_attempts):
        choice = choose(draw, step, attempt * ATTEMPT_STRIDE)
        overlap = max(overlap_q16(choice.window, window) for window in earlier)
        if overlap < least:
            best, least = choice, overlap
        if least <= most:
            break
    assert best is not None
    return best


def overlap_q16(first: tuple[int, ...], second: list[int]) -> int:
    """Return intersection over union of two windows, rounded up."""
    common = [max(min(first[a + 2], second[a + 2]) - max(first[a], second[a]), 0) for a in (0, 1)]
    shared = common[0] * common[1]
    areas = [(w[2] - w[0]) * (w[3] - w[1]) for w in (first, second)]
    return -(-(shared << 16) // (sum(areas) - shared))


def choose(draw: Draw, step: int, offset: int) -> Choice:
    """Draw one window by its law; `offset` is added to the number of every draw."""
    law = draw.law
    found = relative(draw, step, offset) if law["law"] == RELATIVE else tried(draw, step, offset)
    grew = False
    if found is None:
        # No candidate was accepted: search upright, at the first size drawn.
        step = UPRIGHT
        size = draw.size(offset)
        found = search(draw, size, offset)
        if found is None:
            grew = True
            found = grow(draw, size, offset)
    (y0, x0), (h, w) = found
    return Choice((y0, x0, y0 + h, x0 + w), step, draw.mass((y0, x0), (h, w), step), grew)


def relative(draw: Draw, step: int, offset: int) -> tuple[Place, Size]:
    """Return the first candidate that holds at least rho of the most that any of them holds.

    With a weight it must be accepted too, with probability (mass / most)^weight; the candidate that
    holds the most always is. Where none holds any mass the first is taken.
    """
    law, size = draw.law, draw.size(offset)
    drawn = [draw.words(philox.PLACE, offset + n) for n in range(law["num_candidates"])]
    places = [draw.place(size, words) for words in drawn]
    masses = [draw.mass(place, size, step) for place in places]
    most = max(masses)
    for place, words, mass in zip(places, drawn, masses, strict=True):
        if most == 0 or (
            mass << 16 >= int(law["rho_q16"]) * most
            and (law["weight"] < 1 or (words[2] >> 16) * most < mass << 16)
            and (law["weight"] < 2 or (words[3] >> 16) * most < mass << 16)
        ):
            return place, size
    raise AssertionError("the candidate that holds the most is accepted")


def tried(draw: Draw, step: int, offset: int) -> tuple[Place, Size] | None:
    """Return the accepted candidate of lowest number, if there is one."""
    law = draw.law
    size = draw.size(offset)
    for number in range(law["num_candidates"]):
        if law["law"] == REJECTION and number > 0:
            size = draw.size(offset + number * NUM_SIZE_ATTEMPTS)
        words = draw.words(philox.PLACE, offset + number)
        place = draw.place(size, words)
        if accepts(draw, place, size, step, words):
            return place, size
    return None


def accepts(draw: Draw, place: Place, size: Size, step: int, words: tuple[int, ...]) -> bool:
    """Accept with probability share^weight, and only if the share is at least tau."""
    law = draw.law
    if draw.total == 0 or (law["tau_q16"] == 0 and law["weight"] == 0):
        return True
    mass = draw.mass(place, size, step)
    return (
        mass >= law["tau_q16"] * draw.total
        and (law["weight"] < 1 or words[2] * draw.total < mass << 16)
        and (law["weight"] < 2 or words[3] * draw.total < mass << 16)
    )
