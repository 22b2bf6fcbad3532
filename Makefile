# Everything needs only Python and make; `make` says what there is.

VENV := .venv
RUN := $(VENV)/bin
SOURCES := dialer workflows activities api worker.py
TESTED := $(SOURCES) tests scripts benchmarks
PIP := $(RUN)/python -m pip install --quiet --disable-pip-version-check --no-warn-script-location
INSTALLED := $(VENV)/.installed

.PHONY: help setup demo up test chaos bench upgrade-test verify check format lock clean
.DEFAULT_GOAL := help

help: ## What there is
	@scripts/preflight.sh >/dev/null && echo "Everything needed is here."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(INSTALLED) ## Make .venv and install into it (the others do this first)
	@:

# The stamp is written last and names this folder: what was installed half, or before the folder was moved, is
# made anew; so is what was made with another Python than the one that PYTHON names.
STAMP := $(shell cat $(INSTALLED) 2>/dev/null)
VERSION := $(shell { "$(or $(PYTHON),$(RUN)/python)" -V; } 2>/dev/null)
ifneq ($(STAMP),$(CURDIR) $(VERSION))
.PHONY: $(INSTALLED)
endif

$(INSTALLED): requirements.lock pyproject.toml
	@python=$$(scripts/preflight.sh) || exit 1; \
	if test "$(STAMP)" != "$(CURDIR) $(VERSION)" || ! $(RUN)/python -c 'import pip' 2>/dev/null; then \
		echo "Making $(VENV) with $$python"; "$$python" -m venv --clear $(VENV) || exit 1; \
	fi
	@echo "Installing (a minute or two the first time)"
	@$(PIP) --requirement requirements.lock
	@$(PIP) --no-build-isolation --no-deps --editable .
	@echo "$(CURDIR) $$($(RUN)/python -V)" >$(INSTALLED)

demo: setup ## Watch a campaign dial a town of simulated phones
	@exec $(RUN)/dialer demo $(ARGS)

up: setup ## Run everything here until Ctrl-C, data in ~/.dialer
	@exec $(RUN)/dialer up $(ARGS)

# For two cores: one process has the stack, where tests mostly wait. PROCESSES=0 is for a debugger: one after the other.
PROCESSES := 3
test: setup ## Run all tests (ARGS="-k busy" for some)
	@$(RUN)/python -m tests --processes $(PROCESSES) $(ARGS)

SEEDS := 1-3
chaos: setup ## Break the running stack on purpose and judge it (SEEDS=1-30)
	@$(RUN)/python -m tests.chaos --seeds $(SEEDS) $(ARGS)

bench: setup ## Measure, and draw docs/performance.md (ARGS="--runs 1 --only dispatch")
	@$(RUN)/python -m benchmarks $(ARGS)

FROM :=
upgrade-test: setup ## Upgrade an older version with running campaigns (FROM=v0.1.0)
	@$(RUN)/python -m tests.upgrade --from "$(FROM)"

verify: setup ## Judge what happened in ~/.dialer by the carrier's own list
	@exec $(RUN)/dialer verify $(ARGS)

check: setup ## Lint, types, architecture, migrations, OpenAPI
	$(RUN)/ruff check $(TESTED)
	$(RUN)/ruff format --check $(TESTED)
	$(RUN)/pyright
	$(RUN)/lint-imports
	$(RUN)/python -m pytest -q tests/store/test_migrations.py tests/api/test_openapi.py

format: setup ## Format the code
	$(RUN)/ruff check --fix-only $(TESTED)
	$(RUN)/ruff format $(TESTED)

lock: setup ## Choose the versions to install anew, from pyproject.toml
	$(PIP) uv
	$(RUN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade pyproject.toml --extra dev \
		-o requirements.lock --no-header --no-emit-index-url --no-emit-find-links --no-annotate

clean: ## Remove what was installed and built (not ~/.dialer)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
