# The same words on a laptop and in CI. GNU make 3.81, which macOS ships, is enough.
SHELL := /bin/sh
.DEFAULT_GOAL := help

BIN := .local/venv/bin
PYTHON := $(BIN)/python
SAM := .local/sam/bin/sam
# Any region does for checks that call nothing.
AWS_DEFAULT_REGION ?= eu-west-1
export AWS_DEFAULT_REGION
export SAM_CLI_TELEMETRY := 0

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: bootstrap ## Serve both endpoints at http://127.0.0.1:3000 (PORT=... for another)
	@$(PYTHON) -m local.servers exec -- $(PYTHON) -m local.run

.PHONY: unit
unit: bootstrap ## Run the tests that need no server (seconds)
	@$(PYTHON) -m pytest tests/unit $(PYTEST_ARGS)

# By stealing: in chunks, one process would be left with the builds, which come last.
.PHONY: test
test: bootstrap ## Run all tests and print the layer's coverage (PYTEST_ARGS="-k name" for some, without it)
	@$(PYTHON) -m local.servers exec -- $(PYTHON) -m pytest -n 2 --dist worksteal $(or $(PYTEST_ARGS),--cov)

.PHONY: check
check: bootstrap bootstrap-sam bootstrap-checkov ## Check format, lint, types, imports, policies, workflows and the template
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m ruff check
	$(PYTHON) -m mypy
	$(PYTHON) -m policies.gate
	$(BIN)/lint-imports --no-logo --cache-dir .local/import_linter_cache
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --quiet --persona pedantic .
	$(SAM) validate
	$(SAM) validate --lint
	$(PYTHON) -m tests.template.check_stacks

.PHONY: clients
clients: bootstrap bootstrap-clients ## Lint openapi.yaml, generate clients from it and lend with them
	@$(PYTHON) -m local.servers exec -- $(PYTHON) -m tests.clients

# The driver lies in an environment of its own, behind what is tested.
BROWSER = PYTHONPATH=$$(echo .local/browser/lib/python3*/site-packages) $(PYTHON) -m tests.browser

.PHONY: browser
browser: bootstrap bootstrap-browser ## Look at the pages of `make run` in a real Chromium (CHROMIUM=path for yours)
	@$(BROWSER)

.PHONY: pictures
pictures: bootstrap bootstrap-browser ## Take the pictures of docs/pictures (minutes)
	@$(BROWSER) pictures

.PHONY: docs-site
docs-site: bootstrap ## Write the contract's pages for any web server into FOLDER=.local/docs-site
	@$(PYTHON) -m local.pages.contract "$(or $(FOLDER),.local/docs-site)"

.PHONY: format
format: bootstrap ## Format the code and fix what ruff can fix
	$(PYTHON) -m ruff check --fix-only
	$(PYTHON) -m ruff format

.PHONY: up
up: bootstrap ## Start MySQL and Redis (CACHE=cluster: a sharded one) alone; `source .local/env` to reach them
	@$(PYTHON) -m local.servers up

.PHONY: down
down: bootstrap ## Stop what `make up` started
	@$(PYTHON) -m local.servers down

.PHONY: reset
reset: bootstrap ## Empty the database and the cache of `make up`
	@$(PYTHON) -m local.servers reset

# Each of them may be given as a variable of the same name: DATE_FORMAT=DD/MM/YYYY COLUMNS="Approved on=start_date" ...
IMPORT_OPTIONS = --columns="$(COLUMNS)" --customers-order="$(CUSTOMERS_ORDER)" --loans-order="$(LOANS_ORDER)" \
  --date-format="$(DATE_FORMAT)" --decimal-mark="$(DECIMAL_MARK)" --statuses="$(STATUSES)" --encoding="$(ENCODING)" \
  $(if $(filter 1,$(ACCEPT_REJECTS)),--accept-rejects) $(if $(filter 1,$(DRY_RUN)),--dry-run)

.PHONY: import
import: bootstrap ## Import CUSTOMERS=customers.csv LOANS=loans.xlsx into what DB_* points at (DRY_RUN=1, ACCEPT_REJECTS=1)
	@test -n "$(CUSTOMERS)$(LOANS)" || { echo "Name the files: make import CUSTOMERS=customers.csv LOANS=loans.csv"; exit 2; }
	@$(PYTHON) -m db.migrate
	@$(PYTHON) -m importer --customers "$(CUSTOMERS)" --loans "$(LOANS)" $(IMPORT_OPTIONS)

.PHONY: template
template: bootstrap ## Write customers.csv and loans.csv with titles and an example into FOLDER=.local/template
	@$(PYTHON) -m importer.template "$(or $(FOLDER),.local/template)"

.PHONY: export
export: bootstrap ## Write the loans made here since SINCE=2026-11-01 into FILE=.local/made_here.csv
	@$(PYTHON) -m importer.export "$(or $(FILE),.local/made_here.csv)" $(if $(SINCE),--since "$(SINCE)")

.PHONY: backtest
backtest: bootstrap ## Try POLICY=file on the book of DB_* (APPLICATIONS=file.csv or records.jsonl, DAY=2026-11-30)
	@test -n "$(POLICY)" || { echo "Name the policy: make backtest POLICY=file.json"; exit 2; }
	@$(PYTHON) -m policies.backtest "$(POLICY)" $(if $(APPLICATIONS),--applications "$(APPLICATIONS)") \
	  $(if $(DAY),--day "$(DAY)")

.PHONY: replay
replay: bootstrap ## Compute the decisions of RECORDS=records.jsonl again and compare
	@test -n "$(RECORDS)" || { echo "Name the records: make replay RECORDS=records.jsonl"; exit 2; }
	@$(PYTHON) -m policies.replay "$(RECORDS)"

.PHONY: decide
decide: bootstrap ## Decide each line of FILE=applications.csv, lending nothing; goes on where it was killed
	@test -n "$(FILE)" || { echo "Name the applications: make decide FILE=applications.csv"; exit 2; }
	@$(PYTHON) -m policies.decide "$(FILE)"

.PHONY: sample
sample: bootstrap ## Load the sample portfolio into what DB_* points at, or into STACK=lending-dev
	@$(PYTHON) -m local.sample --stack "$(STACK)"

.PHONY: preflight
preflight: bootstrap ## Ask the account whether a stage can be deployed: CONFIG=try, dev, staging or prod
	@test -n "$(CONFIG)" || { echo "Name the stage: make preflight CONFIG=try"; exit 2; }
	@$(PYTHON) -m deploy.preflight "$(CONFIG)"

.PHONY: protect
protect: bootstrap ## Protect STACK=lending-prod from deletion and replacement (OFF=1: no longer)
	@test -n "$(STACK)" || { echo "Name the stack: make protect STACK=lending-prod"; exit 2; }
	@$(PYTHON) -m deploy.protect "$(STACK)" $(if $(OFF),--off)

.PHONY: environment
environment: bootstrap ## Print what `make import` needs to reach the stores of STACK=lending-dev
	@test -n "$(STACK)" || { echo "Name the stack: make environment STACK=lending-dev"; exit 2; }
	@$(PYTHON) -m deploy.environment "$(STACK)"

.PHONY: costs
costs: bootstrap ## Calculate docs/costs.md from deploy/prices.toml
	@$(PYTHON) -m deploy.costs

.PHONY: bench
bench: bootstrap ## Measure it against its floors (BENCH=warm for one section; half an hour for all)
	@$(PYTHON) -m benchmarks $(BENCH)

.PHONY: refresh
refresh: bootstrap ## Sweep, warm and inspect the cache once, as the schedule does every minute
	@$(PYTHON) -m local.servers exec -- sh -c '$(PYTHON) -m db.migrate && $(PYTHON) -m local.refresh'

.PHONY: doctor
doctor: bootstrap ## Ask the database and the cache of DB_* and REDIS_* whether they are fit
	@$(PYTHON) -m local.servers exec -- $(PYTHON) -m doctor

.PHONY: interleavings
interleavings: bootstrap ## Explore every order of events of the cache protocol, ours and naive (minutes)
	@$(PYTHON) -m tests.protocol.interleavings

.PHONY: histories
histories: bootstrap ## Play N=10000 random histories on real servers, ours and naive (minutes; CACHE=cluster)
	@$(PYTHON) -m tests.protocol.histories -n $(or $(N),10000)

.PHONY: money
money: bootstrap ## Race, kill and cut create-loan (MONEY_ARGS="--rounds 1000 --keys 1000 --histories 2000")
	@$(PYTHON) -m tests.money $(MONEY_ARGS)

.PHONY: throughput
throughput: bootstrap ## Loans a second to distinct customers, by number of processes
	@$(PYTHON) -m tests.money.throughput

.PHONY: broken-rules
broken-rules: bootstrap ## Break each rule of the cache protocol and see the tests notice (minutes)
	@$(PYTHON) -m local.servers exec -- $(PYTHON) -m tests.protocol.broken_rules

.PHONY: mutants
mutants: bootstrap ## Change the rules line by line and see the unit tests notice (minutes; MUTANTS='lending.domain.*')
	@$(PYTHON) -m tests.mutation $(foreach pattern,$(MUTANTS),'$(pattern)')

.PHONY: build
build: bootstrap-sam ## Build the functions and the layer into .aws-sam
	$(SAM) build

.PHONY: sam-local
sam-local: bootstrap build ## Answer every event of events/ in sam local (needs Docker)
	@$(PYTHON) -m local.servers exec -- $(PYTHON) -m local.sam.sam_local

.PHONY: clean
clean: ## Stop the servers; remove environments, servers' data and builds
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local.servers down; fi
	rm -rf .local .aws-sam .hypothesis

# uv: https://docs.astral.sh/uv; its settings are in pyproject.toml.
LOCK := uv pip compile --quiet --upgrade

.PHONY: requirements
requirements: ## Pin anew what the requirements*.in and package.json ask for (needs uv and npm)
	$(LOCK) layers/common/requirements.in --output-file layers/common/requirements.txt
	$(LOCK) importer/requirements.in --output-file importer/requirements.txt
	$(LOCK) requirements-dev.in --output-file requirements-dev.txt
	$(LOCK) requirements-sam.in --output-file requirements-sam.txt
	$(LOCK) requirements-checkov.in --output-file requirements-checkov.txt
	$(LOCK) requirements-clients.in --output-file requirements-clients.txt
	$(LOCK) requirements-browser.in --output-file requirements-browser.txt
	cd tests/clients && npm update --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --silent

.PHONY: bootstrap bootstrap-sam bootstrap-checkov bootstrap-clients bootstrap-browser
bootstrap:
	@local/bootstrap.sh
bootstrap-sam:
	@local/bootstrap.sh sam
bootstrap-checkov:
	@local/bootstrap.sh checkov
bootstrap-clients:
	@local/bootstrap.sh clients
bootstrap-browser:
	@local/bootstrap.sh browser
