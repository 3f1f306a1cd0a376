# Every target does its own set-up: a Python >= 3.11 is all that a fresh machine needs.
.POSIX:
.DEFAULT_GOAL := help
.PHONY: help setup demo test foreign chaos lint lab bench pictures reference lock clean

BIN = .venv/bin
# Only quoted paths and relative ones are used, so that a checkout in "my projects" works too.
INSTALLED = .venv/installed
PEERS = .venv/peers
# Hundreds of processes are started: each would compile all that it imports again, where this is set.
TESTS = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile
# Of chaos.
N = 1000
SEED = 1

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

setup: .venv/chosen $(INSTALLED) ## make the environment .venv in this checkout

# No such file is ever made: each time, an environment of another Python than PYTHON= names is removed.
.venv/chosen:
	@.ci/environment chosen

$(INSTALLED): pyproject.toml .ci/constraints.txt .ci/overrides.txt .ci/environment .ci/indexed
	@.ci/environment
	@touch $(INSTALLED)

demo: setup ## execute the tutorial's notebook against the sandbox, step by step
	@$(BIN)/python notebooks/demo.py $(DEMO)

test: lint ## lint, types and all tests but those of foreign programs
	$(TESTS) -m "not foreign"

foreign: setup ## connection strings and exports in the programs that they are for, which are fetched first
	$(TESTS) -m foreign

chaos: setup ## run N=1000 trials of faults, cuts and kills from SEED=1 on; all the bad columns are 0
	@PYTHONPATH=tests $(BIN)/python -m programs.chaos --runs $(N) --seed $(SEED)

lint: setup ## lint and types alone
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy -n 2

lab: setup ## open JupyterLab on the notebooks, with the sandbox running
	@$(BIN)/python notebooks/demo.py --lab

pictures: setup ## take the README's pictures again, in JupyterLab with Chromium
	@PYTHONPATH=tests $(BIN)/python -m programs.pictures $(SCENES)

reference: setup ## write the reference of all commands again, from the table of operations
	@PYTHONPATH=tests $(BIN)/python -m programs.reference

bench: $(PEERS) ## measure, and print ratios to the peers; BENCH="reading --quick" does less
	@PYTHONPATH=tests $(BIN)/python -m programs.bench $(BENCH)

$(PEERS): $(INSTALLED)
	@.ci/environment bench
	@touch $(PEERS)

lock: setup ## resolve .ci/constraints.txt again, to today's releases
	@.ci/environment lock
	@touch $(INSTALLED)

clean: ## remove the environment and every cache
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
