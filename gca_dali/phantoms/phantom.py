"""One phantom: an X-ray-like image with known lesions and simulated gaze, from a key.

Kind, seed and index enter; ``Phantom`` leaves. ``write`` puts many of them into a folder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gca_dali.gaze.maps import draw_map
from gca_dali.phantoms.canvas import Canvas, draw_pose
from gca_dali.phantoms.chest import (
    CHEST_LANDMARKS,
    chest_boxes,
    draw_chest_lesions,
    draw_chest_shape,
)
from gca_dali.phantoms.chest_rays import render_chest
from gca_dali.phantoms.film import add_marker, expose, quantise
from gca_dali.phantoms.gaze import simulate_gaze
from gca_dali.phantoms.knee import (
    KNEE_LANDMARKS,
    draw_knee_lesions,
    draw_knee_shape,
    knee_boxes,
)
from gca_dali.phantoms.knee_rays import render_knee
from gca_dali.phantoms.texture import KINDS, Kind, stream

__all__ = ["Phantom", "make_phantom", "phantom_saliency"]

NUM_CLASSES = {"knee": 5, "chest": 2}
_SMALLEST_PX = 64


@dataclass(frozen=True)
class Phantom:
    """An image that looks like an X-ray, and what is known about it.

    Parameters
    ----------
    image : numpy.ndarray, uint8 or uint16, [H, W]
        Bone is bright. 16 bits use the full range.
    boxes : numpy.ndarray, float32, [L, 4]
        y0, x0, height, width of the lesions in pixels; L is 0 for a healthy phantom.
    fixations : numpy.ndarray, float32, [F, 3]
        Simulated gaze: y, x in pixels, duration in seconds, in order of time.
    label : int
        Knee: grade 0 to 4. Chest: 1 with a lesion, 0 without.
    lesions : tuple of str
        A name per box: osteophyte, narrowing, nodule or opacity.
    """

    image: np.ndarray
    boxes: np.ndarray
    fixations: np.ndarray
    label: int
    lesions: tuple[str, ...]


def make_phantom(
    kind: Kind,
    index: int,
    *,
    seed: int = 0,
    height: int = 512,
    width: int = 512,
    bits: int = 8,
) -> Phantom:
    """Make the phantom of a key; the same key gives the same phantom.

    Labels are balanced: every five consecutive knees (from a multiple of 5) have each grade
    once, every two consecutive chests one with and one without a lesion. Phantoms 2n and
    2n + 1 are of one patient: left and right knee, or two visits. Another size or depth shows
    the same body with other noise or other steps of grey.

    Parameters
    ----------
    kind : str
        ``"knee"`` or ``"chest"``.
    index : int
        Number of the phantom, 0 to 2**48 − 1.
    seed : int
        0 to 2**64 − 1.
    height, width : int
        Pixels, at least 64 each; the body fills the shorter side.
    bits : int
        8 or 16.

    Returns
    -------
    Phantom

    Raises
    ------
    TypeError
        A number is not an integer.
    ValueError
        A value is out of range.

    Examples
    --------
    >>> phantom = make_phantom("chest", 3, bits=16)
    >>> phantom.image.shape, phantom.image.dtype
    ((512, 512), dtype('uint16'))
    """
    _check("kind", kind, KINDS)
    _check("bits", bits, (8, 16))
    check_integer("index", index, 0, 2**48 - 1)
    check_integer("seed", seed, 0, 2**64 - 1)
    check_integer("height", height, _SMALLEST_PX, None)
    check_integer("width", width, _SMALLEST_PX, None)
    label = draw_label(kind, seed, index)
    draw = draw_knee if kind == "knee" else draw_chest
    brightness, canvas, named_boxes, landmarks = draw(seed, index, (height, width), label)
    boxes = np.array([box for _, box in named_boxes], dtype=np.float32).reshape(-1, 4)
    fixations = simulate_gaze(
        stream(kind, seed, index, "gaze"), (height, width), boxes, canvas.to_pixels(landmarks)
    )
    lesions = tuple(name for name, _ in named_boxes)
    return Phantom(quantise(brightness, bits), boxes, fixations, label, lesions)


def draw_label(kind: Kind, seed: int, index: int) -> int:
    """Label of a phantom: the classes are shuffled anew in every run of as many phantoms.

    Parameters
    ----------
    kind : str
        ``"knee"`` or ``"chest"``.
    seed, index : int
        As for :func:`make_phantom`.

    Returns
    -------
    int
    """
    block, place = divmod(index, NUM_CLASSES[kind])
    return int(stream(kind, seed, block, "label").permutation(NUM_CLASSES[kind])[place])


_Drawn = tuple[np.ndarray, Canvas, list[tuple[str, list[float]]], np.ndarray]


def draw_knee(seed: int, index: int, shape: tuple[int, int], grade: int) -> _Drawn:
    """Brightness, canvas, named boxes and landmarks of a knee; even indices are left knees."""
    body = draw_knee_shape(stream("knee", seed, index // 2, "anatomy"))
    lesions = draw_knee_lesions(stream("knee", seed, index, "lesions"), grade, body)
    is_right = index % 2 == 1
    canvas = Canvas(*shape, draw_pose(stream("knee", seed, index, "pose"), 1.0, is_right))
    attenuation = render_knee(canvas, body, lesions, stream("knee", seed, index, "texture"))
    film = stream("knee", seed, index, "film")
    image = expose(attenuation, film)
    add_marker(image, "R" if is_right else "L", 0.05, film.choice([0.05, 0.91]), 0.05)
    return image, canvas, knee_boxes(canvas, body, lesions), KNEE_LANDMARKS


def draw_chest(seed: int, index: int, shape: tuple[int, int], label: int) -> _Drawn:
    """Brightness, canvas, named boxes and landmarks of a chest, seen from the front."""
    body = draw_chest_shape(stream("chest", seed, index // 2, "anatomy"))
    rng = stream("chest", seed, index, "lesions")
    lesions = draw_chest_lesions(rng, body) if label else ()
    canvas = Canvas(*shape, draw_pose(stream("chest", seed, index, "pose"), 1.1))
    attenuation = render_chest(canvas, body, lesions, stream("chest", seed, index, "texture"))
    film = stream("chest", seed, index, "film")
    image = expose(attenuation, film)
    letter, x = (("R", 0.05), ("L", 0.92))[film.integers(2)]
    add_marker(image, letter, 0.04, x, 0.045)
    return image, canvas, chest_boxes(canvas, lesions), CHEST_LANDMARKS


def phantom_saliency(
    phantom: Phantom, shape: tuple[int, int] = (64, 64), sigma_fraction: float = 0.05
) -> np.ndarray:
    """Turn a phantom's simulated gaze into a saliency map.

    Parameters
    ----------
    phantom : Phantom
        Its fixations count by their duration.
    shape : (int, int)
        Rows and columns of the map, which covers the whole image.
    sigma_fraction : float
        Sigma of the Gaussian as a share of the image's shorter side.

    Returns
    -------
    numpy.ndarray, float32, ``shape``
        0 to 1; the largest value is 1.

    Raises
    ------
    ValueError
        ``sigma_fraction`` is not a positive number or ``shape`` has no cells.
    """
    if not 0 < sigma_fraction < np.inf:
        raise ValueError(
            f"sigma_fraction must be a positive number, got {sigma_fraction}. "
            "Use 0.05 for 5 % of the shorter side."
        )
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape must be two positive integers, got {shape}. Use (64, 64).")
    height, width = phantom.image.shape
    sigma_px = np.full((len(phantom.fixations), 2), sigma_fraction * min(height, width))
    saliency = draw_map(phantom.fixations.astype(np.float64), sigma_px, (height, width), shape)
    return saliency / saliency.max()


def _check(name: str, value: object, allowed: tuple) -> None:
    """Refuse a value that is not among the allowed ones."""
    if value not in allowed:
        names = " or ".join(repr(item) for item in allowed)
        raise ValueError(f"{name} must be {names}, got {value!r}. Choose one of these.")


def check_integer(name: str, value: int, low: int, high: int | None) -> None:
    """Refuse what is not an integer, or out of range."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(
            f"{name} must be an integer, got {type(value).__name__}. Convert it with int()."
        )
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {allowed}, got {value}. Choose a value in this range.")
