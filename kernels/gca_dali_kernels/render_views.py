"""Render views on the GPU; twin of `reference.render_views`, the same within a stated tolerance.

Enters: decoded images on the device and what `sample_windows` and `sample_cutouts` chose. Leaves:
normalised views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gca_dali_kernels.gpu import explained_errors, import_cupy
from gca_dali_kernels.launch import Launch, make_grid, run
from gca_dali_kernels.look import GroupLooks
from gca_dali_kernels.resident import look_tables
from gca_dali_kernels.tiling import SharedMemory, Tiling, choose_tiling

NUM_THREADS = 256
SOURCES = {"uint8": "uint8", "uint16": "uint16", "float32": "float"}
# NumPy has no bfloat16: its bits travel as uint16.
OUTPUTS = {"float32": 0, "float16": 1, "uint16": 2}
# The kernel counts bytes from the aligned word that holds an image's first pixel in 32 bits.
MOST_IMAGE_BYTES = 2**32 - 4

PART_DTYPE = np.dtype([("first_view", np.int32), ("num_views", np.int32)])
LAYOUT_DTYPE = np.dtype(
    [("image_stride", np.int64), ("view_stride", np.int64)]
    + [(name, np.int32) for name in ("height", "width", "type")],
    align=True,
)


@dataclass(frozen=True)
class ImageTable:
    """Images on the device, of any size and one type.

    Attributes
    ----------
    pointers : cupy.ndarray, uint64, [B]
        Addresses of contiguous images, which the caller keeps alive until they are read.
    shapes : cupy.ndarray, int32, [B, 2]
        Heights and widths in pixels.
    dtype : str
        "uint8", "uint16" or "float32".
    """

    pointers: Any
    shapes: Any
    dtype: str

    def __post_init__(self) -> None:
        """Refuse other types."""
        if self.dtype not in SOURCES:
            raise TypeError(
                f"images must be uint8, uint16 or float32, got {self.dtype}. Convert them."
            )


def describe_images(images: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, str]:
    """Return addresses, uint64, [B], shapes, int32, [B, 2], and type of arrays on the device.

    Parameters
    ----------
    images : sequence of cupy.ndarray, B × [H, W] or [H, W, 1]

    Returns
    -------
    tuple
        For `resident.Sender` and `ImageTable`.

    Raises
    ------
    TypeError
        If the images differ in type.
    ValueError
        If an image is not contiguous or takes 4 GiB or more.
    """
    dtypes = {str(image.dtype) for image in images}
    if len(dtypes) != 1:
        raise TypeError(
            f"images of a batch must have one type, got {sorted(dtypes)}. Convert them."
        )
    for number, image in enumerate(images):
        if not image.flags.c_contiguous:
            raise ValueError(
                f"images must be contiguous, got {image.shape} with strides {image.strides} at "
                f"{number}. Copy it."
            )
    pointers = np.array([image.data.ptr for image in images], np.uint64)
    shapes = np.array([image.shape[:2] for image in images], np.int32)
    dtype = dtypes.pop()
    check_image_bytes(shapes, dtype)
    return pointers, shapes, dtype


def check_image_bytes(shapes: np.ndarray, dtype: str) -> None:
    """Refuse images whose bytes the kernel cannot count.

    Parameters
    ----------
    shapes : numpy.ndarray, int32, [B, 2]
    dtype : str

    Raises
    ------
    ValueError
        If one takes 4 GiB or more.
    """
    num_bytes = shapes.prod(axis=1, dtype=np.int64) * np.dtype(dtype).itemsize
    largest = int(num_bytes.argmax()) if len(shapes) else 0
    if len(shapes) and num_bytes[largest] > MOST_IMAGE_BYTES:
        raise ValueError(
            f"images must be below 4 GiB, got {shapes[largest].tolist()} of {dtype} at {largest}. "
            "Make it smaller with 'gca-dali prepare'."
        )


def render_views(
    images: ImageTable,
    ranges: Any,
    plan: tuple[Any, ...],
    index: Any,
    key: tuple[int, int],
    looks: GroupLooks,
    views: Any,
    stream: int | None = None,
) -> None:
    """Render one group of views of each of B images into `views`; see `reference.render_views`.

    Parameters
    ----------
    images : ImageTable
    ranges : cupy.ndarray, float32, [B, 2]
    plan : tuple of cupy.ndarray
        The table of maps, uint8, [N, h, w], rows of it, int64, [B], and marks, int32, [B, 5]; then
        windows, turns and cutouts. The Numba twin takes the maps themselves for the first two.
    index : cupy.ndarray, int64, [B]
    key : tuple of int
        Seed and epoch.
    looks : GroupLooks
    views : cupy.ndarray, float32 | float16 | uint16, [B, views of the group, height, width]
        Written in place. uint16 takes the bits of bfloat16. The pixels of a view must be
        contiguous; images and views may lie in any order, as in the transpose of [V, B, …].
    stream : int, optional
        Address of a CUDA stream; None means CuPy's current stream.

    Raises
    ------
    TypeError, ValueError
        If views have another type or gaps between pixels, or a blur is too wide.
    RuntimeError
        If the GPU fails.
    """
    device = import_cupy().cuda.runtime.getDevice()
    tiling = choose_tiling(views.shape[2:], looks.looks, shared_memory(device))
    inputs = (ranges, *plan, index)
    tables = (looks.first_view, *look_tables(looks))
    run(build_launch(images, inputs, key, tables, tiling, views), stream)


def build_launch(
    images: ImageTable,
    inputs: tuple[Any, ...],
    key: tuple[int, int],
    tables: tuple[int, Any, Any],
    tiling: Tiling,
    views: Any,
) -> Launch:
    """Return the launch that writes `views`.

    Parameters
    ----------
    images : ImageTable
    inputs : tuple
        Ranges, table, rows, marks, windows, turns, cutouts and index.
    key : tuple of int
    tables : tuple
        First view of the group; its rotations and the looks' records where the kernel reads them.
    tiling : Tiling
    views : array, [B, views of the group, height, width]
    """
    first_view, rotations, records = tables
    ranges, table, rows, marks, windows, turns, cutouts, index = inputs
    num_images, num_views = views.shape[:2]
    arguments = (
        images.pointers,
        images.shapes,
        ranges,
        table,
        rows,
        marks,
        make_grid(table.shape),
        windows,
        turns,
        cutouts,
        index,
        np.array([(first_view, windows.shape[1])], PART_DTYPE)[0],
        np.uint64(key[0]),
        np.uint32(key[1]),
        rotations,
        records,
        tiling.record,
        describe_layout(views),
        views,
    )
    return Launch(
        kernel="render_views",
        grid=(tiling.num_tiles, num_views, num_images),
        num_threads=NUM_THREADS,
        arguments=arguments,
        num_shared_bytes=tiling.num_shared_bytes,
        source=SOURCES[images.dtype],
    )


def describe_layout(views: Any) -> np.void:
    """Return how views lie in memory, for the kernel.

    Raises
    ------
    TypeError, ValueError
        If views have another type or gaps between pixels.
    """
    dtype, size = str(views.dtype), views.dtype.itemsize
    if dtype not in OUTPUTS:
        raise TypeError(
            f"views must be float32, float16 or uint16 (the bits of bfloat16), got {dtype}. "
            "Make the array anew."
        )
    height, width = views.shape[2:]
    if views.strides[2:] != (width * size, size) and height * width > 1:
        raise ValueError(
            f"views must have no gaps between pixels, got strides {views.strides} for "
            f"{views.shape}. Slice only images or views."
        )
    strides = (views.strides[0] // size, views.strides[1] // size)
    return np.array([(*strides, height, width, OUTPUTS[dtype])], LAYOUT_DTYPE)[0]


@lru_cache(maxsize=16)
def shared_memory(device: int) -> SharedMemory:
    """Return what a device offers."""
    with explained_errors():
        facts = import_cupy().cuda.runtime.getDeviceProperties(device)
    return SharedMemory(facts["sharedMemPerBlockOptin"], facts["sharedMemPerMultiprocessor"])
