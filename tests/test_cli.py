"""The command line: what it says, and what it returns."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import small_course

import build_tools
from build_tools import CourseError
from build_tools.__main__ import main, parser
from course_utils.stack import STACK

ROOT = str(Path(build_tools.__file__).parents[1])
COMMANDS = ["run", "build", "reproduce", "repeat", "report"]


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
        ([], {"COURSE_MODE": "", "COURSE_SEED": ""}, "quick", 42),
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


def test_a_failing_lesson_fails_the_command(course, monkeypatch, capsys):
    outcomes = [small_course.an_outcome("01_tiny"), small_course.an_outcome("02_bad", problem="ValueError")]
    monkeypatch.setattr("build_tools.execute.run", lambda *arguments, edition: outcomes)
    assert main(["run"]) == 1
    assert "1 of 2 passed; failed: 02_bad" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "99"], "error: no lesson matches '99'; there are: 01_tiny, 02_bad"),
        (["reproduce", "nope"], "error: no lesson matches 'nope'"),
        (["build", "nope"], "error: no lesson matches 'nope'"),
        (["repeat", "--quick", "nope"], "error: no lesson matches 'nope'"),
        (["repeat", "--since", "main"], "error: --since and --other-seed need --quick"),
        (["build", "--force"], "error: --force needs --run: add --run, or leave --force out"),
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
        ({"COURSE_SEED": "x"}, "COURSE_SEED: a seed should be a whole number"),
        ({"COURSE_MODE": "fast"}, "received 'fast'"),
    ],
)
def test_a_wrong_environment_is_an_error_too(course, monkeypatch, capsys, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "01"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--seed", "-1"],
        ["run", "--seed", "²"],
        ["run", "--jobs", "0"],
        ["data"],
        ["reproduce", "--seeds", "a"],
        ["go"],
        [],
    ],
)
def test_wrong_flags_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"python -m build_tools {command}" in capsys.readouterr().out.partition("examples:")[2]


def test_the_examples_in_the_help_are_valid(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        for line in capsys.readouterr().out.partition("examples:")[2].strip().splitlines():
            assert parser().parse_args(line.split()[3:]).command == command


def test_outside_a_repository(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 2
    assert "change to one with cd" in capsys.readouterr().err


def test_a_dry_run_lists_and_runs_nothing(course, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_MODE", "quick")
    monkeypatch.setattr("build_tools.evidence.measure", lambda *a: pytest.fail("a lesson was run"))
    assert main(["reproduce", "--seeds", "42", "43", "42", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "01_tiny seed 42: no results yet\n01_tiny seed 43: no results yet\n" in out
    assert "2 of 2 runs would run" in out
    # 02_bad claims nothing, and what the environment asks for is not passed over in silence.
    assert "02_bad" not in out
    assert "COURSE_MODE=quick is ignored" in out


def test_report_passes_on_what_there_is_to_say(course, monkeypatch, capsys):
    # What the report writes and finds is test_report's.
    monkeypatch.setattr("build_tools.report.report", lambda: ["RESULTS.md"])
    monkeypatch.setattr("build_tools.report.out_of_step", lambda: ["RESULTS.md"])
    monkeypatch.setattr("build_tools.report.stale_records", lambda: ["01_tiny, seeds 42"])
    monkeypatch.setattr("build_tools.report.release_problems", lambda: ["too few seeds"])
    assert main(["report"]) == 0
    assert capsys.readouterr().out == "wrote RESULTS.md\n"
    assert main(["report", "--check"]) == 1
    assert capsys.readouterr().err == "RESULTS.md is out of date: python -m build_tools report\n"
    assert main(["report", "--stale"]) == 0  # shown, and no error
    assert capsys.readouterr().out == "01_tiny, seeds 42\n"
    assert main(["report", "--release"]) == 1
    assert capsys.readouterr().err == "too few seeds\n"
    monkeypatch.setattr("build_tools.report.report", lambda: [])
    monkeypatch.setattr("build_tools.report.release_problems", lambda: [])
    assert main(["report"]) == main(["report", "--release"]) == 0
    assert capsys.readouterr().out == "nothing changed\n"


def test_build_says_what_is_due_and_its_check_writes_nothing(course, capsys):
    (course / "lessons" / "02_bad.py").unlink()
    (course / "ledger" / "verdicts.json").write_text(small_course.VERDICTS)
    said = (
        "notebooks/01_tiny.ipynb: new\n"
        "some outputs come from earlier code: python -m build_tools build 01 --run\n"
    )
    assert main(["build", "--check"]) == 1
    assert capsys.readouterr().out == said
    assert not (course / "notebooks").exists()
    assert main(["build"]) == 0
    assert capsys.readouterr().out == said
    # Outputs of earlier code are no error.
    assert main(["build", "--check"]) == 0
    assert capsys.readouterr().out == said.partition("\n")[2]


# --- files that the user named, or that cannot be written ---------------------------------------------------


@pytest.mark.parametrize("out", ["a_file", "a_file/below", "x" * 300])
def test_a_folder_that_cannot_be_is_a_sentence_before_anything_runs(course, monkeypatch, capsys, out):
    monkeypatch.setattr("build_tools.execute.execute", lambda task: pytest.fail("a lesson was run"))
    (course / "a_file").touch()
    assert main(["run", "01", "--out", out]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {out} is not writable (")
    assert said.endswith("): choose another folder with --out\n")


def test_a_clone_that_cannot_be_written_to_is_a_sentence(course, monkeypatch, capsys):
    def full(*arguments, **options):
        raise OSError(30, "Read-only file system", "build/run")

    (course / "ledger" / "verdicts.json").write_text(small_course.VERDICTS)
    monkeypatch.setattr("pathlib.Path.mkdir", full)
    for command, place in [("run", str(course / "build" / "run")), ("build", "build/run")]:
        assert main([command, "01"]) == 2
        said = capsys.readouterr().err
        assert place in said
        assert "Read-only file system" in said
        assert said.count("\n") == 1


def test_a_folder_that_was_removed_under_the_shell_is_a_sentence(course, monkeypatch, capsys):
    (course / "gone").mkdir()
    monkeypatch.chdir(course / "gone")
    (course / "gone").rmdir()
    assert main(["build"]) == 2
    assert capsys.readouterr().err == "error: the current folder: No such file or directory\n"


def test_ctrl_c_is_said_in_one_line(course, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("build_tools.execute.run", interrupted)
    assert main(["run"]) == 130
    assert capsys.readouterr().err == (
        "\nInterrupted: the notebooks listed above are complete; run the command again for the others.\n"
    )


def test_a_missing_extra_says_what_to_install(course):
    # An interpreter in which jupytext cannot be imported, as on Colab.
    (course / "jupytext.py").write_text("raise ModuleNotFoundError('No module', name='jupytext')")
    code = """
import runpy, sys
for command in ("run", "build"):
    sys.argv = ["build_tools", command]
    try:
        runpy.run_module("build_tools", run_name="__main__")
    except SystemExit as done:
        print(done.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(course), ROOT])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "2\n2\n", done.stderr
    sentence = 'running lessons needs jupytext, which is not installed: pip install "course_utils[dev]"'
    assert done.stderr == 2 * f"error: {sentence}\n"


def test_errors_for_people_are_value_errors():
    assert issubclass(CourseError, ValueError)
