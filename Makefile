# Each daily act is one verb. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help env demo bench test check format clean

help:  ## list the verbs
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

env: .venv/.made  ## make .venv and install what is needed (done by the others when it is missing)

.venv/.made: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hongbao needs Python 3.11 or newer; say which with: make PYTHON=python3.12"; exit 1; }
	@echo "making .venv (about half a minute, once)"
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "this Python cannot make environments; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: env  ## a server and a crowd that chats, sends, grabs and opens, for 20 seconds
	@$(BIN)/hongbao demo

bench: env  ## measure it all, against rivals too: about three minutes, writes docs/benchmarks.md
	@$(BIN)/hongbao bench short

test: check  ## everything: style, types, imports, all tests on real stores
	@$(BIN)/python -m pytest

check: env  ## style, types and the direction of imports
	@$(BIN)/ruff format --quiet --check . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config setup.cfg --no-logo

format: env  ## format the code, mend what can be mended
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

clean:  ## remove what the commands made: environment, data, caches (money in .hongbao goes too)
	rm -rf .venv .hongbao build *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
