"""Learning-rate schedules: the rate as a function of the step.

Use one in any Keras optimizer in place of a number:

>>> schedule = OneCycle(max_lr=0.05, total_steps=1000)
>>> optimizer = keras.optimizers.SGD(learning_rate=schedule)
>>> print(f"{schedule(0):.4f} {schedule(299):.4f} {schedule(999):.1e}")
0.0020 0.0500 2.0e-07

The step is the number of the batch, counted from 0 through all epochs. A schedule is computed inside
TensorFlow's program. So it needs no callback, works with any number of steps per execution, and is saved with
the model. It has no state, so you can plot it before training (``plotting.schedule``), and two optimizers can
share it.

All schedules take a step or an array of steps; a step below 0 counts as 0. They compute in double precision,
so the rate equals the formula to the last digit of a 32-bit float, in graphs and in eager mode.

Some of Keras' schedules do the same: ``ExponentialDecay`` is `Exponential` in steps, ``InverseTimeDecay`` is
`Power` with ``power=1``, and ``PiecewiseConstantDecay`` is `PiecewiseConstant` with every boundary one step
later. ``CosineDecay`` has a warm-up and a cosine. The schedules here can also count in epochs, as the
callback ``LearningRateScheduler`` does. A wrong argument raises a ``ValueError`` that names the argument and
its value.
"""

import inspect
import math
from itertools import pairwise

import keras
import tensorflow as tf

from course_utils.arguments import flag, number, one_of, refuse, whole_number


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The common part of the schedules. A subclass stores its arguments as attributes and defines `_rate`."""

    def __call__(self, step):
        step = tf.maximum(tf.cast(tf.convert_to_tensor(step), tf.float64), 0.0)
        return tf.cast(self._rate(step), keras.backend.floatx())

    def _rate(self, step):
        raise NotImplementedError

    def _time(self, step):
        """Return the step, or the number of its epoch, counted from 0, if `steps_per_epoch` is given."""
        return step if self.steps_per_epoch is None else tf.floor(step / self.steps_per_epoch)

    def get_config(self):
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def __repr__(self):
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.get_config())
        return f"{type(self).__name__}({settings})"


def _epoch_length(value):
    return None if value is None else whole_number("steps_per_epoch", value, at_least=1)


def _listed(name, value, should_be):
    if not isinstance(value, list | tuple) and getattr(value, "ndim", None) != 1:
        refuse(name, should_be, value)
    return list(value)


@keras.saving.register_keras_serializable(package="course_utils")
class Power(_Schedule):
    """A rate that falls quickly at first, then more and more slowly: lr = lr₀ / (1 + t/s)ᶜ.

    With c = 1 it is a half after s steps, a third after 2 s, a quarter after 3 s. Until version 2.10, Keras'
    optimizers had an argument ``decay`` that did the same, with s = 1 / decay.

    Parameters
    ----------
    initial_learning_rate : float
        lr₀, the rate of the first step. Above 0.
    decay_steps : float
        s: in steps, or in epochs if `steps_per_epoch` is given. Above 0.
    power : float, default=1.0
        c; 0 or more.
    steps_per_epoch : int, optional
        The number of steps in an epoch. If given, t counts whole epochs, and the rate changes only between
        epochs. By default t counts steps.

    Examples
    --------
    >>> schedule = Power(0.01, decay_steps=10_000)
    >>> [round(float(schedule(step)), 4) for step in (0, 10_000, 20_000, 30_000)]
    [0.01, 0.005, 0.0033, 0.0025]
    """

    def __init__(self, initial_learning_rate, decay_steps, power=1.0, steps_per_epoch=None):
        """Check the arguments."""
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, above=0)
        self.decay_steps = number("decay_steps", decay_steps, above=0)
        self.power = number("power", power, at_least=0)
        self.steps_per_epoch = _epoch_length(steps_per_epoch)

    def _rate(self, step):
        return self.initial_learning_rate / (1 + self._time(step) / self.decay_steps) ** self.power


@keras.saving.register_keras_serializable(package="course_utils")
class Exponential(_Schedule):
    """A rate that falls by the same factor in equal times: lr = lr₀ · r^(t/s).

    Parameters
    ----------
    initial_learning_rate : float
        lr₀, the rate of the first step. Above 0.
    decay_steps : float
        s: in steps, or in epochs if `steps_per_epoch` is given. Above 0.
    decay_rate : float, default=0.1
        r, the factor for each `decay_steps`. Above 0. With r above 1 the rate rises.
    steps_per_epoch : int, optional
        The number of steps in an epoch. If given, t counts whole epochs, and the rate changes only between
        epochs. By default t counts steps.

    Examples
    --------
    The rate falls to a tenth every 20 epochs of 1,719 steps; it changes after every epoch:

    >>> schedule = Exponential(0.01, decay_steps=20, steps_per_epoch=1719)
    >>> [round(float(schedule(step)), 5) for step in (0, 1718, 1719, 20 * 1719)]
    [0.01, 0.01, 0.00891, 0.001]
    """

    def __init__(self, initial_learning_rate, decay_steps, decay_rate=0.1, steps_per_epoch=None):
        """Check the arguments."""
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, above=0)
        self.decay_steps = number("decay_steps", decay_steps, above=0)
        self.decay_rate = number("decay_rate", decay_rate, above=0)
        self.steps_per_epoch = _epoch_length(steps_per_epoch)

    def _rate(self, step):
        return self.initial_learning_rate * self.decay_rate ** (self._time(step) / self.decay_steps)


@keras.saving.register_keras_serializable(package="course_utils")
class PiecewiseConstant(_Schedule):
    """A rate that is constant between given times.

    The rate is ``values[0]`` before ``boundaries[0]``, ``values[1]`` from there to just before
    ``boundaries[1]``, and so on. So the step, or epoch, at a boundary is the first with the new rate. In
    Keras' ``PiecewiseConstantDecay`` it is the last with the old rate.

    Parameters
    ----------
    boundaries : sequence of int
        When the rate changes, in increasing order: in steps, or in epochs if `steps_per_epoch` is given. Each
        is at least 1.
    values : sequence of float
        The rates, one more than there are boundaries. Above 0.
    steps_per_epoch : int, optional
        The number of steps in an epoch, if the boundaries are epochs.

    Examples
    --------
    The rate is 0.01 in epochs 0 to 4, 0.005 in epochs 5 to 14, then 0.001:

    >>> schedule = PiecewiseConstant([5, 15], [0.01, 0.005, 0.001], steps_per_epoch=100)
    >>> [round(float(schedule(step)), 3) for step in (0, 499, 500, 1499, 1500)]
    [0.01, 0.01, 0.005, 0.005, 0.001]
    """

    def __init__(self, boundaries, values, steps_per_epoch=None):
        """Check the arguments."""
        boundaries = _listed("boundaries", boundaries, "a list of whole numbers")
        rates = f"a list of {len(boundaries) + 1} rates, one more than boundaries"
        if len(_listed("values", values, rates)) != len(boundaries) + 1:
            refuse("values", rates, values)
        self.boundaries = [
            whole_number(f"boundaries[{i}]", one, at_least=1) for i, one in enumerate(boundaries)
        ]
        if any(later <= earlier for earlier, later in pairwise(self.boundaries)):
            refuse("boundaries", "rising", self.boundaries)
        self.values = [number(f"values[{i}]", one, above=0) for i, one in enumerate(values)]
        self.steps_per_epoch = _epoch_length(steps_per_epoch)

    def _rate(self, step):
        passed = [tf.cast(self._time(step) >= boundary, tf.int32) for boundary in self.boundaries]
        return tf.gather(tf.constant(self.values, tf.float64), sum(passed, tf.zeros_like(step, tf.int32)))


@keras.saving.register_keras_serializable(package="course_utils")
class OneCycle(_Schedule):
    """The 1cycle policy: the rate rises to a maximum, falls again, and ends far below its start.

    The settings, their defaults and the rates are those of PyTorch's ``OneCycleLR``:

    - the rate rises from ``max_lr / div_factor`` to ``max_lr`` during a fraction ``pct_start`` of the steps;
    - then it falls to ``max_lr / div_factor / final_div_factor`` in the last step. With ``three_phase=True``
      it first falls back to ``max_lr / div_factor``, as fast as it rose, and then to the end. This is the
      policy of Leslie Smith's paper.

    As in PyTorch, the rise ends at step ``pct_start * total_steps - 1``, which may lie between two steps.
    Then no step has exactly the rate ``max_lr``.

    Differences from PyTorch: after the last step the rate is constant (PyTorch raises an error). If the rise
    has length 0, the rate starts at ``max_lr`` (in PyTorch, a little below it). With three phases,
    ``pct_start`` cannot be above 0.5. The momentum does not change, because Keras' optimizers accept no
    schedule for it.

    Parameters
    ----------
    max_lr : float
        The highest rate. The learning-rate finder (`course_utils.lr_finder`) helps to choose it. Above 0.
    total_steps : int
        The length of the cycle: epochs times steps per epoch. At least 1.
    pct_start : float, default=0.3
        The fraction of the steps in which the rate rises: from 0 to 1, or to 0.5 for three phases.
    anneal_strategy : {"cos", "linear"}, default="cos"
        The form of every rise or fall: half a cosine, or a straight line.
    div_factor : float, default=25.0
        `max_lr` divided by the first rate. At least 1.
    final_div_factor : float, default=1e4
        The *first* rate divided by the last one. At least 1. (In fastai: the highest rate divided by the last
        one.)
    three_phase : bool, default=False
        Whether the rate returns to the first rate before it falls to the last one.

    Examples
    --------
    >>> schedule = OneCycle(max_lr=25, total_steps=10, pct_start=0.4, div_factor=25, final_div_factor=4,
    ...                     anneal_strategy="linear", three_phase=True)
    >>> [float(schedule(step)) for step in range(10)]
    [1.0, 9.0, 17.0, 25.0, 17.0, 9.0, 1.0, 0.75, 0.5, 0.25]

    References
    ----------
    L. N. Smith, N. Topin, *Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
    Rates*, 2017, https://arxiv.org/abs/1708.07120; L. N. Smith, *A disciplined approach to neural network
    hyper-parameters: Part 1*, 2018, https://arxiv.org/abs/1803.09820.
    """

    def __init__(
        self,
        max_lr,
        total_steps,
        pct_start=0.3,
        anneal_strategy="cos",
        div_factor=25.0,
        final_div_factor=1e4,
        three_phase=False,
    ):
        """Check the arguments."""
        self.three_phase = flag("three_phase", three_phase)
        self.max_lr = number("max_lr", max_lr, above=0)
        self.total_steps = whole_number("total_steps", total_steps, at_least=1)
        largest, three = (0.5, " for three phases") if self.three_phase else (1, "")
        self.pct_start = number("pct_start", pct_start, at_least=0, at_most=largest, also=three)
        self.anneal_strategy = one_of("anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.div_factor = number("div_factor", div_factor, at_least=1)
        self.final_div_factor = number("final_div_factor", final_div_factor, at_least=1)

    def _phases(self):
        """Give the start and end of each phase, and the rates there."""
        first = self.max_lr / self.div_factor
        rates = [first, self.max_lr, first / self.final_div_factor]
        peak = max(self.pct_start * self.total_steps - 1, 0.0)
        times = [0.0, peak, self.total_steps - 1.0]
        if self.three_phase:
            rates.insert(2, first)
            times.insert(2, min(2 * peak, self.total_steps - 1.0))
        return zip(pairwise(times), pairwise(rates), strict=True)

    def _rate(self, step):
        step = tf.minimum(step, self.total_steps - 1.0)
        *earlier, (times, rates) = self._phases()
        rate = self._between(step, times, rates)
        for times, rates in reversed(earlier):
            rate = tf.where(step <= times[1], self._between(step, times, rates), rate)
        return rate

    def _between(self, step, times, rates):
        (begin, end), (start, stop) = times, rates
        if end <= begin:
            return tf.fill(tf.shape(step), tf.constant(stop, tf.float64))
        way = (step - begin) / (end - begin)
        if self.anneal_strategy == "cos":
            way = (1 - tf.cos(math.pi * way)) / 2
        return start + (stop - start) * way


@keras.saving.register_keras_serializable(package="course_utils")
class WarmUp(_Schedule):
    """A linear rise before any other schedule, which then begins as if it were step 0.

    Parameters
    ----------
    learning_rate : float or keras.optimizers.schedules.LearningRateSchedule
        What follows: a rate, or a schedule from here or from Keras.
    warmup_steps : int
        The length of the rise. The step with this number is the first one of `learning_rate`. With 0 there is
        no rise.
    initial_learning_rate : float, default=0.0
        The rate of step 0. If it is 0, that step changes nothing.

    Examples
    --------
    >>> schedule = WarmUp(Exponential(0.1, decay_steps=100), warmup_steps=4)
    >>> [round(float(schedule(step)), 3) for step in (0, 1, 2, 3, 4, 104)]
    [0.0, 0.025, 0.05, 0.075, 0.1, 0.01]

    References
    ----------
    P. Goyal and others, *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour*, 2017,
    https://arxiv.org/abs/1706.02677.
    """

    def __init__(self, learning_rate, warmup_steps, initial_learning_rate=0.0):
        """Check the arguments."""
        if not isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            learning_rate = number("learning_rate", learning_rate, above=0, also=" or a LearningRateSchedule")
        self.learning_rate = learning_rate
        self.warmup_steps = whole_number("warmup_steps", warmup_steps, at_least=0)
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, at_least=0)

    def _after(self, step):
        if isinstance(self.learning_rate, float):
            return tf.fill(tf.shape(step), tf.constant(self.learning_rate, tf.float64))
        if isinstance(self.learning_rate, _Schedule):
            return self.learning_rate._rate(step)
        return tf.cast(self.learning_rate(step), tf.float64)

    def _rate(self, step):
        after = self._after(tf.maximum(step - self.warmup_steps, 0.0))
        if not self.warmup_steps:
            return after
        target = self._after(tf.zeros([], tf.float64))
        way = step / self.warmup_steps
        rising = self.initial_learning_rate + (target - self.initial_learning_rate) * way
        return tf.where(way < 1, rising, after)

    def get_config(self):
        """Return the settings, with the schedule that follows."""
        config = super().get_config()
        if not isinstance(self.learning_rate, float):
            config["learning_rate"] = keras.optimizers.schedules.serialize(self.learning_rate)
        return config

    @classmethod
    def from_config(cls, config):
        """Make a schedule with these settings."""
        if isinstance(config["learning_rate"], dict):
            schedule = keras.optimizers.schedules.deserialize(config["learning_rate"])
            config = {**config, "learning_rate": schedule}
        return cls(**config)
