"""A loader as other libraries expect it; each adapter is a few lines around the same batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lightning import LightningDataModule

    from gca_dali.loader import GCALoader
    from gca_dali.steps.batch import ViewBatch


class Adapter:
    """A re-iterable that changes the form of each batch; `len` is that of the loader."""

    def __init__(self, loader: GCALoader, convert: Callable[[ViewBatch], Any]) -> None:
        self.loader, self.convert = loader, convert

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        """Start an epoch of the loader."""
        return map(self.convert, self.loader)


class TrainerLoader(Adapter):
    """A loader in a `Trainer`, which counts epochs by itself.

    Parameters
    ----------
    loader : GCALoader
    is_within_epoch : callable
        Tells whether the trainer, as it is restored, is within an epoch.
    """

    def __init__(self, loader: GCALoader, is_within_epoch: Callable[[], bool]) -> None:
        super().__init__(loader, lambda batch: batch)
        self.is_within_epoch = is_within_epoch

    def state_dict(self) -> dict[str, Any]:
        """Return that of the loader."""
        return self.loader.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load it into the loader.

        After a state of the moment behind an epoch's last batch, Lightning ends that epoch without
        asking for the rest of it, which is empty: it would take that for the next epoch.
        """
        loader = self.loader
        loader.load_state_dict(state)
        if loader.order.num_batches(loader.position) == 0 and self.is_within_epoch():
            loader.set_epoch(loader.epoch + 1)


class SameEpoch(Adapter):
    """A loader that starts the same epoch each time."""

    def __init__(self, loader: GCALoader) -> None:
        super().__init__(loader, lambda batch: batch)
        self.epoch = loader.epoch

    def __iter__(self) -> Iterator[ViewBatch]:
        """Start the epoch that was current when this was made."""
        self.loader.set_epoch(self.epoch)
        return iter(self.loader)


def dali(loader: GCALoader) -> Adapter:
    """Yield what `DALIGenericIterator` yields: a list of one dict of tensors.

    Its keys are view_0, view_1, …, label, index, windows, retained, grown, flipped and focus.

    Examples
    --------
    >>> for data in dali(loader):  # doctest: +SKIP
    ...     loss = model(data[0]["view_0"], data[0]["view_1"])
    """

    def convert(batch: ViewBatch) -> list[dict[str, Any]]:
        views = {f"view_{v}": view for v, view in enumerate(batch.views)}
        others = ("label", "index", "windows", "retained", "grown", "flipped", "focus")
        return [views | {name: getattr(batch, name) for name in others}]

    return Adapter(loader, convert)


def lightly(loader: GCALoader) -> Adapter:
    """Yield ((view 0, view 1, …), labels, paths), as lightly's data sets do when collated.

    Views of the policy's dtype, [B, C, H, W] each; labels, int64, [B], -1 where there is none; B
    paths, str, as the manifest has them.
    """
    paths = loader.manifest.path

    def convert(batch: ViewBatch) -> tuple[tuple, Any, list[str]]:
        return batch.views, batch.label, paths[batch.index.cpu().numpy()].tolist()

    return Adapter(loader, convert)


def solo_learn(loader: GCALoader) -> Adapter:
    """Yield [indices, [view 0, view 1, …], labels], the batch of solo-learn's pre-training.

    Rows of the manifest, int64, [B]; views of the policy's dtype, [B, C, H, W] each; labels, int64,
    [B], -1 where there is none.
    """
    return Adapter(loader, lambda batch: [batch.index, list(batch.views), batch.label])


def dino(loader: GCALoader) -> Adapter:
    """Yield (crops, labels), crops a flat list with the globals first, as DINO's data set does.

    Crops of the policy's dtype, [B, C, H, W] each, H and W differing between groups; labels, int64,
    [B], -1 where there is none. For policies whose first group holds the globals:
    `ViewPolicy.dino()`, `dinov2`, `gca_dino`.
    """
    return Adapter(loader, lambda batch: (list(batch.views), batch.label))


def lightly_train(loader: GCALoader) -> Adapter:
    """Yield {"filename", "views", "geometries"}, the batch of lightly-train.

    A geometry of [B, 8] belongs to each view: x0, y0, x1, y1 of its window (before a rotation) and
    width, height of the original image in pixels, and 1 or 0 for a horizontal and a vertical flip.
    """
    import torch

    rows = loader.manifest
    sizes = torch.from_numpy(np.stack([rows.width, rows.height], axis=1)).to(torch.float32)

    def convert(batch: ViewBatch) -> dict[str, list[Any]]:
        index = batch.index.cpu()
        start, extent = batch.windows[..., :2].flip(-1), batch.windows[..., 2:].flip(-1)
        size = sizes[index].to(start.device)[:, None].expand_as(start)
        flips = torch.stack([batch.flipped, torch.zeros_like(batch.flipped)], dim=-1)
        geometries = torch.cat([start, start + extent, size, flips.to(start.dtype)], dim=-1)
        return {
            "filename": rows.path[index.numpy()].tolist(),
            "views": list(batch.views),
            "geometries": list(geometries.unbind(1)),
        }

    return Adapter(loader, convert)


def lightning(loader: GCALoader) -> LightningDataModule:
    """Return a data module with `ViewBatch`es to train on; its state is the loader's.

    A `Trainer(overfit_batches=…)` gets the first batches of one epoch again and again; a bare
    loader cannot know of that, and goes on to the next epoch.
    """
    from lightning import LightningDataModule

    class GCADataModule(LightningDataModule):
        """The loader as a data module; it shuffles and shards by itself."""

        def train_dataloader(self) -> TrainerLoader | SameEpoch:
            trainer = self.trainer
            if getattr(trainer, "overfit_batches", 0) > 0:
                return SameEpoch(loader)

            def is_within_epoch() -> bool:
                fit_loop: Any = getattr(trainer, "fit_loop", None)
                progress = fit_loop.epoch_progress.current
                return progress.processed < progress.started

            return TrainerLoader(loader, is_within_epoch)

        def state_dict(self) -> dict[str, Any]:
            return loader.state_dict()

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            loader.load_state_dict(state_dict)

    return GCADataModule()
