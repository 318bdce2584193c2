"""Gaze-conditioned views on batches of DALI's dynamic mode (`nvidia.dali.experimental.dynamic`).

    keys → saliency | predict_saliency → sample_windows → render_views

Enters: batches, as readers and decoders of dynamic mode give them. Leaves: batches. Names and
windows are those of `gca_dali.fn`; but nothing is built, so what is opened once there is opened by
the user here: `open_table`, `open_predicted`. Next: operators of dynamic mode, `batch.torch()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.gaze.predicted import PredictedTable
from gca_dali.gaze.table import SaliencyTable
from gca_dali.operators.inputs import check_epoch, check_seed
from gca_dali.operators.kernels import CpuKernels, Kernels
from gca_dali.operators.maps import MakeKeys, PredictMaps, TakeMaps
from gca_dali.operators.numbers import Numbers, check_name_of_number
from gca_dali.operators.tables import open_predicted, open_table
from gca_dali.operators.views import GazeViews, RenderViews, check_policy
from gca_dali.operators.windows import SampleWindows, Windows

if TYPE_CHECKING:
    from nvidia.dali.experimental.dynamic import Batch
    from typing_extensions import Unpack

    from gca_dali.policy.view_policy import ViewPolicy

__all__ = [
    "Windows",
    "gaze_views",
    "keys",
    "open_predicted",
    "open_table",
    "predict_saliency",
    "render_views",
    "saliency",
    "sample_windows",
]

BatchLike = Any  # a Batch, or a sequence of arrays
NO_LAYOUTS = ("",) * len(Windows._fields)


def keys(index: BatchLike, *, epoch: int | BatchLike) -> Batch:
    """Return the key of each sample, int64, [2]; see `fn.keys`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    if isinstance(epoch, (int, np.integer)):
        return _call(MakeKeys(check_epoch(epoch)), [], [index], "cpu", [""])[0]
    return _call(MakeKeys(), [], [index, epoch], "cpu", [""])[0]


def saliency(keys: BatchLike, table: SaliencyTable) -> Batch:
    """Return the map of each sample, uint8, [h, w], "HW", on the CPU; see `fn.saliency`.

    Parameters
    ----------
    keys : Batch, int64, [2]
    table : SaliencyTable
        Of `open_table`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    if not isinstance(table, SaliencyTable):
        raise TypeError(
            f"table must be a SaliencyTable, got {type(table).__name__}. open_table makes it, once."
        )
    return _call(TakeMaps(table), [], [keys], "cpu", ["HW"])[0]


def predict_saliency(images: BatchLike, keys: BatchLike, table: PredictedTable) -> Batch:
    """Return maps that are predicted when an image is first met; see `fn.predict_saliency`.

    Parameters
    ----------
    images : Batch, uint8 | uint16, [H, W, 1]
    keys : Batch, int64, [2]
    table : PredictedTable
        Of `open_predicted`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    if not isinstance(table, PredictedTable):
        raise TypeError(
            f"table must be a PredictedTable, got {type(table).__name__}. open_predicted makes it, "
            "once."
        )
    predict: Any = PredictMaps(table)
    device = _device_of(images)
    if device == "gpu":
        from gca_dali.operators.cuda_kernels import PredictOnStream

        predict = PredictOnStream(predict)
    return _call(predict, [images], [keys], device, ["HW"])[0]


def sample_windows(
    saliency: BatchLike,
    keys: BatchLike,
    shapes: BatchLike,
    *,
    policy: ViewPolicy,
    seed: int = 0,
    **numbers: Unpack[Numbers],
) -> Windows:
    """Draw the windows of all views; see `fn.sample_windows`.

    `shapes` may be `images.shape`; numbers are floats, or batches with one for each sample.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    device = _device_of(saliency)
    names, values = _read_numbers(numbers, keys)
    sample = SampleWindows(check_policy(policy), check_seed(seed), _kernels(device), names)
    return Windows(*_call(sample, [saliency], [keys, shapes, *values], device, NO_LAYOUTS))


def render_views(
    images: BatchLike,
    saliency: BatchLike,
    windows: Windows,
    keys: BatchLike,
    *,
    policy: ViewPolicy,
    seed: int = 0,
    ranges: BatchLike | None = None,
) -> tuple[Batch, ...]:
    """Render the views of windows, "FCHW", one batch for each group; see `fn.render_views`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    device = _device_of(images)
    render = RenderViews(check_policy(policy), check_seed(seed), _kernels(device))
    plan = [windows.units, windows.turns, windows.cutouts, windows.marks]
    _check_devices(device, saliency=saliency, windows=plan[0])
    host = [keys] if ranges is None else [keys, ranges]
    return _call(render, [images, saliency, *plan], host, device, ["FCHW"] * len(policy.groups))


def gaze_views(
    images: BatchLike,
    saliency: BatchLike,
    keys: BatchLike,
    *,
    policy: ViewPolicy,
    seed: int = 0,
    ranges: BatchLike | None = None,
    **numbers: Unpack[Numbers],
) -> tuple[tuple[Batch, ...], Windows]:
    """Draw windows and render their views; see `fn.gaze_views`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    device = _device_of(images)
    _check_devices(device, saliency=saliency)
    names, values = _read_numbers(numbers, keys)
    kernels, seed = _kernels(device), check_seed(seed)
    policy = check_policy(policy)
    both = GazeViews(
        SampleWindows(policy, seed, kernels, names), RenderViews(policy, seed, kernels)
    )
    host = [keys, *values, *([] if ranges is None else [ranges])]
    num = len(policy.groups)
    layouts = [*["FCHW"] * num, *NO_LAYOUTS]
    found = _call(both, [images, saliency], host, device, layouts)
    return found[:num], Windows(*found[num:])


@lru_cache(maxsize=2)
def _kernels(device: str) -> Kernels:
    if device == "cpu":
        return CpuKernels()
    from gca_dali.operators.cuda_kernels import CudaKernels

    return CudaKernels()


def _device_of(batch: BatchLike) -> str:
    """Return "cpu" or "gpu"; arrays that are no Batch are on the CPU."""
    device = getattr(batch, "device", None)
    return getattr(device, "device_type", "cpu")


def _check_devices(device: str, **batches: BatchLike) -> None:
    for name, batch in batches.items():
        if _device_of(batch) != device:
            raise ValueError(
                f"{name} must be on the {device} of the images, got {_device_of(batch)}. "
                f"Use {name}.{device}()."
            )


def _read_numbers(numbers: Numbers, keys: BatchLike) -> tuple[tuple[str, ...], list[Any]]:
    """Return the names of numbers of the law, and one number for each sample."""
    num = len(_arrays(keys, "cpu"))
    values = []
    for name, value in numbers.items():
        check_name_of_number(name)
        values.append([np.float64(value)] * num if isinstance(value, (int, float)) else value)
    return tuple(numbers), values


def _arrays(batch: BatchLike, device: str) -> list[Any]:
    """Return the samples of a batch as NumPy's arrays, or CuPy's on the GPU."""
    samples = getattr(batch, "tensors", batch)
    if device == "cpu":
        return [np.asarray(sample) for sample in samples]
    from gca_dali_kernels.gpu import import_cupy

    return [import_cupy().from_dlpack(sample) for sample in samples]


def _call(
    function: Callable[..., Any],
    batches: Sequence[BatchLike],
    host: Sequence[BatchLike],
    device: str,
    layouts: Sequence[str],
) -> tuple[Batch, ...]:
    """Call a function of lists of arrays with batches, those of `host` on the CPU."""
    import nvidia.dali.experimental.dynamic as ndd

    with _stream() if device == "gpu" else nullcontext():
        there = [_arrays(batch, device) for batch in batches]
        found = function(*there, *(_arrays(batch, "cpu") for batch in host))
        outputs = found if isinstance(found, tuple) else (found,)
        # Dynamic mode reads arrays without their strides, and what is read-only not at all.
        made = [
            ndd.as_batch(
                [np.require(a, requirements=["C", "W"]) for a in output], layout=layout or None
            )
            if device == "cpu"
            else ndd.as_batch(output, layout=layout or None)
            for output, layout in zip(outputs, layouts, strict=True)
        ]
    return tuple(made)


def _stream() -> Any:
    """Return a context in which CuPy works on the stream of dynamic mode."""
    import nvidia.dali.experimental.dynamic as ndd

    from gca_dali_kernels.launch import stream_at

    stream = ndd.EvalContext.current().cuda_stream
    return stream_at(None if stream is None else stream.handle)
