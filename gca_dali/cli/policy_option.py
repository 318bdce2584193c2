"""``--policy``, ``--set`` and ``--size`` → a policy, the same way for every command.

Enters: a preset's name or a file, settings as typed. Leaves: `ViewPolicy`. What is typed wrongly is
bad usage; a file that is wrong is a failure.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gca_dali.policy.view_policy import ViewPolicy

POLICY_HELP = "A preset of ViewPolicy, or a .toml or .json file."
PolicyOption = Annotated[str, typer.Option(metavar="NAME|FILE", help=POLICY_HELP)]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a part of the policy; several times."),
]

SizeOption = Annotated[
    int | None,
    typer.Option(min=1, help="Side of a view in pixels, of the first group; the policy's."),
]


def build_policy(
    policy: str, settings: list[str] | None = None, size: int | None = None
) -> ViewPolicy:
    """Return the policy that the options describe.

    Parameters
    ----------
    policy : str
        A preset, or a file that `ViewPolicy.save` wrote or that names a preset and its changes.
    settings : list of str, optional
        NAME=VALUE each, names as `ViewPolicy.replace` takes them; the later one wins.
    size : int, optional
        Side of the views of the first group in pixels, before the settings; as the policy has it
        where it is not given.

    Raises
    ------
    typer.BadParameter
        If a name is unknown (the nearest is told) or a value is refused.
    FileNotFoundError, ValueError
        If there is no such file, or it holds no policy.
    """
    from gca_dali.policy.files import parse_setting

    made = _open(policy)
    try:
        if size is not None:
            made = made.replace(size=size)
        return made.replace(**dict(map(parse_setting, settings or [])))
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None


def _open(policy: str) -> ViewPolicy:
    from gca_dali.policy.files import SUFFIXES
    from gca_dali.policy.view_policy import PRESETS, ViewPolicy

    if policy in PRESETS:
        return ViewPolicy.preset(policy)
    if Path(policy).suffix.lower() in SUFFIXES:
        return ViewPolicy.load(policy)
    near = get_close_matches(policy, PRESETS, n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"There are {', '.join(PRESETS)}."
    raise typer.BadParameter(
        f"--policy must be a preset or a .toml or .json file, got {policy!r}. {remedy}"
    )
