"""Recorded attention in one type, whatever tracker and file it came from.

Enters: positions in image pixels with durations, from a reader or the simulated reader. Leaves:
`Fixations`, each row valid or counted as invalid or off the image. Next: `matching`, then `maps`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from gca_dali.common.disk import explained_disk, replace_file
from gca_dali.gaze.units import check_durations, check_positions


@dataclass(frozen=True)
class FixationReport:
    """What was read and what was set aside, by reason.

    Attributes
    ----------
    num_rows, num_valid, num_invalid, num_off_image : int
        Rows in the file and their fate: `num_rows` is the sum of the other three. Invalid: flagged
        by the tracker, a missing number, or a duration that is not positive.
    num_discarded : int
        Recordings that the data set itself withdrew.
    empty_images : tuple of str
        Images that were shown but hold no valid row.
    repeated_images : tuple of str
        Images recorded more than once; their recordings are pooled.
    unused_columns : tuple of str
        Columns of the file that were not read.
    """

    num_rows: int
    num_valid: int
    num_invalid: int
    num_off_image: int
    num_discarded: int = 0
    empty_images: tuple[str, ...] = ()
    repeated_images: tuple[str, ...] = ()
    unused_columns: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return the fields as a dictionary that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Fixations:
    """Rows of a recording: where somebody looked, for how long, on which image.

    Attributes
    ----------
    image : numpy.ndarray, str, [N]
        Name of the image as the recording gives it, or its manifest path after `match_images`.
    recording : numpy.ndarray, str, [N]
        One reading of one image by one person; "" where the file does not tell readings apart.
    y_px, x_px : numpy.ndarray, float64, [N]
        Position in pixels of the original image, origin at its top left corner.
    duration_seconds : numpy.ndarray, float64, [N]
        Time spent there.
    valid : numpy.ndarray, bool, [N]
        True for rows to use. The others are invalid, or off the image where `off_image` says so.
    off_image : numpy.ndarray, bool, [N]
        True for sound rows that do not lie on the image (part) shown.
    pixels_per_degree : numpy.ndarray, float64, [N, 2]
        Image pixels per degree of visual angle (y, x); NaN where the file does not tell.
    images : tuple of str
        Every image that was shown, also those without a row.
    simulated : bool
        True where no person looked: the rows come from the simulated reader.
    num_discarded : int
        Recordings that the data set itself withdrew.
    unused_columns : tuple of str
        Columns of the file that were not read.
    """

    image: np.ndarray
    recording: np.ndarray
    y_px: np.ndarray
    x_px: np.ndarray
    duration_seconds: np.ndarray
    valid: np.ndarray
    off_image: np.ndarray
    pixels_per_degree: np.ndarray
    images: tuple[str, ...]
    simulated: bool = False
    num_discarded: int = 0
    unused_columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of rows, valid or not."""
        return len(self.image)

    def __repr__(self) -> str:
        """Show counts instead of arrays."""
        kind = "simulated " if self.simulated else ""
        return (
            f"Fixations({int(self.valid.sum())} valid of {len(self)} {kind}rows on "
            f"{len(self.images)} images)"
        )

    @property
    def report(self) -> FixationReport:
        """Counts of what was read and set aside."""
        seen = set(self.image[self.valid].tolist())
        pairs = dict.fromkeys(zip(self.image.tolist(), self.recording.tolist(), strict=True))
        count = Counter(name for name, _ in pairs)
        return FixationReport(
            num_rows=len(self),
            num_valid=int(self.valid.sum()),
            num_invalid=int((~self.valid & ~self.off_image).sum()),
            num_off_image=int(self.off_image.sum()),
            num_discarded=self.num_discarded,
            empty_images=tuple(name for name in self.images if name not in seen),
            repeated_images=tuple(name for name in self.images if count[name] > 1),
            unused_columns=self.unused_columns,
        )

    def points(self, image: str) -> np.ndarray:
        """Return the valid rows of one image.

        Returns
        -------
        numpy.ndarray, float64, [F, 3]
            y and x in pixels, duration in seconds.
        """
        rows = self.valid & (self.image == image)
        return np.stack([self.y_px[rows], self.x_px[rows], self.duration_seconds[rows]], axis=1)

    def with_sizes(self, sizes: Mapping[str, tuple[int, int]]) -> Fixations:
        """Set aside the rows that lie beyond the bottom or right edge of their image.

        Parameters
        ----------
        sizes : mapping of str to (int, int)
            Height and width in pixels per image name; images not named are left as they are.
        """
        limit = np.array([sizes.get(name, (np.inf, np.inf)) for name in self.image], np.float64)
        limit = limit.reshape(-1, 2)
        beyond = self.valid & ((self.y_px >= limit[:, 0]) | (self.x_px >= limit[:, 1]))
        return replace(self, valid=self.valid & ~beyond, off_image=self.off_image | beyond)

    def rename(self, new_name: Mapping[str, str]) -> Fixations:
        """Keep the images that `new_name` names, under their new names."""
        rows = np.array([name in new_name for name in self.image.tolist()], bool)
        arrays = ("recording", "y_px", "x_px", "duration_seconds", "valid", "off_image")
        columns = {name: getattr(self, name)[rows] for name in (*arrays, "pixels_per_degree")}
        image = np.array([new_name[name] for name in self.image[rows].tolist()], dtype=str)
        images = tuple(new_name[name] for name in self.images if name in new_name)
        return replace(self, image=image, images=images, **columns)

    def save(self, path: str | Path) -> None:
        """Write the valid rows as a generic CSV that `read_fixations` reads back.

        Images without a valid row are kept as one row without numbers. Recordings keep their names,
        and the mark `simulated` travels with every row.
        """
        columns = ["image", "x", "y", "duration", "recording", "simulated"]
        mark = int(self.simulated)
        path = Path(path)
        needed = f"{path.name} of {len(self.image):,} rows"
        with (
            explained_disk(path.parent, needed),
            replace_file(path) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(columns)
            for i in np.flatnonzero(self.valid):
                position = (f"{self.x_px[i]:.2f}", f"{self.y_px[i]:.2f}")
                seconds = f"{self.duration_seconds[i]:.4f}"
                writer.writerow([self.image[i], *position, seconds, self.recording[i], mark])
            for name in self.report.empty_images:
                writer.writerow([name, "", "", "", "", mark])


def build_fixations(
    columns: Mapping[str, np.ndarray],
    *,
    source: str,
    images: tuple[str, ...] = (),
    simulated: bool = False,
    unused_columns: tuple[str, ...] = (),
    num_discarded: int = 0,
) -> Fixations:
    """Check raw columns and sort their rows into valid, invalid and off the image.

    Parameters
    ----------
    columns : mapping
        `image`, `y_px`, `x_px`, `duration_seconds`, each [N]; optionally `recording` (str),
        `flag` (bool, False where the tracker lost the eye), `off_image` (bool, known to be
        elsewhere) and `pixels_per_degree` ([N, 2]).
    source : str
        Name of the file, for messages.
    images : tuple of str
        Images that were shown, in order; those of the rows are added.
    simulated : bool
        Whether the rows come from the simulated reader.
    unused_columns : tuple of str
        Columns that were not read.
    num_discarded : int
        Recordings that the data set withdrew.

    Raises
    ------
    ValueError
        Where the durations cannot be seconds or the positions cannot be pixels.
    """
    image = np.asarray(columns["image"], dtype=str)
    num_rows = len(image)
    y_px = np.asarray(columns["y_px"], np.float64)
    x_px = np.asarray(columns["x_px"], np.float64)
    seconds = np.asarray(columns["duration_seconds"], np.float64)
    finite = np.isfinite(y_px) & np.isfinite(x_px) & np.isfinite(seconds)
    sound = finite & np.asarray(columns.get("flag", np.ones(num_rows, bool)), bool)
    with np.errstate(invalid="ignore"):
        sound &= seconds > 0
        off = np.asarray(columns.get("off_image", np.zeros(num_rows, bool)), bool)
        off = sound & (off | (y_px < 0) | (x_px < 0))
    check_durations(seconds[sound], source)
    check_positions(x_px[sound], y_px[sound], source)
    unknown_angle = np.full((num_rows, 2), np.nan)
    return Fixations(
        image=image,
        recording=np.asarray(columns.get("recording", np.full(num_rows, "")), dtype=str),
        y_px=y_px,
        x_px=x_px,
        duration_seconds=seconds,
        valid=sound & ~off,
        off_image=off,
        pixels_per_degree=np.asarray(columns.get("pixels_per_degree", unknown_angle), np.float64),
        images=tuple(dict.fromkeys((*images, *image.tolist()))),
        simulated=simulated,
        num_discarded=num_discarded,
        unused_columns=unused_columns,
    )
