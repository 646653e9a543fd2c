# make demo   plays the incident in its own environment
# make test   the test suite, except for what the targets below run
# make worlds 120 days of an installation at three rhythms; storms of killed workers; migrations killed at each statement
#             four months of a company of 40 at three rhythms; COMPANY=full: three of them for a year at four, in hours
# make crash  killed at every failpoint, at lines with effects and at every system call, and power cuts (needs strace);
#             with ALL=1 at every executed line
# make model  thousands of lives of an installation, and simulated years (MODEL_EXAMPLES=2000 YEARS=10)
# make mutants  plants mistakes, one at a time; every one must be noticed
# make check  format, lint, layers, types
# make docs   writes docs/commands.md and the answers in README.md anew
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without byte code every start compiles all sources again, which makes it several times slower.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test worlds crash model mutants check docs servers lock wheel clean

demo: $(VENV)/.run
	$(BIN)/keywatch demo

test: $(VENV)/.dev
	$(BIN)/pytest -n auto --dist loadgroup -q -m "not slow" --ignore tests/crash --ignore tests/model $(ARGS)

# Whole lives of installations, run after run; minutes, not seconds.
worlds: $(VENV)/.dev
	$(BIN)/pytest -n auto -q -m slow tests/story tests/storm tests/store $(ARGS)

crash: $(VENV)/.dev
	$(BIN)/pytest -n auto -q tests/crash $(if $(ALL),,-m "strace or not slow") $(ARGS)

MODEL_EXAMPLES ?= 2000
YEARS ?= 10
model: $(VENV)/.dev
	MODEL_EXAMPLES=$(MODEL_EXAMPLES) YEARS=$(YEARS) $(BIN)/pytest -n auto -q tests/model $(ARGS)

mutants: $(VENV)/.dev
	$(BIN)/python -m tests.mutants $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: $(VENV)/.dev
	UPDATE_DOCS=1 $(BIN)/pytest -q tests/test_help.py tests/test_readme.py tests/faults -k "the_page or the_consoles"

servers:
	tests/servers/build.sh

$(VENV)/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "keywatch needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.run: $(VENV)/.python requirements.lock pyproject.toml
	$(BIN)/pip install -q --require-hashes -r requirements.lock
	$(BIN)/pip install -q --no-deps -e .
	touch $@

$(VENV)/.dev: $(VENV)/.python requirements-dev.lock pyproject.toml
	$(BIN)/pip install -q --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	touch $@ $(VENV)/.run

# The locks hold versions and hashes, no download addresses. `make lock` needs uv.
lock:
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --extra demo pyproject.toml -o requirements.lock
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --all-extras --group dev pyproject.toml -o requirements-dev.lock

wheel: $(VENV)/.dev
	$(BIN)/pip wheel -q --no-deps --no-build-isolation -w dist .

clean:
	rm -rf $(VENV) dist build
