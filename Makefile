# SPDX-License-Identifier: Apache-2.0
#
# Every verb sets itself up first (.ci/setup): on a fresh Debian or Ubuntu machine git and make are enough.

PYTHON ?= python3
export PYTHON

BIN    := .venv/bin
PYTEST := $(BIN)/python -m pytest
# Handed on: `make test ARGS='-k drain'`, `make lab ARGS='stop web2'`
ARGS   ?=

.PHONY: help run lab test unit lint bench image vm vm-vga test-image lock clean

help: ## what you are reading
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

run: ## open the console on a lab appliance: namespaces, real HAProxy, live traffic
	@.ci/setup run
	@$(BIN)/python -m tests.lab $(ARGS)

lab: ## what runs in that lab, from a second terminal (ARGS='stop web2', shell, client, --help)
	@.ci/setup run
	@$(BIN)/python -m tests.lab $(or $(ARGS),status)

test: ## every tier this machine can run, linters included
	@.ci/setup test
	@.ci/tests -m "not (bench or long)" $(ARGS)

unit: ## only what needs no privileges, on all cores
	@.ci/setup test
	@$(PYTEST) --numprocesses auto -m "not (console or peers or kernel or image or bench)" $(ARGS)

lint: ## only the linters, which are tests too
	@.ci/setup test
	@$(PYTEST) tests/test_linters.py tests/test_imports.py tests/test_house.py $(ARGS)

bench: ## the benchmark table; samples in build/bench/results.json
	@.ci/setup bench
	@$(BIN)/python -m tests.bench $(ARGS)

image: ## the appliance, in build/image/: root file system, disks, checksums, bill of materials
	@.ci/setup image
	@$(BIN)/python -m image build $(ARGS)

vm: ## the virtual appliance in this terminal, in QEMU, its SSH on port 2222 of the loopback
	@.ci/setup vm
	@$(BIN)/python -m image run $(ARGS)

vm-vga: ## a picture of the virtual appliance's screen: build/vm.png
	@.ci/setup vm
	@$(BIN)/python -m image picture $(ARGS)

# Beyond what `make test` starts: every firmware, damage, power cuts. Builds the image as make test does. First the
# peers in its root, alone as ever, then two machines at a time: one keeps little more than one core busy, and has 2 GiB.
test-image: ## the appliance's long tests, in QEMU
	@.ci/setup vm
	@MACHINES=2 .ci/tests -m "image and long" $(ARGS)

# Constraining the appliance's lock by the developer's keeps what ships equal to what was tested.
lock: ## resolve the dependencies again (ARGS=--upgrade for newer ones)
	@.ci/setup lock
	CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet --extra dev $(ARGS) \
	    --output-file requirements-dev.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet --constraint requirements-dev.lock $(ARGS) \
	    --output-file requirements.lock pyproject.toml

clean: ## remove what the commands made, the virtual environment too
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis ballast.egg-info
