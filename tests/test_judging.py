"""From numbers to words: intervals, p values, corrections, held to scipy and to published examples."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from build_tools import judging

number = st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3))


def spread_out(values):
    return np.std(values) > 1e-3


@given(st.lists(number, min_size=3, max_size=8).filter(spread_out))
def test_the_prediction_interval_is_scipys(values):
    low, high = judging.prediction_interval(values)
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
    assert np.allclose(judging.paired_interval(greater, less), (interval.low, interval.high))
    if abs(test.pvalue - 0.05) > 1e-6:
        resolved = judging.judge_ordering(greater, less).word != judging.WITHIN_NOISE
        assert resolved == (test.pvalue < 0.05)


def test_a_value_by_hand():
    # mean 2, s = 1, n = 3: t = 4.3027, and √(1 + 1/3) = 1.1547, so 2 ± 4.9683
    inside, outside = (judging.judge_value([1.0, 2.0, 3.0], printed) for printed in (6.968, 6.969))
    assert (inside.word, outside.word) == (judging.REPRODUCED, judging.NOT_REPRODUCED)
    assert (inside.mean, inside.sd, inside.n) == (2.0, 1.0, 3)
    assert inside.high == pytest.approx(6.96831, abs=1e-4)


def test_a_curve_is_judged_as_a_whole_by_its_farthest_point():
    runs = np.array([[0.4, 0.60], [0.5, 0.61], [0.6, 0.62]])
    alone = judging.judge_value(runs[:, 1], 0.665)
    assert alone.word == judging.NOT_REPRODUCED
    both = judging.judge_value(runs, [0.5, 0.665])  # of two points one may be as far as that by chance
    assert (both.word, both.element, both.elements) == (judging.REPRODUCED, 1, 2)
    assert both.p == pytest.approx(2 * alone.p)
    assert judging.judge_value(runs, [0.5, 0.9]).word == judging.NOT_REPRODUCED
    assert judging.judge_value(runs, [0.5, 0.9], tolerance=0.3).word == judging.REPRODUCED
    few = judging.judge_value(runs[:1], [0.5, 0.9])
    assert (few.word, few.n, few.mean, few.elements) == (judging.NOT_ENOUGH, 1, 0.60, 2)


def test_a_tolerance_widens_and_never_narrows():
    assert judging.judge_value([1.0, 1.001, 1.002], 1.1).word == judging.NOT_REPRODUCED
    assert judging.judge_value([1.0, 1.001, 1.002], 1.1, tolerance=0.1).word == judging.REPRODUCED
    assert judging.judge_value([1.0, 2.0, 3.0], 4.0, tolerance=0.1).word == judging.REPRODUCED


def test_runs_without_spread():
    assert judging.judge_value([0.1 + 0.2] * 3, 0.3).word == judging.REPRODUCED
    assert judging.judge_value([0.3] * 3, 0.30001).word == judging.NOT_REPRODUCED
    assert judging.judge_ordering([2.0] * 3, [1.0] * 3).word == judging.HOLDS
    assert judging.judge_ordering([1.0] * 3, [2.0] * 3).word == judging.REVERSED
    assert judging.judge_ordering([1.0] * 3, [1.0] * 3).word == judging.WITHIN_NOISE
    assert judging.judge_ordering([1.0] * 3, [1.0] * 3).p == 1.0


def test_an_ordering_by_hand():
    # differences 1, 2, 3: 2 ± 4.3027 / √3 = 2 ± 2.4841
    noisy = judging.judge_ordering([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    assert noisy.word == judging.WITHIN_NOISE
    assert (noisy.low, noisy.high) == (pytest.approx(-0.48414, abs=1e-4), pytest.approx(4.48414, abs=1e-4))
    # one more in each: 3 ± 2.4841, and the other way round
    assert judging.judge_ordering([2.0, 3.0, 4.0], [0.0, 0.0, 0.0]).word == judging.HOLDS
    assert judging.judge_ordering([0.0, 0.0, 0.0], [2.0, 3.0, 4.0]).word == judging.REVERSED


def test_pairing_by_seed_counts():
    # Seeds differ by far more than the two methods do; the pairs still agree.
    less = np.array([0.1, 0.5, 0.9])
    greater = less + [0.010, 0.011, 0.012]
    assert judging.judge_ordering(greater, less).word == judging.HOLDS
    assert judging.judge_ordering(greater, less[::-1]).word == judging.WITHIN_NOISE


@pytest.mark.parametrize(
    ("means", "word", "element"),
    [
        ([4, 3, 5], judging.HOLDS, 1),
        ([3, 2, 3], judging.WITHIN_NOISE, 1),
        ([3, 2, -9], judging.REVERSED, 2),
        ([-9, 2, 3], judging.REVERSED, 0),
        # −3 ± 2.5 alone; one of three elements is allowed to look like that (−3 ± 4.4, Bonferroni).
        ([3, 2, -3], judging.WITHIN_NOISE, 2),
    ],
)
def test_an_ordering_at_every_element(means, word, element):
    greater = np.array([[-1.0], [0.0], [1.0]]) + np.array(means)
    judged = judging.judge_ordering(greater, np.zeros_like(greater))
    assert (judged.word, judged.element, judged.mean) == (word, element, means[element])


def test_the_least_clear_element_is_the_one_with_the_largest_p_value():
    # 3 ± 0.1 is nearer to 0 than 10 ± 5, and clearer.
    greater = np.array([[2.9, 5.0], [3.0, 10.0], [3.1, 15.0]])
    judged = judging.judge_ordering(greater, np.zeros_like(greater))
    assert (judged.word, judged.element) == (judging.WITHIN_NOISE, 1)
    assert judged.p == pytest.approx(stats.ttest_1samp(greater[:, 1], 0).pvalue)


@given(pairs_apart)
def test_the_p_value_of_an_ordering_is_that_of_the_paired_t_test(pairs):
    greater, less = np.array(pairs).T
    found = judging.judge_ordering(greater, less)
    assert found.p == pytest.approx(stats.ttest_rel(greater, less).pvalue)
    assert judging.judge_ordering(less, greater).p == pytest.approx(found.p)


@given(st.lists(number, min_size=3, max_size=8).filter(spread_out), number)
def test_the_p_value_of_a_printed_number_and_the_prediction_interval_say_the_same(values, printed):
    low, high = judging.prediction_interval(values)
    p = judging.value_p(values, printed)
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
    assert judging.detectable_difference(1.0, n, power=power) == pytest.approx(effect, abs=1e-4)


@settings(max_examples=20)
@given(
    st.integers(3, 12),
    st.floats(0.0005, 0.2).map(lambda alpha: round(alpha, 4)),
    st.floats(0.3, 0.95).map(lambda power: round(power, 2)),
)
def test_the_power_of_a_detectable_difference_is_the_one_asked_for(n, alpha, power):
    shift = judging.detectable_difference(1.0, n, 1 - alpha, power) * np.sqrt(n)
    critical = stats.t.ppf(1 - alpha / 2, n - 1)

    # By its definition rather than by scipy's noncentral t: a normal mean over a chi-distributed deviation.
    def found(deviation):
        above = stats.norm.sf(critical * deviation / np.sqrt(n - 1) - shift)
        return stats.chi.pdf(deviation, n - 1) * above

    assert integrate.quad(found, 0, np.inf, limit=500)[0] == pytest.approx(power, abs=1e-4)


# --- many claims at once ----------------------------------------------------------------------------------


# statsmodels collects garbage in every call, which takes long in a process that holds a test session.
without_collecting = mock.patch("gc.collect", new=mock.Mock(return_value=0))


def verdicts_with(p_values, word=judging.HOLDS):
    return [judging.Verdict(word, 5, p=p) for p in p_values]


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
    found = judging.corrected(verdicts_with(p_values))
    assert [one.p_holm for one in found] == pytest.approx(adjusted)
    for one in found:
        stays = one.p_holm <= 0.05 + 1e-12
        assert (one.word, one.alone) == ((judging.HOLDS, None) if stays else ("within noise", "holds"))


@without_collecting
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
def test_holm_stands_between_bonferroni_and_no_correction(p_values):
    found = [one.p_holm for one in judging.corrected(verdicts_with(p_values))]
    for p, p_holm in zip(p_values, found, strict=True):
        assert p - 1e-12 <= p_holm <= min(1.0, len(p_values) * p) + 1e-12
    # The order of the claims makes no difference, and a smaller p value never ends behind a larger one.
    backwards = [one.p_holm for one in judging.corrected(verdicts_with(p_values[::-1]))]
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
        judged = [judging.judge_ordering(*rng.normal(size=(2, 5))) for _ in range(20)]
        alone += any(one.word != judging.WITHIN_NOISE for one in judged)
        together += any(one.word != judging.WITHIN_NOISE for one in judging.corrected(judged))
    assert alone / families > 0.5
    assert stats.binomtest(together, families, 0.05).pvalue > 0.01


@pytest.mark.parametrize("word", [judging.HOLDS, judging.REVERSED, judging.NOT_REPRODUCED])
def test_every_word_that_asserts_something_has_to_pass(word):
    found = judging.corrected(verdicts_with([0.04, 0.03, 0.005], word))
    assert [(one.word, one.alone) for one in found] == [("within noise", word)] * 2 + [(word, None)]


def test_what_asserts_nothing_stays_and_what_has_no_p_value_does_not_count():
    few = judging.judge_ordering([1.0, 2.0], [0.0, 0.0])
    settled = judging.judge_property([True] * 3, [1, 2, 3])
    for word in (judging.REPRODUCED, judging.WITHIN_NOISE):
        one = judging.Verdict(word, 5, p=0.2)
        clear = judging.Verdict(judging.REVERSED, 5, p=0.02)
        found = judging.corrected([few, one, clear, settled])
        assert found[0] == few
        assert found[3] == settled
        assert (found[1].word, found[1].alone) == (word, None)
        # Two that count: 2 × 0.02 is still below 0.05; with four it would not be.
        assert (found[2].word, found[2].p_holm) == (judging.REVERSED, pytest.approx(0.04))
    assert judging.corrected([few]) == [few]
    assert judging.corrected([]) == []


def test_what_would_have_shown_is_larger_when_more_is_looked_at():
    noisy = judging.judge_ordering([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    (alone,) = judging.corrected([noisy])
    assert alone.detectable == pytest.approx(noisy.detectable)
    among_ten = judging.corrected([noisy] * 10)[0]
    level = 1 - 0.05 / 10
    assert among_ten.detectable == pytest.approx(judging.detectable_difference(1.0, 3, level))
    assert among_ten.detectable > 2 * noisy.detectable
    # Within noise, it is always more than what was found.
    assert among_ten.detectable > among_ten.mean


def test_properties():
    assert judging.judge_property([True] * 3, [1, 3, 2]) == judging.Verdict(judging.HOLDS, 3, 3.0)
    assert judging.judge_property([True] * 3, [1, 3, 2], "smallest").mean == 1.0
    # The worst of the runs that failed, not of all.
    assert judging.judge_property([True, False, True], [9, 3, 2]) == judging.Verdict(judging.FAILS, 3, 3.0)


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_seeds_give_no_verdict(n):
    values = [1.0, 2.0][:n]
    assert judging.judge_value(values, 1.0).word == judging.NOT_ENOUGH
    assert judging.judge_ordering(values, values).word == judging.NOT_ENOUGH
    assert (
        judging.judge_ordering([[v, v] for v in values], [[v, v] for v in values]).word == judging.NOT_ENOUGH
    )
    assert judging.judge_property([False] * n, values).word == judging.NOT_ENOUGH


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        judging.judge_ordering([1, 2, 3], [1, 2])


@pytest.mark.parametrize("word", ["not reproduced", "reversed", "fails", "within noise", "not enough runs"])
def test_a_claim_is_as_good_as_its_weakest_measure(word):
    assert judging.overall(["reproduced", word, "reproduced"]) == word
