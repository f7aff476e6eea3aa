# Two commands matter: `make demo` and `make test`. Every path below is relative, so that a space in the
# name of the folder above does no harm.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TEST_ARGS ?=

.PHONY: help env test-env demo test test-long check format system requirements docs clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

env: $(VENV)/.env  ## make .venv with the service in it
test-env: $(VENV)/.test-env  ## the same, with what the tests need

$(VENV)/.env: requirements/runtime.txt requirements/build.txt pyproject.toml
	@tools/make-env "$(PYTHON)" "$(VENV)" requirements/runtime.txt requirements/build.txt
	@touch $@

$(VENV)/.test-env: $(VENV)/.env requirements/test.txt
	@tools/make-env "$(PYTHON)" "$(VENV)" requirements/test.txt
	@touch $@

demo: env  ## a running service with an account, and one message through it (ONCE=1: then stop)
	@$(BIN)/python tools/demo.py $(if $(ONCE),--once)

test: test-env  ## all checks and tests that take less than eight minutes
	@tools/check "$(VENV)"
	@$(BIN)/python -m pytest -n auto -m "not long" $(TEST_ARGS)

test-long: test-env  ## the suites that take minutes each
	@$(BIN)/python -m pytest -m long $(TEST_ARGS)

check: test-env  ## formatting, lint, types, layers
	@tools/check "$(VENV)"

format: test-env  ## let ruff format the tree
	@$(BIN)/ruff format src tests tools
	@$(BIN)/ruff check --fix-only --quiet src tests tools

docs: env  ## write the reference pages that are made from the code
	@$(BIN)/python tools/make_reference.py

system:  ## as root: Debian packages with the real programs that the tests drive
	@tools/make-system

requirements:  ## compile the pinned requirements anew (needs uv)
	@for name in runtime build test; do \
	  uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    -o requirements/$$name.txt requirements/$$name.in; done

clean:  ## remove what was made
	@rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
