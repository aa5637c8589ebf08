"""Checks of lesson 00: what the course starts with."""

import numpy as np

from course_utils.checks.exercise import as_array, assert_close, call_answer, exercise, expect, unpack


@exercise
def steps_and_calls(answer):
    """Count trainings whose batches and groups come out even, and others whose do not."""
    for images, batch_size, epochs, together in [
        (640, 32, 2, 10),
        (100, 8, 3, 5),
        (1000, 32, 4, 50),
        (70, 32, 5, 1),
        (5, 32, 2, 50),
        (55_000, 32, 5, 50),
    ]:
        # Counted out rather than computed.
        sizes = [len(range(first, min(first + batch_size, images))) for first in range(0, images, batch_size)]
        groups = len(range(0, len(sizes), together))
        steps, calls = epochs * len(sizes), epochs * groups
        what = f"{images} images in batches of {batch_size}, {epochs} epochs, {together} steps per call"
        found = unpack(what, call_answer(answer, images, batch_size, epochs, together), "steps", "calls")
        exact, whole = images / batch_size, images // batch_size
        assert_close(
            f"the steps for {what}",
            found[0],
            steps,
            rtol=0,
            mistakes={
                "the last batch of an epoch is smaller, and a step all the same; round up": epochs * whole,
                "a step is a step; the images that are left over make one more batch, not a part of one": (
                    epochs * exact
                ),
                "every epoch ends with a smaller batch of its own; round up before you multiply by epochs": (
                    -(-images * epochs // batch_size)
                ),
                "those are the steps of one epoch": len(sizes),
                "where the images come out even, there is no further batch; do not add one": (
                    epochs * (whole + 1)
                ),
                "that counts images; a step takes a whole batch": images * epochs,
                "first the steps, then the calls": calls,
            },
        )
        assert_close(
            f"the calls for {what}",
            found[1],
            calls,
            rtol=0,
            mistakes={
                "a call takes steps together, not images": epochs * (-(-images // together)),
                "a group ends with its epoch; count the calls of one epoch, then multiply": -(
                    -steps // together
                ),
                "the last group of an epoch is smaller, and a call all the same": epochs
                * (len(sizes) // together),
                "a call is a call; the steps that are left over make one more": steps / together,
                "you rounded down over all epochs; each epoch ends with a group of its own": steps
                // together,
                "those are the calls of one epoch": groups,
                "where the steps come out even, there is no further group; do not add one": epochs
                * (len(sizes) // together + 1),
            },
        )
    return (
        "Counted right where batches and groups come out even, where they do not, and for less than a batch."
    )


@exercise
def standardize_splits(answer):
    """Try sets with pixels that never change in training, test sets that differ, and a single test image."""
    rng = np.random.default_rng(2)
    for n_train, n_test, side in [(40, 25, (3, 5)), (60, 1, (4, 4)), (12, 30, (2, 7))]:
        train = rng.integers(0, 200, (n_train, *side)).astype("uint8")
        test = rng.integers(40, 256, (n_test, *side)).astype("uint8")
        train[:, 0, 0], train[:, -1, 1] = 0, 255
        test[0, 0, 0] = 7
        _standardized(answer, train, test, f"{n_train} for training, {n_test} to test on")
    # Already between 0 and 1, as most nets get them.
    train, test = rng.random((30, 4, 3)), 2 * rng.random((9, 4, 3))
    train[:, 1, 1] = 0
    _standardized(answer, train.astype("float32"), test.astype("float32"), "numbers from 0 to 1")
    return (
        "Training and test images, a single test image among them, were standardized by the training images "
        "alone; pixels that never change did no harm, and the images you were given stayed as they were."
    )


def _standardized(answer, train, test, where):
    kept = train.copy(), test.copy()
    # Past `call`, which would hand out copies: whether these stay as they are is a part of the question.
    found = call_answer(lambda: answer(train, test), what=f"`{getattr(answer, '__name__', 'the answer')}`")
    for name, now, before in [("training", train, kept[0]), ("test", test, kept[1])]:
        expect(
            np.array_equal(now, before),
            f"the {name} images that you were given",
            "as they were",
            "changed",
            "`-=` and `/=` work in place; write `x = x - …`",
        )
    what = f"the standardized images ({where})"
    first, second = unpack(what, found, "training images", "test images")
    train, test = (values.astype("float64") for values in kept)

    def by(values, images, axes=0, ddof=0, power=1.0):
        deviation = images.std(axis=axes, ddof=ddof, keepdims=True) ** power
        return (values - images.mean(axis=axes, keepdims=True)) / np.where(deviation == 0, 1, deviation)

    both = np.concatenate([train, test])
    rough = {"atol": 2e-3, "rtol": 1e-3}
    values = as_array(f"the training images ({where})", first)
    # Dividing by n - 1 standardizes as well.
    ddof = int(values.shape == train.shape and np.allclose(values, by(train, train, ddof=1), **rough))
    deviation = train.std(axis=0)
    flat, whole = deviation == 0, (0, 1, 2)
    cause = ""
    if values.shape == train.shape and not np.isfinite(values[:, flat]).all():
        cause = "a pixel never changes in training, and you divided by its deviation of zero"
    assert_close(
        f"the training images ({where})",
        first,
        by(train, train, ddof=ddof),
        cause=cause,
        mistakes={
            "mean and deviation are those of all images together; only the training images may be asked": by(
                train, both
            ),
            "one mean and one deviation for all pixels; each pixel has its own (`axis=0`)": by(
                train, train, whole
            ),
            "every image got a mean of its own; the mean of a pixel goes over the images (`axis=0`)": by(
                train, train, (1, 2)
            ),
            "you divided by the variance, not by its root": by(train, train, power=2.0),
            "the mean is subtracted, and nothing divided": train - train.mean(axis=0),
            "divided by the deviation, but the mean is still in it": train
            / np.where(deviation == 0, 1, deviation),
            "the test images came back first": by(test, train),
        },
        **rough,
    )
    values = as_array(f"the test images ({where})", second)
    if values.shape == test.shape and np.allclose(
        values[:, ~flat], by(test, train, ddof=ddof)[:, ~flat], **rough
    ):
        cause = "a pixel that never changed in training may change later; subtract its mean, divide by one"
        if np.abs(values[:, flat]).max() > 1000:
            cause = (
                "a small number in the denominator turns a pixel that never changed in training into a giant "
                "as soon as it does; divide by one there"
            )
    assert_close(
        f"the test images ({where})",
        second,
        by(test, train, ddof=ddof),
        cause=cause,
        mistakes={
            "the test images were standardized by themselves; use the mean and deviation of training": by(
                test, test
            ),
            "the test images were standardized by themselves, as a sample": by(test, test, ddof=1),
            "the test images came back as they were": test,
            "the test images were standardized by all images together": by(test, both),
            "the deviation is that of the test images; it has to come from training": (
                (test - train.mean(axis=0)) / np.where(test.std(axis=0) == 0, 1, test.std(axis=0))
            ),
            "the mean is that of the test images; it has to come from training": (
                (test - test.mean(axis=0)) / np.where(deviation == 0, 1, deviation)
            ),
        },
        **rough,
    )


@exercise
def further_run(answer):
    """Compare ranges from two to twenty values, negative ones among them."""
    from scipy import stats

    rng = np.random.default_rng(3)
    for values in [[0.2, 0.9, 0.4], [1.0, 3.0], [-4.0, 2.5, 0.0, 1.0, -1.5], rng.normal(70, 9, 20)]:
        values = np.asarray(values)
        n, mean, s = len(values), np.mean(values), np.std(values, ddof=1)

        def around(half, mean=mean):
            return np.array([mean - half, mean + half])

        t, root = stats.t.ppf(0.975, n - 1), np.sqrt(1 + 1 / n)
        what = f"the range after {n} runs"
        found = [as_array(what, value) for value in unpack(what, call_answer(answer, values), "low", "high")]
        expected = around(t * s * root)
        # Half a thousandth of the width: room for a quantile from a printed table.
        assert_close(
            what,
            found,
            expected,
            rtol=1e-6,
            atol=1e-3 * t * s,
            mistakes={
                "that is where the mean lies; a further run scatters too: √(1 + 1/n), not √(1/n)": around(
                    t * s / np.sqrt(n)
                ),
                "the mean of n runs is itself uncertain: the 1/n under the root is missing": around(t * s),
                "the spread is itself estimated: take t's quantile, not the normal distribution's": around(
                    stats.norm.ppf(0.975) * s * root
                ),
                "1.96 deviations are too few after few runs; it takes t, and √(1 + 1/n)": around(
                    stats.norm.ppf(0.975) * s
                ),
                "two deviations are too few after few runs; it takes t, and √(1 + 1/n)": around(2 * s),
                "NumPy's standard deviation divides by n; from a sample, divide by n - 1 (`ddof=1`)": around(
                    t * np.std(values) * root
                ),
                "95 % between leaves 2.5 % on each side: the quantile is that of 0.975": around(
                    stats.t.ppf(0.95, n - 1) * s * root
                ),
                "n runs leave n - 1 degrees of freedom": around(stats.t.ppf(0.975, n) * s * root),
                "that is the variance; the spread is its root": around(t * s**2 * root),
                "under the root stands 1 + 1/n, and the root is missing": around(t * s * (1 + 1 / n)),
                "first the lower end": expected[::-1],
                "that is the mean and half the width; return both ends": [mean, t * s * root],
                "best and worst of the runs; a further one may well lie outside": [
                    values.min(),
                    values.max(),
                ],
            },
        )
    return "The ranges after 2, 3, 5 and 20 runs are right, from negative values too."
