"""A manifest → a store: the whole of `gca-dali prepare`.

Enters: a manifest and how its store shall be. Leaves: a folder of shards, in which every shard is
whole or absent at any time. Processes share the shards out among themselves and meet only on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gca_dali.checks import check_at_least, check_choice
from gca_dali.index import Refused
from gca_dali.prepare.files import replace_whole
from gca_dali.prepare.finish import finish_store
from gca_dali.prepare.maps import StoredMaps, collect_maps
from gca_dali.prepare.sample import SampleMaker
from gca_dali.prepare.shard import read_list, write_shard
from gca_dali.progress import track
from gca_dali.store.encoding import BITS
from gca_dali.store.layout import ABOUT, About, Settings
from gca_dali.untrusted import DecoderPool
from gca_dali_kernels.cpu.parallel import num_cores

if TYPE_CHECKING:
    from gca_dali.manifest import Manifest
    from gca_dali.saliency import SaliencySource

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class StoreOptions:
    """How a store shall be.

    Attributes
    ----------
    shorter_side : int
        Pixels; smaller images keep their size.
    encoding : str
        "jpeg" (grey, quality 95), "png16", "raw8", "raw16", or "auto": "jpeg" if all images have 8
        bits, else "png16".
    samples_per_shard : int

    Raises
    ------
    ValueError
        If one is out of range.
    """

    shorter_side: int = 512
    encoding: str = "auto"
    samples_per_shard: int = 1000

    def __post_init__(self) -> None:
        """Refuse what no store can be."""
        check_at_least("shorter_side", self.shorter_side, 1)
        check_at_least("samples_per_shard", self.samples_per_shard, 1)
        check_choice("encoding", self.encoding, ("auto", *BITS))

    def settle(self, manifest: Manifest, maps: StoredMaps | None) -> Settings:
        """Fix everything that decides the bytes of the store."""
        encoding = self.encoding
        if encoding == "auto":
            encoding = "png16" if (manifest.bits > 8).any() else "jpeg"
        return Settings(
            rows=manifest.fingerprint,
            num_samples=len(manifest),
            samples_per_shard=self.samples_per_shard,
            encoding=encoding,
            shorter_side=self.shorter_side,
            maps="" if maps is None else maps.digest(len(manifest)),
            maps_told="" if maps is None else maps.told,
        )


@dataclass(frozen=True)
class Share:
    """What one of the processes that prepare a store together does.

    Attributes
    ----------
    rank, world_size : int
        Shards are dealt out by rank.
    num_workers : int
        Decoder processes; 0 means one per core.

    Raises
    ------
    ValueError
        If there is no such rank.
    """

    rank: int = 0
    world_size: int = 1
    num_workers: int = 0

    def __post_init__(self) -> None:
        """Refuse a rank that does not exist."""
        check_at_least("num_workers", self.num_workers, 0)
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank must be below {self.world_size}, got {self.rank}.")


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
    """
    if manifest.places is not None:
        raise ValueError(
            f"manifest must be of files, got the store {manifest.root}. Prepare from the originals."
        )
    options, share, folder = options or StoreOptions(), share or Share(), Path(folder)
    maps = collect_maps(saliency, manifest, told)
    settings = options.settle(manifest, maps)
    begin_store(folder, settings)
    lists = {number: read_list(folder, number) for number in range(settings.num_shards)}
    mine = range(share.rank, settings.num_shards, share.world_size)
    missing = [number for number in mine if lists[number] is None]
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
    about = read_finished(folder, settings) or finish_store(folder, manifest, settings)
    return Prepared(about, len(rows), tuple(_find_faults(folder, manifest, mine)))


def begin_store(folder: Path, settings: Settings) -> None:
    """Make the folder and write down what it will hold, or compare that with what is there.

    Parameters
    ----------
    folder : Path
    settings : Settings

    Raises
    ------
    ValueError
        If something else is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ABOUT
    if not path.exists():
        # Other ranks, or this one before it was killed, may have begun.
        others = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
        if others and not path.exists():
            raise ValueError(
                f"store must be a new or empty folder or a store, got {folder} with {others[0]}. "
                "Choose another."
            )
        with replace_whole(path) as file:
            file.write(About(settings).to_json())
    begun = About.from_json(path.read_bytes(), str(path)).settings
    for name in (field.name for field in fields(Settings)):
        if getattr(begun, name) != getattr(settings, name):
            raise ValueError(
                f"store must go on with {name} {getattr(begun, name)!r}, as {folder} was begun, "
                f"got {getattr(settings, name)!r}. Choose another folder or the same options."
            )


def read_finished(folder: Path, settings: Settings) -> About | None:
    """Return what a finished store says, or None if it is not finished."""
    about = About.from_json((folder / ABOUT).read_bytes(), str(folder / ABOUT))
    return None if about.index is None else about


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


def _find_faults(folder: Path, manifest: Manifest, numbers: range) -> Iterator[Refused]:
    for number in numbers:
        for place in (read_list(folder, number) or (None, []))[1]:
            if place["fault"]:
                yield Refused(str(manifest.path[place["row"]]), place["fault"])
