# `make run` starts the server, `make test` runs the tests. Both install what they need, and only the first time.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
RUN = $(VENV)/.installed-run
TEST = $(VENV)/.installed-test
LINT = $(VENV)/.installed-lint
LEGACY_SDK = .openai-0.28/.installed
NODE_SDK = requirements/node/node_modules/.package-lock.json
# Programs of other authors, each in its own virtual environment.
LITELLM = .programs/litellm
MUSEQ = .programs/museq
COMFY = .programs/comfy
PLAYWRIGHT = .programs/playwright/.installed
COMFY_NODE = requirements/node-comfyui/node_modules/.package-lock.json

# Python compiles what it imports; most of what is installed is never imported. The bytecode has to be kept, because all
# workers and servers of the tests import the same modules.
unexport PYTHONDONTWRITEBYTECODE
FLAGS = --quiet --disable-pip-version-check --no-compile
INSTALL = $(BIN)/python -m pip install $(FLAGS)
LOCKED = $(INSTALL) --require-hashes
packages = $$(grep -c '^[a-z].*==' $(1)) packages
# $(call step,WHAT,COMMAND) says what a step does, and afterwards how long it took.
step = @echo "$(1) ..."; began=$$(date +%s); { $(2); } && echo "  done in $$(($$(date +%s) - began)) s"

# Otherwise, a target that failed halfway would look finished to the next make.
.DELETE_ON_ERROR:
.PHONY: run quick test test-programs lint check docs bench bench-litellm chaos fresh lock clean

run: $(RUN)
	@exec $(BIN)/python -m sora_proxy

# What answers within half a minute: the unit tests, and orders that go all the way.
quick: $(TEST)
	$(BIN)/python -m pytest -n 2 -p no:schemathesis -m "not slow" tests/unit tests/integration/test_chat.py

# Idle workers take over tests of others: the slowest ones come last, and those of a module share a server.
test: $(TEST) $(LEGACY_SDK) $(NODE_SDK)
	$(BIN)/python -m pytest -n 4 --dist worksteal

# The tests of the page need Chromium, too: on Debian, the package chromium.
test-programs: $(TEST) $(MUSEQ)/.installed $(COMFY)/.installed $(COMFY_NODE) $(PLAYWRIGHT)
	$(BIN)/python -m pytest tests/programs

lint: $(LINT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

# The tables of options, from `Settings`.
docs: $(RUN)
	$(BIN)/python -m docs.options

bench: $(TEST)
	$(BIN)/python -m tests.benchmarks

bench-litellm: $(TEST) $(LITELLM)/.installed
	$(BIN)/python -m tests.benchmarks.beside_litellm $(CURDIR)/$(LITELLM)/bin/litellm

chaos: $(TEST)
	$(BIN)/python -m tests.chaos

# SUITES="bookworm trixie" chooses the systems; ONLY_RUN=1 leaves `make test` out.
fresh:
	@$(PYTHON) -m tests.fresh $(if $(ONLY_RUN),--only-run) $(SUITES)

clean:
	rm -rf $(VENV) .programs .openai-0.28 requirements/*/node_modules .fresh build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sora_proxy needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(call step,Making a virtual environment in $(VENV) (about 5 s),$(make_venv))

make_venv = $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); $(install_venv) && $(PYTHON) -m venv $(VENV); }
# Debian has venv's pip in a separate package. root gets it installed; other users are told its name.
define install_venv
{ if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; fi; \
	echo "Installing Debian's python3-venv, as root, since Python's venv module is missing (3 MB) ..."; \
	install="apt-get install -y -qq --no-install-recommends python3-venv"; export DEBIAN_FRONTEND=noninteractive; \
	log=$$($$install 2>&1) || log=$$(apt-get update -qq 2>&1; $$install 2>&1) || { echo "$$log"; \
	echo "apt-get can't install it (its messages are above). Install python3-venv by hand, then run make again."; exit 1; }; }
endef

$(RUN): requirements.txt | $(BIN)/python
	$(call step,Installing the server's $(call packages,$<) into $(VENV) (70 MB; about 15 s and the download),$(LOCKED) -r $<)
	@touch $@

# setuptools is installed only while it builds what has no wheel: one package, and the checkout.
define install_tests
$(LOCKED) -r requirements/build.txt && $(LOCKED) --no-build-isolation --use-pep517 -r $< && \
	$(INSTALL) --no-build-isolation --no-deps -e . && $(BIN)/python -m pip uninstall --quiet --yes setuptools
endef
$(TEST): requirements/test.txt requirements/build.txt setup.cfg pyproject.toml $(RUN)
	$(call step,Installing the tests' $(call packages,$<) into $(VENV) (80 MB),$(install_tests))
	@touch $@

$(LINT): requirements/lint.txt $(TEST)
	$(call step,Installing the linters' $(call packages,$<) into $(VENV) (85 MB),$(LOCKED) -r $<)
	@touch $@

# It has the same name as the current SDK, so it has its own folder; the packages that it imports are in .venv.
$(LEGACY_SDK): requirements/openai-0.28.txt | $(BIN)/python
	$(call step,Installing openai 0.28.1 into $(@D) (0.5 MB),$(LOCKED) --no-deps --upgrade --target $(@D) -r $<)
	@touch $@

# Only the tests of the page import it.
$(PLAYWRIGHT): requirements/playwright.txt | $(BIN)/python
	$(call step,Installing Playwright into $(@D) (160 MB),$(LOCKED) --upgrade --target $(@D) -r $<)
	@touch $@

$(LITELLM)/.installed: SIZE = 600 MB
$(MUSEQ)/.installed: SIZE = 150 MB
$(COMFY)/.installed: SIZE = 30 MB
.programs/%/.installed: requirements/%.txt | $(BIN)/python
	@echo "Installing $* with its $(call packages,$<) into $(@D) ($(SIZE)) ..."
	@$(BIN)/python -m venv --without-pip --clear $(@D)
	@$(BIN)/python -m pip --python $(@D)/bin/python install $(FLAGS) --require-hashes -r $<
	@touch $@

# The tests do not need Node: without it, the tests of its packages are skipped.
$(NODE_SDK): IS = openai for Node (35 MB)
$(COMFY_NODE): IS = a client of ComfyUI for Node (2 MB)
requirements/%/node_modules/.package-lock.json: requirements/%/package-lock.json
	@if ! command -v npm >/dev/null; then echo "Not installing $(IS): there is no npm. Its tests will be skipped."; \
	else echo "Installing $(IS) into requirements/$* ..."; \
		npm ci --prefix requirements/$* --silent --no-audit --no-fund --fetch-retries=1 || echo "npm can't install $(IS). Its tests will be skipped."; fi

# One lock for all versions of Python that setup.cfg allows. It contains hashes, but no address of an index.
COMPILE = uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock'
EXTRA = $(PYTHON) -c 'import configparser as c, sys; s = c.ConfigParser(); s.read("setup.cfg"); print(s["options.extras_require"][sys.argv[1]])'

lock:
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv"; exit 1; }
	$(COMPILE) setup.cfg -o requirements.txt
	$(EXTRA) build | $(COMPILE) - -o requirements/build.txt
	$(EXTRA) test | $(COMPILE) - -c requirements.txt -o requirements/test.txt
	$(EXTRA) lint | $(COMPILE) - -c requirements.txt -c requirements/test.txt -o requirements/lint.txt
	$(COMPILE) requirements/litellm.in -o requirements/litellm.txt
	$(COMPILE) requirements/museq.in -o requirements/museq.txt
	$(COMPILE) requirements/comfy.in -o requirements/comfy.txt
	$(COMPILE) requirements/playwright.in -o requirements/playwright.txt
	cd requirements/node && npm install --package-lock-only --omit-lockfile-registry-resolved --silent --save-exact openai@$$(npm view openai version)
	cd requirements/node-comfyui && npm install --package-lock-only --omit-lockfile-registry-resolved --silent
