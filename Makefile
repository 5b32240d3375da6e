# Each target does its own set-up: a virtual environment in .venv, plain pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check fuzz bench clean
.DEFAULT_GOAL := test

$(VENV)/.user: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "layerscope needs Python 3.11 or newer; this is %d.%d. Say: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing layerscope into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.user
	@echo "Installing the test tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(VENV)/.user   ## the document's autoencoder on real digits
	@$(BIN)/layerscope demo

test: $(VENV)/.dev    ## all tests that need no framework and no browser
	@$(BIN)/python -m pytest -q -n auto --maxprocesses 8 --dist loadfile

check: $(VENV)/.dev   ## style, types, direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --threads 2 --pythonpath $(BIN)/python
	@$(BIN)/lint-imports

READER ?= all
SECONDS ?= 10
SEED ?= 1000000
COUNT ?= 500

fuzz: $(VENV)/.dev    ## broken files: make fuzz READER=onnx SECONDS=600; random networks: READER=native SEED=7 COUNT=5000
	@case $(READER) in native) ;; \
	  all) $(BIN)/python -m tests.fuzzing --seconds $(SECONDS) --keep ;; \
	  *) $(BIN)/python -m tests.fuzzing $(READER) --seconds $(SECONDS) --keep ;; esac
	@case $(READER) in all|native) $(BIN)/python -m tests.native.fuzz $(SEED) $(COUNT) ;; esac

bench: $(VENV)/.dev   ## timings, side by side in one run
	@$(BIN)/python benchmarks/startup.py
	@$(BIN)/python benchmarks/train.py --quick

clean:
	rm -rf $(VENV)
