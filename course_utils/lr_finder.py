"""The learning-rate range test: raise the rate from batch to batch, watch the loss, then restore everything.

Each rate is a constant factor larger than the one before. While the rate is too small, the loss hardly
changes; then it falls; when the rate is too large, it rises again. A good rate lies where the loss falls.

The idea is Leslie Smith's: *Cyclical Learning Rates for Training Neural Networks* (2015; WACV 2017), section
3.3, https://arxiv.org/abs/1506.01186. The names of the settings are those of torch-lr-finder
(https://github.com/davidtvs/pytorch-lr-finder); the suggestions are fastai's
(https://docs.fast.ai/callback.schedule.html). Unlike both, this test

- keeps the losses before smoothing, too;
- stops at a loss that is not finite;
- does not take a negative loss for a divergence;
- restores the optimizer, the metrics and the random state, too;
- suggests nothing for a curve that never falls.
"""

import contextlib
import math
import random
import time
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from course_utils import keras_private
from course_utils.arguments import number, one_of, refuse, whole_number
from course_utils.arguments import seed as checked_seed
from course_utils.stack import STACK

# -- suggestions: each function takes a curve as two arrays, and returns one rate --------------------------


def valley(lrs, losses):
    """The rate in the middle of the longest fall of the loss, as in fastai.

    The fall is the longest subsequence of decreasing losses. If several are longest, it is the one that ends
    first. The function counts half the length of the fall back from its end, as if the fall had no gaps, and
    returns the rate there.
    """
    longest = np.ones(len(losses), int)  # length of the longest falling subsequence that ends at each point
    for i in range(1, len(losses)):
        longest[i] += max(longest[:i][losses[:i] > losses[i]], default=0)
    end = int(longest.argmax())
    third = longest[end] / 3
    # Rounded as in fastai. Without max(), a fall of two points would begin before the first of them.
    return lrs[max(end - longest[end] + int(third) + int(third / 2), 0)]


def slide(lrs, losses, lr_diff=15, thresh=0.005):
    """The rate just before the loss rises: the interval slide rule of Novoselov et al., as in fastai.

    Two marks, `lr_diff` points apart, move from the right end of the curve to the left. They stop when the
    slopes at both marks differ by no more than `thresh`.
    """
    slope = np.gradient(losses)
    right = len(losses) - 1
    suggested = left = right - lr_diff
    while left >= 0 and abs(slope[right] - slope[left]) > thresh:
        suggested = left
        right, left = right - 1, left - 1
    return lrs[suggested]


def minimum(lrs, losses):
    """A tenth of the rate with the lowest loss. (At that rate itself the training is about to diverge.)"""
    return lrs[losses.argmin()] / 10


def steep(lrs, losses):
    """The rate at which the loss falls fastest over the logarithm of the rate."""
    return lrs[np.argmin(np.diff(losses) / np.diff(np.log(lrs)))]


#: The methods by name. The first is the default.
SUGGESTIONS = {"valley": valley, "slide": slide, "minimum": minimum, "steep": steep}

# -- the result ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LRFinderResult:
    """The result of the range test: one loss for each learning rate.

    Attributes
    ----------
    lrs : numpy.ndarray of float, shape (n,)
        The learning rates with a finite loss, in increasing order.
    losses : numpy.ndarray of float, shape (n,)
        The loss of each batch alone, before the update with that rate. (So the next loss shows the effect of
        a rate.)
    smoothed : numpy.ndarray of float, shape (n,)
        The exponential average of the losses, corrected for its start.
    stopped : str or None
        Why the test ended early; None if it did not. A finite loss that was too large is the last point of
        the curve. A loss that is not finite is not part of the curve.

    Examples
    --------
    >>> lrs = np.geomspace(1e-4, 1, 40)
    >>> losses = np.cosh(np.log10(lrs) + 1)  # lowest at 0.1
    >>> result = LRFinderResult(lrs, losses, losses)
    >>> f"{result.suggestion('minimum'):.2g}"
    '0.0094'
    """

    lrs: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    stopped: str | None = None

    def suggestion(self, method="valley", *, skip_start=10, skip_end=5):
        """Suggest a learning rate, from the smoothed losses.

        Parameters
        ----------
        method : {"valley", "slide", "minimum", "steep"}, default="valley"
            In this order: the middle of the longest fall; the rate just before the loss rises; a tenth of the
            rate with the lowest loss; the rate at which the loss falls fastest.
        skip_start, skip_end : int, default=10 and 5
            How many points to ignore at either end. The first points are averages of few losses, the last may
            have diverged.

        Returns
        -------
        float
            A learning rate.

        Raises
        ------
        ValueError
            If an argument is wrong, or if the remaining curve is too short or never falls.
        """
        rule = SUGGESTIONS[one_of("method", method, tuple(SUGGESTIONS))]
        skip_start = whole_number("skip_start", skip_start, at_least=0)
        skip_end = whole_number("skip_end", skip_end, at_least=0)
        kept = slice(skip_start, max(len(self.lrs) - skip_end, 0))
        losses, shortest = self.smoothed[kept], 16 if method == "slide" else 3
        if len(losses) < shortest:
            raise ValueError(
                f"{method!r} needs a curve of at least {shortest} points; {len(losses)} are left. "
                "Raise num_iter, lower start_lr, or skip fewer points."
            )
        if losses.argmin() == 0:
            raise ValueError(
                f"The loss never falls below its start ({losses[0]:.4g}), so there is nothing to suggest. "
                "Lower start_lr, or raise end_lr or num_iter."
            )
        return float(rule(self.lrs[kept], losses))

    def plot(self, ax=None, *, skip_start=10, skip_end=5):
        """Draw the loss over the learning rate, with every suggestion that is possible for the curve.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            By default new axes.
        skip_start, skip_end : int, default=10 and 5
            As for `suggestion`.

        Returns
        -------
        matplotlib.axes.Axes
            The losses of the single batches are light points, the smoothed losses a line. The axis ends at
            the highest point of the line, so that one diverging batch does not hide the rest.
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
    batch_size=32,
    sample_weight=None,
    start_lr=1e-7,
    end_lr=10.0,
    num_iter=100,
    smooth_f=0.05,
    diverge_th=5.0,
    seed=0,
):
    """Train for a few batches with an increasing learning rate, then undo all changes.

    The function restores, also after an exception or Ctrl-C: the weights and other variables of the layers;
    the optimizer's slots, step count and learning rate; loss scaling; the metrics; and the random states of
    the model's layers, Python, NumPy, TensorFlow and Keras. (A slot is a variable of the optimizer for one
    weight, such as its momentum.)

    Parameters
    ----------
    model : keras.Model
        A compiled model of any kind, also with its own ``train_step``. If it has no weights yet, they are
        created, and so are missing slots of the optimizer. They then have their initial values afterwards, as
        if no step had been taken.
    x : array, nested structure of arrays, or tf.data.Dataset
        The same as for ``fit``, except Python generators and ``PyDataset``. A tuple, list or dictionary holds
        the several inputs of a model. A dataset yields batches of ``x``, ``(x, y)`` or ``(x, y,
        sample_weight)``.
    y, sample_weight : array or nested structure of arrays, optional
        Targets and weights, if `x` is not a dataset.
    batch_size : int, default=32
        Examples per batch, if `x` is not a dataset.
    start_lr, end_lr : float, default=1e-7 and 10.0
        The first and the last rate, as in fastai. (torch-lr-finder starts at the optimizer's own rate.)
    num_iter : int, default=100
        How many batches. Their rates are ``numpy.geomspace(start_lr, end_lr, num_iter)``. If the data has
        fewer batches, it is read again.
    smooth_f : float, default=0.05
        The weight of the newest loss in the average, as in torch-lr-finder; 0 means no averaging. (fastai's
        ``beta=0.98`` corresponds to 0.02.)
    diverge_th : float, default=5.0
        Stop when the smoothed loss is more than `diverge_th` times the lowest so far, as in torch-lr-finder;
        fastai uses 4. If the lowest loss is negative: stop when the loss has risen by more than ``diverge_th
        - 1`` times its absolute value.
    seed : int, default=0
        The seed for shuffling arrays. The global random state has no effect. (A dataset shuffles itself.)

    Returns
    -------
    LRFinderResult
        With ``lrs``, ``losses``, ``suggestion()`` and ``plot()``.

    Raises
    ------
    ValueError
        If an argument is wrong; if the model is not compiled, trains under a ``tf.distribute`` strategy, or
        its optimizer follows a schedule; if the data is empty, sparse or ragged, or its parts differ in
        length; or if it ends early and cannot be read again.

    Notes
    -----
    Ten or more steps run in one call of TensorFlow, because reading the loss after every step would cost more
    than a small step itself. The curve is checked between calls. So steps after the stop are discarded, and
    Ctrl-C waits for the end of the call. XLA is not used: for a few hundred steps, compiling costs more than
    it saves.

    What cannot be restored:

    - A dataset that shuffles in a new order each time counts its readings, so the next epoch has a later
      order. If a Python function or generator inside the dataset has side effects, they remain. Arrays have
      no such state.
    - A layer of Keras 2 with its own seed (``Dropout(0.5, seed=3)``) draws its numbers from that seed and
      from the number of times it was traced. After the test, the first ``fit`` of a newly compiled model
      traces the layer once less, because the metrics and slots exist already. Only in this case the layer
      draws other numbers.
    - Other optimizers that a ``train_step`` uses are restored, but their rates do not increase.

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
    start_lr = number("start_lr", start_lr, above=0)
    end_lr = number("end_lr", end_lr, above=start_lr)
    num_iter = whole_number("num_iter", num_iter, at_least=2)
    smooth_f = number("smooth_f", smooth_f, at_least=0, below=1)
    diverge_th = number("diverge_th", diverge_th, above=1)
    rate = _rate_variable(model)
    batches = _batches(x, y, sample_weight, batch_size, num_iter, seed)
    first_batch = next(iter(batches), None)
    if first_batch is None:
        refuse("x", "data with at least one example", x)
    lrs = np.geomspace(start_lr, end_lr, num_iter)

    with keras_private.layer_seeds_kept(model):
        _build(model, first_batch)
        with _random_state_kept():
            iterator = iter(batches)
            steps, variables = _step_function(model, rate, iterator)
            metrics = model.metrics
            # Copies in the computer's own memory: TensorFlow may reuse the buffer of a variable.
            before = [(variable, variable.numpy()) for variable in variables]
            try:
                model.reset_metrics()
                losses, smoothed, stopped = _raise_rate(steps, iterator, lrs, smooth_f, diverge_th)
            except tf.errors.OutOfRangeError as error:
                raise ValueError(
                    f"The data ended before {num_iter} batches, and cannot be read a second time. "
                    "Lower num_iter, or give a dataset that can be read again."
                ) from error
            finally:
                for variable, value in before:
                    variable.assign(value)
                for metric in model.metrics:
                    if metric not in metrics:  # made in the first step of Keras 2 in eager mode
                        metric.reset_state()
    return LRFinderResult(lrs[: len(losses)], np.array(losses), np.array(smoothed), stopped)


def _raise_rate(steps, iterator, lrs, smooth_f, diverge_th):
    """Run several steps at a time, until the rates end or the loss diverges."""
    share = smooth_f or 1.0
    losses, smoothed = [], []
    average, lowest, at_once = 0.0, math.inf, 10
    while len(losses) < len(lrs):
        begin, started = len(losses), time.perf_counter()
        found = steps(iterator, tf.constant(lrs[begin : begin + at_once])).numpy().tolist()
        at_once *= 1 + (time.perf_counter() - started < 0.1)
        for loss in found:
            if not math.isfinite(loss):
                rate = lrs[len(losses)]
                return losses, smoothed, f"the loss became {loss} at a learning rate of {rate:.3g}"
            average += share * (loss - average)
            losses.append(loss)
            # The average started at zero. Divided by the sum of its weights, it is an average of the losses
            # so far.
            smoothed.append(average / (1 - (1 - share) ** len(losses)))
            lowest = min(lowest, smoothed[-1])
            if smoothed[-1] > lowest + (diverge_th - 1) * abs(lowest):
                rate = lrs[len(losses) - 1]
                return losses, smoothed, f"the loss had risen too far at a learning rate of {rate:.3g}"
    return losses, smoothed, None


def _step_function(model, rate, iterator):
    """Make the function that trains for several batches, and list the variables that it can change."""

    def step(batch, new_rate):
        rate.assign(tf.cast(new_rate, rate.dtype))
        logs = model.train_step(batch)
        if not isinstance(logs, dict) or "loss" not in logs:
            raise ValueError("the model's train_step should return a dictionary with a 'loss' in it.")
        loss = tf.cast(logs["loss"], tf.float32)
        # Keras reports running means. With a reset after every batch, they are the values of that batch
        # alone. (The difference of two running means would multiply their rounding errors.) The reset comes
        # after the batch, because Keras 2 creates its metrics in the first train_step.
        model.reset_metrics()
        return loss

    def steps(iterator, rates):
        def one_more(i, losses):
            return i + 1, losses.write(i, step(iterator.get_next(), rates[i]))

        count = tf.size(rates)
        start = (0, tf.TensorArray(tf.float32, size=count, element_shape=()))
        return tf.while_loop(lambda i, _: i < count, one_more, start)[1].stack()

    if model.run_eagerly:
        return steps, _distinct(_variables(model, rate))
    # As in `fit`, AutoGraph rewrites a train_step of Keras 2.
    step = tf.function(step, autograph=STACK == "addons", reduce_retracing=True)
    # Tracing does not change any variable. It finds the variables that a train_step uses besides the model's
    # own.
    types = (iterator, tf.TensorSpec((None,), tf.float64))
    traced = tf.function(steps, autograph=False).get_concrete_function(*types)
    return traced, _distinct([*_variables(model, rate), *traced.graph.variables])


# -- the model and its state --------------------------------------------------------------------------------


def _rate_variable(model):
    """Return the variable that holds the learning rate, or say why there is none."""
    if not isinstance(model, keras.Model):
        refuse("model", "a compiled keras.Model", model)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        refuse("model", "a compiled keras.Model", model, "Call model.compile(optimizer, loss) first.")
    if tf.distribute.has_strategy() or model.distribute_strategy is not tf.distribute.get_strategy():
        raise ValueError(
            "The model trains under a tf.distribute strategy. Find the rate with a copy of it, made and used "
            "outside the strategy's scope."
        )
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # inside a LossScaleOptimizer
    rate, config = inner.learning_rate, inner.get_config()
    # In Keras 2 the current value of a schedule looks like a variable, but the configuration contains the
    # schedule.
    if not hasattr(rate, "assign") or isinstance(config.get("learning_rate"), dict) or config.get("decay"):
        raise ValueError(
            f"The learning rate of the model's {type(inner).__name__} follows a schedule, so it cannot be "
            "set batch by batch. Compile the model with a plain number as learning_rate, find the rate, then "
            "compile with the schedule."
        )
    return rate


def _build(model, batch):
    """Make the weights, metrics and slots that the first step of a training would make."""
    x, *_ = keras.utils.unpack_x_y_sample_weight(batch)
    if not model.built:
        # A model that defines only train_step has no `call`.
        with contextlib.suppress(NotImplementedError):
            tf.function(model).get_concrete_function(x)
    keras_private.build_metrics(model, batch)
    if hasattr(model.optimizer, "build"):
        model.optimizer.build(model.trainable_variables)
    else:
        keras_private.make_legacy_slots(model.optimizer, model.trainable_variables)


def _variables(model, rate):
    """List the variables that a step changes, as far as the model and its optimizer know them."""
    variables = [rate, *model.variables, *(v for metric in model.metrics for v in metric.variables)]
    if STACK == "keras3":
        return variables + list(model.optimizer.variables)
    # The content of a checkpoint: slots, loss scales, generators, but no vocabulary tables.
    for tracked in (model, model.optimizer):
        variables += tf.train.TrackableView(tracked).descendants()
    return variables + list(model.optimizer.variables())


def _distinct(variables):
    """Return the TensorFlow variables, each once; a Keras 3 variable contains one."""
    if STACK == "keras3":
        variables = [v.value if isinstance(v, keras.Variable) else v for v in variables]
    return list({v.ref(): v for v in variables if isinstance(v, tf.Variable)}.values())


@contextlib.contextmanager
def _random_state_kept():
    """Restore the global random states of Python, NumPy, TensorFlow and Keras."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with keras_private.global_state_restored():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


# -- data ---------------------------------------------------------------------------------------------------


def _batches(x, y, sample_weight, batch_size, num_iter, seed):
    """Return a dataset of `num_iter` batches, as `fit` would read them."""
    batch_size = whole_number("batch_size", batch_size, at_least=1)
    seed = checked_seed("seed", seed)
    if isinstance(x, tf.data.Dataset):
        for name, value in [("y", y), ("sample_weight", sample_weight)]:
            if value is not None:
                refuse(name, "None if x is a dataset, which contains the targets and weights", type(value))
        return x.repeat().take(num_iter)
    # tf.data converts a list to one tensor, so a list of outputs becomes a tuple, as in `fit`.
    data = _tree("x", x), _tree("y", y), _tree("sample_weight", sample_weight)
    data = keras.utils.pack_x_y_sample_weight(*data)
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


def _tree(name, part):
    """Return arrays, or a structure of them, as tensors. Floats get Keras' default precision, as in `fit`."""
    if part is None:
        return None
    if isinstance(part, dict):
        return {key: _tree(name, value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return tuple(_tree(name, value) for value in part)
    if hasattr(part, "toarray") or isinstance(part, tf.SparseTensor | tf.RaggedTensor):
        refuse(name, "dense", type(part), "Convert it (.toarray(), tf.sparse.to_dense, .to_tensor()).")
    if not getattr(part, "shape", ()):
        refuse(
            name,
            "an array, a structure of arrays, or a tf.data.Dataset",
            part,
            "Convert a generator or a PyDataset with tf.data.Dataset.from_generator.",
        )
    if not tf.is_tensor(part):
        part = np.asarray(part)
        if np.issubdtype(part.dtype, np.floating):
            part = part.astype(keras.backend.floatx(), copy=False)
    return tf.convert_to_tensor(part)
