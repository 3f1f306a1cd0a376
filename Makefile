# Every target runs the set-up it needs. A new machine needs only Python >= 3.11.
.POSIX:
.DEFAULT_GOAL := help
.PHONY: help setup demo test search foreign chaos lint lab bench pictures reference lock clean

BIN = .venv/bin
# Use quoted or relative paths only, so that a checkout in "my projects" works too.
INSTALLED = .venv/installed
PEERS = .venv/peers
# The tests start hundreds of processes. If this variable is set, each one compiles all its imports again.
# Tests of the browser and of kernels wait most of the time: four processes keep two cores busy.
TESTS = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist loadfile
# For chaos.
N = 1000
SEED = 1

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

setup: .venv/chosen $(INSTALLED) ## create the environment .venv in this checkout

# This file is never created, so the recipe always runs: it removes an environment of a Python other than PYTHON=.
.venv/chosen:
	@.ci/environment chosen

$(INSTALLED): pyproject.toml .ci/constraints.txt .ci/overrides.txt .ci/environment .ci/indexed
	@.ci/environment
	@touch $(INSTALLED)

demo: setup ## execute the step-by-step notebook against the sandbox
	@$(BIN)/python notebooks/demo.py $(DEMO)

test: lint ## lint, types and all tests except foreign
	$(TESTS) -m "not foreign"

search: setup ## run the tests that draw examples (hypothesis) with new random ones
	$(TESTS) --hypothesis-profile=search -m "hypothesis and not foreign"

foreign: setup ## test connection strings and exports with other programs, which are downloaded first
	$(TESTS) -m foreign

chaos: setup ## run N=1000 trials of faults, cuts and kills, starting at SEED=1; nothing may be lost
	@PYTHONPATH=tests $(BIN)/python -m programs.chaos --runs $(N) --seed $(SEED)

lint: setup ## lint and types only
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	@# A busy machine can miss the three seconds in which mypy's workers have to start: then the status is 2.
	$(BIN)/python -m mypy -n 2 || { test $$? = 2 && $(BIN)/python -m mypy; }

lab: setup ## open JupyterLab on the notebooks, with the sandbox running
	@$(BIN)/python notebooks/demo.py --lab

pictures: setup ## take the README's pictures again, in JupyterLab with Chromium
	@PYTHONPATH=tests $(BIN)/python -m programs.pictures $(SCENES)

reference: setup ## write the reference of all commands from the table of operations
	@PYTHONPATH=tests $(BIN)/python -m programs.reference

bench: $(PEERS) ## measure, and print ratios to other readers; BENCH="reading --quick" measures a part
	@PYTHONPATH=tests $(BIN)/python -m programs.bench $(BENCH)

$(PEERS): $(INSTALLED)
	@.ci/environment bench
	@touch $(PEERS)

lock: setup ## resolve .ci/constraints.txt again, to the latest releases
	@.ci/environment lock
	@touch $(INSTALLED)

clean: ## remove the environment and every cache
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
