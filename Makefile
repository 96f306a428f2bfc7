# `make run` tries Undersigned on this machine; `make test` checks all of it.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test quick lint faults timing bench lighthouse pictures styles lock images clean
# Recipes depend on each other, and their output should be in order.
.NOTPARALLEL:

# Where `make run` keeps its database, mailbox, secrets and logs.
LOCAL_DIR ?= .local
# The site's TCP port. Free ports are chosen for all others.
PORT ?= 8000
# "Ready in N s" counts from this moment, so it includes installing.
UNDERSIGNED_STARTED := $(shell date +%s.%N)
# The virtual environment. Each Python needs its own.
VENV ?= .venv
export LOCAL_DIR PORT UNDERSIGNED_STARTED VENV

BIN := $(VENV)/bin
LOCKS := requirements
PINNED := docker-compose.yml Dockerfile

# Finds the first of these that runs and is new enough: a version manager's shim may exist without
# its Python, and the system's `python3` may be too old. `PYTHON=` comes first.
find_python = for python in $(PYTHON) python3.13 python3.12 python3.11 python3 /usr/bin/python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; \
	python=; \
	done; \
	if [ -z "$$python" ]; then \
	echo "Undersigned needs Python 3.11 or newer, and found none. Install it, or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1; \
	fi

# -P keeps the script's own folder off the module path.
install = @$(find_python); "$$python" -P campaign/local/install.py

help: ## Show these commands
	@echo "Undersigned"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PORT=8000 and LOCAL_DIR=.local may be overridden, as in: make run PORT=8080"
	@echo "  Another Python: make test PYTHON=/usr/bin/python3 VENV=.venv-debian"

run: ## Install what is locked, start everything, serve http://127.0.0.1:8000
	$(install) local
	@exec $(BIN)/python -m campaign.local run

test: lint ## Check and test everything, in a stack of its own
	@$(BIN)/python -m campaign.local.messages
	@exec $(BIN)/python -m tests.side_by_side $(PYTEST_ARGS)

quick: lint ## For each save: what `lint` checks, and the tests without a database
	@exec $(BIN)/python -m pytest -q tests/unit $(PYTEST_ARGS)

lint: ## ruff, mypy, djade, import-linter
	$(install) local dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	@git ls-files -z --cached --others --exclude-standard '*.html' | xargs -0 $(BIN)/djade --check --target-version 5.2
	$(BIN)/lint-imports --no-cache

faults: ## Let a crowd sign while processes die, disks fill and servers refuse
	$(install) local dev
	@exec $(BIN)/python -m pytest -m endurance

timing: ## See that answers tell nothing by their time; wants a quiet machine
	$(install) local dev
	@exec $(BIN)/python -m pytest -m timing -s tests/integration/privacy/test_oracle_timing.py

bench: ## Measure speed, as ratios to floors of the same run
	$(install) local dev
	@$(BIN)/python -m campaign.local.messages
	@exec $(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

lighthouse: ## Score the pages as a phone sees them; wants Node, Chromium and a quiet machine
	$(install) local dev
	@cd tests/lighthouse && npm ci --silent --no-audit --no-fund
	@$(BIN)/python -m campaign.local.messages
	@exec $(BIN)/python -m tests.lighthouse

pictures: ## Take the pictures of README and handbooks; wants Chromium
	$(install) local dev
	@$(BIN)/python -m campaign.local.messages
	@exec $(BIN)/python -m tests.pictures

# The result is committed, so nothing else needs Node or these packages.
styles: ## Build what the site uses of Bootstrap; wants Node
	@cd styles && npm ci --silent --no-audit --no-fund --ignore-scripts --omit=optional && npm run --silent build

# Versions that still fit are kept; `make lock UPGRADE=--upgrade` takes the newest.
# Locks contain no URLs or paths, so that they are the same on every machine.
compile = $(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command "make lock" $(UPGRADE)

lock: ## Compile pyproject.toml into requirements/, with hashes
	$(install)
	$(compile) pyproject.toml --output-file $(LOCKS)/production.txt
	$(compile) pyproject.toml --group local --constraints $(LOCKS)/production.txt --output-file $(LOCKS)/local.txt
	$(compile) pyproject.toml --group local --group dev --constraints $(LOCKS)/local.txt --output-file $(LOCKS)/dev.txt
	$(compile) --group tools --output-file $(LOCKS)/tools.txt

# A tag can be moved to another image, but a digest cannot.
images: ## Pin the images of others to what their tags name today; wants Docker
	@for image in $$(sed -nE 's/^(FROM| *image:) ([^ $$]+)@sha256:.*/\2/p' $(PINNED) | sort -u); do \
		digest=$$(docker buildx imagetools inspect "$$image" --format '{{.Manifest.Digest}}') || exit 1; \
		sed -i -E "s|([ ]$$image@)sha256:[0-9a-f]{64}|\1$$digest|" $(PINNED); \
		echo "$$image@$$digest"; \
	done

clean: ## Remove the local database, mailbox, secrets and logs
	@$(find_python); exec "$$python" -m campaign.local clean
