# Everything runs from a virtual environment of this checkout; constraints.txt pins what goes in.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
PIP := $(RUN)/python -m pip --disable-pip-version-check --quiet
# What `make develop` adds; tests that need another extra are skipped without it.
EXTRAS ?= test,check,window,cluster,deploy
PACKAGES := protocol sim server client_demo
# How often `make crash` kills the server, and who plays meanwhile.
KILLS ?= 20
BOTS ?= 100

SEEDS ?= 200
FIRST ?= 1
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: bench bench-balancer bench-crowd bench-full bench-migration bench-peer bench-scaleout \
        chaos check clean constraints coverage crash demo develop help install simulate simulate-mutants \
        simulate-recorded test test-slow

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 19

install: $(VENV)/.installed ## make .venv and install shoal into it

develop: $(VENV)/.developed ## also install what tests and checks need

demo: install ## run the living world with bots and show it in the terminal
	@$(RUN)/shoal demo

test: develop ## run the tests (ten minutes)
	$(RUN)/python -m pytest -m "not slow"

test-slow: develop ## run the tests that take their time, too (several minutes more)
	$(RUN)/python -m pytest -m slow

simulate: develop ## the whole cluster under seeded faults, SEEDS=200 times (nine minutes)
	$(RUN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS)

simulate-mutants: develop ## how many seeds it takes to find each planted bug
	$(RUN)/python -m tests.simulation --mutants --jobs $(JOBS)

simulate-recorded: develop ## find each planted bug by the seed that is known to find it
	$(RUN)/python -m tests.simulation --mutants --recorded --jobs $(JOBS)

coverage: develop ## run the tests and say which lines and branches they reach
	$(RUN)/python -m pytest -q --cov --cov-report=term:skip-covered

check: develop ## lint, types and import contracts
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

bench: develop ## what a tick, the wire, a connection and 200 clients cost; hits, smoothness (minutes)
	$(RUN)/python -m benchmarks.simulation --json
	$(RUN)/python -m benchmarks.wire --check
	$(RUN)/python -m benchmarks.hits --rtt-ms 150
	$(RUN)/python -m benchmarks.smoothness --profile average --no-peer
	$(RUN)/python -m benchmarks.connections --json
	$(RUN)/python -m benchmarks.interest --clients 200
	$(RUN)/python -m benchmarks.journal

crash: develop ## kill a real server KILLS times while BOTS play, and prove that nothing is lost
	$(RUN)/python -m benchmarks.crash --kills $(KILLS) --bots $(BOTS)

bench-balancer: develop ## 200 bots through HAProxy, one gateway drained and one killed (two minutes)
	$(RUN)/python -m benchmarks.balancer

bench-crowd: develop ## 500 bots gather in two corners, with splits and migrations and without
	$(RUN)/python -m benchmarks.crowd

bench-migration: develop ## move a shard with 100 players 20 times, and measure what they notice
	$(RUN)/python -m benchmarks.migration --moves 20

bench-scaleout: develop ## what 1,000 clients cost one process, and nodes, gateways and an engine
	$(RUN)/python -m benchmarks.scaleout --clients 1000

bench-peer: develop ## Shoal and Colyseus side by side: cost, bytes, and the most that each holds
	$(RUN)/python -m benchmarks.interest --clients 400 --against colyseus
	$(RUN)/python -m benchmarks.interest --clients 400 --mode positions --against colyseus
	$(RUN)/python -m benchmarks.interest --find-max --against colyseus

bench-full: bench bench-peer ## everything, with the plots under docs/ (about an hour)
	$(RUN)/python -m benchmarks.interest --clients 200 --roamers 4000 --against colyseus
	$(RUN)/python -m benchmarks.interest --clients 200 --roamers 20000 --runs 3
	$(RUN)/python -m benchmarks.interest --clients 3200 --against floor
	$(RUN)/python -m benchmarks.interest --find-max --input-hz 20
	$(RUN)/python -m benchmarks.interest --clients 1000 --crowd
	$(RUN)/python -m benchmarks.interest --clients 1000 --crowd --mode positions
	$(RUN)/python -m benchmarks.interest --clients 1000 --crowd --mode positions \
	  --client-bytes-per-s 16384
	$(PIP) install --constraint constraints.txt --editable '.[plot]'
	$(RUN)/python -m benchmarks.growth
	$(RUN)/python -m benchmarks.smoothness --json docs/smoothness.json --plot docs/smoothness.png

CHAOS ?= --seconds 300 --bots 100
chaos: develop ## real processes under load, killed, paused, cut off (five minutes; CHAOS=options)
	$(RUN)/python -m tests.chaos $(CHAOS)

constraints: ## resolve the dependencies anew and pin them
	rm -rf $(VENV)/resolve && $(PYTHON) -m venv $(VENV)/resolve
	$(VENV)/resolve/bin/python -m pip install --quiet '.[test,check,plot,window,browser,cluster,deploy]'
	{ echo '# Written by `make constraints`; the Makefile installs from it.'; \
	  $(VENV)/resolve/bin/python -m pip freeze --exclude shoal; } > constraints.txt
	rm -rf $(VENV)/resolve

clean: ## remove the virtual environment and every cache
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Shoal needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.developed: $(VENV)/.installed
	$(PIP) install --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@
