"""Sample index → what the decoder is given: a path, encoded bytes, or grey pixels.

Enters: a row of the manifest. Leaves: its path for DALI to read, the bytes of a JPEG, PNG or TIFF,
or an image that needs no decoder. Next: `read` brings them into batches.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gca_dali.common.machine import retried
from gca_dali.image.claims import RARE_FORMATS, UnreadableImageError
from gca_dali.image.read import decode_image, read_image
from gca_dali.image.untrusted import read_untrusted

if TYPE_CHECKING:
    from gca_dali.data.rows import Rows

# Formats that DALI cannot decode, or decodes wrongly: they are decoded in worker processes.
WORKER_FORMATS = ("dicom", *RARE_FORMATS)
# Where all files are of these, DALI has nothing to do: PNGs are decoded faster without it.
OWN_FORMATS = ("png", *WORKER_FORMATS)
WHITE_OVER_WHITE = 257  # 65535 / 255: how DALI brings 8 bits to 16


class Fetcher(Protocol):
    """What `read` needs to know of a source of samples.

    Attributes
    ----------
    gives : str
        "paths" (uint8, 1-D: text), "encoded" (uint8, 1-D: a file) or "images" (uint8 or uint16,
        [H, W, 1]).
    num_together : int
        Samples that one thread fetches at a time: more where one costs little.
    """

    gives: str
    num_together: int

    def fetch(self, index: int) -> np.ndarray:
        """Return one sample; OSError and UnreadableImageError name what is wrong with it."""
        ...


def make_fetcher(rows: Rows) -> Fetcher:
    """Choose how the samples of these rows are fetched."""
    if rows.places is None and np.isin(rows.format, OWN_FORMATS).all():
        return ImageFetcher(rows)
    return make_dali_fetcher(rows)


def make_dali_fetcher(rows: Rows) -> Fetcher:
    """Choose how samples are fetched where DALI decodes all that it can."""
    if rows.places is not None:
        from gca_dali.store.fetch import ShardFetcher

        return ShardFetcher(rows.places)
    if (rows.format == "dicom").all():
        return ImageFetcher(rows)
    if np.isin(rows.format, WORKER_FORMATS).any():
        return FileFetcher(rows)
    return PathFetcher(rows)


class PathFetcher:
    """Paths of files that DALI reads and decodes."""

    gives = "paths"
    num_together = 1024

    def __init__(self, rows: Rows) -> None:
        self.files = rows.files
        self.num_bytes = rows.num_bytes

    def fetch(self, index: int) -> np.ndarray:
        """Return a path, uint8, 1-D."""
        self.check(index)
        return np.frombuffer(self.files[index].encode(), np.uint8)

    def check(self, index: int) -> None:
        """Refuse a file that is missing, or is no longer as long as when it was indexed.

        A decoder fills a shortened JPEG with grey and reports no error.
        """
        expected = int(self.num_bytes[index])
        size = os.stat(self.files[index]).st_size
        if expected and size != expected:
            reason = f"it has {size} bytes, {expected} when it was indexed"
            raise UnreadableImageError(self.files[index], reason)


class FileFetcher(PathFetcher):
    """Bytes of files; those that DALI cannot decode are decoded by workers and sent as TIFF."""

    gives = "encoded"
    num_together = 1

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self.frame, self.voi = rows.frame, rows.voi
        self.needs_worker = np.isin(rows.format, WORKER_FORMATS)

    def fetch(self, index: int) -> np.ndarray:
        """Return an encoded image, uint8, 1-D."""
        self.check(index)
        if not self.needs_worker[index]:
            return np.fromfile(self.files[index], np.uint8)
        return wrap_pixels(self.read_by_worker(index))

    def read_by_worker(self, index: int) -> np.ndarray:
        """Decode one file in another process, uint8 or uint16, [H, W]."""
        frame = int(self.frame[index])
        return read_untrusted(self.files[index], frame=frame, voi=self.voi)[0]


class ImageFetcher(FileFetcher):
    """Decoded images of files that need no DALI."""

    gives = "images"

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self.is_deep = bool(((rows.bits > 8) | (rows.format == "dicom")).any())

    def fetch(self, index: int) -> np.ndarray:
        """Return an image, uint8 or, in a set with deeper ones or DICOM, uint16, [H, W, 1]."""
        self.check(index)
        if self.needs_worker[index]:
            image = self.read_by_worker(index)
        else:
            image = decode_image(
                np.fromfile(self.files[index], np.uint8).tobytes(), self.files[index]
            )
        if self.is_deep and image.dtype == np.uint8:
            image = image * np.uint16(WHITE_OVER_WHITE)
        return image[..., None]


def wrap_pixels(image: np.ndarray) -> np.ndarray:
    """Write an image as an uncompressed TIFF, which DALI decodes to the same values.

    Parameters
    ----------
    image : numpy.ndarray, uint8 or uint16, [H, W]

    Returns
    -------
    numpy.ndarray, uint8, 1-D
    """
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(file, image, photometric="minisblack", metadata=None, software=False)
    return np.frombuffer(file.getbuffer(), np.uint8)


def read_row(rows: Rows, row: int) -> np.ndarray:
    """Read the image of one row; see :meth:`gca_dali.data.manifest.Manifest.read`."""

    def read() -> np.ndarray:
        if rows.places is not None:
            from gca_dali.store.fetch import ShardFetcher

            return ShardFetcher(rows.places).read(row)
        if rows.format[row] in WORKER_FORMATS:
            return read_untrusted(file, frame=int(rows.frame[row]), voi=rows.voi)[0]
        return read_image(file)

    file = rows.file_of(row)
    return retried(read, str(rows.path[row]))
