"""What course_utils.keras_private relies on: one small test for each private name, which says what broke.

A test here fails when a new release of Keras or TensorFlow has changed a name that is not public.
"""

import pathlib
import random
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils import keras_private
from course_utils.stack import STACK

layers = keras.layers
keras3 = pytest.mark.skipif(STACK != "keras3", reason="these are names of Keras 3")
PACKAGE = pathlib.Path(keras_private.__file__).parent


def dense():
    layer = keras.layers.Dense(2, kernel_initializer="ones")
    layer.build((None, 3))
    return layer


@keras3
def test_a_stateless_scope_remembers_the_one_around_it():
    broken = "keras.StatelessScope().original_scope: is it still the scope around, and None if there is none?"
    assert keras_private.in_stateless_scope() is False, broken
    with keras.StatelessScope():
        assert keras_private.in_stateless_scope() is True, broken


@keras3
def test_variables_have_other_values_for_a_while():
    layer, x = dense(), np.ones((1, 3), "float32")
    with keras_private.values_replaced([(layer.kernel, np.full((3, 2), 5, "float32"))]) as kept_back:
        inside = layer(x)
        layer.bias.assign([1.0, 2.0])
    broken = "keras.StatelessScope: add_update no longer gives a variable another value in the block"
    np.testing.assert_array_equal(inside, [[15, 15]], err_msg=broken)
    np.testing.assert_array_equal(layer(x), [[3, 3]], err_msg="keras.StatelessScope changed a variable")
    ((variable, value),), losses = kept_back(layer.variables)
    assert variable is layer.bias, "get_current_value no longer tells what was assigned in the block"
    np.testing.assert_array_equal(value, [1, 2])
    assert losses == []


@keras3
def test_the_values_of_a_scope_around_stay_in_force():
    layer, x = dense(), np.ones((1, 3), "float32")
    with keras.StatelessScope(state_mapping=[(layer.bias, np.array([7.0, 8.0], "float32"))]):
        with keras_private.values_replaced([(layer.kernel, np.zeros((3, 2), "float32"))]) as kept_back:
            inside = layer(x)
        updates, _ = kept_back(layer.variables)
    np.testing.assert_array_equal(
        inside, [[7, 8]], err_msg="keras.StatelessScope().state_mapping has changed"
    )
    assert updates == [], "a value of the scope around is taken for an assignment of the block"


@keras3
def test_losses_added_in_the_block_are_handed_out():
    layer = keras.layers.ActivityRegularization(l2=1.0)
    with keras_private.values_replaced([]) as kept_back:
        layer(np.full((1, 2), 3, "float32"))
    _, losses = kept_back([])
    broken = "keras.StatelessScope(collect_losses=True).losses no longer holds what layers add"
    assert [float(loss) for loss in losses] == [18.0], broken


@keras3
def test_a_model_being_traced_makes_its_functions_anew():
    traces = []

    class Renewing(keras.layers.Layer):
        def call(self, inputs):
            traces.append(None)
            if len(traces) == 1:
                keras_private.renew_functions_being_traced()
            return inputs

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.add(Renewing())
    model.compile("sgd", "mse", jit_compile=False)
    traces.clear()  # those of Keras inferring shapes
    model.fit(np.ones((16, 3)), np.ones((16, 1)), batch_size=4, epochs=2, verbose=0)
    assert len(traces) == 2, (
        "A layer asked in the first step's trace for a new one, and the step was traced "
        f"{len(traces)} times: does Model.fit still look self.train_function up before each step, and is the "
        "model still on the Python stack while it traces? Without, WeightNormalization is right, but slower."
    )


MODULES = sorted(module for module in PACKAGE.rglob("*.py") if module.name != "keras_private.py")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_private_modules_are_used_in_one_place_only(module):
    private = (
        r"keras\.src|tensorflow\.python|currentframe|__class__ =|\b_(set|get)_hyper|\._hyper|_inbound_nodes"
    )
    private += r"|_create_all_weights|_flatten_layers|_symbolic_build|_random_generator"
    assert not re.search(private, module.read_text(encoding="utf-8")), "move it to keras_private.py"


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


def test_layers_inside_wrappers_are_listed():
    inner = layers.Dense(2)
    net = keras.Sequential([keras.Input((4, 3)), layers.TimeDistributed(inner)])
    assert any(layer is inner for layer in keras_private.flat_layers(net)), (
        "Layer._flatten_layers has changed"
    )


def test_a_second_layer_shares_its_state_and_has_a_place_of_its_own():
    net = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    (layer,) = net.layers
    second = keras_private.second_layer(layer)
    other = keras.Sequential([keras.Input((3,)), second])
    layer.set_weights([np.ones((3, 2)), np.ones(2)])
    broken = "Layer._inbound_nodes: the second layer no longer shares weights, or is in both nets"
    np.testing.assert_array_equal(other(np.ones((1, 3))), [[4, 4]], err_msg=broken)
    assert layer.output is net.outputs[0], broken


def test_what_compile_was_given_is_there_as_it_was_given():
    def own_loss(y, found):
        return tf.reduce_mean(tf.square(y - found))

    net = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    net.compile("sgd", own_loss)
    given = keras_private.compile_arguments(net)["loss"]
    assert given is own_loss, "Model._compile_config is gone: fit_once would know a loss by its name only"


@pytest.mark.skipif(STACK != "addons", reason="Keras 3 has no such counter")
def test_steps_are_counted_where_keras_2_counts_them():
    net = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    net.compile("sgd", "mse")
    net.fit(np.ones((4, 3)), np.ones((4, 1)), batch_size=2, verbose=0)
    assert int(net._train_counter) == 2, "Model._train_counter no longer counts the steps of a fit"
    keras_private.count_steps(net, "train", 5)
    assert int(net._train_counter) == 7
