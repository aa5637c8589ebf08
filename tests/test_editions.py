"""One text, two notebooks: which cell stands where, what is run, and what a learner never sees."""

import shutil

import nbformat
import pytest
import small_course

from build_tools import CourseError, current_stack, evidence, results
from build_tools.execute import read_lesson, run
from build_tools.fingerprint import Cell
from build_tools import editions
from build_tools import notebooks as building
from course_utils.checks import open_answer

STACK = current_stack()

# An exercise of lesson 00, whose check needs no TensorFlow.
EXERCISES = '''
# %% [markdown]
# ## Exercises

# %% tags=["given"]
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Steps and calls

# %% tags=["exercise"]
def steps_and_calls(images, batch_size, epochs, steps_per_execution):
    """Steps, and calls."""
    ...


# %% tags=["solution"]
def steps_and_calls(images, batch_size, epochs, steps_per_execution):
    """Steps, and calls."""
    steps = -(-images // batch_size)
    return epochs * steps, epochs * -(-steps // steps_per_execution)


# %% tags=["check"]
check("steps_and_calls")

# %% tags=["uses-answer"]
print("a hundred images:", steps_and_calls(100, 32, 2, 3))

# %% [markdown] tags=["solution"]
# The last batch counts as well.
'''

#: The same, where the solution is what the claims are measured by.
MEASURING = small_course.TINY.replace(
    '# %%\nrecorder.record("S9.c1"', '# %% tags=["solution"]\nrecorder.record("S9.c1"'
)


def course_with(folder, text):
    small_course.make(folder)
    small_course.write_lesson(folder, text)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = course_with(tmp_path_factory.mktemp("built") / "course", small_course.TINY + EXERCISES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_LEDGER", str(folder / "ledger"))
        patch.chdir(folder)
        changed, problems = building.build(jobs=1, stack=STACK)
        building.report()
    assert problems == []
    assert changed == ["notebooks/01_tiny.ipynb: executed", "notebooks/solutions/01_tiny.ipynb: executed"]
    return folder


@pytest.fixture
def course(built, tmp_path, monkeypatch):
    """A copy of the built course, to edit."""
    folder = tmp_path / "course"
    shutil.copytree(built, folder)
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
    monkeypatch.chdir(folder)
    return folder


def notebook(course, edition):
    path = building.notebook_path(course / "notebooks", "01_tiny", edition)
    return nbformat.read(path, as_version=4)


def edit(course, old, new):
    path = course / "lessons" / "01_tiny.py"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def sources(cells):
    return "\n".join(cell.source for cell in cells)


def tagged(cells, tag):
    return [cell for cell in cells if tag in cell.metadata.get("tags", ())]


# --- which cell stands where ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "tag", "where"),
    [
        ("code", None, {"measured", "learner"}),
        ("markdown", None, {"measured", "learner"}),
        ("code", "figure", {"measured", "learner"}),
        ("code", "exercise", {"learner"}),
        ("markdown", "exercise", {"measured", "learner", "solutions"}),
        ("code", "solution", {"solutions"}),
        ("markdown", "solution", {"solutions"}),
        ("code", "check", {"learner", "solutions"}),
        ("code", "given", {"learner", "solutions"}),
        ("code", "uses-answer", {"learner", "solutions"}),
        ("code", "needed", {"measured", "learner", "solutions"}),
    ],
)
def test_a_tag_says_in_which_editions_a_cell_stands(kind, tag, where):
    cell = Cell(kind, "x", (tag,) if tag else ())
    assert {edition for edition in editions.EDITIONS if editions.select([cell], edition)} == where


@pytest.mark.parametrize(
    ("kind", "tag", "where"),
    [
        ("code", None, {"measured", "learner", "solutions"}),
        ("code", "exercise", {"learner"}),
        ("markdown", "exercise", {"measured", "learner", "solutions"}),
        ("code", "solution", {"measured", "solutions"}),
        ("code", "check", {"measured", "learner", "solutions"}),
        ("code", "uses-answer", {"measured", "learner", "solutions"}),
    ],
)
def test_where_solutions_measure_they_hold_the_whole_lesson(kind, tag, where):
    cell = Cell(kind, "x", (tag,) if tag else ())
    recording = Cell("code", 'lesson.record("S9.c1", number=1)', ("solution",))
    found = {
        edition
        for edition in editions.EDITIONS
        if cell in [chosen for chosen, *_ in editions.select([recording, cell], edition)]
    }
    assert found == where


@pytest.mark.parametrize(
    ("tag", "edition", "expected"),
    [
        ("exercise", "learner", ("exercise", "nbval-skip")),
        ("uses-answer", "learner", ("uses-answer", "nbval-skip")),
        ("uses-answer", "solutions", ("uses-answer",)),
        ("check", "learner", ("check", "nbval-check-output")),
        ("check", "solutions", ("check", "nbval-check-output")),
    ],
)
def test_nbval_skips_what_is_not_filled_in_and_compares_what_checks_say(tag, edition, expected):
    ((_, _, tags),) = editions.select([Cell("code", "x", (tag,))], edition)
    assert tags == expected


def test_an_unknown_edition_is_an_error():
    with pytest.raises(CourseError, match="one of measured, learner, solutions, got 'teacher'"):
        editions.select([], "teacher")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('tags=["check"]', 'tags=["chek"]', r"01_tiny.py: .*'chek', which means nothing"),
        (
            '# %% tags=["solution"]\ndef',
            "# %%\ndef",
            "to be filled in, and no solution follows before the check",
        ),
    ],
)
def test_tags_that_make_no_sense_are_refused(course, old, new, message):
    edit(course, old, new)
    with pytest.raises(CourseError, match=message):
        read_lesson(course / "lessons" / "01_tiny.py")


# --- the two notebooks ------------------------------------------------------------------------------------


def test_a_learner_gets_the_cells_to_fill_in_and_no_solution(course):
    cells = notebook(course, "learner").cells
    assert "-(-images" not in sources(cells)
    assert "The last batch counts" not in sources(cells)
    (to_fill_in,) = [cell for cell in tagged(cells, "exercise") if cell.cell_type == "code"]
    assert (to_fill_in.outputs, "nbval-skip" in to_fill_in.metadata.tags) == ([], True)
    (check,) = tagged(cells, "check")
    (output,) = check.outputs
    assert output.data["text/plain"] == repr(open_answer("steps_and_calls"))
    assert tagged(cells, "uses-answer")[0].outputs == []


def test_the_solutions_hold_the_exercises_solved_and_nothing_else_of_the_lesson(course):
    cells = notebook(course, "solutions").cells
    assert "recorder.record" not in sources(cells)
    assert "### 1 · Steps and calls" in sources(cells)
    assert "The last batch counts" in sources(cells)
    assert [cell for cell in tagged(cells, "exercise") if cell.cell_type == "code"] == []
    assert tagged(cells, "check")[0].outputs[0].data["text/plain"].startswith("Right.")
    assert tagged(cells, "uses-answer")[0].outputs[0].text == "a hundred images: (8, 4)\n"


def test_both_notebooks_are_held_to_the_text(course):
    lesson = course / "lessons" / "01_tiny.py"

    def in_sync(edition):
        path = building.notebook_path(course / "notebooks", "01_tiny", edition)
        return building.in_sync(lesson, path, edition=edition)

    assert in_sync("learner")
    assert in_sync("solutions")
    edit(course, "The last batch counts", "The last, smaller batch counts")
    assert in_sync("learner")
    assert not in_sync("solutions")
    edit(course, "Steps and calls", "Steps, calls")
    assert not in_sync("learner")


def test_a_lesson_without_exercises_has_one_notebook(tmp_path):
    folder = course_with(tmp_path / "course", small_course.TINY)
    assert building.editions_of(read_lesson(folder / "lessons" / "01_tiny.py")) == ["learner"]


# --- what a change asks for -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("steps = -(-images // batch_size)", "steps = (images + batch_size - 1) // batch_size"),
        ('    """Steps, and calls."""\n    ...', '    """Both numbers."""\n    ...'),
        ('print("a hundred images:"', 'print("100 images:"'),
    ],
    ids=["solution", "cell to fill in", "use"],
)
def test_an_edited_exercise_leaves_the_measurements_valid(course, monkeypatch, old, new):
    monkeypatch.setattr(evidence, "measure", lambda *args: pytest.fail("the lesson was run"))
    edit(course, old, new)
    assert evidence.problems(course) == []
    assert (
        read_lesson(course / "lessons" / "01_tiny.py").code
        == results.read_result(results.result_path(course, STACK, "01_tiny", 42)).record["code"]
    )


def test_an_edited_solution_is_executed_again_alone(course, monkeypatch):
    monkeypatch.setattr(evidence, "measure", lambda *args: pytest.fail("the lesson was run"))
    edit(course, "steps_and_calls(100, 32, 2, 3)", "steps_and_calls(10, 32, 2, 3)")
    due = "notebooks/solutions/01_tiny.ipynb: its code cells differ from the lesson: run it"
    refreshed = "notebooks/01_tiny.ipynb: text, badge and tables refreshed"
    assert building.build(check=True, stack=STACK) == ([refreshed, due], [])
    assert building.build(jobs=1, stack=STACK) == (
        [refreshed, "notebooks/solutions/01_tiny.ipynb: executed"],
        [],
    )
    assert tagged(notebook(course, "solutions").cells, "uses-answer")[0].outputs[0].text.endswith("(2, 2)\n")


def test_a_solution_that_fails_its_check_is_not_shown(course):
    path = building.notebook_path(course / "notebooks", "01_tiny", "solutions")
    before = path.read_text(encoding="utf-8")
    edit(course, "steps = -(-images // batch_size)", "steps = images // batch_size")
    _, problems = building.build(jobs=1, stack=STACK)
    (problem,) = problems
    assert "Not yet." in problem
    assert "steps_and_calls" in problem
    assert path.read_text(encoding="utf-8") == before


def test_where_solutions_measure_one_run_gives_both_notebooks(tmp_path, monkeypatch):
    folder = course_with(tmp_path / "course", MEASURING + EXERCISES)
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
    monkeypatch.chdir(folder)
    changed, problems = building.build(jobs=1, stack=STACK)
    assert problems == []
    assert changed == ["notebooks/01_tiny.ipynb: executed", "notebooks/solutions/01_tiny.ipynb: executed"]
    assert evidence.problems(folder) == []
    learner, solutions = (notebook(folder, edition).cells for edition in ("learner", "solutions"))
    assert "recorder.record" not in sources(learner)
    assert "recorder.record" in sources(solutions)
    assert tagged(learner, "uses-answer")[0].outputs == []
    assert tagged(solutions, "uses-answer")[0].outputs[0].text == "a hundred images: (8, 4)\n"
    record = results.read_result(results.result_path(folder, STACK, "01_tiny", 42)).record
    assert set(record["measurements"]) == {"S9.c1", "S9.c2", "S9.c3"}


# --- running them -----------------------------------------------------------------------------------------


def test_solutions_can_be_run_and_measure_nothing(course, capsys):
    shutil.rmtree(course / "results")
    (outcome,) = run(["01"], "quick", 42, 1, edition="solutions")
    assert outcome.passed, outcome.problem
    assert "Right." in outcome.notebook
    assert not (course / "results").exists()
