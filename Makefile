# Two commands matter: `make demo` and `make test`. Every path below is relative, so that a space in the
# name of the folder above does no harm.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell tools/python)
VENV ?= .venv
BIN := $(VENV)/bin
TEST_ARGS ?=
# Tests wait for real programs as long as they compute.
TEST_JOBS ?= $(shell echo $$(( $$(nproc) + 1 )))

# What `make bench` compares; the servers' state is to be on the disk that is meant, and open for servers without rights.
TARGETS ?= postfix:tuned,postfix:tuned-cheapauth,sams:default,floor:bare
SET ?= short
RUNS ?= 2
FUZZ_TIME ?= 600
BENCH_DIR ?= /var/tmp/sams-bench

.PHONY: help env test-env demo test test-long mutants bench bench-micro bench-scale bench-profile bench-folders fuzz soak audit sbom release check format system requirements docs translations clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

env: $(VENV)/.env  ## make .venv with the service in it
test-env: $(VENV)/.test-env  ## the same, with what the tests need

$(VENV)/.env: requirements/runtime.txt requirements/postgresql.txt requirements/web.txt requirements/kerberos.txt requirements/compiling.txt requirements/build.txt pyproject.toml
	@tools/make-env "$(PYTHON)" "$(VENV)" requirements/runtime.txt requirements/postgresql.txt requirements/web.txt requirements/build.txt \
	  --where gssapi/gssapi.h libkrb5-dev requirements/kerberos.txt
	@touch $@

$(VENV)/.test-env: $(VENV)/.env requirements/test.txt
	@tools/make-env "$(PYTHON)" "$(VENV)" requirements/test.txt
	@touch $@

$(VENV)/.release-env: $(VENV)/.test-env requirements/release.txt
	@tools/make-env "$(PYTHON)" "$(VENV)" requirements/release.txt
	@touch $@

$(VENV)/.bench-env: $(VENV)/.test-env requirements/bench.txt
	@tools/make-env "$(PYTHON)" "$(VENV)" requirements/bench.txt
	@touch $@

$(VENV)/.fuzz-env: $(VENV)/.test-env requirements/fuzz.txt
	@tools/make-env "$(PYTHON)" "$(VENV)" requirements/fuzz.txt
	@touch $@

demo: env  ## a running service with an account, and one message through it (ONCE=1: then stop)
	@$(BIN)/python tools/demo.py $(if $(ONCE),--once)

test: test-env  ## all checks and tests that take less than eight minutes
	@tools/check "$(VENV)"
	@$(BIN)/python -m pytest -n $(TEST_JOBS) -m "not long" $(TEST_ARGS)

test-long: test-env  ## the suites that take minutes each
	@$(BIN)/python -m pytest -m long $(TEST_ARGS)

mutants: test-env  ## does each promise's test notice when the promise is broken? (NAMES=… for some)
	@$(BIN)/python -m tests.mutants $(NAMES)

fuzz: $(VENV)/.fuzz-env  ## parsers and engines under atheris, FUZZ_TIME seconds each (TARGETS="server client …" for some)
	@$(BIN)/python -m tests.fuzz --seconds "$(FUZZ_TIME)" $(if $(filter file default,$(origin TARGETS)),,$(TARGETS))

bench: bench-folders env  ## SAMS beside tuned Postfix: tables, chart (TARGETS=… SET=short|extended|… RUNS=…; as root for Postfix)
	@benchmarks/prepare "$(TARGETS)" build/bench/bin
	@$(BIN)/python -m benchmarks.compare run --targets "$(TARGETS)" --set "$(SET)" --runs "$(RUNS)" \
	  --programs build/bench/bin --output build/bench --scratch "$(BENCH_DIR)"

bench-micro: bench-folders $(VENV)/.bench-env  ## times of the parts (PARTS=… for those whose names begin so)
	@benchmarks/prepare "" build/bench/bin
	@rm -f build/bench/micro.json
	@$(BIN)/python -m benchmarks.micro --quiet --output build/bench/micro.json --scratch "$(BENCH_DIR)" $(PARTS)

bench-scale: bench-folders test-env  ## the service where there is much of something (SIZE=small|full, ONLY="large idle …")
	@TMPDIR="$(BENCH_DIR)" $(BIN)/python -m benchmarks.scale.run --size $(or $(SIZE),small) $(if $(ONLY),--only $(ONLY))

bench-profile: bench-folders env  ## where a message's time goes: calls by room, and by `perf` CPU by library
	@benchmarks/prepare "" build/bench/bin
	@$(BIN)/python -m benchmarks.profile --programs build/bench/bin --scratch "$(BENCH_DIR)" --output build/bench

bench-folders:
	@benchmarks/own-folders build/bench/bin "$(BENCH_DIR)"

soak: test-env  ## members, attackers and faults for an hour: nothing lost, nothing grows (HOURS=… or MINUTES=…, SEED=…; as root: a full disk, too)
	@mkdir -p "$(BENCH_DIR)"
	@TMPDIR="$(BENCH_DIR)" nice -n 10 $(BIN)/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES),$(if $(HOURS),--minutes $$(($(HOURS) * 60)))) \
	  $(if $(SEED),--seed $(SEED)) --output build/soak

check: test-env  ## formatting, lint, types, layers
	@tools/check "$(VENV)"

format: test-env  ## let ruff format the tree
	@$(BIN)/ruff format src tests tools benchmarks
	@$(BIN)/ruff check --fix-only --quiet src tests tools benchmarks

audit: $(VENV)/.release-env  ## has a pinned dependency a known weakness? is everything pinned?
	@$(BIN)/python -m tools.audit

sbom: $(VENV)/.release-env  ## build/sams.cdx.json: what SAMS is made of (CycloneDX)
	@mkdir -p build
	@SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}" $(BIN)/python -m tools.sbom requirements/runtime.txt requirements/postgresql.txt requirements/web.txt build/sams.cdx.json
	@echo "build/sams.cdx.json"

release: $(VENV)/.release-env  ## dist: sdist, wheel, pinned requirements, bill of materials, checksums; the same for the same commit
	@tools/release "$(VENV)" dist

docs: env  ## write the reference pages that are made from the code
	@$(BIN)/python tools/make_reference.py

translations: env  ## collect the texts of the pages into the catalogues of src/sams/web/locale
	@$(BIN)/python -m tools.translations

system:  ## as root: Debian packages with the real programs that the tests drive
	@tools/make-system
	@rm -f $(VENV)/.env  # what is compiled may join now

requirements:  ## compile the pinned requirements anew (needs uv)
	@for name in runtime postgresql web kerberos compiling build test release bench fuzz; do \
	  uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    -o requirements/$$name.txt requirements/$$name.in; done

clean:  ## remove what was made
	@rm -rf $(VENV) build .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
