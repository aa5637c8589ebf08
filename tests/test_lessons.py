"""A lesson's text: choosing lessons, which cell stands in which notebook, and digests of code."""

import subprocess
import sys

import pytest
import small_course

from build_tools import CourseError
from build_tools.lessons import (
    EDITIONS,
    Cell,
    cell_problems,
    cells_of,
    code_digest,
    digest,
    module_digests,
    read_lesson,
    repository,
    select,
)

BAD = "# %%\nint('x')\n"


@pytest.fixture
def course(tmp_path, monkeypatch):
    folder = small_course.make(tmp_path / "course", _02_bad=BAD)
    monkeypatch.chdir(folder)
    return folder


def lesson_of(folder, text, name="05_more"):
    small_course.write_lesson(folder, text, name)
    return read_lesson(folder / "lessons" / f"{name}.py")


# --- choosing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ["01_tiny", "02_bad", "11_tiny_again"]),
        (["01"], ["01_tiny"]),
        (["1"], ["01_tiny"]),
        (["tiny"], ["01_tiny"]),
        (["tin"], ["01_tiny", "11_tiny_again"]),
        (["02_b", "01"], ["01_tiny", "02_bad"]),
        (["lessons/02_bad.py", "02"], ["02_bad"]),
        (["notebooks/11_tiny_again.ipynb"], ["11_tiny_again"]),
    ],
)
def test_lessons_by_number_name_or_beginning(course, names, expected):
    small_course.write_lesson(course, small_course.TINY, "11_tiny_again")
    assert [lesson.name for lesson in select(names)] == expected


@pytest.mark.parametrize("name", ["99", "nothing", "", "1_"])
def test_an_unknown_lesson_lists_those_there_are(course, name):
    with pytest.raises(CourseError, match=f"no lesson matches '{name}'; there are: 01_tiny, 02_bad"):
        select([name])


def test_outside_a_repository_the_error_says_where_to_go(tmp_path):
    with pytest.raises(CourseError, match="not inside a clone of the course"):
        repository(tmp_path)


def test_inside_a_repository_any_folder_will_do(course):
    (course / "lessons" / "deep").mkdir()
    assert repository(course / "lessons" / "deep") == course


@pytest.mark.parametrize("package", ["course_utils", "build_tools"])
def test_another_copy_of_a_package_is_an_error(course, package):
    (course / package).mkdir()
    with pytest.raises(CourseError, match="is in use: install this one"):
        repository(course)


def test_a_lesson_is_its_cells_and_tags_without_the_files_header(course):
    lesson = lesson_of(
        course, "# ---\n# jupyter: {}\n# ---\n\n# %% tags=['figure']\nx = 1\n\n# %% [markdown]\n# Hm."
    )
    assert lesson.cells == (Cell("code", "x = 1", ("figure",)), Cell("markdown", "Hm."))
    assert [cell.metadata for cell in lesson.notebook().cells] == [{"tags": ["figure"]}, {}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# %%\nx = = 1", "05_more.py: cell 1 is not Python"),
        ('# %% tags=["figure"]\nnet.fit(x)', "05_more.py: cell 1 is tagged figure but calls fit"),
    ],
)
def test_a_lesson_that_cannot_be_trusted_is_refused(course, text, message):
    with pytest.raises(CourseError, match=message):
        lesson_of(course, text)


def test_a_lesson_that_cannot_be_read_is_a_clear_error(course):
    with pytest.raises(CourseError, match=r"there is no lesson .*09_none\.py"):
        read_lesson(course / "lessons" / "09_none.py")
    (course / "lessons" / "06_folder.py").mkdir()
    with pytest.raises(CourseError, match=r"06_folder\.py cannot be read: Is a directory"):
        select(["06"])
    (course / "lessons" / "07_latin.py").write_bytes("# %%\nx = 'é'".encode("latin-1"))
    with pytest.raises(CourseError, match=r"07_latin\.py cannot be read"):
        select(["07"])


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
        ("code", "predict", {"learner", "solutions"}),
        ("code", "record", {"measured", "learner"}),
        ("code", "needed", {"measured", "learner", "solutions"}),
    ],
)
def test_a_tag_says_in_which_editions_a_cell_stands(kind, tag, where):
    cell = Cell(kind, "x", (tag,) if tag else ())
    assert {edition for edition in EDITIONS if cells_of([cell], edition)} == where


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
        for edition in EDITIONS
        if cell in [chosen for chosen, _ in cells_of([recording, cell], edition)]
    }
    assert found == where


@pytest.mark.parametrize(
    ("tag", "edition", "expected"),
    [
        ("exercise", "learner", ("exercise", "nbval-skip")),
        ("uses-answer", "learner", ("uses-answer", "nbval-skip")),
        ("uses-answer", "solutions", ("uses-answer",)),
        ("predict", "learner", ("predict", "nbval-skip")),
        ("predict", "solutions", ("predict",)),
        ("check", "learner", ("check", "nbval-check-output")),
        ("check", "solutions", ("check", "nbval-check-output")),
    ],
)
def test_nbval_skips_what_is_not_filled_in_and_compares_what_checks_say(tag, edition, expected):
    ((_, tags),) = cells_of([Cell("code", "x", (tag,))], edition)
    assert tags == expected


def test_an_unknown_edition_is_an_error():
    with pytest.raises(CourseError, match="one of measured, learner, solutions; received 'teacher'"):
        cells_of([], "teacher")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('tags=["check"]', 'tags=["chek"]', r"05_more.py: .*'chek', which means nothing"),
        (
            '# %% tags=["solution"]\ndef',
            "# %%\ndef",
            "to be filled in, and no solution follows before the check",
        ),
    ],
)
def test_tags_that_make_no_sense_are_refused(course, old, new, message):
    assert old in small_course.EXERCISES
    with pytest.raises(CourseError, match=message):
        lesson_of(course, small_course.EXERCISES.replace(old, new))


# --- digests -----------------------------------------------------------------------------------------

SOURCE = '''\
"""What it is."""
import os

def half(x):
    """Halve it."""
    if x:  # not for 0
        return f"{x / 2:.3f} of {x!r}"

    return """a

    text"""
'''


def code(source):
    return code_digest([Cell("code", source)])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Halve it.", "Give one half."),
        ('    """Halve it."""\n', ""),
        ('"""What it is."""\n', ""),
        ("# not for 0", "# never for 0"),
        ("  # not for 0", ""),
        ("import os\n", "import os\n\n\n# and then\n"),
        ("\n\n    return", "\n    return"),
        ("(x):\n", "(\n    x\n):\n"),
    ],
)
def test_comments_docstrings_and_layout_keep_the_digest(old, new):
    assert old in SOURCE
    assert code(SOURCE.replace(old, new)) == code(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x / 2", "x / 3"),
        (":.3f", ":.4f"),
        ("!r", "!s"),
        (" of ", " Of "),
        ("a\n\n    text", "a\n    text"),
        ("\n    return", "\n        return"),
        ("import os", "import io"),
    ],
)
def test_a_changed_token_changes_the_digest(old, new):
    assert old in SOURCE
    assert code(SOURCE.replace(old, new)) != code(SOURCE)


def test_a_string_that_is_used_is_no_docstring():
    assert code('x = "a"') != code('x = "b"')
    assert code('print("a")') != code('print("b")')
    assert code('f"{print(1)}"') != code('f"{print(2)}"')


def test_the_digest_is_the_same_on_every_python():
    # Computed once; 3.12 changed how f-strings are split into tokens, and tests run on both sides of it.
    assert code(SOURCE) == "f745ad481fed45fd"


def test_indentation_counts_by_depth_only():
    assert code("if a:\n  b\n  c") == code("if a:\n    b\n    c")
    assert code("if a:\n    b\n    c") != code("if a:\n    b\nc")


def test_prose_and_silent_cells_do_not_count_and_splitting_a_cell_neither():
    base = [Cell("code", "a = 1\nb = 2")]
    assert code_digest([Cell("code", "a = 1"), Cell("markdown", "Hm."), Cell("code", "b = 2")]) == (
        code_digest(base)
    )
    for tag in ("figure", "colab", "verdicts", "check"):
        assert code_digest([*base, Cell("code", "c", (tag,))]) == code_digest(base)
    assert code_digest([*base, Cell("code", "c", ("other",))]) != code_digest(base)


def test_ipython_lines_are_understood():
    assert code("%matplotlib inline\na = 1") != code("%matplotlib agg\na = 1")
    assert code("%matplotlib inline  \na = 1") != code("a = 1")
    with pytest.raises(CourseError, match="cell 1 is not Python"):
        code("a = = 1")


@pytest.mark.parametrize(
    "call", ["model.fit(x)", "fit(net, x)", "net.compile('sgd')", "lesson.record('S1.c1')", "m.evaluate(x)"]
)
def test_a_figure_cell_that_measures_is_rejected(call):
    cells = [Cell("code", "x = 1"), Cell("code", f"if x:\n    y = {call}", ("figure",))]
    (problem,) = cell_problems(cells)
    assert problem.startswith("cell 2 is tagged figure but calls ")
    assert cell_problems([Cell("code", call)]) == []


def test_a_figure_cell_that_hands_values_on_is_rejected():
    figure = Cell("code", "import math\nlr = 0.1\nfig = draw(lr)", ("figure",))
    assert cell_problems([figure, Cell("code", "fig.save()", ("figure",))]) == []
    (problem,) = cell_problems([figure, Cell("code", "train(lr, math.pi)")])
    assert "sets lr, which" in problem


def test_modules_are_digested_as_they_are_on_disk(monkeypatch, tmp_path):
    files = {"__init__.py": "", "one.py": "x = 1  # one", "pieces/__init__.py": "", "pieces/two.py": "y = 2"}
    for name, text in files.items():
        (tmp_path / "course_utils" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "course_utils" / name).write_text(text)
    monkeypatch.setattr("course_utils.__file__", str(tmp_path / "course_utils" / "__init__.py"))
    names = ["course_utils", "course_utils.one", "course_utils.pieces", "course_utils.pieces.two"]
    found = module_digests([*names, "course_utils.gone"])
    assert list(found) == names
    assert found["course_utils.one"] == digest("x = 1") != found["course_utils.pieces.two"]


def test_reading_lessons_loads_no_tensorflow():
    code = "import sys, build_tools.__main__, build_tools.notebooks; print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
