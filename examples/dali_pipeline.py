"""Gaze-conditioned pairs in a DALI pipeline of your own: python dali_pipeline.py XRAYS [EPOCHS]."""

from __future__ import annotations

import sys

import nvidia.dali.fn as fn
import torch
from nvidia.dali import pipeline_def, types
from nvidia.dali.plugin.pytorch import DALIGenericIterator, LastBatchPolicy
from torch.nn.functional import cross_entropy, normalize
from torchvision.models import resnet18

import gca_dali.fn as gfn
from gca_dali import Manifest, ViewPolicy

GPU = torch.cuda.is_available()


@pipeline_def(num_threads=4, device_id=0 if GPU else None)
def pairs(files: list[str], policy: ViewPolicy):
    """Read and decode as ever; then draw and render pairs of views."""
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
    (views,), windows = gfn.gaze_views(images, saliency, keys, policy=policy)
    return views, windows.retained


def main(folder: str, num_epochs: int = 10, size: int = 224, batch_size: int = 64) -> list[float]:
    """Train a ResNet-18 by SimCLR; return the mean loss of each epoch."""
    policy = ViewPolicy.gca(size=size, channels=3)
    pipeline = pairs(Manifest.open(folder).files, policy, batch_size=batch_size)
    batches = DALIGenericIterator(
        pipeline,
        ["views", "retained"],
        reader_name="reader",
        last_batch_policy=LastBatchPolicy.PARTIAL,
        auto_reset=True,
    )
    network = resnet18(num_classes=128).to("cuda" if GPU else "cpu")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = []
    for epoch in range(num_epochs):
        total, num = 0.0, 0
        for (batch,) in batches:
            first, second = batch["views"].unbind(1)  # [B, 2, 3, H, W]
            embedding = normalize(network(torch.cat([first, second])), dim=1)
            logits = (embedding @ embedding.T / 0.5).fill_diagonal_(float("-inf"))
            partner = torch.arange(len(logits), device=logits.device).roll(len(first))
            loss = cross_entropy(logits, partner)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, num = total + loss.item(), num + 1
        losses.append(total / num)
        print(f"epoch {epoch}: loss {losses[-1]:.3f}")
    return losses


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
