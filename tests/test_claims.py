"""What the sources say: claims.toml, and the mistakes in it that are named."""

import pytest
import small_course

from build_tools import CourseError
from build_tools.claims import load_claims

CLAIMS = small_course.CLAIMS


def test_every_claim_of_the_first_source_is_there_with_its_printed_numbers():
    claims = load_claims().claims
    printed = {claim: dict(claims[claim].values) for claim in ("S1.c1", "S1.c2", "S1.q5")}
    assert printed == {
        "S1.c1": {"val_accuracy": 0.6045, "accuracy": 0.6891},
        "S1.c2": {"val_accuracy": 0.6183, "accuracy": 0.7040},
        "S1.q5": {"step_time_ratio": 1.67},
    }
    for claim in ("S1.c3", "S1.c4"):
        assert claims[claim].orderings == (("weight_normalized", "plain"),)
    assert [claim.id for claim in load_claims().of("S1") if claim.timing] == ["S1.c5", "S1.q5"]
    assert [claim.id for claim in load_claims().of("S1") if claim.is_question] == ["S1.q5"]
    assert load_claims().of("S1") == load_claims().of("05_weight_normalization")


@pytest.mark.parametrize(
    ("curves", "last_rows"), [("S1.c6", ("S1.c1", "S1.c2")), ("S4.c0", ("S4.c1", "S4.c2"))]
)
def test_printed_curves_have_ten_epochs_and_end_where_the_single_numbers_say(curves, last_rows):
    claims = load_claims().claims
    printed = dict(claims[curves].values)
    assert {len(values) for values in printed.values()} == {10}
    ends = {str(values[-1]) for values in printed.values()}
    assert {str(number) for claim in last_rows for _, number in claims[claim].values} <= ends
    measured = {name: [0.5] * 10 for name in printed}
    assert claims[curves].misfit(measured) == ""
    first = next(iter(measured))
    assert f"asks for a list of 10 as {first}" in claims[curves].misfit(measured | {first: 0.5})
    assert "recorded a list of 9" in claims[curves].misfit(measured | {first: [0.5] * 9})
    assert claims[curves].misfit(measured | {first: [0.5] * 2}, quick=True) == ""
    assert "recorded a number" in claims[curves].misfit(measured | {first: 0.5}, quick=True)


def test_a_printed_number_keeps_its_last_zero():
    assert str(dict(load_claims().claims["S1.c2"].values)["accuracy"]) == "0.7040"


def test_the_claims_of_the_normalization_and_optimizer_sources_carry_their_printed_numbers():
    claims = load_claims().claims
    printed = {claim: dict(claims[claim].values) for claim in claims if claim[:2] in ("S2", "S4")}
    assert {claim: values for claim, values in printed.items() if values and claim != "S4.c0"} == {
        "S2.c1": {"accuracy": 0.8591, "loss": 0.4759},
        "S2.c2": {"accuracy": 0.8432, "loss": 0.5241},
        "S2.c3": {"accuracy": 0.8708, "loss": 0.4546},
        "S2.c6": {"difference": 0.0},
        "S2.c7": {"group_milliseconds": 2, "instance_milliseconds": 3, "layer_milliseconds": 2},
        "S4.c1": {"accuracy": 0.9689, "val_accuracy": 0.9516, "loss": 0.1029},
        "S4.c2": {"accuracy": 0.9450, "val_accuracy": 0.9469, "loss": 0.1925},
    }
    assert claims["S2.c4"].orderings == (("layer", "group"), ("group", "instance"))
    # S3 says "faster": a lower loss or a higher accuracy, and the plain net always on the losing side.
    for greater, less in claims["S3.q2"].orderings:
        assert greater == "plain_loss" or less == "plain_test_accuracy"
    assert len(claims["S3.q2"].orderings) == 2 * 4
    assert [len(load_claims().of(source)) for source in ("S2", "S3", "S4")] == [7, 3, 6]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('text = "It', 'txt = "It', "claim S9.c3: ('text' is a required property|.*'txt' was unexpected)"),
        ('section = "Measure"\nkind = "property"', 'kind = "property"', "'section' is a required property"),
        (
            'kind = "property"',
            'kind = "proprty"',
            "claim S9.c3 has kind 'proprty'; it should be one of value",
        ),
        ('kind = "property"', 'kind = ["property"]', "has kind"),
        ('id = "S9.c2"', 'id = "S9.c1"', "S9.c1 occurs twice"),
        ('id = "S9.c2"', 'id = "S8.c2"', "source 'S8'"),
        ('id = "S9.c2"', 'id = "S9-2"', "an id looks like S1.c1"),
        ('id = "S9.c2"\n', "", r"claim \(without id\): 'id' is a required property"),
        ("printed = 1.50", 'printed = "1.50"', "values.0.printed: '1.50' is not"),
        ("printed = 1.50", "printed = inf", "inf is not a finite number"),
        ("printed = 1.50", "printed = nan", "nan is not a finite number"),
        ("printed = 1.50", "printed = true", "values.0.printed"),
        ('measure = "number"', 'measure = "the number"', "Python name"),
        ('less = "less"', 'less = "more"', "with itself"),
        ('less = "less"\n', "", "'less' is a required property"),
        ('less = "less"', "orderings = 3", "'greater' was unexpected|orderings: 3 is not of type"),
        ('greater = "more"\nless = "less"', "orderings = []", "orderings: "),
        ('greater = "more"\nless = "less"', 'orderings = ["a"]', "orderings.0: 'a' is not of type 'object'"),
        (
            'greater = "more"\nless = "less"',
            'orderings = [{ greater = "a", less = "b" }, { greater = "b", less = "a" }]',
            "comparison twice",
        ),
        (
            '[{ measure = "number", printed = 1.50 }]',
            '[{ measure = "a", printed = 1 }, { measure = "a", printed = 2 }]',
            "names a measure twice",
        ),
        ('kind = "property"', 'kind = "property"\nworst_is = "big"', "worst_is: 'big' is not one of"),
        ('kind = "property"', 'kind = "property"\ntiming = 1', "timing: 1 is not of type 'boolean'"),
        ("values = [", "tolerance = 0.1\nvalues = [", "'reason' is a dependency of 'tolerance'"),
        ("values = [", 'tolerance = -1\nreason = "r"\nvalues = [', "tolerance: -1 is less than or equal to"),
        ('[{ measure = "number", printed = 1.50 }]', "[]", "values: "),
        ("[[source]]", "[[sources]]", "'sources' was unexpected"),
        ("[[source]]", "[source]", "source: .* is not of type 'array'"),
        ("[[source]]", "[source", "not TOML"),
        ('title = "A | source_with signs"', "title = 3", "source S9: title: 3 is not of type 'string'"),
        ("year = 2020", 'year = "2020"', "source S9: year: '2020' is not of type 'integer'"),
    ],
)
def test_mistakes_in_claims_are_named(tmp_path, old, new, message):
    assert old in CLAIMS
    path = tmp_path / "claims.toml"
    path.write_text(CLAIMS.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CourseError, match=f"claims.toml.*({message})"):
        load_claims(path)


def test_a_source_that_stands_twice_is_named(tmp_path):
    source = CLAIMS[: CLAIMS.index("[[claim]]")]
    (tmp_path / "claims.toml").write_text(source + CLAIMS, encoding="utf-8")
    with pytest.raises(CourseError, match="source S9 occurs twice"):
        load_claims(tmp_path / "claims.toml")


def test_a_claims_file_that_cannot_be_read_is_named(tmp_path):
    for damage, message in [
        (lambda path: None, "cannot be read .*No such file"),
        (lambda path: path.mkdir(), "cannot be read .*directory"),
        (lambda path: (path.rmdir(), path.write_bytes(b"\xff")), "not UTF-8"),
    ]:
        damage(tmp_path / "claims.toml")
        with pytest.raises(CourseError, match=message):
            load_claims(tmp_path / "claims.toml")


def test_a_claim_of_several_orderings_takes_all_of_them(tmp_path):
    path = tmp_path / "claims.toml"
    both = 'orderings = [{ greater = "a", less = "b" }, { greater = "c", less = "b" }]'
    path.write_text(CLAIMS.replace('greater = "more"\nless = "less"', both, 1), encoding="utf-8")
    claim = load_claims(path).claims["S9.c2"]
    assert claim.measures == ("a", "b", "c")
    assert claim.misfit({"a": [1, 2], "b": [0, 0], "c": [1, 1]}) == ""
    assert "compares c with b" in claim.misfit({"a": [1, 2], "b": [0, 0], "c": 3})
