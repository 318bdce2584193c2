"""Examine this machine: versions, cores, GPU, compilers, and which decoders work.

Nothing enters; a dictionary of plain values leaves, which ``gca-dali doctor`` prints. Nothing is
imported into this process that could end it: each group of checks runs in one of its own.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "gca_dali",
    "torch",
    "torchvision",
    "nvidia-dali-cuda120",
    "nvidia-dali-cuda130",
    "cupy-cuda12x",
    "cupy-cuda13x",
    "numba",
    "numpy",
    "pyarrow",
    "pillow",
    "tifffile",
    "imagecodecs",
    "safetensors",
    "pydicom",
    "lightly",
    "lightning",
    "segmentation-models-pytorch",
)
# What a pipeline on the CPU cannot do without.
NEEDED = ("jpeg", "png 8", "png 16", "tiff 16")
_TIMEOUT_SECONDS = 120


def examine() -> dict[str, Any]:
    """Examine this machine; takes some seconds.

    Returns
    -------
    dict
        ``python``, ``platform`` (text), ``cores`` (int), ``versions`` (package to version or
        None), ``gpu`` (see `report.doctor_gpu`), ``decoders`` (group to coding to "ok" or
        what is wrong), ``kernels`` (see `find_kept_kernels`) and ``problems`` (list of text, empty
        where all is well).
    """
    groups = ["dali-cpu", "dicom"]
    with ThreadPoolExecutor(2) as pool:
        gpu_report = pool.submit(_run_child, "gca_dali.report.doctor_gpu")
        reports = {name: pool.submit(check_decoders, name) for name in groups}
        gpu = _read_gpu(*gpu_report.result())
        if gpu["devices"]:
            reports["dali-cuda"] = pool.submit(check_decoders, "dali-cuda")
        decoders = {name: report.result() for name, report in reports.items()}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": count_cores(),
        "versions": {name: find_version(name) for name in PACKAGES},
        "gpu": gpu,
        "decoders": decoders,
        "kernels": find_kept_kernels(),
        "problems": list_problems(gpu, decoders),
    }


def find_kept_kernels() -> dict[str, Any]:
    """Find out whether the CPU's kernels are compiled; none is.

    Returns
    -------
    dict
        ``folder`` (text, or None where no folder can be written: every run compiles anew) and
        ``compiled`` (name to bool).
    """
    from gca_dali_kernels.cpu.ahead import find_kernels
    from gca_dali_kernels.cpu.compiled import CACHE

    return {"folder": CACHE and str(CACHE), "compiled": find_kernels()}


def count_cores() -> int:
    """Count the cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_version(package: str) -> str | None:
    """Look up the installed version of a package.

    Parameters
    ----------
    package : str
        Name in the registry.

    Returns
    -------
    str or None
        None if it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_decoders(group: str) -> dict[str, str]:
    """Decode tiny files of every coding in a process of its own.

    Parameters
    ----------
    group : str
        "dali-cpu", "dali-cuda" or "dicom".

    Returns
    -------
    dict
        Name of the coding to "ok" or what is wrong; one entry "all" if nothing could be tried.
    """
    lines, fault = _run_child("gca_dali.report.doctor_checks", group)
    findings = {line["coding"]: line["finding"] for line in lines if "coding" in line}
    if fault:
        # Only what was printed before the process ended is known.
        findings["after these" if findings else "all"] = fault
    return findings


def list_problems(gpu: dict[str, Any], decoders: dict[str, dict[str, str]]) -> list[str]:
    """Say what does not work here and how to mend it.

    Parameters
    ----------
    gpu : dict
        From :mod:`gca_dali.report.doctor_gpu`.
    decoders : dict
        From :func:`check_decoders`, by group.

    Returns
    -------
    list of str
        Empty where all is well. A machine without a GPU is well.
    """
    problems = []
    for group, findings in decoders.items():
        needed = NEEDED if group == "dali-cpu" else ()
        if "all" in findings:
            problems.append(f"{group} does not work: {findings['all']}")
            continue
        for name, finding in findings.items():
            if finding != "ok":
                weight = "needed" if name in needed else "such files will be set aside"
                problems.append(f"{group}: {name} ({weight}): {finding}")
    if gpu["driver"] and not gpu["devices"]:
        problems.append(f"a driver is there, but no GPU can be used: {gpu['cupy']}")
    if gpu["devices"] and gpu["cupy"] != "ok":
        problems.append(f"CuPy cannot run a kernel: {gpu['cupy']}")
    elif gpu["devices"] and not gpu["loader"].startswith("cuda:"):
        problems.append(f"the loader cannot use the GPU: {gpu['loader']}")
    return problems


def _read_gpu(lines: list[dict], fault: str) -> dict[str, Any]:
    report = {"driver": "", "devices": [], "cupy": fault or "unknown", "nvrtc": "unknown"}
    report["loader"] = "unknown"
    return report | (lines[-1] if lines else {})


def _run_child(module: str, *arguments: str) -> tuple[list[dict], str]:
    """Run a module and read the JSON objects it prints; the second item is empty if it ended well.

    Libraries may print as well: lines that are no JSON object are passed over.
    """
    # The child must find the same package, also from a checkout that is not installed.
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    try:
        child = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [], f"no answer within {_TIMEOUT_SECONDS} s"
    lines = []
    for line in child.stdout.splitlines():
        try:
            item = json.loads(line)
        except ValueError:
            continue
        if isinstance(item, dict):
            lines.append(item)
    if child.returncode < 0:
        return lines, f"the process was ended by signal {-child.returncode}"
    if child.returncode:
        said = child.stderr.strip().splitlines()
        return lines, said[-1][:200] if said else f"exit code {child.returncode}"
    return lines, ""
