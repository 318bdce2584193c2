"""What importing costs, and that whatever is imported is declared."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = ("torch", "torchvision", "nvidia", "cupy", "numba", "pyarrow", "pydicom", "lightly")
# What a module is called where its package in the registry is called otherwise.
PACKAGE_OF = {
    "PIL": "pillow",
    "cupy": "cupy-cuda12x",
    "nvidia": "nvidia-dali-cuda120",
    "cuda": "cuda-bindings",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "sklearn": "scikit-learn",
    "typing_extensions": "torch",
}
OURS = {"gca_dali", "gca_dali_kernels"}


@pytest.mark.parametrize(
    "statement",
    [
        "import gca_dali",
        "import gca_dali.cli.main",
        "import gca_dali.data.manifest",
        "import gca_dali_kernels",
    ],
)
def test_import_is_light(statement):
    program = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    child = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}", "PATH": ""},
    )
    loaded = {name.split(".")[0] for name in json.loads(child.stdout)}
    assert loaded.intersection(HEAVY) == set()


def test_public_names_exist():
    import gca_dali

    assert [name for name in gca_dali.__all__ if not hasattr(gca_dali, name)] == []
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = gca_dali.nonsense


def read_requirements(lines: list[str]) -> set[str]:
    names = (re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0] for line in lines)
    return {name.lower().replace("_", "-") for name in names}


def find_imports(folder: Path) -> dict[str, str]:
    """Top-level module to the file that imports it."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                found.setdefault(name.split(".")[0], path.relative_to(ROOT).as_posix())
    return found


def test_what_the_package_imports_is_declared():
    extras = PROJECT["optional-dependencies"]
    declared = read_requirements(PROJECT["dependencies"])
    for extra in ("cuda12", "train", "dicom", "export", "imagenet"):
        declared |= read_requirements(extras[extra])
    # Doctor says what it finds where it is missing.
    declared |= {"cuda-bindings"}
    imports = find_imports(ROOT / "gca_dali") | find_imports(ROOT / "kernels")
    undeclared = {
        name: path
        for name, path in imports.items()
        if name not in sys.stdlib_module_names | OURS
        and PACKAGE_OF.get(name, name).lower().replace("_", "-") not in declared
    }
    assert undeclared == {}


def test_kernels_import_numpy_numba_and_cupy_only():
    imports = find_imports(ROOT / "kernels")
    allowed = {"numpy", "numba", "cupy", "gca_dali_kernels"}
    assert set(imports) - set(sys.stdlib_module_names) - allowed == set()


def test_constraints_pin_every_declared_package():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.match(r"[a-z0-9-]+==[0-9]", line)] == []
    pinned = read_requirements(pins)
    extras = PROJECT["optional-dependencies"]
    for group in (PROJECT["dependencies"], *(extras[name] for name in extras if name != "cuda13")):
        assert read_requirements(group) - pinned == set()
