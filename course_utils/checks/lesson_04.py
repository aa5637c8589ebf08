"""Checks of lesson 04: normalization by hand."""

import numpy as np

from course_utils.checks.exercise import (
    WrongAnswer,
    as_array,
    assert_close,
    call_answer,
    exercise,
    expect,
    unpack,
)


@exercise
def numerical_gradient(answer):
    """Try losses whose gradient is known, where one-sided steps, rounding and leftovers show."""
    rng = np.random.default_rng(4)
    valley = np.array([[0.5, -2.0]])
    _compare_gradient(
        answer,
        "a loss at its minimum",
        lambda x: 2e4 * ((x - valley) ** 2).sum(),
        valley.copy(),
        np.zeros((1, 2)),
        cause="a step to one side sees the curvature; take the difference between both sides",
    )
    # Losses that mix all entries, so that a poke which is not taken back shows.
    short_or_long = "a step too short leaves only rounding, one too long leaves the tangent; try 1e-6"
    a, x = rng.normal(size=(4, 3)), rng.normal(size=3)
    slope = a.T @ np.exp(a @ x)
    _compare_gradient(
        answer, "a loss of three numbers", lambda x: np.exp(a @ x).sum(), x, slope, cause=short_or_long
    )
    c, x = rng.normal(size=(2, 4)), rng.normal(size=(3, 2))
    y = np.tanh(x @ c)
    slope = (2 * y * (1 - y**2)) @ c.T
    _compare_gradient(
        answer, "a loss of a 3×2 matrix", lambda x: (np.tanh(x @ c) ** 2).sum(), x, slope, cause=short_or_long
    )
    _compare_gradient(
        answer, "a loss of one number", lambda x: np.sin(x[0, 0]), np.ones((1, 1)), [[np.cos(1)]]
    )
    x, scale = rng.normal(size=(2, 5)).astype("float32"), np.linspace(0.5, 3, 5, dtype="float32")
    _compare_gradient(
        answer,
        "a loss of single-precision numbers",
        lambda x: (scale * x**2).sum() + scale.sum(),
        x,
        2 * scale * x,
        cause="in single precision a small step drowns in rounding; use a double-precision copy of `x`",
    )
    _compare_gradient(
        answer,
        "a loss of whole numbers",
        lambda x: (x**2).sum() / 2,
        np.array([3, -1, 0, 2]),
        [3.0, -1.0, 0.0, 2.0],
        cause="arrays of whole numbers keep no fractions; make `x` and the gradient double precision",
    )
    return (
        "The known gradients came out for vectors, matrices and a single number, at a steep minimum, in "
        "single precision and for whole numbers."
    )


def _compare_gradient(answer, kind, loss, x, expected, *, cause=""):
    expected, mine = np.asarray(expected), x.copy()
    what = f"the gradient of {kind}"
    found = as_array(what, call_answer(lambda: answer(loss, mine), what="`numerical_gradient`"))
    if found.shape != x.shape:
        why = "give each derivative its number's place in `x`"
        raise WrongAnswer(what, f"the shape {x.shape}", f"{found.shape}", why)
    expect(
        np.allclose(mine, x, rtol=0, atol=1e-10),
        "the array `x`, after your function has run",
        "what it was before",
        "other values",
        "put back what you changed, or work on a copy",
    )
    mistakes = {
        "the two points are two steps apart; divide by both": 2 * expected,
        "divide by the distance between the two points, once": expected / 2,
        "the sign is turned; it is forward minus backward": -expected,
    }
    assert_close(what, found, expected, mistakes=mistakes, cause=cause)


@exercise
def rms_backward(answer):
    """Compare with derivatives by complex steps, which have no rounding to hide behind."""
    rng = np.random.default_rng(5)
    for examples, features, epsilon, kind in [
        (4, 6, 1e-6, ""),
        (1, 5, 1e-6, ""),
        (7, 3, 0.1, ""),
        (5, 5, 1e-3, ""),
        (3, 4, 0.1, ", one of them all zeros"),
    ]:
        dy, x = rng.normal(size=(2, examples, features)) * [[[1.0]], [[0.7]]]
        gamma = rng.normal(size=features)
        if kind:
            x[1] = 0
        plural = "s" if examples > 1 else ""
        what = f"for {examples} example{plural} of {features} features{kind}, epsilon={epsilon:g}"
        found = call_answer(answer, dy, x, gamma, epsilon)
        found = unpack(f"what `rms_backward` returns {what}", found, "dx", "dgamma")
        dx, dgamma = (as_array(f"a gradient {what}", gradient) for gradient in found)
        r = np.sqrt((x**2).mean(axis=1, keepdims=True) + epsilon)
        right, right_gamma = _complex_step(dy, x, gamma, epsilon)
        if dx.shape == (features,) and dgamma.shape == (examples, features) and examples > 1:
            raise WrongAnswer(f"the gradients {what}", "dx, dgamma", "the two in the other order")
        assert_close(f"the gradient dx {what}", dx, right, mistakes=_wrong_dx(dy, x, gamma, r))
        x_hat = x / r
        mistakes = {
            "sum over the examples: each of them moves the loss": (dy * x_hat).mean(axis=0),
            "gamma has an entry for each feature; sum over the examples, axis 0": (dy * x_hat).sum(axis=1),
            "gamma has an entry for each feature, shared by the examples: sum over these": dy * x_hat,
            "that is the gradient of an offset; gamma multiplies the normalized x": dy.sum(axis=0),
            "gamma multiplies the normalized x, not x itself": (dy * x).sum(axis=0),
            "gamma is the factor whose gradient this is; it is not in it": (gamma * dy * x_hat).sum(axis=0),
        }
        assert_close(f"the gradient dgamma {what}", dgamma, right_gamma, mistakes=mistakes)
    return (
        "Both gradients agree with derivatives by complex steps, for a batch of one and a row of zeros too."
    )


def _complex_step(dy, x, gamma, epsilon, h=1e-30):
    def loss(x, gamma):
        return (dy * gamma * x / np.sqrt((x**2).mean(axis=1, keepdims=True) + epsilon)).sum()

    def poked(value, place):
        value = value.astype(complex)
        value[place] += 1j * h
        return value

    dx = [loss(poked(x, place), gamma).imag / h for place in np.ndindex(x.shape)]
    dgamma = [loss(x, poked(gamma, place)).imag / h for place in np.ndindex(gamma.shape)]
    return np.reshape(dx, x.shape), np.array(dgamma)


def _wrong_dx(dy, x, gamma, r):
    """What the usual mistakes give, by their causes."""
    x_hat, back = x / r, gamma * dy

    def mean(values, axis=1):
        return values.mean(axis=axis, keepdims=True)

    return {
        "r depends on x as well; that path to the loss is missing": back / r,
        "no mean is subtracted on the way forward, so none is on the way back": (
            back - mean(back) - x_hat * mean(back * x_hat)
        )
        / r,
        "gamma is missing": (dy - x_hat * mean(dy * x_hat)) / r,
        "r is a root of a *mean*; so is what it takes away": (
            back - x_hat * (back * x_hat).sum(axis=1, keepdims=True)
        )
        / r,
        "the path through r has a minus: a larger x makes a larger r, and that a smaller output": (
            back + x_hat * mean(back * x_hat)
        )
        / r,
        "the division by r is missing": back - x_hat * mean(back * x_hat),
        "the mean runs over the features of an example, axis 1": (back - x_hat * mean(back * x_hat, 0)) / r,
        "each example has a mean of its own; you took one of everything": (
            back - x_hat * np.mean(back * x_hat)
        )
        / r,
        "the normalized x belongs into the mean, not x itself": (back - x * mean(back * x)) / r,
        "epsilon is part of r": _without_epsilon(back, x),
    }


def _without_epsilon(back, x):
    with np.errstate(all="ignore"):
        r = np.sqrt((x**2).mean(axis=1, keepdims=True))
        return (back - x / r * (back * x / r).mean(axis=1, keepdims=True)) / r


@exercise
def pooled_statistics(answer):
    """Split data into batches: sorted, random, uneven, of one; compare with all of it."""
    rng = np.random.default_rng(6)
    mixed = rng.normal(1, 2, (60, 3))
    by_kind = np.sort(rng.normal(-1, 3, (60, 3)), axis=0)
    tried = [
        ("equal batches, sorted", by_kind, [15, 15, 15, 15]),
        ("equal batches at random", mixed, [4] * 15),
        ("a last batch that is smaller", by_kind, [25, 25, 10]),
        ("batches of one", mixed[:7], [1] * 7),
        ("a single batch", mixed[:9], [9]),
        ("batches with a large mean", by_kind[:40] + 20, [30, 1, 9]),
    ]
    for kind, values, sizes in tried:
        batches = np.split(values, np.cumsum(sizes)[:-1])
        means, variances = (np.array([f(batch, axis=0) for batch in batches]) for f in (np.mean, np.var))
        sizes = np.array(sizes)
        found = call_answer(answer, means, variances, sizes)
        found = unpack(f"what `pooled_statistics` returns for {kind}", found, "mean", "variance")
        mean, variance = (as_array(f"the result for {kind}", one) for one in found)
        true_mean, true_variance = values.mean(axis=0), values.var(axis=0)
        assert_close(
            f"the mean for {kind}",
            mean,
            true_mean,
            mistakes={
                "every batch counts alike, even the small one; weight each by its size": means.mean(axis=0),
                "the two are in the other order: mean first": true_variance,
                "that is a sum over all images; divide by their number": sizes @ means,
            },
            rtol=1e-5,
        )
        assert_close(
            f"the variance for {kind}",
            variance,
            true_variance,
            mistakes=_wrong_pools(means, variances, sizes),
        )
    return "Exact for sorted and random batches, uneven ones, batches of one and a single batch."


def _wrong_pools(means, variances, sizes):
    """What the usual mistakes give, by their causes."""
    n, share = sizes.sum(), (sizes / sizes.sum())[:, None]
    within, mean = (share * variances).sum(axis=0), (share * means).sum(axis=0)
    between = (share * (means - mean) ** 2).sum(axis=0)
    mistakes = {
        "how the batches' means differ is part of the variance too; you averaged what is within": within,
        "that is what the means spread; what is within the batches is missing": between,
        "every batch counts alike, even the small one; weight each by its size": variances.mean(axis=0)
        + means.var(axis=0),
        "that is a standard deviation; leave out the root": np.sqrt(within + between),
        "that is the mean square; take the square of the mean away": within + between + mean**2,
    }
    if n > 1:
        mistakes["these are all the images; n - 1 is for a sample of them"] = (within + between) * n / (n - 1)
    if len(sizes) > 1:
        mistakes[
            "the batches are all there are, no sample; divide their spread by their number, not by one less"
        ] = within + means.var(axis=0, ddof=1)
    if (sizes > 1).all():
        corrected = (share * variances * (sizes / (sizes - 1))[:, None]).sum(axis=0)
        mistakes["m / (m - 1) makes up for the batches' means only where batches are drawn at random"] = (
            corrected
        )
        mistakes["with the batches' means in it, no correction by m / (m - 1) is needed"] = (
            corrected + between
        )
    return mistakes
