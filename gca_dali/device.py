"""Choose where the kernels run.

Enters: "auto", "cpu", "cuda" or "cuda:N". Leaves: "cpu" or "cuda:N", checked; `loader` builds its
pipeline there.
"""

from __future__ import annotations

import logging
import re
import sys

LOG = logging.getLogger("gca_dali")
CPU = "cpu"

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
    from gca_dali_kernels.gpu import count_devices

    num_devices = count_devices()
    if number >= num_devices:
        raise RuntimeError(
            f"device must be one of cuda:0 to cuda:{num_devices - 1}, got cuda:{number}. "
            "CUDA_VISIBLE_DEVICES decides which GPUs are counted."
        )
    return f"cuda:{number}"


def current_gpu() -> int:
    """Return torch's current GPU, which launchers of several processes set; 0 without one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0
    return torch.cuda.current_device()
