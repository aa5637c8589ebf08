"""Running lessons: choosing them, their kernels, and what is left when one fails or is killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import nbformat
import numpy as np
import pytest
import small_course

from build_tools import CourseError, current_stack, evidence, results
from build_tools.execute import (
    ONE_THREAD,
    Outcome,
    execute,
    make_task,
    read_lesson,
    repository,
    run,
    select,
    spread,
)
from course_utils.files import write_text

BAD = """\
# %%
print("as far as here")

# %% [markdown]
# Now it breaks.

# %%
# a comment first
int("not a number")

# %%
print("never")
"""

KILLED = """\
# %%
import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
"""

LOOKS = """\
# %%
import json
import os
import sys
from pathlib import Path

import course_utils

names = ["COURSE_MODE", "COURSE_SEED", "PYTHONHASHSEED", "TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND"]
names += ["TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "COURSE_MINE"]
seen = {name: os.environ.get(name) for name in names}
seen |= {"here": os.listdir(), "cwd": str(Path.cwd()), "python": sys.executable}
Path("scratch.txt").touch()
print(json.dumps(seen | {"package": course_utils.__file__}))
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    folder = small_course.make(tmp_path / "course", _02_bad=BAD)
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
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


def test_another_copy_of_the_package_is_an_error(course):
    (course / "course_utils").mkdir()
    with pytest.raises(CourseError, match="is in use: install this one"):
        repository(course)


def test_a_lesson_is_its_cells_and_tags_without_the_files_header(course):
    lesson = lesson_of(
        course, "# ---\n# jupyter: {}\n# ---\n\n# %% tags=['figure']\nx = 1\n\n# %% [markdown]\n# Hm."
    )
    assert lesson.cells == (("code", "x = 1", ("figure",)), ("markdown", "Hm.", ()))
    assert [cell.metadata for cell in lesson.notebook().cells] == [{"tags": ["figure"]}, {}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# %%\nx = = 1", "05_more.py: cell 1 is not Python"),
        ('# %% tags=["figure"]\nnet.fit(x)', "05_more.py: cell 1 is tagged figure but calls .fit"),
    ],
)
def test_a_lesson_that_cannot_be_trusted_is_refused(course, text, message):
    with pytest.raises(CourseError, match=message):
        lesson_of(course, text)


# --- running ----------------------------------------------------------------------------------------------


def test_a_run_says_how_each_lesson_went_and_keeps_what_it_got(course, capsys):
    outcomes = run(jobs=1)
    assert {outcome.name: outcome.passed for outcome in outcomes} == {"01_tiny": True, "02_bad": False}
    lines = capsys.readouterr().out.splitlines()
    place = f"build/run/{current_stack()}-quick"
    assert [line.split() for line in lines[:2]] == [
        ["01_tiny", "pass", lines[0].split()[2], f"{place}/01_tiny.ipynb"],
        ["02_bad", "FAIL", lines[1].split()[2], f"{place}/02_bad.ipynb"],
    ]
    assert lines[2].strip().startswith('cell 3 (int("not a number")): ValueError: invalid literal')
    cells = nbformat.read(course / place / "02_bad.ipynb", as_version=4).cells
    assert cells[0].outputs[0].text == "as far as here\n"
    assert cells[2].outputs[0].output_type == "error"
    assert cells[3].outputs == []
    executed = nbformat.read(course / place / "01_tiny.ipynb", as_version=4).cells
    assert executed[3].outputs[0].text == "measured\n"
    assert all("execution" not in cell.metadata for cell in executed)
    # A run of its own is no evidence, full or not.
    assert not (course / "results").exists()
    assert sorted(path.name for path in (course / "lessons").iterdir()) == ["01_tiny.py", "02_bad.py"]


def test_a_run_says_where_data_was_only_a_stand_in(course, capsys, monkeypatch):
    run(["01"], root=course)
    assert "stand-in" not in capsys.readouterr().out
    monkeypatch.setenv("COURSE_TINY_ORIGIN", "stand-in")
    (outcome,) = run(["01"], root=course)
    assert outcome.passed
    assert "01_tiny.ipynb  (no real mnist: stand-in data)" in capsys.readouterr().out


def test_a_kernel_gets_its_own_empty_folder_this_python_and_this_package(course, monkeypatch):
    monkeypatch.setenv("COURSE_MINE", "kept")
    monkeypatch.setenv("COURSE_MODE", "quick")
    monkeypatch.setenv("COURSE_RECORD_TO", str(course / "nowhere.json"))
    monkeypatch.setenv("JUPYTER_PATH", str(course / "jupyter"))
    # A kernel "python3" of another Python, as `ipykernel install --user` leaves them.
    spec = {"argv": ["/no/such/python", "{connection_file}"], "display_name": "x", "language": "python"}
    other = course / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(json.dumps(spec))
    lesson = lesson_of(course, LOOKS)
    outcome = execute(make_task(lesson, mode="full", seed=7, one_thread=True))
    assert outcome.passed, outcome.problem
    seen = json.loads(nbformat.reads(outcome.notebook, as_version=4).cells[0].outputs[0].text)
    expected = {**ONE_THREAD, "COURSE_MODE": "full", "COURSE_SEED": "7", "COURSE_MINE": "kept"}
    expected |= {"PYTHONHASHSEED": "0", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    assert {name: seen[name] for name in expected} == expected
    assert seen["here"] == []
    assert not Path(seen["cwd"]).exists()
    assert seen["python"] == sys.executable
    assert Path(seen["package"]).samefile(Path(evidence.__file__).parents[1] / "__init__.py")
    assert not (course / "nowhere.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_kernel_that_dies_is_a_failure_not_a_hang(course):
    outcome = execute(make_task(lesson_of(course, KILLED), mode="quick", seed=1, one_thread=True))
    assert "cell 1 (import os): the kernel died" in outcome.problem


def test_two_at_a_time_in_processes_that_a_joblib_context_chooses(course, capsys):
    lesson = read_lesson(course / "lessons" / "01_tiny.py")
    tasks = [make_task(lesson, mode="full", seed=seed, one_thread=True) for seed in (1, 2)]
    with joblib.parallel_config(backend="threading", n_jobs=2):
        outcomes = spread(tasks, unit="run")
    assert {outcome.seed: outcome.problem for outcome in outcomes} == {1: "", 2: ""}
    assert {json.loads(outcome.record)["seed"] for outcome in outcomes} == {1, 2}
    assert "01_tiny seed 2" in capsys.readouterr().out


def test_what_killed_runs_left_is_removed_after_a_week(course, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(course))
    old, new, other = (course / name for name in ("course-lesson-old", "course-lesson-new", "something-old"))
    for folder in (old, new, other):
        folder.mkdir()
    for folder in (old, other):
        os.utime(folder, (time.time() - 8 * 86_400,) * 2)
    run(["02"], jobs=1)
    assert [folder.exists() for folder in (old, new, other)] == [False, True, True]


def test_an_unknown_mode_is_refused(course):
    with pytest.raises(CourseError, match="mode should be one of quick, full, got 'fast'"):
        run(mode="fast")


# --- reproducing ------------------------------------------------------------------------------------------


def test_reproduce_measures_once_skips_and_goes_on(course, capsys):
    (outcome,) = evidence.reproduce(["01"], [42], jobs=1)
    assert outcome.passed, outcome.problem
    path = results.result_path(course, current_stack(), "01_tiny", 42)
    record = results.read_result(path).record
    assert record["mode"] == "full"
    assert record["threads"] | {"cores": 0} == {"cores": 0, "intra_op": 1, "inter_op": 1, "omp": 1}
    assert evidence.problems(course) == []

    written = path.read_text()
    assert evidence.reproduce(["01"], [42], jobs=1) == []
    assert "0 of 1 runs to do, 1 in results/ already" in capsys.readouterr().out
    assert path.read_text() == written

    path.write_text(written[:-30])  # as a full disk would leave it
    assert evidence.reproduce(["01"], [42, 43], dry_run=True) == []
    said = capsys.readouterr().out
    assert "01_tiny seed 42: results/" in said
    assert "seed42.json is damaged" in said
    assert "01_tiny seed 43: no results yet" in said
    assert "2 of 2 runs would run" in said
    evidence.reproduce(["01"], [42], jobs=1)
    # The same measurement to the last digit.
    assert json.loads(path.read_text())["measurements"] == record["measurements"]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, ""),
        ({"code": "0" * 16}, "code of the lesson has changed"),
        ({"versions": {"python": "3.11.0", "keras": "9.9"}}, "other versions: keras 9.9 there"),
    ],
)
def test_other_code_or_versions_make_a_run_due(course, entries, reason):
    lesson = read_lesson(course / "lessons" / "01_tiny.py")
    record = small_course.a_record(lesson, 42, number=1.0, modules=lesson.modules)
    record["versions"] = evidence.versions()
    small_course.store(course, record | entries)
    said = evidence.to_do(lesson, 42, course)
    assert (reason in said) if reason else said == ""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"COURSE_TINY_ORIGIN", "real"', '"COURSE_TINY_ORIGIN", "stand-in"', "stand-in data"),
        ("mode=mode, stack", 'mode="quick", stack', "quick mode"),
        ('recorder.record("S9.c3", holds=True, worst=0.001)\n', "", "does not measure S9.c3"),
        ("seed=seed", "seed=seed + 1", "it recorded seed 43, and was run for 42"),
        ('digests=DIGESTS["mnist"]', 'digests={"x_train": "0"}', "other mnist data"),
    ],
)
def test_what_is_not_evidence_stays_out_of_results(course, old, new, problem):
    assert old in small_course.TINY
    small_course.write_lesson(course, small_course.TINY.replace(old, new))
    (outcome,) = evidence.reproduce(["01"], [42], jobs=1)
    assert not outcome.passed
    assert problem in outcome.problem
    assert not (course / "results").exists()


def test_a_package_edited_while_a_lesson_ran_is_not_evidence(course):
    # As if a module that it uses had been another one when the run began.
    lesson = read_lesson(course / "lessons" / "01_tiny.py")
    record, problem = evidence._accept(
        outcome_of(lesson, small_course.a_record(lesson, 42, number=1.0, modules={})),
        lesson,
        {**lesson.modules, "course_utils.data": "as it was"},
        current_stack(),
    )
    assert record is None
    assert "package code has changed (course_utils.data)" in problem


def outcome_of(lesson, record):
    return Outcome(lesson.name, record["seed"], 1.0, "{}", record=json.dumps(record))


# --- killed -----------------------------------------------------------------------------------------------

SLOW = """\
# %%
import os
import time
from pathlib import Path

Path(os.environ["COURSE_PIDS"], str(os.getpid())).touch()
time.sleep(120)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    ("jobs", "number", "code"),
    [
        (1, signal.SIGINT, 130),
        (1, signal.SIGKILL, -9),
        pytest.param(2, signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGKILL, -9, marks=pytest.mark.slow),
    ],
)
def test_no_kernel_outlives_the_command(course, jobs, number, code):
    for path in (course / "lessons").iterdir():
        path.unlink()
    for name in ("03_slow", "04_slow"):
        small_course.write_lesson(course, SLOW, name)
    pids = course / "pids"
    pids.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "course_utils", "run", "--jobs", str(jobs)],
        # What a killed run leaves in the temporary folder goes away with this test's.
        env={**os.environ, "COURSE_PIDS": str(pids), "TMPDIR": str(course)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(list(pids.iterdir())) == jobs, 120)
        time.sleep(0.3)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == code, said
        wait_until(lambda: not any(alive(path.name) for path in pids.iterdir()), 20)
    finally:
        for pid in [process.pid, *(int(path.name) for path in pids.iterdir())]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
    if number == signal.SIGINT:
        assert "Interrupted: the notebooks named above are whole" in said
        assert "Traceback" not in said
    assert not list(course.rglob("*.tmp"))
    for path in course.rglob("*.ipynb"):
        nbformat.read(path, as_version=4)


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so after {seconds} seconds"
        time.sleep(0.1)


# --- the same seed twice ----------------------------------------------------------------------------------


def test_a_repeated_run_is_stored_apart_and_compared_to_the_last_bit(course, capsys):
    assert evidence.repeat(["01"], jobs=1) == []
    assert "no run of the present code was made on this processor" in capsys.readouterr().out
    evidence.reproduce(["01"], [42], jobs=1)
    first = results.result_path(course, current_stack(), "01_tiny", 42)
    written = first.read_text()
    (outcome,) = evidence.repeat(["01", "02"], jobs=1)  # 02 claims nothing
    assert outcome.passed, outcome.problem
    assert first.read_text() == written
    second = results.repeat_path(course, current_stack(), "01_tiny", 42)
    assert json.loads(second.read_text())["measurements"] == json.loads(written)["measurements"]
    assert evidence.repeat_problems(course) == evidence.problems(course) == []
    # A run that repeats another counts for nothing else, and is not made a third time.
    assert len(results.read_results(course)[0]) == 1
    assert evidence.repeat(["01"], jobs=1) == []

    record = json.loads(second.read_text())
    record["measurements"]["S9.c1"]["number"] = np.nextafter(record["measurements"]["S9.c1"]["number"], 2)
    second.write_text(json.dumps(record))
    (problem,) = evidence.repeat_problems(course)
    assert "results/repeats" in problem
    assert "S9.c1 differs from the first run in number" in problem
    claims = course / "ledger" / "claims.toml"
    timed = claims.read_text().replace('text = "The number', 'timing = true\ntext = "The number')
    claims.write_text(timed)
    assert evidence.repeat_problems(course) == []  # a time may differ


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"code": "0" * 16}, "the code of the lesson has changed"),
        ({"cpu": "another"}, "on another processor than the run it repeats"),
        ({"versions": {"python": "3.12.1", "keras": "9"}}, "with other versions than the run it repeats"),
        ({"mode": "quick"}, "quick mode"),
        ({"seed": 43}, "holds the run of results/.*/01_tiny/seed43.json"),
    ],
)
def test_a_run_that_repeats_none_of_ours_is_named_and_made_again(course, entries, message):
    evidence.reproduce(["01"], [42], jobs=1)
    record = json.loads(results.result_path(course, current_stack(), "01_tiny", 42).read_text())
    path = results.repeat_path(course, current_stack(), "01_tiny", 42)
    write_text(path, json.dumps(record | entries))
    (problem,) = evidence.repeat_problems(course)
    assert re.search(f"results/repeats/.*{message}", problem)
    if "mode" not in entries and "seed" not in entries:
        assert "python -m build_tools repeat 01" in problem
    (outcome,) = evidence.repeat(["01"], jobs=1)
    assert outcome.passed, outcome.problem
    assert evidence.repeat_problems(course) == []


def test_a_repeat_without_its_first_run_is_named(course):
    lesson = read_lesson(course / "lessons" / "01_tiny.py")
    record = small_course.a_record(lesson, 42, number=1.0, modules=lesson.modules)
    write_text(results.repeat_path(course, record["stack"], "01_tiny", 42), json.dumps(record))
    (problem,) = evidence.repeat_problems(course)
    assert "seed42.json, which is not there; delete it" in problem
