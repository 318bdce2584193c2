"""What one process of `torchrun` does in test_torchrun.py; not a test itself."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

import torch
from torch import distributed, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from gca_dali.ssl.batch_norm import synchronise_batch_norm
from gca_dali.ssl.checkpoint import write_state
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.pretrain import pretrain
from gca_dali.ssl.processes import Processes
from pretrain_loader import PatternLoader


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


def die_at_batch_4(number: int) -> None:
    """End this process as the kernel ends one that takes too much memory."""
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the task that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("compare", "killed"))
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    processes = Processes.from_environment()
    loader = PatternLoader(
        num_images=48,
        batch_size=processes.share_of(16),
        rank=processes.rank,
        world_size=processes.world_size,
    )
    methods = ("simclr", "moco", "byol") if arguments.task == "compare" else ("simclr",)
    for method in methods:
        config = PretrainConfig(
            method, encoder=EncoderConfig(view_size_px=32), num_epochs=2, device="cpu"
        )
        if arguments.task == "killed" and processes.rank == 1:
            loader.on_batch = die_at_batch_4
        pretrain(loader, config, arguments.out / method)
    if arguments.task == "compare":
        share_norms(arguments.out, processes)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
