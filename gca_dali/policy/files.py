"""Policies as TOML or JSON files.

Enters: a policy or a path. Leaves: plain data, with the version of the laws: a policy whose windows
a later version would draw otherwise is refused.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TypeVar

from gca_dali.policy.data import build, to_plain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

Policy = TypeVar("Policy")
VERSION_KEY = "law_version"
SUFFIXES = (".toml", ".json")


def to_dict(policy: Any) -> dict[str, Any]:
    """Return a policy as plain data: numbers, words, lists, dicts."""
    from gca_dali_kernels.law import LAW_VERSION

    return {VERSION_KEY: LAW_VERSION, **to_plain(policy)}


def from_dict(kind: type[Policy], data: dict[str, Any]) -> Policy:
    """Make a policy of plain data.

    Raises
    ------
    TypeError, ValueError
        If a name or type is wrong, or the laws are of another version.
    """
    from gca_dali_kernels.law import LAW_VERSION

    data = dict(data)
    version = data.pop(VERSION_KEY, None)
    if version != LAW_VERSION:
        raise ValueError(
            f"{VERSION_KEY} must be {LAW_VERSION}, got {version}. Make the policy anew: other laws "
            "would draw other windows."
        )
    return build("", data, kind)


def to_text(policy: Any) -> str:
    """Return a policy as one line of JSON, for states and checkpoints."""
    return json.dumps(to_dict(policy), sort_keys=True)


def check_text(saved: str, policy: Any) -> None:
    """Compare a policy with one that `to_text` wrote.

    Raises
    ------
    ValueError
        If it is another, or of other laws; the first part that differs is named.
    """
    saved_data, data = json.loads(saved), to_dict(policy)
    versions = saved_data.get(VERSION_KEY), data[VERSION_KEY]
    if versions[0] != versions[1]:
        raise ValueError(
            f"policy must be of {VERSION_KEY} {versions[1]}, got {versions[0]}: its laws draw "
            "other windows. Go on with the version of gca_dali that saved it, or begin anew."
        )
    difference = _find_difference(saved_data, data)
    if difference is not None:
        name, before, now = difference
        raise ValueError(
            f"policy must be that of the state, {name} {before}, got {now}. Resume with the policy "
            "that the state was saved with."
        )


def _find_difference(first: Any, second: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """Return name and values of the first part in which plain data differs."""
    if isinstance(first, dict) and isinstance(second, dict):
        pairs = [(key, first.get(key), second.get(key)) for key in sorted({*first, *second})]
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        pairs = [(str(i), *pair) for i, pair in enumerate(zip(first, second, strict=True))]
    else:
        return None if first == second else (name, first, second)
    found = (_find_difference(a, b, f"{name}.{key}".strip(".")) for key, a, b in pairs)
    return next((difference for difference in found if difference is not None), None)


def write(data: dict[str, Any], path: Path) -> None:
    """Write plain data to a file.

    Raises
    ------
    ValueError
        If its name ends otherwise.
    """
    import tomli_w

    suffix = _check_suffix(path)
    text = tomli_w.dumps(data) if suffix == ".toml" else json.dumps(data, indent=2) + "\n"
    path.write_text(text, encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Read plain data from a file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be parsed, or its name ends otherwise.
    """
    suffix = _check_suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"policy must be a preset or a file, got {path}. Check the path.")
    text = path.read_text(encoding="utf-8")
    try:
        data = tomllib.loads(text) if suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} must hold {suffix[1:].upper()}, got {error}.") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} must hold a policy, got a {type(data).__name__}.")
    return data


def parse_setting(text: str) -> tuple[str, Any]:
    """Return name and value of NAME=VALUE: a number, true or false, a word, or a list.

    Raises
    ------
    ValueError
        If there is no "=".

    Examples
    --------
    >>> parse_setting("rho=0.8"), parse_setting("law=free"), parse_setting("size_range=0.1,0.5")
    (('rho', 0.8), ('law', 'free'), ('size_range', [0.1, 0.5]))
    """
    name, sign, value = (part.strip() for part in text.partition("="))
    if not sign or not name or not value:
        raise ValueError(f"set must be NAME=VALUE, got {text!r}. Write --set rho=0.8.")
    candidates = [value, f"[{value}]"] if "," in value else [value]
    for candidate in candidates:
        try:
            return name, tomllib.loads(f"value = {candidate}")["value"]
        except ValueError:
            continue
    return name, value


def _check_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"path must end in .toml or .json, got {path}. Rename it.")
    return suffix
