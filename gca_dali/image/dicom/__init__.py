"""DICOM X-rays in, grey uint16 arrays over the full range out.

A file enters; `read_dicom` gives [H, W] ready for the views, with a record of how stored values
became grey levels; `probe_dicom` reads the header alone. Files of unknown origin go through
`gca_dali.image.untrusted`, which runs this package in another process.
"""

from __future__ import annotations

try:
    import pydicom  # noqa: F401
except ImportError as error:
    raise ImportError(
        "DICOM files need pydicom, which is not installed. Install gca_dali[dicom]."
    ) from error

from gca_dali.image.dicom.header import DicomHeader
from gca_dali.image.dicom.intensity import DicomIntensity
from gca_dali.image.dicom.read import probe_dicom, read_dicom, stored_values
from gca_dali.image.voi import VOI_CHOICES

__all__ = [
    "VOI_CHOICES",
    "DicomHeader",
    "DicomIntensity",
    "probe_dicom",
    "read_dicom",
    "stored_values",
]
