"""The steps after decoding on the CPU: images and keys → saliency, windows, views.

Enters: the outputs of a pipeline of `pipeline`, or images that need no decoder. Leaves: `CpuViews`,
which stands where that pipeline stood and gives views. Next: `deliver`.

The views are made on the pipeline's outputs, in a thread of their own, and not by an operator of
it: DALI would copy each image in and each view out, and decode nothing meanwhile.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.steps.deliver import Made
from gca_dali.steps.read import BatchSource

if TYPE_CHECKING:
    from nvidia.dali import Pipeline

    from gca_dali.pipeline import ViewMaker

NUM_AHEAD = 2  # batches of views under way while the caller works


class CpuViews:
    """Batches of views; a thread makes the next ones while the caller works.

    Parameters
    ----------
    images : nvidia.dali.Pipeline or BatchSource
        A pipeline whose outputs are images and keys, or a source that gives images.
    maker : ViewMaker
    """

    def __init__(self, images: Pipeline | BatchSource, maker: ViewMaker) -> None:
        self.images, self.maker = images, maker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gca_dali-views")
        self._ahead: deque[Future[Made]] = deque()
        self._ended = False

    def run(self, stream: Any = None) -> Made:
        """Return the views of the next batch and what the randomness decided.

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
            self._ahead.append(self._thread.submit(self._make_next))
        return self._ahead.popleft().result()

    def reset(self) -> None:
        """Begin another epoch, after `run` has come to the end of one."""
        while self._ahead:
            self._ahead.popleft().exception()
        if not isinstance(self.images, BatchSource):
            self.images.reset()
        self._ended = False

    def _make_next(self) -> Made:
        # After its end or an error a source is asked for nothing, until the caller has seen it.
        if self._ended:
            raise StopIteration
        self._ended = True
        images, keys = self._take()
        made = self.maker.make(images, keys)
        self._ended = False
        return made

    def _take(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Return grey images, B × [H, W], and keys, int64, [B, 2]."""
        if isinstance(self.images, BatchSource):
            images, keys = self.images()
        else:
            # No image is copied (`at` would). The pipeline takes its memory back when it runs
            # again: images are used before, keys leave with the batch.
            decoded, found = self.images.run()
            images, keys = [np.asarray(image) for image in decoded], found.as_array().copy()
        return [image.reshape(image.shape[:2]) for image in images], keys
