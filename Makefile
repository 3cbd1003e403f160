# The doors: `make smoke` shows the beamline run, `make test` proves it. Both set up everything they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MADE := $(VENV)/.made
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
WORKERS ?= 4
unexport $(filter PYTHON%,$(.VARIABLES))  # what a shell exports for its own Python must neither hide a fault nor cause one

.DEFAULT_GOAL := help
.PHONY: help install kafka smoke test lint types imports bench soak docs clean

help:  ## this text
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP)  ## virtual environment and dependencies

$(MADE):
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "testbeam needs Python 3.11 or newer; %s is %d.%d. Say which: make PYTHON=python3.12 $(MAKECMDGOALS)" % (sys.executable, v[0], v[1]))'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing. Fix it with:  sudo apt-get install -y python3-venv"; exit 1; }
	@echo "Setting up $(VENV) (a minute the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --constraint constraints.txt pip
	@touch $@

$(STAMP): $(MADE) pyproject.toml constraints.txt hatch_build.py src/testbeam/transport/ca/ring.c src/testbeam/transport/kafka/batch_producer.c
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --build-constraint constraints.txt --editable '.[all]' --group dev
	@touch $@

kafka: install  ## Apache Kafka and its start-up cache, once a user
	@$(BIN)/testbeam broker fetch

smoke: kafka  ## the whole stack on real input, ending with a NeXus file and its audit
	@$(BIN)/testbeam smoke $(SMOKE)

test: kafka  ## all tests; the slowest 20 are printed; what failed beside others is tried once more by itself
	@$(BIN)/python tests/run.py $(WORKERS) $(PYTEST)

lint: install  ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: install  ## mypy, strict
	@$(BIN)/mypy

imports: install  ## who may import whom
	@$(BIN)/lint-imports --no-cache

bench: kafka  ## every benchmark, a ratio each, into benchmarks/results.json
	@$(BIN)/testbeam bench

soak: kafka  ## the long runs that `make test` leaves out
	@TESTBEAM_SOAK=1 $(BIN)/python -m pytest --durations=20 --timeout=3600 $(PYTEST)

docs: $(DOCS_STAMP)  ## the documentation as HTML, in site/; a warning fails it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Open site/index.html"

$(DOCS_STAMP): $(MADE) pyproject.toml constraints.txt  # where nothing is installed yet, no more than what the pages are made from
	@$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --build-constraint constraints.txt $(if $(wildcard $(STAMP)),,--editable .) --group docs
	@touch $@

clean:  ## remove the virtual environment, run folders and the built documentation
	rm -rf $(VENV) runtime site
