"""From lessons to results/: full runs on real data, with one file for each stack, lesson and seed.

A run is stored in ``results/<stack>/<lesson>/seed<seed>.json``. A repeated run, which tests whether the
numbers come out again, is stored in ``results/repeats/<stack>/<lesson>/seed<seed>.json``. A record names the
code that made it. If that code has changed since, the record is stale. It stays, and is shown as stale, until
it is measured again, or until a repeated run with one of its seeds gives the same numbers to the last bit.
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

# A change of these modules cannot change a measurement; the reason is given. This is the only such list.
SILENT = {
    "course_utils.arguments": "refuses a value or passes it on unchanged",
    "course_utils.checks": "says whether an exercise is solved",
    "course_utils.files": "writes files",
    "course_utils.notebook": "shows text",
    "course_utils.plotting": "draws what was measured",
    "course_utils.stack": "names the stack, which every record contains",
    "course_utils.standins": "makes data that no record may use",
    "course_utils.verdicts": "shows tables",
}


# --- what results/ holds ------------------------------------------------------------------------------------


def result_path(root, stack, lesson, seed, again=False):
    """Give the path of a run's record. `again` means a repeated run."""
    return Path(root, "results", *["repeats"] * again, stack, lesson, f"seed{seed}.json")


def kept_notebook(root, stack, lesson, seed, again=False):
    """Give the path of a full run's executed notebook, which `build` uses. `again` means a repeated run."""
    return Path(root, "build", "repeats" if again else "evidence", stack, lesson, f"seed{seed}.ipynb")


def read_record(path):
    """Read one record. A CourseError says what is wrong with the file, and what to do."""
    path = Path(path)
    depth = 4 if path.parts[-4:-3] == ("repeats",) else 3
    place = schemas.plain("/".join(("results", *path.parts[-depth:])))
    stack, lesson, seed = *path.parts[-3:-1], path.stem.removeprefix("seed")
    remedy = "delete it"
    if stack in STACKS and seed.isdecimal():
        remedy += f", or measure again on the {stack} stack: {command('reproduce', lesson, [seed])}"
    try:
        if not path.is_file():
            raise CourseError("it is not a file")
        record = schemas.parse_json(path.read_text(encoding="utf-8"))
        problem = schemas.complaint(record, schemas.RECORD)
        if problem:
            raise CourseError(problem)
        here = (record["stack"], record["lesson"], f"seed{record['seed']}.json")
        if here != (stack, lesson, path.name):
            raise CourseError(f"it contains the run of results/{schemas.plain('/'.join(here))}")
    except (OSError, UnicodeDecodeError, CourseError) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CourseError(f"{place} cannot be used: {schemas.plain(text)}; {remedy}") from None
    return record


def read_records(root):
    """Read results/: the records, the repeated records, and the problems of files that were left out.

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
                    f"{place} is not a record (results/<stack>/<lesson>/seed<seed>.json); delete it"
                )
            record = read_record(path)
            first = result_path(root, *_key(record))
            if again and not first.exists():
                raise CourseError(
                    f"results/{'/'.join(parts)} repeats {first.relative_to(root).as_posix()}, "
                    "which does not exist; delete it"
                )
            found[again].append(record)
        except CourseError as error:
            problems.append(str(error))
    return sorted(found[False], key=_key), sorted(found[True], key=_key), problems


def _files(folder, problems):
    """Yield every file that may be a record. Links to folders and unreadable folders are problems."""

    def fault(error):
        if not isinstance(error, FileNotFoundError):
            place = schemas.plain(error.filename)
            problems.append(f"{place} cannot be read ({error.strerror}); repair the folder, or delete it")

    for here, folders, names in os.walk(folder, onerror=fault):
        for name in sorted(folders + names):
            path = Path(here, name)
            if path.is_symlink() and not path.is_file():
                place = schemas.plain(path.relative_to(folder.parent).as_posix())
                problems.append(f"{place} is a link, but not to a file; delete it")
            elif name.endswith(".json") and not name.startswith("."):
                yield path


def _key(record):
    return record["stack"], record["lesson"], record["seed"]


def command(word, lesson, seeds=()):
    """Give the command that measures a lesson again."""
    numbers = f" --seeds {' '.join(map(str, seeds))}" if seeds else ""
    return f"python -m build_tools {word} {lesson.partition('_')[0]}{numbers}"


def claims_of(lesson):
    """Give the claims of a lesson by id."""
    return {claim.id: claim for claim in load_claims().claims.values() if claim.lesson == lesson}


def check_record(record):
    """Check that a lesson recorded all of its claims, with the measures they require, in either mode.

    A CourseError names every claim that was recorded wrongly or not at all.
    """
    claims, measured = claims_of(record["lesson"]), record["measurements"]
    problems = [
        f"claims.toml has no claim {claim} for this lesson" for claim in measured if claim not in claims
    ]
    problems += [f"{claim} was not recorded" for claim in claims if claim not in measured]
    quick = record["mode"] == "quick"
    problems += [claims[claim].misfit(measured[claim], quick) for claim in measured if claim in claims]
    problems = list(filter(None, problems))
    if problems:
        raise CourseError(f"{record['lesson']}: {'; '.join(problems)}")


# --- what has changed since ---------------------------------------------------------------------------------


def changed(record, lesson, now=None):
    """Name what has changed since a record was made; the list is empty if nothing relevant has changed.

    The record can be any table with ``code`` and ``modules``. The lesson is None if it does not exist any
    more. `now` is the result of `module_digests`, if it is known already.
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
    """Select the modules whose change can change a measurement."""
    return {
        name: digest
        for name, digest in modules.items()
        if not any(f"{name}.".startswith(f"{silent}.") for silent in SILENT)
    }


def stale(records, root):
    """Give the stale records: (stack, lesson, seed) → what has changed since."""
    lessons = {lesson.name: lesson for lesson in select(root=root)} if records else {}
    now = module_digests({name for record in records for name in record["modules"]})
    found = {_key(record): changed(record, lessons.get(record["lesson"]), now) for record in records}
    return {key: names for key, names in found.items() if names}


def before_a_change(records, names):
    """Say which revision measured stale records, and what has changed since."""
    made = [record["revision"] for record in sorted(records, key=lambda record: record["date"])]
    made = list(dict.fromkeys(commit[:7] + "+" * commit.endswith("+") for commit in made))
    revisions = f"revision {made[0]}" if len(made) == 1 else f"revisions {made[0]} to {made[-1]}"
    modules = [name for name in names if name.startswith("course_utils.")]
    if len(modules) > 3:
        names = [name for name in names if name not in modules] + [f"{len(modules)} modules of course_utils"]
    *first, last = names
    return f"measured with {revisions}, before a change of {', '.join(first)}{' and ' * bool(first)}{last}"


def stale_records(root=None):
    """List what has to be measured again, and why: a line for each lesson and stack; see `repeat`."""
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
            line += f"{command('repeat', lesson)} (if no number should change), otherwise "
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
    """Say why a run is needed on this interpreter's stack; "" if it is in results/."""
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
    """Run lessons (pairs of a lesson and a seed) in full mode on real data, and store their records.

    With `again`, the runs repeat those in results/; they are stored separately and compared. If the measures
    of a run are not those of its claims, the run counts as a failed `Outcome`.
    """
    root = Path(root) if root else repository()
    _sweep(root)
    lessons = {lesson.name: lesson for lesson, _ in runs}
    made = {"modules": module_digests(_package()), "revision": revision(root)}
    # Always one thread, so that results do not depend on the number of jobs.
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
        # `build` uses the notebook if its code is the present code. This entry names the code.
        parsed = json.loads(outcome.notebook)
        parsed["metadata"]["course"] = {"code": record["code"], "modules": record["modules"]}
        write_text(notebook, to_json(parsed))
        path = result_path(root, STACK, lesson.name, outcome.seed, again)
        # If only the notebook was needed (a figure changed), a valid measurement stays.
        if again or to_do(lesson, outcome.seed, root):
            write_text(path, to_json(record))
        return f"{shown(path)}  ({_compare(record, root)})" if again else shown(path)

    return spread(tasks, jobs, store, unit="run")


def _package():
    """Give the names of all modules of the package."""
    root = Path(course_utils.__file__).parents[1]
    files = [path.relative_to(root).with_suffix("").parts for path in root.glob("course_utils/**/*.py")]
    return [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in files]


def _accept(outcome, lesson, made):
    """Give the record to store, or None if nothing was recorded. A CourseError says why it is not valid."""
    if not outcome.record:
        if claims_of(lesson.name):
            raise CourseError("it recorded nothing: does it create a Lesson?")
        return None
    for key, value in {"lesson": lesson.name, "seed": outcome.seed, "stack": STACK}.items():
        if outcome.record.get(key) != value:
            raise CourseError(f"it recorded {key} {outcome.record.get(key)!r}, but it was run with {value!r}")
    modules = outcome.record["modules"]
    edited = [name for name, digest in module_digests(modules).items() if made["modules"].get(name) != digest]
    if edited:
        raise CourseError(f"{', '.join(edited)} changed during the run: run it again")
    record = outcome.record | {
        "code": lesson.code,
        "modules": {name: made["modules"][name] for name in modules if name in made["modules"]},
        "revision": made["revision"],
        "seconds": round(outcome.seconds, 1),
        "date": date.today().isoformat(),
    }
    problem = schemas.complaint(record, schemas.RECORD)
    if problem:
        raise CourseError(f"its record is not valid: {problem}")
    check_record(record)
    others = [name for name in changed(record, lesson) if name.endswith(" data")]
    if others:
        raise CourseError(f"it was not measured on the course's data: {', '.join(others)}")
    return record


def _sweep(root):
    """Remove temporary files of killed processes, if they are an hour old, so that nobody still writes
    them."""
    for leftover in Path(root, "results").rglob(".*.tmp"):
        if time.time() - leftover.stat().st_mtime > 3600:
            leftover.unlink(missing_ok=True)


def reproduce(lessons=(), seeds=(42, 43, 44), jobs=None, dry_run=False, root=None):
    """Measure lessons with several seeds on this interpreter's stack; skip the runs that results/ contains.

    It can be stopped at any time: every finished run is complete in results/, and the next call continues
    from there. Without names, it measures every lesson that has claims. It returns the outcomes of the runs
    that were needed.
    """
    root = Path(root) if root else repository()
    seeds = list(dict.fromkeys(seeds))
    # A lesson without claims runs only if it is named: its time is also a result.
    chosen = [lesson for lesson in select(lessons, root) if lessons or claims_of(lesson.name)]
    # Seed by seed, so that after an interruption every lesson has some seeds.
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
            print(f"{name}={os.environ[name]} is ignored: runs are full, on real data, with --seeds")
    return [] if dry_run else measure(due, jobs, root)


# --- the same seed twice ------------------------------------------------------------------------------------


def differing(first, second):
    """Give the measures in which two records differ, even by the last bit, except times: claim → names."""
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
    """Run lessons again with a seed that results/ contains for this stack and processor, and compare.

    If the numbers are equal to the last bit (except times), all records of the lesson and stack that were
    made by the same code as that seed get a new date and the present code. So a refactoring costs one run,
    not one for each seed. If a number differs, the records stay stale. A seed that was already repeated with
    the present code is not repeated again. The function returns the outcomes of the runs that were needed.
    """
    root = Path(root) if root else repository()
    records, repeats, problems = read_records(root)
    if problems:
        raise CourseError("\n  ".join(["some files in results/ cannot be used:", *problems]))
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
            # One repeated run is enough for all records of the present code. Each older code needs its own.
            like = group if changed(group[0], lesson) else here
            twice = [done[_key(record)] for record in like if _key(record) in done]
            if twice:
                print(f"{lesson.name} seed {twice[0]['seed']}: repeated already, {_compare(twice[0], root)}")
            else:
                print(f"{lesson.name} seed {group[0]['seed']}: to be repeated")
                due.append((lesson, group[0]["seed"]))
    return measure(due, jobs, root, again=True)


def _code(record):
    """What identifies the code of a record."""
    return record["code"], tuple(sorted(_telling(record["modules"]).items()))


def _compare(second, root):
    """Compare a repeated run with the first; if they are equal, update the records. Describe the result."""
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
    dated = f"; new date for seeds {' '.join(str(record['seed']) for record in same)}" if same else ""
    return f"equal to the last bit{dated}"


def listed(found):
    """Write the result of `differing` as text."""
    return "; ".join(f"{claim} ({', '.join(names)})" for claim, names in found.items())


def repeat_problems(root=None):
    """Say which repeated runs of the present code differ from the first, and in which measures."""
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
                "although the code is the same"
                if same_code(first, second)
                else f"so the change of the code changed the numbers; if this was intended: {again}"
            )
            lines.append(f"{_name(second)}: the second run differs in {listed(found)}, {why}")
    return lines


def comparable(first, second):
    """Say whether two records should have the same numbers, given their versions and processors."""
    cpus = first["cpu"], second["cpu"]
    alike = same_cpu(*cpus) or same_cpu(*reversed(cpus))
    return alike and same_versions(first["versions"], second["versions"])


def same_code(first, second):
    """Say whether two records were made by the same code."""
    return _code(first) == _code(second)


def _name(record):
    return f"{record['lesson']}, {record['stack']} stack, seed {record['seed']}"
