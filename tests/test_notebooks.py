"""From lessons to notebooks, and from results to tables: what is executed, what is kept, what is refused."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest
import small_course

from build_tools import CourseError, current_stack, evidence, results
from build_tools.execute import read_lesson, shown
from build_tools import notebooks as building
from course_utils.files import write_text

STACK = current_stack()
OTHER = {"addons": "keras3", "keras3": "addons"}[STACK]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The small course, built once: its one lesson executed, its results stored."""
    folder = small_course.make(tmp_path_factory.mktemp("built") / "course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_LEDGER", str(folder / "ledger"))
        patch.chdir(folder)
        changed, problems = building.build(jobs=1, stack=STACK)
        building.report()
    assert problems == []
    assert changed == ["notebooks/01_tiny.ipynb: executed"]
    return folder


@pytest.fixture
def course(built, tmp_path, monkeypatch):
    """A copy of the built course, in which nothing may be executed."""
    folder = tmp_path / "course"
    shutil.copytree(built, folder)
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(evidence, "measure", lambda *args: pytest.fail("a lesson was run"))
    return folder


def notebook_of(course):
    return course / "notebooks" / "01_tiny.ipynb"


def edit(course, old, new):
    text = (course / "lessons" / "01_tiny.py").read_text(encoding="utf-8")
    assert old in text
    small_course.write_lesson(course, text.replace(old, new))


def in_sync(course):
    return building.in_sync(course / "lessons" / "01_tiny.py", notebook_of(course))


# --- what a built notebook is -----------------------------------------------------------------------------


def test_a_build_yields_notebook_and_evidence_in_one_run(course):
    assert in_sync(course)
    record = results.read_result(results.result_path(course, STACK, "01_tiny", 42)).record
    assert set(record["measurements"]) == {"S9.c1", "S9.c2", "S9.c3"}
    assert evidence.problems(course) == []
    assert building.build(stack=STACK) == ([], [])


def test_a_built_notebook_holds_nothing_of_the_machine_or_the_moment(course):
    text = notebook_of(course).read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert set(notebook.metadata.language_info) == {"name", "pygments_lexer"}
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    assert "course-" not in text
    assert str(course.parent) not in text
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    nbformat.validate(notebook)


def test_cell_ids_follow_from_content_and_may_repeat_none(course):
    before = {cell.source: cell.id for cell in nbformat.read(notebook_of(course), 4).cells}
    edit(course, "# A lesson.", "# A lesson.\n\n# %% [markdown]\n# Twice.\n\n# %% [markdown]\n# Twice.")
    building.build(stack=STACK)
    cells = nbformat.read(notebook_of(course), 4).cells
    assert len({cell.id for cell in cells}) == len(cells)
    assert {cell.source: cell.id for cell in cells if cell.source in before} == before


def test_the_two_first_cells_are_for_colab(course):
    badge, install = nbformat.read(notebook_of(course), 4).cells[:2]
    link = "https://colab.research.google.com/github/someone/small/blob/main/notebooks/01_tiny.ipynb"
    assert f"]({link})" in badge.source
    assert '%pip install -q "course_utils @ git+https://github.com/someone/small@main"' in install.source
    assert install.metadata.tags == ["colab"]
    assert (install.outputs, install.execution_count) == ([], None)


@pytest.mark.parametrize("missing", [False, True])
def test_the_install_cell_installs_only_where_the_package_is_missing(course, monkeypatch, capsys, missing):
    from IPython.core.inputtransformer2 import TransformerManager

    installed = []

    class Shell:
        def run_line_magic(self, name, line, *args):
            installed.append((name, line))

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if missing else "a spec")
    code = TransformerManager().transform_cell(nbformat.read(notebook_of(course), 4).cells[1].source)
    exec(code, {"get_ipython": Shell})
    what = ("pip", 'install -q "course_utils @ git+https://github.com/someone/small@main"')
    assert installed == ([what] if missing else [])
    assert capsys.readouterr().out.count("\n") == int(missing)


def test_another_address_is_noticed_and_stamped_without_a_run(course):
    assert building.stamp_problems() == []
    project = course / "pyproject.toml"
    project.write_text(project.read_text().replace('revision = "main"', 'revision = "v1.0"'))
    (problem,) = building.stamp_problems()
    assert (
        "notebooks/01_tiny.ipynb: its Colab cells are not for https://github.com/someone/small@v1.0"
        in problem
    )
    building.build(stack=STACK)
    assert building.stamp_problems() == []
    assert "/blob/v1.0/notebooks/" in notebook_of(course).read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "https://github.com/someone/small",
            "https://example.org/small",
            "Repository should be .*example.org",
        ),
        ("Repository", "Homepage", "Repository should be .* got 'nothing'"),
        ('revision = "main"', "", "revision should be .* got 'nothing'"),
        ('revision = "main"', 'revision = "a b"', "revision should be .* got 'a b'"),
    ],
)
def test_a_missing_address_is_a_clear_error(course, old, new, message):
    project = course / "pyproject.toml"
    project.write_text(project.read_text().replace(old, new))
    with pytest.raises(CourseError, match=message):
        building.address()


# --- what is run again and what is not --------------------------------------------------------------------


def test_prose_is_refreshed_and_outputs_stay(course):
    before = nbformat.read(notebook_of(course), 4)
    edit(course, "# A lesson.", "# Another text.")
    assert not in_sync(course)
    said = ["notebooks/01_tiny.ipynb: text, badge and tables refreshed"]
    assert building.build(check=True, stack=STACK) == (said, [])
    assert not in_sync(course)
    assert building.build(stack=STACK) == (said, [])
    assert in_sync(course)
    after = nbformat.read(notebook_of(course), 4)
    assert [c.get("outputs") for c in after.cells] == [c.get("outputs") for c in before.cells]
    assert "Another text." in after.cells[2].source


def test_prose_is_refreshed_on_either_stack(course):
    edit(course, "# A lesson.", "# Another text.")
    assert len(building.build(stack=OTHER)[0]) == 1
    assert in_sync(course)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('print("a drawing")', 'print("another")'),
        ("gauss(0, 0.1)", "gauss(0, 0.2)"),
        ("# what every", "# all that every"),
        ('# %% tags=["figure"]\n', "# %%\n"),
    ],
)
def test_a_changed_code_cell_is_noticed(course, old, new):
    edit(course, old, new)
    assert not in_sync(course)


def test_changed_code_has_to_run_on_the_right_stack(course):
    edit(course, 'print("a drawing")', 'print("another")')
    said = ["notebooks/01_tiny.ipynb: its code cells differ from the lesson: run it"]
    assert building.build(check=True, stack=STACK) == (said, [])
    with pytest.raises(CourseError, match=f"01_tiny: to be run on the {OTHER} stack.*of the {STACK} stack"):
        building.build(stack=OTHER)


def test_a_run_kept_by_reproduce_is_taken_if_it_is_of_this_code(course):
    notebook_of(course).unlink()
    assert building.build(stack=STACK) == (["notebooks/01_tiny.ipynb: taken from the full run in build/"], [])
    assert in_sync(course)


def test_a_kept_run_of_other_package_code_is_not_taken(course):
    notebook_of(course).unlink()
    kept = evidence.kept_notebook(course, STACK, "01_tiny", 42)
    notebook = json.loads(kept.read_text())
    notebook["metadata"]["course"]["modules"]["course_utils.data"] = "0" * 16
    kept.write_text(json.dumps(notebook))
    assert building.build(check=True, stack=STACK) == (["notebooks/01_tiny.ipynb: new: run it"], [])


def test_redrawing_a_figure_leaves_the_measurement_alone(built, tmp_path, monkeypatch):
    folder = tmp_path / "course"
    shutil.copytree(built, folder)
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
    monkeypatch.chdir(folder)
    path = results.result_path(folder, STACK, "01_tiny", 42)
    before = path.read_text()
    edit(folder, 'print("a drawing")', 'print("another drawing")')
    assert building.build(jobs=1, stack=STACK) == (["notebooks/01_tiny.ipynb: executed"], [])
    assert path.read_text() == before
    assert "another drawing\\n" in notebook_of(folder).read_text()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ('import warnings\nwarnings.warn("old way")', "cell 5 (import warnings) writes to stderr"),
    ],
)
def test_what_fails_or_warns_is_not_built(built, tmp_path, monkeypatch, line, message):
    folder = tmp_path / "course"
    shutil.copytree(built, folder)
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
    monkeypatch.chdir(folder)
    before = notebook_of(folder).read_text()
    edit(folder, 'print("a drawing")', line)
    changed, problems = building.build(jobs=1, stack=STACK)
    assert changed == []
    assert len(problems) == 1
    assert message in problems[0]
    assert notebook_of(folder).read_text() == before


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
def test_outputs_not_fit_to_be_shown_are_named(course, shown_output, message):
    text = json.dumps(shown_output).replace("ROOT", str(course)).replace("HOME", str(Path.home()))
    cell = nbformat.v4.new_code_cell("\nplot(x)", outputs=[nbformat.from_dict(json.loads(text))])
    found = building.output_problems([nbformat.v4.new_markdown_cell("x"), cell], course)
    assert len(found) == bool(message)
    if message:
        assert found[0].startswith("cell 2 (plot(x)) ")
        assert message in found[0]


def test_an_error_that_a_lesson_means_to_show_may_be_shown(course):
    error = output("error", ename="ValueError", evalue="x", traceback=[])
    cell = nbformat.v4.new_code_cell("f()", outputs=[error], metadata={"tags": ["raises-exception"]})
    assert building.output_problems([cell], course) == []


def test_a_damaged_notebook_says_what_to_do(course):
    notebook_of(course).write_text("{")
    with pytest.raises(CourseError, match=r"notebooks/01_tiny.ipynb is no notebook .* delete it and build"):
        building.build(stack=STACK)


# --- the report -------------------------------------------------------------------------------------------


def more_seeds(course, *numbers):
    lesson = read_lesson(course / "lessons" / "01_tiny.py")
    modules = lesson.modules
    for seed, number in enumerate(numbers, 43):
        small_course.store(course, small_course.a_record(lesson, seed, number=number, modules=modules))


def test_after_a_report_nothing_is_stale(course):
    assert building.stale() == []
    assert building.report() == []


def test_the_report_writes_summary_page_and_tables(course):
    more_seeds(course, 1.45, 1.55)
    files = ["ledger/summary.json", "RESULTS.md", "notebooks/01_tiny.ipynb", "docs/claims.png"]
    assert building.stale() == files
    assert building.stale() == files  # looking changes nothing
    assert building.report() == files
    assert building.stale() == []
    assert "✓ reproduced" in (course / "RESULTS.md").read_text(encoding="utf-8")
    (table_output,) = nbformat.read(notebook_of(course), 4).cells[-1].outputs
    assert table_output.data["text/plain"] == repr(ledger.verdicts("S9"))
    assert "✓ reproduced" in table_output.data["text/html"]
    assert building.build(stack=STACK) == ([], [])


def test_one_number_in_results_changes_tables_and_nothing_else(course):
    more_seeds(course, 1.45, 1.55)
    building.report()
    before = nbformat.read(notebook_of(course), 4)
    everything = {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}
    path = results.result_path(course, STACK, "01_tiny", 43)
    record = json.loads(path.read_text())
    record["measurements"]["S9.c1"]["number"] = 1.46
    path.write_text(json.dumps(record))
    building.report()
    changed = {p for p, content in everything.items() if p.read_bytes() != content}
    expected = {
        "ledger/summary.json",
        "RESULTS.md",
        "notebooks/01_tiny.ipynb",
        "docs/claims.png",
        path.relative_to(course).as_posix(),
    }
    assert {shown(p) for p in changed} == expected
    after = nbformat.read(notebook_of(course), 4)
    assert after.cells[:-1] == before.cells[:-1]
    assert after.cells[-1].outputs != before.cells[-1].outputs


def test_a_refreshed_table_is_what_executing_the_cell_shows(course):
    # The build executed the cell before there were results; refresh to that state and compare.
    executed = nbformat.read(evidence.kept_notebook(course, STACK, "01_tiny", 42), 4).cells[-1]
    assert executed.outputs[0].output_type == "execute_result"
    (course / "ledger" / "summary.json").unlink()
    notebook = nbformat.read(notebook_of(course), 4)
    assert notebook.cells[-1].outputs != executed.outputs
    refreshed = building._refreshed("01_tiny", notebook).cells[-1]
    assert refreshed.outputs == executed.outputs


def test_a_verdicts_cell_that_the_report_cannot_read_is_an_error(course):
    path = notebook_of(course)
    write_text(path, path.read_text().replace(r"ledger.verdicts(\"S9\")", r"source = 'S9'\nprint(source)"))
    with pytest.raises(CourseError, match="01_tiny: a cell tagged verdicts should end with a call like"):
        building.stale()


def test_the_report_keeps_the_readme_up_to_date(course):
    readme = course / "README.md"
    readme.write_text(
        "<!-- findings -->\n<!-- /findings -->\n<!-- time -->\n<!-- /time -->\n", encoding="utf-8"
    )
    assert "README.md" in building.stale()
    building.report()
    assert "3 claims of 1 sources" in readme.read_text(encoding="utf-8")
    assert building.stale() == []
    readme.write_text(readme.read_text(encoding="utf-8").replace("3 claims", "4 claims"), encoding="utf-8")
    assert building.stale() == ["README.md"]


def test_times_are_refreshed_as_well(course):
    path = notebook_of(course)
    write_text(path, path.read_text().replace(r"ledger.verdicts(\"S9\")", "ledger.times()"))
    building.report()
    assert "01_tiny" in nbformat.read(path, 4).cells[-1].outputs[0].data["text/plain"]


def test_the_report_writes_nothing_while_a_result_is_damaged(course):
    more_seeds(course, 1.45, 1.55)
    results.result_path(course, STACK, "01_tiny", 44).write_text("{")
    everything = {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}
    with pytest.raises(CourseError, match=r"seed44\.json is damaged"):
        building.report()
    assert {path: path.read_bytes() for path in course.rglob("*") if path.is_file()} == everything
