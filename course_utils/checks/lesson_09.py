"""Checks of lesson 09: the learning-rate finder and 1cycle."""

import numpy as np

from course_utils.checks.exercise import assert_close, call_answer, exercise


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
    return (
        "With batches of one size, a smaller last one and sizes that change: every batch's own loss is back."
    )
