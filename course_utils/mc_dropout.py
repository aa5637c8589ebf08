"""Monte Carlo dropout: leave dropout on, predict many times, and see how far the predictions scatter.

A net trained with dropout is a crowd of thinner nets. One usually lets them speak as one, with dropout off.
To ask them one by one, and to measure how far they agree:

>>> result = mc_predict(model, x_test, n_samples=100, seed=42)      # doctest: +SKIP
>>> result.mean.argmax(axis=-1), result.std                         # doctest: +SKIP
>>> result.entropy, result.mutual_information                       # doctest: +SKIP

`mc_predict` takes the trained model and leaves it alone; `mc_model` gives its form with dropout always on,
and `MCDropout` and `MCAlphaDropout` are the layers for those who build such a net by hand. Everything else in
the net stays as in inference: batch normalization uses, and keeps, its running statistics, which
``model(x, training=True)`` would not.

A mask takes sixteen random bits for each unit, and the bits are a function: a hash of the seed, the number of
the sample, the place of the image in `x` and that of the unit in the net. So they depend on nothing else, are
made where they are used, and cost a fraction of what Keras' own random numbers cost. benchmarks/mc_dropout.py
shows how much.

Yarin Gal and Zoubin Ghahramani: *Dropout as a Bayesian Approximation* (ICML 2016),
https://arxiv.org/abs/1506.02142. The mutual information is that of Neil Houlsby et al.: *Bayesian Active
Learning for Classification and Preference Learning* (2011), https://arxiv.org/abs/1112.5745. The hash is
SplitMix64, of Guy Steele, Doug Lea and Christine Flood: *Fast Splittable Pseudorandom Number Generators*
(OOPSLA 2014), https://doi.org/10.1145/2714064.2660195.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import numbers
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from scipy.special import xlogy

from course_utils.lr_finder import _random_state_kept as random_state_kept

_KERAS_2 = keras.__version__.startswith("2.")

# What stands in the place of a dropped unit, before the affine map that restores mean and variance: the
# value that SELU takes far to the left, -α·λ.
_SELU_FLOOR = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946

# Sixteen random bits for each unit; below this rate their steps would be too coarse.
_BITS = 16
_LOWEST_RATE = 1e-3

# XLA compiles for half a second or more; below so many passes of an image it cannot make up for that.
_XLA_FROM = 100_000


# -- the layers ---------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="course_utils")
class MCDropout(keras.layers.Dropout):
    """Dropout that is always on, whatever `training` says.

    The arguments and the arithmetic are those of ``keras.layers.Dropout``: each unit is set to 0 with
    probability `rate`, the others are multiplied by 1 / (1 - `rate`).

    Parameters
    ----------
    rate : float
        The probability to drop a unit, from 0 to 1.
    noise_shape, seed, **kwargs
        As for ``keras.layers.Dropout``.

    Examples
    --------
    >>> net = keras.Sequential([keras.Input((1000,)), MCDropout(0.2)])
    >>> dropped = np.mean(net(np.ones((10, 1000)), training=False) == 0)
    >>> bool(0.18 < dropped < 0.22)
    True
    """

    def call(self, inputs, training=True):
        """Drop units. `training` is there because Keras passes it; it changes nothing.

        Parameters
        ----------
        inputs : tensor of shape (batch, ...)
        training : bool
            Not used.

        Returns
        -------
        tensor of the shape of `inputs`
        """
        drop = _drops(self, inputs)
        if drop is None:
            return super().call(inputs, training=True)
        kept = tf.cast(tf.logical_not(drop), inputs.dtype)
        return inputs * kept * tf.cast(1 / (1 - self.rate), inputs.dtype)


@keras.saving.register_keras_serializable(package="course_utils")
class MCAlphaDropout(keras.layers.AlphaDropout):
    """Alpha dropout that is always on, whatever `training` says.

    The arguments and the arithmetic are those of ``keras.layers.AlphaDropout``: each unit is set to SELU's
    lowest value with probability `rate`, and the result is scaled and shifted so that inputs of mean 0 and
    variance 1 keep both.

    Parameters
    ----------
    rate : float
        The probability to drop a unit, from 0 to 1.
    seed, **kwargs
        As for ``keras.layers.AlphaDropout``.

    Examples
    --------
    >>> net = keras.Sequential([keras.Input((1000,)), MCAlphaDropout(0.2)])
    >>> len(np.unique(net(np.zeros((10, 1000)), training=False)))
    2
    """

    def call(self, inputs, training=True):
        """Drop units. `training` is there because Keras passes it; it changes nothing.

        Parameters
        ----------
        inputs : tensor of shape (batch, ...)
        training : bool
            Not used.

        Returns
        -------
        tensor of the shape of `inputs`
        """
        drop = _drops(self, inputs)
        if drop is None:
            return super().call(inputs, training=True)
        scale = ((1 - self.rate) * (1 + self.rate * _SELU_FLOOR**2)) ** -0.5
        kept = tf.cast(tf.logical_not(drop), inputs.dtype)
        # scale · (x or the floor) + shift, with shift = -scale · floor · rate, sorted for fewer passes.
        floor = scale * _SELU_FLOOR
        return (inputs * scale - floor) * kept + tf.cast(floor - floor * self.rate, inputs.dtype)


def _drops(layer, inputs):
    """Return which units to drop, from the numbers drawn for this pass; None if Keras should draw."""
    draws = _current.get()
    if draws is None or layer.rate >= 1 or layer.rate < _LOWEST_RATE or layer.noise_shape is not None:
        return None
    # Every subclass but ours may have its own idea of what is dropped together.
    if type(layer) not in (MCDropout, MCAlphaDropout):
        return None
    if inputs.shape[0] != draws.images or not inputs.shape[1:].is_fully_defined():
        return None
    bits = draws.bits(inputs.shape[1:].num_elements())
    drop = bits < tf.constant(round(layer.rate * 2**_BITS), tf.uint16)
    return tf.reshape(drop, inputs.shape)


# -- the random numbers of one pass -------------------------------------------------------------------------

_current = contextvars.ContextVar("the random numbers of the pass that is being traced", default=None)


class _Draws:
    """The random numbers of one pass over one batch, as tensors of the program that is being traced.

    Masks take their bits from 64-bit words, which are numbered image by image. Whatever else draws gets a
    seed from a list. A first tracing, without tensors, counts how many of either are needed.

    Parameters
    ----------
    images : int
        How many are in the batch.
    key : tensor of uint64, shape ()
        What the sample's words are made from.
    first : tensor of int64, shape ()
        The place of the batch's first image in all of `x`.
    words : int
        How many words one image takes.
    seeds : tensor of int32, shape (count, 2)
        The list.
    """

    def __init__(self, images, key=None, first=None, words=None, seeds=None):
        self.images = images
        self.key, self.first, self.words, self.seeds = key, first, words, seeds
        self.used_words = self.used_seeds = 0
        self.graph = tf.compat.v1.get_default_graph()

    @contextlib.contextmanager
    def in_use(self):
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)

    def bits(self, columns):
        """Give sixteen bits for each unit of a layer with so many, as a tensor of shape (images, columns)."""
        self._check_graph()
        count = -(-columns * _BITS // 64)  # four units to a word
        begin, self.used_words = self.used_words, self.used_words + count
        if self.key is None:
            return tf.zeros((self.images, columns), tf.uint16)
        images = self.first + tf.range(self.images, dtype=tf.int64)
        places = images[:, None] * self.words + tf.range(begin, begin + count, dtype=tf.int64)
        words = _split_mix_64(self.key, tf.cast(places, tf.uint64))
        return tf.reshape(tf.bitcast(words, tf.uint16), (self.images, 4 * count))[:, :columns]

    def seed(self, same_at_every_step=False):
        """Give the next seed, as TensorFlow's stateless functions take it."""
        if not same_at_every_step:
            self._check_graph()
        self.used_seeds += 1
        return tf.zeros(2, tf.int32) if self.seeds is None else self.seeds[self.used_seeds - 1]

    def _check_graph(self):
        # A loop is traced once and run many times, each time with the same numbers.
        if tf.compat.v1.get_default_graph() is not self.graph:
            raise ValueError(
                "the model drops units inside a loop over time steps of unknown number, where every step "
                "would drop the same ones. Give keras.Input the number of steps, or move the dropout out of "
                "the loop."
            )


def _split_mix_64(key, places):
    """Give the random words at these places, from 0 on, of the sequence that starts from `key`."""

    def uint64(value):
        return tf.constant(value, tf.uint64)

    def folded(z, shift):
        return tf.bitwise.bitwise_xor(z, tf.bitwise.right_shift(z, uint64(shift)))

    z = key + (places + uint64(1)) * uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio
    z = folded(z, 30) * uint64(0xBF58476D1CE4E5B9)
    z = folded(z, 27) * uint64(0x94D049BB133111EB)
    return folded(z, 31)


def _key(seed, sample):
    """Draw where one sample's sequence starts, among 2**64 places.

    A hundred samples of 10,000 images of the chapter's net take 3·10**6 places each. Two of them overlap in
    one call out of some hundred million.
    """
    return _sequence(seed, 0, sample).generate_state(1, np.uint64)[0]


def _seeds(seed, sample, first, count):
    """Draw the seeds for one pass over the images from `first` on."""
    rng = np.random.default_rng(_sequence(seed, 1, sample, first))
    return rng.integers(0, 2**31 - 1, (count, 2), dtype=np.int32)


def _sequence(seed, *key):
    return np.random.SeedSequence(seed, spawn_key=key)


@functools.cache
def _fed_generator(base):
    """Make of Keras' class of seed generators one that asks for this pass's seeds while there is one."""
    if not _KERAS_2:

        class Fed(base):
            def next(self, ordered=True):
                draws = _current.get()
                return (
                    super().next(ordered) if draws is None else draws.seed(getattr(self, "_of_cell", False))
                )

        return Fed

    class Fed2(base):
        def make_seed_for_stateless_op(self):
            draws = _current.get()
            if draws is None:
                return super().make_seed_for_stateless_op()
            return draws.seed(getattr(self, "_of_cell", False))

    def fed(name):
        @functools.wraps(getattr(base, name))
        def draw(self, *args, **kwargs):
            method = functools.partial(getattr(base, name), self)
            if _current.get() is None:
                return method(*args, **kwargs)
            before = self._rng_type, self._built
            self._rng_type, self._built = self.RNG_STATELESS, True
            try:
                return method(*args, **kwargs)
            finally:
                self._rng_type, self._built = before

        return draw

    for name in ("dropout", "random_uniform", "random_normal", "truncated_normal"):
        setattr(Fed2, name, fed(name))
    return Fed2


# -- the MC form of a model ---------------------------------------------------------------------------------


def mc_model(model: keras.Model) -> keras.Model:
    """Copy a trained model, with dropout always on in the copy.

    The copy has weights of its own, the same numbers, and is not compiled. It drops units in ``predict``, in
    ``evaluate`` and when called; all other layers do what ``training=False`` asks for, so batch normalization
    uses its running statistics and does not move them. The original is not changed in any way, nor are the
    global random states.

    Dropped at random is what Keras drops in training: ``Dropout``, ``AlphaDropout``, ``SpatialDropout1D``,
    ``2D``, ``3D``, ``GaussianDropout``; ``GaussianNoise``; the `dropout` and `recurrent_dropout` of recurrent
    layers and the `dropout` of attention layers; subclasses of all these, and any layer with a seed generator
    of its own. Random image augmentation stays off. A layer that draws without a seed generator, by
    ``tf.nn.dropout`` for example, cannot be seen here, and stays as ``training=False`` leaves it.

    Parameters
    ----------
    model : keras.Model
        Sequential, functional, nested; or a subclass with ``get_config`` whose weights have been made.

    Returns
    -------
    keras.Model
        The copy. Where its random layers are ``Dropout`` and ``AlphaDropout`` (here `MCDropout` and
        `MCAlphaDropout`) it can be saved and loaded; otherwise save the trained model.

    Raises
    ------
    ValueError
        If `model` is no Keras model, has no weights yet, nothing in it drops at random, or it cannot be
        copied.

    Examples
    --------
    >>> layers = keras.layers
    >>> net = keras.Sequential([keras.Input((4,)), layers.Dense(50), layers.Dropout(0.5), layers.Dense(1)])
    >>> x = np.ones((1, 4))
    >>> len({float(net(x)[0, 0]) for _ in range(5)})
    1
    >>> form = mc_model(net)
    >>> len({float(form(x)[0, 0]) for _ in range(5)}) > 1
    True
    """
    _check_model(model)
    with random_state_kept():
        copy = _copied(model)
        copy.set_weights(model.get_weights())
        layers = list(copy._flatten_layers())
        active = [layer for layer in layers if _is_random(layer)]
        if not active:
            raise ValueError(
                f"the model {model.name!r} has no layer that drops at random, so all its predictions are the "
                "same. Train a model with keras.layers.Dropout or AlphaDropout in it."
            )
        for layer in active:
            _activate(layer)
        # A recurrent layer draws the masks of its cell, or hands its `training` on to it.
        for layer in layers:
            cell = getattr(layer, "cell", None)
            if layer not in active and any(one in active for one in _layers_in(cell)):
                _swap_class(layer, _always_on(type(layer)))
    copy._is_mc_form = True
    return copy


def _layers_in(layer):
    return list(layer._flatten_layers()) if isinstance(layer, keras.layers.Layer) else []


def _generators(layer):
    """List a layer's own seed generators."""
    if not _KERAS_2:
        return list(layer._seed_generators)
    generator = getattr(layer, "_random_generator", None)
    return [] if generator is None else [generator]


def _is_random(layer):
    if isinstance(layer, keras.Model) or not _generators(layer):
        return False
    if any(".layers.preprocessing." in f"{kind.__module__}." for kind in type(layer).__mro__):
        return False  # random image augmentation
    rates = [getattr(layer, name, None) for name in ("rate", "dropout", "recurrent_dropout")]
    rates = [rate for rate in rates if isinstance(rate, numbers.Real)]
    # Recurrent cells own a generator even if they drop nothing; of a layer without a rate we know nothing.
    return not rates or any(0 < rate < 1 for rate in rates)


def _activate(layer):
    """Turn a layer of a fresh copy into its form that is always on."""
    known = {keras.layers.Dropout: MCDropout, keras.layers.AlphaDropout: MCAlphaDropout}
    if type(layer) not in known.values():
        _swap_class(layer, known.get(type(layer)) or _always_on(type(layer)))
    for generator in _generators(layer):
        _swap_class(generator, _fed_generator(type(generator)))
        # The masks of a recurrent cell are meant to be the same at every step, so it may draw in a loop.
        generator._of_cell = hasattr(layer, "recurrent_dropout")


def _swap_class(thing, kind):
    object.__setattr__(thing, "__class__", kind)


@functools.cache
def _always_on(base):
    """Make a subclass of a class of layers whose `call` is always told that it is training."""
    signature = inspect.signature(base.call)

    def call(self, *args, **kwargs):
        if "training" in signature.parameters:
            bound = signature.bind(self, *args, **kwargs)
            bound.arguments["training"] = True
            return base.call(*bound.args, **bound.kwargs)
        return base.call(self, *args, **kwargs)

    call.__signature__ = signature
    return type(f"MC{base.__name__}", (base,), {"call": call, "__module__": __name__})


def _copied(model):
    """Copy a model and its layers, not yet its weights."""
    made = {}  # so that what is shared stays shared, also between a model and one inside it

    def copied(layer):
        if id(layer) not in made:
            made[id(layer)] = copy_of(layer)
        return made[id(layer)]

    def copy_of(layer):
        if _is_graph(layer):
            return keras.models.clone_model(_uncompiled(layer), clone_function=copied)
        if type(layer) is keras.layers.Lambda:
            # Made anew from its function: Keras refuses to read one back from a configuration.
            return keras.layers.Lambda(
                layer.function, mask=layer.mask, arguments=layer.arguments, name=layer.name, dtype=layer.dtype
            )
        fresh = type(layer).from_config(layer.get_config())
        if layer.built and not fresh.built and isinstance(layer, keras.Model):
            fresh.build_from_config(layer.get_build_config())
        return fresh

    custom = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
    try:
        with keras.saving.custom_object_scope(custom):
            copy = copied(model)
        same = [w.shape for w in copy.weights] == [w.shape for w in model.weights]
    except Exception as error:
        raise ValueError(_no_copy(model)) from error
    if not same:
        raise ValueError(_no_copy(model))
    return copy


def _is_graph(layer):
    """Whether a layer is a model that Keras knows layer by layer: sequential or functional."""
    if not isinstance(layer, keras.Model):
        return False
    return (
        layer._is_graph_network
        if _KERAS_2
        else hasattr(layer, "_run_through_graph") or isinstance(layer, keras.Sequential)
    )


def _uncompiled(model):
    """View a model as if it were not compiled: Keras 3 would compile its clone too, and fails on a lambda."""
    view = object.__new__(type(model))
    vars(view).update(vars(model), **({} if _KERAS_2 else {"compiled": False}))
    return view


def _no_copy(model):
    return (
        f"the model {model.name!r} ({type(model).__name__}) cannot be copied from its configuration. Give "
        "its class (and those of its layers) a get_config() that returns the arguments of __init__, make its "
        "layers in __init__, and call it once on data; or use MCDropout in it in place of Dropout, and call "
        "it many times."
    )


def _check_model(model):
    if not isinstance(model, keras.Model):
        raise ValueError(f"model should be a keras.Model; received {model!r:.60}.")
    if not model.built:
        raise ValueError(
            f"the model {model.name!r} has no weights yet. Give it a keras.Input or call it on data, "
            "and train it."
        )


# -- predictions --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MCPrediction:
    """What many predictions with dropout on have in common, and where they differ.

    Attributes
    ----------
    mean : numpy.ndarray of float64, shape (n, classes)
        The mean over the samples: the prediction. (Or of any other shape (n, ...) the model puts out.)
    std : numpy.ndarray of float64, shape (n, classes)
        The standard deviation over the samples, with divisor `n_samples`, as ``numpy.std`` gives it.
    entropy : numpy.ndarray of float64, shape (n,), or None
        The entropy of the mean probabilities, in nats: all that is uncertain, from 0 to log(classes).
    mutual_information : numpy.ndarray of float64, shape (n,), or None
        The entropy of the mean less the mean entropy, in nats: how far the samples contradict each other,
        which more training data could mend. Where it is small and the entropy large, the samples agree that
        the image is ambiguous.

    Notes
    -----
    The last two are None where the outputs are no probabilities. They are taken for some if every one of them
    adds up to 1 over two or more classes and none is negative; or if the last layer is a single unit with a
    sigmoid, as the probability of one of two classes.
    """

    mean: np.ndarray
    std: np.ndarray
    entropy: np.ndarray | None
    mutual_information: np.ndarray | None


def mc_predict(
    model, x, n_samples: int = 100, batch_size: int = 2000, seed: int | None = None
) -> MCPrediction:
    """Predict many times with dropout on; give the mean, the spread and the uncertainty.

    The model is not changed, and the global random states neither. What is held at any time are two batches
    with their masks, and the results.

    Parameters
    ----------
    model : keras.Model
        A trained model with dropout, or what `mc_model` or the layers `MCDropout` and `MCAlphaDropout` made
        of it. It has one output.
    x : array of shape (n, ...)
        The inputs; for a model with several, a list, tuple or dictionary of arrays.
    n_samples : int, default=100
        How many predictions for each image; 2 or more. The mean's error falls with its square root.
    batch_size : int, default=2000
        How many images at most go through the net together. Masks do not depend on it. Two batches are at
        work at any time, so an even number of them is faster; for a small dense net, so are larger ones.
    seed : int, optional
        0 or more. The same seed gives the same masks, whatever the batch size, the number of threads and the
        global seed, and so the same numbers up to rounding: with the same batch size and threads, to the last
        bit. By default another one is drawn each time.

    Returns
    -------
    MCPrediction
        With ``mean``, ``std``, ``entropy`` and ``mutual_information``.

    Raises
    ------
    ValueError
        If an argument is none of these, `x` is empty, has another shape than the model's inputs or holds NaN
        or infinity; if nothing in the model drops at random; if it has several outputs or they are not
        finite; or if it cannot be copied (see `mc_model`).

    Notes
    -----
    ``Dropout`` and ``AlphaDropout`` draw a mask of its own for each image, unit and sample. The probability
    to drop is `rate` rounded to a multiple of 2**-16 (0.2 becomes 0.2 - 3e-6). Other layers draw as they do
    in training, by TensorFlow, from seeds that belong to a sample and the first image of a batch; there, the
    batch size is part of the seed.

    Examples
    --------
    >>> keras.utils.set_random_seed(42)
    >>> softmax = keras.layers.Dense(3, "softmax")
    >>> net = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), softmax])
    >>> result = mc_predict(net, np.ones((5, 4)), n_samples=20, seed=0)
    >>> result.mean.shape, result.entropy.shape
    ((5, 3), (5,))
    >>> again = mc_predict(net, np.ones((5, 4)), n_samples=20, seed=0)
    >>> bool((again.mean == result.mean).all())
    True
    """
    passes = _Passes(model, x, n_samples, batch_size, seed)
    parts = passes.gathered(lambda outputs: _Moments(outputs, passes.one_sigmoid))
    probabilities = all(part.probabilities for part in parts)

    def joined(name):
        return np.concatenate([getattr(part, name) for part in parts])

    if not probabilities:
        return MCPrediction(joined("mean"), joined("std"), None, None)
    entropy = joined("entropy")
    # Where all samples are the same the difference is 0 up to rounding, which may be below 0.
    information = np.maximum(entropy - joined("mean_entropy"), 0.0)
    return MCPrediction(joined("mean"), joined("std"), entropy, information)


def mc_samples(model, x, n_samples: int = 100, batch_size: int = 2000, seed: int | None = None) -> np.ndarray:
    """Predict many times with dropout on; give every prediction.

    They are those that `mc_predict` averages, for the same arguments. All are held in memory, so this is for
    a few images.

    Parameters
    ----------
    model, x, n_samples, batch_size, seed
        As for `mc_predict`.

    Returns
    -------
    numpy.ndarray of float32, shape (n_samples, n, classes)
        The outputs of the model.

    Raises
    ------
    ValueError
        As `mc_predict`.

    Examples
    --------
    >>> net = keras.Sequential([keras.Input((4,)), MCDropout(0.5), keras.layers.Dense(3, "softmax")])
    >>> mc_samples(net, np.ones((2, 4)), n_samples=7, seed=0).shape
    (7, 2, 3)
    """
    passes = _Passes(model, x, n_samples, batch_size, seed)
    return np.concatenate(passes.gathered(lambda outputs: np.stack(list(outputs))), axis=1)


class _Moments:
    """Mean, spread and entropies of one batch, gathered sample by sample."""

    def __init__(self, outputs, one_sigmoid):
        mean = squares = entropies = 0.0
        self.probabilities = True
        for count, output in enumerate(outputs, 1):
            self.probabilities = self.probabilities and _are_probabilities(output, one_sigmoid)
            output = output.astype(np.float64)
            # Welford's way, in which large values with a small spread lose nothing.
            difference = output - mean
            mean = mean + difference / count
            squares = squares + difference * (output - mean)
            if self.probabilities:
                entropies = entropies + _entropy(output)
        self.mean, self.std = mean, np.sqrt(squares / count)
        if self.probabilities:
            self.entropy, self.mean_entropy = _entropy(mean), entropies / count


def _entropy(p):
    """The entropy of probabilities over the last axis, in nats; of p and 1 - p if there is but one."""
    if p.shape[-1] == 1:
        p = np.concatenate([p, 1 - p], axis=-1)
    return -xlogy(p, p).sum(axis=-1)


def _are_probabilities(output, one_sigmoid):
    if output.shape[-1] == 1:
        return one_sigmoid
    tolerance = 1e-2 if output.itemsize < 4 else 1e-4  # half precision keeps three digits
    return bool(output.min() >= 0 and np.abs(output.sum(axis=-1, dtype=np.float64) - 1).max() < tolerance)


class _Passes:
    """The passes of all images through a net that drops at random, batch by batch, sample by sample."""

    def __init__(self, model, x, n_samples, batch_size, seed):
        _check_whole("n_samples", n_samples, 2, "one prediction has no spread")
        _check_whole("batch_size", batch_size, 1, "images go through the net in batches of it")
        if seed is not None:
            _check_whole("seed", seed, 0, "leave it out to draw one")
        _check_model(model)
        self.x = _checked_x(model, x)
        self.n_samples = int(n_samples)
        self.seed = int(np.random.SeedSequence().entropy if seed is None else seed)
        self.net = model if getattr(model, "_is_mc_form", False) else mc_model(model)
        self.one_sigmoid = _ends_in_one_sigmoid(model)
        n = len(tf.nest.flatten(self.x)[0])
        # Batches of one size need one program; the last is filled up with images that are left out again.
        self.size = -(-n // -(-n // int(batch_size)))
        self.n = n
        self.stopped = False
        with random_state_kept():
            self.program, self.seeds = _program(self.net, self._batch(0), xla=n * self.n_samples >= _XLA_FROM)

    def batches(self):
        return range(0, self.n, self.size)

    def of(self, first):
        """Give the outputs of one batch, sample after sample."""
        batch, count = self._batch(first), min(self.size, self.n - first)
        for sample in range(self.n_samples):
            if self.stopped:
                return
            drawn = _key(self.seed, sample), np.int64(first), _seeds(self.seed, sample, first, self.seeds)
            output = self.program(batch, *map(tf.convert_to_tensor, drawn)).numpy()
            if not np.isfinite(output).all():
                raise ValueError(
                    f"the model {self.net.name!r} puts out NaN or infinity, so there is nothing to average. "
                    "Look at its weights: has its training diverged?"
                )
            yield output[:count]

    def gathered(self, gather):
        """Call `gather` on the outputs of every batch, on two batches at a time.

        Neither of them keeps all cores busy from beginning to end.
        """
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(lambda first: gather(self.of(first)), first) for first in self.batches()]
            try:
                done, _ = wait(jobs, return_when=FIRST_EXCEPTION)
                for job in done:  # a batch that failed, before those that have not ended
                    job.result()
                return [job.result() for job in jobs]
            except BaseException:
                self.stopped = True
                for job in jobs:
                    job.cancel()
                raise

    def _batch(self, first):
        rows = np.minimum(np.arange(first, first + self.size), self.n - 1)
        whole = first + self.size <= self.n
        return tf.nest.map_structure(
            lambda a: tf.convert_to_tensor(a[first : first + self.size] if whole else a[rows]), self.x
        )


def _program(net, batch, xla):
    """Trace one pass over a batch; say how many seeds it takes."""
    images = int(tf.nest.flatten(batch)[0].shape[0])
    specs = tf.nest.map_structure(lambda one: tf.TensorSpec(one.shape, one.dtype), batch)

    def one_pass(batch, key, first, seeds):
        with _Draws(images, key, first, words, seeds).in_use():
            return _one_output(net, net(batch, training=False))

    def count(batch):
        with _Draws(images).in_use() as draws:
            _one_output(net, net(batch, training=False))
        needed.append(draws)
        return ()

    needed = []
    tf.function(count, autograph=False).get_concrete_function(specs)
    words, seeds = needed[-1].used_words, needed[-1].used_seeds
    if not words and not seeds:
        raise ValueError(
            f"the model {net.name!r} drops nothing when it is called, although it has layers that could. Is "
            "every one of them used?"
        )
    program = tf.function(one_pass, autograph=False, jit_compile=xla and not seeds and _xla_pays(net))
    drawn = tf.TensorSpec((), tf.uint64), tf.TensorSpec((), tf.int64), tf.TensorSpec((seeds, 2), tf.int32)
    return program.get_concrete_function(specs, *drawn), seeds


def _one_output(net, output):
    if not tf.is_tensor(output):
        raise ValueError(
            f"the model {net.name!r} should have one output; it has {len(tf.nest.flatten(output))}. Make a "
            "model of one of them: keras.Model(model.inputs, model.outputs[0])."
        )
    return output


def _xla_pays(net):
    """Whether XLA makes a net faster: on a CPU its convolutions are slow, its loops slow to compile."""
    slow = ("convolutional", "rnn", "attention", "pooling")
    return not any(
        f".{word}." in f"{kind.__module__}."
        for layer in net._flatten_layers()
        for kind in type(layer).__mro__
        for word in slow
    )


def _ends_in_one_sigmoid(model):
    last = model
    while isinstance(last, keras.Model) and last.layers:
        last = last.layers[-1]
    # The activation may be an argument of the last layer, or the last layer itself.
    return getattr(getattr(last, "activation", None), "__name__", "") == "sigmoid"


# -- checks -------------------------------------------------------------------------------------------------


def _check_whole(name, value, least, why):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} should be a whole number ≥ {least} ({why}); received {value!r}.")


def _checked_x(model, x):
    """Return the inputs as arrays in the model's precision, once they fit the model and each other."""

    def checked(array):
        if tf.is_tensor(array):
            array = array.numpy()
        array = np.asarray(array)
        if array.dtype.kind not in "biuf" or array.ndim == 0:
            raise ValueError(
                f"x should be an array of numbers with one row per image; received {array!r:.60}, of type "
                f"{array.dtype} and shape {array.shape}."
            )
        if array.dtype.kind == "f":
            bad = int(array.size - np.isfinite(array).sum())
            if bad:
                raise ValueError(f"x should be finite; received {bad} values that are NaN or infinite.")
            array = array.astype(keras.backend.floatx(), copy=False)
        return array

    if isinstance(x, tf.data.Dataset):
        raise ValueError("x should be an array, not a dataset: a dataset may bring other images each time.")
    several = isinstance(x, dict) or (
        isinstance(x, list | tuple) and len(getattr(model, "inputs", None) or ()) > 1
    )
    x = tf.nest.map_structure(checked, x) if several else checked(x)
    arrays = tf.nest.flatten(x)
    lengths = sorted({len(array) for array in arrays})
    if len(lengths) != 1 or lengths[0] == 0:
        raise ValueError(f"x should hold one or more images, as many in every input; received {lengths}.")
    inputs = getattr(model, "inputs", None) or ()
    expected = [tuple(one.shape) for one in inputs]
    given = [array.shape for array in arrays]
    if expected and not isinstance(x, dict):
        fits = len(given) == len(expected) and all(
            len(a) == len(b) and all(q in (None, p) for p, q in zip(a[1:], b[1:], strict=True))
            for a, b in zip(given, expected, strict=True)
        )
        if not fits:
            raise ValueError(
                f"x should have the shape of the model's inputs, {expected}; received {given}. "
                "The first axis is that of the images: a single one is x[:1]."
            )
    return x
