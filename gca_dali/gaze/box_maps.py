"""Lesion boxes → simulated gaze: where a reader who knew the lesions would look.

Enters: the boxes of a manifest's images. Leaves: one saliency map per image. Next: `saliency`, as
an array; `audit` asks whether the windows hold the boxes. Nobody looked: whatever is shown from
these maps says "simulated gaze".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gca_dali.gaze.maps import draw_map
from gca_dali.gaze.table import MAP_SHAPE

if TYPE_CHECKING:
    from gca_dali.data.rows import Rows
    from gca_dali.gaze.boxes import ImageBoxes

SIGMA_SHARE = 0.05


def box_maps(manifest: Rows, boxes: list[ImageBoxes]) -> np.ndarray:
    """Return simulated gaze: an equal Gaussian on the centre of each lesion's box.

    Its standard deviation is 5 % of the image's shorter side, in pixels along both axes, so it is
    round in the image whatever its shape. Gaussians are added. Each cell holds the exact integral
    over its area, cut at the image's edge.

    Parameters
    ----------
    manifest : Rows
        N images; a manifest.
    boxes : list of ImageBoxes
        One entry per row, as `read_boxes_csv` returns them.

    Returns
    -------
    numpy.ndarray, float32, [N, 64, 64]
        Each sums to 1; zeros for an image without a lesion.

    Raises
    ------
    ValueError
        If the numbers of entries and rows differ, or all lesions of an image lie far outside it.
    """
    if len(boxes) != len(manifest):
        raise ValueError(
            f"boxes must have one entry for each of the {len(manifest)} rows, got {len(boxes)}. "
            "Read them for this manifest."
        )
    maps = np.zeros((len(manifest), *MAP_SHAPE), np.float32)
    sides = zip(manifest.height.tolist(), manifest.width.tolist(), strict=True)
    for row, (size, image) in enumerate(zip(sides, boxes, strict=True)):
        if len(image.lesions):
            centres = image.lesions[:, :2] + image.lesions[:, 2:] / 2
            points = np.column_stack([centres, np.ones(len(centres))])
            sigma_px = np.full(centres.shape, SIGMA_SHARE * min(size))
            try:
                maps[row] = draw_map(points, sigma_px, size, MAP_SHAPE)
            except ValueError:
                raise ValueError(
                    f"boxes of {manifest.path[row]} must lie in the image of {size[0]} × {size[1]} "
                    f"pixels, got centres (y, x) such as {centres[0].tolist()}. Give x, y, w, h in "
                    "pixels of the original image."
                ) from None
    return maps
