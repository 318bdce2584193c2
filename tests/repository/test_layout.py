"""Rules of the repository that can be read off its files."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [ROOT / "gca_dali", ROOT / "kernels"]
SOURCES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
KERNELS = sorted(path.stem for path in (ROOT / "kernels").rglob("*.cu"))

MAX_LINES = 300
MAX_MEDIAN_LINES = 120
MAX_PARAMETERS = 8
# Each of them runs code that is found in the data.
PICKLING_MODULES = {"pickle", "cPickle", "dill", "shelve", "joblib", "cloudpickle", "marshal"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def count_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def find_functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def count_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = function.args
    names = [item.arg for item in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
    return len([name for name in names if name not in ("self", "cls")])


def test_no_module_is_too_long():
    long = {name_of(path): count_lines(path) for path in SOURCES + BENCHMARKS + TESTS}
    assert {name: lines for name, lines in long.items() if lines > MAX_LINES} == {}


def test_most_modules_are_short():
    assert median(count_lines(path) for path in SOURCES) <= MAX_MEDIAN_LINES


def test_no_function_takes_too_many_parameters():
    found = {
        f"{name_of(path)}:{function.lineno} {function.name}": count_parameters(function)
        for path in SOURCES + BENCHMARKS
        for function in find_functions(path)
    }
    assert {name: number for name, number in found.items() if number > MAX_PARAMETERS} == {}


def test_source_root_and_test_folders_are_no_packages():
    # A top-level package named kernels would hide that of another project.
    assert not (ROOT / "kernels" / "__init__.py").exists()
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_test_modules_have_names_of_their_own():
    # In importlib mode two modules of one name can take each other's place.
    names = Counter(path.name for path in TESTS if path.name != "conftest.py")
    assert [name for name, number in names.items() if number > 1] == []


def find_pickling(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                yield f"{name_of(path)}:{node.value.lineno} allow_pickle"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.save"):
            yield f"{name_of(path)}:{node.lineno} {ast.unparse(node)}"
        for name in PICKLING_MODULES.intersection(names):
            yield f"{name_of(path)}:{getattr(node, 'lineno', 0)} import {name}"


def test_nothing_is_pickled():
    assert [found for path in SOURCES + BENCHMARKS for found in find_pickling(path)] == []


def test_pickling_is_recognised(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "bad.py"
    path.write_text(
        "import pickle\nfrom joblib import load\nimport torch\ntorch.load('x')\n"
        "np.load('x', allow_pickle=True)\nnp.load('x', allow_pickle=False)\nsafe.load('x')\n"
    )
    assert sorted(find_pickling(path)) == [
        "bad.py:1 import pickle",
        "bad.py:2 import joblib",
        "bad.py:4 torch.load",
        "bad.py:5 allow_pickle",
    ]


@pytest.mark.parametrize("stem", KERNELS)
@pytest.mark.parametrize(
    "pattern",
    [
        "kernels/gca_dali_kernels/{stem}.py",
        "kernels/gca_dali_kernels/reference/{stem}.py",
        "kernels/gca_dali_kernels/cpu/{stem}.py",
        "tests/kernel_parity/test_{stem}.py",
        "benchmarks/ops/bench_{stem}.py",
    ],
)
def test_kernel_has_launcher_twins_test_and_benchmark(stem, pattern):
    assert (ROOT / pattern.format(stem=stem)).is_file()


@pytest.mark.parametrize("stem", KERNELS)
def test_kernel_symbol_is_the_stem(stem):
    (source,) = (ROOT / "kernels").rglob(f"{stem}.cu")
    assert f" {stem}_kernel(" in source.read_text(encoding="utf-8")


def test_full_docstrings_say_what_is_raised():
    missing = []
    for path in SOURCES:
        for function in find_functions(path):
            text = ast.get_docstring(function) or ""
            raises = any(isinstance(node, ast.Raise) and node.exc for node in own_nodes(function))
            if raises and "Parameters\n---" in text and "Raises\n---" not in text:
                missing.append(f"{name_of(path)}:{function.lineno} {function.name}")
    assert missing == []


def own_nodes(function: ast.AST):
    """Walk a function without the functions defined inside it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from own_nodes(child)
