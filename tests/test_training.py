"""`fit` is Keras' fit to the last bit; batches: all once an epoch, in a new order that the seed repeats."""

import gc
import itertools
import weakref
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils import training
from course_utils.addons import ConditionalGradient, WeightNormalization
from course_utils.stack import STACK
from course_utils.training import fit, progress_bar

X = np.arange(24, dtype="float32")[:, None]


@pytest.fixture(autouse=True)
def _no_lesson(monkeypatch):
    monkeypatch.setattr(training, "quick", False)  # whatever lesson was made in this process


class Watch(keras.layers.Layer):
    """Notes the order in which examples come by."""

    def __init__(self, note, **kwargs):
        super().__init__(**kwargs)
        self.note = note

    def call(self, inputs):
        tf.py_function(lambda batch: self.note(batch.numpy().ravel().astype(int)), [inputs], [])
        return inputs


def orders_of(train, epochs=3):
    """The order of the examples in each epoch of a training, after seed 3."""
    seen = []
    net = keras.Sequential([keras.Input((1,)), Watch(seen.append), keras.layers.Dense(1)])
    net.compile("sgd", "mse")
    keras.utils.set_random_seed(3)
    train(net, X, X, batch_size=4, epochs=epochs, verbose=0)
    return np.concatenate(seen).reshape(epochs, -1).tolist()


def test_keras_3_repeats_the_order_of_arrays_and_keras_2_does_not():
    # Should this fail on the keras3 stack, Keras has changed: then lesson 00 and `fit` tell a story that is
    # over.
    orders = {tuple(epoch) for epoch in orders_of(keras.Model.fit)}
    assert len(orders) == (1 if STACK == "keras3" else 3)


# --- fit ----------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.random((70, 6, 6), dtype="float32"), RNG.integers(0, 3, 70)
layers = keras.layers


def dense(dropout=0.0):
    return keras.Sequential(
        [
            keras.Input((6, 6)),
            layers.Flatten(),
            layers.Dense(8, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Dropout(dropout),
            layers.Dense(3, activation="softmax", kernel_regularizer="l2"),
        ]
    )


def conv(dropout=0.0):
    return keras.Sequential(
        [
            keras.Input((6, 6)),
            layers.Reshape((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            *([layers.Dropout(dropout)] if dropout else []),
            layers.Dense(3, activation="softmax"),
        ]
    )


def large():
    """A kernel of more than 100,000 weights."""
    hidden = layers.Dense(3000, activation="relu")
    return keras.Sequential(
        [keras.Input((6, 6)), layers.Flatten(), hidden, layers.Dense(3, activation="softmax")]
    )


def small():
    return keras.Sequential([keras.Input((6, 6)), layers.Flatten(), layers.Dense(3, activation="softmax")])


class OwnStep(keras.Model):
    def train_step(self, data):
        images, labels = data
        with tf.GradientTape() as tape:
            loss = keras.losses.SparseCategoricalCrossentropy()(labels, self(images, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"mine": 2 * loss}


def weight_normalized():
    dense = layers.Dense(3, activation="softmax")
    return keras.Sequential([keras.Input((6, 6)), layers.Flatten(), WeightNormalization(dense)])


def own_step():
    images = keras.Input((6, 6))
    return OwnStep(images, layers.Dense(3, activation="softmax")(layers.Flatten()(images)))


def made(make, optimizer="sgd", metrics=(), **settings):
    keras.utils.set_random_seed(1)
    net = make()
    net.compile(
        optimizer() if callable(optimizer) else optimizer,
        "sparse_categorical_crossentropy",
        metrics=list(metrics) or None,
        **settings,
    )
    return net


def state(net):
    variables = net.optimizer.variables
    return [np.asarray(v) for v in (*net.variables, *(variables() if callable(variables) else variables))]


def assert_equal(one, other):
    assert len(one) == len(other)
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("net", "more"),
    [
        (
            {"make": dense, "optimizer": "nadam", "metrics": ["accuracy"]},
            {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}},
        ),
        (
            {"make": dense, "jit_compile": True, "optimizer": "nadam", "metrics": ["accuracy"]},
            {"validation_data": None, "batch_size": 14},
        ),  # 5 whole batches
        ({"make": large, "jit_compile": True, "optimizer": "nadam"}, {}),
        (
            {"make": lambda: conv(0.3)},
            {"validation_data": None, "validation_split": 0.3, "sample_weight": np.linspace(0, 2, 70)},
        ),
        ({"make": weight_normalized}, {}),  # makes Keras trace anew in the middle of a training
        (
            {"make": own_step, "optimizer": lambda: ConditionalGradient(0.9, 10.0)},
            {"validation_freq": 2},
        ),
    ],
    ids=[
        "dense",
        "xla",
        "xla, large",
        "conv, dropout",
        "weight normalization",
        "train_step, conditional gradient",
    ],
)
def test_it_is_keras_fit_to_the_last_bit(net, more):
    given = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0}
    given |= {"validation_data": (IMAGES[:20], LABELS[:20])} | more
    theirs, ours = made(**net), made(**net)
    keras.utils.set_random_seed(2)
    expected = theirs.fit(IMAGES, LABELS, **given)
    keras.utils.set_random_seed(2)
    found = fit(ours, IMAGES, LABELS, **given)
    assert found.history == expected.history
    assert found.params == expected.params
    assert_equal(state(ours), state(theirs))


@pytest.fixture(scope="module")
def net():
    return made(small, metrics=["accuracy"])


def test_a_later_fit_evaluate_and_predict_are_keras_own(net):
    fit(net, IMAGES, LABELS, verbose=0, validation_data=(IMAGES, LABELS))
    copy = made(small, metrics=["accuracy"])
    copy.set_weights(net.get_weights())
    assert net.evaluate(IMAGES, LABELS, verbose=0) == copy.evaluate(IMAGES, LABELS, verbose=0)
    assert (net.predict(IMAGES, verbose=0) == copy.predict(IMAGES, verbose=0)).all()
    assert int(np.asarray(net.steps_per_execution)) == 1
    steps = int(np.asarray(net.optimizer.iterations))
    net.fit(IMAGES, LABELS, batch_size=10, verbose=0)
    assert int(np.asarray(net.optimizer.iterations)) == steps + 7


def test_a_callback_that_listens_hears_every_step_and_may_evaluate(net):
    heard = []

    class Listener(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            heard.append((batch, "loss" in logs))

        def on_epoch_end(self, epoch, logs=None):
            assert self.model.evaluate(IMAGES[:8], LABELS[:8], verbose=0) != logs["val_loss"]
            self.model.stop_training = True

    history = fit(
        net, IMAGES, LABELS, 20, 3, 0, callbacks=[Listener()], validation_data=(IMAGES[:30], LABELS[:30])
    )
    assert heard == [(batch, True) for batch in range(4)]
    assert history.epoch == [0]
    assert history.history["val_loss"] == [net.evaluate(IMAGES[:30], LABELS[:30], 20, verbose=0)[0]]


def test_ctrl_c_leaves_a_net_that_can_be_used(net):
    def press(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(net, IMAGES, LABELS, epochs=3, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=press)])
    assert int(np.asarray(net.steps_per_execution)) == 1
    assert (
        len(net.fit(IMAGES, LABELS, verbose=0).epoch) == len(fit(net, IMAGES, LABELS, verbose=0).epoch) == 1
    )


def test_every_epoch_has_a_new_order_that_the_seed_repeats():
    orders = orders_of(fit)
    assert orders_of(fit) == orders
    assert all(sorted(order) == list(range(24)) for order in orders)
    assert len(set(map(tuple, orders))) == 3


def test_a_data_set_goes_to_keras_and_quick_mode_takes_two_epochs(net, monkeypatch):
    monkeypatch.setattr(training, "quick", True)
    batches = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(32)
    assert fit(net, batches, epochs=5, verbose=0).epoch == [0, 1]
    assert fit(net, IMAGES, LABELS, epochs=5, verbose=0).epoch == [0, 1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batch_size": float("nan")}, "`batch_size` should be a whole number ≥ 1; received nan"),
        ({"epochs": 1.5}, "`epochs` should be"),
        ({"y": LABELS[:9], "verbose": 1}, "received 70, 9"),  # with a bar
        ({"x": IMAGES[:0], "y": LABELS[:0]}, "received 0, 0"),
        ({"validation_data": (IMAGES[:3], LABELS[:2])}, "received 3, 2"),
    ],
)
def test_bad_input_of_fit_changes_nothing(net, given, message):
    before = state(net)
    with pytest.raises(ValueError, match=message):
        fit(net, **{"x": IMAGES, "y": LABELS, "verbose": 0} | given)
    assert_equal(state(net), before)


@pytest.mark.parametrize(
    ("make", "steps", "pays"),
    [(dense, 10_000, True), (dense, 100, False), (conv, 10_000, False), (lambda: dense(0.5), 10_000, False)],
)
def test_xla_is_for_dense_nets_that_train_long(make, steps, pays):
    net = make()
    if make is dense:
        net = keras.Sequential([layer for layer in net.layers if not isinstance(layer, layers.Dropout)])
        net.build((None, 6, 6))
    net.compile("sgd", "mse")
    assert training._xla_pays(net, steps) is pays


def test_keras_callbacks_do_here_what_they_do_there(tmp_path):
    def run(train, folder):
        net = made(lambda: keras.Sequential([keras.Input((6, 6)), layers.Flatten(), layers.Dense(3)]))
        folder.mkdir()
        callbacks = [
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True),
            keras.callbacks.ModelCheckpoint(folder / "best.weights.h5", "val_loss", 0, True, True),
            keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=1, min_delta=1.0),
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 2),
            keras.callbacks.CSVLogger(folder / "log.csv"),
            keras.callbacks.TerminateOnNaN(),
        ]
        keras.utils.set_random_seed(2)
        given = {"epochs": 6, "shuffle": False, "validation_data": (IMAGES[:20], LABELS[:20])}
        history = train(net, IMAGES, LABELS, callbacks=callbacks, verbose=0, **given)
        net.load_weights(folder / "best.weights.h5")
        return state(net), history.history, (folder / "log.csv").read_text(encoding="utf-8")

    ours, theirs = run(fit, tmp_path / "ours"), run(keras.Model.fit, tmp_path / "theirs")
    assert_equal(ours[0], theirs[0])
    assert ours[1:] == theirs[1:]


@pytest.mark.parametrize("pack", [list, dict])
def test_several_inputs_and_outputs_are_packed_as_in_keras(pack):
    def make():
        one, two = keras.Input((6, 6), name="one"), keras.Input((6, 6), name="two")
        flat = layers.Flatten()(layers.Add()([one, two]))
        net = keras.Model([one, two], [layers.Dense(3, name="a")(flat), layers.Dense(1, name="b")(flat)])
        losses = ["sparse_categorical_crossentropy", "mse"]
        net.compile("sgd", losses if pack is list else dict(zip("ab", losses, strict=True)))
        return net

    def packed(names, *parts):
        return list(parts) if pack is list else dict(zip(names, parts, strict=True))

    x, y = packed(["one", "two"], IMAGES, IMAGES[::-1].copy()), packed("ab", LABELS, LABELS.astype("float32"))
    keras.utils.set_random_seed(1)
    theirs = make()
    keras.utils.set_random_seed(1)
    ours = make()
    expected = theirs.fit(x, y, epochs=2, shuffle=False, verbose=0)
    assert fit(ours, x, y, epochs=2, shuffle=False, verbose=0).history == expected.history
    assert_equal(state(ours), state(theirs))


def test_a_function_of_somebody_else_that_would_train_on_the_stand_in_is_noticed(monkeypatch):
    def replaced(steps, first):
        steps.first = first
        steps.net.train_function = lambda iterator: {"loss": tf.constant(0.0)}

    monkeypatch.setattr(training._Steps, "expect", replaced)
    with pytest.raises(RuntimeError, match=r"was replaced during a step.*Train this net with net.fit"):
        fit(made(small), IMAGES, LABELS, verbose=0)


# --- the bar ------------------------------------------------------------------------------------------------


@pytest.fixture
def said(monkeypatch):
    """Collect what a notebook shows."""
    texts = []

    def display(thing, display_id=None):
        texts.append(thing.data)
        return SimpleNamespace(update=lambda new: texts.append(new.data))

    monkeypatch.setattr(training, "display", display)
    monkeypatch.setattr(training, "get_ipython", lambda: True)
    return texts


@pytest.fixture
def in_a_shell(monkeypatch, said):
    monkeypatch.setattr(training, "get_ipython", lambda: None)
    return said


def test_a_training_has_one_bar_and_one_line(said, net):
    fit(net, IMAGES, LABELS, epochs=3, label="tiny net")
    assert said[-1].startswith("Trained *tiny net*: 3 epochs in 00:0")
    assert any("tiny net" in text and "/3" in text for text in said[:-1])  # how far is the bar's choice
    said.clear()
    fit(net, IMAGES, LABELS, verbose=0)
    assert said == []


def test_outside_a_notebook_the_bar_leaves_stdout_alone(in_a_shell, net, capsys):
    fit(net, IMAGES, LABELS, label="tiny net")
    assert in_a_shell == []
    assert capsys.readouterr().out == ""


def test_a_loop_of_trainings_has_one_bar_and_one_line(said):
    assert list(progress_bar("abc", "letters", unit="letter")) == ["a", "b", "c"]
    assert said[-1].startswith("Done *letters*: 3 letters in 00:0")


def test_a_loop_outside_a_notebook_says_nothing(in_a_shell, capsys):
    assert list(progress_bar([1], "numbers")) == [1]
    assert in_a_shell == []
    assert capsys.readouterr().out == ""


def test_a_loop_that_is_left_early_closes_its_bar(said):
    for element in progress_bar(range(3), "numbers"):
        if element == 1:
            break
    assert not any(text.startswith("Done") for text in said)  # it was not


class _Cycle:
    """Refers to itself, as a tf.data pipeline does: only a collection frees it."""

    def __init__(self):
        self.me = self


@pytest.fixture
def no_collection():
    gc.disable()  # what is freed now was freed on purpose
    yield
    gc.enable()


def test_a_training_begins_by_freeing_what_the_last_ones_left(no_collection, in_a_shell):
    left = weakref.ref(_Cycle())
    assert left() is not None
    training.training_bar("tiny net").close()
    assert left() is None


@pytest.mark.parametrize(("seconds", "freed"), [(1, False), (3, True)])
def test_a_loop_frees_after_long_trainings_and_does_not_dwell_on_short_ones(
    monkeypatch, no_collection, in_a_shell, seconds, freed
):
    clock = itertools.count(0, seconds)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    left = []
    for _ in progress_bar(range(2), "numbers"):
        left.append(weakref.ref(_Cycle()))
    assert (left[0]() is None) == freed
