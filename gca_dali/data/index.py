"""Find image files and read their headers in parallel; no image is decoded.

A folder or a list of paths enters; a header or a :class:`Refused` with its reason leaves for each.
The next step is :class:`gca_dali.data.manifest.Manifest`, which puts the headers into columns.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from unicodedata import category

from gca_dali.common.machine import MachineFaultError, describe, is_machine_fault, retried
from gca_dali.common.progress import track
from gca_dali.image.headers import Header, read_header

# Files that lie beside images and are no images; hidden files and folders are passed over too.
# Whatever else is not an image is named among the refused.
_TEXT_FILES = (".htm", ".html", ".log", ".md", ".pdf", ".rst", ".txt", ".xml")
_TABLES = (".csv", ".npy", ".parquet", ".tsv", ".xls", ".xlsx")
_SETTINGS = (".cfg", ".ini", ".json", ".jsonl", ".toml", ".yaml", ".yml")
SIDE_FILES = frozenset((*_TEXT_FILES, *_TABLES, *_SETTINGS))
SIDE_NAMES = frozenset(("COPYING", "DICOMDIR", "LICENSE", "README", "Thumbs.db", "desktop.ini"))

_PATHS_PER_TASK = 256
_MAX_WORKERS = 16


@dataclass(frozen=True)
class Refused:
    """A file or row that was set aside.

    Parameters
    ----------
    path : str
        Relative to the root, as far as it has one.
    reason : str
        Why, and what can be done about it.
    """

    path: str
    reason: str


def find_files(root: Path) -> tuple[list[str], list[Refused]]:
    """List every file below a folder, sorted, without the side files.

    Parameters
    ----------
    root : Path
        An existing folder.

    Returns
    -------
    paths : list of str
        Posix paths relative to `root`: what may be an image.
    refused : list of Refused
        Folders that are links or cannot be listed, and names that are not UTF-8.

    Raises
    ------
    MachineFaultError
        If the machine cannot list a folder at the moment.
    """
    return retried(lambda: _walk(root), str(root))


def _walk(root: Path) -> tuple[list[str], list[Refused]]:
    paths, refused = [], []

    def refuse_folder(error: OSError) -> None:
        if is_machine_fault(error):
            raise error
        refused.append(Refused(_relative(root, error.filename), describe(error)))

    for folder, folder_names, file_names in os.walk(root, onerror=refuse_folder):
        for name in list(folder_names):
            if name.startswith("."):
                folder_names.remove(name)
            elif os.path.islink(os.path.join(folder, name)):
                path = _relative(root, os.path.join(folder, name))
                refused.append(Refused(path, "a link to a folder; index that folder itself"))
        for name in file_names:
            if _is_side_file(name):
                continue
            path = _relative(root, os.path.join(folder, name))
            if is_plain_text(path):
                paths.append(path)
            else:
                refused.append(Refused(ascii(path), "the name is not plain UTF-8; rename the file"))
    return sorted(paths), sorted(refused, key=lambda item: item.path)


def read_headers(
    root: Path,
    paths: list[str],
    *,
    workers: int | None = None,
    progress: bool = False,
    allow_outside: bool = False,
    with_patient: bool = False,
    voi: str = "auto",
) -> list[Header | Refused]:
    """Read many headers in parallel threads.

    Parameters
    ----------
    root : Path
        Folder that the paths are relative to.
    paths : list of str
        Posix paths.
    workers : int, optional
        Number of threads; twice the cores, at most 16, where none is given.
    progress : bool
        Show a bar on stderr after the first second.
    allow_outside : bool
        Follow paths and links that lead out of `root`.
    with_patient : bool
        Also read the patient identifiers of DICOM files.
    voi : str
        What will set the contrast of DICOM files: one without the window or table that it names is
        refused. See :func:`gca_dali.image.voi.parse_voi`.

    Returns
    -------
    list of Header or Refused
        One for each path, in their order.

    Raises
    ------
    ValueError
        If `workers` is below 1.
    MachineFaultError
        If the machine cannot open files at the moment, which refuses none of them.
    """
    if workers is None:
        workers = min(_MAX_WORKERS, 2 * (os.cpu_count() or 1))
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}. Leave it out for a default.")
    outside = frozenset() if allow_outside else frozenset(find_outside(root, paths))

    def read_chunk(chunk: list[str]) -> list[Header | Refused]:
        return [_read_or_refuse(root, path, path in outside, with_patient, voi) for path in chunk]

    with ThreadPoolExecutor(workers) as pool:
        results = (item for chunk in pool.map(read_chunk, _split(paths)) for item in chunk)
        if progress:
            results = track(results, len(paths), "reading headers")
        return list(results)


def is_plain_text(path: str) -> bool:
    """Say whether a path can be stored and shown: no control characters, no broken UTF-8.

    Parameters
    ----------
    path : str
        As the file system or a CSV gives it.

    Returns
    -------
    bool
    """
    return path.isprintable() or all(category(sign) not in ("Cc", "Cs") for sign in path)


def find_outside(root: Path, paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths that lead out of a folder, by their name or through a link.

    Parameters
    ----------
    root : Path
        The folder.
    paths : iterable of str
        Posix paths, relative to `root` or absolute.

    Yields
    ------
    str
        Each path whose target does not lie below `root`.
    """
    inside = os.path.join(os.path.realpath(root), "")
    paths = list(paths)
    targets = resolve_paths([os.path.join(root, path) for path in paths])
    for path, target in zip(paths, targets, strict=True):
        if not target.startswith(inside):
            yield path


def resolve_paths(paths: Iterable[str]) -> list[str]:
    """Resolve links and dots, each folder once.

    Parameters
    ----------
    paths : iterable of str
        Files; they need not exist.

    Returns
    -------
    list of str
        As ``os.path.realpath`` gives them, in the same order.
    """
    folders: dict[str, str] = {}
    resolved = []
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        # Only the last name can still be a link or dots.
        plain = name not in ("", ".", "..") and not os.path.islink(path)
        resolved.append(os.path.join(folders[folder], name) if plain else os.path.realpath(path))
    return resolved


def _read_or_refuse(
    root: Path, path: str, outside: bool, with_patient: bool, voi: str
) -> Header | Refused:
    if outside:
        return Refused(
            path, "leads out of the root folder; allow_outside=True (--allow-outside) lets it"
        )
    full = os.path.join(root, path)
    try:
        return retried(lambda: read_header(full, with_patient=with_patient, voi=voi), full)
    except MachineFaultError:
        raise
    except FileNotFoundError:
        return Refused(path, "no such file")
    except (OSError, ValueError, ImportError) as error:
        return Refused(path, describe(error))
    except Exception as error:  # a parser's own fault must not stop the other files
        return Refused(path, f"damaged header ({type(error).__name__}: {error})")


def _is_side_file(name: str) -> bool:
    return name.startswith(".") or name in SIDE_NAMES or Path(name).suffix.lower() in SIDE_FILES


def _relative(root: Path, path: str) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _split(paths: list[str]) -> Iterator[list[str]]:
    rest = iter(paths)
    while chunk := list(islice(rest, _PATHS_PER_TASK)):
        yield chunk
