"""The site is built strictly, without a network: every page, nothing fetched from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from manual_pages import DOCS, ROOT

pytest.importorskip("mkdocs")
# Attributes that make a browser fetch; links that a reader follows may lead anywhere.
FETCHED = re.compile(r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=[\"']?(https?:|//)[^>]*>")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    return folder


def test_every_page_is_there(site):
    for page in DOCS:
        assert (site / page.with_suffix(".html").name).is_file()


def test_nothing_is_fetched_from_elsewhere(site):
    for page in site.rglob("*.html"):
        found = FETCHED.search(page.read_text(encoding="utf-8"))
        assert found is None, f"{page.name}: {found and found[0]}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", style.read_text(encoding="utf-8"))


def test_fetching_would_be_found():
    assert FETCHED.search('<link rel="stylesheet" href="https://fonts.example/css">')
    assert FETCHED.search("<script src=//cdn.example/a.js>")
    assert not FETCHED.search('<a href="https://example.org">')


def test_the_reference_has_signatures_and_their_words(site):
    text = (site / "api.html").read_text(encoding="utf-8")
    for name in ("GCALoader", "from_folder", "ViewPolicy", "sample_windows", "load_encoder"):
        assert re.search(rf'id="[\w.]*\.{name}"', text), name
    assert "quarantine" in text


def test_every_page_stands_in_the_navigation_once():
    named = re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in DOCS)
