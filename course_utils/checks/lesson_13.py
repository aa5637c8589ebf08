"""Checks of lesson 13: a deep net on CIFAR-10, in seven parts."""

import contextlib
import tempfile
from pathlib import Path

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

# What the activations compute, in plain NumPy: what a net puts out is compared with what it should put out.
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_ACTIVATIONS = {
    "ELU": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "SELU": lambda z: _SELU_SCALE * np.where(z > 0, z, _SELU_ALPHA * np.expm1(np.minimum(z, 0))),
    "ReLU": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "no activation": lambda z: z,
}


@exercise
def deep_net(answer):
    """Compare the net's output with that of twenty ELU layers, and its weights with He's distribution."""
    net = _model("deep_net", call_answer(answer))
    kernels = _kernels(net)
    _he_or_lecun(kernels, 2.0, "He")
    with _weights_restored(net):
        _compare(net, "ELU")
    return "Twenty layers with He's weights; on new images their output is that of twenty ELU layers."


@exercise
def normalized_net(answer):
    """Give every normalization statistics of its own, and compare the output."""
    net = _model("normalized_net", call_answer(answer))
    _he_or_lecun(_kernels(net), 2.0, "He")
    layers = _layers_of(net, "BatchNormalization")
    sizes = [layer.gamma.shape[0] if layer.gamma is not None else None for layer in layers]
    cause = ""
    if len(layers) == 20 and sizes[0] == 100:
        cause = "the inputs are not normalized; add a normalization right after Flatten"
    elif len(layers) == 20:
        cause = "one hidden layer has no normalization; does your loop run once too few?"
    elif len(layers) == 22:
        cause = "the output layer has one too; it needs none"
    expect(len(layers) == 21, "the number of batch normalizations", 21, len(layers), cause)
    expect(
        sizes[0] == 3072,
        "the inputs that the first batch normalization normalizes",
        3072,
        sizes[0],
        "the first normalization is before Flatten, where it normalizes three colours",
    )
    rng = np.random.default_rng(3)
    with _weights_restored(net):
        for layer in layers:
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
        _compare(net, "ELU", normalized=layers)
    return "Twenty-one batch normalizations: one for the inputs, and one before each ELU."


@exercise
def standardized(answer):
    """Three sets with means and spreads of their own, and one input that never varies."""
    rng = np.random.default_rng(5)
    shape = (6, 5, 3)
    scale, shift = rng.uniform(1, 60, shape), rng.uniform(0, 200, shape)
    x_train, x_valid, x_test = (
        (shift + scale * rng.normal(offset, 1, (n, *shape))).astype("float32")
        for n, offset in [(300, 0.0), (40, 0.5), (60, -0.7)]
    )
    for x in (x_train, x_valid, x_test):
        x[:, 2, 3, 1] = 7.0
    result = call_answer(answer, x_train, x_valid, x_test)
    result = unpack("what `standardized` returns", result, "training", "validation", "test images")
    sets = {"training": x_train, "validation": x_valid, "test": x_test}
    everything = np.concatenate(list(sets.values()))
    for (name, x), found in zip(sets.items(), result, strict=True):
        what = f"the {name} images"
        found = as_array(what, found)
        if found.shape == x.shape:
            # What becomes of the input that never varies: 0 where its mean is taken away.
            still = found[:, 2, 3, 1]
            cause = "you divided by 0: an input that never varies has a standard deviation of 0"
            expect(np.isfinite(still).all(), f"{what}, an input that never varies", 0, still[0], cause)
        mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
        assert_close(
            what,
            found,
            (x - mean) / _nonzero(deviation),
            mistakes={
                "you used each set's own mean and deviation; use those of the training images": (
                    x - x.mean(axis=0)
                )
                / _nonzero(x.std(axis=0)),
                "you took mean and deviation over all images; use the training images only": (
                    x - everything.mean(axis=0)
                )
                / _nonzero(everything.std(axis=0)),
                "you used one mean for all inputs; each input has its own (`axis=0`)": (x - x_train.mean())
                / x_train.std(),
                "you divided by the variance; divide by its root": (x - mean) / _nonzero(deviation**2),
                "you subtracted the mean but did not divide by the standard deviation": x - mean,
                "you divided by 255; subtract the mean and divide by the standard deviation": x / 255,
                "you used one mean for each colour; each of the 3,072 inputs has its own": (
                    x - x_train.mean(axis=(0, 1, 2))
                )
                / x_train.std(axis=(0, 1, 2)),
            },
            rtol=1e-3,
            atol=2e-3,
        )
        expect(
            found.dtype == np.float32,
            f"the dtype of {what}",
            "float32",
            str(found.dtype),
            "TensorFlow computes in float32, and float64 takes twice the memory",
        )
    return "Three new sets use the mean and deviation of the first one; an input that never varies becomes 0."


@exercise
def selu_net(answer):
    """Compare the output without dropout; then look which dropout stands where."""
    net = _model("selu_net", call_answer(answer))
    _he_or_lecun(_kernels(net), 1.0, "LeCun")
    with _weights_restored(net):
        _compare(net, "SELU")
    rate = 0.23  # nobody writes this rate into a function
    net = _model("selu_net", call_answer(answer, dropout_rate=rate))
    _kernels(net)
    with _weights_restored(net):
        _compare(net, "SELU")
    layers = _flat(net)
    drops = [layer for layer in layers if "Dropout" in type(layer).__name__ and layer.rate]
    what = f"with a dropout rate of {rate}, the dropout layers"
    expect(bool(drops), what, 1, 0, "`dropout_rate` is not used")
    kind = type(drops[0]).__name__
    cause = "ordinary dropout changes the variance that SELU keeps; see lesson 11"
    expect("Alpha" in kind, what, "alpha dropout", f"`{kind}`", cause)
    cause = "you have several dropout layers; only the last hidden layer needs one"
    expect(len(drops) == 1, what, 1, len(drops), cause)
    dense = [layer for layer in layers if type(layer).__name__ == "Dense"]
    between = layers.index(dense[-2]) < layers.index(drops[0]) < layers.index(dense[-1])
    place = "between the last hidden layer and the output"
    expect(between, what, place, "elsewhere", "the dropout layer is in the wrong place")
    cause = (
        "you passed the share that is kept; Keras takes the share that is dropped"
        if np.isclose(drops[0].rate, 1 - rate)
        else "you wrote a fixed rate into the function; use `dropout_rate`"
    )
    expect(np.isclose(drops[0].rate, rate), "the share that is dropped", rate, float(drops[0].rate), cause)
    return "LeCun's weights, SELU's output, and alpha dropout of the rate asked for, before the output only."


@exercise
def mc_probabilities(answer):
    """Use a net with dropout on four inputs: its mean over all 16 masks is known."""
    import keras

    rng = np.random.default_rng(2)
    net = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(3, "softmax", name="out")]
    )
    kernel, bias = rng.normal(0, 0.35, (4, 3)), np.array([0.9, 0.0, -0.4])
    net.set_weights([kernel, bias])
    x = rng.normal(size=(5, 4)).astype("float32")
    masks = np.array([[(i >> bit) & 1 for bit in range(4)] for i in range(16)])
    exact = np.mean([_softmax(2 * mask * x @ kernel + bias) for mask in masks], axis=0)
    off = _softmax(x @ kernel + bias)

    before = [w.copy() for w in net.get_weights()]
    found = as_array("the mean probabilities", call_answer(answer, net, x, n_samples=60))
    what = "the mean probabilities of 60 samples for 5 images and 3 classes"
    if found.shape == (60, 5, 3):
        raise WrongAnswer(
            what,
            "an array of shape (5, 3)",
            "one of shape (60, 5, 3)",
            "you did not take the mean over the samples",
        )
    if found.shape == (60, 3):
        cause = "you took the mean over the images; take it over the samples, axis 0"
        raise WrongAnswer(what, "an array of shape (5, 3)", "one of shape (60, 3)", cause)
    if found.shape == (5,):
        cause = "you returned classes; return probabilities"
        raise WrongAnswer(what, "an array of shape (5, 3)", "one of shape (5,)", cause)
    expect(found.shape == (5, 3), what, "an array of shape (5, 3)", f"one of shape {found.shape}")
    total = found.sum(axis=1).mean()
    cause = "you added up the samples; divide by their number" if np.isclose(total, 60, rtol=0.01) else ""
    expect(np.isclose(total, 1, atol=1e-3), "the sum of an image's probabilities", 1.0, float(total), cause)
    votes = np.eye(3)[found.argmax(axis=1)]
    cause = "each sample votes for a class, and the votes are averaged; average probabilities"
    counted = np.allclose(found * 60, np.round(found * 60), atol=1e-3)
    expect(not (np.allclose(found, votes) or counted), what, exact[0], found[0], cause)
    cause = "dropout was off, as in predict() and a plain call; pass `training=True`"
    expect(not np.allclose(found, off, atol=1e-5), what, exact[0], found[0], cause)
    two = [as_array(what, call_answer(answer, net, x, n_samples=2)) for _ in range(4)]
    cause = "each call draws the same masks; do not set a seed in the function"
    expect(
        not all(np.allclose(two[0], other) for other in two[1:]),
        "four means of two samples",
        "different ones",
        "the same one four times",
        cause,
    )
    # Two samples have one of 136 means for each image; a mean of more is hardly ever one of them.
    single = np.array([_softmax(2 * mask * x @ kernel + bias) for mask in masks])
    pairs = (single[:, None] + single[None]) / 2
    hit = np.isclose(pairs, two[0], atol=1e-4).all(axis=-1).any(axis=(0, 1)).all()
    cause = "you did not use `n_samples`, or made one prediction too many"
    expect(hit, "the mean of two samples", "that of two predictions", "another", cause)
    expect(np.allclose(found, exact, atol=0.15), what, exact[0], found[0])
    unchanged = all(np.array_equal(u, v) for u, v in zip(before, net.get_weights(), strict=True))
    expect(unchanged, "the net afterwards", "as it was", "changed", "your function trained the net")
    return "Near the exact mean over all masks; one prediction for each sample; the net is unchanged."


@exercise
def run_callbacks(answer):
    """Call the callbacks with given losses, and check when training stops and what is saved."""
    import keras

    # The validation loss is lowest after the third epoch, the validation accuracy highest after the fifth,
    # and the training loss falls for ever. Soon, because every better epoch's model is saved.
    best, most_accurate, length = 3, 5, 45
    val_loss = [2.0 - 0.1 * min(epoch, best) + 0.004 * max(0, epoch - best) for epoch in range(1, length + 1)]

    with tempfile.TemporaryDirectory() as place:
        for name in ("first", "second"):
            folder = Path(place) / name
            chosen = call_answer(answer, folder)
            expect(
                isinstance(chosen, list | tuple)
                and all(isinstance(one, keras.callbacks.Callback) for one in chosen),
                "what `run_callbacks` returns",
                "a list of Keras callbacks",
                format_value(chosen),
            )
        # Trained with the second list: what belongs to a folder must not end up in another.
        epochs = _prescribed_training(chosen, val_loss, most_accurate)
        cause = ""
        if epochs == length:
            cause = "no callback stops the training, or it monitors the training loss, which always falls"
        elif epochs == most_accurate + 20:
            cause = "you monitor the validation accuracy; monitor the validation loss"
        elif epochs > best:
            cause = f"the patience is {epochs - best}"
        what = f"the epochs trained, where the validation loss is lowest after {best}"
        expect(epochs == best + 20, what, best + 20, epochs, cause)

        kept = folder / "best.keras"
        cause = "no callback saves it, or not in the folder given"
        if any(path.name == "best.keras" for path in Path(place).rglob("*")):
            cause = "it is saved in the folder of another run"
        expect(kept.exists(), "the file best.keras in the run's folder", "a model", "none", cause)
        net = _small_net()
        net.load_weights(kept)
        epoch = int(net.get_weights()[0][0, 0])
        cause = {
            epochs: "every epoch overwrites it; use `save_best_only=True`",
            most_accurate: "you chose the best by validation accuracy; choose it by validation loss",
            1: "you kept the model with the highest validation loss; use `mode='min'`",
        }.get(epoch, "")
        expect(epoch == best, "the epoch whose model is kept", best, epoch, cause)
        logs = list(folder.rglob("events.out.tfevents*"))
        expect(
            bool(logs),
            "TensorBoard's logs",
            "in the run's folder",
            "not there",
            "there is no TensorBoard callback, or all runs share its folder",
        )
        inside = all((folder / "logs") in path.parents for path in logs)
        expect(
            inside,
            "TensorBoard's logs",
            "in the subfolder logs",
            "elsewhere in the folder",
            "`log_dir` should be the subfolder `logs`",
        )
    return (
        "Stopped twenty epochs after the best one, kept that one's model, and logged into the run's folder."
    )


def _small_net():
    import keras

    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    net.compile("sgd", "mse")
    return net


def _prescribed_training(callbacks, val_loss, most_accurate):
    """Call the callbacks for epochs whose weights are the epoch's number; return the number of epochs."""
    net = _small_net()
    net.stop_training = False
    for callback in callbacks:
        callback.set_model(net)
        callback.set_params({"epochs": len(val_loss), "steps": 1, "verbose": 0})
        callback.on_train_begin()
    for epoch, loss in enumerate(val_loss):
        number = epoch + 1
        net.set_weights([np.full((2, 1), float(number)), np.zeros(1)])
        accuracy = {"accuracy": 0.01 * number, "val_accuracy": 0.5 - 0.01 * abs(number - most_accurate)}
        logs = {"loss": 3.0 - 0.05 * number, "val_loss": loss, **accuracy}
        for callback in callbacks:
            callback.on_epoch_begin(epoch)
        for callback in callbacks:
            callback.on_epoch_end(epoch, logs)
        if net.stop_training:
            break
    for callback in callbacks:
        callback.on_train_end()
    return number


@exercise
def one_cycle_rate(answer):
    """Compare the rate at many steps, for cycles of several lengths and maxima."""
    for total, top in [(10_000, 0.05), (20_000, 3.0)]:
        steps = np.array([0, 0.1, 0.225, 0.3, 0.44, 0.46, 0.6, 0.675, 0.8, 0.89, 0.92, 0.95, 0.99]) * total
        # A step more or less, as conventions differ, moves no rate by a thousandth of the top.
        found = [call_answer(answer, int(step), total, top, what="`one_cycle_rate`") for step in steps]
        found = np.array([as_number("a rate", rate) for rate in found])

        def by(shares, rates, steps=steps, total=total, top=top):
            return np.interp(steps / total, shares, np.multiply(rates, top))

        ups = 0.1 + 0.9 * (1 - np.cos(np.pi * np.minimum(steps / total / 0.45, 1))) / 2
        cosine = top * np.where(steps / total <= 0.45, ups, by([0.45, 0.9, 1], [1, 0.1, 1e-4]) / top)
        for step, rate, right in zip(steps, found, by([0, 0.45, 0.9, 1], [0.1, 1, 0.1, 1e-4]), strict=True):
            if abs(rate - right) <= 1.5e-3 * top:
                continue
            mistakes = {
                "you start from 0; start from a tenth of the maximum": by(
                    [0, 0.45, 0.9, 1], [0, 1, 0.1, 1e-4]
                ),
                "you start at a 25th of the maximum, PyTorch's default; start at a tenth": by(
                    [0, 0.45, 0.9, 1], [0.04, 1, 0.04, 0.04e-3]
                ),
                "the last phase is missing": by([0, 0.45, 0.9, 1], [0.1, 1, 0.1, 0.1]),
                "your rise takes half of all steps; it should take 45%": by(
                    [0, 0.5, 0.9, 1], [0.1, 1, 0.1, 1e-4]
                ),
                "your descent lasts until the end; it should end at 90% of the steps": by(
                    [0, 0.45, 1], [0.1, 1, 1e-4]
                ),
                "the rate falls to 0 before the last phase; it should fall to a tenth of the maximum": by(
                    [0, 0.45, 0.9, 1], [0.1, 1, 0, 0]
                ),
                "your rise follows a cosine; use a straight line": cosine,
                "you start at the maximum; start at a tenth of it": by([0, 0.45, 0.9, 1], [1, 0.1, 1, 1e-4]),
                "you returned a share of the maximum; multiply by `max_lr`": by(
                    [0, 0.45, 0.9, 1], [0.1, 1, 0.1, 1e-4]
                )
                / top,
            }
            cause = next(
                (cause for cause, rates in mistakes.items() if np.allclose(found, rates, atol=1.5e-3 * top)),
                "",
            )
            raise WrongAnswer(
                f"the rate at step {step:.0f} of {total}, with a maximum of {top:g}", right, rate, cause
            )
        last = as_number("the last rate", call_answer(answer, total - 1, total, top))
        cause = "the last phase should end at a thousandth of its start"
        expect(
            0 <= last <= 4e-4 * top,
            f"the rate at the last step of {total}, with a maximum of {top:g}",
            top / 10_000,
            last,
            cause,
        )
    return "Right at the start, on both slopes, at the top, and in the last tenth, for two cycles."


# --- looking into nets ------------------------------------------------------------------------------------


def _model(name, net):
    """The answer's net, if it is one that takes images."""
    import keras

    expect(isinstance(net, keras.Model), f"what `{name}` returns", "a Keras model", format_value(net))
    cause = "it has no weights yet: begin with `keras.Input((32, 32, 3))`"
    expect(net.built and bool(net.get_weights()), "the net", "one that is built", "one that is not", cause)
    cause = "the input should have the shape of one image"
    expect(
        tuple(net.input_shape) == (None, 32, 32, 3),
        "the shape of its input",
        "(None, 32, 32, 3)",
        str(net.input_shape),
        cause,
    )
    return net


def _kernels(net):
    """Return the kernels of the dense layers; there should be twenty of 100 units and one of 10."""
    kernels = [w for w in net.get_weights() if w.ndim == 2]
    first = kernels[0].shape[0] if kernels else 0
    cause = "the images are not flattened" if first == 3 else ""
    expect(first == 3072, "the inputs of the first dense layer", 3072, first, cause)
    cause = {
        20: "you have 19 hidden layers; the output layer is added to 20",
        22: "you have 21 hidden layers; 20 are asked for",
    }.get(len(kernels), "")
    expect(len(kernels) == 21, "the number of dense layers, the output's included", 21, len(kernels), cause)
    shapes = [w.shape[1] for w in kernels]
    expect(shapes[-1] == 10, "the units of the output layer", 10, shapes[-1])
    expect(set(shapes[:-1]) == {100}, "the units of the hidden layers", 100, min(shapes[:-1]))
    return kernels


def _he_or_lecun(kernels, scale, name):
    """Check that the weights have the initialization's standard deviation and are normally distributed."""
    hidden = kernels[:-1]
    # Each weight in units of what it should spread: all layers together are 500,000 draws.
    unit = np.concatenate([(w * np.sqrt(w.shape[0] / scale)).ravel() for w in hidden])
    narrow = np.concatenate([(w * np.sqrt(w.shape[0] / scale)).ravel() for w in hidden[1:]])
    spread = float(unit.std())
    cause = ""
    if scale == 2 and np.isclose(narrow.std(), np.sqrt(0.5), rtol=0.03):
        cause = (
            "you have Glorot's or LeCun's initialization, half of He's variance; Keras' default is Glorot's"
        )
    elif scale == 1 and np.isclose(spread, np.sqrt(2), rtol=0.03):
        cause = "you have He's initialization, which is for ReLU; SELU needs LeCun's"
    elif scale == 1 and np.isclose(narrow.std(), 1, rtol=0.03):
        cause = "you have Glorot's initialization, Keras' default; SELU needs LeCun's"
    what = f"the spread of the hidden layers' weights, in units of {name}'s"
    expect(abs(spread - 1) < 0.02, what, 1.0, spread, cause)
    cause = f"that is `{name.lower().replace('é', 'e')}_uniform`; use the normal one"
    top = float(np.abs(unit).max())
    expect(top > 1.9, f"the largest of these weights, in units of {name}'s spread", "above 2", top, cause)


def _flat(net):
    """Return all layers in order, including those of nested nets."""
    found = []
    for layer in net.layers:
        found += _flat(layer) if hasattr(layer, "layers") else [layer]
    return found


def _layers_of(net, kind):
    return [layer for layer in _flat(net) if type(layer).__name__ == kind]


@contextlib.contextmanager
def _weights_restored(net):
    """Restore the weights: the learner's function may return the same net every time."""
    before = net.get_weights()
    try:
        yield
    finally:
        net.set_weights(before)


def _compare(net, activation, normalized=()):
    """Compare its output on fresh images with what it should be, computed here from its own weights."""
    rng = np.random.default_rng(7)
    x = rng.uniform(0, 1, (6, 32, 32, 3)).astype("float32")
    dense = _layers_of(net, "Dense")

    def read(layers):
        return [[np.asarray(w, "float64") for w in layer.get_weights()] for layer in layers]

    weights = read(dense[:-1])

    def norm(layer, z):
        gamma, beta, mean, variance = (np.asarray(w, "float64") for w in layer.get_weights())
        return gamma * (z - mean) / np.sqrt(variance + layer.epsilon) + beta

    def hidden(f, after=False, x=x):
        h = x.reshape(len(x), -1).astype("float64")
        norms = list(normalized)
        if norms:
            h = norm(norms.pop(0), h)
        for kernel, *bias in weights:
            h = h @ kernel + (bias[0] if bias else 0)
            if norms:
                h = f(norm(norms[0], h)) if not after else norm(norms[0], f(h))
                norms.pop(0)
            else:
                h = f(h)
        return h

    def scores(h):
        [(kernel, *bias)] = read(dense[-1:])
        return h @ kernel + (bias[0] if bias else 0)

    f = _ACTIVATIONS[activation]
    last = hidden(f)
    found = _informative_output(net, dense[-1], x, scores(last))

    def mistakes():  # computed only where the output is not the right one
        for other, g in _ACTIVATIONS.items():
            if other != activation:
                yield f"the hidden layers use {other}; use {activation}", _softmax(scores(hidden(g)))
        yield "the softmax is missing", scores(last)
        yield (
            "the output uses sigmoid; use softmax for ten exclusive classes",
            1 / (1 + np.exp(-scores(last))),
        )
        yield "the net scales the pixels; it should use them unscaled", _softmax(scores(hidden(f, x=x / 255)))
        if normalized:
            cause = "the normalization comes after the ELU; put it before"
            yield cause, _softmax(scores(hidden(f, after=True)))

    right = _softmax(scores(last))
    assert_close("the net's output for new images", found, right, mistakes=mistakes(), rtol=2e-3, atol=2e-4)


def _informative_output(net, last, x, scores):
    """Compute the output, with the output layer scaled until the classes differ but none has probability 1.

    Otherwise a wrong net of twenty untrained layers may output the same zeros and ones as a right one.
    `scores` are those of the right net: they give a first guess of the scale.
    """

    def scaled(factor):
        last.set_weights([factor * w for w in last.get_weights()])
        return np.asarray(net(x, training=False), dtype="float64")

    found = scaled(2 / max(np.ptp(scores, axis=-1).max(), 1e-30))
    for _ in range(30):
        if found.max() > 0.9:
            found = scaled(0.5)
        elif np.ptp(found) < 0.05:
            found = scaled(2)
        else:
            break
    return found


def _softmax(z):
    z = np.exp(z - z.max(axis=-1, keepdims=True))
    return z / z.sum(axis=-1, keepdims=True)


def _nonzero(deviation):
    return np.where(deviation == 0, 1, deviation)
