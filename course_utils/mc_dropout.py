"""Monte Carlo dropout: keep dropout on, predict many times, and measure how much the predictions differ.

Dropout trains many thinner nets, which share their weights: each mask leaves other units. Usually dropout is
off during prediction, and the full net gives one answer. Here each prediction comes from another thinner net:

    result = mc_predict(model, x_test, n_samples=100, seed=42)
    result.mean, result.std, result.entropy, result.mutual_information

How it works: `mc_model` builds the net a second time from the same layers, but with dropout layers that are
always on. `mc_predict` compiles one pass of a batch, and calls it once for each sample, each time with
another seed. benchmarks/mc_dropout.py compares it with the plain loop.

Yarin Gal and Zoubin Ghahramani: *Dropout as a Bayesian Approximation* (ICML 2016),
https://arxiv.org/abs/1506.02142. The mutual information comes from Neil Houlsby et al.: *Bayesian Active
Learning for Classification and Preference Learning* (2011), https://arxiv.org/abs/1112.5745.
"""

import inspect
import itertools
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from scipy.special import entr

from course_utils import arguments
from course_utils.keras_private import flat_layers, second_layer
from course_utils.stack import STACK

# The limit of SELU(x) for x → −∞. Alpha dropout gives this value to a dropped unit.
_SELU_FLOOR = -1.6732632423543772 * 1.0507009873554805


# --- dropout that is always on ------------------------------------------------------------------------------


class _AlwaysOn:
    """Dropout that ignores `training`; its random numbers come from `seeds`, or from Keras if that is
    None."""

    seeds = None

    def call(self, inputs, training=None):
        if self.seeds is None:
            return super().call(inputs, training=True)
        seed, rate = next(self.seeds), self.rate
        if isinstance(self, keras.layers.GaussianDropout):
            noise = tf.random.stateless_normal(tf.shape(inputs), seed, 1.0, (rate / (1 - rate)) ** 0.5)
            return inputs * tf.cast(noise, inputs.dtype)
        kept = tf.cast(_kept(_mask_shape(self, inputs), rate, seed), inputs.dtype)
        if isinstance(self, keras.layers.AlphaDropout):
            # Scale and shift as in the paper on SELU, so that the mean stays 0 and the variance 1.
            scale = ((1 - rate) * (1 + rate * _SELU_FLOOR**2)) ** -0.5
            return scale * ((inputs - _SELU_FLOOR) * kept + _SELU_FLOOR * (1 - rate))
        return inputs * kept * (1 / (1 - rate))


_ALWAYS_ON = {
    kind: type(f"MC{kind.__name__}", (_AlwaysOn, kind), {})
    for kind in (
        keras.layers.Dropout,
        keras.layers.AlphaDropout,
        keras.layers.GaussianDropout,
        keras.layers.SpatialDropout1D,
        keras.layers.SpatialDropout2D,
        keras.layers.SpatialDropout3D,
    )
}
_ALWAYS_ON |= {kind: kind for kind in _ALWAYS_ON.values()}  # so that a net from mc_model is accepted, too


def _mask_shape(layer, inputs):
    """The shape of the mask. A size of 1 means: one mask value for all places along that axis."""
    shape = tf.unstack(tf.shape(inputs))
    if "SpatialDropout" in type(layer).__name__:
        channels = 1 if getattr(layer, "data_format", "") == "channels_first" else len(shape) - 1
        return [size if axis in (0, channels) else 1 for axis, size in enumerate(shape)]
    asked = layer.noise_shape or [None] * len(shape)
    return [size if one is None else one for one, size in zip(asked, shape, strict=True)]


def _kept(shape, rate, seed):
    """A mask that is False with probability `rate`, from 16 random bits for each unit (32 for a small
    rate)."""
    bits = tf.uint16 if rate > 0.01 else tf.uint32
    size = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform([(size * bits.size + 3) // 4], seed, None, None, tf.uint32)
    units = tf.reshape(tf.bitcast(words, bits), [-1])[:size]
    return tf.reshape(units, shape) >= tf.constant(round(rate * 2 ** (8 * bits.size)), bits)


# --- the same net with such dropout -------------------------------------------------------------------------


def mc_model(model: keras.Model) -> keras.Model:
    """Build a trained net a second time from the same layers, with dropout always on.

    The new net drops units in ``predict``, in ``evaluate`` and when it is called. All other layers act as
    with ``training=False``: batch normalization uses its running statistics and does not change them, and
    random image augmentation is off. The new net is not compiled.

    Both nets share their weights, and all other state of their layers. So if you train the original further,
    the new net has the new weights, too. Nothing else in the original changes. Save the original, not the new
    net.

    Parameters
    ----------
    model : keras.Model
        Sequential or functional, and built; it may contain other nets. The dropout layers can be ``Dropout``,
        ``AlphaDropout``, ``GaussianDropout``, ``SpatialDropout1D``, ``2D`` or ``3D``. With Keras 2, a part
        that the net calls with ``training=False``, as in ``base(x, training=False)``, drops nothing in
        training, and so it drops nothing here. (Keras 3 ignores this argument when it trains the net.)

    Returns
    -------
    keras.Model

    Raises
    ------
    ValueError
        If `model` is of another kind, is not built, or has no dropout; if another layer is random in training
        (``GaussianNoise``, recurrent and attention layers with dropout) or may be (your own layers with a
        `training` argument); or, with Keras 2, if the net calls a layer with training=True, or with different
        values of `training`.

    Examples
    --------
    >>> layers = keras.layers
    >>> net = keras.Sequential([keras.Input((4,)), layers.Dense(50), layers.Dropout(0.5), layers.Dense(1)])
    >>> x = np.ones((1, 4))
    >>> len({float(net(x)[0, 0]) for _ in range(5)})
    1
    >>> mc_net = mc_model(net)
    >>> len({float(mc_net(x)[0, 0]) for _ in range(5)}) > 1
    True
    """
    return _rebuilt(model)


def _rebuilt(model, **seed):
    """Do the work of `mc_model`; with a seed, Keras' global random state does not change."""
    if not isinstance(model, keras.Model):
        arguments.refuse("model", "a keras.Model", model)
    name, kind = repr(model.name), type(model)
    if not model.built:
        raise ValueError(f"The net {name} has no weights yet. Give it a keras.Input, and train it.")
    if not any(_drops(layer) for layer in flat_layers(model)):
        remedy = "Train a net with keras.layers.Dropout or AlphaDropout."
        raise ValueError(f"The net {name} drops no units, so all its predictions are the same. {remedy}")
    if not kind.__module__.startswith("keras."):
        remedy = "Call it in a loop, with training=True."
        raise ValueError(f"The net {name} should be Sequential or functional, not {kind.__name__}. {remedy}")
    # The same net as a functional model that is not compiled: clone_model would compile the clone, too.
    sequential = isinstance(model, keras.Sequential)
    ends = (model.inputs[0], model.outputs[0]) if sequential else (model.input, model.output)
    view = keras.Model(*ends, name=model.name)
    told_training = _training_arguments(view) if STACK == "addons" else {}

    def switched(layer):
        kind, told = type(layer), told_training.get(layer.name, {None})
        drops = any(_drops(part) for part in flat_layers(layer))
        if len(told) > 1 or (True in told and kind not in _ALWAYS_ON):
            remedy = "Leave `training` out; or use training=False, if the layer should never drop units."
            raise ValueError(f"The net {name} calls its layer {layer.name!r} with training={told}. {remedy}")
        if not drops or told == {False}:
            return second_layer(layer)
        if isinstance(layer, keras.Model):
            return _rebuilt(layer, **seed)
        if kind not in _ALWAYS_ON or layer.rate >= 1:
            raise ValueError(
                f"The layer {layer.name!r} ({kind.__name__}) of the net {name} is random in training "
                "in a way that MC dropout does not support. It supports Dropout, AlphaDropout, "
                "GaussianDropout and SpatialDropout, with a rate below 1."
            )
        always_on = _ALWAYS_ON[kind].from_config(layer.get_config() | seed)
        if hasattr(layer, "data_format"):
            always_on.data_format = layer.data_format  # not in the configuration of Keras 2
        return always_on

    return keras.models.clone_model(view, clone_function=switched)


def _drops(layer):
    """Whether a layer is random in training, or may be. Such a layer is replaced, or the net is refused."""
    module = type(layer).__module__
    if isinstance(layer, keras.Model) and module.startswith("keras."):
        return False  # its layers are checked one by one
    if not module.startswith(("keras.", "course_utils.")):
        return "training" in inspect.signature(layer.call).parameters
    config = layer.get_config()
    rates = [config.get(key) for key in ("rate", "dropout", "recurrent_dropout", "stddev")]
    return any(isinstance(rate, int | float) and rate > 0 for rate in rates)


def _training_arguments(model):
    """Give the values of `training` with which a Keras 2 net calls each layer; None if it is left out."""

    def given(calls):
        if isinstance(calls, dict):
            yield from (v for k, v in calls.items() if k == "training" and isinstance(v, bool))
            calls = list(calls.values())
        for one in calls if isinstance(calls, list | tuple) else ():
            yield from given(one)

    layers = model.get_config()["layers"]
    return {
        one["name"]: {next(given(call), None) for call in one["inbound_nodes"]} or {None} for one in layers
    }


# --- predictions --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MCPrediction:
    """The mean and the spread of many predictions with dropout on.

    Attributes
    ----------
    mean : numpy.ndarray of float64, shape (n, classes)
        The mean over the samples: the prediction. The shape can be any other output shape (n, ...) of the
        net.
    std : numpy.ndarray of float64, shape (n, classes)
        The standard deviation over the samples, with divisor `n_samples`, as in ``numpy.std``.
    entropy : numpy.ndarray of float64, shape (n,), or None
        The entropy of the mean probabilities, in nats: the total uncertainty, from 0 to log(classes).
    mutual_information : numpy.ndarray of float64, shape (n,), or None
        The entropy of the mean minus the mean entropy, in nats. It measures how much the samples disagree,
        which more training data could reduce. If it is small and the entropy is large, the samples agree that
        the image is ambiguous.

    Notes
    -----
    The last two are None if the outputs are not probabilities. They count as probabilities if they are never
    negative and add up to 1 over two or more classes; or if the last layer is a single unit with a sigmoid,
    which gives the probability of one of two classes.
    """

    mean: np.ndarray
    std: np.ndarray
    entropy: np.ndarray | None
    mutual_information: np.ndarray | None


def mc_predict(
    model, x, n_samples: int = 100, batch_size: int = 2000, seed: int | None = None
) -> MCPrediction:
    """Predict many times with dropout on; return the mean, the spread and the uncertainty.

    The model and the global random states do not change.

    Parameters
    ----------
    model : keras.Model
        A trained net that `mc_model` accepts, or a result of `mc_model`. It has one output.
    x : array of shape (n, ...)
        The inputs. A net with several inputs takes a list, tuple or dictionary of arrays.
    n_samples : int, default=100
        How many predictions for each image, at least 2. The error of the mean falls as 1/√n_samples.
    batch_size : int, default=2000
        Largest number of images in one pass. All samples of a batch are held in memory.
    seed : int, optional
        From 0 to 2**32 - 1. The same seed gives the same numbers, whatever the global seed, if `n_samples`
        and `batch_size` are also the same: the masks of a batch are drawn together. By default each call
        draws a new seed.

    Returns
    -------
    MCPrediction
        With ``mean``, ``std``, ``entropy`` and ``mutual_information``.

    Raises
    ------
    ValueError
        If an argument is wrong; if `x` is empty, does not fit the net, or contains NaN or infinity; if the
        net has several outputs, or returns NaN or infinity; or if `mc_model` refuses the net.

    Notes
    -----
    Every image and every sample has its own mask. Every unit has its own mask value, except where
    ``SpatialDropout`` or ``noise_shape`` share it. The probability of dropping a unit is `rate`, rounded to a
    multiple of 2**-16 (0.2 becomes 0.2 - 3e-6), or of 2**-32 for rates up to 0.01.

    Examples
    --------
    >>> keras.utils.set_random_seed(42)
    >>> softmax = keras.layers.Dense(3, "softmax")
    >>> net = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), softmax])
    >>> result = mc_predict(net, np.ones((5, 4)), n_samples=20, seed=0)
    >>> result.mean.shape, result.entropy.shape
    ((5, 3), (5,))
    """
    batches = list(_sampled_batches(model, x, n_samples, batch_size, seed, _moments))
    mean, std, entropy, information = zip(*batches, strict=True)
    known = all(part is not None for part in entropy) and (mean[0].shape[-1] > 1 or _ends_in_sigmoid(model))
    uncertainties = map(np.concatenate, (entropy, information)) if known else (None, None)
    return MCPrediction(np.concatenate(mean), np.concatenate(std), *uncertainties)


def mc_samples(model, x, n_samples: int = 100, batch_size: int = 2000, seed: int | None = None) -> np.ndarray:
    """Predict many times with dropout on; return every prediction.

    For the same arguments, `mc_predict` averages these predictions. All are held in memory, so this function
    is for a few images.

    Parameters
    ----------
    model, x, n_samples, batch_size, seed
        As for `mc_predict`.

    Returns
    -------
    numpy.ndarray of float32, shape (n_samples, n, classes)
        The outputs of the net.

    Raises
    ------
    ValueError
        As `mc_predict`.

    Examples
    --------
    >>> net = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(3)])
    >>> mc_samples(net, np.ones((2, 4)), n_samples=7, seed=0).shape
    (7, 2, 3)
    """
    return np.concatenate(list(_sampled_batches(model, x, n_samples, batch_size, seed, lambda y: y)), axis=1)


def _sampled_batches(model, x, n_samples, batch_size, seed, reduced):
    """Yield `reduced` of each batch's samples, an array of shape (n_samples, images, ...)."""
    n_samples = arguments.whole_number("n_samples", n_samples, at_least=2)
    batch_size = arguments.whole_number("batch_size", batch_size, at_least=1)
    source = np.random.SeedSequence(None if seed is None else arguments.seed("seed", seed))
    net = _rebuilt(model, seed=0)
    x, n = _checked(model, x)
    # If there are few images, one call takes them through the net several times.
    together = min(max(batch_size // n, 1), n_samples)
    one_pass = _one_pass(net, together)
    for first in range(0, n, batch_size):
        images = slice(first, first + batch_size)
        batch = tf.nest.map_structure(lambda one, images=images: one[images], x)
        outputs = []
        for words in source.spawn(1)[0].generate_state(2 * -(-n_samples // together)).reshape(-1, 2):
            output = one_pass(batch, tf.constant(words.view(np.int32))).numpy()
            outputs.append(output.reshape(together, -1, *output.shape[1:]))
        samples = np.concatenate(outputs)[:n_samples]
        if not np.isfinite(samples).all():
            raise ValueError(f"The net {model.name!r} returns NaN or infinity. Did its training diverge?")
        yield reduced(samples)


def _one_pass(net, together):
    """Compile a pass of a batch through the net, `together` times. The seed alone determines the masks."""
    dropouts = [layer for layer in flat_layers(net) if isinstance(layer, _AlwaysOn)]

    @tf.function(reduce_retracing=True)
    def one_pass(batch, seed):
        rows = tf.nest.map_structure(lambda one: tf.concat([one] * together, axis=0), batch)
        seeds = (tf.random.experimental.stateless_fold_in(seed, i) for i in itertools.count())
        try:
            for layer in dropouts:
                layer.seeds = seeds
            return net(rows, training=False)
        finally:
            for layer in dropouts:
                layer.seeds = None

    return one_pass


def _moments(samples):
    """Return mean, standard deviation, entropy of the mean and mutual information (the last two or None)."""
    mean, std = samples.mean(axis=0, dtype=np.float64), samples.std(axis=0, dtype=np.float64)
    p = samples.astype(np.float64)
    if p.shape[-1] == 1:
        p = np.concatenate([p, 1 - p], axis=-1)
    tolerance = 1e-2 if samples.itemsize < 4 else 1e-4  # half precision has three digits
    if p.min() < 0 or abs(p.sum(axis=-1) - 1).max() > tolerance:
        return mean, std, None, None
    entropy = entr(p.mean(axis=0)).sum(axis=-1)
    # If all samples are the same, the difference is 0 except for rounding, which can make it negative.
    return mean, std, entropy, np.maximum(entropy - entr(p).sum(axis=-1).mean(axis=0), 0.0)


def _ends_in_sigmoid(model):
    while isinstance(model, keras.Model):
        model = model.layers[-1]
    return getattr(getattr(model, "activation", None), "__name__", "") == "sigmoid"


def _checked(model, x):
    """Return the inputs as tensors, and the number of images."""
    if len(model.outputs) != 1:
        raise ValueError(f"The net {model.name!r} should have one output; it has {len(model.outputs)}.")
    several = isinstance(x, dict) or (isinstance(x, list | tuple) and len(model.inputs) > 1)
    arrays = tf.nest.map_structure(np.asarray, x) if several else np.asarray(x)
    shapes, expected = (
        [one.shape for one in tf.nest.flatten(arrays)],
        [tuple(one.shape) for one in model.inputs],
    )
    if [len(shape) for shape in shapes] != [len(shape) for shape in expected]:
        raise ValueError(
            f"`x` should have the shape {expected}; received {shapes}. For a single image, use x[:1]."
        )
    if len({shape[0] for shape in shapes}) != 1 or not shapes[0][0]:
        raise ValueError(
            f"`x` should hold at least one image, and as many in every input; received {shapes}."
        )

    def tensor(array):
        if array.dtype.kind not in "biufUSO" or (array.dtype.kind == "f" and not np.isfinite(array).all()):
            arguments.refuse("x", "an array of finite numbers or strings", array)
        return tf.convert_to_tensor(array, keras.backend.floatx() if array.dtype.kind == "f" else None)

    return tf.nest.map_structure(tensor, arrays), shapes[0][0]
