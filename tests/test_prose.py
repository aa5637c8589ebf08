"""A lesson's prose and form: no measured number typed by hand, and nothing too long to read.

Numbers come from the cell beside the prose, or from the tables of verdicts. What prose may hold says by its
type what it is: a setting stands in `code` and in the lesson's code, a number that follows from others in
$math$, what a source has printed in “quotes”, as claims.toml has it. Anything else with a decimal point or a
percent sign is refused.
"""

import ast
import re
from pathlib import Path

import pytest

from build_tools.claims import load_claims
from build_tools.lessons import Cell, read_lesson

LESSONS = sorted((Path(__file__).resolve().parents[1] / "lessons").glob("[0-9][0-9]_*.py"))

NUMBER = r"[-−+]?\d+(?:[.,]\d+)*"
# A decimal point, or a percent sign.
SUSPECT = re.compile(rf"(?<![\w.,]){NUMBER}\s?%|(?<![\w.,§])[-−+]?\d+(?:,\d{{3}})*\.\d+")
NEUTRAL = re.compile(
    r"""
    \$\$.*?\$\$ | \$[^$]*\$                  # math
  | \]\([^)]*\) | arXiv:[\d.]+               # addresses, papers
  | (?:Python|Keras|TensorFlow|NumPy)\ \d[\d.]*(?:\ (?:or|to|and)\ \d[\d.]*)*
  | [Ss]ection\ \d[\d.]*
    """,
    re.VERBOSE | re.DOTALL,
)
CODE = re.compile(r"`([^`\n]*)`")
QUOTE = re.compile(rf"“({NUMBER})(?:\s?%)?”")


def settings_of(cells):
    """Every number in the lesson's code, f-strings included."""
    found = set()
    for cell in cells:
        if cell.kind == "code":
            python = re.sub(r"^\s*[%!].*$", "pass", cell.source, flags=re.MULTILINE)
            for node in ast.walk(ast.parse(python)):
                if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
                    found.add(float(node.value))
    return found


def typed_by_hand(prose, settings, printed):
    """The numbers of a piece of prose that say neither of what they are, nor are what they say."""
    found = []

    def code(match):
        number = match[1].replace("−", "-")
        if re.fullmatch(r"[-+]?\d+\.\d+", number) and float(number.lstrip("-+")) not in settings:
            found.append(match[0])
        return " "

    def quote(match):
        if match[1] not in printed:
            found.append(match[0])
        return " "

    rest = QUOTE.sub(quote, NEUTRAL.sub(" ", CODE.sub(code, prose)))
    return found + [match[0] for match in SUSPECT.finditer(rest)]


by_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


@by_lesson
def test_no_measured_number_is_typed_into_prose(path):
    lesson = read_lesson(path)
    settings = settings_of(lesson.text)
    claims = [claim for claim in load_claims().claims.values() if claim.lesson == lesson.name]
    printed = {str(value) for claim in claims for _, value in claim.values}
    found = [
        f"{number} in “{cell.source[:60].strip()}…”"
        for cell in lesson.text
        if cell.kind == "markdown"
        for number in typed_by_hand(cell.source, settings, printed)
    ]
    assert found == [], (
        "let the cell beside the prose print a measured number; write a setting in `code`, a number that "
        "follows from others in $math$, a source's in “quotes”"
    )


@pytest.mark.parametrize(
    ("prose", "found"),
    [
        # What a person in a hurry would write.
        ("It reached 0.8734 on the test set.", ["0.8734"]),
        ("It is right in 87 % of the cases.", ["87 %"]),
        ("It is right in 87.3% of the cases.", ["87.3%"]),
        ("It lost −0.02 against the plain net", ["−0.02"]),
        ("accuracies of 0.61, 0.62.", ["0.61", "0.62"]),
        ("| 12,345.6 | 1 |", ["12,345.6"]),
        # Dressed up, and not what it is dressed as.
        ("It reached `0.8734`.", ["`0.8734`"]),
        ("The source has “0.8734”.", ["“0.8734”"]),
        # What prose may hold.
        ("A rate of `0.001`, `SGD(lr=0.02)`, and ten epochs of 100.", []),
        ("The source has “0.7040”.", []),
        (r"A share of $5\,\%$, so $0.99^{100} \approx 0.37$, and $$x = 0.5$$.", []),
        ("Keras 2.15 and TensorFlow 2.15 or 2.21, Python 3.10 or 3.11.", []),
        ("[arXiv:1502.01852](https://arxiv.org/abs/1502.01852), section 3.3", []),
        ("The two groups, 1,000 and 10,000; lesson 08; §4.", []),
    ],
)
def test_the_guard_of_prose(prose, found):
    assert typed_by_hand(prose, settings={0.001}, printed={"0.7040"}) == found


# --- form ---------------------------------------------------------------------------------------------------

MOST_WORDS, MOST_LINES = 2300, 25


def words_to_read(cells):
    """Count the words of a lesson's text: without folds, and up to the questions and exercises."""
    prose = []
    for cell in cells:
        if cell.kind == "markdown":
            if re.match(r"## (Questions|Exercises)", cell.source):
                break
            prose.append(re.sub(r"<details>.*?</details>", " ", cell.source, flags=re.DOTALL))
    return len(" ".join(prose).split())


@by_lesson
def test_a_lesson_is_short_enough_to_read(path):
    lesson = read_lesson(path)
    if not lesson.measured_in_solutions:  # that one is all exercises
        assert words_to_read(lesson.text) <= MOST_WORDS


def test_what_counts_as_a_word_to_read():
    cells = [
        small("one two <details>three\n\nfour</details> five"),
        small("x = 1", "code"),
        small("six"),
        small("## Questions\n\nseven"),
        small("eight"),
    ]
    assert words_to_read(cells) == 4


def small(source, kind="markdown"):
    return Cell(kind, source)


@by_lesson
def test_no_cell_is_too_long_to_take_in(path):
    long = [
        cell.source.splitlines()[0]
        for cell in read_lesson(path).text
        if cell.kind == "code"
        and "check" not in cell.tags
        and sum(bool(line.strip()) for line in cell.source.splitlines()) > MOST_LINES
    ]
    assert long == [], f"at most {MOST_LINES} lines a cell: split it, or leave something out"


@by_lesson
def test_every_figure_is_described_in_words(path):
    silent = [
        cell.source.splitlines()[0]
        for cell in read_lesson(path).text
        if cell.kind == "code" and "plt.show()" in cell.source and len(cell.alt.split()) < 8
    ]
    assert silent == [], 'a figure needs alt="…" beside its tags, a sentence or two'


@by_lesson
def test_a_lesson_has_one_title_and_says_what_it_takes(path):
    lesson = read_lesson(path)
    titles = [
        cell.source
        for cell in lesson.text
        if re.search(r"^# ", cell.source, re.M) and cell.kind == "markdown"
    ]
    assert len(titles) == 1
    assert re.match(rf"# {lesson.name[:2]} · \S", titles[0])
    for word in ("You will learn", "You need", "Time"):
        assert f"- **{word}:**" in titles[0], word


@by_lesson
def test_every_lesson_asks_for_a_prediction(path):
    cells = read_lesson(path).text
    assert any("predict" in cell.tags for cell in cells)
    assert any("Predict" in cell.source for cell in cells if cell.source.startswith("### "))


GONE = r"lesson\.(fast|fast_conv|epochs|progress)\b|\bshuffled\(|\brestart\(|jit_compile|steps_per_execution"


@by_lesson
def test_a_training_is_keras_with_one_word_of_ours(path):
    # Lesson 08 shows what becomes of a callback when Keras makes several steps a call.
    gone = GONE.removesuffix("|steps_per_execution") if path.stem.startswith("08") else GONE
    found = [
        match.group()
        for cell in read_lesson(path).text
        for match in re.finditer(gone, cell.source)
        if cell.kind == "code"
    ]
    assert found == []


@by_lesson
def test_links_to_other_lessons_lead_somewhere(path):
    for cell in read_lesson(path).text:
        if cell.kind == "markdown":
            folder = path.parents[1] / "notebooks" / ("solutions" if "solution" in cell.tags else "")
            for link in re.findall(r"\]\(((?:\.\./)*[\w./]+\.(?:ipynb|md))(?:#[\w-]+)?\)", cell.source):
                assert (folder / link).is_file(), link
