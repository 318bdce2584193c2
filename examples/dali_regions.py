"""Decode only what readers look at: python dali_regions.py XRAYS.

Windows need no pixels: they are drawn before an image is decoded, and DALI's own decoder reads
that region of the file alone.
"""

from __future__ import annotations

import sys

import numpy as np
import nvidia.dali.fn as fn
from nvidia.dali import pipeline_def, types

import gca_dali.fn as gfn
from gca_dali import Manifest, ViewPolicy


@pipeline_def(num_threads=4, device_id=None)
def regions(files: list[str], policy: ViewPolicy, size: int):
    """Return a region of each image, [size, size, 1], and where it lies."""
    encoded, index = fn.readers.file(
        files=files, labels=list(range(len(files))), pad_last_batch=True, name="reader"
    )
    keys = gfn.keys(index, epoch=gfn.count_epochs(len(files)))
    saliency = gfn.saliency(keys, "centre")
    shapes = fn.peek_image_shape(encoded)
    windows = gfn.sample_windows(saliency, keys, shapes, policy=policy)
    start, extent = windows.start[0], windows.size[0]  # of the first view
    region = fn.decoders.image_slice(
        encoded,
        start,
        extent,
        axes=[0, 1],
        normalized_anchor=False,
        normalized_shape=False,
        output_type=types.GRAY,
    )
    return fn.resize(region, size=size, antialias=True), start, extent


def main(folder: str, size: int = 224, batch_size: int = 16) -> np.ndarray:
    """Return the regions of the first batch, uint8, [B, size, size, 1]."""
    policy = ViewPolicy.gca_relative()
    pipeline = regions(Manifest.open(folder).files, policy, size, batch_size=batch_size)
    found, start, extent = pipeline.run()
    for place, sides in zip(start.as_array(), extent.as_array(), strict=True):
        print(f"{sides[0]:.0f} × {sides[1]:.0f} px at {place[0]:.0f}, {place[1]:.0f}")
    return found.as_array()


if __name__ == "__main__":
    main(sys.argv[1])
