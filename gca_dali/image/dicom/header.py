"""Elements of a DICOM file in, a checked header out.

Only the elements named here are ever parsed: the patient stays in the file. `dicom.file`
opens files with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
    UncompressedTransferSyntaxes,
)

from gca_dali.image.claims import UnreadableImageError, check_num_pixels

# Nothing else is parsed, so no name, date or identifier is ever in memory.
_KEYWORDS = (
    "SOPClassUID",
    "PresentationLUTShape",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
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
# JPEG 2000 part 2 (.92, .93) has transforms between components that no decoder here knows.
READ_SYNTAXES = frozenset(
    (
        *UncompressedTransferSyntaxes,
        RLELossless,
        *JPEGTransferSyntaxes,
        *JPEGLSTransferSyntaxes,
        *JPEG2000TransferSyntaxes,
    )
) - {"1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93"}
LOSSLESS_SYNTAXES = frozenset(
    (
        HTJ2KLossless,
        HTJ2KLosslessRPCL,
        JPEG2000Lossless,
        JPEGLossless,
        JPEGLosslessSV1,
        JPEGLSLossless,
    )
)
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PALETTE = "PALETTE COLOR"
HEADER_TAGS = [Tag(keyword) for keyword in _KEYWORDS]


@dataclass(frozen=True)
class DicomHeader:
    """What the header of an X-ray says.

    Attributes
    ----------
    height, width : int
        Pixels.
    bits_allocated : int
        Bits of its container, 8 or 16.
    bits_stored : int
        Bits of a stored value, 1…16.
    high_bit : int
        Where its highest bit lies, from 0.
    is_signed : bool
        Whether stored values are signed.
    num_samples : int
        1 for grey and palettes, 3 for colour.
    is_planar : bool
        Whether uncompressed colours lie in planes.
    num_frames : int
        At least 1.
    photometric : str
        Photometric interpretation, such as "MONOCHROME1".
    transfer_syntax : str
        UID of the coding.
    patient : str
        Patient identifier, only if it was asked for, else "".
    """

    height: int
    width: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    num_samples: int
    is_planar: bool
    num_frames: int
    photometric: str
    transfer_syntax: str
    patient: str = ""

    @property
    def is_compressed(self) -> bool:
        """Whether pixels lie in fragments."""
        return UID(self.transfer_syntax).is_encapsulated

    @property
    def is_grey(self) -> bool:
        """Whether the pixels are grey: one sample without a palette, whatever it is called."""
        return self.num_samples == 1 and self.photometric != _PALETTE

    @property
    def num_frame_bytes(self) -> int:
        """Bytes of an uncompressed frame."""
        num_bytes = self.height * self.width * self.num_samples * self.bits_allocated // 8
        return num_bytes * 2 // 3 if self.photometric == "YBR_FULL_422" else num_bytes


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
    allocated = int(dataset.get("BitsAllocated") or 0)
    high_bit = dataset.get("HighBit")
    stored = int(dataset.get("BitsStored") or (allocated if high_bit is None else high_bit + 1))
    num_samples = int(dataset.get("SamplesPerPixel") or 1)
    default = "MONOCHROME2" if num_samples == 1 else "RGB"
    header = DicomHeader(
        height=int(dataset.get("Rows") or 0),
        width=int(dataset.get("Columns") or 0),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high_bit is None else int(high_bit),
        # Colours are never signed (PS3.3, C.7.6.3.1.2), whatever the header says.
        is_signed=num_samples == 1 and bool(dataset.get("PixelRepresentation")),
        num_samples=num_samples,
        is_planar=dataset.get("PlanarConfiguration") == 1,
        num_frames=int(dataset.get("NumberOfFrames") or 1),
        photometric=str(dataset.get("PhotometricInterpretation") or default),
        transfer_syntax=transfer_syntax,
        patient=str(dataset.get("PatientID") or ""),
    )
    _check_header(header, name)
    return header


def _check_header(header: DicomHeader, name: str) -> None:
    check_num_pixels(name, header.height, header.width)
    stored, allocated, samples = header.bits_stored, header.bits_allocated, header.num_samples
    if not allocated:
        raise UnreadableImageError(name, "a header without Bits Allocated")
    if allocated not in (8, 16) or not 1 <= stored <= allocated:
        what = f"pixels of {stored} bits in {allocated}"
        raise UnreadableImageError(name, what, "Store integers of at most 16 bits.")
    if samples not in (1, 3) or not 1 <= header.num_frames <= _MAX_FRAMES:
        what = f"{header.num_frames} frames of {samples} samples per pixel"
        remedy = f"Store at most {_MAX_FRAMES} frames of one or three samples."
        raise UnreadableImageError(name, what, remedy)
    allowed = (*_GREY, *_COLOURS, *(_PALETTE,) * (samples == 1))
    if header.photometric not in allowed:
        what = f"photometric interpretation {header.photometric!r} of {samples} samples per pixel"
        raise UnreadableImageError(name, what, "Convert it to MONOCHROME2.")
    is_pairs = header.photometric == "YBR_FULL_422" and not header.is_compressed
    if is_pairs and (header.width % 2 or allocated != 8 or header.is_planar):
        what = "pairs of pixels (YBR_FULL_422) in rows of odd width, of 16 bits or in planes"
        raise UnreadableImageError(name, what, "Convert it to MONOCHROME2.")
    is_codec = header.is_compressed and header.transfer_syntax != RLELossless
    # Values in a codestream begin at bit 0, whatever the header says.
    if not is_codec and not stored - 1 <= header.high_bit < allocated:
        what = f"a high bit {header.high_bit} for {stored} bits in {allocated}"
        raise UnreadableImageError(name, what)
