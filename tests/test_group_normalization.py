"""What GroupNormalization and InstanceNormalization promise, on both stacks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.addons import GroupNormalization, InstanceNormalization
from course_utils.stack import STACK

either = pytest.mark.parametrize("layer_class", [GroupNormalization, InstanceNormalization])


def data(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return (1.5 + 2 * rng.normal(size=shape)).astype("float32")


# Mean, variance, root and division over some hundred values: a few units in the last place of float32 (6e-8).
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


# -- what it computes ----------------------------------------------------------------------------------------


def test_a_case_to_check_by_hand():
    # One example, two positions, four channels in two groups: {1, 3, 1, 3} and {0, 0, 0, 4}.
    x = np.array([[[1, 3, 0, 0], [1, 3, 0, 4]]], "float32")
    root3 = np.sqrt(3)
    expected = [[[-1, 1, -1 / root3, -1 / root3], [-1, 1, -1 / root3, root3]]]
    np.testing.assert_allclose(GroupNormalization(2, epsilon=0.0)(x), expected, **CLOSE)


def test_epsilon_is_added_to_the_variance():
    x = np.array([[[1.0], [3.0]]], "float32")  # mean 2, variance 1
    np.testing.assert_allclose(GroupNormalization(1, epsilon=3.0)(x), [[[-0.5], [0.5]]], **CLOSE)


def test_gamma_and_beta_are_per_channel():
    x = data(2, 3, 6)
    plain = GroupNormalization(2)(x).numpy()
    layer = GroupNormalization(2)
    layer.build(x.shape)
    gamma, beta = np.arange(1, 7, dtype="float32"), np.arange(6, dtype="float32")
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    np.testing.assert_allclose(layer(x), gamma * plain + beta, **CLOSE)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.sampled_from([1, 2, 3, 4, 6, 12]), st.sampled_from([1, 2, 3]), st.integers(0, 1000))
def test_every_group_of_every_example_has_mean_0_and_variance_1(groups, axis, seed):
    shape = [3, 5, 5, 5]
    shape[axis] = 12
    outputs = GroupNormalization(groups, axis=axis, epsilon=0.0)(data(*shape, seed=seed)).numpy()
    per_group = np.moveaxis(outputs, axis, 1).reshape(3, groups, -1)
    np.testing.assert_allclose(per_group.mean(2), 0, atol=1e-5)
    np.testing.assert_allclose(per_group.var(2), 1, atol=1e-4)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.floats(0.1, 100), st.floats(-100, 100), st.integers(0, 1000))
def test_scale_and_shift_of_an_example_do_not_matter(scale, shift, seed):
    x = data(2, 4, 6, seed=seed)
    layer = GroupNormalization(3, epsilon=0.0)
    # The shift takes up to two of seven digits.
    np.testing.assert_allclose(layer(np.float32(scale) * x + np.float32(shift)), layer(x), atol=2e-2 / scale)


@pytest.mark.parametrize("axis", [-1, 3, 1, 2, -2, -3])
def test_instance_normalization_has_one_group_per_channel(axis):
    x = data(2, 4, 6, 8)
    expected = InstanceNormalization(axis=axis)(x).numpy()
    for groups in (x.shape[axis], -1):
        np.testing.assert_allclose(GroupNormalization(groups, axis=axis)(x), expected, **CLOSE)
    others = tuple(a for a in (1, 2, 3) if a != axis % 4)
    by_hand = (x - x.mean(others, keepdims=True)) / np.sqrt(x.var(others, keepdims=True) + 1e-3)
    np.testing.assert_allclose(expected, by_hand, **CLOSE)


def test_one_group_is_layer_normalization():
    x = data(4, 5, 6, 8)
    layer_norm = keras.layers.LayerNormalization(axis=[1, 2, 3], epsilon=1e-3)
    np.testing.assert_allclose(GroupNormalization(1)(x), layer_norm(x), **CLOSE)


def test_inputs_without_positions_become_beta():
    outputs = InstanceNormalization(beta_initializer="ones")(data(3, 5))
    np.testing.assert_allclose(outputs, np.ones((3, 5)), **CLOSE)


@either
def test_an_example_does_not_depend_on_its_batch_nor_on_training(layer_class):
    x = data(6, 4, 4, 32)
    layer = layer_class()
    outputs = layer(x, training=True).numpy()
    np.testing.assert_allclose(layer(x[2:3], training=False), outputs[2:3], **CLOSE)
    assert len(layer.non_trainable_weights) == 0


def test_constant_inputs_and_large_ones():
    layer = GroupNormalization(2)
    np.testing.assert_allclose(layer(np.full((2, 3, 4), 7, "float32")), np.zeros((2, 3, 4)), atol=1e-6)
    # The variance is 1 beside a mean of 10,000: computed as the mean of squares less the squared mean, it
    # would have no correct digit in float32.
    x = np.array([[[9999.0], [10001.0]]], "float32")
    np.testing.assert_allclose(GroupNormalization(1, epsilon=0.0)(x), [[[-1], [1]]], atol=1e-5)


def test_gradients_are_those_of_finite_differences():
    layer = GroupNormalization(2, dtype="float64")
    x = data(2, 3, 4).astype("float64")
    layer.build(x.shape)
    layer.gamma.assign([0.5, -1.0, 2.0, 1.5])
    above = data(2, 3, 4, seed=1).astype("float64")
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        loss = tf.reduce_sum(above * layer(tensor))
    gradient = tape.gradient(loss, tensor).numpy()
    for place in [(0, 0, 0), (0, 2, 1), (1, 1, 3)]:
        step = np.zeros_like(x)
        step[place] = 1e-6
        difference = np.sum(above * (layer(x + step) - layer(x - step))) / 2e-6
        np.testing.assert_allclose(gradient[place], difference, rtol=1e-6, atol=1e-8)


# -- as a layer ----------------------------------------------------------------------------------------------


@either
def test_defaults_are_those_of_addons(layer_class):
    config = layer_class().get_config()
    assert (config["axis"], config["epsilon"], config["center"], config["scale"]) == (-1, 1e-3, True, True)
    assert config.get("groups") == (32 if layer_class is GroupNormalization else None)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("scale", [True, False])
def test_center_and_scale_decide_about_the_weights(center, scale):
    layer = GroupNormalization(3, center=center, scale=scale)
    layer.build((None, 5, 6))
    shapes = [tuple(w.shape) for w in layer.trainable_weights]
    assert shapes == [(6,)] * (center + scale)
    assert ((layer.gamma is None), (layer.beta is None)) == (not scale, not center)


@either
def test_initializers_regularizers_and_constraints_are_used(layer_class):
    layer = layer_class(
        gamma_initializer="random_uniform",
        beta_initializer=keras.initializers.Constant(2.0),
        gamma_regularizer=keras.regularizers.L2(1.0),
        beta_regularizer=keras.regularizers.L1(1.0),
        gamma_constraint="non_neg",
        beta_constraint=keras.constraints.UnitNorm(),
    )
    layer(data(2, 3, 64))
    gamma, beta = layer.gamma.numpy(), layer.beta.numpy()
    assert 0 < np.abs(gamma).max() < 0.05
    np.testing.assert_array_equal(beta, 2)
    assert sum(float(loss) for loss in layer.losses) == pytest.approx((gamma**2).sum() + 128, rel=1e-5)
    assert layer.gamma.constraint is not None
    assert layer.beta.constraint is not None


@either
@pytest.mark.parametrize("built", [False, True])
def test_config_round_trip(layer_class, built):
    layer = layer_class(axis=2, epsilon=0.01, scale=False, beta_initializer="ones", name="norm")
    if built:
        layer.build((None, 3, 32))
    again = layer_class.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.name, again.scale, again.epsilon) == ("norm", False, 0.01)
    x = data(2, 3, 32)
    np.testing.assert_allclose(again(x), layer(x), **CLOSE)


def small_net():
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(4, 3),
            GroupNormalization(2, axis=3),
            InstanceNormalization(axis=-1, gamma_initializer="random_uniform"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    return model


@either
def test_xla_gives_the_same_outputs(layer_class):
    layer, x = layer_class(groups=2) if layer_class is GroupNormalization else layer_class(), data(2, 4, 4, 6)
    np.testing.assert_allclose(tf.function(layer, jit_compile=True)(tf.constant(x)), layer(x), **CLOSE)


def test_models_train_save_and_load(tmp_path):
    x, y = data(32, 6, 6, 1), data(32, 2, seed=1)
    model = small_net()
    before = model.get_weights()
    model.compile("adam", "mse", jit_compile=False)
    model.fit(x, y, batch_size=8, verbose=0)
    moved = [np.abs(new - old).max() for new, old in zip(model.get_weights(), before, strict=True)]
    # The instance normalization takes away what the convolution's bias, γ and β before it do to a channel
    # as a whole (up to its epsilon).
    assert min(moved[0], *moved[4:]) > 1e-4, f"some weight did not train: {moved}"
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.layers[1], GroupNormalization)
    assert isinstance(again.layers[2], InstanceNormalization)
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), **CLOSE)


def test_sizes_other_than_the_channels_may_be_open():
    inputs = keras.Input((None, None, 6))
    model = keras.Model(inputs, GroupNormalization(3)(inputs))
    assert tuple(model.output_shape) == (None, None, None, 6)
    x = data(2, 5, 4, 6)
    np.testing.assert_allclose(model.predict(x, verbose=0), GroupNormalization(3)(x), **CLOSE)


HALF = pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])


@HALF
def test_half_precision_is_normalised_in_single(dtype):
    half = dtype.removeprefix("mixed_")
    x = tf.cast(data(4, 8, 8, 6) * 100, half)  # squares overflow
    layer = GroupNormalization(3, dtype=dtype)
    outputs = layer(x)
    assert outputs.dtype == x.dtype == half
    assert layer.gamma.dtype == ("float32" if "mixed" in dtype else half)
    expected = GroupNormalization(3)(tf.cast(x, "float32"))
    # One rounding to ten or seven bits after the point, of values up to about 4.
    atol = 3e-2 if half == "bfloat16" else 4e-3
    np.testing.assert_allclose(tf.cast(outputs, "float32"), expected, atol=atol)


@HALF
@either
def test_inputs_that_half_precision_cannot_hold(layer_class, dtype):
    """More than 65,504, the largest number of float16: as outputs of a float32 layer before may be."""
    x = 1e6 * data(4, 8, 8, 32)
    gamma = keras.initializers.Constant(2.0)
    outputs = layer_class(dtype=dtype, gamma_initializer=gamma)(x)
    expected = layer_class(gamma_initializer=gamma)(x)
    np.testing.assert_allclose(
        tf.cast(outputs, "float32"), expected, atol=6e-2 if "bfloat16" in dtype else 8e-3
    )


def test_a_mixed_model_trains_behind_a_float32_layer():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Rescaling(1e6, dtype="float32"),
            GroupNormalization(2, dtype="mixed_float16"),
            keras.layers.Flatten(),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )
    model.compile("sgd", "mse", jit_compile=False)
    history = model.fit(data(16, 6, 6, 2), data(16, 1, seed=1), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_inputs_of_another_type(dtype):
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    outputs = GroupNormalization(2)(x)
    assert outputs.dtype == "float32"
    np.testing.assert_allclose(outputs, GroupNormalization(2)(x.astype("float32")), **CLOSE)
    assert GroupNormalization(2, dtype="float64")(x).dtype == "float64"


# -- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [0, -2, 2.0])
def test_bad_groups(groups):
    with pytest.raises(
        ValueError, match=rf"`groups` should be a whole number ≥ 1, or -1 .*; received {groups}\."
    ):
        GroupNormalization(groups)


@either
@pytest.mark.parametrize("axis", [1.0, [1, 2]])
def test_bad_axis(layer_class, axis):
    with pytest.raises(ValueError, match="`axis` should be a whole number, that of the channels; received "):
        layer_class(axis=axis)


@either
def test_the_batch_axis_is_refused(layer_class):
    with pytest.raises(
        ValueError, match=r"`axis` should be .*0 is that of the batch; received 0\. Use Batch"
    ):
        layer_class(axis=0)
    layer = layer_class(axis=-3)
    with pytest.raises(ValueError, match=r"`axis` should be from -2 to 2 for inputs of shape .*received -3"):
        layer.build((32, 5, 6))


@either
@pytest.mark.parametrize("axis", [3, -4])
def test_an_axis_that_the_inputs_do_not_have(layer_class, axis):
    layer = layer_class(axis=axis)
    with pytest.raises(
        ValueError, match=rf"`axis` should be from -2 to 2 for inputs of shape .*received {axis}"
    ):
        layer(data(2, 5, 6))
    assert not layer.weights


@either
@pytest.mark.parametrize("epsilon", [-1e-3, float("nan")])
def test_bad_epsilon(layer_class, epsilon):
    with pytest.raises(ValueError, match="`epsilon` should be a finite number ≥ 0; received "):
        layer_class(epsilon=epsilon)


@pytest.mark.parametrize("groups", [4, 20])
def test_groups_that_do_not_divide_the_channels(groups):
    layer = GroupNormalization(groups, name="norm")
    with pytest.raises(
        ValueError, match=rf"`groups` .* 10 channels that 'norm' takes .*: 1, 2, 5, 10; received {groups}"
    ):
        layer(data(2, 5, 10))
    assert not layer.weights
    assert layer.groups == groups


@either
def test_an_open_number_of_channels(layer_class):
    with pytest.raises(ValueError, match=r"needs the number of channels .*axis -1 of .*keras\.Input"):
        layer_class().build((None, 5, None))


def test_instance_normalization_has_no_groups():
    with pytest.raises(ValueError, match=r"`groups` should be left out.*; received 2\. Use Group"):
        InstanceNormalization(groups=2)


def test_center_and_scale_are_flags():
    for name in ("center", "scale"):
        with pytest.raises(ValueError, match=f"`{name}` should be True or False; received 1"):
            GroupNormalization(**{name: 1})


def test_numbers_of_numpy_and_tensorflow_are_taken():
    layer = GroupNormalization(np.int64(3), axis=np.int32(2), epsilon=tf.constant(0.5))
    assert (layer.groups, layer.axis, layer.epsilon) == (3, 2, 0.5)
    assert type(layer.get_config()["groups"]) is int


@pytest.mark.skipif(STACK != "addons", reason="TensorFlow Addons is only on the addons stack")
def test_they_are_tensorflow_addons_classes():
    import tensorflow_addons as tfa

    assert issubclass(GroupNormalization, tfa.layers.GroupNormalization)
    assert issubclass(InstanceNormalization, tfa.layers.GroupNormalization)
