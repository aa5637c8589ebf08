"""Answers to lesson 09's exercises."""

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
