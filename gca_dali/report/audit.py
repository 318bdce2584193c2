"""How often views keep what matters: lesions kept and shared, area, share below tau, overlap.

Enters: a manifest, lesion boxes, a saliency source, policies. Leaves: `PolicyAudit` per policy.
Nothing is decoded, unless maps have to be predicted: windows need maps and shapes alone, and are
those that a loader with the same seed would draw in its first epochs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from gca_dali.common.progress import track
from gca_dali.gaze.table import SaliencyTable
from gca_dali.report.overlap import PlacedWindows, pairs_of
from gca_dali.steps.saliency import SaliencySource, find_predictor, load_saliency
from gca_dali.steps.windows import plan_views

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.gaze.boxes import ImageBoxes
    from gca_dali.policy.view_policy import ViewPolicy

KEPT_SHARE = 0.9
# 20,000 draws of two windows or more give a share of 0.8 a standard error of 0.003; eight of each
# image at least.
NUM_DRAWS = 20_000
MIN_DRAWS = 8
ROUNDING = 1e-5  # of a window's pixels, in float32
BLOCK_SIZE = (
    512  # images at once: bounds the memory of the points that rotated windows are tested on
)


@dataclass(frozen=True)
class PolicyAudit:
    """What a policy does to the lesions; means over images, draws, and views or pairs of them.

    Attributes
    ----------
    kept : float
        Share of (lesion, view) pairs where at least 90 % of the lesion's box is in the window.
    pairs_share : float
        Share of the pairs of views of an image that keep at least one lesion in common; NaN, as
        all about pairs, where a policy makes a single view.
    mean_area : float
        Area of a window as a share of its image.
    below_tau : float
        Share of views that retain less saliency than the tau of their group.
    mean_pair_iou : float
        Intersection over union of two windows of an image.
    above_max_iou : float or None
        Share of the pairs within groups of which a max_iou is asked that overlap more: the least
        overlap that was found. None where none is asked.
    """

    kept: float
    pairs_share: float
    mean_area: float
    below_tau: float
    mean_pair_iou: float
    above_max_iou: float | None = None

    def to_dict(self) -> dict[str, float]:
        """Return what was counted, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Audit:
    """The audit of several policies on the images that have a lesion.

    Attributes
    ----------
    policies : dict of str to PolicyAudit
    num_images, num_lesions : int
        Images with at least one lesion, and their lesions; the other images are left out.
    num_draws : int
        Draws of all views of each image.
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
    """Draw the windows of all views many times and count what they hold.

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
    num_draws = max(-(-NUM_DRAWS // len(rows)), MIN_DRAWS)
    counted: dict[str, list[np.ndarray]] = {name: [] for name in policies}
    steps = list(itertools.product(policies, range(num_draws), blocks))
    for name, draw, block in track(steps, len(steps), "windows"):
        counted[name].append(block.count(policies[name], (seed, draw)))

    num_lesions = sum(len(block.lesions) for block in blocks)
    audits = {name: _conclude(np.sum(one, axis=0)) for name, one in counted.items()}
    return Audit(audits, len(rows), num_lesions, num_draws)


def _conclude(counts: np.ndarray) -> PolicyAudit:
    """Return shares and means of summed (value, number) pairs, [6, 2]."""
    with np.errstate(invalid="ignore"):
        *means, above = (counts[:, 0] / counts[:, 1]).tolist()
    return PolicyAudit(*means, above_max_iou=above if counts[-1, 1] else None)


@dataclass(frozen=True)
class _Block:
    """Some of the images: rows [B], maps, shapes [B, 2], lesions [L, 4] and their owner in 0…B."""

    rows: np.ndarray
    maps: np.ndarray
    shapes: np.ndarray
    lesions: np.ndarray
    owner: np.ndarray

    def count(self, policy: ViewPolicy, key: tuple[int, int]) -> np.ndarray:
        """Return (sum, number) of each field of `PolicyAudit` in one draw, [6, 2]."""
        plan = plan_views(self.maps, self.rows, self.shapes, key, policy)
        placed = PlacedWindows.from_plan(plan, self.shapes, policy)
        kept = placed.take(self.owner).share_of_boxes(self.lesions) >= KEPT_SHARE
        a, b = pairs_of(policy.num_views)
        firsts = np.searchsorted(self.owner, np.arange(len(self.rows)))
        shared = np.logical_or.reduceat(kept[:, a] & kept[:, b], firsts, axis=0)
        tau, most = (_of_views(policy, name) for name in ("tau", "max_iou"))
        group = policy.laws.group_of_view
        bounded = (group[a] == group[b]) & (most[a] < 1.0)
        iou = placed.upright_pair_iou()[:, bounded]
        values = (
            kept,
            shared,
            placed.area(),
            plan.retained < tau,
            placed.pair_iou(),
            iou > most[a][bounded] + ROUNDING,
        )
        return np.array([(value.sum(), value.size) for value in values], np.float64)


def _of_views(policy: ViewPolicy, name: str) -> np.ndarray:
    """Return a number of each view's crop, float32, [V]."""
    numbers = np.array([getattr(group.crop, name) for group in policy.groups], np.float32)
    return numbers[policy.laws.group_of_view]


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
