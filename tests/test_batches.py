"""Shuffled batches: everything once an epoch, a new order every epoch, the same again from the same seed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from course_utils.stack import STACK
from course_utils.training import shuffled

X = np.arange(24, dtype="float32")[:, None]


class Watch(keras.layers.Layer):
    """Notes the order in which examples come by."""

    def __init__(self, note, **kwargs):
        super().__init__(**kwargs)
        self.note = note

    def call(self, inputs):
        tf.py_function(lambda batch: self.note(batch.numpy().ravel().astype(int)), [inputs], [])
        return inputs


def epochs_seen(data, epochs=3, seed=42, steps_per_execution=1):
    """The examples of each epoch of a training, in order."""
    keras.utils.set_random_seed(seed)
    seen = []
    net = keras.Sequential([keras.Input((1,)), Watch(seen.append), keras.layers.Dense(1)])
    net.compile("sgd", "mse", steps_per_execution=steps_per_execution, jit_compile=False)
    if callable(data):
        net.fit(data(), epochs=epochs, verbose=0)
    else:
        net.fit(data, data, batch_size=4, epochs=epochs, verbose=0)
    return np.concatenate(seen).reshape(epochs, -1).tolist()


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_every_epoch_brings_everything_in_a_new_order(steps_per_execution):
    epochs = epochs_seen(lambda: shuffled(X, X, 4), steps_per_execution=steps_per_execution)
    assert all(sorted(epoch) == list(range(24)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    again = epochs_seen(lambda: shuffled(X, X, 4), steps_per_execution=steps_per_execution)
    assert again == epochs
    assert epochs_seen(lambda: shuffled(X, X, 4), seed=43) != epochs


def test_keras_3_repeats_the_order_of_arrays_and_keras_2_does_not():
    # Why `shuffled` exists. Should this fail on the keras3 stack, Keras has changed: then lesson 00 and
    # course_utils/batches.py tell a story that is over.
    orders = {tuple(epoch) for epoch in epochs_seen(X)}
    assert len(orders) == (1 if STACK == "keras3" else 3)


@given(n=st.integers(1, 40), batch_size=st.integers(1, 50))
def test_examples_keep_their_labels_and_batches_their_size(n, batch_size):
    x = np.arange(n, dtype="int64")
    batches = list(shuffled(x, 10 * x, batch_size))
    assert len(shuffled(x, x, batch_size)) == len(batches) == -(-n // batch_size)
    assert all(len(images) == batch_size for images, _ in batches[:-1])
    assert all((10 * images == labels).numpy().all() for images, labels in batches)
    assert sorted(np.concatenate([images for images, _ in batches])) == list(range(n))


@pytest.mark.parametrize(
    ("n_x", "n_y", "batch_size", "message"),
    [
        (3, 2, 1, "received 3 and 2"),
        (0, 0, 1, "received 0 and 0"),
        (2, 2, 0, "batch_size should be a positive integer; received 0"),
        (2, 2, 1.5, "received 1.5"),
        (2, 2, True, "received True"),
    ],
)
def test_bad_input_is_named(n_x, n_y, batch_size, message):
    with pytest.raises(ValueError, match=message):
        shuffled(np.zeros(n_x), np.zeros(n_y), batch_size)
