"""Kept trainings: what is loaded instead of trained again, what is not, and what an interruption leaves."""

import functools
import importlib
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from course_utils import training
from course_utils.schedules import OneCycle
from course_utils.training import Run, fit, fit_once, tensorboard

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 3)).astype("float32")
Y = (X @ [[1.0], [2.0], [-1.0]]).astype("float32")
VALID = X[:4], Y[:4]


def net(units=4, rate=0.1, seed=1, activation="tanh"):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(units, activation), keras.layers.Dense(1)]
    )
    rng = np.random.default_rng(seed)  # and no global seed: TensorFlow would begin with its kernels anew
    model.set_weights([rng.normal(size=weights.shape) for weights in model.get_weights()])
    model.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=True)  # no graph to build: faster here
    return model


def train(folder, model=None, **changes):
    """One step, unless the changes ask for more."""
    settings = {"x": X, "y": Y, "validation_data": VALID, "epochs": 1, "batch_size": 16} | changes
    return fit_once(model or net(), folder=folder, **settings)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    assert not train(folder).loaded
    return folder


@pytest.fixture
def kept(trained, tmp_path):
    """A folder of one's own with a finished training."""
    return shutil.copytree(trained, tmp_path / "kept")


def checkpoint(folder):
    return [keras.callbacks.ModelCheckpoint(str(folder / "best.keras"), save_best_only=True)]


def test_a_finished_training_is_loaded_and_gives_the_same(tmp_path):
    first_net, again_net = net(), net()
    first = train(tmp_path, first_net, epochs=3)
    again = train(tmp_path, again_net, epochs=3)
    assert (first.loaded, again.loaded) == (False, True)
    assert again.folder == first.folder == tmp_path / "run-001"
    assert again.history == first.history
    assert set(first.history) == {"loss", "val_loss", "seconds"}
    assert all(len(values) == 3 for values in first.history.values())
    for one, other in zip(first_net.get_weights(), again_net.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_trains_as_fit_does(tmp_path):
    kept, plain = net(), net()
    keras.utils.set_random_seed(5)
    run = train(tmp_path, kept, epochs=2, batch_size=4)
    keras.utils.set_random_seed(5)
    history = fit(plain, X, Y, 4, 2, validation_data=VALID, validation_batch_size=1000, verbose=0).history
    np.testing.assert_allclose(run.history["val_loss"], history["val_loss"], rtol=1e-6)
    for one, other in zip(kept.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


CHANGES = [
    dict(model=lambda: net(units=5)),
    dict(model=lambda: net(rate=0.05)),
    dict(model=lambda: net(seed=2)),
    dict(model=lambda: net(activation="elu")),
    dict(epochs=2),
    dict(batch_size=8),
    dict(x=X + 1),
    dict(y=Y * 2),
    dict(validation_data=(X[:2], Y[:2])),
    dict(callbacks=checkpoint),
]


def test_another_training_is_trained_in_a_folder_of_its_own(kept):
    for number, change in enumerate(CHANGES, 2):
        other = train(kept, **{name: make() if name == "model" else make for name, make in change.items()})
        assert not other.loaded, change
        assert other.folder == kept / f"run-{number:03}"
    assert train(kept).folder == kept / "run-001"


def test_the_settings_of_callbacks_count(tmp_path):
    def patient(epochs):
        return lambda folder: [keras.callbacks.EarlyStopping(patience=epochs)]

    first = train(tmp_path, callbacks=patient(5))
    assert train(tmp_path, callbacks=patient(5)).folder == first.folder
    assert not train(tmp_path, callbacks=patient(6)).loaded


def attribute_set(callback, value):
    callback.more = value
    return callback


def with_lambda():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1), keras.layers.Lambda(lambda x: x)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def compiled(optimizer="sgd", loss="mse", **how):
    model = net()
    model.compile(optimizer, loss, run_eagerly=True, **how)
    return model


def own_loss(y, p):
    return keras.losses.mean_squared_error(y, p)


class OwnLoss(keras.losses.Loss):
    def call(self, y, p):
        return (y - p) ** 2


class Own(keras.callbacks.Callback):
    def __init__(self, values):
        super().__init__()
        self.values = values


class OwnSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1

    def get_config(self):
        return {}


def with_in_last_layer(**changed):
    model = net()
    for name, value in changed.items():
        setattr(model.layers[-1], name, value)
    return model


MeanMetricWrapper = keras.metrics.MeanMetricWrapper
callbacks, schedules = keras.callbacks, keras.optimizers.schedules
PAIRS = {
    "a loss's name": lambda one: {"model": compiled(loss=("mse", "mae")[one])},
    "a loss function": lambda one: {
        "model": compiled(loss=(keras.losses.mean_squared_error, keras.losses.mean_absolute_error)[one])
    },
    "a loss object": lambda one: {"model": compiled(loss=keras.losses.Huber((1.0, 2.0)[one]))},
    "loss_weights": lambda one: {"model": compiled(loss_weights=[(1.0, 2.0)[one]])},
    "a metric": lambda one: {"model": compiled(metrics=[("mae", "mape")[one]])},
    "a metric object": lambda one: {
        "model": compiled(metrics=[keras.metrics.TopKCategoricalAccuracy((1, 2)[one])])
    },
    "a schedule": lambda one: {
        "model": compiled(keras.optimizers.SGD(schedules.ExponentialDecay((0.1, 0.2)[one], 10, 0.5)))
    },
    "a regularizer": lambda one: {
        "model": with_in_last_layer(kernel_regularizer=keras.regularizers.L2((0.1, 0.2)[one]))
    },
    "monitor": lambda one: {"callbacks": lambda f: [callbacks.EarlyStopping(("loss", "val_loss")[one])]},
    "a callback's path": lambda one: {"callbacks": lambda f: [callbacks.CSVLogger(f / ("a", "b")[one])]},
    "the course's schedule": lambda one: {
        "model": compiled(keras.optimizers.SGD(OneCycle((0.1, 0.2)[one], 12)))
    },
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """The first training of each pair, in a folder of its name."""
    folder = tmp_path_factory.mktemp("pairs")
    for name, make in PAIRS.items():
        assert not train(folder / name, **make(0)).loaded
    return folder


@pytest.mark.parametrize("what", PAIRS)
def test_what_compile_and_callbacks_were_given_counts(pairs, what):
    assert train(pairs / what, **PAIRS[what](0)).folder == pairs / what / "run-001"
    assert not train(pairs / what, **PAIRS[what](1)).loaded


OWN = {
    "a loss": lambda: {"model": compiled(loss=own_loss)},
    "a loss by exec": lambda: {"model": compiled(loss=eval("lambda y, p: (y - p) ** 2", {}))},
    "a loss object": lambda: {"model": compiled(loss=OwnLoss())},
    "a partial": lambda: {"model": compiled(loss=functools.partial(keras.losses.huber, delta=2.0))},
    "a partial in a layer": lambda: {
        "model": with_in_last_layer(activation=functools.partial(keras.activations.elu, alpha=2.0))
    },
    "a set": lambda: {"callbacks": lambda f: [attribute_set(callbacks.EarlyStopping(), {1, 2})]},
    "bytes": lambda: {"callbacks": lambda f: [attribute_set(callbacks.EarlyStopping(), b"1")]},
    "a function in a metric": lambda: {"model": compiled(metrics=[MeanMetricWrapper(own_loss, name="m")])},
    "an activation": lambda: {"model": with_in_last_layer(activation=lambda z: z)},
    "a regularizer": lambda: {"model": with_in_last_layer(kernel_regularizer=lambda w: 0.0)},
    "a schedule": lambda: {"model": compiled(keras.optimizers.SGD(OwnSchedule()))},
    "a schedule function": lambda: {"callbacks": lambda f: [callbacks.LearningRateScheduler(lambda e: 0.1)]},
    "a callback": lambda: {"callbacks": lambda f: [Own([1, 2])]},
    "a Lambda layer": lambda: {"model": with_lambda()},
}


@pytest.mark.parametrize("what", OWN)
def test_where_code_of_ones_own_is_among_it_the_net_is_trained_again(tmp_path, what):
    """Its name, or the text of its configuration, would not say whether it still does the same."""
    for folder in ("run-001", "run-002"):
        with pytest.warns(UserWarning, match="fit_once cannot tell .* so it trains: "):
            run = train(tmp_path, **OWN[what]())
        assert (run.loaded, run.folder.name) == (False, folder)


def test_the_optimizers_memory_counts(tmp_path):
    model = compiled("adam", metrics=["mae"])
    start = model.get_weights()
    train(tmp_path, model)
    assert train(tmp_path, compiled("adam", metrics=["mae"])).loaded
    model.set_weights(start)
    assert not train(tmp_path, model).loaded


def test_a_quick_training_is_not_taken_for_a_full_one(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "quick", True)
    assert len(train(tmp_path, epochs=3).history["loss"]) == 2
    assert train(tmp_path, epochs=3).loaded
    monkeypatch.setattr(training, "quick", False)
    full = train(tmp_path, epochs=3)
    assert not full.loaded
    assert len(full.history["loss"]) == 3


FRESH = """
import sys
sys.path.insert(0, sys.argv[1])
import test_runs
for name in test_runs.PAIRS:
    print(test_runs.train(sys.argv[2] + "/" + name, **test_runs.PAIRS[name](0)).loaded)
"""


def test_a_fresh_process_finds_the_same_trainings(pairs):
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", FRESH, here, str(pairs)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(here).parent)
    assert told.stdout.split() == ["True"] * len(PAIRS), told.stderr


def test_numpys_integers_are_numbers(tmp_path):
    run = train(tmp_path, epochs=np.int64(2), batch_size=np.int32(16))
    assert len(run.history["loss"]) == 2
    assert train(tmp_path, epochs=2).loaded


def test_the_best_epochs_weights_are_left_in_the_model(tmp_path):
    model, fresh, one_epoch = (net(rate=20.0) for _ in range(3))  # ever worse from the second epoch
    keras.utils.set_random_seed(1)
    run = train(tmp_path, model, callbacks=checkpoint, epochs=3)
    assert run.best_epoch == 1
    assert (run.folder / "best.keras").exists()
    assert train(tmp_path, fresh, callbacks=checkpoint, epochs=3).loaded
    keras.utils.set_random_seed(1)
    train(tmp_path / "short", one_epoch)
    for kept, loaded, best in zip(*(m.get_weights() for m in (model, fresh, one_epoch)), strict=True):
        np.testing.assert_array_equal(kept, best)
        np.testing.assert_array_equal(loaded, best)


def test_an_interrupted_training_begins_anew_and_spoils_nothing(kept):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    finished = json.loads((kept / "run-001" / "run.json").read_text(encoding="utf-8"))
    with pytest.raises(KeyboardInterrupt), pytest.warns(UserWarning, match="cannot tell"):
        train(kept, epochs=3, callbacks=lambda folder: [*checkpoint(folder), Interrupt()])
    assert not (kept / "run-002" / "run.json").exists()
    again = train(kept, epochs=3, callbacks=checkpoint)
    assert (again.loaded, again.folder.name) == (False, "run-003")
    assert len(again.history["loss"]) == 3
    assert train(kept).history == finished["history"]


@pytest.mark.parametrize("damage", ["note", "weights", "gone"])
def test_a_damaged_training_is_not_trusted(kept, damage):
    note, weights = kept / "run-001" / "run.json", kept / "run-001" / "last.weights.h5"
    if damage == "note":
        note.write_text(note.read_text()[:50])
    elif damage == "weights":
        weights.write_bytes(weights.read_bytes()[:-1])
    else:
        weights.unlink()
    again = train(kept)
    assert (again.loaded, again.folder.name) == (False, "run-002")


def test_a_training_that_goes_astray_is_kept_like_any_other(tmp_path):
    first, again = (train(tmp_path, net(rate=1e12), epochs=4) for _ in range(2))
    assert (first.loaded, again.loaded) == (False, True)
    assert not np.isfinite(first.history["val_loss"]).all()
    np.testing.assert_array_equal(first.history["val_loss"], again.history["val_loss"])


def test_numbers_of_folders_go_on_past_a_thousand(tmp_path):
    (tmp_path / "run-999").mkdir()
    assert train(tmp_path, net(seed=1)).folder.name == "run-1000"
    assert train(tmp_path, net(seed=2)).folder.name == "run-1001"


def test_bad_input_changes_nothing(tmp_path):
    not_compiled = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="should be built and compiled"):
        train(tmp_path / "a", not_compiled)
    model = net()
    before = model.get_weights()
    for callbacks in (lambda folder: None, lambda folder: [1], lambda folder: keras.callbacks.History()):
        with pytest.raises(ValueError, match="should return a list of Keras callbacks; it returned"):
            train(tmp_path / "a", model, callbacks=callbacks)
    for wrong in ({"epochs": 0}, {"batch_size": 1.5}, {"x": X[:3]}, {"folder": 3}):
        with pytest.raises(ValueError, match="received"):
            fit_once(
                model,
                **{"x": X, "y": Y, "validation_data": VALID, "epochs": 1, "folder": tmp_path / "a"} | wrong,
            )
    assert not (tmp_path / "a").exists()
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_kept_is_plain_json(tmp_path):
    run = train(tmp_path)
    note = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert note["history"] == run.history
    assert str(tmp_path) not in json.dumps(note)


def test_times_leave_out_the_first_epoch():
    run = Run(None, {"val_loss": [3.0, float("nan"), 1.0, 2.0], "seconds": [60.0, 4.0, 2.0, 3.0]}, False)
    assert (run.best_epoch, run.best("val_loss")) == (3, 1.0)
    assert (run.seconds_per_epoch, run.seconds_to_best) == (3.0, 9.0)
    assert Run(None, {"val_loss": [1.0], "seconds": [7.0]}, False).seconds_per_epoch == 7.0
    assert Run(None, {"val_loss": [float("nan")] * 2, "seconds": [7.0, 1.0]}, False).best_epoch == 1


@pytest.mark.parametrize("name", ["my runs", "runs/{x}", "runs/$HOME", "it's"])
def test_tensorboard_opens_the_folder_that_was_named(name, monkeypatch, capsys):
    notebook = importlib.import_module("tensorboard.notebook")  # the package has a lazy stand-in for it
    started = []
    monkeypatch.setattr(notebook, "start", started.append)
    tensorboard(name)
    command = capsys.readouterr().out.split("run: ")[1]
    assert shlex.split(command) == ["tensorboard", "--logdir", name]
    monkeypatch.setattr(training, "get_ipython", object)
    tensorboard(Path(name))
    assert shlex.split(started[0]) == ["--logdir", name]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = []
    monkeypatch.setattr(training, "say", said.append)
    tensorboard(name)
    assert "TensorBoard is not installed here" in said[0]
    assert len(started) == 1


def test_the_command_is_quoted_for_windows(monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr(training.os, "name", "nt")
        patched.setattr(training.arguments, "path", lambda name, value: value)  # no Windows paths here
        tensorboard("my runs")
    assert 'run: tensorboard --logdir "my runs"' in capsys.readouterr().out
