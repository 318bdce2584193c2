"""Crop images, masks and labels alike: python dali_masks.py XRAYS MASKS.

MASKS holds a grey image of the same name for each X-ray, black where there is nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import nvidia.dali.fn as fn
from nvidia.dali import pipeline_def, types

import gca_dali.fn as gfn
from gca_dali import Manifest, ViewPolicy


@pipeline_def(num_threads=4, device_id=None)
def crops(files: list[str], masks: list[str], policy: ViewPolicy, size: int):
    """Return image and mask of a window, [size, size, 1], and whether the mask marks anything."""
    given = {"labels": list(range(len(files))), "pad_last_batch": True}
    encoded, index = fn.readers.file(files=files, name="images", **given)
    encoded_masks, _ = fn.readers.file(files=masks, name="masks", **given)
    images = fn.decoders.image(encoded, output_type=types.GRAY)
    marked = fn.decoders.image(encoded_masks, output_type=types.GRAY)

    keys = gfn.keys(index, epoch=gfn.count_epochs(len(files)))
    saliency = gfn.saliency(keys, "centre")
    windows = gfn.sample_windows(saliency, keys, images.shape(), policy=policy)
    edges = {"axes": [0, 1], "normalized_anchor": False, "normalized_shape": False}
    start, extent, flip = windows.start[0], windows.size[0], windows.turns[0, 1]
    images, marked = (
        fn.flip(fn.slice(one, start, extent, **edges), horizontal=flip) for one in (images, marked)
    )
    label = fn.reductions.max(marked) > 127
    images = fn.resize(images, size=size, antialias=True)
    return images, fn.resize(marked, size=size, interp_type=types.INTERP_NN), label


def main(folder: str, masks: str, size: int = 224, batch_size: int = 16) -> tuple[np.ndarray, ...]:
    """Return images, masks and labels of the first batch."""
    files = Manifest.open(folder).files
    beside = [str(Path(masks) / Path(file).name) for file in files]
    pipeline = crops(files, beside, ViewPolicy.gca_relative(), size, batch_size=batch_size)
    images, marked, labels = (output.as_array() for output in pipeline.run())
    print(f"{int(labels.sum())} of {len(labels)} windows show something that is marked")
    return images, marked, labels


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
