# `make run` starts the server, `make test` runs the tests. Both set up what they need, and only the first time.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
RUN = $(VENV)/.installed-run
DEV = $(VENV)/.installed-dev
LEGACY_SDK = .venv-openai-0.28/.installed
NODE_SDK = .node/.installed

.PHONY: run test lint check bench chaos clean

run: $(RUN)
	@exec $(BIN)/python -m sora_proxy

test: $(DEV) $(LEGACY_SDK) $(NODE_SDK)
	$(BIN)/python -m pytest -n 4

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

bench: $(DEV)
	$(BIN)/python -m tests.benchmarks

chaos: $(DEV)
	$(BIN)/python -m tests.chaos

clean:
	rm -rf .venv .venv-openai-0.28 .node build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sora_proxy needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(call make_venv,$(VENV))

$(RUN): setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(DEV): setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(RUN) $@

# The last SDK of the 0.x line needs a place of its own: it shares its name with the current one.
$(LEGACY_SDK): | $(BIN)/python
	@$(call make_venv,$(@D))
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'openai==0.28.1'
	@touch $@

$(NODE_SDK):
	@command -v npm >/dev/null || $(call install_node)
	npm install --prefix $(@D) --silent --no-audit --no-fund openai
	@touch $@

# Debian keeps venv's pip in a package of its own: install it where we may, else say which it is.
define make_venv
$(PYTHON) -m venv $(1) >/dev/null 2>&1 || { rm -rf $(1); \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv $(1); \
	else echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; fi; }
endef

define install_node
{ if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; \
	else echo "The tests need Node 20 or newer and npm. On Debian or Ubuntu: sudo apt-get install nodejs npm"; exit 1; fi; }
endef
