"""Answers to lesson 00's exercises."""

import math
import statistics

import numpy as np
from scipy import stats

from answers import right, wrong

# --- batch_orders -----------------------------------------------------------------------------------------


@right("batch_orders")
def by_shuffling_a_list(images, batch_size, epochs, rng):
    orders = []
    for _ in range(epochs):
        order = list(range(images))
        rng.shuffle(order)
        orders.append([order[first : first + batch_size] for first in range(0, images, batch_size)])
    return orders


@right("batch_orders")
def by_sorting_random_numbers(images, batch_size, epochs, rng):
    cuts = np.arange(batch_size, images, batch_size)
    return tuple(np.split(np.argsort(rng.random(images)), cuts) for _ in range(epochs))


@right("batch_orders")
def by_a_generator_of_batches(images, batch_size, epochs, rng):
    for _ in range(epochs):
        order = rng.choice(images, images, replace=False).astype("float32")
        yield cut(order, batch_size)


def cut(order, batch_size):
    return [order[first : first + batch_size] for first in range(0, len(order), batch_size)]


@wrong("batch_orders", says="you shuffled once for all epochs")
def the_same_every_epoch(images, batch_size, epochs, rng):
    return [cut(rng.permutation(images), batch_size)] * epochs


@wrong("batch_orders", says="you did not shuffle")
def in_their_order(images, batch_size, epochs, rng):
    return [cut(np.arange(images), batch_size) for _ in range(epochs)]


@wrong("batch_orders", says="you drew with replacement")
def with_replacement(images, batch_size, epochs, rng):
    return [cut(rng.integers(0, images, images), batch_size) for _ in range(epochs)]


@wrong("batch_orders", says="you dropped the smaller last batch")
def whole_batches_only(images, batch_size, epochs, rng):
    whole = images - images % batch_size
    return [cut(rng.permutation(images)[:whole], batch_size) for _ in range(epochs)]


@wrong("batch_orders", says="you shuffled the batches")
def batches_shuffled(images, batch_size, epochs, rng):
    batches = cut(np.arange(images), batch_size)
    last = [batches.pop()] if images % batch_size else []
    return [[batches[i] for i in rng.permutation(len(batches))] + last for _ in range(epochs)]


@wrong("batch_orders", says="another generator than `rng`")
def by_a_generator_of_its_own(images, batch_size, epochs, rng):
    rng = np.random.default_rng()
    return [cut(rng.permutation(images), batch_size) for _ in range(epochs)]


@wrong("batch_orders", says="a fixed seed of its own")
def by_a_fixed_seed(images, batch_size, epochs, rng):
    rng = np.random.default_rng(42)
    return [cut(rng.permutation(images), batch_size) for _ in range(epochs)]


@wrong("batch_orders", says="you counted from 1")
def from_one(images, batch_size, epochs, rng):
    return [cut(1 + rng.permutation(images), batch_size) for _ in range(epochs)]


@wrong("batch_orders", says="return a list with an entry for each epoch")
def one_epoch(images, batch_size, epochs, rng):
    return cut(rng.permutation(images), batch_size)


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


@wrong("standardize_splits", says="becomes huge if it varies later")
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
