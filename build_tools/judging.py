"""From the numbers of several seeds to a word: plain functions of arrays.

Every interval is a 95 % interval of Student's t distribution, because there are few seeds and their spread is
estimated from these few. `judge_value`, `judge_ordering` and `judge_property` judge one statement by itself.
Who looks at fifty statements that way finds two or three out of place by chance alone, so `corrected` looks
at all of them together (Holm, 1979) and takes back the words that do not stand that test.

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
from scipy import optimize, stats

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


@dataclass(frozen=True)
class Verdict:
    """A word, and the numbers it rests on.

    Attributes
    ----------
    word : str
        One of the constants of this module.
    n : int
        How many seeds.
    mean, sd : float or None
        Of the measure (value), of the difference (ordering), or the worst number (property, without sd).
    low, high : float or None
        The interval that decided; None below three seeds.
    element : int or None
        For an ordering of lists, which element is the least clear, counted from 0.
    detectable : float or None
        For an ordering, the difference that as many seeds would have found four times in five.
    p : float or None
        The two-sided p value behind the word; None for a property and below three seeds.
    p_holm : float or None
        The same, corrected for all that was looked at; None before `corrected`.
    alone : str or None
        The word before the correction.
    """

    word: str
    n: int
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    element: int | None = None
    detectable: float | None = None
    p: float | None = None
    p_holm: float | None = None
    alone: str | None = None


def mean_and_sd(values):
    """Give mean and standard deviation (with n − 1), the latter None for a single value.

    Parameters
    ----------
    values : array-like of shape (n,)

    Returns
    -------
    tuple of (float or None, float or None)

    Examples
    --------
    >>> mean_and_sd([1.0, 2.0, 3.0])
    (2.0, 1.0)
    """
    values = np.asarray(values, dtype=np.float64)
    if not values.size:
        return None, None
    return float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else None


def prediction_interval(values, level=LEVEL):
    """Give the interval in which one more run would fall: mean ± t · s · √(1 + 1/n).

    Parameters
    ----------
    values : array-like of shape (n,)
        The measure at n seeds.
    level : float, default=0.95

    Returns
    -------
    tuple of (float, float)

    Raises
    ------
    ValueError
        With fewer than two values, which have no spread.

    Examples
    --------
    With three seeds t is 4.303, so the interval is 2 ± 4.303 · 1 · √(4/3):

    >>> low, high = prediction_interval([1.0, 2.0, 3.0])
    >>> round(low, 3), round(high, 3)
    (-2.968, 6.968)
    """
    mean, half = _half_width(values, level, extra=1.0)
    return mean - half, mean + half


def paired_interval(greater, less, level=LEVEL):
    """Give the confidence interval of the mean difference of pairs, one pair per seed.

    Parameters
    ----------
    greater, less : array-like of shape (n,)
        The two measures, in the same order of seeds.
    level : float, default=0.95

    Returns
    -------
    tuple of (float, float)

    Raises
    ------
    ValueError
        With fewer than two pairs, or lists of different lengths.

    Examples
    --------
    >>> low, high = paired_interval([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    mean, half = _half_width(_differences(greater, less), level, extra=0.0)
    return mean - half, mean + half


def detectable_difference(differences, level=LEVEL, power=POWER):
    """Give the mean difference that this many pairs, with this spread, would have resolved.

    A true difference of this size is found significant four times in five. The power is that of the t test,
    by the noncentral t distribution; with three seeds the usual normal approximation is far off.

    Parameters
    ----------
    differences : array-like of shape (n,)
    level : float, default=0.95
    power : float, default=0.8

    Returns
    -------
    float

    Raises
    ------
    ValueError
        With fewer than two differences.

    Examples
    --------
    Cohen's d for a paired t test of ten pairs, as tables of power have it:

    >>> ten = [-1.0, 1.0] * 5
    >>> round(detectable_difference(ten) / mean_and_sd(ten)[1], 3)
    0.996
    """
    differences = np.asarray(differences, dtype=np.float64)
    n = _enough_for_spread(differences)
    spread = differences.std(ddof=1) / np.sqrt(n)
    critical = stats.t.ppf((1 + level) / 2, n - 1)
    # A difference found with the wrong sign is no find, and next to impossible at this power.
    shift = optimize.brentq(lambda shift: stats.nct.sf(critical, n - 1, shift) - power, 0.0, 4 * critical)
    return float(shift * spread)


def value_p(values, printed):
    """Give the probability that one more run would be as far from ours as the printed number is.

    Parameters
    ----------
    values : array-like of shape (n,)
        The measure at n seeds.
    printed : float

    Returns
    -------
    float
        Below 0.05 exactly where the printed number lies outside the 95 % `prediction_interval`.

    Raises
    ------
    ValueError
        With fewer than two values.

    Examples
    --------
    >>> round(value_p([1.0, 2.0, 3.0], 2.0), 3), round(value_p([1.0, 2.0, 3.0], 6.968), 3)
    (1.0, 0.05)
    """
    mean, scale = _half_width(values, None, extra=1.0)
    # Runs without any spread predict themselves; one unit in the last place is not a disagreement.
    if np.isclose(mean, printed, rtol=1e-12, atol=0.0):
        return 1.0
    return _two_sided(abs(printed - mean), scale, len(values))


def ordering_p(greater, less):
    """Give the p values of "greater at every element" and of "less at some element".

    Parameters
    ----------
    greater, less : array-like of shape (n,) or (n, k)
        The two measures at n seeds.

    Returns
    -------
    holds, reversed : float
        For "at every element" the largest of the k p values counts (an intersection of alternatives needs no
        correction); for "at some element" the smallest, k times (Bonferroni). Each is two-sided in the usual
        sense: with a single element the smaller of the two is the p value of the paired t test.

    Raises
    ------
    ValueError
        With fewer than two pairs, or if the two differ in shape.

    Examples
    --------
    >>> holds, reversed = ordering_p([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    >>> round(holds, 4), round(reversed, 4)
    (0.0742, 1.0)
    """
    above, below = _tails(_differences(greater, less))
    return max(above), min(1.0, len(below) * min(below))


def judge_value(values, printed, tolerance=None):
    """Judge a printed number: is it one that our runs could have given?

    Parameters
    ----------
    values : array-like of shape (n,)
        Our measure at n seeds.
    printed : float
        The source's number.
    tolerance : float, optional
        How far from our mean the printed number may lie, whatever the spread.

    Returns
    -------
    Verdict
        ``reproduced`` where the number lies in the prediction interval or within the tolerance.

    Examples
    --------
    >>> judge_value([0.60, 0.61, 0.62], 0.6045).word
    'reproduced'
    >>> judge_value([0.60, 0.61, 0.62], 0.70).word
    'not reproduced'
    >>> judge_value([0.60, 0.61], 0.6045).word
    'not enough runs'
    """
    mean, sd = mean_and_sd(values)
    n = len(values)
    if n < FEWEST_SEEDS:
        return Verdict(NOT_ENOUGH, n, mean, sd)
    low, high = prediction_interval(values)
    near = tolerance is not None and abs(mean - printed) <= tolerance
    p = 1.0 if near else value_p(values, printed)
    return Verdict(NOT_REPRODUCED if p < 1 - LEVEL else REPRODUCED, n, mean, sd, low, high, p=p)


def judge_ordering(greater, less):
    """Judge "this is greater than that", seed by seed.

    Parameters
    ----------
    greater, less : array-like of shape (n,) or (n, k)
        The two measures at n seeds. With k elements each (epochs, say) the claim is that it is so at
        every one.

    Returns
    -------
    Verdict
        ``holds`` where the paired interval lies above 0 (at every element), ``reversed`` where it lies
        below 0 (at any element; with k elements the interval is that much wider, Bonferroni), else ``within
        noise``. The numbers are those of the least clear element.

    Raises
    ------
    ValueError
        If the two differ in shape.

    Examples
    --------
    >>> judge_ordering([0.62, 0.63, 0.64], [0.60, 0.61, 0.64]).word
    'within noise'
    >>> judge_ordering([0.62, 0.63, 0.64], [0.60, 0.61, 0.62]).word
    'holds'
    """
    differences = _differences(greater, less)
    n = len(differences)
    columns = differences.reshape(n, -1).T if n else differences.reshape(1, 0)
    is_list = differences.ndim == 2
    if n < FEWEST_SEEDS:
        worst = int(np.argmin(columns.mean(axis=1))) if n else 0
        mean, sd = mean_and_sd(columns[worst])
        return Verdict(NOT_ENOUGH, n, mean, sd, element=worst if is_list else None)
    holds, against = ordering_p(greater, less)
    above, below = _tails(differences)
    means = columns.mean(axis=1)
    if against < 1 - LEVEL:
        word, worst = REVERSED, min(range(len(columns)), key=lambda k: (below[k], means[k]))
    else:
        word = HOLDS if holds < 1 - LEVEL else WITHIN_NOISE
        worst = max(range(len(columns)), key=lambda k: (above[k], -means[k]))
    mean, sd = mean_and_sd(columns[worst])
    low, high = paired_interval(columns[worst], np.zeros(n))
    return Verdict(
        word,
        n,
        mean,
        sd,
        low,
        high,
        element=worst if is_list else None,
        detectable=detectable_difference(columns[worst]),
        p=min(holds, against),
    )


def corrected(verdicts, level=LEVEL):
    """Correct verdicts for having looked at all of them: Holm's step-down procedure.

    A word that asserts something (``holds``, ``reversed``, ``not reproduced``) stays only if its p value
    passes Holm's test among all those given; otherwise it becomes ``within noise``. The chance that *any* of
    the words that stay is due to the seeds alone is then at most 5 %. ``reproduced`` and ``within noise``
    assert nothing against chance, and stay.

    Parameters
    ----------
    verdicts : sequence of Verdict
        Of statements of one kind, all values or all orderings, before the correction. Those without a p
        value (properties, too few seeds) are passed on as they are, and do not count.
    level : float, default=0.95

    Returns
    -------
    list of Verdict
        With ``p_holm`` and, where the word has changed, ``alone``. What an ordering that ends within noise
        would have detected is taken at the level that the procedure had reached.

    Examples
    --------
    Each is significant alone; the second is not when both are looked at with two more.

    >>> four = [Verdict(HOLDS, 5, p=p) for p in (0.01, 0.04, 0.03, 0.005)]
    >>> [one.word for one in corrected(four)]
    ['holds', 'within noise', 'within noise', 'holds']
    """
    from statsmodels.stats.multitest import multipletests

    judged = [verdict for verdict in verdicts if verdict.p is not None]
    if not judged:
        return list(verdicts)
    rejected, adjusted, *_ = multipletests([v.p for v in judged], alpha=1 - level, method="holm")
    # Holm compares the next p value with this.
    reached = (1 - level) / max(1, len(judged) - int(rejected.sum()))
    answers = iter(zip(rejected, adjusted, strict=True))
    result = []
    for verdict in verdicts:
        if verdict.p is None:
            result.append(verdict)
            continue
        stays, p_holm = next(answers)
        changes = {"p_holm": float(p_holm)}
        if not stays and verdict.word in (HOLDS, REVERSED, NOT_REPRODUCED):
            changes |= {"word": WITHIN_NOISE, "alone": verdict.word}
        if not stays and verdict.detectable is not None:
            changes["detectable"] = _scaled(verdict, 1 - reached)
        result.append(dataclasses.replace(verdict, **changes))
    return result


def _scaled(verdict, level):
    """What n pairs with the verdict's spread would have detected at another level."""
    # Any numbers of that spread will do: the answer depends on n and sd alone.
    unit = np.arange(verdict.n, dtype=np.float64)
    return detectable_difference(unit / unit.std(ddof=1) * verdict.sd, level)


def judge_property(holds, worst, worst_is="largest"):
    """Judge a property: it holds only if it held at every seed.

    Parameters
    ----------
    holds : array-like of bool, shape (n,)
    worst : array-like of shape (n,)
        The number of each run that came closest to breaking it, or broke it most.
    worst_is : {"largest", "smallest"}
        Which of these numbers is the worst of all.

    Returns
    -------
    Verdict
        ``holds`` or ``fails``; ``mean`` is the worst number (of the runs in which it failed, if any).

    Examples
    --------
    >>> judge_property([True, True, False], [1e-6, 2e-6, 0.3])
    Verdict(word='fails', n=3, mean=0.3, ...)
    """
    holds = np.asarray(holds, dtype=bool)
    worst = np.asarray(worst, dtype=np.float64)
    n = len(holds)
    if not n:
        return Verdict(NOT_ENOUGH, 0)
    choice = worst[~holds] if not holds.all() else worst
    number = float(choice.max() if worst_is == "largest" else choice.min())
    if n < FEWEST_SEEDS:
        return Verdict(NOT_ENOUGH, n, number)
    return Verdict(HOLDS if holds.all() else FAILS, n, number)


def overall(words):
    """Give the verdict of a claim with several measures: that of its weakest.

    Parameters
    ----------
    words : sequence of str

    Returns
    -------
    str

    Examples
    --------
    >>> overall(["reproduced", "not reproduced"])
    'not reproduced'
    """
    for word in (NOT_ENOUGH, REVERSED, FAILS, NOT_REPRODUCED, WITHIN_NOISE):
        if word in words:
            return word
    return words[0]


def _differences(greater, less):
    greater = np.asarray(greater, dtype=np.float64)
    less = np.asarray(less, dtype=np.float64)
    if greater.shape != less.shape:
        raise ValueError(
            f"both measures should have one shape (seeds, elements), got {greater.shape} and {less.shape}"
        )
    return greater - less


def _tails(differences):
    """Give for every element the p values of "above 0" and of "below 0"."""
    n = len(differences)
    above, below = [], []
    for column in differences.reshape(n, -1).T:
        mean, scale = _half_width(column, None, extra=0.0)
        above.append(_two_sided(mean, scale, n))
        below.append(_two_sided(-mean, scale, n))
    return above, below


def _enough_for_spread(values):
    if len(values) < 2:
        raise ValueError(f"a spread needs at least two values, got {len(values)}")
    return len(values)


def _half_width(values, level, extra):
    """Mean, and t · s · √(extra + 1/n): the mean's interval with extra 0, one more value's with extra 1.

    Without a level, t is 1.
    """
    values = np.asarray(values, dtype=np.float64)
    n = _enough_for_spread(values)
    quantile = 1.0 if level is None else stats.t.ppf((1 + level) / 2, n - 1)
    return float(values.mean()), float(quantile * values.std(ddof=1) * np.sqrt(extra + 1 / n))


def _two_sided(distance, scale, n):
    """Twice the upper tail of Student's t at distance / scale, at most 1."""
    if scale == 0:
        return 0.0 if distance > 0 else 1.0
    return float(min(1.0, 2 * stats.t.sf(distance / scale, n - 1)))
