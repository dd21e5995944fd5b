# Every recipe that needs the environment makes it first: a fresh clone needs only Python and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test fix check faults bench all clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/runtime.stamp ## load the sample data into an embedded sandbox: the whole journey
	$(BIN)/pipeline demo

test: $(VENV)/dev.stamp ## all tests but the slow ones
	$(BIN)/pytest

fix: $(VENV)/dev.stamp ## format, and mend what ruff can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

check: $(VENV)/dev.stamp ## ruff, types, import contracts, spelling, house rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell
	$(BIN)/pytest -q tests/test_house.py

faults: $(VENV)/dev.stamp ## the slow tests: kill -9, long scenarios
	$(BIN)/pytest -m slow

bench: $(VENV)/bench.stamp ## measure; prints ratios, asserts no speed (ARGS=--quick: does it run?)
	$(BIN)/python -m tests.benchmarks $(ARGS)

all: check test faults ## check, test and faults

clean: ## remove by-products; keeps .venv and your runs
	rm -rf build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find pipeline tests sample_data -name __pycache__ -prune -exec rm -rf {} +

# pip is the last thing that venv puts in place: where it is, the environment is whole.
$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime.stamp: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/bench.stamp: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $(VENV)/runtime.stamp $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(VENV)/runtime.stamp $@
