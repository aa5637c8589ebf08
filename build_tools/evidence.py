"""From lessons to results/: full runs on the real data, one file for each stack, lesson and seed.

A run is kept in ``results/<stack>/<lesson>/seed<seed>.json``; one that was made once more, to see whether the
numbers come out again, in ``results/repeats/<stack>/<lesson>/seed<seed>.json``. A record says which code made
it. Where that code has changed since, the record is stale: it stands, and is shown as stale, until it is
measured again, or until one of its seeds, run again, gives the same numbers to the last bit.
"""

import json
import os
import re
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import course_utils
from build_tools import CourseError, schemas
from build_tools.claims import load_claims
from build_tools.environment import cpu_model, revision, same_cpu, same_versions, versions
from build_tools.execute import make_task, shown, spread
from build_tools.lessons import module_digests, repository, select
from course_utils.data import DIGESTS
from course_utils.files import to_json, write_text
from course_utils.stack import STACK, STACKS

# A change of these modules cannot change a measurement, for the reason given. The list is the only one.
SILENT = {
    "course_utils.arguments": "refuses a value or hands it on as it is",
    "course_utils.checks": "says whether an exercise is solved",
    "course_utils.files": "writes files",
    "course_utils.notebook": "shows text",
    "course_utils.plotting": "draws what was measured",
    "course_utils.stack": "names the stack, and so does every record",
    "course_utils.standins": "makes data that no record may be of",
    "course_utils.verdicts": "shows tables",
}


# --- what results/ holds ------------------------------------------------------------------------------------


def result_path(root, stack, lesson, seed, again=False):
    """Give the place of a run's record; `again` for a run that repeats another."""
    return Path(root, "results", *["repeats"] * again, stack, lesson, f"seed{seed}.json")


def kept_notebook(root, stack, lesson, seed, again=False):
    """Give the place of a full run's executed notebook, which `build` takes; `again` as in `result_path`."""
    return Path(root, "build", "repeats" if again else "evidence", stack, lesson, f"seed{seed}.ipynb")


def read_record(path):
    """Read one record; a CourseError says what is wrong with the file, and what to do."""
    path = Path(path)
    depth = 4 if path.parts[-4:-3] == ("repeats",) else 3
    place = schemas.plain("/".join(("results", *path.parts[-depth:])))
    stack, lesson, seed = *path.parts[-3:-1], path.stem.removeprefix("seed")
    remedy = "delete it"
    if stack in STACKS and seed.isdecimal():
        remedy += f", or measure again on the {stack} stack: {command('reproduce', lesson, [seed])}"
    try:
        if not path.is_file():
            raise CourseError("it is no file")
        record = schemas.parse_json(path.read_text(encoding="utf-8"))
        problem = schemas.complaint(record, schemas.RECORD)
        if problem:
            raise CourseError(problem)
        here = (record["stack"], record["lesson"], f"seed{record['seed']}.json")
        if here != (stack, lesson, path.name):
            raise CourseError(f"it holds the run of results/{schemas.plain('/'.join(here))}")
    except (OSError, UnicodeDecodeError, CourseError) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CourseError(f"{place} cannot be used: {schemas.plain(text)}; {remedy}") from None
    return record


def read_records(root):
    """Read results/: the records, those of repeated runs, and what is wrong with the files left out.

    Both lists are sorted by stack, lesson and seed.
    """
    folder = Path(root, "results")
    found, problems = {False: [], True: []}, []
    for path in _files(folder, problems):
        parts = path.relative_to(folder).parts
        again = parts[0] == "repeats"
        try:
            if (
                len(parts) != 3 + again
                or parts[-3] not in STACKS
                or not re.fullmatch(r"seed\d+\.json", path.name)
            ):
                place = schemas.plain(path.relative_to(folder.parent).as_posix())
                raise CourseError(
                    f"{place} is no record: they stand in results/<stack>/<lesson>/seed<seed>.json; delete it"
                )
            record = read_record(path)
            first = result_path(root, *_key(record))
            if again and not first.exists():
                raise CourseError(
                    f"results/{'/'.join(parts)} repeats {first.relative_to(root).as_posix()}, "
                    "which is not there; delete it"
                )
            found[again].append(record)
        except CourseError as error:
            problems.append(str(error))
    return sorted(found[False], key=_key), sorted(found[True], key=_key), problems


def _files(folder, problems):
    """Every file that may be a record. Links to folders, and what cannot be listed, are problems."""

    def fault(error):
        if not isinstance(error, FileNotFoundError):
            place = schemas.plain(error.filename)
            problems.append(f"{place} cannot be read ({error.strerror}); put the folder right, or delete it")

    for here, folders, names in os.walk(folder, onerror=fault):
        for name in sorted(folders + names):
            path = Path(here, name)
            if path.is_symlink() and not path.is_file():
                place = schemas.plain(path.relative_to(folder.parent).as_posix())
                problems.append(f"{place} is a link that leads to no file; delete it")
            elif name.endswith(".json") and not name.startswith("."):
                yield path


def _key(record):
    return record["stack"], record["lesson"], record["seed"]


def command(word, lesson, seeds=()):
    """Write the command that measures a lesson again."""
    numbers = f" --seeds {' '.join(map(str, seeds))}" if seeds else ""
    return f"python -m build_tools {word} {lesson.partition('_')[0]}{numbers}"


def claims_of(lesson):
    """Give the claims that a lesson measures, by id."""
    return {claim.id: claim for claim in load_claims().claims.values() if claim.lesson == lesson}


def check_record(record):
    """Check what a lesson recorded, in any mode: all of its claims, with the measures they ask for.

    A CourseError names every claim that was recorded wrongly, or not at all.
    """
    claims, measured = claims_of(record["lesson"]), record["measurements"]
    problems = [
        f"claims.toml has no claim {claim} of this lesson" for claim in measured if claim not in claims
    ]
    problems += [f"{claim} was not recorded" for claim in claims if claim not in measured]
    problems += [claims[claim].misfit(measured[claim]) for claim in measured if claim in claims]
    problems = list(filter(None, problems))
    if problems:
        raise CourseError(f"{record['lesson']}: {'; '.join(problems)}")


# --- what has changed since ---------------------------------------------------------------------------------


def changed(record, lesson, now=None):
    """Name what has changed since a record was made; an empty list where nothing has that matters.

    The record may be any table that has ``code`` and ``modules``. The lesson is None where it is gone. `now`
    is what `module_digests` says of the modules, where that is known already.
    """
    if lesson is None:
        return ["the lesson, which is gone"]
    found = [] if record["code"] == lesson.code else ["the lesson's code"]
    modules = _telling(record["modules"])
    now = module_digests(modules) if now is None else now
    found += [name for name, digest in sorted(modules.items()) if now.get(name) != digest]
    found += [
        f"the {name} data"
        for name, data in sorted(record.get("data", {}).items())
        if data["digests"] != DIGESTS.get(name)
    ]
    if "measurements" in record:
        claims, measured = claims_of(lesson.name), record["measurements"]
        found += [
            f"claim {claim}"
            for claim in sorted(claims.keys() | measured.keys())
            if not (claim in claims and claim in measured) or claims[claim].misfit(measured[claim])
        ]
    return found


def _telling(modules):
    """The modules whose change can change a measurement."""
    return {
        name: digest
        for name, digest in modules.items()
        if not any(f"{name}.".startswith(f"{silent}.") for silent in SILENT)
    }


def stale(records, root):
    """Say which records are stale: (stack, lesson, seed) → what has changed since."""
    lessons = {lesson.name: lesson for lesson in select(root=root)} if records else {}
    now = module_digests({name for record in records for name in record["modules"]})
    found = {_key(record): changed(record, lessons.get(record["lesson"]), now) for record in records}
    return {key: names for key, names in found.items() if names}


def before_a_change(records, names):
    """Say with which revision stale records were measured, and before a change of what."""
    made = [record["revision"] for record in sorted(records, key=lambda record: record["date"])]
    made = list(dict.fromkeys(commit[:7] + "+" * commit.endswith("+") for commit in made))
    revisions = f"revision {made[0]}" if len(made) == 1 else f"revisions {made[0]} to {made[-1]}"
    modules = [name for name in names if name.startswith("course_utils.")]
    if len(modules) > 3:
        names = [name for name in names if name not in modules] + [f"{len(modules)} modules of course_utils"]
    *first, last = names
    return f"measured with {revisions}, before a change of {', '.join(first)}{' and ' * bool(first)}{last}"


def stale_records(root=None):
    """List what is to be measured again, and why: a line for each lesson and stack; see `repeat`."""
    root = Path(root) if root else repository()
    records, _, problems = read_records(root)
    found = stale(records, root)
    lines = list(problems)
    for stack, lesson in sorted({key[:2] for key in found}):
        old = [record for record in records if _key(record) in found and _key(record)[:2] == (stack, lesson)]
        names = list(dict.fromkeys(name for record in old for name in found[_key(record)]))
        seeds = [record["seed"] for record in old]
        line = f"{lesson}, {stack} stack, seeds {' '.join(map(str, seeds))}: {before_a_change(old, names)}. "
        if names == ["the lesson, which is gone"]:
            line += f"Delete results/{stack}/{lesson}"
        elif claims_of(lesson):
            line += f"{command('repeat', lesson)} (where no number should change), or else "
            line += command("reproduce", lesson, seeds)
        else:
            line += command("reproduce", lesson, seeds)
        lines.append(line)
    return lines + repeat_problems(root)


def claim_problems(root=None):
    """Find claims whose lesson or section does not exist."""
    headings = {
        lesson.name: {
            line.lstrip("#").strip()
            for cell in lesson.cells
            if cell.kind == "markdown"
            for line in cell.source.splitlines()
            if line.startswith("#")
        }
        for lesson in select(root=Path(root) if root else repository())
    }
    found = []
    for claim in load_claims().claims.values():
        if claim.lesson not in headings:
            found.append(f"claim {claim.id}: there is no lesson {claim.lesson}")
        elif claim.section not in headings[claim.lesson]:
            found.append(f"claim {claim.id}: {claim.lesson} has no heading {claim.section!r}")
    return found


# --- measuring ----------------------------------------------------------------------------------------------


def to_do(lesson, seed, root):
    """Say why a run is due on this interpreter's stack; "" if results/ holds it."""
    path = result_path(root, STACK, lesson.name, seed)
    if not os.path.lexists(path):
        return "no results yet"
    try:
        record = read_record(path)
    except CourseError as error:
        return str(error)
    names = changed(record, lesson)
    if names:
        return before_a_change([record], names)
    then, now = record["versions"], versions()
    if same_versions(then, now):
        return ""
    others = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    return "other versions: " + ", ".join(
        f"{name} {then.get(name, 'none')} there, {now.get(name, 'none')} here" for name in others
    )


def measure(runs, jobs=None, root=None, again=False):
    """Run lessons (pairs of a lesson and a seed) in full on the real data, and store what they recorded.

    With `again`, they repeat runs that results/ holds: they are stored apart, and compared. A run that
    recorded what it should not, or not what it should, comes back as a failed `Outcome`.
    """
    root = Path(root) if root else repository()
    _sweep(root)
    lessons = {lesson.name: lesson for lesson, _ in runs}
    made = {"modules": module_digests(_package()), "revision": revision(root)}
    # One thread whatever the number of jobs, so that results do not depend on it.
    settings = {"mode": "full", "one_thread": True, "COURSE_DATA": "real"}
    tasks = [make_task(lesson, seed=seed, **settings) for lesson, seed in runs]

    def store(outcome):
        lesson = lessons[outcome.name]
        notebook = kept_notebook(root, STACK, lesson.name, outcome.seed, again)
        write_text(notebook, outcome.notebook + "\n")
        if not outcome.passed:
            return shown(notebook)
        try:
            record = _accept(outcome, lesson, made)
        except CourseError as error:
            return replace(outcome, problem=str(error)), shown(notebook)
        if record is None:
            return shown(notebook)
        # `build` takes the notebook if it comes from the code it finds; this says which code that was.
        parsed = json.loads(outcome.notebook)
        parsed["metadata"]["course"] = {"code": record["code"], "modules": record["modules"]}
        write_text(notebook, to_json(parsed))
        path = result_path(root, STACK, lesson.name, outcome.seed, again)
        # A run for its notebook's sake (a figure was redrawn) leaves a valid measurement alone.
        if again or to_do(lesson, outcome.seed, root):
            write_text(path, to_json(record))
        return f"{shown(path)}  ({_compare(record, root)})" if again else shown(path)

    return spread(tasks, jobs, store, unit="run")


def _package():
    """The names of all modules of the package."""
    root = Path(course_utils.__file__).parents[1]
    files = [path.relative_to(root).with_suffix("").parts for path in root.glob("course_utils/**/*.py")]
    return [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in files]


def _accept(outcome, lesson, made):
    """Give the record to store (None if the lesson records nothing); a CourseError if it is no result."""
    if not outcome.record:
        if claims_of(lesson.name):
            raise CourseError("it recorded nothing: does it make a Lesson?")
        return None
    for key, value in {"lesson": lesson.name, "seed": outcome.seed, "stack": STACK}.items():
        if outcome.record.get(key) != value:
            raise CourseError(f"it recorded {key} {outcome.record.get(key)!r}, and was run for {value!r}")
    modules = outcome.record["modules"]
    edited = [name for name, digest in module_digests(modules).items() if made["modules"].get(name) != digest]
    if edited:
        raise CourseError(f"{', '.join(edited)} was edited while it ran: run it again")
    record = outcome.record | {
        "code": lesson.code,
        "modules": {name: made["modules"][name] for name in modules if name in made["modules"]},
        "revision": made["revision"],
        "seconds": round(outcome.seconds, 1),
        "date": date.today().isoformat(),
    }
    problem = schemas.complaint(record, schemas.RECORD)
    if problem:
        raise CourseError(f"what it recorded is no result: {problem}")
    check_record(record)
    others = [name for name in changed(record, lesson) if name.endswith(" data")]
    if others:
        raise CourseError(f"it was measured on other data than the course's: {', '.join(others)}")
    return record


def _sweep(root):
    """Remove what a killed process left of a file it was writing; an hour old, so that none still writes."""
    for leftover in Path(root, "results").rglob(".*.tmp"):
        if time.time() - leftover.stat().st_mtime > 3600:
            leftover.unlink(missing_ok=True)


def reproduce(lessons=(), seeds=(42, 43, 44), jobs=None, dry_run=False, root=None):
    """Measure lessons with several seeds on this interpreter's stack, skipping what results/ already holds.

    It can be stopped at any moment: every finished run is in results/, whole, and the next call goes on from
    there. With no names, every lesson that has claims. It gives the outcomes of the runs that were due.
    """
    root = Path(root) if root else repository()
    seeds = list(dict.fromkeys(seeds))
    # A lesson without claims is run where it is asked for: its time is a result as well.
    chosen = [lesson for lesson in select(lessons, root) if lessons or claims_of(lesson.name)]
    # Seed by seed, so that an interrupted night leaves every lesson with some seeds, not some with all.
    due = []
    for seed in seeds:
        for lesson in chosen:
            reason = to_do(lesson, seed, root)
            if reason:
                due.append((lesson, seed))
                print(f"{lesson.name} seed {seed}: {reason}")
    total = len(seeds) * len(chosen)
    print(
        f"{STACK} stack: {len(due)} of {total} runs {'would run' if dry_run else 'to do'}, "
        f"{total - len(due)} in results/ already",
        flush=True,
    )
    for name, value in {"COURSE_MODE": "full", "COURSE_DATA": "real", "COURSE_SEED": None}.items():
        if os.environ.get(name) not in (None, "", value):
            print(
                f"{name}={os.environ[name]} does not count here: results are full runs on real data, --seeds"
            )
    return [] if dry_run else measure(due, jobs, root)


# --- the same seed twice ------------------------------------------------------------------------------------


def differing(first, second):
    """Say in which measures two records differ, be it by the last bit: claim → names. Times may differ."""
    one, two = first["measurements"], second["measurements"]
    claims = load_claims().claims
    found = {}
    for claim in sorted(one.keys() | two.keys()):
        a, b = one.get(claim, {}), two.get(claim, {})
        names = [name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]
        if names and not (claim in claims and claims[claim].timing):
            found[claim] = names
    return found


def repeat(lessons=(), jobs=None, root=None):
    """Run lessons once more with a seed that results/ holds for this stack and processor, and compare.

    Where the numbers come out equal to the last bit (times apart), all records of the lesson and stack that
    were made by the same code as that seed are dated anew: they now say that they are of the present code.
    So a refactoring costs one seed and not all. Where a number differs, the records stay stale. What has been
    repeated with the present code is not repeated again. It gives the outcomes of the runs that were due.
    """
    root = Path(root) if root else repository()
    records, repeats, problems = read_records(root)
    if problems:
        raise CourseError("\n  ".join(["results/ is not whole:", *problems]))
    due = []
    for lesson in select(lessons, root):
        if not claims_of(lesson.name):
            continue
        here = [record for record in records if _key(record)[:2] == (STACK, lesson.name)]
        ours = [
            record
            for record in here
            if same_cpu(record["cpu"], cpu_model()) and same_versions(record["versions"], versions())
        ]
        done = {_key(record): record for record in repeats if not changed(record, lesson)}
        groups = {}
        for record in ours:
            groups.setdefault(_code(record), []).append(record)
        if not ours:
            print(f"{lesson.name}: no run was made on this processor, {cpu_model()}, with these versions")
        for group in groups.values():
            # One repeat is enough for all records of the present code; each older code needs one of its own.
            like = group if changed(group[0], lesson) else here
            twice = [done[_key(record)] for record in like if _key(record) in done]
            if twice:
                print(f"{lesson.name} seed {twice[0]['seed']}: repeated already, {_compare(twice[0], root)}")
            else:
                print(f"{lesson.name} seed {group[0]['seed']}: once more")
                due.append((lesson, group[0]["seed"]))
    return measure(due, jobs, root, again=True)


def _code(record):
    """What tells the code of one record from that of another."""
    return record["code"], tuple(sorted(_telling(record["modules"]).items()))


def _compare(second, root):
    """Compare a repeated run with the first, date records anew where it is equal, and say what came of it."""
    first = read_record(result_path(root, *_key(second)))
    found = differing(first, second)
    if found:
        return f"differs in {listed(found)}"
    same = [
        record
        for record in read_records(root)[0]
        if _key(record)[:2] == _key(second)[:2]
        and _code(record) == _code(first) != _code(second)
        and same_versions(record["versions"], second["versions"])
        and {name: data["digests"] for name, data in record["data"].items()}
        == {name: data["digests"] for name, data in second["data"].items()}
    ]
    for record in same:
        now = {name: second[name] for name in ("code", "modules", "revision", "date")}
        write_text(result_path(root, *_key(record)), to_json(record | now))
    dated = f"; dated anew: seeds {' '.join(str(record['seed']) for record in same)}" if same else ""
    return f"equal to the last bit{dated}"


def listed(found):
    """Write what `differing` found."""
    return "; ".join(f"{claim} ({', '.join(names)})" for claim, names in found.items())


def repeat_problems(root=None):
    """Say which repeated runs of the present code gave other numbers than the first, and in what."""
    root = Path(root) if root else repository()
    records, repeats, _ = read_records(root)
    firsts = {_key(record): record for record in records}
    old = stale(repeats, root)
    lines = []
    for second in repeats:
        first = firsts.get(_key(second))
        if first is None or _key(second) in old or not comparable(first, second):
            continue
        found = differing(first, second)
        if found:
            again = command("reproduce", second["lesson"], [second["seed"]])
            why = (
                "which runs of the same code should not"
                if same_code(first, second)
                else f"so the change of the code was one of the numbers too; if it was meant to be: {again}"
            )
            lines.append(f"{_name(second)}: the second run differs in {listed(found)}, {why}")
    return lines


def comparable(first, second):
    """Say whether two records have to have the same numbers, as far as versions and processor go."""
    cpus = first["cpu"], second["cpu"]
    alike = same_cpu(*cpus) or same_cpu(*reversed(cpus))
    return alike and same_versions(first["versions"], second["versions"])


def same_code(first, second):
    """Say whether two records were made by the same code."""
    return _code(first) == _code(second)


def _name(record):
    return f"{record['lesson']}, {record['stack']} stack, seed {record['seed']}"
