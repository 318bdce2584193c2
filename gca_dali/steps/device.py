"""Choose where the kernels run.

Enters: "auto", "cpu", "cuda" or "cuda:N". Leaves: "cpu" or "cuda:N", checked; `loader` builds its
pipeline there.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from gca_dali.common.machine import is_failed_pipeline, is_machine_fault

LOG = logging.getLogger("gca_dali")
CPU = "cpu"
# How torch, DALI and CUDA say it.
OUT_OF_MEMORY = (
    "out of memory",
    "cuda allocation failed",
    "failed to allocate",
    "bytes on device",
)

_said: set[str] = set()


def choose_device(device: str = "auto") -> str:
    """Return the device to use.

    Parameters
    ----------
    device : str
        "auto" takes a GPU where one can be used and the CPU otherwise, and says so once in the
        log; "cuda" means torch's current device.

    Returns
    -------
    str
        "cpu" or "cuda:N".

    Raises
    ------
    ValueError
        If the name is none of these.
    RuntimeError
        If a GPU is asked for and cannot be used.

    Examples
    --------
    >>> choose_device("cpu")
    'cpu'
    """
    name = re.fullmatch(r"auto|cpu|cuda(?::(\d+))?", device)
    if name is None:
        raise ValueError(
            f"device must be 'auto', 'cpu', 'cuda' or 'cuda:N', got {device!r}. "
            "'auto' finds out what is there."
        )
    if device == CPU:
        return CPU
    if device != "auto":
        return check_gpu(current_gpu() if name[1] is None else int(name[1]))
    try:
        return check_gpu(current_gpu())
    except RuntimeError as error:
        if str(error) not in _said:
            _said.add(str(error))
            LOG.warning("device='auto' falls back to the CPU: %s", error)
        return CPU


def check_gpu(number: int) -> str:
    """Return "cuda:N" for a GPU that can be used.

    Raises
    ------
    RuntimeError
        If there is no such GPU; the message names the remedy.
    """
    import torch

    from gca_dali_kernels.gpu import count_devices

    num_devices = count_devices()
    if not torch.cuda.is_available():
        raise RuntimeError(
            f"torch must be able to use the GPU, got {torch.__version__}, which cannot. Install a "
            "build of torch for CUDA that the driver supports, or use device='cpu'."
        )
    if number >= num_devices:
        raise RuntimeError(
            f"device must be one of cuda:0 to cuda:{num_devices - 1}, got cuda:{number}. "
            "CUDA_VISIBLE_DEVICES decides which GPUs are counted."
        )
    return f"cuda:{number}"


def current(device: str) -> AbstractContextManager[Any]:
    """Return a context in which a GPU is the current one of CUDA; on the CPU it does nothing.

    DALI takes the address of a stream for one of the current GPU: the default stream of all of
    them has the same.
    """
    if device == CPU:
        return nullcontext()
    import torch

    return torch.cuda.device(device)


@contextmanager
def explained_memory() -> Iterator[None]:
    """Turn the errors of DALI and torch about memory into one line.

    Raises
    ------
    RuntimeError
        If the GPU has no memory left; other errors pass.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        text = " ".join(str(error).split())
        raise RuntimeError(
            f"GPU memory must hold the batch, got {text[:120]!r}. "
            "Lower batch_size, or the policy's num_views or size, or use device='cpu'."
        ) from error


@contextmanager
def on_device(device: str) -> Iterator[None]:
    """Run what follows with a GPU as the current one and its memory explained; see both.

    Raises
    ------
    RuntimeError
        If the GPU has no memory left; other errors pass, and all on the CPU.
    """
    if device == CPU:
        yield
        return
    with explained_memory(), current(device):
        yield


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Tell whether DALI or torch has run out of memory; what is explained already does not count.

    DALI's own allocations fail with a MemoryError that names the device; one of the host passes.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB."))
    True
    """
    text = str(error).lower()
    return not is_explained(error) and any(sign in text for sign in OUT_OF_MEMORY)


def is_explained(error: BaseException) -> bool:
    """Tell whether an error is one that `explained_memory` or a resident set has raised."""
    return str(error).startswith("GPU memory must")


def may_pass(error: BaseException) -> bool:
    """Tell whether a batch that failed, of files that are sound, may succeed later."""
    return not is_explained(error) and (is_machine_fault(error) or is_failed_pipeline(error))


def current_gpu() -> int:
    """Return torch's current GPU; before there is one, `torchrun`'s rank on this machine, or 0."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return torch.cuda.current_device()
    # A launcher may show each process its own GPU alone.
    return int(os.environ.get("LOCAL_RANK", "0")) % max(count_gpus(), 1)


def count_gpus() -> int:
    """Return how many GPUs torch sees, without taking one into use; 0 without torch."""
    torch = sys.modules.get("torch")
    return 0 if torch is None else torch.cuda.device_count()
