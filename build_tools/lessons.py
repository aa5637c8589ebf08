"""A lesson's text: its cells, the meaning of their tags, and digests that ignore comments and layout.

One file, ``lessons/NN_slug.py``, contains a lesson, its exercises and their solutions. Tags say what a cell
is:

===============  ========================================================================================
tag              the cell
===============  ========================================================================================
``exercise``     text: the card of an exercise. Code: the cell to fill in, in the learner's notebook only
``solution``     code or text that is only in the solutions
``check``        code: asks `course_utils.checks` whether the cell above is right
``given``        code of an exercise that does not depend on the answer: data, imports
``uses-answer``  code that uses the answer: in both notebooks, run only in the solutions
``predict``      code whose result the learner should predict first: in both, run only in the solutions
``needed``       code of the lesson that the exercises use, so the solutions repeat it
===============  ========================================================================================

There are three editions of a lesson:

- **measured**: the code that measures the lesson's claims. It is the lesson without its exercises. If the
  solutions themselves record measurements (lesson 13), it is everything except the cells to fill in.
- **learner**: ``notebooks/NN_slug.ipynb``, everything except the solutions.
- **solutions**: ``notebooks/solutions/NN_slug.ipynb``, the exercises with their solutions. For lesson 13,
  which is one long exercise, it is everything except the cells to fill in.
"""

import ast
import hashlib
import io
import re
import tokenize
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import course_utils
from build_tools import CourseError

try:
    import jupytext
    import nbformat
except ModuleNotFoundError as error:
    raise CourseError(
        f'running lessons needs {error.name}, which is not installed: pip install "course_utils[dev]"'
    ) from error

EDITIONS = ("measured", "learner", "solutions")

#: Every tag that has a meaning: here, in notebooks.py or in nbval.
TAGS = {
    "exercise", "solution", "check", "given", "needed", "uses-answer", "predict",
    "figure", "cover", "record", "verdicts", "nbval-check-output", "nbval-skip", "raises-exception",
}  # fmt: skip

_EXERCISE_CODE = {"exercise", "solution", "check", "given", "uses-answer", "predict"}
#: Code that the learner runs: in the learner's notebook it has no outputs.
LEFT_TO_THE_LEARNER = {"exercise", "uses-answer", "predict"}
# JupyterLab and Colab hide the code of these cells, because their outputs matter, not their code.
_FOLDED = {"record", "verdicts"}

# Cells that measure nothing: they draw, install the package on Colab, show verdicts, or check an exercise. A
# change of such a cell leaves a measurement valid. `cell_problems` checks that they measure nothing.
SILENT_TAGS = ("figure", "colab", "verdicts", "check")
_MEASURING = {"fit", "compile", "record", "evaluate", "predict", "train_on_batch", "apply_gradients"}


class Cell(NamedTuple):
    """One cell of a lesson. ``kind`` is "code" or "markdown"; `alt` describes its figure."""

    kind: str
    source: str
    tags: tuple = ()
    alt: str = ""

    def metadata(self, tags):
        """Give the metadata of this cell in a notebook."""
        found = {"tags": list(tags)} if tags else {}
        if self.alt:
            found["mystnb"] = {"image": {"alt": self.alt}}
        if _FOLDED & set(tags):
            found |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
        return found


@dataclass(frozen=True)
class Lesson:
    """A lesson's name, file and cells: `cells` are those that measure, and `code` is the digest of their
    code."""

    name: str
    path: Path
    text: tuple = field(repr=False)

    @cached_property
    def cells(self):
        """The cells that measure the lesson's claims."""
        return tuple(cell for cell, _ in cells_of(self.text, "measured"))

    @cached_property
    def code(self):
        """The digest of the code cells that measure."""
        return code_digest(self.cells)

    @property
    def measured_in_solutions(self):
        """Whether the lesson's claims are measured by its solutions, as lesson 13's are."""
        return _measured_in_solutions(self.text)

    def notebook(self, edition="measured"):
        """Give an edition of the lesson as a notebook without outputs."""
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
        for cell, tags in cells_of(self.text, edition):
            new = nbformat.v4.new_code_cell if cell.kind == "code" else nbformat.v4.new_markdown_cell
            notebook.cells.append(new(cell.source, metadata=cell.metadata(tags)))
        return notebook


# --- reading and choosing ---------------------------------------------------------------------------------


def repository(start="."):
    """Find the repository of a folder: the nearest folder upwards with ``lessons/`` and ``pyproject.toml``.

    Raises a CourseError if there is none, or if its packages are not the ones in use.
    """
    here = Path(start).resolve()
    for folder in (here, *here.parents):
        if (folder / "lessons").is_dir() and (folder / "pyproject.toml").is_file():
            for file in (__file__, course_utils.__file__):
                used = Path(file).resolve().parent
                own = folder / used.name
                if own.is_dir() and own.resolve() != used:
                    raise CourseError(
                        f"this repository's package is {own}, but {used} is in use: "
                        "install this package (pip install -e .), or change to the other repository"
                    )
            return folder
    raise CourseError(
        f"{here} is not inside a clone of the course (no lessons/ here or above): change to one with cd"
    )


def read_lesson(path):
    """Read a lesson, a jupytext py:percent file. A CourseError says what is wrong with it."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CourseError(f"there is no lesson {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        cells, problems = _parse(text)
    except CourseError as error:
        raise CourseError(f"{path.name}: {error}") from None
    if problems:
        raise CourseError(f"{path.name}: " + "; ".join(problems))
    return Lesson(path.stem, path, cells)


@lru_cache(maxsize=32)
def _parse(text):
    """Give a lesson's cells and their problems."""
    cells = tuple(
        Cell(
            cell.cell_type,
            cell.source,
            tuple(cell.metadata.get("tags", ())),
            cell.metadata.get("alt", ""),
        )
        for cell in jupytext.reads(text, fmt="py:percent").cells
        if cell.cell_type != "raw"
    )
    measured = [cell for cell, _ in cells_of(cells, "measured")]
    return cells, tuple(tag_problems(cells) + cell_problems(measured))


def select(names=(), root=None):
    """Choose lessons by number, by name, or by the beginning of either. Without names, choose all.

    Examples are ``"05"``, ``"weight_normalization"``, ``"05_w"`` and
    ``"lessons/05_weight_normalization.py"``. The lessons are in the order of the course, each once. If a name
    matches none, a CourseError lists all lessons.
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


# --- editions ---------------------------------------------------------------------------------------------


def _measured_in_solutions(cells):
    return any(
        cell.kind == "code" and "solution" in cell.tags and re.search(r"\.record\(", cell.source)
        for cell in cells
    )


def cells_of(cells, edition):
    """Choose the cells of an edition, each with its tags in that edition.

    nbval skips the learner's cells to fill in and the cells that need them. It compares the outputs of
    checks.

    >>> text = [Cell("code", "...", ("exercise",)), Cell("code", "answer = 1", ("solution",))]
    >>> [cell.source for cell, _ in cells_of(text, "learner")]
    ['...']
    """
    if edition not in EDITIONS:
        raise CourseError(f"the edition should be one of {', '.join(EDITIONS)}; received {edition!r}")
    whole = _measured_in_solutions(cells)

    def stands(cell):
        tags = set(cell.tags)
        is_code = cell.kind == "code"
        if edition == "learner":
            return "solution" not in tags
        if is_code and "exercise" in tags:
            return False
        if whole:
            return True
        if edition == "measured":
            return not (tags & _EXERCISE_CODE if is_code else "solution" in tags)
        return bool(tags & (_EXERCISE_CODE | {"needed"} if is_code else {"exercise", "solution"}))

    def tags_there(cell):
        extra = ()
        if cell.kind == "code" and edition != "measured":
            if edition == "learner" and LEFT_TO_THE_LEARNER & set(cell.tags):
                extra = ("nbval-skip",)
            elif "check" in cell.tags:
                extra = ("nbval-check-output",)
        return tuple(dict.fromkeys((*cell.tags, *extra)))

    return [(cell, tags_there(cell)) for cell in cells if stands(cell)]


def tag_problems(cells):
    """Find unknown tags, and cells to fill in without a solution before the next check.

    >>> tag_problems([Cell("code", "x = 1", ("figrue",))])
    ["cell 1 has the unknown tag 'figrue'"]
    """
    found, to_fill_in = [], None
    for number, cell in enumerate(cells, 1):
        found += [f"cell {number} has the unknown tag {tag!r}" for tag in cell.tags if tag not in TAGS]
        if cell.kind != "code":
            continue
        if "exercise" in cell.tags:
            to_fill_in = number
        elif "solution" in cell.tags:
            to_fill_in = None
        elif "check" in cell.tags and to_fill_in:
            found.append(f"cell {to_fill_in} is an exercise without a solution before the check")
            to_fill_in = None
    return found


def cell_problems(cells):
    """Find cells that should measure nothing, but train, record, or set a name that other cells read.

    >>> cell_problems([Cell("code", "model.fit(x, y)", ("figure",))])
    ['cell 1 is tagged figure but calls fit: train and record in another cell']
    """
    silent, measuring = [], []
    for number, cell in enumerate(cells, 1):
        if cell.kind != "code":
            continue
        tree = ast.parse(_python(cell.source, f"cell {number}"))
        tag = next((tag for tag in SILENT_TAGS if tag in cell.tags), None)
        (silent if tag else measuring).append((number, tag, tree))
    read = {name for *_, tree in measuring for name in _names(tree, ast.Load)}
    bound = {name for *_, tree in measuring for name in _bound(tree)}
    problems = []
    for number, tag, tree in silent:
        calls = sorted(_calls(tree) & _MEASURING)
        if calls:
            problems.append(
                f"cell {number} is tagged {tag} but calls {', '.join(calls)}: train and record in "
                "another cell"
            )
        # A value that a measurement uses must count in the digest. Imports cannot change a measurement.
        leaks = (_bound(tree, imports=False) & read) - bound
        if leaks:
            problems.append(
                f"cell {number} is tagged {tag} but sets {', '.join(sorted(leaks))}, which a cell without "
                "that tag reads: set it in a cell without the tag"
            )
    return problems


def _calls(tree):
    """Give the names that code calls: ``net.fit(…)`` and ``fit(…)`` both call fit."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    methods = {node.attr for node in functions if isinstance(node, ast.Attribute)}
    return methods | {node.id for node in functions if isinstance(node, ast.Name)}


def _names(tree, context):
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, context)}


def _bound(tree, imports=True):
    names = _names(tree, ast.Store)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif imports and isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return names


# --- digests ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def digest(source):
    """Digest a Python source by its tokens, without comments, docstrings and layout, on all Pythons alike.

    >>> digest("lr = 0.1  # small") == digest("# no prose" + chr(10) + "lr = 0.1")
    True
    >>> digest("lr = 0.1") == digest("lr = 0.2")
    False
    """
    return _hash(_tokens(source))


def code_digest(cells):
    """Digest the code cells that measure, in order. A CourseError names a cell that is not Python."""
    tokens = []
    for number, cell in enumerate(cells, 1):
        if cell.kind == "code" and not set(cell.tags) & set(SILENT_TAGS):
            tokens += _tokens(_python(cell.source, f"cell {number}"))
    return _hash(tokens)


def module_digests(names):
    """Digest modules such as "course_utils.training" as they are on disk, except modules without a file."""
    found, root = {}, Path(course_utils.__file__).resolve().parents[1]
    for name in sorted(names):
        base = root.joinpath(*name.split("."))
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file():
                found[name] = digest(path.read_text(encoding="utf-8"))
                break
    return found


@lru_cache(maxsize=1024)
def cell_digest(source):
    """Digest one cell of a notebook, Python or not. Its imports from the package do not count."""
    imported = r"^[ \t]*from course_utils[\w.]* import (\([^)]*\)|.*)$"
    source = re.sub(imported, "", source, flags=re.MULTILINE)
    try:
        return _hash(_tokens(_python(source, "the cell")))
    except CourseError:
        return _hash([source])


def _hash(tokens):
    return hashlib.sha256("\0".join(tokens).encode()).hexdigest()[:16]


def _python(source, where):
    """Convert a cell's source to plain Python: IPython's % and ! lines become equivalent calls."""
    try:
        ast.parse(source)
    except SyntaxError:
        source = re.sub(
            r"^([ \t]*)([%!].*)$", lambda m: f"{m[1]}__ipython__({m[2]!r})", source, flags=re.MULTILINE
        )
        try:
            ast.parse(source)
        except SyntaxError as error:
            raise CourseError(f"{where} is not Python: {error.msg} (line {error.lineno})") from None
    return source


def _tokens(source):
    """Give the tokens that count: no comments, blank lines, docstrings, or widths of indentation.

    Python 3.12 splits an f-string into several tokens, but earlier versions do not. So an f-string is read
    from the source by its position.
    """
    lines = source.splitlines(keepends=True)
    result, statement, depth, start = [], [], 0, None

    def flush():
        # A statement that contains only plain strings is a docstring, or has no effect.
        if not all(re.match(r"[rRbBuU]*['\"]", token) for token in statement):
            result.extend([*statement, "\n"])
        statement.clear()

    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":
            start = start if depth else token.start
            depth += 1
        elif name == "FSTRING_END":
            depth -= 1
            if not depth:
                statement.append(_between(lines, start, token.end))
        elif depth or name in ("COMMENT", "NL", "ENCODING"):
            continue
        elif name in ("NEWLINE", "ENDMARKER"):
            flush()
        elif name in ("INDENT", "DEDENT"):
            result.append(f"<{name}>")
        else:
            statement.append(token.string)
    return result


def _between(lines, start, end):
    (first, left), (last, right) = start, end
    if first == last:
        return lines[first - 1][left:right]
    return "".join([lines[first - 1][left:], *lines[first : last - 1], lines[last - 1][:right]])
