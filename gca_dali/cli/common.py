"""What all commands share: how they report, how they fail, and the options they have in common.

A command is a function that returns a :class:`Report`; :func:`command` gives it ``--json``,
``--quiet`` and ``--debug`` and turns errors into one line. Options that several commands take are
dataclasses: a parameter of such a type becomes one option per field.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json as json_module
import sys
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from gca_dali.cli.errors import one_line_errors
from gca_dali.cli.policy_option import PolicyOption, SetOption, SizeOption, build_policy
from gca_dali.cli.several import take_several
from gca_dali.cli.where import parse_where
from gca_dali.common.progress import without_bars

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gca_dali.data.manifest import Manifest
    from gca_dali.policy.view_policy import ViewPolicy

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", help="No progress bars and no tables: warnings and errors alone.")
]
OutsideOption = Annotated[
    bool,
    typer.Option("--allow-outside", help="Follow paths and links that lead out of the folder."),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
_COMMON = {"json": JsonOption, "quiet": QuietOption, "debug": DebugOption}


@dataclass(frozen=True)
class Report:
    """What a command found.

    Parameters
    ----------
    result : dict
        What ``--json`` prints; NumPy numbers are allowed, NaN becomes null.
    shown : rich renderable
        What a person sees instead.
    """

    result: dict[str, Any]
    shown: RenderableType


@dataclass(frozen=True)
class SourceOptions:
    """Which rows a command works on."""

    manifest: Annotated[
        str,
        typer.Argument(metavar="MANIFEST", help="A folder, CSV, manifest, or a store or its URL."),
    ]
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="Select rows; conditions on different columns must all hold, a column given twice "
            "means either value.",
        ),
    ] = None
    voi: Annotated[
        str | None,
        typer.Option(help="Contrast of DICOM: auto, window, window:1, lut, full or percentile."),
    ] = None
    allow_outside: OutsideOption = False

    def open(self) -> Manifest:
        """Open the manifest and select its rows.

        Returns
        -------
        Manifest

        Raises
        ------
        ValueError
            If it cannot be read or no row is left.
        """
        from gca_dali.data.manifest import Manifest
        from gca_dali.image.voi import DicomOptions

        conditions = parse_where(self.where or [])
        dicom = None if self.voi is None else DicomOptions(voi=self.voi)
        manifest = Manifest.open(
            self.manifest, progress=True, dicom=dicom, allow_outside=self.allow_outside
        )
        return manifest.where(**conditions) if conditions else manifest


@dataclass(frozen=True)
class ViewOptions:
    """Which views are made."""

    policy: PolicyOption = "gca"
    set: SetOption = None
    saliency: Annotated[
        str,
        typer.Option(
            help="A folder of maps, mean:FOLDER, a predictor file, knee, centre, stored (in a "
            "store), boxes or mean (of --boxes), or none."
        ),
    ] = "centre"
    boxes: Annotated[
        Path | None, typer.Option(help="CSV with path,x,y,w,h for --saliency boxes.")
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")] = 0
    size: SizeOption = None

    def __post_init__(self) -> None:
        if self.saliency == "boxes" and self.boxes is None:
            raise typer.BadParameter("--saliency boxes needs --boxes CSV.")

    def make_policy(self) -> ViewPolicy:
        """Return the policy; see `build_policy`."""
        return build_policy(self.policy, self.set, self.size)


@dataclass(frozen=True)
class MachineOptions:
    """Where the work is done, and how much at once."""

    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where it runs.")] = "auto"
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 32


def make_app() -> typer.Typer:
    """Make an empty application; one per command module, which names it ``app``."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def command(
    app: typer.Typer, *several: str
) -> Callable[[Callable[..., Report | None]], Callable[..., None]]:
    """Register a function as a command that reports and fails as all commands do.

    Parameters of a dataclass type become one option per field. A function that returns None
    prints nothing.

    Parameters
    ----------
    app : typer.Typer
        From :func:`make_app`.
    *several : str
        Options that take several values at once: ``--fractions 0.01 0.1 1``.

    Returns
    -------
    callable
        The decorator.
    """

    def register(function: Callable[..., Report | None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        hints.pop("return", None)
        groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}

        @functools.wraps(function)
        def run(**options: Any) -> None:
            as_json, debug, quiet = (options.pop(name) for name in ("json", "debug", "quiet"))
            with one_line_errors(debug), without_bars(quiet):
                for name, kind in groups.items():
                    taken = {field: options.pop(field) for field in kind.__dataclass_fields__}
                    options[name] = kind(**taken)
                _run_and_print(function, options, as_json, quiet)

        parameters = _flatten_parameters(function, hints, groups)
        run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
        run.__annotations__ = {item.name: item.annotation for item in parameters}
        del run.__wrapped__
        return app.command(cls=take_several(*several) if several else None)(run)

    return register


def _flatten_parameters(
    function: Callable, hints: dict[str, Any], groups: dict[str, Any]
) -> list[inspect.Parameter]:
    parameters = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in groups:
            field_hints = get_type_hints(groups[name], include_extras=True)
            fields = inspect.signature(groups[name]).parameters.values()
            parameters += [item.replace(annotation=field_hints[item.name]) for item in fields]
        else:
            parameters.append(parameter.replace(annotation=hints[name]))
    for name, annotation in _COMMON.items():
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=False, annotation=annotation))
    return [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in parameters]


def _run_and_print(
    function: Callable[..., Report | None], options: dict, as_json: bool, quiet: bool
) -> None:
    if not as_json:
        report = function(**options)
        if report is not None and not quiet:
            from rich.console import Console

            Console().print(report.shown)
        return
    # Whatever a library prints on the way must not spoil the one JSON object.
    with contextlib.redirect_stdout(sys.stderr):
        report = function(**options)
    if report is not None:
        print(json_module.dumps(_plain(report.result), allow_nan=False))


def _plain(value: Any) -> Any:
    """Turn NumPy numbers into Python's, tuples into lists and NaN into None, all the way down."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return None
    return str(value) if isinstance(value, Path) else value
