# Two commands on a fresh machine: `make run` and `make test`. Both install into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# processes that share the files of tests; WORKERS=0 runs them in this one, where a debugger stops
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: run test check slow docs reproduce answer clean
.DEFAULT_GOAL := run

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "tfprune needs Python 3.10 to 3.13; say which by PYTHON=python3.11" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

run: $(VENV)/.installed
	$(BIN)/tfprune run

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(PYTEST)

slow: $(VENV)/.installed
	$(PYTEST) -m slow

docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "site/index.html"

# one published experiment at its smallest size, and its page anew, beside those of docs/results
reproduce: $(VENV)/.installed
	$(BIN)/tfprune replicate zullich2020 --size smallest --out reproduced

# the answer at the top of README.md and docs/index.md, from the page of this replication and size
ANSWER ?= zullich2020-small
answer: $(VENV)/.installed
	$(BIN)/tfprune replicate $(firstword $(subst -, ,$(ANSWER))) --size $(lastword $(subst -, ,$(ANSWER))) --out docs/results
	$(BIN)/python docs/_hooks/lead.py $(ANSWER)

clean:
	rm -rf $(VENV)
