"""The product on one page: files in, views out, through a DALI pipeline.

    order → read → decode → saliency → windows → views → deliver

Enters: a manifest, a policy and a saliency table. Leaves: a DALI pipeline that ends with decoded
images on the device, and `ViewMaker`, the steps from there to what `deliver` hands to torch. Each
step is the module of that name. On the CPU `runners.cpu` runs the maker in a thread, while DALI
decodes the next batch; on a GPU `runners.cuda` takes its steps, one launch each (a group of views
each), on the caller's stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.gaze.table import SaliencyTable
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.steps.decode import decode_either, decode_grey, value_ranges
from gca_dali.steps.deliver import Made
from gca_dali.steps.device import CPU
from gca_dali.steps.read import BatchSource, read_samples
from gca_dali.steps.views import make_views
from gca_dali.steps.windows import plan_views
from gca_dali_kernels.cpu.parallel import num_cores

if TYPE_CHECKING:
    from nvidia.dali import Pipeline


@dataclass(frozen=True)
class ViewMaker:
    """The steps between decoding and delivery on the CPU, one call per batch.

    Attributes
    ----------
    policy : ViewPolicy
    table : SaliencyTable
    sizes : numpy.ndarray, int32, [N, 2]
        Height and width of each original in pixels; what is decoded may be smaller.
    stretched : numpy.ndarray, bool, [N]
        See `value_ranges`.
    seed, num_threads : int
    """

    policy: ViewPolicy
    table: SaliencyTable
    sizes: np.ndarray
    stretched: np.ndarray
    seed: int
    num_threads: int = 0

    def make(self, images: list[np.ndarray], keys: np.ndarray) -> Made:
        """Return the views of a batch and what the randomness decided.

        Parameters
        ----------
        images : list of numpy.ndarray, uint8 | uint16, B × [H, W]
        keys : numpy.ndarray, int64, [B, 2]
        """
        index, key = keys[:, 0], (self.seed, int(keys[0, 1]))
        shapes = self.sizes[index]

        maps = self.table.take(index, images)
        plan = plan_views(maps, index, shapes, key, self.policy)
        ranges = value_ranges(images, self.stretched[index])
        views = make_views(images, ranges, plan, index, key, self.policy, self.num_threads)

        windows, focus = plan.windows_px(shapes), plan.focus_px(shapes)
        return Made(views, keys, windows, plan.retained, plan.grown, plan.flipped, focus)

    def find_ranges(self, images: list[np.ndarray], keys: list[np.ndarray]) -> list[np.ndarray]:
        """Return the values of each image that become black and white, float32, B × [2]."""
        index = np.array(keys, np.int64).reshape(-1, 2)[:, 0]
        return list(value_ranges(images, self.stretched[index]))


def build_pipeline(
    source: BatchSource, maker: ViewMaker, *, deep: bool, batch_size: int, device: str
) -> Pipeline:
    """Return the built pipeline, which ends with what `load_images` gives.

    Parameters
    ----------
    source : BatchSource
    maker : ViewMaker
        Finds the ranges of deep images.
    deep : bool
        Decode to 16 bits, which the CPU does.
    batch_size : int
    device : str
        "cpu" or "cuda:N".
    """
    from nvidia.dali import pipeline_def

    on_gpu = device != CPU

    @pipeline_def(
        batch_size=batch_size,
        num_threads=maker.num_threads or num_cores(),
        device_id=int(device.removeprefix("cuda:")) if on_gpu else None,
        enable_conditionals=on_gpu and deep,
    )
    def define() -> tuple[Any, ...]:
        return load_images(source, maker, deep, device)

    pipeline = define(prefetch_queue_depth=2)
    pipeline.build()
    return pipeline


def load_images(source: BatchSource, maker: ViewMaker, deep: bool, device: str) -> tuple[Any, ...]:
    """Return images (DALI, uint8 | uint16, [H, W, 1]) on the device, and keys.

    A GPU decodes images of 8 bits itself. Deeper ones, and those of a store of raw pixels, come
    from the CPU, and with any of them in the manifest the values that become black and white
    (float32, [2]) are the last output.
    """
    import nvidia.dali.fn as fn

    samples, keys = read_samples(source)
    if source.gives != "images" and device != CPU and not source.is_deep.all():
        if not deep:
            return decode_grey(samples, deep, device="mixed"), keys
        return decode_in_branches(samples, keys, source, maker, device="mixed")
    images = samples if source.gives == "images" else decode_grey(samples, deep, device="cpu")
    if device == CPU:
        return images, keys
    ranges = fn.python_function(images, keys, function=maker.find_ranges, batch_processing=True)
    return images.gpu(), keys, ranges


def decode_in_branches(
    samples: Any, keys: Any, source: BatchSource, maker: ViewMaker, device: str
) -> tuple[Any, ...]:
    """Return images, keys and ranges: deep images by way of the CPU, the others by `device`."""
    import nvidia.dali.fn as fn

    is_deep = fn.python_function(keys, function=source.find_deep, batch_processing=True)
    images, ranges = decode_either(samples, keys, is_deep, maker.find_ranges, device)
    return images, keys, ranges
