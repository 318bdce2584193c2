"""The command of a second Python that finds the same modules."""

from __future__ import annotations

import json
import sys

_BEGIN = "import json, sys\nsys.path[:] = json.loads(sys.argv.pop(1))\n"


def child_command(code: str, *arguments: str) -> list[str]:
    """Return the command that runs code beside this process.

    Parameters
    ----------
    code : str
        Python; `sys` is imported, and `sys.path` is this process's.
    *arguments : str
        Found in `sys.argv[1:]`.

    Returns
    -------
    list of str
        For `subprocess`; the user's site and environment variables of Python are left out.
    """
    return [sys.executable, "-I", "-c", _BEGIN + code, json.dumps(sys.path), *arguments]
