"""How often views keep what matters: lesions kept, window area, share below tau, view overlap.

Enters: a manifest, lesion boxes, a saliency source, policies. Leaves: `PolicyAudit` per policy.
Nothing is decoded, unless maps have to be predicted: windows need maps and shapes alone, and are
those that a loader with the same seed would draw in its first epochs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gca_dali.common.progress import track
from gca_dali.gaze.table import SaliencyTable
from gca_dali.report.overlap import PlacedWindows
from gca_dali.steps.saliency import SaliencySource, find_predictor, load_saliency
from gca_dali.steps.windows import plan_views

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.gaze.boxes import ImageBoxes
    from gca_dali.policy.view_policy import ViewPolicy

KEPT_SHARE = 0.9
NUM_VIEWS = 2
# 40,000 windows per policy give a share of 0.8 a standard error of 0.002; eight draws at least.
NUM_WINDOWS = 40_000
MIN_DRAWS = 8
BLOCK_SIZE = (
    512  # images at once: bounds the memory of the points that rotated windows are tested on
)


@dataclass(frozen=True)
class PolicyAudit:
    """What a policy does to the lesions; means over images, views and draws.

    Attributes
    ----------
    kept : float
        Share of (lesion, view) pairs where at least 90 % of the lesion's box is in the window.
    mean_area : float
        Area of a window as a share of its image.
    below_tau : float
        Share of views that retain less saliency than the policy's tau.
    mean_pair_iou : float
        Intersection over union of the two windows of an image.
    """

    kept: float
    mean_area: float
    below_tau: float
    mean_pair_iou: float


@dataclass(frozen=True)
class Audit:
    """The audit of several policies on the images that have a lesion.

    Attributes
    ----------
    policies : dict of str to PolicyAudit
    num_images, num_lesions : int
        Images with at least one lesion, and their lesions; the other images are left out.
    num_draws : int
        Pairs of views drawn of each image.
    """

    policies: dict[str, PolicyAudit]
    num_images: int
    num_lesions: int
    num_draws: int


def audit_policies(
    manifest: Manifest,
    boxes: list[ImageBoxes],
    saliency: SaliencySource,
    policies: Mapping[str, ViewPolicy],
    seed: int = 0,
) -> Audit:
    """Draw many pairs of windows and count what they hold.

    Parameters
    ----------
    manifest : Manifest
        Rows with the lesions' boxes; only height and width are read.
    boxes : list of ImageBoxes
        One entry per row. Images without a lesion are left out.
    saliency : SaliencySource
        As for `GCALoader`, for all rows; an array or a table has one map per row.
    policies : mapping of str to ViewPolicy
        By the name that they are reported under.
    seed : int
        Windows are those of a loader with this seed in epochs 0, 1, ….

    Returns
    -------
    Audit

    Raises
    ------
    ValueError
        If no image has a lesion, there is no policy, or the maps are refused.
    """
    rows = np.flatnonzero([len(image.lesions) > 0 for image in boxes])
    if len(rows) == 0:
        raise ValueError(
            f"boxes must mark at least one lesion in the {len(manifest)} images, got none. Check "
            "the column is_abnormality and the paths."
        )
    if not policies:
        raise ValueError("policies must name at least one policy, got none. Try gca and random.")
    blocks = list(_split(manifest, boxes, saliency, rows))
    num_draws = max(-(-NUM_WINDOWS // (NUM_VIEWS * len(rows))), MIN_DRAWS)
    totals = {name: np.zeros(4) for name in policies}
    steps = list(itertools.product(policies, range(num_draws), blocks))
    for name, draw, block in track(steps, len(steps), "windows"):
        totals[name] += block.count(policies[name], (seed, draw))

    num_lesions = sum(len(block.lesions) for block in blocks)
    num_views = num_draws * NUM_VIEWS * len(rows)
    counts = (num_draws * NUM_VIEWS * num_lesions, num_views, num_views, num_draws * len(rows))
    audits = {name: PolicyAudit(*(total / counts).tolist()) for name, total in totals.items()}
    return Audit(audits, len(rows), num_lesions, num_draws)


@dataclass(frozen=True)
class _Block:
    """Some of the images: rows [B], maps, shapes [B, 2], lesions [L, 4] and their owner in 0…B."""

    rows: np.ndarray
    maps: np.ndarray
    shapes: np.ndarray
    lesions: np.ndarray
    owner: np.ndarray

    def count(self, policy: ViewPolicy, key: tuple[int, int]) -> np.ndarray:
        """Return lesions kept, sum of areas, views below tau and sum of IoU of one draw."""
        plan = plan_views(self.maps, self.rows, self.shapes, key, policy, NUM_VIEWS)
        placed = PlacedWindows.from_plan(plan, self.shapes, policy)
        kept = placed.take(self.owner).share_of_boxes(self.lesions) >= KEPT_SHARE
        below = plan.retained < np.float32(policy.crop.tau)
        return np.array([kept.sum(), placed.area().sum(), below.sum(), placed.pair_iou().sum()])


def _split(
    manifest: Manifest, boxes: list[ImageBoxes], saliency: SaliencySource, rows: np.ndarray
) -> Iterator[_Block]:
    """Cut the rows into blocks whose windows are drawn at once."""
    if isinstance(saliency, np.ndarray):
        saliency = saliency[rows]
    elif isinstance(saliency, SaliencyTable):
        saliency = saliency.take(rows)
    chosen = manifest.take(rows)
    predictor = find_predictor(saliency)
    if predictor is not None:
        from gca_dali.prepare.fill import open_filled

        saliency = open_filled(predictor, chosen)
    table = load_saliency(saliency, chosen)
    shapes = np.stack([chosen.height, chosen.width], axis=1)
    for first in range(0, len(rows), BLOCK_SIZE):
        places = np.arange(first, min(first + BLOCK_SIZE, len(rows)))
        lesions = [boxes[row].lesions for row in rows[places]]
        owner = np.repeat(places - first, [len(found) for found in lesions])
        yield _Block(
            rows[places], table.take(places), shapes[places], np.concatenate(lesions), owner
        )
