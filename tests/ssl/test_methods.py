from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from gca_dali.ssl.methods import build_method, take_views
from gca_dali.ssl.presets import METHODS, find_preset
from pretrain_loader import PatternLoader


class TinyEncoder(nn.Module):
    """One convolution: enough for what is tested here, in milliseconds."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.layers(views).flatten(1)


def _build(method: str, preset: str = "small", num_steps: int = 20) -> Any:
    torch.manual_seed(0)
    settings = find_preset(method, preset)
    if preset == "published":
        # Heads of 8,192 and 65,536 outputs take seconds; nothing here depends on their size.
        settings = replace(settings, hidden_dim=64, output_dim=64)
    return build_method(TinyEncoder(), settings, num_steps, batch_size=16)


def _views(num_locals: int = 0) -> tuple[tuple[torch.Tensor, ...], int]:
    return take_views(next(iter(PatternLoader(num_images=16, num_locals=num_locals))))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", ["small", "published"])
@pytest.mark.parametrize("num_locals", [0, 3])
def test_gradients_reach_the_fast_parts_and_only_those(
    method: str, preset: str, num_locals: int
) -> None:
    module = _build(method, preset)
    outcome = module(*_views(num_locals))
    outcome["loss"].backward()
    for name, parameter in module.named_parameters():
        # The norms of DINO's last layer stay 1, as published.
        fast = "slow" not in name and not name.endswith("weight_g")
        assert (parameter.grad is not None) == fast, name
    assert outcome["loss"].isfinite() and not outcome[module.spread_name].requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_the_optimizer_holds_what_learns_and_spares_biases_and_norms(method: str) -> None:
    module = _build(method)
    (optimizer,), (schedule,) = module.configure_optimizers()
    decayed, plain = (group["params"] for group in optimizer.param_groups)
    learning = [p for p in module.parameters() if p.requires_grad]
    assert {id(p) for p in [*decayed, *plain]} == {id(p) for p in learning}
    assert all(p.dim() > 1 for p in decayed) and all(p.dim() == 1 for p in plain)
    assert schedule["interval"] == "step"


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    torch.manual_seed(0)
    preset = find_preset("byol", "published")
    module = build_method(TinyEncoder(), preset, num_steps=50, batch_size=256, num_warmup_steps=5)
    (optimizer,), (schedule,) = module.configure_optimizers()
    rates = []
    for _ in range(50):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["scheduler"].step()
    assert rates[:5] == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.2])
    assert max(rates) == pytest.approx(0.2) and rates[-1] == 0


def test_byol_loss_and_gradient_by_hand() -> None:
    module = _build("byol").eval()
    (view_0, view_1), _ = _views()
    weight = module.encoder.layers[0].weight
    loss = module((view_0, view_1), 2)["loss"]
    (gradient,) = torch.autograd.grad(loss, weight)
    # Grill et al. 2020, equation 2, in both directions.
    expected = torch.zeros(())
    for one, other in ((view_0, view_1), (view_1, view_0)):
        online = module.prediction(module.projection(module.encoder(one)))
        slow = module.slow_projection(module.slow_encoder(other)).detach()
        units = nn.functional.normalize(online), nn.functional.normalize(slow)
        expected = expected + (units[0] - units[1]).square().sum(1).mean()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, weight)[0])


def test_byol_of_more_views_is_the_mean_over_its_pairs() -> None:
    module = _build("byol").eval()
    views, num_globals = _views(num_locals=1)
    with torch.no_grad():
        loss = module(views, num_globals)["loss"]
        pairs = [(0, 1), (1, 0), (2, 0), (2, 1)]
        online = [module.prediction(module.projection(module.encoder(v))) for v in views]
        slow = [module.slow_projection(module.slow_encoder(v)) for v in views[:2]]
        cosines = [torch.cosine_similarity(online[i], slow[j]).mean() for i, j in pairs]
    assert loss.item() == pytest.approx(4 - 4 * float(sum(cosines)) / 4, abs=1e-5)


def test_dino_clips_the_gradient_of_each_parameter() -> None:
    module = _build("dino", num_steps=200)
    (optimizer,), _ = module.configure_optimizers()
    conv, norm = module.encoder.layers[0].weight, module.encoder.layers[1].weight
    last = module.projection.last_layer.weight_v
    for num_done, held in ((0, True), (2, False)):
        module.num_done = num_done
        for parameter, size in ((conv, 30.0), (norm, 2.0), (last, 40.0)):
            parameter.grad = torch.full_like(parameter, size / parameter.numel() ** 0.5)
        module.on_before_optimizer_step(optimizer)
        # A gradient that is short enough is left as it is beside those that are not.
        assert [float(p.grad.norm()) for p in (conv, norm)] == pytest.approx([3.0, 2.0], rel=1e-4)
        assert last.grad is None if held else float(last.grad.norm()) == pytest.approx(3, rel=1e-4)


def test_simclr_loss_by_hand() -> None:
    module = _build("simclr").eval()
    (view_0, view_1), _ = _views()
    with torch.no_grad():
        loss = module((view_0, view_1), 2)["loss"]
        embedding = module.projection(module.encoder(torch.cat([view_0, view_1])))
        unit = nn.functional.normalize(embedding, dim=1)
        logits = (unit @ unit.T / 0.2).fill_diagonal_(-math.inf)
        partner = torch.arange(32).roll(16)
        expected = nn.functional.cross_entropy(logits, partner)
    assert loss == pytest.approx(float(expected), abs=1e-5)


def test_moco_asks_the_queue_and_then_enters_its_keys() -> None:
    module = _build("moco").eval()
    (view_0, view_1), _ = _views()
    bank = module.criterion.memory_bank
    before = bank.bank.clone()
    query = nn.functional.normalize(module.projection(module.encoder(view_0)), dim=1)
    key = nn.functional.normalize(module.slow_projection(module.slow_encoder(view_1)), dim=1)
    loss = module((view_0, view_1), 2)["loss"]
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ before.T], 1) / 0.1
    expected = nn.functional.cross_entropy(logits, torch.zeros(16, dtype=torch.int64))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(bank.bank[:16], key.detach())
    assert torch.equal(bank.bank[16:], before[16:])
    assert int(bank.bank_ptr) == 16


def test_the_queue_is_in_the_state() -> None:
    state = _build("moco").state_dict()
    assert {"criterion.memory_bank.bank", "criterion.memory_bank.bank_ptr"} <= set(state)


def test_slow_copies_follow_with_the_scheduled_momentum() -> None:
    module = _build("byol", num_steps=11)
    slow = module.slow_encoder.layers[0].weight
    start = slow.clone()
    for step in range(11):
        with torch.no_grad():
            module.encoder.layers[0].weight.copy_(start + 1)
            slow.copy_(start)
        module(*_views())
        momentum = 1 - (1 - 0.97) * (math.cos(math.pi * step / 10) + 1) / 2
        torch.testing.assert_close(slow, start + (1 - momentum), rtol=0, atol=1e-6)
    assert int(module.num_updates) == 11


def test_feature_std_tells_collapse_from_spread() -> None:
    module = _build("simclr")
    spread = module(*_views())["feature_std"]
    for layer in module.projection.modules():
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.zeros_(layer.weight)
            nn.init.ones_(layer.bias)
    collapsed = module(*_views())["feature_std"]
    assert spread > 0.5 and collapsed < 1e-3


def test_the_loss_is_computed_in_full_precision_under_autocast() -> None:
    plain, halved = _build("simclr"), _build("simclr")
    views = _views()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = halved(*views)["loss"]
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(plain(*views)["loss"].item(), rel=0.02)


def test_copies_share_nothing() -> None:
    module = _build("moco")
    fast, slow = module.encoder.layers[0].weight, module.slow_encoder.layers[0].weight
    assert torch.equal(fast, slow) and fast.data_ptr() != slow.data_ptr()
    copy.deepcopy(module)


def test_one_view_is_refused() -> None:
    batch = next(iter(PatternLoader(num_images=16, num_views=1, num_locals=2)))
    message = "num_views of the first group must be at least 2 for pre-training, got 1"
    with pytest.raises(ValueError, match=message):
        take_views(batch)
