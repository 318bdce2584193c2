"""`rejection` has the law of a plain redraw loop over size and place.

The loop is the benchmark's rival: floats, NumPy's own generator, no line in common.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ops.plain_windows import PlainRejection, integrate_map
from gca_dali_kernels.law import WindowLaw
from law_statistics import (
    LEAST_P,
    bin_windows,
    draw_windows,
    quantile_edges,
    two_sample_p,
    two_spots,
)

SHAPE = (480, 640)
NUM_PLAIN, NUM_OURS = 8_000, 40_000
BINS = (4, 3, 4, 4)
AREA, ZOOM = (0.1, 0.8), (1.0, 2.5)
CASES = [("area", tau, weight) for weight in (0, 1, 2) for tau in (0.0, 0.5)]
CASES += [("zoom", 0.4, 0), ("zoom", 0.4, 1), ("zoom", 0.0, 2)]


@pytest.mark.parametrize(("size", "tau", "weight"), CASES)
def test_same_law_as_a_plain_loop(size: str, tau: float, weight: int):
    saliency = two_spots()
    size_range = AREA if size == "area" else ZOOM
    law = WindowLaw(
        law="rejection",
        size=size,
        size_range=size_range,
        tau=tau,
        weight=weight,
        num_candidates=2_000,
    )
    zoom_range = ZOOM if size == "zoom" else None
    plain_law = PlainRejection(tau, weight, AREA, zoom_range=zoom_range)
    rng = np.random.default_rng([weight, int(100 * tau)])
    plain = plain_law.draw(integrate_map(saliency), SHAPE, rng, NUM_PLAIN)
    ours, _, retained, grown = draw_windows(saliency, SHAPE, law, NUM_OURS)
    assert not grown.any()
    assert retained.min() >= tau
    # A zoom keeps the aspect of the image.
    bins = BINS if size == "area" else (6, 1, 6, 6)
    edges = quantile_edges(plain, bins)
    assert two_sample_p(bin_windows(ours, edges), bin_windows(plain, edges)) > LEAST_P


@pytest.mark.parametrize(
    ("drawn", "supposed"), [((0.0, 1), (0.0, 0)), ((0.0, 1), (0.0, 2)), ((0.5, 1), (0.4, 1))]
)
def test_the_chi_square_tells_laws_apart(drawn, supposed):
    """The same comparison refuses another weight and another tau."""
    saliency, rng = two_spots(), np.random.default_rng(0)
    plain = PlainRejection(supposed[0], supposed[1], AREA).draw(
        integrate_map(saliency), SHAPE, rng, NUM_PLAIN
    )
    edges = quantile_edges(plain, BINS)
    tau, weight = drawn
    law = WindowLaw(law="rejection", size_range=AREA, tau=tau, weight=weight, num_candidates=2_000)
    ours = draw_windows(saliency, SHAPE, law, NUM_OURS)[0]
    assert two_sample_p(bin_windows(ours, edges), bin_windows(plain, edges)) < 1e-6
