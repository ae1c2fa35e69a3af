# Each daily act is one verb. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin

AGAINST ?= 0d9629a

# Tests and benchmarks start hundreds of processes: without compiled modules each would compile all of them again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: compile compile-tests test-pure web guard quick chaos chaos-workers chaos-payments soak sim seeds mutants fuzz outages outages-redis screenshots help env demo bench test test-long check format clean

help:  ## list the verbs
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

env: .venv/.made  ## make .venv and install what is needed (done by the others when it is missing)

.venv/.made: setup.cfg pyproject.toml deploy/package/hongbao_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hongbao needs Python 3.11 or newer; say which with: make PYTHON=python3.12"; exit 1; }
	@echo "making .venv (one to four minutes, once)"
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "this Python cannot make environments; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
	@$(BIN)/hongbao compile
	@echo "done; next: . .venv/bin/activate, then: hongbao demo, or: hongbao serve"

compile: env  ## compile the hot modules again after an edit, where a C compiler is: half a minute
	@$(BIN)/hongbao compile

demo: env  ## a server and a crowd that chats, sends, grabs and opens, for 20 seconds
	@$(BIN)/hongbao demo

bench: compile  ## measure it all, against rivals too: about five minutes, writes docs/benchmarks.md
	@$(BIN)/hongbao bench short

guard: compile  ## old and new in turns: fails if a request costs the server more; make guard AGAINST=HEAD~3
	@$(BIN)/hongbao bench guard --against $(AGAINST)

# Much of the suite waits for stores and processes: four workers keep two cores busy.
WORKERS ?= 4
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

# The tests of the pure floors: protocol, rules, net; without those that try every interleaving.
PURE := $(filter-out %/test_small_worlds.py,$(wildcard tests/core/test_*.py)) tests/protocol tests/net

quick: env  ## style, and the tests of the protocol and the rules: seconds
	@$(BIN)/ruff format --quiet --check . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(PYTEST) --numprocesses 2 $(PURE)

# Compiles the tests for pytest, once instead of in each worker. An error in it is not shown here: the workers meet it.
compile-tests: env
	@$(BIN)/python -m pytest --collect-only --numprocesses 0 -m "not long" >/dev/null 2>&1 || true

# What comes before the tests uses one core each: side by side it takes half the time.
test: env  ## style, types, imports, and the tests on real stores, in parallel workers; all but test-long
	@$(MAKE) --no-print-directory --jobs 3 compile check compile-tests
	@$(PYTEST) -m "not long"

# The tests of what is compiled: `make test` runs them on compiled modules, this on their sources.
OF_COMPILED := $(PURE) tests/services tests/wire tests/contract tests/sim tests/peers

test-pure: env  ## the tests of the modules that are compiled, as pure Python
	@HONGBAO_COMPILED=off $(PYTEST) -m "not long" $(OF_COMPILED)

test-long: env  ## the long tests of operation: whole guards, restarts, attacks, kills, a comparison
	@$(PYTEST) -m long
	@HONGBAO_COMPILED=off $(PYTEST) -m "pure and long"

check: env  ## style, types, the direction of imports, and words to avoid
	@$(BIN)/ruff format --quiet --check . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config setup.cfg --no-logo
	@$(BIN)/python tests/language/check.py

SOAK ?= 30m
CHAOS := $(BIN)/hongbao chaos --seconds 250 --kills 80 --rate 4000

chaos: compile  ## kill everything under load, audit, four times: 320 kills, a million claims, about 18 minutes
	@$(CHAOS) --seed 1 --durability postgres --json chaos-1.json
	@$(CHAOS) --seed 2 --durability redis --json chaos-2.json
	@$(CHAOS) --seed 3 --durability postgres --json chaos-3.json
	@$(CHAOS) --seed 4 --durability redis --json chaos-4.json
	@$(BIN)/hongbao chaos --sum chaos-1.json chaos-2.json chaos-3.json chaos-4.json --json chaos-total.json

chaos-workers: compile  ## the same for a server with three workers, then with two sets of PostgreSQL, too: 160 kills, about 12 minutes
	@$(CHAOS) --workers 3 --seed 1 --json chaos-workers.json
	@$(CHAOS) --workers 3 --sets 2 --seed 1 --json chaos-sets.json

chaos-payments: compile  ## 100,000 payments by card, 30 % faulted by the bank, 200 kills on either side, about 50 minutes
	@$(BIN)/hongbao chaos --payments 100000 --rate 40 --kills 200 --seed 1 --json chaos-payments.json

soak: compile  ## default limits, a crowd, and random strikes on the stores for half an hour; the server must outlive them
	@$(BIN)/hongbao chaos --soak $(SOAK) --json chaos-soak.json

sim: env  ## thousands of simulated worlds, each replayable from its seed
	@$(BIN)/python -m tests.sim --seeds 5000

seeds: env  ## the statements of the customer's documents, each with the tests that show it (docs/customer.md)
	@$(BIN)/python -m tests.customer

mutants: env  ## plant faults in copies of our own code, one at a time; the tests must catch every one
	@$(BIN)/python -m tests.mutants

fuzz: env  ## a million hostile frames against a live server: about five minutes
	@$(BIN)/python -m tests.fuzz --frames 1000000 --seed 1

OF_POSTGRESQL := tests/outages/postgresql
OF_REDIS := tests/outages/test_redis_settings.py tests/outages/test_foreign_keys.py tests/outages/test_unread_mirror.py tests/redis
OF_SETS := tests/sets/test_crashes.py tests/sets/test_standby.py tests/sets/test_lost_commits.py

outages: env  ## stores away, full, frozen, restarted in any order; a section for PostgreSQL, for Redis, and for several sets
	@echo "both stores"; $(BIN)/python -m pytest tests/outages $(addprefix --ignore=,$(OF_POSTGRESQL) $(OF_REDIS))
	@echo "PostgreSQL: promoted, pooled, with few rights"; $(BIN)/python -m pytest $(OF_POSTGRESQL)
	@echo "Redis: eviction, idle timeouts, users, TLS, strange keys, cluster, Sentinels"; $(BIN)/python -m pytest $(OF_REDIS)
	@echo "several sets of PostgreSQL"; $(BIN)/python -m pytest $(OF_SETS)

outages-redis: env  ## the section of Redis alone
	@$(BIN)/python -m pytest $(OF_REDIS)

screenshots: env  ## draw the pictures of the docs again: the terminal client, and with chromium the dashboard, the back office and the app
	@$(BIN)/hongbao screenshots
	@$(BIN)/python -m tests.ops.screenshots
	@$(BIN)/python -m tests.office.screenshots
	@$(BIN)/python -m tests.web.screenshots

# Users need no Node: what this builds is committed. A test fails when it is not built from the present sources.
web:  ## build the SDK and the app for browsers again, after a change below client_sim/web; needs Node and npm
	@cd client_sim/web && npm ci --silent --no-audit --no-fund && npm run --silent check && npm run --silent build

format: env  ## format the code, fix what can be fixed
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

clean:  ## remove what the commands made: environment, data, caches (money in .hongbao goes too)
	rm -rf .venv .hongbao build *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
