"""``gca-dali bench``: throughput against decoding alone, DALI's own operators and torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gca_dali.cli.common import MachineOptions, OutsideOption, Report, command, make_app
from gca_dali.cli.policy_option import PolicyOption, SetOption, SizeOption, build_policy

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gca_dali.data.manifest import Manifest
    from gca_dali.policy.view_policy import ViewPolicy
    from gca_dali.report.bench import Throughput

app = make_app()
LOADERS = ("gca", "gca_fn", "dali", "torchvision")


@dataclass(frozen=True)
class MadeOptions:
    """Which views are made."""

    policy: PolicyOption = "gca_relative"
    set: SetOption = None
    views: Annotated[int | None, typer.Option(min=1, help="Views per image; the policy's.")] = None
    size: SizeOption = None

    def make_policy(self) -> ViewPolicy:
        """Return the policy of this project's loader."""
        many = [] if self.views is None else [f"num_views={self.views}"]
        return build_policy(self.policy, [*(self.set or []), *many], self.size)


@command(app, "--loaders")
def bench(
    manifest: Annotated[
        str | None,
        typer.Argument(
            metavar="[MANIFEST]",
            help="A folder, CSV, manifest, or a store or its URL; phantom JPEGs by default.",
        ),
    ] = None,
    *,
    made: MadeOptions,
    machine: MachineOptions,
    loaders: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"Of {', '.join(LOADERS)}.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=2, help="Interleaved rounds.")] = 7,
    seconds: Annotated[float, typer.Option(min=0.1, help="Per loader and round.")] = 3.0,
    allow_outside: OutsideOption = False,
) -> Report:
    """Measure images per second side by side; ratios are medians over interleaved rounds.

    --policy is what gca makes, and gca_fn by operators in a DALI pipeline; the others make views
    of the same numbers, sizes and areas.
    """
    import tempfile

    from gca_dali.common.progress import track
    from gca_dali.report.bench import measure
    from gca_dali.report.workload import Workload
    from gca_dali.steps.device import choose_device
    from gca_dali_kernels.cpu.parallel import num_cores

    names = tuple(loaders or LOADERS)
    with tempfile.TemporaryDirectory() as scratch:
        opened = open_images(manifest, Path(scratch), allow_outside)
        work = Workload(
            opened,
            batch_size=machine.batch_size,
            num_threads=num_cores(),
            device=choose_device(machine.device),
            policy=made.make_policy(),
        )
        turns = iter(
            track(range(rounds * (len(names) + 1)), rounds * (len(names) + 1), "measuring")
        )

        def report() -> None:
            next(turns, None)

        decode_only, measured = measure(
            work, names, num_rounds=rounds, seconds=seconds, report=report
        )
    result: dict[str, Any] = {
        "decode_only": decode_only.images_per_second,
        "loaders": {
            one.name: {
                "images_per_second": one.images_per_second,
                "ratio_to_decode_only": median(one.ratios(decode_only)),
                "ratio_spread": spread(one.ratios(decode_only)),
            }
            for one in measured
        },
        "device": work.device,
        "workload": str(work),
    }
    return Report(result, _show(decode_only, measured, result))


def open_images(source: str | None, scratch: Path, allow_outside: bool = False) -> Manifest:
    """Open the manifest, or write phantom JPEGs of 1.3 megapixels."""
    from gca_dali.data.manifest import Manifest

    if source is not None:
        return Manifest.open(source, progress=True, allow_outside=allow_outside)
    from PIL import Image

    from gca_dali.common.progress import track
    from gca_dali.phantoms import make_phantom

    for number in track(range(16), 16, "drawing phantoms"):
        phantom = make_phantom("chest", number, height=1152, width=1152)
        Image.fromarray(phantom.image).save(scratch / f"chest_{number:02d}.jpg", quality=90)
    return Manifest.from_folder(scratch)


def spread(values: list[float]) -> list[float]:
    """Return the 20th and 80th percentile."""
    fifths = quantiles(values, n=5, method="inclusive")
    return [fifths[0], fifths[-1]]


def _show(
    decode_only: Throughput, measured: list[Throughput], result: dict[str, Any]
) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    table = Table("loader")
    for name in ("images/s", "of decode-only", "20th–80th percentile"):
        table.add_column(name, justify="right")
    table.add_row("decode only", f"{decode_only.images_per_second:.0f}", "1.00", "")
    for one in measured:
        row = result["loaders"][one.name]
        low, high = row["ratio_spread"]
        ratio = f"{row['ratio_to_decode_only']:.2f}"
        table.add_row(one.name, f"{one.images_per_second:.0f}", ratio, f"{low:.2f}–{high:.2f}")
    return Group(table, result["workload"])
