# Two commands matter: `make run` and `make test`. Everything else serves them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BY_FILE := --dist loadfile --no-loadscope-reorder

.PHONY: run test check bench translations clean

run: $(VENV)/runtime.stamp
	@$(BIN)/python scripts/run.py

test: $(VENV)/dev.stamp
	@$(BIN)/python scripts/browser.py
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 4 $(BY_FILE)

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q -n 2 $(BY_FILE) tests/domain tests/services tests/test_architecture.py

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench

# After a change of texts; then translate what is new in messages.po, and once more.
translations: $(VENV)/dev.stamp
	$(BIN)/pybabel -q extract -F babel.cfg -k lazy_gettext --no-location --sort-output -o messages.pot .
	$(BIN)/pybabel -q update -i messages.pot -d wa_app/translations --no-fuzzy-matching
	$(BIN)/pybabel -q compile -d wa_app/translations
	@rm messages.pot

# The stamps make a second run start at once, without asking a package index.
$(VENV)/runtime.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vigía needs Python 3.11 or newer.")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements.txt requirements-dev.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/runtime.stamp

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
