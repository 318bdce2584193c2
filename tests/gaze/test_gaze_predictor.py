"""Network, predictor and fit: shapes, loss, batch independence, files, learning, resume."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from gca_dali.data.manifest import Manifest
from gca_dali.gaze import metrics
from gca_dali.gaze.examples import split_patients
from gca_dali.gaze.fit import fit_predictor
from gca_dali.gaze.map_folder import MapFolder, write_maps
from gca_dali.gaze.network import GazeNetwork, NetworkConfig
from gca_dali.gaze.predictor import GazePredictor, PredictorFacts, choose_device
from gca_dali.gaze.prepare import prepare_image, resize_map
from gca_dali.gaze.training import FitSettings

TINY = NetworkConfig(decoder_channels=(32, 24, 16), input_px=64, map_px=16)


def make_predictor(seed: int = 0) -> GazePredictor:
    torch.manual_seed(seed)
    network = GazeNetwork(TINY)
    facts = PredictorFacts(simulated=True, num_maps=3, settings={"learning_rate": 0.1})
    return GazePredictor(network, np.full((16, 16), 1 / 256, np.float32), facts, "cpu")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, MapFolder]:
    """Forty images with one bright square each, and maps that look at it."""
    root = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    paths, maps, lines = [], {}, ["path,patient"]
    for i in range(40):
        y, x = rng.integers(8, 40, 2)
        image = rng.normal(70, 8, (64, 64))
        image[y : y + 16, x : x + 16] += 120
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(root / f"{i}.png")
        v, u = np.mgrid[:64, :64]
        maps[f"{i}.png"] = np.exp(-((v - y - 8) ** 2 + (u - x - 8) ** 2) / 72).astype(np.float32)
        paths.append(f"{i}.png")
        lines.append(f"{i}.png,p{i // 2}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    folder = write_maps(root / "maps", maps.items(), paths, simulated=True)
    return Manifest.from_csv(root / "labels.csv"), folder


def settings(num_epochs: int = 3, **others: object) -> FitSettings:
    return FitSettings(network=TINY, num_epochs=num_epochs, batch_size=8, **others)  # type: ignore


# Preparation


def test_prepare_keeps_the_whole_image_and_scales_the_range() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(6, 8) + 100
    plane = prepare_image(image, 4)
    assert plane.shape == (4, 4) and plane.dtype == np.float32
    assert plane.min() == 0 and plane.max() == 1
    np.testing.assert_allclose(prepare_image(image.astype(np.uint16) * 200, 4), plane, atol=1e-6)
    assert not prepare_image(np.full((5, 5), 9, np.uint8), 4).any()
    with pytest.raises(ValueError, match=r"image must be a grey plane \[H, W\]"):
        prepare_image(np.zeros((4, 4, 3), np.uint8), 4)


def test_resized_map_by_hand() -> None:
    saliency = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 6.0]])
    np.testing.assert_allclose(resize_map(saliency, (1, 1)), [[12]])
    np.testing.assert_allclose(resize_map(saliency, (2, 2)), [[2, 4], [0, 6]])
    grown = resize_map(saliency, (4, 3))
    np.testing.assert_allclose(grown[:2], [[0.5, 1, 1.5]] * 2)
    assert grown.sum() == pytest.approx(12)


def test_a_map_does_not_depend_on_its_batch() -> None:
    predictor = make_predictor()
    images = torch.rand(37, 1, 64, 64)
    maps = predictor.predict(images)
    assert maps.dtype == torch.float32 and maps.shape == (37, 16, 16)
    assert (maps >= 0).all() and (maps.amax((1, 2)) == 1).all()
    for size in (1, 5, 16, 30):
        parts = torch.cat([predictor.predict(chunk) for chunk in images.split(size)])
        assert torch.equal(parts, maps), f"batches of {size}"
    order = torch.randperm(37)
    assert torch.equal(predictor.predict(images[order]), maps[order])
    assert predictor.predict(images[:0]).shape == (0, 16, 16)


def test_quantised_maps_do_not_depend_on_the_number_of_threads() -> None:
    predictor = make_predictor()
    images = torch.rand(16, 1, 64, 64)
    before = torch.get_num_threads()
    found = []
    try:
        for num_threads in (1, 2):
            torch.set_num_threads(num_threads)
            found.append((predictor.predict(images) * 255 + 0.5).floor())
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])


def test_a_callers_autocast_does_not_round_the_maps() -> None:
    predictor = make_predictor()
    images = torch.rand(2, 1, 64, 64)
    expected = predictor.predict(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(predictor.predict(images), expected)


def test_planes_are_there_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy from a GPU that nobody waits for has not arrived when the next line reads it."""
    given: list[dict[str, object]] = []

    class Plane:
        def to(self, device: torch.device, **how: object) -> torch.Tensor:
            given.append(how)
            return torch.zeros(64, 64)

    monkeypatch.setattr("gca_dali.gaze.predictor.prepare_plane", lambda image, side: Plane())
    make_predictor().make_maps([np.zeros((8, 8), np.uint8)])
    assert given == [{}]


def test_images_of_another_size_are_resized() -> None:
    predictor = make_predictor()
    image = np.random.default_rng(0).integers(0, 4096, (200, 160)).astype(np.uint16)
    whole = predictor.predict(torch.from_numpy(image.astype(np.float32))[None, None])
    np.testing.assert_allclose(predictor.predict_image(image), whole[0], atol=0.02)


def test_saved_and_loaded_predictor_is_the_same(tmp_path: Path) -> None:
    predictor = make_predictor()
    predictor.save(tmp_path / "p.safetensors")
    loaded = GazePredictor.load(tmp_path / "p.safetensors", "cpu")
    images = torch.rand(5, 1, 64, 64)
    assert torch.equal(loaded.predict(images), predictor.predict(images))
    assert loaded.fingerprint == predictor.fingerprint
    assert loaded.facts == predictor.facts
    np.testing.assert_array_equal(loaded.mean_map, predictor.mean_map)
    assert make_predictor(1).fingerprint != predictor.fingerprint
    assert [file.name for file in tmp_path.iterdir()] == ["p.safetensors"]


def test_load_refuses_what_is_no_predictor(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    with pytest.raises(FileNotFoundError, match="must be a file or one of knee, got"):
        GazePredictor.load(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="must be a gaze predictor"):
        GazePredictor.load(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"must be a gaze predictor .* got format None"):
        GazePredictor.load(path)


def test_load_refuses_a_config_that_could_fetch_files(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    make_predictor().save(path)
    with safe_open(path, "pt") as stored:
        metadata, names = stored.metadata(), stored.keys()
        tensors = {name: stored.get_tensor(name) for name in names}
    config = json.loads(metadata["config"]) | {"encoder": "tu-hf-hub:somebody/model"}
    save_file(tensors, path, metadata | {"config": json.dumps(config)})
    with pytest.raises(ValueError, match=r"must be a gaze predictor .* encoder must be one of"):
        GazePredictor.load(path)


def test_predictor_refuses(tmp_path: Path) -> None:
    predictor = make_predictor()
    with pytest.raises(ValueError, match=r"images must have shape \[B, 1, h, w\], got \[2, 3, 64"):
        predictor.predict(torch.zeros(2, 3, 64, 64))
    with pytest.raises(ValueError, match=r"path must end in .safetensors, got p.pt"):
        predictor.save(tmp_path / "p.pt")
    with pytest.raises(ValueError, match=r"mean_map must have shape \[16, 16\], got \[8, 8\]"):
        GazePredictor(GazeNetwork(TINY), np.ones((8, 8)), PredictorFacts(True, 1), "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match=r"got cuda without a CUDA GPU. Use cpu"):
            choose_device("cuda")


# Fit


def test_patients_stay_on_one_side() -> None:
    patient = np.repeat([f"p{i}" for i in range(20)], 3)
    training, held_out = split_patients(patient, 0.2, 0)
    assert len(held_out) == 12
    assert not set(patient[training]) & set(patient[held_out])
    assert sorted([*training, *held_out]) == list(range(60))
    with pytest.raises(ValueError, match="patients must be at least 2 to hold one out, got 1"):
        split_patients(np.array(["a", "a"]), 0.2, 0)


def test_fit_learns_where_to_look(study: tuple[Manifest, MapFolder]) -> None:
    found = fit_predictor(*study, settings(30), device="cpu")
    assert len(found.history) == 30
    best = min(range(30), key=lambda i: (found.history[i].loss, -i))
    assert found.best_epoch == best
    facts = found.predictor.facts
    assert facts.simulated and facts.num_maps == 34 and facts.num_patients == 17
    assert facts.validation["cc"] > 0.6
    # A map that looked at the middle for every image would reach about 0.2.
    image = np.asarray(Image.open(study[0].files[0]))
    recorded = resize_map(study[1].load("0.png"), (16, 16))
    assert metrics.cc(found.predictor.predict_image(image), recorded) > 0.6


class Stop(Exception):
    pass


def test_a_stopped_fit_ends_as_if_it_had_not_been(
    study: tuple[Manifest, MapFolder], tmp_path: Path
) -> None:
    whole = fit_predictor(*study, settings(), device="cpu")
    state = tmp_path / "fit.state.safetensors"

    def stop(number: int, epoch: object) -> None:
        if number == 1:
            raise Stop

    with pytest.raises(Stop):
        fit_predictor(*study, settings(), device="cpu", state_path=state, on_epoch=stop)
    assert state.is_file()
    with pytest.raises(ValueError, match="must belong to these settings and maps"):
        fit_predictor(*study, settings(seed=1), device="cpu", state_path=state)
    resumed = fit_predictor(*study, settings(), device="cpu", state_path=state)
    assert resumed.predictor.fingerprint == whole.predictor.fingerprint
    assert resumed.history == whole.history
    assert not state.exists()


def test_fit_refuses(study: tuple[Manifest, MapFolder], tmp_path: Path) -> None:
    manifest, _ = study
    strangers = write_maps(tmp_path, [("x.png", np.ones((4, 4)))], ["x.png"], simulated=True)
    with pytest.raises(ValueError, match="must belong to images of the manifest, got none"):
        fit_predictor(manifest, strangers, settings(), device="cpu")
    empty = write_maps(tmp_path, [("0.png", np.zeros((4, 4)))], ["0.png"], simulated=True)
    with pytest.raises(ValueError, match="must hold mass, got zeros only"):
        fit_predictor(manifest, empty, settings(), device="cpu")
    with pytest.raises(ValueError, match="num_epochs must be positive, got 0"):
        settings(0)
    with pytest.raises(ValueError, match="validation_share must lie between 0 and 1, got 1"):
        settings(1, validation_share=1)
