"""From lessons to notebooks: what is brought up to date, what is kept and marked, what is refused."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
import small_course

from build_tools import CourseError, evidence, notebooks, report, twice
from build_tools.lessons import read_lesson, select
from course_utils.checks import open_answer
from course_utils.stack import STACK

OTHER = {"addons": "keras3", "keras3": "addons"}[STACK]


FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The small course, built once: its lesson and its solutions executed, its results reported."""
    folder = small_course.make(tmp_path_factory.mktemp("built") / "course")
    small_course.write_lesson(folder, small_course.TINY + small_course.EXERCISES)
    (folder / "ledger" / "verdicts.json").write_text(small_course.VERDICTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_LEDGER", str(folder / "ledger"))
        patch.setattr(notebooks, "SHOWN_STACK", STACK)
        patch.chdir(folder)
        changed, problems = notebooks.build(jobs=2, run=True, stack=STACK)
        report.report()
    assert problems == []
    assert changed == [
        "notebooks/01_tiny.ipynb: new",
        "notebooks/solutions/01_tiny.ipynb: new",
        "notebooks/01_tiny.ipynb: executed",
        "notebooks/solutions/01_tiny.ipynb: executed",
    ]
    return folder


@pytest.fixture
def course(built, tmp_path, monkeypatch):
    """A copy of the built course, in which nothing is executed and git knows one commit."""
    folder = tmp_path / "course"
    shutil.copytree(built, folder)
    shutil.rmtree(folder / "build")
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(notebooks, "SHOWN_STACK", STACK)
    monkeypatch.setattr("build_tools.execute.execute", lambda task: pytest.fail("a lesson was run"))
    monkeypatch.setattr(notebooks, "_committed", lambda path: "abc1234")
    return folder


def path_of(course, edition="learner"):
    return notebooks.notebook_path(course / "notebooks", "01_tiny", edition)


def notebook_of(course, edition="learner"):
    return nbformat.read(path_of(course, edition), as_version=4)


def edit(course, old, new):
    text = (course / "lessons" / "01_tiny.py").read_text(encoding="utf-8")
    assert old in text
    small_course.write_lesson(course, text.replace(old, new))


def in_sync(course, edition="learner"):
    return notebooks.in_sync(course / "lessons" / "01_tiny.py", path_of(course, edition), edition)


def stale():
    return [due.edition for due in notebooks.plan() if due.stale]


def cell_of(course, source, edition="learner"):
    (cell,) = [cell for cell in notebook_of(course, edition).cells if source in cell.source]
    return cell


def tagged(cells, tag):
    return [cell for cell in cells if tag in cell.metadata.get("tags", ())]


def sources(cells):
    return "\n".join(cell.source for cell in cells)


# --- what a built notebook is -----------------------------------------------------------------------------


def test_one_run_yields_notebook_and_evidence(course):
    assert in_sync(course)
    assert in_sync(course, "solutions")
    record = evidence.read_record(evidence.result_path(course, STACK, "01_tiny", 42))
    assert set(record["measurements"]) == {"S9.c1", "S9.c2", "S9.c3"}
    assert notebooks.build() == ([], [])
    assert stale() == []


@pytest.mark.parametrize("edition", ["learner", "solutions"])
def test_a_built_notebook_holds_nothing_of_the_machine_or_the_moment(course, edition):
    text = path_of(course, edition).read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert set(notebook.metadata.language_info) == {"name", "pygments_lexer"}
    assert all(set(cell.metadata) <= {"tags", *FOLDED} for cell in notebook.cells)
    assert "course-" not in text
    assert str(course.parent) not in text
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    counts = [cell.execution_count for cell in notebook.cells if cell.get("execution_count")]
    assert counts == list(range(1, len(counts) + 1))


def test_the_code_of_verdicts_is_folded_away_in_jupyterlab_and_in_colab(course):
    folded = [cell for cell in notebook_of(course).cells if FOLDED.items() <= cell.metadata.items()]
    assert [cell.metadata.tags for cell in folded] == [["verdicts"]]


def test_an_output_that_the_tests_compare_goes_when_its_code_changes(course):
    printed = "print(number)"
    edit(course, 'print("measured")', f'print("measured")\n\n# %% tags=["nbval-check-output"]\n{printed}')
    lesson = read_lesson(course / "lessons" / "01_tiny.py")
    ran = lesson.notebook("learner")
    (cell,) = [cell for cell in ran.cells if cell.source == printed]
    cell.outputs = [nbformat.v4.new_output("stream", text="1.5\n")]
    tables = {"seconds": {}, "stale": [], "times": {}, "verdicts": {"S9": {"head": [], "rows": []}}}

    def built():
        lesson = read_lesson(course / "lessons" / "01_tiny.py")
        cells = notebooks.assemble(lesson, ran, "learner", course, tables).cells
        (cell,) = [cell for cell in cells if cell.source.startswith("print(number")]
        return cell

    assert built().outputs[0].text == "1.5\n"
    edit(course, printed, "print(number + 0)")
    assert built().outputs == []
    assert built().metadata.course == {"code": ""}


def test_a_figures_description_stands_in_the_cell_and_beside_the_picture(built, course):
    drawing = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2])\nplt.show()"
    edit(course, '# %% tags=["figure"]\nprint("a drawing")', f'# %% tags=["figure"] alt="A line."\n{drawing}')
    lesson = read_lesson(course / "lessons" / "01_tiny.py")
    picture = nbformat.v4.new_output("display_data", data={"image/png": "aGk="})
    ran = lesson.notebook("learner")
    for cell in ran.cells:
        if cell.source == drawing:
            cell.outputs = [picture]
    tables = {"seconds": {}, "stale": [], "times": {}, "verdicts": {"S9": {"head": [], "rows": []}}}
    notebook = notebooks.assemble(lesson, ran, "learner", course, tables)
    (cell,) = [cell for cell in notebook.cells if cell.source == drawing]
    assert cell.metadata.mystnb == {"image": {"alt": "A line."}}
    assert cell.outputs[0].metadata == {"image/png": {"alt": "A line."}}
    assert not in_sync(course)
    notebooks.build()
    assert in_sync(course)
    edit(course, 'alt="A line."', 'alt="Another line."')
    assert not in_sync(course)


def test_cell_ids_follow_from_content_and_may_repeat_none(course):
    before = {cell.source: cell.id for cell in notebook_of(course).cells}
    edit(course, "# A lesson.", "# A lesson.\n\n# %% [markdown]\n# Twice.\n\n# %% [markdown]\n# Twice.")
    notebooks.build()
    cells = notebook_of(course).cells
    assert len({cell.id for cell in cells}) == len(cells)
    assert {cell.source: cell.id for cell in cells if cell.source in before} == before


def test_the_two_first_cells_are_for_colab(course):
    badge, install = notebook_of(course).cells[:2]
    link = "https://colab.research.google.com/github/someone/small/blob/main/notebooks/01_tiny.ipynb"
    assert f"]({link})" in badge.source
    assert "A full run took" in badge.source
    assert '%pip install -q "course_utils @ git+https://github.com/someone/small@main"' in install.source
    assert install.metadata.tags == ["colab"]
    assert (install.outputs, install.execution_count) == ([], None)
    assert "# Solutions to lesson 01" in notebook_of(course, "solutions").cells[0].source


@pytest.mark.parametrize("missing", [False, True])
def test_the_install_cell_installs_only_where_the_package_is_missing(course, monkeypatch, capsys, missing):
    from IPython.core.inputtransformer2 import TransformerManager

    installed = []

    class Shell:
        def run_line_magic(self, name, line, *args):
            installed.append((name, line))

    code = TransformerManager().transform_cell(notebook_of(course).cells[1].source)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if missing else "a spec")
    exec(code, {"get_ipython": Shell})
    what = ("pip", 'install -q "course_utils @ git+https://github.com/someone/small@main"')
    assert installed == ([what] if missing else [])
    assert capsys.readouterr().out.count("\n") == int(missing)


def test_another_address_is_stamped_without_a_run(course):
    project = course / "pyproject.toml"
    project.write_text(project.read_text().replace('revision = "main"', 'revision = "v1.0"'))
    assert len(notebooks.build()[0]) == 2
    assert "/blob/v1.0/notebooks/" in path_of(course).read_text()
    assert stale() == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("https://github.com/someone/small", "https://example.org/small", "Repository .*example.org"),
        ("Repository", "Homepage", "Repository should be .* received 'nothing'"),
        ('revision = "main"', "", "revision should be .* received 'nothing'"),
        ('revision = "main"', 'revision = "a b"', "revision should be .* received 'a b'"),
    ],
)
def test_a_missing_address_is_a_clear_error(course, old, new, message):
    project = course / "pyproject.toml"
    project.write_text(project.read_text().replace(old, new))
    with pytest.raises(CourseError, match=message):
        notebooks.address(course)


# --- text and code at once, outputs kept ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# A lesson.", "# Another text."),
        ("# what every lesson sets up", "# all that a lesson sets up"),
        ("from course_utils.data import DIGESTS", "from course_utils.images import (\n    DIGESTS,\n)"),
        (".gauss(0, 0.1)", ".gauss(\n    0,   0.1\n)"),
    ],
    ids=["prose", "comment", "module", "layout"],
)
def test_what_computes_the_same_marks_nothing(course, old, new):
    before = notebook_of(course)
    edit(course, old, new)
    assert not in_sync(course)
    due = notebooks.plan()
    assert [why for _, why in due[0].files.values()] == ["text and code"]
    assert not in_sync(course)  # a plan changes nothing
    assert notebooks.build()[0][0] == "notebooks/01_tiny.ipynb: text and code"
    assert in_sync(course)
    after = notebook_of(course)
    assert [c.get("outputs") for c in after.cells] == [c.get("outputs") for c in before.cells]
    assert "course" not in after.metadata
    assert stale() == []


def test_a_changed_cell_keeps_its_outputs_and_says_so_until_it_is_run(course, monkeypatch):
    before = cell_of(course, 'print("a drawing")')
    edit(course, 'print("a drawing")', 'print("another drawing")')
    assert notebooks.build() == (["notebooks/01_tiny.ipynb: text and code"], [])
    assert in_sync(course)
    cell, notebook = cell_of(course, "another drawing"), notebook_of(course)
    assert cell.outputs == before.outputs
    assert list(cell.metadata.course) == ["code"]
    assert [c.source for c in notebook.cells if "course" in c.metadata] == [cell.source]
    assert notebook.metadata.course.revision == "abc1234"
    assert (
        "> **Outputs from before a change.** The outputs below were made with the code of revision "
        "`abc1234`; the code of 1 cell has changed since."
    ) in notebook.cells[0].source
    assert stale() == ["learner"]
    # A second build changes nothing; the revision stays when the notebook is committed meanwhile.
    monkeypatch.setattr(notebooks, "_committed", lambda path: "def5678")
    assert notebooks.build() == ([], [])
    edit(course, "# A lesson.", "# Another text.")
    edit(course, 'print("measured")', 'print("measured", 1)')
    notebooks.build()
    assert "abc1234`; the code of 2 cells has changed" in notebook_of(course).cells[0].source
    # The report keeps the note, too.
    tables = json.loads(small_course.VERDICTS)
    tables["verdicts"]["S9"]["rows"] = [["S9.c1", "new"]]
    (text,) = notebooks.pending_tables(course, tables).values()
    assert "Outputs from before a change" in text
    # Back as it was: nothing is left of it.
    edit(course, 'print("another drawing")', 'print("a drawing")')
    edit(course, 'print("measured", 1)', 'print("measured")')
    notebooks.build()
    assert "course" not in notebook_of(course).metadata
    assert "Outputs from before" not in notebook_of(course).cells[0].source
    assert stale() == []


def test_a_new_cell_has_no_outputs_and_others_keep_theirs(course):
    outputs = cell_of(course, 'print("measured")').outputs
    edit(course, '# %% tags=["figure"]', '# %%\nsomething = [1, 2]\n\n# %% tags=["figure"]')
    notebooks.build()
    cell = cell_of(course, "something")
    assert (cell.outputs, cell.execution_count, cell.metadata.course.code) == ([], None, "")
    assert cell_of(course, 'print("measured")').outputs == outputs
    assert "1 cell is new and not run yet." in notebook_of(course).cells[0].source
    assert notebooks.build() == ([], [])
    edit(course, "something = [1, 2]", "something = [1, 2, 3]")
    notebooks.build()
    assert "1 cell is new and not run yet." in notebook_of(course).cells[0].source
    assert stale() == ["learner"]


def test_a_cell_that_moved_or_went_is_told_of_as_well(course):
    edit(course, '# %% tags=["figure"]\nprint("a drawing")\n\n', "")
    notebooks.build()
    assert "cells have been removed or moved since" in notebook_of(course).cells[0].source
    edit(course, "# %% [markdown]\n# ## Measure", '# %% tags=["figure"]\nprint("a drawing")\n\n# %%\n1 + 1')
    notebooks.build()
    # Its output is gone with the cell, so it is new now.
    assert "2 cells are new" in notebook_of(course).cells[0].source


def test_a_moved_cell_takes_its_outputs_along(course):
    outputs = cell_of(course, 'print("a drawing")').outputs
    drawing = '# %% tags=["figure"]\nprint("a drawing")\n\n'
    edit(course, drawing, "")
    edit(course, "# %% [markdown]\n# ## Measure", drawing + "# %% [markdown]\n# ## Measure")
    notebooks.build()
    cell = cell_of(course, 'print("a drawing")')
    assert (cell.outputs, "course" in cell.metadata) == (outputs, False)
    assert "cells have been removed or moved since" in notebook_of(course).cells[0].source


def test_a_notebook_never_run_says_so(course):
    path_of(course).unlink()
    assert notebooks.build() == (["notebooks/01_tiny.ipynb: new"], [])
    assert "> **Not run yet.**" in notebook_of(course).cells[0].source
    # What needs no run is there: the table, and what a check says before anything is filled in.
    assert "S9.c1" in str(tagged(notebook_of(course).cells, "verdicts")[0].outputs)
    assert tagged(notebook_of(course).cells, "check")[0].outputs != []


def test_the_revision_is_that_of_the_notebooks_last_commit(tmp_path):
    path = tmp_path / "notebooks" / "01_tiny.ipynb"
    path.parent.mkdir()
    path.write_text("{}")
    assert notebooks._committed(path) == ""  # no repository, or a file that it does not know

    def git(*arguments):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    git("add", "notebooks")
    git("commit", "-qm", "one")
    first = git("rev-parse", "HEAD")
    (tmp_path / "other").touch()
    git("add", "other")
    git("commit", "-qm", "two")
    assert notebooks._committed(path) == first[:7]


def test_edited_exercises_mark_their_notebook_alone_and_leave_measurements_valid(course):
    record = evidence.read_record(evidence.result_path(course, STACK, "01_tiny", 42))
    edit(course, "range(batch_size, images, batch_size)", "np.arange(batch_size, images, batch_size)")
    edit(course, '    """Batches, epoch by epoch."""\n    ...', '    """All batches."""\n    ...')
    edit(course, "batch_orders(100, 32, 2", "batch_orders(10, 32, 2")
    assert evidence.changed(record, read_lesson(course / "lessons" / "01_tiny.py")) == []
    assert len(notebooks.build()[0]) == 2
    assert stale() == ["solutions"]
    assert (
        tagged(notebook_of(course, "solutions").cells, "uses-answer")[0].outputs[0].text.endswith("[4, 4]\n")
    )


def test_both_notebooks_are_held_to_the_text(course):
    edit(course, "The last batch counts", "The last, smaller batch counts")
    assert in_sync(course)
    assert not in_sync(course, "solutions")
    edit(course, "Batches and epochs", "Batches, epochs")
    assert not in_sync(course)
    edit(course, '# %% tags=["figure"]\n', "# %%\n")
    notebooks.build()
    assert in_sync(course)
    assert not notebooks.in_sync(course / "lessons" / "01_tiny.py", course / "none.ipynb")


# --- executed ---------------------------------------------------------------------------------------------


def executed(lesson, edition="measured", **outputs):
    """An executed notebook, as a kernel would give it: cells by the beginning of their last line."""
    notebook = lesson.notebook(edition)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            text = outputs.get(re.sub(r"\W.*", "", cell.source.splitlines()[-1]), "new\n")
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
            cell.metadata.execution = {"shell": "a time"}
            if "check" in cell.metadata.get("tags", ()):
                data = {"text/plain": outputs.get("check", "Right. Yes.")}
                cell.outputs = [nbformat.v4.new_output("execute_result", data=data, execution_count=77)]
    return notebook


def test_a_run_replaces_the_outputs_and_clears_the_marks(course, monkeypatch):
    edit(course, 'print("a drawing")', 'print("another drawing")')
    asked = []

    def measure(lessons, jobs, root):
        asked.extend(lesson.name for lesson in lessons)
        return {lesson.name: executed(lesson) for lesson in lessons}

    monkeypatch.setattr(notebooks, "_measure", measure)
    # The solutions have not changed, so they are not run.
    monkeypatch.setattr(
        notebooks, "_solve", lambda lessons, *others: {} if not lessons else pytest.fail("run")
    )
    changed, problems = notebooks.build(run=True, stack=STACK)
    assert problems == []
    assert changed == ["notebooks/01_tiny.ipynb: text and code", "notebooks/01_tiny.ipynb: executed"]
    assert asked == ["01_tiny"]
    notebook = notebook_of(course)
    assert cell_of(course, "another drawing").outputs[0].text == "new\n"
    assert "course" not in notebook.metadata
    assert not any("course" in cell.metadata for cell in notebook.cells)
    assert "Outputs from before" not in notebook.cells[0].source
    assert "S9.c1" in str(tagged(notebook.cells, "verdicts")[0].outputs)
    assert notebooks.build(run=True, stack=STACK) == ([], [])
    assert asked == ["01_tiny"]


def test_force_runs_what_has_not_changed(course, monkeypatch):
    asked = []
    monkeypatch.setattr(notebooks, "_measure", lambda lessons, *_: asked.append(len(lessons)) or {})
    monkeypatch.setattr(notebooks, "_solve", lambda lessons, *_: asked.append(len(lessons)) or {})
    assert notebooks.build(run=True, force=True, stack=STACK) == ([], [])
    assert asked == [1, 1]


def test_a_run_needs_the_stack_that_notebooks_show_and_text_does_not(course):
    edit(course, 'print("a drawing")', 'print("another drawing")')
    with pytest.raises(CourseError, match=f"01_tiny should run on the {OTHER} stack.*has the {STACK} stack"):
        notebooks.build(run=True, stack=OTHER)
    assert not in_sync(course)
    notebooks.build(stack=OTHER)
    assert in_sync(course)


@pytest.mark.parametrize(
    ("kind", "outputs", "message"),
    [
        ("_measure", "ZeroDivisionError: division by zero", "01_tiny: ZeroDivisionError"),
        (
            "_measure",
            {"print": "at 127 <Line2D at 0x7f00ab>"},
            "shows the memory address <Line2D at 0x7f00ab>",
        ),
        ("_solve", {"check": "Not yet. 7 is not 8."}, 'check("batch_orders") says: Not yet. 7 is not 8.'),
        ("_solve", "its solutions: it failed", "01_tiny: its solutions: it failed"),
    ],
)
def test_what_is_not_fit_to_be_shown_leaves_the_notebook_as_it_was(
    course, monkeypatch, kind, outputs, message
):
    before = {edition: path_of(course, edition).read_text() for edition in ("learner", "solutions")}
    edition = {"_measure": "measured", "_solve": "solutions"}[kind]
    for name in ("_measure", "_solve"):
        monkeypatch.setattr(notebooks, name, lambda *_: {})
    (lesson,) = select()
    answer = outputs if isinstance(outputs, str) else executed(lesson, edition, **outputs)
    monkeypatch.setattr(notebooks, kind, lambda *_: {"01_tiny": answer})
    changed, (problem,) = notebooks.build(run=True, force=True, stack=STACK)
    assert changed == []
    assert message in problem
    assert {e: path_of(course, e).read_text() for e in ("learner", "solutions")} == before


def test_a_run_kept_by_reproduce_is_taken_if_it_is_of_this_code(course, built):
    kept = evidence.kept_notebook(course, STACK, "01_tiny", 42)
    kept.parent.mkdir(parents=True)
    shutil.copy(evidence.kept_notebook(built, STACK, "01_tiny", 42), kept)
    path_of(course).unlink()
    assert notebooks.build() == (["notebooks/01_tiny.ipynb: outputs of the full run in build/"], [])
    assert stale() == []
    path_of(course).unlink()
    notebook = json.loads(kept.read_text())
    notebook["metadata"]["course"]["modules"]["course_utils.data"] = "0" * 16
    kept.write_text(json.dumps(notebook))
    assert notebooks.build() == (["notebooks/01_tiny.ipynb: new"], [])


def test_where_solutions_measure_one_run_gives_both_notebooks(course, monkeypatch):
    small_course.write_lesson(course, small_course.MEASURING + small_course.EXERCISES)
    monkeypatch.setattr(notebooks, "_solve", lambda lessons, *_: {} if not lessons else pytest.fail("run"))
    monkeypatch.setattr(notebooks, "_measure", lambda lessons, *_: {x.name: executed(x) for x in lessons})
    changed, problems = notebooks.build(run=True, stack=STACK)
    assert problems == []
    assert [line.partition(": ")[2] for line in changed] == ["text and code"] * 2 + ["executed"] * 2
    learner, solutions = notebook_of(course).cells, notebook_of(course, "solutions").cells
    assert "lesson.record(" not in sources(learner).replace("def record(", "")
    assert "lesson.record(" in sources(solutions)
    assert tagged(learner, "uses-answer")[0].outputs == []
    assert tagged(solutions, "uses-answer")[0].outputs[0].text == "new\n"
    assert stale() == []


# --- the two notebooks ------------------------------------------------------------------------------------


def test_a_learner_gets_the_cells_to_fill_in_and_no_solution(course):
    cells = notebook_of(course).cells
    assert "rng.permutation" not in sources(cells)
    assert "The last batch counts" not in sources(cells)
    (to_fill_in,) = [cell for cell in tagged(cells, "exercise") if cell.cell_type == "code"]
    assert (to_fill_in.outputs, "nbval-skip" in to_fill_in.metadata.tags) == ([], True)
    (check,) = tagged(cells, "check")
    (output,) = check.outputs
    assert output.data["text/plain"] == repr(open_answer("batch_orders"))
    assert tagged(cells, "uses-answer")[0].outputs == []


def test_the_solutions_hold_the_exercises_solved_and_nothing_else_of_the_lesson(course):
    cells = notebook_of(course, "solutions").cells
    assert "lesson.record" not in sources(cells)
    assert "### 1 · Batches and epochs" in sources(cells)
    assert "The last batch counts" in sources(cells)
    assert [cell for cell in tagged(cells, "exercise") if cell.cell_type == "code"] == []
    assert tagged(cells, "check")[0].outputs[0].data["text/plain"].startswith("Right.")
    assert tagged(cells, "uses-answer")[0].outputs[0].text == "a hundred images: [4, 4]\n"


def test_a_lesson_without_exercises_has_one_notebook(course):
    small_course.write_lesson(course, small_course.TINY)
    assert [due.edition for due in notebooks.plan()] == ["learner"]


# --- outputs ----------------------------------------------------------------------------------------------


def output(kind="stream", **entries):
    return nbformat.v4.new_output(kind, **entries)


@pytest.mark.parametrize(
    ("shown_output", "message"),
    [
        (output(name="stdout", text="fine"), ""),
        (output(name="stderr", text="a warning"), "writes to stderr: 'a warning'"),
        (output("error", ename="ValueError", evalue="x", traceback=[]), "failed: ValueError: x"),
        (output(name="stdout", text="wrote ROOT/file"), "a path of this machine"),
        (output("display_data", data={"text/html": "<p>HOME/x</p>"}), "a path of this machine"),
        (
            output("execute_result", data={"text/plain": "<Line2D at 0x7f00ab>"}),
            "memory address <Line2D at 0x7f00ab>",
        ),
        (output("display_data", data={"image/png": "0x7f00ab"}), ""),
    ],
)
def test_outputs_not_fit_to_be_shown_are_named(tmp_path, shown_output, message):
    text = json.dumps(shown_output).replace("ROOT", str(tmp_path)).replace("HOME", str(Path.home()))
    cell = nbformat.v4.new_code_cell("\nplot(x)", outputs=[nbformat.from_dict(json.loads(text))])
    found = notebooks.output_problems([nbformat.v4.new_markdown_cell("x"), cell], tmp_path)
    assert len(found) == bool(message)
    if message:
        assert found[0].startswith("cell 2 (plot(x)) ")
        assert message in found[0]


def test_an_error_that_a_lesson_means_to_show_may_be_shown(tmp_path):
    error = output("error", ename="ValueError", evalue="x", traceback=[])
    cell = nbformat.v4.new_code_cell("f()", outputs=[error], metadata={"tags": ["raises-exception"]})
    assert notebooks.output_problems([cell], tmp_path) == []


def test_a_damaged_notebook_says_what_to_do(course):
    path_of(course).write_text("{")
    with pytest.raises(
        CourseError, match=r"notebooks/01_tiny.ipynb is not a notebook .* delete it and build"
    ):
        notebooks.build()


@pytest.mark.parametrize("edition", ["learner", "solutions"])
def test_a_cover_is_the_lessons_picture(course, edition):
    """The solutions have it where they are what is measured, as in the last lesson."""
    if edition == "solutions":
        small_course.write_lesson(course, small_course.MEASURING)
        notebooks.build()
    edit(course, 'tags=["figure"]', 'tags=["figure", "cover"]')
    notebook = notebook_of(course, edition)
    (cell,) = [cell for cell in notebook.cells if 'print("a drawing")' in cell.source]
    cell.outputs = [output("display_data", data={"image/png": "cGljdHVyZQ=="})]
    cell.metadata.pop("course", None)  # as if it had been run
    nbformat.write(notebook, path_of(course, edition))
    assert "docs/01_tiny.png: the lesson's cover" in notebooks.build()[0]
    assert (course / "docs" / "01_tiny.png").read_bytes() == b"picture"
    assert notebooks.build() == ([], [])


# --- tables -----------------------------------------------------------------------------------------------


def test_new_verdicts_and_times_change_the_tables_and_nothing_else(course):
    tables = json.loads((course / "ledger" / "verdicts.json").read_text())
    assert notebooks.pending_tables(course, tables) == {}
    before = notebook_of(course)
    tables["verdicts"]["S9"]["rows"] = [["S9.c1", *["new"] * (len(tables["verdicts"]["S9"]["head"]) - 1)]]
    tables["seconds"] = {"01_tiny": {STACK: 754.0}}
    ((path, text),) = notebooks.pending_tables(course, tables).items()
    assert path == path_of(course)
    after = nbformat.reads(text, as_version=4)
    different = [i for i, cell in enumerate(after.cells) if cell != before.cells[i]]
    (table,) = [i for i, cell in enumerate(after.cells) if tagged([cell], "verdicts")]
    assert different == [0, table]
    assert f"*A full run took 13 min on the {STACK} stack, on one CPU core.*" in after.cells[0].source
    assert "new" in after.cells[table].outputs[0].data["text/html"]


def test_a_generated_table_is_what_executing_the_cell_shows():
    from IPython.core.formatters import DisplayFormatter

    from course_utils.verdicts import Table

    table = Table(["Claim", "Verdict"], [["S9.c1", "✓ reproduced"]])
    assert dict(notebooks._value(table).data) == DisplayFormatter().format(table)[0]


@pytest.mark.parametrize("source", ["print(1)", "lesson.verdicts(source)", "lesson.times('x')", "x = 1"])
def test_a_verdicts_cell_that_the_report_cannot_read_is_an_error(source):
    with pytest.raises(CourseError, match="01_tiny: a cell tagged verdicts should end with a call like"):
        notebooks._table("01_tiny", source, json.loads(small_course.VERDICTS))


def test_verdicts_on_a_source_without_any_are_an_error():
    with pytest.raises(CourseError, match="01_tiny: there are no verdicts on 'S8'"):
        notebooks._table("01_tiny", 'lesson.verdicts("S8")', json.loads(small_course.VERDICTS))


# --- the same seed twice ----------------------------------------------------------------------------------


@pytest.fixture
def second(course, monkeypatch):
    """A first record as the tests leave it, and second runs that give what the test asks for."""
    (lesson,) = select()
    record = small_course.a_record(lesson, 42, number=1.5, modules={}) | {"mode": "quick"}
    path = twice.first_record(course, lesson)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record))
    asked = []

    def run(number, other=2.5, problem=""):
        def execute(task):
            asked.append((task.seed, task.env["COURSE_MODE"], task.env["TF_NUM_INTRAOP_THREADS"]))
            value = number if task.seed == 42 else other
            again = small_course.a_record(lesson, task.seed, number=value, modules={})
            return small_course.an_outcome(task.name, task.seed, problem, again)

        monkeypatch.setattr("build_tools.execute.execute", execute)
        return twice.repeat_quick(other_seed=True)

    run.path, run.asked = path, asked
    return run


def test_a_second_run_has_to_agree_to_the_last_bit_and_another_seed_must_not(second):
    assert second(1.5) == ([], 1)
    assert sorted(second.asked) == [(42, "quick", "1"), (43, "quick", "1")]
    problems, _ = second(1.5000000000000002)
    assert problems == ["01_tiny: S9.c1 differs from the first run in number"]
    assert second(1.5, other=1.5) == (["01_tiny: seeds 42 and 43 give the same numbers"], 1)
    assert second(1.5, problem="cell 1: it broke")[0][0] == "01_tiny seed 42: cell 1: it broke"


def test_times_may_differ(second, course):
    claims = course / "ledger" / "claims.toml"
    claims.write_text(claims.read_text().replace('kind = "', 'timing = true\nkind = "'))
    assert second(1.6, other=1.7)[0] == ["01_tiny: seeds 42 and 43 give the same numbers"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "there is no first record build/records/.*; run the tests first"),
        (lambda path: path.write_text("{"), "cannot be used .*; run the tests first"),
        (lambda path: path.write_text("[]"), "cannot be used .*; run the tests first"),
        (lambda path: path.write_text(path.read_text().replace("quick", "full")), "from a run in full mode"),
        (lambda path: os.utime(path, (1, 1)), "is older than the lesson; run the tests first"),
    ],
)
def test_without_a_first_record_the_tests_are_to_be_run(second, damage, message):
    damage(second.path)
    with pytest.raises(CourseError, match=message):
        second(1.5)
    assert second.asked == []


def test_a_record_that_lacks_a_claim_is_no_record(second):
    record = json.loads(second.path.read_text())
    del record["measurements"]["S9.c3"]
    second.path.write_text(json.dumps(record))
    assert "S9.c3 was not recorded" in second(1.5)[0][0]


def test_only_lessons_that_differ_from_a_revision(course, tmp_path, monkeypatch):
    def git(*arguments):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(course), *who, *arguments], capture_output=True, check=True)

    with pytest.raises(CourseError, match="git cannot compare with 'HEAD'"):
        twice.changed_since("HEAD", course)
    git("init", "-q")
    git("add", "lessons")
    git("commit", "-qm", "one")
    assert twice.changed_since("HEAD", course) == set()
    assert twice.repeat_quick(since="HEAD") == ([], 0)
    edit(course, "# A lesson.", "# Another.")
    small_course.write_lesson(course, "# %%\nx = 1\n", "02_new")
    assert twice.changed_since("HEAD", course) == {"01_tiny", "02_new"}
    with pytest.raises(CourseError, match="git cannot compare with '--output=x'"):
        twice.changed_since("--output=x", course)
