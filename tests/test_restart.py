"""A restarted net is one that was just built: weights, running statistics, dropout, optimizer."""

import keras
import numpy as np
import pytest
from course_utils.training import shuffled
from course_utils.training import restart

from course_utils.addons import ConditionalGradient
from course_utils.stack import STACK

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 6)).astype("float32")
Y = RNG.integers(0, 3, 48)


def make(optimizer="nadam", dropout=0.5, **settings):
    # Nadam keeps a product that starts at one, so zeroing its variables would not do.
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(dropout),
            layers.Dense(3, activation="softmax"),
        ]
    )
    net.compile(optimizer, "sparse_categorical_crossentropy", **settings)
    return net


def train(net):
    return net.fit(shuffled(X, Y, 8), epochs=2, verbose=0).history["loss"]


def state(net):
    return [np.array(v.numpy()) for v in (*net.variables, *net.optimizer.variables)]


def assert_equal(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_optimizers_of_addons_are_restarted_too():
    net = make(ConditionalGradient(0.99, lambda_=5.0))
    train(restart(net, 3))
    first = net.get_weights()
    assert int(net.optimizer.iterations) == 12
    train(restart(net, 3))
    assert_equal(net.get_weights(), first)
    assert int(net.optimizer.iterations) == 12


@pytest.mark.parametrize("xla", [False, True])
def test_a_restarted_training_is_the_same_to_the_last_bit(xla):
    # No seed reaches the dropout of Keras 2 once XLA has compiled it.
    net = make(jit_compile=xla, dropout=0.0 if xla and STACK == "addons" else 0.5)
    train(restart(net, 3))
    first = state(net)
    train(restart(net, 4))
    other = state(net)
    train(restart(net, 3))
    assert_equal(state(net), first)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_dropout_starts_over_from_the_seed_except_with_keras_2():
    """Masks alone tell the losses apart: the weights are constant and the batches come in order."""
    layers = keras.layers
    net = keras.Sequential(
        [keras.Input((6,)), layers.Dropout(0.5), layers.Dense(1, kernel_initializer="ones")]
    )
    net.compile("sgd", "mse")
    keras.utils.set_random_seed(7)
    first, other, again = (
        restart(net, seed).fit(X, X[:, :1], shuffle=False, verbose=0).history["loss"] for seed in (3, 4, 3)
    )
    assert first == again
    assert (first == other) == (STACK == "addons")


def test_a_restart_equals_a_net_that_was_just_built():
    trained = make()
    train(trained)
    restart(trained, 5)
    keras.utils.set_random_seed(5)
    fresh = make()
    fresh.optimizer.build(fresh.trainable_variables)
    for one, other in zip(trained.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(trained.optimizer.variables, fresh.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_dropout_starts_over():
    net = make()
    dropout = net.layers[2]
    masks = []
    for _ in range(2):
        restart(net, 6)
        masks.append([dropout(np.ones((4, 8), "float32"), training=True).numpy() for _ in range(2)])
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0][0] != masks[0][1]).any()


def test_the_program_is_not_built_again():
    net = make()
    train(net)
    function = net.train_function
    train(restart(net, 7))
    assert net.train_function is function


def test_the_learning_rate_stays():
    net = make(keras.optimizers.SGD(0.5, momentum=0.9))
    net.optimizer.learning_rate = 0.25
    train(restart(net, 8))
    assert float(net.optimizer.learning_rate.numpy()) == 0.25


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "42", None, True])
def test_a_bad_seed_changes_nothing(seed):
    net = make()
    train(net)
    before = state(net)
    with pytest.raises(ValueError, match=r"seed should be a whole number .* received"):
        restart(net, seed)
    assert_equal(state(net), before)


def test_a_net_without_compile_or_weights_is_refused():
    with pytest.raises(ValueError, match="built and compiled"):
        restart(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), 1)
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(ValueError, match="built and compiled"):
        restart(unbuilt, 1)
