"""The repository as a whole: notebooks against lessons, badges, links, versions, docstrings."""

import ast
import doctest
import functools
import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import build_tools
import course_utils
from build_tools import evidence, report
from build_tools import notebooks as building
from build_tools.lessons import LEFT_TO_THE_LEARNER
from course_utils.stack import STACK

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(ROOT.glob("lessons/[0-9][0-9]_*.py"))
NOTEBOOKS = sorted(ROOT.glob("notebooks/[0-9][0-9]_*.ipynb"))
SOLUTIONS = sorted(ROOT.glob("notebooks/solutions/*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ADDRESS = PROJECT["project"]["urls"]["Repository"]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]  # of lessons, test_prose.py does it


def name(path):
    return path.name


def test_the_lessons_are_numbered_and_both_maps_name_them():
    assert [path.stem[:2] for path in LESSONS] == [f"{number:02}" for number in range(14)]
    readme, start = (ROOT / "README.md").read_text(encoding="utf-8"), LESSONS[0].read_text(encoding="utf-8")
    for path in LESSONS:
        title = re.search(r"^# # (\d\d · .+)$", path.read_text(encoding="utf-8"), re.M).group(1)
        assert f"| [{title}](notebooks/{path.stem}.ipynb) |" in readme
        assert path == LESSONS[0] or f"# - [{title}]({path.name[:-3]}.ipynb): " in start


def test_lessons_and_notebooks_are_the_same_set():
    assert [path.stem for path in NOTEBOOKS] == [path.stem for path in LESSONS]
    assert [path.stem for path in SOLUTIONS] == [path.stem for path in LESSONS]


@pytest.mark.parametrize("edition", ["learner", "solutions"])
@pytest.mark.parametrize("lesson", LESSONS, ids=name)
def test_a_notebook_holds_its_lessons_cells(lesson, edition):
    notebook = building.notebook_path(ROOT / "notebooks", lesson.stem, edition)
    assert building.in_sync(lesson, notebook, edition), (
        f"{notebook.relative_to(ROOT)} differs from lessons/{lesson.name}. "
        "Edit the lesson, never the notebook, and run `make notebooks`."
    )


def test_a_changed_lesson_is_noticed(tmp_path):
    # The guard of the test above: one word of prose, one digit of code.
    lesson, notebook = LESSONS[0], NOTEBOOKS[0]
    text = lesson.read_text(encoding="utf-8")
    for old, new in [("Start here", "Start there"), ("epochs=", "epochs=1 + ")]:
        assert old in text
        changed = tmp_path / lesson.name
        changed.write_text(text.replace(old, new, 1), encoding="utf-8")
        assert not building.in_sync(changed, notebook)


def test_nothing_is_due_but_runs():
    # Text, code, badges, install cells, tables and pictures; outputs of earlier code are marked, not refused.
    due = {str(path): why for one in building.plan(root=ROOT) for path, (_, why) in one.files.items()}
    assert due == {}, "run `make notebooks`"


def test_claims_name_lessons_and_sections_that_exist():
    assert evidence.claim_problems(ROOT) == []


def test_verdicts_and_results_agree(monkeypatch):
    # statsmodels collects garbage at every call, of all that the tests before have left.
    monkeypatch.setattr("gc.collect", lambda *args: 0)
    assert report.out_of_step(ROOT) == [], "run `python -m build_tools report`"


@pytest.mark.parametrize(
    "notebook", NOTEBOOKS + SOLUTIONS, ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_notebooks_show_outputs_fit_to_be_read(notebook):
    read = nbformat.read(notebook, as_version=4)
    cells, stale = read.cells, "course" in read.metadata
    assert building.output_problems(cells, ROOT) == []
    code = [
        cell
        for cell in cells
        if cell.cell_type == "code"
        and not {"colab", *LEFT_TO_THE_LEARNER} & set(cell.metadata.get("tags", []))
    ]
    # A change never waits for a run: what has not been run since is marked, and the notebook's head says so.
    assert all(cell.execution_count or "course" in cell.metadata for cell in code), "a cell was never run"
    if notebook in NOTEBOOKS and not stale:
        assert any("image/png" in o.get("data", {}) for cell in code for o in cell.outputs), "no figure"
    lines = {i: sum(o.get("text", "").count("\n") for o in cell.outputs) for i, cell in enumerate(code)}
    assert max(lines.values()) <= 20, f"an output has more than 20 lines: {lines}"


def test_the_readmes_pictures_are_those_of_the_notebooks():
    for picture in (ROOT / "docs").glob("[0-9]*.png"):
        # Lesson 13's picture needs the learner's answers, so only its solutions hold one.
        editions = [ROOT / "notebooks" / folder / f"{picture.stem}.ipynb" for folder in ("", "solutions")]
        read = [nbformat.read(edition, as_version=4) for edition in editions]
        covers = [building.cover(notebook) for notebook in read]
        if any(covers) or not any("course" in notebook.metadata for notebook in read):
            assert picture.read_bytes() == next(filter(None, covers)), "run `make notebooks`"


def test_the_repositorys_address_is_the_same_everywhere():
    owner_and_name = ADDRESS.removeprefix("https://github.com/")
    revision = PROJECT["tool"]["course"]["revision"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for notebook in NOTEBOOKS:
        link = f"https://colab.research.google.com/github/{owner_and_name}/blob/{revision}/notebooks/{notebook.name}"
        assert link in readme, f"the README's course map lacks {link}"
    elsewhere = re.findall(r"github\.com/([\w-]+/[\w-]+)", (ROOT / "CITATION.cff").read_text())
    elsewhere += re.findall(r"research\.google\.com/github/([\w-]+/[\w-]+)", readme)
    elsewhere += re.findall(r"git clone https://github\.com/([\w-]+/[\w-]+)", readme)
    assert set(elsewhere) == {owner_and_name}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)\s#]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"


def test_versions_agree():
    version = PROJECT["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


@functools.cache
def locked():
    """Package name to the (version, marker) pairs of the lock."""
    found = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix("\\").strip())
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            key = requirement.name.lower().replace("_", "-")
            found.setdefault(key, []).append((Version(pin.version), requirement.marker))
    return found


def test_the_lock_is_hashed_and_without_addresses():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index-url" not in text
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert pins
    assert all(line.endswith("\\") for line in pins), "a package without a hash"


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_the_lock_satisfies_the_package_on_every_python(python):
    environment = {"python_version": python, "python_full_version": f"{python}.1"}
    extras = PROJECT["project"]["optional-dependencies"]["dev"]
    for text in PROJECT["project"]["dependencies"] + extras:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        pins = locked().get(requirement.name.lower().replace("_", "-"), [])
        chosen = [version for version, marker in pins if not marker or marker.evaluate(environment)]
        assert len(chosen) == 1, f"{text} on Python {python}: {chosen}; run scripts/lock.sh"
        assert requirement.specifier.contains(chosen[0]), f"{text}, locked {chosen[0]}; run scripts/lock.sh"


def test_every_requirement_outside_the_stacks_is_a_lower_bound():
    for text in PROJECT["project"]["dependencies"]:
        operators = {specifier.operator for specifier in Requirement(text).specifier}
        if not text.startswith("tensorflow>=2.15"):
            assert operators == {">="}, f"{text} could force Colab to change a package"


PACKAGES = (course_utils, build_tools)
MODULES = [
    m.name for package in PACKAGES for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]
OTHER_STACK = {
    "course_utils.addons._conditional_gradient_addons": "keras3",
    "course_utils.addons._weight_normalization_addons": "keras3",
    "course_utils.addons._conditional_gradient_keras3": "addons",
    "course_utils.addons.weight_normalization": "addons",
}


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_run(module, monkeypatch, tmp_path):
    if OTHER_STACK.get(module) == STACK:
        pytest.skip(f"{module} is of the other stack")
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    outcome = doctest.testmod(importlib.import_module(module), optionflags=flags)
    assert outcome.failed == 0


def imported(path):
    """The names of the course's modules that a source imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in ("course_utils", "build_tools")}


@pytest.mark.parametrize("folder", ["lessons", "course_utils"])
def test_what_a_lesson_imports_does_not_import_what_makes_the_course(folder):
    sources = sorted((ROOT / folder).rglob("*.py"))
    assert sources
    for source in sources:
        assert not any(name.startswith("build_tools") for name in imported(source)), source


def test_the_addons_need_nothing_of_the_course_but_its_leaves():
    leaves = tuple(f"course_utils.{name}" for name in ("addons", "arguments", "keras_private", "stack"))
    for source in (ROOT / "course_utils" / "addons").glob("*.py"):
        assert all(name.startswith(leaves) for name in imported(source)), source


# -- what the wheel holds, and what a fresh Python loads of it -----------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder of the wheel's content."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "alone")
    return folder / "alone"


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    held = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    ours = {name for name in held if ".dist-info/" not in name and not name.endswith(".pyc")}
    tracked = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "course_utils").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours == tracked
    assert not any(name.endswith("entry_points.txt") for name in held)


IMPORTED = [name for name in MODULES if name.startswith("course_utils.") and OTHER_STACK.get(name) != STACK]
# In this order, for a module that is loaded stays so.
STEPS = {
    "leaves": "import course_utils.data, course_utils.plotting, course_utils.stack, course_utils.files",
    # The first XLA compilation would announce itself, too.
    "lesson": """
import numpy
from course_utils.lesson import Lesson, keras
from course_utils.training import fit
lesson = Lesson("05_weight_normalization")
net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
net.compile("adam", "mse", jit_compile=True)
x = numpy.ones((4, 1))
fit(net, x, x, 2, verbose=0)
""",
    "schedules": "import course_utils.schedules",
    "addons": """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("error", UserWarning)
    import course_utils.addons
    assert warnings.filters[0][:3] == ("error", None, UserWarning), "filters not restored"
""",
    "all": f"""
import importlib
for name in {IMPORTED}:
    importlib.import_module(name)
""",
}
FRESH = """
import json, sys, traceback
sys.path.insert(0, sys.argv[1])
found = {}
for name, code in json.loads(sys.argv[2]).items():
    print("step", name, file=sys.stderr, flush=True)
    try:
        exec(code, {})
    except BaseException:
        traceback.print_exc()
    found[name] = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def fresh(wheel):
    """What a fresh Python with nothing but the wheel's content says and loads: step → (stderr, modules).

    One for all, because it takes ten seconds to load TensorFlow.
    """
    done = subprocess.run(
        [sys.executable, "-c", FRESH, wheel, json.dumps(STEPS)],
        cwd=wheel.parent,
        env={**os.environ, "COURSE_MODE": "full"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = dict(zip(STEPS, re.split(r"^step \w+\n", done.stderr, flags=re.M)[1:], strict=True))
    return {step: (said[step], loaded) for step, loaded in json.loads(done.stdout.splitlines()[-1]).items()}


def test_the_package_loads_no_tensorflow_by_itself(fresh):
    said, loaded = fresh["leaves"]
    assert said == ""
    assert not {"tensorflow", "keras"} & set(loaded)


def test_importing_a_lesson_keeps_tensorflow_quiet(fresh):
    said, loaded = fresh["lesson"]
    assert said == ""
    assert "tensorflow" in loaded


def test_schedules_load_no_addons_and_addons_is_silent_about_its_end_and_about_nothing_else(fresh):
    said, loaded = fresh["schedules"]
    assert said == ""
    assert not {"tensorflow_addons", "course_utils.addons"} & set(loaded)
    said, loaded = fresh["addons"]
    assert "Traceback" not in said
    assert ("tensorflow_addons" in loaded) == (STACK == "addons")


def test_every_module_of_the_wheel_imports_without_what_makes_the_course(fresh, wheel):
    said, loaded = fresh["all"]
    assert "Traceback" not in said
    ours = {name: file for name, file in loaded.items() if name.partition(".")[0] == "course_utils"}
    assert set(ours) >= set(IMPORTED)
    assert all(Path(file).is_relative_to(wheel) for file in ours.values()), ours
    assert "build_tools" not in loaded
