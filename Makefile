# make demo and make test need only Python, make and (for the kernel emulation tests) a C++ compiler.
# PYTHON  the interpreter that makes .venv
# EXTRAS  what is installed into it: cuda13,train,dicom,dev for CUDA 13
# GPU_FLAGS  options of make gpu, such as --images FOLDER
# PY      an interpreter that has everything already; nothing is installed then

PYTHON ?= python3
EXTRAS ?= cuda12,train,dicom,dev
PYTEST_FLAGS ?= -n 2 --dist loadfile

ifeq ($(origin PY),undefined)
PY := .venv/bin/python
INSTALLED := .venv/.installed
else
export PYTHONPATH := $(CURDIR):$(CURDIR)/kernels
endif

.PHONY: demo test check bench gpu clean

demo: $(INSTALLED)
	$(PY) -m gca_dali.cli.main demo --out demo

test: $(INSTALLED)
	$(PY) -m pytest $(PYTEST_FLAGS)

check: $(INSTALLED)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m pyright --pythonpath $(PY)
	$(PY) -c 'from importlinter.cli import lint_imports_command as lint; lint()'

bench: $(INSTALLED)
	$(PY) -m gca_dali.cli.main bench

gpu: $(INSTALLED)
	$(PY) benchmarks/gpu.py $(GPU_FLAGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build dist demo gca_dali.egg-info

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt uv
	.venv/bin/uv pip install --python .venv/bin/python --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $@
