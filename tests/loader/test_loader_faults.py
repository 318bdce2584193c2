"""Files that turn bad: set aside by name, replaced, and the run goes on."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.steps.quarantine import UnreadableFileError

POLICY = ViewPolicy.random(size=32)


@pytest.fixture
def copied(phantoms, tmp_path) -> Manifest:
    shutil.copytree(phantoms, tmp_path / "data")
    return Manifest.from_csv(tmp_path / "data/labels.csv")


def garble(file: str) -> None:
    """Keep length and header, spoil the pixels."""
    data = bytearray(Path(file).read_bytes())
    data[200:] = np.random.default_rng(0).integers(0, 256, len(data) - 200, np.uint8).tobytes()
    Path(file).write_bytes(data)


def seen(loader: GCALoader) -> list[int]:
    return [index for batch in loader for index in batch.index.tolist()]


def test_a_file_that_turned_bad_is_named_and_replaced_the_same_in_every_run(copied, caplog):
    garble(copied.files[3])
    with caplog.at_level(logging.WARNING, "gca_dali"):
        loader = GCALoader(copied, POLICY, batch_size=4, device="cpu")
        indices = seen(loader)
    assert len(indices) == len(copied) and 3 not in indices
    [(path, reason)] = list(loader.quarantine)
    assert path == copied.path[3] and "PNG" in reason
    assert f"set aside {path}" in caplog.text
    again = GCALoader(copied, POLICY, batch_size=7, num_threads=1, device="cpu")
    assert sorted(seen(again)) == sorted(indices)


def test_missing_and_shortened_files_are_found_before_they_are_decoded(copied):
    Path(copied.files[1]).unlink()
    data = Path(copied.files[2]).read_bytes()
    Path(copied.files[2]).write_bytes(data[: len(data) // 2])
    loader = GCALoader(copied, POLICY, batch_size=4, device="cpu")
    assert not {1, 2} & set(seen(loader))
    reasons = dict(loader.quarantine)
    assert "cannot be opened: No such file" in reasons[copied.path[1]]
    assert f"{len(data) // 2} bytes, {len(data)} when it was indexed" in reasons[copied.path[2]]
    assert len(loader.quarantine) == 2 and "Quarantine of 2" in repr(loader.quarantine)


def test_what_indexing_refused_is_in_the_quarantine_too(copied, tmp_path):
    (tmp_path / "data/images/notes.png").write_text("no image")
    loader = GCALoader(
        Manifest.from_folder(tmp_path / "data/images"), POLICY, batch_size=4, device="cpu"
    )
    assert [path for path, _ in loader.quarantine] == ["notes.png"]


def test_on_error_raise_stops_with_the_name(copied):
    garble(copied.files[5])
    loader = GCALoader(copied, POLICY, batch_size=4, on_error="raise", device="cpu")
    with pytest.raises(
        UnreadableFileError, match=f"cannot read {copied.path[5]}: .* Mend the file"
    ):
        seen(loader)
    Path(copied.files[0]).unlink()
    loader = GCALoader(copied, POLICY, batch_size=4, on_error="raise", device="cpu")
    with pytest.raises(UnreadableFileError, match="cannot read"):
        seen(loader)


@pytest.mark.parametrize("kind", ["missing", "broken"])
def test_on_error_raise_stops_each_time_until_the_file_is_mended(copied, kind):
    loader = GCALoader(copied, POLICY, batch_size=4, on_error="raise", shuffle=False, device="cpu")
    file = Path(copied.files[9])
    whole = file.read_bytes()
    if kind == "missing":
        file.unlink()
    else:
        garble(copied.files[9])
    next(iter(loader))  # what is read ahead meets the file unseen
    for _ in range(2):
        loader.set_epoch(1)
        with pytest.raises(UnreadableFileError, match="cannot read"):
            seen(loader)
    file.write_bytes(whole)
    loader.set_epoch(2)
    assert 9 in seen(loader) and not loader.quarantine.reasons


def test_a_set_without_a_readable_file_ends_with_an_error(copied):
    few = copied.take(np.arange(4))
    for file in few.files:
        Path(file).unlink()
    with pytest.raises(UnreadableFileError, match="none of the 4 images can be read"):
        seen(GCALoader(few, POLICY, batch_size=2, device="cpu"))


def test_the_quarantine_is_kept_over_a_resume(copied):
    garble(copied.files[3])
    loader = GCALoader(copied, POLICY, batch_size=4, device="cpu")
    seen(loader)
    resumed = GCALoader(copied, POLICY, batch_size=4, device="cpu")
    resumed.load_state_dict(loader.state_dict())
    assert list(resumed.quarantine) == list(loader.quarantine)


def test_images_of_one_pixel_and_of_extreme_shape(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, shape in {"dot": (1, 1), "tall": (20_000, 10), "wide": (3, 5000)}.items():
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / f"{name}.png")
    manifest = Manifest.from_folder(tmp_path)
    policy = ViewPolicy.gca_hold(size=32)
    for batch in GCALoader(manifest, policy, saliency="centre", batch_size=3, device="cpu"):
        assert len(batch) == 3
        assert all(view.isfinite().all() for view in batch.views)
        assert (batch.retained >= 0.9).all()


def test_a_file_that_only_the_gpu_refuses_is_set_aside(copied, tmp_path, monkeypatch):
    """The GPU's decoder is played: it refuses one file and takes the others."""
    for row in range(len(copied)):
        (tmp_path / f"jpegs/{row:02}.jpg").parent.mkdir(exist_ok=True)
        Image.fromarray(copied.read(row)).convert("L").save(tmp_path / f"jpegs/{row:02}.jpg")
    copied = Manifest.from_folder(tmp_path / "jpegs")
    bad = Path(copied.files[3]).read_bytes()

    def decode(encoded: np.ndarray, deep: bool, device: str) -> str | None:
        return "Unsupported" if device == "cuda:0" and encoded.tobytes() == bad else None

    monkeypatch.setattr("gca_dali.steps.decode._try_decoder", decode)
    loader = GCALoader(copied, POLICY, batch_size=4, device="cpu")
    vars(loader)["device"] = "cuda:0"
    loader._find_faults(np.arange(8), RuntimeError("Critical error"))
    assert loader.quarantine.reasons == {
        3: "the GPU's decoder refuses what the CPU's accepts: Unsupported"
    }
    with pytest.raises(RuntimeError, match="Critical error"):
        loader._find_faults(np.arange(8, 12), RuntimeError("Critical error"))


def test_too_little_memory_blames_no_file(copied):
    garble(copied.files[3])
    loader = GCALoader(copied, POLICY, batch_size=4, device="cpu")
    with pytest.raises(RuntimeError, match="GPU memory must hold"):
        loader._find_faults(np.arange(4), RuntimeError("GPU memory must hold the batch, got x"))
    assert not loader.quarantine.reasons
