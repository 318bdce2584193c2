"""``gca-dali prepare``: decode once into the shards of a store, or check one that is there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gca_dali.cli.common import Report, SourceOptions, command, make_app

if TYPE_CHECKING:
    from rich.console import RenderableType

MAX_SHOWN = 20

app = make_app()


@command(app)
def prepare(
    source: SourceOptions,
    store: Annotated[
        Path | None, typer.Argument(metavar="STORE", help="Its folder; left out to verify one.")
    ] = None,
    size: Annotated[int, typer.Option(min=1, help="Shorter side in pixels, at most.")] = 512,
    encoding: Annotated[
        Literal["auto", "jpeg", "png16", "raw8", "raw16"],
        typer.Option("--format", help="auto: jpeg for 8 bits, else png16."),
    ] = "auto",
    saliency: Annotated[
        str, typer.Option(help="Maps to store: as for the other commands; none for none.")
    ] = "none",
    boxes: Annotated[
        Path | None, typer.Option(help="CSV with path,x,y,w,h for --saliency boxes.")
    ] = None,
    samples_per_shard: Annotated[int, typer.Option(min=1, help="Images per shard.")] = 1000,
    verify: Annotated[bool, typer.Option(help="Read everything back and compare.")] = False,
) -> Report:
    """Write a store: every image decoded, resized and checked once; can be stopped and resumed."""
    from gca_dali.cli.saliency_option import choose_saliency
    from gca_dali.gaze.boxes import read_boxes_csv
    from gca_dali.prepare.run import Share, StoreOptions, prepare_store

    if store is None:
        if not verify:
            raise typer.BadParameter("STORE must be named, or --verify given for a store.")
        if "://" in str(source.manifest):
            raise typer.BadParameter(
                f"the store must lie on a disk for --verify, got {source.manifest}. Copy it first."
            )
        return _verify(Path(source.manifest), {}, [])
    manifest = source.open()
    drawn = None if boxes is None else read_boxes_csv(boxes, manifest)
    chosen = choose_saliency(saliency, drawn, manifest)
    share = _read_share(Share)
    begun = time.monotonic()
    done = prepare_store(
        manifest,
        store,
        StoreOptions(size, encoding, samples_per_shard),
        saliency=chosen.source,
        told=chosen.told if chosen.source is not None else "",
        share=share,
        progress=share.rank == 0,
    )
    seconds = time.monotonic() - begun
    result = {
        "store": str(store),
        "finished": done.about is not None,
        "samples": len(manifest),
        "made": done.num_made,
        "images_per_second": done.num_made / seconds,
        "faults": [{"path": item.path, "reason": item.reason} for item in done.faults],
    }
    lines = [
        f"{done.num_made:,} of {len(manifest):,} images made in {seconds:.1f} s "
        f"({result['images_per_second']:.1f} images/s), the others were there",
        *(f"could not read {item.path}: {item.reason}" for item in done.faults[:MAX_SHOWN]),
    ]
    if done.about is None:
        lines.append("other processes have shards left to write; the last one finishes the store")
    else:
        parts = [*done.about.shards, done.about.index, done.about.maps]
        result["num_bytes"] = sum(part.num_bytes for part in parts if part is not None)
        result["encoding"] = done.about.settings.encoding
        lines.append(
            f"{store}: {len(done.about.shards):,} shards of {result['encoding']}, "
            f"{result['num_bytes'] / 2**20:.1f} MiB"
        )
        if verify:
            return _verify(store, result, lines)
    return Report(result, _show(lines))


def _verify(store: Path, result: dict, lines: list[str]) -> Report:
    from gca_dali.prepare.files import PARTIAL
    from gca_dali.prepare.verify import verify_store

    faults = verify_store(store, progress=True)
    if faults and all(fault.startswith(PARTIAL) for fault in faults):
        raise ValueError(
            f"store must hold its own files alone, got {len(faults)} that killed processes left "
            f"in {store}: {', '.join(fault.split(':')[0] for fault in faults[:5])}. Remove them."
        )
    if faults:
        raise ValueError(
            f"store must be as it was written, got {len(faults)} faults in {store}: "
            f"{'; '.join(faults[:5])}. Prepare it again into another folder, or copy it again."
        )
    return Report(
        {"store": str(store), **result, "verified": True},
        _show([*lines, f"{store}: every file, sample and map is as it was written"]),
    )


def _read_share(kind):
    """Read rank and number of ranks as torchrun sets them, and share the cores out."""
    from gca_dali.ssl.processes import Processes
    from gca_dali_kernels.cpu.parallel import num_cores

    found = Processes.from_environment()
    workers = max(num_cores() // found.local_world_size, 1)
    return kind(found.rank, found.world_size, workers)


def _show(lines: list[str]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    return Group(*map(Text, lines))
