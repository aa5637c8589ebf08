"""Which code a measurement comes from: digests that prose, comments and layout leave alone.

A digest is taken over the tokens of the source, so it is the same on every Python and can be computed on
either stack for the results of the other. A run is described by one digest over the lesson's code cells and
one for each module of the package that those cells use, found by following imports without running anything.
"""

import ast
import hashlib
import io
import re
import tokenize
from pathlib import Path
from typing import NamedTuple

from build_tools import CourseError

PACKAGE = "course_utils"

# Cells that produce no measurement: they draw, install the package on Colab, show the ledger's own tables, or
# ask whether an exercise is solved. Changing them must not cost hours of training. `cell_problems` keeps
# measurements out of them.
SILENT_TAGS = ("figure", "colab", "verdicts", "check")
_MEASURING = {"fit", "compile", "record", "evaluate", "predict", "train_on_batch", "apply_gradients"}

# Modules that compute no result, whatever a lesson imports from them.
SILENT_MODULES = {
    "course_utils.checks": "says whether an exercise is solved",
    "build_tools.editions": "says which cells stand in which notebook",
    "course_utils.plotting": "draws numbers",
    "course_utils.notebook": "shows progress",
    "build_tools.execute": "runs lessons",
    "build_tools.notebooks": "turns lessons into notebooks",
    "build_tools.__main__": "the command line",
    "course_utils.download": "brings bytes, which archives checks against their digests",
    "course_utils.standins": "data that never enters results/ (a run on them is refused)",
}


class Cell(NamedTuple):
    """One cell of a lesson: ``kind`` is "code" or "markdown"."""

    kind: str
    source: str
    tags: tuple = ()


def code_digest(cells):
    """Digest a lesson's code cells, without those that only draw, install or show verdicts.

    Parameters
    ----------
    cells : iterable of Cell

    Returns
    -------
    str
        64 bits of SHA-256, in hexadecimal.

    Raises
    ------
    CourseError
        If a cell is not Python.

    Examples
    --------
    >>> one = [Cell("markdown", "An idea."), Cell("code", "lr = 0.1  # small")]
    >>> code_digest(one) == code_digest([Cell("code", "# no prose" + chr(10) + "lr = 0.1")])
    True
    >>> code_digest(one) == code_digest([Cell("code", "lr = 0.2")])
    False
    """
    tokens = []
    for number, cell in enumerate(cells, 1):
        if cell.kind == "code" and not set(cell.tags) & set(SILENT_TAGS):
            tokens += _tokens(_python(cell.source, f"cell {number}"))
    return _digest(tokens)


def module_digests(cells, root=None):
    """Digest every module of the package that a lesson's code uses, directly or through another.

    ``from course_utils.addons import WeightNormalization`` leads to the module that defines it, by way of
    what ``addons/__init__.py`` says; so a new module in ``addons`` leaves older results valid.

    Parameters
    ----------
    cells : iterable of Cell
    root : path-like, optional
        The folder of the package; by default that of the ``course_utils`` in use.

    Returns
    -------
    dict of str to str
        Module name to digest, without the modules of ``SILENT_MODULES``.

    Raises
    ------
    CourseError
        If a cell or a module is not Python, or imports a module the package does not have.

    Examples
    --------
    >>> module_digests([Cell("code", "import numpy")])
    {}
    """
    walk = _Walk(Path(root) if root else Path(__file__).parents[1] / "course_utils")
    for number, cell in enumerate(cells, 1):
        if cell.kind == "code" and "colab" not in cell.tags:
            walk.follow(ast.parse(_python(cell.source, f"cell {number}")), "", is_package=False)
    return dict(sorted(walk.digests.items()))


def cell_problems(cells):
    """Find cells whose tag says that they measure nothing, and that do.

    Parameters
    ----------
    cells : iterable of Cell

    Returns
    -------
    list of str
        One message per cell that trains or records, or that binds a name which a measuring cell reads.

    Examples
    --------
    >>> cell_problems([Cell("code", "model.fit(x, y)", ("figure",))])
    ['cell 1 is tagged figure but calls .fit: train and record in a cell of its own, draw in another']
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
        calls = {
            n.func.attr
            for n in ast.walk(tree)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
        }
        if calls & _MEASURING:
            what = ", ".join(f".{name}" for name in sorted(calls & _MEASURING))
            problems.append(
                f"cell {number} is tagged {tag} but calls {what}: train and record in a cell of its own, "
                "draw in another"
            )
        # A value that a measurement depends on must count in the digest. Imports are harmless.
        leaks = (_bound(tree, imports=False) & read) - bound
        if leaks:
            problems.append(
                f"cell {number} is tagged {tag} but sets {', '.join(sorted(leaks))}, which a cell without "
                "that tag reads: set it there"
            )
    return problems


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


def _digest(tokens):
    return hashlib.sha256("\0".join(tokens).encode()).hexdigest()[:16]


def _python(source, where):
    """Give a cell's source as plain Python: IPython's % and ! lines become calls that say the same."""
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
    """Give the tokens that matter: no comments, blank lines, docstrings, or widths of indentation.

    Python 3.12 splits an f-string into several tokens and earlier ones do not, so an f-string is taken from
    the source by its position.
    """
    lines = source.splitlines(keepends=True)
    result, statement, depth, start = [], [], 0, None

    def flush():
        # A statement of nothing but plain strings is a docstring, or has no effect either.
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


class _Walk:
    """Follows imports through the package, reading sources only."""

    def __init__(self, root):
        self.root = root
        self.digests = {}
        self.trees = {}

    def path(self, module):
        """The file of a module, or None."""
        parts = module.split(".")[1:]
        for path in (
            self.root.joinpath(*parts, "__init__.py"),
            self.root.joinpath(*parts).with_suffix(".py"),
        ):
            if path.exists() and (parts or path.name == "__init__.py"):
                return path
        return None

    def is_package(self, module):
        path = self.path(module)
        return path is not None and path.name == "__init__.py"

    def tree(self, module):
        if module not in self.trees:
            source = self.path(module).read_text(encoding="utf-8")
            self.trees[module] = ast.parse(_python(source, module))
        return self.trees[module]

    def need_module(self, module):
        """Take a whole file, and what it imports."""
        if module in self.digests or any(f"{module}.".startswith(f"{silent}.") for silent in SILENT_MODULES):
            return
        path = self.path(module)
        self.digests[module] = _digest(_tokens(path.read_text(encoding="utf-8")))
        self.follow(self.tree(module), module, self.is_package(module))

    def need(self, module, names):
        """Take what a dotted path below a module leads to: its module, or the one that a package names."""
        if self.path(module) is None:
            raise CourseError(f"the code imports {module}, which the package does not have")
        if not self.is_package(module):
            self.need_module(module)
        elif not names:
            # The package as a value: any of its names may be used.
            for name in sorted(_bound(self.tree(module))):
                self.need(module, [name])
        elif self.path(f"{module}.{names[0]}") is not None and not self._origins(module, names[0]):
            self.need(f"{module}.{names[0]}", names[1:])
        else:
            self._need_name(module, names[0])

    def _origins(self, package, name):
        """The imports in a package's ``__init__.py`` that bind a name."""
        found = []
        for node in ast.walk(self.tree(package)):
            if isinstance(node, ast.ImportFrom):
                found += [(node, alias) for alias in node.names if (alias.asname or alias.name) == name]
        return found

    def _need_name(self, package, name):
        origins = self._origins(package, name)
        local = name in _bound(self.tree(package), imports=False)
        if local or not origins:
            # Defined in __init__.py itself, or handed out by its __getattr__: the file counts as a whole.
            self.need_module(package)
        for node, alias in origins:
            module = _absolute(node, package, is_package=True)
            if self._ours(module):
                self.need(module, [alias.name])

    def _ours(self, module):
        return f"{module}.".startswith(f"{PACKAGE}.")

    def follow(self, tree, module, is_package):
        """Take everything of the package that a piece of code imports and uses."""
        aliases = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if self._ours(alias.name):
                        bound = alias.asname or PACKAGE
                        aliases[bound] = alias.name if alias.asname else PACKAGE
                        if not self.is_package(alias.name):
                            self.need(alias.name, [])
            elif isinstance(node, ast.ImportFrom):
                origin = _absolute(node, module, is_package)
                if not self._ours(origin):
                    continue
                for alias in node.names:
                    inner = f"{origin}.{alias.name}"
                    if alias.name == "*":
                        self.need(origin, [])
                    elif self.is_package(inner) and not self._shadowed(origin, alias.name):
                        aliases[alias.asname or alias.name] = inner
                    else:
                        self.need(origin, [alias.name])
        self._follow_attributes(tree, aliases)

    def _shadowed(self, package, name):
        return self.is_package(package) and bool(self._origins(package, name))

    def _follow_attributes(self, tree, aliases):
        """Packages bound to a name: take what ``name.attribute`` leads to."""
        inside = set()
        for node in ast.walk(tree):
            chain, base = [], node
            while isinstance(base, ast.Attribute):
                chain.insert(0, base.attr)
                base = base.value
            if not (isinstance(base, ast.Name) and base.id in aliases) or id(base) in inside:
                continue
            # ast.walk meets the outermost attribute first, so the longest chain is the one taken.
            inside.add(id(base))
            self.need(aliases[base.id], chain)


def _absolute(node, module, is_package):
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    drop = node.level - 1 if is_package else node.level
    parts = parts[: len(parts) - drop]
    return ".".join(parts + ([node.module] if node.module else []))
