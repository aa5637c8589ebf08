"""The private names of Keras and TensorFlow that the course uses still exist and still do what it needs."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils import keras_private
from course_utils.stack import STACK

layers = keras.layers


def draw():
    """Random numbers of TensorFlow outside a function, and those that new layers begin with."""
    return [
        *tf.random.normal((2,)).numpy().tolist(),
        *keras.initializers.RandomNormal()((2,)).numpy().tolist(),
        *(layers.Dense(1, kernel_initializer="glorot_uniform")(np.ones((1, 3))).numpy().ravel().tolist()),
        *(keras.random.normal((2,)).numpy().tolist() if STACK == "keras3" else []),
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_the_global_random_state_is_put_back(fails):
    def run(inside):
        keras.utils.set_random_seed(7)
        draw()
        if inside:
            python = random.getstate()  # which is the caller's to put back
            try:
                with keras_private.global_state_restored():
                    draw()
                    keras.backend.set_floatx("float64")
                    if fails:
                        raise KeyboardInterrupt
            except KeyboardInterrupt:
                pass
            random.setstate(python)
        assert keras.backend.floatx() == "float32"
        return draw()

    assert run(inside=True) == run(inside=False)


@pytest.mark.skipif(STACK == "addons", reason="Keras 2 makes its metrics in the first step")
def test_metrics_are_made_before_the_first_step():
    net = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    net.compile("sgd", "mse", metrics=["mae"])
    before = len([v for metric in net.metrics for v in metric.variables])
    keras_private.build_metrics(net, (tf.ones((4, 2)), tf.ones((4, 1))))
    assert len([v for metric in net.metrics for v in metric.variables]) == before + 2


def test_a_model_without_the_private_way_to_make_metrics_is_left_alone():
    keras_private.build_metrics(object(), (tf.ones((4, 2)), tf.ones((4, 1))))


@pytest.mark.skipif(STACK != "addons", reason="the optimizers before Keras 2.11 ended with Keras 2")
def test_slots_of_a_legacy_optimizer():
    optimizer = keras.optimizers.legacy.Adam()
    keras_private.make_legacy_slots(optimizer, [tf.Variable([1.0, 2.0])])
    assert [tuple(v.shape) for v in optimizer.variables()] == [(), (2,), (2,)]


@pytest.mark.skipif(STACK != "addons", reason="Keras 3 keeps the seeds of layers in variables")
def test_seeds_that_tracing_counts_up_are_put_back():
    net = keras.Sequential([keras.Input((2,)), keras.Sequential([layers.Dropout(0.5, seed=3)])])
    generator = net.layers[0].layers[0]._random_generator
    before = generator._seed
    with keras_private.layer_seeds_kept(net):
        tf.function(net).get_concrete_function(tf.ones((1, 2)), training=True)
        assert generator._seed != before
    assert generator._seed == before
