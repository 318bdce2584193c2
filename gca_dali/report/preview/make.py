"""What a policy does to some images: image, map, windows and views, to be looked at.

Enters: a manifest, a policy, a saliency source. Leaves: `Sample`s, the very views that a loader of
the same seed makes in epoch 0. Next: `preview_png` or `preview_html` writes them to a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gca_dali.common.progress import track
from gca_dali.data.index import Refused
from gca_dali.gaze.table import SaliencyTable
from gca_dali.image.claims import UnreadableImageError
from gca_dali.report.overlap import PlacedWindows
from gca_dali.report.preview.sample import Preview, Sample, ViewFacts
from gca_dali.steps.decode import value_ranges
from gca_dali.steps.saliency import SaliencySource, load_saliency
from gca_dali.steps.views import make_views
from gca_dali.steps.windows import plan_views
from gca_dali_kernels.reference.render_views import Words

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.gaze.boxes import ImageBoxes
    from gca_dali.policy.view_policy import ViewPolicy
    from gca_dali.steps.windows import Plan
    from gca_dali_kernels.look import ViewLook

WHITE = 255
MAX_IMAGES = 100


@dataclass(frozen=True)
class PreviewMaker:
    """Makes the samples of a manifest.

    Attributes
    ----------
    manifest : Manifest
    policy : ViewPolicy
    saliency : SaliencySource
        As for `GCALoader`.
    boxes : list of ImageBoxes or None
        Lesions to outline, one entry per row.
    seed : int

    Raises
    ------
    ValueError
        If the policy needs saliency and there is none.
    """

    manifest: Manifest
    policy: ViewPolicy
    saliency: SaliencySource
    boxes: list[ImageBoxes] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be shown."""
        if self.saliency is None and self.policy.reads_saliency:
            raise ValueError(
                "saliency must be given for a policy that looks at it, got none. Use a folder of "
                "maps, centre or boxes, or the policy random."
            )

    @cached_property
    def _table(self) -> SaliencyTable:
        # A few images are no reason to begin a table of all of them.
        return load_saliency(self.saliency, self.manifest, keep=False)

    def make(self, num_images: int, title: str, subtitle: str) -> Preview:
        """Make the views of images that are evenly spread over the manifest.

        Raises
        ------
        ValueError
            If `num_images` is out of range, no image can be read, or the maps are refused.
        """
        if not 1 <= num_images <= MAX_IMAGES:
            raise ValueError(
                f"num_images must be 1 to {MAX_IMAGES}, got {num_images}. Fewer are easier to look "
                "at."
            )
        samples: list[Sample] = []
        refused: list[Refused] = []
        for row in track(_spread(len(self.manifest), num_images), num_images, "images"):
            try:
                samples.append(self.make_sample(row))
            except (UnreadableImageError, OSError) as error:
                refused.append(Refused(str(self.manifest.path[row]), str(error)))
            if len(samples) == num_images:
                break
        if not samples:
            raise ValueError(
                f"manifest must hold an image that can be read, got none of {len(self.manifest)} "
                f"(the first: {refused[0].reason}). Index it again."
            )
        return Preview(tuple(samples), self.policy.slices, title, subtitle, tuple(refused))

    def make_sample(self, row: int) -> Sample:
        """Make the views of one row.

        Raises
        ------
        UnreadableImageError, OSError
            If the file cannot be read.
        """
        image = self.manifest.read(row)
        index, key = np.array([row]), (self.seed, 0)
        shapes = np.array([[self.manifest.height[row], self.manifest.width[row]]], np.int32)
        maps = self._table.take(index, [image])
        plan = plan_views(maps, index, shapes, key, self.policy)
        ranges = value_ranges([image], self.manifest.stretched[index])
        groups = make_views([image], ranges, plan, index, key, self.policy)
        # The image of a store is smaller than its original.
        placed = PlacedWindows.from_plan(plan, np.array([image.shape], np.int32), self.policy)
        shrink = np.tile(np.array(image.shape) / shapes[0], 2)
        looks = [look for group in self.policy.looks for look in group.looks]
        words = [Words(key, row, v) for v in range(len(looks))]
        focus = plan.focus_px(shapes)[0] * shrink[:2]
        low, high = ranges[0]
        return Sample(
            path=str(self.manifest.path[row]),
            bits=int(self.manifest.bits[row]),
            image=_to_grey((image - low) / (high - low)),
            saliency=maps[0],
            corners=placed.corners()[0],
            views=tuple(
                _to_grey(view[0] * self.policy.deviation + self.policy.mean)
                for views in groups
                for view in views
            ),
            facts=tuple(_tell_facts(plan, placed, looks, words)),
            focus=None if np.isnan(focus).any() else (float(focus[0]), float(focus[1])),
            lesions=np.zeros((0, 4)) if self.boxes is None else self.boxes[row].lesions * shrink,
        )


def _tell_facts(
    plan: Plan, placed: PlacedWindows, looks: list[ViewLook], words: list[Words]
) -> Iterator[ViewFacts]:
    """Yield the facts of each view of the one image of a plan."""
    cosine, sine = placed.turns[0].T
    area = placed.area()[0]
    for v, look in enumerate(looks):
        yield ViewFacts(
            retained=float(plan.retained[0, v]),
            area=float(area[v]),
            degrees=float(np.rad2deg(np.arctan2(sine[v], cosine[v]))),
            grown=bool(plan.grown[0, v]),
            flipped=bool(plan.turns[0, v, 1]),
            masked=look.mask != "none" and words[v].chance(2, 1, look.mask_probability),
            cut=bool(plan.cutouts[0, v].any()),
        )


def _to_grey(brightness: np.ndarray) -> np.ndarray:
    """Turn brightness 0 to 1 into uint8, clipped."""
    return np.rint(np.clip(brightness, 0.0, 1.0) * WHITE).astype(np.uint8)


def _spread(num_rows: int, num_images: int) -> list[int]:
    """Return evenly spread rows, then all others to stand in for what cannot be read."""
    first = np.unique(np.linspace(0, num_rows - 1, min(num_images, num_rows)).astype(int)).tolist()
    return first + sorted(set(range(num_rows)).difference(first))
