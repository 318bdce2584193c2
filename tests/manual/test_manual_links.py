"""Links between README, CONTRIBUTING and pages lead somewhere, to the heading that they name."""

from __future__ import annotations

import re

import pytest

from manual_pages import DOCS, LINK, PAGES, ROOT, read_anchors, read_blocks, read_prose


def broken_links(path, text: str) -> list[str]:
    broken = []
    for target in LINK.findall(text):
        if re.match(r"https?:|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        goal = (path.parent / file).resolve() if file else path
        is_there = goal.exists() and (not anchor or anchor in read_anchors(goal))
        if not is_there:
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    assert broken_links(page, read_prose(page)) == []


def test_broken_links_are_found():
    text = "[a](start.md) [b](nowhere.md) ![c](no.png) [d](start.md#look) [e](start.md#no-such)"
    found = broken_links(ROOT / "docs" / "index.md", text)
    assert found == ["nowhere.md", "no.png", "start.md#no-such"]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_page_links_to_nothing_outside_of_docs(page):
    # The site has no page for it.
    assert [link for link in LINK.findall(read_prose(page)) if link.startswith("..")] == []


def test_every_page_is_linked_from_the_readme_or_the_first_page():
    text = "".join(read_prose(path) for path in (ROOT / "README.md", ROOT / "docs" / "index.md"))
    linked = {link.split("#")[0].split("/")[-1] for link in LINK.findall(text)}
    assert {page.name for page in DOCS} - linked - {"index.md", "api.md"} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_have_a_language_and_lines_that_fit(page):
    for block in read_blocks(page):
        assert block.language in ("python", "sh", "csv", "text", "json", "toml"), block.code[:60]
        if block.language == "python":
            assert max(map(len, block.code.splitlines())) <= 100
