"""The parity cases as launches of the CUDA kernels, on NumPy arrays, and how answers are compared.

Enters: cases of `kernel_cases`. Leaves: `Launch`es whose outputs hold rubbish beforehand, and
checks of what the kernel left there. Used where kernels run on the CPU (`cuda/`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gca_dali_kernels import integrate_maps, render_views, sample_cutouts, sample_windows
from gca_dali_kernels.launch import Launch
from gca_dali_kernels.reference.integrate_maps import integrate_maps as reference_maps
from gca_dali_kernels.render_views import ImageTable
from gca_dali_kernels.resident import pack_cutouts, pack_looks, pack_windows
from gca_dali_kernels.tiling import SharedMemory, Tiling, choose_tiling
from kernel_emulator import HostImages
from kernel_inputs import CutoutCase, MapCase, ViewCase, WindowCase
from view_comparison import assert_views_match

H100 = SharedMemory(per_block=232_448, per_multiprocessor=233_472)
RUBBISH = 0xAB


def rubbish(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return an array that a kernel must overwrite."""
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[:] = RUBBISH
    return array


def map_launch(case: MapCase) -> Launch:
    """Integrate the maps from last to first, as rows of a table."""
    num_maps, height, width = case.maps.shape
    rows = np.arange(num_maps)[::-1].copy()
    out = rubbish((num_maps, height + 1, width + 1), np.uint32), rubbish((num_maps, 5), np.int32)
    return integrate_maps.build_launch(case.maps, rows, out)


def check_maps(case: MapCase, arrays: list[np.ndarray]) -> None:
    for found, expected in zip(arrays[-2:], reference_maps(case.maps[::-1]), strict=True):
        np.testing.assert_array_equal(found, expected, case.name)


def window_launch(case: WindowCase) -> Launch:
    shape = (len(case.index), case.laws.num_views)
    out = (
        rubbish((*shape, 4), np.int32),
        rubbish((*shape, 2), np.int32),
        rubbish(shape, np.float32),
        rubbish(shape, np.bool_),
        rubbish((len(case.index), 2), np.int32),
    )
    inputs = (case.integrals, case.marks, case.index, case.shapes)
    tables = (case.laws.focus_view, *pack_windows(case.laws))
    return sample_windows.build_launch(inputs, case.key, tables, out)


def check_windows(case: WindowCase, arrays: list[np.ndarray]) -> None:
    for found, expected in zip(arrays[-5:], case.expected, strict=True):
        np.testing.assert_array_equal(found, expected, case.name)


def cutout_launch(case: CutoutCase) -> Launch:
    *inputs, key, _ = case.inputs
    out = rubbish(case.inputs[1].shape, np.int32)
    return sample_cutouts.build_launch(tuple(inputs), key, pack_cutouts(case.window.laws), out)


def check_cutouts(case: CutoutCase, arrays: list[np.ndarray]) -> None:
    np.testing.assert_array_equal(arrays[-1], case.expected, case.name)


def view_launch(
    case: ViewCase, lead: int = 0, dtype: type = np.float32, tile: tuple[int, int] | None = None
) -> Launch:
    """Render into the transpose of [V, B, …]; images lie `lead` bytes behind a round address."""
    num_images, num_views = len(case.images), len(case.looks)
    tiling = choose_tiling(case.size, case.looks, H100)
    if tile:
        tiling = Tiling(case.size, *tile, tiling.margin)
    shapes = np.array([image.shape for image in case.images], np.int32)
    images = ImageTable(HostImages(case.images, lead), shapes, str(case.images[0].dtype))
    rows = np.arange(num_images)
    inputs = (case.ranges, case.maps, rows, case.window.marks, *case.plan, case.index)
    rotations, records = pack_looks(case.group)
    tables = (case.num_before, rotations, records)
    views = rubbish((num_views, num_images, *case.size), dtype).swapaxes(0, 1)
    return render_views.build_launch(images, inputs, case.key, tables, tiling, views)


def check_views(case: ViewCase, arrays: list[np.ndarray]) -> None:
    """Compare; the kernel reads the image itself, so the pyramid's tolerance is not for it."""
    own = "pixels" if case.tolerance == "pyramid" else case.tolerance
    assert_views_match(replace(case, tolerance=own), arrays[-1].astype(np.float64))


def check_inputs_unchanged(launch: Launch, arrays: list[np.ndarray], num_outputs: int) -> None:
    """Fail if a kernel wrote to what it only reads."""
    given = [argument for argument in launch.arguments if isinstance(argument, np.ndarray)]
    for before, after in zip(given[:-num_outputs], arrays[:-num_outputs], strict=True):
        np.testing.assert_array_equal(before, after)
