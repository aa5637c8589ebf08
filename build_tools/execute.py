"""Lessons run as notebooks, each in a kernel of its own, as many at a time as there are cores.

nbclient runs a notebook and joblib spreads the notebooks over processes, so ``joblib.parallel_config``
carries a run elsewhere (to a Dask cluster, say): `execute` is a plain function of a `Task`, which can be
pickled, and gives back an `Outcome`, which can be too.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from build_tools import CourseError, editions
from build_tools.environment import current_stack
from build_tools.fingerprint import Cell, cell_problems, code_digest, module_digests
from build_tools.record import MODES
from course_utils.files import write_text

try:
    import joblib
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from tqdm import tqdm
except ModuleNotFoundError as error:
    raise CourseError(
        f'running lessons needs {error.name}, which is not installed: pip install "course_utils[dev]"'
    ) from error

# One thread a kernel: what two processes on two cores want, and what makes a measurement independent of how
# many ran beside it.
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}

_KERNEL = {
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    # Figures belong in the notebook, whatever backend the shell asks for.
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}


# The folders that kernels work in, among the system's temporary ones.
_SCRATCH = "course-lesson-"


def repository(start="."):
    """Find the repository that a folder belongs to.

    Parameters
    ----------
    start : path-like, default="."

    Returns
    -------
    pathlib.Path
        The nearest folder upwards that has ``lessons/`` and ``pyproject.toml``.

    Raises
    ------
    CourseError
        If there is none, or if another copy of the package is in use than the repository's own.

    Examples
    --------
    >>> repository().name  # doctest: +SKIP
    'main'
    """
    here = Path(start).resolve()
    for folder in (here, *here.parents):
        if (folder / "lessons").is_dir() and (folder / "pyproject.toml").is_file():
            own, used = folder / "course_utils", Path(__file__).resolve().parent
            if own.is_dir() and own.resolve() != used:
                raise CourseError(
                    f"this repository's package is {own}, but {used} is in use: "
                    "install this one (pip install -e .) or change to the other's repository"
                )
            return folder
    raise CourseError(
        f"{here} is not inside a clone of the course (no lessons/ here or above): cd into one first"
    )


@dataclass(frozen=True)
class Lesson:
    """A lesson's text: its name and its cells, without anything generated.

    One text holds a lesson, its exercises and their solutions; `build_tools.editions` says which of its
    cells stand in which notebook.
    """

    name: str
    path: Path
    text: tuple = field(repr=False)
    raw: tuple = field(repr=False)

    @cached_property
    def cells(self):
        """The cells that are run to measure the lesson's claims."""
        return tuple(cell for cell, *_ in editions.select(self.text, "measured"))

    @cached_property
    def code(self):
        """Digest of the measuring code cells; see `build_tools.fingerprint.code_digest`."""
        return code_digest(self.cells)

    @property
    def modules(self):
        """Digests of the package's modules that the lesson uses, as they are on disk now."""
        return module_digests(self.cells)

    def notebook(self, edition="measured"):
        """Give an edition of the lesson as a notebook without outputs."""
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
        for cell, position, tags in editions.select(self.text, edition):
            new = nbformat.v4.new_code_cell if cell.kind == "code" else nbformat.v4.new_markdown_cell
            metadata = dict(self.raw[position]) | ({"tags": list(tags)} if tags else {})
            notebook.cells.append(new(cell.source, metadata=metadata))
        return notebook


def read_lesson(path):
    """Read a lesson, a jupytext py:percent file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Lesson

    Raises
    ------
    CourseError
        If the file is missing, a code cell is not Python, its tag is unknown, or it measures although its
        tag says that it does not.

    Examples
    --------
    >>> read_lesson("lessons/05_weight_normalization.py").name  # doctest: +SKIP
    '05_weight_normalization'
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CourseError(f"there is no lesson {path}") from None
    cells, raw = [], []
    for cell in jupytext.reads(text, fmt="py:percent").cells:
        if cell.cell_type == "raw":
            continue
        tags = tuple(cell.metadata.get("tags", ()))
        cells.append(Cell(cell.cell_type, cell.source, tags))
        # What is jupytext's own (lines_to_next_cell and the like) concerns the text file only.
        raw.append({key: value for key, value in cell.metadata.items() if key in ("tags", "jupyter")})
    lesson = Lesson(path.stem, path, tuple(cells), tuple(raw))
    try:
        problems = editions.problems(cells) + cell_problems(lesson.cells)
    except CourseError as error:
        raise CourseError(f"{path.name}: {error}") from None
    if problems:
        raise CourseError(f"{path.name}: " + "; ".join(problems))
    return lesson


def select(names=(), root=None):
    """Choose lessons by number, name or the beginning of either.

    Parameters
    ----------
    names : iterable of str
        ``"05"``, ``"weight_normalization"``, ``"05_w"``, ``"lessons/05_weight_normalization.py"``; all
        lessons if there are none.
    root : path-like, optional
        The repository; by default the one around the current folder.

    Returns
    -------
    list of Lesson
        In the order of the course, each once.

    Raises
    ------
    CourseError
        If a name matches no lesson; it lists those there are.

    Examples
    --------
    >>> [lesson.name for lesson in select(["05"])]  # doctest: +SKIP
    ['05_weight_normalization']
    """
    root = Path(root) if root else repository()
    paths = {path.stem: path for path in sorted((root / "lessons").glob("[0-9][0-9]_*.py"))}
    if not paths:
        raise CourseError(f"there are no lessons (NN_slug.py) in {root / 'lessons'}")
    chosen = set() if names else set(paths)
    for name in names:
        wanted = Path(name).name.removesuffix(".py").removesuffix(".ipynb")
        wanted = f"{int(wanted):02d}" if wanted.isdecimal() else wanted
        found = [
            stem for stem in paths if wanted and (stem.startswith(wanted) or stem[3:].startswith(wanted))
        ]
        exact = [stem for stem in found if wanted in (stem, stem[3:])]
        if not found:
            raise CourseError(f"no lesson matches {name!r}; there are: {', '.join(paths)}")
        chosen.update(exact or found)
    return [read_lesson(paths[stem]) for stem in sorted(chosen)]


@dataclass(frozen=True)
class Task:
    """One run of one lesson: everything a process, here or elsewhere, needs to do it."""

    name: str
    seed: int
    notebook: str = field(repr=False)
    env: dict = field(repr=False)
    parent: int


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes
    ----------
    name, seed
        Of the task.
    seconds : float
        From the start of the kernel to its end.
    notebook : str
        The executed notebook as JSON, with the outputs up to the error if there was one.
    problem : str
        What went wrong, and in which cell; empty if nothing did.
    record : str
        What the lesson's recorder wrote, as JSON; empty if it wrote nothing.
    """

    name: str
    seed: int
    seconds: float
    notebook: str = field(repr=False)
    problem: str = ""
    record: str = field(default="", repr=False)

    @property
    def passed(self):
        """Whether every cell ran."""
        return not self.problem


def make_task(lesson, *, mode, seed, one_thread, edition="measured", **env):
    """Describe a run of a lesson.

    Parameters
    ----------
    lesson : Lesson
    mode : {"quick", "full"}
    seed : int
    one_thread : bool
        Whether TensorFlow is held to one thread.
    edition : {"measured", "learner", "solutions"}, default="measured"
        Which of the lesson's cells to run; see `build_tools.editions`.
    **env : str
        Further environment variables for the kernel.

    Returns
    -------
    Task

    Raises
    ------
    CourseError
        If the mode is unknown.

    Examples
    --------
    >>> make_task(lesson, mode="quick", seed=42, one_thread=True)  # doctest: +SKIP
    Task(name='05_weight_normalization', seed=42, parent=…)
    """
    if mode not in MODES:
        raise CourseError(f"mode should be one of {', '.join(MODES)}, got {mode!r}")
    # The kernel works in an empty folder, so it has to be told where the package is.
    package = str(Path(__file__).resolve().parents[1])
    search = os.pathsep.join(part for part in (package, os.environ.get("PYTHONPATH", "")) if part)
    course = {name: value for name, value in os.environ.items() if name.startswith("COURSE_")}
    for name in ("COURSE_LEDGER", "COURSE_DATA_DIR", "COURSE_FIGURES"):
        if course.get(name):
            course[name] = str(Path(course[name]).expanduser().resolve())
    threads = ONE_THREAD if one_thread else {}
    settings = {"COURSE_MODE": mode, "COURSE_SEED": str(seed), "PYTHONPATH": search}
    return Task(
        lesson.name,
        seed,
        nbformat.writes(lesson.notebook(edition)),
        {**course, **_KERNEL, **threads, **settings, **env},
        os.getpid(),
    )


class _Client(NotebookClient):
    """nbclient, with this interpreter as the kernel, and Ctrl-C left to us.

    `folder` is where the kernel's connection file and sockets go; `started` is the cell last begun.
    """

    def __init__(self, notebook, folder, **settings):
        super().__init__(notebook, on_cell_execute=self._note, **settings)
        self.folder = folder
        self.started = None

    def _note(self, cell, cell_index):
        self.started = cell_index

    def create_kernel_manager(self):
        manager = super().create_kernel_manager()
        socket = self.folder / "kernel-ipc-1"
        # Unix limits a socket's path to about a hundred characters.
        if sys.platform != "win32" and len(str(socket)) < 90:
            # Sockets in the run's own folder: no ports that two kernels starting at once could both choose,
            # and nothing that other users of the machine can reach.
            manager.transport = "ipc"
            manager.connection_file = str(self.folder / "kernel.json")
        # A kernel of the same name installed for the user may be another Python; looking nowhere leaves
        # ipykernel's own description of this one.
        manager.kernel_spec_manager.kernel_dirs = []
        return manager

    async def async_start_new_kernel(self, **kwargs):
        # nbclient has just taken over SIGINT and SIGTERM; it would end the kernel and go on waiting for it.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(RuntimeError, ValueError, NotImplementedError):
                loop.remove_signal_handler(number)
        await super().async_start_new_kernel(**kwargs)

    def kill_kernel(self):
        """End the kernel at once; nothing if it has ended already."""
        process = getattr(getattr(self.km, "provisioner", None), "process", None)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(timeout=10)


def execute(task):
    """Run one task in a kernel of its own, in an empty folder that is removed afterwards.

    Parameters
    ----------
    task : Task

    Returns
    -------
    Outcome
        Also when the lesson fails: an error of the lesson is a result here, not an exception.

    Examples
    --------
    >>> execute(make_task(lesson, mode="quick", seed=42, one_thread=True)).passed  # doctest: +SKIP
    True
    """
    _end_with(task.parent)
    notebook = nbformat.reads(task.notebook, as_version=4)
    problem, start = "", time.monotonic()
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, ignore_cleanup_errors=True) as folder:
        work, record = Path(folder) / "work", Path(folder) / "record.json"
        work.mkdir()
        client = _Client(
            notebook,
            Path(folder),
            timeout=None,
            startup_timeout=180,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(work)}},
        )
        env = {
            **os.environ,
            **task.env,
            "COURSE_RECORD_TO": str(record),
            "IPYTHONDIR": str(Path(folder) / "ipython"),
        }
        try:
            client.execute(env=env)
        except CellExecutionError as error:
            problem = f"{_cell_name(notebook, client.started)}: {error.ename}: {error.evalue}".strip()
        except DeadKernelError:
            problem = f"{_cell_name(notebook, client.started)}: the kernel died (out of memory?)"
        except Exception as error:
            problem = f"the notebook could not be run: {type(error).__name__}: {error}"
        finally:
            client.kill_kernel()
        written = record.read_text(encoding="utf-8") if record.exists() else ""
    return Outcome(
        task.name, task.seed, time.monotonic() - start, nbformat.writes(notebook), problem, written
    )


def _cell_name(notebook, index):
    """Name a cell for a person: its number among all cells and its first line of code."""
    if index is None:
        return "before the first cell"
    source = notebook.cells[index].source
    lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return f"cell {index + 1} ({lines[0].strip() if lines else 'empty'})"


def _end_with(parent):
    """Make a worker process end when the process that started it is gone, by kill -9 for instance.

    A worker left alone would finish its lesson first. Its kernel polls for its own parent, the worker, and
    ends a second later.
    """
    if os.getpid() == parent or os.getppid() != parent or getattr(_end_with, "watching", False):
        return

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    _end_with.watching = True
    threading.Thread(target=watch, daemon=True).start()


def spread(tasks, jobs=None, on_outcome=lambda outcome: "", unit="lesson"):
    """Execute tasks, several at a time, with a bar and one line for each as it is done.

    Parameters
    ----------
    tasks : sequence of Task
    jobs : int, optional
        How many processes. By default joblib's choice: what ``joblib.parallel_config`` says, else one.
    on_outcome : callable, optional
        Called with each outcome as it comes, in this process. It may return an `Outcome` to go on with
        instead, and the path to name in the line: ``outcome, path``.
    unit : str, default="lesson"
        What the bar counts.

    Returns
    -------
    list of Outcome
        In the order in which they were done.

    Raises
    ------
    CourseError
        If a worker process was killed from outside.

    Examples
    --------
    >>> spread([make_task(lesson, mode="quick", seed=42, one_thread=True)])  # doctest: +SKIP
    [Outcome(name='05_weight_normalization', seed=42, seconds=6.8, problem='')]
    """
    if not tasks:
        return []
    _sweep()
    from concurrent.futures.process import BrokenProcessPool

    width = max(len(_label(task, unit)) for task in tasks)
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    done = []
    with (
        tqdm(total=len(tasks), unit=unit, dynamic_ncols=True) as bar,
        contextlib.closing(parallel(joblib.delayed(execute)(task) for task in tasks)) as outcomes,
    ):
        try:
            for outcome in outcomes:
                answer = on_outcome(outcome)
                outcome, place = answer if isinstance(answer, tuple) else (outcome, answer)
                done.append(outcome)
                word = "pass" if outcome.passed else "FAIL"
                line = (
                    f"{_label(outcome, unit):{width}}  {word}  {minutes(outcome.seconds):>6}  {place or ''}"
                )
                tqdm.write(line.rstrip(), file=sys.stdout)
                if not outcome.passed:
                    tqdm.write(f"    {outcome.problem}", file=sys.stdout)
                sys.stdout.flush()
                bar.update()
        except BrokenProcessPool as error:
            raise CourseError(
                "a worker process was killed, by the system for want of memory or by someone: "
                "try fewer --jobs"
            ) from error
    return done


def _sweep():
    """Remove the folders of runs that were killed; a week old, so that none is still at work."""
    for leftover in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > 7 * 86_400:
                shutil.rmtree(leftover, ignore_errors=True)


def _label(task, unit):
    return task.name if unit == "lesson" else f"{task.name} seed {task.seed}"


def minutes(seconds):
    """Write seconds as m:ss.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> minutes(7.4), minutes(754)
    ('0:07', '12:34')
    """
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def shown(path):
    """Write a path as seen from the current folder, if it lies below it.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    str

    Examples
    --------
    >>> shown(Path.cwd() / "build" / "run")
    'build/run'
    """
    path = Path(path).resolve()
    with contextlib.suppress(ValueError):
        return path.relative_to(Path.cwd().resolve()).as_posix()
    return path.as_posix()


def run(lessons=(), mode="quick", seed=42, jobs=None, out=None, root=None, edition="measured"):
    """Run lessons, and keep the executed notebooks.

    Parameters
    ----------
    lessons : iterable of str
        As for `select`; none for all.
    mode : {"quick", "full"}, default="quick"
    seed : int, default=42
    jobs : int, optional
        As for `spread`. With more than one, each kernel is held to one thread.
    out : path-like, optional
        Where the executed notebooks go; by default ``build/run/<stack>-<mode>/`` of the repository.
    root : path-like, optional
        The repository; by default the one around the current folder.
    edition : {"measured", "learner", "solutions"}, default="measured"
        Which of the lessons' cells to run; see `build_tools.editions`.

    Returns
    -------
    list of Outcome

    Raises
    ------
    CourseError
        If a lesson or the mode is unknown, or this is no repository.

    Examples
    --------
    >>> run(["05"], mode="quick")  # doctest: +SKIP
    [Outcome(name='05_weight_normalization', seed=42, seconds=6.8, problem='')]
    """
    root = Path(root) if root else repository()
    chosen = select(lessons, root)
    out = Path(out) if out else root / "build" / "run" / f"{current_stack()}-{mode}"
    several = joblib.effective_n_jobs(jobs) > 1
    tasks = [
        make_task(lesson, mode=mode, seed=seed, one_thread=several, edition=edition) for lesson in chosen
    ]

    def keep(outcome):
        place = shown(write_text(out / f"{outcome.name}.ipynb", outcome.notebook + "\n"))
        drawn = _stand_ins(outcome)
        return f"{place}  (no real {', '.join(drawn)}: stand-in data)" if drawn else place

    return spread(tasks, jobs, keep)


def _stand_ins(outcome):
    """Name the data sets of which a run had only a stand-in."""
    data = json.loads(outcome.record)["data"] if outcome.record else {}
    return [name for name, about in data.items() if about["origin"] != "real"]
