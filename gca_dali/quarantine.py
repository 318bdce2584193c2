"""Files that turned bad after they were indexed: named, with their reasons, never silently lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator

LOG = logging.getLogger("gca_dali")


class Quarantine:
    """Samples that are set aside, by index.

    Parameters
    ----------
    paths : list of str
        One per row of the manifest.
    """

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self.reasons: dict[int, str] = {}

    def add(self, index: int, reason: str) -> None:
        """Set a sample aside and say so in the log.

        Raises
        ------
        RuntimeError
            If no sample is left.
        """
        self.reasons[index] = reason
        LOG.warning("set aside %s: %s", self.paths[index], reason)
        if len(self.reasons) == len(self.paths):
            raise RuntimeError(
                f"none of the {len(self.paths)} images can be read; the last was "
                f"{self.paths[index]}: {reason}. Index the data again."
            )

    def __contains__(self, index: int) -> bool:
        """Tell whether a sample is set aside."""
        return index in self.reasons

    def __len__(self) -> int:
        """Return how many samples are set aside."""
        return len(self.reasons)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield path and reason of each, in the order of their indices."""
        for index in sorted(self.reasons):
            yield self.paths[index], self.reasons[index]

    def __repr__(self) -> str:
        """Show the entries, one a line."""
        entries = "".join(f"\n  {path}: {reason}" for path, reason in self)
        return f"Quarantine of {len(self)} file(s){entries}"
