"""The tables that lessons show, from the file that the package ships."""

import json

import pytest

from course_utils import verdicts
from course_utils.verdicts import Table


def test_every_form_of_a_table_holds_its_cells_and_its_note():
    table = Table(["Claim", "Verdict"], [["S9.c1", "✓ holds †"]], "† old\n† older_code")
    assert repr(table) == "S9.c1\n  Verdict: ✓ holds †\n† old\n† older_code"
    html = table._repr_html_()
    assert html.endswith("</table>\n<p><small>† old</small></p>\n<p><small>† older_code</small></p>")
    assert table._repr_markdown_().splitlines()[2:] == [
        "| S9.c1 | ✓ holds † |",
        "",
        "† old",
        "",
        "† older\\_code",
    ]
    assert Table(["Claim"], [["a"]])._repr_html_().endswith("</table>")


def test_html_is_plain_escaped_and_without_colours():
    html = Table(["Claim"], [["a < b & c"]], "d > e")._repr_html_()
    assert "a &lt; b &amp; c" in html
    assert "d &gt; e" in html
    for word in ("color", "background", "id="):
        assert word not in html


def test_markdown_cells_cannot_break_the_table():
    lines = Table(["a"], [["x | y\nz"]])._repr_markdown_().splitlines()
    assert lines == ["| a |", "|---|", "| x \\| y z |"]


@pytest.mark.parametrize("row", [["a"], ["a", "b", "c"], ["a", 3], 3])
def test_a_row_that_is_none_is_refused(row):
    with pytest.raises((ValueError, TypeError)):
        Table(["Claim", "Verdict"], [row])


def test_verdicts_are_shown_by_source_and_by_lesson():
    assert verdicts.of("S1").rows == verdicts.of("05_weight_normalization").rows
    with pytest.raises(ValueError, match=r"no verdicts on '99'; there are on .*S1"):
        verdicts.of("99")


def whole(**entries):
    table = {"head": ["a"], "rows": [["b"]]}
    return json.dumps({"times": table, "verdicts": {"S1": table}} | entries)


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        "3",
        "[" * 100_000,
        "{}",
        whole(verdicts=[]),
        whole(verdicts={"S1": 3}),
        whole(verdicts={"S1": {"head": ["a"]}}),
        whole(verdicts={"S1": {"head": ["a"], "rows": [["b", "c"]]}}),
        whole(times=None),
        whole(times={"head": ["a"], "rows": [[1]]}),
        None,
    ],
)
def test_a_damaged_file_says_to_install_again(tmp_path, monkeypatch, damage):
    path = tmp_path / "verdicts.json"
    monkeypatch.setattr(verdicts, "_FILE", path)
    path.write_text(whole())
    assert verdicts.of("S1").rows == [["b"]]
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage)
    with pytest.raises(ValueError, match=r"^verdicts\.json cannot be read .*install course_utils again\.$"):
        verdicts.of("S1")
