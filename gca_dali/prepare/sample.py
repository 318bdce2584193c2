"""A row of a manifest → its image, record and map as a shard holds them.

Enters: a row. Leaves: bytes, or the reason why its file could not be read. Runs in threads that
wait for the decoder processes; next is `shard`.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.common.machine import MachineFaultError, Patience, describe
from gca_dali.data.fetch import PathFetcher
from gca_dali.image.claims import UnreadableImageError
from gca_dali.store.encoding import encode_pixels

NOT_OPENED = "it cannot be opened"  # how such a fault begins, which the next run tries to mend

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.image.untrusted import DecoderPool
    from gca_dali.prepare.maps import StoredMaps
    from gca_dali.store.layout import Settings


@dataclass(frozen=True)
class Sample:
    """What a shard holds of one row.

    Attributes
    ----------
    row : int
    height, width : int
        Stored size, pixels; 0 where there is a fault.
    image, record, saliency : bytes
        Encoded image, JSON, and `.npy`; empty where there is a fault; no map where the store has
        none.
    fault : str
        Why the file could not be read; "" where it could.
    """

    row: int
    height: int = 0
    width: int = 0
    image: bytes = b""
    record: bytes = b""
    saliency: bytes = b""
    fault: str = ""


class SampleMaker:
    """Makes samples of a manifest; safe to use from several threads.

    Parameters
    ----------
    manifest : Manifest
    settings : Settings
    maps : StoredMaps or None
    pool : DecoderPool
    """

    def __init__(
        self,
        manifest: Manifest,
        settings: Settings,
        maps: StoredMaps | None,
        pool: DecoderPool,
    ) -> None:
        self.manifest, self.settings, self.maps, self.pool = manifest, settings, maps, pool
        self.stretched = manifest.stretched
        self.files = PathFetcher(manifest)
        self.patience = Patience()

    def make(self, row: int) -> Sample:
        """Decode, resize and encode one row; a file that cannot be read gives a fault.

        Raises
        ------
        MachineFaultError
            If the machine cannot open or decode files at the moment, which is no such fault.
        """
        try:
            pixels, facts = self.patience.call(lambda: self._shrink(row), self.files.files[row])
            image = encode_pixels(pixels, self.settings.encoding)
        except (MachineFaultError, MemoryError):
            raise
        # Encoders have limits of their own, such as 65,500 pixels for a JPEG.
        except Exception as error:
            reason = getattr(error, "reason", None) or describe(error)
            if isinstance(error, OSError):
                reason = f"{NOT_OPENED}: {reason}"
            return Sample(row, fault=reason)
        if self.maps is not None and row in self.maps.absent:
            return Sample(row, fault=f"no map could be predicted: {self.maps.absent[row]}")
        saliency = b"" if self.maps is None else write_map(self.maps.of(row))
        record = self._record(row, facts, pixels.shape)
        height, width = pixels.shape
        return Sample(row, height, width, image, record, saliency)

    def _shrink(self, row: int) -> tuple[np.ndarray, dict[str, Any]]:
        self.files.check(row)
        pixels, facts = self.pool.shrink(
            self.files.files[row],
            self.settings.shorter_side,
            stretched=bool(self.stretched[row]),
            frame=int(self.manifest.frame[row]),
            voi=self.manifest.voi,
        )
        found = facts["height"], facts["width"]
        expected = int(self.manifest.height[row]), int(self.manifest.width[row])
        if found != expected:
            reason = "an image of {}x{} pixels".format(*found)
            reason += ", {}x{} when it was indexed".format(*expected)
            raise UnreadableImageError(self.manifest.path[row], reason)
        return pixels, facts

    def _record(self, row: int, facts: dict, stored: tuple[int, ...]) -> bytes:
        """Write the record: nothing of the patient, whatever the header or the manifest knows."""
        manifest, label = self.manifest, int(self.manifest.label[row])
        content = facts | {
            "path": str(manifest.path[row]),
            "frame": int(manifest.frame[row]),
            "format": str(manifest.format[row]),
            "bits": int(manifest.bits[row]),
            "label": label,
            "class": manifest.classes[label] if label >= 0 and manifest.classes else None,
            "stored": {
                "height": stored[0],
                "width": stored[1],
                "encoding": self.settings.encoding,
            },
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def write_map(saliency: np.ndarray) -> bytes:
    """Write a map as an `.npy` file, version 1.0."""
    file = io.BytesIO()
    np.lib.format.write_array(file, saliency, version=(1, 0), allow_pickle=False)
    return file.getvalue()
