"""Checks of lesson 10: conditional gradient."""

import numpy as np

from course_utils.checks.exercise import WrongAnswer, as_array, assert_close, call_answer, exercise, expect

_BALLS = {1: "ℓ1", 2: "ℓ2", np.inf: "ℓ∞"}


@exercise
def lowest_point(answer):
    """Check that points in three balls lie inside, and that no point of the ball is lower."""
    rng = np.random.default_rng(9)
    mostly_negative = -np.abs(rng.normal(size=7)) - 0.5
    mostly_negative[2] = 0.3
    gradients = {
        "for a gradient of seven numbers": mostly_negative,
        "for a gradient of shape (4, 3)": rng.normal(size=(4, 3)),
        "for a gradient of shape (2, 2, 3)": 100 * rng.normal(size=(2, 2, 3)),
        "for the gradient [-0.2]": np.array([-0.2]),
        "for the gradient [0, 2, -2, 0, 2]": np.array([0.0, 2.0, -2.0, 0.0, 2.0]),
    }
    for norm, ball in _BALLS.items():
        for (of_what, gradient), radius in zip(gradients.items(), (3.0, 0.5, 20.0, 2.0, 0.7), strict=True):
            what = f"the lowest point of the {ball} ball of radius {radius:g} {of_what}"
            _lies_lowest(what, call_answer(answer, gradient, radius, norm), gradient, radius, norm)
        what = f"the point of the {ball} ball for a gradient of zeros"
        point = as_array(what, call_answer(answer, np.zeros((3, 2)), 2.0, norm))
        expect(point.shape == (3, 2), what, "the shape (3, 2)", f"the shape {point.shape}")
        finite = bool(np.isfinite(point).all())
        expect(finite, what, "any point of the ball", "nan", "you divided 0 by 0")
        size = np.linalg.norm(point.ravel(), norm)
        expect(size <= 2.0002, f"{what} of radius 2", "a norm of at most 2", size)
    return (
        "Your points lie inside all three balls, and no point of a ball is lower: for vectors, kernels, "
        "several equal components and a gradient of zeros."
    )


def _lies_lowest(what, point, gradient, radius, norm):
    point = as_array(what, point).astype("float64")
    expect(
        point.shape == gradient.shape,
        what,
        f"the shape of the gradient, {gradient.shape}",
        f"the shape {point.shape}",
        "the point should have one number for every weight",
    )
    expect(np.isfinite(point).all(), what, "numbers", "nan or infinity", "a division by zero")
    # The dual norm: what the linear function loses at most on its way from the origin to the surface.
    dual = {1: np.inf, 2: 2, np.inf: 1}[norm]
    lowest = -radius * np.linalg.norm(gradient.ravel(), dual)
    height, size = np.sum(gradient * point), np.linalg.norm(point.ravel(), norm)
    outside, high = size > radius * 1.0002, height > lowest + 2e-4 * abs(lowest)
    cause = _misplaced(point, gradient, radius, norm) if outside or high else ""
    expect(not outside, f"{what}: its norm", f"at most {radius:g}", size, cause)
    expect(not high, f"{what}: the sum of gradient times point", lowest, height, cause)


def _misplaced(point, gradient, radius, norm):
    """The likely cause of a point that is not the lowest of its ball."""
    ordinary = np.linalg.norm(gradient)
    signed = np.argmax(gradient), np.argmax(np.abs(gradient))
    only = np.flatnonzero(point)

    def near(other):
        return np.allclose(point, other, rtol=1e-3, atol=1e-6 * radius)

    steepest = np.isclose(np.abs(gradient), np.abs(gradient).max())
    if norm == 1 and steepest.sum() > 1 and near(-radius * np.sign(gradient) * steepest):
        return "several components are equally large, and you gave each of them the whole radius"
    if near(-radius * gradient):
        return "you did not divide by the length of the gradient"
    if norm == 2 and gradient.ndim == 2 and near(-radius * gradient / np.linalg.norm(gradient, 2)):
        return "`np.linalg.norm(matrix, 2)` is the largest singular value; flatten the gradient first"
    if norm != 2 and near(-radius * gradient / np.linalg.norm(gradient.ravel(), norm)):
        return (
            "you scaled the gradient to fit into the ball. Its direction is the steepest, but this ball has "
            "corners, and a corner is lower"
        )
    if norm != 2 and near(-radius * gradient / ordinary):
        return "you returned the lowest point of the ℓ2 ball; this norm has another ball"
    if norm == 1 and near(-radius * np.sign(gradient)):
        return "you exchanged two balls: moving every weight is right for the ℓ∞ ball"
    if norm == np.inf and len(only) == 1 and np.isclose(abs(point.flat[only[0]]), radius):
        return "you exchanged two balls: moving one weight is right for the ℓ1 ball"
    if norm == 1 and list(only) == [signed[0]] and signed[0] != signed[1]:
        return "you took the largest component; take the largest absolute value"
    if norm == 1 and len(only) > 1 and gradient.ndim > 1 and np.isclose(np.abs(point).max(), radius):
        return "you searched along one axis, and found several corners; flatten the gradient first"
    height, size = np.sum(gradient * point), np.linalg.norm(point.ravel(), norm)
    if height > 0:
        return "the point is uphill; the minus sign is missing"
    if np.isclose(size, 1, rtol=1e-3) and not np.isclose(radius, 1):
        return "the point has norm 1; multiply by the radius"
    return ""


@exercise
def duality_gap(answer):
    """Compare gaps of one and of several variables, at the lowest point and where a gradient is zero too."""
    rng = np.random.default_rng(99)
    for shapes, radius in [([(5,)], 2.0), ([(4, 3), (3,)], 0.7), ([(2, 2, 3), (3,), (1,)], 5.0)]:
        gradients = [rng.normal(size=shape) for shape in shapes]
        weights = [_of_length(rng.normal(size=shape), rng.uniform(0.3, 0.9) * radius) for shape in shapes]
        several = f"{len(shapes)} variables" if len(shapes) > 1 else "one variable"
        _same_gap(f"the gap of {several}", answer, weights, gradients, radius)
    lowest = [-radius * gradient / np.linalg.norm(gradient) for gradient in gradients]
    _same_gap("the gap where every variable is at its lowest point", answer, lowest, gradients, radius)
    gradients[1] = np.zeros(3)
    what = "the gap of three variables, one of them without a gradient"
    found = as_array(what, call_answer(answer, weights, gradients, radius))
    zero = "you divided a gradient of zeros by its norm, 0"
    expect(np.isfinite(found).all(), what, "a number", "nan or infinity", zero)
    _same_gap(what, answer, weights, gradients, radius)
    return "Right for one and for several variables, at the lowest point itself, and with a gradient of zero."


def _of_length(array, length):
    return array * (length / np.linalg.norm(array))


def _same_gap(what, answer, weights, gradients, radius):
    slopes = np.array([np.sum(w * g) for w, g in zip(weights, gradients, strict=True)])
    lengths = np.array([np.linalg.norm(g) for g in gradients])
    gaps = slopes + radius * lengths
    sizes = np.array([g.size for g in gradients])
    together = np.sqrt(np.sum(lengths**2))
    assert_close(
        what,
        call_answer(answer, weights, gradients, radius),
        np.sum(gaps),
        mistakes={
            "the sign is wrong: the gap is the gradient times w − s": -np.sum(gaps),
            "the sign of s is wrong: s points against the gradient": np.sum(slopes - radius * lengths),
            "you measured from the origin; measure from w": radius * np.sum(lengths),
            "you put all variables into one ball; each variable has its own": np.sum(slopes)
            + radius * together,
            "you took the mean of the variables' gaps; take their sum": np.mean(gaps),
            "you took the mean of the products; take their sum": np.sum(gaps / sizes),
            "the radius is missing": np.sum(slopes + lengths),
            "s should be on the surface of the ball; divide the gradient by its norm": np.sum(
                slopes + radius * lengths**2
            ),
            "you returned the gradient's norm, which need not be 0 at the best point": together,
        },
        rtol=1e-3,
        atol=1e-4,
    )


@exercise
def frank_wolfe(answer):
    """Record every point at which the learner evaluates the gradient, and check them and the result."""
    rng = np.random.default_rng(999)
    plane = np.array([1.0, 3.0]), np.array([-0.3, -0.85])
    kernel = rng.uniform(0.5, 3, (3, 4)), _of_length(rng.normal(size=(3, 4)), 1.8)
    far, near = _of_length(rng.normal(size=(3, 4)), 6.0), _of_length(rng.normal(size=(3, 4)), 1.0)
    for where, (steepness, start), target, radius, tolerance in [
        ("a target outside the ball", plane, np.array([1.2, 0.7]), 1.0, 0.02),
        ("a target inside the ball", plane, np.array([0.45, 0.3]), 1.0, 0.01),
        ("a kernel and a target outside the ball", kernel, far, 2.0, 0.05),
        ("a kernel and a target inside the ball", kernel, near, 2.0, 0.05),
    ]:
        walk = _Walk(where, steepness, target, radius, tolerance)
        walk.check_end(call_answer(answer, walk, start, radius, tolerance))
    for where, start in [
        ("a start that is good enough", target + 1e-3 * far),
        ("a start where the gradient is zero", target),
    ]:
        walk = _Walk(where, steepness, target, radius, tolerance)
        assert_close(
            f"{where}: the point returned",
            call_answer(answer, walk, start, radius, tolerance),
            start,
            cause="you took a step before you compared the gap with the tolerance",
        )
    return (
        "For targets inside and outside, and for good and bad starts, the walk never leaves the ball and "
        "ends with a small gap."
    )


class _Walk:
    """The gradient of a quadratic; it records and checks the points at which it is evaluated."""

    limit = 2000

    def __init__(self, where, steepness, target, radius, tolerance):
        """Set up a bowl around the target."""
        self.where, self.steepness, self.target = where, steepness, target
        self.radius, self.tolerance = radius, tolerance
        self.points, self.asked = [], 0

    def gradient(self, w):
        return self.steepness * (w - self.target)

    def to_s(self, w):
        return -self.radius * self.gradient(w) / np.linalg.norm(self.gradient(w)) - w

    def gap(self, w):
        return np.sum(self.gradient(w) * w) + self.radius * np.linalg.norm(self.gradient(w))

    def __call__(self, w):
        """Give the gradient at a point, and keep the point."""
        what = f"{self.where}: a point at which you evaluate the gradient"
        w = self.shaped(what, w)
        if not np.isfinite(w).all():
            zero = bool(self.points) and not self.gradient(self.points[-1]).any()
            cause = "you divided a gradient of zeros by its norm; compare the gap first" if zero else ""
            raise WrongAnswer(what, "numbers", "nan or infinity", cause)
        # Some ask twice at one point, once for the gap and once for the step.
        if not self.points or not np.array_equal(w, self.points[-1]):
            self.points.append(w)
        self.check_inside(what, w)
        self.asked += 1
        if self.asked > self.limit:
            good = min(map(self.gap, self.points)) <= self.tolerance
            cause = self.about_steps() or (
                "you did not stop at a point that is good enough; compare the gap with the tolerance"
                if good
                else "the step sizes shrink, but not as 2 / (t + 2)"
            )
            raise WrongAnswer(
                f"{self.where}, tolerance {self.tolerance:g}: the number of gradient evaluations",
                "a few hundred at most",
                f"more than {self.limit}",
                cause,
            )
        return self.gradient(w)

    def shaped(self, what, w):
        w = np.array(as_array(what, w), "float64")
        shape = self.target.shape
        expect(w.shape == shape, what, f"the shape {shape}, as the start has", f"{w.shape}")
        return w

    def check_inside(self, what, w):
        size = np.linalg.norm(w)
        if size > self.radius * 1.001:
            raise WrongAnswer(f"{what}: its norm", f"at most {self.radius:g}", size, self.about_steps())

    def check_end(self, w):
        """Check that the gap is small at the point returned, and that the step sizes shrink."""
        what = f"{self.where}: the point returned"
        w = self.shaped(what, w)
        expect(np.isfinite(w).all(), what, "numbers", "nan or infinity", "a division by zero")
        self.check_inside(what, w)
        gap, about_steps = self.gap(w), self.about_steps()
        if gap > self.tolerance * 1.001:
            cause = about_steps or self.about_end(w)
            raise WrongAnswer(f"{what}: its gap", f"at most {self.tolerance:g}", gap, cause)
        # Steps that do not shrink may pass close by the target once. They would not stay there.
        what = f"{self.where}: the steps"
        expect(not about_steps, what, "step sizes that shrink", "others", about_steps)

    def about_end(self, w):
        """Give the likely cause if the walk ends too early or too late."""
        if not self.points:
            return "you never evaluated the gradient, which the gap needs"
        good = [self.gap(point) <= self.tolerance for point in self.points]
        if len(good) == 1 and not good[0]:
            return "you stopped at once. The gap is the gradient times w − s, which is never negative"
        if good[-1] and not any(good[:-1]):
            return "you returned the point after the one that was good enough"
        before = self.points[-2] if np.allclose(self.points[-1], w) else self.points[-1]
        if np.linalg.norm(w - before) <= self.tolerance:
            return "you stopped when a step was short. These steps always become short; compare the gap"
        return "you compared something other than the gap with the tolerance"

    def about_steps(self):
        """Give the likely cause if there is something wrong with the steps, as far as that is certain."""
        pairs = [*zip(self.points[:-1], self.points[1:], strict=True)]
        if not pairs:
            return ""
        first = pairs[0][1] - pairs[0][0]
        _, off = _share(first, self.to_s(pairs[0][0]))
        if off > 1e-3:
            uphill, off = _share(first, -self.to_s(pairs[0][0]) - 2 * pairs[0][0])
            if off < 1e-3 and uphill > 0:
                return "you walked uphill; s points against the gradient"
            return "your step does not point to s = −radius · gradient / its norm"
        steps = [_share(after - before, self.to_s(before)) for before, after in pairs[:30] + pairs[-5:]]
        if any(off > 1e-2 for _, off in steps):  # the gradient was asked for at other points too
            return ""
        shares = np.array([share for share, _ in steps])
        if shares.max() > 1.001:
            return "your step goes beyond s; t begins at 0, so the first step size is 2 / 2"
        if len(shares) > 20 and shares[-5:].min() > 0.9:
            return "you exchanged the weights: 2 / (t + 2) is for s, the rest for w"
        inside = np.linalg.norm(self.target) < self.radius
        if inside and len(shares) > 5 and shares.max() < 1.01 * shares.min():
            return "your step size is constant. Step sizes that do not shrink never converge"
        return ""


def _share(moved, whole):
    """Split a step: its share of the way to s, and its relative distance from that line."""
    share = np.sum(moved * whole) / np.sum(whole**2)
    beside = np.linalg.norm(moved - share * whole)
    return share, beside / max(np.linalg.norm(moved), 1e-4 * np.linalg.norm(whole))
