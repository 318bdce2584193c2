"""Screen to image: where a point on the monitor falls on the X-ray shown there.

Enters: screen positions and how the image was placed, zoomed and panned. Leaves: positions in
pixels of the original image and whether they lie on the part that was shown. Next: `fixations`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScreenPlacement:
    """Where (a part of) an image was shown on the screen.

    Attributes
    ----------
    on_screen : tuple of float
        y0, x0, height, width of the shown image in screen pixels.
    of_image : tuple of float
        y0, x0, height, width in image pixels of the part that was shown there.
    """

    on_screen: tuple[float, float, float, float]
    of_image: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        """Refuse rectangles without an area."""
        for name, rectangle in (("on_screen", self.on_screen), ("of_image", self.of_image)):
            if not (rectangle[2] > 0 and rectangle[3] > 0):
                raise ValueError(
                    f"{name} must be (y0, x0, height, width) with a positive height and width, "
                    f"got {rectangle}. Check the paddings and sizes of the recording."
                )

    @classmethod
    def from_padding(
        cls,
        padding: tuple[float, float, float, float],
        screen_size: tuple[float, float],
        image_size: tuple[float, float],
    ) -> ScreenPlacement:
        """Place a whole image that leaves borders on the screen, as EGD-CXR did.

        Parameters
        ----------
        padding : tuple of float
            Top, bottom, left, right border in screen pixels.
        screen_size, image_size : tuple of float
            Height and width in pixels.
        """
        top, bottom, left, right = padding
        height, width = screen_size[0] - top - bottom, screen_size[1] - left - right
        return cls((top, left, height, width), (0.0, 0.0, *image_size))

    def to_image(
        self, y_screen: np.ndarray, x_screen: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Map screen positions to image positions.

        Parameters
        ----------
        y_screen, x_screen : numpy.ndarray, float64, [N]
            Positions in screen pixels.

        Returns
        -------
        y_px, x_px : numpy.ndarray, float64, [N]
            Positions in image pixels, continued linearly beyond the shown part.
        shown : numpy.ndarray, bool, [N]
            True where the position lies on the part that was shown.
        """
        top, left, height, width = self.on_screen
        y0, x0, image_height, image_width = self.of_image
        y_px = y0 + (np.asarray(y_screen, np.float64) - top) * image_height / height
        x_px = x0 + (np.asarray(x_screen, np.float64) - left) * image_width / width
        shown = (y_px >= y0) & (y_px < y0 + image_height)
        shown &= (x_px >= x0) & (x_px < x0 + image_width)
        return y_px, x_px, shown
