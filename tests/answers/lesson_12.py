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


# --- accuracy_of_the_surest -------------------------------------------------------------------------------


@right("accuracy_of_the_surest")
def by_a_limit(probabilities, y, share):
    confidence = probabilities.max(axis=1)
    n = round(share * len(y))
    limit = np.sort(confidence)[len(y) - n]
    answered = confidence >= limit
    return (probabilities.argmax(axis=1) == y)[answered].mean()


@right("accuracy_of_the_surest")
def with_a_sorted_list(probabilities, y, share):
    pairs = sorted(
        ((max(p), int(np.argmax(p)) == int(label)) for p, label in zip(probabilities, y, strict=True)),
        reverse=True,
    )
    taken = pairs[: int(share * len(y) + 0.5)]
    return sum(hit for _, hit in taken) / len(taken)


@right("accuracy_of_the_surest")
def with_pandas_in_float32(probabilities, y, share):
    import pandas as pd

    table = pd.DataFrame({"sure": probabilities.max(1), "right": probabilities.argmax(1) == y})
    return np.float32(table.nlargest(round(share * len(table)), "sure").right.mean())


def hits(probabilities, y):
    return probabilities.argmax(axis=1) == y


def surest(probabilities, y, share):
    return np.argsort(-probabilities.max(axis=1))[: round(share * len(y))]


@wrong("accuracy_of_the_surest", says="you took the images with the lowest confidence")
def the_other_end(probabilities, y, share):
    order = np.argsort(probabilities.max(axis=1))[: round(share * len(y))]
    return hits(probabilities, y)[order].mean()


@wrong("accuracy_of_the_surest", says="you divided by all images")
def of_all_images(probabilities, y, share):
    return hits(probabilities, y)[surest(probabilities, y, share)].sum() / len(y)


@wrong("accuracy_of_the_surest", says="you returned the number of right answers")
def counted(probabilities, y, share):
    return hits(probabilities, y)[surest(probabilities, y, share)].sum()


@wrong("accuracy_of_the_surest", says="you returned the share of mistakes")
def mistakes(probabilities, y, share):
    return 1 - hits(probabilities, y)[surest(probabilities, y, share)].mean()


@wrong("accuracy_of_the_surest", says="you used `share` as a limit of the confidence")
def share_as_a_limit(probabilities, y, share):
    return hits(probabilities, y)[probabilities.max(axis=1) >= share].mean()


@wrong("accuracy_of_the_surest", says="you took the first images as they come")
def unsorted(probabilities, y, share):
    return hits(probabilities, y)[: round(share * len(y))].mean()


@wrong("accuracy_of_the_surest", says="you returned the mean confidence")
def confidence_of_the_surest(probabilities, y, share):
    return probabilities.max(axis=1)[surest(probabilities, y, share)].mean()


@wrong("accuracy_of_the_surest", says="you sorted by the probability of the true class")
def by_the_true_class(probabilities, y, share):
    order = np.argsort(-probabilities[np.arange(len(y)), y])[: round(share * len(y))]
    return hits(probabilities, y)[order].mean()


@wrong("accuracy_of_the_surest", says="you returned the accuracy on all images")
def of_all(probabilities, y, share):
    return hits(probabilities, y).mean()
