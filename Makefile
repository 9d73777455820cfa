# The two commands: `make run` and `make test`. Everything else is for those who carry on.
PYTHON ?= python3
GRID ?= 1-LV-semiurb4--2-sw
DAY ?= 2016-06-15
PV ?= 1
OUT ?= out/demo-day
VENV := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Keep what Python compiled, whatever the shell says: a system is a dozen processes, each 3 s slower to start without.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run reset demo-day verify doctor test test-systems test-modules test-contracts test-full test-full-only campaign check lint types imports format unit bench gas lock contracts mutants faults symbolic static facts collusion openapi verifier wheel

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Install everything the project needs, from its locks
	@$(PYTHON) scripts/tools/bootstrap.py

run: setup ## Start the whole system with its demo community; Ctrl-C stops it, the next run goes on: [PORT=] [STATE=]
	@$(VENV)/dominoes up $(if $(PORT),--port $(PORT)) $(if $(STATE),--state $(STATE))

reset: setup ## Throw the state of `make run` away
	@$(VENV)/dominoes reset --yes

demo-day: setup ## One local day as fast as it can: GRID= DAY= PV= OUT=
	@$(VENV)/dominoes demo-day --grid $(GRID) --day $(DAY) --pv $(PV) --out $(OUT)

verify: setup ## Repeat the verdict on bundles: BUNDLE= [ANCHORS=] [RPC=]
	@$(VENV)/dominoes verify $(BUNDLE) $(if $(ANCHORS),--anchors $(ANCHORS)) $(if $(RPC),--rpc $(RPC))

doctor: setup ## Say what is installed, running and wrong
	@$(VENV)/dominoes doctor

# Two parts at once, one a core; the contracts' own tests when the first of the others is done.
test: setup check ## Format, types, imports and every test that needs no host software
	@mkdir -p out
	@$(MAKE) --no-print-directory --jobs 2 --keep-going test-systems test-modules test-contracts

test-systems:
	@$(VENV)/pytest -m "not host and functional and not campaign"

test-modules:
	@$(VENV)/pytest -q -m "not host and not functional and not campaign" > out/modules.log 2>&1; code=$$?; cat out/modules.log; exit $$code

test-contracts:
	@$(VENV)/python -m scripts.tools.forge test > out/contracts.log 2>&1; code=$$?; cat out/contracts.log; exit $$code

test-full: test test-full-only ## The same plus PostgreSQL, mosquitto, Brownie, halmos, slither and a geth Clique network

test-full-only: setup
	@$(VENV)/python -m scripts.tools.host_software
	@$(VENV)/pytest -m "host and not campaign"

# Hours on two cores: for releases. Its figures stand in docs/benchmarks.md.
EFFORT ?= 20
campaign: setup ## What takes longer: deep fuzz of contracts and rules, a soak with kills; EFFORT= times the usual
	@$(VENV)/python -m scripts.tools.host_software
	@FOUNDRY_PROFILE=deep $(VENV)/python -m scripts.tools.forge test
	@$(VENV)/python -m scripts.tools.faults
	@$(VENV)/python -m scripts.tools.mutants
	@TEST_EFFORT=$(EFFORT) $(VENV)/pytest --timeout 86400 -m "property or campaign"
	@TEST_EFFORT=$(EFFORT) $(VENV)/pytest --timeout 86400 tests/functional/test_mutations.py

check: lint types imports ## Format, lint, strict types and the import contract

lint:
	@$(VENV)/ruff format --check .
	@$(VENV)/ruff check .

types:
	@$(VENV)/mypy

imports:
	@$(VENV)/lint-imports

format: ## Rewrite the sources in the project's format
	@$(VENV)/ruff format .
	@$(VENV)/ruff check --fix .

unit: ## The tests of single modules, in seconds
	@$(VENV)/pytest -m "unit and not campaign"

bench: setup ## Every performance figure as a ratio, written to docs/benchmarks.md's sources
	@$(VENV)/python -m benchmarks

contracts: setup ## Compile the contracts and rewrite the shipped artifacts
	@$(VENV)/python -m contracts.compile

mutants: setup ## Change the contracts in many places, one at a time, and see whether a test notices; in `make campaign` too
	@$(VENV)/python -m scripts.tools.mutants

faults: setup ## Undo the mend of each known fault of the contracts and see that its test fails; in `make campaign` too
	@$(VENV)/python -m scripts.tools.faults

symbolic: setup ## Prove the scan of a book for every word (halmos); in `make test-full` too
	@$(VENV)/python -m scripts.tools.host_software
	@$(VENV)/python -m scripts.tools.analysis symbolic

static: setup ## Static analysis of the contracts (slither), but for what is triaged; in `make test-full` too
	@$(VENV)/python -m scripts.tools.host_software
	@$(VENV)/python -m scripts.tools.analysis static

verifier: setup ## Build the verifier into one file: out/dominoes-verify.pyz
	@$(VENV)/python -m scripts.tools.build_verifier

wheel: setup ## Build the wheel that installs anywhere: out/dist/dominoes-*.whl
	@$(VENV)/uv build --quiet --wheel --no-build-isolation --python $(VENV)/python --out-dir out/dist

facts: setup ## Rewrite docs/facts.md, the table of the journal's kinds
	@$(VENV)/python -m scripts.tools.facts_document

collusion: setup ## Rewrite the README's table of who must collude for what, from the frauds that tests play
	@$(VENV)/python -m scripts.tools.collusion_table

openapi: setup ## Rewrite docs/openapi.json, from which clients are generated
	@$(VENV)/python -m scripts.tools.openapi

lock: ## Compile the requirement files anew, by hash and without addresses
	@for name in uv node go analysis runtime dev; do \
	  $(VENV)/uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-header --no-emit-index-url --upgrade requirements/$$name.in -o requirements/$$name.txt; done
	@npm install --package-lock-only
