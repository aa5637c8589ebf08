"""Answers to lesson 05's exercises."""

import numpy as np

from answers import right, wrong


def tensorflow():
    """TensorFlow, loaded by the answers that use it."""
    import tensorflow as tf

    return tf


def over_inputs(v, measure):
    """What a measure says of each unit's weights, in one column per unit."""
    return measure(v.reshape(-1, v.shape[-1]))


def norms(v):
    return over_inputs(v, lambda columns: np.sqrt((columns**2).sum(axis=0)))


# --- folded_kernel ----------------------------------------------------------------------------------------


@right("folded_kernel")
def by_tensorflow(v, g):
    tf = tensorflow()
    return tf.nn.l2_normalize(v, axis=list(range(len(v.shape) - 1))) * g


@right("folded_kernel")
def filter_by_filter(v, g):
    kernel = np.empty(v.shape)
    for unit, length in enumerate(g):
        kernel[..., unit] = length * v[..., unit] / np.linalg.norm(v[..., unit].ravel())
    return kernel


@right("folded_kernel")
def as_a_list(v, g):
    columns = v.reshape(-1, len(g))
    return (columns @ np.diag(g / np.linalg.norm(columns, axis=0))).reshape(v.shape).tolist()


@wrong("folded_kernel", says="you used one norm for the whole kernel")
def one_norm(v, g):
    return g * v / np.linalg.norm(v)


@wrong("folded_kernel", says="you took the norm along the last axis")
def along_the_units(v, g):
    return g * v / np.linalg.norm(v, axis=-1, keepdims=True)


@wrong("folded_kernel", says="a filter's norm is over all axes but the last")
def as_for_a_dense_layer(v, g):
    return g * v / np.linalg.norm(v, axis=0)


@wrong("folded_kernel", says="a filter's norm is over all axes but the last")
def over_positions(v, g):
    axes = (0, 1) if v.ndim == 4 else 0
    return g * v / np.linalg.norm(v, axis=axes)


@wrong("folded_kernel", says="you divided by the sum of squares")
def without_root(v, g):
    return g * v / over_inputs(v, lambda columns: (columns**2).sum(axis=0))


@wrong("folded_kernel", says="g is missing")
def a_direction(v, g):
    return v / norms(v)


@wrong("folded_kernel", says="you did not divide v by its length")
def not_normalized(v, g):
    return g * v


@wrong("folded_kernel", says="you took the mean of the squares")
def by_the_mean_square(v, g):
    return g * v / over_inputs(v, lambda columns: np.sqrt((columns**2).mean(axis=0)))


@wrong("folded_kernel", says="you added absolute values")
def by_sizes(v, g):
    return g * v / over_inputs(v, lambda columns: np.abs(columns).sum(axis=0))


@wrong("folded_kernel", says="you used |g|")
def of_positive_length(v, g):
    return np.abs(g) * v / norms(v)


@wrong("folded_kernel", says="you multiplied the rows of v by g")
def rows_times_g(v, g):
    return g.reshape(-1, *[1] * (v.ndim - 1)) * v / norms(v)


@wrong("folded_kernel", says="still be training it")
def in_place(v, g):
    v *= g / norms(v)
    return v


# --- start_from_batch -------------------------------------------------------------------------------------


@right("start_from_batch")
def by_the_moments(v, x):
    tf = tensorflow()
    mean, variance = tf.nn.moments(tf.matmul(x, tf.nn.l2_normalize(v, axis=0)), [0])
    scale = tf.math.rsqrt(variance)
    return scale, -mean * scale


@right("start_from_batch")
def from_what_addons_takes(v, x):
    raw = x @ v
    addons = 1 / raw.std(axis=0)
    return norms(v) * addons, -raw.mean(axis=0) * addons


@right("start_from_batch")
def unit_by_unit(v, x):
    g, b = [], []
    for unit in range(v.shape[1]):
        w = v[:, unit] / np.linalg.norm(v[:, unit])
        outputs = [float(example @ w) for example in x]
        mean = sum(outputs) / len(outputs)
        spread = (sum((output - mean) ** 2 for output in outputs) / len(outputs)) ** 0.5
        g.append(1 / spread)
        b.append(-mean / spread)
    return [g, b]


def outputs_of(v, x):
    return x @ v / norms(v)


@wrong("start_from_batch", says="you used the deviation of v · x")
def as_addons_does(v, x):
    return 1 / (x @ v).std(axis=0), -(x @ v).mean(axis=0) / (x @ v).std(axis=0)


@wrong("start_from_batch", says="you divided by the variance")
def by_the_variance(v, x):
    t = outputs_of(v, x)
    return 1 / t.var(axis=0), -t.mean(axis=0) / t.var(axis=0)


@wrong("start_from_batch", says="you divided by n - 1")
def of_the_sample(v, x):
    t = outputs_of(v, x)
    return 1 / t.std(axis=0, ddof=1), -t.mean(axis=0) / t.std(axis=0, ddof=1)


@wrong("start_from_batch", says="you returned the standard deviation")
def times_the_spread(v, x):
    t = outputs_of(v, x)
    return t.std(axis=0), -t.mean(axis=0)


@wrong("start_from_batch", says="you took the mean square")
def around_zero(v, x):
    t = outputs_of(v, x)
    g = 1 / np.sqrt((t**2).mean(axis=0))
    return g, -g * t.mean(axis=0)


@wrong("start_from_batch", says="you took the deviation over the units")
def over_the_units(v, x):
    t = outputs_of(v, x)
    return 1 / t.std(axis=1), -t.mean(axis=1) / t.std(axis=1)


@wrong("start_from_batch", says="you used one deviation for all units")
def over_everything(v, x):
    t = outputs_of(v, x)
    return 1 / t.std(), -t.mean() / t.std()


@wrong("start_from_batch", says="a column")
def rows_normalized(v, x):
    t = x @ (v / np.linalg.norm(v, axis=1, keepdims=True))
    return 1 / t.std(axis=0), -t.mean(axis=0) / t.std(axis=0)


@wrong("start_from_batch", says="the order is wrong")
def bias_first(v, x):
    return by_the_moments(v, x)[::-1]


@wrong("start_from_batch", says="the sign")
def mean_added(v, x):
    g, b = from_what_addons_takes(v, x)
    return g, -b


@wrong("start_from_batch", says="g multiplies the mean too")
def mean_not_scaled(v, x):
    t = outputs_of(v, x)
    return 1 / t.std(axis=0), -t.mean(axis=0)


@wrong("start_from_batch", says="expected 2 values (g, b)")
def only_the_lengths(v, x):
    return 1 / outputs_of(v, x).std()


@wrong("start_from_batch", says="return one number for each unit")
def keeping_an_axis(v, x):
    t = outputs_of(v, x)
    g = 1 / t.std(axis=0, keepdims=True)
    return g, -g * t.mean(axis=0, keepdims=True)


# --- split_gradient ---------------------------------------------------------------------------------------


@right("split_gradient")
def by_the_tape(grad_w, v, g):
    tf = tensorflow()
    v, g = tf.Variable(v), tf.Variable(g)
    with tf.GradientTape() as tape:
        w = g * v / tf.sqrt(tf.reduce_sum(v**2, axis=list(range(len(v.shape) - 1))))
        loss = tf.reduce_sum(w * grad_w)
    return tape.gradient(loss, [v, g])


@right("split_gradient")
def by_a_projection(grad_w, v, g):
    grad_v, grad_g = np.empty(v.shape), []
    for unit in range(len(g)):
        column = v[..., unit].reshape(-1, 1).astype(float)
        length = np.linalg.norm(column)
        across = np.eye(len(column)) - column @ column.T / length**2
        gradient = grad_w[..., unit].reshape(-1, 1)
        grad_v[..., unit] = (g[unit] / length * across @ gradient).reshape(v.shape[:-1])
        grad_g.append((gradient.T @ column).item() / length)
    return grad_v, grad_g


@right("split_gradient")
def by_differences(grad_w, v, g):
    def loss(v, g):
        return np.sum(grad_w * (g * v / norms(v)))

    v, g, step = v.astype(float), g.astype(float), 1e-5
    gradients = []
    for which, array in enumerate((v, g)):
        gradient = np.empty(array.shape)
        for place in np.ndindex(array.shape):
            values = []
            for sign in (1, -1):
                moved = [v.copy(), g.copy()]
                moved[which][place] += sign * step
                values.append(loss(*moved))
            gradient[place] = (values[0] - values[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def sums(product):
    return product.reshape(-1, product.shape[-1]).sum(axis=0)


@wrong("split_gradient", says="you did not subtract the part along v")
def not_projected(grad_w, v, g):
    return g / norms(v) * grad_w, sums(grad_w * v) / norms(v)


@wrong("split_gradient", says="the factor g / ‖v‖ is missing")
def without_the_factor(grad_w, v, g):
    grad_g = sums(grad_w * v) / norms(v)
    return grad_w - grad_g * v / norms(v), grad_g


@wrong("split_gradient", says="‖v‖ is missing in")
def without_the_length(grad_w, v, g):
    grad_g = sums(grad_w * v) / norms(v)
    return g * (grad_w - grad_g * v / norms(v)), grad_g


@wrong("split_gradient", says="g is missing in the factor")
def without_g(grad_w, v, g):
    grad_g = sums(grad_w * v) / norms(v)
    return (grad_w - grad_g * v / norms(v)) / norms(v), grad_g


@wrong("split_gradient", says="you used |g|")
def of_a_positive_g(grad_w, v, g):
    grad_v, grad_g = by_differences(grad_w, v, np.abs(g))
    return grad_v, grad_g


@wrong("split_gradient", says="the part along v is ")
def on_v_itself(grad_w, v, g):
    return g / norms(v) * (grad_w - sums(grad_w * v) * v), sums(grad_w * v) / norms(v)


@wrong("split_gradient", says="you added the part along v")
def the_wrong_sign(grad_w, v, g):
    grad_g = sums(grad_w * v) / norms(v)
    return g / norms(v) * (grad_w + grad_g * v / norms(v)), grad_g


@wrong("split_gradient", says="projected the kernel as a whole")
def as_one_vector(grad_w, v, g):
    direction = v / np.linalg.norm(v)
    grad_g = np.sum(grad_w * direction)
    return g / np.linalg.norm(v) * (grad_w - grad_g * direction), grad_g


@wrong("split_gradient", says="you summed along the last axis")
def along_the_rows(grad_w, v, g):
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    grad_g = np.sum(grad_w * v / length, axis=-1, keepdims=True)
    return g / length * (grad_w - grad_g * v / length), grad_g[..., 0]


@wrong("split_gradient", says="a filter's sums are over all axes but the last")
def dense_layers_only(grad_w, v, g):
    length = np.linalg.norm(v, axis=0)
    grad_g = np.sum(grad_w * v / length, axis=0)
    return g / length * (grad_w - grad_g * v / length), grad_g


@wrong("split_gradient", says="the order is wrong")
def the_other_way_round(grad_w, v, g):
    return by_a_projection(grad_w, v, g)[::-1]


@wrong("split_gradient", says="you returned the part along v")
def the_other_part(grad_w, v, g):
    grad_g = sums(grad_w * v) / norms(v)
    return g / norms(v) * grad_g * v / norms(v), grad_g


@wrong("split_gradient", says="you did not divide v by its length.")
def dot_with_v(grad_w, v, g):
    return by_a_projection(grad_w, v, g)[0], sums(grad_w * v)


@wrong("split_gradient", says="you divided v by its length twice")
def divided_twice(grad_w, v, g):
    return by_a_projection(grad_w, v, g)[0], sums(grad_w * v) / norms(v) ** 2


@wrong("split_gradient", says="you did not add up the products over each unit's weights")
def not_added_up(grad_w, v, g):
    return by_a_projection(grad_w, v, g)[0], grad_w * v / norms(v)


@wrong("split_gradient", says="you multiplied by g")
def times_g(grad_w, v, g):
    grad_v, grad_g = by_a_projection(grad_w, v, g)
    return grad_v, g * np.array(grad_g)
