"""Checks of lesson 00: what the course starts with."""

import numpy as np

from course_utils.checks.exercise import as_array, assert_close, call_answer, exercise, expect, unpack


@exercise
def steps_and_calls(answer):
    """Try sizes that divide evenly, and sizes that do not."""
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
                "you rounded down; the smaller last batch of an epoch is a step too": epochs * whole,
                "you did not round; the images left over make one more whole step": (epochs * exact),
                "you rounded up once for all epochs; every epoch has its own last batch": (
                    -(-images * epochs // batch_size)
                ),
                "you counted the steps of one epoch only": len(sizes),
                "you added one batch even where the batch size divides the number of images": (
                    epochs * (whole + 1)
                ),
                "you counted images; one step takes a whole batch": images * epochs,
                "the order is wrong: return the steps first, then the calls": calls,
            },
        )
        assert_close(
            f"the calls for {what}",
            found[1],
            calls,
            rtol=0,
            mistakes={
                "you divided the images by the steps per call; a call groups steps": epochs
                * (-(-images // together)),
                "no call continues into the next epoch; count the calls of one epoch, then multiply": -(
                    -steps // together
                ),
                "you rounded down; the last call of an epoch counts even if it makes fewer steps": epochs
                * (len(sizes) // together),
                "you did not round; the steps left over in an epoch make one more call": steps / together,
                "you rounded down once for all epochs; every epoch has its own last call": steps // together,
                "you counted the calls of one epoch only": groups,
                "you added one call even where the steps come out even": epochs
                * (len(sizes) // together + 1),
            },
        )
    return (
        "Counted right where batches and groups come out even, where they do not, and for less than a batch."
    )


@exercise
def standardize_splits(answer):
    """Try constant pixels, test sets with other statistics, and a single test image."""
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
            "you changed the array that you were given: `-=` and `/=` work in place; write `x = x - …`",
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
        cause = "you divided by zero: a pixel that is constant in training has a standard deviation of 0"
    assert_close(
        f"the training images ({where})",
        first,
        by(train, train, ddof=ddof),
        cause=cause,
        mistakes={
            "you used mean and deviation of all images together; use the training images only": by(
                train, both
            ),
            "you used one mean and one deviation for all pixels; each pixel has its own (`axis=0`)": by(
                train, train, whole
            ),
            "you took the mean of each image; take the mean of each pixel over the images (`axis=0`)": by(
                train, train, (1, 2)
            ),
            "you divided by the variance; divide by the standard deviation": by(train, train, power=2.0),
            "you subtracted the mean but did not divide by the standard deviation": train
            - train.mean(axis=0),
            "you divided by the standard deviation but did not subtract the mean": train
            / np.where(deviation == 0, 1, deviation),
            "the order is wrong: return the training images first": by(test, train),
        },
        **rough,
    )
    values = as_array(f"the test images ({where})", second)
    if values.shape == test.shape and np.allclose(
        values[:, ~flat], by(test, train, ddof=ddof)[:, ~flat], **rough
    ):
        cause = (
            "a pixel that is constant in training may vary later; there, subtract its mean and divide by 1"
        )
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
            "you used the test images' own mean and deviation; use those of the training images": by(
                test, test
            ),
            "you used the test images' own mean and deviation, with n - 1; use the training images'": by(
                test, test, ddof=1
            ),
            "you returned the test images unchanged": test,
            "you used mean and deviation of all images for the test images; use the training images only": by(
                test, both
            ),
            "you divided by the test images' standard deviation; use that of the training images": (
                (test - train.mean(axis=0)) / np.where(test.std(axis=0) == 0, 1, test.std(axis=0))
            ),
            "you subtracted the test images' mean; use that of the training images": (
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
                "that is the range for the mean; for a new run, use √(1 + 1/n), not √(1/n)": around(
                    t * s / np.sqrt(n)
                ),
                "the mean of n runs is uncertain too: 1/n is missing under the root": around(t * s),
                "you used the normal distribution; use Student's t distribution": around(
                    stats.norm.ppf(0.975) * s * root
                ),
                "you used 1.96 standard deviations; after few runs, use t and √(1 + 1/n)": around(
                    stats.norm.ppf(0.975) * s
                ),
                "you used 2 standard deviations; after few runs, use t and √(1 + 1/n)": around(2 * s),
                "NumPy's standard deviation divides by n; for a sample, divide by n - 1 (`ddof=1`)": around(
                    t * np.std(values) * root
                ),
                "a range of 95 % leaves 2.5 % on each side: use the 0.975 quantile": around(
                    stats.t.ppf(0.95, n - 1) * s * root
                ),
                "you used n degrees of freedom; n runs have n - 1": around(stats.t.ppf(0.975, n) * s * root),
                "you used the variance; use the standard deviation, its root": around(t * s**2 * root),
                "the square root of 1 + 1/n is missing": around(t * s * (1 + 1 / n)),
                "the order is wrong: return the lower end first": expected[::-1],
                "you returned the mean and half the width; return the two ends": [mean, t * s * root],
                "you returned the smallest and the largest run; a new run may well lie outside": [
                    values.min(),
                    values.max(),
                ],
            },
        )
    return "The ranges after 2, 3, 5 and 20 runs are right, from negative values too."
