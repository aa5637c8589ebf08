"""From the numbers of several seeds to a word: plain functions of arrays.

Every interval is a 95 % interval of Student's t distribution, because there are few seeds and their spread is
estimated from these few. Each claim is judged by itself. (Over many claims some "reversed" will be chance; a
Holm correction over the p values of all orderings would go between these functions and the report.)
"""

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
    """

    word: str
    n: int
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    element: int | None = None
    detectable: float | None = None


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

    The usual approximation (t_{1−α/2} + t_{power}) · s / √n: at 80 % power, a true difference of this size
    is found significant four times in five.

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
    With three pairs: (4.303 + 1.061) · 1 / √3.

    >>> round(detectable_difference([1.0, 2.0, 3.0]), 3)
    3.097
    """
    differences = np.asarray(differences, dtype=np.float64)
    n = _enough_for_spread(differences)
    quantiles = stats.t.ppf([(1 + level) / 2, power], n - 1)
    return float(quantiles.sum() * differences.std(ddof=1) / np.sqrt(n))


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
    # Runs without any spread give an interval of no width; one unit in the last place is not a disagreement.
    inside = low <= printed <= high or bool(np.isclose(mean, printed, rtol=1e-12, atol=0.0))
    near = tolerance is not None and abs(mean - printed) <= tolerance
    return Verdict(REPRODUCED if inside or near else NOT_REPRODUCED, n, mean, sd, low, high)


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
        below 0 (at any element), else ``within noise``. The numbers are those of the least clear element.

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
    intervals = [_half_width(column, LEVEL, extra=0.0) for column in columns]
    lows = [mean - half for mean, half in intervals]
    highs = [mean + half for mean, half in intervals]
    if min(highs) < 0:
        word, worst = REVERSED, int(np.argmin(highs))
    else:
        word, worst = HOLDS if min(lows) > 0 else WITHIN_NOISE, int(np.argmin(lows))
    mean, sd = mean_and_sd(columns[worst])
    return Verdict(
        word,
        n,
        mean,
        sd,
        lows[worst],
        highs[worst],
        element=worst if is_list else None,
        detectable=detectable_difference(columns[worst]),
    )


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
    Verdict(word='fails', n=3, mean=0.3, sd=None, low=None, high=None, element=None, detectable=None)
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


def _enough_for_spread(values):
    if len(values) < 2:
        raise ValueError(f"a spread needs at least two values, got {len(values)}")
    return len(values)


def _half_width(values, level, extra):
    """Mean, and t · s · √(extra + 1/n): the mean's interval with extra 0, one more value's with extra 1."""
    values = np.asarray(values, dtype=np.float64)
    n = _enough_for_spread(values)
    quantile = stats.t.ppf((1 + level) / 2, n - 1)
    return float(values.mean()), float(quantile * values.std(ddof=1) * np.sqrt(extra + 1 / n))
