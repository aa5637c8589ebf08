"""Answers to lesson 06's exercises."""

import tempfile
from pathlib import Path

import numpy as np

from answers import right, wrong

# --- few_of_each ------------------------------------------------------------------------------------------


@right("few_of_each")
def by_walking_through_a_shuffle(labels, n_train, n_valid, rng):
    train, valid = [], []
    for c in set(labels.tolist()):
        seen = 0
        for position in rng.permutation(len(labels)):
            if labels[position] == c and seen < n_train + n_valid:
                (train if seen < n_train else valid).append(int(position))
                seen += 1
    return train, valid


@right("few_of_each")
def by_ranking(labels, n_train, n_valid, rng):
    tickets = rng.random(len(labels))
    rank = np.array([np.sum((labels == c) & (tickets < own)) for c, own in zip(labels, tickets, strict=True)])
    return np.flatnonzero(rank < n_train), np.flatnonzero((rank >= n_train) & (rank < n_train + n_valid))


@right("few_of_each")
def by_choice_and_difference(labels, n_train, n_valid, rng):
    train, valid = [], []
    for c in np.unique(labels):
        of_class = np.flatnonzero(labels == c)
        chosen = rng.choice(of_class, n_train, replace=False)
        train.extend(chosen)
        valid.extend(rng.choice(np.setdiff1d(of_class, chosen), n_valid, replace=False))
    return rng.permutation(train), rng.permutation(valid)


def per_class(labels, take):
    """Both parts put together from what `take` gives for each class."""
    parts = [take(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


@wrong("few_of_each", says="you drew from all images at once")
def from_all_at_once(labels, n_train, n_valid, rng):
    k = len(np.unique(labels))
    order = rng.permutation(len(labels))
    return order[: n_train * k], order[n_train * k : (n_train + n_valid) * k]


@wrong("few_of_each", says="you drew this many in all")
def so_many_in_all(labels, n_train, n_valid, rng):
    order = rng.permutation(len(labels))
    return order[:n_train], order[n_train : n_train + n_valid]


@wrong("few_of_each", says="you took the first images of each class")
def the_first(labels, n_train, n_valid, rng):
    return per_class(labels, lambda own: (own[:n_train], own[n_train : n_train + n_valid]))


@wrong("few_of_each", says="you took the first images of each class")
def the_first_shuffled(labels, n_train, n_valid, rng):
    def take(own):
        own = rng.permutation(own[: n_train + n_valid])
        return own[:n_train], own[n_train:]

    return per_class(labels, take)


@wrong("few_of_each", says="with replacement")
def with_replacement(labels, n_train, n_valid, rng):
    def take(own):
        drawn = rng.choice(own, n_train + n_valid)
        return drawn[:n_train], drawn[n_train:]

    return per_class(labels, take)


@wrong("few_of_each", says="you drew the two parts independently")
def overlapping(labels, n_train, n_valid, rng):
    return per_class(
        labels, lambda own: (rng.choice(own, n_train, replace=False), rng.choice(own, n_valid, replace=False))
    )


@wrong("few_of_each", says="positions within a class")
def within_the_class(labels, n_train, n_valid, rng):
    def take(own):
        order = rng.permutation(len(own))
        return order[:n_train], order[n_train : n_train + n_valid]

    return per_class(labels, take)


@wrong("few_of_each", says="you created a generator inside the function")
def always_the_same(labels, n_train, n_valid, rng):
    return by_choice_and_difference(labels, n_train, n_valid, np.random.default_rng(0))


@wrong("few_of_each", says="your random numbers do not come from `rng`")
def from_elsewhere(labels, n_train, n_valid, rng):
    return by_choice_and_difference(labels, n_train, n_valid, np.random.default_rng())


@wrong("few_of_each", says="from a part of each class only")
def validation_from_the_end(labels, n_train, n_valid, rng):
    return per_class(labels, lambda own: (rng.permutation(own[:-n_valid])[:n_train], own[-n_valid:]))


@wrong("few_of_each", says="you assumed that the classes are 0 and 1")
def classes_counted_from_zero(labels, n_train, n_valid, rng):
    parts = [rng.permutation(np.flatnonzero(labels == c)) for c in range(len(np.unique(labels)))]
    train, valid = [part[:n_train] for part in parts], [part[n_train : n_train + n_valid] for part in parts]
    return np.concatenate(train), np.concatenate(valid)


@wrong("few_of_each", says="a mask")
def masks(labels, n_train, n_valid, rng):
    positions = np.arange(len(labels))
    return tuple(np.isin(positions, part) for part in by_ranking(labels, n_train, n_valid, rng))


@wrong("few_of_each", says="expected 2 values (training, validation)")
def only_one_part(labels, n_train, n_valid, rng):
    return by_ranking(labels, n_train, n_valid, rng)[0]


# --- reuse_layers -----------------------------------------------------------------------------------------


def parts():
    """Keras, loaded by the answers that use it."""
    import keras

    return keras, keras.layers


def copied(model):
    keras, _ = parts()
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def with_unit(model, layers, activation="sigmoid"):
    keras, layer = parts()
    return keras.Sequential([keras.Input(model.input_shape[1:]), *layers, layer.Dense(1, activation)])


def freeze(layers):
    for layer in layers:
        layer.trainable = False
    return layers


@right("reuse_layers")
def by_the_functional_way(model, n_layers):
    keras, layers = parts()
    inputs = keras.Input(model.input_shape[1:])
    h = inputs
    for layer in copied(model).layers[:n_layers]:
        layer.trainable = False
        h = layer(h)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(h))


@right("reuse_layers")
def by_a_file(model, n_layers):
    keras, layers = parts()
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        copy = keras.models.load_model(Path(folder) / "model.keras")
    body = keras.Sequential([keras.Input(model.input_shape[1:]), *copy.layers[:n_layers]])
    body.trainable = False
    net = keras.Sequential([body, layers.Dense(1), layers.Activation("sigmoid")])
    net.compile("sgd", "binary_crossentropy")
    return net


@right("reuse_layers")
def layer_by_layer(model, n_layers):
    keras, layers = parts()
    net = keras.Sequential([keras.Input(model.input_shape[1:])])
    for layer in model.layers[:n_layers]:
        net.add(type(layer).from_config(layer.get_config()))
        net.layers[-1].set_weights(layer.get_weights())
        net.layers[-1].trainable = False
    net.add(layers.Dense(1, "sigmoid", kernel_initializer="zeros"))
    return net


@wrong("reuse_layers", says="both nets contain the same layers")
def shared(model, n_layers):
    return with_unit(model, freeze(model.layers[:n_layers]))


@wrong("reuse_layers", says="set the weights of the original")
def weights_copied_the_wrong_way(model, n_layers):
    keras, _ = parts()
    copy = keras.models.clone_model(model)
    model.set_weights(copy.get_weights())
    return with_unit(model, freeze(copy.layers[:n_layers]))


@wrong("reuse_layers", says="the reused layers do not have the original's weights")
def cloned_only(model, n_layers):
    keras, _ = parts()
    return with_unit(model, freeze(keras.models.clone_model(model).layers[:n_layers]))


@wrong("reuse_layers", says="none of the reused layers")
def not_frozen(model, n_layers):
    return with_unit(model, copied(model).layers[:n_layers])


@wrong("reuse_layers", says="some of the reused")
def all_frozen_but_the_last(model, n_layers):
    layers = copied(model).layers[:n_layers]
    freeze(layers[:-1])
    return with_unit(model, layers)


@wrong("reuse_layers", says="is frozen as well")
def everything_frozen(model, n_layers):
    net = with_unit(model, copied(model).layers[:n_layers])
    freeze(net.layers)
    return net


@wrong("reuse_layers", says="you froze the original")
def the_original_frozen(model, n_layers):
    freeze(model.layers[:n_layers])
    return with_unit(model, copied(model).layers[:n_layers])


@wrong("reuse_layers", says="one layer too many")
def one_too_many(model, n_layers):
    return with_unit(model, freeze(copied(model).layers[: n_layers + 1]))


@wrong("reuse_layers", says="one layer too few")
def one_too_few(model, n_layers):
    return with_unit(model, freeze(copied(model).layers[: n_layers - 1]))


@wrong("reuse_layers", says="no sigmoid")
def without_a_sigmoid(model, n_layers):
    return with_unit(model, freeze(copied(model).layers[:n_layers]), activation=None)


@wrong("reuse_layers", says="running mean and variance")
def what_is_trained_only(model, n_layers):
    keras, _ = parts()
    copy = keras.models.clone_model(model)
    freeze(copy.layers)
    for layer, own in zip(copy.layers, model.layers, strict=True):
        if "batch" in type(layer).__name__.lower():
            own_weights, fresh = own.get_weights(), layer.get_weights()
            layer.set_weights(own_weights[:2] + fresh[2:])
        else:
            layer.set_weights(own.get_weights())
    return with_unit(model, copy.layers[:n_layers])


@wrong("reuse_layers", says="the new net should end in one new unit instead of the")
def two_outputs(model, n_layers):
    keras, layers = parts()
    reused = freeze(copied(model).layers[:n_layers])
    return keras.Sequential([keras.Input(model.input_shape[1:]), *reused, layers.Dense(2, "softmax")])


@wrong("reuse_layers", says="`keras.Sequential`")
def a_list(model, n_layers):
    _, layers = parts()
    return [*freeze(copied(model).layers[:n_layers]), layers.Dense(1, "sigmoid")]


# --- paired_interval --------------------------------------------------------------------------------------


@right("paired_interval")
def by_hand(nothing, reusing, t):
    differences = [float(a) - float(b) for a, b in zip(nothing, reusing, strict=True)]
    n = len(differences)
    mean = sum(differences) / n
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    half = t * (variance / n) ** 0.5
    return mean - half, mean + half


@right("paired_interval")
def by_the_covariance(nothing, reusing, t):
    c = np.cov(nothing, reusing)
    half = t * np.sqrt(np.maximum(c[0, 0] + c[1, 1] - 2 * c[0, 1], 0) / len(nothing))
    return np.mean(nothing) - np.mean(reusing) + np.array([-1, 1]) * half


def around(differences, half):
    return differences.mean() - half, differences.mean() + half


def error_of(differences, ddof=1):
    return differences.std(ddof=ddof) / np.sqrt(len(differences))


@wrong("paired_interval", says="you combined the two deviations")
def not_paired(nothing, reusing, t):
    return around(nothing - reusing, t * np.hypot(error_of(nothing), error_of(reusing)))


@wrong("paired_interval", says="ddof=1")
def of_a_population(nothing, reusing, t):
    return around(nothing - reusing, t * error_of(nothing - reusing, ddof=0))


@wrong("paired_interval", says="you used the deviation of one draw")
def of_one_draw(nothing, reusing, t):
    return around(nothing - reusing, t * (nothing - reusing).std(ddof=1))


@wrong("paired_interval", says="you divided by n; divide by √n")
def divided_by_n(nothing, reusing, t):
    return around(nothing - reusing, t * (nothing - reusing).std(ddof=1) / len(nothing))


@wrong("paired_interval", says="you used the variance")
def by_the_variance(nothing, reusing, t):
    return around(nothing - reusing, t * (nothing - reusing).var(ddof=1) / np.sqrt(len(nothing)))


@wrong("paired_interval", says="t is missing")
def one_standard_error(nothing, reusing, t):
    return around(nothing - reusing, error_of(nothing - reusing))


@wrong("paired_interval", says="for very many draws")
def as_for_many(nothing, reusing, t):
    return around(nothing - reusing, 1.96 * error_of(nothing - reusing))


@wrong("paired_interval", says="the sign")
def the_other_way(nothing, reusing, t):
    return by_hand(reusing, nothing, t)


@wrong("paired_interval", says="you took absolute differences")
def of_sizes(nothing, reusing, t):
    sizes = np.abs(nothing - reusing)
    return around(sizes, t * error_of(sizes))


@wrong("paired_interval", says="the order is wrong")
def upside_down(nothing, reusing, t):
    return by_hand(nothing, reusing, t)[::-1]


@wrong("paired_interval", says="add the mean")
def around_zero(nothing, reusing, t):
    return -t * error_of(nothing - reusing), t * error_of(nothing - reusing)


@wrong("paired_interval", says="you returned the mean and half the width")
def mean_and_half(nothing, reusing, t):
    return (nothing - reusing).mean(), t * error_of(nothing - reusing)


@wrong("paired_interval", says="expected 2 values (low, high)")
def only_the_half(nothing, reusing, t):
    return t * error_of(nothing - reusing)
