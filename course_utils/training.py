"""Training: Keras' ``fit`` made fast and shown with a bar; the same net from another seed; kept runs.

Batches. Keras 3 on TensorFlow shuffles the arrays given to ``fit`` inside a ``tf.data`` function that every
epoch starts afresh. Once a seed is set (``keras.utils.set_random_seed``), each epoch then brings the same
batches in the same order; seen with Keras 3.15.1 and TensorFlow 2.21.0. Keras 2 shuffles anew. So the lessons
that compare nets shuffle here, alike on both stacks. Lesson 00 shows it.
"""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import inspect
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

from course_utils import arguments
from course_utils.files import to_json, write_text
from course_utils.keras_private import compile_arguments, flat_layers
from course_utils.notebook import say
from course_utils.stack import STACK

# Keras 3 warns that it will not shuffle a tf.data.Dataset because `shuffle=True` was passed; nobody did,
# it is fit's default. (Why the lessons shuffle themselves: `shuffled`.)
warnings.filterwarnings(
    "ignore", message="`shuffle=True` was passed, but will be ignored", category=UserWarning
)


# --- batches ------------------------------------------------------------------------------------------------


def shuffled(x, y, batch_size: int = 32) -> tf.data.Dataset:
    """Give examples and labels in batches, in a new order every epoch.

    The order follows from the global seed, so ``keras.utils.set_random_seed`` before it makes a training
    repeatable. The last batch is smaller where the number of examples asks for it.

    Parameters
    ----------
    x : array of shape (n, ...)
        The examples.
    y : array of shape (n, ...)
        Their labels.
    batch_size : int, default=32
        Examples per batch.

    Returns
    -------
    tf.data.Dataset
        For ``model.fit(shuffled(x, y), epochs=...)``; its length is the number of batches.

    Raises
    ------
    ValueError
        If `x` and `y` differ in length or are empty, or `batch_size` is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> batches = shuffled(np.arange(10), np.arange(10), batch_size=4)
    >>> [len(labels) for _, labels in batches]
    [4, 4, 2]
    """
    if len(x) != len(y) or not len(x):
        raise ValueError(f"x and y should hold the same number of examples; received {len(x)} and {len(y)}.")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size should be a positive integer; received {batch_size!r}.")
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    # Shuffling indices rather than images: the whole set can be shuffled without holding it twice.
    indices = tf.data.Dataset.range(len(x)).shuffle(len(x), reshuffle_each_iteration=True)
    picked = indices.batch(batch_size).map(lambda i: (tf.gather(x, i), tf.gather(y, i)))
    return picked.prefetch(tf.data.AUTOTUNE)


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

    class TrainingBar(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            bar = _Bar if get_ipython() else tqdm
            self.bar = bar(total=self.params["epochs"], desc=label, unit="epoch", leave=False)

        def on_epoch_end(self, epoch, logs=None):
            shown = {name: f"{value:.3f}" for name, value in (logs or {}).items() if "accuracy" in name}
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update()

        def on_train_end(self, logs=None):
            self.bar.close()
            if isinstance(self.bar, _Bar):
                elapsed = tqdm.format_interval(self.bar.format_dict["elapsed"])
                epochs = f"{self.bar.n} epoch{'s' * (self.bar.n != 1)}"
                self.bar.say(f"Trained *{label}*: {epochs} in {elapsed}.")

    return TrainingBar()


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
            # As for one training; but where hundreds take a moment each, looking would take longer.
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


# --- the same net from another seed ------------------------------------------------------------------------


def restart(model: keras.Model, seed: int) -> keras.Model:
    """Put a compiled model back to a start: new weights, an optimizer without memory, both from the seed.

    Afterwards the model is as if it had been built and compiled right after
    ``keras.utils.set_random_seed(seed)``: initializers have drawn anew, running statistics are those of an
    untrained net, dropout starts over, and the optimizer has made no step. Its learning rate, what else it
    was compiled with, and what layers have learnt by ``adapt`` (``Normalization``, ``TextVectorization``)
    stay as they are. The global seed is set too, so that what is shuffled afterwards can be repeated.

    One thing falls short with Keras 2: its dropout takes the seed of its masks when the net is first trained,
    and keeps it. A restarted training still repeats to the last bit, but restarts from different seeds see
    the same masks (on other weights and other batches). Compiled with XLA, those masks come from a stream
    that lasts as long as the process, and cannot be repeated in it at all.

    Parameters
    ----------
    model : keras.Model
        Sequential or functional, compiled.
    seed : int
        Any whole number from 0 to 2**32 - 1.

    Returns
    -------
    keras.Model
        The same model.

    Raises
    ------
    ValueError
        If the model is not compiled or not built yet, or the seed is not such a number.

    Examples
    --------
    >>> import numpy as np
    >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> net.compile("adam", "mse")
    >>> x, y = np.ones((8, 2)), np.ones((8, 1))
    >>> first = restart(net, seed=1).fit(x, y, epochs=2, verbose=0).history["loss"]
    >>> first == restart(net, seed=1).fit(x, y, epochs=2, verbose=0).history["loss"]
    True
    """
    seed = arguments.seed("seed", seed)
    _check_compiled(model)
    optimizer = model.optimizer
    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(model)
    fresh_optimizer = type(optimizer).from_config(optimizer.get_config())
    memory = _memory(optimizer, model), _memory(fresh_optimizer, model)

    adapted = {id(v) for layer in flat_layers(model) if hasattr(layer, "adapt") for v in layer.variables}
    for old, new in zip(model.variables, fresh.variables, strict=True):
        if id(old) not in adapted:
            old.assign(new)
    for old, new in zip(*memory, strict=True):
        old.assign(new)
    return model


def _check_compiled(model):
    if not isinstance(model, keras.Model):
        arguments.refuse("model", "a keras.Model", model)
    if not model.built or getattr(model, "optimizer", None) is None:
        remedy = "give it a keras.Input, and call compile()."
        raise ValueError(f"The model {model.name!r} should be built and compiled: {remedy}")


def _memory(optimizer, model):
    """An optimizer's variables, made if need be; and Nadam's product, which Keras 2 leaves out of them."""
    # TensorFlow Addons' optimizers are of the kind that Keras 2 calls legacy.
    build = optimizer.build if hasattr(optimizer, "build") else optimizer._create_all_weights
    build(model.trainable_variables)
    variables = optimizer.variables
    variables = variables() if callable(variables) else variables
    return [*variables, *(v for v in vars(optimizer).values() if isinstance(v, tf.Variable))]


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
    model, x, y, *, folder, validation_data, epochs, batch_size=32, callbacks=None, best="best.keras"
) -> Run:
    """Train a compiled model, or load what the same training found before.

    Afterwards the model holds the weights of its best epoch, where one of the callbacks has saved them.

    Two trainings are the same if all that `compile` and this function were given is the same: layers,
    weights, the optimizer with its memory, loss, metrics, data, and callbacks as they are made. Functions and
    classes count with their code and with what they refer to, not by name. So a callback that has written
    into a variable outside itself is another one from then on. Where something cannot be compared (an open
    file, say), a warning names it, and the net is trained again. Random states do not count: the starting
    weights tell seeds apart.

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

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If the model is not built or not compiled, or `callbacks` gives no list of callbacks. The model is as
        before, and no folder has been made.

    Examples
    --------
    >>> import tempfile
    >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> net.compile("sgd", "mse")
    >>> x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = fit_once(restart(net, 1), x, y, folder=folder, validation_data=(x, y), epochs=2)
    ...     again = fit_once(restart(net, 1), x, y, folder=folder, validation_data=(x, y), epochs=2)
    >>> first.loaded, again.loaded, again.history == first.history
    (False, True, True)
    """
    _check_compiled(model)
    epochs = arguments.whole_number("epochs", epochs, at_least=1)
    batch_size = arguments.whole_number("batch_size", batch_size, at_least=1)
    batches = _untuned(shuffled(x, y, batch_size))
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
    fitted = model.fit(
        batches,
        epochs=epochs,
        validation_data=validation_data,
        validation_batch_size=1000,  # nothing is learned there, so larger batches only save time
        verbose=0,
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
    # JSON has no word for the loss of a training that went astray.
    plain = {
        name: [value if np.isfinite(value) else str(value) for value in values]
        for name, values in history.items()
    }
    note = {"key": key, "history": plain, "weights": weights.name, "sha256": _sha256(weights)}
    # Last of all, and in one step: a folder without this file is a training that did not reach its end.
    write_text(new / _NOTE, to_json(note))
    return Run(new, history, loaded=False)


def _untuned(batches):
    """The same batches without tf.data's tuner, which has nothing to tune here and takes its time to stop.

    Its thread sleeps for 10 ms, then 20, 40 and so on. On TensorFlow 2.21 the end of an epoch waits until
    it wakes up, which can take as long as the epoch did.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


class _Clock(keras.callbacks.Callback):
    """The seconds of each epoch, from the end of the one before."""

    def on_train_begin(self, logs=None):
        self.seconds, self.last = [], time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.last = now


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
    """A digest of all that a training depends on; None if something in it cannot be described."""
    names = {layer.name: f"layer {i}" for i, layer in enumerate(flat_layers(model))}
    describe = _Description({str(folder): "the run's folder"}, names)
    compiled = {k: v for k, v in compile_arguments(model).items() if k != "optimizer"}
    start = [*model.get_weights(), *_memory(model.optimizer, model), model(given["x"][:8], training=False)]
    try:
        text = describe([model, model.optimizer, compiled, start, given, keras.__version__, tf.__version__])
    except Exception as error:
        warnings.warn(
            f"fit_once cannot tell whether this training is a new one, so it trains: {error}", stacklevel=3
        )
        return None
    return hashlib.sha256(text.encode()).hexdigest()


class _Description:
    """Describes values by text that is the same in every process, and differs where a value does.

    No library's hash will do: joblib's and Keras' serialization take a function for its name, and pickles of
    code are not the same in every process.
    """

    def __init__(self, replaced, names):
        self.replaced, self.names, self.seen = replaced, names, {}

    def __call__(self, value):
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | complex | bytes | type(...)):
            return repr(value)
        if isinstance(value, str | Path):
            text = self.names.get(str(value), str(value))
            for old, new in self.replaced.items():
                text = text.replace(old, new)
            return repr(text)
        if isinstance(value, types.CodeType):
            parts = value.co_names, value.co_varnames, value.co_freevars, value.co_argcount, value.co_flags
            return f"code {value.co_code.hex()} {parts} {self(value.co_consts)}"
        if isinstance(value, tuple):
            return f"({', '.join(map(self, value))})"
        if id(value) in self.seen:  # the value is kept with its number, so that its id is not given away
            return f"<{self.seen[id(value)][0]}>"
        self.seen[id(value)] = len(self.seen), value
        return f"{type(value).__name__} {self._described(value)}"

    def _described(self, value):
        if isinstance(value, np.ndarray | tf.Tensor | tf.Variable) or type(value).__name__ == "Variable":
            array = np.ascontiguousarray(value)
            if array.dtype.hasobject:
                return self(array.tolist())
            return f"{array.dtype} {np.shape(value)} {hashlib.sha256(array).hexdigest()}"
        if isinstance(value, Mapping):
            # A Lambda's marshalled code differs between processes; its function is described apart.
            value = {
                k: v for k, v in value.items() if not (k == "config" and value.get("class_name") == "Lambda")
            }
            return (
                "{"
                + ", ".join(sorted(f"{self(k)}: {self(v)}" for k, v in sorted(value.items(), key=repr)))
                + "}"
            )
        if isinstance(value, list):
            return f"[{', '.join(map(self, value))}]"
        if isinstance(value, set | frozenset):
            return str(sorted(map(self, value)))
        if isinstance(value, types.ModuleType):
            return value.__name__
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType):
            return f"{self(value.__self__)} {self(value.__func__)}"
        if isinstance(value, types.BuiltinFunctionType | np.ufunc):
            return f"{getattr(value, '__module__', '')}.{value.__name__}"
        if isinstance(value, staticmethod | classmethod):
            return self(value.__func__)
        if isinstance(value, property):
            return self([value.fget, value.fset])
        if isinstance(value, type):
            own = {
                k: v for k, v in vars(value).items() if k not in _NOT_CODE and not inspect.isdatadescriptor(v)
            }
            own |= {k: v for k, v in vars(value).items() if isinstance(v, property)}
            known = _is_library(value.__module__)
            return f"{value.__module__}.{value.__qualname__} {'' if known else self([value.__bases__, own])}"
        if isinstance(value, _WITH_STATE):
            return self._keras_object(value)
        if isinstance(value, _PLAIN):
            # Keras counts losses through a session, and changes a flag of those it uses.
            skipped = {"name", "_allow_sum_over_batch_size"} if isinstance(value, keras.losses.Loss) else ()
            return self([type(value), {k: v for k, v in vars(value).items() if k not in skipped}])
        return self(list(value.__reduce_ex__(4)))

    def _function(self, function):
        name = f"{function.__module__}.{function.__qualname__}"
        if _is_library(function.__module__) and "<" not in name:
            return name
        inside = [c for c in function.__code__.co_consts if isinstance(c, types.CodeType)]
        names = {name for code in (function.__code__, *inside) for name in code.co_names}
        used = {n: v for n, v in function.__globals__.items() if n in names}
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        parts = [function.__code__, function.__defaults__, function.__kwdefaults__, cells]
        return f"{name} {self([*parts, {} if _is_library(function.__module__) else used])}"

    def _keras_object(self, value):
        """Its class and configuration; and its functions, for which the configuration has but names."""
        parts = {
            k: v
            for k, v in vars(value).items()
            if not isinstance(v, _WITH_STATE) and not hasattr(type(value), k)
        }
        if isinstance(value, keras.Model):
            parts = {}
        own = not _is_library(type(value).__module__)
        told = {
            k: v
            for k, v in parts.items()
            if callable(v)
            or k == "_hyper"  # of Addons' optimizers: numbers and schedules
            or (
                own
                and k not in {"name", "_name", "built"}
                and isinstance(v, bool | int | float | str | list | np.ndarray)
            )
        }
        inside = flat_layers(value)[1:] if isinstance(value, keras.layers.Layer) else []
        # Keras counts optimizers through a session: sgd, sgd_1, ...
        config = {
            k: v for k, v in value.get_config().items() if not (k == "name" and isinstance(value, _OPTIMIZER))
        }
        return self([type(value), config, told, inside])


_OPTIMIZER = (keras.optimizers.Optimizer,)
if STACK == "addons":
    _OPTIMIZER += (keras.optimizers.legacy.Optimizer,)
_WITH_STATE = (keras.layers.Layer, keras.metrics.Metric, *_OPTIMIZER)
_PLAIN = (
    keras.callbacks.Callback,
    keras.losses.Loss,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.initializers.Initializer,
    keras.optimizers.schedules.LearningRateSchedule,
)
# What a class has for itself, and is not written in its body.
_NOT_CODE = {
    "__dict__",
    "__weakref__",
    "__doc__",
    "__module__",
    "__firstlineno__",
    "__static_attributes__",
    "_abc_impl",
}


def _is_library(module):
    """Whether a module is Python's or was installed: then its functions may be known by their names."""
    module = module or ""  # a function made by exec may have none
    top, file = module.partition(".")[0], getattr(sys.modules.get(module), "__file__", None) or ""
    return top in sys.stdlib_module_names or (top != "course_utils" and "-packages" in file)


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
