"""From lessons/ to notebooks/: the lesson's cells, with the outputs of a full run on the real data.

A lesson gives two notebooks, the learner's and, in ``solutions/``, its exercises solved. Each is an edition
of the lesson (`build_tools.editions`) after two generated cells (the Colab badge, and the cell that installs
the package there). Where only prose changed, the outputs stay; where code changed, the lesson is run, and
that run is evidence as well: `build_tools.evidence.measure` does both, so nothing is trained twice.
"""

import ast
import base64
import copy
import hashlib
import re
import sys
import tempfile
from pathlib import Path

from build_tools import CourseError, evidence, figure, findings, table
from build_tools.claims import ledger_folder, load_claims
from build_tools.editions import measured_in_solutions
from build_tools.environment import current_stack
from build_tools.execute import make_task, read_lesson, repository, select, shown, spread
from build_tools.report import PICTURE, results_page, summarize, usable_results
from build_tools.results import read_repeats
from course_utils import checks
from course_utils.files import to_json, write_bytes, write_text
from course_utils.stack import STACKS

import nbformat  # isort: skip  (after running, which says what to install where it is missing)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STACK = "keras3"
SEED = 42

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


# --- the two generated cells ------------------------------------------------------------------------------


def address(root=None):
    """Read where the course is published.

    Parameters
    ----------
    root : path-like, optional
        The repository; by default the one around the current folder.

    Returns
    -------
    repository : str
        ``https://github.com/<owner>/<name>``.
    revision : str
        The branch, tag or commit that the badges open and Colab installs.

    Raises
    ------
    CourseError
        If ``pyproject.toml`` lacks either, or the repository is not on GitHub, which Colab opens.

    Examples
    --------
    >>> address()  # doctest: +SKIP
    ('https://github.com/owner/name', 'main')
    """
    root = Path(root) if root else repository()
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    url = settings.get("project", {}).get("urls", {}).get("Repository", "")
    revision = settings.get("tool", {}).get("course", {}).get("revision", "")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", url):
        raise CourseError(
            "pyproject.toml: [project.urls] Repository should be https://github.com/<owner>/<name>, "
            f"got {url or 'nothing'!r}; the notebooks' Colab badges need it"
        )
    if not re.fullmatch(r"[\w./-]+", revision):
        raise CourseError(
            "pyproject.toml: [tool.course] revision should be a branch, tag or commit, "
            f"got {revision or 'nothing'!r}; the notebooks' Colab badges need it"
        )
    return url.removesuffix(".git"), revision


def stamp(name, root=None, summary=None, edition="learner"):
    """Write the two cells that every built notebook begins with.

    Parameters
    ----------
    name : str
        The lesson's name.
    root : path-like, optional
    summary : dict, optional
        Another summary than the shipped one: what `report` is about to write.
    edition : {"learner", "solutions"}, default="learner"

    Returns
    -------
    list of nbformat.NotebookNode
        A Markdown cell with the Colab badge and how long a full run took, or whose solutions these are; and a
        code cell that installs the package on Colab.

    Raises
    ------
    CourseError
        As for `address`.

    Examples
    --------
    >>> stamp("05_weight_normalization")[1].metadata.tags  # doctest: +SKIP
    ['colab']
    """
    url, revision = address(root)
    path = notebook_path("notebooks", name, edition).as_posix()
    place = f"{url.removeprefix('https://github.com/')}/blob/{revision}/{path}"
    badge = (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{place})"
    )
    seconds = (table.load_summary() if summary is None else summary)["seconds"].get(name, {})
    times = [f"{table.duration(seconds[stack])} on the {stack} stack" for stack in STACKS if stack in seconds]
    if edition == "solutions":
        badge += (
            f"\n\n# Solutions to lesson {name[:2]}\n\n"
            f"One way to solve the exercises of [lesson {name[:2]}](../{name}.ipynb). There are others, and "
            "the checks accept them. Try your own first: what one has looked for, one keeps."
        )
    elif times:
        badge += f"\n\n*A full run took {' and '.join(times)}, on one CPU core.*"
    install = f"""# On Colab this installs the course's package; where that is present, it does nothing.
import importlib.util

if importlib.util.find_spec("course_utils") is None:
    %pip install -q "course_utils @ git+{url}@{revision}"
    print("Installed course_utils, the course's helper package.")"""
    return [
        nbformat.v4.new_markdown_cell(badge, id="colab-badge", metadata={"tags": ["colab"]}),
        nbformat.v4.new_code_cell(install, id="colab-install", metadata={"tags": ["colab"]}),
    ]


def stamp_problems(root=None):
    """Find notebooks whose badge or install cell is not the one that ``pyproject.toml`` asks for.

    Parameters
    ----------
    root : path-like, optional

    Returns
    -------
    list of str
        One message for each notebook.

    Examples
    --------
    >>> stamp_problems()  # doctest: +SKIP
    []
    """
    root = Path(root) if root else repository()
    found = []
    for path, edition in _notebooks(root):
        expected = [cell.source for cell in stamp(path.stem, root, edition=edition)]
        if [cell.source for cell in _read(path).cells[:2]] != expected:
            found.append(
                f"{path.relative_to(root).as_posix()}: its Colab cells are not for "
                f"{'@'.join(address(root))}; python -m build_tools build {path.stem[:2]}"
            )
    return found


# --- lesson against notebook ----------------------------------------------------------------------------


def notebook_path(folder, name, edition="learner"):
    """Say where an edition of a lesson is kept.

    Parameters
    ----------
    folder : path-like
        The folder of notebooks.
    name : str
        The lesson's name.
    edition : {"learner", "solutions"}, default="learner"

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> notebook_path("notebooks", "05_optimizers", "solutions").as_posix()
    'notebooks/solutions/05_optimizers.ipynb'
    """
    return Path(folder, *(["solutions"] if edition == "solutions" else []), f"{name}.ipynb")


def _notebooks(root):
    """Every built notebook, with its edition."""
    for edition in ("learner", "solutions"):
        folder = notebook_path(root / "notebooks", "any", edition).parent
        for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
            yield path, edition


def editions_of(lesson):
    """Say which notebooks a lesson gives.

    Parameters
    ----------
    lesson : Lesson

    Returns
    -------
    list of str
        "learner", and "solutions" where the lesson has exercises to fill in.

    Examples
    --------
    >>> editions_of(lesson)  # doctest: +SKIP
    ['learner', 'solutions']
    """
    solved = any("solution" in cell.tags for cell in lesson.text)
    return ["learner", "solutions"] if solved else ["learner"]


def in_sync(lesson, notebook, edition="learner"):
    """Say whether a notebook holds exactly its lesson's cells (after the two generated ones).

    Parameters
    ----------
    lesson, notebook : path-like
    edition : {"learner", "solutions"}, default="learner"

    Returns
    -------
    bool

    Raises
    ------
    CourseError
        If the lesson is missing.

    Examples
    --------
    >>> in_sync("lessons/05_optimizers.py", "notebooks/05_optimizers.ipynb")  # doctest: +SKIP
    True
    """
    if not Path(notebook).exists():
        return False
    return _cells(read_lesson(lesson).notebook(edition).cells) == _cells(_read(notebook).cells[2:])


def _cells(cells):
    return [(cell.cell_type, cell.source, tuple(cell.metadata.get("tags", ()))) for cell in cells]


def _code(cells):
    return [cell.source for cell in _lesson_code(cells)]


def _lesson_code(cells):
    return [cell for cell in cells if cell.cell_type == "code" and "colab" not in _tags(cell)]


def _tags(cell):
    return set(cell.metadata.get("tags", ()))


def _read(path):
    try:
        return nbformat.reads(Path(path).read_text(encoding="utf-8"), as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise CourseError(f"{shown(path)} is no notebook ({error}); delete it and build it again") from None


def assemble(lesson, executed, root=None, edition="learner"):
    """Put a notebook together: the generated cells, the lesson's cells, the outputs of an executed one.

    Parameters
    ----------
    lesson : Lesson
    executed : nbformat.NotebookNode
        A notebook that holds the edition's code cells, in the same order. The learner's exercises need not be
        among them: cells to fill in have not been run, and a check says that nothing is filled in yet.
    root : path-like, optional
    edition : {"learner", "solutions"}, default="learner"

    Returns
    -------
    str
        The notebook as JSON. The same lesson and outputs give the same text: no times, no paths, and cell
        ids that follow from the cells.

    Raises
    ------
    CourseError
        If a code cell is missing, a solution does not pass its check, or an output is not fit to be shown: an
        error, a warning, a path of this machine, a memory address. It names the cells.

    Examples
    --------
    >>> assemble(lesson, executed)  # doctest: +SKIP
    """
    notebook = lesson.notebook(edition)
    run = iter(_lesson_code(executed.cells))
    count = 0
    for cell in _lesson_code(notebook.cells):
        if edition == "learner" and _tags(cell) & {"exercise", "uses-answer"}:
            continue
        count += 1
        cell.execution_count = count
        if edition == "learner" and _tags(cell) & {"check", "given"}:
            cell.outputs = _unfilled(lesson.name, cell, count)
            continue
        done = next((done for done in run if done.source == cell.source), None)
        if done is None:
            raise CourseError(f"{lesson.name}: the executed notebook has other code than the lesson")
        cell.outputs = [_clean(output, count) for output in done.outputs]
    problems = output_problems(notebook.cells, root)
    if edition == "solutions":
        problems += _unsolved(notebook.cells)
    if problems:
        raise CourseError(f"{lesson.name} cannot be shown as it is:\n  " + "\n  ".join(problems))
    notebook.metadata = nbformat.from_dict(copy.deepcopy(_METADATA))
    seen = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notebook.cells = [*stamp(lesson.name, root, edition=edition), *notebook.cells]
    # Every notebook in the same minor version, whichever nbformat writes it: 4.5 is the first with cell ids.
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def _unfilled(name, cell, count):
    """What a cell of an exercise shows before the learner has done anything."""
    if "check" not in _tags(cell):
        return []
    call = _last_call(cell.source)
    if call is None or _called(call) != "check" or not _one_constant(call):
        raise CourseError(
            f'{name}: a cell tagged check should end with a call like check("name"), it is {cell.source!r}'
        )
    return [_shown_value(checks.open_answer(call.args[0].value), count)]


def _unsolved(cells):
    """Checks that our own solutions do not pass."""
    return [
        f"{cell.source.splitlines()[-1]} says: {_text(output)}"
        for cell in cells
        if "check" in _tags(cell)
        for output in cell.outputs
        if not output.get("data", {}).get("text/plain", "").startswith("Right.")
    ]


def _shown_value(value, execution_count):
    """The output of a cell whose last line is this value."""
    data = {"text/markdown": value._repr_markdown_(), "text/plain": repr(value)}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_()
    return nbformat.v4.new_output("execute_result", execution_count=execution_count, data=data)


def _last_call(source):
    statements = ast.parse(source).body
    value = statements[-1].value if statements and isinstance(statements[-1], ast.Expr) else None
    return value if isinstance(value, ast.Call) else None


def _called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _one_constant(call):
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant)


def _clean(output, count):
    output = copy.deepcopy(output)
    if "execution_count" in output:
        output.execution_count = count
    output.get("metadata", {}).pop("execution", None)
    return output


def output_problems(cells, root=None):
    """Find outputs that a reader should not be shown.

    Parameters
    ----------
    cells : list of nbformat.NotebookNode
        The lesson's cells.
    root : path-like, optional

    Returns
    -------
    list of str
        Cell by cell: what is there, and what to do about it.

    Examples
    --------
    >>> cell = nbformat.v4.new_code_cell("history", outputs=[])
    >>> output_problems([cell], root=".")
    []
    """
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
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", ()):
                found.append(f"{where} failed: {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"{where} writes to stderr: {output.text.strip()[:200]!r}; remove the cause")
            text = _text(output)
            if any(place in text for place in places):
                found.append(f"{where} shows a path of this machine: {text.strip()[:200]!r}")
            # Figures and other objects whose last line was left to be shown.
            address = re.search(r"<[^<>\n]*\bat 0x[0-9a-fA-F]+>", text)
            if address:
                found.append(
                    f"{where} shows the memory address {address[0]}: end its last line with a semicolon"
                )
    return found


def _text(output):
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return ""
    return "\n".join(str(text) for kind, text in output.get("data", {}).items() if kind.startswith("text/"))


# --- build ------------------------------------------------------------------------------------------------


def build(lessons=(), jobs=None, check=False, force=False, stack=STACK, root=None):
    """Bring notebooks/ up to date with lessons/.

    Parameters
    ----------
    lessons : iterable of str
        As for `build_tools.execute.select`; none for all.
    jobs : int, optional
        As for `build_tools.execute.spread`.
    check : bool, default=False
        Only say what would be done.
    force : bool, default=False
        Run the lessons even where their code is unchanged.
    stack : {"keras3", "addons"}, default="keras3"
        Whose outputs the notebooks show. Executing needs an interpreter of this stack.
    root : path-like, optional

    Returns
    -------
    changed : list of str
        What was (or would be) written or run, a line each.
    problems : list of str
        What could not be done.

    Raises
    ------
    CourseError
        If a lesson is unknown, the address is missing, or a lesson has to run and this is the other stack.

    Examples
    --------
    >>> build(["05"], check=True)  # doctest: +SKIP
    (['notebooks/05_weight_normalization.ipynb: its code cells differ from the lesson: run it'], [])
    """
    root = Path(root) if root else repository()
    changed, problems, to_run = [], [], []

    def finish(lesson, executed, why, editions):
        for edition in editions:
            target = notebook_path(root / "notebooks", lesson.name, edition)
            try:
                text = assemble(lesson, executed, root, edition)
            except CourseError as error:
                problems.append(str(error))
                continue
            if not target.exists() or target.read_text(encoding="utf-8") != text:
                changed.append(f"{shown(target)}: {why}")
                if not check:
                    write_text(target, text)
            picture = cover(nbformat.reads(text, as_version=4))
            place = root / "docs" / f"{lesson.name}.png"
            if picture and (not place.exists() or place.read_bytes() != picture):
                changed.append(f"{shown(place)}: the lesson's cover")
                if not check:
                    write_bytes(place, picture)

    for lesson in select(lessons, root):
        editions = editions_of(lesson)
        # What the lesson's run gives: its own notebook; its solutions too, where these are what is measured.
        whole = measured_in_solutions(lesson.text)
        for run, given in {
            "measured": editions if whole else ["learner"],
            "solutions": [] if whole else editions[1:],
        }.items():
            if not given:
                continue
            target = notebook_path(root / "notebooks", lesson.name, given[-1])
            stored = _read(target) if target.exists() else None
            same = stored is not None and _ran(stored.cells, given[-1]) == _code(lesson.notebook(run).cells)
            if same and not force:
                finish(lesson, _refreshed(lesson.name, stored), "text, badge and tables refreshed", given)
                continue
            kept = _kept(lesson, root, stack) if run == "measured" and not force else None
            if kept is not None:
                finish(lesson, _refreshed(lesson.name, kept), "taken from the full run in build/", given)
                continue
            why = (
                "run again"
                if same
                else "its code cells differ from the lesson: run it"
                if stored
                else "new: run it"
            )
            to_run.append((lesson, run, given, f"{shown(target)}: {why}"))
    if check or not to_run:
        return changed + [why for *_, why in to_run], problems
    if stack != current_stack():
        names = ", ".join(dict.fromkeys(lesson.name for lesson, *_ in to_run))
        raise CourseError(
            f"{names}: to be run on the {stack} stack, and this Python is of the {current_stack()} stack "
            f"(see README.md for the interpreter), or build with --stack {current_stack()}"
        )
    measured = [(lesson, given) for lesson, run, given, _ in to_run if run == "measured"]
    outcomes = evidence.measure([(lesson, SEED) for lesson, _ in measured], jobs, root) if measured else []
    problems += [f"{outcome.name}: {outcome.problem}" for outcome in outcomes if not outcome.passed]
    for lesson, given in measured:
        if lesson.name in {outcome.name for outcome in outcomes if outcome.passed}:
            executed = _read(evidence.kept_notebook(root, stack, lesson.name, SEED))
            finish(lesson, _refreshed(lesson.name, executed), "executed", given)
    solved = {lesson.name: lesson for lesson, run, *_ in to_run if run == "solutions"}
    for outcome in _solve(solved.values(), jobs):
        if outcome.passed:
            executed = nbformat.reads(outcome.notebook, as_version=4)
            finish(solved[outcome.name], executed, "executed", ["solutions"])
        else:
            problems.append(f"the solutions of {outcome.name}: {outcome.problem}")
    return changed, problems


def _solve(lessons, jobs):
    """Run the solutions of lessons, in full on the real data. They measure nothing, so no results follow."""
    settings = dict(mode="full", seed=SEED, one_thread=True, edition="solutions", COURSE_DATA="real")
    return spread([make_task(lesson, **settings) for lesson in lessons], jobs, unit="lesson")


def _ran(cells, edition):
    """The code of a built notebook that was run to make it."""
    skip = {"exercise", "check", "given", "uses-answer"} if edition == "learner" else set()
    return [cell.source for cell in _lesson_code(cells) if not _tags(cell) & skip]


def cover(notebook):
    """Take the picture out of the cell tagged ``cover``: what the README shows of a lesson.

    Parameters
    ----------
    notebook : nbformat.NotebookNode

    Returns
    -------
    bytes or None
        A PNG; None where no cell is tagged so, or it shows no picture.

    Examples
    --------
    >>> cover(nbformat.v4.new_notebook())
    """
    for cell in notebook.cells:
        if "cover" in cell.metadata.get("tags", ()):
            for output in cell.get("outputs", ()):
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output.data["image/png"])
    return None


def _kept(lesson, root, stack):
    """The executed notebook of `reproduce` with the first seed, if it comes from exactly this code."""
    path = evidence.kept_notebook(root, stack, lesson.name, SEED)
    if not path.exists():
        return None
    notebook = _read(path)
    same_text = _code(notebook.cells) == _code(lesson.notebook().cells)
    # A failed run has no such note: it is written once the run is accepted.
    same_package = notebook.metadata.get("course", {}).get("modules") == lesson.modules
    return notebook if same_text and same_package else None


# --- report -----------------------------------------------------------------------------------------------


def _refreshed(name, notebook, summary=None):
    """Give the notebook with the outputs of its ``verdicts`` cells as a summary has them."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "verdicts" in cell.metadata.get("tags", ()):
            shown_table = _table(name, cell.source, summary)
            cell.outputs = [_shown_value(shown_table, cell.execution_count)]
    return notebook


def _table(name, source, summary):
    """Read from a cell's code which verdicts it shows, as its last line."""
    call = _last_call(source)
    if call is not None:
        if _called(call) == "verdicts" and _one_constant(call):
            return table.verdicts(call.args[0].value, summary)
        if _called(call) == "times" and not call.args:
            return table.times(summary)
    raise CourseError(
        f'{name}: a cell tagged verdicts should end with a call like verdicts("S1") or times(), '
        f"so that the report can refresh it; it is {source!r}"
    )


def readme_with(text, summary):
    """Put the findings into a README, between the marks that say where.

    Parameters
    ----------
    text : str
        The README as it is.
    summary : dict
        As from `build_tools.report.summarize`.

    Returns
    -------
    str

    Raises
    ------
    CourseError
        If a mark is missing.

    Examples
    --------
    >>> marks = "<!-- time --><!-- /time --><!-- findings --><!-- /findings -->"
    >>> readme_with(marks, {"claims": {}, "seconds": {}})[:41]
    '<!-- time -->\\nThe whole course has not be'
    """
    blocks = {"findings": findings.paragraph(summary), "time": findings.course_time(summary)}
    for name, block in blocks.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if not (start in text and end in text.partition(start)[2]):
            raise CourseError(
                f"README.md should have {start} and {end} around what `report` writes there; it has not"
            )
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n{block}\n{end}{rest.partition(end)[2]}"
    return text


def _pending(root):
    """Everything the report would write: path → content, for the files that differ."""
    results = usable_results(root)
    claims = load_claims()
    summary = summarize(results, claims, read_repeats(root)[0])
    files = {
        ledger_folder() / "summary.json": to_json(summary),
        root / "RESULTS.md": results_page(results, summary, claims),
    }
    readme = root / "README.md"
    if readme.exists():
        files[readme] = readme_with(readme.read_text(encoding="utf-8"), summary)
    for path, edition in _notebooks(root):
        old = _read(path)
        new = _refreshed(path.stem, old, summary)
        new.cells[0].source = stamp(path.stem, root, summary, edition)[0].source
        if new != old:
            files[path] = nbformat.writes(new) + "\n"
    pending = {
        path: text
        for path, text in files.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    # Pixels depend on Matplotlib's version, so a picture is recognized by what it was drawn from.
    if figure.drawn_from(root / PICTURE) != figure.digest(summary, claims):
        pending[root / PICTURE] = lambda: figure.draw(summary, claims)
    return pending


def stale(root=None):
    """Say which files `report` would change.

    Parameters
    ----------
    root : path-like, optional

    Returns
    -------
    list of str
        Paths below the current folder where possible; empty if everything is up to date.

    Raises
    ------
    CourseError
        If a results file is damaged or may not be among the results.

    Examples
    --------
    >>> stale()  # doctest: +SKIP
    ['RESULTS.md']
    """
    return [shown(path) for path in _pending(Path(root) if root else repository())]


def report(root=None):
    """Write what follows from results/: summary, RESULTS.md, its picture, README's findings, tables.

    Parameters
    ----------
    root : path-like, optional

    Returns
    -------
    list of str
        The files that changed.

    Raises
    ------
    CourseError
        If a results file is damaged or may not be among the results. Nothing is written then.

    Examples
    --------
    >>> report()  # doctest: +SKIP
    ['course_utils/ledger/summary.json', 'RESULTS.md', 'notebooks/05_weight_normalization.ipynb']
    """
    pending = _pending(Path(root) if root else repository())
    for path, content in pending.items():
        if callable(content):
            write_bytes(path, content())
        else:
            write_text(path, content)
    return [shown(path) for path in pending]
