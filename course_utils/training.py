"""Training: a faster ``fit`` with a progress bar, and trainings that are stored.

Batches. Keras 3 on TensorFlow shuffles the arrays given to ``fit`` inside a ``tf.data`` function that
restarts in every epoch. After ``keras.utils.set_random_seed``, every epoch therefore has the same batches in
the same order. We saw this with Keras 3.15.1 and TensorFlow 2.21.0. Keras 2 shuffles again in each epoch. The
`fit` of this module shuffles by itself, in the same way on both stacks. Lesson 00 shows it.
"""

from __future__ import annotations

import copyreg
import enum
import gc
import hashlib
import importlib.util
import io
import json
import os
import shlex
import subprocess
import sys
import time
import types
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from IPython import get_ipython
from IPython.display import Markdown, display
from tqdm import tqdm

from course_utils import arguments, keras_private
from course_utils.files import to_json, write_text
from course_utils.notebook import say
from course_utils.stack import STACK

# Keras 3 warns that it ignores `shuffle=True` for a tf.data.Dataset. Nobody passed it: it is the default of
# fit.
warnings.filterwarnings(
    "ignore", message="`shuffle=True` was passed, but will be ignored", category=UserWarning
)


# --- the bar ----------------------------------------------------------------------------------------------


class _Bar(tqdm):
    """A tqdm bar in a notebook output. It is redrawn in place, without widgets and without stderr."""

    def __init__(self, **kwargs):
        self._handle = display(Markdown(""), display_id=True)
        super().__init__(file=io.StringIO(), ncols=90, **kwargs)

    def display(self, msg=None, pos=None):
        # tqdm calls this to draw the bar; an empty message would erase it
        if msg is None or msg:
            self.say(f"`{self}`")

    def say(self, text: str):
        self._handle.update(Markdown(text))


def training_bar(label: str):
    """Return a Keras callback that shows one bar for all epochs, and at the end a line with the time.

    First the memory of earlier trainings is freed.

    Parameters
    ----------
    label : str
        A short name of the training.

    Returns
    -------
    keras.callbacks.Callback
    """
    # A tf.data pipeline holds a copy of its images in a reference cycle, and Python's garbage collector finds
    # it late. Twelve trainings on CIFAR-10 needed 5.6 GB without this line, and 2.7 GB with it.
    gc.collect()
    return _TrainingBar(label)


class _TrainingBar(keras.callbacks.Callback):
    def __init__(self, label):
        super().__init__()
        self.label = label

    def on_train_begin(self, logs=None):
        bar = _Bar if get_ipython() else tqdm
        self.bar = bar(total=self.params["epochs"], desc=self.label, unit="epoch", leave=False)

    def on_epoch_end(self, epoch, logs=None):
        shown = {name: f"{value:.3f}" for name, value in (logs or {}).items() if "accuracy" in name}
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update()

    def close(self):
        if hasattr(self, "bar"):  # a training that did not start has none
            self.bar.close()

    def on_train_end(self, logs=None):
        self.close()
        if isinstance(self.bar, _Bar):
            elapsed = tqdm.format_interval(self.bar.format_dict["elapsed"])
            epochs = f"{self.bar.n} epoch{'s' * (self.bar.n != 1)}"
            self.bar.say(f"Trained *{self.label}*: {epochs} in {elapsed}.")


def progress_bar(iterable, label: str, unit: str = "run"):
    """Loop over a sequence with one bar, and show the time at the end. It is for loops over many trainings.

    Parameters
    ----------
    iterable : sequence
        The elements; it needs a length.
    label : str
        A short name of the work.
    unit : str, default="run"
        What one element is called.

    Yields
    ------
    object
        The elements.

    Examples
    --------
    >>> list(progress_bar([1, 2], "two numbers"))
    [1, 2]
    """
    in_notebook = get_ipython() is not None
    with (_Bar if in_notebook else tqdm)(total=len(iterable), desc=label, unit=unit, leave=False) as bar:
        for element in iterable:
            started = time.monotonic()
            yield element
            bar.update()
            # As for one training. After a short training, the collection would take longer than the training.
            if time.monotonic() - started > 2:
                gc.collect()
    if in_notebook:
        elapsed = tqdm.format_interval(bar.format_dict["elapsed"])
        bar.say(f"Done *{label}*: {bar.n} {unit}{'s' * (bar.n != 1)} in {elapsed}.")


def tensorboard(logdir):
    """Open TensorBoard below the cell, as ``%tensorboard --logdir`` does. If that is not possible, say so.

    Parameters
    ----------
    logdir : path-like
        The folder with the logs; its subfolders count, too.

    Examples
    --------
    >>> tensorboard("runs")
    TensorBoard opens in a notebook; in a shell, run: tensorboard --logdir runs
    """
    command = ["--logdir", str(arguments.path("logdir", logdir))]
    if get_ipython() is None:
        quoted = (subprocess.list2cmdline if os.name == "nt" else shlex.join)(["tensorboard", *command])
        print(f"TensorBoard opens in a notebook; in a shell, run: {quoted}")
    elif importlib.util.find_spec("tensorboard") is None:
        say("TensorBoard is not installed here: `%pip install tensorboard`, then run this cell again.")
    else:
        from tensorboard import notebook

        # The function that %tensorboard calls. IPython would first replace {x} and $x in the line of the
        # magic.
        notebook.start(shlex.join(command))


# --- fit ----------------------------------------------------------------------------------------------------

#: Whether `fit` stops after two epochs. The last `Lesson` made in this process sets it.
quick = False


def fit(
    net,
    x=None,
    y=None,
    batch_size=None,
    epochs=1,
    verbose="auto",
    callbacks=None,
    validation_split=0.0,
    validation_data=None,
    shuffle=True,
    class_weight=None,
    sample_weight=None,
    initial_epoch=0,
    steps_per_epoch=None,
    validation_steps=None,
    validation_batch_size=None,
    validation_freq=1,
    *,
    label=None,
):
    """Train a compiled net as ``net.fit`` does, but faster and with one bar.

    Keras' own ``fit`` still runs: its loop over the epochs, its callbacks, its history, and the net's
    ``train_step``. Only the batches are made in another way. All examples stay in one tensor. Each epoch
    draws an order of the examples. One TensorFlow function makes many steps, and each step takes its batch
    from that tensor. Without the smaller last batch of an epoch, this is the idea in ten lines::

        @tf.function
        def run(examples, order, first, last):
            def one(i):
                net.train_step([tf.gather(part, order[i]) for part in examples])
                return i + 1

            tf.while_loop(lambda i: i < last, one, [first])


        for epoch in range(epochs):
            order = np.random.permutation(len(x))[: len(x) // 32 * 32].reshape(-1, 32)
            run([x, y], order, 0, len(order))

    The order comes from NumPy's global generator. So a training after ``keras.utils.set_random_seed`` can be
    repeated, and every epoch has another order. (With Keras 3's own shuffling every epoch has the same.) With
    the same order, for example with ``shuffle=False``, the weights equal those of ``net.fit`` with the same
    ``jit_compile``, to the last bit.

    XLA compiles a dense net with at most 100 weight tensors if it trains for at least 4,000 steps, because
    then XLA saves time. ``compile(jit_compile=True)`` always turns XLA on, and with Keras 2
    ``jit_compile=False`` turns it off. If `fit` cannot take the batches from tensors, it calls ``net.fit``,
    with the same bar. This is so for a ``tf.data.Dataset``, a generator, several devices, a net that runs
    eagerly or has its own ``fit``, and for arguments such as `steps_per_epoch`. If a callback listens to
    batches, one call makes as many steps as the net was compiled for. In a lesson's quick mode `fit` trains
    at most two epochs, and uses XLA only if ``compile`` asks for it.

    Parameters
    ----------
    net : keras.Model
        A compiled net.
    x, y, batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle, class_weight, \
    sample_weight, initial_epoch, steps_per_epoch, validation_steps, validation_batch_size, validation_freq
        As in ``keras.Model.fit``, with the same defaults; ``verbose=0`` shows no bar.
    label : str, optional
        A short name of the training. By default the net's name.

    Returns
    -------
    keras.callbacks.History
        The same as from ``net.fit``.

    Raises
    ------
    ValueError
        If `x` and `y` differ in length or are empty, or if `epochs`, `initial_epoch` or a batch size is not a
        whole number in its range. The net does not change. What ``net.fit`` refuses, `fit` refuses too.

    Examples
    --------
    >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> net.compile("sgd", "mse")
    >>> history = fit(net, np.ones((8, 2)), np.ones((8, 1)), epochs=2, batch_size=4, label="a plain net")
    >>> sorted(history.history), len(history.epoch)
    (['loss'], 2)
    """
    epochs = arguments.whole_number("epochs", epochs, at_least=0)
    initial_epoch = arguments.whole_number("initial_epoch", initial_epoch, at_least=0)
    if batch_size is not None:
        batch_size = arguments.whole_number("batch_size", batch_size, at_least=1)
    if validation_batch_size is not None:
        validation_batch_size = arguments.whole_number(
            "validation_batch_size", validation_batch_size, at_least=1
        )
    if quick:
        epochs = min(epochs, initial_epoch + 2)
    given = dict(
        batch_size=batch_size,
        epochs=epochs,
        validation_split=validation_split,
        validation_data=validation_data,
        shuffle=shuffle,
        class_weight=class_weight,
        sample_weight=sample_weight,
        initial_epoch=initial_epoch,
        steps_per_epoch=steps_per_epoch,
        validation_steps=validation_steps,
        validation_batch_size=validation_batch_size,
        validation_freq=validation_freq,
        verbose=0,
    )
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return net.fit(x, y, callbacks=callbacks, **given)  # this list is complete, so no bar can be added
    callbacks = [] if callbacks is None else list(tf.nest.flatten(callbacks))
    bar = training_bar(label or net.name) if verbose else None
    shown = [*callbacks, bar] if bar else callbacks
    try:
        train, test = _split(net, given, x, y)
        if train is None:
            return net.fit(x, y, callbacks=shown, **given)
        batches = _Batches(train, batch_size or 32, shuffle)
        xla = _xla_pays(net, batches.count * (epochs - initial_epoch))
        steps = [_Steps.of(net, "train", batches, xla)]
        if test is not None:
            batches = _Batches(test, validation_batch_size or batch_size or 32, shuffle=False)
            steps.append(_Steps.of(net, "test", batches, xla))
        before = int(np.asarray(net.steps_per_execution))
        # Keras calls the callbacks after every execution. If none listens, one execution is a whole epoch.
        listened_to = any(_listens_to_batches(one) for one in callbacks)
        try:
            net.steps_per_execution = before if listened_to else max(one.batches.count for one in steps)
            return net.fit(
                steps[0].batches.stand_in(),
                epochs=epochs,
                initial_epoch=initial_epoch,
                callbacks=[*shown, _Signals(*steps)],
                validation_data=steps[1].batches.stand_in() if test is not None else None,
                validation_freq=validation_freq,
                shuffle=False,
                verbose=0,
            )
        finally:
            net.steps_per_execution = before
            for one in steps:
                one.batches = one.first = one.keras_own = None  # Keras' own was made for many steps a call
    finally:
        if bar:
            bar.close()


class _Batches:
    """All examples as tensors, and the order of an epoch."""

    def __init__(self, examples, size, shuffle):
        self.examples, self.size, self.shuffle = examples, size, shuffle
        self.n = int(tf.nest.flatten(examples)[0].shape[0])
        self.count = -(-self.n // size)

    def draw(self):
        """Draw the order of an epoch: indices of the full batches, and of the smaller last batch."""
        order = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)  # noqa: NPY002
        whole = self.n - self.n % self.size
        self.full = tf.constant(order[:whole].reshape(-1, self.size), tf.int32)
        self.rest = tf.constant(order[None, whole:], tf.int32)

    def stand_in(self):
        """A data set as long as an epoch. Keras learns the shapes from it; no step uses its data."""
        first = tf.nest.map_structure(lambda part: part[: self.size], self.examples)
        return tf.data.Dataset.from_tensors(first).repeat(self.count)


class _Steps:
    """The ``net.train_function`` (or ``test_function``) while `fit` runs: many steps in one call.

    It stays there with its compiled programs until the next ``compile``, as Keras' own function would. If
    anything other than `fit` calls it, it passes the call on to Keras' own function.
    """

    @classmethod
    def of(cls, net, kind, batches, xla):
        steps = getattr(net, f"{kind}_function", None)
        if not isinstance(steps, cls):
            steps = cls(net, kind)
        steps.batches, steps.xla, steps.first = batches, xla, None
        setattr(net, f"{kind}_function", steps)
        return steps

    def __init__(self, net, kind):
        self.net, self.kind, self.keras_own, self.programs, self.at_once = net, kind, None, {}, 1

    def expect(self, first):
        """Prepare for a call by `fit` that begins with this batch."""
        if getattr(self.net, f"{self.kind}_function") is not self:
            # A layer has asked for a new trace, as WeightNormalization does after its first batch. Keras' new
            # function would train on the stand-in.
            self.programs = {}
            setattr(self.net, f"{self.kind}_function", self)
        self.first = first

    def check_called(self):
        """Raise an error if Keras has called another function, which trained on the stand-in."""
        if self.first is not None:
            raise RuntimeError(
                f"`{self.kind}_function` of {self.net.name!r} was replaced during a step, so that step did "
                "not use the data. Train this net with net.fit."
            )

    def __call__(self, iterator):
        if self.first is None:
            return self._keras(iterator)
        first, self.first = self.first, None
        batches, whole = self.batches, len(self.batches.full)
        last = min(first + int(np.asarray(self.net.steps_per_execution)), batches.count)
        while first < min(last, whole):
            until, started = min(first + self.at_once, last, whole), time.perf_counter()
            logs = self._run(batches.full, first, until)
            first, seconds = until, time.perf_counter() - started
            # Python notices Ctrl-C only between two calls, so a call should take at most a second.
            self.at_once = max(1, self.at_once // 2) if seconds > 1 else self.at_once * (1 + (seconds < 0.2))
        return self._run(batches.rest, 0, 1) if last > whole else logs

    def _run(self, order, first, last):
        specs = tf.nest.map_structure(
            lambda part: tf.TensorSpec([None, *part.shape[1:]], part.dtype), self.batches.examples
        )
        key = str((specs, self.xla))
        if key not in self.programs:
            # XLA in TensorFlow 2.15 is fast with small kernels in a loop. But in a loop it needs twice as
            # long to update a large kernel as step by step.
            large = max((np.prod(w.shape) for w in self.net.trainable_weights), default=0) > 100_000
            in_one = not (STACK == "addons" and large)
            step = getattr(self.net, f"{self.kind}_step")
            self.programs[key] = _program(step, specs, self.xla and not in_one, self.xla and in_one)
        logs = self.programs[key](self.batches.examples, order, tf.constant(first), tf.constant(last))
        keras_private.count_steps(self.net, self.kind, last - first)
        return logs

    def _keras(self, iterator):
        if self.keras_own is None:
            made = getattr(self.net, f"make_{self.kind}_function")(force=True)
            self.keras_own = made or getattr(self.net, f"{self.kind}_function")
            setattr(self.net, f"{self.kind}_function", self)
        return self.keras_own(iterator)


def _program(step, specs, step_by_xla, loop_by_xla):
    """Make a function that runs the steps `first` to `last` - 1. It returns the logs of the last step."""
    if STACK == "keras3":
        step = tf.autograph.experimental.do_not_convert(step)  # as Keras 3 does, and Keras 2 does not
    step = tf.function(step, reduce_retracing=True, jit_compile=step_by_xla or None)
    reported = step.get_concrete_function(specs).structured_outputs
    number = tf.TensorSpec([], tf.int32)
    signature = [specs, tf.TensorSpec([None, None], tf.int32), number, number]

    # If XLA compiles the whole loop, the variables and metrics are not passed to it at every step.
    @tf.function(input_signature=signature, jit_compile=loop_by_xla or None)
    def run(examples, order, first, last):
        def one_more(i, logs):
            return i + 1, step(tf.nest.map_structure(lambda part: tf.gather(part, order[i]), examples))

        nothing = tf.nest.map_structure(lambda log: tf.zeros(log.shape, log.dtype), reported)
        return tf.while_loop(lambda i, logs: i < last, one_more, [first, nothing])[1]

    return run


class _Signals(keras.callbacks.Callback):
    """Tells the functions of `fit` that the next call comes from `fit`, and with which batch it begins."""

    def __init__(self, train, test=None):
        super().__init__()
        self.train, self.test = train, test

    def on_epoch_begin(self, epoch, logs=None):
        self.train.batches.draw()

    def on_train_batch_begin(self, batch, logs=None):
        self.train.expect(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.train.check_called()

    def on_test_begin(self, logs=None):
        self.test.batches.draw()

    def on_test_batch_begin(self, batch, logs=None):
        self.test.expect(batch)

    def on_test_batch_end(self, batch, logs=None):
        self.test.check_called()


def _listens_to_batches(callback):
    """Whether a callback listens to single steps."""
    if getattr(callback, "save_freq", None) == "epoch" or getattr(callback, "update_freq", None) == "epoch":
        return False
    names = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    names += ("on_test_batch_begin", "on_test_batch_end")
    return any(
        getattr(getattr(callback, name), "__func__", None) is not getattr(keras.callbacks.Callback, name)
        for name in names
    )


# The layers for which XLA makes a step faster on a CPU without changing its numbers.
_DENSE = ("InputLayer", "Flatten", "Reshape", "Rescaling", "Dense", "Activation", "ReLU", "LeakyReLU", "ELU")
_DENSE += ("PReLU", "Softmax", "BatchNormalization", "Add", "Concatenate")


def _xla_pays(net, steps):
    """Whether compiling with XLA saves more time than it takes. A value given to ``compile`` decides."""
    asked = net.jit_compile
    if asked or (asked is False and STACK == "addons"):  # Keras 3 turns its "auto" into False
        return asked
    dense = (isinstance(net, keras.Sequential) or type(net).__name__ == "Functional") and all(
        type(layer).__name__ in _DENSE and type(layer).__module__.startswith("keras.") for layer in net.layers
    )
    return dense and net.built and not quick and len(net.trainable_weights) <= 100 and steps >= 4000


def _split(net, given, x, y):
    """Give the training and validation examples as tensors; (None, None) if Keras has to make the batches."""
    weights, fraction, held_out = given["sample_weight"], given["validation_split"], given["validation_data"]
    other = given["steps_per_epoch"] is not None or given["validation_steps"] is not None
    if other or not isinstance(given["shuffle"], bool) or _keras_does_it(net):
        return None, None
    train, test = _examples(x, y, weights, given["class_weight"]), None
    if held_out is not None:
        test = _examples(*keras.utils.unpack_x_y_sample_weight(held_out))
    elif fraction and train is not None:
        n = int(tf.nest.flatten(train)[0].shape[0])
        kept = int(n * (1.0 - fraction))
        if not 0 < kept < n:
            return None, None
        test = tf.nest.map_structure(lambda part: part[kept:], _examples(x, y, weights))
        train = tf.nest.map_structure(lambda part: part[:kept], train)
    return (None, None) if test is None and (held_out is not None or fraction) else (train, test)


def _keras_does_it(net):
    """Whether the net has its own way of training."""
    names = ("fit", "evaluate", "make_train_function", "make_test_function")
    return (
        getattr(net, "optimizer", None) is None
        or net.run_eagerly
        or any(getattr(type(net), name) is not getattr(keras.Model, name) for name in names)
        or tf.distribute.has_strategy()
        or net.distribute_strategy is not tf.distribute.get_strategy()
    )


def _examples(x, y=None, weights=None, class_weight=None):
    """Give the data as tensors; None if it is not plain arrays."""
    if (weights is not None or class_weight is not None) and not hasattr(y, "shape"):
        return None
    if class_weight is not None:
        weights = None if weights is not None else _class_weights(y, class_weight)
        if weights is None:
            return None
    given = _tuples((x,) if y is None else (x, y) if weights is None else (x, y, weights))
    parts = tf.nest.flatten(given)
    for part in parts:
        array = isinstance(part, np.ndarray) and part.dtype.kind in "iufb"
        tensor = isinstance(part, tf.Tensor) and (
            not part.dtype.is_floating or part.dtype.name == keras.backend.floatx()
        )
        if not (array or tensor) or part.ndim == 0:
            return None
    sizes = [int(part.shape[0]) for part in parts]
    if len(set(sizes)) > 1 or not sizes[0]:
        raise ValueError(
            "x, y and the weights should hold the same number of examples, at least one; received "
            f"{', '.join(map(str, sizes))}."
        )
    return tf.nest.map_structure(_tensor, given)


def _class_weights(y, class_weight):
    """Give each example the weight of its class; None if Keras has to handle the weights."""
    labels = np.asarray(y)
    if labels.ndim > 2 or not len(labels) or sorted(class_weight) != list(range(len(class_weight))):
        return None
    classes = labels.argmax(-1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.reshape(-1)
    classes = np.rint(classes).astype("int64")
    if classes.min() < 0 or classes.max() >= len(class_weight):
        return None
    return np.array([class_weight[one] for one in range(len(class_weight))], "float32")[classes]


def _tuples(given):
    """Convert lists to tuples, as Keras does."""
    if isinstance(given, list | tuple):
        return tuple(map(_tuples, given))
    return {name: _tuples(part) for name, part in given.items()} if isinstance(given, dict) else given


def _tensor(part):
    floats = isinstance(part, np.ndarray) and part.dtype.kind == "f"
    return tf.convert_to_tensor(part.astype(keras.backend.floatx(), copy=False) if floats else part)


# --- kept runs ----------------------------------------------------------------------------------------------

_NOTE = "run.json"


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes
    ----------
    folder : pathlib.Path
        The folder of its logs and its best weights.
    history : dict of str to list of float
        The history of ``fit``, one value for each epoch; under ``"seconds"`` the duration of each epoch, with
        its validation.
    loaded : bool
        Whether an earlier training was loaded.

    Examples
    --------
    >>> run = Run(Path("run-001"), {"val_loss": [2.0, 1.5, 1.6], "seconds": [9.0, 2.0, 3.0]}, False)
    >>> run.best_epoch, run.best("val_loss"), run.seconds_per_epoch, run.seconds_to_best
    (2, 1.5, 2.5, 5.0)
    """

    folder: Path
    history: dict
    loaded: bool

    @property
    def best_epoch(self):
        """The epoch, counted from 1, with the lowest validation loss. NaN counts as infinite."""
        return int(np.argmin(np.nan_to_num(self.history["val_loss"], nan=np.inf))) + 1

    def best(self, metric):
        """A metric's value after the best epoch."""
        return self.history[metric][self.best_epoch - 1]

    @property
    def seconds_per_epoch(self):
        """The median without the first epoch, in which TensorFlow builds its programs."""
        return float(np.median(self.history["seconds"][1:] or self.history["seconds"]))

    @property
    def seconds_to_best(self):
        """The time until the best epoch, without the time in which TensorFlow builds its programs."""
        return self.best_epoch * self.seconds_per_epoch


def fit_once(
    model,
    x,
    y,
    *,
    folder,
    validation_data,
    epochs,
    batch_size=32,
    callbacks=None,
    best="best.keras",
    verbose="auto",
    label=None,
) -> Run:
    """Train a compiled model with `fit`, or load the stored result of the same training.

    If a callback has saved the weights of the best epoch, the model has these weights afterwards. Otherwise
    it has the last ones.

    Two trainings are the same if everything given to `compile` and to this function is the same: layers,
    weights, the optimizer with its state, loss, metrics, data, and new callbacks. Functions and classes of
    Keras, of other installed packages and of the course are compared by name and settings. A function or
    class of your own may have changed, and this cannot be checked. If there is one, a warning names it, and
    the net is trained again. Random states do not count: different seeds give different starting weights.

    Parameters
    ----------
    model : keras.Model
        Built and compiled, with its starting weights.
    x, y : arrays
        Training examples and labels. Every epoch shuffles them again.
    folder : path-like
        The folder for these trainings. Each training has its own folder in it.
    validation_data : tuple of arrays
        ``(x_valid, y_valid)``.
    epochs : int
        Largest number of epochs.
    batch_size : int, default=32
        Examples per batch.
    callbacks : callable, optional
        A function that takes the folder of this training and returns a list of Keras callbacks.
    best : str, default="best.keras"
        The name of the file in that folder to which a ``ModelCheckpoint`` writes the best model or its
        weights.
    verbose, label
        As for `fit`. They do not count in the comparison of two trainings.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If the model is not built or not compiled, if `x` and `y` differ in length or are empty, or if
        `callbacks` does not return a list of callbacks. The model does not change, and no folder is made.

    Examples
    --------
    >>> import tempfile
    >>> def net():
    ...     keras.utils.set_random_seed(1)
    ...     net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     net.compile("sgd", "mse")
    ...     return net
    >>> x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     settings = dict(folder=folder, validation_data=(x, y), epochs=2, verbose=0)
    ...     first = fit_once(net(), x, y, **settings)
    ...     again = fit_once(net(), x, y, **settings)
    >>> first.loaded, again.loaded, again.history == first.history
    (False, True, True)
    """
    _check_compiled(model)
    epochs = arguments.whole_number("epochs", epochs, at_least=1)
    if quick:
        epochs = min(epochs, 2)  # as in `fit`, so that a full run does not load the result
    batch_size = arguments.whole_number("batch_size", batch_size, at_least=1)
    if len(x) != len(y) or not len(x):
        raise ValueError(f"x and y should hold the same number of examples; received {len(x)} and {len(y)}.")
    folder = arguments.path("folder", folder)
    numbered = sorted(
        (earlier for earlier in folder.glob("run-*") if earlier.name[4:].isdecimal()),
        key=lambda earlier: int(earlier.name[4:]),
    )
    new = folder / f"run-{int(numbered[-1].name[4:]) + 1 if numbered else 1:03}"
    chosen = [] if callbacks is None else callbacks(new)
    if not isinstance(chosen, list | tuple) or not all(
        isinstance(one, keras.callbacks.Callback) for one in chosen
    ):
        raise ValueError(f"callbacks should return a list of Keras callbacks; it returned {chosen!r}.")

    given = {"x": x, "y": y, "validation_data": validation_data, "epochs": epochs, "batch_size": batch_size}
    key = _key(model, given | {"callbacks": list(chosen), "best": best}, new)
    for earlier in reversed(numbered):
        note = _finished(earlier, key)
        if note is not None:
            model.load_weights(earlier / note["weights"])
            history = {name: [float(value) for value in values] for name, values in note["history"].items()}
            return Run(earlier, history, loaded=True)

    new.mkdir(parents=True)
    clock = _Clock()
    fitted = fit(
        model,
        x,
        y,
        batch_size=batch_size,
        epochs=epochs,
        validation_data=validation_data,
        validation_batch_size=1000,  # larger batches save time, and change no weights
        verbose=verbose,
        label=label,
        callbacks=[*chosen, clock],
    )
    weights = new / best
    if weights.exists():
        model.load_weights(weights)
    else:
        weights = new / "last.weights.h5"
        model.save_weights(weights)
    history = {name: [float(value) for value in values] for name, values in fitted.history.items()}
    history["seconds"] = clock.seconds
    # JSON has no NaN, which is the loss of a training that diverged.
    plain = {
        name: [value if np.isfinite(value) else str(value) for value in values]
        for name, values in history.items()
    }
    note = {"key": key, "history": plain, "weights": weights.name, "sha256": _sha256(weights)}
    # The last file, written in one step: a folder without it belongs to a training that did not finish.
    write_text(new / _NOTE, to_json(note))
    return Run(new, history, loaded=False)


class _Clock(keras.callbacks.Callback):
    """Measures the seconds of each epoch, from the end of the one before."""

    def on_train_begin(self, logs=None):
        self.seconds, self.last = [], time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.last = now


def _check_compiled(model):
    if not isinstance(model, keras.Model):
        arguments.refuse("model", "a keras.Model", model)
    if not model.built or getattr(model, "optimizer", None) is None:
        remedy = "give it a keras.Input, and call compile()."
        raise ValueError(f"The model {model.name!r} should be built and compiled: {remedy}")


def _memory(optimizer, model):
    """Give an optimizer's variables, made if necessary; also Nadam's product, which Keras 2 leaves out."""
    if hasattr(optimizer, "build"):
        optimizer.build(model.trainable_variables)
    else:  # TensorFlow Addons' optimizers are of the kind that Keras 2 calls legacy
        keras_private.make_legacy_slots(optimizer, model.trainable_variables)
    variables = optimizer.variables
    variables = variables() if callable(variables) else variables
    return [*variables, *(v for v in vars(optimizer).values() if isinstance(v, tf.Variable))]


def _finished(folder, key):
    """Read the note of a finished training with this key and undamaged weights; None if there is none."""
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        same = key is not None and note["key"] == key
        same = same and _sha256(folder / note["weights"]) == note["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return note if same else None


def _key(model, given, folder):
    """Digest everything that a training depends on; None, with a warning, if something cannot be compared."""
    names = {layer.name: f"layer {i}" for i, layer in enumerate(keras_private.flat_layers(model))}
    compiled = {k: v for k, v in keras_private.compile_arguments(model).items() if k != "optimizer"}
    start = [*model.get_weights(), *_memory(model.optimizer, model)]
    # An adapted vocabulary changes only the outputs. The last bits of the outputs differ between processes.
    if any(hasattr(layer, "adapt") for layer in keras_private.flat_layers(model)):
        start.append(model(given["x"][:8], training=False))
    versions = [keras.__version__, tf.__version__]
    try:
        description = _described([model, model.optimizer, compiled, start, given, versions], folder, names)
    except Exception as error:  # also from a layer without a configuration
        warnings.warn(
            f"fit_once cannot tell whether this training is new, so it trains: {error}", stacklevel=3
        )
        return None
    return hashlib.sha256(json.dumps(description).encode()).hexdigest()


def _described(value, folder, names):
    """Describe a value as JSON that differs if the value differs. Code is described only if it is
    installed."""
    begun = []

    def described(value):
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, np.generic):
            return described(value.item())
        if isinstance(value, str | Path):  # Keras numbers all layers of a session
            return names.get(str(value), str(value).replace(str(folder), "the run's folder"))
        if isinstance(value, np.ndarray | tf.Tensor | tf.Variable) or type(value).__name__ == "Variable":
            array = np.ascontiguousarray(value)
            if array.dtype.hasobject:
                return described(array.tolist())
            return [str(array.dtype), array.shape, hashlib.sha256(array).hexdigest()]
        if isinstance(value, list | tuple):
            return list(map(described, value))
        if isinstance(value, Mapping):
            return [[described(k), described(v)] for k, v in value.items()]
        if isinstance(value, np.ufunc):
            return value.__name__
        if isinstance(value, enum.Enum):
            return str(value)
        kind = value if callable(value) and hasattr(value, "__qualname__") else type(value)
        if not _is_library(kind):
            raise TypeError(f"{value!r} cannot be compared with an earlier one.")
        name = f"{kind.__module__}.{kind.__qualname__}"
        if any(value is one for one in begun):  # a function in an object may refer to that object
            return name
        begun.append(value)
        if kind is value:
            if isinstance(value, types.MethodType):
                return [name, described(value.__self__)]
            cells = (getattr(value, "__closure__", None) or ()) if "<locals>" in name else ()
            return [name, *(described(cell.cell_contents) for cell in cells)]
        if isinstance(value, _WITH_STATE):
            inside = keras_private.flat_layers(value)[1:] if isinstance(value, keras.layers.Layer) else []
            # A configuration has only the names of functions and classes.
            parts = vars(value) | vars(value).get("_hyper", {})  # here Addons' optimizers keep a schedule
            parts = {} if isinstance(value, keras.Model) else parts
            code = {
                k: v
                for k, v in parts.items()
                if (callable(v) or isinstance(v, _OPTIMIZER))  # the optimizer in a LossScaleOptimizer
                and not isinstance(v, _NO_CODE)
                and not hasattr(kind, k)
            }
            config = {k: v for k, v in value.get_config().items() if k != "name"}
            return [name, *map(described, (config, code, inside))]
        # Keras numbers the losses of a session, and changes a flag of those that it uses.
        skipped = {"name", "_allow_sum_over_batch_size"} if isinstance(value, keras.losses.Loss) else ()
        if isinstance(value, _PLAIN):
            return [name, described({k: v for k, v in vars(value).items() if k not in skipped})]
        # Anything else is compared by its attributes, if it has no other content. A set or a partial has.
        made, given, state, *items = (*value.__reduce_ex__(2), None, None)[:5]
        if made is not copyreg.__newobj__ or len(given) > 1 or any(one is not None for one in items):
            raise TypeError(f"{value!r} cannot be compared with an earlier one.")
        return [name, described(state)]

    return described(value)


_OPTIMIZER = (keras.optimizers.Optimizer,)
if STACK == "addons":
    _OPTIMIZER += (keras.optimizers.legacy.Optimizer,)
_WITH_STATE = (keras.layers.Layer, keras.metrics.Metric, *_OPTIMIZER)
# Only the starting weights count, not how they were drawn.
_NO_CODE = (keras.layers.Layer, keras.metrics.Metric, keras.initializers.Initializer)
_PLAIN = (
    keras.callbacks.Callback,
    keras.losses.Loss,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.optimizers.schedules.LearningRateSchedule,
)


def _is_library(code):
    """Whether code belongs to Python, an installed package or the course, so that its name identifies it."""
    module = code.__module__ or ""  # a function made by exec may have no module
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top == "course_utils" or "-packages" in file


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
