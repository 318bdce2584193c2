"""The saliency table on a GPU: a map is sent there once, before its first use.

Enters: a `SaliencyTable` and the indices of a batch. Leaves: rows of the table on the device, which
torch's current stream may read. Next: `integrate_maps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from gca_dali.gaze.table import SaliencyTable
    from gca_dali_kernels.resident import Sender


class DeviceTable:
    """The maps of all samples on one GPU.

    Parameters
    ----------
    table : SaliencyTable
        Plain, or one that predicts what it lacks.
    device : torch.device
        The current one.
    sender : Sender
    """

    def __init__(self, table: SaliencyTable, device: torch.device, sender: Sender) -> None:
        self.table, self.sender = table, sender
        # Made in the mode of the first batch, which need not be that of a later one.
        with torch.inference_mode(False):
            self.maps = torch.empty(table.maps.shape, dtype=torch.uint8, device=device)
        self.sent = np.zeros(len(table.maps), bool)
        # Behind every fill so far, and behind what torch last used this memory for.
        self.filled = torch.cuda.Event()
        self.filled.record()

    def rows(self, index: np.ndarray, images: Sequence[Any], stream: int) -> np.ndarray:
        """Return the rows of some samples' maps, which torch's current stream may read.

        Parameters
        ----------
        index : numpy.ndarray, int64, [B]
        images : sequence of B objects with DLPack
            For a table that predicts; no other exports them.
        stream : int
            Address of torch's current stream.

        Returns
        -------
        numpy.ndarray, int64, [B]
        """
        # Another stream may have been current when the table was filled. A fill waits too, so that
        # the one event that it leaves stands for all before it.
        self.filled.wait()
        rows = self.table.rows(index)
        new = ~self.sent[rows]
        if new.any():
            seen = Exported([images[b] for b in np.flatnonzero(new).tolist()])
            maps = self.table.take(index[new], seen)
            places, maps = self.sender.send((rows[new], maps), stream)
            self.maps[torch.from_dlpack(places)] = torch.from_dlpack(maps)
            self.filled.record()
            self.sent[rows] = True
        return rows


class Exported(Sequence[torch.Tensor]):
    """Images [H, W] as torch's tensors, each made when it is asked for.

    Parameters
    ----------
    images : sequence of objects with DLPack, [H, W] or [H, W, 1]
    """

    def __init__(self, images: Sequence[Any]) -> None:
        self.images = images

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, place: Any) -> Any:
        """Return one image."""
        return torch.from_dlpack(self.images[place]).squeeze(-1)
