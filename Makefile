# Two commands matter: `make run` and `make test`. Everything else is a part of them.
# PYTHON=... names the interpreter that .venv is made from (3.11 or newer).

SHELL := /bin/sh
PYTHON ?= python3
# Tests mostly wait, so three files at once fill two cores. 0: one after the other.
TEST_PROCESSES ?= 3
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup setup-python setup-node run test soak bench lint records docs catalogues screenshots constraints clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv and .node with everything; leaves .venv/bin/settle; quick when nothing changed
	@$(MAKE) --no-print-directory -j2 setup-python setup-node

setup-python:
	@sh scripts/setup_python.sh

setup-node:
	@sh scripts/setup_node.sh

run: setup ## Set up and start the sandbox: store on :8000, Settle on :8001, Shopify's door on :8443
	@exec .venv/bin/settle sandbox $(ARGS)

test: setup ## Set up and run every test at CI's scale, browser tests included (ARGS="-k ..." chooses)
	@sh scripts/setup_chromium.sh
	@sh scripts/setup_nginx.sh
	@sh scripts/setup_promtool.sh
	@SETTLE_TEST_SCALE=ci .venv/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(ARGS)

soak: setup ## The same tests at the figures the issues name; takes much longer
	@sh scripts/setup_chromium.sh
	@sh scripts/setup_nginx.sh
	@sh scripts/setup_promtool.sh
	@SETTLE_TEST_SCALE=soak .venv/bin/python -m pytest --timeout=3600 $(ARGS)

bench: setup ## Measure, and print the ratios as tables
	@.venv/bin/python -m tests.bench $(ARGS)

lint: setup ## Format check, ruff, mypy --strict, secrets scan
	@sh scripts/lint.sh

records: setup ## Write app/records.py anew from prisma/schema.prisma
	@sh scripts/generate_records.sh

docs: setup ## Draw anew what README.md and docs/ take from the code
	@.venv/bin/python -m scripts.draw_docs

catalogues: setup ## Bring the languages' catalogues up to date with the sentences in code and templates
	@.venv/bin/python -m scripts.update_catalogues

screenshots: setup ## Take a picture of every page, in .screenshots/, from a sandbox of its own
	@sh scripts/setup_chromium.sh
	@.venv/bin/python -m scripts.screenshots

constraints: ## Write constraints.txt anew: the newest versions that fit pyproject.toml
	@sh scripts/refresh_constraints.sh

clean: ## Remove what setup, tests and the sandbox made, the sandbox's database included
	@sh scripts/clean.sh
