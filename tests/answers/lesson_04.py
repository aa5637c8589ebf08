"""Answers to lesson 04's exercises."""

import numpy as np

from answers import right, wrong

# --- numerical_gradient -----------------------------------------------------------------------------------


@right("numerical_gradient")
def by_unit_vectors(loss, x):
    x = np.asarray(x, "float64")
    units = np.eye(x.size).reshape(-1, *x.shape)
    return np.reshape([(loss(x + 1e-5 * unit) - loss(x - 1e-5 * unit)) / 2e-5 for unit in units], x.shape)


@right("numerical_gradient")
def by_four_points(loss, x, step=1e-3):
    """The rule of fourth order, with longer steps; in place, and put back."""
    x = x.astype("longdouble")
    gradient = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        old, values = x[place], {}
        for k in (-2, -1, 1, 2):
            x[place] = old + k * step
            values[k] = loss(x)
        x[place] = old
        gradient[place] = (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * step)
    return gradient


def differences(loss, x, step=1e-6, one_sided=False, divide_by=2.0):
    x = np.array(x, "float64")
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        old = x[place]
        x[place] = old + step
        ahead = loss(x)
        x[place] = old if one_sided else old - step
        gradient[place] = (ahead - loss(x)) / (divide_by * step)
        x[place] = old
    return gradient


@wrong("numerical_gradient", says="you stepped to one side only")
def forward_only(loss, x):
    return differences(loss, x, one_sided=True, divide_by=1)


@wrong("numerical_gradient", says="you divided by h")
def divided_by_one_step(loss, x):
    return differences(loss, x, divide_by=1)


@wrong("numerical_gradient", says="you divided by 4h")
def divided_by_four_steps(loss, x):
    return differences(loss, x, divide_by=4)


@wrong("numerical_gradient", says="the sign is wrong")
def backward_minus_forward(loss, x):
    return differences(loss, x, step=-1e-6, divide_by=-2)


@wrong("numerical_gradient", says="your step is too short ")
def the_shortest_step(loss, x):
    return differences(loss, x, step=1e-13)


@wrong("numerical_gradient", says="the gradient should have the shape of `x`")
def flat(loss, x):
    return differences(loss, x).ravel()


@wrong("numerical_gradient", says="you changed `x`")
def left_behind(loss, x):
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        x[place] += 1e-6
        ahead = loss(x)
        x[place] -= 2e-6
        gradient[place] = (ahead - loss(x)) / 2e-6
    return gradient


def in_the_arrays_own_kind(loss, x, kind):
    gradient = np.zeros(x.shape, kind)
    for place in np.ndindex(x.shape):
        ahead, behind = x.astype(kind), x.astype(kind)
        ahead[place] += 1e-6
        behind[place] -= 1e-6
        gradient[place] = (loss(ahead) - loss(behind)) / 2e-6
    return gradient


@wrong("numerical_gradient", says="a small step gets lost in single precision")
def in_single_precision(loss, x):
    return in_the_arrays_own_kind(loss, x, x.dtype)


@wrong("numerical_gradient", says="integer arrays cannot hold fractions")
def in_whole_numbers(loss, x):
    return in_the_arrays_own_kind(loss, x, int if x.dtype.kind == "i" else "float64")


# --- rms_backward -----------------------------------------------------------------------------------------


def parts(x, dy, gamma, epsilon):
    r = np.sqrt((x**2).mean(axis=1, keepdims=True) + epsilon)
    return r, x / r, gamma * dy


@right("rms_backward")
def by_the_quotient_rule(dy, x, gamma, epsilon=1e-6):
    square = (x * x).sum(axis=1)[:, None] / x.shape[1] + epsilon
    back = dy * gamma
    dx = back * square**-0.5 - x * (back * x).sum(axis=1)[:, None] / x.shape[1] * square**-1.5
    return dx, np.einsum("ij,ij->j", dy, x * square**-0.5)


@right("rms_backward")
def by_jacobians(dy, x, gamma, epsilon=1e-6):
    """An n×n matrix for each example; in single precision."""
    dy, x, gamma = (np.asarray(value, "float32") for value in (dy, x, gamma))
    dx, dgamma = [], np.zeros_like(gamma)
    for dy_one, x_one in zip(dy, x, strict=True):
        r = np.sqrt(x_one @ x_one / len(x_one) + np.float32(epsilon))
        jacobian = np.eye(len(x_one)) / r - np.outer(x_one, x_one) / (len(x_one) * r**3)
        dx.append(jacobian @ (gamma * dy_one))
        dgamma += dy_one * x_one / r
    return [np.array(dx), dgamma]


@right("rms_backward")
def by_exercise_one(dy, x, gamma, epsilon=1e-6):
    def loss(x, gamma):
        return (dy * gamma * parts(x, dy, gamma, epsilon)[1]).sum()

    return by_unit_vectors(lambda x: loss(x, gamma), x), by_unit_vectors(lambda gamma: loss(x, gamma), gamma)


def mean(values, axis=1):
    return values.mean(axis=axis, keepdims=True)


# Wrong ways to dx, each with the right dgamma.
WRONG_DX = {
    "you treated r as a constant": lambda r, n, back, dy, x: back / r,
    "RMS normalization subtracts no mean": lambda r, n, back, dy, x: (
        (back - mean(back) - n * mean(back * n)) / r
    ),
    "gamma is missing": lambda r, n, back, dy, x: (dy - n * mean(dy * n)) / r,
    "a sum over the features where the mean": lambda r, n, back, dy, x: (
        (back - n * (back * n).sum(axis=1, keepdims=True)) / r
    ),
    "the sign of the path through r": lambda r, n, back, dy, x: (back + n * mean(back * n)) / r,
    "the division by r is missing": lambda r, n, back, dy, x: back - n * mean(back * n),
    "over the features, axis 1": lambda r, n, back, dy, x: (back - n * mean(back * n, 0)) / r,
    "you took one mean of all values": lambda r, n, back, dy, x: (back - n * (back * n).mean()) / r,
    "you used x; use the normalized x": lambda r, n, back, dy, x: (back - x * mean(back * x)) / r,
}
for says, wrong_dx in WRONG_DX.items():

    def with_wrong_dx(dy, x, gamma, epsilon=1e-6, wrong_dx=wrong_dx):
        r, x_hat, back = parts(x, dy, gamma, epsilon)
        return wrong_dx(r, x_hat, back, dy, x), (dy * x_hat).sum(axis=0)

    wrong("rms_backward", says=says)(with_wrong_dx)


@wrong("rms_backward", says="you left epsilon out of r")
def without_epsilon(dy, x, gamma, epsilon=1e-6):
    return by_the_quotient_rule(dy, x, gamma, 0)


@wrong("rms_backward", says="dgamma, dx")
def turned_round(dy, x, gamma, epsilon=1e-6):
    return by_the_quotient_rule(dy, x, gamma, epsilon)[::-1]


@wrong("rms_backward", says="expected 2 values (dx, dgamma)")
def only_dx(dy, x, gamma, epsilon=1e-6):
    return by_the_quotient_rule(dy, x, gamma, epsilon)[0]


# Wrong ways to dgamma, each with the right dx.
WRONG_DGAMMA = {
    "you took the mean over the examples; take the sum": lambda r, n, dy, x, gamma: (dy * n).mean(axis=0),
    "over the examples, axis 0": lambda r, n, dy, x, gamma: (dy * n).sum(axis=1),
    "you did not sum over the examples": lambda r, n, dy, x, gamma: dy * n,
    "the gradient of an offset": lambda r, n, dy, x, gamma: dy.sum(axis=0),
    "you multiplied by x; multiply by": lambda r, n, dy, x, gamma: (dy * x).sum(axis=0),
    "you multiplied by gamma": lambda r, n, dy, x, gamma: (gamma * dy * n).sum(axis=0),
}
for says, wrong_dgamma in WRONG_DGAMMA.items():

    def with_wrong_dgamma(dy, x, gamma, epsilon=1e-6, wrong_dgamma=wrong_dgamma):
        r, x_hat, _ = parts(x, dy, gamma, epsilon)
        return by_the_quotient_rule(dy, x, gamma, epsilon)[0], wrong_dgamma(r, x_hat, dy, x, gamma)

    wrong("rms_backward", says=says)(with_wrong_dgamma)


# --- pooled_statistics ------------------------------------------------------------------------------------


@right("pooled_statistics")
def one_batch_after_the_other(means, variances, sizes):
    """Merge two at a time, as one would in a loop over batches."""
    mean, variance, n = means[0], variances[0], sizes[0]
    for other, spread, m in zip(means[1:], variances[1:], sizes[1:], strict=True):
        gap = other - mean
        mean = mean + gap * m / (n + m)
        variance = (n * variance + m * spread) / (n + m) + gap**2 * n * m / (n + m) ** 2
        n = n + m
    return mean, variance


@right("pooled_statistics")
def by_mean_squares(means, variances, sizes):
    mean = np.average(means, axis=0, weights=sizes)
    return np.stack([mean, np.average(variances + means**2, axis=0, weights=sizes) - mean**2])


@right("pooled_statistics")
def by_making_up_images(means, variances, sizes):
    """For each batch two images to either side of its mean, as heavy as the batch."""
    both = np.stack([means - np.sqrt(variances), means + np.sqrt(variances)])
    weights = np.stack([sizes, sizes])[..., None] / (2 * sum(sizes))
    mean = (weights * both).sum(axis=(0, 1))
    return mean, (weights * (both - mean) ** 2).sum(axis=(0, 1))


@wrong("pooled_statistics", says="you averaged the batches' variances")
def within(means, variances, sizes):
    return np.average(means, axis=0, weights=sizes), np.average(variances, axis=0, weights=sizes)


@wrong("pooled_statistics", says="you took the variance of the batches' means only")
def between(means, variances, sizes):
    mean = np.average(means, axis=0, weights=sizes)
    return mean, np.average((means - mean) ** 2, axis=0, weights=sizes)


@wrong("pooled_statistics", says="weight each by its size")
def every_batch_alike(means, variances, sizes):
    return means.mean(axis=0), variances.mean(axis=0) + means.var(axis=0)


@wrong("pooled_statistics", says="you returned the standard deviation")
def a_deviation(means, variances, sizes):
    mean, variance = by_mean_squares(means, variances, sizes)
    return mean, np.sqrt(variance)


@wrong("pooled_statistics", says="you returned the mean of the squares")
def a_mean_square(means, variances, sizes):
    return np.average(means, axis=0, weights=sizes), np.average(variances + means**2, axis=0, weights=sizes)


@wrong("pooled_statistics", says="you divided by n - 1")
def of_a_sample(means, variances, sizes):
    mean, variance = by_mean_squares(means, variances, sizes)
    return mean, variance * sizes.sum() / (sizes.sum() - 1)


@wrong("pooled_statistics", says="you used n - 1 for the variance of the batches' means")
def batches_as_a_sample(means, variances, sizes):
    mean, spread = within(means, variances, sizes)
    return mean, spread + means.var(axis=0, ddof=1)


@wrong("pooled_statistics", says="which is right for random batches only")
def as_the_paper_has_it(means, variances, sizes):
    return within(means, variances * (sizes / (sizes - 1))[:, None], sizes)


@wrong("pooled_statistics", says="the correction is too much")
def corrected_twice(means, variances, sizes):
    return by_mean_squares(means, variances * (sizes / (sizes - 1))[:, None], sizes)


@wrong("pooled_statistics", says="you did not divide by the number of images")
def sums(means, variances, sizes):
    return sizes @ means, sizes @ variances


@wrong("pooled_statistics", says="mean first")
def variance_first(means, variances, sizes):
    return by_mean_squares(means, variances, sizes)[::-1]
