# Every target prepares what it needs itself, Debian packages included when root.
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help demo playground test unit check format bench bench-backtest bench-decide bench-enforce bench-peers bench-reaction bench-repository bench-scale bench-scoring soak conformance docs \
  man deb lock clean

help: ## Say what there is
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: ## Run trustd on a throw-away hypervisor with three real guests
	@tools/setup.sh demo
	@$(PYTHON) -m tests.demo

playground: ## Open a shell on a throw-away hypervisor with two guests
	@tools/setup.sh demo
	@$(PYTHON) -m tests.lab.playground

# Each test process imports all of trustd: compiled once, not each time.
check unit test: export PYTHONDONTWRITEBYTECODE :=

# worksteal keeps neighbours together: one process makes what they share.
UNIT := $(PYTHON) -m pytest -q -n auto --dist worksteal

# On a starved machine an emulated guest misses deadlines. A test on real guests that failed is tried
# again, and the report says so (tests/lab/tries.py); any other only where a wait ran out.
test: ## Run every test, on real guests too (root)
	@tools/setup.sh test
	$(PYTHON) -m pytest --reruns 2 --only-rerun LabError --durations 20

unit: ## Run the tests that need no guest
	@tools/setup.sh check
	$(UNIT) -m "not lab"

check: ## Format, lint, types, import floors, unit tests but the slow ones
	@tools/setup.sh check
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	$(UNIT) -m "not lab and not slow"

format: ## Format, and mend what the linter can
	@tools/setup.sh check
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

bench: ## Measure everything, and gather it into docs/benchmarks.md (root, hours)
	@tools/setup.sh bench
	$(PYTHON) -m bench

bench-backtest: ## Measure a month of history through another policy (minutes)
	@tools/setup.sh bench
	$(PYTHON) -m bench.backtest

bench-decide: ## Measure decisions beside peers
	@tools/setup.sh bench
	$(PYTHON) -m bench.decide

bench-enforce: ## Measure every lever on real guests (root)
	@tools/setup.sh bench
	$(PYTHON) -m bench.enforce

bench-peers: ## Measure trustd beside what others run, on thirty real guests (root, 20 minutes)
	@tools/setup.sh bench
	$(PYTHON) -m bench.peers

bench-reaction: ## Measure how soon real guests feel what they did (root, 10 minutes)
	@tools/setup.sh bench
	$(PYTHON) -m bench.reaction

bench-repository: ## Measure a month of history for 200 guests (half an hour)
	@tools/setup.sh bench
	$(PYTHON) -m bench.repository

bench-scale: ## Measure a tick at 100, 1,000 and 10,000 guests (10 minutes)
	@tools/setup.sh bench
	$(PYTHON) -m bench.scale

bench-scoring: ## Measure the scoring engine on real telemetry: DATA=folder (an hour)
	@tools/setup.sh bench
	$(PYTHON) -m bench.scoring $(if $(DATA),--data $(DATA))

soak: ## Run a month with 300 guests that come and go; fails where something grows (half an hour)
	@tools/setup.sh check
	$(PYTHON) -m bench.soak

conformance: ## Check AuthZEN as a client sees it
	@tools/setup.sh check
	$(PYTHON) -m pytest -q tests/decisions/test_authzen.py

docs: ## Build the documentation into build/docs
	@tools/setup.sh docs
	.venv/bin/sphinx-build --fail-on-warning --keep-going --quiet docs build/docs
	@echo "build/docs/index.html"

man: ## Write man pages and completions anew from the commands
	@tools/setup.sh check
	$(PYTHON) tools/man.py

deb: ## Build the Debian package into build/deb
	@tools/setup.sh deb
	@tools/deb.sh

lock: ## Pin the dependencies anew
	@tools/setup.sh check
	tools/lock.sh

clean: ## Remove what the targets made here
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis
