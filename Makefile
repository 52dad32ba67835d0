# make train   a virtual environment, then a network trained on the bundled digits
# make test    a virtual environment, then the tests
# make bench   peers in environments of their own, then everything timed against them
# make mutants  faults are planted one at a time, and the tests must see them
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test bench mutants install clean

train: $(VENV)/.installed
	$(BIN)/pullback train digits

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py

mutants: $(VENV)/.installed-test
	$(BIN)/python tests/mutation/gate.py

install: $(VENV)/.installed

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
