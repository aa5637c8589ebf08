"""Checks of lesson 07: optimizers."""

import numpy as np

from course_utils.checks.exercise import as_array, assert_close, call_answer, exercise, unpack


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
                "the slope of a square has a factor of two in it": 2 * n / steepest,
                "the steepest direction then arrives in one step; it is stable up to twice that": n
                / steepest
                / 2,
                "Keras takes the mean over the examples; you took the sum": 1 / steepest,
                "you took the sum over the examples, and left out the factor of two of the square": 2
                / steepest,
                "the mean is over the examples, not over the inputs": d / steepest,
                "you took the flattest direction; the steepest one runs away first": n / max(flattest, 1e-12),
                "you looked along the axes only; the steepest direction may lie between them": (
                    n / np.diag(products).max()
                ),
                "you added up the slopes of all directions; only the steepest one counts": n / slopes.sum(),
                "a singular value of the inputs has to be squared": n / np.sqrt(steepest),
                "you took the mean away, as `np.cov` does; this unit has no bias and sees it": n
                / around_the_mean,
                "`np.cov` takes the mean away and divides by n - 1; the loss does neither": (
                    (n - 1) / around_the_mean
                ),
                "that is how steep it is; the steeper, the shorter the step has to be": steepest / n,
                "that is the largest curvature; the rate is two divided by it": 2 * steepest / n,
            },
            cause="a step along the steepest direction multiplies its error by 1 - rate * curvature",
            # Whoever finds it by trying does not find the last digits.
            rtol=5e-3,
        )
    return (
        "Tall, wide and single examples, dead inputs and inputs with a mean: the rate is the limit each time."
    )


@exercise
def adam_step(answer):
    """Try a first step, a later one with other settings, six in a row, and a weight without a gradient."""
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
        mistakes={"0 divided by 0: add ε to the root": [np.nan, 1.9]},
        rtol=1e-3,
    )
    return "First and later steps, six in a row, other settings, and a gradient of zero: each is Adam's."


def _three(answer, *arguments):
    """Call the answer, and return the new w, m and s."""
    name = getattr(answer, "__name__", "the answer")
    parts = unpack(f"what `{name}` returns", call_answer(answer, *arguments), "new w", "new m", "new s")
    return [as_array(f"the new `{what}`", part) for what, part in zip("wms", parts, strict=True)]


def _adam(w, m, s, g, t, rate, b1, b2, **change):
    """Adam, or with changes what a mistake makes of it. Written over arrays that are never changed."""
    m_new = change.get("m_new", b1 * m + (1 - b1) * g)
    s_new = change.get("s_new", b2 * s + (1 - b2) * g**2)
    with np.errstate(all="ignore"):
        m_hat = change.get("m_used", m_new) / change.get("c1", 1 - b1**t)
        s_hat = change.get("s_used", s_new) / change.get("c2", 1 - b2**t)
        step = rate * m_hat / (s_hat ** change.get("power", 0.5))
    return w - change.get("sign", 1) * step, m_new, s_new


def _compare(when, found, arguments):
    """Compare a step's memory, then its weights, with Adam's and with what mistakes make of it."""
    w, m, s, g, t, _, b1, b2 = arguments
    new_w, new_m, new_s = found
    expected, m_right, s_right = _adam(*arguments)
    assert_close(
        f"`m` after {when}",
        new_m,
        m_right,
        mistakes={
            "you return the corrected m; the memory is the one before the division": m_right / (1 - b1**t),
            "the new gradient comes in with 1 - beta_1": b1 * m + g,
            "you return the memory as it was": m,
            "m follows the gradient, s its square": b1 * m + (1 - b1) * g**2,
            "beta_1 is for m and beta_2 for s; you have them the other way round": b2 * m + (1 - b2) * g,
            "beta_1 weighs what is remembered, and 1 - beta_1 what is new": (1 - b1) * m + b1 * g,
            "you wrote 0.9 into the function; use beta_1": 0.9 * m + 0.1 * g,
        },
        rtol=1e-3,
    )
    assert_close(
        f"`s` after {when}",
        new_s,
        s_right,
        mistakes={
            "you return the corrected s; the memory is the one before the division": s_right / (1 - b2**t),
            "s remembers the square of the gradient": b2 * s + (1 - b2) * g,
            "s remembers the square of the gradient, not its size": b2 * s + (1 - b2) * np.abs(g),
            "s follows the gradient's square, not the square of m": b2 * s + (1 - b2) * m_right**2,
            "the new square comes in with 1 - beta_2": b2 * s + g**2,
            "you return s as it was": s,
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
                "neither m nor s is corrected for its start": {"c1": 1, "c2": 1},
                "m is corrected for its start, s is not": {"c2": 1},
                "s is corrected for its start, m is not": {"c1": 1},
                "you left out the square root of s": {"power": 1},
                "the correction is 1 - beta to the power of t, and not beta to the power of t": {
                    "c1": b1**t,
                    "c2": b2**t,
                },
                "the correction has t as its exponent; you took one less, though t counts from 1": {
                    "c1": 1 - b1 ** (t - 1),
                    "c2": 1 - b2 ** (t - 1),
                },
                "the correction has t as its exponent; you took one more": {
                    "c1": 1 - b1 ** (t + 1),
                    "c2": 1 - b2 ** (t + 1),
                },
                "the correction has t as its exponent; you left it out": {"c1": 1 - b1, "c2": 1 - b2},
                "you multiply by the correction; divide by it": {
                    "c1": 1 / (1 - b1**t),
                    "c2": 1 / (1 - b2**t),
                },
                "you walk uphill: the step is subtracted": {"sign": -1},
                "you divide the gradient itself; the step goes along m": {"m_used": g, "c1": 1},
                "the step is made with the m from before this gradient": {"m_used": m},
                "the step is made with the s from before this gradient": {"s_used": s},
                "the step is made with the memory from before this gradient": {"m_used": m, "s_used": s},
            }.items()
        }
        | {"w comes back unchanged": w},
        rtol=1e-3,
        # Room for any small ε, under the root or beside it.
        atol=1e-3,
    )


@exercise
def turned_gradient(answer):
    """Turn a slope that depends on the place in a crooked way, and the lesson's ravine, by several angles."""

    def crooked(w):
        a, b = np.ravel(np.asarray(w, dtype="float64"))
        return np.array([a**3 - b, np.sin(2 * b) - a])

    def ravine(w):
        return np.array([0.04, 2.0]) * np.ravel(np.asarray(w, dtype="float64"))

    rng = np.random.default_rng(5)
    for gradient, angle in [
        (crooked, 0.7),
        (crooked, -2.0),
        (ravine, np.pi / 4),
        (crooked, 0.0),
        (ravine, 4.0),
    ]:
        w = rng.normal(size=2)

        def turn(v, by):
            return np.array([np.cos(by) * v[0] - np.sin(by) * v[1], np.sin(by) * v[0] + np.cos(by) * v[1]])

        back = gradient(turn(w, -angle))
        degrees = np.deg2rad(angle)
        assert_close(
            f"the gradient at ({w[0]:.2f}, {w[1]:.2f}), for an angle of {angle:.2f}",
            np.ravel(as_array("the gradient", call_answer(answer, gradient, w, angle))),
            turn(back, angle),
            mistakes={
                "you turned clockwise": turn(gradient(turn(w, angle)), -angle),
                "you asked at the right place; what you got has to be turned as well, forward": back,
                "you asked for the gradient at the old place; turn the weights back first": turn(
                    gradient(w), angle
                ),
                "you asked at a place turned forward; it has to be turned back": turn(
                    gradient(turn(w, angle)), angle
                ),
                "the weights are turned back, and the gradient forward; you turned both back": turn(
                    back, -angle
                ),
                "you turned the weights forward, and the gradient not at all": gradient(turn(w, angle)),
                "the angle is in radians already": turn(gradient(turn(w, -degrees)), degrees),
                "that is the gradient of the loss before it was turned": gradient(w),
            },
        )
    return "A crooked slope and the ravine, turned either way: each gradient is that of the turned loss."
