# Two commands are all a new user needs: `make longtail` and `make test`. Each installs into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUTPUT ?= reports/longtail
SEED ?= 0
REAL_DATA ?= ../shared/data

.PHONY: install longtail example systems48 test test-slow check docs crosscheck clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e ".[dev]"
	touch $@

# The main job, on the bundled miniature: retrieve, generate, score, report. Nothing is downloaded.
longtail: install
	$(BIN)/reaudio-eval longtail --model re-audioldm-l --seed $(SEED) --output $(OUTPUT)

# The reports in reports/example again: long tail, zero-shot and a sweep of the miniature.
example: install
	BIN=$(BIN) sh benchmarks/example.sh

# Real systems on real prompts where the data is at hand, otherwise the same pipeline on a few synthesised clips.
systems48: install
	BIN=$(BIN) OUTPUT=reports/systems48 REAL_DATA=$(REAL_DATA) sh benchmarks/longtail.sh

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

test-slow: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m slow

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# The documentation site in docs/site, with warnings as errors. The notebooks are run by `make test-slow`.
docs: install
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e ".[docs]"
	$(BIN)/mkdocs build --strict -f docs/mkdocs.yml

# Against laion-clap, frechet-audio-distance and panns-inference themselves, in an environment of their own: they need NumPy 1. The core
# runs its tests there, too.
crosscheck:
	$(PYTHON) -m venv .venv-reference
	.venv-reference/bin/pip install --disable-pip-version-check -q -c benchmarks/crosscheck-constraints.txt -e ".[reference]" \
		pytest pytest-xdist pytest-timeout hypothesis
	OMP_NUM_THREADS=1 .venv-reference/bin/python -m pytest -n auto -m "not slow" --ignore tests/reaudio_eval/features/embedders \
		tests/reaudio_eval/features tests/reaudio_eval/scores tests/reaudio_eval/statistics
	OMP_NUM_THREADS=1 .venv-reference/bin/python benchmarks/crosscheck.py

clean:
	rm -rf $(VENV) .venv-reference build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis docs/site docs/.cache
