"""Which cells of a lesson stand in which notebook.

A lesson's text holds everything: the lesson, its exercises, and their solutions. Tags say what a cell is:

===============  ========================================================================================
tag              the cell
===============  ========================================================================================
``exercise``     text: an exercise's card. Code: the cell to fill in, in the learner's notebook only
``solution``     stands in the solutions only, be it code or text
``check``        code: asks `course_utils.checks` whether the cell above is right
``given``        code of an exercise that needs nothing filled in: data, imports
``uses-answer``  code that needs what was filled in: it stands in both notebooks, run only in the solutions
``needed``       code of the lesson that the exercises use, so that the solutions repeat it
===============  ========================================================================================

From them come three editions:

- **measured**: what is run for the lesson's claims. The lesson without its exercises; or, where the solutions
  themselves record measurements (lesson 11), everything but the cells to fill in.
- **learner**: ``notebooks/NN_slug.ipynb``, the text without its solutions.
- **solutions**: ``notebooks/solutions/NN_slug.ipynb``, the exercises with their solutions; in lesson 11,
  which is one long exercise, everything.
"""

import re

from build_tools import CourseError

EDITIONS = ("measured", "learner", "solutions")

#: Every tag that means something, here, to the ledger, to the builder or to nbval.
TAGS = {
    "exercise", "solution", "check", "given", "needed", "uses-answer",
    "figure", "cover", "verdicts", "nbval-check-output", "nbval-skip", "raises-exception",
}  # fmt: skip

_EXERCISE_CODE = {"exercise", "solution", "check", "given", "uses-answer"}


def measured_in_solutions(cells):
    """Say whether a lesson's claims are measured by its solutions, as lesson 11's are.

    Parameters
    ----------
    cells : iterable of Cell
        The whole text.

    Returns
    -------
    bool

    Examples
    --------
    >>> from build_tools.fingerprint import Cell
    >>> measured_in_solutions([Cell("code", 'lesson.record("S5.cG1", accuracy=0.5)', ("solution",))])
    True
    """
    return any(
        cell.kind == "code" and "solution" in cell.tags and re.search(r"\.record\(", cell.source)
        for cell in cells
    )


def select(cells, edition):
    """Choose the cells of an edition.

    Parameters
    ----------
    cells : sequence of Cell
        The whole text.
    edition : {"measured", "learner", "solutions"}

    Returns
    -------
    list of (Cell, int, tuple)
        Each cell with its position in the text and the tags it has in this edition: nbval skips the learner's
        cells to fill in and those that need them, and compares what a check says.

    Raises
    ------
    CourseError
        If the edition is unknown.

    Examples
    --------
    >>> from build_tools.fingerprint import Cell
    >>> text = [Cell("code", "...", ("exercise",)), Cell("code", "answer = 1", ("solution",))]
    >>> [cell.source for cell, *_ in select(text, "learner")]
    ['...']
    """
    if edition not in EDITIONS:
        raise CourseError(f"an edition is one of {', '.join(EDITIONS)}, got {edition!r}")
    whole = measured_in_solutions(cells)

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
            if edition == "learner" and {"exercise", "uses-answer"} & set(cell.tags):
                extra = ("nbval-skip",)
            elif "check" in cell.tags:
                extra = ("nbval-check-output",)
        return tuple(dict.fromkeys((*cell.tags, *extra)))

    return [(cell, position, tags_there(cell)) for position, cell in enumerate(cells) if stands(cell)]


def problems(cells):
    """Find cells whose tags make no sense.

    Parameters
    ----------
    cells : iterable of Cell
        The whole text.

    Returns
    -------
    list of str
        One message for each: a tag nobody knows; a cell to fill in without a solution before the next check.

    Examples
    --------
    >>> from build_tools.fingerprint import Cell
    >>> problems([Cell("code", "x = 1", ("figrue",))])
    ["cell 1 has the tag 'figrue', which means nothing"]
    """
    found, to_fill_in = [], None
    for number, cell in enumerate(cells, 1):
        found += [
            f"cell {number} has the tag {tag!r}, which means nothing" for tag in cell.tags if tag not in TAGS
        ]
        if cell.kind != "code":
            continue
        if "exercise" in cell.tags:
            to_fill_in = number
        elif "solution" in cell.tags:
            to_fill_in = None
        elif "check" in cell.tags and to_fill_in:
            found.append(f"cell {to_fill_in} is to be filled in, and no solution follows before the check")
            to_fill_in = None
    return found
