# Two commands matter: `make run` and `make test`. Both install everything they need into .venv/.
.DEFAULT_GOAL := help
.PHONY: help run test check fuzz benchmark-upload benchmark-status format openapi lock clean

VENV := .venv
BIN := $(VENV)/bin
# The first interpreter that is new enough: Ubuntu 22.04 calls Python 3.11 python3.11, Debian 12 python3.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

help:
	@echo "make run     install what is needed, then serve http://127.0.0.1:8000"
	@echo "make test    install what is needed, then run the whole test suite"
	@echo "make check   ruff (format and lint) and mypy strict"
	@echo "make fuzz    fuzz the upload form for a minute (FUZZ=-max_total_time=600: for ten)"
	@echo "make benchmark-upload   measure uploads beside other servers (minutes; see benchmarks/README.md)"
	@echo "make benchmark-status   the same for sockets: memory, pushes, fan-out, a storm of reconnects"
	@echo "make format  let ruff rewrite the files"
	@echo "make openapi rewrite openapi.json from what the handlers say of themselves"
	@echo "make lock    rewrite constraints.txt from what is installed"
	@echo "make clean   remove .venv and caches (never var/, which holds answers)"

run: $(VENV)/.run
	$(BIN)/python run.py

test: $(VENV)/.dev $(VENV)/.sdk
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz.fuzz_upload_form $(FUZZ)

benchmark-upload: $(VENV)/.run
	$(BIN)/python benchmarks/upload/run.py $(BENCHMARK)

benchmark-status: $(VENV)/.run
	$(BIN)/python benchmarks/status/run.py $(BENCHMARK)

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

openapi: $(VENV)/.run
	@$(BIN)/python run.py openapi > openapi.new
	@mv openapi.new openapi.json

lock: $(VENV)/.dev
	@{ echo '# Versions of what requirements.txt and requirements-dev.txt bring along; `make lock` rewrites it.'; \
	  $(BIN)/python -m pip freeze --quiet --exclude pip | while read -r pin; do \
	    name=$$(echo "$${pin%%==*}" | tr '_' '-'); \
	    grep -qi "^$$name\(\[.*\]\)\?==" requirements.txt requirements-dev.txt requirements-fuzz.txt || echo "$$pin"; done; } > constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) tests/e2e/sdk/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found on PATH." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "No virtual environment could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/.run: $(VENV)/bin/python requirements.txt constraints.txt
	$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

# The JavaScript SDK, for the tests that run it in node and in Chromium. Without node and npm those are skipped.
$(VENV)/.sdk: $(VENV)/bin/python tests/e2e/sdk/package-lock.json
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
	  npm ci --prefix tests/e2e/sdk --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; \
	else echo "node and npm were not found: tests of the JavaScript SDK will be skipped (apt install nodejs npm)" >&2; fi

$(VENV)/.fuzz: $(VENV)/.run requirements-fuzz.txt
	$(PIP_INSTALL) -r requirements-fuzz.txt
	@touch $@
