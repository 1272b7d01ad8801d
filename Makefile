.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo paper real test test-slow bench-data bench-explain bench-ingest bench-swarm lint types format clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/installed  ## Install preflare and what it needs into .venv

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"preflare needs Python 3.11 or newer, $(PYTHON) is {v.major}.{v.minor}. Try: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

.venv/installed-bench: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	@touch $@

demo: .venv/installed  ## Simulate a small Sun, train, explain, report: ends with the path of a page
	$(BIN)/python ingest.py source=simulation
	$(BIN)/python train.py name=demo
	$(BIN)/python explain.py run=runs/demo
	$(BIN)/python report.py run=runs/demo

paper: .venv/installed  ## Redo the whole study on the simulated Sun, section by section: ends with the path of the report
	$(BIN)/python experiments/paper.py

real: .venv/installed  ## Download and ingest the paper's observations (says first how much and how long); goes on where it was
	$(BIN)/python ingest.py source=archive source.resolve=hek source.goes=fido

test: .venv/installed-dev  ## Install, then run the tests (below five minutes)
	$(BIN)/python -m pytest -q -n auto

test-slow: .venv/installed-dev  ## Run the long tests
	$(BIN)/python -m pytest -q -n auto -m slow

bench-data: .venv/installed  ## Measure batches per second and memory, resident and streamed
	$(BIN)/python benchmarks/data.py

bench-ingest: .venv/installed-bench  ## Measure ingest against IRISreader and irispy, on simulated observations
	$(BIN)/python benchmarks/ingest.py

bench-swarm: .venv/installed  ## Measure the swarm against the authors' loop and Lightning, on the shards of make demo
	$(BIN)/python benchmarks/swarm.py

bench-explain: .venv/installed  ## Measure expected gradients against Captum and SHAP, on the run of make demo
	$(BIN)/python benchmarks/explain.py run=runs/demo

lint: .venv/installed-dev  ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev  ## Check types
	$(BIN)/mypy

format: .venv/installed-dev  ## Mend style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove .venv; data and runs stay
	rm -rf .venv
