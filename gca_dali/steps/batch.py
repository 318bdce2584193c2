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
    """V augmented views of each of B images, groups of views one after the other.

    Attributes
    ----------
    views : tuple of torch.Tensor, float32 | float16 | bfloat16, V × [B, C, H, W]
        Normalised views; `views[v][b]` is view v of image `index[b]`. Sizes differ between groups.
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
    flipped : torch.Tensor, bool, [B, V]
        True where the view is the mirror image of its window.
    focus : torch.Tensor, float32, [B, 2]
        y, x of the attended point that views with focus share, in pixels of the original image;
        NaN without focus, and where the map holds no mass.
    groups : tuple of slice
        The views of each group: `views[groups[0]]` are those of the first, such as DINO's globals.
    """

    views: tuple[torch.Tensor, ...]
    index: torch.Tensor
    label: torch.Tensor
    windows: torch.Tensor
    retained: torch.Tensor
    grown: torch.Tensor
    flipped: torch.Tensor
    focus: torch.Tensor
    groups: tuple[slice, ...]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> ViewBatch:
        """Return the batch on another device."""
        moved = {
            f.name: getattr(self, f.name).to(device, non_blocking=non_blocking)
            for f in fields(self)
            if f.name not in ("views", "groups")
        }
        views = tuple(view.to(device, non_blocking=non_blocking) for view in self.views)
        return ViewBatch(views=views, groups=self.groups, **moved)

    def __len__(self) -> int:
        """Return the number of images B."""
        return len(self.index)

    def __repr__(self) -> str:
        """Show shapes and dtypes instead of pixels."""
        groups = [self.views[group] for group in self.groups]
        told = " and ".join(f"{len(views)} views {list(views[0].shape)}" for views in groups)
        view = self.views[0]
        return (
            f"ViewBatch({told} {view.dtype} on {view.device}, "
            f"retained {self.retained.mean().item():.3f}, grown {int(self.grown.sum())})"
        )
