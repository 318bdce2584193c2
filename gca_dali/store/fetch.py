"""Row of a store → the bytes of its sample, or its pixels where nothing has to be decoded.

Enters: `Places`. Leaves: encoded samples or images, each checked when it is first read. Next:
`gca_dali.steps.read` brings them into batches.
"""

from __future__ import annotations

import zlib

import numpy as np

from gca_dali.image.claims import UnreadableImageError
from gca_dali.store.encoding import check_sample, decode_pixels
from gca_dali.store.places import Places
from gca_dali.store.remote import RemoteShards
from gca_dali.store.shards import LocalShards

_REMEDY = "Run gca-dali prepare with --verify."


class ShardFetcher:
    """Samples of a store, see `gca_dali.data.fetch.Fetcher`.

    Parameters
    ----------
    places : Places
    """

    def __init__(self, places: Places) -> None:
        self.places, self.store = places, places.store
        self.gives = "images" if self.store.is_raw else "encoded"
        # A remote sample takes long and no processor; a local one hardly longer than a thread.
        self.num_together = 1 if self.store.is_remote else 8
        self.shards = (RemoteShards if self.store.is_remote else LocalShards)(self.store)
        self.checked = np.zeros(len(places.row), bool)

    def fetch(self, index: int) -> np.ndarray:
        """Return an encoded sample, uint8, 1-D, or an image, uint8 or uint16, [h, w, 1]."""
        data = self.bytes_of(index)
        if self.store.is_raw:
            return self.decode(index, data)[..., None]
        return np.frombuffer(data, np.uint8)

    def read(self, index: int) -> np.ndarray:
        """Return the image of one row, uint8 or uint16, [h, w]."""
        return self.decode(index, self.bytes_of(index))

    def decode(self, index: int, data: bytes) -> np.ndarray:
        """Decode the bytes of one row."""
        places = self.places
        size = int(places.height[index]), int(places.width[index])
        return decode_pixels(data, self.store.encoding, *size)

    def bytes_of(self, index: int) -> bytes:
        """Return the sample of one row; the first time its checksum and header are compared.

        Raises
        ------
        OSError
            If the shard cannot be opened.
        UnreadableImageError
            If the original could not be read, or the sample is not what was written.
        """
        places = self.places
        name = f"row {places.row[index]} of {self.store.location}"
        if places.fault[index]:
            raise UnreadableImageError(name, str(places.fault[index]))
        length, checksum = int(places.length[index]), int(places.checksum[index])
        shard, offset = int(places.shard[index]), int(places.offset[index])
        data = self.shards.read(shard, offset, length, checksum)
        if len(data) != length:
            raise UnreadableImageError(name, f"{len(data)} of {length} bytes", _REMEDY)
        if not self.checked[index]:
            if zlib.crc32(data) != checksum:
                raise UnreadableImageError(name, "a sample with a wrong checksum", _REMEDY)
            try:
                height, width = int(places.height[index]), int(places.width[index])
                check_sample(data, self.store.encoding, height, width)
            except ValueError as error:
                raise UnreadableImageError(name, str(error), _REMEDY) from None
            self.checked[index] = True
        return data
