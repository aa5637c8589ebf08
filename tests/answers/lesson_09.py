"""Answers to lesson 09's exercises."""

import math
from fractions import Fraction

import numpy as np

from answers import right, wrong

# --- batch_losses -----------------------------------------------------------------------------------------


@right("batch_losses")
def one_after_the_other(means, sizes):
    losses, total, seen = [], Fraction(0), 0
    for mean, size in zip(means, sizes, strict=True):
        seen += int(size)
        new = Fraction(float(mean)) * seen
        losses.append(float((new - total) / int(size)))
        total = new
    return losses


@right("batch_losses")
def by_solving(means, sizes):
    weights = np.tril(np.ones((len(sizes), len(sizes)))) * sizes
    return np.linalg.solve(weights / weights.sum(axis=1, keepdims=True), means)


@right("batch_losses")
def by_how_far_the_mean_moved(means, sizes):
    means, sizes = np.float32(means), np.float32(sizes)
    before = np.cumsum(sizes) - sizes
    return means + (means - np.append(means[:1], means[:-1])) * before / sizes


@wrong("batch_losses", says="you subtracted means")
def differences(means, sizes):
    return np.diff(means, prepend=0)


@wrong("batch_losses", says="you weighted by the number of batches")
def by_batches(means, sizes):
    return np.diff(means * np.arange(1, len(means) + 1), prepend=0)


@wrong("batch_losses", says="the first batch is missing")
def without_the_first(means, sizes):
    return np.diff(means * np.cumsum(sizes)) / sizes[1:]


@wrong("batch_losses", says="divide by its size")
def not_divided(means, sizes):
    return np.diff(means * np.cumsum(sizes), prepend=0)


@wrong("batch_losses", says="you divided by all examples so far")
def divided_by_all(means, sizes):
    seen = np.cumsum(sizes)
    return np.diff(means * seen, prepend=0) / seen


@wrong("batch_losses", says="you multiplied each mean by the size of its batch")
def not_summed_up(means, sizes):
    return np.diff(means * sizes, prepend=0) / sizes


@wrong("batch_losses", says="you multiplied both means by the same count")
def one_too_many(means, sizes):
    return [mean * (k + 1) - (means[k - 1] * (k + 1) if k else 0) for k, mean in enumerate(means)]


@wrong("batch_losses", says="you returned the running means unchanged")
def as_logged(means, sizes):
    return means


# --- suggested_rate ---------------------------------------------------------------------------------------


@right("suggested_rate")
def by_weights(rates, losses):
    losses = np.asarray(losses, "float64")
    bad = np.flatnonzero(~np.isfinite(losses))
    losses = losses[: bad[0]] if len(bad) else losses
    numbers = np.arange(len(losses))
    weights = np.tril(0.95 ** np.maximum(numbers[:, None] - numbers, 0))
    return rates[(weights @ losses / weights.sum(axis=1)).argmin()] / 10


@right("suggested_rate")
def in_one_pass(rates, losses):
    total, seen, best = 0.0, 0.0, (math.inf, None)
    for rate, loss in zip(rates, losses, strict=True):
        if not math.isfinite(loss):
            return best[1]
        total, seen = 0.95 * total + loss, 0.95 * seen + 1
        best = min(best, (total / seen, 0.1 * float(rate)))
    return best[1]


def ended(losses):
    bad = np.flatnonzero(~np.isfinite(losses))
    return losses[: bad[0]] if len(bad) else losses


def averages(losses, corrected=True):
    average, found = 0.0, []
    for i, loss in enumerate(losses, start=1):
        average = 0.95 * average + 0.05 * loss
        found.append(average / (1 - 0.95**i) if corrected else average)
    return np.array(found)


@wrong("suggested_rate", says="the average begins at 0")
def not_corrected(rates, losses):
    return rates[averages(ended(losses), corrected=False).argmin()] / 10


@wrong("suggested_rate", says="you took the lowest single loss")
def not_smoothed(rates, losses):
    return rates[ended(losses).argmin()] / 10


@wrong("suggested_rate", says="take a tenth of it")
def not_a_tenth(rates, losses):
    return rates[averages(ended(losses)).argmin()]


@wrong("suggested_rate", says="you returned the place of the lowest loss")
def its_place(rates, losses):
    return averages(ended(losses)).argmin()


@wrong("suggested_rate", says="leave out what comes after it")
def only_left_out(rates, losses):
    finite = np.isfinite(losses)
    return rates[finite][averages(losses[finite]).argmin()] / 10


@wrong("suggested_rate", says="`argmin` takes a nan for the lowest")
def with_nan(rates, losses):
    return rates[averages(losses).argmin()] / 10
