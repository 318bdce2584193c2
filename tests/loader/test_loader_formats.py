"""DICOM and rare TIFFs in the loader: decoded by workers, exact to the bit, beside other files."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.fuzz_seeds import make_dicom
from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.data.fetch import FileFetcher, wrap_pixels
from gca_dali.image.voi import DicomOptions
from gca_dali.pipeline import decode_in_branches
from gca_dali.policy.group import ViewGroup
from gca_dali.policy.parts import Crop
from gca_dali.steps.decode import decode_grey, value_ranges
from gca_dali.steps.read import read_samples
from make_images import encode, make_ramp, make_rare_tiffs

WHOLE = ViewPolicy(
    (ViewGroup(1, 64, Crop(size_by="zoom", size_range=(1.0, 1.0)), flip=0.0),),
    mean=0.0,
    deviation=1.0,
)
DEEP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
SECRETS = ("Doe", "Jane", "4711", "20200102")


def load(manifest: Manifest, policy: ViewPolicy = WHOLE, **options) -> dict[str, np.ndarray]:
    """Return one view of each image by path and frame."""
    options = {"batch_size": len(manifest), "shuffle": False} | options
    views = {}
    for batch in GCALoader(manifest, policy, device="cpu", drop_last=False, **options):
        for view, index in zip(batch.views[0], batch.index.tolist(), strict=True):
            views[manifest.path[index], int(manifest.frame[index])] = view[0].numpy()
    return {path if not frame else f"{path} {frame}": v for (path, frame), v in views.items()}


def decode_with_dali(data: np.ndarray, deep: bool) -> np.ndarray:
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    @pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def define():
        return decode_grey(fn.external_source(lambda: [data], batch=True), deep, "cpu")

    return define().run()[0].at(0)[..., 0]


@pytest.fixture
def mixed(tmp_path):
    """A folder of DICOM, rare TIFF, JPEG and PNG."""
    window: dict[str, Any] = {"WindowCenter": [2048, 512], "WindowWidth": [4096, 1024]}
    (tmp_path / "dark.dcm").write_bytes(
        make_dicom(DEEP, bits_stored=12, PhotometricInterpretation="MONOCHROME1", **window)
    )
    (tmp_path / "light.dcm").write_bytes(make_dicom(DEEP, bits_stored=12, **window))
    (tmp_path / "ramp.jpg").write_bytes(encode(make_ramp(), "JPEG"))
    (tmp_path / "deep.png").write_bytes(encode(make_ramp(16), "PNG"))
    for name in ("white", "planes", "deep_jpeg2000"):
        (tmp_path / f"{name}.tif").write_bytes(make_rare_tiffs()[name])
    return tmp_path


def test_every_image_of_a_mixed_folder_comes_out_right(mixed):
    manifest = Manifest.from_folder(mixed)
    assert set(manifest.format) == {"dicom", "tiff-rare", "jpeg", "png"}
    views = load(manifest)
    assert views["dark.dcm"][0, 0] == 1.0 and views["dark.dcm"][-1, -1] == 0.0
    # A window of 12 bits over all of them: each stored value is a level of its own.
    expected = np.rint(DEEP / 4095 * 65535) / 65535
    np.testing.assert_allclose(views["light.dcm"], expected, atol=1e-4)
    assert len(np.unique(views["light.dcm"])) == 4096
    np.testing.assert_allclose(views["dark.dcm"] + views["light.dcm"], 1, atol=1e-4)
    for row, path in enumerate(manifest.path.tolist()):
        image = manifest.read(row)
        assert image.shape == (manifest.height[row], manifest.width[row]), path
    white, deep = views["white.tif"], views["deep.png"]
    assert white[0, 0] > white[-1, -1] and deep[0, 0] < deep[-1, -1]


@pytest.mark.parametrize("name", make_rare_tiffs())
def test_what_workers_decode_reaches_dali_unchanged(tmp_path, name):
    (tmp_path / "a.tif").write_bytes(make_rare_tiffs()[name])
    manifest = Manifest.from_folder(tmp_path)
    image = manifest.read(0)
    ramp = make_ramp(8 * image.itemsize)
    if "planes" not in name:
        np.testing.assert_array_equal(~image if "white" in name else image, ramp)
    data = FileFetcher(manifest).fetch(0)
    np.testing.assert_array_equal(decode_with_dali(data, image.itemsize == 2), image)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5000), (701, 403)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_wrapped_pixels_are_exact(shape, dtype):
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    decoded = decode_with_dali(wrap_pixels(image), dtype == np.uint16)
    np.testing.assert_array_equal(decoded, image)


def test_contrast_is_chosen_when_files_are_indexed_or_a_manifest_is_opened(mixed, tmp_path):
    narrow = Manifest.from_folder(mixed, dicom=DicomOptions(voi="window:1"))
    view = load(narrow.where(path="light.dcm"))["light.dcm"]
    assert (view == 1.0).mean() > 0.7
    narrow.save(tmp_path / "narrow.parquet")
    opened = Manifest.open(tmp_path / "narrow.parquet")
    assert opened.voi == "window:1" and opened.fingerprint == narrow.fingerprint
    wide = Manifest.open(tmp_path / "narrow.parquet", dicom=DicomOptions(voi="full"))
    assert (load(wide.where(path="light.dcm"))["light.dcm"] == 1.0).sum() == 1
    assert wide.fingerprint != narrow.fingerprint
    with pytest.raises(ValueError, match="dicom must change voi alone"):
        Manifest.open(tmp_path / "narrow.parquet", dicom=DicomOptions(frames="all"))
    with pytest.raises(ValueError, match="voi must be one of auto, window, lut"):
        DicomOptions(voi="bone")
    with pytest.raises(ValueError, match="frames must be one of 'first', 'all', got 'last'"):
        DicomOptions(frames="last")


def test_first_frame_or_a_row_for_each(tmp_path):
    frames = np.stack([DEEP // 16, 255 - DEEP // 16, np.zeros_like(DEEP)]).astype(np.uint8)
    frames[2, :32] = 255
    (tmp_path / "cine.dcm").write_bytes(make_dicom(frames, num_frames=3))
    (tmp_path / "still.dcm").write_bytes(make_dicom(frames[0]))
    first = Manifest.from_folder(tmp_path)
    assert first.path.tolist() == ["cine.dcm", "still.dcm"] and not first.frame.any()
    every = Manifest.from_folder(tmp_path, dicom=DicomOptions(frames="all"))
    assert every.path.tolist() == ["cine.dcm"] * 3 + ["still.dcm"]
    assert every.frame.tolist() == [0, 1, 2, 0]
    views = load(every)
    np.testing.assert_array_equal(views["cine.dcm"], load(first)["cine.dcm"])
    np.testing.assert_allclose(views["cine.dcm"] + views["cine.dcm 1"], 1, atol=1e-4)
    assert (views["cine.dcm 2"][:31] == 1).all() and (views["cine.dcm 2"][33:] == 0).all()
    every.save(tmp_path / "every.parquet")
    assert Manifest.open(tmp_path / "every.parquet").frame.tolist() == [0, 1, 2, 0]
    # Encapsulated frames that are not there would be rows that fail one by one.
    from pydicom.uid import RLELossless

    data = make_dicom(frames, num_frames=3, syntax=RLELossless)
    assert data.count(b"\x003 ") == 1  # the number of frames, padded
    (tmp_path / "more.dcm").write_bytes(data.replace(b"\x003 ", b"\x0099"))
    [refused] = Manifest.from_folder(tmp_path).refused
    assert refused.path == "more.dcm" and "99 frames in 3 fragments" in refused.reason


def test_views_are_the_same_in_any_batch_and_number_of_threads(mixed):
    manifest = Manifest.from_folder(mixed)
    policy = ViewPolicy.gca(size=32)
    one = load(manifest, policy, saliency="centre", num_threads=1)
    other = load(manifest, policy, saliency="centre", num_threads=4, batch_size=2, shuffle=True)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[path], other[path]) for path in one)


def test_a_broken_file_is_set_aside_and_the_run_goes_on(mixed, caplog):
    data = bytearray((mixed / "light.dcm").read_bytes())
    manifest = Manifest.from_folder(mixed)
    cut = data[: len(data) - 4000] + b"\0" * 4000  # as long as before, but no end of a header
    (mixed / "light.dcm").write_bytes(cut[:300] + b"\xff" * (len(cut) - 300))
    with caplog.at_level(logging.WARNING, "gca_dali"):
        loader = GCALoader(manifest, WHOLE, batch_size=len(manifest), device="cpu")
        [batch] = list(loader)
    assert len(batch) == len(manifest) and torch.isfinite(batch.views[0]).all()
    [(path, reason)] = list(loader.quarantine)
    assert path == "light.dcm" and reason and "\n" not in reason
    assert not any(secret in caplog.text + repr(loader.quarantine) for secret in SECRETS)


def test_the_patient_stays_in_the_file_unless_asked_for(mixed, tmp_path, caplog):
    from gca_dali.report.preview.make import PreviewMaker
    from gca_dali.report.preview.save import save_preview

    with caplog.at_level(logging.DEBUG, "gca_dali"), caplog.at_level(logging.DEBUG, "pydicom"):
        manifest = Manifest.from_folder(mixed)
        manifest.save(tmp_path / "rows.parquet")
        load(manifest)
        preview = PreviewMaker(manifest, WHOLE, None).make(7, "title", "subtitle")
        save_preview(preview, tmp_path / "preview.html")
        save_preview(preview, tmp_path / "preview.png")
    assert not manifest.patient.any()
    told = caplog.text.encode() + repr(manifest).encode()
    for name in ("rows.parquet", "preview.html", "preview.png"):
        told += (tmp_path / name).read_bytes()
    assert not any(secret.encode() in told for secret in SECRETS)
    named = Manifest.from_folder(mixed, dicom=DicomOptions(with_patient=True))
    assert set(named.where(format="dicom").patient) == {"4711"}
    assert set(named.where(format="jpeg").patient) == {""}


@pytest.mark.parametrize("batch_size", [1, 3])
def test_each_image_of_a_batch_takes_its_own_decoder(mixed, batch_size):
    """What a pipeline with a GPU does, with the CPU in its place: deep images by one branch."""
    from nvidia.dali import pipeline_def

    manifest = Manifest.from_folder(mixed)
    assert len(set((manifest.bits > 8).tolist())) == 2
    loader = GCALoader(manifest, WHOLE, batch_size=batch_size, device="cpu", drop_last=False)
    source, maker = loader.source, loader._maker
    source.start(loader.order.batches(0, 0), 0)

    @pipeline_def(batch_size=batch_size, num_threads=1, device_id=None, enable_conditionals=True)
    def define():
        samples, keys = read_samples(source)
        return decode_in_branches(samples, keys, source, maker, "cpu")

    pipeline, seen = define(), []
    for _ in range(len(loader)):
        images, keys, ranges = pipeline.run()
        for image, key, values in zip(images, keys, ranges, strict=True):
            row = int(np.asarray(key)[0])
            true, found = manifest.read(row), np.asarray(image)[..., 0]
            expected = true if true.dtype == np.uint16 else true.astype(np.uint16) * 257
            np.testing.assert_array_equal(found, expected)
            [limits] = value_ranges([found], manifest.stretched[[row]])
            np.testing.assert_array_equal(np.asarray(values), limits)
            seen.append(row)
    assert sorted(seen) == list(range(len(manifest)))
