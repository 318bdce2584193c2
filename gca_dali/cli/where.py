"""``--where split=train`` → conditions on columns.

Text enters as typed; columns with their allowed values leave, for `Rows.where`.
"""

from __future__ import annotations

import typer


def parse_where(conditions: list[str]) -> dict[str, list[str]]:
    """Read conditions such as ``split=train``; one column may be named several times.

    Parameters
    ----------
    conditions : list of str
        As given on the command line.

    Returns
    -------
    dict of str to list of str
        Column, and the values of which one must match.

    Raises
    ------
    typer.BadParameter
        If one has no "=".
    """
    parsed: dict[str, list[str]] = {}
    for condition in conditions:
        name, sign, value = condition.partition("=")
        if not sign or not name:
            raise typer.BadParameter(
                f"--where must be COLUMN=VALUE, got {condition}. Write for example split=train."
            )
        parsed.setdefault(name.strip(), []).append(value.strip())
    return parsed
