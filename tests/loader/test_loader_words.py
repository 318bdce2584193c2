"""A loader used as what it is not says in one line what to do; options are known by name."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields
from typing import Any, get_type_hints

import pytest
from torch.utils.data import DataLoader

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.steps.options import LoaderConfig, LoaderOptions


@pytest.fixture
def loader(phantoms) -> GCALoader:
    return GCALoader(
        Manifest.from_csv(phantoms / "labels.csv"),
        ViewPolicy.random(size=8),
        batch_size=4,
        device="cpu",
    )


@pytest.mark.parametrize("use", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_loader_cannot_be_copied_and_says_what_to_do(loader, use):
    with pytest.raises(
        TypeError, match=r"^GCALoader must stay in the process .* state_dict\(\)\.$"
    ):
        use(loader)


def test_a_loader_is_no_data_set_of_a_data_loader(loader):
    with pytest.raises(TypeError, match=r"^GCALoader must be iterated as it is, got taken .*\.$"):
        next(iter(DataLoader(loader, batch_size=2)))
    with pytest.raises(TypeError, match="GCALoader must be iterated as it is"):
        loader[0]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("batchsize", r"Did you mean batch_size\?"),
        ("worldsize", r"Did you mean world_size\?"),
        ("num_workers", r"Did you mean num_threads\?|There are batch_size, .*on_error\."),
        ("zzz", r"There are batch_size, .*on_error\."),
    ],
)
def test_an_unknown_option_is_answered_with_the_nearest(phantoms, name, remedy):
    wrong: dict[str, Any] = {name: 4}
    with pytest.raises(TypeError, match=f"LoaderConfig, got '{name}'. (?:{remedy})"):
        GCALoader(Manifest.from_csv(phantoms / "labels.csv"), ViewPolicy.random(), **wrong)


def test_the_options_that_an_editor_completes_are_the_fields():
    declared = {field.name: field.type for field in fields(LoaderConfig)}
    assert LoaderOptions.__annotations__.keys() == declared.keys()
    assert get_type_hints(LoaderOptions) == get_type_hints(LoaderConfig)
