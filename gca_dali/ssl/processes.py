"""Where this process stands among the processes of a run.

Enters: the variables that `torchrun` sets. Leaves: rank and world size for the loader, and a
Lightning `Fabric` that joins the processes (gloo on CPUs, nccl on GPUs).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning.fabric import Fabric

# What srun, mpirun and MPICH set, for each of the processes that they start.
OTHER_RANKS = ("SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Processes:
    """Rank and size of the run, and of its part on this machine.

    Attributes
    ----------
    rank, world_size : int
        Among all processes.
    local_rank, local_world_size : int
        Among those on this machine.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1

    @classmethod
    def from_environment(cls) -> Processes:
        """Read the variables of `torchrun`; without them there is one process.

        Raises
        ------
        RuntimeError
            If this is one of several processes that something else has started: each would do all
            the work, in the same folder.
        """
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            for name in OTHER_RANKS:
                if os.environ.get(name, "0") != "0":
                    raise RuntimeError(
                        f"processes must be started by torchrun, got {name}={os.environ[name]}. "
                        "Start one torchrun on each machine instead."
                    )
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        return cls(*(int(os.environ[name]) for name in names))

    def share_of(self, batch_size: int) -> int:
        """Return the images per step of one process.

        Parameters
        ----------
        batch_size : int
            Images per step over all processes.

        Raises
        ------
        ValueError
            If it cannot be divided evenly.
        """
        if batch_size % self.world_size:
            raise ValueError(
                f"batch_size must be a multiple of the {self.world_size} processes, "
                f"got {batch_size}. Use {-(-batch_size // self.world_size) * self.world_size}."
            )
        return batch_size // self.world_size

    def claim_gpu(self) -> None:
        """Make this process's GPU torch's current one, where there are GPUs; loaders follow it."""
        import torch

        if self.world_size > 1 and torch.cuda.is_available():
            torch.cuda.set_device(self.local_rank)
            torch.cuda.init()


def choose_training_device(device: str) -> str:
    """Return where a network runs; a loader decides for itself, as it needs more of a GPU.

    Parameters
    ----------
    device : str
        "auto" (a GPU where torch finds one), "cpu" or "cuda".

    Returns
    -------
    str
        "cpu" or "cuda".

    Raises
    ------
    ValueError
        If the name is another one.
    RuntimeError
        If "cuda" is asked for and torch finds no GPU.
    """
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda, got {device!r}. Use auto.")
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("device must be one that torch finds, got 'cuda'. Use --device cpu.")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def launch_fabric(device: str, precision: str) -> Fabric:
    """Join the processes of the run.

    Parameters
    ----------
    device : str
        "auto", "cpu" or "cuda".
    precision : str
        "float32", "bfloat16" (autocast), or "auto": bfloat16 on GPUs that have it.

    Returns
    -------
    lightning.fabric.Fabric
        Launched; with data-parallel gradients where there is more than one process.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    import torch
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning.fabric.strategies.ddp import DDPStrategy

    if precision not in PRECISIONS:
        listed = ", ".join(PRECISIONS)
        raise ValueError(f"precision must be one of {listed}, got {precision!r}. Use auto.")
    accelerator = choose_training_device(device)
    if precision == "auto":
        halves = accelerator == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bfloat16" if halves else "float32"
    processes = Processes.from_environment()
    several = processes.world_size > 1
    fabric = Fabric(
        accelerator=accelerator,
        devices=processes.local_world_size,
        num_nodes=processes.world_size // processes.local_world_size,
        # Buffers need no broadcast: synchronised norms and the shared queue are equal everywhere.
        strategy=DDPStrategy(broadcast_buffers=False) if several else "auto",
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
        plugins=[TorchElasticEnvironment() if several else LightningEnvironment()],
    )
    fabric.launch()
    return fabric
