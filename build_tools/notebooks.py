"""From lessons/ to notebooks/: the lesson's cells, with the outputs of a full run on real data.

Two notebooks are made from a lesson: the learner's, and, in ``solutions/``, its exercises with solutions.
Each is an edition of the lesson (`build_tools.lessons`) with two generated cells before it: the Colab badge,
and the cell that installs the package on Colab.

`build` updates text and code at once and keeps the outputs, so that a change never waits for a run. If the
code of a cell has changed since its outputs were made, its metadata says so, and a note at the top of the
notebook, until ``build --run`` executes the lesson.
"""

import ast
import base64
import copy
import difflib
import hashlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from build_tools import CourseError, evidence
from build_tools.execute import make_task, shown, spread
from build_tools.lessons import (
    LEFT_TO_THE_LEARNER,
    cell_digest,
    module_digests,
    read_lesson,
    repository,
    select,
)
from course_utils import checks
from course_utils.files import write_bytes
from course_utils.stack import STACK, STACKS
from course_utils.verdicts import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: The stack and the seed of the outputs in the notebooks.
SHOWN_STACK = "keras3"
SEED = 42

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


# --- the two generated cells ------------------------------------------------------------------------------


def address(root):
    """Read the course's GitHub address and revision from pyproject.toml."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    url = settings.get("project", {}).get("urls", {}).get("Repository", "")
    branch = settings.get("tool", {}).get("course", {}).get("revision", "")
    for name, form, value, example in [
        ("[project.urls] Repository", r"https://github\.com/[\w.-]+/[\w.-]+", url, "https://github.com/…/…"),
        ("[tool.course] revision", r"[\w./-]+", branch, "a branch, tag or commit"),
    ]:
        if not re.fullmatch(form, value):
            raise CourseError(
                f"pyproject.toml: {name} should be {example}; received {value or 'nothing'!r}. "
                "The notebooks' Colab badges need it"
            )
    return url.removesuffix(".git"), branch


def _head(name, edition, root, tables, notice=""):
    """Make the two cells at the start of every notebook. `tables` is as for `pending_tables`."""
    from build_tools.report import duration  # which imports this module, too

    url, branch = address(root)
    path = notebook_path("notebooks", name, edition).as_posix()
    place = f"{url.removeprefix('https://github.com/')}/blob/{branch}/{path}"
    lines = [
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{place})"
    ]
    seconds = tables["seconds"].get(name, {})
    times = [f"{duration(seconds[stack])} on the {stack} stack" for stack in STACKS if stack in seconds]
    if edition == "solutions":
        lines += [
            f"# Solutions to lesson {name[:2]}",
            f"One way to solve the exercises of [lesson {name[:2]}](../{name}.ipynb). There are others, and "
            "the checks accept them. Try to solve each exercise before you read its solution.",
        ]
    elif times:
        lines.append(f"*A full run took {' and '.join(times)}, on one CPU core.*")
    install = f"""# On Colab this installs the course's package; where that is present, it does nothing.
import importlib.util

if importlib.util.find_spec("course_utils") is None:
    %pip install -q "course_utils @ git+{url}@{branch}"
    print("Installed course_utils, the course's helper package.")"""
    return [
        nbformat.v4.new_markdown_cell(
            "\n\n".join([*lines, *([notice] if notice else [])]),
            id="colab-badge",
            metadata={"tags": ["colab"]},
        ),
        nbformat.v4.new_code_cell(install, id="colab-install", metadata={"tags": ["colab"]}),
    ]


def _notice(notebook, cells, edition):
    """Write the note about outputs that do not come from the shown code; "" if all do."""
    course = notebook.metadata.get("course")
    if not course:
        return ""
    marks = [cell.metadata["course"]["code"] for cell in cells if "course" in cell.metadata]
    new = marks.count("")
    changed = len(marks) - new
    if new == len(_ran(cells, edition)):
        return "> **Not run yet.** The cells below show no outputs so far."
    said = [f"the code of {_count(changed, 'cell')} has changed since"] if changed else []
    said += [f"{_count(new, 'cell')} {'is' if new == 1 else 'are'} new and not run yet"] if new else []
    made = f"the code of revision `{course['revision']}`" if course["revision"] else "earlier code"
    return (
        f"> **Outputs from before a change.** The outputs below were made with {made}; "
        f"{', and '.join(said) or 'cells have been removed or moved since'}. "
        "What later cells show may change, too."
    )


def _count(number, word):
    return f"{number} {word}{'' if number == 1 else 's'}"


# --- lesson against notebook ------------------------------------------------------------------------------


def notebook_path(folder, name, edition="learner"):
    """Give the path of an edition of a lesson.

    >>> notebook_path("notebooks", "05_optimizers", "solutions").as_posix()
    'notebooks/solutions/05_optimizers.ipynb'
    """
    return Path(folder, *(["solutions"] if edition == "solutions" else []), f"{name}.ipynb")


def editions_of(lesson):
    """Name a lesson's notebooks: "learner", and "solutions" if there are exercises to fill in."""
    solved = any("solution" in cell.tags for cell in lesson.text)
    return ["learner", "solutions"] if solved else ["learner"]


def in_sync(lesson, notebook, edition="learner"):
    """Say whether a notebook has exactly its lesson's cells (after the two generated ones)."""
    if not Path(notebook).exists():
        return False

    def cells(notebook):
        return [(cell.cell_type, cell.source, _tags(cell), _alt(cell)) for cell in notebook]

    return cells(read_lesson(lesson).notebook(edition).cells) == cells(_read(notebook).cells[2:])


def _tags(cell):
    return set(cell.metadata.get("tags", ()))


def _alt(cell):
    """Give the description of the cell's figure; "" if there is none."""
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def _ran(cells, edition):
    """Give the code cells whose outputs come from a run, without those that the builder fills in."""
    skip = {"colab", "verdicts"}
    skip |= {*LEFT_TO_THE_LEARNER, "check", "given"} if edition == "learner" else set()
    return [cell for cell in cells if cell.cell_type == "code" and not _tags(cell) & skip]


def _code(cells, edition):
    """Digest the code that made a notebook's outputs."""
    together = "\n".join(cell_digest(cell.source) for cell in _ran(cells, edition))
    return hashlib.sha256(together.encode()).hexdigest()[:16]


def _read(path):
    try:
        return nbformat.reads(Path(path).read_text(encoding="utf-8"), as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise CourseError(
            f"{shown(path)} is not a notebook ({error}); delete it and build it again"
        ) from None


def assemble(lesson, source, edition, root, tables, executed=False):
    """Make a notebook from the generated cells, the lesson's cells, and the outputs of another notebook.

    Parameters
    ----------
    lesson : Lesson
    source : nbformat.NotebookNode or None
        The notebook with the outputs: the one in notebooks/, if it exists, or one that was just executed.
    edition : {"learner", "solutions"}
    root : pathlib.Path
    tables : dict
        The content of verdicts.json.
    executed : bool, default=False
        Whether `source` was just executed. Then it has to contain exactly this code, and outputs that can be
        shown. Otherwise a CourseError names the cells.

    Returns
    -------
    nbformat.NotebookNode
        The same lesson and outputs always give the same notebook: it contains no times and no paths, and cell
        ids come from the cells. If outputs do not come from this code, ``metadata.course`` names their
        revision. ``metadata.course.code`` of each changed cell is then the digest of the code that made its
        outputs ("" if it was never run).
    """
    notebook = lesson.notebook(edition)
    given = _ran(source.cells, "solutions" if executed else edition) if source else []
    pairs = iter(_align(given, _ran(notebook.cells, edition)))
    count = 0
    for cell in notebook.cells:
        tags = _tags(cell)
        if cell.cell_type != "code" or (edition == "learner" and tags & LEFT_TO_THE_LEARNER):
            continue
        if "verdicts" in tags:
            outputs = [_value(_table(lesson.name, cell.source, tables))]
        elif edition == "learner" and tags & {"check", "given"}:
            outputs = _unfilled(lesson.name, cell)
        else:
            old, now = next(pairs), cell_digest(cell.source)
            made = old.metadata.get("course", {}).get("code", cell_digest(old.source)) if old else ""
            if made != now:
                if executed:
                    raise CourseError(
                        f"{lesson.name}: the code of the executed notebook is not that of the lesson"
                    )
                if "nbval-check-output" in tags:
                    made = ""  # the tests would compare it with the output of the earlier code
                cell.metadata.course = {"code": made}
            if not made:
                continue
            outputs = copy.deepcopy(old.outputs)
        count += 1
        cell.execution_count = count
        for output in outputs:
            output.get("metadata", {}).pop("execution", None)
            if "image/png" in output.get("data", {}) and _alt(cell):
                output.metadata["image/png"] = {"alt": _alt(cell)}  # for JupyterLab and nbconvert
            if "execution_count" in output:
                output.execution_count = count
        cell.outputs = outputs
    if executed:
        problems = output_problems(notebook.cells, root)
        problems += _unsolved(notebook.cells) if edition == "solutions" else []
        if problems:
            raise CourseError(f"{lesson.name} cannot be shown:\n  " + "\n  ".join(problems))
    notebook.metadata = nbformat.from_dict(copy.deepcopy(_METADATA))
    if not executed:
        path = notebook_path(root / "notebooks", lesson.name, edition)
        course = source.metadata.get("course") if source else {"code": "", "revision": ""}
        course = course or {"code": _code(source.cells, edition), "revision": _committed(path)}
        marked = any("course" in cell.metadata for cell in notebook.cells)
        if marked or course["code"] != _code(notebook.cells, edition):
            notebook.metadata.course = course
    seen = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notice = _notice(notebook, notebook.cells, edition)
    notebook.cells = [*_head(lesson.name, edition, root, tables, notice), *notebook.cells]
    # Every notebook has the same minor version with every nbformat. 4.5 is the first with cell ids.
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return notebook


def _align(old, new):
    """Give for each new cell the old cell with the same, or the most similar, code; or None."""
    digests = [[cell_digest(cell.source) for cell in cells] for cells in (old, new)]
    found, left = [None] * len(new), dict(enumerate(old))

    def pair(i, j):
        found[j] = left.pop(i)

    for block in difflib.SequenceMatcher(None, *digests, autojunk=False).get_matching_blocks():
        for k in range(block.size):
            pair(block.a + k, block.b + k)
    for j, digest in enumerate(digests[1]):  # cells that moved
        moved = [i for i in left if digests[0][i] == digest]
        if found[j] is None and moved:
            pair(moved[0], j)
    for j, cell in enumerate(new):  # cells that changed
        if found[j] is None and left:
            alike = {
                i: difflib.SequenceMatcher(None, o.source, cell.source, autojunk=False).ratio()
                for i, o in left.items()
            }
            best = max(alike, key=alike.get)
            if alike[best] > 0.5:
                pair(best, j)
    return found


def _committed(path):
    """Give the last commit of a file: its code made the file's outputs. "" if git has none."""
    command = ["git", "-C", str(path.parent), "log", "-1", "--format=%h", "--", path.name]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _unfilled(name, cell):
    """Give the output of an exercise's cell before the learner has done anything."""
    if "check" not in _tags(cell):
        return []
    call = _last_call(cell.source)
    if call is None or _called(call) != "check" or not _one_constant(call):
        raise CourseError(
            f'{name}: a cell tagged check should end with a call like check("name"); it is {cell.source!r}'
        )
    return [_value(checks.open_answer(call.args[0].value))]


def _unsolved(cells):
    """List the checks that our solutions do not pass."""
    return [
        f"{cell.source.splitlines()[-1]} says: {_text(output)}"
        for cell in cells
        if "check" in _tags(cell)
        for output in cell.outputs
        if not output.get("data", {}).get("text/plain", "").startswith("Right.")
    ]


def _value(value):
    """Make the output of a cell whose last line is this value."""
    data = {"text/markdown": value._repr_markdown_(), "text/plain": repr(value)}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_()
    return nbformat.v4.new_output("execute_result", execution_count=None, data=data)


def _table(name, source, tables):
    """Give the table that a cell shows, from the call in its last line."""
    call = _last_call(source)
    if call is not None and _called(call) == "verdicts" and _one_constant(call):
        which = call.args[0].value
        if which not in tables["verdicts"]:
            raise CourseError(f"{name}: there are no verdicts on {which!r}: python -m build_tools report")
        return Table(**tables["verdicts"][which])
    if call is not None and _called(call) == "times" and not call.args:
        return Table(**tables["times"])
    raise CourseError(
        f'{name}: a cell tagged verdicts should end with a call like lesson.verdicts("S1") or '
        f"lesson.times(), so that the report can refresh it; it is {source!r}"
    )


def _last_call(source):
    statements = ast.parse(source).body
    value = statements[-1].value if statements and isinstance(statements[-1], ast.Expr) else None
    return value if isinstance(value, ast.Call) else None


def _called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _one_constant(call):
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant)


def output_problems(cells, root=None):
    """Find outputs that a reader should not see. Each message says what to do."""
    root = Path(root) if root else repository()
    places = {str(root.resolve()), str(Path.home()), sys.prefix, str(Path(tempfile.gettempdir()) / "course-")}
    places -= {"/"}
    found = []
    for number, cell in enumerate(cells, 1):
        if cell.cell_type != "code":
            continue
        first = next((line for line in cell.source.splitlines() if line.strip()), "")
        where = f"cell {number} ({first.strip()})"
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in _tags(cell):
                found.append(f"{where} failed: {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"{where} writes to stderr: {output.text.strip()[:200]!r}; remove the cause")
            text = _text(output)
            if any(place in text for place in places):
                found.append(f"{where} shows a path of this machine: {text.strip()[:200]!r}")
            # Figures and other objects in the last line of a cell.
            memory = re.search(r"<[^<>\n]*\bat 0x[0-9a-fA-F]+>", text)
            if memory:
                found.append(
                    f"{where} shows the memory address {memory[0]}: end its last line with a semicolon"
                )
    return found


def _text(output):
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return ""
    return "\n".join(str(text) for kind, text in output.get("data", {}).items() if kind.startswith("text/"))


def cover(notebook):
    """Give the picture of the cell tagged ``cover``, as PNG, for the README; None if there is none."""
    for cell in notebook.cells:
        if "cover" in _tags(cell):
            for output in cell.get("outputs", ()):
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output.data["image/png"])
    return None


# --- the plan, and its execution --------------------------------------------------------------------------


@dataclass
class Due:
    """The changes that one notebook needs.

    `files` has the files to write now: path → (content, why). `stale` says whether some outputs do not come
    from the lesson's code, so that ``build --run`` would execute it.
    """

    lesson: object
    edition: str
    files: dict = field(default_factory=dict)
    stale: bool = False
    problem: str = ""

    @property
    def run(self):
        """The edition of the lesson that is executed for this notebook's outputs."""
        if self.edition == "learner" or self.lesson.measured_in_solutions:
            return "measured"
        return "solutions"


def plan(lessons=(), root=None):
    """List as `Due` what each notebook of these lessons, by default of all, needs and why."""
    from build_tools.report import read_verdicts

    root = Path(root) if root else repository()
    tables, found = read_verdicts(root), []
    for lesson in select(lessons, root):
        for edition in editions_of(lesson):
            due = Due(lesson, edition)
            path = notebook_path(root / "notebooks", lesson.name, edition)
            old = _read(path) if path.exists() else None
            why = "text and code" if old else "new"
            try:
                notebook = assemble(lesson, old, edition, root, tables)
                stale = "course" in notebook.metadata
                kept = _kept(lesson, root) if stale and due.run == "measured" else None
                if kept:
                    notebook = assemble(lesson, kept, edition, root, tables, executed=True)
                    why = "outputs of the full run in build/"
                _to_write(due, path, notebook, why, root)
            except CourseError as error:
                due.problem = str(error)
            found.append(due)
    return found


def _to_write(due, path, notebook, why, root):
    """Note the differences between a notebook, with its lesson's picture, and the existing files."""
    due.stale = "course" in notebook.metadata
    shows = "solutions" if due.lesson.measured_in_solutions else "learner"
    picture = cover(notebook) if due.edition == shows else None
    files = {path: ((nbformat.writes(notebook) + "\n").encode(), why)}
    if picture:
        files[root / "docs" / f"{due.lesson.name}.png"] = (picture, "the lesson's cover")
    due.files = {file: new for file, new in files.items() if not file.exists() or file.read_bytes() != new[0]}


def build(lessons=(), jobs=None, run=False, force=False, stack=SHOWN_STACK, root=None):
    """Update notebooks/ from lessons/.

    Parameters
    ----------
    lessons : iterable of str
        As for `build_tools.lessons.select`. By default all lessons.
    jobs : int, optional
        As for `build_tools.execute.spread`.
    run : bool, default=False
        Execute the lessons whose outputs do not come from their code, in full mode on real data.
    force : bool, default=False
        Also execute the other lessons.
    stack : {"keras3", "addons"}, default="keras3"
        The stack of the outputs. Execution needs an interpreter of this stack.
    root : path-like, optional

    Returns
    -------
    changed : list of str
        What was written, one line each.
    problems : list of str
        What could not be done.
    """
    from build_tools.report import read_verdicts

    root = Path(root) if root else repository()
    dues = plan(lessons, root)
    to_run = [due for due in dues if run and (due.stale or force)]
    if to_run and stack != STACK:
        names = ", ".join(dict.fromkeys(due.lesson.name for due in to_run))
        raise CourseError(
            f"{names} should run on the {stack} stack, but this Python has the {STACK} stack: use another "
            f"Python (see README.md), or build with --stack {STACK}"
        )
    changed, problems = [], [due.problem for due in dues if due.problem]

    def write(due):
        for path, (content, why) in due.files.items():
            write_bytes(path, content)
            changed.append(f"{shown(path)}: {why}")

    for due in dues:
        write(due)
    if not to_run:
        return changed, problems
    tables = read_verdicts(root)
    for kind, execute in {"measured": _measure, "solutions": _solve}.items():
        chosen = {due.lesson.name: due.lesson for due in to_run if due.run == kind}
        for name, answer in execute(list(chosen.values()), jobs, root).items():
            if isinstance(answer, str):
                problems.append(f"{name}: {answer}")
                continue
            for due in dues:
                if (due.lesson.name, due.run) == (name, kind):
                    path = notebook_path(root / "notebooks", name, due.edition)
                    try:
                        notebook = assemble(due.lesson, answer, due.edition, root, tables, executed=True)
                        _to_write(due, path, notebook, "executed", root)
                        write(due)
                    except CourseError as error:
                        problems.append(str(error))
    return changed, problems


def _measure(lessons, jobs, root):
    """Run lessons for their claims and their notebooks: name → executed notebook, or the error."""
    outcomes = evidence.measure([(lesson, SEED) for lesson in lessons], jobs, root) if lessons else []
    return {
        outcome.name: outcome.problem or _read(evidence.kept_notebook(root, STACK, outcome.name, SEED))
        for outcome in outcomes
    }


def _solve(lessons, jobs, root):
    """Run the solutions of lessons, in full mode on real data. They measure nothing, so no results follow."""
    settings = dict(mode="full", seed=SEED, one_thread=True, edition="solutions", COURSE_DATA="real")
    outcomes = spread([make_task(lesson, **settings) for lesson in lessons], jobs)
    return {
        outcome.name: f"its solutions: {outcome.problem}"
        if outcome.problem
        else nbformat.reads(outcome.notebook, as_version=4)
        for outcome in outcomes
    }


def _kept(lesson, root):
    """Give the executed notebook of `reproduce` with the first seed, if its code is exactly the lesson's."""
    path = evidence.kept_notebook(root, SHOWN_STACK, lesson.name, SEED)
    if not path.exists():
        return None
    notebook = _read(path)
    # A failed run has no such entry: it is written once the run is accepted.
    modules = notebook.metadata.get("course", {}).get("modules")
    same = modules is not None and modules == module_digests(modules)
    ran = [
        [cell_digest(cell.source) for cell in _ran(cells, "solutions")]
        for cells in (notebook.cells, lesson.notebook().cells)
    ]
    return notebook if same and ran[0] == ran[1] else None


# --- tables -----------------------------------------------------------------------------------------------


def pending_tables(root, tables):
    """Give the notebooks whose tables of verdicts or times differ from `tables`: path → new text.

    `tables` is the content of course_utils/verdicts.json.
    """
    found = {}
    for edition in ("learner", "solutions"):
        folder = notebook_path(Path(root) / "notebooks", "any", edition).parent
        for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
            notebook = _read(path)
            old = copy.deepcopy(notebook)
            for cell in notebook.cells:
                if cell.cell_type == "code" and "verdicts" in _tags(cell):
                    cell.outputs = [_value(_table(path.stem, cell.source, tables))]
                    cell.outputs[0].execution_count = cell.execution_count
            notice = _notice(notebook, notebook.cells[2:], edition)
            notebook.cells[0].source = _head(path.stem, edition, Path(root), tables, notice)[0].source
            if notebook != old:
                found[path] = nbformat.writes(notebook) + "\n"
    return found
