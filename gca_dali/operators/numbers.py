"""Numbers of a law that may differ from sample to sample.

Enters: a policy, names and numbers. Leaves: the policy with these numbers. Next: `windows`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from nvidia.dali.data_node import DataNode

    from gca_dali.policy.view_policy import ViewPolicy

LAWS_OF = {"tau": ("hold", "rejection"), "rho": ("relative",)}


class Numbers(TypedDict, total=False):
    """Numbers of the law that may differ from sample to sample: one for all, a DataNode or a batch.

    `tau` is for groups with the law "hold" or "rejection", `rho` for those with "relative", `flip`
    for all.
    """

    tau: float | DataNode | Any
    rho: float | DataNode | Any
    flip: float | DataNode | Any


def check_name_of_number(name: str) -> None:
    """Raise TypeError unless a number of the law has this name."""
    if name not in Numbers.__annotations__:
        known = ", ".join(Numbers.__annotations__)
        raise TypeError(f"number must be one of {known}, got {name!r}. Others are the policy's.")


@lru_cache(maxsize=1024)
def with_numbers(policy: ViewPolicy, names: tuple[str, ...], values: tuple) -> ViewPolicy:
    """Return a policy with some numbers changed, in those of its groups that have them.

    Raises
    ------
    ValueError
        If no group has one of them, or a number is out of range.
    """
    changes = {}
    for name, value in zip(names, values, strict=True):
        laws = LAWS_OF.get(name)
        if laws is None:
            changes[name] = value
            continue
        groups = [i for i, group in enumerate(policy.groups) if group.crop.law in laws]
        if not groups:
            raise ValueError(
                f"{name} must be left out unless a group has the law {' or '.join(laws)}, got "
                f"{value}. Use ViewPolicy.replace(law=…)."
            )
        changes |= {f"groups.{i}.crop.{name}": value for i in groups}
    return policy.replace(**changes)
