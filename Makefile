# The course's commands. `make help` lists them.
#
# Every target sets up what it needs by itself: one virtual environment per interpreter under .venv/,
# made once and again only when requirements.lock changes.

PYTHON  ?= python3
MODE    ?= quick
LESSONS ?=
SEEDS   ?=
JOBS    ?=
SINCE   ?=
SLOW    ?=
RUN     ?=

VENV := .venv/$(shell $(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null)
BIN  := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup run test lab notebooks reproduce repeat repeat-quick report lint format lock clean

help:  ## Show this list
	@echo "make TARGET [PYTHON=python3.12] [MODE=quick|full] [LESSONS=\"00 05\"] [JOBS=2]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup:  ## Make the virtual environment, if requirements.lock has changed or there is none
	@scripts/setup.sh "$(PYTHON)" "$(VENV)"

run: setup  ## Run the lessons and say how each went: MODE=full for the sources' own settings, LESSONS="05" for some
	@$(BIN)/python -m build_tools run $(LESSONS) --mode $(MODE) $(if $(JOBS),--jobs $(JOBS))

# A file at a time to each process: a notebook's cells, and a module's fixtures, belong together. In the order
# they come: sorted by the number of tests, the longest file of all, with its dozen tests, would end up running alone.
test: setup  ## Run the tests, and every notebook in quick mode; SLOW=1 for those that kill processes too
	@$(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder $(if $(JOBS),-n $(JOBS),-n auto --maxprocesses 4) $(if $(SLOW),-m "")

lab: setup  ## Open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

notebooks: setup  ## Bring notebooks/ up to date with lessons/, in seconds; RUN=1 executes what changed (in full, on real data)
	@$(BIN)/python -m build_tools build $(LESSONS) $(if $(RUN),--run) $(if $(JOBS),--jobs $(JOBS))

reproduce: setup  ## Measure the claims again over several seeds, into results/ (hours): SEEDS="42 43 44 45 46" for five
	@$(BIN)/python -m build_tools reproduce $(LESSONS) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(JOBS),--jobs $(JOBS))

repeat: setup  ## Run a measured seed once more and compare to the last bit
	@$(BIN)/python -m build_tools repeat $(LESSONS) $(if $(JOBS),--jobs $(JOBS))

repeat-quick: setup  ## After the tests: run lessons once more in quick mode and compare with the tests' own runs
	@$(BIN)/python -m build_tools repeat --quick $(LESSONS) $(if $(SINCE),--since $(SINCE)) $(if $(JOBS),--jobs $(JOBS))

report: setup  ## Turn results/ into verdicts: RESULTS.md and the tables the lessons show
	@$(BIN)/python -m build_tools report

lint: setup  ## Check style and format of code, lessons and notebooks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: setup  ## Put code and lessons in the house's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock:  ## Make requirements.lock again from pyproject.toml (needs uv)
	@scripts/lock.sh

clean:  ## Remove what the other targets made; results/ and notebooks/ stay
	rm -rf .venv build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
