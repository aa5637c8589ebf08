"""What the sources say: ``claims.toml``, read and checked."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from build_tools import CourseError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS = ("value", "ordering", "property")

_COMMON = {"id", "lesson", "section", "kind", "text", "timing"}
_BY_KIND = {
    "value": {"values", "tolerance", "reason"},
    "ordering": {"orderings"},
    "property": {"worst_is"},
}
_REQUIRED = {"value": {"values"}, "ordering": {"orderings"}, "property": set()}
_SOURCE_REQUIRED = {"id", "title", "lesson"}
_SOURCE_KEYS = _SOURCE_REQUIRED | {"author", "publisher", "year", "url"}


class Printed(float):
    """A number that remembers how it was written: 0.7040 is not shortened to 0.704."""

    def __new__(cls, text):
        """Keep the text beside its value."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self):
        """Give the number as it was written."""
        return self.text


@dataclass(frozen=True)
class Source:
    """A document the course reproduces."""

    id: str
    title: str
    lesson: str | list
    author: str = ""
    publisher: str = ""
    year: int | None = None
    url: str = ""


@dataclass(frozen=True)
class Claim:
    """One statement of a source, and the measures that decide it."""

    id: str
    lesson: str
    section: str
    kind: str
    text: str
    values: tuple = ()
    tolerance: float | None = None
    reason: str = ""
    orderings: tuple = ()
    worst_is: str = "largest"
    timing: bool = False

    @property
    def source(self):
        """The id of the source: what stands before the dot."""
        return self.id.partition(".")[0]

    @property
    def measures(self):
        """The names a lesson records for this claim."""
        if self.kind == "value":
            return tuple(measure for measure, _ in self.values)
        if self.kind == "ordering":
            return tuple(dict.fromkeys(name for pair in self.orderings for name in pair))
        return ("holds", "worst")


@dataclass(frozen=True)
class Claims:
    """Every source and every claim, in the order of the file."""

    sources: dict
    claims: dict

    def of(self, source_or_lesson):
        """Give the claims of one source or one lesson.

        Parameters
        ----------
        source_or_lesson : str
            A source's id (``"S1"``) or a lesson's name (``"05_weight_normalization"``).

        Returns
        -------
        list of Claim

        Raises
        ------
        CourseError
            If no claim belongs to it.

        Examples
        --------
        >>> [claim.id for claim in load_claims().of("S1")][:2]
        ['S1.c1', 'S1.c2']
        """
        found = [c for c in self.claims.values() if source_or_lesson in (c.source, c.lesson)]
        if not found:
            lessons = sorted({claim.lesson for claim in self.claims.values()})
            raise CourseError(
                f"the ledger has no claims of {source_or_lesson!r}. It knows the sources "
                f"{', '.join(self.sources)} and the lessons {', '.join(lessons)}."
            )
        return found


def ledger_folder():
    """Give the folder of ``claims.toml`` and ``summary.json``.

    Returns
    -------
    pathlib.Path
        The package's own, or the folder that ``COURSE_LEDGER`` names (tests; a course of your own).

    Examples
    --------
    >>> (ledger_folder() / "claims.toml").exists()
    True
    """
    return Path(os.environ.get("COURSE_LEDGER") or Path(__file__).parent)


def load_claims(path=None):
    """Read and check the claims.

    Parameters
    ----------
    path : path-like, optional
        The TOML file; by default ``claims.toml`` of `ledger_folder`.

    Returns
    -------
    Claims

    Raises
    ------
    CourseError
        If the file is missing or not TOML, or if an entry has an unknown or a missing key, an unknown kind,
        an id already used, or an id whose source is not listed.

    Examples
    --------
    >>> load_claims().claims["S1.c4"].measures
    ('weight_normalized', 'plain')
    """
    path = Path(path) if path else ledger_folder() / "claims.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Printed)
    except FileNotFoundError:
        raise CourseError(
            f"there is no {path}: COURSE_LEDGER should name the folder of claims.toml"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise CourseError(f"{path.name} is not TOML: {error}") from None
    _check_keys(path.name, "the file", content, required=set(), known={"source", "claim"})
    sources, claims = {}, {}
    for entry in content.get("source", []):
        name = f"source {entry.get('id', '(without id)')}"
        _check_keys(path.name, name, entry, _SOURCE_REQUIRED, _SOURCE_KEYS)
        if entry["id"] in sources:
            raise CourseError(f"{path.name}: {name} stands twice")
        sources[entry["id"]] = Source(**entry)
    for entry in content.get("claim", []):
        claim = _claim(path.name, entry)
        if claim.id in claims:
            raise CourseError(f"{path.name}: claim {claim.id} stands twice")
        if claim.source not in sources:
            raise CourseError(
                f"{path.name}: claim {claim.id} belongs to source {claim.source!r}, which no [[source]] has"
            )
        claims[claim.id] = claim
    return Claims(sources, claims)


def _claim(file, entry):
    name = f"claim {entry.get('id', '(without id)')}"
    kind = entry.get("kind")
    if kind == "ordering" and "orderings" not in entry:
        # The short form, for a single comparison.
        pair = {key: entry[key] for key in ("greater", "less") if key in entry}
        entry = {key: value for key, value in entry.items() if key not in pair} | {"orderings": [pair]}
    if kind not in KINDS:
        raise CourseError(f"{file}: {name} has kind {kind!r}; it should be one of {', '.join(KINDS)}")
    _check_keys(
        file,
        name,
        entry,
        required=(_COMMON - {"timing"}) | _REQUIRED[kind],
        known=_COMMON | _BY_KIND[kind],
    )
    for key in ("id", "lesson", "section", "text"):
        if key in entry and not (isinstance(entry[key], str) and entry[key].strip()):
            raise CourseError(f"{file}: {name}: {key} should be a text, got {entry[key]!r}")
    if not re.fullmatch(r"[A-Za-z]\w*\.c[A-Z]?\d+\w*", entry["id"]):
        raise CourseError(f"{file}: {name}: an id looks like S1.c1, got {entry['id']!r}")
    if not isinstance(entry.get("timing", False), bool):
        raise CourseError(f"{file}: {name}: timing should be true or false, got {entry['timing']!r}")
    if ("tolerance" in entry) != ("reason" in entry):
        raise CourseError(f"{file}: {name}: a tolerance and its reason come together; only one is given")
    if "tolerance" in entry and not (_is_number(entry["tolerance"]) and entry["tolerance"] > 0):
        raise CourseError(f"{file}: {name}: tolerance should be above 0, got {entry['tolerance']!r}")
    if entry.get("worst_is", "largest") not in ("largest", "smallest"):
        raise CourseError(
            f"{file}: {name}: worst_is should be largest or smallest, got {entry['worst_is']!r}"
        )
    if kind == "value":
        entry = {**entry, "values": _values(file, name, entry["values"])}
    if kind == "ordering":
        entry = {**entry, "orderings": _orderings(file, name, entry["orderings"])}
    return Claim(**entry)


def _orderings(file, name, orderings):
    pairs = []
    for ordering in _tables(file, name, "orderings", orderings, ("greater", "less")):
        for key in ("greater", "less"):
            _check_measure(file, name, ordering[key])
        if ordering["greater"] == ordering["less"]:
            raise CourseError(f"{file}: {name} compares {ordering['greater']!r} with itself")
        pairs.append((ordering["greater"], ordering["less"]))
    if len({frozenset(pair) for pair in pairs}) < len(pairs):
        raise CourseError(f"{file}: {name} makes a comparison twice")
    return tuple(pairs)


def _tables(file, name, key, tables, keys):
    """Check that a value of the file is a list of small tables with just these keys."""
    form = f"{{ {', '.join(f'{k} = …' for k in keys)} }}"
    if not isinstance(tables, list) or not tables:
        raise CourseError(f"{file}: {name}: {key} should list {form} tables, got {tables!r}")
    for table in tables:
        if not isinstance(table, dict):
            raise CourseError(f"{file}: {name}: one of the {key} is {form}, got {table!r}")
        _check_keys(file, f"{name}, one of its {key},", table, set(keys), set(keys))
    return tables


def _check_measure(file, name, measure):
    if not (isinstance(measure, str) and measure.isidentifier()):
        raise CourseError(
            f"{file}: {name}: a measure is a Python name (it is recorded as a keyword), got {measure!r}"
        )


def _values(file, name, values):
    pairs = []
    for value in _tables(file, name, "values", values, ("measure", "printed")):
        _check_measure(file, name, value["measure"])
        if not _is_number(value["printed"]):
            raise CourseError(f"{file}: {name}: printed should be a number, got {value['printed']!r}")
        pairs.append((value["measure"], value["printed"]))
    if len({measure for measure, _ in pairs}) < len(pairs):
        raise CourseError(f"{file}: {name} names a measure twice")
    return tuple(pairs)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _check_keys(file, name, table, required, known):
    for key in sorted(set(table) - known):
        raise CourseError(f"{file}: {name} has the unknown key {key!r}; known are {', '.join(sorted(known))}")
    for key in sorted(required - set(table)):
        raise CourseError(f"{file}: {name} lacks the key {key!r}")
