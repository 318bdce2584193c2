"""What a preview shows: images, their maps, windows and views, and the words about them.

Enters: what `make` found. Leaves: `Preview`. Next: `png` or `html` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gca_dali.data.index import Refused


@dataclass(frozen=True)
class ViewFacts:
    """What the randomness decided for one view.

    Attributes
    ----------
    retained, area : float
        Share of the saliency in the window; the window's share of the image's area.
    degrees : float
        Rotation, 0 upright.
    grown, flipped, masked, cut : bool
        Enlarged to hold tau; mirrored; under the gaze mask; with a cutout.
    """

    retained: float
    area: float
    degrees: float
    grown: bool
    flipped: bool
    masked: bool
    cut: bool


@dataclass(frozen=True)
class Sample:
    """One image and its V views.

    Attributes
    ----------
    path : str
        As the manifest has it.
    bits : int
        Stored bits of the image.
    image : numpy.ndarray, uint8, [H, W]
        Under the intensity mapping of the loader: what is 0 and 1 in a view is black and white.
    saliency : numpy.ndarray, uint8, [h, w]
        The map, over the whole image.
    corners : numpy.ndarray, float64, [V, 4, 2]
        y, x of each window's corners in pixels, clockwise from what is top left in the view
        before a flip.
    views : tuple of numpy.ndarray, uint8, V × [size, size]
        Sizes differ between groups.
    facts : tuple of ViewFacts
    focus : tuple of float or None
        y, x in pixels of the point that views share.
    lesions : numpy.ndarray, float64, [L, 4]
        y0, x0, height, width of known lesions, to be outlined.
    """

    path: str
    bits: int
    image: np.ndarray
    saliency: np.ndarray
    corners: np.ndarray
    views: tuple[np.ndarray, ...]
    facts: tuple[ViewFacts, ...]
    focus: tuple[float, float] | None
    lesions: np.ndarray


@dataclass(frozen=True)
class Preview:
    """Samples and what is said above them.

    Attributes
    ----------
    samples : tuple of Sample
    groups : tuple of slice
        The views of each group.
    title, subtitle : str
    refused : tuple of Refused
        Files that could not be read; others stand in for them.
    """

    samples: tuple[Sample, ...]
    groups: tuple[slice, ...]
    title: str
    subtitle: str
    refused: tuple[Refused, ...] = ()

    @property
    def num_views(self) -> int:
        """Number of views of each image."""
        return len(self.samples[0].views)
