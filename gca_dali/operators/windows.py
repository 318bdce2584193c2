"""Maps and keys → windows, as an operator.

Enters: maps, keys, shapes and, where samples differ, numbers of the law. Leaves: `Windows`, one
array per sample and field. Next: `views`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gca_dali.operators.inputs import (
    check_maps,
    check_same_length,
    read_keys,
    read_numbers,
    read_shapes,
)
from gca_dali.operators.numbers import with_numbers

if TYPE_CHECKING:
    from gca_dali.operators.kernels import Kernels
    from gca_dali.policy.view_policy import ViewPolicy


class Windows(NamedTuple):
    """Where the V views of an image lie; each field is a DataNode (or, dynamic, a batch).

    Attributes
    ----------
    start, size : float32, [V, 2]
        y0, x0 and height, width in pixels of the image: anchor and shape of DALI's slices.
    turns : int32, [V, 2]
        Rotation step (-1: upright) and flip.
    retained : float32, [V]
        Share of the saliency mass in the window.
    grown : bool, [V]
        Whether the window had to grow to hold tau.
    focus : float32, [2]
        y, x of the attended point that views share, in pixels; NaN without one.
    units, cutouts, marks : int32, [V, 4], [V, 4], [5]
        The same windows in 1/256 of a map cell, what is cut out of the views, and what is marked on
        the map: for `render_views`.
    """

    start: Any
    size: Any
    turns: Any
    retained: Any
    grown: Any
    focus: Any
    units: Any
    cutouts: Any
    marks: Any

    def gpu(self) -> Windows:
        """Return the same windows on the GPU."""
        return Windows(*(field.gpu() for field in self))


@dataclass(frozen=True)
class SampleWindows:
    """Draws windows and cutouts.

    Attributes
    ----------
    policy : ViewPolicy
    seed : int
    kernels : Kernels
    names : tuple of str
        Which numbers of the law each sample brings, in the order of the inputs.
    """

    policy: ViewPolicy
    seed: int
    kernels: Kernels
    names: tuple[str, ...] = ()

    def __call__(
        self,
        maps: Sequence[Any],
        keys: Sequence[np.ndarray],
        shapes: Sequence[np.ndarray],
        *numbers: Sequence[np.ndarray],
    ) -> tuple[list[Any], ...]:
        """Return the fields of `Windows`, each a list of B arrays.

        Parameters
        ----------
        maps : sequence of arrays, uint8, B × [h, w]
        keys : sequence of numpy.ndarray, int64, B × [2]
        shapes : sequence of numpy.ndarray, integers, B × [H, W] or [H, W, C]
        *numbers : sequence of numpy.ndarray, B × []

        Raises
        ------
        TypeError, ValueError
            If an argument is not what it must be; it is named.
        """
        named = dict(zip(self.names, numbers, strict=True))
        check_same_length(saliency=maps, keys=keys, shapes=shapes, **named)
        check_maps(maps)
        rows, sizes = read_keys(keys), read_shapes(shapes)
        values = [read_numbers(name, given) for name, given in named.items()]
        table = self.kernels.stack(maps)
        fields: tuple[list[Any], ...] = tuple([None] * len(maps) for _ in Windows._fields)
        for members, epoch, policy in self._split(rows, values):
            given = (rows[members, 0], sizes[members], (self.seed, epoch), policy)
            found = self.kernels.plan(table, members, *given)
            for field, array in zip(fields, found, strict=True):
                for place, b in enumerate(members.tolist()):
                    field[b] = array[place]
        return fields

    def _split(
        self, keys: np.ndarray, values: list[list[float]]
    ) -> Iterator[tuple[np.ndarray, int, ViewPolicy]]:
        """Yield the samples that one launch can draw: of one epoch and one law."""
        together: dict[tuple, list[int]] = {}
        for b, laid in enumerate(zip(keys[:, 1].tolist(), *values, strict=True)):
            together.setdefault(laid, []).append(b)
        for (epoch, *changed), members in together.items():
            policy = with_numbers(self.policy, self.names, tuple(changed))
            yield np.array(members), epoch, policy
