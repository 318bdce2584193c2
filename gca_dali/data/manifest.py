"""The rows of a data set: where its images lie, their size and depth, labels and patients.

A folder, a CSV or a saved manifest enters; columns leave, with the refused files and their reasons.
The next step, *order*, turns the number of rows into sample indices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gca_dali.data.fetch import read_row
from gca_dali.data.index import Refused as Refused
from gca_dali.data.parquet import read_parquet, write_parquet
from gca_dali.data.rows import Rows
from gca_dali.data.sources import Reading, index_csv, index_folder
from gca_dali.data.stored import index_store
from gca_dali.image.voi import DicomOptions
from gca_dali.store.cache import StoreCache
from gca_dali.store.open import is_store


@dataclass(frozen=True, eq=False)
class Manifest(Rows):
    """One row per image: `Rows` that come from and go to files.

    Examples
    --------
    >>> manifest = Manifest.from_csv("knee/labels.csv")  # doctest: +SKIP
    >>> len(manifest.where(split="train"))  # doctest: +SKIP
    5778
    """

    @classmethod
    def from_folder(
        cls,
        root: str | Path,
        *,
        labels: str | Path | None = None,
        workers: int | None = None,
        progress: bool = False,
        allow_outside: bool = False,
        dicom: DicomOptions | None = None,
    ) -> Manifest:
        """Index every image below a folder, in the order of their paths.

        Where all images lie equally deep below `root`, folders mean something: one named train,
        val, valid, validation or test gives a column ``split``, and the images' own folder gives
        the label if there are at least two such names (numbered in sorted order; a split is no
        class). ``labels`` replaces this by the columns of a CSV.

        Parameters
        ----------
        root : str or pathlib.Path
            The folder. Hidden files and side files (`index.SIDE_FILES`) are passed
            over; whatever else is not an image is refused by name.
        labels : str or pathlib.Path, optional
            A CSV with the column path, matched to the files by resolved path. Listed images that
            are not below `root` are refused; images that are not listed have no label.
        workers : int, optional
            Number of threads that read headers.
        progress : bool
            Show a bar on stderr after the first second.
        allow_outside : bool
            Follow links that lead out of `root`.
        dicom : DicomOptions, optional
            Contrast, frames and patients of DICOM files.

        Returns
        -------
        Manifest

        Raises
        ------
        FileNotFoundError
            If the folder or the CSV does not exist.
        ValueError
            If no image can be read.
        """
        reading = Reading(workers, progress, allow_outside, dicom or DicomOptions())
        return cls(**index_folder(Path(root), None if labels is None else Path(labels), reading))

    @classmethod
    def from_csv(
        cls,
        csv: str | Path,
        root: str | Path | None = None,
        *,
        workers: int | None = None,
        progress: bool = False,
        allow_outside: bool = False,
        dicom: DicomOptions | None = None,
    ) -> Manifest:
        """Index the images that a CSV lists, in its order.

        Known columns are path, label, split and patient; others are kept (named ``listed_…``
        where they would hide a measured one, such as height). Labels are class indices or names;
        NA, nan, None, NULL, n/a and empty mean that there is none.

        Parameters
        ----------
        csv : str or pathlib.Path
            UTF-8 with a header line, separated by commas, semicolons or tabs.
        root : str or pathlib.Path, optional
            Folder that the paths are relative to; the CSV's own folder where none is given.
        workers : int, optional
            Number of threads that read headers.
        progress : bool
            Show a bar on stderr after the first second.
        allow_outside : bool
            Follow paths and links that lead out of `root`.
        dicom : DicomOptions, optional
            Contrast, frames and patients of DICOM files.

        Returns
        -------
        Manifest

        Raises
        ------
        FileNotFoundError
            If the CSV does not exist; a listed file that is missing is refused instead.
        ValueError
            If there is no column path, or no image can be read.
        """
        reading = Reading(workers, progress, allow_outside, dicom or DicomOptions())
        return cls(**index_csv(Path(csv), None if root is None else Path(root), reading))

    @classmethod
    def open(
        cls,
        source: str | Path,
        *,
        root: str | Path | None = None,
        progress: bool = False,
        allow_outside: bool = False,
        dicom: DicomOptions | None = None,
        cache: StoreCache | None = None,
    ) -> Manifest:
        """Open whatever holds a data set: a folder, a CSV, a saved manifest or a prepared store.

        Parameters
        ----------
        source : str or pathlib.Path
            A folder, a ``.csv``, a ``.parquet``, or a store: its folder or a URL that fsspec knows.
        root : str or pathlib.Path, optional
            Where the images of a CSV or a saved manifest lie, if they have moved.
        progress : bool
            Show a bar on stderr after the first second.
        allow_outside : bool
            Follow paths and links that lead out of the root.
        dicom : DicomOptions, optional
            Contrast, frames and patients of DICOM files; of a saved manifest the contrast alone
            can be changed, of a store nothing.
        cache : StoreCache, optional
            Where samples of a store at a URL are kept; a folder of 8 GiB by default.

        Returns
        -------
        Manifest

        Raises
        ------
        FileNotFoundError
            If there is no such file or folder.
        ValueError
            If it is none of these kinds.
        """
        if is_store(source):
            if dicom is not None:
                raise ValueError(
                    f"dicom must be left out for a store, got {dicom}. Its images have their "
                    "contrast already; prepare another store."
                )
            return cls(**index_store(source, cache))
        source = Path(source)
        if source.is_dir():
            more = {"progress": progress, "allow_outside": allow_outside, "dicom": dicom}
            return cls.from_folder(source, **more)
        if source.suffix.lower() == ".csv":
            more = {"progress": progress, "allow_outside": allow_outside, "dicom": dicom}
            return cls.from_csv(source, root, **more)
        if source.suffix.lower() == ".parquet":
            saved = cls(**read_parquet(source, root, allow_outside))
            return saved if dicom is None else saved.with_contrast(dicom)
        if not source.exists():
            raise FileNotFoundError(
                f"source must be an existing folder, CSV or manifest, got {source}. Check the path."
            )
        raise ValueError(
            f"source must be a folder, a .csv or a .parquet, got {source}. Make a manifest with "
            "gca-dali index."
        )

    def read(self, row: int) -> np.ndarray:
        """Read one image whole, as the loader does.

        Parameters
        ----------
        row : int

        Returns
        -------
        numpy.ndarray, uint8 or uint16, [H, W]
            Grey and upright, with its stored values; DICOM over the full range of uint16.

        Raises
        ------
        OSError
            If the file cannot be opened.
        UnreadableImageError
            If it is no image, or broken.
        """
        return read_row(self, row)

    def with_contrast(self, dicom: DicomOptions) -> Manifest:
        """Return the same rows with another contrast of DICOM images.

        Parameters
        ----------
        dicom : DicomOptions
            Its frames and patients must be left alone: they belong to the index.

        Raises
        ------
        ValueError
            If they are not.
        """
        if dicom != DicomOptions(voi=dicom.voi):
            raise ValueError(
                f"dicom must change voi alone in rows that are indexed, got {dicom}. Index the "
                "files again for other frames or for patients."
            )
        return replace(self, voi=dicom.voi)

    def save(self, path: str | Path) -> None:
        """Write a parquet file of plain columns; the root is kept relative to it.

        Parameters
        ----------
        path : str or pathlib.Path
            Ends in ``.parquet``.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        """
        write_parquet(self, Path(path))
