"""Checkpoints without pickles: any nested state in one safetensors file.

Enters: dicts, lists, tuples, numbers, strings and tensors, nested. Leaves: a `.safetensors` file
whose tensors carry readable names ("module.encoder.conv1.weight") and whose metadata holds the
rest as JSON. Reading it back runs no code from the file. Next: `pretrain` resumes, `probe` reads.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from gca_dali.common.disk import GOES_ON, explained_disk, replace_file

METADATA_KEY = "gca_dali"
_TENSOR, _ARRAY, _TUPLE, _ITEMS = "$tensor", "$array", "$tuple", "$items"


def write_state(path: str | Path, state: dict[str, Any], way_on: str = GOES_ON) -> Path:
    """Write a nested state to one file; an older file stays until the new one is whole.

    Parameters
    ----------
    path : str or Path
        File to write; its folder is made where it is missing.
    state : dict
        Nested dicts (any plain keys), lists, tuples, None, bool, int, float, str, torch tensors
        and NumPy arrays.
    way_on : str
        What to do after a full disk, for its message.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError
        If the state holds anything else.
    FullDiskError
        If there is no room for it.
    """
    tensors: dict[str, torch.Tensor] = {}
    skeleton = _pack(state, "", tensors)
    return write_whole(path, tensors, {METADATA_KEY: json.dumps(skeleton)}, way_on)


def write_whole(
    path: str | Path,
    tensors: dict[str, torch.Tensor],
    metadata: dict[str, str],
    way_on: str = GOES_ON,
) -> Path:
    """Write a safetensors file; an older file stays until the new one is whole.

    Parameters
    ----------
    path : str or Path
        File to write; its folder is made where it is missing.
    tensors : dict of str to torch.Tensor
        Contiguous, each with memory of its own.
    metadata : dict of str to str
        For the file's header.
    way_on : str
        What to do after a full disk, for its message.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FullDiskError
        If there is no room for it.
    """
    path = Path(path)
    size = sum(tensor.nbytes for tensor in tensors.values()) / 2**20
    with (
        explained_disk(path.parent, f"{path.name}, {size:.1f} MiB", way_on),
        replace_file(path) as partial,
    ):
        save_file(tensors, partial, metadata=metadata)
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
    return path


def read_state(path: str | Path) -> dict[str, Any]:
    """Read what `write_state` wrote; tensors come back on the CPU.

    Parameters
    ----------
    path : str or Path
        A checkpoint.

    Returns
    -------
    dict
        The state, equal in types and values; tensors are contiguous.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not one of ours.
    """
    header = read_header(path)
    try:
        skeleton = json.loads(header[METADATA_KEY])
        with safe_open(path, framework="pt") as file:
            return _unpack(skeleton, file)
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise _no_checkpoint(path, error) from error


def read_header(path: str | Path) -> dict[str, str]:
    """Read the metadata of a safetensors file.

    Parameters
    ----------
    path : str or Path
        A checkpoint, or any other safetensors file.

    Returns
    -------
    dict of str to str
        Empty where the file has none.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no safetensors file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"checkpoint must be a file, got {path}. Check the path or run gca-dali pretrain first."
        )
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise _no_checkpoint(path, error) from error


def _no_checkpoint(path: str | Path, error: Exception) -> ValueError:
    return ValueError(
        f"checkpoint must be a file of gca-dali pretrain, got {path} "
        f"({type(error).__name__}). Name its last.safetensors."
    )


def _pack(node: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return `node` as JSON values, its tensors moved to `tensors` under readable names."""
    if node is None or isinstance(node, (bool, int, float, str)):
        return node
    if isinstance(node, np.generic):
        return node.item()
    if isinstance(node, torch.Tensor):
        return {_TENSOR: _store(node.detach(), name, tensors)}
    if isinstance(node, np.ndarray):
        return {_ARRAY: _store(torch.from_numpy(np.ascontiguousarray(node)), name, tensors)}
    if isinstance(node, tuple):
        return {_TUPLE: [_pack(v, f"{name}.{i}", tensors) for i, v in enumerate(node)]}
    if isinstance(node, list):
        return [_pack(v, f"{name}.{i}", tensors) for i, v in enumerate(node)]
    if isinstance(node, dict):
        packed = [(k, _pack(v, f"{name}.{k}", tensors)) for k, v in node.items()]
        if all(isinstance(k, str) and not k.startswith("$") for k in node):
            return dict(packed)
        # JSON keys are strings; an optimiser's state is keyed by integers.
        return {_ITEMS: [[_pack(k, name, tensors), v] for k, v in packed]}
    raise TypeError(
        f"state must hold plain values and tensors, got {type(node).__name__} at {name[1:]!r}. "
        "Turn it into numbers, strings or tensors first."
    )


def _store(tensor: torch.Tensor, name: str, tensors: dict[str, torch.Tensor]) -> str:
    name = name.lstrip(".") or "tensor"
    while name in tensors:
        name += "+"
    # Every tensor gets memory of its own: safetensors refuses shared storage.
    tensors[name] = tensor.cpu().contiguous().clone()
    return name


def _unpack(node: Any, file: Any) -> Any:
    if isinstance(node, list):
        return [_unpack(value, file) for value in node]
    if not isinstance(node, dict):
        return node
    if _TENSOR in node:
        return file.get_tensor(node[_TENSOR])
    if _ARRAY in node:
        return file.get_tensor(node[_ARRAY]).numpy()
    if _TUPLE in node:
        return tuple(_unpack(value, file) for value in node[_TUPLE])
    if _ITEMS in node:
        return {_unpack(key, file): _unpack(value, file) for key, value in node[_ITEMS]}
    return {key: _unpack(value, file) for key, value in node.items()}
