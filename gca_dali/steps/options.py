"""The options of a loader: their names, types and defaults, and what is refused.

Enters: the keyword arguments of `GCALoader`. Leaves: `LoaderConfig`. Next: `order` and `pipeline`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, TypedDict

from gca_dali.common.checks import check_at_least, check_choice


class LoaderOptions(TypedDict, total=False):
    """The fields of `LoaderConfig` as keyword arguments, so that an editor completes them."""

    batch_size: int
    device: str
    seed: int
    rank: int
    world_size: int
    drop_last: bool
    shuffle: bool
    num_threads: int
    resident: bool
    on_error: str


@dataclass(frozen=True)
class LoaderConfig:
    """How batches are made; the keyword arguments of `GCALoader`.

    Attributes
    ----------
    batch_size : int
        Images per batch of this rank.
    device : str
        "auto" (a GPU where one can be used), "cpu", "cuda" (torch's current GPU) or "cuda:N".
    seed : int
        64-bit key of all random numbers.
    rank, world_size : int
        This process among all that share an epoch.
    drop_last : bool
        Leave out the last, incomplete batch.
    shuffle : bool
        A new order in each epoch.
    num_threads : int
        0 means one per core.
    resident : bool
        Decode each image once, at the first batch, and keep all of them in the device's memory.
    on_error : str
        "quarantine" (a file that turns bad is replaced and named) or "raise".
    """

    batch_size: int = 64
    device: str = "auto"
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    drop_last: bool = True
    shuffle: bool = True
    num_threads: int = 0
    resident: bool = False
    on_error: str = "quarantine"

    def __post_init__(self) -> None:
        """Refuse what `Order` does not look at."""
        check_at_least("num_threads", self.num_threads, 0)
        check_choice("on_error", self.on_error, ("quarantine", "raise"))


def read_options(options: Mapping[str, Any]) -> LoaderConfig:
    """Return options as a `LoaderConfig`.

    Raises
    ------
    TypeError
        If there is no option of a name; the nearest one is named.

    Examples
    --------
    >>> read_options({"batchsize": 8})
    Traceback (most recent call last):
        ...
    TypeError: option must be a field of LoaderConfig, got 'batchsize'. Did you mean batch_size?
    """
    known = [field.name for field in fields(LoaderConfig)]
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            remedy = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
            raise TypeError(f"option must be a field of LoaderConfig, got {name!r}. {remedy}")
    return LoaderConfig(**options)
