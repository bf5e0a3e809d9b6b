# make demo    install into .venv and enhance the example cutouts
# make test    install into .venv and run lint, types, tests and doctests
# make calibrations   measure every calibration that ships again, in place
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint types tests calibrations clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

demo: $(STAMP)
	$(BIN)/lensproc run examples/survey_cutouts/*.fits -o demo_output --no-resume
	@echo "Enhanced cutouts, catalog.ecsv and ledger.jsonl are in demo_output/"

test: lint types tests

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

tests: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

calibrations: $(STAMP)
	$(BIN)/lensproc calibrate --shipped

clean:
	rm -rf $(VENV) build demo_output .pytest_cache .mypy_cache .ruff_cache
