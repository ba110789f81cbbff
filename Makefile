# Thin: each target installs what it needs into .venv and calls one command.
PYTHON ?= python3
PROFILE ?= small
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv where it is present (seconds), pip otherwise; both pinned by constraints.txt.
.venv/installed: pyproject.toml constraints.txt
	@echo "installing into .venv (once; a minute or two without uv)" >&2
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --seed --python $(PYTHON) .venv && \
		uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'; \
	else \
		$(PYTHON) -m venv .venv && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'; \
	fi
	@touch $@

.PHONY: install
install: .venv/installed ## Create .venv and install everything into it

.PHONY: bench
bench: install ## The main job on the small profile (PROFILE=… for another)
	@pgvitals run --profile $(PROFILE)

ROWS ?= 1000000 10000000
REPEATS ?= 8
.PHONY: bench-load
bench-load: install ## How fast rows are loaded, half an hour (ROWS="…" REPEATS=… OUT=folder for the page)
	@python bench/load_speed.py $(OUT) $(ROWS:%=--rows %) --repeats $(REPEATS) --rivals-once $(firstword $(ROWS))

.PHONY: smoke
smoke: install ## The main job on the smallest profile, about two minutes
	@pgvitals run --profile smoke

.PHONY: test
test: install ## All tests, on PostgreSQL servers that they start themselves
	@python -m pytest --timeout=600 --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(PYTEST_ARGS)

.PHONY: lab
lab: install ## JupyterLab on the notebooks, connected to a running lab database
	@pgvitals up
	@pgvitals psql -qAt -c 'select 1 from pgvitals.dataset' >/dev/null 2>&1 || pgvitals load --profile $(PROFILE)
	@pgvitals gate latest >/dev/null 2>&1; [ $$? -ne 2 ] || pgvitals bench || [ $$? -eq 1 ] || [ $$? -eq 3 ]
	@cd notebooks && jupyter lab $$([ "$$(id -u)" -ne 0 ] || echo --allow-root)

.PHONY: audit impact loadtest report
audit: install ## Ask every rule about every system
	@pgvitals audit --profile $(PROFILE)

impact: install ## What the declared migrations change, before against after
	@pgvitals impact --profile $(PROFILE)

loadtest: install ## Open-loop load test with Locust
	@pgvitals loadtest --profile $(PROFILE)

report: install ## Write the reports of the latest run again
	@pgvitals report latest

.PHONY: sample
sample: install ## Make reports/sample again from the latest run
	@pgvitals report latest --format html,md --out reports/sample

.PHONY: audit-selftest
audit-selftest: install ## Inject a known defect for every rule: found / injected, false alarms
	@python -m pgvitals.audit selftest

.PHONY: check-harness
check-harness: install ## The same statements through pgbench and through pgvitals, interleaved
	@python -m pgvitals.measure.harness $(HARNESS_ARGS)

.PHONY: check-truth
check-truth: install ## Verdicts against a known truth: false alarms, power, coverage; over an hour, goes on when started again
	@python -m pgvitals.measure.truth --write $(TRUTH_ARGS)

.PHONY: check
check: install ## ruff, mypy, and drift of the generated docs
	@ruff check .
	@ruff format --check .
	@mypy
	@python -m pgvitals.audit docs --check docs/rules

.PHONY: docs
docs: install ## Generate docs/rules from the rules
	@python -m pgvitals.audit docs docs/rules

.PHONY: clean
clean: ## Stop the lab and remove what was made (kept datasets, .venv and reports/runs included)
	@test ! -x $(BIN)/pgvitals || { pgvitals down && pgvitals clean; }
	@rm -rf .venv reports/runs reports/latest .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
