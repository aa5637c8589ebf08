"""The learning-rate range test: raise the rate from batch to batch, watch the loss, leave no trace.

The rate grows geometrically from one batch to the next. While it is too small the loss hardly moves, then it
falls, and where the rate is too large it rises again. A good rate lies where it falls:

>>> result = lr_find(model, x_train, y_train, batch_size=32)        # doctest: +SKIP
>>> result.plot()                                                   # doctest: +SKIP
>>> model.optimizer.learning_rate = result.suggestion()             # doctest: +SKIP

Afterwards the model is as it was, so the training that follows is the same, bit for bit, as without the test.

The idea is Leslie Smith's: *Cyclical Learning Rates for Training Neural Networks* (2015; WACV 2017), section
3.3, https://arxiv.org/abs/1506.01186. The names of the settings are those of torch-lr-finder
(https://github.com/davidtvs/pytorch-lr-finder), the words for the suggestions and the rules behind them are
fastai's (https://docs.fast.ai/callback.schedule.html). Deliberate differences from both:

- the losses are kept as they are beside the smoothed ones, which are corrected for their start;
- the test also ends at a loss that is not finite, and does not mistake a negative loss for a divergence;
- optimizer, metrics and random state are put back too, in memory and after any exception;
- a suggestion for a curve that never falls is an error, not a number.
"""

from __future__ import annotations

import contextlib
import math
import numbers
import random
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.python.eager import context  # the one place where eager TensorFlow keeps its random state

_KERAS_2 = keras.__version__.startswith("2.")


# -- suggestions: plain functions of (lrs, losses) ----------------------------------------------------------


def valley(lrs, losses) -> float:
    """Suggest the rate in the middle of the longest fall.

    The fall is the longest subsequence of ever lower losses; of several, the one that ends first. With its
    length L and its end at index e, the suggestion is the rate L/2 before e (fastai's rule, which so takes
    the fall as if it had no gaps).

    Parameters
    ----------
    lrs : array of float, shape (n,)
        The learning rates, rising.
    losses : array of float, shape (n,)
        The loss at each of them, smoothed.

    Returns
    -------
    float
        One of the rates.

    Raises
    ------
    ValueError
        If the curve is shorter than 3 points, holds something not finite, or never falls below its start.

    Examples
    --------
    >>> valley([1, 2, 3, 4, 5, 6, 7, 8], [2.3, 2.3, 2.1, 1.9, 1.6, 1.2, 1.1, 9.0])
    4.0
    """
    lrs, losses = _curve(lrs, losses)
    longest = np.ones(len(losses), int)  # of the falling subsequences that end at each point
    for i in range(1, len(losses)):
        higher = losses[:i] > losses[i]
        longest[i] += max(longest[:i][higher], default=0)
    end = int(longest.argmax())
    third = longest[end] / 3
    # Rounded as fastai rounds. A fall of two points would begin before the first of them.
    return float(lrs[max(end - longest[end] + int(third) + int(third / 2), 0)])


def slide(lrs, losses, lr_diff: int = 15, thresh: float = 0.005) -> float:
    """Suggest the rate before the loss begins to bend upwards.

    Two marks, `lr_diff` points apart, slide from the right end of the curve to the left, until its slope per
    point (``numpy.gradient``) differs by no more than `thresh` between them: there, the left mark stands
    where the bend begins. The method of Novoselov et al., "interval slide rule", as in fastai.

    Parameters
    ----------
    lrs, losses : array of float, shape (n,)
        As for `valley`.
    lr_diff : int, default=15
        The points between the marks.
    thresh : float, default=0.005
        The difference in slope, in units of loss, that counts as none.

    Returns
    -------
    float
        One of the rates.

    Raises
    ------
    ValueError
        As `valley`; and if the curve has not more than `lr_diff` points.

    Examples
    --------
    >>> slide([1, 2, 3, 4, 5, 6, 7, 8], [2.0, 1.9, 1.8, 1.7, 1.6, 1.5, 1.8, 2.9], lr_diff=2)
    4.0
    """
    lrs, losses = _curve(lrs, losses, shortest=lr_diff + 1)
    slope = np.gradient(losses)
    right = len(losses) - 1
    left = right - lr_diff
    suggested = left
    while left >= 0 and abs(slope[right] - slope[left]) > thresh:
        suggested = left
        right, left = right - 1, left - 1
    return float(lrs[suggested])


def minimum(lrs, losses) -> float:
    """Suggest a tenth of the rate at which the loss is lowest.

    At the lowest point itself the training is about to diverge.

    Parameters
    ----------
    lrs, losses : array of float, shape (n,)
        As for `valley`.

    Returns
    -------
    float
        A tenth of one of the rates.

    Raises
    ------
    ValueError
        As `valley`.

    Examples
    --------
    >>> minimum([1e-3, 1e-2, 1e-1, 1.0], [2.3, 1.5, 1.2, 9.0])
    0.01
    """
    lrs, losses = _curve(lrs, losses)
    return float(lrs[losses.argmin()] / 10)


def steep(lrs, losses) -> float:
    """Suggest the rate at which the loss falls fastest, over the logarithm of the rate.

    Parameters
    ----------
    lrs, losses : array of float, shape (n,)
        As for `valley`.

    Returns
    -------
    float
        The rate at the upper end of the steepest piece.

    Raises
    ------
    ValueError
        As `valley`.

    Examples
    --------
    >>> steep([1e-3, 1e-2, 1e-1, 1.0], [2.3, 2.2, 1.2, 9.0])
    0.01
    """
    lrs, losses = _curve(lrs, losses)
    return float(lrs[np.argmin(np.diff(losses) / np.diff(np.log(lrs)))])


#: The methods by their names, the default first.
SUGGESTIONS = {"valley": valley, "slide": slide, "minimum": minimum, "steep": steep}


def _curve(lrs, losses, shortest=3):
    """Check a curve that a suggestion is asked for, and return it as two arrays."""
    lrs, losses = np.asarray(lrs, float), np.asarray(losses, float)
    if lrs.ndim != 1 or lrs.shape != losses.shape:
        raise ValueError(
            f"lrs and losses should be rows of one length; received shapes {lrs.shape} and {losses.shape}."
        )
    if len(lrs) < shortest:
        raise ValueError(
            f"a suggestion needs a curve of at least {shortest} points; received {len(lrs)}. Raise num_iter, "
            "lower start_lr, or skip fewer points."
        )
    if not (np.isfinite(lrs).all() and np.isfinite(losses).all()):
        raise ValueError("lrs and losses should be finite; cut the curve before the first NaN or infinity.")
    if lrs[0] <= 0 or (np.diff(lrs) <= 0).any():
        raise ValueError("lrs should be positive and rising.")
    if losses.argmin() == 0:
        raise ValueError(
            f"the loss never falls below its start ({losses[0]:.4g}), so there is nothing to suggest. Lower "
            "start_lr, or raise end_lr or num_iter."
        )
    return lrs, losses


# -- the result ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LRFinderResult:
    """What the range test saw: one loss for each learning rate.

    Attributes
    ----------
    lrs : numpy.ndarray of float, shape (n,)
        The learning rates that gave a finite loss, rising.
    losses : numpy.ndarray of float, shape (n,)
        The loss of each batch by itself, before the update at that rate. (So the effect of a rate shows in
        the next loss.)
    smoothed : numpy.ndarray of float, shape (n,)
        Their exponential average, corrected for its start.
    stopped : str or None
        Why the test ended early; None if it did not. The point at which a finite loss had grown too large is
        part of the curve; a loss that is not finite is not.

    Examples
    --------
    >>> lrs = np.geomspace(1e-4, 1, 40)
    >>> losses = np.cosh(np.log10(lrs) + 1)  # lowest at 0.1
    >>> result = LRFinderResult(lrs, losses, losses, None)
    >>> f"{result.suggestion('minimum'):.2g}"
    '0.0094'
    """

    lrs: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    stopped: str | None = None

    def suggestion(self, method: str = "valley", *, skip_start: int = 10, skip_end: int = 5) -> float:
        """Suggest a learning rate, from the smoothed losses.

        Parameters
        ----------
        method : {"valley", "slide", "minimum", "steep"}, default="valley"
            The rule; each is a function of this module.
        skip_start, skip_end : int, default=10 and 5
            How many points to leave out at either end: the first are few to average over, the last may have
            diverged.

        Returns
        -------
        float
            A learning rate.

        Raises
        ------
        ValueError
            If the method is unknown, a skip is not a whole number from 0, or what is left of the curve is too
            short or never falls.
        """
        if method not in SUGGESTIONS:
            raise ValueError(f"method should be one of {', '.join(SUGGESTIONS)}; received {method!r}.")
        for name, value in [("skip_start", skip_start), ("skip_end", skip_end)]:
            _whole(name, value, least=0)
        kept = slice(skip_start, max(len(self.lrs) - skip_end, 0))
        return SUGGESTIONS[method](self.lrs[kept], self.smoothed[kept])

    def plot(self, ax=None, *, skip_start: int = 10, skip_end: int = 5):
        """Draw the loss over the learning rate, with every suggestion that the curve allows.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            New ones by default.
        skip_start, skip_end : int, default=10 and 5
            As for `suggestion`.

        Returns
        -------
        matplotlib.axes.Axes
            The batches' own losses as light points, the smoothed ones as a line. What lies above the line's
            highest point is cut off, so that one diverging batch does not flatten the rest.
        """
        import matplotlib.pyplot as plt

        from course_utils.plotting import OTHERS

        ax = ax if ax is not None else plt.subplots()[1]
        ax.plot(self.lrs, self.losses, ".", color="#BFBFBF", label="each batch")
        ax.plot(self.lrs, self.smoothed, color="#595959", label="smoothed")
        for method, marker, colour in zip(SUGGESTIONS, "osD^", OTHERS, strict=False):
            try:
                rate = self.suggestion(method, skip_start=skip_start, skip_end=skip_end)
            except ValueError:
                continue
            height = np.interp(np.log(rate), np.log(self.lrs), self.smoothed)
            ax.plot(rate, height, marker, color=colour, markersize=9, label=f"{method}: {rate:.1e}")
        ax.set_xscale("log")
        if len(self.smoothed):
            lowest, highest = min(self.losses.min(), self.smoothed.min()), self.smoothed.max()
            margin = 0.05 * (highest - lowest) or 0.05 * abs(highest) or 1.0
            ax.set_ylim(lowest - margin, highest + margin)
        ax.set_xlabel("learning rate")
        ax.set_ylabel("loss")
        ax.legend()
        return ax


# -- the test -----------------------------------------------------------------------------------------------


def lr_find(
    model,
    x,
    y=None,
    *,
    batch_size: int = 32,
    sample_weight=None,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    num_iter: int = 100,
    smooth_f: float = 0.05,
    diverge_th: float = 5.0,
    seed: int = 0,
) -> LRFinderResult:
    """Train for a few batches with a growing learning rate, and undo it all.

    Afterwards these are as before, also after an exception or Ctrl-C: the weights and batch statistics, the
    optimizer's slots, step count and learning rate, loss scaling, the metrics, the states of the model's
    seed generators, and the random states of Python, NumPy and TensorFlow.

    Parameters
    ----------
    model : keras.Model
        A compiled model of any kind, also with a ``train_step`` of its own. If it has no weights yet they are
        made, and an optimizer without slots gets them; "as before" then means as just initialised, with zero
        steps taken.
    x : array, nested structure of arrays, or tf.data.Dataset
        What ``fit`` takes. A tuple, list or dictionary is a model's several inputs. A dataset yields batches
        of ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.
    y, sample_weight : array or nested structure of arrays, optional
        Targets and weights, if `x` is not a dataset.
    batch_size : int, default=32
        Examples per batch, if `x` is not a dataset.
    start_lr, end_lr : float, default=1e-7 and 10.0
        The first and the last rate, as in fastai; torch-lr-finder starts at the optimizer's own.
    num_iter : int, default=100
        How many batches, at the rates ``numpy.geomspace(start_lr, end_lr, num_iter)``. Where the data holds
        fewer, it is gone through again.
    smooth_f : float, default=0.05
        The share of the newest loss in the average, as in torch-lr-finder; 0 averages nothing. (fastai's
        ``beta=0.98`` is a share of 0.02.)
    diverge_th : float, default=5.0
        Stop when the smoothed loss is more than so many times the lowest so far, as in torch-lr-finder; in
        fastai it is 4. For a negative loss: when it has risen by more than ``diverge_th - 1`` times the
        lowest one's size.
    seed : int, default=0
        Shuffles arrays. The global random numbers have no part in it. (A dataset shuffles itself.)

    Returns
    -------
    LRFinderResult
        With ``lrs``, ``losses``, ``suggestion()`` and ``plot()``.

    Raises
    ------
    TypeError
        If `model` is not a Keras model, `x` is nothing that can be cut into batches, or a setting is not a
        number.
    ValueError
        If the model is not compiled, or runs on several devices; if its optimizer follows a schedule; if the
        data is empty, ends early, or differs in length; if a setting is out of range.

    Notes
    -----
    Ten steps, or more if the model is compiled for more (``steps_per_execution``), run in one call of
    TensorFlow: waiting for the loss of every single step would cost more than a small step itself. The
    curve is looked at between calls: steps taken after the stop are thrown away, and Ctrl-C waits for the
    call to end.

    A dataset that shuffles counts how often it was read. The test reads a copy of it, so that the next epoch
    has the order it would have had. A pipeline that TensorFlow cannot copy (because of what it holds, or more
    than 2 GB of it) is read itself, and its next order is a later one. What a Python generator inside a
    pipeline does when read cannot be undone.

    A layer of Keras 2 with a seed of its own (``Dropout(0.5, seed=3)``) takes its random numbers from that
    seed and from how often it was traced. The first ``fit`` of a freshly compiled model traces once less
    after the test, whose metrics and slots it finds made; so there, and only there, it draws other numbers.

    Other optimizers that a ``train_step`` uses are put back too, but their rates do not grow.

    References
    ----------
    Smith 2015, *Cyclical Learning Rates for Training Neural Networks*, https://arxiv.org/abs/1506.01186

    Examples
    --------
    >>> rng = np.random.default_rng(42)
    >>> x = rng.normal(size=(256, 4)).astype("float32")
    >>> y = x @ np.array([[1.0], [-2.0], [0.5], [3.0]], "float32")
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> result = lr_find(model, x, y)
    >>> 0.001 < result.suggestion() < 0.5
    True
    >>> model.optimizer.learning_rate = result.suggestion()
    """
    _check_settings(start_lr, end_lr, num_iter, smooth_f, diverge_th)
    rate = _rate_variable(model)
    batches = _batches(x, y, sample_weight, batch_size, num_iter, seed)
    first_batch = next(iter(batches), None)
    if first_batch is None:
        raise ValueError("the data holds no batch. Give at least one example.")

    with _layer_seeds_kept(model):
        _build(model, first_batch)
        with _random_state_kept():
            lrs = np.geomspace(start_lr, end_lr, num_iter)
            iterator = iter(batches)
            steps, variables = _step_function(model, rate, iterator)
            metrics = model.metrics
            # Copies in the computer's own memory: TensorFlow may reuse the buffer of a variable.
            before = [(variable, variable.numpy()) for variable in variables]
            try:
                model.reset_metrics()
                losses, smoothed, stopped = _raise_rate(
                    steps, iterator, lrs, max(10, int(model.steps_per_execution or 1)), smooth_f, diverge_th
                )
            except tf.errors.OutOfRangeError as error:
                raise ValueError(
                    f"the data ended before {num_iter} batches, and cannot be read a second time. Lower "
                    "num_iter, or give a dataset that starts anew."
                ) from error
            finally:
                for variable, value in before:
                    variable.assign(value)
                for metric in model.metrics:
                    if metric not in metrics:  # made in the first step, by Keras 2 without a graph
                        metric.reset_state()
    return LRFinderResult(lrs[: len(losses)], np.array(losses), np.array(smoothed), stopped)


def _raise_rate(steps, iterator, lrs, group, smooth_f, diverge_th):
    """Run the steps, `group` of them at a time, until the rates or the patience end."""
    share = smooth_f or 1.0
    losses, smoothed = [], []
    average, lowest = 0.0, math.inf
    for begin in range(0, len(lrs), group):
        for loss in steps(iterator, tf.constant(lrs[begin : begin + group])).numpy().tolist():
            if not math.isfinite(loss):
                return (
                    losses,
                    smoothed,
                    f"the loss became {loss} at a learning rate of {lrs[len(losses)]:.3g}",
                )
            average += share * (loss - average)
            losses.append(loss)
            # The average began at zero; divided by the sum of its shares it is one over the losses so far.
            smoothed.append(average / (1 - (1 - share) ** len(losses)))
            lowest = min(lowest, smoothed[-1])
            if smoothed[-1] > lowest + (diverge_th - 1) * abs(lowest):
                rate = lrs[len(losses) - 1]
                return losses, smoothed, f"the loss had risen too far at a learning rate of {rate:.3g}"
    return losses, smoothed, None


def _step_function(model, rate, iterator):
    """Make the function that trains for some batches, and list the variables it may change."""

    def step(batch, new_rate):
        rate.assign(tf.cast(new_rate, rate.dtype))
        logs = model.train_step(batch)
        if not isinstance(logs, dict) or "loss" not in logs:
            raise ValueError("the model's train_step should return a dictionary with a 'loss' in it.")
        loss = tf.cast(logs["loss"], tf.float32)
        # Keras reports running means; begun anew with every batch they are that batch's own values. To take
        # one mean out of the next instead would multiply their rounding errors. They end with a batch rather
        # than begin with one, because Keras 2 makes its metrics in the first train_step.
        model.reset_metrics()
        return loss

    def steps(iterator, rates):
        def one_more(i, losses):
            args = (iterator.get_next(), rates[i])
            return i + 1, losses.write(i, model.distribute_strategy.run(step, args=args))

        count = tf.size(rates)
        start = (0, tf.TensorArray(tf.float32, size=count, element_shape=()))
        return tf.while_loop(lambda i, _: i < count, one_more, start)[1].stack()

    if model.run_eagerly:
        return steps, _distinct(_variables(model, rate))
    # As `fit` does: XLA, if asked for, sees one step; Keras 2 lets AutoGraph rewrite a train_step.
    step = tf.function(step, jit_compile=bool(model.jit_compile), autograph=_KERAS_2, reduce_retracing=True)
    # Tracing changes nothing yet, and finds what a train_step uses beyond the model's own variables.
    types = (iterator, tf.TensorSpec((None,), tf.float64))
    traced = tf.function(steps, autograph=False).get_concrete_function(*types)
    return traced, _distinct([*_variables(model, rate), *traced.graph.variables])


# -- the model and its state --------------------------------------------------------------------------------


def _rate_variable(model):
    """Return the variable that holds the learning rate, or say why there is none."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"model should be a keras.Model; received {type(model).__name__}.")
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError(
            f"the model {model.name!r} is not compiled. Call model.compile(optimizer, loss) first."
        )
    if model.distribute_strategy.num_replicas_in_sync > 1:
        raise ValueError(
            "the model trains on several devices at once. Find the rate with a copy of it, made outside the "
            "strategy's scope."
        )
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # inside a LossScaleOptimizer
    rate = inner.learning_rate
    # Keras 2 shows a schedule's current value as a variable; what it was built with is kept beside.
    if not hasattr(getattr(inner, "_learning_rate", rate), "assign") or getattr(inner, "_initial_decay", 0):
        raise ValueError(
            f"the learning rate of the model's {type(inner).__name__} follows a schedule, so it cannot be "
            "set batch by batch. Compile the model with a plain number as learning_rate, find the rate, then "
            "compile with the schedule."
        )
    return rate


def _build(model, batch):
    """Make the weights, metrics and slots that the first step of a training would make.

    Made while the step is traced they would cost a second tracing.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    optimizer = model.optimizer
    if not _KERAS_2:
        model._symbolic_build(data_batch=(x, y, sample_weight))
        return
    if not model.built:
        # A model whose train_step alone says what it does has no `call`.
        with contextlib.suppress(NotImplementedError):
            tf.function(model).get_concrete_function(x)
    if isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        optimizer._create_all_weights(model.trainable_variables)
    else:
        optimizer.build(model.trainable_variables)


def _variables(model, rate):
    """List what a step changes, as far as the model and its optimizer tell."""
    variables = [rate, *model.variables, *(v for metric in model.metrics for v in metric.variables)]
    optimizer = model.optimizer
    if not _KERAS_2:
        return variables + list(optimizer.variables)
    generators = (generator._generator for generator in _keras_2_generators(model))
    variables += [generator.state for generator in generators if generator is not None]
    loss_scale = getattr(optimizer, "_loss_scale", None)
    return variables + list(optimizer.variables()) + list(getattr(loss_scale, "_weights", {}).values())


def _distinct(variables):
    """Return TensorFlow's variables behind those of Keras 3, each once."""
    if not _KERAS_2:
        variables = [v.value if isinstance(v, keras.Variable) else v for v in variables]
    return list({v.ref(): v for v in variables}.values())


def _keras_2_generators(model):
    layers = model._flatten_layers() if _KERAS_2 else ()
    generators = (getattr(layer, "_random_generator", None) for layer in layers)
    return [generator for generator in generators if generator is not None]


@contextlib.contextmanager
def _layer_seeds_kept(model):
    """Put back the seeds that Keras 2 counts up in Python whenever it traces a seeded layer."""
    before = [(generator, generator._seed) for generator in _keras_2_generators(model)]
    try:
        yield
    finally:
        for generator, seed in before:
            generator._seed = seed


@contextlib.contextmanager
def _random_state_kept():
    """Put back the global random states of Python, NumPy and TensorFlow."""
    tensorflow = getattr(context.context(), "_rng", None)  # absent until a seed is set
    before = random.getstate(), np.random.get_state(), tensorflow and tensorflow.getstate()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        if tensorflow and tensorflow.getstate() != before[2]:
            tensorflow.setstate(before[2])
            # Random operations outside functions are kept with their state and found again by their seeds.
            context.context().clear_kernel_cache()


# -- data ---------------------------------------------------------------------------------------------------


def _batches(x, y, sample_weight, batch_size, num_iter, seed):
    """Return a dataset of `num_iter` batches as `fit` would see them."""
    if isinstance(x, tf.data.Dataset):
        if y is not None or sample_weight is not None:
            raise ValueError("a dataset brings its own targets and weights: leave out y and sample_weight.")
        return _independent_copy(x).repeat().take(num_iter)
    _whole("batch_size", batch_size, least=1)
    _whole("seed", seed, least=0)
    data = tf.nest.map_structure(_as_tensor, keras.utils.pack_x_y_sample_weight(x, y, sample_weight))
    lengths = sorted({int(tensor.shape[0]) for tensor in tf.nest.flatten(data)})
    if len(lengths) != 1 or lengths[0] == 0:
        raise ValueError(
            f"x, y and sample_weight should hold the same number of examples; received {lengths}."
        )
    examples = lengths[0]
    batch_size = min(batch_size, examples)
    rng = np.random.default_rng(seed)
    epochs = -(-num_iter * batch_size // examples)
    order = np.concatenate([rng.permutation(examples) for _ in range(epochs)])
    order = order[: num_iter * batch_size].reshape(num_iter, batch_size)
    picked = tf.data.Dataset.from_tensor_slices(order).map(
        lambda indices: tf.nest.map_structure(lambda tensor: tf.gather(tensor, indices), data)
    )
    return picked.prefetch(tf.data.AUTOTUNE)


def _as_tensor(array):
    """Return an array as a tensor, floats in Keras' own precision as `fit` has them."""
    if not hasattr(array, "shape") or not len(array.shape):
        raise TypeError(
            f"x and y should be arrays, structures of arrays, or one tf.data.Dataset; found {array!r:.60}."
        )
    if not tf.is_tensor(array):
        array = np.asarray(array)
        if np.issubdtype(array.dtype, np.floating):
            array = array.astype(keras.backend.floatx(), copy=False)
    return tf.convert_to_tensor(array)


# Operations with a state that a dataset shares with all its iterators, and the stand-in for a new state.
_SHARED_STATE = {
    "ShuffleDatasetV3": "DummySeedGenerator",
    "ShuffleAndRepeatDatasetV2": "DummySeedGenerator",
    "RandomDatasetV2": "DummySeedGenerator",
    "CacheDatasetV2": "DummyMemoryCache",
}


def _independent_copy(dataset):
    """Copy a dataset so that reading the copy moves no shuffle of the original; failing that, return it."""
    try:
        graph = tf.raw_ops.DatasetToGraphV2(
            input_dataset=tf.data.experimental.to_variant(dataset),
            external_state_policy=1,  # ignore: the copy stays in this process, where everything still exists
            strip_device_assignment=True,
        )
        graph = tf.compat.v1.GraphDef.FromString(graph.numpy())
        nodes = {node.name: node for node in graph.node}
        for node in graph.node:
            for name in node.input if node.op in _SHARED_STATE else ():
                shared = nodes[name]
                if shared.op == "Const" and shared.attr["dtype"].type == tf.resource.as_datatype_enum:
                    shared.op = _SHARED_STATE[node.op]
                    shared.attr.clear()
        copy = tf.raw_ops.DatasetFromGraph(graph_def=graph.SerializeToString())
    except (tf.errors.OpError, DecodeError):
        return dataset
    return tf.data.experimental.from_variant(copy, dataset.element_spec)


# -- checks -------------------------------------------------------------------------------------------------


def _check_settings(start_lr, end_lr, num_iter, smooth_f, diverge_th):
    named = {"start_lr": start_lr, "end_lr": end_lr, "smooth_f": smooth_f, "diverge_th": diverge_th}
    for name, value in named.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"{name} should be a number; received {value!r}.")
        if not math.isfinite(value):
            raise ValueError(f"{name} should be finite; received {value}.")
    if start_lr <= 0:
        raise ValueError(f"start_lr should be above 0, since the rate is multiplied; received {start_lr}.")
    if end_lr <= start_lr:
        raise ValueError(f"end_lr should be above start_lr; received {end_lr} and {start_lr}.")
    if not 0 <= smooth_f < 1:
        raise ValueError(f"smooth_f should be from 0 (no smoothing) to below 1; received {smooth_f}.")
    if diverge_th <= 1:
        raise ValueError(
            f"diverge_th should be above 1, a multiple of the lowest loss; received {diverge_th}."
        )
    _whole("num_iter", num_iter, least=2)


def _whole(name, value, least):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} should be a whole number; received {value!r}.")
    if value < least:
        raise ValueError(f"{name} should be at least {least}; received {value}.")
