"""``gca-dali doctor``: versions, GPU, and which decoders and codecs work here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gca_dali.cli.common import Report, command, make_app

if TYPE_CHECKING:
    from rich.console import RenderableType

app = make_app()


@command(app)
def doctor() -> Report:
    """Show versions, the GPU, compiled kernels, and which decoders work on this machine."""
    from gca_dali.report.doctor import examine

    found = examine()
    return Report(found, _show(found))


def _show(found: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    machine = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    machine.add_row("python", found["python"])
    machine.add_row("platform", found["platform"])
    machine.add_row("cores", str(found["cores"]))
    gpu = found["gpu"]
    machine.add_row("driver", gpu["driver"] or "none")
    for device in gpu["devices"]:
        told = f"{device['name']}, sm {device['compute_capability']}, {device['memory_gib']} GiB"
        machine.add_row("GPU", Text(told))
    machine.add_row("CuPy", Text(gpu["cupy"]))
    machine.add_row("NVRTC", Text(gpu["nvrtc"]))
    machine.add_row("device='cuda'", Text(gpu["loader"]))
    machine.add_row("CPU kernels", Text(_tell_kernels(found["kernels"])))

    installed = [f"{name} {text}" for name, text in found["versions"].items() if text]
    missing = [name for name, text in found["versions"].items() if not text]
    machine.add_row("installed", Text(", ".join(installed)))
    machine.add_row("not installed", Text(", ".join(missing) or "nothing is missing"))
    for group, findings in found["decoders"].items():
        told = ", ".join(
            name if text == "ok" else f"{name}: {text}" for name, text in findings.items()
        )
        num_ok = sum(text == "ok" for text in findings.values())
        machine.add_row(group, Text(f"{num_ok} of {len(findings)} work: {told}"))
    verdict = [Text(f"problem: {text}", style="red") for text in found["problems"]]
    return Group(machine, *(verdict or [Text("all is well", style="green")]))


def _tell_kernels(kernels: dict[str, Any]) -> str:
    if kernels["folder"] is None:
        return "compiled by each run anew: no folder to keep them can be written"
    num, num_kept = len(kernels["compiled"]), sum(kernels["compiled"].values())
    if num_kept == num:
        return f"compiled, in {kernels['folder']}"
    return f"{num_kept} of {num} compiled; the first batch does the rest, into {kernels['folder']}"
