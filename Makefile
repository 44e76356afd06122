# Targets of mixlab; `make help` lists them from the comments behind their names.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# One thread for each process: the processes share the cores, and threads of small layers only wait for each other.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup train test test-all lint types format base clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/ready ## make .venv with mixlab and its tools, if it is not there yet

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "error: mixlab needs Python 3.11 to 3.13; set PYTHON, as in: make setup PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

train: setup ## the main job: fine-tune on demo songs with the bass as anchor, evaluate, report
	$(RUN) -m mixlab train +experiment=bass_anchor

test: setup ## the tests that need no GPU and take seconds
	$(RUN) -m pytest -n auto --dist loadfile -m "not slow and not gpu"

test-all: setup ## all tests, slow ones too; those for a GPU skip without one
	$(RUN) -m pytest -n auto --dist loadfile

lint: setup ## style and defects, without changing anything
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: setup ## type check
	$(VENV)/bin/mypy

format: setup ## format and fix what can be fixed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

base: setup ## train the describing base that comes with the package anew (about an hour)
	$(RUN) -m mixlab pretrain out=outputs/first_listener
	$(RUN) -m mixlab pretrain start=outputs/first_listener out=mixlab/models/tiny_listener seed=2 steps=2000 optim.lr=1.2e-3

clean: ## remove the virtual environment, run folders and cached songs
	rm -rf $(VENV) outputs cache
