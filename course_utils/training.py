"""Training: Keras' ``fit`` made fast and shown with a bar; kept runs.

Batches. Keras 3 on TensorFlow shuffles the arrays given to ``fit`` inside a ``tf.data`` function that every
epoch starts afresh. Once a seed is set (``keras.utils.set_random_seed``), each epoch then brings the same
batches in the same order; seen with Keras 3.15.1 and TensorFlow 2.21.0. Keras 2 shuffles anew. `fit` shuffles
by itself, alike on both stacks. Lesson 00 shows it.
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

# Keras 3 warns that it will not shuffle a tf.data.Dataset because `shuffle=True` was passed; nobody did,
# it is fit's default.
warnings.filterwarnings(
    "ignore", message="`shuffle=True` was passed, but will be ignored", category=UserWarning
)


# --- the bar ----------------------------------------------------------------------------------------------


class _Bar(tqdm):
    """A tqdm bar inside a notebook output that is redrawn in place, without widgets or stderr."""

    def __init__(self, **kwargs):
        self._handle = display(Markdown(""), display_id=True)
        super().__init__(file=io.StringIO(), ncols=90, **kwargs)

    def display(self, msg=None, pos=None):
        # tqdm calls this whenever the bar should be drawn; an empty message would erase it
        if msg is None or msg:
            self.say(f"`{self}`")

    def say(self, text: str):
        self._handle.update(Markdown(text))


def training_bar(label: str):
    """Return a Keras callback that shows one bar over the epochs, and at the end a line with the time.

    What earlier trainings have left behind is freed first.

    Parameters
    ----------
    label : str
        What is being trained, in a few words.

    Returns
    -------
    keras.callbacks.Callback
    """
    # A tf.data pipeline holds a copy of its images in a cycle of references, which Python finds when it
    # happens to look. Twelve trainings on CIFAR-10 came to 5.6 GB without this line, and to 2.7 with it.
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
        if hasattr(self, "bar"):  # a training that was refused has none
            self.bar.close()

    def on_train_end(self, logs=None):
        self.close()
        if isinstance(self.bar, _Bar):
            elapsed = tqdm.format_interval(self.bar.format_dict["elapsed"])
            epochs = f"{self.bar.n} epoch{'s' * (self.bar.n != 1)}"
            self.bar.say(f"Trained *{self.label}*: {epochs} in {elapsed}.")


def progress_bar(iterable, label: str, unit: str = "run"):
    """Go through an iterable under one bar, and leave a line with the time; for loops over many trainings.

    Parameters
    ----------
    iterable : sequence
        What to go through; it needs a length.
    label : str
        What is being done, in a few words.
    unit : str, default="run"
        What one element is.

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
            # As for one training. After a short one, collecting would take longer than the training.
            if time.monotonic() - started > 2:
                gc.collect()
    if in_notebook:
        elapsed = tqdm.format_interval(bar.format_dict["elapsed"])
        bar.say(f"Done *{label}*: {bar.n} {unit}{'s' * (bar.n != 1)} in {elapsed}.")


def tensorboard(logdir):
    """Open TensorBoard below the cell, as ``%tensorboard --logdir`` does; where it cannot be, say so.

    Parameters
    ----------
    logdir : path-like
        The folder whose logs are shown, with those of the folders in it.

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

        # What %tensorboard calls; but the magic's line goes through IPython first, which fills in {x} and $x.
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
    """Train a compiled net as ``net.fit`` does, in less time, under one bar.

    It is Keras' own ``fit``: its loop over the epochs, its callbacks, its history, the net's own
    ``train_step``. Only the way to a batch is another. The examples stay in one tensor; each epoch draws an
    order of all of them, and one TensorFlow function makes many steps, each of which takes its batch from
    that tensor. For a net given by ``train_step`` it amounts to ten lines::

        @tf.function
        def run(examples, order, first, last):
            def one(i):
                net.train_step([tf.gather(part, order[i]) for part in examples])
                return i + 1

            tf.while_loop(lambda i: i < last, one, [first])


        for epoch in range(epochs):
            order = np.random.permutation(len(x))[: len(x) // 32 * 32].reshape(-1, 32)
            run([x, y], order, 0, len(order))

    The order follows from NumPy's global generator, so a training after ``keras.utils.set_random_seed`` can
    be repeated, and every epoch has another order (with Keras 3's own shuffling it would not). With
    ``shuffle=False``, or given the same order, the weights are those of ``net.fit`` with the same
    ``jit_compile``, to the last bit.

    Dense nets that train long enough are compiled by XLA, where that pays; ``compile(jit_compile=True)``
    asks for it in any case, and with Keras 2 ``jit_compile=False`` forbids it. What has no such way (a
    ``tf.data.Dataset``, a generator, a net that runs eagerly or has a ``fit`` of its own, several devices)
    is trained by ``net.fit`` as it is, under the same bar. With a callback that listens to batches, a call
    makes as many steps as the net was compiled for. In a lesson's quick mode it trains two epochs at most.

    Parameters
    ----------
    net : keras.Model
        Compiled.
    x, y, batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle, class_weight, \
    sample_weight, initial_epoch, steps_per_epoch, validation_steps, validation_batch_size, validation_freq
        As in ``keras.Model.fit``, with the same defaults; ``verbose=0`` shows no bar.
    label : str, optional
        What is being trained, in a few words; the net's name by default.

    Returns
    -------
    keras.callbacks.History
        As from ``net.fit``.

    Raises
    ------
    ValueError
        If `x` and `y` differ in length or are empty, or a number is none. The net is as before. Whatever
        else ``net.fit`` refuses, it refuses here.

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
        return net.fit(x, y, callbacks=callbacks, **given)  # it is complete, and has no room for a bar
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
        # Keras calls back after every execution; where nobody listens, one execution is an epoch.
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
        """Take an order for an epoch: the indices of the full batches, and those of the smaller last one."""
        order = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)  # noqa: NPY002
        whole = self.n - self.n % self.size
        self.full = tf.constant(order[:whole].reshape(-1, self.size), tf.int32)
        self.rest = tf.constant(order[None, whole:], tf.int32)

    def stand_in(self):
        """A data set as long as an epoch, from which Keras learns shapes; no step takes its batch from it."""
        first = tf.nest.map_structure(lambda part: part[: self.size], self.examples)
        return tf.data.Dataset.from_tensors(first).repeat(self.count)


class _Steps:
    """What ``net.train_function`` (or ``test_function``) is while `fit` runs: many steps in one call.

    Afterwards it stays there with its compiled programs, as Keras' own function would, until the next
    ``compile``. Called by anything else than `fit`, it hands the call on to Keras' own.
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
        """Be ready for a call by `fit`, which begins with this batch."""
        if getattr(self.net, f"{self.kind}_function") is not self:
            # A layer has asked for a new trace, as WeightNormalization does after its first batch. Keras'
            # new function would train on the stand-in.
            self.programs = {}
            setattr(self.net, f"{self.kind}_function", self)
        self.first = first

    def check_called(self):
        """Refuse to go on if Keras has called another function, which trained on the stand-in."""
        if self.first is not None:
            raise RuntimeError(
                f"`{self.kind}_function` of {self.net.name!r} was replaced during a step, which thus did not "
                "see the data. Train this net with net.fit."
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
            # Python looks for Ctrl-C between two calls; so a call should take a second at most.
            self.at_once = max(1, self.at_once // 2) if seconds > 1 else self.at_once * (1 + (seconds < 0.2))
        return self._run(batches.rest, 0, 1) if last > whole else logs

    def _run(self, order, first, last):
        specs = tf.nest.map_structure(
            lambda part: tf.TensorSpec([None, *part.shape[1:]], part.dtype), self.batches.examples
        )
        key = str((specs, self.xla))
        if key not in self.programs:
            # TensorFlow 2.15's XLA is fast with small kernels in a loop, but updates a large one in twice the
            # time that it takes step by step.
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
    """Steps from `first` to before `last`, as one TensorFlow function; returns what the last one reports."""
    if STACK == "keras3":
        step = tf.autograph.experimental.do_not_convert(step)  # as Keras 3 does, and Keras 2 does not
    step = tf.function(step, reduce_retracing=True, jit_compile=step_by_xla or None)
    reported = step.get_concrete_function(specs).structured_outputs
    number = tf.TensorSpec([], tf.int32)
    signature = [specs, tf.TensorSpec([None, None], tf.int32), number, number]

    # Where XLA compiles the loop as a whole, it is not handed all variables and metrics with each step.
    @tf.function(input_signature=signature, jit_compile=loop_by_xla or None)
    def run(examples, order, first, last):
        def one_more(i, logs):
            return i + 1, step(tf.nest.map_structure(lambda part: tf.gather(part, order[i]), examples))

        nothing = tf.nest.map_structure(lambda log: tf.zeros(log.shape, log.dtype), reported)
        return tf.while_loop(lambda i, logs: i < last, one_more, [first, nothing])[1]

    return run


class _Signals(keras.callbacks.Callback):
    """Tells the functions of `fit` that the next call is theirs, and with which batch it begins."""

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
    """Whether a callback wants to hear of every step."""
    if getattr(callback, "save_freq", None) == "epoch" or getattr(callback, "update_freq", None) == "epoch":
        return False
    names = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    names += ("on_test_batch_begin", "on_test_batch_end")
    return any(
        getattr(getattr(callback, name), "__func__", None) is not getattr(keras.callbacks.Callback, name)
        for name in names
    )


# The layers for which XLA makes a step faster on a CPU, and keeps its numbers.
_DENSE = ("InputLayer", "Flatten", "Reshape", "Rescaling", "Dense", "Activation", "ReLU", "LeakyReLU", "ELU")
_DENSE += ("PReLU", "Softmax", "BatchNormalization", "Add", "Concatenate")


def _xla_pays(net, steps):
    """Whether compiling the net's steps saves more time than it takes; what ``compile`` was given decides."""
    asked = net.jit_compile
    if asked or (asked is False and STACK == "addons"):  # Keras 3 turns its "auto" into False
        return asked
    dense = (isinstance(net, keras.Sequential) or type(net).__name__ == "Functional") and all(
        type(layer).__name__ in _DENSE and type(layer).__module__.startswith("keras.") for layer in net.layers
    )
    return dense and net.built and not quick and len(net.trainable_weights) <= 100 and steps >= 4000


def _split(net, given, x, y):
    """The examples to train and to check on, as tensors; (None, None) where only Keras knows the way."""
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
    """Whether the net trains in a way of its own."""
    names = ("fit", "evaluate", "make_train_function", "make_test_function")
    return (
        getattr(net, "optimizer", None) is None
        or net.run_eagerly
        or any(getattr(type(net), name) is not getattr(keras.Model, name) for name in names)
        or tf.distribute.has_strategy()
        or net.distribute_strategy is not tf.distribute.get_strategy()
    )


def _examples(x, y=None, weights=None, class_weight=None):
    """What Keras would make batches of, as tensors; None where it is not plain arrays."""
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
    """A weight for each example by its class; None where Keras has something to say about it."""
    labels = np.asarray(y)
    if labels.ndim > 2 or not len(labels) or sorted(class_weight) != list(range(len(class_weight))):
        return None
    classes = labels.argmax(-1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.reshape(-1)
    classes = np.rint(classes).astype("int64")
    if classes.min() < 0 or classes.max() >= len(class_weight):
        return None
    return np.array([class_weight[one] for one in range(len(class_weight))], "float32")[classes]


def _tuples(given):
    """Lists as tuples, as Keras packs them."""
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
        Where its logs and its best weights are.
    history : dict of str to list of float
        What ``fit`` reports, a value for each epoch; and under ``"seconds"`` how long the epoch took, with
        its validation.
    loaded : bool
        Whether it had been trained before, and was only loaded.

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
        """The epoch, counted from 1, with the lowest validation loss; one that is not a number is not low."""
        return int(np.argmin(np.nan_to_num(self.history["val_loss"], nan=np.inf))) + 1

    def best(self, metric):
        """A metric's value after the best epoch."""
        return self.history[metric][self.best_epoch - 1]

    @property
    def seconds_per_epoch(self):
        """The median, without the first epoch, in which TensorFlow builds its programs."""
        return float(np.median(self.history["seconds"][1:] or self.history["seconds"]))

    @property
    def seconds_to_best(self):
        """How long it takes to get to the best epoch, once TensorFlow has built its programs."""
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
    """Train a compiled model with `fit`, or load what the same training found before.

    Afterwards the model holds the weights of its best epoch, where one of the callbacks has saved them.

    Two trainings are the same if all that `compile` and this function were given is the same: layers,
    weights, the optimizer with its memory, loss, metrics, data, and callbacks as they are made. Functions and
    classes of Keras, of other installed packages and of the course are told apart by name and settings. Where
    one of your own is among them, of which nobody can tell whether it still does the same, a warning names
    it, and the net is trained again. Random states do not count: the starting weights tell seeds apart.

    Parameters
    ----------
    model : keras.Model
        Built, compiled, and with its starting weights.
    x, y : arrays
        Training examples and labels; shuffled anew for every epoch.
    folder : path-like
        Where the trainings of this name are kept, each in a folder of its own.
    validation_data : tuple of arrays
        ``(x_valid, y_valid)``.
    epochs : int
        At most so many.
    batch_size : int, default=32
    callbacks : callable, optional
        Given the folder of this training, returns its list of Keras callbacks.
    best : str, default="best.keras"
        The file in that folder to which a ``ModelCheckpoint`` among them writes the best model or its
        weights.
    verbose, label
        As for `fit`. They do not tell two trainings apart.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If the model is not built or not compiled, `x` and `y` differ in length or are empty, or `callbacks`
        gives no list of callbacks. The model is as before, and no folder has been made.

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
        epochs = min(epochs, 2)  # as `fit` will, so that a full run does not load it
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
        validation_batch_size=1000,  # nothing is learned there, so larger batches only save time
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
    # JSON cannot hold NaN, the loss of a training that diverged.
    plain = {
        name: [value if np.isfinite(value) else str(value) for value in values]
        for name, values in history.items()
    }
    note = {"key": key, "history": plain, "weights": weights.name, "sha256": _sha256(weights)}
    # Last of all, and in one step: a folder without this file is a training that did not reach its end.
    write_text(new / _NOTE, to_json(note))
    return Run(new, history, loaded=False)


class _Clock(keras.callbacks.Callback):
    """The seconds of each epoch, from the end of the one before."""

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
    """An optimizer's variables, made if need be; and Nadam's product, which Keras 2 leaves out of them."""
    if hasattr(optimizer, "build"):
        optimizer.build(model.trainable_variables)
    else:  # TensorFlow Addons' optimizers are of the kind that Keras 2 calls legacy
        keras_private.make_legacy_slots(optimizer, model.trainable_variables)
    variables = optimizer.variables
    variables = variables() if callable(variables) else variables
    return [*variables, *(v for v in vars(optimizer).values() if isinstance(v, tf.Variable))]


def _finished(folder, key):
    """The note of a training that reached its end with this key, and whose weights are whole."""
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        same = key is not None and note["key"] == key
        same = same and _sha256(folder / note["weights"]) == note["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return note if same else None


def _key(model, given, folder):
    """A digest of all that a training depends on; None, with a warning, if something cannot be compared."""
    names = {layer.name: f"layer {i}" for i, layer in enumerate(keras_private.flat_layers(model))}
    compiled = {k: v for k, v in keras_private.compile_arguments(model).items() if k != "optimizer"}
    start = [*model.get_weights(), *_memory(model.optimizer, model)]
    # A vocabulary that was adapted shows in the outputs only; their last bits differ between processes.
    if any(hasattr(layer, "adapt") for layer in keras_private.flat_layers(model)):
        start.append(model(given["x"][:8], training=False))
    versions = [keras.__version__, tf.__version__]
    try:
        description = _described([model, model.optimizer, compiled, start, given, versions], folder, names)
    except Exception as error:  # also those of a layer that has no configuration
        warnings.warn(
            f"fit_once cannot tell whether this training is new, so it trains: {error}", stacklevel=3
        )
        return None
    return hashlib.sha256(json.dumps(description).encode()).hexdigest()


def _described(value, folder, names):
    """A value as JSON that differs where the value does. Code is told apart only where it was installed."""
    begun = []

    def described(value):
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, np.generic):
            return described(value.item())
        if isinstance(value, str | Path):  # Keras numbers layers through a session
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
            # A configuration has but names for functions and classes.
            parts = vars(value) | vars(value).get("_hyper", {})  # where Addons' optimizers keep a schedule
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
        # Keras counts losses through a session, and changes a flag of those it uses.
        skipped = {"name", "_allow_sum_over_batch_size"} if isinstance(value, keras.losses.Loss) else ()
        if isinstance(value, _PLAIN):
            return [name, described({k: v for k, v in vars(value).items() if k not in skipped})]
        # Anything else counts by its attributes, if it has nothing besides: a set or a partial has.
        made, given, state, *items = (*value.__reduce_ex__(2), None, None)[:5]
        if made is not copyreg.__newobj__ or len(given) > 1 or any(one is not None for one in items):
            raise TypeError(f"{value!r} cannot be compared with an earlier one.")
        return [name, described(state)]

    return described(value)


_OPTIMIZER = (keras.optimizers.Optimizer,)
if STACK == "addons":
    _OPTIMIZER += (keras.optimizers.legacy.Optimizer,)
_WITH_STATE = (keras.layers.Layer, keras.metrics.Metric, *_OPTIMIZER)
# The starting weights count, not how they were drawn.
_NO_CODE = (keras.layers.Layer, keras.metrics.Metric, keras.initializers.Initializer)
_PLAIN = (
    keras.callbacks.Callback,
    keras.losses.Loss,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.optimizers.schedules.LearningRateSchedule,
)


def _is_library(code):
    """Whether a function or class is Python's or was installed, or the course's: a name says what it does."""
    module = code.__module__ or ""  # a function made by exec may have none
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top == "course_utils" or "-packages" in file


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
