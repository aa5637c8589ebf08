"""The raw runs: ``results/<stack>/<lesson>/seed<seed>.json``, one file per run.

A run that was made once more, to see whether it gives the same again, lies in
``results/repeats/<stack>/<lesson>/seed<seed>.json``.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from build_tools import CourseError
from build_tools.claims import load_claims
from build_tools.record import checked_measures, ineligible
from course_utils.stack import STACKS

_KEYS = {
    "code": str,
    "cpu": str,
    "data": dict,
    "lesson": str,
    "measurements": dict,
    "mode": str,
    "modules": dict,
    "seconds": (int, float),
    "seed": int,
    "stack": str,
    "threads": dict,
    "versions": dict,
}


@dataclass(frozen=True)
class Result:
    """One run of one lesson."""

    stack: str
    lesson: str
    seed: int
    path: Path
    record: dict


def result_path(root, stack, lesson, seed):
    """Give the place of one run's results.

    Parameters
    ----------
    root : path-like
        The repository.
    stack, lesson : str
    seed : int

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> result_path("repo", "keras3", "05_weight_normalization", 42).as_posix()
    'repo/results/keras3/05_weight_normalization/seed42.json'
    """
    return Path(root) / "results" / stack / lesson / f"seed{seed}.json"


def repeat_path(root, stack, lesson, seed):
    """Give the place of a run that repeats one of results/.

    Parameters
    ----------
    root : path-like
    stack, lesson : str
    seed : int

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> repeat_path("repo", "keras3", "05_weight_normalization", 42).as_posix()
    'repo/results/repeats/keras3/05_weight_normalization/seed42.json'
    """
    return Path(root) / "results" / "repeats" / stack / lesson / f"seed{seed}.json"


def read_result(path):
    """Read one results file and check that it is what its place says.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Result

    Raises
    ------
    CourseError
        If the file is damaged, lacks something, belongs elsewhere, comes from quick mode or stand-in data, or
        holds measures that its claims do not have.

    Examples
    --------
    >>> read_result("results/keras3/05_weight_normalization/seed42.json")  # doctest: +SKIP
    """
    path = Path(path)
    stack, lesson = path.parts[-3:-1]
    place = _place(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:
        raise CourseError(f"{place} is damaged: {error}") from None
    if not isinstance(record, dict):
        raise CourseError(f"{place} is damaged: it holds no table")
    for key, kind in _KEYS.items():
        if not isinstance(record.get(key), kind):
            raise CourseError(f"{place} is damaged: {key} is {record.get(key)!r}")
    where = (record["stack"], record["lesson"], f"seed{record['seed']}.json")
    if where != (stack, lesson, path.name):
        raise CourseError(f"{place} holds the run of {'/'.join(('results', *where))}")
    reason = ineligible(record)
    if reason:
        raise CourseError(f"{place} may not be among the results: {reason}")
    claims = load_claims().claims
    for claim_id, measures in record["measurements"].items():
        if claim_id not in claims or claims[claim_id].lesson != lesson:
            raise CourseError(f"{place} measures {claim_id}, which claims.toml does not have for {lesson}")
        try:
            checked_measures(claims[claim_id], measures)
        except CourseError as error:
            raise CourseError(f"{place}: {error}") from None
    return Result(stack, lesson, record["seed"], path, record)


def _place(path):
    depth = 4 if path.parts[-4:-3] == ("repeats",) else 3
    return "/".join(("results", *path.parts[-depth:]))


def _refuse_constant(name):
    raise ValueError(f"it holds {name}")


def read_results(root):
    """Read every results file of a repository.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    results : list of Result
        Sorted by stack, lesson and seed.
    problems : dict of pathlib.Path to str
        What is wrong with the files that could not be taken.

    Examples
    --------
    >>> read_results("a folder without results")
    ([], {})
    """
    results, problems = [], {}
    for path in sorted(Path(root).glob("results/*/*/*.json")):
        try:
            if path.parts[-3] not in STACKS or not re.fullmatch(r"seed\d+\.json", path.name):
                raise CourseError(
                    f"{'/'.join(('results', *path.parts[-3:]))} is no place of results: "
                    "they stand in results/<stack>/<lesson>/seed<seed>.json"
                )
            results.append(read_result(path))
        except CourseError as error:
            problems[path] = str(error)
    return sorted(results, key=lambda r: (r.stack, r.lesson, r.seed)), problems


def read_repeats(root):
    """Read the repeated runs, each with the run that it repeats.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    pairs : list of (Result, Result)
        The first run and the second, sorted by stack and lesson.
    problems : dict of pathlib.Path to str
        What is wrong with the files that could not be taken.

    Examples
    --------
    >>> read_repeats("a folder without results")
    ([], {})
    """
    pairs, problems = [], {}
    for path in sorted(Path(root).glob("results/repeats/*/*/*.json")):
        try:
            second = read_result(path)
            first = result_path(root, second.stack, second.lesson, second.seed)
            if not first.exists():
                raise CourseError(f"{_place(path)} repeats {_place(first)}, which is not there")
            pairs.append((read_result(first), second))
        except CourseError as error:
            problems[path] = str(error)
    return pairs, problems


def differing(first, second):
    """Say in which measures two runs differ, be it by the last bit.

    Parameters
    ----------
    first, second : Result

    Returns
    -------
    dict of str to list of str
        Claim to its measures that differ; empty if every measurement is the same.

    Examples
    --------
    >>> one = Result("keras3", "a", 1, Path("a"), {"measurements": {"S1.c1": {"accuracy": 0.1 + 0.2}}})
    >>> two = Result("keras3", "a", 1, Path("a"), {"measurements": {"S1.c1": {"accuracy": 0.3}}})
    >>> differing(one, two), differing(one, one)
    ({'S1.c1': ['accuracy']}, {})
    """
    one, two = first.record["measurements"], second.record["measurements"]
    found = {}
    for claim in sorted(one.keys() | two.keys()):
        a, b = one.get(claim, {}), two.get(claim, {})
        measures = [name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]
        if measures:
            found[claim] = measures
    return found
