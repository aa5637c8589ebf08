"""From the numbers of several seeds to a verdict: plain functions of arrays.

Every interval is a 95 % interval of Student's t distribution, because there are few seeds and their spread is
estimated from them. `judge_value`, `judge_ordering` and `judge_property` judge one statement alone. Of fifty
statements judged in this way, two or three are wrong by chance. So `corrected` judges all of them together
(Holm, 1979), and takes back the words that do not pass.

If runs have no spread (no seed changes the measure), there is no t statistic. Then any difference counts as
certain, and a difference of zero as none.

References
----------
Holm, S. (1979). A simple sequentially rejective multiple test procedure. *Scandinavian Journal of Statistics*
6(2), 65-70.

Hahn, G. J. & Meeker, W. Q. (1991). *Statistical Intervals: A Guide for Practitioners*. Wiley, chapter 4
(prediction intervals).
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
POWER = 0.8
FEWEST_SEEDS = 3

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
HOLDS = "holds"
WITHIN_NOISE = "within noise"
REVERSED = "reversed"
FAILS = "fails"
NOT_ENOUGH = "not enough runs"

# Each word has a sign, so that colour is not the only cue.
SIGNS = {
    REPRODUCED: "✓",
    HOLDS: "✓",
    WITHIN_NOISE: "≈",
    NOT_REPRODUCED: "✗",
    REVERSED: "✗",
    FAILS: "✗",
    NOT_ENOUGH: "…",
}
# The words that a correction can take back: they assert something that chance alone could have caused.
_ASSERTING = (HOLDS, REVERSED, NOT_REPRODUCED)
# A claim with several measures gets the weakest of their words.
_WEAKEST_FIRST = (NOT_ENOUGH, REVERSED, FAILS, NOT_REPRODUCED, WITHIN_NOISE, HOLDS, REPRODUCED)


@dataclass(frozen=True)
class Verdict:
    """A word and its numbers. A number is None if it does not apply, or if there are too few seeds.

    `mean` and `sd` belong to the measure (value) or to the difference (ordering); for a property `mean` is
    its worst number. `low` and `high` are the interval that decided. For an ordering of lists, `element` is
    the least clear one of `elements`, counted from 0. `p` is the two-sided p value of the word. `p_holm` is
    the p value corrected for all statements. `alone` is the word before the correction, if the correction
    changed it. `level` is the confidence that the word had to reach: above 0.95 if many statements were
    judged.
    """

    word: str
    n: int
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    element: int | None = None
    elements: int | None = None
    p: float | None = None
    p_holm: float | None = None
    alone: str | None = None
    level: float = LEVEL

    @property
    def detectable(self):
        """The difference that this number of seeds, with this spread, would find four times in five."""
        return detectable_difference(self.sd, self.n, self.level)


def mean_and_sd(values):
    """Give mean and standard deviation (with n − 1), or None if there are too few values."""
    values = np.asarray(values, dtype=np.float64)
    mean = float(values.mean()) if values.size else None
    return mean, float(values.std(ddof=1)) if values.size > 1 else None


def prediction_interval(values):
    """Give the interval in which one more run would fall: mean ± t · s · √(1 + 1/n).

    With three seeds t is 4.303, so this interval is 2 ± 4.303 · 1 · √(4/3):

    >>> low, high = prediction_interval([1.0, 2.0, 3.0])
    >>> round(low, 3), round(high, 3)
    (-2.968, 6.968)
    """
    return _interval(values, 1 + 1 / len(values))


def paired_interval(greater, less):
    """Give the confidence interval of the mean difference of pairs, with one pair for each seed."""
    return _interval(np.subtract(greater, less), 1 / len(greater))


def _interval(values, share):
    mean, sd = mean_and_sd(values)
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * sd * np.sqrt(share)
    return float(mean - half), float(mean + half)


def detectable_difference(sd, n, level=LEVEL, power=POWER):
    """Give the mean difference that n pairs with this standard deviation find with this power.

    Tables of power give this Cohen's d for a paired t test of ten pairs:

    >>> round(detectable_difference(1.0, 10), 3)
    0.996
    """
    from statsmodels.stats.power import TTestPower

    # One tail of the two-sided test: a difference with the wrong sign does not count as found.
    one_tail = {"alpha": (1 - level) / 2, "alternative": "larger"}
    return float(sd * TTestPower().solve_power(nobs=n, power=power, **one_tail))


def value_p(values, printed):
    """Give the probability that one more run would be as far from our mean as the printed number is.

    It is below 0.05 exactly if the printed number is outside the 95 % `prediction_interval`.

    >>> round(value_p([1.0, 2.0, 3.0], 2.0), 3), round(value_p([1.0, 2.0, 3.0], 6.968), 3)
    (1.0, 0.05)
    """
    mean, sd = mean_and_sd(values)
    # Runs without spread predict their own value. A difference of one unit in the last place does not count.
    if np.isclose(mean, printed, rtol=1e-12, atol=0.0):
        return 1.0
    if sd == 0:
        return 0.0
    n = len(values)
    return float(2 * stats.t.sf(abs(printed - mean) / (sd * np.sqrt(1 + 1 / n)), n - 1))


def _tails(differences):
    """Give for every element the two-sided p values of "above 0" and of "below 0", each at most 1."""
    n = len(differences)
    mean, sd = differences.mean(axis=0), differences.std(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where((sd == 0) & (mean == 0), 0.0, mean / (sd / np.sqrt(n)))
    return np.minimum(1, 2 * stats.t.sf(t, n - 1)), np.minimum(1, 2 * stats.t.sf(-t, n - 1))


def judge_value(values, printed, tolerance=None):
    """Judge a printed number: could our runs, with n seeds, have given it?

    It is ``reproduced`` if it is in the prediction interval, or if its distance from our mean is at most the
    tolerance, whatever the spread.

    >>> judge_value([0.60, 0.61, 0.62], 0.6045).word, judge_value([0.60, 0.61, 0.62], 0.70).word
    ('reproduced', 'not reproduced')

    A printed list, such as a curve over the epochs, is reproduced if all of it is (Bonferroni). `values` then
    has the shape (seeds, elements).

    >>> judge_value([[0.4, 0.60], [0.5, 0.61], [0.6, 0.62]], [0.5, 0.6045]).word
    'reproduced'
    """
    if np.ndim(printed):
        return _judge_curve(np.asarray(values, dtype=np.float64), printed, tolerance)
    mean, sd = mean_and_sd(values)
    n = len(values)
    if n < FEWEST_SEEDS:
        return Verdict(NOT_ENOUGH, n, mean, sd)
    near = tolerance is not None and abs(mean - printed) <= tolerance
    p = 1.0 if near else value_p(values, printed)
    word = NOT_REPRODUCED if p < 1 - LEVEL else REPRODUCED
    return Verdict(word, n, mean, sd, *prediction_interval(values), p=p)


def _judge_curve(values, printed, tolerance):
    """Judge a printed list by lists of shape (seeds, elements); p is k times the smallest of its k p values.

    The numbers are those of the element with the smallest p value, or of the last one if there are too few
    seeds.
    """
    count = len(printed)
    one_by_one = [judge_value(values[:, k], printed[k], tolerance) for k in range(count)]
    if len(values) < FEWEST_SEEDS:
        return dataclasses.replace(one_by_one[-1], element=count - 1, elements=count)
    worst = min(range(count), key=lambda k: one_by_one[k].p)
    p = min(1.0, count * one_by_one[worst].p)
    word = NOT_REPRODUCED if p < 1 - LEVEL else REPRODUCED
    return dataclasses.replace(one_by_one[worst], word=word, p=p, element=worst, elements=count)


def judge_ordering(greater, less):
    """Judge "A is greater than B", seed by seed. The measures have shape (seeds,) or (seeds, elements).

    With several elements (for example epochs), the claim is that A is greater at every element. It ``holds``
    if the paired interval is above 0 at every element. It is ``reversed`` if the interval is below 0 at any
    element. (This interval is wider: Bonferroni.) Otherwise it is ``within noise``. For "at every element"
    the largest of the k p values counts, for "at some element" k times the smallest. The numbers are those of
    the least clear element.

    >>> judge_ordering([0.62, 0.63, 0.64], [0.60, 0.61, 0.64]).word
    'within noise'
    >>> judge_ordering([0.62, 0.63, 0.64], [0.60, 0.61, 0.62]).word
    'holds'
    """
    greater, less = np.asarray(greater, dtype=np.float64), np.asarray(less, dtype=np.float64)
    if greater.shape != less.shape:
        raise ValueError(
            f"both should have the same shape (seeds, elements); received {greater.shape} and {less.shape}"
        )
    n = len(greater)
    differences = (greater - less).reshape(n, -1)
    means, count = differences.mean(axis=0), differences.shape[1]
    word, p, worst = NOT_ENOUGH, None, int(np.argmin(means))
    if n >= FEWEST_SEEDS:
        above, below = _tails(differences)
        holds, against = float(above.max()), min(1.0, count * float(below.min()))
        p = min(holds, against)
        if against < 1 - LEVEL:
            word, worst = REVERSED, min(range(count), key=lambda k: (below[k], means[k]))
        else:
            word = HOLDS if holds < 1 - LEVEL else WITHIN_NOISE
            worst = max(range(count), key=lambda k: (above[k], -means[k]))
    mean, sd = mean_and_sd(differences[:, worst])
    of_lists = {"element": worst, "elements": count} if greater.ndim == 2 else {}
    if n < FEWEST_SEEDS:
        return Verdict(word, n, mean, sd, **of_lists)
    low, high = paired_interval(greater.reshape(n, -1)[:, worst], less.reshape(n, -1)[:, worst])
    return Verdict(word, n, mean, sd, low, high, p=p, **of_lists)


def judge_property(holds, worst, worst_is="largest"):
    """Judge a property: it holds only if it held with every seed.

    Each seed gives whether it held, and the number that was closest to breaking it, or broke it most. The
    verdict contains the worst of these numbers. If the property failed in some runs, only these runs count.

    >>> judge_property([True, True, False], [1e-6, 2e-6, 0.3])
    Verdict(word='fails', n=3, mean=0.3, ...)
    """
    holds, worst = np.asarray(holds, dtype=bool), np.asarray(worst, dtype=np.float64)
    choice = worst if holds.all() else worst[~holds]
    number = float(choice.max() if worst_is == "largest" else choice.min())
    if len(holds) < FEWEST_SEEDS:
        return Verdict(NOT_ENOUGH, len(holds), number)
    return Verdict(HOLDS if holds.all() else FAILS, len(holds), number)


def corrected(verdicts):
    """Correct verdicts for the number of statements: Holm's step-down procedure.

    A word that asserts something (``holds``, ``reversed``, ``not reproduced``) stays only if its p value
    passes Holm's test among all given verdicts. Otherwise it becomes ``within noise``. The chance that *any*
    of the remaining words is due to the seeds alone is then at most 5 %. ``reproduced`` and ``within noise``
    assert nothing, and stay. The verdicts should be of one kind, all values or all orderings. Verdicts
    without a p value (properties, too few seeds) do not change and do not count.

    Each of these is significant alone. Two are not if all four are judged together.

    >>> four = [Verdict(HOLDS, 5, p=p) for p in (0.01, 0.04, 0.03, 0.005)]
    >>> [one.word for one in corrected(four)]
    ['holds', 'within noise', 'within noise', 'holds']
    """
    from statsmodels.stats.multitest import multipletests

    judged = [verdict.p for verdict in verdicts if verdict.p is not None]
    if not judged:
        return list(verdicts)
    rejected, adjusted, *_ = multipletests(judged, alpha=1 - LEVEL, method="holm")
    # Holm compares the next p value with this value.
    reached = (1 - LEVEL) / max(1, len(judged) - int(rejected.sum()))
    answers = iter(zip(rejected, adjusted, strict=True))
    result = []
    for verdict in verdicts:
        if verdict.p is not None:
            stays, p_holm = next(answers)
            changes = {"p_holm": float(p_holm)}
            if not stays and verdict.word in _ASSERTING:
                changes |= {"word": WITHIN_NOISE, "alone": verdict.word}
            if not stays:
                changes["level"] = 1 - reached
            verdict = dataclasses.replace(verdict, **changes)
        result.append(verdict)
    return result


def overall(words):
    """Give the verdict of a claim with several measures: the weakest of them."""
    return min(words, key=_WEAKEST_FIRST.index)
