"""Options that take several values at once: ``--fractions 0.01 0.1 1``.

Arguments enter as typed; the option is repeated before each value, which is what typer reads.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


def take_several(*names: str) -> type[TyperCommand]:
    """Make a command class whose named options take every value up to the next option.

    Parameters
    ----------
    *names : str
        Options that typer lets repeat, such as ``--fractions``.

    Returns
    -------
    type
        For ``cls`` of a typer command.
    """

    class SeveralValues(TyperCommand):
        """Repeats the named options before it parses."""

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            return super().parse_args(ctx, repeat_options(args, names))

    return SeveralValues


def repeat_options(args: list[str], names: tuple[str, ...]) -> list[str]:
    """Write each value of the named options behind an option of its own.

    Parameters
    ----------
    args : list of str
        As typed.
    names : tuple of str
        Options that take several values.

    Returns
    -------
    list of str
        For a parser that knows one value per option.

    Examples
    --------
    >>> repeat_options(["x", "--f", "1", "2", "--g", "3"], ("--f",))
    ['x', '--f', '1', '--f', '2', '--g', '3']
    """
    repeated: list[str] = []
    current = ""
    for position, argument in enumerate(args):
        if argument.startswith("-") and len(argument) > 1:
            current = argument if argument in names else ""
            repeated.append(argument)
        elif current and args[position - 1] != current:
            repeated += [current, argument]
        else:
            repeated.append(argument)
    return repeated
