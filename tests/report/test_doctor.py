"""gca-dali doctor: what works here is found out by trying, in processes that may die."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from gca_dali.cli.doctor import app
from gca_dali.report import doctor, doctor_checks


def test_this_machine_decodes_everything():
    pytest.importorskip("nvidia.dali")
    pytest.importorskip("pydicom")
    result = CliRunner().invoke(app, ["--json"])
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert set(found) == {
        "python",
        "platform",
        "cores",
        "versions",
        "gpu",
        "decoders",
        "kernels",
        "problems",
    }
    assert found["cores"] >= 1
    assert found["versions"]["numpy"] == np.__version__
    assert set(found["gpu"]) == {"driver", "devices", "cupy", "nvrtc", "loader"}
    if not found["gpu"]["devices"]:
        assert "use device='cpu'" in found["gpu"]["loader"]
    assert set(found["decoders"]) >= {"dali-cpu", "dicom"}
    assert set(found["decoders"]["dali-cpu"].values()) == {"ok"}
    assert set(found["decoders"]["dicom"].values()) == {"ok"}
    assert set(doctor.NEEDED) <= set(found["decoders"]["dali-cpu"])


def test_report_shows_what_is_wrong(monkeypatch):
    gpu = {"driver": "", "devices": [], "cupy": "no NVIDIA driver", "nvrtc": "ok, 12.8"}
    gpu["loader"] = "an NVIDIA driver must be installed"
    decoders = {"dali-cpu": {"jpeg": "ok", "png 16": "wrong pixels"}}
    found = {
        "python": "3.10",
        "platform": "Linux",
        "cores": 2,
        "versions": {"numpy": "2.0", "pydicom": None},
        "gpu": gpu,
        "decoders": decoders,
        "kernels": {"folder": None, "compiled": {"sample_part": False}},
        "problems": doctor.list_problems(gpu, decoders),
    }
    monkeypatch.setattr(doctor, "examine", lambda: found)
    shown = CliRunner().invoke(app, []).stdout
    for words in (
        "driver must be installed",
        "1 of 2 work",
        "compiled by each run anew",
        "problem: dali-cpu: png 16 (needed): wrong pixels",
        "pydicom",
    ):
        assert words in " ".join(shown.split())


def test_problems_are_named_with_their_weight():
    well = {"driver": "", "devices": [], "cupy": "no NVIDIA driver"}
    assert doctor.list_problems(well, {"dali-cpu": {"jpeg": "ok"}}) == []
    decoders = {
        "dali-cpu": {"jpeg": "no such decoder", "jpeg progressive": "off by 9"},
        "dicom": {"all": "install gca_dali[dicom]"},
    }
    blind = {"driver": "550.1", "devices": [], "cupy": "cannot load libcuda"}
    assert doctor.list_problems(blind, decoders) == [
        "dali-cpu: jpeg (needed): no such decoder",
        "dali-cpu: jpeg progressive (such files will be set aside): off by 9",
        "dicom does not work: install gca_dali[dicom]",
        "a driver is there, but no GPU can be used: cannot load libcuda",
    ]
    mute = {"driver": "550.1", "devices": [{"name": "x"}], "cupy": "no compiler"}
    assert doctor.list_problems(mute, {}) == ["CuPy cannot run a kernel: no compiler"]
    torchless = mute | {"cupy": "ok", "loader": "torch must be able to use the GPU"}
    expected = ["the loader cannot use the GPU: torch must be able to use the GPU"]
    assert doctor.list_problems(torchless, {}) == expected
    assert doctor.list_problems(torchless | {"loader": "cuda:0"}, {}) == []


@pytest.mark.parametrize(
    ("end", "fault"),
    [
        ("os.kill(os.getpid(), 11)", "the process was ended by signal 11"),
        ("raise SystemExit('no such device')", "no such device"),
        ("raise RuntimeError('half a library')", "RuntimeError: half a library"),
        ("", ""),
    ],
)
def test_child_that_dies_is_a_finding(tmp_path, monkeypatch, end, fault):
    finding = """print('{"coding": "jpeg", "finding": "ok"}', flush=True)"""
    lines = f"print('a library says hello')\n{finding}"
    (tmp_path / "dying_child.py").write_text(f"import os\n{lines}\n{end}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = doctor._run_child("dying_child")
    assert found == ([{"coding": "jpeg", "finding": "ok"}], fault)


def test_child_that_hangs_is_a_finding(tmp_path, monkeypatch):
    (tmp_path / "hanging_child.py").write_text("import time; time.sleep(60)")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(doctor, "_TIMEOUT_SECONDS", 0.5)
    assert doctor._run_child("hanging_child") == ([], "no answer within 0.5 s")


def test_what_a_dead_child_did_not_try_is_said(monkeypatch):
    jpeg = [{"coding": "jpeg", "finding": "ok"}]
    monkeypatch.setattr(doctor, "_run_child", lambda *_: (jpeg, "ended by signal 11"))
    assert doctor.check_decoders("dali-cpu") == {"jpeg": "ok", "after these": "ended by signal 11"}
    monkeypatch.setattr(doctor, "_run_child", lambda *_: ([], "No module named 'nvidia'"))
    assert doctor.check_decoders("dali-cpu") == {"all": "No module named 'nvidia'"}


def test_wrong_pixels_are_told_from_right_ones():
    truth = np.array([[1, 2], [3, 250]], np.uint8)
    assert doctor_checks._compare(lambda: truth + np.uint8(2), truth, 2) == "ok"
    assert (
        doctor_checks._compare(lambda: truth + 3, truth, 2) == "wrong pixels, off by up to 3 levels"
    )
    assert doctor_checks._compare(lambda: truth[:1], truth, 2) == "gives (1, 2) instead of (2, 2)"
    assert "division" in doctor_checks._compare(lambda: np.array(1 // 0), truth, 2)
