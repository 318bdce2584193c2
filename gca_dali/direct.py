"""Images that need no decoder → views, on the CPU without DALI.

Enters: samples of a store of raw pixels, as `read` gives them. Leaves: `DirectPipeline`, which
stands where the DALI pipeline of `pipeline` stands and has its outputs. Next: `deliver`.

DALI would copy each image in and each view out, and work on nothing else meanwhile: the loader
takes 0.6 of the time without it.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gca_dali.pipeline import ViewMaker
    from gca_dali.read import BatchSource

NUM_AHEAD = 2  # batches under way while the caller works, as in DALI's queue


class DirectPipeline:
    """Batches of views; a thread makes the next ones while the caller works.

    Parameters
    ----------
    source : BatchSource
        One that gives images.
    maker : ViewMaker
    """

    def __init__(self, source: BatchSource, maker: ViewMaker) -> None:
        self.source, self.maker = source, maker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gca_dali-views")
        self._ahead: deque[Future[tuple[np.ndarray, ...]]] = deque()

    def run(self, stream: Any = None) -> tuple[np.ndarray, ...]:
        """Return the next batch as the DALI pipeline would: views, keys and decisions.

        Parameters
        ----------
        stream : optional
            Unused: nothing here is on a GPU.

        Raises
        ------
        StopIteration
            At the end of the epoch.
        """
        while len(self._ahead) < NUM_AHEAD:
            try:
                images, keys = self.source()
            except StopIteration:
                break
            self._ahead.append(self._thread.submit(self._make, images, keys))
        if not self._ahead:
            raise StopIteration
        return self._ahead.popleft().result()

    def _make(self, images: list[np.ndarray], keys: np.ndarray) -> tuple[np.ndarray, ...]:
        grey = [image.reshape(image.shape[:2]) for image in images]
        *views, windows, retained, grown = self.maker.make(grey, keys)
        return (*views, keys, windows, retained, grown)

    def reset(self) -> None:
        """Do nothing: the next epoch starts with its batches."""
