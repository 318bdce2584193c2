"""Which window or table sets the contrast, by name and number."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.fuzz_seeds import make_dicom, make_lut
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import read_dicom

GREY12 = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def test_one_of_several_windows_and_tables(tmp_path):
    tables = [make_lut(0, np.arange(4096)), make_lut(0, np.arange(4096)[::-1])]
    elements = {"WindowCenter": [900, 2000], "WindowWidth": [201, 401], "VOILUTSequence": tables}
    path = tmp_path / "several.dcm"
    path.write_bytes(make_dicom(GREY12, bits_stored=12, **elements))
    assert read_dicom(path, voi="window")[1].low == read_dicom(path, voi="window:0")[1].low == 799.5
    _, intensity = read_dicom(path, voi="window:1")
    assert (intensity.voi, intensity.low, intensity.high) == ("window:1", 1799.5, 2199.5)
    rising, falling = (read_dicom(path, voi=voi)[0].astype(int) for voi in ("lut", "lut:1"))
    np.testing.assert_allclose(rising + falling, 65535, atol=1)
    with pytest.raises(UnreadableImageError, match="got no window of number 2"):
        read_dicom(path, voi="window:2")
    with pytest.raises(UnreadableImageError, match="got 2 VOI tables"):
        read_dicom(path, voi="lut:2")
    for voi in ("window:", "window:x", "full:1", "window:-1", "window:1:1"):
        with pytest.raises(ValueError, match="voi must be one of"):
            read_dicom(path, voi=voi)
