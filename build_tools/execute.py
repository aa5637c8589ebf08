"""Run lessons as notebooks, each in its own kernel, as many at the same time as there are cores.

nbclient runs a notebook, and joblib runs several at a time. Threads are enough, because each only waits for
its kernel. And with threads there is no worker process that could die, or continue after the command: every
kernel is a child of this process, and ipykernel ends a kernel within a second or two after its parent.
`execute` is a plain function of a `Task`. Tasks and outcomes can be pickled, so ``joblib.parallel_config``
can run them elsewhere.
"""

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from build_tools import CourseError, environment
from build_tools.lessons import repository, select
from course_utils.files import write_text
from course_utils.stack import STACK

try:
    import joblib
    import nbformat
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from tqdm import tqdm
except ModuleNotFoundError as error:
    raise CourseError(
        f'running lessons needs {error.name}, which is not installed: pip install "course_utils[dev]"'
    ) from error

MODES = ("quick", "full")

#: One thread for each kernel: the best choice for two kernels on two cores. A measurement then does not
#: depend on the number of parallel runs.
_THREADS = {
    "intra_op": "TF_NUM_INTRAOP_THREADS",
    "inter_op": "TF_NUM_INTEROP_THREADS",
    "omp": "OMP_NUM_THREADS",
}
ONE_THREAD = dict.fromkeys(_THREADS.values(), "1")

#: The environment of every kernel, whatever the shell has.
KERNEL = {
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    # Figures go into the notebook, whatever backend the shell has.
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}


@dataclass(frozen=True)
class Task:
    """One run of one lesson, with everything that is needed to run it here or elsewhere."""

    name: str
    seed: int
    notebook: str = field(repr=False)
    env: dict = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """The result of a task.

    Attributes
    ----------
    name, seed
        Name and seed of the task.
    seconds : float
        From the start of the kernel to its end.
    notebook : str
        The executed notebook as JSON. After an error it has the outputs up to the error.
    problem : str
        What went wrong, and in which cell; empty if nothing did.
    record : dict or None
        What the lesson recorded, with the versions, processor and threads of the run; None if it recorded
        nothing.
    """

    name: str
    seed: int
    seconds: float
    notebook: str = field(repr=False)
    problem: str = ""
    record: dict | None = field(default=None, repr=False)

    @property
    def passed(self):
        """Whether every cell ran."""
        return not self.problem


def make_task(lesson, *, mode, seed, one_thread, edition="measured", **env):
    """Describe a run of a lesson. Further keywords are environment variables of its kernel."""
    if mode not in MODES:
        raise CourseError(f"mode should be one of {', '.join(MODES)}; received {mode!r}")
    # An empty variable counts as one that is not set.
    course = {name: value for name, value in os.environ.items() if name.startswith("COURSE_") and value}
    # The kernel runs in an empty folder, so paths have to be absolute.
    for name in ("COURSE_LEDGER", "COURSE_DATA_DIR", "COURSE_FIGURES"):
        if name in course:
            course[name] = str(Path(course[name]).expanduser().resolve())
    package = str(Path(__file__).resolve().parents[1])
    search = os.pathsep.join(part for part in (package, os.environ.get("PYTHONPATH", "")) if part)
    threads = ONE_THREAD if one_thread else {}
    settings = {"COURSE_MODE": mode, "COURSE_SEED": str(seed), "PYTHONPATH": search}
    return Task(
        lesson.name,
        seed,
        nbformat.writes(lesson.notebook(edition)),
        {**course, **KERNEL, **threads, **settings, **env},
    )


def execute(task):
    """Run one task in its own kernel, in an empty folder that is removed afterwards.

    An error in the lesson is part of the result; it raises no exception.
    """
    notebook = nbformat.reads(task.notebook, as_version=4)
    started, problem = [], []
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="course-lesson-", ignore_cleanup_errors=True) as folder:
        folder = Path(folder)
        (folder / "work").mkdir()
        manager = AsyncKernelManager(
            kernel_name="python3",
            # A kernel "python3" that the user has installed may be another Python. With no folders to search,
            # ipykernel uses this Python.
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
            connection_file=str(folder / "kernel.json"),
        )
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=None,
            startup_timeout=180,
            record_timing=False,
            # ipykernel warns that every kernel listens on ports of this machine.
            extra_arguments=["--log-level=ERROR"],
            coalesce_streams=True,
            shutdown_kernel="immediate",
            on_cell_execute=lambda cell, cell_index: started.append(cell_index),
            resources={"metadata": {"path": str(folder / "work")}},
        )
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COURSE_")},
            **task.env,
            "COURSE_RECORD": str(folder / "record"),
            "IPYTHONDIR": str(folder / "ipython"),
        }

        def work():
            try:
                client.execute(env=env, cleanup_kc=True)
            except CellExecutionError as error:
                problem.append(f"{_cell_name(notebook, started)}: {error.ename}: {error.evalue}".strip())
            except DeadKernelError:
                problem.append(f"{_cell_name(notebook, started)}: the kernel died (out of memory?)")
            except Exception as error:
                problem.append(f"the notebook could not be run: {type(error).__name__}: {error}")

        # In the main thread nbclient handles Ctrl-C: it ends the kernel and continues to wait. In any other
        # thread it does not: Ctrl-C ends this wait, then the command, then its kernels.
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join()
        record = _record(folder / "record" / f"{task.name}.json", env)
    return Outcome(
        task.name, task.seed, time.monotonic() - start, nbformat.writes(notebook), "".join(problem), record
    )


def _record(path, env):
    """Read what a lesson recorded, and add what is known about its process; None if it recorded nothing."""
    if not path.is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    threads = {key: int(env[name]) for key, name in _THREADS.items() if env.get(name, "").isdecimal()}
    return record | {
        "versions": environment.versions(),
        "cpu": environment.cpu_model(),
        "threads": environment.threads() | threads,
    }


def _cell_name(notebook, started):
    """Name the last cell that was started: its number among all cells and its first line of code."""
    if not started:
        return "before the first cell"
    source = notebook.cells[started[-1]].source
    lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return f"cell {started[-1] + 1} ({lines[0].strip() if lines else 'empty'})"


def spread(tasks, jobs=None, on_outcome=lambda outcome: "", unit="lesson"):
    """Execute tasks, several at a time, with a bar, and one line for each finished task.

    Parameters
    ----------
    tasks : sequence of Task
    jobs : int, optional
        How many at a time. By default joblib decides: the value of ``joblib.parallel_config``, otherwise one.
    on_outcome : callable, optional
        Called with each outcome when it is finished, so that it can be stored at once. It may return the path
        to print in the line, or ``outcome, path`` to replace the outcome.
    unit : str, default="lesson"
        What the bar counts.

    Returns
    -------
    list of Outcome
        In the order in which they finished.
    """
    if not tasks:
        return []
    width = max(len(_label(task, unit)) for task in tasks)
    parallel = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator_unordered", batch_size=1)
    done = []
    with (
        tqdm(total=len(tasks), unit=unit, dynamic_ncols=True) as bar,
        contextlib.closing(parallel(joblib.delayed(execute)(task) for task in tasks)) as outcomes,
    ):
        for outcome in outcomes:
            answer = on_outcome(outcome)
            outcome, place = answer if isinstance(answer, tuple) else (outcome, answer)
            done.append(outcome)
            word = "pass" if outcome.passed else "FAIL"
            line = f"{_label(outcome, unit):{width}}  {word}  {minutes(outcome.seconds):>6}  {place or ''}"
            tqdm.write(line.rstrip(), file=sys.stdout)
            if not outcome.passed:
                tqdm.write(f"    {outcome.problem}", file=sys.stdout)
            sys.stdout.flush()
            bar.update()
    return done


def _label(task, unit):
    return task.name if unit == "lesson" else f"{task.name} seed {task.seed}"


def minutes(seconds):
    """Write seconds as m:ss.

    >>> minutes(7.4), minutes(754)
    ('0:07', '12:34')
    """
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def shown(path):
    """Give a path relative to the current folder, if it is inside it."""
    path = Path(path).resolve()
    with contextlib.suppress(ValueError):
        return path.relative_to(Path.cwd().resolve()).as_posix()
    return path.as_posix()


def run(lessons=(), mode="quick", seed=42, jobs=None, out=None, root=None, edition="measured"):
    """Run lessons, and store the executed notebooks in `out`, by default build/run/<stack>-<mode>/.

    If several run at the same time, each kernel uses one thread.
    """
    root = Path(root) if root else repository()
    chosen = select(lessons, root)
    several = joblib.effective_n_jobs(jobs) > 1
    tasks = [
        make_task(lesson, mode=mode, seed=seed, one_thread=several, edition=edition) for lesson in chosen
    ]
    out = _writable(Path(out) if out else root / "build" / "run" / f"{STACK}-{mode}")

    def keep(outcome):
        place = shown(write_text(out / f"{outcome.name}.ipynb", outcome.notebook + "\n"))
        drawn = _stand_ins(outcome)
        return f"{place}  (no real {', '.join(drawn)}: stand-in data)" if drawn else place

    return spread(tasks, jobs, keep)


def _writable(folder):
    """Make a folder, and test that it is writable before an hour of running; otherwise raise a
    CourseError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise CourseError(
            f"{folder} is not writable ({error.strerror}): choose another folder with --out"
        ) from None
    return folder


def _stand_ins(outcome):
    """Name the data sets for which a run had only a stand-in."""
    data = outcome.record["data"] if outcome.record else {}
    return [name for name, about in data.items() if about["origin"] != "real"]
