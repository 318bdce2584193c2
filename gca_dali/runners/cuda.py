"""The steps after decoding on a GPU: images and keys → saliency, windows, views, one `ViewBatch`.

Enters: the outputs of a GPU pipeline of `pipeline` or of `resident`. Leaves: torch tensors on the
device. One launch per kernel and batch (`render_views`: per group of views) on torch's current
stream: no step waits for the GPU, and what is delivered is ordered on that stream like the result
of any operator of torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gca_dali.runners.device_table import DeviceTable
from gca_dali.runners.in_flight import InFlight
from gca_dali.steps.batch import ViewBatch
from gca_dali.steps.decode import EIGHT_BITS
from gca_dali.steps.device import explained_memory
from gca_dali.steps.windows import UNITS_PER_CELL
from gca_dali_kernels.gpu import import_cupy
from gca_dali_kernels.integrate_maps import integrate_maps
from gca_dali_kernels.launch import stream_at
from gca_dali_kernels.render_views import ImageTable, check_image_bytes, render_views
from gca_dali_kernels.resident import Sender
from gca_dali_kernels.sample_cutouts import sample_cutouts
from gca_dali_kernels.sample_windows import sample_windows

if TYPE_CHECKING:
    from gca_dali.pipeline import ViewMaker
    from gca_dali_kernels.look import GroupLooks

# NumPy and CuPy have no bfloat16: the kernel takes its bits as uint16.
KERNEL_TYPES = {
    torch.float32: np.float32,
    torch.float16: np.float16,
    torch.bfloat16: np.uint16,
    torch.uint8: np.uint8,
}


@dataclass(frozen=True)
class DeviceImages:
    """Contiguous grey images of one type on the device.

    Attributes
    ----------
    pointers : numpy.ndarray, uint64, [B]
    shapes : numpy.ndarray, int32, [B, 2]
    dtype : str
        "uint8" or "uint16".
    tensors : sequence of B objects with DLPack, [H, W] or [H, W, 1]
        What the pointers point to.

    Raises
    ------
    ValueError
        If an image takes 4 GiB or more.
    """

    pointers: np.ndarray
    shapes: np.ndarray
    dtype: str
    tensors: Sequence[Any]

    def __post_init__(self) -> None:
        """Refuse images that the kernel cannot count in."""
        check_image_bytes(self.shapes, self.dtype)

    @classmethod
    def of(cls, images: Any) -> DeviceImages:
        """Describe a TensorList of DALI's, [H, W, 1] each."""
        tensors = [images[i] for i in range(len(images))]
        pointers = np.array([tensor.data_ptr() for tensor in tensors], np.uint64)
        shapes = np.array([shape[:2] for shape in images.shape()], np.int32)
        return cls(pointers, shapes, images.dtype.name.lower(), tensors)


class CudaViews:
    """Saliency, windows, views and delivery on one GPU.

    Parameters
    ----------
    maker : ViewMaker
        Policy, table, seed and number of views.
    labels : numpy.ndarray, int64, [N]
    device : str
        "cuda:N".
    """

    def __init__(self, maker: ViewMaker, labels: np.ndarray, device: str) -> None:
        self.maker, self.labels = maker, labels
        self.device = torch.device(device)
        self.sender, self.in_flight = Sender(), InFlight()
        with explained_memory(), torch.cuda.device(self.device):
            self.table = DeviceTable(maker.table, self.device, self.sender)

    def stream(self) -> torch.cuda.Stream:
        """Return the stream of the caller, which the next batch is ordered on."""
        return torch.cuda.current_stream(self.device)

    def __call__(self, outputs: tuple[Any, ...]) -> ViewBatch:
        """Return the batch of a pipeline's outputs.

        Parameters
        ----------
        outputs : tuple
            `DeviceImages` or a TensorListGPU, keys (index, epoch) and ranges; ranges may be left
            out where all images have 8 bits.

        Returns
        -------
        ViewBatch

        Raises
        ------
        RuntimeError
            If the GPU has no memory left or fails.
        """
        images, keys, *ranges = outputs
        if not isinstance(images, DeviceImages):
            images = DeviceImages.of(images)
        keys = as_numpy(keys)
        values = as_numpy(ranges[0]) if ranges else np.tile(EIGHT_BITS, (len(keys), 1))
        number, stream = self.device.index, self.stream().cuda_stream
        current = import_cupy().cuda.Device(number)
        with explained_memory(), torch.cuda.device(self.device), current, stream_at(stream):
            try:
                return self._make(images, values, keys, stream)
            finally:
                # The kernels read the pipeline's memory, the maps and pinned memory by address.
                self.in_flight.hold(outputs, images, self.table.maps, self.sender)

    def _make(
        self, images: DeviceImages, ranges: np.ndarray, keys: np.ndarray, stream: int
    ) -> ViewBatch:
        maker, index, key = self.maker, keys[:, 0], (self.maker.seed, int(keys[0, 1]))
        policy = maker.policy
        rows = self.table.rows(index, images.tensors, stream)
        table = as_cupy(self.table.maps)
        cells = np.array(table.shape[1:], np.float64) * UNITS_PER_CELL
        sizes = maker.sizes[index]
        scale = np.tile(sizes / cells, 2)
        named = np.stack([index, self.labels[index]])

        named, rows, scale, sizes, pointers, shapes, ranges = self.sender.send(
            (named, rows, scale, sizes, images.pointers, images.shapes, ranges), stream
        )
        index = named[0]
        integrals, marks = integrate_maps(table, rows, stream)
        laws = policy.laws
        windows, turns, retained, grown, focus = sample_windows(
            integrals, marks, index, sizes, key, laws, stream
        )
        cutouts = sample_cutouts(integrals, windows, turns, index, sizes, key, laws, stream)
        sources = ImageTable(pointers, shapes, images.dtype)
        plan = (table, rows, marks, windows, turns, cutouts)
        groups = [self._empty_views(looks, len(keys)) for looks in policy.looks]
        for looks, views in zip(policy.looks, groups, strict=True):
            there = as_cupy(views).swapaxes(0, 1)
            render_views(sources, ranges, plan, index, key, looks, there, stream)
        # Copies are torch's own memory, which follows its rules for streams.
        delivered_index, label = torch.from_dlpack(named).clone()
        return ViewBatch(
            views=tuple(
                view[:, None].expand(-1, policy.channels, -1, -1)
                for views in groups
                for view in views
            ),
            index=delivered_index,
            label=label,
            windows=windows_px(torch.from_dlpack(windows), torch.from_dlpack(scale)),
            retained=torch.from_dlpack(retained).clone(),
            grown=torch.from_dlpack(grown.view(np.uint8)).clone().view(torch.bool),
            flipped=torch.from_dlpack(turns)[..., 1] > 0,
            focus=focus_px(torch.from_dlpack(focus), torch.from_dlpack(scale)),
            groups=policy.slices,
        )

    def _empty_views(self, looks: GroupLooks, batch_size: int) -> torch.Tensor:
        """Return memory for the views of a group, [views of the group, B, size, size]."""
        dtype = getattr(torch, self.maker.policy.dtype)
        shape = (len(looks.looks), batch_size, *looks.size)
        return torch.empty(shape, dtype=dtype, device=self.device)


def as_numpy(values: Any) -> np.ndarray:
    """Return an output of a pipeline that is on the host: DALI's or an array."""
    return values if isinstance(values, np.ndarray) else values.as_array()


def windows_px(windows: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return y0, x0, height, width in pixels, float32, [B, V, 4]; as `Plan.windows_px`, to the bit.

    Parameters
    ----------
    windows : torch.Tensor, int32, [B, V, 4]
        y0, x0, y1, x1 in units of the map.
    scale : torch.Tensor, float64, [B, 4]
        Pixels per unit: vertical, horizontal, and both again.
    """
    edges = windows.double()
    edges[..., 2:] -= edges[..., :2]
    return (edges * scale[:, None]).float()


def focus_px(focus: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return y, x in pixels, float32, [B, 2], NaN for none; as `Plan.focus_px`, to the bit.

    Parameters
    ----------
    focus : torch.Tensor, int32, [B, 2]
        y, x in units of the map; -1 for none.
    scale : torch.Tensor, float64, [B, 4]
        As of `windows_px`.
    """
    middle = (focus.double() + 0.5) * scale[:, :2]
    return middle.masked_fill(focus < 0, torch.nan).float()


def as_cupy(tensor: torch.Tensor) -> Any:
    """Return a CuPy array over the memory of a contiguous tensor on the device."""
    cupy = import_cupy()
    memory = cupy.cuda.UnownedMemory(tensor.data_ptr(), tensor.nbytes, tensor, tensor.device.index)
    pointer = cupy.cuda.MemoryPointer(memory, 0)
    return cupy.ndarray(tuple(tensor.shape), KERNEL_TYPES[tensor.dtype], pointer)
