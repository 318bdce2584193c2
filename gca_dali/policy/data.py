"""Plain data ↔ the parts of a policy, with errors that name the part and the nearest right name.

Enters: values as TOML, JSON or a command line give them. Leaves: dataclasses. Used by `change` and
`files`.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin, get_type_hints

_WORDS = {float: "a number", int: "an integer", bool: "true or false", str: "a word"}


def convert(name: str, value: Any, kind: Any) -> Any:
    """Return a value as a field of this type takes it.

    Parameters
    ----------
    name : str
        What messages call it.
    value : object
    kind : type
        float, int, bool, str, a dataclass, tuples of them, or one of them or None.

    Raises
    ------
    TypeError
        If it is of another kind.
    ValueError
        If a dataclass refuses it.
    """
    if get_origin(kind) in (Union, types.UnionType):
        if value is None or value == "none":
            return None
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is tuple:
        return _convert_several(name, value, get_args(kind))
    if is_dataclass(kind):
        if isinstance(value, Mapping):
            return build(name, value, kind)
        if isinstance(value, kind):  # type: ignore[arg-type]
            return value
        raise TypeError(f"{name} must be a {kind.__name__}, got {value!r}.")  # type: ignore[union-attr]
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} must be {_WORDS[kind]}, got {value!r}.")
    return kind(value)


def _convert_several(name: str, value: Any, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{name} must be a list, got {value!r}.")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise TypeError(f"{name} must be a list of {len(kinds)}, got {list(value)}.")
    pairs = zip(value, kinds, strict=True)
    return tuple(convert(f"{name}.{i}", item, kind) for i, (item, kind) in enumerate(pairs))


def build(name: str, data: Mapping[str, Any], kind: Any) -> Any:
    """Make a dataclass of plain data; what is left out keeps its default.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown or a value refused.
    """
    kinds = get_type_hints(kind)
    known = [field.name for field in fields(kind)]
    for key in data:
        check_name(key, known, name)
    prefix = f"{name}." if name else ""
    values = {key: convert(prefix + key, value, kinds[key]) for key, value in data.items()}
    return kind(**values)


def check_name(name: str, known: Iterable[str], where: str = "") -> None:
    """Raise ValueError unless a name is known; tell the nearest that is."""
    known = list(known)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
        place = f" of {where}" if where else ""
        raise ValueError(f"name{place} must be a part of a policy, got {name!r}. {remedy}")


def to_plain(value: Any) -> Any:
    """Return dataclasses and tuples as dicts and lists; what is None is left out."""
    if is_dataclass(value):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: to_plain(item) for name, item in pairs if item is not None}
    return [to_plain(item) for item in value] if isinstance(value, tuple) else value
