"""What the report says in a paragraph and draws in a picture, on summaries made up for the purpose."""

import io
import sys

import pytest
import small_course
from PIL import Image

from build_tools import CourseError, figure, findings, table
from build_tools.claims import load_claims
from build_tools import notebooks as building
from course_utils.stack import STACKS


@pytest.fixture
def claims(tmp_path, monkeypatch):
    """The small course's claims: a value, an ordering, a property; and a second value, a time."""
    folder = small_course.make(tmp_path / "course") / "ledger"
    text = (folder / "claims.toml").read_text(encoding="utf-8")
    value = text[text.index("[[claim]]") : text.index("[[claim]]", text.index("[[claim]]") + 1)]
    time = value.replace("S9.c1", "S9.c4").replace("number", "seconds") + "timing = true\n"
    (folder / "claims.toml").write_text(f"{text}\n{time}", encoding="utf-8")
    monkeypatch.setenv("COURSE_LEDGER", str(folder))
    return load_claims()


def row(word, **entries):
    base = {"n": 3, "mean": 1.4, "sd": 0.1, "low": 0.9, "high": 1.9, "element": None, "elements": None}
    return base | {"word": word, "detectable": 0.2, "p": 0.5, "p_holm": 1.0, "alone": None} | entries


def summary_of(seeds=(42, 43, 44), **words):
    """A summary from claim numbers to a word (of both stacks), or a row for each stack."""
    found = {}
    for name, of_stacks in words.items():
        of_stacks = of_stacks if isinstance(of_stacks, tuple) else (of_stacks, of_stacks)
        found[f"S9.{name}"] = {
            stack: {"verdict": one["word"], "seeds": list(seeds), "rows": [one]}
            for stack, one in zip(STACKS, of_stacks, strict=True)
            if one
        }
    return {"claims": found, "seconds": {}}


def test_every_claim_is_counted_once_on_each_stack(claims):
    summary = summary_of(c1=(row("reproduced"), row("not reproduced")), c2=(row("holds"), None))
    assert findings.counts(summary, claims) == {
        "addons": {"reproduced": 1, "holds": 1, "not enough runs": 2},
        "keras3": {"not reproduced": 1, "not enough runs": 3},
    }
    text = findings.paragraph(summary, claims)
    assert "4 claims of 1 sources" in text
    assert "On the addons stack (3 seeds): 1 ✓ reproduced, 1 ✓ holds, 2 … not enough runs." in text
    assert "On the keras3 stack (3 seeds): 1 ✗ not reproduced, 3 … not enough runs." in text


@pytest.mark.parametrize(
    ("words", "order"),
    [
        # A reversal before a number, though the number is further off.
        ({"c1": row("not reproduced", p_holm=1e-9), "c2": row("reversed", p_holm=0.01)}, ["c2", "c1"]),
        # On both stacks before on one.
        ({"c1": row("not reproduced"), "c2": (row("reversed"), row("holds"))}, ["c1", "c2"]),
        ({"c1": row("not reproduced"), "c2": (row("reversed"), None)}, ["c1", "c2"]),
        ({"c3": row("fails", p_holm=None), "c1": row("not reproduced", p_holm=0.0)}, ["c3", "c1"]),
        # Last, where the loser was ahead on both stacks, if not clearly.
        ({"c1": row("not reproduced"), "c2": row("within noise", mean=-0.1)}, ["c1", "c2"]),
        ({"c2": (row("within noise", mean=-0.1), row("within noise", mean=0.1))}, []),
        ({"c2": (row("within noise", mean=-0.1), row("holds"))}, []),
        ({"c1": row("within noise", mean=-0.1), "c3": row("within noise", mean=-0.1)}, []),
        # Neither what stands, nor what is open, nor a time.
        ({"c1": row("reproduced"), "c2": row("within noise"), "c3": row("not enough runs")}, []),
        ({"c4": row("not reproduced")}, []),
    ],
)
def test_the_most_surprising_comes_first(claims, words, order):
    found = findings.surprising(summary_of(**words), claims)
    assert [claim.id for claim, _ in found] == [f"S9.{name}" for name in order]


def test_of_a_claim_with_several_measures_the_clearest_is_told(claims):
    summary = summary_of(c2=row("reversed", p_holm=0.04))
    for found in summary["claims"]["S9.c2"].values():
        found["rows"] = [row("holds"), row("reversed", p_holm=0.04), row("reversed", p_holm=0.001)]
    ((claim, number),) = findings.surprising(summary, claims)
    assert (claim.id, number) == ("S9.c2", 2)


def test_of_two_losers_ahead_the_one_further_ahead_comes_first(claims):
    summary = summary_of(c2=row("within noise"))
    for found in summary["claims"]["S9.c2"].values():
        found["rows"] = [row("within noise", mean=-0.1, p=0.4), row("within noise", mean=-0.1, p=0.2)]
    ((claim, number),) = findings.surprising(summary, claims)
    assert (claim.id, number) == ("S9.c2", 1)


def test_no_more_than_three_are_told_and_each_with_its_numbers():
    claims = load_claims()
    found = {
        claim.id: {
            stack: {
                "verdict": "reversed",
                "seeds": [1, 2, 3],
                "rows": [row("reversed")] * len(claim.orderings),
            }
            for stack in STACKS
        }
        for claim in claims.claims.values()
        if claim.kind == "ordering"
    }
    text = findings.paragraph({"claims": found, "seconds": {}}, claims)
    assert "The three most surprising:" in text
    told = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(told) == 3
    assert told[0].startswith("- **S1.c3** “Weight normalization converges faster")
    assert told[0].count("difference 1.40 ± 0.10 (3)") == 2
    assert "✗ reversed on both stacks (addons: " in told[0]
    first = claims.claims["S1.c3"].id
    found[first]["addons"] = {"verdict": "holds", "seeds": [1, 2, 3], "rows": [row("holds")]}
    text = findings.paragraph({"claims": {first: found[first]}, "seconds": {}}, claims)
    assert "The most surprising:" in text
    assert "✓ holds on the addons stack (difference 1.40" in text
    assert "✗ reversed on the keras3 stack (difference 1.40" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ({}, "The whole course has not been run in full mode yet."),
        (
            {"a": {"addons": 60.0}, "b": {"keras3": 60.0}},
            "The whole course has not been run in full mode yet.",
        ),
        (
            {"a": {"addons": 90.0, "keras3": 1800.0}, "b": {"keras3": 1830.0}},
            "All 2 lessons in full mode, one seed, on one CPU core: 1 h 0 min on the keras3 stack.",
        ),
        (
            {"a": {"addons": 3599.0, "keras3": 120.0}},
            "All 1 lessons in full mode, one seed, on one CPU core: "
            "1 h 0 min on the addons stack and 2 min on the keras3 stack.",
        ),
    ],
)
def test_the_time_of_the_whole_course_is_the_sum_over_all_lessons(seconds, text):
    assert findings.course_time({"claims": {}, "seconds": seconds}) == text


# --- the picture ------------------------------------------------------------------------------------------


def test_the_picture_shows_every_printed_number():
    claims = load_claims()
    printed = [(c.id, measure, str(value)) for c in claims.claims.values() for measure, value in c.values]
    shown = [(one["claim"], one["measure"], one["text"]) for one in figure.rows({"claims": {}}, claims)]
    assert shown == printed
    assert ("S1.c2", "accuracy", "0.7040") in shown


def test_a_stored_picture_is_known_by_what_it_shows(claims, tmp_path):
    summary = summary_of(c1=row("reproduced"), c2=row("holds"))
    path = tmp_path / "claims.png"
    path.write_bytes(figure.draw(summary, claims))
    assert figure.drawn_from(path) == figure.digest(summary, claims)
    moved = summary_of(c1=row("reproduced", low=0.8), c2=row("holds"))
    assert figure.digest(moved, claims) != figure.digest(summary, claims)
    # It shows values only.
    other = summary_of(c1=row("reproduced"), c2=row("reversed"))
    assert figure.digest(other, claims) == figure.digest(summary, claims)
    assert figure.drawn_from(tmp_path / "none.png") == ""
    path.write_text("no picture")
    assert figure.drawn_from(path) == ""


@pytest.mark.parametrize("word", ["reproduced", "within noise", "not reproduced", "not enough runs"])
def test_the_picture_can_be_drawn_of_any_verdict(claims, word, monkeypatch):
    before = dict(sys.modules["matplotlib"].rcParams) if "matplotlib" in sys.modules else None
    few = {"low": None, "high": None} if word == "not enough runs" else {}
    far = row(word, mean=40.0, low=-400.0, high=400.0)
    content = figure.draw(summary_of(c1=(row(word, **few), far), c4=row(word, **few)), claims)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.width > 600
    # Matplotlib's style stays the reader's.
    assert before is None or before == dict(sys.modules["matplotlib"].rcParams)


# --- the README -------------------------------------------------------------------------------------------

README = (
    "# Title\n\n<!-- time -->\nold\n<!-- /time -->\n\nText.\n\n<!-- findings -->\n<!-- /findings -->\nEnd.\n"
)


def test_the_readme_gets_findings_and_times_between_its_marks(claims):
    summary = summary_of(c1=row("reproduced")) | {"seconds": {"01_tiny": {"keras3": 120.0}}}
    text = building.readme_with(README, summary)
    assert text.startswith("# Title\n\n<!-- time -->\nAll 1 lessons")
    assert "old" not in text
    assert f"<!-- findings -->\n{findings.paragraph(summary)}\n<!-- /findings -->\nEnd.\n" in text
    assert building.readme_with(text, summary) == text


@pytest.mark.parametrize(
    "mark", ["<!-- time -->", "<!-- /time -->", "<!-- findings -->", "<!-- /findings -->"]
)
def test_a_readme_without_its_marks_is_an_error(mark):
    with pytest.raises(CourseError, match=r"README\.md should have"):
        building.readme_with(README.replace(mark, ""), {"claims": {}, "seconds": {}})


def test_signs_are_those_of_the_tables():
    assert set(findings.WORDS) == set(table.SIGNS)
    assert set(findings.AGAINST) == {word for word, sign in table.SIGNS.items() if sign == "✗"}
