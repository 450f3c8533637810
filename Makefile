# Everything happens in an environment of its own, .venv; nothing is installed outside the checkout.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto

# How long `make soak` goes on, and with which random numbers; without a seed, a new one that it prints.
EVENTS ?= 1000
SEED ?=
ARRIVALS ?= 10000
KILLS ?= 50
CATALOGUE ?= sqlite

ONLY ?=

.PHONY: demo test test-sources soak soak-arrivals bench bench-peers screenshots lint docs setup setup-dev clean

demo: setup
	@$(BIN)/python examples/demo.py

test: setup-dev
	$(BIN)/pytest -n $(WORKERS) --dist worksteal tests

# Every kind of source with 100,000 files, which takes minutes.
test-sources: setup-dev
	ALIQUOT_TEST_OBJECTS=100000 $(BIN)/pytest tests/contract/test_sources.py -k many --durations=0 --timeout=3600

soak: setup-dev
	$(BIN)/python tests/soak/run.py --events $(EVENTS) $(if $(SEED),--seed $(SEED))

# Files at a folder, an S3 bucket and an Azure container, while what takes them in is killed.
soak-arrivals: setup-dev
	$(BIN)/python tests/soak/arrivals.py --arrivals $(ARRIVALS) --kills $(KILLS) --catalogue $(CATALOGUE) $(if $(SEED),--seed $(SEED))

bench: setup-dev
	$(BIN)/python benchmarks/run.py

# The peers have an environment of their own: they would not agree with ours on versions.
bench-peers: setup-dev
	@test -d .venv-peers || $(BIN)/uv venv --quiet --python $(BIN)/python .venv-peers
	@VIRTUAL_ENV=.venv-peers $(BIN)/uv pip install --quiet snakemake redun luigi
	$(BIN)/python benchmarks/run.py peers

# Every page, light and dark, on a desktop, a phone and a wide screen; ONLY keeps the addresses that hold a word.
screenshots: setup-dev
	@$(BIN)/python tests/screenshots.py screenshots $(ONLY)

docs: setup-dev
	@$(BIN)/python docs/generate.py

lint: setup-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

setup: $(VENV)/.ready

setup-dev: $(VENV)/.ready-dev

$(VENV)/.uv:
	@test -n "$(PYTHON)" || { echo "Aliquot needs Python 3.11 or later; install it, then try again." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python cannot make environments here; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@touch $@

$(VENV)/.ready: $(VENV)/.uv pyproject.toml constraints.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode -c constraints.txt -e '.[tables,imaging,server]'
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.uv pyproject.toml constraints.txt tests/services.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode -c constraints.txt -e '.[tables,imaging,postgresql,server,aws,azure,otel]' --group dev
	@$(BIN)/uv venv --quiet --allow-existing $(VENV)/services
	@VIRTUAL_ENV=$(VENV)/services $(BIN)/uv pip install --quiet -r tests/services.txt
	@touch $@ $(VENV)/.ready

clean:
	rm -rf $(VENV) demo
