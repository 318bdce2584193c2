"""What the loader yields: `ViewBatch`, V tensors of views and what the randomness decided.

Enters: the outputs of the pipeline. Leaves: torch tensors on the loader's device. Next: training.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ViewBatch:
    """V augmented views of each of B images.

    Attributes
    ----------
    views : tuple of torch.Tensor, float32 | float16 | bfloat16, V × [B, C, H, W]
        Normalised views; `views[v][b]` is view v of image `index[b]`.
    index : torch.Tensor, int64, [B]
        Rows of the manifest.
    label : torch.Tensor, int64, [B]
        Labels, -1 where there is none.
    windows : torch.Tensor, float32, [B, V, 4]
        y0, x0, height, width of each window in pixels of the original image.
    retained : torch.Tensor, float32, [B, V]
        Share of the saliency mass that lies in the window; 1 where the map holds no mass.
    grown : torch.Tensor, bool, [B, V]
        True where no place of the drawn size held tau, so the window was enlarged.
    """

    views: tuple[torch.Tensor, ...]
    index: torch.Tensor
    label: torch.Tensor
    windows: torch.Tensor
    retained: torch.Tensor
    grown: torch.Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> ViewBatch:
        """Return the batch on another device."""
        moved = {
            f.name: getattr(self, f.name).to(device, non_blocking=non_blocking)
            for f in fields(self)
            if f.name != "views"
        }
        views = tuple(view.to(device, non_blocking=non_blocking) for view in self.views)
        return ViewBatch(views=views, **moved)

    def __len__(self) -> int:
        """Return the number of images B."""
        return len(self.index)

    def __repr__(self) -> str:
        """Show shapes and dtypes instead of pixels."""
        view = self.views[0]
        return (
            f"ViewBatch({len(self.views)} views {list(view.shape)} {view.dtype} on {view.device}, "
            f"retained {self.retained.mean().item():.3f}, grown {int(self.grown.sum())})"
        )
