"""A restarted net is one that was just built: weights, running statistics, dropout, optimizer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils.addons import ConditionalGradient
from course_utils.stack import STACK
from course_utils.training import restart, shuffled

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


def adapted_net(kind):
    layers = keras.layers
    first = layers.Normalization() if kind == "numbers" else layers.TextVectorization()
    first.adapt(100 + 10 * X if kind == "numbers" else WORDS[:, 0])
    inputs = keras.Input((6,)) if kind == "numbers" else keras.Input((1,), dtype="string")
    inner = keras.Sequential([inputs, first])
    hidden = (
        [layers.Dense(4)] if kind == "numbers" else [layers.Embedding(9, 4), layers.GlobalAveragePooling1D()]
    )
    net = keras.Sequential([inputs, inner, *hidden, layers.BatchNormalization(), layers.Dense(1)])
    net.compile("sgd", "mse", run_eagerly=True)
    return net, tf.constant(100 + 10 * X if kind == "numbers" else WORDS)


WORDS = np.array([["one two"], ["two three"]] * 24)


@pytest.mark.parametrize("kind", ["numbers", "words"])
def test_what_a_layer_has_adapted_stays_also_in_a_file(kind, tmp_path):
    net, x = adapted_net(kind)
    adapted = np.array(net.layers[0](x))
    net.fit(x, X[:, :1], verbose=0)
    restart(net, 1)
    np.testing.assert_array_equal(np.array(net.layers[0](x)), adapted)
    np.testing.assert_array_equal(np.array(net.layers[-2].moving_mean), 0)
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_allclose(np.array(loaded(x)), np.array(net(x)), rtol=1e-6)
    assert (net.layers[1].get_weights()[0] != restart(net, 2).layers[1].get_weights()[0]).all()


def test_numpys_seeds_count_as_seeds():
    net = make()
    first = restart(net, 3).get_weights()
    assert_equal(restart(net, np.int64(3)).get_weights(), first)


@pytest.mark.parametrize("seed", [-1, True])
def test_a_bad_seed_changes_nothing(seed):
    net = make()
    before = net.get_weights()
    with pytest.raises(ValueError, match=r"`seed` should be a whole number .* received"):
        restart(net, seed)
    assert_equal(net.get_weights(), before)


def test_a_net_without_compile_or_weights_is_refused():
    with pytest.raises(ValueError, match=r"`model` should be a .* received 'net'"):
        restart("net", 1)
    with pytest.raises(ValueError, match="built and compiled"):
        restart(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), 1)
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(ValueError, match="built and compiled"):
        restart(unbuilt, 1)
