"""Checks of lesson 11: regularization."""

import numpy as np

from course_utils.checks.exercise import as_array, assert_close, call_answer, exercise, expect


@exercise
def capped_units(answer):
    """Cap dense and convolutional kernels whose units are longer and shorter than the limit."""
    rng = np.random.default_rng(10)
    kernels = {
        "a dense kernel of shape (5, 3)": rng.normal(size=(5, 3)) * [0.1, 1.0, 3.0],
        "a square dense kernel": rng.normal(size=(4, 4)) * [0.2, 1.0, 2.0, 0.5],
        "a convolution's kernel of shape (3, 3, 2, 4)": rng.normal(size=(3, 3, 2, 4)) * [0.05, 0.2, 1.0, 3.0],
        "a dense kernel with one unit": rng.normal(size=(6, 1)) * 5,
    }
    for (what, kernel), limit in zip(kernels.items(), (1.2, 0.7, 1.5, 2.0), strict=True):
        _is_capped(what, call_answer(answer, kernel, limit), kernel, limit)
    kernel = rng.normal(size=(3, 2)) * 0.1
    short = "a kernel whose units are all short enough"
    lengthened = {"you lengthened units that are short enough": 2 * kernel / np.linalg.norm(kernel, axis=0)}
    assert_close(short, call_answer(answer, kernel, 2.0), kernel, mistakes=lengthened)
    kernel = rng.normal(size=(3, 2)) * [[0.0, 4.0]]
    what = "a kernel with a unit of zeros"
    found = as_array(what, call_answer(answer, kernel, 1.0))
    expect(np.isfinite(found).all(), what, "numbers", "nan", "you divided by a norm of 0")
    _is_capped(what, found, kernel, 1.0)
    return (
        "Dense and convolutional kernels: long units are cut to the limit, short ones and zeros left alone."
    )


def _is_capped(what, found, kernel, limit):
    def cut(axis):
        length = np.sqrt(np.sum(kernel**2, axis=axis, keepdims=True))
        return kernel * np.minimum(1, limit / np.maximum(length, 1e-9))

    inputs = tuple(range(kernel.ndim - 1))
    length = np.maximum(np.sqrt(np.sum(kernel**2, axis=inputs)), 1e-9)
    per_input = {"you limited the rows, an input's weights; a unit's weights are a column": cut(-1)}
    if kernel.ndim > 2:
        per_input = {
            "you took the norm along the first axis only; a filter has height, width and channels": cut(0),
            "you took the norm along the last axis; take it along all the others": cut(-1),
            "you took the norm along height and width only; a filter has channels too": cut((0, 1)),
        }
    assert_close(
        what,
        found,
        cut(inputs),
        mistakes={
            "you shortened the kernel as a whole; the limit is for each unit": cut(None),
            "you limited each weight; the limit is for a unit's norm": np.clip(kernel, -limit, limit),
            "you lengthened units that are short enough": kernel * limit / length,
            "you used the sum of squares without its square root": kernel * np.minimum(1, limit / length**2),
            "you added absolute values; a norm is the root of the sum of squares": kernel
            * np.minimum(1, limit / np.maximum(np.sum(np.abs(kernel), axis=inputs), 1e-9)),
            "you divided by the norm but did not multiply by the limit": np.where(
                length > limit, kernel / length, kernel
            ),
            "you divided by the limit; multiply by it, and divide by the norm": np.where(
                length > limit, kernel / limit, kernel
            ),
            "you returned the kernel unchanged": kernel,
            "you set units that are too long to zero; shorten them": np.where(length > limit, 0, kernel),
            **per_input,
        },
    )


@exercise
def alpha_affine(answer):
    """Compare a and b with those that restore mean 0 and deviation 1, for several rates and low values."""
    selu = -1.7580993408473766
    for rate, low in [(0.2, selu), (0.5, selu), (0.1, -1.0), (0.75, 2.5), (0.3, 0.0), (0.0, selu)]:
        keep = 1 - rate
        mean = rate * low
        square = keep + rate * low**2
        variance = square - mean**2
        a = variance**-0.5
        what = f"a and b for a rate of {rate:g} and a low value of {low:.4g}"
        found = as_array(what, call_answer(answer, rate, low))
        expect(found.shape == (2,), what, "two numbers", _kind(found))
        swapped = (rate + keep * low**2 - (keep * low) ** 2) or 1.0
        assert_close(
            what,
            found,
            [a, -a * mean],
            mistakes={
                "you divided by the variance; divide by its root": [1 / variance, -mean / variance],
                "you used the mean of the squares; subtract the square of the mean": [
                    square**-0.5,
                    -mean * square**-0.5,
                ],
                "you left the dropped units out of the variance; they all have the low value": [
                    keep**-0.5,
                    -mean * keep**-0.5,
                ],
                "you did not multiply the mean by a; b is added after the multiplication": [a, -mean],
                "the sign of b is wrong; b subtracts the mean": [a, a * mean],
                "you used `rate` as the share that is kept; it is the share that is dropped": [
                    swapped**-0.5,
                    -keep * low * swapped**-0.5,
                ],
                "you used 1 / (1 − rate), ordinary dropout's factor; it does not keep the deviation": [
                    1 / keep,
                    -mean / keep,
                ],
                "you used 1 / (1 − rate), ordinary dropout's factor, and b is missing": [1 / keep, 0],
                "you returned the deviation; a is 1 divided by it": [1 / a, -mean],
                "the order is wrong: return a first": [-a * mean, a],
                "the sign of a is wrong; a is positive": [
                    -a,
                    a * mean,
                ],
                "b is 0; it should subtract the mean": [a, 0],
            },
            rtol=1e-3,
            atol=1e-5,
        )
    return "Mean 0 and deviation 1 for SELU's lowest value and others, for zero, and for a rate of 0."


def _kind(found):
    return "one number" if found.ndim == 0 else f"an array of shape {found.shape}"
