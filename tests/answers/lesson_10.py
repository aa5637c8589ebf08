"""Answers to lesson 10's exercises."""

import numpy as np

from answers import right, wrong

# --- lowest_point -----------------------------------------------------------------------------------------


@right("lowest_point")
def by_the_slope_of_the_dual_norm(gradient, radius, norm):
    flat = np.ravel(gradient)
    if norm == 1:
        largest = np.abs(flat) == np.abs(flat).max()
        slope = np.sign(flat) * largest / largest.sum()
    elif norm == 2:
        slope = flat / max(np.sqrt(flat @ flat), 1e-12)
    else:
        slope = np.where(flat > 0, 1.0, -1.0)
    return (-radius * slope).reshape(np.shape(gradient))


@right("lowest_point")
def in_tensorflow(gradient, radius, norm):
    import tensorflow as tf

    gradient = tf.constant(gradient, tf.float32)
    if norm == np.inf:
        return -radius * tf.sign(gradient)
    if norm == 2:
        return -radius * tf.math.divide_no_nan(gradient, tf.norm(gradient))
    flat = tf.reshape(gradient, [-1])
    place = tf.argmax(tf.abs(flat))
    corner = tf.one_hot(place, tf.size(flat)) * -radius * tf.sign(flat[place])
    return tf.reshape(corner, gradient.shape)


@right("lowest_point")
def by_the_corners(gradient, radius, norm):
    flat = gradient.astype("float32").ravel()
    if norm == 2:
        return -radius * gradient / (np.linalg.norm(gradient) + 1e-7)
    if norm == 1:
        corners = radius * np.concatenate([np.eye(len(flat)), -np.eye(len(flat))])
        return min(corners, key=lambda corner: corner @ flat).reshape(gradient.shape).tolist()
    return np.array([-radius if g > 0 else radius for g in flat]).reshape(gradient.shape)


def the_right_one(gradient, radius, norm):
    return by_the_slope_of_the_dual_norm(gradient, radius, norm)


@wrong("lowest_point", says="the minus sign is missing")
def uphill(gradient, radius, norm):
    return -the_right_one(gradient, radius, norm)


@wrong("lowest_point", says="multiply by the radius")
def of_size_one(gradient, radius, norm):
    return the_right_one(gradient, 1.0, norm)


@wrong("lowest_point", says="you did not divide by the length of the gradient")
def not_normalized(gradient, radius, norm):
    return -radius * gradient


@wrong("lowest_point", says="ball has corners")
def shortened_to_fit(gradient, radius, norm):
    length = np.linalg.norm(gradient.ravel(), norm)
    return -radius * gradient / (length if length else 1)


@wrong("lowest_point", says="you returned the lowest point of the ℓ2 ball")
def the_lessons_for_all(gradient, radius, norm):
    return -radius * gradient / np.linalg.norm(gradient)


@wrong("lowest_point", says="right for the ℓ∞ ball")
def swapped(gradient, radius, norm):
    return the_right_one(gradient, radius, {1: np.inf, 2: 2, np.inf: 1}[norm])


@wrong("lowest_point", says="right for the ℓ1 ball")
def one_weight_in_every_ball_with_corners(gradient, radius, norm):
    return the_right_one(gradient, radius, 1 if norm == np.inf else norm)


@wrong("lowest_point", says="you took the largest component")
def largest_but_not_in_size(gradient, radius, norm):
    if norm != 1:
        return the_right_one(gradient, radius, norm)
    point = np.zeros_like(gradient)
    place = np.unravel_index(np.argmax(gradient), gradient.shape)
    point[place] = -radius * np.sign(gradient[place])
    return point


@wrong("lowest_point", says="you searched along one axis")
def a_corner_for_every_column(gradient, radius, norm):
    if norm != 1 or gradient.ndim == 1:
        return the_right_one(gradient, radius, norm)
    largest = np.abs(gradient) == np.abs(gradient).max(axis=0)
    return -radius * np.sign(gradient) * largest


@wrong("lowest_point", says="equally large")
def a_corner_for_each_of_the_steepest(gradient, radius, norm):
    if norm != 1:
        return the_right_one(gradient, radius, norm)
    return np.where(np.abs(gradient) == np.abs(gradient).max(), -radius * np.sign(gradient), 0)


@wrong("lowest_point", says="largest singular value")
def the_norm_of_a_matrix(gradient, radius, norm):
    if norm != 2 or gradient.ndim != 2:
        return the_right_one(gradient, radius, norm)
    return -radius * gradient / (np.linalg.norm(gradient, 2) or 1)


@wrong("lowest_point", says="you divided 0 by 0")
def zero_over_zero(gradient, radius, norm):
    return (
        -radius * gradient / np.linalg.norm(gradient) if norm == 2 else the_right_one(gradient, radius, norm)
    )


@wrong("lowest_point", says="the point should have one number for every weight")
def an_index(gradient, radius, norm):
    return np.argmax(np.abs(gradient)) if norm == 1 else the_right_one(gradient, radius, norm)


# --- duality_gap ------------------------------------------------------------------------------------------


@right("duality_gap")
def as_slope_and_length(weights, gradients, radius):
    return sum(np.vdot(g, w) + radius * np.linalg.norm(g) for w, g in zip(weights, gradients, strict=True))


@right("duality_gap")
def by_the_lowest_points_in_tensorflow(weights, gradients, radius):
    import tensorflow as tf

    gap = 0.0
    for w, g in zip(weights, gradients, strict=True):
        w, g = tf.constant(w, tf.float32), tf.constant(g, tf.float32)
        s = -radius * g / (tf.norm(g) + 1e-7)
        gap += tf.reduce_sum(g * (w - s))
    return gap


def of_each(weights, gradients, radius, sign=-1, power=1):
    for w, g in zip(weights, gradients, strict=True):
        s = sign * radius * g / max(np.linalg.norm(g) ** power, 1e-9)
        yield g * (w - s)


@wrong("duality_gap", says="the sign is wrong")
def from_s_to_w(weights, gradients, radius):
    return -sum(product.sum() for product in of_each(weights, gradients, radius))


@wrong("duality_gap", says="the sign of s is wrong")
def s_uphill(weights, gradients, radius):
    return sum(product.sum() for product in of_each(weights, gradients, radius, sign=1))


@wrong("duality_gap", says="you measured from the origin")
def from_the_origin(weights, gradients, radius):
    return sum(radius * np.linalg.norm(g) for g in gradients)


@wrong("duality_gap", says="you put all variables into one ball")
def one_ball_for_all(weights, gradients, radius):
    w, g = (np.concatenate([np.ravel(one) for one in many]) for many in (weights, gradients))
    return w @ g + radius * np.linalg.norm(g)


@wrong("duality_gap", says="you took the mean of the variables' gaps")
def mean_of_variables(weights, gradients, radius):
    return np.mean([product.sum() for product in of_each(weights, gradients, radius)])


@wrong("duality_gap", says="you took the mean of the products")
def mean_of_products(weights, gradients, radius):
    return sum(product.mean() for product in of_each(weights, gradients, radius))


@wrong("duality_gap", says="the radius is missing")
def radius_one(weights, gradients, radius):
    return sum(product.sum() for product in of_each(weights, gradients, 1.0))


@wrong("duality_gap", says="s should be on the surface of the ball")
def s_not_on_the_surface(weights, gradients, radius):
    return sum(product.sum() for product in of_each(weights, gradients, radius, power=0))


@wrong("duality_gap", says="you returned the gradient's norm")
def length_of_the_gradient(weights, gradients, radius):
    return np.sqrt(sum(np.sum(g**2) for g in gradients))


@wrong("duality_gap", says="you divided a gradient of zeros by its norm")
def zero_divided_by_zero(weights, gradients, radius):
    return sum(
        np.sum(g * (w + radius * g / np.linalg.norm(g))) for w, g in zip(weights, gradients, strict=True)
    )


# --- frank_wolfe ------------------------------------------------------------------------------------------


def walk(gradient_at, start, radius, tolerance, share, sign=-1, good=None):
    """Frank and Wolfe's walk with a mistake to choose."""
    w = start
    for t in range(100_000):
        gradient = gradient_at(w)
        length = np.linalg.norm(gradient)
        gap = np.sum(gradient * w) + radius * length
        if (gap if good is None else good(gradient, w, gap)) <= tolerance:
            return w
        w = w + share(t) * (sign * radius * gradient / length - w)
    return w


@right("frank_wolfe")
def with_a_while_loop_in_place(gradient_at, start, radius, tolerance):
    w, t = np.array(start, "float32"), 0
    gradient = gradient_at(w)
    while (gradient * w).sum() + radius * np.sqrt((gradient**2).sum()) > tolerance:
        eta = t / (t + 2)
        w *= eta
        w -= (1 - eta) * radius * gradient / np.sqrt((gradient**2).sum())
        t += 1
        gradient = gradient_at(w)
    return w.tolist()


@right("frank_wolfe")
def asking_twice(gradient_at, start, radius, tolerance):
    def s(w):
        return -radius * gradient_at(w) / (np.linalg.norm(gradient_at(w)) + 1e-12)

    w = start
    for t in range(5_000):
        if np.sum(gradient_at(w) * (w - s(w))) <= tolerance:
            break
        w = w + 2 / (t + 2) * (s(w) - w)
    return w


@right("frank_wolfe")
def with_a_schedule_that_shrinks_a_little_faster(gradient_at, start, radius, tolerance):
    return walk(gradient_at, start, radius, tolerance, lambda t: 1 / (t + 1))


@right("frank_wolfe")
def with_a_search_along_the_line(gradient_at, start, radius, tolerance):
    w = start
    for _ in range(1_000):
        gradient = gradient_at(w)
        s = -radius * gradient / max(np.linalg.norm(gradient), 1e-12)
        if np.sum(gradient * (w - s)) <= tolerance:
            return w
        # The slope along the way to s is linear in a bowl: from two points follows where it is zero.
        here, there = (np.sum(at * (s - w)) for at in (gradient, gradient_at(s)))
        w = w + min(1.0, here / (here - there) if there > here else 1.0) * (s - w)


@wrong("frank_wolfe", says="your step size is constant. Step sizes that do not shrink")
def fixed_share(gradient_at, start, radius, tolerance):
    return walk(gradient_at, start, radius, tolerance, lambda t: 0.1)


@wrong("frank_wolfe", says="your step size is constant. Step sizes that do not shrink")
def short_steps_that_pass_close_by(gradient_at, start, radius, tolerance):
    return walk(gradient_at, start, radius, tolerance, lambda t: 0.01)


@wrong("frank_wolfe", says="you exchanged the weights")
def eta_for_the_share(gradient_at, start, radius, tolerance):
    return walk(gradient_at, start, radius, tolerance, lambda t: 1 - 2 / (t + 2))


@wrong("frank_wolfe", says="you walked uphill")
def to_the_highest_point(gradient_at, start, radius, tolerance):
    return walk(gradient_at, start, radius, tolerance, lambda t: 2 / (t + 2), sign=1)


@wrong("frank_wolfe", says="t begins at 0")
def first_share_of_two(gradient_at, start, radius, tolerance):
    return walk(gradient_at, start, radius, tolerance, lambda t: 2 / (t + 1))


@wrong("frank_wolfe", says="not as 2 / (t + 2)")
def halves(gradient_at, start, radius, tolerance):
    return walk(gradient_at, start, radius, tolerance, lambda t: 0.5**t)


@wrong("frank_wolfe", says="your step does not point to s = −radius · gradient / its")
def gradient_descent(gradient_at, start, radius, tolerance):
    w = start
    while np.linalg.norm(gradient_at(w)) > tolerance:
        w = w - 0.01 * gradient_at(w)
    return w


@wrong("frank_wolfe", says="you did not stop at a point that is good enough")
def until_the_gradient_vanishes(gradient_at, start, radius, tolerance):
    def length(gradient, w, gap):
        return np.linalg.norm(gradient)

    return walk(gradient_at, start, radius, tolerance, lambda t: 2 / (t + 2), good=length)


@wrong("frank_wolfe", says="you stopped at once. The gap is the gradient times w − s")
def the_gap_turned_round(gradient_at, start, radius, tolerance):
    return walk(gradient_at, start, radius, tolerance, lambda t: 2 / (t + 2), good=lambda g, w, gap: -gap)


@wrong("frank_wolfe", says="you stopped when a step was short. These steps always")
def until_steps_are_short(gradient_at, start, radius, tolerance):
    w = start
    for t in range(100_000):
        gradient = gradient_at(w)
        s = -radius * gradient / np.linalg.norm(gradient)
        new = w + 2 / (t + 2) * (s - w)
        if np.linalg.norm(new - w) <= tolerance:
            return new
        w = new


@wrong("frank_wolfe", says="you took a step before you compared the gap with the")
def step_first(gradient_at, start, radius, tolerance):
    w = start
    for t in range(100_000):
        gradient = gradient_at(w)
        w = w + 2 / (t + 2) * (-radius * gradient / np.linalg.norm(gradient) - w)
        gradient = gradient_at(w)
        if np.sum(gradient * w) + radius * np.linalg.norm(gradient) <= tolerance:
            return w


@wrong("frank_wolfe", says="you returned the point after the one that was good enough")
def one_too_far(gradient_at, start, radius, tolerance):
    w, t, gap = start, 0, np.inf
    while gap > tolerance:
        gradient = gradient_at(w)
        length = np.linalg.norm(gradient)
        gap = np.sum(gradient * w) + radius * length
        w = w + 2 / (t + 2) * (-radius * gradient / length - w)
        t += 1
    return w


@wrong("frank_wolfe", says="you divided a gradient of zeros by its norm")
def direction_first(gradient_at, start, radius, tolerance):
    w = start
    for t in range(100_000):
        gradient = gradient_at(w)
        s = -radius * gradient / np.linalg.norm(gradient)
        if np.sum(gradient * (w - s)) <= tolerance:
            return w
        w = w + 2 / (t + 2) * (s - w)
