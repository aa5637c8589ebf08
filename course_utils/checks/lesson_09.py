"""Checks of lesson 09: the learning-rate finder and 1cycle."""

import numpy as np

from course_utils.checks.exercise import as_number, assert_close, call_answer, exercise


@exercise
def batch_losses(answer):
    """Try batches of one size, a smaller last one, sizes that change, one batch, and losses below zero."""
    rng = np.random.default_rng(8)
    for sizes in [[32, 32, 32, 32, 32, 7], [16] * 40, [5, 1, 9, 3], [20]]:
        sizes = np.array(sizes)
        seen = np.cumsum(sizes)
        losses = np.linspace(2, -0.5, len(sizes)) + rng.uniform(0, 0.3, len(sizes))
        means = np.cumsum(losses * sizes) / seen
        count = np.arange(1, len(sizes) + 1)
        sums = means * seen
        assert_close(
            f"the losses of batches of {', '.join(map(str, sizes[:6]))}{', …' * (len(sizes) > 6)} examples",
            call_answer(answer, means, sizes),
            losses,
            mistakes={
                "you returned the running means unchanged": means,
                "you subtracted means; turn them into sums first": np.diff(means, prepend=0),
                "you subtracted means and lost the first; turn the means into sums first": np.diff(means),
                "you weighted by the number of batches; weight by the number of examples": np.diff(
                    means * count, prepend=0
                ),
                "the first batch is missing: the sum before it is 0": np.diff(sums) / sizes[1:],
                "the first batch is missing, and you weighted by batches; weight by examples": np.diff(
                    means * count
                ),
                "you returned the sum over each batch; divide by its size": np.diff(sums, prepend=0),
                "you divided by all examples so far; divide by the size of the batch": np.diff(
                    sums, prepend=0
                )
                / seen,
                "you multiplied each mean by the size of its batch; multiply by all examples so far": (
                    np.diff(means * sizes, prepend=0) / sizes
                ),
                "you multiplied both means by the same count; the earlier sum has one batch less": (
                    means * count - np.r_[0, means[:-1]] * count
                ),
                "you returned sums of all losses so far; subtract the sum before": sums,
                "you averaged the means again; undo the averaging": np.cumsum(means * sizes) / seen,
            },
        )
    return "With batches of one size, a smaller last one and sizes that change: every loss is right."


@exercise
def suggested_rate(answer):
    """Try three noisy curves: one that explodes, one that ends in nan before lower losses, one in inf."""
    for what, rates, losses in _range_tests():
        found = as_number(f"the rate for {what}", call_answer(answer, rates, losses))
        assert_close(
            f"the rate for {what}",
            found,
            _tenth_of_the_lowest(rates, losses),
            mistakes=_misread(rates, losses),
            rtol=1e-3,
            atol=0,
        )
    return "A curve that explodes, one that ends with nan and one that ends with inf: all are read correctly."


def _range_tests():
    rng = np.random.default_rng(9)
    for length, end in [(120, None), (90, np.nan), (150, np.inf)]:
        at = np.linspace(-5, 1, length)
        losses = 2.4 - 1.8 / (1 + np.exp(-4 * (at + 2))) + np.exp(3 * (at + 0.5))
        losses = losses + rng.normal(0, 0.12, length)
        if end is None:
            what = "a curve that explodes"
        else:
            what = f"a curve with a loss of {end}"
            stop = int(0.82 * length)
            losses[stop], losses[stop + 1 :] = end, 0.1  # what comes after looks better than all before
        yield what, 10**at, losses


def _smoothed(losses, corrected=True, first=1):
    average, smoothed = 0.0, []
    for i, loss in enumerate(losses, start=first):
        average += 0.05 * (loss - average)
        smoothed.append(average / (1 - 0.95**i) if corrected else average)
    return np.array(smoothed)


def _tenth_of_the_lowest(rates, losses):
    kept = np.flatnonzero(~np.isfinite(losses))[:1]
    kept = slice(int(kept[0]) if len(kept) else None)
    return rates[_smoothed(losses[kept]).argmin()] / 10


def _misread(rates, losses):
    """The rates that come of usual mistakes, by their cause."""
    finite = np.isfinite(losses)
    stop = len(losses) if finite.all() else int(np.argmin(finite))
    kept = losses[:stop]
    lowest = _smoothed(kept).argmin()
    mistakes = {
        "you returned the rate of the lowest smoothed loss; take a tenth of it": rates[lowest],
        "you returned the place of the lowest loss; look up its rate": lowest,
        "you returned a tenth of the place of the lowest loss; look up its rate": lowest / 10,
        "you returned a tenth of the lowest loss; look up its rate": _smoothed(kept).min() / 10,
        "you took the lowest single loss; smooth them first, the newest with a share of 0.05": (
            rates[kept.argmin()] / 10
        ),
        "the average begins at 0; divide each by `1 - 0.95**i`": (
            rates[_smoothed(kept, corrected=False).argmin()] / 10
        ),
    }
    with np.errstate(all="ignore"):
        late = _smoothed(kept, first=0)
        mistakes["`i` counts from 1; with 0 the first division is by zero"] = rates[late.argmin()] / 10
    if stop < len(losses):
        left_out = np.where(finite, losses, 1e9)
        mistakes |= {
            "a loss that is not finite ends the curve; leave out what comes after it": (
                rates[finite][_smoothed(losses[finite]).argmin()] / 10
            ),
            "a loss that is not finite ends the curve; do not replace it and go on": (
                rates[_smoothed(left_out).argmin()] / 10
            ),
            "`argmin` takes a nan for the lowest; end the curve before it": rates[stop] / 10,
            "you stopped one loss too early": rates[_smoothed(kept[:-1]).argmin()] / 10,
        }
    # Where a mistake does no harm to this curve, another curve shows it.
    right = _tenth_of_the_lowest(rates, losses)
    return {cause: rate for cause, rate in mistakes.items() if not np.isclose(rate, right)}
