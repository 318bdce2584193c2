"""Folders that outlive a process: where kernels, maps and parts of stores are kept.

Enters: a kind of thing. Leaves: the user's folder for it, and whether it can be written.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

FOLDER_VARIABLE = "GCA_DALI_CACHE"


def cache_folder(kind: str) -> Path:
    """Return the user's folder for a kind of thing; it need not exist.

    `kind` in `$GCA_DALI_CACHE`, or else in `$XDG_CACHE_HOME/gca_dali`, or else in
    `~/.cache/gca_dali`.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen) / kind
    base = os.environ.get("XDG_CACHE_HOME")
    # A container's user may have neither $HOME nor an entry among the users: "~" stays as it is.
    home = os.path.expanduser("~")
    return Path(base or os.path.join("/" if home == "~" else home, ".cache")) / "gca_dali" / kind


def can_write(folder: Path) -> bool:
    """Make a folder and tell whether a file can be made in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
