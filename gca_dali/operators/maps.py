"""Keys, and the maps that belong to them.

Enters: indices and epochs, or keys. Leaves: keys, int64, [2]; maps, uint8, [h, w]. Next: `windows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gca_dali.gaze.predicted import PredictedTable
from gca_dali.gaze.table import SaliencyTable
from gca_dali.operators.inputs import check_same_length, read_images, read_keys
from gca_dali.operators.tables import check_has_map


@dataclass(frozen=True)
class MakeKeys:
    """Puts index and epoch together; `epoch` is None where each sample brings its own."""

    epoch: int | None = None

    def __call__(
        self, index: Sequence[np.ndarray], epochs: Sequence[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Return keys, int64, B × [2].

        Raises
        ------
        TypeError, ValueError
            If an index or epoch is no single integer, or below 0.
        """
        given = {"index": index, **({} if epochs is None else {"epoch": epochs})}
        check_same_length(**given)
        for name, values in given.items():
            for value in values:
                if value.dtype.kind not in "iu" or value.size != 1:
                    raise TypeError(
                        f"{name} must be one integer for each sample, got {value.dtype} "
                        f"{list(value.shape)}. Labels of a reader can be the indices."
                    )
        columns = [[int(value.reshape(())) for value in values] for values in given.values()]
        if epochs is None:
            columns.append([self.epoch or 0] * len(index))
        return list(read_keys([np.array(key, np.int64) for key in zip(*columns, strict=True)]))


@dataclass(frozen=True)
class TakeMaps:
    """Looks maps up by the index of the key."""

    table: SaliencyTable

    def __call__(self, keys: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return maps, uint8, B × [h, w].

        Raises
        ------
        ValueError
            If a key has no map.
        """
        index = read_keys(keys)[:, 0]
        check_has_map(self.table, index)
        return list(self.table.take(index))


@dataclass(frozen=True)
class PredictMaps:
    """Looks maps up, and predicts once what is missing, on whatever device the images are."""

    table: PredictedTable

    def __call__(self, images: Sequence[Any], keys: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return maps, uint8, B × [h, w], on the CPU.

        Raises
        ------
        TypeError, ValueError
            If images are not grey, or a key has no row in the table.
        """
        check_same_length(images=images, keys=keys)
        index = read_keys(keys)[:, 0]
        check_has_map(self.table, index)
        return list(self.table.take(index, read_images(images)))
