"""Checks of lesson 06: transfer learning."""

import numpy as np

from course_utils.checks.exercise import (
    WrongAnswer,
    as_array,
    as_number,
    assert_close,
    call_answer,
    exercise,
    expect,
    format_value,
    unpack,
)

# --- few_of_each ------------------------------------------------------------------------------------------


@exercise
def few_of_each(answer):
    """Draw many times from few labels, and check that the draws are even, disjoint and random."""
    shuffle = np.random.default_rng(8).permutation
    for labels, n_train, n_valid in [
        (shuffle(np.repeat([5, 6], [30, 12])), 4, 3),
        (shuffle(np.repeat([0.0, 1.0], [40, 9])).astype("float32"), 5, 4),  # all of the rarer class
        (np.repeat([2, 3, 7], [6, 10, 8]), 1, 2),  # sorted by class
    ]:
        draws, rng = [], np.random.default_rng(9)
        for _ in range(150):
            draws.append(_drawn(answer, labels, n_train, n_valid, rng))
        highest = max(max(part.max(initial=0) for part in draw) for draw in draws)
        for train, valid in draws:
            _look_at(train, valid, labels, n_train, n_valid, highest)
        _look_at_all(answer, draws, labels, n_train, n_valid)
    return "In 150 draws from each of three sets of labels: even, without overlap, and every time anew."


def _drawn(answer, labels, n_train, n_valid, rng):
    """One draw, as two arrays of positions."""
    drawn = unpack(
        "`few_of_each`", call_answer(answer, labels, n_train, n_valid, rng), "training", "validation"
    )
    parts = dict(zip(("training", "validation"), drawn, strict=True))
    for which, part in parts.items():
        what = f"the positions for {which}"
        part = as_array(what, part)
        whole = part.ndim == 1 and part.dtype != bool and np.all(part == np.round(part))
        if not whole:
            found = "a mask of true and false" if part.dtype == bool else "something else"
            raise WrongAnswer(what, "whole numbers in an array of one axis", found)
        low, high = (part.min(), part.max()) if part.size else (0, 0)
        expect(
            low >= 0 and high < len(labels),
            what,
            f"numbers from 0 to {len(labels) - 1}",
            f"numbers from {low:g} to {high:g}",
        )
        parts[which] = part.astype(int)
    return parts["training"], parts["validation"]


def _look_at(train, valid, labels, n_train, n_valid, highest):
    """Check that a draw is even, and that its two parts are disjoint; `highest` is that of all draws."""
    classes, counts = np.unique(labels, return_counts=True)
    # Positions within a class never reach the size of the largest; among all they do, in so many draws.
    within = ""
    if 0 < highest < counts.max():
        within = (
            "you returned positions within a class; `np.flatnonzero(labels == c)` gives positions in `labels`"
        )
    for which, part, each in [("training", train, n_train), ("validation", valid, n_valid)]:
        cause = within
        if not cause and len(part) == each:
            cause = "you drew this many in all; draw this many of each class"
        elif not cause and len(part) < each * len(classes):
            cause = "you assumed that the classes are 0 and 1; `np.unique(labels)` gives them"
        expect(
            len(part) == each * len(classes), f"the images for {which}", each * len(classes), len(part), cause
        )
        again = len(part) - len(np.unique(part))
        expect(
            not again,
            f"the images for {which} that are drawn more than once",
            0,
            again,
            within or "you drew with replacement; draw each image once at most",
        )
        for c in classes:
            expect(
                np.sum(labels[part] == c) == each,
                f"the images of class {c:g} for {which}",
                each,
                int(np.sum(labels[part] == c)),
                within or "you drew from all images at once; draw from each class separately",
            )
    both = len(np.intersect1d(train, valid))
    expect(
        not both,
        "the images that are in both parts",
        0,
        both,
        "you drew the two parts independently; draw once, then split the result",
    )


def _look_at_all(answer, draws, labels, n_train, n_valid):
    """Check that every image can be drawn for each part, with the generator that is given."""
    each = n_train + n_valid
    first = [np.flatnonzero(labels == c)[:each] for c in np.unique(labels)]
    sets = [tuple(np.sort(part) for part in draw) for draw in draws]
    same_every_time = all(np.array_equal(a, b) for draw in sets for a, b in zip(draw, sets[0], strict=True))
    of_the_first = all(np.isin(np.concatenate(draw), np.concatenate(first)).all() for draw in draws)
    cause = "you created a generator inside the function; use `rng`"
    if of_the_first:
        cause = "you took the first images of each class; shuffle the whole class first"
    expect(not same_every_time, "150 draws", "different ones", "the same every time", cause)
    for which, part in [("training", 0), ("validation", 1)]:
        never = len(labels) - len(np.unique(np.concatenate([draw[part] for draw in draws])))
        cause = cause if of_the_first else f"you draw the {which} set from a part of each class only"
        expect(not never, f"the images that are never drawn for {which}, in 150 draws", 0, never, cause)
    again = [_drawn(answer, labels, n_train, n_valid, np.random.default_rng(10)) for _ in range(2)]
    expect(
        all(np.array_equal(a, b) for a, b in zip(*again, strict=True)),
        "two draws from generators with the same seed",
        "the same images",
        "different ones",
        "your random numbers do not come from `rng`, so the draw cannot be repeated",
    )


# --- reuse_layers -----------------------------------------------------------------------------------------


@exercise
def reuse_layers(answer):
    """Reuse a dense and a convolutional net, and look at the original as well as at the new net."""
    for teacher, n_layers in [(_dense, 3), (_dense, 2), (_convolutional, 4), (_convolutional, 3)]:
        rng = np.random.default_rng(n_layers)
        original = teacher()
        _fill(original, rng)
        if n_layers == 2:
            original.layers[1].trainable = False  # the original's own business
        kept = original.get_weights()
        flags = [layer.trainable for layer in original.layers]
        x = rng.normal(0, 1.5, (5, *original.input_shape[1:])).astype("float32")

        net = call_answer(answer, original, n_layers, what="the new net")
        _look_at_the_net(net, x)
        _look_at_the_original(original, net, kept, flags)
        _look_at_what_is_trained(original, net, n_layers)
        _look_at_the_outputs(teacher, original, net, n_layers, x)
    return (
        "Tried on a dense and a convolutional net, cut in several places: copied, frozen, and no harm done."
    )


def _dense():
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4, 3)),
            layers.Flatten(name="original_0"),
            layers.Dense(7, activation="selu", kernel_initializer="zeros", name="original_1"),
            layers.Dense(5, activation="tanh", kernel_initializer="zeros", name="original_2"),
            layers.Dense(3, activation="softmax", kernel_initializer="zeros", name="original_3"),
        ]
    )


def _convolutional():
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4, 5, 2)),
            layers.Conv2D(3, 2, activation="relu", kernel_initializer="zeros", name="original_0"),
            layers.BatchNormalization(name="original_1"),
            layers.Flatten(name="original_2"),
            layers.Dense(6, activation="tanh", kernel_initializer="zeros", name="original_3"),
            layers.Dense(2, activation="softmax", kernel_initializer="zeros", name="original_4"),
        ]
    )


def _fill(net, rng):
    """Set random weights without using Keras' random numbers."""
    weights = []
    for shape in [weight.shape for weight in net.get_weights()]:
        if len(shape) == 1:
            weights.append(rng.uniform(0.4, 1.6, shape))  # biases, and batch normalization's, a variance too
        else:
            weights.append(rng.normal(0, 1.2 / np.sqrt(np.prod(shape[:-1])), shape))
    net.set_weights(weights)


def _look_at_the_net(net, x):
    import keras

    expect(
        isinstance(net, keras.Model),
        "the new net",
        "a Keras model",
        format_value(net),
        "put the layers into a `keras.Sequential`" if isinstance(net, list | tuple) else "",
    )
    for batch in (x, x[:1]):
        outputs = as_array(
            "the outputs", call_answer(net.__call__, batch, what="the new net, called on a batch")
        )
        expect(
            outputs.shape == (len(batch), 1),
            f"the outputs for {len(batch)} images",
            f"an array of shape {(len(batch), 1)}",
            f"an array of shape {outputs.shape}",
            "the new net should end in one new unit instead of the original's output layer",
        )


def _look_at_the_original(original, net, kept, flags):
    """Check that changing the new net does not change the original."""
    expect(
        _equal(original.get_weights(), kept),
        "the original's weights",
        "unchanged",
        "changed",
        "you set the weights of the original; set those of a copy",
    )
    values = net.get_weights()
    net.set_weights([value + 1 for value in values])
    shared = not _equal(original.get_weights(), kept)
    net.set_weights(values)
    expect(
        not shared,
        "the original's weights, after a change of the new net's weights",
        "unchanged",
        "changed too",
        "both nets contain the same layers; clone the original first",
    )
    expect(
        [layer.trainable for layer in original.layers] == flags,
        "which of the original's layers are trainable",
        "the same as before",
        "different ones",
        "you froze the original; freeze a copy",
    )


def _look_at_what_is_trained(original, net, n_layers):
    """Check that only the new unit is trainable."""
    sizes = [_features(original, n) for n in range(len(original.layers) + 1)]
    expected = sizes[n_layers] + 1
    found = sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)
    cause = "some of the reused layers are not frozen"
    if not found:
        cause = "the new unit is frozen as well"
    elif found == sizes[n_layers + 1] + 1:
        cause = "you kept one layer too many"
    elif found == sizes[n_layers - 1] + 1:
        cause = "you kept one layer too few"
    elif found >= _trainable(original.layers[:n_layers]) + expected:
        cause = "none of the reused layers is frozen"
    elif len(net.trainable_weights) == 1:
        cause = "the new unit has no bias"
    expect(
        found == expected,
        f"the number of trainable parameters with {n_layers} layers ({sizes[n_layers]} outputs) reused",
        expected,
        found,
        cause,
    )


def _look_at_the_outputs(teacher, original, net, n_layers, x):
    """Check that the new unit works on the original's features."""
    kernel = np.linspace(-1, 1, _features(original, n_layers))[:, None] / 2
    bias = np.array([0.3])
    for weight in net.trainable_weights:
        weight.assign((kernel if len(weight.shape) == 2 else bias).astype("float32"))

    def sums(source, last):
        return _outputs(source, last, x) @ kernel + bias

    # The same net whose batch normalization was left as it starts.
    half_copied = teacher()
    half_copied.set_weights(original.get_weights())
    for weight in half_copied.non_trainable_weights:
        weight.assign(np.full(weight.shape, float("variance" in _name(weight)), dtype="float32"))
    right = sums(original, n_layers)
    mistakes = {
        "the new unit has no sigmoid activation": right,
        "you copied trainable weights only; copy batch normalization's running mean and variance too": (
            _sigmoid(sums(half_copied, n_layers))
        ),
    }
    assert_close(
        f"the outputs of the new net on the first {n_layers} layers",
        net(x, training=False),
        _sigmoid(right),
        mistakes=mistakes,
        cause="the reused layers do not have the original's weights: a clone copies the architecture only",
        rtol=1e-3,
    )


def _equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def _name(weight):
    return getattr(weight, "path", weight.name)


def _trainable(layers):
    return sum(int(np.prod(weight.shape)) for layer in layers for weight in layer.trainable_weights)


def _features(net, n_layers):
    """How many outputs a net's first layers have."""
    shape = net.layers[n_layers - 1].output.shape if n_layers else net.input_shape
    return int(np.prod(shape[1:]))


def _outputs(net, n_layers, x):
    for layer in net.layers[:n_layers]:
        x = layer(x)
    return np.asarray(x, dtype="float64")


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


# --- paired_interval --------------------------------------------------------------------------------------


@exercise
def paired_interval(answer):
    """Compare with the interval of the differences, for few draws and many, related and not."""
    rng = np.random.default_rng(11)
    for draws, t, effect in [(10, 2.262, 0.01), (4, 3.182, -0.02), (2, 12.706, 0.0), (30, 2.045, 0.005)]:
        luck = rng.normal(0.1, 0.03, draws)  # of the draw, which both share
        reusing = luck + rng.normal(0, 0.004, draws)
        nothing = luck + rng.normal(0, 0.006, draws) + effect
        _look_at_the_interval(answer, nothing, reusing, t)
    # The same gain in every draw: nothing is left to doubt.
    steady = np.array([0.25, 0.5, 0.125])
    _look_at_the_interval(answer, steady + 0.125, steady, 4.303)
    return (
        "Tried with few draws and with many, with gains, losses, and a gain that is the same in every draw."
    )


def _look_at_the_interval(answer, nothing, reusing, t):
    n, difference = len(nothing), nothing - reusing
    mean, spread = difference.mean(), difference.std(ddof=1)

    def around(half, middle=mean):
        return np.array([middle - half, middle + half])

    half = t * spread / np.sqrt(n)
    apart = np.sqrt(nothing.var(ddof=1) + reusing.var(ddof=1))
    sizes = np.abs(difference)
    mistakes = {
        "you combined the two deviations; take the standard deviation of the differences": around(
            t * apart / np.sqrt(n)
        ),
        "you divided by n in the standard deviation; for a sample, divide by n - 1 (`ddof=1`)": around(
            t * difference.std() / np.sqrt(n)
        ),
        "you used the deviation of one draw; for a mean of n draws, divide it by √n": around(t * spread),
        "you divided by n; divide by √n": around(t * spread / n),
        "you used the variance; use the standard deviation, its root": around(t * spread**2 / np.sqrt(n)),
        "the factor t is missing": around(spread / np.sqrt(n)),
        "you used 1.96, which is for very many draws; use t": around(1.96 * spread / np.sqrt(n)),
        "the sign is wrong: a gain is positive where reusing has the smaller error": around(half, -mean),
        "you took absolute differences; keep their signs": around(
            t * sizes.std(ddof=1) / np.sqrt(n), sizes.mean()
        ),
        "the order is wrong: return the lower end first": around(half)[::-1],
        "the interval is around 0; add the mean difference": around(half, 0.0),
        "you returned the mean and half the width; return the two ends": np.array([mean, half]),
    }
    what = f"the interval from {n} draws"
    low, high = unpack(what, call_answer(answer, nothing, reusing, t), "low", "high")
    ends = [as_number("the lower end", low), as_number("the upper end", high)]
    assert_close(what, ends, around(half), mistakes=mistakes, atol=1e-7)
