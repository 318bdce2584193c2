"""The product on one page: files in, views out, as one DALI pipeline.

    order → read → decode → saliency → windows → views → deliver

Enters: a manifest, a policy and a saliency table. Leaves: a DALI pipeline whose outputs `deliver`
hands to torch. Each step is the module of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.decode import decode_grey, value_ranges
from gca_dali.policy import ViewPolicy
from gca_dali.read import BatchSource, read_samples
from gca_dali.saliency import SaliencyTable
from gca_dali.views import make_views
from gca_dali.windows import plan_views

if TYPE_CHECKING:
    from nvidia.dali import Pipeline

NUM_DECISIONS = 4  # outputs after the views: keys, windows, retained, grown


@dataclass(frozen=True)
class ViewMaker:
    """The steps between decoding and delivery, one call per batch.

    Attributes
    ----------
    policy : ViewPolicy
    table : SaliencyTable
    sizes : numpy.ndarray, int32, [N, 2]
        Height and width of each original in pixels; what is decoded may be smaller.
    stretched : numpy.ndarray, bool, [N]
        See `value_ranges`.
    seed, num_views, num_threads : int
    """

    policy: ViewPolicy
    table: SaliencyTable
    sizes: np.ndarray
    stretched: np.ndarray
    seed: int
    num_views: int
    num_threads: int = 0

    def __call__(self, images: list[np.ndarray], keys: list[np.ndarray]) -> tuple[list, ...]:
        """Return V views and the decisions of each sample.

        Parameters
        ----------
        images : list of numpy.ndarray, uint8 | uint16, B × [H, W, 1]
        keys : list of numpy.ndarray, int64, B × [2]
            Index and epoch.
        """
        index, epochs = np.array(keys, np.int64).T
        key = (self.seed, int(epochs[0]))
        images = [image.reshape(image.shape[:2]) for image in images]
        shapes = self.sizes[index]

        maps = self.table.take(index, images)
        plan = plan_views(maps, index, shapes, key, self.policy, self.num_views)
        ranges = value_ranges(images, self.stretched[index])
        views = make_views(images, ranges, plan, index, key, self.policy, self.num_threads)

        per_view = [list(views[:, v, None]) for v in range(self.num_views)]
        decisions = (plan.windows_px(shapes), plan.retained, plan.grown.view(np.uint8))
        return (*per_view, *(list(values) for values in decisions))


def build_pipeline(
    source: BatchSource, maker: ViewMaker, *, deep: bool, batch_size: int, num_threads: int
) -> Pipeline:
    """Return the built pipeline; its outputs are V views, then keys, windows, retained, grown.

    Parameters
    ----------
    source : BatchSource
    maker : ViewMaker
    deep : bool
        Decode to 16 bits.
    batch_size, num_threads : int
    """
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    @pipeline_def(batch_size=batch_size, num_threads=num_threads, device_id=None)
    def define() -> tuple[Any, ...]:
        samples, keys = read_samples(source)
        images = samples if source.gives == "images" else decode_grey(samples, deep, device="cpu")
        *views, windows, retained, grown = fn.python_function(
            images, keys, function=maker, num_outputs=maker.num_views + 3, batch_processing=True
        )
        return (*views, keys, windows, retained, grown)

    pipeline = define(prefetch_queue_depth=2)
    pipeline.build()
    return pipeline
