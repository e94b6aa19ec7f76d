# The commands of the README. `make run` and `make test` do everything, set-up included.
BIN = .venv/bin
SWEEP = sparsity_accuracy
ROUNDS = 60
SEED = 0

.PHONY: help setup run test test-long chaos lint bench clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## */  /' | sort

setup:  ## make .venv; takes seconds when nothing changed
	@.ci/setup

run: setup  ## run the 79-cell grid, print the cliff, write the report
	$(BIN)/cliffsweep run sweeps/$(SWEEP).yaml
	$(BIN)/cliffsweep cliff $(SWEEP)
	$(BIN)/cliffsweep report $(SWEEP)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint  ## lint, types and all tests but the long ones
	$(BIN)/pytest -m "not long"

test-long: lint  ## all tests, full counts
	$(BIN)/pytest

chaos: setup  ## strike a running sweep, ROUNDS=60 times from SEED=0 on; it loses and doubles nothing
	$(BIN)/python tests/e2e/chaos.py --rounds $(ROUNDS) --seed $(SEED)

bench: setup  ## what a sweep, its store and its searches cost beside their peers
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python tests/benchmarks/overhead.py
	$(BIN)/python tests/benchmarks/store.py
	$(BIN)/python tests/benchmarks/search.py

clean:  ## remove .venv and caches; runs/ stays
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
