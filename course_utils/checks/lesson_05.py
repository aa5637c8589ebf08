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
            ("v keeps its own length; divide by it", g * v),
            ("the norm is the root of the sum of squares, and the root is missing", g * v / length**2),
            (
                "a norm has the sum of the squares under its root, and you took their mean",
                g * v / _per_unit(v, lambda unit: np.sqrt(np.mean(unit**2))),
            ),
            (
                "a norm adds up squares, and you added up sizes",
                g * v / _per_unit(v, lambda unit: np.abs(unit).sum()),
            ),
            ("g may be negative, and then turns the weights round", np.abs(g) * v / length),
            (
                "every unit has a length of its own, and you took one for the whole kernel",
                g * v / np.linalg.norm(v),
            ),
        ]
        # Norms over some axes only, be it the wrong ones or too few.
        for axes in [tuple(range(count)) for count in range(1, len(shape) - 1)]:
            short = np.sqrt(np.sum(v**2, axis=axes, keepdims=True))
            cause = "a filter's norm runs over all axes but the last, its input channels too"
            mistakes.append((cause, g * v / short))
        across = np.sqrt(np.sum(v**2, axis=-1, keepdims=True))
        cause = "the norm runs along the last axis, which is that of the units, and not over a unit's inputs"
        mistakes.append((cause, g * v / across))
        if shape == (4, 4):
            mistakes += [
                (cause, g * v / across.T),
                (cause, g[:, None] * v / across),
                ("g belongs to the columns of v, and you multiplied its rows", g[:, None] * v / length),
            ]
        assert_close(
            f"the kernel for v of shape {shape}", call_answer(answer, v, g), g * v / length, mistakes=mistakes
        )
        kept = v.copy()
        answer(v, g)
        expect(
            np.array_equal(v, kept),
            "v after the call",
            "as before",
            "changed",
            "you compute in the array that you were given (`/=`, `*=`), and the net may still be training it",
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
                "that is the spread of v · x, as TensorFlow Addons takes it; t has v / ‖v‖ in it",
                1 / raw.std(axis=0),
            ),
            ("you divide by the variance; take its root", 1 / t.var(axis=0)),
            ("g has to undo the spread, so divide by it", deviation),
            ("you divide by n - 1; the deviation of this very batch is to be 1", 1 / t.std(axis=0, ddof=1)),
            ("you took the spread around zero; subtract the mean first", 1 / np.sqrt(np.mean(t**2, axis=0))),
            ("the spread is that of one example over the units; take each unit's over the batch", _across(t)),
            ("you took one spread for all units", 1 / t.std()),
            ("g comes first, then b", b),
            ("‖v‖ is the length of a column, a unit's weights", 1 / _by_rows(x, v).std(axis=0)),
            ("one number for each unit, in an array of one axis", g[None]),
        ]
        assert_close(f"g of {layer}", first, g, mistakes=mistakes, rtol=1e-3)
        mistakes = [
            ("the sign: b takes the mean away", -b),
            ("g multiplies the mean too, so b is to be divided by the spread as well", -mean),
            ("g multiplies the mean too, so b is to be divided by the spread as well", -raw.mean(axis=0)),
            ("that is the mean of v · x; t has v / ‖v‖ in it", -raw.mean(axis=0) / deviation),
            ("that divides by the spread twice", -mean / deviation**2),
            ("b has to take the mean away", np.zeros(units)),
            ("one number for each unit, in an array of one axis", b[None]),
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
            ("the part along v is still in it; that part belongs to g", g / length * grad_w),
            ("the factor g / ‖v‖ is missing", grad_w - grad_g * v / length),
            ("the factor is g / ‖v‖, and g is missing", (grad_w - grad_g * v / length) / length),
            ("the factor is g / ‖v‖, and ‖v‖ is missing", g * (grad_w - grad_g * v / length)),
            ("g may be negative; its sign counts", np.abs(g) / length * (grad_w - grad_g * v / length)),
            (
                "the part along v has to be taken away, and you added it",
                g / length * (grad_w + grad_g * v / length),
            ),
            (
                "the part along v is (∇ · v/‖v‖) v/‖v‖: v is to be divided by its length twice",
                g / length * (grad_w - dot * v),
            ),
            (
                "the part along v is (∇ · v/‖v‖) v/‖v‖: v is to be divided by its length twice",
                g / length * (grad_w - dot * v / length),
            ),
            (
                "every unit has its own direction, and you projected the kernel as a whole",
                g / length * (grad_w - whole * v / np.linalg.norm(v)),
            ),
            (
                "every unit has its own direction, and you projected the kernel as a whole",
                g / np.linalg.norm(v) * (grad_w - whole * v / np.linalg.norm(v)),
            ),
            ("the gradient of v comes first, then that of g", grad_g),
            ("that is the part along v, which belongs to g; the rest turns v", g * grad_g * v / length**2),
        ]
        if shape == (4, 4):
            rows = np.linalg.norm(v, axis=1, keepdims=True)
            across = np.sum(grad_w * v, axis=1, keepdims=True) / rows
            cause = "you sum along the last axis, which is that of the units, and not over a unit's inputs"
            for factor in (g / rows, g[:, None] / rows, g / length):
                mistakes.append((cause, factor * (grad_w - across * v / rows)))
        for axes in [tuple(range(count)) for count in range(1, len(shape) - 1)]:
            short = np.sqrt(np.sum(v**2, axis=axes, keepdims=True))
            along = np.sum(grad_w * v, axis=axes, keepdims=True) / short
            cause = "a filter's sums run over all axes but the last, its input channels too"
            mistakes.append((cause, g / short * (grad_w - along * v / short)))
        assert_close(f"the gradient of v, {where}", first, grad_v, mistakes=mistakes, atol=1e-4)

        mistakes = [
            ("v is to be divided by its length", dot),
            ("v is to be divided by its length once, not twice", grad_g / length),
            ("the products of all of a unit's weights are to be added up", grad_w * v / length),
            ("that is a mean; the products are to be added up", grad_g / (v.size / shape[-1])),
            ("every unit has its own length, and you summed over the whole kernel", whole),
            ("g itself has no place here: w is g times the direction", g * grad_g),
            ("that is the length of the gradient, not its part along v", _lengths_of(grad_w)),
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
