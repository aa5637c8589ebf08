"""The same seed twice, in quick mode: first in the tests, which run every notebook, then here.

The tests store the record of each notebook in build/records/<stack>/. A second run has to give the same
measurements to the last bit, except times. ``python -m build_tools repeat`` does the same in full mode.
"""

import json
import subprocess
from pathlib import Path

from build_tools import CourseError, evidence
from build_tools.claims import load_claims
from build_tools.execute import make_task, shown, spread
from build_tools.lessons import repository, select
from course_utils.stack import STACK


def first_record(root, lesson):
    """The path of the tests' record. Records of solutions are separate, under the same name."""
    folder = Path(root, "build", "records", STACK)
    return folder / ("solutions" if lesson.measured_in_solutions else "") / f"{lesson.name}.json"


def changed_since(revision, root):
    """Name the lessons whose file differs from a git revision, with new ones."""
    git = ["git", "-C", str(root)]
    found = []
    for command in (
        ["diff", "--name-only", "--relative", "--end-of-options", revision, "--", "lessons"],
        ["ls-files", "--others", "--exclude-standard", "lessons"],
    ):
        done = subprocess.run([*git, *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CourseError(
                f"git cannot compare with {revision!r}: {done.stderr.strip() or 'no reason given'}"
            )
        found += done.stdout.splitlines()
    return {Path(name).stem for name in found if Path(root, name).exists()}


def repeat_quick(lessons=(), since=None, other_seed=False, jobs=None, root=None):
    """Run lessons again in quick mode, and compare with the tests' records.

    Parameters
    ----------
    lessons : iterable of str
        As for `build_tools.lessons.select`. By default every lesson with claims.
    since : str, optional
        Only lessons whose file differs from this git revision.
    other_seed : bool, default=False
        Also run the first of these lessons with another seed. It has to give other numbers.
    jobs : int, optional
        As for `build_tools.execute.spread`.
    root : path-like, optional

    Returns
    -------
    problems : list of str
        Failed runs, invalid records, and claims and measures that differ.
    compared : int
        How many lessons were run.
    """
    root = Path(root) if root else repository()
    measured = {claim.lesson for claim in load_claims().claims.values()}
    chosen = [lesson for lesson in select(lessons, root) if lesson.name in measured]
    if since is not None:
        changed = changed_since(since, root)
        chosen = [lesson for lesson in chosen if lesson.name in changed]
    firsts = {lesson.name: _read(first_record(root, lesson), lesson) for lesson in chosen}
    # One thread, as in the tests' kernels: the order of sums, and so the last bits, depends on it.
    tasks = [
        make_task(lesson, mode="quick", seed=firsts[lesson.name]["seed"], one_thread=True)
        for lesson in chosen
    ]
    if other_seed and chosen:
        seed = firsts[chosen[0].name]["seed"] + 1
        tasks.append(make_task(chosen[0], mode="quick", seed=seed, one_thread=True))
    problems = []
    for outcome in spread(tasks, jobs, unit="run"):
        first = firsts[outcome.name]
        try:
            if not outcome.passed:
                raise CourseError(outcome.problem)
            if outcome.record is None:
                raise CourseError("it recorded nothing")
            evidence.check_record(first)
            evidence.check_record(outcome.record)
        except CourseError as error:
            problems.append(f"{outcome.name} seed {outcome.seed}: {error}")
            continue
        differing = evidence.differing(first, outcome.record)
        if outcome.seed != first["seed"]:
            if not differing:
                problems.append(
                    f"{outcome.name}: seeds {first['seed']} and {outcome.seed} give the same numbers"
                )
            continue
        problems += [
            f"{outcome.name}: {claim} differs from the first run in {', '.join(names)}"
            for claim, names in differing.items()
        ]
    return problems, len(chosen)


def _read(path, lesson):
    """Read a first record. A CourseError says that the tests have to run first."""
    again = f"run the tests first: python -m pytest notebooks -k {lesson.name}"
    try:
        if path.stat().st_mtime < lesson.path.stat().st_mtime:
            raise CourseError(f"{shown(path)} is older than the lesson; {again}")
        record = json.loads(path.read_text(encoding="utf-8"))
        if not {"seed", "mode", "measurements"} <= set(record):
            raise ValueError("it is not a record")
    except FileNotFoundError:
        raise CourseError(f"there is no first record {shown(path)}; {again}") from None
    except CourseError:
        raise
    except (OSError, ValueError, TypeError) as error:
        raise CourseError(f"{shown(path)} cannot be used ({error}); {again}") from None
    if record["mode"] != "quick":
        raise CourseError(f"{shown(path)} comes from a run in {record['mode']} mode; {again}")
    return record
