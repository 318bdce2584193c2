"""The whole chain on phantoms, no files needed: maps, predictor, loader, SimCLR steps, a picture.

Enters: a folder to write to. Leaves: `preview.png` in it and a `DemoResult`. The gaze is simulated
and so are the X-rays: the numbers show that the parts work together, not what they are worth.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gca_dali.common.progress import track
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.boxes import read_boxes_csv
from gca_dali.gaze.metrics import cc
from gca_dali.loader import GCALoader
from gca_dali.phantoms import write_phantoms
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.report.audit import PolicyAudit, audit_policies
from gca_dali.report.preview.make import PreviewMaker
from gca_dali.report.preview.save import save_preview
from gca_dali.report.preview.style import describe_policy
from gca_dali.steps.saliency import load_saliency

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gca_dali.gaze.predictor import GazePredictor
    from gca_dali.steps.batch import ViewBatch

NUM_IMAGES = 48
NUM_SHOWN = 3
PHANTOM_SEED, PREVIEW_SEED = 7, 96  # a picture with lesions, and with each operator in it
# Enough to learn where lesions are, in half a minute on two cores.
NUM_RECORDINGS, RECORDING_PX, RECORDING_SEED = 120, 192, 11
NUM_FIT_EPOCHS, FIT_BATCH_SIZE, FIT_INPUT_PX = 12, 8, 96
BATCH_SIZE = 16
VIEW_PX = 64
NUM_STEPS = 24
NUM_TIMED_EPOCHS = 3
NUM_AVERAGED = 4  # losses of single steps jump
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class DemoResult:
    """What the demo came to.

    Attributes
    ----------
    preview : Path
        The picture.
    saliency : str
        Where the maps come from.
    fit_seconds : float
        Time that it took to fit the predictor.
    predicted_cc : float
        Mean correlation of predicted maps with those of the simulated reader, on the phantoms.
    num_images : int
        Phantoms.
    device : str
        Of loader and training.
    images_per_second : float
        Of the loader alone: 512 × 512 PNG to two views of 64 × 64.
    kept_mass : float
        Mean share of the saliency in the loader's windows.
    audits : dict of str to PolicyAudit
        Lesions kept and shared, and window area, of the policies gca and random.
    first_loss, last_loss : float
        Mean NT-Xent of the first and the last four steps.
    num_steps : int
    seconds : float
        For everything.
    """

    preview: Path
    saliency: str
    fit_seconds: float
    predicted_cc: float
    num_images: int
    device: str
    images_per_second: float
    kept_mass: float
    audits: dict[str, PolicyAudit]
    first_loss: float
    last_loss: float
    num_steps: int
    seconds: float


def run_demo(out: Path, phantoms: Path) -> DemoResult:
    """Run the chain.

    Parameters
    ----------
    out : Path
        Folder for `preview.png`.
    phantoms : Path
        Folder for the phantoms and their maps.

    Returns
    -------
    DemoResult

    Raises
    ------
    FileExistsError
        If `phantoms` holds other images.
    """
    start_seconds = time.monotonic()
    write_phantoms(phantoms, NUM_IMAGES, kind="mixed", seed=PHANTOM_SEED)
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    boxes = read_boxes_csv(phantoms / "boxes.csv", manifest)
    predictor = fit_on_phantoms(NUM_RECORDINGS)
    fit_seconds = time.monotonic() - start_seconds

    # The first epoch predicts the maps; the later ones look them up.
    table = load_saliency(predictor, manifest, keep=False)
    loader = GCALoader(manifest, ViewPolicy.gca(size=VIEW_PX), table, batch_size=BATCH_SIZE)
    losses = train_simclr(loader, NUM_STEPS)
    images_per_second, kept_mass = time_loader(loader)

    policies = {"gca": ViewPolicy.gca(), "random": ViewPolicy.random()}
    told = f"simulated gaze: predicted, learned from {NUM_RECORDINGS} recordings of other phantoms"
    maker = PreviewMaker(manifest, policies["gca"], table, boxes, PREVIEW_SEED)
    subtitle = describe_policy(policies["gca"], told)
    made = maker.make(NUM_SHOWN, "gca_dali: from X-rays and gaze to pairs of views", subtitle)
    save_preview(made, out / "preview.png")

    audit = audit_policies(manifest, boxes, table, policies)
    recorded = load_saliency(phantoms / "maps", manifest).maps
    return DemoResult(
        preview=out / "preview.png",
        saliency=told,
        fit_seconds=fit_seconds,
        predicted_cc=float(np.mean([cc(*pair) for pair in zip(table.maps, recorded, strict=True)])),
        num_images=len(manifest),
        device=str(loader.device),
        images_per_second=images_per_second,
        kept_mass=kept_mass,
        audits=audit.policies,
        first_loss=float(np.mean(losses[:NUM_AVERAGED])),
        last_loss=float(np.mean(losses[-NUM_AVERAGED:])),
        num_steps=len(losses),
        seconds=time.monotonic() - start_seconds,
    )


def fit_on_phantoms(num_recordings: int) -> GazePredictor:
    """Fit a small predictor on phantoms of its own, at which a simulated reader looked.

    Parameters
    ----------
    num_recordings : int
        Phantoms; they vanish when they are learned from.
    """
    from gca_dali.gaze.augment import Augmentation
    from gca_dali.gaze.fit import fit_predictor
    from gca_dali.gaze.map_folder import MapFolder
    from gca_dali.gaze.network import NetworkConfig
    from gca_dali.gaze.training import FitSettings

    settings = FitSettings(
        network=NetworkConfig(input_px=FIT_INPUT_PX),
        augmentation=Augmentation(flip=True),
        num_epochs=NUM_FIT_EPOCHS,
        batch_size=FIT_BATCH_SIZE,
    )
    side = RECORDING_PX
    with tempfile.TemporaryDirectory(prefix="gca_dali_") as name:
        folder = Path(name)
        write_phantoms(
            folder, num_recordings, kind="mixed", height=side, width=side, seed=RECORDING_SEED
        )
        manifest = Manifest.from_csv(folder / "labels.csv")
        return fit_predictor(manifest, MapFolder.open(folder / "maps"), settings).predictor


def train_simclr(loader: GCALoader, num_steps: int) -> list[float]:
    """Train a ResNet-18 for some steps of SimCLR.

    Parameters
    ----------
    loader : GCALoader
        Of two views or more.
    num_steps : int
        Epochs follow each other until so many batches are used.

    Returns
    -------
    list of float
        NT-Xent of each step.
    """
    import torch

    from gca_dali.ssl.encoders import EncoderConfig, build_encoder
    from gca_dali.ssl.methods import build_method, take_views
    from gca_dali.ssl.presets import find_preset

    torch.manual_seed(0)
    encoder = build_encoder(EncoderConfig.for_policy("resnet18", loader.policy))
    method = build_method(encoder, find_preset("simclr", "small"), num_steps, BATCH_SIZE)
    method.to(loader.device).train()
    # The preset's optimiser is for thousands of steps; this one shows in two dozen that it learns.
    optimizer = torch.optim.AdamW(method.parameters(), LEARNING_RATE)
    losses = []
    for batch in track(_batches(loader, num_steps), num_steps, "SimCLR steps"):
        loss = method(*take_views(batch))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _batches(loader: GCALoader, num_steps: int) -> Iterator[ViewBatch]:
    """Yield so many batches, epoch after epoch."""
    while True:
        for batch in loader:
            yield batch
            num_steps -= 1
            if num_steps == 0:
                return


def time_loader(loader: GCALoader) -> tuple[float, float]:
    """Return images per second of a loader that is warm, and the mean mass its windows keep."""
    retained, num_images = [], 0
    start_seconds = time.perf_counter()
    for _ in range(NUM_TIMED_EPOCHS):
        for batch in loader:
            num_images += len(batch)
            retained.append(batch.retained.mean().item())
    return num_images / (time.perf_counter() - start_seconds), float(np.mean(retained))
