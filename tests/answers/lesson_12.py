"""Answers to lesson 12's exercises."""

import numpy as np

from answers import right, wrong

# --- mutual_information -----------------------------------------------------------------------------------


@right("mutual_information")
def as_mean_divergence_from_the_mean(samples):
    mean = samples.mean(axis=0)
    with np.errstate(all="ignore"):
        return np.nansum(samples * np.log(samples / mean), axis=-1).mean(axis=0)


@right("mutual_information")
def with_loops_and_a_small_number(samples):
    def entropy(p):
        return -sum(float(q) * np.log(float(q) + 1e-7) for q in p)

    return [
        entropy(samples[:, image].mean(axis=0)) - np.mean([entropy(p) for p in samples[:, image]])
        for image in range(samples.shape[1])
    ]


@right("mutual_information")
def in_tensorflow(samples):
    import tensorflow as tf

    samples = tf.constant(samples, tf.float32)
    entropy = [-tf.reduce_sum(tf.math.xlogy(p, p), -1) for p in (tf.reduce_mean(samples, 0), samples)]
    return tf.nn.relu(entropy[0] - tf.reduce_mean(entropy[1], 0))


def entropy(p):
    return -np.sum(p * np.log(np.maximum(p, 1e-30)), axis=-1)


@wrong("mutual_information", says="you returned the entropy of the mean")
def all_of_the_doubt(samples):
    return entropy(samples.mean(axis=0))


@wrong("mutual_information", says="you returned the mean of the entropies")
def the_doubt_of_each(samples):
    return entropy(samples).mean(axis=0)


@wrong("mutual_information", says="the sign is wrong")
def turned_round(samples):
    return entropy(samples).mean(axis=0) - entropy(samples.mean(axis=0))


@wrong("mutual_information", says="natural logarithms")
def in_bits(samples):
    return (entropy(samples.mean(axis=0)) - entropy(samples).mean(axis=0)) / np.log(2)


@wrong("mutual_information", says="you averaged the predicted classes")
def entropy_of_the_votes(samples):
    votes = np.eye(samples.shape[-1])[samples.argmax(axis=-1)]
    return entropy(votes.mean(axis=0))


@wrong("mutual_information", says="you averaged over the images")
def over_images(samples):
    return entropy(samples.mean(axis=1)) - entropy(samples).mean(axis=1)


@wrong("mutual_information", says="you took the mean over the images")
def one_number(samples):
    return np.mean(entropy(samples.mean(axis=0)) - entropy(samples).mean(axis=0))


@wrong("mutual_information", says="you returned a standard deviation")
def spread(samples):
    return samples.std(axis=0).mean(axis=-1)


@wrong("mutual_information", says="you took the mean over the classes")
def mean_over_classes(samples):
    return (entropy(samples.mean(axis=0)) - entropy(samples).mean(axis=0)) / samples.shape[-1]


@wrong("mutual_information", says="0 · log 0 counts as 0 here")
def with_log_of_zero(samples):
    def entropy(p):
        return -np.sum(p * np.log(p), axis=-1)

    return entropy(samples.mean(axis=0)) - entropy(samples).mean(axis=0)
