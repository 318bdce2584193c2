"""Selection of rows, their checks and their fingerprint; no file is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gca_dali.data.manifest import Refused
from make_images import make_rows


def test_where_selects_by_any_column():
    manifest = make_rows(
        label=[0, 1], classes=("sick", "well"), columns={"age": np.array([61, 58])}
    )
    assert manifest.where(label="well").path.tolist() == ["b.png"]
    assert manifest.where(label=1).path.tolist() == ["b.png"]
    assert manifest.where(age="61").path.tolist() == ["a.png"]
    assert manifest.where(age=[58, 61], bits=16).path.tolist() == ["b.png"]
    assert manifest.where().path.tolist() == ["a.png", "b.png"]
    chosen = manifest.where(age=58)
    assert chosen.columns["age"].tolist() == [58]
    assert chosen.classes == manifest.classes


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"split": "train"}, "where must name one of the columns .*age, got split"),
        ({"label": "ill"}, "label must be one of sick, well, got ill"),
        ({"age": "old"}, "age must be one of 58, 61, got old"),
        ({"age": None}, "age must be one of 58, 61, got None"),
        (
            {"age": 58, "label": 0},
            "where must select at least one row, got none for age=58, label=0",
        ),
    ],
)
def test_where_that_leaves_nothing_is_an_error(conditions, words):
    manifest = make_rows(
        label=[0, 1], classes=("sick", "well"), columns={"age": np.array([61, 58])}
    )
    with pytest.raises(ValueError, match=words):
        manifest.where(**conditions)


def test_take_orders_rows():
    manifest = make_rows(refused=(Refused("c.png", "empty file"),))
    assert manifest.take([1, 0]).path.tolist() == ["b.png", "a.png"]
    assert manifest.take(np.array([], int)).refused == manifest.refused
    assert len(manifest.take([])) == 0
    with pytest.raises(IndexError):
        manifest.take([2])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"height": [1]}, "height must have one entry for each of the 2 paths"),
        ({"columns": {"age": np.zeros(3)}}, "age must have one entry"),
        ({"columns": {"bits": np.zeros(2)}}, "columns must not repeat a fixed column, got bits"),
        ({"width": [0, 4]}, "width must be at least 1, got 0"),
        ({"label": [-2, 0]}, "label must be −1 .* got -2 to 0"),
        ({"label": [0, 2], "classes": ("x", "y")}, "an index into the 2 classes, got 0 to 2"),
        ({"path": ["a.png", "a.png"]}, "path must name each image once, got a.png 2 times"),
        ({"path": ["a.png", "../b.png"]}, "path must stay below the root .* got ../b.png"),
        ({"path": ["a.png", "/b.png"]}, "path must stay below the root .* got /b.png"),
    ],
)
def test_impossible_rows_are_refused_at_birth(changes, words):
    with pytest.raises(ValueError, match=words):
        make_rows(**changes)


def test_rows_may_lead_outside_if_told_so():
    manifest = make_rows(path=["../b.png", "/a.png"], allow_outside=True)
    assert manifest.files == ["/xrays/../b.png", "/a.png"]
    assert manifest.take([1]).allow_outside


def test_fingerprint_tells_rows_apart_and_nothing_else():
    manifest = make_rows()
    assert manifest.fingerprint == make_rows().fingerprint
    assert manifest.fingerprint == make_rows(root=Path("/moved")).fingerprint
    assert manifest.fingerprint == make_rows(refused=(Refused("x", "y"),)).fingerprint
    assert manifest.fingerprint == make_rows(path=np.array(["a.png", "b.png"], "<U99")).fingerprint
    assert manifest.take([0, 1]).fingerprint == manifest.fingerprint
    changes = [
        {"height": [1, 3]},
        {"num_bytes": [1, 0]},
        {"label": [0, -1]},
        {"patient": ["", "P"]},
        {"patient": ["P", ""]},
        {"classes": ("x",)},
        {"columns": {"age": np.zeros(2)}},
        {"columns": {"age": np.zeros(2, int)}},
    ]
    others = {make_rows(**change).fingerprint for change in changes}
    others.add(manifest.take([1, 0]).fingerprint)
    assert len(others | {manifest.fingerprint}) == len(changes) + 2


def test_fingerprint_is_the_same_on_every_machine_and_in_every_version():
    # A saved state names its data by this digest: a change makes every saved state unusable.
    assert make_rows().fingerprint == "a15c3c68187b25f34d0586d79cbf4a9a"
