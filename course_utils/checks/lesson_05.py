"""Checks of lesson 05: weight normalization."""

import numpy as np

from course_utils.checks.exercise import assert_close, call_answer, exercise, expect, unpack

# Square ones first: there a wrong axis raises no error, and can be told by what it gives.
_SHAPES = [(4, 4), (3, 3, 3, 3), (7, 3), (2, 3, 5), (3, 2, 4, 6), (6, 1), (1, 5)]


@exercise
def folded_kernel(answer):
    """Fold kernels of dense layers and convolutions, with lengths of either sign, and zero."""
    rng = np.random.default_rng(5)
    for shape in _SHAPES:
        v, g = _kernel(rng, shape), _lengths(rng, shape[-1])
        length = _per_unit(v, lambda unit: np.sqrt(np.sum(unit**2)))
        mistakes = [
            ("g is missing", v / length),
            ("you did not divide v by its length", g * v),
            ("you divided by the sum of squares; a norm is its square root", g * v / length**2),
            (
                "you took the mean of the squares; a norm takes their sum",
                g * v / _per_unit(v, lambda unit: np.sqrt(np.mean(unit**2))),
            ),
            (
                "you added absolute values; a norm adds squares, then takes the root",
                g * v / _per_unit(v, lambda unit: np.abs(unit).sum()),
            ),
            ("you used |g|; g may be negative", np.abs(g) * v / length),
            (
                "you used one norm for the whole kernel; every unit has its own",
                g * v / np.linalg.norm(v),
            ),
        ]
        # Norms over some axes only, be it the wrong ones or too few.
        for axes in [tuple(range(count)) for count in range(1, len(shape) - 1)]:
            short = np.sqrt(np.sum(v**2, axis=axes, keepdims=True))
            cause = "a filter's norm is over all axes but the last, including the input channels"
            mistakes.append((cause, g * v / short))
        across = np.sqrt(np.sum(v**2, axis=-1, keepdims=True))
        cause = "you took the norm along the last axis, the units; take it over each unit's inputs"
        mistakes.append((cause, g * v / across))
        if shape == (4, 4):
            mistakes += [
                (cause, g * v / across.T),
                (cause, g[:, None] * v / across),
                ("you multiplied the rows of v by g; multiply its columns", g[:, None] * v / length),
            ]
        assert_close(
            f"the kernel for v of shape {shape}", call_answer(answer, v, g), g * v / length, mistakes=mistakes
        )
        kept = v.copy()
        answer(v, g)
        expect(
            np.array_equal(v, kept),
            "v after the call",
            "unchanged",
            "changed",
            "you changed the array that you were given (`/=`, `*=`); the net may still be training it",
        )
    return "Tried on dense layers and convolutions of several shapes, with lengths of either sign."


@exercise
def start_from_batch(answer):
    """Start layers whose weight vectors are far from unit length, on batches that are not centred."""
    rng = np.random.default_rng(6)
    # As many images as units first: a wrong axis then gives the right shape.
    for images, n_in, units in [(6, 4, 6), (50, 8, 3), (5, 2, 7), (2, 3, 1), (40, 1, 2)]:
        x = rng.normal(1.5, 2, (images, n_in)).astype("float32")
        v = rng.normal(0, 3, (n_in, units)).astype("float32")
        raw = x.astype("float64") @ v.astype("float64")
        t = raw / _per_unit(v, lambda unit: np.sqrt(np.sum(unit**2)))
        mean, deviation = t.mean(axis=0), t.std(axis=0)
        g, b = 1 / deviation, -mean / deviation
        layer = f"{units} units on {images} examples"
        first, second = unpack(
            f"what `start_from_batch` returns for {layer}", call_answer(answer, v, x), "g", "b"
        )
        mistakes = [
            (
                "you used the deviation of v · x, as TensorFlow Addons does; t is v / ‖v‖ · x",
                1 / raw.std(axis=0),
            ),
            ("you divided by the variance; divide by its root", 1 / t.var(axis=0)),
            ("you returned the standard deviation; g is 1 divided by it", deviation),
            ("you divided by n - 1; use n, so that this batch gets deviation 1", 1 / t.std(axis=0, ddof=1)),
            ("you took the mean square; subtract the mean of t first", 1 / np.sqrt(np.mean(t**2, axis=0))),
            ("you took the deviation over the units; take each unit's deviation over the batch", _across(t)),
            ("you used one deviation for all units; each unit has its own", 1 / t.std()),
            ("the order is wrong: return g first, then b", b),
            (
                "you took the norm of the rows of v; a unit's weights are a column",
                1 / _by_rows(x, v).std(axis=0),
            ),
            ("return one number for each unit, in an array with one axis", g[None]),
        ]
        assert_close(f"g of {layer}", first, g, mistakes=mistakes, rtol=1e-3)
        mistakes = [
            ("the sign of b is wrong: b subtracts the mean", -b),
            ("you did not divide the mean by the deviation; g multiplies the mean too", -mean),
            ("you did not divide the mean by the deviation; g multiplies the mean too", -raw.mean(axis=0)),
            ("you used the mean of v · x; t is v / ‖v‖ · x", -raw.mean(axis=0) / deviation),
            ("you divided by the deviation twice", -mean / deviation**2),
            ("b is 0; it should subtract the mean", np.zeros(units)),
            ("return one number for each unit, in an array with one axis", b[None]),
        ]
        assert_close(f"b of {layer}", second, b, mistakes=mistakes, rtol=1e-3, atol=1e-4)
    return "On batches of several sizes every unit began with mean 0 and deviation 1."


@exercise
def split_gradient(answer):
    """Compare both gradients with the chain rule's, unit by unit."""
    rng = np.random.default_rng(7)
    for shape in _SHAPES:
        v, g, grad_w = _kernel(rng, shape), _lengths(rng, shape[-1]), _kernel(rng, shape)
        grad_v, grad_g = np.zeros(shape), np.zeros(shape[-1])
        for unit in range(shape[-1]):
            along = v[..., unit] / np.linalg.norm(v[..., unit].astype("float64"))
            length = np.linalg.norm(v[..., unit].astype("float64"))
            grad_g[unit] = np.vdot(grad_w[..., unit], along)
            grad_v[..., unit] = g[unit] / length * (grad_w[..., unit] - grad_g[unit] * along)
        length = _per_unit(v, lambda unit: np.sqrt(np.sum(unit**2)))
        dot, whole = grad_g * length, np.vdot(grad_w, v) / np.linalg.norm(v)
        where = f"for v of shape {shape}"
        first, second = unpack(
            f"what `split_gradient` returns {where}",
            call_answer(answer, grad_w, v, g),
            "gradient of v",
            "gradient of g",
        )

        mistakes = [
            ("you did not subtract the part along v, which belongs to g", g / length * grad_w),
            ("the factor g / ‖v‖ is missing", grad_w - grad_g * v / length),
            ("g is missing in the factor g / ‖v‖", (grad_w - grad_g * v / length) / length),
            ("‖v‖ is missing in the factor g / ‖v‖", g * (grad_w - grad_g * v / length)),
            ("you used |g|; the sign of g counts", np.abs(g) / length * (grad_w - grad_g * v / length)),
            (
                "you added the part along v; subtract it",
                g / length * (grad_w + grad_g * v / length),
            ),
            (
                "the part along v is (∇ · v/‖v‖) v/‖v‖; you divided v by its length too few times",
                g / length * (grad_w - dot * v),
            ),
            (
                "the part along v is (∇ · v/‖v‖) v/‖v‖; you divided v by its length too few times",
                g / length * (grad_w - dot * v / length),
            ),
            (
                "you projected the kernel as a whole; every unit has its own direction",
                g / length * (grad_w - whole * v / np.linalg.norm(v)),
            ),
            (
                "you projected the kernel as a whole; every unit has its own direction",
                g / np.linalg.norm(v) * (grad_w - whole * v / np.linalg.norm(v)),
            ),
            ("the order is wrong: return the gradient of v first", grad_g),
            (
                "you returned the part along v, which belongs to g; return the rest",
                g * grad_g * v / length**2,
            ),
        ]
        if shape == (4, 4):
            rows = np.linalg.norm(v, axis=1, keepdims=True)
            across = np.sum(grad_w * v, axis=1, keepdims=True) / rows
            cause = "you summed along the last axis, the units; sum over each unit's inputs"
            for factor in (g / rows, g[:, None] / rows, g / length):
                mistakes.append((cause, factor * (grad_w - across * v / rows)))
        for axes in [tuple(range(count)) for count in range(1, len(shape) - 1)]:
            short = np.sqrt(np.sum(v**2, axis=axes, keepdims=True))
            along = np.sum(grad_w * v, axis=axes, keepdims=True) / short
            cause = "a filter's sums are over all axes but the last, including the input channels"
            mistakes.append((cause, g / short * (grad_w - along * v / short)))
        assert_close(f"the gradient of v, {where}", first, grad_v, mistakes=mistakes, atol=1e-4)

        mistakes = [
            ("you did not divide v by its length", dot),
            ("you divided v by its length twice; once is right", grad_g / length),
            ("you did not add up the products over each unit's weights", grad_w * v / length),
            ("you took the mean of the products; take their sum", grad_g / (v.size / shape[-1])),
            ("you summed over the whole kernel; every unit has its own length", whole),
            ("you multiplied by g; the gradient of g does not contain g", g * grad_g),
            ("you returned the length of the gradient; return its part along v", _lengths_of(grad_w)),
        ]
        assert_close(f"the gradient of g, {where}", second, grad_g, mistakes=mistakes, atol=1e-4)
    return (
        "Both gradients agree with the chain rule, for dense layers and convolutions, and g of either sign."
    )


def _kernel(rng, shape):
    return rng.normal(0, 2, shape).astype("float32")


def _lengths(rng, units):
    """Lengths g of either sign, one of them zero if there are more than two."""
    g = rng.uniform(0.5, 3, units) * np.resize([1, -1], units)
    if units > 2:
        g[-1] = 0
    return g.astype("float32")


def _per_unit(v, measure):
    return np.array([measure(v[..., unit].astype("float64")) for unit in range(v.shape[-1])])


def _lengths_of(v):
    return _per_unit(v, lambda unit: np.sqrt(np.sum(unit**2)))


def _across(t):
    with np.errstate(all="ignore"):
        return 1 / t.std(axis=1)


def _by_rows(x, v):
    return x @ (v / np.linalg.norm(v, axis=1, keepdims=True))
