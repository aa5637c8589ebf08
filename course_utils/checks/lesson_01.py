"""Checks of lesson 01: initialization and activations."""

import numpy as np

from course_utils.checks.exercise import (
    WrongAnswer,
    as_array,
    as_number,
    assert_close,
    call_answer,
    exercise,
    expect,
)


@exercise
def dead_share(answer):
    """Try a layer in which dead units, rarely active ones and negative values all occur."""
    rng = np.random.default_rng(1)
    for images, units, dead in [(50, 20, 6), (8, 200, 50), (3, 4, 0)]:
        h = np.maximum(rng.normal(size=(images, units)), 0) + 0.0
        h[0, h.max(axis=0) == 0] = 1.0
        h[:, rng.permutation(units)[:dead]] = 0
        share = dead / units
        assert_close(
            f"the share for {dead} dead units among {units}",
            call_answer(answer, h),
            share,
            mistakes={
                "you looked along the wrong axis: a unit is a column": np.mean(np.all(h == 0, axis=1)),
                "you counted every zero; a unit is dead only if it is zero for all images": np.mean(h == 0),
                "you counted units that are zero for some images; a dead unit is zero for all": np.mean(
                    np.any(h == 0, axis=0)
                ),
                "you counted the units that are not dead": 1 - share,
                "you returned the number of dead units; divide by the number of units": dead,
                "you divided by the number of images; divide by the number of units": dead / images,
                "you returned a percentage; a share lies between 0 and 1": 100 * share,
            },
        )
    # A unit is dead only if it gives zero for every image; one with negative outputs is not.
    leaky = -np.abs(rng.normal(size=(10, 5))) - 0.1
    assert_close(
        "the share of a layer with negative outputs",
        call_answer(answer, leaky),
        0.0,
        mistakes={
            "you counted negative outputs as dead; only units that are always zero pass no gradient": 1.0
        },
    )
    return (
        "The shares agree in layers of several shapes, with dead units, with units that are zero for some "
        "images only, and with negative outputs."
    )


@exercise
def residual_factor(answer):
    """Send signals through residual nets of several depths with the learner's factor."""
    depths = np.array([10, 40, 150, 400])
    factors = [
        as_number(f"the factor for {depth} layers", call_answer(answer, int(depth))) for depth in depths
    ]
    cause = "your factor does not get small enough as the depth grows"
    if np.allclose(factors, depths**-0.5, rtol=0.3):
        cause = (
            "you added variances as if a layer's output were independent of its input. "
            "But ReLU adds positive numbers only, so their means add up too"
        )
    elif min(factors) >= 1:
        cause = "each layer adds as much as it gets; the factor should be below 1"
    for depth, factor in zip(depths, factors, strict=True):
        low, high, change = _residual(factor, depth)
        what = (
            f"the size of the signal in {depth} layers with your factor {factor:.3g}, relative to the input"
        )
        expect(
            factor > 0 and change > 0.01,
            what,
            "a signal that changes by more than 1%",
            f"a signal changed by {change:.2%}",
            "your factor is negative, or so small that the layers add almost nothing",
        )
        expect(
            high < 10 and low > 0.5,
            what,
            "between 0.5 and 10 after every layer",
            f"{low:.3g} at its smallest, {high:.3g} at its largest",
            cause,
        )
    return "In nets of 10, 40, 150 and 400 layers the signal neither falls to half nor grows tenfold."


def _residual(factor, depth, units=100):
    """Smallest and largest size of the signal relative to its start, and how much of it has changed."""
    rng = np.random.default_rng(depth)
    h = start = rng.normal(size=(100, units))
    sizes = [1.0]
    for _ in range(depth):
        h = h + factor * np.maximum(h @ rng.normal(0, np.sqrt(2 / units), (units, units)), 0)
        sizes.append(np.sqrt(np.mean(h**2) / np.mean(start**2)))
        if not sizes[-1] < 1e6:
            break
    return min(sizes), max(sizes), np.sqrt(np.mean((h - start) ** 2))


@exercise
def orthogonal(answer):
    """Check that columns or rows are orthonormal, and that each call draws a new matrix."""
    for n_in, n_out in [(30, 30), (40, 15), (12, 50)]:
        rng = np.random.default_rng(3)
        shape = f"the matrix of shape ({n_in}, {n_out})"
        w = as_array(shape, call_answer(answer, n_in, n_out, rng))
        if w.shape != (n_in, n_out):
            cause = "rows and columns are exchanged: transpose it" if w.shape == (n_out, n_in) else ""
            if w.shape == (min(n_in, n_out),) * 2:
                cause = "the Q of a wide matrix is square; draw a tall matrix, and transpose its Q"
            raise WrongAnswer(shape, f"the shape ({n_in}, {n_out})", f"{w.shape}", cause)
        short = w if n_in >= n_out else w.T
        products = short.T @ short
        off = np.abs(products - np.diag(np.diag(products))).max()
        lengths = np.linalg.norm(short, axis=0)
        side = "columns" if n_in >= n_out else "rows"
        if off > 1e-4:
            lower = np.allclose(w, np.triu(w)) or np.allclose(w, np.tril(w))
            cause = (
                "you returned R; np.linalg.qr returns Q, then R"
                if lower
                else (f"the {side} are independent random vectors, which are not exactly orthogonal")
            )
            raise WrongAnswer(f"{shape}: the largest dot product of two {side}", 0.0, off, cause)
        expect(
            np.allclose(lengths, 1, atol=1e-4),
            f"{shape}: the lengths of the {side}",
            1.0,
            float(lengths.max()),
            f"the {side} are orthogonal, but their lengths are not 1",
        )
        again = as_array(shape, call_answer(answer, n_in, n_out, rng))
        expect(
            not np.allclose(w, again),
            f"{shape}, drawn a second time",
            "a different matrix",
            "the same matrix",
            "you created a generator inside the function; use `rng`",
        )
    return "Square, tall and wide matrices are orthonormal, up to rounding, and each call draws a new one."
