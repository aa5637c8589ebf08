"""The command line: what it says, and what it returns."""

import os
import subprocess
import sys

import pytest
import small_course

from build_tools import CourseError, current_stack
from build_tools.__main__ import main, parser
from build_tools.execute import read_lesson
from course_utils import data

STACK = current_stack()


@pytest.fixture
def course(tmp_path, monkeypatch):
    folder = small_course.make(tmp_path / "course", _02_bad="# %%\nint('x')")
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
    monkeypatch.chdir(folder)
    for name in ("COURSE_MODE", "COURSE_SEED", "COURSE_DATA", "COURSE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def calls(monkeypatch):
    """What `run` would be called with."""
    seen = []

    def run(*arguments, edition):
        seen.append((*arguments, edition))
        return []

    monkeypatch.setattr("build_tools.execute.run", run)
    return seen


@pytest.mark.parametrize(
    ("arguments", "environment", "mode", "seed"),
    [
        ([], {}, "quick", 42),
        ([], {"COURSE_MODE": "full", "COURSE_SEED": "7"}, "full", 7),
        (["--mode", "quick", "--seed", "3"], {"COURSE_MODE": "full", "COURSE_SEED": "7"}, "quick", 3),
        (["--seed", "0"], {"COURSE_SEED": "7"}, "quick", 0),
    ],
)
def test_flags_win_over_the_environment_and_that_over_defaults(
    course, calls, monkeypatch, capsys, arguments, environment, mode, seed
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "01", *arguments]) == 0
    assert calls[0][1:3] == (mode, seed)
    assert f"{mode} mode, seed {seed}, {STACK} stack, 1 at a time" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "edition"), [([], "measured"), (["--solutions"], "solutions")])
def test_solutions_are_run_when_asked_for(course, calls, given, edition):
    assert main(["run", "01", *given]) == 0
    assert calls[0][-1] == edition


@pytest.mark.parametrize(("given", "expected"), [([], 2), (["--jobs", "1"], 1), (["-j", "99"], 2)])
def test_one_job_per_core_and_never_more_than_lessons(course, calls, monkeypatch, given, expected):
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    main(["run", *given])
    assert calls[0][3] == expected


def test_a_failing_lesson_fails_the_command(course, capfd):
    assert main(["run", "02"]) == 1
    out = capfd.readouterr().out
    assert "02_bad" in out
    assert "FAIL" in out
    assert "ValueError: invalid literal" in out
    assert "0 of 1 passed; failed: 02_bad" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "99"], "error: no lesson matches '99'; there are: 01_tiny, 02_bad"),
        (["reproduce", "nope"], "error: no lesson matches 'nope'"),
        (["build", "nope"], "error: no lesson matches 'nope'"),
        (["data", "fetch", "imagenet"], "error: no data set 'imagenet'; there are: mnist"),
    ],
)
def test_a_wrong_name_is_an_error_in_one_line(course, capsys, arguments, message):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"COURSE_SEED": "x"}, "COURSE_SEED: a seed is a whole number"),
        ({"COURSE_MODE": "fast"}, "got 'fast'"),
    ],
)
def test_a_wrong_environment_is_an_error_too(course, monkeypatch, capsys, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "01"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["run", "--seed", "-1"], ["run", "--jobs", "0"], ["reproduce", "--seeds", "a"], ["go"], []]
)
def test_wrong_flags_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "reproduce", "repeat", "report", "data", "build"])
def test_every_command_has_help_with_examples(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"python -m build_tools {command}" in capsys.readouterr().out.partition("examples:")[2]


def test_the_examples_in_the_help_are_valid(capsys):
    for command in ("run", "reproduce", "repeat", "report", "data", "build"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        for line in capsys.readouterr().out.partition("examples:")[2].strip().splitlines():
            assert parser().parse_args(line.split()[3:]).command == command


def test_outside_a_repository(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 2
    assert "cd into one first" in capsys.readouterr().err


def test_a_dry_run_lists_and_runs_nothing(course, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_MODE", "quick")
    monkeypatch.setattr("build_tools.evidence.measure", lambda *a: pytest.fail("a lesson was run"))
    assert main(["reproduce", "--seeds", "42", "43", "42", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "01_tiny seed 42: no results yet\n01_tiny seed 43: no results yet\n" in out
    assert "2 of 2 runs would run" in out
    # 02_bad claims nothing, and what the environment asks for is not passed over in silence.
    assert "02_bad" not in out
    assert "COURSE_MODE=quick does not count here" in out


def stored(course, **entries):
    lesson = read_lesson(course / "lessons" / "01_tiny.py")
    for seed in (42, 43, 44):
        record = small_course.a_record(lesson, seed, number=1.5 + seed / 1000, modules=lesson.modules)
        small_course.store(course, record | entries)


def test_report_writes_then_checks(course, capsys):
    stored(course)
    assert main(["report", "--check"]) == 1
    assert "RESULTS.md is out of date: python -m build_tools report" in capsys.readouterr().err
    assert not (course / "RESULTS.md").exists()
    assert main(["report"]) == 0
    assert capsys.readouterr().out == "wrote ledger/summary.json\nwrote RESULTS.md\nwrote docs/claims.png\n"
    assert main(["report", "--check"]) == 0
    assert main(["report"]) == 0
    assert capsys.readouterr().out == "nothing changed\n"


def test_report_names_results_of_other_code_and_its_check_fails(course, capsys):
    stored(course, code="0" * 16)
    assert main(["report"]) == 0
    assert capsys.readouterr().err.count("the code of the lesson has changed") == 3
    assert main(["report", "--check"]) == 1
    assert f"on the {STACK} stack: python -m build_tools reproduce 01 --seeds 42" in capsys.readouterr().err


def test_build_check_fails_while_a_notebook_is_missing(course, capsys):
    (course / "lessons" / "02_bad.py").unlink()
    assert main(["build", "--check", "--stack", STACK]) == 1
    assert capsys.readouterr().out == "notebooks/01_tiny.ipynb: new: run it\n"


def test_data_says_where_and_verifies(course, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    assert main(["data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(data.DIGESTS)
    assert all("not here yet" in line for line in lines)
    assert main(["data", "where", "mnist"]) == 0
    assert main(["data", "verify", "mnist"]) == 1
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mnist.npz").write_bytes(b"not a zip")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "folder"))
    capsys.readouterr()
    assert main(["data", "verify", "mnist"]) == 1
    assert "mnist: BROKEN, from COURSE_DATA_DIR" in capsys.readouterr().out


def test_data_fetches_what_it_can_and_fails_for_the_rest(course, monkeypatch, capsys):
    def fetch(name):
        if name == "mnist":
            raise data.DataError("no network")
        return data.DataStatus(name, "the Keras cache", True, "a folder")

    monkeypatch.setattr(data, "fetch", fetch)
    assert main(["data", "fetch"]) == 1
    said = capsys.readouterr()
    assert said.err == "mnist: no network\n"
    assert said.out.splitlines() == [
        f"{name}: verified, from the Keras cache (a folder)" for name in ("fashion_mnist", "cifar10")
    ]
    assert main(["data", "fetch", "cifar10"]) == 0


def test_a_wrong_data_setting_is_an_error(course, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATA", "fake")
    assert main(["data"]) == 2
    assert "COURSE_DATA must be" in capsys.readouterr().err


def test_ctrl_c_is_said_in_one_line(course, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("build_tools.execute.run", interrupted)
    assert main(["run"]) == 130
    assert capsys.readouterr().err == (
        "\nInterrupted: the notebooks named above are whole; run again for the others.\n"
    )


def test_a_missing_extra_says_what_to_install(course):
    # An interpreter in which jupytext cannot be imported, as on Colab.
    (course / "jupytext.py").write_text("raise ModuleNotFoundError('No module', name='jupytext')")
    for command in ("run", "build"):
        done = subprocess.run(
            [sys.executable, "-m", "course_utils", command],
            env={**os.environ, "PYTHONPATH": str(course)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr == (
            'error: running lessons needs jupytext, which is not installed: pip install "course_utils[dev]"\n'
        )


def test_errors_for_people_are_value_errors():
    assert issubclass(CourseError, ValueError)
