# make demo and make test need only Python, make and (for the kernel emulation tests) a C++ compiler.
# PYTHON  the interpreter that makes .venv
# EXTRAS  what is installed into it: cuda13,train,dicom,dev for CUDA 13
# GPU_FLAGS  options of make gpu, such as --images FOLDER
# DIST_EXTRAS  what make dist-check installs the wheel with
# PY      an interpreter that has everything already; nothing is installed then

PYTHON ?= python3
EXTRAS ?= cuda12,train,dicom,dev
DIST_EXTRAS ?= cuda12,train
PYTEST_FLAGS ?= -n 2 --dist loadfile

ifeq ($(origin PY),undefined)
PY := .venv/bin/python
INSTALLED := .venv/.installed
else
export PYTHONPATH := $(CURDIR):$(CURDIR)/kernels
endif

.PHONY: demo test check docs dist dist-check bench gpu clean

demo: $(INSTALLED)
	$(PY) -m gca_dali.cli.main demo --out demo

test: $(INSTALLED)
	$(PY) -m pytest $(PYTEST_FLAGS)

check: $(INSTALLED)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m pyright --pythonpath $(PY)
	$(PY) -c 'from importlinter.cli import lint_imports_command as lint; lint()'

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet
	@echo open site/index.html

dist: $(INSTALLED)
	rm -rf build dist
	$(PY) -c 'from setuptools import build_meta; build_meta.build_sdist("dist")'
	$(PY) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist dist/*.tar.gz

# The wheel, then the sdist, in an environment that has nothing else: minutes, and a network.
dist-check: dist
	$(PYTHON) -m venv build/bare
	build/bare/bin/python -m pip install --quiet --constraint constraints.txt uv
	for file in $(CURDIR)/dist/*.whl $(CURDIR)/dist/*.tar.gz; do \
	  build/bare/bin/uv pip install --python build/bare/bin/python --constraint constraints.txt \
	    --reinstall-package gca_dali "$$file[$(DIST_EXTRAS)]" && \
	  (cd build/bare && env -u PYTHONPATH bin/gca-dali demo --out demo) || exit 1; \
	done

bench: $(INSTALLED)
	$(PY) -m gca_dali.cli.main bench

gpu: $(INSTALLED)
	$(PY) benchmarks/gpu.py $(GPU_FLAGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build dist site demo gca_dali.egg-info

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt uv
	.venv/bin/uv pip install --python .venv/bin/python --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $@
