"""Local views: who sees them, which pairs are compared, DINO's schedules and collapse."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
import torch
from lightly.loss import VICRegLoss
from torch import nn

from gca_dali.ssl.methods import build_method, take_views
from gca_dali.ssl.methods.view_groups import embed
from gca_dali.ssl.presets import find_preset
from pretrain_loader import PatternLoader


class SeenSizes(nn.Module):
    """Mean and deviation of each view, and a record of what came in one forward pass."""

    num_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 4)
        self.seen: list[tuple[int, int]] = []

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        self.seen.append((views.shape[0], views.shape[-1]))
        return self.layer(torch.stack([views.mean((1, 2, 3)), views.std((1, 2, 3))], 1))


def _build(method: str, preset: str = "small", num_steps: int = 20) -> Any:
    torch.manual_seed(0)
    settings = replace(find_preset(method, preset), hidden_dim=64, output_dim=64)
    return build_method(SeenSizes(), settings, num_steps, batch_size=16)


def _views(num_locals: int = 3) -> tuple[tuple[torch.Tensor, ...], int]:
    return take_views(next(iter(PatternLoader(num_images=16, num_locals=num_locals))))


def test_views_of_one_size_share_a_forward_pass() -> None:
    views, num_globals = _views()
    encoder = SeenSizes()
    features = embed(encoder, views)
    assert num_globals == 2 and encoder.seen == [(32, 32), (48, 16)]
    for number, view in enumerate(views):
        torch.testing.assert_close(features[16 * number : 16 * number + 16], encoder(view))


def test_dinos_teacher_sees_globals_and_its_student_all() -> None:
    module = _build("dino")
    module(*_views())
    assert module.encoder.seen == [(32, 32), (48, 16)]
    assert module.slow_encoder.seen == [(32, 32)]


def test_dino_loss_by_hand() -> None:
    module = _build("dino", num_steps=10).eval()
    torch.nn.init.normal_(module.criterion.center)
    center = module.criterion.center.reshape(-1).clone()
    views, num_globals = _views()
    with torch.no_grad():
        loss = module(views, num_globals)["loss"]
        student = [module.projection(module.encoder(v)) / 0.1 for v in views]
        raw = [module.slow_projection(module.slow_encoder(v)) for v in views[:2]]
        teacher = [((t - center) / 0.04).softmax(1) for t in raw]
        terms = [
            -(t * s.log_softmax(1)).sum(1).mean()
            for i, t in enumerate(teacher)
            for j, s in enumerate(student)
            if i != j
        ]
    assert len(terms) == 8
    assert loss.item() == pytest.approx(float(sum(terms)) / 8, rel=1e-5)
    expected = 0.9 * center + 0.1 * torch.cat(raw).mean(0)
    torch.testing.assert_close(module.criterion.center.reshape(-1), expected)


def test_vicreg_of_two_views_is_lightlys() -> None:
    module = _build("vicreg").eval()
    views, num_globals = _views(num_locals=0)
    with torch.no_grad():
        loss = module(views, num_globals)["loss"]
        expected = VICRegLoss()(*(module.projection(module.encoder(v)) for v in views))
    torch.testing.assert_close(loss, expected)


def test_vicreg_loss_by_hand() -> None:
    module = _build("vicreg").eval()
    views, num_globals = _views(num_locals=1)
    with torch.no_grad():
        loss = module(views, num_globals)["loss"]
        embeddings = [module.projection(module.encoder(v)) for v in views]
    terms = []
    for one, other in combinations(embeddings, 2):
        term = 25 * ((one - other) ** 2).mean()
        for z in (one, other):
            term += 25 / 2 * (1 - (z.var(0) + 1e-4).sqrt()).clamp(min=0).mean()
            covariance = torch.cov(z.T)
            off_diagonal = covariance - covariance.diag().diag()
            term += (off_diagonal**2).sum() / z.shape[1]
        terms.append(term)
    assert len(terms) == 3
    assert loss.item() == pytest.approx(float(sum(terms)) / 3, rel=1e-4)


def test_simclr_compares_every_pair_of_views() -> None:
    module = _build("simclr").eval()
    views, num_globals = _views(num_locals=2)
    with torch.no_grad():
        loss = module(views, num_globals)["loss"]
        pairs = [module(pair, 2)["loss"] for pair in combinations(views, 2)]
    assert len(pairs) == 6
    assert loss.item() == pytest.approx(float(sum(pairs)) / 6, rel=1e-5)


def test_byol_predicts_globals_from_every_other_view() -> None:
    module = _build("byol").eval()
    views, num_globals = _views(num_locals=2)
    with torch.no_grad():
        loss = module(views, num_globals)["loss"]
        predictions = [module.prediction(module.projection(module.encoder(v))) for v in views]
        targets = [module.slow_projection(module.slow_encoder(v)) for v in views[:2]]
        cosines = [
            torch.cosine_similarity(predictions[i], targets[j]).mean()
            for i, j in [(0, 1), (1, 0), (2, 0), (2, 1), (3, 0), (3, 1)]
        ]
    assert loss.item() == pytest.approx(2 * (2 - 2 * float(sum(cosines)) / 6), abs=1e-5)


def test_mocos_key_is_asked_for_by_every_other_view_and_queued_once() -> None:
    module = _build("moco").eval()
    views, num_globals = _views(num_locals=2)
    bank = module.criterion.memory_bank
    before = bank.bank.clone()
    key = nn.functional.normalize(module.slow_projection(module.slow_encoder(views[1])), dim=1)
    terms = []
    for view in (views[0], views[2], views[3]):
        query = nn.functional.normalize(module.projection(module.encoder(view)), dim=1)
        logits = torch.cat([(query * key).sum(1, keepdim=True), query @ before.T], 1) / 0.1
        terms.append(nn.functional.cross_entropy(logits, torch.zeros(16, dtype=torch.int64)))
    loss = module(views, num_globals)["loss"]
    assert loss.item() == pytest.approx(sum(term.item() for term in terms) / 3, rel=1e-5)
    torch.testing.assert_close(bank.bank[:16], key.detach())
    assert torch.equal(bank.bank[16:], before[16:])


def test_dinos_schedules() -> None:
    module = _build("dino", "published", num_steps=100)
    (optimizer,), _ = module.configure_optimizers()
    temperatures, decays, held, norms = [], [], [], []
    views = _views()
    for _ in range(100):
        module(*views)["loss"].backward()
        module.on_before_optimizer_step(optimizer)
        norms.append(max(p.grad.norm().item() for p in module.parameters() if p.grad is not None))
        temperatures.append(module.teacher_temperature)
        decays.append(optimizer.param_groups[0]["weight_decay"])
        held.append(module.projection.last_layer.weight_v.grad is None)
        optimizer.zero_grad(set_to_none=True)
        if len(held) == 3:
            module.num_updates.fill_(15)
        if len(held) == 4:
            module.num_updates.fill_(99)
        if len(held) == 5:
            break
    assert temperatures == pytest.approx([0.04, 0.041, 0.042, 0.055, 0.07])
    assert 2.999 < max(norms) <= 3.0001  # of each parameter, not of all together
    assert held == [True, False, False, False, False]
    middle = 0.4 - 0.36 * (math.cos(math.pi * 15 / 99) + 1) / 2
    assert decays[0] == pytest.approx(0.04) and decays[-1] == pytest.approx(0.4)
    assert decays[3] == pytest.approx(middle)
    assert optimizer.param_groups[1]["weight_decay"] == 0


def test_teacher_information_is_zero_in_both_kinds_of_collapse() -> None:
    module = _build("dino")
    uniform = torch.full((32, 64), 1 / 64)
    one_place = nn.functional.one_hot(torch.zeros(32, dtype=torch.int64), 64).float()
    own_place = nn.functional.one_hot(torch.arange(32), 64).float()
    assert module.measure_spread(uniform).item() == pytest.approx(0, abs=1e-5)
    assert module.measure_spread(one_place).item() == pytest.approx(0, abs=1e-5)
    assert module.measure_spread(own_place).item() == pytest.approx(1, abs=1e-5)


def test_vicregs_variance_tells_collapse() -> None:
    module = _build("vicreg")
    points = torch.randn(4096, 8)
    assert module.measure_spread(points).item() == pytest.approx(1, abs=0.05)
    assert module.measure_spread(points[:1].expand(64, 8)).item() == 0
