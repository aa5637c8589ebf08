"""Checks of lesson 00: what the course starts with."""

import numpy as np

from course_utils.checks.exercise import (
    as_array,
    assert_close,
    call_answer,
    exercise,
    expect,
    format_value,
    unpack,
)


@exercise
def batch_orders(answer):
    """Try sizes that divide evenly, sizes that do not, less than a batch, and generators in other states."""
    for images, batch_size, epochs in [(12, 4, 3), (10, 4, 2), (3, 8, 4), (50, 7, 5)]:
        what = f"{images} images in batches of {batch_size}, {epochs} epochs"
        orders = _orders(answer, images, batch_size, epochs, 5, what)
        if images >= 10:  # fewer images may come in the same order by chance
            _shuffled_anew(orders, images, what)
    expect(
        _orders(answer, 50, 7, 2, 8, what) == _orders(answer, 50, 7, 2, 8, what),
        "two calls with generators in the same state",
        "the same orders",
        "other orders",
        "you drew from another generator than `rng`",
    )
    expect(
        _orders(answer, 50, 7, 2, 8, what) != _orders(answer, 50, 7, 2, 9, what),
        "two calls with generators from different seeds",
        "different orders",
        "the same orders",
        "you drew from a generator with a fixed seed of its own; draw from `rng`",
    )
    return (
        "Every image comes once in each epoch, each epoch has a new order, smaller last batches are kept, "
        "and all orders come from `rng`."
    )


def _orders(answer, images, batch_size, epochs, seed, what):
    """Call the answer, and return its batches as lists of whole numbers, epoch by epoch."""
    found = call_answer(answer, images, batch_size, epochs, np.random.default_rng(seed))
    expect(
        not isinstance(found, dict | str) and hasattr(found, "__iter__"),
        what,
        "a list of epochs, each a list of batches",
        format_value(found),
    )
    found = list(found)
    cause = "return a list with an entry for each epoch, and in it an array for each batch"
    expect(len(found) == epochs, f"the epochs for {what}", f"{epochs}", f"{len(found)}", cause)
    full, rest = divmod(images, batch_size)
    sizes = [batch_size] * full + [rest] * (rest > 0)
    orders = []
    for number, epoch in enumerate(found, 1):
        where = f"epoch {number} of {what}"
        expect(hasattr(epoch, "__iter__"), where, "a list of batches", format_value(epoch), cause)
        batches = [as_array(where, batch) for batch in epoch]
        got = [batch.size if batch.ndim == 1 else 0 for batch in batches]
        cause_of_sizes = ""
        if got == sizes[:full] and rest:
            cause_of_sizes = "you dropped the smaller last batch; its images belong to the epoch too"
        elif any(batch.ndim == 0 for batch in batches):
            cause_of_sizes = cause
        expect(got == sizes, f"the sizes of the batches in {where}", sizes, got, cause_of_sizes)
        together = np.concatenate(batches)
        cause_of_numbers = ""
        if np.array_equal(np.sort(together), np.arange(1, images + 1)):
            cause_of_numbers = "you counted from 1; the first image is number 0"
        elif len(np.unique(together)) < images:
            cause_of_numbers = "you drew with replacement; draw a permutation, so that each image comes once"
        expect(
            np.array_equal(np.sort(together), np.arange(images)),
            f"the images in {where}",
            f"each number from 0 to {images - 1} once",
            "others" if cause_of_numbers.startswith("you counted") else "some twice, others never",
            cause_of_numbers,
        )
        orders.append([batch.astype(int).tolist() for batch in batches])
    return orders


def _shuffled_anew(orders, images, what):
    """Refuse orders that are not shuffled, or not anew, or shuffled batch by batch."""
    flat = [[image for batch in epoch for image in batch] for epoch in orders]
    for number, epoch in enumerate(flat, 1):
        expect(
            epoch != list(range(images)),
            f"epoch {number} of {what}",
            "the images in a new order",
            "in the order from 0 upwards",
            "you did not shuffle",
        )
    expect(
        len(set(map(tuple, flat))) == len(flat),
        f"the epochs of {what}",
        "a new order in each",
        "the same order more than once",
        "you shuffled once for all epochs, or made a new generator each time; draw in the loop over epochs",
    )
    neighbours = all(max(batch) - min(batch) == len(batch) - 1 for epoch in orders for batch in epoch)
    expect(
        not neighbours,
        f"the batches of {what}",
        "batches with images from the whole set",
        "only neighbouring images in every batch",
        "you shuffled the batches, or within the batches; shuffle the images first, then cut",
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
        "All images, also a single test image, were standardized by the training images alone. Pixels that "
        "are constant in training did no harm, and the images you were given did not change."
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
                "you added a small number to the denominator: a pixel that is constant in training becomes "
                "huge if it varies later; divide by one there"
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
    return "The ranges after 2, 3, 5 and 20 runs are right, also for negative values."
