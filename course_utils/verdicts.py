"""The finished tables of verdicts that the package contains. ``python -m build_tools report`` writes them."""

from __future__ import annotations

import html
import json
import textwrap
from pathlib import Path

_FILE = Path(__file__).with_name("verdicts.json")


def _shipped():
    """Read the tables of verdicts.json, which `python -m build_tools report` writes."""
    try:
        content = json.loads(_FILE.read_text(encoding="utf-8"))
        found = {name: Table(**table) for name, table in content["verdicts"].items()}
        return {"times": Table(**content["times"]), "verdicts": found}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{_FILE.name} cannot be read ({why}): install course_utils again.") from None


def times() -> Table:
    """Return the table of the running times of the lessons in full mode."""
    return _shipped()["times"]


def of(source: str) -> Table:
    """Return the table of verdicts on one source or lesson; see `Lesson.verdicts`."""
    tables = _shipped()["verdicts"]
    if source not in tables:
        raise ValueError(f"there are no verdicts on {source!r}; there are on {', '.join(tables)}.")
    return tables[source]


class Table:
    """A small table of texts. Jupyter shows it as HTML; elsewhere it is readable plain text.

    Parameters
    ----------
    head : list of str
    rows : list of list of str
        Every row has as many texts as the head.
    note : str, default=""
        Lines below the table.

    Examples
    --------
    >>> print(Table(["Claim", "Verdict"], [["S9.c1", "✓ holds"]])._repr_markdown_())
    | Claim | Verdict |
    |---|---|
    | S9.c1 | ✓ holds |
    """

    def __init__(self, head, rows, note=""):
        """Keep head, rows and note as they are."""
        for row in rows:
            if len(row) != len(head) or not all(isinstance(text, str) for text in (*head, *row)):
                raise ValueError(f"a row should have a text for each of {head}; received {row!r}.")
        self.head, self.rows, self.note = head, rows, note

    def _repr_html_(self):
        # Colours are inherited, so the table can be read on light and dark pages. Jupyter, Colab and VS Code
        # know this class from pandas. They align its cells right.
        cell = "text-align: left"
        lines = ['<table border="1" class="dataframe">', "<thead>", "<tr>"]
        lines += [f'<th scope="col" style="{cell}">{html.escape(name)}</th>' for name in self.head]
        lines += ["</tr>", "</thead>", "<tbody>"]
        for first, *others in self.rows:
            lines += ["<tr>", f'<th scope="row" style="{cell}">{html.escape(first)}</th>']
            lines += [f'<td style="{cell}">{html.escape(text)}</td>' for text in others]
            lines += ["</tr>"]
        notes = [f"<p><small>{html.escape(line)}</small></p>" for line in self.note.splitlines()]
        return "\n".join([*lines, "</tbody>", "</table>", *notes])

    def _repr_markdown_(self):
        lines = markdown(self.head, [[escape(text) for text in row] for row in self.rows])
        return "\n".join([*lines, *(f"\n{escape(line)}" for line in self.note.splitlines())])

    def __repr__(self):
        """Write the table as plain text, a few lines for each row."""
        lines = []
        for first, *others in self.rows:
            lines.append(first)
            for name, text in zip(self.head[1:], others, strict=True):
                if text:
                    start = f"  {name}: "
                    lines += textwrap.wrap(start + text, 96, subsequent_indent="    ", break_long_words=False)
        for line in self.note.splitlines():
            lines += textwrap.wrap(line, 96, subsequent_indent="  ", break_long_words=False)
        return "\n".join(lines)


def markdown(head, rows):
    """Write a Markdown table as a list of lines. Its cells are already escaped."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def escape(text):
    r"""Escape characters that would break a Markdown table or change its words.

    >>> print(escape("a|b_c*"))
    a\|b\_c\*
    """
    for sign in "\\|_*<":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", " ")
