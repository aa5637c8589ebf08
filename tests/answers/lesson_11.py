"""Answers to lesson 11's exercises."""

import numpy as np

from answers import right, wrong

# --- capped_units -----------------------------------------------------------------------------------------


@right("capped_units")
def by_keras_in_float32(kernel, limit):
    import keras

    kernel = np.asarray(kernel, "float32")
    return keras.constraints.MaxNorm(limit, axis=list(range(kernel.ndim - 1)))(kernel)


@right("capped_units")
def unit_by_unit_in_place(kernel, limit):
    for unit in range(kernel.shape[-1]):
        length = np.sqrt((kernel[..., unit] ** 2).sum())
        if length > limit:
            kernel[..., unit] *= limit / length
    return kernel


@right("capped_units")
def as_one_matrix(kernel, limit):
    matrix = kernel.reshape(-1, kernel.shape[-1])
    return (matrix / np.maximum(1, np.linalg.norm(matrix, axis=0) / limit)).reshape(kernel.shape)


def lengths(kernel):
    return np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), axis=0)


@wrong("capped_units", says="you limited the rows")
def of_inputs(kernel, limit):
    return kernel * np.minimum(1, limit / np.linalg.norm(kernel, axis=-1, keepdims=True))


@wrong("capped_units", says="along the first axis only")
def as_keras_does_without_an_axis(kernel, limit):
    return kernel * np.minimum(1, limit / np.linalg.norm(kernel, axis=0, keepdims=True))


@wrong("capped_units", says="along height and width only")
def of_each_channel(kernel, limit):
    axes = (0, 1) if kernel.ndim == 4 else 0
    return kernel * np.minimum(1, limit / np.sqrt(np.sum(kernel**2, axis=axes, keepdims=True)))


@wrong("capped_units", says="the kernel as a whole")
def of_the_whole(kernel, limit):
    return kernel * min(1, limit / np.linalg.norm(kernel))


@wrong("capped_units", says="you limited each weight")
def clipped(kernel, limit):
    return np.clip(kernel, -limit, limit)


@wrong("capped_units", says="you lengthened units that are short enough")
def unit_norm(kernel, limit):
    return limit * kernel / lengths(kernel)


@wrong("capped_units", says="you used the sum of squares without its square root")
def without_the_root(kernel, limit):
    return kernel * np.minimum(1, limit / lengths(kernel) ** 2)


@wrong("capped_units", says="you divided by the norm but did not multiply by the limit")
def to_a_length_of_one(kernel, limit):
    return np.where(lengths(kernel) > limit, kernel / lengths(kernel), kernel)


@wrong("capped_units", says="you returned the kernel unchanged")
def the_other_way(kernel, limit):
    return kernel * np.maximum(1, limit / np.maximum(lengths(kernel), limit))


@wrong("capped_units", says="you set units that are too long to zero")
def removed(kernel, limit):
    return np.where(lengths(kernel) > limit, 0, kernel)


@wrong("capped_units", says="you divided by a norm of 0")
def zero_by_zero(kernel, limit):
    return kernel / lengths(kernel) * np.minimum(lengths(kernel), limit)


# --- alpha_affine -----------------------------------------------------------------------------------------


@right("alpha_affine")
def as_in_the_paper(rate, low):
    q = 1 - rate
    a = (q + low**2 * q * (1 - q)) ** -0.5
    return a, -a * (1 - q) * low


@right("alpha_affine")
def by_two_equations(rate, low):
    # Deviations of the two kinds from the common mean.
    mean = rate * low
    variance = (1 - rate) * (1 + (0 - mean) ** 2) + rate * (low - mean) ** 2
    return np.array([1, -mean], "float32") / np.sqrt(variance)


@right("alpha_affine")
def measured_on_even_quantiles(rate, low):
    kept = np.tile([-1.0, 1.0], 500) if rate < 1 else []
    weights = np.full(1000, (1 - rate) / 1000)
    mixture, weights = np.append(kept, low), np.append(weights, rate)
    mean = np.average(mixture, weights=weights)
    deviation = np.sqrt(np.average((mixture - mean) ** 2, weights=weights))
    return [1 / deviation, -mean / deviation]


def parts(rate, low):
    keep, mean = 1 - rate, rate * low
    return keep, mean, keep + rate * low**2 - mean**2


@wrong("alpha_affine", says="divide by its root")
def by_the_variance(rate, low):
    _, mean, variance = parts(rate, low)
    return 1 / variance, -mean / variance


@wrong("alpha_affine", says="subtract the square of the mean")
def by_the_mean_square(rate, low):
    keep, mean, _ = parts(rate, low)
    a = (keep + rate * low**2) ** -0.5
    return a, -a * mean


@wrong("alpha_affine", says="you left the dropped units out of the variance")
def the_kept_alone(rate, low):
    keep, mean, _ = parts(rate, low)
    return keep**-0.5, -mean * keep**-0.5


@wrong("alpha_affine", says="you did not multiply the mean by a")
def b_without_a(rate, low):
    _, mean, variance = parts(rate, low)
    return variance**-0.5, -mean


@wrong("alpha_affine", says="the sign of b is wrong")
def b_added(rate, low):
    _, mean, variance = parts(rate, low)
    return variance**-0.5, mean * variance**-0.5


@wrong("alpha_affine", says="you used `rate` as the share that is kept")
def rate_kept(rate, low):
    _, mean, variance = parts(1 - rate, low)
    return variance**-0.5, -mean * variance**-0.5


@wrong("alpha_affine", says="and b is missing")
def inverted_dropout(rate, low):
    return 1 / (1 - rate), 0.0


@wrong("alpha_affine", says="b is 0; it should subtract the mean")
def deviation_only(rate, low):
    return parts(rate, low)[2] ** -0.5, 0.0


@wrong("alpha_affine", says="you returned the deviation")
def deviation_and_mean(rate, low):
    _, mean, variance = parts(rate, low)
    return variance**0.5, -mean


@wrong("alpha_affine", says="a is positive")
def the_other_root(rate, low):
    _, mean, variance = parts(rate, low)
    return -(variance**-0.5), mean * variance**-0.5


@wrong("alpha_affine", says="return a first")
def b_first(rate, low):
    _, mean, variance = parts(rate, low)
    return -mean * variance**-0.5, variance**-0.5
