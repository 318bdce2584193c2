"""Contrast gaze-conditioned views in plain PyTorch: python plain_pytorch.py XRAYS [EPOCHS]."""

from __future__ import annotations

import sys

import torch
from torch.nn.functional import cross_entropy, normalize
from torchvision.models import resnet18

import gca_dali as gca


def contrast(first: torch.Tensor, second: torch.Tensor, temperature: float = 0.5) -> torch.Tensor:
    """Return NT-Xent (SimCLR) of two embeddings [B, E] of the same images."""
    embedding = normalize(torch.cat([first, second]), dim=1)
    logits = (embedding @ embedding.T / temperature).fill_diagonal_(float("-inf"))
    return cross_entropy(logits, torch.arange(len(logits), device=logits.device).roll(len(first)))


def main(folder: str, num_epochs: int = 10, size: int = 224, batch_size: int = 64) -> list[float]:
    """Train a ResNet-18 on a folder of X-rays; return the mean loss of each epoch."""
    policy = gca.ViewPolicy.gca(size=size, channels=3)
    manifest = gca.Manifest.open(folder)
    loader = gca.GCALoader(manifest, policy, saliency="centre", batch_size=batch_size)
    network = resnet18(num_classes=128).to(loader.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = []
    for epoch in range(num_epochs):
        total = 0.0
        for batch in loader:
            loss = contrast(network(batch.views[0]), network(batch.views[1]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() / len(loader)
        losses.append(total)
        print(f"epoch {epoch}: loss {total:.3f}")
    return losses


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
