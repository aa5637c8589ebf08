"""Checks of lesson 07: optimizers and clipping."""

import numpy as np

from course_utils.checks.exercise import (
    WrongAnswer,
    as_array,
    assert_close,
    call_answer,
    exercise,
    expect,
    format_value,
    is_close,
    unpack,
)


@exercise
def stable_rate(answer):
    """Try inputs of several shapes, with a mean, with dead pixels, and with more inputs than examples."""
    rng = np.random.default_rng(7)
    mixed = rng.normal(size=(5, 3)) @ rng.normal(size=(3, 3)) + [1.0, -2.0, 0.5]
    dead = rng.uniform(size=(40, 6)) * [1, 0, 1, 0, 1, 1]
    wide = rng.normal(size=(4, 12))
    ravine = np.diag([0.2, 2**0.5])
    one = np.array([[3.0, 0.0, -4.0]])
    for x in (mixed, dead, wide, ravine, one):
        n, d = x.shape
        products = x.T @ x
        slopes = np.linalg.eigvalsh(products)
        steepest, flattest = slopes[-1], slopes[0]
        spread = products - n * np.outer(x.mean(axis=0), x.mean(axis=0))
        around_the_mean = max(np.linalg.eigvalsh(spread)[-1], 1e-12)
        assert_close(
            f"the rate for {n} example{'s' * (n > 1)} of {d} inputs",
            np.squeeze(as_array("the rate", call_answer(answer, x))),
            n / steepest,
            mistakes={
                "the factor 2 of the square's derivative is missing": 2 * n / steepest,
                "that rate reaches the minimum in one step; twice that rate is still stable": n
                / steepest
                / 2,
                "you took the sum over the examples; Keras takes the mean": 1 / steepest,
                "you took the sum over the examples, and left out the factor 2 of the square's derivative": 2
                / steepest,
                "you took the mean over the inputs; take it over the examples": d / steepest,
                "you used the smallest eigenvalue; the largest one sets the limit": n / max(flattest, 1e-12),
                "you looked at the diagonal only; the steepest direction may lie between the axes": (
                    n / np.diag(products).max()
                ),
                "you used the trace, the sum over all directions; only the largest eigenvalue counts": n
                / slopes.sum(),
                "you used a singular value of the inputs; square it": n / np.sqrt(steepest),
                "you subtracted the mean, as `np.cov` does; the loss does not, for this unit has no bias": n
                / around_the_mean,
                "`np.cov` subtracts the mean and divides by n - 1; the loss does neither": (
                    (n - 1) / around_the_mean
                ),
                "you returned half the curvature; the limit is 2 divided by the curvature": steepest / n,
                "you returned the largest curvature; the limit is 2 divided by it": 2 * steepest / n,
            },
            cause="a step along the steepest direction multiplies its error by 1 - rate * curvature",
            # Whoever finds it by trying does not find the last digits.
            rtol=5e-3,
        )
    return "For many, few and single examples, dead inputs and inputs with a mean, the rate is right."


@exercise
def adam_step(answer):
    """Try a first step, later ones with other settings, a gradient of zero, and weight decay."""
    rng = np.random.default_rng(11)
    shape = (2, 3)
    nothing = np.zeros(shape)

    def draw():
        return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 3, shape)

    # The first step: the memory is empty, so the correction matters most.
    w, g = draw(), draw()
    found = _three(answer, w, nothing, nothing, g, 1, 0.1)
    _compare("the first step", found, (w, nothing, nothing, g, 1, 0.1, 0.9, 0.999))

    # A later one, with settings of its own.
    w, m, g, s = draw(), draw() / 3, draw(), draw() ** 2
    found = _three(answer, w, m, s, g, 7, 0.2, 0.8, 0.95)
    _compare("the seventh step, with beta_1 = 0.8 and beta_2 = 0.95", found, (w, m, s, g, 7, 0.2, 0.8, 0.95))

    # Six in a row, each on what the one before returned.
    ours = yours = (draw(), nothing, nothing)
    for t in range(1, 7):
        g = draw()
        yours = _three(answer, *yours, g, t, 0.05)
        ours = _adam(*ours, g, t, 0.05, 0.9, 0.999)
    for name, one, other in zip(("w", "m", "s"), yours, ours, strict=True):
        assert_close(f"`{name}` after six steps in a row", one, other, rtol=1e-3, atol=1e-3)

    # A weight that has had no gradient yet.
    w, g = np.array([1.0, 2.0]), np.array([0.0, 1.5])
    new, _, _ = _three(answer, w, np.zeros(2), np.zeros(2), g, 1, 0.1)
    assert_close(
        "the weights after a first step in which one gradient is zero",
        new,
        [1.0, 1.9],
        mistakes={"you divided 0 by 0; add ε to the root": [np.nan, 1.9]},
        rtol=1e-3,
    )
    # AdamW: the weights shrink, m and s know nothing of it.
    w, m, g, s = 3 * draw(), draw() / 3, draw(), draw() ** 2
    new_w, new_m, new_s = _three(answer, w, m, s, g, 5000, 0.2, decay=0.5)
    adam_w, m_right, s_right = _adam(w, m, s, g, 5000, 0.2, 0.9, 0.999)
    into_gradient = _adam(w, m, s, g + 0.5 * w, 5000, 0.2, 0.9, 0.999)
    when = "a step with decay = 0.5"
    cause = "you added the decay to the gradient; AdamW keeps it out of m and s"
    assert_close(f"`m` after {when}", new_m, m_right, mistakes={cause: into_gradient[1]}, rtol=1e-3)
    assert_close(f"`s` after {when}", new_s, s_right, mistakes={cause: into_gradient[2]}, rtol=1e-3)
    assert_close(
        f"the weights after {when}",
        new_w,
        adam_w - 0.2 * 0.5 * w,
        mistakes={
            cause: into_gradient[0],
            "the weights did not shrink; multiply the old ones by 1 - rate * decay": adam_w,
            "you left out the rate; multiply the old weights by 1 - rate * decay": adam_w - 0.5 * w,
            "you shrank the weights after the step; multiply the old weights by 1 - rate * decay": 0.9
            * adam_w,
            "the weights grew; multiply the old ones by 1 - rate * decay": adam_w + 0.2 * 0.5 * w,
        },
        rtol=1e-3,
        atol=1e-3,
    )
    return "First and later steps, other settings, a gradient of zero, and weight decay: every step is right."


def _three(answer, *arguments, **settings):
    """Call the answer, and return the new w, m and s."""
    name = getattr(answer, "__name__", "the answer")
    found = call_answer(answer, *arguments, **settings)
    parts = unpack(f"what `{name}` returns", found, "new w", "new m", "new s")
    return [as_array(f"the new `{what}`", part) for what, part in zip("wms", parts, strict=True)]


def _adam(w, m, s, g, t, rate, b1, b2, **change):
    """One step of Adam; `change` replaces a part of it by a mistake."""
    m_new = change.get("m_new", b1 * m + (1 - b1) * g)
    s_new = change.get("s_new", b2 * s + (1 - b2) * g**2)
    with np.errstate(all="ignore"):
        m_hat = change.get("m_used", m_new) / change.get("c1", 1 - b1**t)
        s_hat = change.get("s_used", s_new) / change.get("c2", 1 - b2**t)
        step = rate * m_hat / (s_hat ** change.get("power", 0.5))
    return w - change.get("sign", 1) * step, m_new, s_new


def _compare(when, found, arguments):
    """Compare m, s and the weights with Adam's, and with those of the usual mistakes."""
    w, m, s, g, t, _, b1, b2 = arguments
    new_w, new_m, new_s = found
    expected, m_right, s_right = _adam(*arguments)
    assert_close(
        f"`m` after {when}",
        new_m,
        m_right,
        mistakes={
            "you returned the corrected m; return m before the correction": m_right / (1 - b1**t),
            "the factor 1 - beta_1 of the new gradient is missing": b1 * m + g,
            "you returned m unchanged": m,
            "your m has the other sign; m averages the gradient itself, and the step subtracts it": b1 * m
            - (1 - b1) * g,
            "you used the squared gradient for m; m averages the gradient": b1 * m + (1 - b1) * g**2,
            "you exchanged the two: beta_1 is for m, beta_2 for s": b2 * m + (1 - b2) * g,
            "you exchanged the weights: beta_1 is for the old m, 1 - beta_1 for the gradient": (1 - b1) * m
            + b1 * g,
            "you wrote 0.9 into the function; use beta_1": 0.9 * m + 0.1 * g,
        },
        rtol=1e-3,
    )
    assert_close(
        f"`s` after {when}",
        new_s,
        s_right,
        mistakes={
            "you returned the corrected s; return s before the correction": s_right / (1 - b2**t),
            "you used the gradient itself; s averages its square": b2 * s + (1 - b2) * g,
            "you used the absolute gradient; s averages its square": b2 * s + (1 - b2) * np.abs(g),
            "you used the square of m; s averages the square of the gradient": b2 * s + (1 - b2) * m_right**2,
            "the factor 1 - beta_2 of the new square is missing": b2 * s + g**2,
            "you returned s unchanged": s,
            "you wrote 0.999 into the function; use beta_2": 0.999 * s + 0.001 * g**2,
        },
        rtol=1e-3,
        # A thousandth of a square, in a first step.
        atol=1e-7,
    )
    assert_close(
        f"the weights after {when}",
        new_w,
        expected,
        mistakes={
            cause: _adam(*arguments, **change)[0]
            for cause, change in {
                "you did not correct m and s for their start at zero": {"c1": 1, "c2": 1},
                "you corrected m but not s for its start at zero": {"c2": 1},
                "you corrected s but not m for its start at zero": {"c1": 1},
                "you left out the square root of s": {"power": 1},
                "you divided by beta ** t; divide by 1 - beta ** t": {
                    "c1": b1**t,
                    "c2": b2**t,
                },
                "you used t - 1 as the exponent; t counts from 1 already": {
                    "c1": 1 - b1 ** (t - 1),
                    "c2": 1 - b2 ** (t - 1),
                },
                "you used t + 1 as the exponent; use t": {
                    "c1": 1 - b1 ** (t + 1),
                    "c2": 1 - b2 ** (t + 1),
                },
                "you left out the exponent t in 1 - beta ** t": {"c1": 1 - b1, "c2": 1 - b2},
                "you multiplied by the correction; divide by it": {
                    "c1": 1 / (1 - b1**t),
                    "c2": 1 / (1 - b2**t),
                },
                "you added the step; subtract it": {"sign": -1},
                "you used the gradient in the step; use m": {"m_used": g, "c1": 1},
                "you used the old m in the step; use the new one": {"m_used": m},
                "you used the old s in the step; use the new one": {"s_used": s},
                "you used the old m and s in the step; use the new ones": {"m_used": m, "s_used": s},
            }.items()
        }
        | {"you returned w unchanged": w},
        rtol=1e-3,
        # Room for any small ε, under the root or beside it.
        atol=1e-3,
    )


@exercise
def clip_together(answer):
    """Clip long gradients, short ones, none at all, and some that are only long together."""
    rng = np.random.default_rng(4)
    shapes = [(3, 4), (4,), (4, 2)]
    long = [size * rng.normal(size=shape) for size, shape in zip([9.0, 0.05, 2.0], shapes, strict=True)]
    for what, gradients, limit in [
        ("gradients that are too long", long, 0.5),
        (
            "gradients that are too long only together",
            [np.array([0.6, -0.6]), np.array([[-0.5], [0.7]])],
            1.0,
        ),
        (
            "gradients that are all zero except one",
            [np.zeros(3), np.array([-3.0, 4.0]), np.zeros((2, 2))],
            1.0,
        ),
        ("one gradient alone", [np.array([[30.0, -40.0]])], 5.0),
        ("gradients that are short enough", [0.01 * gradient for gradient in long], 2.5),
        ("gradients of zero", [np.zeros((2, 3)), np.zeros(3)], 1.0),
    ]:
        found = call_answer(answer, gradients, limit)
        expect(
            not isinstance(found, dict | str) and hasattr(found, "__iter__"),
            what,
            "a list of arrays",
            format_value(found),
            "return the clipped gradients, in the same order",
        )
        found = list(found)
        if len(found) != len(gradients):
            cause = "return the gradients only, in the same order, each in its own shape"
            raise WrongAnswer(what, f"{len(gradients)} arrays", f"{len(found)} things", cause)
        found = [as_array(f"{what}, number {place}", value) for place, value in enumerate(found, 1)]
        cause = ""
        for words, mistake in _CLIPPED_WRONGLY.items():
            if _all_close(found, mistake(gradients, limit)):
                cause = words
                break
        length = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
        factor = min(1.0, limit / length) if length else 1.0
        for place, (one, before) in enumerate(zip(found, gradients, strict=True), 1):
            assert_close(
                f"{what}, number {place} of {len(found)}, for a limit of {limit}",
                one,
                factor * before,
                cause=cause,
            )
    return (
        "Long gradients, short ones, zeros, and some that are long only together: all are clipped together."
    )


def _all_close(found, expected, **tolerances):
    return all(is_close(one, other, **tolerances) for one, other in zip(found, expected, strict=True))


def _shortened(length, stretch=False):
    """Clipping with a wrong idea of the whole length."""

    def clipped(gradients, limit):
        factor = limit / length(gradients)
        return [gradient * (factor if stretch else min(1, factor)) for gradient in gradients]

    return clipped


def _squares(gradients):
    return sum(np.sum(gradient**2) for gradient in gradients)


def _norms(gradients):
    return np.array([np.linalg.norm(gradient) for gradient in gradients])


def _count(gradients):
    return sum(gradient.size for gradient in gradients)


# In this order: the first that fits is named.
_CLIPPED_WRONGLY = {
    "you clipped each gradient by its own norm; use one norm for all": lambda gradients, limit: [
        gradient * min(1, limit / norm) if norm else gradient
        for gradient, norm in zip(gradients, _norms(gradients), strict=True)
    ],
    "you clipped each component, which changes the direction; multiply all by one factor": lambda g, limit: [
        np.clip(gradient, -limit, limit) for gradient in g
    ],
    "you lengthened gradients that are short enough; return those unchanged": _shortened(
        lambda gradients: np.sqrt(_squares(gradients)), stretch=True
    ),
    "you added the norms; take one root of the sum of all squares": _shortened(
        lambda gradients: _norms(gradients).sum()
    ),
    "you used the sum of squares without its square root": _shortened(_squares),
    "`norm(g, 2)` of a matrix is its largest singular value; `norm(g)` takes all components": _shortened(
        lambda gradients: np.sqrt(sum(np.linalg.norm(gradient, 2) ** 2 for gradient in gradients))
    ),
    "you took `norm(g, 2)`, the largest singular value, of each matrix by itself": lambda gradients, limit: [
        gradient * min(1, limit / max(np.linalg.norm(gradient, 2), 1e-12)) for gradient in gradients
    ],
    "you used the largest component as the length; use the norm": _shortened(
        lambda gradients: max(np.abs(gradient).max() for gradient in gradients)
    ),
    "you used the norm of the longest gradient; use the norm of all of them together": _shortened(
        lambda gradients: _norms(gradients).max()
    ),
    "you took the mean of the squares; a norm takes their sum": _shortened(
        lambda gradients: np.sqrt(_squares(gradients) / _count(gradients))
    ),
    "you divided by the norm but did not multiply by the limit": lambda gradients, limit: [
        gradient / np.sqrt(_squares(gradients)) for gradient in gradients
    ],
    "you returned gradients that are too long unchanged": lambda gradients, limit: gradients,
}
