"""Answers to lesson 00's exercises."""

import math
import statistics

import numpy as np
from scipy import stats

from answers import right, wrong

# --- steps_and_calls --------------------------------------------------------------------------------------


@right("steps_and_calls")
def by_rounding_up(images, batch_size, epochs, steps_per_execution):
    steps = math.ceil(images / batch_size)
    return [epochs * steps, epochs * math.ceil(steps / steps_per_execution)]


@right("steps_and_calls")
def by_counting(images, batch_size, epochs, steps_per_execution):
    steps = calls = 0
    for _ in range(epochs):
        for step in range(len(range(0, images, batch_size))):
            calls += step % steps_per_execution == 0
            steps += 1
    return np.array([steps, calls], "float32")


@right("steps_and_calls")
def by_numpys_ceil(images, batch_size, epochs, steps_per_execution):
    steps = np.ceil(images / batch_size)
    return epochs * steps, epochs * np.ceil(steps / steps_per_execution)


@wrong("steps_and_calls", says="the smaller last batch")
def the_rest_dropped(images, batch_size, epochs, steps_per_execution):
    steps = images // batch_size
    return epochs * steps, epochs * math.ceil(steps / steps_per_execution)


@wrong("steps_and_calls", says="you rounded up once for all epochs")
def batches_across_epochs(images, batch_size, epochs, steps_per_execution):
    steps = math.ceil(epochs * images / batch_size)
    return steps, math.ceil(steps / steps_per_execution)


@wrong("steps_and_calls", says="you did not round")
def not_rounded(images, batch_size, epochs, steps_per_execution):
    steps = epochs * images / batch_size
    return steps, steps / steps_per_execution


@wrong("steps_and_calls", says="no call continues into the next epoch")
def groups_across_epochs(images, batch_size, epochs, steps_per_execution):
    steps = epochs * math.ceil(images / batch_size)
    return steps, math.ceil(steps / steps_per_execution)


@wrong("steps_and_calls", says="the last call of an epoch counts")
def whole_groups_only(images, batch_size, epochs, steps_per_execution):
    steps = math.ceil(images / batch_size)
    return epochs * steps, epochs * (steps // steps_per_execution)


@wrong("steps_and_calls", says="the steps of one epoch")
def one_epoch(images, batch_size, epochs, steps_per_execution):
    steps = math.ceil(images / batch_size)
    return steps, math.ceil(steps / steps_per_execution)


@wrong("steps_and_calls", says="you added one batch even where the batch size divides the")
def always_one_more(images, batch_size, epochs, steps_per_execution):
    steps = images // batch_size + 1
    return epochs * steps, epochs * (steps // steps_per_execution + 1)


@wrong("steps_and_calls", says="the order is wrong")
def the_other_order(images, batch_size, epochs, steps_per_execution):
    return by_rounding_up(images, batch_size, epochs, steps_per_execution)[::-1]


@wrong("steps_and_calls", says="expected 2 values (steps, calls)")
def only_the_steps(images, batch_size, epochs, steps_per_execution):
    return by_rounding_up(images, batch_size, epochs, steps_per_execution)[0]


# --- standardize_splits -----------------------------------------------------------------------------------


@right("standardize_splits")
def pixel_by_pixel(x_train, x_test):
    train, test = np.empty(x_train.shape, "float32"), np.empty(x_test.shape, "float32")
    for row in range(x_train.shape[1]):
        for column in range(x_train.shape[2]):
            values = x_train[:, row, column]
            mean, deviation = values.mean(), values.std()
            train[:, row, column] = (values - mean) / (deviation or 1)
            test[:, row, column] = (x_test[:, row, column] - mean) / (deviation or 1)
    return train, test


@right("standardize_splits")
def flat_and_as_a_sample(x_train, x_test):
    train = np.reshape(x_train, (len(x_train), -1)).astype("float32")
    test = np.reshape(x_test, (len(x_test), -1)).astype("float32")
    mean, deviation = train.mean(axis=0), train.std(axis=0, ddof=1)
    deviation[deviation < 1e-6] = 1
    return [((x - mean) / deviation).reshape(-1, *x_train.shape[1:]) for x in (train, test)]


@right("standardize_splits")
def by_tensors(x_train, x_test):
    import tensorflow as tf

    train, test = tf.cast(x_train, tf.float32), tf.cast(x_test, tf.float32)
    mean, variance = tf.nn.moments(train, axes=[0])
    deviation = tf.where(variance == 0, 1.0, tf.sqrt(variance))
    return (train - mean) / deviation, (test - mean) / deviation


def _by(x, mean, deviation):
    return (x - mean) / np.where(deviation == 0, 1, deviation)


@wrong("standardize_splits", says="you used mean and deviation of all images together")
def pooled(x_train, x_test):
    x = np.concatenate([x_train, x_test])
    return [_by(part, x.mean(axis=0), x.std(axis=0)) for part in (x_train, x_test)]


@wrong("standardize_splits", says="you used the test images' own mean and deviation")
def each_by_itself(x_train, x_test):
    return [_by(x, x.mean(axis=0), x.std(axis=0)) for x in (x_train, x_test)]


@wrong("standardize_splits", says="one deviation for all pixels")
def one_mean_for_all(x_train, x_test):
    return [_by(x, x_train.mean(), x_train.std()) for x in (x_train, x_test)]


@wrong("standardize_splits", says="you took the mean of each image")
def image_by_image(x_train, x_test):
    return [
        _by(x, x.mean(axis=(1, 2), keepdims=True), x.std(axis=(1, 2), keepdims=True))
        for x in (x_train, x_test)
    ]


@wrong("standardize_splits", says="you divided by the variance")
def by_the_variance(x_train, x_test):
    return [_by(x, x_train.mean(axis=0), x_train.var(axis=0)) for x in (x_train, x_test)]


@wrong("standardize_splits", says="you divided by zero")
def unprotected(x_train, x_test):
    return [(x - x_train.mean(axis=0)) / x_train.std(axis=0) for x in (x_train, x_test)]


@wrong("standardize_splits", says="into a giant")
def nearly_unprotected(x_train, x_test):
    return [(x - x_train.mean(axis=0)) / (x_train.std(axis=0) + 1e-7) for x in (x_train, x_test)]


@wrong("standardize_splits", says="a pixel that is constant in training may vary later")
def silenced(x_train, x_test):
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    return [np.where(deviation == 0, 0, _by(x, mean, deviation)) for x in (x_train, x_test)]


@wrong("standardize_splits", says="in place")
def spoiling_the_input(x_train, x_test):
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    right_ones = [_by(x, mean, deviation) for x in (x_train, x_test)]
    x_train -= mean.astype(x_train.dtype)
    return right_ones


# --- further_run ------------------------------------------------------------------------------------------


@right("further_run")
def by_scipys_interval(values):
    n = len(values)
    scale = statistics.stdev(map(float, values)) * math.sqrt((n + 1) / n)
    return stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=scale)


@right("further_run")
def by_a_printed_table(values):
    t = {2: 12.706, 3: 4.303, 5: 2.776, 20: 2.093}[len(values)]
    mean = sum(values) / len(values)
    spread = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    return np.float32(
        [mean - t * spread * (1 + 1 / len(values)) ** 0.5, mean + t * spread * (1 + 1 / len(values)) ** 0.5]
    )


def _around(values, half):
    return np.mean(values) - half, np.mean(values) + half


def _t(values):
    return stats.t.ppf(0.975, len(values) - 1)


@wrong("further_run", says="that is the range for the mean")
def of_the_mean(values):
    return _around(values, _t(values) * stats.sem(values))


@wrong("further_run", says="the mean of n runs is uncertain too")
def as_if_the_mean_were_known(values):
    return _around(values, _t(values) * np.std(values, ddof=1))


@wrong("further_run", says="you used the normal distribution")
def by_the_normal_distribution(values):
    return _around(values, 1.96 * np.std(values, ddof=1) * np.sqrt(1 + 1 / len(values)))


@wrong("further_run", says="you used 2 standard deviations")
def two_deviations(values):
    return _around(values, 2 * np.std(values, ddof=1))


@wrong("further_run", says="NumPy's standard deviation divides by n")
def numpys_deviation(values):
    return _around(values, _t(values) * np.std(values) * np.sqrt(1 + 1 / len(values)))


@wrong("further_run", says="leaves 2.5 % on each side")
def one_sided(values):
    quantile = stats.t.ppf(0.95, len(values) - 1)
    return _around(values, quantile * np.std(values, ddof=1) * np.sqrt(1 + 1 / len(values)))


@wrong("further_run", says="degrees of freedom")
def one_degree_too_many(values):
    quantile = stats.t.ppf(0.975, len(values))
    return _around(values, quantile * np.std(values, ddof=1) * np.sqrt(1 + 1 / len(values)))


@wrong("further_run", says="you used the variance")
def without_the_root(values):
    return _around(values, _t(values) * np.var(values, ddof=1) * np.sqrt(1 + 1 / len(values)))


@wrong("further_run", says="you returned the smallest and the largest run")
def from_worst_to_best(values):
    return min(values), max(values)


@wrong("further_run", says="mean and half the width")
def mean_and_half_the_width(values):
    return np.mean(values), _t(values) * np.std(values, ddof=1) * np.sqrt(1 + 1 / len(values))
