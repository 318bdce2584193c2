"""A policy with some of its parts changed, by their names.

Enters: a policy and changes. Leaves: another policy, checked as a whole: parts that depend on each
other, such as law and tau, change together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar, get_type_hints

from gca_dali.policy.data import check_name, convert
from gca_dali.policy.group import ViewGroup
from gca_dali.policy.parts import Appearance, Crop, Cutout

Policy = TypeVar("Policy")
# Where the parts of a group are found that are named without their place.
_INSIDE = {"crop": Crop, "cutout": Cutout, "appearances": Appearance}
_AMBIGUOUS = ("probability",)


def change_parts(policy: Policy, changes: Mapping[str, Any]) -> Policy:
    """Return a policy with changes, as `ViewPolicy.replace` describes them.

    Raises
    ------
    TypeError, ValueError
        If there is no such part, or it cannot have the value.
    """
    changes = dict(changes)
    while changes:
        # A part that is given whole comes before parts of it, and all groups' before one's.
        inner = {n for n in changes if any(_is_inside(n, other) for other in changes)}
        policy = _change_together(policy, {n: v for n, v in changes.items() if n not in inner})
        changes = {name: value for name, value in changes.items() if name in inner}
    return policy


def _change_together(policy: Policy, changes: Mapping[str, Any]) -> Policy:
    """Return a policy with changes of which none lies inside another."""
    groups: tuple[ViewGroup, ...] = policy.groups  # type: ignore[attr-defined]
    tree: dict[str, Any] = {}
    for name, value in changes.items():
        for path, wanted in _places(policy, groups, name, value):
            node = tree
            for part in path[:-1]:
                node = node.setdefault(part, {})
            node[path[-1]] = _Value(wanted)
    return _apply(policy, tree, "") if tree else policy


def _is_inside(name: str, other: str) -> bool:
    """Tell whether a name means less than another: a part of its part, or of one group alone."""
    (mine, num_mine), (theirs, num_theirs) = _kind_of(name), _kind_of(other)
    is_part = mine[: len(theirs)] == theirs
    return is_part and (len(mine), num_mine) > (len(theirs), num_theirs)


def _kind_of(name: str) -> tuple[list[str], int]:
    """Return the way to a part inside of a group, without numbers, and how much the name says."""
    first, *rest = name.split(".")
    ways, _ = ([], None) if first in _names(ViewGroup) else _inside(first, rest)
    full = ways[0] if ways else [first, *rest]
    return [part for part in full if part != "groups" and not part.isdigit()], len(full)


class _Value:
    """A leaf of the tree of changes."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _places(
    policy: Any, groups: tuple[ViewGroup, ...], name: str, value: Any
) -> list[tuple[list[str], Any]]:
    """Return the paths that a name means, and what each is to be."""
    first, *rest = name.split(".")
    if first in _names(type(policy)):
        return [([first, *rest], value)]
    if first == "size" and not rest:
        size = convert("size", value, int)
        sizes = [size, *(max(round(g.size * size / groups[0].size), 1) for g in groups[1:])]
        return [(["groups", str(i), "size"], one) for i, one in enumerate(sizes)]
    if first == "num_views" and len(groups) > 1:
        raise ValueError(
            f"num_views must say of which of the {len(groups)} groups, got {value}. Name "
            "groups.0.num_views or groups.1.num_views."
        )
    if first in _names(ViewGroup):
        ways = [[first, *rest]]
    else:
        (ways, known) = _inside(first, rest)
        check_name(first, (*_names(type(policy)), *_names(ViewGroup), *known))
    found = []
    for number, group in enumerate(groups):
        for way in ways:
            found += [(["groups", str(number), *full], value) for full in _expand(group, way)]
    if not found:
        raise ValueError(f"{name} must be a part of this policy, got one without {ways[0][0]}.")
    return found


def _inside(first: str, rest: list[str]) -> tuple[list[list[str]], list[str]]:
    """Return the ways to a part that is named without its place, and all such names."""
    names = {
        part: place
        for place, kind in _INSIDE.items()
        for part in _names(kind)
        if part not in _AMBIGUOUS
    }
    return ([[names[first], first, *rest]] if first in names else []), list(names)


def _expand(group: ViewGroup, way: list[str]) -> list[list[str]]:
    """Return a way inside a group with the numbers of its appearances; none where it ends early."""
    if way[0] == "appearances" and len(way) > 1 and not way[1].isdigit():
        return [["appearances", str(i), *way[1:]] for i in range(len(group.appearances))]
    if way[0] == "cutout" and len(way) > 1 and group.cutout is None:
        return []
    return [way]


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


def _apply(node: Any, tree: dict[str, Any], where: str) -> Any:
    """Return a dataclass or tuple with the changes of a tree."""
    if isinstance(node, tuple):
        for name in tree:
            check_name(name, map(str, range(len(node))), where)
        return tuple(
            _apply(item, tree[str(i)], f"{where}.{i}") if str(i) in tree else item
            for i, item in enumerate(node)
        )
    changes = {}
    for name, below in tree.items():
        check_name(name, _names(type(node)), where)
        place = f"{where}.{name}" if where else name
        if isinstance(below, _Value):
            changes[name] = below.value
            continue
        inner = getattr(node, name)
        if inner is None or (not isinstance(inner, tuple) and not hasattr(inner, "__dict__")):
            raise ValueError(f"{place} must have parts to be changed, got {inner}. Give it whole.")
        changes[name] = _apply(inner, below, place)
    return _replace(node, changes, where)


def _replace(node: Any, changes: dict[str, Any], where: str) -> Any:
    kinds = get_type_hints(type(node))
    prefix = f"{where}." if where else ""
    return replace(
        node,
        **{name: convert(prefix + name, value, kinds[name]) for name, value in changes.items()},
    )
