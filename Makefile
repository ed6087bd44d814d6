# Every target installs its own requirements: a new machine needs Python 3.11 and make only.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install quickstart multi-task test test-workers workers-up lint types layers docs docs-serve pytest coverage format clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

install: $(INSTALLED) ## create the virtual environment: 7 GB, 3 to 4 minutes

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("DaWin needs Python 3.11 or newer, this is %d.%d: make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "installing PyTorch with its CUDA libraries, Prefect and the rest into $(VENV), once: 7 GB, 3 to 4 minutes; pip is silent meanwhile"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs]'
	@$(BIN)/python -m flows.workers.empty_database > /dev/null
	@touch $@
	@echo "installed: $(BIN)/dawin --help lists the commands"

quickstart: $(INSTALLED) ## train a small example and run the whole pipeline on it
	@$(BIN)/dawin quickstart

multi-task: $(INSTALLED) ## the same with four tasks and every method that merges models of several tasks
	@$(BIN)/dawin quickstart --multi-task

test: lint types layers docs pytest ## run every check and test

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

layers: $(INSTALLED)
	$(BIN)/lint-imports

# the variable silences the theme's notice about its own future; with --quiet, --strict would count no warnings
docs: $(INSTALLED) ## build the documentation into site/; any warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: $(INSTALLED) ## show the documentation on http://127.0.0.1:8000 while it is written
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

pytest: $(INSTALLED)
	$(BIN)/pytest --numprocesses 2 --dist loadgroup

coverage: $(INSTALLED) ## run the tests with coverage, two minutes longer, and list the lines that no test runs
	$(BIN)/pytest --numprocesses 2 --dist loadgroup --cov --cov-report=term-missing:skip-covered

test-workers: $(INSTALLED) ## test a pool: server, workers, S3, new checkpoints, killed processes
	$(BIN)/pytest -m workers tests/workers

workers-up: $(INSTALLED) ## start a pool with two GPU workers: make workers-up EXPERIMENT=my.yaml [WATCH=watched.yaml]
	@$(BIN)/python infra/local_pool.py $(EXPERIMENT) $(if $(WATCH),--watch $(WATCH))

format: $(INSTALLED) ## format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## delete the environment, the store and the examples
	rm -rf $(VENV) site dawin-store dawin-quickstart dawin-multi-task
