"""Elements of a DICOM file in, a checked header out.

Only the elements named here are ever parsed: the patient stays in the file. `dicom.file`
opens files with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.tag import Tag

from gca_dali.image.claims import UnreadableImageError, check_num_pixels

# Nothing else is parsed, so no name, date or identifier is ever in memory.
_KEYWORDS = (
    "Modality",
    "BodyPartExamined",
    "ViewPosition",
    "ImageLaterality",
    "Laterality",
    "PresentationLUTShape",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "RescaleIntercept",
    "RescaleSlope",
    "ModalityLUTSequence",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
)
_MAX_FRAMES = 65_535
HEADER_TAGS = [Tag(keyword) for keyword in _KEYWORDS]


@dataclass(frozen=True)
class DicomHeader:
    """What the header of an X-ray says.

    Attributes
    ----------
    height, width : int
        Pixels.
    bits_stored : int
        Bits of a stored value, 1…16.
    is_signed : bool
        Whether stored values are signed.
    num_samples : int
        1 for grey and palettes, 3 for colour.
    num_frames : int
        At least 1.
    photometric : str
        Photometric interpretation, such as "MONOCHROME1".
    transfer_syntax : str
        UID of the coding.
    modality, body_part, view_position, laterality : str
        As stated, "" where absent.
    patient : str
        Patient identifier, only if it was asked for, else "".
    """

    height: int
    width: int
    bits_stored: int
    is_signed: bool
    num_samples: int
    num_frames: int
    photometric: str
    transfer_syntax: str
    modality: str = ""
    body_part: str = ""
    view_position: str = ""
    laterality: str = ""
    patient: str = ""


def make_header(dataset: Dataset, transfer_syntax: str, name: str) -> DicomHeader:
    """Take the header out of parsed elements, and check it.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Parsed elements.
    transfer_syntax : str
        UID of the coding.
    name : str
        What messages call the file.

    Returns
    -------
    DicomHeader

    Raises
    ------
    UnreadableImageError
        If it claims more than 200 megapixels, or pixels that are not integers of at most 16 bits.
    """
    header = DicomHeader(
        height=int(dataset.get("Rows") or 0),
        width=int(dataset.get("Columns") or 0),
        bits_stored=int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 0),
        is_signed=bool(dataset.get("PixelRepresentation")),
        num_samples=int(dataset.get("SamplesPerPixel") or 1),
        num_frames=int(dataset.get("NumberOfFrames") or 1),
        photometric=str(dataset.get("PhotometricInterpretation") or ""),
        transfer_syntax=transfer_syntax,
        modality=str(dataset.get("Modality") or ""),
        body_part=str(dataset.get("BodyPartExamined") or ""),
        view_position=str(dataset.get("ViewPosition") or ""),
        laterality=str(dataset.get("ImageLaterality") or dataset.get("Laterality") or ""),
        patient=str(dataset.get("PatientID") or ""),
    )
    check_num_pixels(name, header.height, header.width)
    allocated = dataset.get("BitsAllocated")
    if allocated not in (8, 16) or not 1 <= header.bits_stored <= allocated:
        what = f"pixels of {header.bits_stored} bits in {allocated}"
        raise UnreadableImageError(name, what, "Store integers of at most 16 bits.")
    if header.num_samples not in (1, 3) or not 1 <= header.num_frames <= _MAX_FRAMES:
        what = f"{header.num_frames} frames of {header.num_samples} samples per pixel"
        remedy = f"Store at most {_MAX_FRAMES} frames of one or three samples."
        raise UnreadableImageError(name, what, remedy)
    return header
