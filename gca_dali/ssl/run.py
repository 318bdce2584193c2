"""The parts of a pre-training run and its position, to be stepped, saved and restored.

Enters: a loader, a config, and a state to resume. Leaves: steps taken, and states for
`checkpoint`. Next: `pretrain` drives it.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gca_dali.ssl.batch_norm import synchronise_batch_norm
from gca_dali.ssl.encoders import build_encoder, check_view_sizes
from gca_dali.ssl.methods import ContrastiveModule, build_method, take_views
from gca_dali.ssl.methods.view_groups import check_num_globals
from gca_dali.ssl.presets import MethodPreset, find_preset
from gca_dali.ssl.processes import launch_fabric
from gca_dali.ssl.weights import start_from

if TYPE_CHECKING:
    from gca_dali.ssl.config import PretrainConfig, ResumableLoader
    from gca_dali.steps.batch import ViewBatch

CHECKPOINT_FORMAT = "gca_dali.pretrain.2"


class PretrainRun:
    """Network, optimiser, schedule, loader, and where they stand.

    Parameters
    ----------
    loader : ResumableLoader
        This process's batches.
    config : PretrainConfig
        What to train.

    Attributes
    ----------
    epoch, batch : int
        `batch` batches of epoch `epoch` are done.
    num_batches, num_steps : int
        Batches of an epoch, steps of the run.
    batch_size : int
        Images per step over all processes.
    """

    def __init__(self, loader: ResumableLoader, config: PretrainConfig) -> None:
        self.loader, self.config = loader, config
        self.fabric = launch_fabric(config.device, config.precision)
        self.num_batches = len(loader)
        if self.num_batches < 1:
            raise ValueError(
                f"loader must hold at least one batch, got {self.num_batches}. "
                "Use a smaller --batch-size."
            )
        check_num_globals(loader.policy.groups[0].num_views)
        self.batch_size = loader.config.batch_size * self.fabric.world_size
        self.num_steps = self.num_batches * config.num_epochs
        self.epoch = self.batch = 0
        self.method = self._build_module()
        (optimizer,), (schedule,) = self.method.configure_optimizers()
        self.scheduler = schedule["scheduler"]
        self.module, self.optimizer = self.fabric.setup(self.method, optimizer)

    @property
    def step(self) -> int:
        """Steps done since the start of the run."""
        return self.epoch * self.num_batches + self.batch

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return float(self.scheduler.get_last_lr()[0])

    def train_on(self, batch: ViewBatch) -> dict[str, Tensor]:
        """Take one optimiser step; return "loss" and the spread of the features."""
        views, num_globals = take_views(batch)
        views = tuple(v.to(self.fabric.device, non_blocking=True) for v in views)
        self._seed_step()
        outcome = self.module(views, num_globals)
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(outcome["loss"])
        self.method.on_before_optimizer_step(self.optimizer)
        self.optimizer.step()
        self.scheduler.step()
        self.batch += 1
        return outcome

    def close_epoch(self) -> None:
        """Move to the start of the next epoch."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.loader.set_epoch(self.epoch)

    def state(self) -> dict[str, Any]:
        """Return everything that the rest of the run depends on, for `checkpoint.write_state`."""
        return {
            "format": CHECKPOINT_FORMAT,
            "config": asdict(self.config),
            "preset": asdict(self.method.preset),
            "batch_size": self.batch_size,
            "num_batches": self.num_batches,
            "epoch": self.epoch,
            "batch": self.batch,
            "loader": self.loader.state_dict(),
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state.

        Raises
        ------
        ValueError
            If it is the state of another run.
        """
        self._refuse_other_run(state)
        self.config = replace(self.config, init=state["config"].get("init"))
        self.epoch, self.batch = state["epoch"], state["batch"]
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.loader.load_state_dict(state["loader"])

    def _refuse_other_run(self, state: dict[str, Any]) -> None:
        if state.get("format") != CHECKPOINT_FORMAT:
            raise ValueError(
                f"checkpoint must be of format {CHECKPOINT_FORMAT}, got {state.get('format')!r}. "
                "Start anew without --resume."
            )
        # Where it runs may change; what is computed may not.
        free = ("device", "precision", "compile", "init")
        now = {k: v for k, v in asdict(self.config).items() if k not in free}
        now |= {"batch_size": self.batch_size, "num_batches": self.num_batches}
        then = state["config"] | {k: state[k] for k in ("batch_size", "num_batches")}
        # A preset's numbers may differ between versions.
        now |= _flatten("preset", asdict(self.method.preset))
        then |= _flatten("preset", state["preset"])
        for name in [*now, *sorted(then.keys() - now.keys() - set(free))]:
            if now.get(name) != then.get(name):
                raise ValueError(
                    f"{name} must be {then.get(name)} as in the checkpoint, got {now.get(name)}. "
                    "Use settings and version of the first start, or start anew without --resume."
                )

    def _build_module(self) -> ContrastiveModule:
        preset = find_preset(self.config.method, self.config.preset)
        torch.manual_seed(self.config.seed)
        encoder = build_encoder(self.config.encoder)
        sizes_px = [group.size for group in self.loader.policy.groups]
        check_view_sizes(encoder, self.config.encoder, sizes_px)
        if self.config.init is not None:
            start_from(encoder, self.config.encoder, self.config.init)
        module = build_method(
            encoder,
            self._fit_queue(preset),
            self.num_steps,
            self.batch_size,
            self._num_warmup_steps(preset),
        )
        if self.fabric.world_size > 1 and preset.batch_norm == "synchronised":
            synchronise_batch_norm(module, self.fabric.device)
        module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if self.config.compile:
            for encoder in (module.encoder, getattr(module, "slow_encoder", None)):
                if encoder is not None:
                    encoder.compile()
        return module

    def _seed_step(self) -> None:
        """Draw dropout and the order of shuffled keys from the step: a resumed run draws the same.

        Torch's global generator is in no checkpoint.
        """
        key = [self.config.seed % 2**64, self.step, self.fabric.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]))

    def _fit_queue(self, preset: MethodPreset) -> MethodPreset:
        """Cut MoCo's queue to a quarter of an epoch, so that few images meet their own keys.

        Epochs are shuffled anew: of N images Q² / 2N² have a key of their own among Q negatives,
        3 % at a quarter and half of them at a whole epoch. The queue holds whole batches, because
        which part of one enters depends on the number of processes; of epochs that are shorter than
        four batches it holds a part of one.
        """
        most = min(preset.num_negatives, max(1, self.num_batches * self.batch_size // 4))
        whole = most // self.batch_size * self.batch_size
        return replace(preset, num_negatives=whole or most)

    def _num_warmup_steps(self, preset: MethodPreset) -> int:
        num_wanted = preset.optimizer.num_warmup_epochs * self.num_batches
        return round(min(num_wanted, self.num_steps / 10))


def _flatten(name: str, value: Any) -> dict[str, Any]:
    """Return the values of nested settings by their dotted names."""
    if not isinstance(value, dict):
        return {name: value}
    parts = (_flatten(f"{name}.{key}", item) for key, item in value.items())
    return {key: item for part in parts for key, item in part.items()}
