"""The manual's pages as tests see them: code blocks, commands, links and anchors."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: `language`, its other words, its `title` (a file to be written) and code."""

    language: str
    words: tuple[str, ...]
    title: str
    code: str

    @property
    def is_run(self) -> bool:
        """Whether it runs as it stands."""
        return "no-run" not in self.words

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a shell block, in words."""
        lines = self.code.replace("\\\n", " ").splitlines()
        return [shlex.split(line, comments=True) for line in lines if line.strip()]


def read_blocks(path: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for found in FENCE.finditer(path.read_text(encoding="utf-8")):
        language, _, others = found["info"].strip().partition(" ")
        title = re.search(r'title="([^"]*)"', others)
        yield Block(language, tuple(others.split()), title[1] if title else "", found["code"])


def read_prose(path: Path) -> str:
    """Return a page without its blocks and code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", path.read_text(encoding="utf-8")))


def read_anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as mkdocs and GitHub make them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    return {make_anchor(found["text"]) for found in HEADING.finditer(text)}


def make_anchor(heading: str) -> str:
    """Return the anchor of a heading."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain)).strip("-")
