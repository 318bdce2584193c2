"""Windows and views as nodes of a graph.

Enters: DataNodes of images, maps and keys. Leaves: DataNodes of windows and views. Next: the user's
pipeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvidia.dali.pipeline import do_not_convert

from gca_dali.operators.graph import call_batched, check_node, choose_kernels, current_pipeline
from gca_dali.operators.inputs import check_seed
from gca_dali.operators.numbers import Numbers, check_name_of_number, with_numbers
from gca_dali.operators.views import GazeViews, RenderViews, check_policy
from gca_dali.operators.windows import SampleWindows, Windows

if TYPE_CHECKING:
    from nvidia.dali.data_node import DataNode
    from typing_extensions import Unpack

    from gca_dali.policy.view_policy import ViewPolicy

NO_LAYOUTS = [""] * len(Windows._fields)


@do_not_convert
def sample_windows(
    saliency: DataNode,
    keys: DataNode,
    shapes: DataNode,
    *,
    policy: ViewPolicy,
    seed: int = 0,
    **numbers: Unpack[Numbers],
) -> Windows:
    """Draw the windows of all views.

    Parameters
    ----------
    saliency : DataNode, uint8, [h, w]
    keys : DataNode, int64, [2]
    shapes : DataNode, integer, [H, W] or [H, W, C], on the CPU
        In pixels: `fn.peek_image_shape(encoded)` or `images.shape()`.
    policy : ViewPolicy
    seed : int
        As `GCALoader` takes it.
    **numbers
        `tau`, `rho`, `flip`: a float for all samples or a DataNode, see `Numbers`. Samples with the
        same numbers are drawn together: a few distinct values cost little.

    Returns
    -------
    Windows
        DataNodes on the device of the saliency.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    pipeline = current_pipeline()
    device = check_node("saliency", saliency).device
    check_node("keys", keys, "cpu")
    check_node("shapes", shapes, "cpu")
    policy, names, nodes = _read_numbers(check_policy(policy), numbers)
    kernels = choose_kernels(pipeline, device)
    sample = SampleWindows(policy, check_seed(seed), kernels, names)
    host = [keys, shapes, *nodes]
    return Windows(*call_batched(sample, [saliency], host, device=device, layouts=NO_LAYOUTS))


@do_not_convert
def render_views(
    images: DataNode,
    saliency: DataNode,
    windows: Windows,
    keys: DataNode,
    *,
    policy: ViewPolicy,
    seed: int = 0,
    ranges: DataNode | None = None,
) -> tuple[DataNode, ...]:
    """Render the views of windows: augmented and normalised.

    Parameters
    ----------
    images : DataNode, uint8 | uint16 | float32, [H, W, 1]
    saliency : DataNode, uint8, [h, w]
    windows : Windows
    keys : DataNode, int64, [2]
    policy : ViewPolicy
        The policy of the windows; its dtype is that of the views.
    seed : int
        As `sample_windows` had it.
    ranges : DataNode, float32, [2], on the CPU, optional
        Values that become black and white. By default the full range of 8 bits, the image's own
        of 16, 0 and 1 of floats.

    Returns
    -------
    tuple of DataNode, float32 | float16, [views of the group, C, size, size], "FCHW"
        One for each group of the policy, on the device of the images.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    pipeline = current_pipeline()
    device = check_node("images", images).device
    check_node("saliency", saliency, device, " of the images")
    if not isinstance(windows, Windows):
        raise TypeError(
            f"windows must be what sample_windows returns, got {type(windows).__name__}."
        )
    plan = (windows.units, windows.turns, windows.cutouts, windows.marks)
    for node in plan:
        check_node("windows", node, device, " of the images")
    check_node("keys", keys, "cpu")
    host = [keys, *_check_ranges(ranges)]
    kernels = choose_kernels(pipeline, device)
    render = RenderViews(check_policy(policy), check_seed(seed), kernels)
    layouts = ["FCHW"] * len(policy.groups)
    return call_batched(render, [images, saliency, *plan], host, device=device, layouts=layouts)


@do_not_convert
def gaze_views(
    images: DataNode,
    saliency: DataNode,
    keys: DataNode,
    *,
    policy: ViewPolicy,
    seed: int = 0,
    ranges: DataNode | None = None,
    **numbers: Unpack[Numbers],
) -> tuple[tuple[DataNode, ...], Windows]:
    """Draw windows and render their views: `sample_windows` and `render_views` in one operator.

    Parameters
    ----------
    images : DataNode, uint8 | uint16 | float32, [H, W, 1]
    saliency : DataNode, uint8, [h, w], on the device of the images
    keys : DataNode, int64, [2], on the CPU
    policy, seed, ranges, **numbers
        As in `sample_windows` and `render_views`.

    Returns
    -------
    tuple of tuple of DataNode, and Windows
        The views of each group, float32 | float16, [views of the group, C, size, size], "FCHW", and
        where they lie in the image as it was decoded; all on the device of the images.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    pipeline = current_pipeline()
    device = check_node("images", images).device
    check_node("saliency", saliency, device, " of the images")
    check_node("keys", keys, "cpu")
    drawn_by, names, nodes = _read_numbers(check_policy(policy), numbers)
    host = [keys, *nodes, *_check_ranges(ranges)]
    kernels, seed = choose_kernels(pipeline, device), check_seed(seed)
    both = GazeViews(
        SampleWindows(drawn_by, seed, kernels, names), RenderViews(policy, seed, kernels)
    )
    num = len(policy.groups)
    layouts = [*["FCHW"] * num, *NO_LAYOUTS]
    found = call_batched(both, [images, saliency], host, device=device, layouts=layouts)
    return found[:num], Windows(*found[num:])


def _check_ranges(ranges: DataNode | None) -> list[DataNode]:
    return [] if ranges is None else [check_node("ranges", ranges, "cpu")]


def _read_numbers(
    policy: ViewPolicy, numbers: Numbers
) -> tuple[ViewPolicy, tuple[str, ...], list[DataNode]]:
    """Return the policy with the numbers for all samples, and names and nodes of the others."""
    nodes: dict[str, DataNode] = {}
    for name, value in numbers.items():
        check_name_of_number(name)
        if isinstance(value, (int, float)):
            policy = with_numbers(policy, (name,), (float(value),))
        else:
            nodes[name] = check_node(name, value, "cpu")
    return policy, tuple(nodes), list(nodes.values())
