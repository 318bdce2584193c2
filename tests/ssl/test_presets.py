from __future__ import annotations

import pytest

from gca_dali.ssl.presets import METHODS, PRESETS, MethodPreset, OptimizerPreset, find_preset


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_method_has_every_preset(method: str, preset: str) -> None:
    assert find_preset(method, preset).method == method


def test_published_numbers() -> None:
    simclr, moco, byol, vicreg, dino = (find_preset(m, "published") for m in METHODS)
    assert simclr.optimizer.learning_rate(4096) == pytest.approx(4.8)
    assert (simclr.optimizer.name, simclr.temperature) == ("lars", 0.1)
    assert moco.optimizer.learning_rate(256) == pytest.approx(0.03)
    assert (moco.momentum, moco.temperature, moco.num_negatives) == ((0.999, 0.999), 0.2, 65536)
    assert byol.momentum == (0.996, 1.0)
    assert byol.optimizer.learning_rate(4096) == pytest.approx(3.2)
    assert (vicreg.hidden_dim, vicreg.output_dim) == (8192, 8192)
    assert vicreg.optimizer.learning_rate(2048) == pytest.approx(1.6)
    assert dino.optimizer.learning_rate(1024) == pytest.approx(0.002)
    assert (dino.optimizer.weight_decay, dino.output_dim, dino.temperature) == (0.04, 65536, 0.1)
    assert dino.dino is not None and dino.dino.teacher_temperature == (0.04, 0.07)


def test_small_byol_is_the_sister_papers_rate_at_its_batch() -> None:
    preset = find_preset("byol", "small")
    assert preset.optimizer.name == "adamw"
    assert preset.optimizer.learning_rate(512) == pytest.approx(4e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: find_preset("swav", "small"),
            "method must be one of simclr, .*, dino, got 'swav'",
        ),
        (lambda: find_preset("byol", "big"), "preset must be one of small, published, got 'big'"),
        (lambda: OptimizerPreset("adam", 1, "linear", 0), "optimizer must be one of sgd"),
        (lambda: OptimizerPreset("sgd", 1, "cubic", 0), "rate_law must be one of linear"),
        (lambda: OptimizerPreset("sgd", -1, "linear", 0), "base_rate must be a finite number"),
    ],
)
def test_refuses(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_refuses_temperature_momentum_and_norm_out_of_range() -> None:
    optimizer = OptimizerPreset("sgd", 0.1, "linear", 0)
    with pytest.raises(ValueError, match="temperature must be > 0, got 0"):
        MethodPreset("simclr", optimizer, 8, 8, temperature=0)
    with pytest.raises(ValueError, match=r"momentum must lie in \[0, 1\]"):
        MethodPreset("moco", optimizer, 8, 8, momentum=(0.9, 1.1))
    with pytest.raises(ValueError, match="batch_norm must be one of synchronised, shuffled"):
        MethodPreset("moco", optimizer, 8, 8, batch_norm="none")
    with pytest.raises(ValueError, match="dino must be settings for method dino alone, got None"):
        MethodPreset("dino", optimizer, 8, 8)
