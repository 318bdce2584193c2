"""The files of a store: their names, and the JSON that says what they are.

Enters: a folder or URL. Leaves: its settings and, once it is finished, sizes and digests of all its
files. Used by those who write a store and those who read one.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from gca_dali.store.encoding import BITS, ENDINGS

ABOUT = "store.json"
INDEX = "index.parquet"
MAPS = "saliency.npy"
FORMAT = "gca_dali.store"
VERSION = 1
MAX_ABOUT_BYTES = 64 << 20
_SHARD = re.compile(r"shard-[0-9]{6}\.tar")
_DIGEST = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Settings:
    """What decides every byte of a store, beside the images.

    Attributes
    ----------
    rows : str
        Fingerprint of the manifest.
    num_samples, samples_per_shard : int
    encoding : str
        Of `gca_dali.store.encoding`.
    shorter_side : int
        Pixels.
    maps : str
        Digest of the saliency maps; "" where there are none.
    maps_told : str
        Where they come from; says "simulated gaze" where nobody looked.
    """

    rows: str
    num_samples: int
    samples_per_shard: int
    encoding: str
    shorter_side: int
    maps: str = ""
    maps_told: str = ""

    @property
    def num_shards(self) -> int:
        """Number of shards."""
        return -(-self.num_samples // self.samples_per_shard)

    def rows_of(self, shard: int) -> range:
        """Give the rows that a shard holds."""
        first = shard * self.samples_per_shard
        return range(first, min(first + self.samples_per_shard, self.num_samples))


@dataclass(frozen=True)
class Part:
    """A file of a finished store: name, size, BLAKE2b-160 in hex."""

    name: str
    num_bytes: int
    blake2b: str


@dataclass(frozen=True)
class About:
    """What `store.json` says.

    Attributes
    ----------
    settings : Settings
    index : Part or None
        None while the store is unfinished.
    maps : Part or None
    shards : tuple of Part
    """

    settings: Settings
    index: Part | None = None
    maps: Part | None = None
    shards: tuple[Part, ...] = ()

    def to_json(self) -> bytes:
        """Write it; the same content gives the same bytes."""
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, name: str) -> About:
        """Read and check it.

        Parameters
        ----------
        data : bytes
        name : str
            What messages call the file.

        Raises
        ------
        ValueError
            If it is not what :meth:`to_json` wrote, or names files that are not the store's own.
        """
        try:
            content = json.loads(data)
            if (content["format"], content["version"]) != (FORMAT, VERSION):
                raise ValueError(f"version {content['version']}")
            settings = _check_settings(Settings(**content["settings"]))
            shards = tuple(map(_read_part, content["shards"]))
            index, maps = (
                None if content[key] is None else _read_part(content[key])
                for key in ("index", "maps")
            )
            _check_names(index, maps, shards, settings)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{name} must describe a store of version {VERSION}, got {type(error).__name__}: "
                f"{str(error)[:120]}. Prepare the store again."
            ) from None
        return cls(settings, index, maps, shards)


def name_shard(number: int) -> str:
    """Give the file name of a shard."""
    return f"shard-{number:06d}.tar"


def name_members(row: int, encoding: str) -> tuple[str, str, str]:
    """Give the names of a sample's image, record and map in its shard."""
    return f"{row:09d}.{ENDINGS[encoding]}", f"{row:09d}.json", f"{row:09d}.saliency.npy"


def _check_settings(settings: Settings) -> Settings:
    numbers = (settings.num_samples, settings.samples_per_shard, settings.shorter_side)
    if not all(type(number) is int and 0 < number < 1 << 40 for number in numbers):
        raise ValueError(f"sizes {numbers}")
    if settings.encoding not in BITS:
        raise ValueError(f"encoding {settings.encoding!r}")
    texts = (settings.rows, settings.maps, settings.maps_told)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("fingerprints that are no text")
    return settings


def _read_part(content: dict[str, Any]) -> Part:
    part = Part(**content)
    if type(part.num_bytes) is not int or part.num_bytes < 0:
        raise ValueError(f"size {part.num_bytes!r}")
    if not isinstance(part.blake2b, str) or not _DIGEST.fullmatch(part.blake2b):
        raise ValueError(f"digest {part.blake2b!r}")
    return part


def _check_names(
    index: Part | None, maps: Part | None, shards: tuple[Part, ...], settings: Settings
) -> None:
    if index is None:
        return
    expected = [name_shard(number) for number in range(settings.num_shards)]
    if [shard.name for shard in shards] != expected or index.name != INDEX:
        raise ValueError("names that are not those of its shards and index")
    if (maps is None) != (settings.maps == "") or (maps is not None and maps.name != MAPS):
        raise ValueError("maps that are not its own")
