"""From lessons to results/: full runs on the real data, one file per stack, lesson and seed.

A run enters results/ only if it was full, on real data, on one thread, and recorded every claim of its
lesson. A file that is there already is kept as long as it comes from the same lesson code, package code and
versions.
"""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

from build_tools import CourseError
from build_tools.claims import load_claims
from build_tools.environment import cpu_model, current_stack, same_versions, versions
from build_tools.execute import make_task, repository, select, shown, spread
from build_tools.record import ineligible
from build_tools.results import (
    differing,
    read_repeats,
    read_result,
    read_results,
    repeat_path,
    result_path,
)
from course_utils.data import DIGESTS
from course_utils.files import to_json, write_text


def kept_notebook(root, stack, lesson, seed, again=False):
    """Give the place where the executed notebook of a full run is kept, for `build` to take.

    Parameters
    ----------
    root : path-like
    stack, lesson : str
    seed : int
    again : bool, default=False
        For a run that only repeats another: it is kept apart, and `build` leaves it alone.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> kept_notebook("repo", "keras3", "05_weight_normalization", 42).as_posix()
    'repo/build/evidence/keras3/05_weight_normalization/seed42.ipynb'
    """
    folder = Path(root) / "build" / ("repeats" if again else "evidence")
    return folder / stack / lesson / f"seed{seed}.ipynb"


def command(lesson, seeds):
    """Give the command that repeats runs.

    Parameters
    ----------
    lesson : str
    seeds : iterable of int

    Returns
    -------
    str

    Examples
    --------
    >>> command("05_weight_normalization", [42, 43])
    'python -m build_tools reproduce 05 --seeds 42 43'
    """
    return f"python -m build_tools reproduce {lesson.partition('_')[0]} --seeds {' '.join(map(str, seeds))}"


def outdated(record, lesson, modules=None):
    """Say in what a record differs from what the repository holds now.

    Parameters
    ----------
    record : dict
        The content of a results file.
    lesson : Lesson
    modules : dict, optional
        ``lesson.modules``, where it is known already: reading it takes a moment.

    Returns
    -------
    str
        The reason, or an empty string: lesson code, package code, data and measured claims are the same.

    Examples
    --------
    >>> outdated(record, lesson)  # doctest: +SKIP
    'the code of the lesson has changed'
    """
    if record["code"] != lesson.code:
        return "the code of the lesson has changed"
    then, now = record["modules"], lesson.modules if modules is None else modules
    changed = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    if changed:
        return f"package code has changed ({', '.join(changed)})"
    for name, data in record["data"].items():
        if data["digests"] != DIGESTS.get(name):
            return f"it was measured on other {name} data than the course's"
    needed = {claim.id for claim in load_claims().claims.values() if claim.lesson == lesson.name}
    missing = sorted(needed - set(record["measurements"]))
    if missing:
        return f"it does not measure {', '.join(missing)}"
    return ""


def problems(root=None):
    """Find results that do not belong to the repository as it is now.

    Parameters
    ----------
    root : path-like, optional
        By default the repository around the current folder.

    Returns
    -------
    list of str
        One message for each file: what is wrong with it, and the command that measures it again.

    Examples
    --------
    >>> problems()  # doctest: +SKIP
    ['results/keras3/05_weight_normalization/seed42.json: the code of the lesson has changed; …']
    """
    root = Path(root) if root else repository()
    results, broken = read_results(root)
    found = []
    for path, message in broken.items():
        stack, lesson, seed = path.parts[-3], path.parts[-2], path.stem.removeprefix("seed")
        found.append(f"{message}; delete it, or on the {stack} stack: {command(lesson, [seed])}")
    lessons = {lesson.name: lesson for lesson in select(root=root)} if results else {}
    modules = {name: lesson.modules for name, lesson in lessons.items()}
    for result in results:
        place = result.path.relative_to(root).as_posix()
        if result.lesson not in lessons:
            found.append(f"{place}: there is no lesson {result.lesson}; delete it")
            continue
        reason = outdated(result.record, lessons[result.lesson], modules[result.lesson])
        if reason:
            again = command(result.lesson, [result.seed])
            found.append(f"{place}: {reason}; on the {result.stack} stack: {again}")
    return found


def claim_problems(root=None):
    """Find claims whose lesson or section does not exist.

    Parameters
    ----------
    root : path-like, optional

    Returns
    -------
    list of str

    Examples
    --------
    >>> claim_problems()  # doctest: +SKIP
    []
    """
    root = Path(root) if root else repository()
    headings = {
        lesson.name: {
            line.lstrip("#").strip()
            for cell in lesson.cells
            if cell.kind == "markdown"
            for line in cell.source.splitlines()
            if line.startswith("#")
        }
        for lesson in select(root=root)
    }
    found = []
    for claim in load_claims().claims.values():
        if claim.lesson not in headings:
            found.append(f"claim {claim.id}: there is no lesson {claim.lesson}")
        elif claim.section not in headings[claim.lesson]:
            found.append(f"claim {claim.id}: {claim.lesson} has no heading {claim.section!r}")
    return found


def to_do(lesson, seed, root):
    """Say why a run is due on this interpreter's stack.

    Parameters
    ----------
    lesson : Lesson
    seed : int
    root : path-like

    Returns
    -------
    str
        The reason, or an empty string if results/ holds it.

    Examples
    --------
    >>> to_do(lesson, 42, root)  # doctest: +SKIP
    'no results yet'
    """
    path = result_path(root, current_stack(), lesson.name, seed)
    if not path.exists():
        return "no results yet"
    try:
        record = read_result(path).record
    except CourseError as error:
        return str(error)
    reason = outdated(record, lesson)
    if not reason and not same_versions(record["versions"], versions()):
        then, now = record["versions"], versions()
        changed = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
        reason = "other versions: " + ", ".join(
            f"{name} {then.get(name, 'none')} there, {now.get(name, 'none')} here" for name in changed
        )
    return reason


def measure(runs, jobs=None, root=None, again=False):
    """Run lessons in full on the real data, and store what they recorded.

    Parameters
    ----------
    runs : sequence of (Lesson, int)
        Lessons with a seed each.
    jobs : int, optional
        As for `build_tools.execute.spread`.
    root : path-like, optional
    again : bool, default=False
        Whether these repeat runs that results/ holds, to be compared with them: they are stored apart.

    Returns
    -------
    list of Outcome
        A run that recorded what it should not, or not what it should, counts as failed.

    Examples
    --------
    >>> measure([(lesson, 42)])  # doctest: +SKIP
    [Outcome(name='05_weight_normalization', seed=42, seconds=312.4, problem='')]
    """
    root = Path(root) if root else repository()
    stack = current_stack()
    _sweep(root)
    before = {(lesson.name, seed): (lesson, lesson.modules) for lesson, seed in runs}
    tasks = [
        # One thread whatever the number of jobs, so that results do not depend on it.
        make_task(lesson, mode="full", seed=seed, one_thread=True, COURSE_DATA="real")
        for lesson, seed in runs
    ]

    def store(outcome):
        lesson, modules = before[outcome.name, outcome.seed]
        notebook = kept_notebook(root, stack, lesson.name, outcome.seed, again)
        write_text(notebook, outcome.notebook + "\n")
        if not outcome.passed:
            return shown(notebook)
        record, problem = _accept(outcome, lesson, modules, stack)
        if problem:
            return replace(outcome, problem=problem), shown(notebook)
        # `build` takes the notebook if it comes from the code it finds; this says which code that was.
        parsed = json.loads(outcome.notebook)
        parsed["metadata"]["course"] = {"code": lesson.code, "modules": modules}
        write_text(notebook, to_json(parsed))
        if record is None:
            return shown(notebook)
        path = (repeat_path if again else result_path)(root, stack, lesson.name, outcome.seed)
        # A run for its notebook's sake (a figure was redrawn) leaves a valid measurement alone.
        if again or to_do(lesson, outcome.seed, root):
            write_text(path, to_json(record))
        return shown(path)

    return spread(tasks, jobs, store, unit="run")


def _accept(outcome, lesson, modules, stack):
    """Give the record to store, or what speaks against it; neither for a lesson that records nothing."""
    claims = sorted(claim.id for claim in load_claims().claims.values() if claim.lesson == lesson.name)
    if not outcome.record:
        return None, "it recorded nothing: does it make a Recorder?" if claims else ""
    record = json.loads(outcome.record)
    expected = {"lesson": lesson.name, "seed": outcome.seed, "stack": stack}
    for key, value in expected.items():
        if record[key] != value:
            return None, f"it recorded {key} {record[key]!r}, and was run for {value!r}"
    record |= {"code": lesson.code, "modules": modules, "seconds": round(outcome.seconds, 1)}
    reason = ineligible(record) or outdated(record, lesson)
    return (None, reason) if reason else (record, "")


def _sweep(root):
    """Remove what a killed process left of a file it was writing; an hour old, so that none still writes."""
    for leftover in (Path(root) / "results").rglob(".*.tmp"):
        if time.time() - leftover.stat().st_mtime > 3600:
            leftover.unlink(missing_ok=True)


def repeat(lessons=(), jobs=None, root=None):
    """Run lessons once more with a seed that results/ holds for this stack and processor, and compare.

    The same seed, stack and machine should give the same measurements to the last bit, times apart. The
    second run is stored in ``results/repeats/``, and `python -m build_tools report` says what came of it.

    Parameters
    ----------
    lessons : iterable of str
        As for `build_tools.execute.select`; every lesson that has claims if there are none.
    jobs : int, optional
        As for `build_tools.execute.spread`.
    root : path-like, optional

    Returns
    -------
    list of Outcome
        Of the runs that were due: a lesson that has been repeated on this stack, with the code as it is, is
        not repeated again.

    Raises
    ------
    CourseError
        If a lesson is unknown, or this is no repository.

    Examples
    --------
    >>> repeat(["05"])  # doctest: +SKIP
    """
    root = Path(root) if root else repository()
    stack, due = current_stack(), []
    measured = {claim.lesson for claim in load_claims().claims.values()}
    results, repeats = read_results(root)[0], read_repeats(root)[0]
    for lesson in select(lessons, root):
        if lesson.name not in measured:
            continue
        pairs = [p for p in repeats if (p[1].stack, p[1].lesson) == (stack, lesson.name)]
        if any(not _no_pair(*pair, lesson) for pair in pairs):
            print(f"{lesson.name}: repeated already")
            continue
        runs = [r for r in results if (r.stack, r.lesson) == (stack, lesson.name)]
        ours = [r for r in runs if r.record["cpu"] == cpu_model() and not to_do(lesson, r.seed, root)]
        if ours:
            due.append((lesson, ours[0].seed))
            print(f"{lesson.name} seed {ours[0].seed}: once more")
        else:
            print(f"{lesson.name}: no run of the present code was made on this processor, {cpu_model()}")
    return measure(due, jobs, root, again=True)


def repeat_problems(root=None):
    """Find repeated runs that differ from the first, or are not of the present code.

    Parameters
    ----------
    root : path-like, optional

    Returns
    -------
    list of str
        One message for each, with what to do. Measures of claims marked as timing may differ.

    Examples
    --------
    >>> repeat_problems()  # doctest: +SKIP
    []
    """
    root = Path(root) if root else repository()
    pairs, broken = read_repeats(root)
    lessons = {lesson.name: lesson for lesson in select(root=root)} if pairs else {}
    found = [f"{message}; delete it" for message in broken.values()]
    claims = load_claims().claims
    for first, second in pairs:
        place = second.path.relative_to(root).as_posix()
        reason = _no_pair(first, second, lessons[second.lesson])
        if reason:
            again = f"python -m build_tools repeat {second.lesson.partition('_')[0]}"
            found.append(f"{place}: {reason}; delete it, and on the {second.stack} stack: {again}")
        for claim, measures in differing(first, second).items():
            if not claims[claim].timing:
                found.append(f"{place}: {claim} differs from the first run in {', '.join(measures)}")
    return found


def _no_pair(first, second, lesson):
    """Say why two runs cannot be compared, if they cannot."""
    reason = outdated(second.record, lesson)
    if not reason and not same_versions(first.record["versions"], second.record["versions"]):
        reason = "it was made with other versions than the run it repeats"
    if not reason and first.record["cpu"] != second.record["cpu"]:
        reason = "it was made on another processor than the run it repeats"
    return reason


def reproduce(lessons=(), seeds=(42, 43, 44), jobs=None, dry_run=False, root=None):
    """Measure lessons with several seeds on this interpreter's stack, skipping what results/ already holds.

    It can be stopped at any moment: every finished run is in results/, whole, and the next call goes on from
    there.

    Parameters
    ----------
    lessons : iterable of str
        As for `build_tools.execute.select`; every lesson that has claims if there are none.
    seeds : iterable of int, default=(42, 43, 44)
    jobs : int, optional
        As for `build_tools.execute.spread`.
    dry_run : bool, default=False
        Only say what would run.
    root : path-like, optional

    Returns
    -------
    list of Outcome
        Of the runs that were due.

    Raises
    ------
    CourseError
        If a lesson is unknown, or this is no repository.

    Examples
    --------
    >>> reproduce(["05"], seeds=[42, 43, 44, 45, 46])  # doctest: +SKIP
    """
    root = Path(root) if root else repository()
    seeds = list(dict.fromkeys(seeds))
    measured = {claim.lesson for claim in load_claims().claims.values()}
    # A lesson without claims is run where it is asked for: its time is a result as well.
    chosen = [lesson for lesson in select(lessons, root) if lessons or lesson.name in measured]
    # Seed by seed, so that an interrupted night leaves every lesson with some seeds, not some with all.
    due = []
    for seed in seeds:
        for lesson in chosen:
            reason = to_do(lesson, seed, root)
            if reason:
                due.append((lesson, seed))
                print(f"{lesson.name} seed {seed}: {reason}")
    total = len(seeds) * len(chosen)
    held = total - len(due)
    print(
        f"{current_stack()} stack: {len(due)} of {total} runs {'would run' if dry_run else 'to do'}, "
        f"{held} in results/ already",
        flush=True,
    )
    for name in ("COURSE_MODE", "COURSE_DATA", "COURSE_SEED"):
        if os.environ.get(name) not in (None, "", {"COURSE_MODE": "full", "COURSE_DATA": "real"}.get(name)):
            print(
                f"{name}={os.environ[name]} does not count here: results are full runs on real data, --seeds"
            )
    return [] if dry_run else measure(due, jobs, root)
