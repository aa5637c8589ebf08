# The course's commands. `make help` lists them.
#
# Every target makes what it needs: one virtual environment for each interpreter under .venv/. It is made once,
# and again only after a change of requirements.lock.

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
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup:  ## Make the virtual environment, if there is none or requirements.lock has changed
	@scripts/setup.sh "$(PYTHON)" "$(VENV)"

run: setup  ## Run the lessons and report on each: MODE=full for the settings of the sources, LESSONS="05" for some
	@$(BIN)/python -m build_tools run $(LESSONS) --mode $(MODE) $(if $(JOBS),--jobs $(JOBS))

# Each process gets whole files, because the cells of a notebook and the fixtures of a module belong together. The
# order is not changed: sorted by the number of tests, the slowest file, with only a dozen tests, would run last and alone.
test: setup  ## Run the tests, and every notebook in quick mode; SLOW=1 adds the slow tests
	@$(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder $(if $(JOBS),-n $(JOBS),-n auto --maxprocesses 4) $(if $(SLOW),-m "")

lab: setup  ## Open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

notebooks: setup  ## Update notebooks/ from lessons/, in seconds; RUN=1 executes what changed (in full mode, on real data)
	@$(BIN)/python -m build_tools build $(LESSONS) $(if $(RUN),--run) $(if $(JOBS),--jobs $(JOBS))

reproduce: setup  ## Measure the claims with several seeds and write results/ (hours): SEEDS="42 43 44 45 46" for five
	@$(BIN)/python -m build_tools reproduce $(LESSONS) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(JOBS),--jobs $(JOBS))

repeat: setup  ## Run a measured seed again and compare to the last bit
	@$(BIN)/python -m build_tools repeat $(LESSONS) $(if $(JOBS),--jobs $(JOBS))

repeat-quick: setup  ## After the tests: run lessons again in quick mode and compare with the tests' runs
	@$(BIN)/python -m build_tools repeat --quick $(LESSONS) $(if $(SINCE),--since $(SINCE)) $(if $(JOBS),--jobs $(JOBS))

report: setup  ## Write the verdicts from results/: RESULTS.md and the tables in the lessons
	@$(BIN)/python -m build_tools report

lint: setup  ## Check style and format of code, lessons and notebooks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: setup  ## Format code and lessons
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock:  ## Update requirements.lock from pyproject.toml (needs uv)
	@scripts/lock.sh

clean:  ## Remove environments, build/ and caches; results/ and notebooks/ stay
	rm -rf .venv build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
