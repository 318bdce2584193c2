"""Put the commands together: ``gca-dali COMMAND``.

Arguments enter, an exit code leaves: 0, 1 for a failure, 2 for bad usage. A command's module is
imported when the command is called, so ``--help`` loads none of them.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gca_dali import __version__

# Name: (module whose ``app`` holds the command or the group, the line that --help shows).
COMMANDS = {
    "demo": ("gca_dali.cli.demo", "The whole chain on phantoms; writes preview.png."),
    "index": ("gca_dali.cli.index", "Read headers into a manifest; name what is refused."),
    "prepare": ("gca_dali.cli.prepare", "Decode once into shards; can be stopped and resumed."),
    "preview": ("gca_dali.cli.preview", "Image, saliency, windows and views side by side."),
    "audit": ("gca_dali.cli.audit", "Per policy: lesions kept and shared, area, overlap."),
    "gaze": ("gca_dali.cli.gaze", "Recordings to maps; simulate, fit, evaluate, predict."),
    "pretrain": ("gca_dali.cli.pretrain", "SimCLR, MoCo, BYOL, VICReg or DINO on the loader."),
    "probe": ("gca_dali.cli.probe", "What pre-trained features are worth."),
    "export": ("gca_dali.cli.export", "The encoder alone, for timm, torch or ONNX."),
    "bench": ("gca_dali.cli.bench", "Throughput against decoding alone and other loaders."),
    "doctor": ("gca_dali.cli.doctor", "Versions, GPU, and which decoders work here."),
}


class _LazyGroup(TyperGroup):
    """Import a command's module only when the command is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            module, _ = COMMANDS[args[0]]
            loaded = typer.main.get_command(importlib.import_module(module).app)
            loaded.name = args[0]
            self.commands[args[0]] = loaded
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_LazyGroup,
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing --help with rich takes twice as long as all the rest
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"gca-dali {__version__}")
        raise typer.Exit


@app.callback()
def _describe(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Gaze-conditioned views of X-rays for contrastive learning."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)


def _listed() -> None:
    """Stand for a command in --help; the real one replaces it when called."""


for _name, (_module, _help) in COMMANDS.items():
    app.command(_name, help=_help)(_listed)


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = app(prog_name="gca-dali", standalone_mode=False)
    except typer.Abort:
        code = 130
    except Exception as error:
        # Typer's own usage errors; those of the commands have become exit codes already.
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        describe = getattr(error, "format_message", error.__str__)
        message = " ".join(describe().split()).rstrip(".")
        print(f"gca-dali: {message}. See gca-dali --help.", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
