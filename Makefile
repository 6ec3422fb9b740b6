# Every target builds what it needs from the lock files; nothing on the machine has to be prepared but Python >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?=

.PHONY: run test check soak bench lock image-check clean

run: $(VENV)/.run  ## start everything on embedded Postgres with a sandbox domain
	@$(BIN)/edge serve $(if $(DATA),--data-dir '$(DATA)')

test: $(VENV)/.dev  ## all checks and tests
	@tests/run

check: $(VENV)/.dev  ## lint, types, import contracts (seconds)
	@tests/run --static

soak: $(VENV)/.dev  ## long crash and scale runs
	@tests/run --soak

bench: $(VENV)/.dev  ## every figure, rewrites benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

image-check: $(VENV)/.dev  ## the container's install script in a fresh debootstrap root
	@deploy/image-check

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python >= 3.11 is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is needed (Debian: apt-get install python3-venv)"; exit 1; }

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/pip
	@echo "building the environment (once; it may take a minute) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/pip
	@echo "building the test environment (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run

lock:  ## rewrite the lock files from pyproject.toml
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

clean:
	@rm -rf $(VENV) .coverage .mypy_cache .pytest_cache .ruff_cache
