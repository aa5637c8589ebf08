"""The claims of the sources: read and check ``claims.toml``."""

import math
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from build_tools import CourseError, schemas

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS = ("value", "ordering", "property")


class Printed(float):
    """A number that keeps its text: 0.7040 is not shortened to 0.704."""

    def __new__(cls, text):
        """Store the text with the value. TOML's inf and nan are refused."""
        number = super().__new__(cls, text)
        if not math.isfinite(number):
            raise ValueError(f"{text} is not a finite number")
        number.text = text
        return number

    def __str__(self):
        """Give the text of the number."""
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
    """One statement of a source, and the measures (names of recorded numbers) that decide it."""

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
    stored: bool = False
    timing: bool = False

    @property
    def source(self):
        """The id of the source: the part before the dot."""
        return self.id.partition(".")[0]

    @property
    def is_question(self):
        """Whether this is a question of the course, not a claim of the source."""
        return self.id.partition(".")[2].startswith("q")

    @property
    def measures(self):
        """The names of the measures that a lesson records for this claim."""
        if self.kind == "value":
            return tuple(measure for measure, _ in self.values)
        if self.kind == "ordering":
            return tuple(dict.fromkeys(name for pair in self.orderings for name in pair))
        return ("holds", "worst")

    def misfit(self, measures, quick=False):
        """Say how the measures of a record differ from those of the claim; "" if they do not.

        A quick run has fewer epochs, so there a list of any length stands for a printed curve.
        """
        if set(measures) != set(self.measures):
            had = ", ".join(sorted(measures)) or "nothing"
            return f"{self.id} asks for {', '.join(self.measures)}; the lesson recorded {had}"
        forms = {name: _form(value) for name, value in measures.items()}
        if self.kind == "ordering":
            for one, other in self.orderings:
                if forms[one] != forms[other] or forms[one] == "True or False":
                    return (
                        f"{self.id} compares {one} with {other}: two numbers or two lists of equal length; "
                        f"the lesson recorded {forms[one]} and {forms[other]}"
                    )
            return ""
        printed = dict(self.values)
        for name, form in forms.items():
            wanted = "True or False" if name == "holds" else _form(printed.get(name))
            if form != wanted and not (quick and form.startswith("a list") and wanted.startswith("a list")):
                return f"{self.id} asks for {wanted} as {name}; the lesson recorded {form}"
        return ""


def _form(value):
    if isinstance(value, bool):
        return "True or False"
    return f"a list of {len(value)}" if isinstance(value, list) else "a number"


@dataclass(frozen=True)
class Claims:
    """All sources and all claims by id, in the order of the file."""

    sources: dict
    claims: dict

    def of(self, source_or_lesson):
        """Give the claims of a source (``"S1"``) or a lesson, then the course's own questions."""
        found = [c for c in self.claims.values() if source_or_lesson in (c.source, c.lesson)]
        return sorted(found, key=lambda claim: claim.is_question)


def ledger_folder():
    """Give the folder of ``claims.toml``: ``COURSE_LEDGER`` if it is set (another course), otherwise this
    one."""
    return Path(os.environ.get("COURSE_LEDGER") or Path(__file__).parent)


def load_claims(path=None):
    """Read and check the claims. A CourseError names the wrong entry."""
    path = Path(path) if path else ledger_folder() / "claims.toml"
    try:
        return _parse(path.name, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CourseError(
            f"{path} cannot be read ({error.strerror}): COURSE_LEDGER should be the folder of claims.toml"
        ) from None
    except UnicodeDecodeError as error:
        raise CourseError(f"{path.name} is not UTF-8: {error}") from None


@lru_cache(maxsize=8)
def _parse(file, text):
    try:
        content = tomllib.loads(text, parse_float=Printed)
    except (ValueError, RecursionError) as error:
        raise CourseError(f"{file} is not TOML: {schemas.plain(error)}") from None
    _check(file, content, schemas.CLAIMS)
    sources, claims = {}, {}
    for entry in content.get("source", []):
        name = f"source {entry.get('id', '(without id)')}"
        _check(f"{file}: {name}", entry, schemas.SOURCE)
        if entry["id"] in sources:
            raise CourseError(f"{file}: {name} occurs twice")
        sources[entry["id"]] = Source(**entry)
    for entry in content.get("claim", []):
        claim = _claim(file, entry)
        if claim.id in claims:
            raise CourseError(f"{file}: claim {claim.id} occurs twice")
        if claim.source not in sources:
            raise CourseError(
                f"{file}: claim {claim.id} names source {claim.source!r}, but no [[source]] has this id"
            )
        claims[claim.id] = claim
    return Claims(sources, claims)


def _check(where, content, schema):
    problem = schemas.complaint(content, schema)
    if problem:
        raise CourseError(schemas.plain(f"{where}: {problem}"))


def _claim(file, entry):
    where = f"{file}: claim {entry.get('id', '(without id)')}"
    kind = entry.get("kind")
    if kind not in KINDS:
        raise CourseError(f"{where} has kind {kind!r}; it should be one of {', '.join(KINDS)}")
    if kind == "ordering" and "orderings" not in entry:
        # The short form, for a single comparison.
        pair = {key: entry[key] for key in ("greater", "less") if key in entry}
        entry = {key: value for key, value in entry.items() if key not in pair} | {"orderings": [pair]}
    _check(where, entry, schemas.CLAIM[kind])
    if kind == "value":
        values = tuple((value["measure"], value["printed"]) for value in entry["values"])
        if len(dict(values)) < len(values):
            raise CourseError(f"{where} names a measure twice")
        entry = entry | {"values": values}
    if kind == "ordering":
        pairs = tuple((pair["greater"], pair["less"]) for pair in entry["orderings"])
        if any(greater == less for greater, less in pairs):
            raise CourseError(f"{where} compares a measure with itself")
        if len({frozenset(pair) for pair in pairs}) < len(pairs):
            raise CourseError(f"{where} contains a comparison twice")
        entry = entry | {"orderings": pairs}
    return Claim(**entry)
