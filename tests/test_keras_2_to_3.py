"""The table of docs/keras_2_to_3.md, line by line, on the stack at hand."""

import re
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from course_utils.schedules import Power
from course_utils.stack import STACK

PAGE = Path(__file__).parents[1] / "docs" / "keras_2_to_3.md"
KERAS_2 = STACK == "addons"


def table():
    """The rows of the table: older code, what it does today, what to write, and where there is more."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[2:]]


@pytest.fixture
def net():
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    net.compile("sgd", "mse")
    return net


def warned(caplog, call):
    """What a call returns, and whether it warned, by either of the ways Keras does."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = call()
    about = [str(one.message) for one in caught if one.category is UserWarning]
    return value, bool(about or [one for one in caplog.records if one.levelname == "WARNING"])


def updates(net, caplog):
    layer = keras.layers.BatchNormalization()
    layer.build((None, 3))
    if KERAS_2:
        assert warned(caplog, lambda: layer.updates) == ([], True)
    else:
        with pytest.raises(AttributeError):
            _ = layer.updates
    layer(np.ones((4, 3), "float32"), training=False)
    assert not layer.moving_mean.numpy().any()
    layer(np.ones((4, 3), "float32"), training=True)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.01, rtol=1e-4)


def lr(net, caplog):
    if KERAS_2:
        optimizer, told = warned(caplog, lambda: keras.optimizers.SGD(lr=0.02))
        assert told
        assert float(optimizer.learning_rate) == pytest.approx(0.01)
    else:
        with pytest.raises(ValueError, match="lr"):
            keras.optimizers.SGD(lr=0.02)
    assert float(keras.optimizers.SGD(learning_rate=0.02).learning_rate) == pytest.approx(0.02)


def decay(net, caplog):
    if KERAS_2:
        with pytest.raises(ValueError, match="decay"):
            keras.optimizers.SGD(decay=1e-4)
    else:
        optimizer, told = warned(caplog, lambda: keras.optimizers.SGD(decay=0.5))
        assert told
        net.compile(optimizer, "mse")
        net.fit(np.ones((4, 2)), np.ones((4, 1)), batch_size=1, verbose=0)
        assert float(optimizer.learning_rate) == pytest.approx(0.01), "after four steps"
    net.compile(keras.optimizers.SGD(Power(0.01, decay_steps=4)), "mse")
    net.fit(np.ones((4, 2)), np.ones((4, 1)), batch_size=1, verbose=0)
    last, following = (
        0.01 / (1 + 3 / 4),
        0.01 / (1 + 4 / 4),
    )  # Keras 2 tells the last step's rate, Keras 3 the next one's
    assert float(net.optimizer.learning_rate) == pytest.approx(last if KERAS_2 else following)


def get_value(net, caplog):
    if KERAS_2:
        assert keras.backend.get_value(net.optimizer.lr) == pytest.approx(0.01)
    else:
        assert not hasattr(keras.backend, "get_value")
        assert not hasattr(net.optimizer, "lr")
    assert float(net.optimizer.learning_rate) == pytest.approx(0.01)


def set_value(net, caplog):
    if KERAS_2:
        keras.backend.set_value(net.optimizer.lr, 0.2)
        assert float(net.optimizer.learning_rate) == pytest.approx(0.2)
    else:
        assert not hasattr(keras.backend, "set_value")
    net.optimizer.learning_rate = 0.1
    assert float(net.optimizer.learning_rate) == pytest.approx(0.1)


def history_lr(net, caplog):
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5)
    history = net.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[scheduler])
    assert ("lr" in history.history) == KERAS_2
    assert ("learning_rate" in history.history) == (not KERAS_2)


def h5(net, caplog, tmp_path):
    _, told = warned(
        caplog, lambda: net.save(tmp_path / "net.h5" if not KERAS_2 else str(tmp_path / "net.h5"))
    )
    assert told
    if not KERAS_2:  # this net is one of those
        with pytest.raises(ValueError, match="mse"):
            keras.models.load_model(tmp_path / "net.h5")
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(again.get_weights()[0], net.get_weights()[0])


def alpha(net, caplog):
    layer, told = warned(caplog, lambda: keras.layers.LeakyReLU(alpha=0.2))
    assert told == (not KERAS_2)
    np.testing.assert_allclose(np.array(layer(np.array([-1.0, 1.0], "float32"))), [-0.2, 1.0], rtol=1e-6)
    if not KERAS_2:
        today = keras.layers.LeakyReLU(negative_slope=0.2)
        np.testing.assert_allclose(np.array(today(np.array([-1.0], "float32"))), [-0.2], rtol=1e-6)


CHECKS = {
    "`layer.updates`": updates,
    "`SGD(lr=0.02)`": lr,
    "`SGD(decay=1e-4)`": decay,
    "`K.get_value(optimizer.lr)`": get_value,
    "`K.set_value(optimizer.lr, 0.1)`": set_value,
    '`history.history["lr"]`': history_lr,
    '`model.save("net.h5")`': h5,
    "`LeakyReLU(alpha=0.2)`": alpha,
}


def test_every_line_of_the_table_has_a_check():
    assert [row[0] for row in table()] == list(CHECKS)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("older", CHECKS)
def test_the_table_tells_what_happens(older, net, caplog, tmp_path):
    check = CHECKS[older]
    check(net, caplog, *([tmp_path] if check is h5 else []))


def test_every_lesson_named_is_there():
    linked = set(re.findall(r"\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8")))
    assert len(linked) >= 5
    assert all((PAGE.parent / link).is_file() for link in linked), linked
