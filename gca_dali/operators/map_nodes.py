"""Keys and maps as nodes of a graph.

Enters: indices, epochs and sources of maps. Leaves: DataNodes, keys, int64, [2], and maps, uint8,
[h, w]. Next: `view_nodes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from nvidia.dali.pipeline import do_not_convert

from gca_dali.common.checks import check_at_least, check_choice
from gca_dali.operators.graph import call_batched, check_node, current_pipeline
from gca_dali.operators.inputs import check_epoch
from gca_dali.operators.maps import MakeKeys, PredictMaps, TakeMaps
from gca_dali.operators.tables import open_predicted, open_table

if TYPE_CHECKING:
    from nvidia.dali import types
    from nvidia.dali.data_node import DataNode

    from gca_dali.data.manifest import Manifest
    from gca_dali.gaze.predicted import PredictedTable
    from gca_dali.gaze.predictor import GazePredictor
    from gca_dali.steps.saliency import SaliencySource


@do_not_convert
def count_epochs(num_samples: int, *, num_shards: int = 1) -> DataNode:
    """Return the epoch that each sample of the pipeline belongs to, by counting them.

    For readers with `pad_last_batch=True`, which go round for ever: their epochs end with a batch.
    DALI keeps the count in its checkpoints. Call it outside of conditionals.

    Parameters
    ----------
    num_samples : int
        Of all shards, without padding: `reader_meta(name)["epoch_size"]`.
    num_shards : int
        As the reader has it.

    Returns
    -------
    DataNode, int64, [], on the CPU

    Raises
    ------
    ValueError
        If a number is not at least 1.

    Examples
    --------
    >>> files, index = fn.readers.file(files=paths, labels=range(9), pad_last_batch=True)
    ... # doctest: +SKIP
    >>> keys(index, epoch=count_epochs(9))  # doctest: +SKIP
    """
    from nvidia.dali import fn

    check_at_least("num_samples", num_samples, 1)
    check_at_least("num_shards", num_shards, 1)
    batch_size: int = current_pipeline().max_batch_size
    # DALI pads every shard to whole batches of the largest one.
    num_batches = -(-num_samples // (num_shards * batch_size))

    def count(batch: types.BatchInfo) -> np.ndarray:
        return np.full(batch_size, batch.iteration // num_batches)

    return fn.external_source(source=count, batch=True, batch_info=True)  # type: ignore[return-value]


@do_not_convert
def keys(index: DataNode, *, epoch: int | DataNode) -> DataNode:
    """Return the key of each sample: all that its random numbers depend on, beside the seed.

    Parameters
    ----------
    index : DataNode, integer, [] or [1], on the CPU
        Place of the sample among the maps; readers give it as a label.
    epoch : int or DataNode
        As `count_epochs` gives it; one number for all where a pipeline is built for each epoch.

    Returns
    -------
    DataNode, int64, [2], on the CPU

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    current_pipeline()
    nodes = [check_node("index", index, "cpu")]
    number = None
    if isinstance(epoch, (int, np.integer)):
        number = check_epoch(epoch)
    else:
        nodes.append(check_node("epoch", epoch, "cpu"))
    return call_batched(MakeKeys(number), [], nodes, device="cpu", layouts=[""])[0]


@do_not_convert
def saliency(
    keys: DataNode, source: SaliencySource, *, manifest: Manifest | None = None, device: str = "cpu"
) -> DataNode:
    """Return the map of each sample.

    Parameters
    ----------
    keys : DataNode, int64, [2]
    source : SaliencySource
        A table, an array [N, h, w] or "centre"; with a manifest also a folder of maps,
        "mean:FOLDER", "stored" or a callable.
    manifest : Manifest, optional
        Whose rows the keys count: for sources that know maps by the images they are of.
    device : str
        "cpu" or "gpu": where the map is to be.

    Returns
    -------
    DataNode, uint8, [h, w], "HW"

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    current_pipeline()
    check_choice("device", device, ("cpu", "gpu"))
    check_node("keys", keys, "cpu")
    take = TakeMaps(open_table(source, manifest))
    (maps,) = call_batched(take, [], [keys], device="cpu", layouts=["HW"])
    return maps if device == "cpu" else maps.gpu()


@do_not_convert
def predict_saliency(
    images: DataNode,
    keys: DataNode,
    predictor: GazePredictor | PredictedTable,
    *,
    manifest: Manifest | None = None,
) -> DataNode:
    """Return the map of each sample, predicted the first time that its image is met.

    Parameters
    ----------
    images : DataNode, uint8 | uint16, [H, W, 1]
    keys : DataNode, int64, [2]
    predictor : GazePredictor or PredictedTable
        A predictor (or its file, or "knee") fills the table of the manifest, which outlives the
        process.
    manifest : Manifest, optional
        Whose rows the keys count; for a predictor it must be given.

    Returns
    -------
    DataNode, uint8, [64, 64], "HW", on the device of the images

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be.
    """
    current_pipeline()
    device = check_node("images", images).device
    check_node("keys", keys, "cpu")
    predict: Any = PredictMaps(open_predicted(predictor, manifest))
    if device == "gpu":
        from gca_dali.operators.cuda_kernels import PredictOnStream

        predict = PredictOnStream(predict)
    return call_batched(predict, [images], [keys], device=device, layouts=["HW"])[0]
