# `make help` lists the targets. Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := libs/dbcommon libs/webcommon services/auth services/l2p services/payment services/videovault standins ops
EDITABLE := $(foreach package,$(PACKAGES),-e $(package))
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# A system PostgreSQL besides the packaged one; CI runs the tests on both.
SYSTEM_PG ?= $(lastword $(sort $(wildcard /usr/lib/postgresql/15/bin)))
PYTEST := $(BIN)/python -m pytest
# Tests that depend most on the server's version: the driver, roles, grants, tables, backups.
SHARED := tests/libs tests/ops/backup tests/ops/test_isolation.py tests/ops/test_provision.py
# Of the backups' files CI repeats those of each format every time: dumps, plain SQL, base backups, WAL.
FORMATS := $(patsubst %,tests/ops/backup/test_%.py,full_and_restore plain_sql point_in_time wal)
SCHEMA := $(filter-out tests/ops/backup,$(SHARED)) $(FORMATS) $(wildcard tests/services/*/test_migrations.py)
# Processes as tests/shares.py counts them; a file's tests stay together, since they share fixtures. Each run lists the slowest.
PARALLEL := -n logical --dist loadfile --no-loadscope-reorder --durations=40
# A file or a test that is named runs as it stands; a folder, its fast tests.
NAMED := $(if $(findstring .py,$(T)),--durations=5,$(PARALLEL) -m "not long") $(T)
# Which half of the services' files the packaged server takes in `make test-once` (even or odd); the system's takes the other.
# Without one each takes all, and the system's all of the backups' files too.
HALF ?=
OTHER_HALF := $(if $(filter even,$(HALF)),odd,$(if $(filter odd,$(HALF)),even))
# Which share of the long tests (drills) `make test-once` runs, by their names, on the packaged server.
DRILLS ?= 0/8

# Tests start many processes: compile each module once, not in each of them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up test test-once test-system test-long coverage drills check fmt lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/runtime.stamp  ## start everything on an embedded PostgreSQL; Ctrl-C stops it
	@$(BIN)/quartet up

test: $(VENV)/development.stamp  ## the fast tests on a throw-away PostgreSQL; T=path (or path::test) runs that alone
ifneq ($(T),)
	@$(PYTEST) $(NAMED)
else
	@$(PYTEST) $(PARALLEL) -m "not long"
endif

test-once: $(VENV)/development.stamp system-pg  ## as in CI; HALF=even|odd: of the services on 18; DRILLS=0/8|…|7/8|…|0/1
	@$(PYTEST) $(PARALLEL) --drills=$(DRILLS) $(addprefix --half=,$(HALF))
	@PG_BINDIR=$(SYSTEM_PG) $(PYTEST) -p no:cacheprovider $(PARALLEL) $(addprefix --half=,$(OTHER_HALF)) \
		-m "database and not long" $(if $(HALF),$(SCHEMA),$(SHARED)) tests/services

test-system: $(VENV)/development.stamp system-pg  ## what uses PostgreSQL once more, on the system's 15
	@PG_BINDIR=$(SYSTEM_PG) $(PYTEST) -p no:cacheprovider $(PARALLEL) -m "database and not long" $(SHARED) tests/services

.PHONY: system-pg
system-pg:
	@test -n "$(SYSTEM_PG)" || { echo "There is no PostgreSQL 15 here: install it, or set SYSTEM_PG=/its/bin" >&2; exit 1; }

test-long: $(VENV)/development.stamp  ## the tests and the long drills, all of them on each PostgreSQL
	@$(PYTEST)
ifneq ($(SYSTEM_PG),)
	@PG_BINDIR=$(SYSTEM_PG) $(PYTEST) -p no:cacheprovider -m database
endif

# Combines the processes that run tests; processes that a test starts are not measured.
coverage: $(VENV)/development.stamp  ## the fast tests, and the lines and branches that they do not reach; T=path too
	@$(PYTEST) $(PARALLEL) -m "not long" --cov --cov-report=term $(T)

drills: $(VENV)/development.stamp  ## the long drills alone
	@$(PYTEST) $(PARALLEL) -m long

check: $(VENV)/development.stamp  ## ruff, codespell, mypy, the rules of who may import whom, and that the environment is complete
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/codespell
# Under load mypy's workers can time out (status 2): then run it in one process.
	@$(BIN)/mypy --num-workers auto || { [ $$? = 2 ] && $(BIN)/mypy; }
	@$(BIN)/lint-imports
	@$(BIN)/python -m pip --disable-pip-version-check check

fmt: $(VENV)/development.stamp  ## format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

lock: $(VENV)/development.stamp  ## write the lock files anew after a change of what the packages need
	@$(BIN)/python ops/lock.py

clean:  ## remove the environment; the data in .quartet stays
	rm -rf $(VENV)

# pip comes last: without it the environment is half made, as `python3 -m venv` leaves it when python3-venv is missing.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Quartet needs Python 3.11 or newer: set PYTHON=/path/to/python3.11")'
	@echo "Making the environment in $(VENV): a minute or two, once"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make an environment: install its venv module (on Debian and Ubuntu: apt install python3-venv), or set PYTHON=/path/to/another" >&2; \
		exit 1; }

# A lock file is complete, so nothing is resolved: for `name[extra]` pip would look beyond it, and refuse what it finds.
$(VENV)/runtime.stamp: requirements.lock $(foreach package,$(PACKAGES),$(package)/pyproject.toml) | $(VENV)/bin/pip
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

# Of its 2,000 modules the tests import a few, and Python compiles what it imports.
$(VENV)/development.stamp: requirements-dev.lock $(VENV)/runtime.stamp
	@echo "Installing the tools for tests and checks"
	@$(PIP) install --no-compile --no-deps --require-hashes -r requirements-dev.lock
	@touch $@
