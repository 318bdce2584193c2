"""Checks that configurations share; each error names the thing, what is allowed and what it got."""

from __future__ import annotations

from collections.abc import Sequence


def check_choice(name: str, value: object, allowed: Sequence[object]) -> None:
    """Raise ValueError unless `value` is one of `allowed`."""
    if value not in allowed:
        choices = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{name} must be one of {choices}, got {value!r}.")


def check_probability(name: str, value: float) -> None:
    """Raise ValueError unless `value` lies in 0 to 1."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be 0 to 1, got {value}.")


def check_range(name: str, ends: tuple[float, float], low: float, high: float) -> None:
    """Raise ValueError unless `ends` is an ascending pair within low…high."""
    if len(ends) != 2 or not low <= ends[0] <= ends[1] <= high:
        raise ValueError(
            f"{name} must be two ascending numbers in {low:g} to {high:g}, got {ends}."
        )


def check_at_least(name: str, value: int, least: int) -> None:
    """Raise unless `value` is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}.")
