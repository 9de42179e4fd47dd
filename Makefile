# Everything a person runs. `make demo` needs nothing but Linux, Python 3.11 or newer, and a package index for pip; as root it gets the rest from Debian.
BIN := .venv/bin
COMMONWEAL := $(BIN)/commonweal
STAMP := .venv/made-from-pyproject
# Files and programs here speak UTF-8, whatever the person's locale is.
export PYTHONUTF8 := 1
.NOTPARALLEL:
.DEFAULT_GOAL := help
ORACLE := .venv/oracle
DOCS := .venv/docs
# Some containers forbid Python to keep what it has compiled; every worker would compile every test again.
unexport PYTHONDONTWRITEBYTECODE
# How many workers share the tests: those wait for machines much of the time, so three keep two processors busy.
JOBS ?= 3
# Only files whose digests a lock names.
LOCKED := pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: --requirement
PYTEST = $(BIN)/python -P -m pytest
SCALE := bench-audit bench-data bench-refresh bench-dev bench-feed bench-operator bench-sources bench-portal bench-demo bench-move bench-fleet
.PHONY: oracle lock audit docs help demo journey down test test-under-load check scale security unit contract e2e lint format generate datamodel tools images doctor machine try bench-dev venv bench-audit bench-data bench-refresh bench-feed bench-fleet bench-move bench-demo bench-demo-cold bench-operator bench-sources bench-portal figures clean

help: ## what there is to make
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 16

demo: venv ## two sites, three departments, one journey: all of it, on this machine
	@$(COMMONWEAL) demo

try: venv ## the example as processes of this user, with sample data, without root; Ctrl-C ends it
	@$(COMMONWEAL) dev examples/start-a-business --sample

journey: venv ## walk through the example again
	@$(COMMONWEAL) journey

down: venv ## end everything that demo and tests started, and remove what it left
	@$(COMMONWEAL) demo down

test: lint machine tools images oracle ## everything: lint, then every test, shared by three workers (JOBS=3); what fails is said at once
	@$(PYTEST) --numprocesses=$(JOBS) --durations=10 --durations-min=1

test-under-load: ## the same beside eight busy loops at low priority
	@python3 tests/support/under_load.py $(MAKE) test

check: lint tools ## what a change is tried with first: lint, and every test that starts no server
	@$(PYTEST) --numprocesses=$(JOBS) -m "not servers" tests/unit tests/golden tests/contract

unit: tools ## tests without anything running
	@$(PYTEST) tests/unit tests/golden

contract: machine tools oracle ## tests against a real API server, PostgreSQL and pulumi
	@$(PYTEST) --numprocesses=$(JOBS) tests/contract

e2e: machine tools images ## tests on real sites
	@$(PYTEST) --numprocesses=2 tests/e2e

security: machine tools images ## attack the platform on a site that is made for it and thrown away: ten minutes (as root)
	@$(BIN)/python -P tests/security/run.py

scale: ## what `make test` proves at the smallest size, measured at full size (as root, hours); the results are committed
	@for name in $(SCALE); do echo "make $$name"; $(MAKE) --no-print-directory $$name || missed="$$missed $$name"; done; \
		$(MAKE) --no-print-directory figures; test -z "$$missed" || { echo "targets missed:$$missed"; exit 1; }

lint: venv ## ruff, mypy, layers, and that generated files are up to date
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m commonweal_api.generate --check
	@$(BIN)/python -m commonweal_stacks.platform.values --check
	@$(BIN)/python -m commonweal_local.images.containerfile --check
	@$(BIN)/python -m commonweal_runtime.generate --check
	@$(BIN)/python -m commonweal_stacks.settings_page --check
	@$(BIN)/python docs/tools/layers.py --check
	@$(BIN)/python docs/tools/commands.py --check
	@$(BIN)/python docs/tools/decisions.py --check
	@$(BIN)/python docs/tools/roles.py --check
	@$(BIN)/python bench/figures.py --check
	@$(BIN)/python bench/pictures.py --check

format: venv ## put the code into shape
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

generate: venv ## write the generated files again
	@$(BIN)/python -m commonweal_api.generate
	@$(BIN)/python -m commonweal_stacks.platform.values
	@$(BIN)/python -m commonweal_local.images.containerfile
	@$(BIN)/python -m commonweal_runtime.generate
	@$(BIN)/python -m commonweal_stacks.settings_page
	@$(BIN)/python docs/tools/layers.py
	@$(BIN)/python docs/tools/commands.py
	@$(BIN)/python docs/tools/decisions.py
	@$(BIN)/python docs/tools/roles.py

docs: $(DOCS)/made-from-pyproject ## the documentation as a site, in .site; a link or a page that leads nowhere is an error
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet
	@echo "open .site/index.html, or: $(DOCS)/bin/mkdocs serve"

$(DOCS)/made-from-pyproject: requirements/docs.txt | venv
	@test -x $(DOCS)/bin/python || $(BIN)/python -m venv $(DOCS)
	@$(DOCS)/bin/python -m $(LOCKED) requirements/docs.txt
	@touch $@

datamodel: venv ## make the common data model's JSON Schema and page from datamodel/commonweal.yaml
	@test -x .venv/datamodel/bin/python || $(BIN)/python -m venv .venv/datamodel
	@.venv/datamodel/bin/python -m $(LOCKED) requirements/datamodel.txt
	@.venv/datamodel/bin/python datamodel/make.py

tools: venv ## find the programs, building from pinned sources what is nowhere
	@$(COMMONWEAL) tools

images: venv ## build the container images
	@$(COMMONWEAL) images

doctor: venv ## what this machine lacks, and the remedy
	@$(COMMONWEAL) doctor

machine: venv # as root, also install the Debian packages that are missing
	@$(COMMONWEAL) doctor $(if $(filter 0,$(shell id -u)),--install)

bench-audit: venv ## what sealing the audit costs
	@$(BIN)/python bench/audit.py

bench-data: venv ## what an agreement costs over a bare read, on one PostgreSQL
	@$(BIN)/python bench/data.py

bench-refresh: venv ## what a refresh takes, of the product and of its source, when little or nothing has changed
	@$(BIN)/python bench/refresh.py

bench-feed: venv ## how soon two sites of one department agree
	@$(BIN)/python bench/feed.py

bench-fleet: tools ## 10, 100 and 465 sites from one blueprint on one management cluster
	@$(BIN)/python bench/fleet.py

bench-move: machine tools images ## a department with 100,000 ratings from one real site to another (as root)
	@$(BIN)/python bench/move.py

bench-demo: machine tools images ## from nothing running to the first consented read (as root)
	@$(BIN)/python bench/demo.py

bench-demo-cold: venv ## the same from empty caches, in a clone: a quarter of an hour (as root)
	@$(BIN)/python bench/demo_cold.py

bench-dev: venv ## how soon and how large a stack of `commonweal dev` is
	@$(BIN)/python bench/dev.py

bench-operator: tools ## how often the operator writes when there is nothing to do
	@$(BIN)/python bench/operator_rest.py

bench-sources: venv ## how fast a product is loaded, beside a plain COPY: six minutes
	@$(BIN)/python bench/sources.py

bench-portal: venv ## the portal on one core: 200 people at once, 100 bodies with three down, from click to denial: five minutes
	@$(BIN)/python bench/portal.py

figures: venv ## write the measured figures into docs/reference/figures.md, README.md and docs/pictures
	@$(BIN)/python bench/figures.py
	@$(BIN)/python bench/pictures.py

venv: $(STAMP) ## the Python environment, made again when pyproject.toml or its lock changes

oracle: $(ORACLE)/made-from-pyproject # datacontract-cli, which the tests ask what breaks a contract; about 130 MB

$(ORACLE)/made-from-pyproject: requirements/oracle.txt | venv
	@test -x $(ORACLE)/bin/python || $(BIN)/python -m venv $(ORACLE)
	@echo "installing the tests' oracle into $(ORACLE)"
	@$(ORACLE)/bin/python -m $(LOCKED) requirements/oracle.txt
	@touch $@

lock: venv ## write requirements/*.txt again from pyproject.toml; UPGRADE=1 takes newer versions where they fit (needs a package index)
	@test -x .venv/lock/bin/python || $(BIN)/python -m venv .venv/lock
	@.venv/lock/bin/python -m $(LOCKED) requirements/lock.txt
	@PATH="$(CURDIR)/.venv/lock/bin:$$PATH" $(BIN)/python requirements/lock.py $(if $(UPGRADE),--upgrade)

audit: venv ## ask which locked Python packages have known weaknesses; needs a network, and says so where there is none
	@test -x .venv/audit/bin/python || $(BIN)/python -m venv .venv/audit
	@.venv/audit/bin/python -m $(LOCKED) requirements/audit.txt
	@$(BIN)/python requirements/audit.py .venv/audit/bin/pip-audit

$(STAMP): pyproject.toml requirements/environment.txt local/environment.sh
	@PYTHON="$(PYTHON)" sh local/environment.sh

clean: ## remove the environment and what tools keep beside the code; caches of programs and images stay
	rm -rf .venv .site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
