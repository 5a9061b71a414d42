# Needs Python 3.11+, Node 20 and the ordinary package indexes; everything else is installed below .venv and web/node_modules.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: install demo test test-stack bench soak lint web web-lint web-test docs requirements clean

install: $(VENV)/.installed web

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The dashboard is built only when its sources are newer than the last build.
web: src/mainstem/api/static/index.html

src/mainstem/api/static/index.html: $(shell find web/src web/index.html web/package-lock.json web/vite.config.mjs 2>/dev/null)
	cd web && npm ci --no-audit --no-fund --loglevel=error && npm run build --silent
	touch $@

demo: install
	$(BIN)/mainstem demo $(ARGS)

lint: $(VENV)/.installed web-lint
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy src/mainstem tests benchmarks docs/generate.py
	$(BIN)/lint-imports

# Types and lint of the dashboard, and its tests.
web-lint: web
	cd web && npm run typecheck --silent && npm run lint --silent

web-test: web
	cd web && npm run test --silent

# Three workers on two cores: tests that start and kill processes wait more than they compute, and come first.
test: install web-test
	$(BIN)/pytest -m "not stack and not soak" -n 3 --dist loadscope --no-loadscope-reorder $(ARGS)

test-stack: install
	$(BIN)/python tests/stack/provide.py
	$(BIN)/pytest -m stack $(ARGS)

# The tools that figures are compared with, apart from ours: they need other versions of the same packages.
.venv-peers/.installed: requirements/peers.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/peers.txt
	touch $@

bench: install .venv-peers/.installed
	$(BIN)/python -m benchmarks $(ARGS)

soak: install
	$(BIN)/pytest -m soak --timeout=0 $(ARGS)

# The reference pages, from what the code declares.
docs: $(VENV)/.installed
	$(BIN)/python docs/generate.py

# Development only: uv resolves, pip installs by hash.
requirements:
	uv pip compile --generate-hashes --python-version 3.11 --universal --quiet requirements/runtime.in -o requirements/runtime.txt
	uv pip compile --generate-hashes --python-version 3.11 --universal --quiet requirements/dev.in -o requirements/dev.txt
	uv pip compile --generate-hashes --python-version 3.11 --universal --quiet requirements/peers.in -o requirements/peers.txt

clean:
	rm -rf $(VENV) .venv-peers web/node_modules src/mainstem/api/static build dist
