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
        cause="you stepped to one side only, so the curvature gets in; use (f(x + h) − f(x − h)) / 2h",
    )
    # Losses that mix all entries, so that a poke which is not taken back shows.
    short_or_long = "your step is too short (rounding errors) or too long (curvature); try 1e-6"
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
        cause="a small step gets lost in single precision; use a float64 copy of `x`",
    )
    _compare_gradient(
        answer,
        "a loss of whole numbers",
        lambda x: (x**2).sum() / 2,
        np.array([3, -1, 0, 2]),
        [3.0, -1.0, 0.0, 2.0],
        cause="integer arrays cannot hold fractions; convert `x`, and make the gradient, in float64",
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
        why = "the gradient should have the shape of `x`"
        raise WrongAnswer(what, f"the shape {x.shape}", f"{found.shape}", why)
    expect(
        np.allclose(mine, x, rtol=0, atol=1e-10),
        "the array `x`, after your function has run",
        "what it was before",
        "other values",
        "you changed `x`; undo each step, or work on a copy",
    )
    mistakes = {
        "you divided by h; the two points are 2h apart": 2 * expected,
        "you divided by 4h; the two points are 2h apart": expected / 2,
        "the sign is wrong: subtract the loss at x − h from the loss at x + h": -expected,
    }
    assert_close(what, found, expected, mistakes=mistakes, cause=cause)


@exercise
def rms_backward(answer):
    """Compare with complex-step derivatives, which are exact to the last digits."""
    rng = np.random.default_rng(5)
    for examples, features, epsilon, kind in [
        (4, 6, 1e-6, ""),
        (1, 5, 1e-6, ""),
        (7, 3, 0.1, ""),
        (5, 5, 1e-3, ""),
        (3, 4, 0.1, ", one example all zeros"),
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
            raise WrongAnswer(f"the gradients {what}", "dx, dgamma", "dgamma, dx")
        assert_close(f"the gradient dx {what}", dx, right, mistakes=_wrong_dx(dy, x, gamma, r))
        x_hat = x / r
        mistakes = {
            "you took the mean over the examples; take the sum": (dy * x_hat).mean(axis=0),
            "you summed over the features; sum over the examples, axis 0": (dy * x_hat).sum(axis=1),
            "you did not sum over the examples, which share gamma": dy * x_hat,
            "that is the gradient of an offset; multiply `dy` by the normalized x first": dy.sum(axis=0),
            "you multiplied by x; multiply by the normalized x": (dy * x).sum(axis=0),
            "you multiplied by gamma; its own gradient does not contain it": (gamma * dy * x_hat).sum(axis=0),
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
    """Map likely causes to the values that they lead to."""
    x_hat, back = x / r, gamma * dy

    def mean(values, axis=1):
        return values.mean(axis=axis, keepdims=True)

    return {
        "you treated r as a constant; r depends on x too": back / r,
        "you subtracted the mean of the gradient; RMS normalization subtracts no mean": (
            back - mean(back) - x_hat * mean(back * x_hat)
        )
        / r,
        "gamma is missing": (dy - x_hat * mean(dy * x_hat)) / r,
        "you took a sum over the features where the mean belongs": (
            back - x_hat * (back * x_hat).sum(axis=1, keepdims=True)
        )
        / r,
        "the sign of the path through r is wrong: a larger r makes the output smaller": (
            back + x_hat * mean(back * x_hat)
        )
        / r,
        "the division by r is missing": back - x_hat * mean(back * x_hat),
        "you took the mean over the examples; take it over the features, axis 1": (
            back - x_hat * mean(back * x_hat, 0)
        )
        / r,
        "you took one mean of all values; each example has its own": (back - x_hat * np.mean(back * x_hat))
        / r,
        "you used x; use the normalized x": (back - x * mean(back * x)) / r,
        "you left epsilon out of r": _without_epsilon(back, x),
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
                "you gave all batches the same weight; weight each by its size": means.mean(axis=0),
                "the order is wrong: return the mean first": true_variance,
                "you did not divide by the number of images": sizes @ means,
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
    """Map likely causes to the values that they lead to."""
    n, share = sizes.sum(), (sizes / sizes.sum())[:, None]
    within, mean = (share * variances).sum(axis=0), (share * means).sum(axis=0)
    between = (share * (means - mean) ** 2).sum(axis=0)
    mistakes = {
        "you averaged the batches' variances; add the variance of the batches' means": within,
        "you took the variance of the batches' means only; add the mean of the batches' variances": between,
        "you gave all batches the same weight; weight each by its size": variances.mean(axis=0)
        + means.var(axis=0),
        "you returned the standard deviation; return the variance": np.sqrt(within + between),
        "you returned the mean of the squares; subtract the square of the mean": within + between + mean**2,
    }
    if n > 1:
        mistakes["you divided by n - 1, which is for a sample; these are all the images, so divide by n"] = (
            (within + between) * n / (n - 1)
        )
    if len(sizes) > 1:
        mistakes[
            "you used n - 1 for the variance of the batches' means; these are all the batches, so use n"
        ] = within + means.var(axis=0, ddof=1)
    if (sizes > 1).all():
        corrected = (share * variances * (sizes / (sizes - 1))[:, None]).sum(axis=0)
        mistakes[
            "you corrected by m / (m - 1), which is right for random batches only; use the batches' means"
        ] = corrected
        mistakes[
            "you corrected by m / (m - 1) and added the variance of the means; the correction is too much"
        ] = corrected + between
    return mistakes
