"""A DICOM file in, one grey frame over the full range of uint16 out.

The frame is decoded by `gca_dali.image.dicom.pixels` and mapped by the table of
`gca_dali.image.dicom.intensity`; views are next.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.pixels.processing import apply_color_lut

from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom.file import OpenDicom, open_dicom
from gca_dali.image.dicom.header import DicomHeader
from gca_dali.image.dicom.intensity import DicomIntensity, apply_intensity
from gca_dali.image.dicom.lut import LutError
from gca_dali.image.dicom.pixels import decode_frame
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
    parse_voi(voi)
    with open_dicom(path) as file:
        values, photometric = _decode(file, frame)
        try:
            if file.header.num_samples == 1 and photometric.startswith("MONOCHROME"):
                return apply_intensity(file.dataset, frame, values, voi)
            return _grey_from_colour(file, values, photometric)
        except LutError as error:
            raise UnreadableImageError(path, str(error), "Read it with voi='auto'.") from error
        except UnreadableImageError:
            raise
        except Exception as error:
            reason = f"a broken DICOM header ({type(error).__name__}: {error})"
            raise UnreadableImageError(path, reason[:300]) from error


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


def probe_dicom(path: str | Path, *, with_patient: bool = False) -> DicomHeader:
    """Read and check a header without decoding.

    Names, dates and identifiers are skipped in the file, not read and dropped.

    Parameters
    ----------
    path : str or pathlib.Path
        A DICOM file.
    with_patient : bool
        Also return the patient identifier, which splits by patient need.

    Returns
    -------
    DicomHeader

    Raises
    ------
    UnreadableImageError
        If it is no DICOM image, is cut short, claims more than 200 megapixels or stores pixels
        that are not integers of at most 16 bits.

    Examples
    --------
    >>> probe_dicom("chest.dcm").bits_stored  # doctest: +SKIP
    12
    """
    with open_dicom(path, with_patient=with_patient) as file:
        return file.header


def _decode(file: OpenDicom, frame: int) -> tuple[np.ndarray, str]:
    if not 0 <= frame < file.header.num_frames:
        last = file.header.num_frames - 1
        raise ValueError(f"frame must be 0…{last}, got {frame}. {file.path} has no more.")
    try:
        return decode_frame(file, frame)
    except UnreadableImageError:
        raise
    except MemoryError as error:
        raise UnreadableImageError(file.path, "more pixels than memory holds") from error
    # Decoders raise anything on broken data; the last line holds the decoder's own message.
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        reason = f"broken pixel data ({type(error).__name__}: {lines[-1].strip()})"
        raise UnreadableImageError(file.path, reason[:300]) from error


def _grey_from_colour(
    file: OpenDicom, values: np.ndarray, photometric: str
) -> tuple[np.ndarray, DicomIntensity]:
    top = (1 << file.header.bits_stored) - 1
    if photometric == "PALETTE COLOR":
        colours = apply_color_lut(values, file.dataset)
        grey, top = luma(colours), np.iinfo(colours.dtype).max
    elif photometric == "RGB":
        grey = luma(values)
    elif photometric in ("YBR_FULL", "YBR_FULL_422"):
        grey = values[..., 0]
    else:
        raise UnreadableImageError(
            file.path, f"photometric interpretation {photometric!r}", "Convert it to MONOCHROME2."
        )
    scaled = (np.minimum(grey, top).astype(np.uint32) * 65535 + top // 2) // top
    return scaled.astype(np.uint16), DicomIntensity("none", 0.0, float(top), False)
