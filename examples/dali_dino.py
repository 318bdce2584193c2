"""DINO's crops on DALI, the local ones where readers look: python dali_dino.py XRAYS.

Two free global views and eight small ones of each image; the locals share an attended point.
"""

from __future__ import annotations

import sys

import nvidia.dali.fn as fn
import torch
from nvidia.dali import pipeline_def, types
from nvidia.dali.plugin.pytorch import DALIGenericIterator, LastBatchPolicy

import gca_dali.fn as gfn
from gca_dali import Manifest, ViewPolicy

GPU = torch.cuda.is_available()


@pipeline_def(num_threads=4, device_id=0 if GPU else None)
def crops(files: list[str], policy: ViewPolicy):
    """Return global views, [2, C, H, W], and local ones, [8, C, h, w], of each image."""
    encoded, index = fn.readers.file(
        files=files,
        labels=list(range(len(files))),
        random_shuffle=True,
        pad_last_batch=True,
        name="reader",
    )
    images = fn.decoders.image(encoded, device="mixed" if GPU else "cpu", output_type=types.GRAY)
    keys = gfn.keys(index, epoch=gfn.count_epochs(len(files)))
    saliency = gfn.saliency(keys, "centre", device="gpu" if GPU else "cpu")
    (large, small), _ = gfn.gaze_views(images, saliency, keys, policy=policy)
    return large, small


def main(folder: str, size: int = 224, batch_size: int = 64) -> list[torch.Size]:
    """Hand DINO its flat list of crops, globals first; return the shapes of the last one."""
    policy = ViewPolicy.gca_dino(size=size, channels=3)
    pipeline = crops(Manifest.open(folder).files, policy, batch_size=batch_size)
    batches = DALIGenericIterator(
        pipeline, ["large", "small"], reader_name="reader", last_batch_policy=LastBatchPolicy.DROP
    )
    views = []
    for (batch,) in batches:
        views = [*batch["large"].unbind(1), *batch["small"].unbind(1)]  # 2 + 8 of [B, C, ·, ·]
    print([list(view.shape) for view in views])
    return [view.shape for view in views]


if __name__ == "__main__":
    main(sys.argv[1])
