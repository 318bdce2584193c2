"""Headers of files of every kind, and what is refused with which reason."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from gca_dali.common import progress
from gca_dali.common.progress import track
from gca_dali.data.index import Refused, find_files, find_outside, read_headers, resolve_paths
from gca_dali.image.headers import Header, read_header
from make_images import (
    HEIGHT,
    WIDTH,
    encode,
    encode_tiff,
    make_accepted,
    make_ramp,
    make_rare_tiffs,
    make_refused,
)

ACCEPTED = make_accepted()
REFUSED = make_refused()


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ACCEPTED)
def test_header_is_read(tmp_path, name):
    data, (height, width, bits, form) = ACCEPTED[name]
    # The extension says nothing: all of them are named alike.
    header = read_header(write(tmp_path, "image.bin", data))
    assert header == Header(height, width, bits, form, len(data))


@pytest.mark.parametrize("name", make_rare_tiffs())
def test_tiffs_that_dali_misreads_are_told_apart(tmp_path, name):
    data = make_rare_tiffs()[name]
    header = read_header(write(tmp_path, "image.tif", data))
    deep = name not in ("white", "jpeg2000")
    assert header == Header(HEIGHT, WIDTH, 16 if deep else 8, "tiff-rare", len(data))


@pytest.mark.parametrize("name", REFUSED)
def test_bad_file_is_refused_with_a_reason(tmp_path, name):
    data, words = REFUSED[name]
    write(tmp_path, name, data)
    (refused,) = read_headers(tmp_path, [name])
    assert isinstance(refused, Refused)
    assert refused.path == name
    assert words in refused.reason
    assert "\n" not in refused.reason


def test_dali_decodes_every_accepted_kind_to_the_size_in_its_header():
    dali = pytest.importorskip("nvidia.dali")
    for name, (data, (height, width, bits, _)) in ACCEPTED.items():
        pipeline = dali.Pipeline(batch_size=1, num_threads=1, device_id=None)
        with pipeline:
            encoded = dali.fn.external_source(source=[[np.frombuffer(data, np.uint8)]])
            image = dali.fn.decoders.image(
                encoded,
                device="cpu",
                output_type=dali.types.GRAY,
                dtype=dali.types.UINT16 if bits == 16 else dali.types.UINT8,
            )
            pipeline.set_outputs(image)
        pipeline.build()
        (batch,) = pipeline.run()
        assert batch.at(0).shape == (height, width, 1), name


@pytest.mark.parametrize("shape", [(1, 1), (20_000, 10), (10, 20_000)])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_extreme_shapes_are_legal(tmp_path, shape, form):
    image = np.zeros(shape, np.uint8)
    data = encode_tiff(image) if form == "TIFF" else encode(image, form)
    header = read_header(write(tmp_path, "image", data))
    assert (header.height, header.width) == shape


@pytest.mark.parametrize("name", ["jpeg_grey", "jpeg_progressive", "png_deep", "tiff_lzw"])
def test_no_prefix_of_a_file_passes_for_the_file(tmp_path, name):
    data, _ = ACCEPTED[name]
    # TIFF pixels may end before the file does; a tail of tags or padding can be cut unnoticed.
    last = len(data) if not name.startswith("tiff") else len(data) // 2
    for length in (*range(1, last - 16, 5), *range(last - 16, last)):
        path = write(tmp_path, "image", data[:length])
        with pytest.raises(ValueError, match=r"truncated|not an image|without|damaged"):
            read_header(path)


@pytest.mark.parametrize("name", ["jpeg_on_its_side", "png_on_its_side", "tiff_big_tiff"])
def test_damaged_bytes_never_stop_the_index(tmp_path, name):
    data, _ = ACCEPTED[name]
    rng = np.random.default_rng(0)
    paths = []
    for number in range(300):
        damaged = np.frombuffer(data, np.uint8).copy()
        places = rng.integers(0, min(len(damaged), 400), 3)
        damaged[places] = rng.integers(0, 256, 3)
        paths.append(write(tmp_path, f"{number}", damaged.tobytes()).name)
    results = read_headers(tmp_path, paths)
    assert len(results) == len(paths)
    assert all(isinstance(item, (Header, Refused)) for item in results)


def test_special_files_are_refused_and_do_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    pipe, folder, missing = read_headers(tmp_path, ["pipe", "folder", "missing.png"])
    assert pipe == Refused("pipe", "not a regular file")
    assert folder == Refused("folder", "not a regular file")
    assert missing == Refused("missing.png", "no such file")


def test_results_keep_the_order_of_the_paths(tmp_path):
    paths = []
    for number in range(600):
        image = np.zeros((1, number % 50 + 1), np.uint8)
        paths.append(write(tmp_path, f"{number}.png", encode(image, "PNG")).name)
    one = read_headers(tmp_path, paths, workers=1)
    many = read_headers(tmp_path, paths, workers=8, progress=True)
    assert one == many
    assert [item.width for item in one if isinstance(item, Header)] == [
        number % 50 + 1 for number in range(600)
    ]


def test_workers_below_one_are_refused(tmp_path):
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        read_headers(tmp_path, [], workers=0)


def test_folder_is_listed_without_side_files_and_nothing_else_is_dropped(tmp_path):
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    outside.mkdir()
    write(root, "b/2.png", b"x")
    write(root, "a/10.PNG", b"x")
    write(root, "a/no_extension", b"x")
    write(root, "table.csv", b"x")
    write(root, "README", b"x")
    write(root, "a/.DS_Store", b"x")
    write(root, ".git/object.png", b"x")
    write(root, "line\nbreak.png", b"x")
    (root / "link").symlink_to(outside, target_is_directory=True)
    paths, refused = find_files(root)
    assert paths == ["a/10.PNG", "a/no_extension", "b/2.png"]
    assert [(item.path, item.reason.split(";")[0]) for item in refused] == [
        (r"'line\nbreak.png'", "the name is not plain UTF-8"),
        ("link", "a link to a folder"),
    ]


def test_name_that_is_not_utf8_is_refused(tmp_path):
    write(tmp_path, os.fsdecode(b"caf\xe9.png"), b"x")
    paths, refused = find_files(tmp_path)
    assert paths == []
    assert "not plain UTF-8" in refused[0].reason
    refused[0].path.encode()  # can be printed and stored


def test_paths_out_of_the_root_are_found_by_name_and_through_links(tmp_path):
    root = tmp_path / "root"
    inside = write(root, "images/1.png", b"x")
    write(tmp_path, "root_2/1.png", b"x")  # shares the beginning of its name
    secret = write(tmp_path, "secret.png", b"x")
    (root / "escape.png").symlink_to(secret)
    (root / "alias.png").symlink_to(inside)
    (root / "way_out").symlink_to(tmp_path)
    paths = [
        "images/1.png",
        "alias.png",
        "escape.png",
        "../secret.png",
        "images/../../secret.png",
        "images/..",
        str(secret),
        str(inside),
        "way_out/secret.png",
        "../root_2/1.png",
        "not_there.png",
    ]
    assert list(find_outside(root, paths)) == [
        "escape.png",
        "../secret.png",
        "images/../../secret.png",
        "images/..",
        str(secret),
        "way_out/secret.png",
        "../root_2/1.png",
    ]
    assert resolve_paths([str(root / path) for path in paths]) == [
        os.path.realpath(root / path) for path in paths
    ]


def test_file_out_of_the_root_is_not_opened(tmp_path):
    write(tmp_path, "secret.png", encode(make_ramp(), "PNG"))
    root = tmp_path / "root"
    root.mkdir()
    (refused,) = read_headers(root, ["../secret.png"])
    assert refused == Refused(
        "../secret.png",
        "leads out of the root folder; allow_outside=True (--allow-outside) lets it",
    )
    (header,) = read_headers(root, ["../secret.png"], allow_outside=True)
    assert isinstance(header, Header)
    assert (header.height, header.width) == (HEIGHT, WIDTH)


def test_dicom_without_pydicom_names_the_remedy(tmp_path, monkeypatch):
    write(tmp_path, "image.dcm", bytes(128) + b"DICM" + bytes(100))
    for name in [name for name in sys.modules if name.startswith("gca_dali.image.dicom")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    (refused,) = read_headers(tmp_path, ["image.dcm"])
    assert isinstance(refused, Refused)
    assert "gca_dali[dicom]" in refused.reason


def test_bar_appears_only_after_its_delay(monkeypatch, capsys):
    assert list(track(iter("abc"), 3, "counting")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "DELAY_SECONDS", -1.0)
    assert list(track(iter("abc"), 3, "counting")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", ""), "a file or pipe gets no bar"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(track(iter("abc"), 3, "counting")) == ["a", "b", "c"]
    out, error = capsys.readouterr()
    assert out == ""
    assert "counting" in error
    assert "3/3" in error
