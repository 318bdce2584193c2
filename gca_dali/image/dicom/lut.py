"""Elements of a DICOM header in, lookup tables and windows out, checked.

`dicom.intensity` applies them. What is broken raises `LutError`, so that a choice can
fall back on the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


class LutError(ValueError):
    """A lookup table or window that is missing or broken; the text is the reason."""


@dataclass(frozen=True)
class Lut:
    """A lookup table.

    Attributes
    ----------
    first : int
        Input that the first entry stands for; smaller inputs take it too.
    entries : numpy.ndarray, uint16, [N]
        Outputs.
    """

    first: int
    entries: np.ndarray

    def find(self, inputs: np.ndarray) -> np.ndarray:
        """Give the position of the entry of each input, int64, same shape."""
        return np.clip(inputs - self.first, 0, len(self.entries) - 1)


def read_lut(item: Dataset, dataset: Dataset, largest_input: int) -> Lut:
    """Read one item of a modality or VOI LUT sequence.

    Parameters
    ----------
    item : pydicom.Dataset
        Holds LUT Descriptor and LUT Data.
    dataset : pydicom.Dataset
        The header around it, for the byte order.
    largest_input : int
        Largest value that goes in. A table that begins beyond it begins below zero: some devices
        write a negative first input as if it were unsigned.

    Returns
    -------
    Lut

    Raises
    ------
    LutError
        If the table is incomplete.
    """
    try:
        descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
    # pydicom raises anything on broken elements: the VR of implicit data hangs on the descriptor.
    except Exception:
        descriptor = data = None
    if descriptor is None or data is None or np.size(descriptor) != 3:
        raise LutError("a lookup table without its descriptor or data")
    num_entries = int(descriptor[0]) or 1 << 16
    first = int(descriptor[1])
    if first > max(32767, largest_input):
        first -= 1 << 16
    if isinstance(data, bytes):
        syntax = UID(dataset.file_meta.TransferSyntaxUID)
        wide = "<u2" if syntax.is_little_endian else ">u2"
        # Entries of 8 bits may be packed two to a word.
        packed_sizes = (num_entries, num_entries + num_entries % 2)
        is_packed = len(data) in packed_sizes and len(data) < 2 * num_entries
        whole = data if is_packed else data[: len(data) // 2 * 2]
        entries = np.frombuffer(whole, "u1" if is_packed else wide)
    else:
        entries = np.atleast_1d(np.asarray(data, np.int64)) & 0xFFFF
    if len(entries) < num_entries:
        raise LutError(f"a lookup table of {len(entries)} entries that claims {num_entries}")
    return Lut(first, entries[:num_entries].astype(np.uint16))


def read_window(group: Dataset, number: int = 0) -> tuple[float, float, str]:
    """Read one of the windows.

    Parameters
    ----------
    group : pydicom.Dataset
        Holds Window Center, Window Width and perhaps VOI LUT Function.
    number : int
        Which window, from 0.

    Returns
    -------
    centre, width : float
        In values after the modality step.
    function : str
        "LINEAR", "LINEAR_EXACT" or "SIGMOID".

    Raises
    ------
    LutError
        If there is none, or its width or function is not allowed.
    """
    centre = read_number(group, "WindowCenter", number)
    width = read_number(group, "WindowWidth", number)
    function = str(group.get("VOILUTFunction") or "LINEAR").upper()
    if centre is None or width is None:
        raise LutError("no window" if number == 0 else f"no window of number {number}")
    smallest = 1.0 if function == "LINEAR" else math.nextafter(0, 1)
    if function not in _FUNCTIONS or not width >= smallest or not math.isfinite(centre + width):
        raise LutError(f"a window of {function}, centre {centre} and width {width}")
    return centre, width, function


def find_functional_group(dataset: Dataset, frame: int, sequence: str) -> Dataset:
    """Find where an enhanced multi-frame object states something (PS3.3, C.7.6.16).

    Parameters
    ----------
    dataset : pydicom.Dataset
        The whole header.
    frame : int
        Which frame, from 0.
    sequence : str
        Keyword of the functional group, such as "FrameVOILUTSequence".

    Returns
    -------
    pydicom.Dataset
        The item of the frame, else the one that all frames share, else the header itself.
    """
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for group in (*per_frame[frame : frame + 1], *shared[:1]):
        if group.get(sequence):
            return group[sequence].value[0]
    return dataset


def read_number(group: Dataset, keyword: str, number: int = 0) -> float | None:
    """Read one of the decimal numbers of an element; a comma for the point is understood.

    Parameters
    ----------
    group : pydicom.Dataset
        Holds the element.
    keyword : str
        Its keyword.
    number : int
        Which of several, from 0.

    Returns
    -------
    float or None
        None where it is not there.

    Raises
    ------
    LutError
        If it is no number.
    """
    element = group.get_item(keyword)
    value = None if element is None else element.value
    # As it is written, before pydicom converts it, which a comma would stop.
    if isinstance(value, bytes) and element.VR in (None, "DS", "UN"):  # pyright: ignore
        value = value.decode("latin-1").split("\\")
    elif element is not None:
        value = group[keyword].value
    several = value if isinstance(value, (list, MultiValue)) else [value]
    text = str(several[number]).strip(" \0") if number < len(several) else ""
    if value is None or not text or text == "None":
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise LutError(f"{keyword} {text!r}, which is no number") from None
