"""What only a GPU can tell: questions that reading and emulation left open, each with its answer.

Skipped without a GPU; `REQUIRE_GPU=1` makes that a failure. A test that fails here is a finding
about DALI, CuPy or the sanitizer, and names what of ours relied on it.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks.gpu import ERROR_STATUS, find_sanitizer, watch
from gca_dali.phantoms import make_phantom
from gca_dali.steps.decode import decode_grey
from gca_dali.steps.device import explained_memory

pytestmark = pytest.mark.gpu

# Grey levels: an inverse cosine transform of another rounding, and colours weighed otherwise.
MOST_APART, MEAN_APART = 6, 0.75
LEAVE_FREE = 2**27
OVERRUN = """
import cupy
cupy.cuda.set_allocator(None)
kernel = cupy.RawKernel('extern "C" __global__ void k(int* x) { x[threadIdx.x + 1] = 1; }', "k")
kernel((1,), (32,), (cupy.zeros(32, cupy.int32),))
cupy.cuda.runtime.deviceSynchronize()
"""
REFUSED_CALL = """
import cupy
try:
    cupy.cuda.runtime.getDeviceProperties(99)
except cupy.cuda.runtime.CUDARuntimeError:
    print("refused")
print(int(cupy.zeros(32, cupy.int32).sum()))
"""


def encode(kind: str) -> np.ndarray:
    """Return a phantom as a file: grey or in colours, baseline or progressive, PNG."""
    from PIL import Image

    pixels = make_phantom("chest", 3, height=203, width=317).image
    image, stream = Image.fromarray(pixels), io.BytesIO()
    if "colour" in kind:
        image = Image.merge("RGB", (image, image.rotate(180), image.rotate(90)))
    if kind.endswith("png"):
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=90, progressive="progressive" in kind)
    return np.frombuffer(stream.getvalue(), np.uint8)


def decode(encoded: np.ndarray, deep: bool, device: str) -> np.ndarray:
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    @pipeline_def(batch_size=1, num_threads=1, device_id=0)
    def define() -> Any:
        return decode_grey(fn.external_source(lambda: [encoded], batch=True), deep, device)

    (images,) = define().run()
    return np.array((images.as_cpu() if device == "mixed" else images)[0])


@pytest.mark.parametrize("kind", ["grey", "grey progressive", "colour", "colour progressive"])
def test_nvjpeg_decodes_grey_as_the_cpu_does(kind):
    """`decode_grey` asks both for GRAY; nvJPEG may weigh colours and round otherwise."""
    encoded = encode(kind)
    mine, other = decode(encoded, False, "mixed"), decode(encoded, False, "cpu")
    assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
    apart = np.abs(mine.astype(int) - other)
    print(f"{kind}: at most {apart.max()} apart, {apart.mean():.3f} on average")
    assert apart.max() <= MOST_APART and apart.mean() <= MEAN_APART


def test_8_bits_among_16_are_scaled_by_257():
    """A PNG of 8 bits in a deep set goes to the GPU's decoder as uint16."""
    encoded = encode("png")
    mine = decode(encoded, True, "mixed")
    assert mine.dtype == np.uint16
    np.testing.assert_array_equal(mine, decode(encoded, True, "cpu"))
    np.testing.assert_array_equal(mine, decode(encoded, False, "cpu").astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("code", "status"), [(OVERRUN, int(ERROR_STATUS)), (REFUSED_CALL, 0)], ids=["fault", "refusal"]
)
def test_memcheck_tells_faults_from_refused_calls(code, status):
    """Its exit status is what the part `memcheck` of `make gpu` is judged by."""
    sanitizer = find_sanitizer()
    if sanitizer is None:
        pytest.skip("compute-sanitizer is not here")
    command = [*watch(sanitizer, "memcheck"), sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture
def _full_gpu() -> Iterator[None]:
    """Little memory left on the device."""
    import cupy

    free, _ = cupy.cuda.runtime.memGetInfo()
    pointer = cupy.cuda.runtime.malloc(max(free - LEAVE_FREE, 2**20))
    yield
    cupy.cuda.runtime.free(pointer)


@pytest.mark.usefixtures("_full_gpu")
def test_what_dali_says_where_memory_runs_out():
    """A MemoryError or a RuntimeError, of any of the texts that `explained_memory` knows."""
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    images = [np.zeros((4096, 4096, 4), np.uint8)] * 8

    @pipeline_def(batch_size=len(images), num_threads=1, device_id=0)
    def define() -> Any:
        return fn.external_source(lambda: images, batch=True).gpu()

    with pytest.raises(RuntimeError, match=r"^GPU memory must hold the batch"), explained_memory():
        define().run()


def test_memory_held_in_python_is_not_decoded_into_again():
    """What `InFlight` relies on: a batch that is held keeps its addresses to itself."""
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    counter = iter(range(1000))

    @pipeline_def(batch_size=2, num_threads=1, device_id=0)
    def define() -> Any:
        def batch() -> list[np.ndarray]:
            return [np.full((64, 64, 1), next(counter) % 251, np.uint8) for _ in range(2)]

        return fn.external_source(batch, batch=True).gpu()

    pipeline = define(prefetch_queue_depth=2)
    held = [pipeline.run()[0] for _ in range(12)]
    starts = {images[b].data_ptr() for images in held for b in range(2)}
    assert len(starts) == 24
    for number, images in enumerate(held):
        there = images.as_cpu()
        assert [int(np.array(there[b]).max()) for b in range(2)] == [2 * number, 2 * number + 1]
        assert [int(np.array(there[b]).min()) for b in range(2)] == [2 * number, 2 * number + 1]
