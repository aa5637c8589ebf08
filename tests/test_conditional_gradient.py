"""What ConditionalGradient promises: on both stacks where both have it, the rest on keras3."""

import functools
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.addons import ConditionalGradient
from course_utils.addons._top_singular import top_singular_product
from course_utils.stack import STACK

schedules = keras.optimizers.schedules
keras3 = pytest.mark.skipif(
    STACK != "keras3", reason="beside Keras 2 this is one of its older optimizers, which have no such thing"
)
both_norms = pytest.mark.parametrize("ord", ["fro", "nuclear"])

# A dozen operations in float32 (6e-8 each).
CLOSE = {"rtol": 2e-6, "atol": 2e-6}


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def step(optimizer, weights, gradient):
    """One step from weights, as an array."""
    variable = tf.Variable(weights)
    if not isinstance(gradient, tf.IndexedSlices):
        gradient = tf.constant(gradient, variable.dtype)
    optimizer.apply_gradients([(gradient, variable)])
    return variable.numpy()


def top_by_numpy(matrix):
    u, _, vt = np.linalg.svd(matrix.astype("float64"), full_matrices=False)
    return np.outer(u[:, 0], vt[0])


# -- the step ------------------------------------------------------------------------------------------------


def test_a_case_to_check_by_hand():
    # The gradient has length 5: 0.75 · (4, 8) - 0.25 · 10 · (3, -4) / 5.
    found = step(ConditionalGradient(0.75, 10.0), [4.0, 8.0], [3.0, -4.0])
    np.testing.assert_allclose(found, [1.5, 8.0], **CLOSE)


def test_a_nuclear_case_to_check_by_hand():
    # Singular values 3 and 1: only the element of the larger one moves away from 0.
    found = step(
        ConditionalGradient(0.5, 8.0, ord="nuclear"), [[2.0, 0.0], [0.0, 2.0]], [[0.0, -3.0], [1.0, 0.0]]
    )
    np.testing.assert_allclose(found, [[1.0, 4.0], [0.0, 1.0]], **CLOSE)


@pytest.mark.parametrize("shape", [(), (4,), (5, 3), (2, 3, 4), (2, 2, 3, 4)], ids=str)
def test_frobenius_steps_are_the_formula(shape):
    w, gradient = data(*shape), 100 * data(*shape, seed=1)
    expected = 0.9 * w - 0.1 * 7 * gradient / (np.sqrt((gradient**2).sum()) + 2.0)
    found = step(ConditionalGradient(0.9, 7.0, epsilon=2.0), w, gradient)
    np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 4), (2, 2, 3, 4)], ids=str)
def test_nuclear_steps_are_the_formula(shape):
    w, gradient = data(*shape), 100 * data(*shape, seed=1)
    top = top_by_numpy(gradient.reshape(-1, shape[-1])).reshape(shape)
    found = step(ConditionalGradient(0.9, 7.0, ord="nuclear"), w, gradient)
    np.testing.assert_allclose(found, 0.9 * w - 0.1 * 7 * top, **CLOSE)


@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 4), (4, 1)], ids=str)
def test_vectors_and_scalars_have_one_norm_only(shape):
    w, gradient = data(*shape), data(*shape, seed=1)
    found = [step(ConditionalGradient(0.9, 7.0, ord=ord), w, gradient) for ord in ("fro", "nuclear")]
    np.testing.assert_allclose(found[0], found[1], **CLOSE)


@both_norms
@pytest.mark.parametrize("shape", [(), (4,), (5, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("epsilon", [0.0, 1e-7])
def test_a_gradient_of_zero_only_shrinks(ord, shape, epsilon):
    w = data(*shape)
    found = step(ConditionalGradient(0.75, 3.0, epsilon=epsilon, ord=ord), w, np.zeros(shape, "float32"))
    np.testing.assert_array_equal(found, np.float32(0.75) * w)


@both_norms
def test_learning_rate_is_the_share_that_is_kept(ord):
    w, gradient = data(4, 3), data(4, 3, seed=1)
    np.testing.assert_array_equal(step(ConditionalGradient(1.0, 5.0, ord=ord), w, gradient), w)
    # 0 jumps to the surface of the ball, wherever w was.
    there = step(ConditionalGradient(0.0, 5.0, ord=ord), w, gradient)
    assert np.linalg.norm(there) == pytest.approx(5.0, rel=1e-5)
    nearer, farther = (
        np.linalg.norm(step(ConditionalGradient(rate, 5.0, ord=ord), w, gradient) - w) for rate in (0.9, 0.5)
    )
    assert nearer < farther


rates = st.floats(0, 1, width=32)
radii = st.floats(0.125, 1000, width=32)
seeds = st.integers(0, 10_000)
lengths = st.sampled_from([1e-3, 1.0, 1e4])
quickly = settings(max_examples=15, deadline=None, derandomize=True)


@both_norms
@quickly
@given(rate=rates, radius=radii, length=lengths, seed=seeds)
def test_a_step_from_zero_is_1_minus_eta_times_lambda_long(ord, rate, radius, length, seed):
    gradient = np.float32(length) * data(4, 3, seed=seed)
    found = step(ConditionalGradient(rate, radius, ord=ord), np.zeros((4, 3), "float32"), gradient)
    # Beside a gradient of length 1e-3, the epsilon of 1e-7 takes 1e-4.
    assert np.linalg.norm(found) == pytest.approx((1 - rate) * radius, rel=3e-4, abs=1e-6)
    assert np.sum(found * gradient) <= 0


@both_norms
@quickly
@given(rate=rates, radius=radii, length=lengths, start=st.floats(0, 1), seed=seeds)
def test_what_starts_inside_the_ball_stays_inside(ord, rate, radius, length, start, seed):
    norm = np.linalg.norm if ord == "fro" else lambda w: np.linalg.norm(w, "nuc")
    w = data(4, 3, seed=seed)
    variable = tf.Variable(w * np.float32(start * radius / norm(w)))
    optimizer = ConditionalGradient(rate, radius, ord=ord)
    for i in range(4):
        optimizer.apply_gradients([(tf.constant(np.float32(length) * data(4, 3, seed=seed + i)), variable)])
        assert norm(variable.numpy()) <= radius * (1 + 1e-5)


def test_ten_thousand_times_the_gradient_is_the_same_step():
    w, gradient = data(4, 3), data(4, 3, seed=1)
    for ord in ("fro", "nuclear"):
        found = [
            step(ConditionalGradient(0.9, 7.0, epsilon=0.0, ord=ord), w, np.float32(factor) * gradient)
            for factor in (1e-4, 1, 1e4)
        ]
        np.testing.assert_allclose(found[0], found[1], **CLOSE)
        np.testing.assert_allclose(found[2], found[1], **CLOSE)


@both_norms
def test_not_a_number_is_not_hidden(ord):
    gradient = data(4, 3)
    gradient[0, 0] = np.nan
    assert np.isnan(step(ConditionalGradient(0.9, 7.0, ord=ord), data(4, 3), gradient)).any()


@both_norms
def test_sparse_gradients_move_the_rows_looked_up_and_no_other(ord):
    w, values = data(6, 3), data(3, 3, seed=1)
    found = step(ConditionalGradient(0.9, 7.0, ord=ord), w, tf.IndexedSlices(tf.constant(values), [4, 1, 4]))
    whole = np.zeros((6, 3), "float32")
    np.add.at(whole, [4, 1, 4], values)
    dense = step(ConditionalGradient(0.9, 7.0, ord=ord), w, whole)
    np.testing.assert_allclose(found[[1, 4]], dense[[1, 4]], **CLOSE)
    np.testing.assert_array_equal(found[[0, 2, 3, 5]], w[[0, 2, 3, 5]])


# -- the top singular vectors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "jit_compile"),
    [((64, 10), False), ((10, 64), False), ((32, 32), False), ((32, 32), True), ((2, 2), False)],
    ids=str,
)
def test_top_singular_product_is_that_of_a_decomposition(shape, jit_compile):
    compute = tf.function(top_singular_product, jit_compile=jit_compile)
    for seed in range(3):
        matrix = data(*shape, seed=seed)
        np.testing.assert_allclose(compute(matrix), top_by_numpy(matrix), atol=5e-6)


@pytest.mark.parametrize("gap", [0.5, 0.1, 1e-2, 1e-3])
def test_a_second_singular_value_close_by(gap):
    rng = np.random.default_rng(5)
    u, v = (np.linalg.qr(rng.normal(size=(size, size)))[0] for size in (30, 20))
    values = np.concatenate([[1, 1 - gap], np.linspace(0.9 - gap, 0, 18)])
    matrix = (u[:, :20] * values) @ v.T
    # Rounding to float32 alone turns the vectors by about 6e-8 / gap.
    found = top_singular_product(tf.constant(matrix.astype("float32")))
    np.testing.assert_allclose(found, np.outer(u[:, 0], v[:, 0]), atol=1e-6 / gap)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
def test_top_singular_product_of_tiny_and_huge_matrices(scale):
    matrix = data(6, 4)
    found = top_singular_product(tf.constant(np.float32(scale) * matrix))
    np.testing.assert_allclose(found, top_by_numpy(matrix), atol=1e-5)


def test_equal_singular_values_give_the_mean_of_their_products():
    # Two of three are equal. Any mean of their products has nuclear norm 1 and is as steep as one of them.
    found = top_singular_product(tf.linalg.diag([3.0, -3.0, 1.0])).numpy()
    np.testing.assert_allclose(found, np.diag([0.5, -0.5, 0.0]), atol=1e-6)


@quickly
@given(seed=seeds, gap=st.floats(0, 0.1), columns=st.integers(2, 6))
def test_top_singular_product_never_leaves_the_ball_and_goes_steeply_down(seed, gap, columns):
    u, _, vt = np.linalg.svd(data(7, columns, seed=seed), full_matrices=False)
    matrix = (u * np.append([1, 1 - gap], np.full(columns - 2, 0.5))) @ vt
    found = top_singular_product(tf.constant(matrix, tf.float32)).numpy()
    assert np.linalg.norm(found, "nuc") <= 1 + 1e-5
    assert np.sum(found * matrix) >= 1 - 1e-4  # at most 1, the largest singular value


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_top_singular_product_keeps_the_dtype(dtype):
    matrix = data(6, 4) * 100
    found = top_singular_product(tf.cast(matrix, dtype))
    assert found.dtype == dtype
    atol = {"float64": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}[dtype]  # of the rounded matrix, rounded
    np.testing.assert_allclose(tf.cast(found, "float64"), top_by_numpy(matrix), atol=atol)


# -- in models -----------------------------------------------------------------------------------------------

X, Y = data(32, 6, 6, 1), data(32, 2, seed=1)


START = [0.1 * data(*shape, seed=2) for shape in [(3, 3, 1, 4), (4,), (64, 2), (2,)]]


def small_net(optimizer, jit_compile=False, **options):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    # Not drawn after a seed is set: that drops what TensorFlow has compiled so far.
    model.set_weights(START)
    # Eagerly is without XLA.
    options |= {} if options.get("run_eagerly") else {"jit_compile": jit_compile}
    model.compile(optimizer, "mse", **options)
    return model


def fitted(optimizer, **options):
    """A net after four steps; eagerly where no program is needed, for building one takes a second."""
    model = small_net(optimizer, **options)
    model.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    return model


@pytest.fixture(scope="module")
def plain():
    """A net after four steps at constant rates."""
    return fitted(ConditionalGradient(0.9, 3.0))


def loss_of(model):
    return float(np.mean((tf.cast(model(X), "float32") - Y) ** 2))


def assert_same_weights(one, other, **tolerance):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, **(tolerance or {"rtol": 1e-4, "atol": 1e-5}))


@functools.cache
def weights_by_the_formula(ord):
    """What four steps at constant rates should give."""
    model = small_net("sgd")
    weights = [tf.Variable(w) for w in model.get_weights()]
    for start in range(0, 32, 8):
        model.set_weights([w.numpy() for w in weights])
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X[start : start + 8]) - Y[start : start + 8]) ** 2)
        for w, gradient in zip(weights, tape.gradient(loss, model.trainable_variables), strict=True):
            g = gradient.numpy()
            is_matrix = ord == "nuclear" and g.ndim > 1
            top = top_by_numpy(g.reshape(-1, g.shape[-1])).reshape(g.shape) if is_matrix else None
            w.assign(0.9 * w - 0.1 * 3 * (top if is_matrix else g / np.linalg.norm(g)))
    model.set_weights([w.numpy() for w in weights])
    return model


@pytest.mark.parametrize(
    ("ord", "options"),
    [
        ("fro", {"jit_compile": True}),
        ("nuclear", {"steps_per_execution": 2}),
        ("fro", {"run_eagerly": True}),
        ("nuclear", {"run_eagerly": True}),
    ],
    ids=str,
)
def test_fit_takes_the_steps_of_the_formula(ord, options):
    model = fitted(ConditionalGradient(0.9, 3.0, ord=ord), **options)
    assert_same_weights(model, weights_by_the_formula(ord))


def test_xla_makes_a_fast_program_of_nuclear_steps():
    # A vector that XLA works out anew for every element it goes into takes a second per step here, as does a
    # singular value decomposition; this takes milliseconds. Only a whole training step shows it.
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, activation="softmax")])
    model.compile(ConditionalGradient(0.9, 3.0, ord="nuclear"), "categorical_crossentropy", jit_compile=True)
    x, y = data(64, 784), np.eye(10, dtype="float32")[np.arange(64) % 10]
    model.train_on_batch(x, y)  # compiles
    start = time.perf_counter()
    for _ in range(5):
        model.train_on_batch(x, y)
    assert time.perf_counter() - start < 1


def test_embeddings_train():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Embedding(7, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(ConditionalGradient(0.9, 3.0), "mse", jit_compile=False)
    before = model.layers[0].get_weights()[0]
    model.fit(np.array([[1, 1, 2], [2, 5, 1]]), np.ones((2, 1)), epochs=3, verbose=0)
    moved = np.abs(model.layers[0].get_weights()[0] - before).max(1)
    np.testing.assert_array_equal(moved > 1e-3, [False, True, True, False, False, True, False])


def test_constant_schedules_and_functions_are_as_good_as_numbers(plain):
    as_schedules = ConditionalGradient(
        schedules.PiecewiseConstantDecay([100], [0.9, 0.1]),
        schedules.PiecewiseConstantDecay([100], [3.0, 9.0]),
    )
    as_functions = ConditionalGradient(lambda: 0.9, lambda: 3.0)
    assert_same_weights(fitted(as_functions), plain, atol=1e-6)
    assert_same_weights(fitted(as_schedules, jit_compile=True), plain)


def test_schedules_follow_the_steps():
    optimizer = ConditionalGradient(
        schedules.PiecewiseConstantDecay([0], [0.5, 0.75]), schedules.PiecewiseConstantDecay([1], [2.0, 4.0])
    )
    variable = tf.Variable(8.0)
    seen = []
    for _ in range(3):
        optimizer.apply_gradients([(tf.constant(1.0), variable)])
        seen.append(float(variable.numpy()))
    # 0.5 · 8 - 0.5 · 2, 0.75 · 3 - 0.25 · 2, 0.75 · 1.75 - 0.25 · 4
    np.testing.assert_allclose(seen, [3.0, 1.75, 0.3125], **CLOSE)


def test_numbers_can_be_set_between_steps():
    optimizer = ConditionalGradient(0.5, 2.0)
    model = small_net(optimizer)
    model.fit(X, Y, verbose=0)
    optimizer.learning_rate = 1.0
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    optimizer.learning_rate, optimizer.lambda_ = 0.0, 5.0
    model.fit(X, Y, batch_size=32, verbose=0)
    assert [np.linalg.norm(w) for w in model.get_weights()] == pytest.approx([5.0] * 4, rel=1e-4)


def test_clipping():
    # Clipping lengths leaves the direction, so nothing changes but what epsilon does.
    w, gradient = data(4, 3), data(4, 3, seed=1)
    plain = step(ConditionalGradient(0.9, 3.0), w, gradient)
    for option in ("clipnorm", "global_clipnorm"):
        np.testing.assert_allclose(
            step(ConditionalGradient(0.9, 3.0, **{option: 0.1}), w, gradient), plain, **CLOSE
        )
    # Clipping values turns it.
    clipped = step(ConditionalGradient(0.9, 3.0, clipvalue=0.1), w, gradient)
    expected = step(ConditionalGradient(0.9, 3.0), w, np.clip(gradient, -0.1, 0.1))
    np.testing.assert_allclose(clipped, expected, **CLOSE)
    assert np.abs(clipped - plain).max() > 1e-3


def test_same_seed_gives_the_same_weights():
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        runs.append(fitted(ConditionalGradient(0.9, 3.0, ord="nuclear")).get_weights())
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


@both_norms
def test_mixed_precision(ord):
    plain = loss_of(fitted(ConditionalGradient(0.99, 3.0, ord=ord), run_eagerly=True))
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = fitted(ConditionalGradient(0.99, 3.0, ord=ord))
        loss = loss_of(model)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert "LossScale" in type(model.optimizer).__name__
    # Not the weights: where two singular values are close, a gradient rounded to ten bits has other vectors.
    assert loss == pytest.approx(plain, rel=2e-2)
    assert loss < 0.98 * loss_of(small_net("sgd"))


@keras3
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@both_norms
def test_variables_of_other_precision(ord, dtype):
    # 1 - 0.9995 has no correct digit left in bfloat16, and the squares overflow in float16.
    w, gradient = data(5, 4), 300 * data(5, 4, seed=1)
    expected = step(ConditionalGradient(0.9995, 200.0, ord=ord), w, gradient)
    variable = tf.Variable(tf.cast(w, dtype))
    ConditionalGradient(0.9995, 200.0, ord=ord).apply_gradients([(tf.cast(gradient, dtype), variable)])
    rounding = {"float16": 2e-3, "bfloat16": 2e-2, "float64": 1e-4}[dtype]
    np.testing.assert_allclose(tf.cast(variable, "float32"), expected, atol=rounding)


@keras3
def test_moving_average_of_the_weights(plain):
    # A momentum of 0 averages over the last value only.
    last = fitted(ConditionalGradient(0.9, 3.0, use_ema=True, ema_momentum=0.0), run_eagerly=True)
    assert_same_weights(last, plain, atol=1e-6)
    averaged = fitted(ConditionalGradient(0.9, 3.0, use_ema=True, ema_momentum=0.9))
    assert np.abs(averaged.get_weights()[0] - plain.get_weights()[0]).max() > 1e-3


@keras3
def test_loss_scale_and_accumulated_gradients(plain):
    scaled = fitted(ConditionalGradient(0.9, 3.0, loss_scale_factor=1024.0), run_eagerly=True)
    assert_same_weights(scaled, plain)
    model = small_net(ConditionalGradient(0.9, 3.0, gradient_accumulation_steps=2))
    model.fit(X[:16], Y[:16], batch_size=8, shuffle=False, verbose=0)
    at_once = small_net(ConditionalGradient(0.9, 3.0), run_eagerly=True)
    at_once.fit(X[:16], Y[:16], batch_size=16, verbose=0)
    assert_same_weights(model, at_once)


# -- saving --------------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="course_utils_tests")
def radius_of_three():
    return 3.0


@pytest.mark.parametrize(
    "lambda_",
    [3.0, 7, schedules.ExponentialDecay(3.0, 10, 0.5), radius_of_three],
    ids=["float", "int", "schedule", "function"],
)
@pytest.mark.parametrize("rate", [0.5, schedules.CosineDecay(0.9, 100)], ids=["number", "schedule"])
def test_config_round_trip(rate, lambda_):
    optimizer = ConditionalGradient(rate, lambda_, epsilon=1e-3, ord="nuclear", name="cg", clipvalue=0.5)
    config = optimizer.get_config()
    again = ConditionalGradient.from_config(config)
    assert again.get_config() == config == optimizer.get_config()
    assert (again.ord, again.epsilon, again.clipvalue) == ("nuclear", 1e-3, 0.5)
    by_name = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert isinstance(by_name, ConditionalGradient)
    w, gradient = data(4, 3), data(4, 3, seed=1)
    np.testing.assert_array_equal(step(again, w, gradient), step(optimizer, w, gradient))


def test_models_are_saved_and_loaded(tmp_path):
    optimizer = ConditionalGradient(0.9, schedules.ExponentialDecay(3.0, 2, 0.5), ord="nuclear")
    model = fitted(optimizer, run_eagerly=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.optimizer, ConditionalGradient)
    assert_same_weights(again, model, atol=0)
    if STACK == "keras3":  # Keras 2 writes no state of its older optimizers into this format
        assert int(again.optimizer.iterations.numpy()) == 4
        for one in (model, again):
            one.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
        assert_same_weights(again, model, atol=0)


@keras3
def test_state_has_the_numbers_that_were_set(tmp_path):
    model = fitted(ConditionalGradient(0.9, 3.0), run_eagerly=True)
    model.optimizer.learning_rate, model.optimizer.lambda_ = 0.75, 5.0
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").optimizer
    state = [float(value.numpy()) for value in (again.learning_rate, again.lambda_, again.iterations)]
    assert state == [0.75, 5.0, 4.0]


@pytest.mark.parametrize("name", ["learning_rate", "lambda_"])
def test_functions_that_could_not_be_loaded_are_not_saved(name, tmp_path):
    optimizer = ConditionalGradient(**{"learning_rate": 0.9, "lambda_": 3.0, name: lambda: 0.5})
    message = (
        rf"`{name}` should be a function that Keras can find again.*LearningRateSchedule.*register_keras"
    )
    with pytest.raises(ValueError, match=message):
        optimizer.get_config()
    model = fitted(optimizer, run_eagerly=True)  # training is another matter
    with pytest.raises(ValueError, match=message):
        model.save(tmp_path / "model.keras")


# -- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])  # tests/test_arguments.py has the whole table
def test_bad_learning_rate(value):
    message = (
        rf"`learning_rate` should be a finite number ≥ 0 and ≤ 1 .*LearningRateSchedule.*; received {value}\."
    )
    with pytest.raises(ValueError, match=message):
        ConditionalGradient(value, 3.0)


@pytest.mark.parametrize("value", [0, "3"])
def test_bad_lambda(value):
    with pytest.raises(
        ValueError, match=rf"`lambda_` should be a finite number > 0, .*; received {value!r}\."
    ):
        ConditionalGradient(0.9, value)


@pytest.mark.parametrize("value", [-1e-7, None])
def test_bad_epsilon(value):
    with pytest.raises(ValueError, match=rf"`epsilon` should be a finite number ≥ 0; received {value}\."):
        ConditionalGradient(0.9, 3.0, epsilon=value)


@pytest.mark.parametrize("value", ["Fro", 2])
def test_bad_ord(value):
    with pytest.raises(ValueError, match=rf"`ord` should be 'fro' or 'nuclear'; received {value!r}\."):
        ConditionalGradient(0.9, 3.0, ord=value)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("weight_decay", "already shrinks"), ("decay", "LearningRateSchedule"), ("lr", "Use `learning_rate`")],
)
def test_options_that_mean_nothing_here(name, remedy):
    with pytest.raises(ValueError, match=rf"`{name}` should be left out of .*; received 0\.01\. .*{remedy}"):
        ConditionalGradient(0.9, 3.0, **{name: 0.01})


def test_bad_values_are_refused_when_set_and_change_nothing():
    optimizer = ConditionalGradient(0.9, 3.0)
    for name in ("learning_rate", "lr"):
        with pytest.raises(ValueError, match=r"`learning_rate` should be .*; received 2\.0"):
            setattr(optimizer, name, 2.0)
    with pytest.raises(ValueError, match=r"`lambda_` should be .*; received -1"):
        optimizer.lambda_ = -1
    config = optimizer.get_config()
    assert (config["learning_rate"], config["lambda_"]) == pytest.approx((0.9, 3.0))


@pytest.mark.parametrize("name", ["learning_rate", "lambda_"])
def test_a_number_stays_a_number(name):
    def half():
        return 0.5

    message = f"`{name}` can only be changed from one number to another; received .* make a new Cond"
    schedule = schedules.ExponentialDecay(0.5, 10, 0.5)
    for before, after in [(0.5, half), (half, 0.25), (0.5, schedule), (schedule, 0.25)]:
        optimizer = ConditionalGradient(**{"learning_rate": 0.5, "lambda_": 0.5, name: before})
        with pytest.raises(TypeError, match=message):
            setattr(optimizer, name, after)
        assert float(getattr(optimizer, name)) == 0.5


NUMBERS = {
    "NumPy's float": np.float32(0.5),
    "array": np.array(0.5),
    "tensor": tf.constant(0.5),
    "tensor in double precision": tf.constant(0.5, tf.float64),
}


@pytest.mark.parametrize("half", NUMBERS.values(), ids=NUMBERS)
def test_numbers_of_numpy_and_tensorflow_are_taken(half):
    w, gradient = data(4, 3), data(4, 3, seed=1)
    optimizer = ConditionalGradient(half, half, epsilon=half)
    expected = ConditionalGradient(0.5, 0.5, epsilon=0.5)
    assert optimizer.get_config() == expected.get_config()
    np.testing.assert_array_equal(step(optimizer, w, gradient), step(expected, w, gradient))
    ConditionalGradient(1, np.int64(3), epsilon=0)


@pytest.mark.parametrize("name", ["learning_rate", "lambda_", "epsilon"])
def test_variables_are_refused_because_they_would_not_be_followed(name):
    with pytest.raises(ValueError, match=rf"`{name}` should be .* give its value: float\(variable\)"):
        ConditionalGradient(**{"learning_rate": 0.5, name: tf.Variable(0.5)})


def test_a_rate_may_be_set_from_what_it_is():
    optimizer = ConditionalGradient(0.5, 2.0)
    optimizer.learning_rate = optimizer.learning_rate * 0.5
    optimizer.lambda_ = optimizer.lambda_ * np.float64(2)
    assert (float(optimizer.learning_rate), float(optimizer.lambda_)) == (0.25, 4.0)


@pytest.mark.skipif(STACK != "addons", reason="TensorFlow Addons is only on the addons stack")
def test_it_is_tensorflow_addons_class():
    import tensorflow_addons as tfa

    assert issubclass(ConditionalGradient, tfa.optimizers.ConditionalGradient)
