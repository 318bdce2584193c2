"""A cached kernel is dropped when any source changed after it was compiled."""

import os

from gca_dali_kernels.cpu.compiled import forget_stale


def test_kernels_older_than_any_source_are_removed(tmp_path):
    folder = tmp_path / "cpu"
    cache = folder / "__pycache__"
    cache.mkdir(parents=True)
    for name, seconds in {
        "law.py": 100,
        "cpu/callee.py": 300,
        "cpu/caller.py": 100,
        "cpu/__pycache__/caller.call-1.py311.nbi": 200,
        "cpu/__pycache__/caller.call-1.py311.1.nbc": 200,
        "cpu/__pycache__/callee.work-1.py311.nbi": 400,
        "cpu/__pycache__/caller.cpython-311.pyc": 200,
    }.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (seconds, seconds))
    forget_stale(folder)
    left = {path.name for path in cache.iterdir()}
    assert left == {"callee.work-1.py311.nbi", "caller.cpython-311.pyc"}
    os.utime(tmp_path / "law.py", (500, 500))
    forget_stale(folder)
    assert {path.name for path in cache.iterdir()} == {"caller.cpython-311.pyc"}
