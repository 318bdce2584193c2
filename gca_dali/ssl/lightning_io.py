"""Checkpoints of a Lightning `Trainer` without pickles.

Enters: what Lightning would pickle. Leaves: the same in one safetensors file. For trainers of
one's own: `Trainer(plugins=[SafetensorsIO()])`; `gca-dali pretrain` writes by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from gca_dali.common.state import read_state, write_state


class SafetensorsIO(CheckpointIO):
    """Writes and reads checkpoints by `gca_dali.common.state`.

    Examples
    --------
    >>> trainer = lightning.Trainer(plugins=[SafetensorsIO()])  # doctest: +SKIP
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; see `gca_dali.common.state.write_state`."""
        write_state(path, checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint to the CPU, from where Lightning moves it; no code in it is run."""
        return read_state(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)
