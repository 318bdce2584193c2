"""A DICOM file in, one grey frame over the full range of uint16 out.

The frame is decoded by `gca_dali.image.dicom.pixels` and looked up in the table of
`gca_dali.image.dicom.intensity`; views are next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydicom.pixels.processing import apply_color_lut

from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom.file import OpenDicom, check_frames, open_dicom
from gca_dali.image.dicom.header import DicomHeader
from gca_dali.image.dicom.intensity import DicomIntensity, check_levels, find_levels
from gca_dali.image.dicom.levels import look_up
from gca_dali.image.dicom.lut import LutError
from gca_dali.image.dicom.pixels import Allocate, decode_frame
from gca_dali.image.raster import luma
from gca_dali.image.voi import parse_voi


def read_dicom(
    path: str | Path, *, frame: int = 0, voi: str = "auto"
) -> tuple[np.ndarray, DicomIntensity]:
    """Read one frame of a DICOM X-ray as it should be displayed, bright bone on dark air.

    Grey images go through the modality table or rescale, the VOI step and, after it, inversion
    (MONOCHROME1, or presentation shape INVERSE); the display range is mapped linearly to 0…65535,
    so up to 65,536 levels remain. Colour becomes ITU-R BT.601 luma. Padding becomes black and
    counts in no range. The file is decoded in this process: for files that may be hostile use
    :func:`gca_dali.image.untrusted.read_untrusted`.

    Parameters
    ----------
    path : str or pathlib.Path
        A DICOM file.
    frame : int
        Which frame, from 0.
    voi : str
        What sets the contrast. "auto": the VOI table, else the first window, else the full range;
        a table or window that leaves 98 % of the pixels at one level is passed over. "window" and
        "lut": only that, "window:1" the second of several. "full": the smallest and largest value.
        "percentile": the values at 0.5 % and 99.5 %.

    Returns
    -------
    image : numpy.ndarray, uint16, [H, W]
    intensity : DicomIntensity
        What was done, for the record.

    Raises
    ------
    ValueError
        If `voi` or `frame` is not allowed.
    UnreadableImageError
        If the file is not a DICOM image that we read, is broken, or lacks the window or table that
        was asked for.

    Examples
    --------
    >>> image, intensity = read_dicom("chest.dcm")  # doctest: +SKIP
    >>> image.shape, image.dtype, intensity.inverted  # doctest: +SKIP
    ((2128, 2000), dtype('uint16'), True)
    """
    codes, table, intensity = read_levels(path, frame=frame, voi=voi)
    return look_up(codes, table) if table is not None else codes, intensity


def read_levels(
    path: str | Path, *, frame: int, voi: str, allocate: Allocate = np.empty
) -> tuple[np.ndarray, np.ndarray | None, DicomIntensity]:
    """Do all that `read_dicom` does but the last pass over the pixels, `levels.look_up`.

    Parameters
    ----------
    path : str or pathlib.Path
    frame : int
    voi : str
    allocate : callable
        Gives memory for an array, once at most: shape and dtype → numpy.ndarray.

    Returns
    -------
    codes : numpy.ndarray, uint8 or uint16, [H, W]
        What is to be looked up; or the image, uint16.
    table : numpy.ndarray, uint16, [65536], or None
        Grey levels by code; None for an image.
    intensity : DicomIntensity
    """
    parse_voi(voi)
    with open_dicom(path) as file:
        values, photometric = _decode(file, frame, allocate)
        with _explained(file):
            if file.header.is_grey:
                return find_levels(file.dataset, file.header, frame, values, voi)
            grey, top = _luma(file, values, photometric)
            image = (np.minimum(grey, top).astype(np.uint32) * 65535 + top // 2) // top
            return image.astype(np.uint16), None, DicomIntensity("none", 0.0, float(top), False)


def stored_values(path: str | Path, *, frame: int = 0) -> np.ndarray:
    """Read stored values, before any table, window or inversion.

    Parameters
    ----------
    path : str or pathlib.Path
        A DICOM file.
    frame : int
        Which frame, from 0.

    Returns
    -------
    numpy.ndarray, uint8, uint16, int8 or int16, [H, W] or [H, W, 3]

    Raises
    ------
    ValueError
        If `frame` is not allowed.
    UnreadableImageError
        As :func:`read_dicom`.
    """
    with open_dicom(path) as file:
        return _decode(file, frame)[0]


def probe_dicom(path: str | Path, *, with_patient: bool = False, voi: str = "auto") -> DicomHeader:
    """Read and check a header without decoding: what passes can be read, if its pixels are sound.

    Names, dates and identifiers are skipped in the file, not read and dropped.

    Parameters
    ----------
    path : str or pathlib.Path
        A DICOM file.
    with_patient : bool
        Also return the patient identifier, which splits by patient need.
    voi : str
        What will set the contrast: a grey file, each frame of it, must have a window for "window",
        a table for "lut". See `read_dicom`.

    Returns
    -------
    DicomHeader

    Raises
    ------
    ValueError
        If `voi` is not allowed.
    UnreadableImageError
        If it is no DICOM image, is cut short, claims more than 200 megapixels, stores pixels
        that are not integers of at most 16 bits, or lacks the window or table that is asked for.

    Examples
    --------
    >>> probe_dicom("chest.dcm").bits_stored  # doctest: +SKIP
    12
    """
    parse_voi(voi)
    with open_dicom(path, with_patient=with_patient) as file:
        check_frames(file)
        with _explained(file):
            if file.header.is_grey:
                check_levels(file.dataset, file.header.num_frames, voi)
            elif file.header.num_samples == 1:
                apply_color_lut(np.zeros((1, 1), np.uint8), file.dataset)
        return file.header


def _decode(file: OpenDicom, frame: int, allocate: Allocate = np.empty) -> tuple[np.ndarray, str]:
    if not 0 <= frame < file.header.num_frames:
        last = file.header.num_frames - 1
        raise ValueError(f"frame must be 0…{last}, got {frame}. {file.path} has no more.")
    try:
        return decode_frame(file, frame, allocate)
    except UnreadableImageError:
        raise
    except MemoryError as error:
        raise UnreadableImageError(file.path, "more pixels than memory holds") from error
    # Decoders raise anything on broken data; the last line holds the decoder's own message.
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        reason = f"broken pixel data ({type(error).__name__}: {lines[-1].strip()})"
        raise UnreadableImageError(file.path, reason[:300]) from error


@contextmanager
def _explained(file: OpenDicom) -> Iterator[None]:
    """Name the file in whatever a broken header raises."""
    try:
        yield
    except LutError as error:
        raise UnreadableImageError(file.path, str(error), "Read it with voi='auto'.") from error
    except UnreadableImageError:
        raise
    except Exception as error:
        reason = f"a broken DICOM header ({type(error).__name__}: {error})"
        raise UnreadableImageError(file.path, reason[:300]) from error


def _luma(file: OpenDicom, values: np.ndarray, photometric: str) -> tuple[np.ndarray, int]:
    """Give the luma of a palette or colour image, [H, W], and the value of white."""
    if file.header.num_samples == 1:
        colours = apply_color_lut(values, file.dataset)
        return luma(colours), np.iinfo(colours.dtype).max
    top = (1 << min(file.header.bits_stored, 8 * values.itemsize)) - 1
    # Luma is the first of the others; three samples called MONOCHROME2 are RGB.
    is_ybr = photometric.startswith("YBR")
    return values[..., 0] if is_ybr else luma(values), top
