"""A folder of saliency maps: `.npy` files without objects and `index.json`.

Enters: maps by image path. Leaves: the folder, or its maps read back and checked. Next: the
predictor is fitted on it, or the loader takes it as its saliency.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from gca_dali.common.disk import explained_disk, replace_file

INDEX_NAME = "index.json"
_WAY_ON = "the same command then writes them all"
FIXATIONS_NAME = "fixations.csv"


@dataclass(frozen=True)
class MapFolder:
    """Maps on disk, found by the path of their image.

    Attributes
    ----------
    folder : Path
        Where `index.json` lies.
    simulated : bool
        True where no person looked.
    files : dict of str to str
        File of each map, relative to the folder, by the path of the image in its manifest.
    facts : dict
        Whatever else the index tells (sigma, normalisation, counts).
    """

    folder: Path
    simulated: bool
    files: dict[str, str]
    facts: dict[str, object] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: str | Path) -> MapFolder:
        """Read the index of a folder.

        Raises
        ------
        FileNotFoundError
            Where there is no index.
        ValueError
            Where it is no index of maps, or names a file outside the folder.
        """
        folder = Path(folder)
        path = folder / INDEX_NAME
        if not path.is_file():
            raise FileNotFoundError(
                f"maps must be a folder with {INDEX_NAME}, got {folder}. Run gaze maps first."
            )
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            files, simulated = dict(index.pop("maps")), bool(index.pop("simulated"))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} must be JSON with the keys simulated and maps, got {error!r}. "
                f"Write the maps again."
            ) from None
        for name in files.values():
            if not (folder / name).resolve().is_relative_to(folder.resolve()):
                raise ValueError(
                    f"{path} must name files inside its folder, got {name!r}. Write the maps again."
                )
        return cls(folder, simulated, files, index)

    def __len__(self) -> int:
        """Return the number of maps."""
        return len(self.files)

    def __contains__(self, path: object) -> bool:
        """Tell whether the image at `path` has a map."""
        return path in self.files

    def load(self, path: str) -> np.ndarray:
        """Read the map of one image.

        Returns
        -------
        numpy.ndarray, float32, [mh, mw]
            Non-negative and finite; not normalised here.

        Raises
        ------
        KeyError
            Where the image has no map.
        ValueError
            Where the file is no map.
        """
        file = self.folder / self.files[path]
        saliency = np.load(file, allow_pickle=False)
        sound = saliency.ndim == 2 and saliency.size and saliency.dtype.kind in "fiu"
        if not sound or not np.isfinite(saliency).all() or saliency.min() < 0:
            raise ValueError(
                f"{file} must hold a finite, non-negative map [mh, mw], got {saliency.dtype} "
                f"{list(saliency.shape)}. Write it again."
            )
        return saliency.astype(np.float32)


def write_maps(
    folder: str | Path,
    maps: Iterable[tuple[str, np.ndarray]],
    paths: Sequence[str],
    *,
    simulated: bool,
    facts: Mapping[str, object] | None = None,
) -> MapFolder:
    """Write maps and their index; a map is whole or absent, and the index comes last.

    Parameters
    ----------
    folder : str or Path
        Made where it is missing; an index there is replaced.
    maps : iterable of (str, numpy.ndarray)
        Path of the image and its map, float32 [mh, mw].
    paths : sequence of str
        All the paths that `maps` will yield, so that file names can be chosen beforehand.
    simulated : bool
        True where no person looked.
    facts : mapping, optional
        Further entries of the index.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name_of = choose_names(paths)
    files: dict[str, str] = {}
    with explained_disk(folder, lambda: f"{len(paths)} maps ({len(files)} are there)", _WAY_ON):
        for path, saliency in maps:
            with replace_file(folder / name_of[path]) as partial, partial.open("wb") as file:
                np.save(file, saliency.astype(np.float32), allow_pickle=False)
            files[path] = name_of[path]
        index = {"simulated": simulated, **(facts or {}), "maps": files}
        text = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
        with replace_file(folder / INDEX_NAME) as partial:
            partial.write_text(text, encoding="utf-8")
    return MapFolder(folder, simulated, files, dict(facts or {}))


def choose_names(paths: Sequence[str]) -> dict[str, str]:
    """Give each image a file name: its stem, with a digest of its path where stems collide.

    Names depend on the set of paths alone, not on their order, and stay apart where the file system
    ignores case.
    """
    count: dict[str, int] = {}
    for path in set(paths):
        stem = PurePosixPath(path).stem.lower()
        count[stem] = count.get(stem, 0) + 1
    names = {}
    for path in paths:
        stem = PurePosixPath(path).stem
        digest = hashlib.sha256(path.encode()).hexdigest()[:10]
        names[path] = f"{stem}.npy" if count[stem.lower()] == 1 else f"{stem}-{digest}.npy"
    return names
