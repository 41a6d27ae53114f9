# `make demo` and `make test` each make the virtual environment that they need: Python 3.11 to 3.13 is all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCHMARKS := engine guards services imports scale cluster calibration analysis speech worlds spoken_sessions echo console talk serve two_tests predicates shrink measures compare

# Containers often say that compiled modules are not to be kept: then each of the hundred processes that the tests start
# would compile the lab anew.
unexport PYTHONDONTWRITEBYTECODE

# Where `make chaos`, `make fuzz` and `make same-rows` begin.
SEED ?= 1

.PHONY: demo test lint format chaos fuzz same-rows bench bench-quick lab pictures clean

demo: $(VENV)/.installed
	$(BIN)/voicelab demo

test: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadgroup --cov --cov-report=term

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_javascript.py tests/test_protocol.py

# Random schedules of kills, crashes, full disks and damage; see docs/log.md. A failure prints how to run it again.
chaos: N ?= 20
chaos: $(VENV)/.installed-test
	PYTHONPATH=tests $(BIN)/python -W ignore -m chaos --seed '$(SEED)' --n '$(N)' --kind '$(KIND)' --keep '$(KEEP)'

# All run, also when one misses what is required; then `make` fails.
bench: $(VENV)/.installed-test
	@missed=; for name in $(BENCHMARKS); do \
	  echo "== $$name"; $(BIN)/python -W ignore benchmarks/$$name.py $(QUICK) || missed="$$missed $$name"; \
	done; test -z "$$missed" || { echo "missed in:$$missed"; exit 1; }

bench-quick: QUICK := --quick
bench-quick: bench

# Hostile input, as many cases as you like: each is used to the end, or refused with a message. A crash's minimal case is written
# to fuzz-failures/; one that is mended belongs in tests/samples/hostile/.
fuzz: N ?= 10000
fuzz: $(VENV)/.installed-test
	PYTHONPATH=tests $(BIN)/python -W ignore -m fuzz --seed $(SEED) --n $(N)

# Random sessions by this version and by an older one, which must write the same rows: BASE=<commit>; IGNORE="system/input_gate" leaves
# rows out that are meant to differ. What differs is shown, shortened, with the command that plays it again.
same-rows: N ?= 20000
same-rows: BASE ?= HEAD
same-rows: $(VENV)/.installed-test
	PYTHONPATH=tests $(BIN)/python -W ignore -m same_rows --base '$(BASE)' --seed $(SEED) --n $(N) $(addprefix --ignore ,$(IGNORE))

lab: $(VENV)/.installed-lab
	$(BIN)/jupyter lab notebooks/01_talk.ipynb

# The README's pictures, from fixed seeds; needs Chromium.
pictures: $(VENV)/.installed-test
	$(BIN)/python docs/pictures/draw.py

format: $(VENV)/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python tests/protocol_copies.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	touch $@

# Beside the Python packages what checks the JavaScript, and the client in Node of VoiceRun's command line: npm is in one of them, and
# puts the one into .venv/javascript, the other into the command line's package.
$(VENV)/.installed-test: $(VENV)/.made pyproject.toml package.json
	$(BIN)/python -m pip install --quiet -e '.[test]'
	$(BIN)/python tests/javascript_tools.py
	$(BIN)/python tests/command_line.py
	touch $@ $(VENV)/.installed

$(VENV)/.installed-lab: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[lab]'
	touch $@ $(VENV)/.installed
