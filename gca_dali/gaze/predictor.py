"""`GazePredictor`: X-rays in, saliency maps out.

Enters: a batch of grey images. Leaves: maps [B, 64, 64] with maximum 1, the same for an image
whatever its batch. Next: the saliency table of the loader, or `map_folder`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch.nn import functional

from gca_dali.common.disk import explained_disk, replace_file
from gca_dali.gaze.facts import PredictorFacts
from gca_dali.gaze.network import GazeNetwork, NetworkConfig, add_counters
from gca_dali.gaze.prepare import (
    CHUNK,
    as_tensor,
    prepare_image,
    prepare_plane,
    quantise_peaks,
)
from gca_dali.gaze.table import MAP_SHAPE

if TYPE_CHECKING:
    pass

FORMAT = "gca_dali.gaze/1"
BUNDLED = {"knee": Path(__file__).with_name("knee.safetensors")}


class GazePredictor:
    """A trained network with the mean of the maps that it learned from.

    Weights are kept at half precision's resolution, so that saving changes nothing.

    Parameters
    ----------
    network : GazeNetwork
        Its weights are rounded in place.
    mean_map : numpy.ndarray, float32, [map_px, map_px]
        Mean of the training maps, sum 1: the prior that a predictor has to beat.
    facts : PredictorFacts
        How it came to be.
    device : str or torch.device
        "auto" takes the GPU where there is one.
    """

    def __init__(
        self,
        network: GazeNetwork,
        mean_map: np.ndarray,
        facts: PredictorFacts,
        device: str | torch.device = "auto",
    ) -> None:
        side = network.config.map_px
        if mean_map.shape != (side, side):
            raise ValueError(
                f"mean_map must have shape [{side}, {side}], got {list(mean_map.shape)}. Resize it."
            )
        self.device = choose_device(device)
        with torch.no_grad():
            for weight in network.parameters():
                weight.copy_(weight.half().float())
        self.network = network.eval().requires_grad_(False).to(self.device)
        self.mean_map = mean_map.astype(np.float32)
        self.facts = facts
        self.fingerprint = self._digest()

    def __repr__(self) -> str:
        """Show what it is made of."""
        config, kind = self.network.config, "simulated" if self.facts.simulated else "recorded"
        return (
            f"GazePredictor({config.encoder}, {config.input_px} px to {config.map_px} cells, "
            f"{self.facts.num_maps} maps of {kind} gaze, {self.fingerprint[:12]}, {self.device})"
        )

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """Predict where a radiologist would look.

        An image gets the same map, to the bit on one device, whatever else is in the batch.

        Parameters
        ----------
        images : torch.Tensor, float32, [B, 1, h, w]
            Whole images, in [0, 1] or any other range; resized to the network's input (bilinear,
            antialiased) where they differ from it, and moved to its device.

        Returns
        -------
        torch.Tensor, float32, [B, map_px, map_px]
            Non-negative, maximum 1 per map, on the predictor's device.

        Raises
        ------
        ValueError
            Where the shape is not [B, 1, h, w].
        """
        if images.ndim != 4 or images.shape[1] != 1:
            raise ValueError(
                f"images must have shape [B, 1, h, w], got {list(images.shape)}. "
                f"Give one grey channel."
            )
        side = self.network.config.input_px
        images = images.to(self.device, torch.float32)
        if images.shape[2:] != (side, side):
            images = functional.interpolate(
                images, (side, side), mode="bilinear", align_corners=False, antialias=True
            )
        maps = [self._predict_chunk(chunk) for chunk in images.split(CHUNK)]
        return torch.cat(maps)

    def predict_image(self, image: np.ndarray) -> np.ndarray:
        """Predict the map of one image as it was read.

        Parameters
        ----------
        image : numpy.ndarray, uint8 | uint16, [H, W]
            Any size and range.

        Returns
        -------
        numpy.ndarray, float32, [map_px, map_px]
            Maximum 1.
        """
        plane = prepare_image(image, self.network.config.input_px)
        return self.predict(torch.from_numpy(plane)[None, None])[0].cpu().numpy()

    def make_maps(self, images: Sequence[Any]) -> np.ndarray:
        """Predict the maps of images as they were decoded, for the loader's table.

        Parameters
        ----------
        images : sequence of B numpy.ndarray, torch.Tensor or whatever else speaks DLPack, [H, W]
            uint8, uint16 or float, of any size and range, on any device; those on a GPU stay there
            until the maps come back. Work goes to torch's current stream.

        Returns
        -------
        numpy.ndarray, uint8, [B, 64, 64]
            Maximum 255 each.
        """
        side = self.network.config.input_px
        # Not without waiting: the next line may read the planes on the host.
        planes = [prepare_plane(as_tensor(image), side).to(self.device) for image in images]
        maps = self.predict(torch.stack(planes)[:, None])
        return quantise_peaks(maps, MAP_SHAPE).cpu().numpy()

    def save(self, path: str | Path) -> None:
        """Write weights and configuration to one safetensors file, in one step.

        Raises
        ------
        ValueError
            Where the name does not end in `.safetensors`.
        """
        path = Path(path)
        if path.suffix != ".safetensors":
            raise ValueError(f"path must end in .safetensors, got {path.name}. Rename it.")
        metadata = {
            "format": FORMAT,
            "config": json.dumps(self.network.config.as_dict()),
            "facts": json.dumps(asdict(self.facts)),
        }
        content = to_bytes(self._tensors(), metadata)
        needed = f"{path.name}, {len(content) / 2**20:.1f} MiB"
        with explained_disk(path.parent, needed), replace_file(path) as partial:
            partial.write_bytes(content)

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "auto") -> GazePredictor:
        """Read a predictor; no code is run from the file.

        Parameters
        ----------
        path : str or Path
            File, or the name of a bundled predictor ("knee").
        device : str or torch.device
            "auto" takes the GPU where there is one.

        Raises
        ------
        FileNotFoundError
            Where there is no such file.
        ValueError
            Where the file is no predictor.
        """
        file = BUNDLED.get(str(path), Path(path))
        if not file.is_file():
            raise FileNotFoundError(
                f"predictor must be a file or one of {', '.join(BUNDLED)}, got {path}. Fit one."
            )
        try:
            with safe_open(file, "pt") as stored:
                metadata = stored.metadata() or {}
                names = stored.keys()
                tensors = {name: stored.get_tensor(name).float() for name in names}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"format {metadata.get('format')!r}")
            config = json.loads(metadata["config"])
            config["decoder_channels"] = tuple(config["decoder_channels"])
            network = GazeNetwork(NetworkConfig(**config))
            mean_map = tensors.pop("mean_map").numpy()
            network.load_state_dict(add_counters(network, tensors))
            facts = PredictorFacts(**json.loads(metadata["facts"]))
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(
                f"{file} must be a gaze predictor ({FORMAT}), got {reason}. Fit it again."
            ) from None
        return cls(network, mean_map, facts, device)

    def _predict_chunk(self, images: torch.Tensor) -> torch.Tensor:
        """Predict up to `CHUNK` images in one call of fixed shape."""
        num = len(images)
        padded = functional.pad(images, (0, 0, 0, 0, 0, 0, 0, CHUNK - num))
        flags = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        # A caller's autocast would round the maps, which are kept.
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False), flags:
            logits = self.network(padded)[:num].flatten(1)
            peak = logits.max(1, keepdim=True).values
            return (logits - peak).exp().unflatten(1, (self.network.config.map_px, -1))

    def _tensors(self) -> dict[str, torch.Tensor]:
        """Return what is stored: weights in half precision, running statistics in full."""
        weights = {name for name, _ in self.network.named_parameters()}
        tensors = {
            name: (value.cpu().half() if name in weights else value.cpu()).contiguous()
            for name, value in self.network.state_dict().items()
            if value.is_floating_point()
        }
        return tensors | {"mean_map": torch.from_numpy(self.mean_map)}

    def _digest(self) -> str:
        """SHA-256 over configuration and stored weights: the same digest, the same maps."""
        digest = hashlib.sha256(json.dumps(self.network.config.as_dict()).encode())
        for name, value in sorted(self._tensors().items()):
            digest.update(name.encode() + value.numpy().tobytes())
        return digest.hexdigest()


def choose_device(device: str | torch.device) -> torch.device:
    """Return the device that a name means, with its number; "auto" is the GPU where there is one.

    Raises
    ------
    RuntimeError
        Where CUDA is asked for and there is none.
    """
    if str(device) == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"device must exist, got {device} without a CUDA GPU. Use cpu.")
    if chosen.type == "cuda" and chosen.index is None:
        # The weights go there once; a loader makes its own GPU the current one.
        return torch.device("cuda", torch.cuda.current_device())
    return chosen
