"""Batch norm that is synchronised over processes does what the layer that it replaces does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gca_dali.ssl.batch_norm import synchronise_batch_norm
from gca_dali.ssl.encoders import EncoderConfig, build_encoder


def _fill_norms(module: nn.Module) -> None:
    """Give every norm statistics, weights and biases that are seen in its output."""
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            assert layer.running_mean is not None and layer.running_var is not None
            for values in (layer.running_mean, layer.bias.data):
                values.normal_(0, 0.2)
            for values in (layer.running_var, layer.weight.data):
                values.uniform_(0.5, 2)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "test_byobnet", "resnet18"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_an_encoder_is_the_same_after_conversion(name: str, device: str) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderConfig(name, view_size_px=64)).eval()
    _fill_norms(encoder)
    names = list(encoder.state_dict()), [key for key, _ in encoder.named_parameters()]
    views = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        before = encoder(views)
        # Layers for CUDA run on the CPU, too, as long as they are not trained.
        converted = synchronise_batch_norm(encoder, torch.device(device))
        after = converted(views)
    norms = [m for m in converted.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert norms and not any(isinstance(norm, nn.BatchNorm2d) for norm in norms)
    torch.testing.assert_close(after, before)
    assert before.std() > 0
    again = list(converted.state_dict()), [key for key, _ in converted.named_parameters()]
    assert again == names
