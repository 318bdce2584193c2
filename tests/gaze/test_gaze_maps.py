"""Maps from fixations: by hand, against SciPy's filter, and the folder they are written to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gca_dali.gaze.map_folder import MapFolder, choose_names, write_maps
from gca_dali.gaze.maps import MapSettings, draw_map


def sigmas(value: float, num: int) -> np.ndarray:
    return np.full((num, 2), value)


def test_narrow_gaussian_is_one_cell() -> None:
    saliency = draw_map(np.array([[1.5, 0.5, 0.2]]), sigmas(0.01, 1), (3, 3), (3, 3))
    expected = np.zeros((3, 3))
    expected[1, 0] = 1
    np.testing.assert_allclose(saliency, expected, atol=1e-7)


def test_duration_is_the_weight() -> None:
    points = np.array([[0.5, 0.5, 0.1], [2.5, 2.5, 0.3]])
    saliency = draw_map(points, sigmas(0.01, 2), (3, 3), (3, 3))
    np.testing.assert_allclose(saliency[[0, 2], [0, 2]], [0.25, 0.75], rtol=1e-6)


def test_agrees_with_a_filter_of_the_pixel_grid() -> None:
    rng = np.random.default_rng(0)
    size = (90, 130)
    rows, columns = rng.integers(25, 65, 12), rng.integers(25, 105, 12)
    seconds = rng.uniform(0.1, 0.6, 12)
    counts = np.zeros(size)
    np.add.at(counts, (rows, columns), seconds)
    expected = gaussian_filter(counts, 5.0, truncate=6)
    points = np.stack([rows + 0.5, columns + 0.5, seconds], axis=1)
    saliency = draw_map(points, sigmas(5.0, 12), size, size)
    # The filter samples the Gaussian, the map integrates it over a pixel: 1/(24 σ²) apart.
    np.testing.assert_allclose(saliency, expected / expected.sum(), atol=0.004 * saliency.max())


def test_mass_of_a_coarse_map_is_that_of_the_fine_one() -> None:
    points = np.array([[10.0, 33.0, 0.3], [50.0, 5.0, 0.2]])
    fine = draw_map(points, sigmas(7.0, 2), (64, 48), (64, 48))
    coarse = draw_map(points, sigmas(7.0, 2), (64, 48), (16, 12))
    np.testing.assert_allclose(coarse, fine.reshape(16, 4, 12, 4).sum((1, 3)), atol=1e-7)


def test_sum_is_one_though_the_edge_cuts() -> None:
    saliency = draw_map(np.array([[0.0, 0.0, 1.0]]), sigmas(20.0, 1), (50, 60), (32, 32))
    assert saliency.dtype == np.float32
    assert saliency.sum() == pytest.approx(1, abs=1e-5)


def test_no_fixation_or_all_far_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold at least one fixation, got none"):
        draw_map(np.zeros((0, 3)), np.zeros((0, 2)), (9, 9), (3, 3))
    with pytest.raises(ValueError, match="must lie near the image"):
        draw_map(np.array([[-900.0, 1.0, 1.0]]), sigmas(1.0, 1), (9, 9), (3, 3))


def test_sigma_in_every_unit() -> None:
    angle = np.array([[94.0, 90.0], [np.nan, np.nan]])
    size = (400, 600)
    np.testing.assert_allclose(MapSettings(30, "px").sigma_px(size, angle), 30)
    np.testing.assert_allclose(MapSettings(0.05, "share").sigma_px(size, angle), 30)
    degrees = MapSettings(2, "degrees", pixels_per_degree=40).sigma_px(size, angle)
    np.testing.assert_allclose(degrees, [[188, 180], [80, 80]])
    with pytest.raises(ValueError, match="pixels_per_degree must be known"):
        MapSettings(1, "degrees").sigma_px(size, angle)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sigma": 0}, "sigma must be positive, got 0"),
        ({"unit": "cm"}, "unit must be one of px, degrees, share, got 'cm'"),
        ({"height": 0}, "height must be positive, got 0"),
        ({"pixels_per_degree": -1}, "pixels_per_degree must be positive, got -1"),
    ],
)
def test_settings_refuse(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MapSettings(**settings)


def test_folder_round_trip(tmp_path: Path) -> None:
    maps = {"a/x.png": np.eye(3, dtype=np.float32), "b/x.png": np.ones((2, 4), np.float32)}
    write_maps(tmp_path, maps.items(), list(maps), simulated=True, facts={"sigma": 5})
    folder = MapFolder.open(tmp_path)
    assert folder.simulated and folder.facts == {"sigma": 5} and len(folder) == 2
    assert "a/x.png" in folder and "x.png" not in folder
    for path, saliency in maps.items():
        np.testing.assert_array_equal(folder.load(path), saliency)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".npy", ".npy"]


def test_names_keep_colliding_stems_apart_whatever_the_order() -> None:
    paths = ["a/x.png", "b/X.png", "a/y.png", "c/x.v2.png"]
    names = choose_names(paths)
    assert names["a/y.png"] == "y.npy" and names["c/x.v2.png"] == "x.v2.npy"
    assert len({name.lower() for name in names.values()}) == 4
    assert choose_names(paths[::-1]) == names


def test_folder_refuses_what_it_should(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"maps must be a folder with index.json"):
        MapFolder.open(tmp_path)
    index = tmp_path / "index.json"
    index.write_text('["no"]')
    with pytest.raises(ValueError, match="must be JSON with the keys simulated and maps"):
        MapFolder.open(tmp_path)
    index.write_text(json.dumps({"simulated": False, "maps": {"a.png": "../a.npy"}}))
    with pytest.raises(ValueError, match="must name files inside its folder"):
        MapFolder.open(tmp_path)


@pytest.mark.parametrize(
    "array", [np.full((2, 2), np.nan), -np.ones((2, 2)), np.ones(4), np.ones((2, 2), complex)]
)
def test_folder_refuses_what_is_no_map(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    (tmp_path / "index.json").write_text('{"simulated": false, "maps": {"a.png": "a.npy"}}')
    with pytest.raises(ValueError, match="must hold a finite, non-negative map"):
        MapFolder.open(tmp_path).load("a.png")


def test_folder_never_unpickles(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "index.json").write_text('{"simulated": false, "maps": {"a.png": "a.npy"}}')
    with pytest.raises(ValueError, match="allow_pickle=False"):
        MapFolder.open(tmp_path).load("a.png")
