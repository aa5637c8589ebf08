"""Verdicts as a table for people: the same text in every mode, on every stack, from the shipped summary."""

import html
import json
import math
import textwrap

from build_tools import CourseError
from build_tools.claims import ledger_folder, load_claims
from course_utils.stack import STACKS

NOT_ENOUGH = "not enough runs"
# A word and a sign: nobody has to tell colours apart.
SIGNS = {
    "reproduced": "✓",
    "holds": "✓",
    "within noise": "≈",
    "not reproduced": "✗",
    "reversed": "✗",
    "fails": "✗",
    NOT_ENOUGH: "…",
}


class Table:
    """A small table that Jupyter shows as HTML, and that reads well as text.

    Parameters
    ----------
    head : list of str
    rows : list of list of str
        Every row as long as the head.

    Examples
    --------
    >>> print(Table(["Claim", "Verdict"], [["S9.c1", "✓ holds"]])._repr_markdown_())
    | Claim | Verdict |
    |---|---|
    | S9.c1 | ✓ holds |
    """

    def __init__(self, head, rows):
        """Keep head and rows as they are."""
        self.head, self.rows = head, rows

    def _repr_html_(self):
        # Colours are inherited, so the table is legible on a light and on a dark page.
        # The class is the one that Jupyter, Colab and VS Code know from pandas; they align cells right.
        cell = "text-align: left"
        lines = ['<table border="1" class="dataframe">', "<thead>", "<tr>"]
        lines += [f'<th scope="col" style="{cell}">{html.escape(name)}</th>' for name in self.head]
        lines += ["</tr>", "</thead>", "<tbody>"]
        for first, *others in self.rows:
            lines += ["<tr>", f'<th scope="row" style="{cell}">{html.escape(first)}</th>']
            lines += [f'<td style="{cell}">{html.escape(text)}</td>' for text in others]
            lines += ["</tr>"]
        return "\n".join([*lines, "</tbody>", "</table>"])

    def _repr_markdown_(self):
        return "\n".join(markdown(self.head, [[escape(text) for text in row] for row in self.rows]))

    def __repr__(self):
        """Lay the table out as plain text, a few lines for each row."""
        lines = []
        for first, *others in self.rows:
            lines.append(first)
            for name, text in zip(self.head[1:], others, strict=True):
                if text:
                    start = f"  {name}: "
                    lines += textwrap.wrap(start + text, 96, subsequent_indent="    ", break_long_words=False)
        return "\n".join(lines)


def markdown(head, rows):
    """Lay out a Markdown table whose cells are already escaped.

    Parameters
    ----------
    head : list of str
    rows : list of list of str

    Returns
    -------
    list of str
        Its lines.

    Examples
    --------
    >>> markdown(["a"], [["1"]])
    ['| a |', '|---|', '| 1 |']
    """
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def escape(text):
    """Escape what would break a Markdown table or change its words.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(escape("a|b_c*"))
    a\\|b\\_c\\*
    """
    for sign in "\\|_*<":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", " ")


def marked(word):
    """Give a verdict with its sign.

    Parameters
    ----------
    word : str

    Returns
    -------
    str

    Examples
    --------
    >>> marked("holds")
    '✓ holds'
    """
    return f"{SIGNS[word]} {word}"


def number(value, decimals=None):
    """Write a number with so many decimals, or with four significant digits.

    Parameters
    ----------
    value : float
    decimals : int, optional

    Returns
    -------
    str

    Examples
    --------
    >>> number(0.60449, 4), number(123456.0), number(-0.00001, 2)
    ('0.6045', '1.235e+05', '0.00')
    """
    text = f"{value:.4g}" if decimals is None else f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−", 1) if value < 0 else text


def mean_and_sd(mean, sd, n):
    """Write mean ± sd (n): the deviation with two significant digits, the mean with as many decimals.

    Parameters
    ----------
    mean : float
    sd : float or None
    n : int

    Returns
    -------
    str

    Examples
    --------
    >>> mean_and_sd(0.604486, 0.008732, 5)
    '0.6045 ± 0.0087 (5)'
    >>> mean_and_sd(1523.4, 87.2, 5), mean_and_sd(0.5, 0.0, 3), mean_and_sd(0.5, None, 1)
    ('1523 ± 87 (5)', '0.5 ± 0 (3)', '0.5 (1)')
    """
    if sd is None:
        return f"{number(mean)} ({n})"
    if sd == 0:
        return f"{number(mean)} ± 0 ({n})"
    # Rounding to two digits first: 0.0999 is 0.10, with two decimals.
    decimals = 1 - math.floor(math.log10(float(f"{sd:.1e}")))
    if decimals > 8:
        return f"{number(mean)} ± {sd:.1e} ({n})"
    return f"{number(mean, max(decimals, 0))} ± {number(sd, max(decimals, 0))} ({n})"


def claim_rows(claim, summary):
    """Give the table rows of one claim, one per measure.

    Parameters
    ----------
    claim : Claim
    summary : dict
        As from `build_tools.report.summarize`.

    Returns
    -------
    list of list of str
        Id, text (in the claim's first row), the source's number, then for each stack ours and the verdict.

    Examples
    --------
    >>> rows = claim_rows(load_claims().claims["S1.c1"], {"claims": {}})
    >>> rows[0][0], rows[0][2:]
    ('S1.c1', ['val accuracy 0.6045', 'no runs', '… not enough runs', 'no runs', '… not enough runs'])
    """
    if claim.kind == "value":
        said = [f"{_words(name)} {printed}" for name, printed in claim.values]
    elif claim.kind == "ordering":
        said = [f"{_words(greater)} > {_words(less)}" for greater, less in claim.orderings]
    else:
        said = ["holds"]
    rows = []
    for i, source in enumerate(said):
        row = [claim.id, claim.text if i == 0 else "", source]
        for stack in STACKS:
            found = summary["claims"].get(claim.id, {}).get(stack)
            row += _ours(claim, found["rows"][i]) if found else ["no runs", marked(NOT_ENOUGH)]
        rows.append(row)
    return rows


def _ours(claim, row):
    if claim.kind == "property":
        return [f"worst {number(row['mean'])} ({row['n']})", marked(row["word"])]
    text = mean_and_sd(row["mean"], row["sd"], row["n"])
    word = marked(row["word"])
    if claim.kind == "ordering":
        text = f"difference {text}"
        if row.get("element") is not None:
            text += f", least clear at {row['element'] + 1} of {row['elements']}"
        if row["word"] == "within noise":
            would = number(float(f"{row['detectable']:.2g}"))
            word += f"; {would} would have shown"
    if row["alone"]:
        word += f" ({row['alone']}, were it looked at alone)"
    return [text, word]


def _words(measure):
    return measure.replace("_", " ")


def load_summary():
    """Read the shipped summary; an empty one where there is none yet.

    Returns
    -------
    dict

    Raises
    ------
    CourseError
        If the file is damaged.

    Examples
    --------
    >>> sorted(load_summary())[:1]
    ['claims']
    """
    path = ledger_folder() / "summary.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"claims": {}, "seconds": {}}
    except ValueError as error:
        raise CourseError(
            f"{path.name} is damaged ({error}); `python -m build_tools report` writes it anew"
        ) from None


def verdicts(source_or_lesson, summary=None):
    """Show what our runs say about the claims of a source or a lesson.

    The table comes from the summary that the package ships, so it is the same in quick mode as in full, and
    on both stacks.

    Parameters
    ----------
    source_or_lesson : str
        ``"S1"`` or ``"05_weight_normalization"``.
    summary : dict, optional
        Another summary than the shipped one: what `build_tools.notebooks.report` is about to write.

    Returns
    -------
    Table
        Claims with the source's number, ours per stack as mean ± sd (seeds), and the verdict in words.

    Raises
    ------
    CourseError
        If the ledger has no claims of that source or lesson.

    Examples
    --------
    >>> verdicts("05_weight_normalization").head[:3]
    ['Claim', 'What the source says', 'Its number']
    """
    head = ["Claim", "What the source says", "Its number"]
    for stack in STACKS:
        head += [f"Ours, {stack}", f"Verdict, {stack}"]
    summary = load_summary() if summary is None else summary
    rows = [row for claim in load_claims().of(source_or_lesson) for row in claim_rows(claim, summary)]
    return Table(head, rows)


def seconds(lesson):
    """Give how long a full run of a lesson took, per stack.

    Parameters
    ----------
    lesson : str

    Returns
    -------
    dict of str to float
        Stack to the median seconds over seeds; empty where no run is stored.

    Examples
    --------
    >>> seconds("no such lesson")
    {}
    """
    return dict(load_summary()["seconds"].get(lesson, {}))


def times(summary=None):
    """Show how long a full run of each lesson took, per stack.

    Parameters
    ----------
    summary : dict, optional
        As for `verdicts`.

    Returns
    -------
    Table
        Every lesson that has claims or stored runs.

    Examples
    --------
    >>> times().head
    ['Lesson', 'Full run, addons', 'Full run, keras3']
    """
    measured = (load_summary() if summary is None else summary)["seconds"]
    lessons = sorted({claim.lesson for claim in load_claims().claims.values()} | set(measured))
    rows = [
        [lesson, *(duration(measured.get(lesson, {}).get(stack)) for stack in STACKS)] for lesson in lessons
    ]
    return Table(["Lesson", *(f"Full run, {stack}" for stack in STACKS)], rows)


def duration(seconds):
    """Write seconds as a reader wants to know them.

    Parameters
    ----------
    seconds : float or None

    Returns
    -------
    str

    Examples
    --------
    >>> duration(41.7), duration(754), duration(None)
    ('40 s', '13 min', 'no runs')
    """
    if seconds is None:
        return "no runs"
    return f"{max(5, 5 * round(seconds / 5))} s" if seconds < 90 else f"{round(seconds / 60)} min"
