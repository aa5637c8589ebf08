"""The ledger without running anything: claims, recording, verdicts, fingerprints, tables."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import small_course
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from build_tools import evidence, fingerprint, report, results, table, verdict
from build_tools.claims import load_claims
from build_tools.environment import _from_cpuinfo, versions
from build_tools.execute import read_lesson
from build_tools.fingerprint import Cell
from build_tools.record import checked_measures, ineligible
from course_utils import ledger
from course_utils.files import to_json, write_text

# --- claims -----------------------------------------------------------------------------------------------


def test_every_claim_of_the_first_source_is_there_with_its_printed_numbers():
    claims = load_claims().claims
    printed = {claim: dict(claims[claim].values) for claim in ("S1.c1", "S1.c2", "S1.c5")}
    assert printed == {
        "S1.c1": {"val_accuracy": 0.6045, "accuracy": 0.6891},
        "S1.c2": {"val_accuracy": 0.6183, "accuracy": 0.7040},
        "S1.c5": {"step_time_ratio": 1.67},
    }
    for claim in ("S1.c3", "S1.c4"):
        assert claims[claim].orderings == (("weight_normalized", "plain"),)
    assert [claim.id for claim in load_claims().of("S1") if claim.timing] == ["S1.c5"]


def test_a_printed_number_keeps_its_last_zero():
    assert str(dict(load_claims().claims["S1.c2"].values)["accuracy"]) == "0.7040"


def test_the_claims_of_the_normalization_and_optimizer_sources_carry_their_printed_numbers():
    claims = load_claims().claims
    printed = {claim: dict(claims[claim].values) for claim in claims if claim[:2] in ("S2", "S4")}
    assert {claim: values for claim, values in printed.items() if values} == {
        "S2.c1": {"accuracy": 0.8591, "loss": 0.4759},
        "S2.c2": {"accuracy": 0.8432, "loss": 0.5241},
        "S2.c3": {"accuracy": 0.8708, "loss": 0.4546},
        "S4.c1": {"accuracy": 0.9689, "val_accuracy": 0.9516, "loss": 0.1029},
        "S4.c2": {"accuracy": 0.9450, "val_accuracy": 0.9469, "loss": 0.1925},
    }
    assert claims["S2.c4"].orderings == (("layer", "group"), ("group", "instance"))
    # S3 says "faster": a lower loss or a higher accuracy, and the plain net always on the losing side.
    for greater, less in claims["S3.c2"].orderings:
        assert greater == "plain_loss" or less == "plain_test_accuracy"
    assert len(claims["S3.c2"].orderings) == 2 * 4
    assert [len(load_claims().of(source)) for source in ("S2", "S3", "S4")] == [5, 2, 5]


CLAIM = small_course.CLAIMS


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('text = "It', 'txt = "It', "unknown key 'txt'"),
        ('section = "Measure"\nkind = "property"', 'kind = "property"', "lacks the key 'section'"),
        ('kind = "property"', 'kind = "proprty"', "kind 'proprty'"),
        ('id = "S9.c2"', 'id = "S9.c1"', "S9.c1 stands twice"),
        ('id = "S9.c2"', 'id = "S8.c2"', "source 'S8'"),
        ('id = "S9.c2"', 'id = "S9-2"', "looks like S1.c1"),
        ("printed = 1.50", 'printed = "1.50"', "printed should be a number"),
        ("printed = 1.50", "printed = inf", "printed should be a number"),
        ('measure = "number"', 'measure = "the number"', "Python name"),
        ('less = "less"', 'less = "more"', "with itself"),
        ('less = "less"\n', "", "lacks the key 'less'"),
        ('less = "less"', "orderings = 3", "unknown key 'greater'"),
        ('greater = "more"\nless = "less"', "orderings = []", r"orderings should list \{ greater"),
        ('greater = "more"\nless = "less"', 'orderings = ["a"]', r"one of the orderings is \{ greater"),
        (
            'greater = "more"\nless = "less"',
            'orderings = [{ greater = "a", less = "b" }, { greater = "b", less = "a" }]',
            "comparison twice",
        ),
        ('kind = "property"', 'kind = "property"\nworst_is = "big"', "largest or smallest"),
        ("values = [", "tolerance = 0.1\nvalues = [", "come together"),
        ("values = [", 'tolerance = -1\nreason = "r"\nvalues = [', "above 0"),
        ('[{ measure = "number", printed = 1.50 }]', "[]", "values should list"),
        ("[[source]]", "[[sources]]", "unknown key 'sources'"),
        ("[[source]]", "[source", "not TOML"),
    ],
)
def test_mistakes_in_claims_are_named(tmp_path, old, new, message):
    assert old in CLAIM
    path = tmp_path / "claims.toml"
    path.write_text(CLAIM.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ledger.CourseError, match=message):
        load_claims(path)


def test_a_claim_of_several_orderings_takes_all_of_them(tmp_path):
    path = tmp_path / "claims.toml"
    both = 'orderings = [{ greater = "a", less = "b" }, { greater = "c", less = "b" }]'
    path.write_text(CLAIM.replace('greater = "more"\nless = "less"', both, 1), encoding="utf-8")
    claims = load_claims(path)
    claim = claims.claims["S9.c2"]
    assert claim.measures == ("a", "b", "c")

    with pytest.raises(ledger.CourseError, match="c and b should both be numbers or lists"):
        checked_measures(claim, {"a": [1, 2], "b": [0, 0], "c": 3})
    measured = [
        {"S9.c2": {"a": [2.0, 2.0 + seed / 100], "b": [1.0, 1.0], "c": [0.5, 3.0 + seed / 100]}}
        for seed in (1, 2, 3)
    ]
    runs = [
        results.Result("keras3", "01_tiny", seed, path, {"measurements": measures, "seconds": 1.0})
        for seed, measures in enumerate(measured)
    ]
    found = report.summarize(runs, claims)["claims"]["S9.c2"]["keras3"]
    assert [row["word"] for row in found["rows"]] == ["holds", "reversed"]
    assert found["verdict"] == "reversed"  # the claim is as good as its weakest comparison
    assert [(row["measure"], row["elements"]) for row in found["rows"]] == [("a - b", 2), ("c - b", 2)]
    rows = table.claim_rows(claim, {"claims": {"S9.c2": {"keras3": found}}})
    assert [row[2] for row in rows] == ["a > b", "c > b"]
    assert rows[1][-1] == "✗ reversed"


def test_claims_of_an_unknown_lesson_say_what_is_known():
    with pytest.raises(ValueError, match=r"no claims of '99'.*S1.*05_weight_normalization"):
        ledger.verdicts("99")


# --- recording --------------------------------------------------------------------------------------------


@pytest.fixture
def recorder():
    return ledger.Recorder("05_weight_normalization", seed=42, mode="full", stack="keras3")


def test_a_record_is_written_whole_after_every_step(tmp_path, monkeypatch):
    path = tmp_path / "new" / "record.json"
    monkeypatch.setenv("COURSE_RECORD_TO", str(path))
    recorder = ledger.Recorder("05_weight_normalization", seed=np.int64(3), mode="full", stack="keras3")
    assert json.loads(path.read_text())["measurements"] == {}
    recorder.data(SimpleNamespace(name="cifar10", origin="real", digests={"x_train": "ab"}))
    recorder.record("S1.c5", step_time_ratio=np.float32(1.3))
    written = json.loads(path.read_text())
    assert written["measurements"] == {"S1.c5": {"step_time_ratio": float(np.float32(1.3))}}
    assert written["data"] == {"cifar10": {"origin": "real", "digests": {"x_train": "ab"}}}
    assert (written["seed"], written["stack"], written["mode"]) == (3, "keras3", "full")
    assert written["versions"] == versions()
    assert written["cpu"]
    assert list(tmp_path.rglob("*.tmp")) == []


XEON = "model name\t: Intel(R) Xeon(R) Processor\n"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (
            "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 207\n"
            + XEON
            + "stepping\t: 2\nflags\t\t: fpu vme\n\nprocessor\t: 1\nmodel\t\t: 143\n"
            + XEON,
            "Intel(R) Xeon(R) Processor (family 6, model 207, stepping 2)",
        ),
        (XEON, "Intel(R) Xeon(R) Processor"),
        ("processor\t: 0\nBogoMIPS\t: 48.00\nCPU architecture: 8\n", ""),
        ("", ""),
    ],
)
def test_processors_of_one_name_are_told_apart_by_their_numbers(cpuinfo, name):
    assert _from_cpuinfo(cpuinfo) == name


def test_numbers_keep_full_precision(recorder):
    third = 1 / 3
    recorder.record("S1.c3", weight_normalized=[third] * 10, plain=np.full(10, third))
    assert recorder.measurements["S1.c3"] == {"weight_normalized": [third] * 10, "plain": [third] * 10}


class Tensor:
    """Looks like a TensorFlow tensor to NumPy."""

    def __init__(self, value):
        self.value = value

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype=dtype)


def test_tensors_are_taken(recorder):
    recorder.record("S1.c4", weight_normalized=Tensor(np.float32(0.5)), plain=Tensor(0.25))
    assert recorder.measurements["S1.c4"] == {"weight_normalized": 0.5, "plain": 0.25}


@pytest.mark.parametrize(
    ("claim", "measures", "message"),
    [
        ("S1.c99", {}, "no claim 'S1.c99'.*S1.c1, S1.c2"),
        ("S1.c5", {}, "missing: step_time_ratio"),
        ("S1.c5", {"step_time_ratio": 1.0, "more": 2}, "unknown: more"),
        ("S1.c5", {"step_time_ratio": float("nan")}, "not finite.*diverge"),
        ("S1.c5", {"step_time_ratio": [1.0]}, "one number, got a list of 1"),
        ("S1.c5", {"step_time_ratio": "1.3"}, "a number or a list"),
        ("S1.c5", {"step_time_ratio": None}, "a number or a list"),
        ("S1.c3", {"weight_normalized": [1, 2], "plain": [1]}, "a list of 2 and a list of 1"),
        ("S1.c3", {"weight_normalized": [1, 2], "plain": 1}, "a list of 2 and a number"),
        ("S1.c3", {"weight_normalized": [1, float("inf")], "plain": [1, 2]}, "not finite"),
        ("S1.c3", {"weight_normalized": [], "plain": []}, "a number or a list"),
    ],
)
@pytest.mark.parametrize("mode", ["quick", "full"])
def test_wrong_measures_are_refused_in_every_mode(claim, measures, message, mode):
    recorder = ledger.Recorder("05_weight_normalization", seed=42, mode=mode, stack="keras3")
    with pytest.raises(ValueError, match=message):
        recorder.record(claim, **measures)
    assert recorder.measurements == {}


def test_another_lessons_claim_is_refused():
    recorder = ledger.Recorder("07_optimizers", seed=42, mode="full", stack="keras3")
    with pytest.raises(ValueError, match="belongs to lesson 05_weight_normalization, not to 07_optimizers"):
        recorder.record("S1.c5", step_time_ratio=1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "fast"}, "mode should be one of quick, full, got 'fast'"),
        ({"stack": "keras2"}, "stack should be one of addons, keras3, got 'keras2'"),
        ({"seed": "42"}, "whole number, got '42'"),
        ({"seed": True}, "whole number"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ledger.Recorder("05_x", **{"seed": 42, "mode": "full", "stack": "keras3", **settings})


def test_a_property_records_whether_and_how_far(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_LEDGER", str(small_course.make(tmp_path / "course") / "ledger"))
    recorder = ledger.Recorder("01_tiny", seed=1, mode="full", stack="keras3")
    recorder.record("S9.c3", holds=np.bool_(True), worst=np.float64(0.5))
    assert recorder.measurements == {"S9.c3": {"holds": True, "worst": 0.5}}
    with pytest.raises(ValueError, match="True or False, got array"):
        recorder.record("S9.c3", holds=1, worst=0.5)


@pytest.mark.parametrize(
    ("mode", "origin", "reason"),
    [
        ("full", "real", ""),
        ("quick", "real", "quick mode"),
        ("full", "stand-in", "stand-in data"),
        ("full", "something else", "something else data"),
    ],
)
def test_only_full_runs_on_real_data_are_eligible(mode, origin, reason):
    said = ineligible({"mode": mode, "data": {"cifar10": {"origin": origin}, "mnist": {"origin": "real"}}})
    assert (reason in said) if reason else said == ""


# --- verdicts ---------------------------------------------------------------------------------------------

number = st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3))


def spread_out(values):
    return np.std(values) > 1e-3


@given(st.lists(number, min_size=3, max_size=8).filter(spread_out))
def test_the_prediction_interval_is_scipys(values):
    low, high = verdict.prediction_interval(values)
    scale = stats.sem(values) * np.sqrt(len(values) + 1)
    expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=scale)
    assert np.allclose([low, high], expected)


pairs_apart = st.lists(st.tuples(number, number), min_size=3, max_size=8).filter(
    lambda pairs: spread_out([a - b for a, b in pairs])
)


@given(pairs_apart)
def test_the_paired_interval_is_scipys_and_decides_as_its_t_test(pairs):
    greater, less = np.array(pairs).T
    test = stats.ttest_rel(greater, less)
    interval = test.confidence_interval(0.95)
    assert np.allclose(verdict.paired_interval(greater, less), (interval.low, interval.high))
    if abs(test.pvalue - 0.05) > 1e-6:
        resolved = verdict.judge_ordering(greater, less).word != verdict.WITHIN_NOISE
        assert resolved == (test.pvalue < 0.05)


def test_a_value_by_hand():
    # mean 2, s = 1, n = 3: t = 4.3027, and √(1 + 1/3) = 1.1547, so 2 ± 4.9683
    inside, outside = (verdict.judge_value([1.0, 2.0, 3.0], printed) for printed in (6.968, 6.969))
    assert (inside.word, outside.word) == (verdict.REPRODUCED, verdict.NOT_REPRODUCED)
    assert (inside.mean, inside.sd, inside.n) == (2.0, 1.0, 3)
    assert inside.high == pytest.approx(6.96831, abs=1e-4)


def test_a_tolerance_widens_and_never_narrows():
    assert verdict.judge_value([1.0, 1.001, 1.002], 1.1).word == verdict.NOT_REPRODUCED
    assert verdict.judge_value([1.0, 1.001, 1.002], 1.1, tolerance=0.1).word == verdict.REPRODUCED
    assert verdict.judge_value([1.0, 2.0, 3.0], 4.0, tolerance=0.1).word == verdict.REPRODUCED


def test_runs_without_spread():
    assert verdict.judge_value([0.1 + 0.2] * 3, 0.3).word == verdict.REPRODUCED
    assert verdict.judge_value([0.3] * 3, 0.30001).word == verdict.NOT_REPRODUCED
    assert verdict.judge_ordering([2.0] * 3, [1.0] * 3).word == verdict.HOLDS
    assert verdict.judge_ordering([1.0] * 3, [2.0] * 3).word == verdict.REVERSED
    assert verdict.judge_ordering([1.0] * 3, [1.0] * 3).word == verdict.WITHIN_NOISE


def test_an_ordering_by_hand():
    # differences 1, 2, 3: 2 ± 4.3027 / √3 = 2 ± 2.4841
    noisy = verdict.judge_ordering([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    assert noisy.word == verdict.WITHIN_NOISE
    assert (noisy.low, noisy.high) == (pytest.approx(-0.48414, abs=1e-4), pytest.approx(4.48414, abs=1e-4))
    # one more in each: 3 ± 2.4841, and the other way round
    assert verdict.judge_ordering([2.0, 3.0, 4.0], [0.0, 0.0, 0.0]).word == verdict.HOLDS
    assert verdict.judge_ordering([0.0, 0.0, 0.0], [2.0, 3.0, 4.0]).word == verdict.REVERSED


def test_pairing_by_seed_counts():
    # Seeds differ by far more than the two methods do; the pairs still agree.
    less = np.array([0.1, 0.5, 0.9])
    greater = less + [0.010, 0.011, 0.012]
    assert verdict.judge_ordering(greater, less).word == verdict.HOLDS
    assert verdict.judge_ordering(greater, less[::-1]).word == verdict.WITHIN_NOISE


@pytest.mark.parametrize(
    ("means", "word", "element"),
    [
        ([4, 3, 5], verdict.HOLDS, 1),
        ([3, 2, 3], verdict.WITHIN_NOISE, 1),
        ([3, 2, -9], verdict.REVERSED, 2),
        ([-9, 2, 3], verdict.REVERSED, 0),
        # −3 ± 2.5 alone; one of three elements is allowed to look like that (−3 ± 4.4, Bonferroni).
        ([3, 2, -3], verdict.WITHIN_NOISE, 2),
    ],
)
def test_an_ordering_at_every_element(means, word, element):
    greater = np.array([[-1.0], [0.0], [1.0]]) + np.array(means)
    judged = verdict.judge_ordering(greater, np.zeros_like(greater))
    assert (judged.word, judged.element, judged.mean) == (word, element, means[element])


def test_the_least_clear_element_is_the_one_with_the_largest_p_value():
    # 3 ± 0.1 is nearer to 0 than 10 ± 5, and clearer.
    greater = np.array([[2.9, 5.0], [3.0, 10.0], [3.1, 15.0]])
    judged = verdict.judge_ordering(greater, np.zeros_like(greater))
    assert (judged.word, judged.element) == (verdict.WITHIN_NOISE, 1)
    assert judged.p == pytest.approx(stats.ttest_1samp(greater[:, 1], 0).pvalue)


@given(pairs_apart)
def test_the_p_value_of_an_ordering_is_that_of_the_paired_t_test(pairs):
    greater, less = np.array(pairs).T
    expected = stats.ttest_rel(greater, less).pvalue
    holds, against = verdict.ordering_p(greater, less)
    assert min(holds, against) == pytest.approx(expected)
    assert (holds < against) == (np.mean(greater) > np.mean(less)) or holds == against == 1.0
    assert verdict.ordering_p(less, greater) == pytest.approx((against, holds))


@given(st.lists(number, min_size=3, max_size=8).filter(spread_out), number)
def test_the_p_value_of_a_printed_number_and_the_prediction_interval_say_the_same(values, printed):
    low, high = verdict.prediction_interval(values)
    p = verdict.value_p(values, printed)
    if abs(p - 0.05) > 1e-6:
        assert (p < 0.05) == (not low <= printed <= high)
    # One more value against n: Welch's neighbour, Student's t test with a group of one.
    assert p == pytest.approx(stats.ttest_ind(values, [printed]).pvalue, abs=1e-9)


# G*Power 3.1 manual, "difference between two dependent means": dz = 0.421637, n = 50, power 0.832114.
# Cohen's d of a paired t test at 80 % power: ten pairs 0.996; 34 pairs are needed for 0.5 (Cohen, 1988).
@pytest.mark.parametrize(
    ("n", "power", "effect"), [(50, 0.832114, 0.421637), (10, 0.8, 0.996), (34, 0.807778, 0.5)]
)
def test_the_detectable_difference_is_that_of_published_power_tables(n, power, effect):
    differences = np.arange(n, dtype=float)
    found = verdict.detectable_difference(differences, power=power)
    assert found / differences.std(ddof=1) == pytest.approx(effect, abs=1e-4)


@given(
    st.integers(3, 12),
    st.floats(0.0005, 0.2).map(lambda alpha: round(alpha, 4)),
    st.floats(0.3, 0.95).map(lambda power: round(power, 2)),
)
def test_the_power_of_a_detectable_difference_is_the_one_asked_for(n, alpha, power):
    differences = np.arange(n, dtype=float)
    shift = verdict.detectable_difference(differences, 1 - alpha, power) / stats.sem(differences)
    critical = stats.t.ppf(1 - alpha / 2, n - 1)

    # By its definition rather than by scipy's noncentral t: a normal mean over a chi-distributed deviation.
    def found(deviation):
        above = stats.norm.sf(critical * deviation / np.sqrt(n - 1) - shift)
        return stats.chi.pdf(deviation, n - 1) * above

    assert integrate.quad(found, 0, np.inf, limit=500)[0] == pytest.approx(power, abs=1e-6)


# --- many claims at once ----------------------------------------------------------------------------------


# statsmodels collects garbage in every call, which takes long in a process that holds a test session.
without_collecting = mock.patch("gc.collect", new=mock.Mock(return_value=0))


def verdicts_with(p_values, word=verdict.HOLDS):
    return [verdict.Verdict(word, 5, p=p) for p in p_values]


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        # Wikipedia's "Holm-Bonferroni method": H4 and H1 are rejected, H3 is not, and so H2 neither.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.04], [0.04]),
    ],
)
def test_holms_published_examples(p_values, adjusted):
    found = verdict.corrected(verdicts_with(p_values))
    assert [one.p_holm for one in found] == pytest.approx(adjusted)
    for one in found:
        stays = one.p_holm <= 0.05 + 1e-12
        assert (one.word, one.alone) == ((verdict.HOLDS, None) if stays else ("within noise", "holds"))


@without_collecting
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
def test_holm_stands_between_bonferroni_and_no_correction(p_values):
    found = [one.p_holm for one in verdict.corrected(verdicts_with(p_values))]
    for p, p_holm in zip(p_values, found, strict=True):
        assert p - 1e-12 <= p_holm <= min(1.0, len(p_values) * p) + 1e-12
    # The order of the claims makes no difference, and a smaller p value never ends behind a larger one.
    backwards = [one.p_holm for one in verdict.corrected(verdicts_with(p_values[::-1]))]
    assert backwards[::-1] == found
    order = np.argsort(p_values)
    assert np.all(np.diff(np.array(found)[order]) >= 0)


@without_collecting
def test_the_correction_keeps_the_error_of_a_whole_family_at_five_percent():
    # Twenty comparisons of things that do not differ, five seeds, many times over. Alone, most such families
    # have a "holds" or a "reversed" in them.
    rng = np.random.default_rng(0)
    alone = together = 0
    families = 120
    for _ in range(families):
        judged = [verdict.judge_ordering(*rng.normal(size=(2, 5))) for _ in range(20)]
        alone += any(one.word != verdict.WITHIN_NOISE for one in judged)
        together += any(one.word != verdict.WITHIN_NOISE for one in verdict.corrected(judged))
    assert alone / families > 0.5
    assert stats.binomtest(together, families, 0.05).pvalue > 0.01


@pytest.mark.parametrize("word", [verdict.HOLDS, verdict.REVERSED, verdict.NOT_REPRODUCED])
def test_every_word_that_asserts_something_has_to_pass(word):
    found = verdict.corrected(verdicts_with([0.04, 0.03, 0.005], word))
    assert [(one.word, one.alone) for one in found] == [("within noise", word)] * 2 + [(word, None)]


def test_what_asserts_nothing_stays_and_what_has_no_p_value_does_not_count():
    few = verdict.judge_ordering([1.0, 2.0], [0.0, 0.0])
    settled = verdict.judge_property([True] * 3, [1, 2, 3])
    for word in (verdict.REPRODUCED, verdict.WITHIN_NOISE):
        one = verdict.Verdict(word, 5, p=0.2)
        clear = verdict.Verdict(verdict.REVERSED, 5, p=0.02)
        found = verdict.corrected([few, one, clear, settled])
        assert found[0] == few
        assert found[3] == settled
        assert (found[1].word, found[1].alone) == (word, None)
        # Two that count: 2 × 0.02 is still below 0.05; with four it would not be.
        assert (found[2].word, found[2].p_holm) == (verdict.REVERSED, pytest.approx(0.04))
    assert verdict.corrected([few]) == [few]
    assert verdict.corrected([]) == []


def test_what_would_have_shown_is_larger_when_more_is_looked_at():
    noisy = verdict.judge_ordering([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    (alone,) = verdict.corrected([noisy])
    assert alone.detectable == pytest.approx(noisy.detectable)
    among_ten = verdict.corrected([noisy] * 10)[0]
    level = 1 - 0.05 / 10
    assert among_ten.detectable == pytest.approx(verdict.detectable_difference([1.0, 2.0, 3.0], level))
    assert among_ten.detectable > 2 * noisy.detectable
    # Within noise, it is always more than what was found.
    assert among_ten.detectable > among_ten.mean


def test_properties():
    assert verdict.judge_property([True] * 3, [1, 3, 2]) == verdict.Verdict(verdict.HOLDS, 3, 3.0)
    assert verdict.judge_property([True] * 3, [1, 3, 2], "smallest").mean == 1.0
    # The worst of the runs that failed, not of all.
    assert verdict.judge_property([True, False, True], [9, 3, 2]) == verdict.Verdict(verdict.FAILS, 3, 3.0)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_seeds_give_no_verdict(n):
    values = [1.0, 2.0][:n]
    assert verdict.judge_value(values, 1.0).word == verdict.NOT_ENOUGH
    assert verdict.judge_ordering(values, values).word == verdict.NOT_ENOUGH
    assert (
        verdict.judge_ordering([[v, v] for v in values], [[v, v] for v in values]).word == verdict.NOT_ENOUGH
    )
    assert verdict.judge_property([False] * n, values).word == verdict.NOT_ENOUGH


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        verdict.judge_ordering([1, 2, 3], [1, 2])


@pytest.mark.parametrize("word", ["not reproduced", "reversed", "fails", "within noise", "not enough runs"])
def test_a_claim_is_as_good_as_its_weakest_measure(word):
    assert verdict.overall(["reproduced", word, "reproduced"]) == word


# --- fingerprints -----------------------------------------------------------------------------------------

SOURCE = '''\
"""What it is."""
import os

def half(x):
    """Halve it."""
    if x:  # not for 0
        return f"{x / 2:.3f} of {x!r}"

    return """a

    text"""
'''


def code(source):
    return fingerprint.code_digest([Cell("code", source)])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Halve it.", "Give one half."),
        ('    """Halve it."""\n', ""),
        ('"""What it is."""\n', ""),
        ("# not for 0", "# never for 0"),
        ("  # not for 0", ""),
        ("import os\n", "import os\n\n\n# and then\n"),
        ("\n\n    return", "\n    return"),
        ("(x):\n", "(\n    x\n):\n"),
    ],
)
def test_comments_docstrings_and_layout_keep_the_digest(old, new):
    assert old in SOURCE
    assert code(SOURCE.replace(old, new)) == code(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x / 2", "x / 3"),
        (":.3f", ":.4f"),
        ("!r", "!s"),
        (" of ", " Of "),
        ("a\n\n    text", "a\n    text"),
        ("\n    return", "\n        return"),
        ("import os", "import io"),
    ],
)
def test_a_changed_token_changes_the_digest(old, new):
    assert old in SOURCE
    assert code(SOURCE.replace(old, new)) != code(SOURCE)


def test_a_string_that_is_used_is_no_docstring():
    assert code('x = "a"') != code('x = "b"')
    assert code('print("a")') != code('print("b")')
    assert code('f"{print(1)}"') != code('f"{print(2)}"')


def test_the_digest_is_the_same_on_every_python():
    # Computed once; 3.12 changed how f-strings are split into tokens, and tests run on both sides of it.
    assert code(SOURCE) == "f745ad481fed45fd"


def test_indentation_counts_by_depth_only():
    assert code("if a:\n  b\n  c") == code("if a:\n    b\n    c")
    assert code("if a:\n    b\n    c") != code("if a:\n    b\nc")


def test_prose_and_silent_cells_do_not_count_and_splitting_a_cell_neither():
    base = [Cell("code", "a = 1\nb = 2")]
    assert fingerprint.code_digest(
        [Cell("code", "a = 1"), Cell("markdown", "Hm."), Cell("code", "b = 2")]
    ) == (fingerprint.code_digest(base))
    for tag in ("figure", "colab", "verdicts"):
        assert fingerprint.code_digest([*base, Cell("code", "c", (tag,))]) == fingerprint.code_digest(base)
    assert fingerprint.code_digest([*base, Cell("code", "c", ("other",))]) != fingerprint.code_digest(base)


def test_ipython_lines_are_understood():
    assert code("%matplotlib inline\na = 1") != code("%matplotlib agg\na = 1")
    assert code("%matplotlib inline  \na = 1") != code("a = 1")
    with pytest.raises(ledger.CourseError, match="cell 1 is not Python"):
        code("a = = 1")


@pytest.mark.parametrize(
    "call", ["model.fit(x)", "net.compile('sgd')", "lesson.record('S1.c1')", "m.evaluate(x)"]
)
def test_a_figure_cell_that_measures_is_rejected(call):
    cells = [Cell("code", "x = 1"), Cell("code", f"if x:\n    y = {call}", ("figure",))]
    (problem,) = fingerprint.cell_problems(cells)
    assert problem.startswith("cell 2 is tagged figure but calls .")
    assert fingerprint.cell_problems([Cell("code", call)]) == []


def test_a_figure_cell_that_hands_values_on_is_rejected():
    figure = Cell("code", "import math\nlr = 0.1\nfig = draw(lr)", ("figure",))
    assert fingerprint.cell_problems([figure, Cell("code", "fig.save()", ("figure",))]) == []
    (problem,) = fingerprint.cell_problems([figure, Cell("code", "train(lr, math.pi)")])
    assert "sets lr, which" in problem


@pytest.fixture
def package(tmp_path):
    """A package whose folder `pieces` hands out names as course_utils.addons does."""
    files = {
        "__init__.py": "",
        "plotting.py": "from course_utils.helper import h",
        "helper.py": "h = 1",
        "net.py": "from course_utils import helper, plotting\nfrom .pieces import One",
        "pieces/__init__.py": (
            "from course_utils.pieces._stack import STACK\n"
            "if STACK:\n    from course_utils.pieces._old import One, Two\n"
            "else:\n    from .one import One\n    from .two import Two as Two\n"
            "def local():\n    return 1\n"
        ),
        "pieces/_stack.py": "STACK = 1",
        "pieces/_old.py": "from tensorflow_addons import One, Two",
        "pieces/one.py": "from ._stack import STACK\nOne = 1",
        "pieces/two.py": "Two = 2",
    }
    for name, text in files.items():
        write_text(tmp_path / name, text)
    return tmp_path


def modules(source, root):
    found = fingerprint.module_digests([Cell("code", source)], root)
    return {name.removeprefix("course_utils.") for name in found}


ONE = {"pieces.one", "pieces._old", "pieces._stack"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy", set()),
        ("from course_utils.helper import h", {"helper"}),
        ("import course_utils.helper", {"helper"}),
        ("import course_utils.helper as x", {"helper"}),
        ("from course_utils import helper", {"helper"}),
        ("from course_utils import plotting", set()),
        ("from course_utils import ledger", set()),
        ("from course_utils.pieces import One", ONE),
        ("def f():\n    from course_utils.pieces import One as Uno", ONE),
        ("from course_utils import pieces\npieces.One(1)", ONE),
        ("import course_utils.pieces as p\np.One.attribute", ONE),
        ("import course_utils.pieces\ncourse_utils.pieces.One()", ONE),
        ("from course_utils.pieces import *", ONE | {"pieces.two", "pieces"}),
        ("from course_utils import pieces\nf(pieces)", ONE | {"pieces.two", "pieces"}),
        ("from course_utils.pieces import local", ONE | {"pieces", "pieces.two"}),
        ("from course_utils.pieces.two import Two", {"pieces.two"}),
        ("import course_utils.net", {"net", "helper"} | ONE),
    ],
)
def test_imports_are_followed_to_the_defining_modules(package, source, expected):
    if "ledger" in source:
        write_text(package / "ledger" / "__init__.py", "from course_utils.helper import h")
    assert modules(source, package) == expected


def test_a_new_module_beside_it_leaves_a_digest_alone(package):
    cells = [Cell("code", "from course_utils.pieces import One")]
    before = fingerprint.module_digests(cells, package)
    init = package / "pieces" / "__init__.py"
    init.write_text(init.read_text() + "from .three import Three\n")
    write_text(package / "pieces" / "three.py", "Three = 3")
    assert fingerprint.module_digests(cells, package) == before
    write_text(package / "pieces" / "one.py", '"""Doc."""\nfrom ._stack import STACK\nOne = 1  # one')
    assert fingerprint.module_digests(cells, package) == before
    write_text(package / "pieces" / "one.py", "from ._stack import STACK\nOne = 11")
    after = fingerprint.module_digests(cells, package)
    assert {name for name in before if before[name] != after[name]} == {"course_utils.pieces.one"}


def test_a_module_that_does_not_exist_is_named(package):
    with pytest.raises(ledger.CourseError, match=r"imports course_utils\.nothing"):
        modules("import course_utils.nothing", package)


def test_every_silent_module_exists_or_is_the_command_line():
    root = Path(ledger.__file__).parents[1]
    for name in fingerprint.SILENT_MODULES:
        base = root.joinpath(*name.split(".")[1:])
        assert base.with_suffix(".py").exists() or (base / "__init__.py").exists(), name


def test_what_checks_the_data_counts_and_what_downloads_it_does_not():
    """A mirror's new address must not make hours of measurements stale; a changed check must."""
    root = Path(ledger.__file__).parents[1]
    assert modules("from course_utils.data import load_mnist", root) == {"data", "archives"}


# --- files ------------------------------------------------------------------------------------------------


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_text(tmp_path / "file.txt", "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_json_has_no_nan():
    with pytest.raises(ValueError, match="JSON"):
        to_json({"a": float("nan")})


# --- results and their report -----------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path, monkeypatch):
    """The small course, with three runs on each stack as if measured."""
    folder = small_course.make(tmp_path / "course")
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
    lesson = read_lesson(folder / "lessons" / "01_tiny.py")
    modules = lesson.modules
    for stack in ("addons", "keras3"):
        for seed, value in zip((42, 43, 44), (1.4, 1.5, 1.6), strict=True):
            record = small_course.a_record(lesson, seed, number=value, modules=modules, stack=stack)
            small_course.store(folder, record)
    return folder


def pages(course):
    found = report.usable_results(course)
    summary = report.summarize(found)
    return summary, report.results_page(found, summary)


def test_results_become_verdicts(course):
    summary, page = pages(course)
    found = {claim: by_stack["keras3"]["verdict"] for claim, by_stack in summary["claims"].items()}
    assert found == {"S9.c1": "reproduced", "S9.c2": "holds", "S9.c3": "holds"}
    row = summary["claims"]["S9.c1"]["keras3"]["rows"][0]
    assert (row["mean"], row["sd"], row["n"]) == (1.5, 0.1, 3)
    assert summary["seconds"] == {"01_tiny": {"addons": 53.0, "keras3": 53.0}}
    lines = [line for line in page.splitlines() if line.startswith("| **S9.c1**")]
    assert len(lines) == 1
    assert lines[0].count("1.50 ± 0.10 (3)") == 2
    assert lines[0].count("✓ reproduced") == 2
    assert "number 1.50" in lines[0]
    assert "python -m build_tools reproduce 01 --seeds 42 43 44" in lines[0]
    assert "Generated by `python -m build_tools report`" in page
    assert "| 01\\_tiny | keras3 | 3 (42, 43, 44) | 53 (52–54) | mnist real | a processor |" in page


def test_the_page_says_what_came_of_the_same_seed_twice(course):
    assert "No run has been repeated yet." in pages(course)[1]
    first = course / "results" / "keras3" / "01_tiny" / "seed42.json"
    record = json.loads(first.read_text())
    second = results.repeat_path(course, "keras3", "01_tiny", 42)
    write_text(second, json.dumps(record))
    found, repeats = report.usable_results(course), results.read_repeats(course)[0]
    summary = report.summarize(found, repeats=repeats)
    expected = {"seed": 42, "cpu": "a processor", "claims": 3, "differs": {}}
    assert summary["repeats"] == {"01_tiny": {"keras3": expected}}
    page = report.results_page(found, summary)
    assert "| 01\\_tiny | keras3 | 42 | a processor | 3 | all the same |" in page
    record["measurements"]["S9.c2"]["more"][0] += 1e-15
    write_text(second, json.dumps(record))
    summary = report.summarize(found, repeats=results.read_repeats(course)[0])
    assert "all the same but S9.c2 (more) |" in report.results_page(found, summary)
    second.write_text("{")
    with pytest.raises(ledger.CourseError, match=r"results/repeats/keras3/01_tiny/seed42\.json is damaged"):
        report.usable_results(course)


def test_comparisons_are_corrected_together_stack_by_stack_and_numbers_apart(tmp_path):
    # Two orderings and a value, each with p = 0.04 or so: a verdict alone, and two are one too many.
    path = tmp_path / "claims.toml"
    ordering = CLAIM[CLAIM.index('[[claim]]\nid = "S9.c2"') : CLAIM.index('[[claim]]\nid = "S9.c3"')]
    path.write_text(f"{CLAIM}\n{ordering.replace('S9.c2', 'S9.c4')}", encoding="utf-8")
    claims = load_claims(path)

    def run(stack, seed, shift, **others):
        more = {claim: {"more": 2.6 + shift, "less": 0.0} for claim in others}
        measures = {"S9.c1": {"number": 7.5 + shift}} | more
        return results.Result(stack, "01_tiny", seed, path, {"measurements": measures, "seconds": 1.0})

    runs = [run("keras3", seed, shift, **{"S9.c2": 0, "S9.c4": 0}) for seed, shift in enumerate((-1, 0, 1))]
    runs += [run("addons", seed, shift, **{"S9.c2": 0}) for seed, shift in enumerate((-1, 0, 1))]
    found = report.summarize(runs, claims)["claims"]
    for claim in ("S9.c2", "S9.c4"):
        (row,) = found[claim]["keras3"]["rows"]
        assert (row["word"], row["alone"]) == ("within noise", "holds")
        assert row["p_holm"] == pytest.approx(2 * row["p"], rel=1e-4)
        assert found[claim]["keras3"]["verdict"] == "within noise"
    # On the other stack there is one comparison, and the number is in no family with it.
    assert found["S9.c2"]["addons"]["verdict"] == "holds"
    assert found["S9.c1"]["keras3"]["verdict"] == found["S9.c1"]["addons"]["verdict"] == "not reproduced"
    assert list(found) == ["S9.c1", "S9.c2", "S9.c4"]


def test_one_number_changes_the_verdict_and_nothing_else(course):
    before, page_before = pages(course)
    path = course / "results" / "keras3" / "01_tiny" / "seed42.json"
    record = json.loads(path.read_text())
    record["measurements"]["S9.c1"]["number"] = 99.0
    path.write_text(json.dumps(record))
    after, page_after = pages(course)
    assert after["claims"]["S9.c1"]["keras3"] != before["claims"]["S9.c1"]["keras3"]
    after["claims"]["S9.c1"]["keras3"] = before["claims"]["S9.c1"]["keras3"]
    assert after == before
    changed = [a for a, b in zip(page_after.splitlines(), page_before.splitlines(), strict=True) if a != b]
    assert len(changed) == 1
    assert changed[0].startswith("| **S9.c1**")


def test_the_report_does_not_depend_on_the_order_of_files(course, monkeypatch):
    before = pages(course)
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *args: reversed(list(glob(*args))))
    assert pages(course) == before


def break_json(record):
    return json.dumps(record)[:-20]


def no_finite(record):
    return json.dumps(record).replace('"number": 1.4', '"number": NaN')


def changed(**entries):
    return lambda record: json.dumps({**record, **entries})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_json, "is damaged"),
        (no_finite, "is damaged: it holds NaN"),
        (lambda record: "[]", "holds no table"),
        (changed(seconds="long"), "seconds is 'long'"),
        (changed(seed=43), "holds the run of .*seed43.json"),
        (changed(mode="quick"), "quick mode"),
        (changed(data={"mnist": {"origin": "stand-in", "digests": {}}}), "stand-in data"),
        (changed(measurements={"S9.c1": {"numbr": 1.0}}), "missing: number; unknown: numbr"),
        (changed(measurements={"S9.c77": {}}), "S9.c77, which claims.toml does not have"),
    ],
)
def test_damaged_and_ineligible_results_are_refused_with_what_to_run(course, damage, message):
    path = course / "results" / "keras3" / "01_tiny" / "seed42.json"
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(ledger.CourseError, match=f"keras3/01_tiny/seed42.json.*{message}"):
        report.usable_results(course)
    (problem,) = evidence.problems(course)
    assert "reproduce 01 --seeds 42" in problem
    assert "keras3 stack" in problem


def test_results_of_the_present_code_are_not_refused(course):
    assert evidence.problems(course) == []


def test_prose_and_drawing_leave_results_valid(course):
    text = small_course.TINY.replace("A lesson.", "A fine lesson.").replace("a drawing", "a nicer drawing")
    small_course.write_lesson(course, text.replace("# what every lesson sets up", "# set-up"))
    assert evidence.problems(course) == []


def test_results_of_other_code_are_refused(course):
    small_course.write_lesson(course, small_course.TINY.replace("gauss(0, 0.1)", "gauss(0, 0.2)"))
    found = evidence.problems(course)
    assert len(found) == 6
    assert "results/addons/01_tiny/seed42.json: the code of the lesson has changed" in found[0]
    assert "on the addons stack: python -m build_tools reproduce 01 --seeds 42" in found[0]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"modules": {"course_utils.data": "0" * 16}},
            r"package code has changed \(course_utils.archives, course_utils.data\)",
        ),
        ({"modules": {}}, r"package code has changed \(course_utils.archives, course_utils.data\)"),
        ({"data": {"mnist": {"origin": "real", "digests": {"x_train": "00"}}}}, "other mnist data"),
        ({"measurements": {}}, "does not measure S9.c1, S9.c2, S9.c3"),
    ],
)
def test_results_of_other_package_code_or_data_are_refused(course, entries, message):
    path = course / "results" / "addons" / "01_tiny" / "seed44.json"
    path.write_text(changed(**entries)(json.loads(path.read_text())))
    (problem,) = evidence.problems(course)
    assert re.search(message, problem)


def test_results_in_a_wrong_place_or_of_no_lesson_are_named(course):
    stray = course / "results" / "keras3" / "01_tiny" / "copy of seed42.json"
    stray.write_text("{}")
    (course / "lessons" / "01_tiny.py").rename(course / "lessons" / "02_other.py")
    found = evidence.problems(course)
    assert any("is no place of results" in problem for problem in found)
    assert sum("there is no lesson 01_tiny" in problem for problem in found) == 6


def test_claims_name_headings_that_exist(course):
    assert evidence.claim_problems(course) == []
    small_course.write_lesson(course, small_course.TINY.replace("## Measure", "## Weigh"))
    assert evidence.claim_problems(course)[0] == "claim S9.c1: 01_tiny has no heading 'Measure'"


def test_a_result_file_is_read_as_it_was_written(course):
    (first, *_), problems = results.read_results(course)
    assert problems == {}
    assert (first.stack, first.lesson, first.seed) == ("addons", "01_tiny", 42)
    assert first.path == results.result_path(course, "addons", "01_tiny", 42)


# --- tables -----------------------------------------------------------------------------------------------


def test_without_runs_there_is_a_table_and_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_LEDGER", str(small_course.make(tmp_path / "course") / "ledger"))
    shown = ledger.verdicts("S9")
    for text in (repr(shown), shown._repr_html_(), shown._repr_markdown_()):
        assert text.count("… not enough runs") == 6
    assert ledger.seconds("01_tiny") == {}
    assert ledger.times().rows == [["01_tiny", "no runs", "no runs"]]


def test_the_table_is_that_of_the_summary_in_every_mode_and_by_source_or_lesson(course, monkeypatch):
    write_text(course / "ledger" / "summary.json", to_json(pages(course)[0]))
    shown = ledger.verdicts("S9")
    monkeypatch.setenv("COURSE_MODE", "quick")
    again = ledger.verdicts("01_tiny")
    assert (repr(again), again._repr_html_()) == (repr(shown), shown._repr_html_())
    assert "Ours, keras3: 1.50 ± 0.10 (3)\n  Verdict, keras3: ✓ reproduced" in repr(shown)
    assert ledger.seconds("01_tiny") == {"addons": 53.0, "keras3": 53.0}
    assert ledger.times().rows == [["01_tiny", "55 s", "55 s"]]


def test_html_is_plain_escaped_and_without_colours(course):
    html = table.Table(["Claim"], [["a < b & c"]])._repr_html_()
    assert "a &lt; b &amp; c" in html
    html = ledger.verdicts("S9")._repr_html_()
    assert "more &gt; less" in html
    for word in ("color", "background", "id="):
        assert word not in html


def test_markdown_cells_cannot_break_the_table():
    lines = table.Table(["a"], [["x | y\nz"]])._repr_markdown_().splitlines()
    assert lines == ["| a |", "|---|", "| x \\| y z |"]


def test_every_verdict_has_a_sign_of_its_own_kind():
    words = {getattr(verdict, name) for name in dir(verdict) if isinstance(getattr(verdict, name), str)}
    assert set(table.SIGNS) == {word for word in words if word in table.SIGNS}
    for word in (verdict.REPRODUCED, verdict.HOLDS, verdict.WITHIN_NOISE, verdict.NOT_REPRODUCED):
        assert word in table.SIGNS
    assert {verdict.REVERSED, verdict.FAILS, verdict.NOT_ENOUGH} <= set(table.SIGNS)
    assert table.NOT_ENOUGH == verdict.NOT_ENOUGH


@pytest.mark.parametrize(
    ("mean", "sd", "n", "text"),
    [
        (0.60448, 0.0099, 5, "0.6045 ± 0.0099 (5)"),
        (0.60448, 0.00999, 5, "0.604 ± 0.010 (5)"),
        (-0.0134, 0.0021, 3, "−0.0134 ± 0.0021 (3)"),
        (12345.6, 123.4, 3, "12346 ± 123 (3)"),
        (1e-9, 2e-10, 3, "1e-09 ± 2.0e-10 (3)"),
        (0.7, 0.0, 3, "0.7 ± 0 (3)"),
        (0.7, None, 1, "0.7 (1)"),
    ],
)
def test_mean_and_deviation_are_written_with_two_digits_of_the_deviation(mean, sd, n, text):
    assert table.mean_and_sd(mean, sd, n) == text


def test_within_noise_says_what_would_have_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_LEDGER", str(small_course.make(tmp_path / "course") / "ledger"))
    claim = load_claims().claims["S9.c2"]
    row = {"word": "within noise", "mean": 0.001, "sd": 0.01, "n": 3, "element": 4, "elements": 10}
    row |= {"detectable": 0.0312, "alone": None}
    summary = {"claims": {"S9.c2": {"keras3": {"rows": [row]}}}}
    ours, word = table.claim_rows(claim, summary)[0][-2:]
    assert ours == "difference 0.001 ± 0.010 (3), least clear at 5 of 10"
    assert word == "≈ within noise; 0.031 would have shown"
    row["alone"] = "holds"
    word = table.claim_rows(claim, summary)[0][-1]
    assert word == "≈ within noise; 0.031 would have shown (holds, were it looked at alone)"


def test_a_damaged_summary_says_how_to_write_it_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_LEDGER", str(tmp_path))
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(ledger.CourseError, match="course_utils report"):
        ledger.seconds("05")


def test_the_ledger_loads_nothing_heavy():
    code = "import sys, course_utils.ledger as ledger; ledger.verdicts('S1'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"tensorflow", "keras", "scipy", "nbclient", "jupytext", "nbformat", "joblib", "matplotlib"}
    assert "numpy" in done.stdout.split()
    assert heavy & set(done.stdout.split()) == set()
