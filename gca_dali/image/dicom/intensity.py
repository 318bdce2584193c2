"""Stored values in, the grey level of each out, over the full range of uint16.

A stored value has at most 16 bits, so the whole DICOM chain (modality, VOI, inversion) is worked
out once per value, in float64. What is left to do is one look-up per pixel, `levels.look_up`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydicom import Dataset

from gca_dali.image.dicom.header import DicomHeader
from gca_dali.image.dicom.levels import StoredValues
from gca_dali.image.dicom.lut import (
    LutError,
    find_functional_group,
    read_lut,
    read_number,
    read_window,
)
from gca_dali.image.voi import parse_voi

PERCENTILES = (0.5, 99.5)

_WHITE = 65535
# A window that leaves one level to so many pixels shows nothing.
_BLANK_SHARE = 0.98
# Of so many rows one is enough to see that a window shows something.
_ROW_STEP = 16
_MAX_RESCALE = 1e12
_BEAM_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.12.1",  # X-ray angiography
    "1.2.840.10008.5.1.4.1.1.12.2",  # radiofluoroscopy
    "1.2.840.10008.5.1.4.1.1.12.3",  # angiography in two planes, retired
)


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


def find_levels(
    dataset: Dataset, header: DicomHeader, frame: int, values: np.ndarray, voi: str
) -> tuple[np.ndarray, np.ndarray, DicomIntensity]:
    """Say which grey level each stored value becomes.

    In order (DICOM PS3.4, N.2): modality table or rescale; VOI table, window, full range or
    percentiles; inversion for MONOCHROME1 or a presentation shape INVERSE (once where both are
    stated); pixel padding to black.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Header of a grey image.
    header : DicomHeader
        The same, checked.
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
    codes : numpy.ndarray, uint8 or uint16, [H, W]
        The values without sign.
    table : numpy.ndarray, uint16, [65536]
        Grey levels, by code.
    intensity : DicomIntensity

    Raises
    ------
    LutError
        If a table or window is broken, or the one asked for is not there.
    """
    pixels = StoredValues(values)
    padding = _find_padding(dataset, pixels.stored, pixels.dtype)
    counts = _Counts(pixels, padding)
    physical = _apply_modality(dataset, frame, pixels.stored)
    grey, used, low, high = _apply_voi(dataset, frame, physical, counts, voi)
    levels = np.rint(grey * _WHITE).astype(np.uint16)
    inverted = (
        header.photometric == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    )
    if inverted:
        levels = _WHITE - levels
    levels[padding] = 0
    intensity = DicomIntensity(used, float(low), float(high), inverted)
    return pixels.codes, pixels.spread(levels), intensity


def check_levels(dataset: Dataset, num_frames: int, voi: str) -> None:
    """Refuse a header of which some frame has no grey levels, whatever its pixels are.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Header of a grey image.
    num_frames : int
    voi : str
        See `voi.parse_voi`. "window" and "lut" need what they name.

    Raises
    ------
    LutError
        If a modality table or rescale is broken, or a frame has not the window or table that was
        asked for, or a broken one.
    """
    kind, number = parse_voi(voi)
    for frame in range(num_frames if dataset.get("PerFrameFunctionalGroupsSequence") else 1):
        physical = _apply_modality(dataset, frame, np.zeros(1, np.int64))
        group = find_functional_group(dataset, frame, "FrameVOILUTSequence")
        if kind == "lut":
            _apply_lut(group, dataset, physical, number)
        elif kind == "window":
            read_window(group, number)


class _Counts:
    """How many pixels have each stored value, without padding where anything else is there."""

    def __init__(self, pixels: StoredValues, padding: np.ndarray) -> None:
        self._pixels, self._padding = pixels, padding
        self.num_pixels = pixels.shape[0] * pixels.shape[1]

    @cached_property
    def all(self) -> np.ndarray:
        """Of all pixels, int64, like the stored values."""
        counts = self._pixels.count()
        if counts[~self._padding].any():
            counts[self._padding] = 0
        return counts

    @cached_property
    def some(self) -> np.ndarray:
        """Of some rows: never more than of all."""
        counts = self._pixels.count(_ROW_STEP)
        counts[self._padding] = 0
        return counts


def _find_padding(dataset: Dataset, stored: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Mark stored values that are padding (PS3.3, C.7.5.1.1.2): one value, or a range."""
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, bool)
    last = dataset.get("PixelPaddingRangeLimit")
    ends = np.array([first, first if last is None else last]).astype(np.int64)
    num_codes = 1 << 8 * dtype.itemsize
    if ends.min() < -num_codes // 2 or ends.max() >= num_codes:
        # No pixel can have such a value, and others are left what they are.
        return np.zeros(stored.shape, bool)
    # Many devices write the values with the other sign.
    ends = ends.astype(dtype)
    return (stored >= ends.min()) & (stored <= ends.max())


def _apply_modality(dataset: Dataset, frame: int, stored: np.ndarray) -> np.ndarray:
    group = find_functional_group(dataset, frame, "PixelValueTransformationSequence")
    # There the table leads back to the intensity of the beam, and is not for display (PS3.3,
    # C.8.7.1.1.2).
    is_beam = str(dataset.get("SOPClassUID")) in _BEAM_CLASSES
    if group.get("ModalityLUTSequence") and not is_beam:
        lut = read_lut(group.ModalityLUTSequence[0], dataset, int(stored.max()))
        return lut.entries[lut.find(stored)].astype(np.float64)
    slope = read_number(group, "RescaleSlope") or 1.0
    intercept = read_number(group, "RescaleIntercept") or 0.0
    # Far beyond what a detector gives; larger numbers would overflow further on.
    if not (abs(slope) < _MAX_RESCALE and abs(intercept) < _MAX_RESCALE):
        raise LutError(f"a rescale by {slope} and {intercept}")
    return stored * slope + intercept


def _apply_voi(
    dataset: Dataset, frame: int, physical: np.ndarray, counts: _Counts, voi: str
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
    ordered = counts.all[order]
    ranked = physical[order][ordered > 0]
    low, high = ranked[0], ranked[-1]
    if kind == "percentile":
        share = np.cumsum(ordered)[ordered > 0] / ordered.sum() * 100
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


def _is_blank(grey: np.ndarray, counts: _Counts) -> bool:
    """Say whether almost all pixels, unlike the stored values, come out at one level."""
    levels = np.rint(grey * _WHITE).astype(np.int64)
    # Where enough of some pixels are at other levels, so are enough of all.
    some = counts.some
    if (
        some.sum() - np.bincount(levels, weights=some).max()
        > (1 - _BLANK_SHARE) * counts.num_pixels
    ):
        return False
    limit = _BLANK_SHARE * counts.all.sum()
    return bool(np.bincount(levels, weights=counts.all).max() >= limit > counts.all.max())
