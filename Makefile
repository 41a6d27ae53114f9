# `make demo` and `make test` each make the virtual environment that they need: Python 3.11 to 3.13 is all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint format bench lab clean

demo: $(VENV)/.installed
	$(BIN)/voicelab demo

test: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --cov --cov-report=term

bench: $(VENV)/.installed-test
	$(BIN)/python -W ignore benchmarks/engine.py
	$(BIN)/python -W ignore benchmarks/scale.py
	$(BIN)/python -W ignore benchmarks/calibration.py
	$(BIN)/python -W ignore benchmarks/analysis.py
	$(BIN)/python -W ignore benchmarks/speech.py
	$(BIN)/python -W ignore benchmarks/console.py
	$(BIN)/python -W ignore benchmarks/talk.py

lab: $(VENV)/.installed-lab
	$(BIN)/jupyter lab notebooks/01_talk.ipynb

format: $(VENV)/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-lab: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[lab]'
	touch $@ $(VENV)/.installed
