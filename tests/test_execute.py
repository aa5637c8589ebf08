"""Running lessons: their kernels, what is kept of them, and what is left when one fails or is killed."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import nbformat
import pytest
import small_course

import course_utils
from build_tools import CourseError, environment
from build_tools.execute import ONE_THREAD, execute, make_task, run, spread
from build_tools.lessons import read_lesson
from course_utils.stack import STACK

ROOT = str(Path(course_utils.__file__).parents[1])

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

seen = {"env": dict(os.environ), "here": os.listdir(), "cwd": str(Path.cwd()), "python": sys.executable}
Path("scratch.txt").touch()
print(json.dumps(seen | {"package": course_utils.__file__}))
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    folder = small_course.make(tmp_path / "course")
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
    monkeypatch.chdir(folder)
    return folder


def lesson_of(folder, text, name="05_more"):
    small_course.write_lesson(folder, text, name)
    return read_lesson(folder / "lessons" / f"{name}.py")


def test_a_run_says_how_each_lesson_went_and_keeps_what_it_got(course, capfd, monkeypatch):
    # Two at a time: everything about one kernel, and about two, in one run.
    small_course.write_lesson(course, BAD, "02_bad")
    monkeypatch.setenv("COURSE_TINY_ORIGIN", "stand-in")
    outcomes = run(jobs=2)
    assert {outcome.name: outcome.passed for outcome in outcomes} == {"01_tiny": True, "02_bad": False}
    said = capfd.readouterr()
    place = f"build/run/{STACK}-quick"
    words = {line.split()[0]: line.split() for line in said.out.splitlines() if line[0] == "0"}
    assert words["01_tiny"][1] == "pass"
    assert " ".join(words["01_tiny"][3:]) == f"{place}/01_tiny.ipynb (no real mnist: stand-in data)"
    assert [*words["02_bad"][1:2], *words["02_bad"][3:]] == ["FAIL", f"{place}/02_bad.ipynb"]
    assert 'cell 3 (int("not a number")): ValueError: invalid literal' in said.out
    assert "WARNING" not in said.err
    cells = nbformat.read(course / place / "02_bad.ipynb", as_version=4).cells
    assert cells[0].outputs[0].text == "as far as here\n"
    assert cells[2].outputs[0].output_type == "error"
    assert cells[3].outputs == []
    executed = nbformat.read(course / place / "01_tiny.ipynb", as_version=4).cells
    assert executed[3].outputs[0].text == "measured\n"
    assert all("execution" not in cell.metadata for cell in executed)
    # A run of its own is no evidence.
    assert not (course / "results").exists()
    (tiny,) = (outcome for outcome in outcomes if outcome.passed)
    assert tiny.record["measurements"]["S9.c3"] == {"holds": True, "worst": 0.001}
    assert (tiny.record["lesson"], tiny.record["mode"], tiny.record["seed"]) == ("01_tiny", "quick", 42)
    assert "course_utils.data" in tiny.record["modules"]
    assert (tiny.record["versions"], tiny.record["cpu"]) == (environment.versions(), environment.cpu_model())
    assert tiny.record["threads"] == {"intra_op": 1, "inter_op": 1, "omp": 1, "cores": os.cpu_count()}


def test_a_kernel_gets_its_own_empty_folder_this_python_and_this_package(course, monkeypatch):
    monkeypatch.setenv("COURSE_MINE", "kept")
    monkeypatch.setenv("COURSE_DATA", "")
    monkeypatch.setenv("COURSE_DATA_DIR", "data")
    monkeypatch.setenv("COURSE_MODE", "quick")
    monkeypatch.setenv("COURSE_RECORD", str(course / "nowhere"))
    monkeypatch.setenv("JUPYTER_PATH", str(course / "jupyter"))
    # A kernel "python3" of another Python, as `ipykernel install --user` leaves them.
    spec = {"argv": ["/no/such/python", "{connection_file}"], "display_name": "x", "language": "python"}
    other = course / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(json.dumps(spec))
    task = make_task(lesson_of(course, LOOKS), mode="full", seed=7, one_thread=True)
    outcome = pickle.loads(pickle.dumps(execute(pickle.loads(pickle.dumps(task)))))
    assert outcome.passed, outcome.problem
    assert outcome.record is None
    seen = json.loads(nbformat.reads(outcome.notebook, as_version=4).cells[0].outputs[0].text)
    expected = {**ONE_THREAD, "COURSE_MODE": "full", "COURSE_SEED": "7", "COURSE_MINE": "kept"}
    expected |= {"PYTHONHASHSEED": "0", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    expected |= {"COURSE_DATA_DIR": str(course / "data")}
    assert {name: seen["env"][name] for name in expected} == expected
    assert "COURSE_DATA" not in seen["env"]  # an empty variable counts as unset
    assert seen["here"] == []
    assert not Path(seen["cwd"]).exists()
    assert seen["python"] == sys.executable
    assert Path(seen["package"]).samefile(course_utils.__file__)
    assert not (course / "nowhere").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_kernel_that_dies_is_a_failure_and_the_next_one_goes_on(course, capsys):
    lessons = [lesson_of(course, KILLED, "01_tiny"), lesson_of(course, "# %%\nx = 1\n")]
    tasks = [make_task(lesson, mode="quick", seed=1, one_thread=True) for lesson in lessons]
    with joblib.parallel_config(backend="threading", n_jobs=2):
        outcomes = {outcome.name: outcome.problem for outcome in spread(tasks, unit="run")}
    assert "cell 1 (import os): the kernel died" in outcomes["01_tiny"]
    assert outcomes["05_more"] == ""
    assert "05_more seed 1  pass" in capsys.readouterr().out


def test_what_is_done_is_kept_when_a_run_is_interrupted(course, monkeypatch):
    small_course.write_lesson(course, BAD, "02_bad")
    kept = []

    def execute(task):
        if kept:
            raise KeyboardInterrupt
        return small_course.an_outcome(task.name)

    monkeypatch.setattr("build_tools.execute.execute", execute)
    tasks = [make_task(lesson_of(course, BAD), mode="quick", seed=seed, one_thread=True) for seed in (1, 2)]
    with pytest.raises(KeyboardInterrupt):
        spread(tasks, 1, kept.append)
    assert len(kept) == 1


def test_an_unknown_mode_is_refused(course):
    with pytest.raises(CourseError, match="mode should be one of quick, full; received 'fast'"):
        run(mode="fast")


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


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)]
)
def test_no_kernel_outlives_the_command(course, jobs, number, code):
    (course / "lessons" / "01_tiny.py").unlink()
    for name in ("03_slow", "04_slow"):
        small_course.write_lesson(course, SLOW, name)
    pids = course / "pids"
    pids.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "build_tools", "run", "--jobs", str(jobs)],
        # What a killed run leaves in the temporary folder goes away with this test's.
        env={**os.environ, "PYTHONPATH": ROOT, "COURSE_PIDS": str(pids), "TMPDIR": str(course)},
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
        assert "Interrupted: the notebooks listed above are complete" in said
        assert "Traceback" not in said
    assert not list(course.rglob("*.tmp"))
    for path in (course / "build").rglob("*.ipynb"):
        nbformat.read(path, as_version=4)


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so after {seconds} seconds"
        time.sleep(0.1)
