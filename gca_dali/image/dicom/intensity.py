"""Stored values in, grey levels over the full range of uint16 out.

A stored value has at most 16 bits, so the whole DICOM chain (modality, VOI, inversion) is worked
out once per value, in float64, and applied to the pixels as one look-up. `dicom.read`
hands the image on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from gca_dali.image.dicom.lut import (
    LutError,
    find_functional_group,
    read_lut,
    read_window,
)
from gca_dali.image.voi import parse_voi

PERCENTILES = (0.5, 99.5)

_WHITE = 65535
# A window that leaves one level to so many pixels shows nothing.
_BLANK_SHARE = 0.98
_BLOCK_PX = 1 << 20
_MAX_RESCALE = 1e12


@dataclass(frozen=True)
class DicomIntensity:
    """How stored values became grey levels.

    Attributes
    ----------
    voi : str
        What set the contrast: "window", "lut", "full", "percentile", or "none" for colour; with
        its number where it was asked for by one.
    low, high : float
        Values after the modality step that became 0 and 65535, before inversion; for "lut" the
        first and last value that the table tells apart. Between them the mapping is linear, but
        for "lut" and sigmoid windows.
    inverted : bool
        Whether grey levels were inverted after that.
    """

    voi: str
    low: float
    high: float
    inverted: bool


def apply_intensity(
    dataset: Dataset, frame: int, values: np.ndarray, voi: str
) -> tuple[np.ndarray, DicomIntensity]:
    """Turn stored values into grey levels.

    In order (DICOM PS3.4, N.2): modality table or rescale; VOI table, window, full range or
    percentiles; inversion for MONOCHROME1 or a presentation shape INVERSE (once where both are
    stated); pixel padding to black.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Header of a grey image.
    frame : int
        Which frame `values` is, for windows that change by frame.
    values : numpy.ndarray, uint8, uint16, int8 or int16, [H, W]
        Stored values.
    voi : str
        See `voi.parse_voi`. "auto" takes the VOI table, else the first window, else
        the full range, and passes over a table or window that would leave 98 % of the pixels at one
        level.

    Returns
    -------
    image : numpy.ndarray, uint16, [H, W]
    intensity : DicomIntensity

    Raises
    ------
    LutError
        If a table or window is broken, or the one asked for is not there.
    """
    smallest = min(0, int(values.min()))
    positions = values if smallest == 0 else values.astype(np.int32) - smallest
    stored = np.arange(smallest, int(values.max()) + 1)
    counts = _count_values(positions.ravel(), len(stored))
    padding = _find_padding(dataset, stored, values.dtype)
    if counts[~padding].any():
        counts[padding] = 0
    physical = _apply_modality(dataset, frame, stored)
    grey, used, low, high = _apply_voi(dataset, frame, physical, counts, voi)
    table = np.rint(grey * _WHITE).astype(np.uint16)
    inverted = (
        dataset.PhotometricInterpretation == "MONOCHROME1"
        or dataset.get("PresentationLUTShape") == "INVERSE"
    )
    if inverted:
        table = _WHITE - table
    table[padding] = 0
    return table[positions], DicomIntensity(used, float(low), float(high), inverted)


def _count_values(values: np.ndarray, num_levels: int) -> np.ndarray:
    # In blocks: bincount copies its input to int64, four to eight times the image.
    counts = np.zeros(num_levels, np.int64)
    for start in range(0, values.size, _BLOCK_PX):
        counts += np.bincount(values[start : start + _BLOCK_PX], minlength=num_levels)
    return counts


def _find_padding(dataset: Dataset, stored: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Mark stored values that are padding (PS3.3, C.7.5.1.1.2): one value, or a range."""
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, bool)
    last = dataset.get("PixelPaddingRangeLimit")
    # Many devices write the values with the other sign.
    ends = np.array([first, first if last is None else last]).astype(np.int64).astype(dtype)
    return (stored >= ends.min()) & (stored <= ends.max())


def _apply_modality(dataset: Dataset, frame: int, stored: np.ndarray) -> np.ndarray:
    group = find_functional_group(dataset, frame, "PixelValueTransformationSequence")
    if group.get("ModalityLUTSequence"):
        lut = read_lut(group.ModalityLUTSequence[0], dataset, int(stored.max()))
        return lut.entries[lut.find(stored)].astype(np.float64)
    slope = float(group.get("RescaleSlope") or 1)
    intercept = float(group.get("RescaleIntercept") or 0)
    # Far beyond what a detector gives; larger numbers would overflow further on.
    if not max(abs(slope), abs(intercept)) < _MAX_RESCALE:
        raise LutError(f"a rescale by {slope} and {intercept}")
    return stored * slope + intercept


def _apply_voi(
    dataset: Dataset, frame: int, physical: np.ndarray, counts: np.ndarray, voi: str
) -> tuple[np.ndarray, str, float, float]:
    """Give grey in 0…1 for every stored value, what was used, and its low and high end."""
    group = find_functional_group(dataset, frame, "FrameVOILUTSequence")
    kind, number = parse_voi(voi)
    for choice in ("lut", "window"):
        if kind not in ("auto", choice):
            continue
        try:
            if choice == "lut":
                grey, low, high = _apply_lut(group, dataset, physical, number)
            else:
                grey, low, high = _apply_window(read_window(group, number), physical)
        except LutError:
            if kind == choice:
                raise
            continue
        if kind == choice or not _is_blank(grey, counts):
            return grey, voi if kind == choice else choice, low, high
    order = np.argsort(physical, kind="stable")
    ranked = physical[order][counts[order] > 0]
    low, high = ranked[0], ranked[-1]
    if kind == "percentile":
        share = np.cumsum(counts[order])[counts[order] > 0] / counts.sum() * 100
        low, high = (ranked[np.searchsorted(share, point)] for point in PERCENTILES)
    return _ramp(physical, low, high), kind if kind == "percentile" else "full", low, high


def _apply_lut(
    group: Dataset, dataset: Dataset, physical: np.ndarray, number: int
) -> tuple[np.ndarray, float, float]:
    tables = group.get("VOILUTSequence") or []
    if number >= len(tables):
        raise LutError(f"{len(tables) or 'no'} VOI table" + "s" * (len(tables) > 1))
    lut = read_lut(tables[number], dataset, int(physical.max()))
    # Not the descriptor's depth: it often says 16 over entries of 12 bits, which would be black.
    top = (1 << int(lut.entries.max()).bit_length()) - 1
    grey = lut.entries[lut.find(np.rint(physical).astype(np.int64))] / max(top, 1)
    return grey, lut.first, lut.first + len(lut.entries) - 1


def _apply_window(
    window: tuple[float, float, str], physical: np.ndarray
) -> tuple[np.ndarray, float, float]:
    """Apply a window as PS3.3, C.11.2.1.2 and C.11.2.1.3 define it."""
    centre, width, function = window
    if function == "SIGMOID":
        # Beyond ±60 the curve is flat to the last bit.
        slope = np.clip(-4 * (physical - centre) / width, -60, 60)
        return 1 / (1 + np.exp(slope)), centre - width / 2, centre + width / 2
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    low, high = centre - width / 2, centre + width / 2
    return _ramp(physical, low, high), low, high


def _ramp(physical: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map low…high linearly to 0…1; a step where both are one."""
    if high <= low:
        return (physical > low).astype(np.float64)
    return np.clip((physical - low) / (high - low), 0, 1)


def _is_blank(grey: np.ndarray, counts: np.ndarray) -> bool:
    """Say whether almost all pixels, unlike the stored values, come out at one level."""
    levels = np.rint(grey * _WHITE).astype(np.int64)
    limit = _BLANK_SHARE * counts.sum()
    return bool(np.bincount(levels, weights=counts).max() >= limit > counts.max())
