"""Python operators in a graph of DALI's: one call per batch, on the CPU or on DALI's CUDA stream.

Enters: DataNodes and a function of lists of arrays. Leaves: DataNodes. What can be seen while a
graph is built is refused here: where nodes are, what kind of pipeline it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gca_dali.operators.relay import Relay
from gca_dali_kernels.gpu import import_cupy

if TYPE_CHECKING:
    from nvidia.dali import Pipeline
    from nvidia.dali.data_node import DataNode

    from gca_dali.operators.kernels import Kernels

OLDEST_DALI = (2, 0)
Batches = tuple[Sequence[Any], ...]


def current_pipeline() -> Pipeline:
    """Return the pipeline that is being defined.

    Raises
    ------
    RuntimeError
        If there is none, it cannot run these operators, or DALI is too old.
    """
    import nvidia.dali
    from nvidia.dali import Pipeline

    version = nvidia.dali.__version__
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_DALI:
        raise RuntimeError(
            f"DALI must be 2.0 or newer, got {version}. Install gca_dali[cuda12] or [cuda13]."
        )
    pipeline = Pipeline.current()
    if pipeline is None:
        raise RuntimeError(
            "operators must be called in the definition of a pipeline, got none. Decorate the "
            "function with @pipeline_def, or use gca_dali.dynamic."
        )
    if not pipeline.exec_dynamic:
        raise RuntimeError(
            "exec_dynamic must be True to run Python operators beside others, got False. Leave the "
            "option out."
        )
    return pipeline


def check_node(name: str, node: Any, device: str | None = None, of: str = "") -> DataNode:
    """Return a DataNode.

    Parameters
    ----------
    name : str
        What messages call it.
    node : object
    device : str, optional
        "cpu" or "gpu", where it must be.
    of : str
        Why it must be there.

    Raises
    ------
    TypeError, ValueError
        If it is none, or on the other device.
    """
    from nvidia.dali.data_node import DataNode

    if not isinstance(node, DataNode):
        raise TypeError(
            f"{name} must be one DataNode, got {type(node).__name__}. Call it once for each: "
            "multiple input sets cannot be had."
        )
    if device is not None and node.device != device:
        remedy = f"Use {name}.gpu()." if device == "gpu" else "Take it before .gpu() is called."
        raise ValueError(f"{name} must be on the {device}{of}, got {node.device}. {remedy}")
    return node


def choose_kernels(pipeline: Pipeline, device: str) -> Kernels:
    """Return the kernels of a node's device."""
    from gca_dali.operators.kernels import CpuKernels

    if device == "cpu":
        return CpuKernels(pipeline.num_threads)
    from gca_dali.operators.cuda_kernels import CudaKernels

    return CudaKernels()


def keep_stream(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function that DALI calls on its own stream, so that an error does not end the stream.

    DALI puts the stream's address into one of CuPy's, and takes it out only after a call that
    succeeds; CuPy destroys the stream whose address it still holds.
    """

    def call(*batches: Any) -> Any:
        try:
            return function(*batches)
        except BaseException:
            import_cupy().cuda.get_current_stream().ptr = 0
            raise

    return call


def call_batched(
    function: Callable[..., Any],
    nodes: Sequence[DataNode],
    host_nodes: Sequence[DataNode],
    *,
    device: str,
    layouts: Sequence[str],
) -> tuple[DataNode, ...]:
    """Add an operator that calls a function with whole batches.

    Parameters
    ----------
    function : callable
        Of the batches of `nodes`, then those of `host_nodes`, each a list of arrays (NumPy's, or
        CuPy's of nodes on the GPU); returns a tuple of lists.
    nodes : sequence of DataNode
        On the device.
    host_nodes : sequence of DataNode
        On the CPU; the function reads them on the host, also when it runs on a GPU.
    device : str
        "cpu" or "gpu".
    layouts : sequence of str
        One per output; "" for none.

    Returns
    -------
    tuple of DataNode
    """
    from nvidia.dali import fn

    options = {"num_outputs": len(layouts), "output_layouts": list(layouts)}
    inputs = (*nodes, *host_nodes)
    if device == "gpu" and host_nodes:
        relay = Relay(function)
        token = fn.python_function(*host_nodes, function=relay.put, batch_processing=True)
        inputs, function = (*nodes, token.gpu()), relay
    if device == "gpu":
        function = keep_stream(function)
    found = fn.python_function(
        *inputs, function=function, device=device, batch_processing=True, **options
    )
    return tuple(found) if len(layouts) > 1 else (found,)
