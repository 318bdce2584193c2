"""Windows and cutouts of every law are those that are written down."""

from __future__ import annotations

import json

import pytest

from gca_dali_kernels.cpu.sample_cutouts import sample_cutouts
from gca_dali_kernels.cpu.sample_windows import sample_windows
from gca_dali_kernels.law import LAW_VERSION
from known_windows import FILE, all_laws, draw

KNOWN = json.loads(FILE.read_text(encoding="utf-8"))


def test_known_answers_are_of_this_version():
    # Raise LAW_VERSION where windows change, and write the file anew.
    assert KNOWN["law_version"] == LAW_VERSION
    assert KNOWN["answers"].keys() == all_laws().keys()


@pytest.mark.parametrize("name", KNOWN["answers"])
def test_known_answers(name):
    laws = all_laws()[name]
    assert draw(laws) == KNOWN["answers"][name]
    assert draw(laws, sample_windows, sample_cutouts) == KNOWN["answers"][name]
