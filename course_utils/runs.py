"""Long trainings that are kept: stop a notebook, come back, and what had finished is there.

>>> run = fit_once(net, x, y, folder="runs/plain", epochs=100, callbacks=my_callbacks)  # doctest: +SKIP
>>> run.best_epoch, run.seconds_per_epoch                                               # doctest: +SKIP

Every training gets a folder of its own, ``runs/plain/run-001``, ``run-002`` and so on, for its logs and its
best weights; nothing is overwritten. A training that reached its end is noted there in ``run.json``. Asked
for the same training again (same net, same starting weights, same data, same settings), `fit_once` loads
what that one found. One that was interrupted begins anew, so that a result never depends on how often
somebody pressed stop.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from course_utils.batches import shuffled
from course_utils.ledger.files import to_json, write_text

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
    >>> start = net.get_weights()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = fit_once(net, x, y, folder=folder, validation_data=(x, y), epochs=2)
    ...     net.set_weights(start)
    ...     again = fit_once(net, x, y, folder=folder, validation_data=(x, y), epochs=2)
    >>> first.loaded, again.loaded, again.history == first.history
    (False, True, True)
    """
    if not model.built or getattr(model, "optimizer", None) is None:
        raise ValueError(
            f"The model {model.name!r} should be built and compiled: give it a keras.Input, and call "
            "compile()."
        )
    folder = Path(folder)
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

    settings = _settings(model, x, y, validation_data, epochs, batch_size, chosen)
    for earlier in reversed(numbered):
        note = _finished(earlier, settings)
        if note is not None:
            model.load_weights(earlier / note["weights"])
            history = {name: [float(value) for value in values] for name, values in note["history"].items()}
            return Run(earlier, history, loaded=True)

    new.mkdir(parents=True)
    clock = _Clock()
    fitted = model.fit(
        _untuned(shuffled(x, y, batch_size)),
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
    note = {"settings": settings, "history": plain, "weights": weights.name, "sha256": _sha256(weights)}
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


def _finished(folder, settings):
    """The note of a training that reached its end with these settings, and whose weights are whole."""
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        same = note["settings"] == settings and _sha256(folder / note["weights"]) == note["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return note if same else None


def _settings(model, x, y, validation_data, epochs, batch_size, callbacks):
    """Everything that a training depends on, in a form that JSON keeps."""
    plain = {
        "model": _unnumbered(json.dumps(model.get_config(), default=str, sort_keys=True)),
        "optimizer": _unnumbered(json.dumps(model.optimizer.get_config(), default=_plain, sort_keys=True)),
        "loss": str(getattr(model.loss, "__name__", model.loss)),
        "callbacks": [
            {"class": type(one).__name__}
            | {name: repr(value) for name, value in sorted(vars(one).items()) if _is_setting(value)}
            for one in callbacks
        ],
    }
    return {
        # The weights say which seed it was, and what a layer computes is more than its configuration.
        "start": _sha256_of(*model.get_weights(), np.asarray(model(x[:8], training=False))),
        "data": _sha256_of(x, y, *validation_data),
        "epochs": epochs,
        "batch_size": batch_size,
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        **{name: hashlib.sha256(repr(value).encode()).hexdigest()[:16] for name, value in plain.items()},
    }


def _unnumbered(config):
    """Without what Keras counts through a session: dense_1, dense_2, …, sgd_1 mean nothing."""
    return re.sub(r'_\d+"', '"', config)


def _plain(value):
    return (
        float(value) if isinstance(value, np.generic | np.ndarray | tf.Tensor | tf.Variable) else str(value)
    )


def _is_setting(value):
    return value is None or isinstance(value, bool | int | float)


def _sha256_of(*arrays):
    digest = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array)
    return digest.hexdigest()[:16]


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
