"""Files that turned bad after they were indexed: named, with their reasons, never silently lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest

LOG = logging.getLogger("gca_dali")


class UnreadableFileError(RuntimeError):
    """A file of the manifest cannot be read, and the loader was told to stop at that."""


class Quarantine:
    """Files that are set aside: those that indexing refused, and samples that turned bad since.

    Iterating gives (path, reason) pairs.

    Parameters
    ----------
    manifest : Manifest
    on_error : str
        "quarantine", or "raise" to stop at the first file that turns bad.
    """

    def __init__(self, manifest: Manifest, on_error: str = "quarantine") -> None:
        self.paths = manifest.path.tolist()
        self.refused = [(refused.path, refused.reason) for refused in manifest.refused]
        self.on_error = on_error
        self.reasons: dict[int, str] = {}

    def add(self, index: int, reason: str) -> None:
        """Set a sample aside and say so in the log.

        Raises
        ------
        UnreadableFileError
            If `on_error` is "raise", in which case nothing is set aside; or no sample is left.
        """
        reason = " ".join(reason.split()) or "no reason was given"
        if self.on_error == "raise":
            raise UnreadableFileError(
                f"cannot read {self.paths[index]}: {reason}. Mend the file, or pass "
                "on_error='quarantine' to go on without it."
            )
        self.reasons[index] = reason
        LOG.warning("set aside %s: %s", self.paths[index], reason)
        self.check_left()

    def check_left(self) -> None:
        """Raise UnreadableFileError if no sample is left to stand in for the others."""
        if len(self.reasons) == len(self.paths):
            index, reason = next(reversed(self.reasons.items()))
            raise UnreadableFileError(
                f"none of the {len(self.paths)} images can be read; the last was "
                f"{self.paths[index]}: {reason}. Index the data again."
            )

    def __contains__(self, index: int) -> bool:
        """Tell whether a sample is set aside."""
        return index in self.reasons

    def __len__(self) -> int:
        """Return how many files are set aside."""
        return len(self.refused) + len(self.reasons)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield path and reason: first what indexing refused, then samples by index."""
        yield from self.refused
        for index in sorted(self.reasons):
            yield self.paths[index], self.reasons[index]

    def __repr__(self) -> str:
        """Show the entries, one a line."""
        entries = "".join(f"\n  {path}: {reason}" for path, reason in self)
        return f"Quarantine of {len(self)} file(s){entries}"
