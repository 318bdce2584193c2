"""What the DICOM reader refuses, and that it names why; what its header reader leaves unread."""

from __future__ import annotations

import os
import struct
import tracemalloc

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from benchmarks.fuzz_seeds import make_dicom, make_seeds
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import probe_dicom, read_dicom, stored_values

Y, X = np.mgrid[:37, :53]
GREY8 = ((Y * 5 + X * 3) % 256).astype(np.uint8)
GREY12 = ((Y * 97 + X * 131) % 4096).astype(np.uint16)


def test_probe_reads_no_patient_data(write):
    path = write(make_dicom(GREY12, bits_stored=12))
    header = probe_dicom(path)
    assert (header.height, header.width, header.bits_stored) == (37, 53, 12)
    text = repr(header)
    assert not any(secret in text for secret in ("Doe", "4711", "20200102"))
    assert probe_dicom(path, with_patient=True).patient == "4711"
    assert "Doe" not in repr(probe_dicom(path, with_patient=True))


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom tells of a cut identifier
@pytest.mark.parametrize("name", [n for n in make_seeds() if n.startswith("dicom")])
def test_truncated_files_are_refused(write, name):
    data = make_seeds()[name]
    # Sequence delimiter and pad byte may go without loss.
    for size in range(len(data) - 12, 0, -max(1, len(data) // 40)):
        with pytest.raises(UnreadableImageError, match="must be a readable image"):
            read_dicom(write(data[:size]))


def test_probe_refuses_truncated_pixels(write):
    data = make_dicom(GREY12, bits_stored=12)
    with pytest.raises(UnreadableImageError, match="cut short at 3822 of 3922 bytes"):
        probe_dicom(write(data[:-100]))
    data = make_dicom(GREY12, bits_stored=12, syntax=JPEGLSLossless)
    with pytest.raises(UnreadableImageError, match="compressed pixel data cut short by 92 bytes"):
        probe_dicom(write(data[:-100]))


def set_size(data: bytes, height: int, width: int) -> bytes:
    for element, value in ((0x0010, height), (0x0011, width)):
        place = data.index(struct.pack("<HH2sH", 0x0028, element, b"US", 2)) + 8
        data = data[:place] + struct.pack("<H", value) + data[place + 2 :]
    return data


def test_huge_claims_are_refused_before_allocation(write):
    header = set_size(make_dicom(GREY12, bits_stored=12), 60000, 60000)
    lossless = make_dicom(GREY12, syntax=JPEGLosslessSV1, bits_stored=12)
    place = lossless.index(b"\xff\xc3") + 5
    codestream = lossless[:place] + struct.pack(">HH", 60000, 60000) + lossless[place + 4 :]
    jpeg2000 = make_dicom(GREY12, syntax=JPEG2000Lossless, bits_stored=12)
    place = jpeg2000.index(b"\xff\x4f\xff\x51") + 8
    size = struct.pack(">6L", 60000, 60000, 0, 0, 60000, 60000)
    wavelet = jpeg2000[:place] + size + jpeg2000[place + 24 :]
    for data, reason in (
        (header, "claims 60000x60000 pixels, over 200 megapixels"),
        (codestream, "37x53 pixels of 1 samples but a codestream of 60000x60000 of 1 with 12"),
        (wavelet, "37x53 pixels of 1 samples but a codestream of 60000x60000 of 1 with 12"),
    ):
        path = write(data)
        tracemalloc.start()
        with pytest.raises(UnreadableImageError, match=reason):
            read_dicom(path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_bytes < 4 << 20


def test_inflation_has_a_limit(write, monkeypatch):
    monkeypatch.setattr("gca_dali.image.dicom.file._MAX_INFLATED_BYTES", 4096)
    pixels = np.zeros((100, 100), np.uint8)
    data = make_dicom(pixels, syntax=DeflatedExplicitVRLittleEndian)
    with pytest.raises(UnreadableImageError, match="MiB when inflated"):
        read_dicom(write(data))


def set_group_length(data: bytes, length: int | None) -> bytes:
    """State another length of the file meta elements, or none."""
    assert data[132:140] == b"\2\0\0\0UL\4\0"
    stated = b"" if length is None else data[132:140] + struct.pack("<L", length)
    return data[:132] + stated + data[144:]


@pytest.mark.parametrize("length", [0, None, 10, 0xFFFF, 0xFFFFFFFF])
def test_inflation_has_a_limit_whatever_the_group_length_says(write, monkeypatch, length):
    pixels = np.arange(10_000).astype(np.uint8).reshape(100, 100)
    data = make_dicom(pixels, syntax=DeflatedExplicitVRLittleEndian)
    path = write(set_group_length(data, length))
    np.testing.assert_array_equal(stored_values(path), pixels)
    assert probe_dicom(path).transfer_syntax == DeflatedExplicitVRLittleEndian
    monkeypatch.setattr("gca_dali.image.dicom.file._MAX_INFLATED_BYTES", 4096)
    for reader in (probe_dicom, read_dicom):
        with pytest.raises(UnreadableImageError, match="MiB when inflated"):
            reader(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom tells of cut values
def test_broken_file_meta_is_refused(write):
    data = make_dicom(GREY8, syntax=DeflatedExplicitVRLittleEndian)
    start = data.index(DeflatedExplicitVRLittleEndian.encode()) - 8
    for place in range(144, start + 10):
        for broken in (data[:place], data[:place] + b"\xff" * 8 + data[place + 8 :]):
            try:
                values = stored_values(write(broken))
            except UnreadableImageError as error:
                assert "\n" not in error.reason
            else:  # what was broken was a value that nobody needs
                np.testing.assert_array_equal(values, GREY8)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no DICOM", "without the DICOM header"),
        (make_dicom(GREY8)[132:], "without the DICOM header"),
        (make_dicom(GREY8, SamplesPerPixel=4), "1 frames of 4 samples"),
        (make_dicom(GREY8, BitsAllocated=32, BitsStored=32), "pixels of 32 bits in 32"),
        (make_dicom(GREY8, BitsStored=9), "pixels of 9 bits in 8"),
        (make_dicom(GREY8, NumberOfFrames=2), "cut short at 1962 of 3922 bytes"),
        (make_dicom(GREY12, HighBit=3, bits_stored=12), "high bit 3 for 12 bits in 16"),
        (make_dicom(GREY8, PhotometricInterpretation="ARGB"), "photometric interpretation 'ARGB'"),
        (make_dicom(GREY8, RescaleSlope="1e308", RescaleIntercept="0"), "a rescale by 1e\\+308"),
    ],
    ids=["text", "bare", "samples", "deep", "bits", "frames", "high_bit", "argb", "overflow"],
)
def test_broken_headers_are_refused_by_name(write, data, reason):
    path = write(data)
    with pytest.raises(UnreadableImageError, match=reason) as caught:
        read_dicom(path)
    assert str(path) in str(caught.value)


def test_coding_without_a_decoder_is_named(write):
    data = make_dicom(GREY8).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.7\0")
    with pytest.raises(
        UnreadableImageError, match=r"coding '1\.2\.840\.10008\.1\.2\.7', for which no"
    ):
        read_dicom(write(data))


def test_only_regular_files_are_opened(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for reader in (probe_dicom, read_dicom, stored_values):
        with pytest.raises(FileNotFoundError, match="path must be a file, got"):
            reader(pipe)


def test_unknown_choice(write):
    with pytest.raises(ValueError, match="voi must be one of auto, window, lut, full, percentile"):
        read_dicom(write(make_dicom(GREY8)), voi="best")
