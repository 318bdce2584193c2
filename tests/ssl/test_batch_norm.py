"""Batch norm that is synchronised over processes does what the layer that it replaces does."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import distributed, nn

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


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    """A group of gloo processes, of one."""
    store = f"file://{tmp_path / 'store'}"
    distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


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


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("kind", [nn.BatchNorm2d, BatchNormAct2d])
@pytest.mark.parametrize("halved", [False, True])
def test_a_layer_trains_as_the_one_that_it_replaces(kind: type[nn.Module], halved: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(1, 4, 3), kind(4))
    _fill_norms(plain)
    shared = synchronise_batch_norm(copy.deepcopy(plain), torch.device("cpu"))
    views = 5 + torch.randn(8, 1, 16, 16)
    outputs = []
    for module in (plain, shared):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=halved):
            output = module(views)
        (output.float() ** 3).mean().backward()
        outputs.append(output)
    assert outputs[0].dtype == outputs[1].dtype == (torch.bfloat16 if halved else torch.float32)
    # bfloat16 has 8 bits.
    apart = 2**-6 if halved else 1e-4
    torch.testing.assert_close(outputs[1], outputs[0], rtol=apart, atol=apart)
    for one, other in zip(plain.parameters(), shared.parameters(), strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(other.grad, one.grad, rtol=apart, atol=apart)
    for one, other in zip(plain.buffers(), shared.buffers(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-3)
