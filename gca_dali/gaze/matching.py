"""Names of a recording to images of a manifest.

Enters: `Fixations` with the names their tracker wrote, paths and sizes of a manifest. Leaves: the
same with manifest paths, rows beyond the image set aside. Next: `maps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from gca_dali.gaze.fixations import Fixations

# What ends a name is a suffix only here: the last number of a DICOM UID is none.
_SUFFIXES = frozenset((".dcm", ".dicom", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy"))


@dataclass(frozen=True)
class MatchedFixations:
    """Fixations on images of a manifest.

    Attributes
    ----------
    fixations : Fixations
        `image` holds manifest paths; rows on other images are gone.
    rows : numpy.ndarray, int64, [I]
        Rows of the manifest that were recorded, ascending; recordings without a valid row included.
    unmatched : tuple of str
        Names in the recording that no path of the manifest answers to.
    """

    fixations: Fixations
    rows: np.ndarray
    unmatched: tuple[str, ...]


def match_images(
    fixations: Fixations, paths: Sequence[str], heights: np.ndarray, widths: np.ndarray
) -> MatchedFixations:
    """Find each recorded image in a manifest: by path, else by file name, else by its stem.

    A recording of `a.dcm` means `a.png` where no other file has that stem.

    Parameters
    ----------
    fixations : Fixations
        As a reader returns it.
    paths : sequence of str, [M]
        Paths of the manifest, with "/" between folders.
    heights, widths : numpy.ndarray, int, [M]
        Sizes of the images in pixels.

    Raises
    ------
    ValueError
        Where a name fits several files, two names fit one file, or no name fits any file.
    """
    find = _name_finder(paths)
    row_of = {name: find(name) for name in fixations.images}
    found = {name: row for name, row in row_of.items() if row is not None}
    if fixations.images and not found:
        raise ValueError(
            f"images of the recording must be files of the manifest, got {fixations.images[0]!r} "
            f"and {len(fixations.images) - 1} more that are not. Check the manifest's folder."
        )
    name_of: dict[int, str] = {}
    for name, row in found.items():
        if row in name_of:
            raise ValueError(
                f"names in the recording must stand for different files, got {name_of[row]!r} and "
                f"{name!r} for {paths[row]}. Use one name."
            )
        name_of[row] = name
    sizes = {str(paths[row]): (int(heights[row]), int(widths[row])) for row in name_of}
    return MatchedFixations(
        fixations.rename({name: str(paths[row]) for name, row in found.items()}).with_sizes(sizes),
        np.array(sorted(name_of), np.int64),
        tuple(name for name, row in row_of.items() if row is None),
    )


class ImageSizes(Mapping[str, tuple[int, int]]):
    """Height and width of a manifest's images, found by the names of a recording.

    Parameters
    ----------
    paths, heights, widths
        As `match_images`.
    """

    def __init__(self, paths: Sequence[str], heights: np.ndarray, widths: np.ndarray) -> None:
        self._paths, self._heights, self._widths = paths, heights, widths
        self._find = _name_finder(paths)

    def __getitem__(self, name: str) -> tuple[int, int]:
        """Return height and width in pixels; KeyError where no path answers to the name."""
        row = self._find(name)
        if row is None:
            raise KeyError(name)
        return int(self._heights[row]), int(self._widths[row])

    def __iter__(self) -> Iterator[str]:
        """Go over the paths."""
        return iter(self._paths)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._paths)


def _name_finder(paths: Sequence[str]) -> Callable[[str], int | None]:
    """Return the function from a recorded name to the row of the manifest that it means."""
    by_path = {str(path): row for row, path in enumerate(paths)}
    by_name: dict[str, list[int]] = {}
    by_long_stem: dict[str, list[int]] = {}
    by_stem: dict[str, list[int]] = {}
    for path, row in by_path.items():
        posix = PurePosixPath(path)
        by_name.setdefault(posix.name, []).append(row)
        by_long_stem.setdefault(str(_without_suffix(posix)), []).append(row)
        by_stem.setdefault(_without_suffix(posix).name, []).append(row)

    def find(name: str) -> int | None:
        posix = PurePosixPath(name.replace("\\", "/"))
        if str(posix) in by_path:
            return by_path[str(posix)]
        stem = _without_suffix(posix)
        rows = by_name.get(posix.name) or by_long_stem.get(str(stem)) or by_stem.get(stem.name, [])
        if len(rows) > 1:
            raise ValueError(
                f"image {name!r} of the recording must fit one file, got {paths[rows[0]]} and "
                f"{paths[rows[1]]}. Write its path as the manifest does."
            )
        return rows[0] if rows else None

    return find


def _without_suffix(path: PurePosixPath) -> PurePosixPath:
    return path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path
