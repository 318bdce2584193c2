"""Every message that refuses something, from the source: `python -m benchmarks.manual.messages`.

Enters: the modules of both packages. Leaves: the lists of `docs/refused.md`, a chapter per room.
What stands for a name or a value in a message is "…" there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

from benchmarks.row import REPOSITORY

PAGE = REPOSITORY / "docs" / "refused.md"
PACKAGES = ("gca_dali", "kernels/gca_dali_kernels")
VALUE = "…"
MARK = re.compile(r"(<!-- messages: (?P<rooms>[\w/. -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
# Helpers make some messages outside of a raise; they have the words of all of ours.
PATTERN = re.compile(
    r"\bmust (be|have|hold|stay|come|match|end|mark|let)\b.*(\bgot\b|\. [A-Z])", re.S
)
SENTENCE = re.compile(r"(?<=…)[.] (?=\S)|(?<=[\w)\]'\"%])[.] (?=[A-Z…])")
WORDS = re.compile(r"[a-zA-Z]{2}.* .*[a-zA-Z]{2}")
UNREADABLE = "Copy the file again or leave it out."
MOST_WAYS = 6  # of a message whose parts are chosen among several
Names = dict[str, list[str]]


def read_messages(path: Path) -> list[str]:
    """Return the messages of a module in the order of its source."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: dict[str, None] = {}
    for node, names in walk(tree, {}):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.update(dict.fromkeys(raised(node.exc, names)))
        elif isinstance(node, (ast.Constant, ast.JoinedStr)):
            found.update(dict.fromkeys(filter(PATTERN.search, tell(node, names))))
    # A file's reason that another library gives has the remedy alone.
    return [text for text in map(clean, found) if WORDS.search(SENTENCE.split(text)[0])]


def clean(text: str) -> str:
    """Return a message with one "…" for each thing that only running it tells."""
    text = re.sub(r"%[.\d]*[a-z]", VALUE, " ".join(text.split()))
    return re.sub("…(?:,? ?…)+", VALUE, text)


def walk(node: ast.AST, names: Names) -> Iterator[tuple[ast.AST, Names]]:
    """Yield the nodes of a tree, but for docstrings, with the texts that names there can hold."""
    if isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef)):
        names = names | read_names(ast.walk(node), names)
    for part in ("body", "orelse", "finalbody"):
        statements = getattr(node, part, [])
        # What a block says itself goes before what the function says elsewhere.
        own = names | read_names(statements, names) if isinstance(statements, list) else names
        for child in statements if isinstance(statements, list) else [statements]:
            if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
                yield child, own
                yield from walk(child, own)
    for name, value in ast.iter_fields(node):
        if name in ("body", "orelse", "finalbody") or isinstance(node, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child, names
                yield from walk(child, names)


def read_names(nodes: Iterable[ast.AST], outer: Names) -> Names:
    """Return the texts and whole numbers that are assigned to names; others are not told."""
    found: Names = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            is_number = isinstance(value, ast.Constant) and isinstance(value.value, int)
            texts = [ast.unparse(value)] if is_number else tell(value, outer)
            found.setdefault(node.targets[0].id, []).extend(texts)
    return {name: [VALUE] if VALUE in texts else texts for name, texts in found.items()}


def raised(call: ast.Call, names: Names) -> list[str]:
    """Return what an exception says; that of a file names its reason and its remedy."""
    kind = ast.unparse(call.func)
    if kind == "UnreadableImageError":
        remedies = tell(call.args[2], names) if len(call.args) > 2 else [UNREADABLE]
        pairs = product(tell(call.args[1], names), remedies)
        return [f"{reason}. {remedy}" for reason, remedy in pairs if reason != VALUE]
    return tell(call.args[0], names) if call.args and kind != "AssertionError" else []


def tell(node: ast.AST, names: Names) -> list[str]:
    """Return the ways in which an expression can read; "…" for what only running it tells."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else [VALUE]
    if isinstance(node, ast.Name):
        return names.get(node.id, [VALUE])
    if isinstance(node, ast.FormattedValue):
        return tell(node.value, names)
    if isinstance(node, ast.IfExp):
        return tell(node.body, names) + tell(node.orelse, names)
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".format"):
        (template,) = tell(node.func.value, names)  # type: ignore[attr-defined]
        return [re.sub(r"\{[^{}]*\}", VALUE, template)]
    parts: list[ast.AST] = []
    if isinstance(node, ast.JoinedStr):
        parts = list(node.values)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [node.left, node.right]
    choices = [tell(part, names) for part in parts] or [[VALUE]]
    while len(list(product(*choices))) > MOST_WAYS:
        choices[max(range(len(choices)), key=lambda i: len(choices[i]))] = [VALUE]
    return ["".join(way) for way in product(*choices)]


def find_modules() -> list[str]:
    """Return the modules of both packages, relative to the repository."""
    paths = (path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py"))
    return sorted(path.relative_to(REPOSITORY).as_posix() for path in paths)


def write_list(rooms: list[str], others: list[str]) -> str:
    """Return the messages of rooms as a list, but for `others` inside of them that stand apart."""
    lines: dict[str, None] = {}
    for module in find_modules():
        if is_in(module, rooms) and not is_in(module, [o for o in others if is_in(o, rooms)]):
            for message in read_messages(REPOSITORY / module):
                lines.setdefault(write_line(message))
    return "\n".join(sorted(lines, key=str.lower)) + "\n"


def write_line(message: str) -> str:
    """Return a message as code, and its remedy below."""
    what, *remedy = SENTENCE.split(message, maxsplit=1)
    told = f"- `{what.rstrip('.')}`"
    plain = re.sub(r"([<*\[\]])", r"\\\1", " ".join(remedy))
    is_told = plain.strip(VALUE + ". ") and plain != UNREADABLE
    return f"{told}<br>{plain}" if is_told else told


def is_in(path: str, rooms: list[str]) -> bool:
    """Tell whether a module or room is one of these rooms or lies in one."""
    return any(path == room or path.startswith(f"{room}/") for room in rooms)


def fill(text: str) -> str:
    """Return the page with its lists made anew.

    Raises
    ------
    ValueError
        If a module has messages and no chapter.
    """
    chapters = [found["rooms"].split() for found in MARK.finditer(text)]
    rooms = [room for chapter in chapters for room in chapter]
    for module in find_modules():
        if read_messages(REPOSITORY / module) and not is_in(module, rooms):
            raise ValueError(f"{PAGE.name} must have a chapter for {module}, got {rooms}. Add it.")
    return MARK.sub(
        lambda found: (
            found[1]
            + write_list(
                found["rooms"].split(), [r for r in rooms if r not in found["rooms"].split()]
            )
            + found[3]
        ),
        text,
    )


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
