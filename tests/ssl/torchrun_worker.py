"""What one process of `torchrun` does in test_torchrun.py; not a test itself."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import distributed, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from gca_dali.common.state import write_state
from gca_dali.ssl.batch_norm import synchronise_batch_norm
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.presets import METHODS
from gca_dali.ssl.pretrain import pretrain
from gca_dali.ssl.processes import Processes
from gca_dali.steps.batch import ViewBatch
from pretrain_loader import PatternLoader


class DoubleLoader(PatternLoader):
    """Yields float64."""

    def _make_batch(self, indices: np.ndarray) -> ViewBatch:
        batch = super()._make_batch(indices)
        return replace(batch, views=tuple(view.double() for view in batch.views))


def compare(out: Path, processes: Processes | None = None) -> None:
    """Train with each method, in float64: what then differs from one process is no rounding."""
    to_float32 = torch.Tensor.float
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    rank, world_size = (processes.rank, processes.world_size) if processes else (0, 1)
    for method in METHODS:
        num_locals = 2 if method == "dino" else 0
        batch_size = 16 // world_size
        loader = DoubleLoader(
            64, batch_size, rank=rank, world_size=world_size, num_locals=num_locals
        )
        pretrain(loader, make_config(method), out / method)
    torch.set_default_dtype(torch.float32)
    torch.Tensor.float = to_float32


def make_config(method: str) -> PretrainConfig:
    """Return a short run."""
    encoder = EncoderConfig(view_size_px=32)
    return PretrainConfig(method, encoder=encoder, num_epochs=2, device="cpu")


def make_norms() -> nn.Module:
    """Two layers of batch norm around a convolution, with fixed weights."""
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def run_norms(module: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return output, gradient of the input and running statistics after one step."""
    images = images.clone().requires_grad_()
    output = module(images)
    (output**3).sum().backward()
    assert images.grad is not None
    state = {name: value.clone() for name, value in module.state_dict().items()}
    return {"output": output.detach(), "gradient": images.grad, **state}


def norm_images() -> torch.Tensor:
    """Eight images whose halves have other means, so that unshared statistics would differ."""
    images = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    return images + torch.arange(8.0).view(8, 1, 1, 1)


def share_norms(out: Path, processes: Processes) -> None:
    """Run the norms on this process's half of the images."""
    module = synchronise_batch_norm(make_norms(), torch.device("cpu"))
    result = run_norms(module, norm_images().chunk(processes.world_size)[processes.rank])
    write_state(out / f"norms-{processes.rank}.safetensors", result)


def resume(out: Path, processes: Processes) -> None:
    """Train MoCo with shuffled keys from a checkpoint of half the run."""
    loader = PatternLoader(
        48, processes.share_of(16), rank=processes.rank, world_size=processes.world_size
    )
    config = PretrainConfig(
        "moco", "published", EncoderConfig("test_byobnet", view_size_px=32), 2, device="cpu"
    )

    def stop(done: int, *_: object) -> None:
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    pretrain(loader, config, out / "whole")
    halted = pretrain(loader, config, out / "part", on_step=stop)
    assert halted.num_steps == 3
    torch.rand(7)
    pretrain(loader, config, out / "part", resume=halted.checkpoint)


def die_at_batch_4(number: int) -> None:
    """End this process as the kernel ends one that takes too much memory."""
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the task that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("alone", "compare", "killed", "resume"))
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.task == "alone":
        compare(arguments.out)
        return
    processes = Processes.from_environment()
    if arguments.task == "compare":
        compare(arguments.out, processes)
        share_norms(arguments.out, processes)
    elif arguments.task == "resume":
        resume(arguments.out, processes)
    else:
        loader = PatternLoader(
            48, processes.share_of(16), rank=processes.rank, world_size=processes.world_size
        )
        if processes.rank == 1:
            loader.on_batch = die_at_batch_4
        pretrain(loader, make_config("simclr"), arguments.out / "simclr")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
