"""A manifest → a store: the whole of `gca-dali prepare`.

Enters: a manifest and how its store shall be. Leaves: a folder of shards, in which every shard is
whole or absent at any time. Processes share the shards out among themselves and meet only on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gca_dali.common.disk import explained_disk
from gca_dali.common.progress import track
from gca_dali.data.index import Refused
from gca_dali.image.untrusted import DecoderPool
from gca_dali.prepare.begin import begin_store, read_finished
from gca_dali.prepare.files import remove_partial
from gca_dali.prepare.finish import finish_store
from gca_dali.prepare.maps import collect_maps
from gca_dali.prepare.options import Share as Share
from gca_dali.prepare.options import StoreOptions as StoreOptions
from gca_dali.prepare.sample import SampleMaker
from gca_dali.prepare.shard import is_made, read_list, write_shard
from gca_dali.store.layout import About, Settings
from gca_dali_kernels.cpu.parallel import num_cores

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.steps.saliency import SaliencySource

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Prepared:
    """What became of a store.

    Attributes
    ----------
    about : About or None
        None while other processes still work on their shards.
    num_made : int
        Samples made by this call; the others were there.
    faults : tuple of Refused
        Files of this process's shards that could not be read, with reasons.
    """

    about: About | None
    num_made: int
    faults: tuple[Refused, ...]


def prepare_store(
    manifest: Manifest,
    folder: str | Path,
    options: StoreOptions | None = None,
    *,
    saliency: SaliencySource = None,
    told: str = "",
    share: Share | None = None,
    progress: bool = False,
) -> Prepared:
    """Decode every image once and write it, resized, into the shards of a store.

    May be killed at any moment and called again: shards that are there are kept, and the finished
    store is the same to the byte.

    Parameters
    ----------
    manifest : Manifest
        Of files.
    folder : str or pathlib.Path
        New, empty, or a store that was begun with the same manifest and options.
    options : StoreOptions, optional
    saliency : SaliencySource
        Maps to keep beside the images.
    told : str
        Where the maps come from; "simulated gaze" must be said where nobody looked.
    share : Share, optional
        Rank, number of ranks and worker processes; one worker per core by default.
    progress : bool
        Show a bar on stderr after the first second.

    Returns
    -------
    Prepared

    Raises
    ------
    ValueError
        If the manifest is a store, the folder holds something else, or no image could be read.
    MachineFaultError
        If the disk is full, or files cannot be opened or decoded at the moment.
    """
    if manifest.places is not None:
        raise ValueError(
            f"manifest must be of files, got the store {manifest.root}. Prepare from the originals."
        )
    options, share, folder = options or StoreOptions(), share or Share(), Path(folder)
    maps = collect_maps(saliency, manifest, told)
    settings = options.settle(manifest, maps)
    with explained_disk(folder, lambda: _tell_needed(folder, settings)):
        begin_store(folder, settings)
        remove_partial(folder)
        lists = {number: read_list(folder, number) for number in range(settings.num_shards)}
        mine = range(share.rank, settings.num_shards, share.world_size)
        missing = [number for number in mine if not is_made(lists[number])]
        rows = [row for number in missing for row in settings.rows_of(number)]
        num_workers = share.num_workers or num_cores()
        with DecoderPool(num_workers) as pool, ThreadPoolExecutor(num_workers) as threads:
            maker = SampleMaker(manifest, settings, maps, pool)
            samples = map_in_order(threads, maker.make, rows, 4 * num_workers)
            if progress:
                samples = track(samples, len(rows), "preparing", rate="images/s")
            for number in missing:
                part = islice(samples, len(settings.rows_of(number)))
                write_shard(folder, number, part, settings.encoding)
        done = None if missing else read_finished(folder, settings)
        about = done or finish_store(folder, manifest, settings)
    return Prepared(about, len(rows), tuple(_find_faults(folder, manifest, mine)))


def map_in_order(
    threads: ThreadPoolExecutor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    num_ahead: int,
) -> Iterator[Result]:
    """Yield results in the order of the items, with at most `num_ahead` of them under way."""
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(threads.submit(function, item))
        if len(pending) >= num_ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _tell_needed(folder: Path, settings: Settings) -> str:
    """Say how much a store lacks, going by the shards that are there."""
    lists = [read_list(folder, number) for number in range(settings.num_shards)]
    sizes = [item[0].num_bytes for item in lists if item is not None]
    left = settings.num_shards - len(sizes)
    told = f"{left} of {settings.num_shards} shards"
    if sizes and left:
        told += f", about {left * sum(sizes) / len(sizes) / 2**20:.1f} MiB"
    return told


def _find_faults(folder: Path, manifest: Manifest, numbers: range) -> Iterator[Refused]:
    for number in numbers:
        for place in (read_list(folder, number) or (None, []))[1]:
            if place["fault"]:
                yield Refused(str(manifest.path[place["row"]]), place["fault"])
