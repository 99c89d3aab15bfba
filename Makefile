# Two commands: `make demo` shows what scidiff does, `make test` checks that it does it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test

demo: .venv/.ready
	$(BIN)/scidiff demo overwrite=true

# Two threads: the tests multiply small matrices, and more threads only wait for one another.
test: export OMP_NUM_THREADS ?= 2
test: .venv/.ready .venv/.browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest -q

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[all,dev]"
	touch $@

# The report is tested in a Chromium; where there is none and none can be fetched, those tests are skipped.
.venv/.browser: .venv/.ready tests/report/chromium.py
	-$(BIN)/python tests/report/chromium.py
	touch $@
