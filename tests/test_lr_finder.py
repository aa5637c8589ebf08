"""The learning-rate finder: what it measures, where it stops, what it suggests, that it leaves no trace."""

import functools
import math
import random
import signal
from itertools import pairwise

import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import lr_finder
from course_utils.lr_finder import LRFinderResult, lr_find, minimum, slide, steep, valley
from course_utils.stack import STACK

layers = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 4)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5], [3.0]])).astype("float32")
SHORT = {"num_iter": 6, "batch_size": 16, "start_lr": 1e-3, "end_lr": 0.1}


def small_net(optimizer="adam", loss="mse", *, dropout=True, **how):
    """A net with everything that has a state: slots, batch statistics, dropout, a metric."""
    keras.utils.set_random_seed(42)
    hidden = [layers.Dense(6, "tanh"), layers.BatchNormalization()]
    net = keras.Sequential([keras.Input((4,)), *hidden, *[layers.Dropout(0.3)] * dropout, layers.Dense(1)])
    how = {"metrics": ["mae"], "jit_compile": False, **how}
    net.compile(optimizer, loss, **how)
    return net


def plain_values(variables):
    variables = variables() if callable(variables) else variables  # a method in Keras 2
    return [np.array(v.numpy()) for v in variables]


def state(net):
    """Everything the finder promises to leave as it was, as it is now. Written without the module's help."""
    found = {
        "weights": plain_values(net.variables),
        "slots": plain_values(net.optimizer.variables),
        "iterations": int(net.optimizer.iterations),
        "learning rate": float(net.optimizer.learning_rate),
        "metrics": [plain_values(metric.variables) for metric in net.metrics],
        "stop_training": getattr(net, "stop_training", None),
        "history": getattr(net, "history", None),
        "train_function": net.train_function,
        "python": random.getstate(),
        "numpy": np.random.get_state()[1:],  # noqa: NPY002
        "tensorflow": tf_random_state(),
        "layer seeds": [
            layer._random_generator._seed for layer in net.layers if hasattr(layer, "_random_generator")
        ],
    }
    return found


def tf_random_state():
    from tensorflow.python.eager import context

    rng = getattr(context.context(), "_rng", None)  # there is none until a seed is set
    return rng and rng.getstate()


def assert_same_state(after, before):
    for what in before:
        assert type(after[what]) is type(before[what]), what
        np.testing.assert_equal(after[what], before[what], err_msg=f"{what} changed")


def trained(net, data=(X, Y), epochs=2):
    """The weights and slots after a training, which draws on every random state."""
    if isinstance(data, tuple):
        net.fit(*data, batch_size=48, epochs=epochs, verbose=0)
    else:
        net.fit(data, epochs=epochs, verbose=0)
    return plain_values(net.variables) + plain_values(net.optimizer.variables)


@pytest.fixture(scope="module")
def plain_net():
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    net.compile("sgd", "mse")
    return net


@pytest.fixture(scope="module")
def trained_net():
    """One for all tests which compare its state before with that after: fitting it costs the most."""
    net = small_net(steps_per_execution=4)
    trained(net, epochs=1)
    return net


# -- what it measures ---------------------------------------------------------------------------------------


def by_hand(net, batches, rates):
    """Train on one batch after the other at the given rates; the loss of each, before its update."""
    losses = []
    for (x, y), rate in zip(batches, rates, strict=True):
        net.optimizer.learning_rate = float(rate)
        if STACK == "keras3":
            net.reset_metrics()
        logs = net.train_on_batch(x, y, **({"reset_metrics": True} if STACK == "addons" else {}))
        losses.append(float(np.ravel(logs)[0]))
    return losses


def test_rates_are_geometric_and_losses_those_of_each_batch():
    sizes = [16, 16, 5, 16, 16, 16]  # unequal, so that no running mean can be undone by their number
    cuts = np.cumsum([0, *sizes])
    batches = [(X[a:b], Y[a:b]) for a, b in pairwise(cuts)]
    data = tf.data.Dataset.from_generator(
        lambda: iter(batches), output_signature=(tf.TensorSpec((None, 4)), tf.TensorSpec((None, 1)))
    )
    result = lr_find(small_net(dropout=False), data, num_iter=6, start_lr=1e-3, end_lr=1.0)
    assert result.stopped is None
    np.testing.assert_array_equal(result.lrs, np.geomspace(1e-3, 1.0, 6))
    expected = by_hand(small_net(dropout=False, run_eagerly=True), batches, result.lrs)
    # Six float32 steps of a net of 40 weights, which another graph may sum in another order.
    np.testing.assert_allclose(result.losses, expected, rtol=1e-5)


def test_the_smoothed_loss_is_the_average_corrected_for_its_start(plain_net):
    result = lr_find(plain_net, X, Y, **SHORT, smooth_f=0.2)
    for k in range(6):
        shares = 0.2 * 0.8 ** np.arange(k, -1, -1)
        expected = (shares * result.losses[: k + 1]).sum() / shares.sum()
        assert result.smoothed[k] == pytest.approx(expected, rel=1e-12)
    unsmoothed = lr_find(plain_net, X, Y, **SHORT, smooth_f=0)
    np.testing.assert_array_equal(unsmoothed.smoothed, unsmoothed.losses)


class OneWeight(keras.Model):
    """Its loss is λ/2 · w², whatever the data: gradient descent diverges above a rate of 2/λ."""

    curvature = 8.0

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1, use_bias=False, kernel_initializer="ones")

    def call(self, x):
        return self.dense(x)


def quadratic_loss(_, w):
    return OneWeight.curvature / 2 * w**2


def test_a_quadratic_diverges_where_theory_says():
    net = OneWeight()
    net.compile("sgd", quadratic_loss, jit_compile=False)
    threshold = 2 / OneWeight.curvature
    ones = np.ones((8, 1), "float32")
    result = lr_find(
        net, ones, ones, num_iter=40, start_lr=threshold / 30, end_lr=threshold * 30, smooth_f=0, diverge_th=2
    )
    # A loss is measured before its update: the lowest one is that of the first rate above the threshold.
    assert result.lrs[result.losses.argmin()] == result.lrs[result.lrs > threshold][0]
    assert "risen too far" in result.stopped
    assert result.losses[-1] > 2 * result.losses.min() >= result.losses[-2]
    np.testing.assert_array_equal(net.get_weights()[0], [[1.0]])


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_it_stops_at_a_loss_that_is_not_finite(steps_per_execution):
    x = np.ones((6, 1), "float32")
    y = np.array([0, 0, 0, 0, np.nan, 0], "float32")
    net = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    net.compile("sgd", "mse", steps_per_execution=steps_per_execution)
    net.evaluate(x, x, verbose=0)  # Keras 2 makes its metrics now
    build_optimizer(net)
    before = state(net)
    data = tf.data.Dataset.from_tensor_slices((x, y[:, None])).batch(1)
    result = lr_find(net, data, num_iter=6, start_lr=1e-3, end_lr=1e-2)
    assert len(result.lrs) == len(result.losses) == len(result.smoothed) == 4
    assert np.isfinite(result.losses).all()
    assert result.stopped == f"the loss became nan at a learning rate of {np.geomspace(1e-3, 1e-2, 6)[4]:.3g}"
    assert_same_state(state(net), before)


def test_a_negative_loss_that_rises_a_little_is_no_divergence():
    net = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    net.compile("sgd", lambda y, _: y + 0 * _)
    for rise, points in [(3.9, 3), (4.1, 2)]:
        y = np.array([[-1.0], [-1 + rise], [-1.0]], "float32")
        data = tf.data.Dataset.from_tensor_slices((np.ones((3, 1), "float32"), y)).batch(1)
        result = lr_find(net, data, num_iter=3, smooth_f=0)
        assert len(result.losses) == points


def test_a_seed_fixes_the_order_of_arrays(plain_net):
    first, again = lr_find(plain_net, X, Y, **SHORT), lr_find(plain_net, X, Y, **SHORT)
    np.testing.assert_array_equal(first.losses, again.losses)
    assert (lr_find(plain_net, X, Y, **SHORT, seed=1).losses != first.losses).any()


def test_arrays_are_gone_through_in_whole_epochs():
    x = np.arange(5)
    data = lr_finder._batches(x, 10 * x, None, batch_size=2, num_iter=5, seed=0)
    seen = [(a.numpy(), b.numpy()) for a, b in data]
    assert all(len(a) == 2 and (10 * a == b).all() for a, b in seen)
    epochs = np.concatenate([a for a, _ in seen]).reshape(2, 5)
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs.tolist())


# -- it leaves no trace -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["fresh", "trained", "eager, trained"])
def test_everything_is_as_before(trained_net, case):
    net = trained_net if case == "trained" else small_net(run_eagerly="eager" in case)
    if case == "eager, trained":
        trained(net, epochs=1)
    elif case == "fresh":  # so that there is something to compare; a fresh optimizer's slots: the next test
        net.evaluate(X, Y, verbose=0)
        build_optimizer(net)
    before = state(net)
    result = lr_find(net, X, Y, **SHORT)
    assert len(result.losses) == 6
    assert_same_state(state(net), before)


def build_optimizer(net):
    optimizer = net.optimizer
    if hasattr(optimizer, "_create_all_weights"):
        optimizer._create_all_weights(net.trainable_variables)
    else:
        optimizer.build(net.trainable_variables)


def test_a_fresh_optimizer_has_taken_no_step():
    net = small_net()
    rate = float(net.optimizer.learning_rate)
    lr_find(net, X, Y, **SHORT)
    assert int(net.optimizer.iterations) == 0
    assert float(net.optimizer.learning_rate) == rate
    # Beside step count and rate: the slots, all zero as Adam's begin.
    assert {float(np.abs(v).max()) for v in plain_values(net.optimizer.variables)} <= {0.0, rate}


def test_models_without_weights_have_them_afterwards_each_its_own_as_first_drawn():
    nets = []
    for optimizer in ("adam", "sgd"):
        net = keras.Sequential([layers.Dense(3), layers.Dense(1, kernel_initializer="ones")])
        net.compile(optimizer, "mse")
        lr_find(net, X, Y, **SHORT)
        assert len(net.weights) == 4
        np.testing.assert_array_equal(net.get_weights()[2], np.ones((3, 1)))
        np.testing.assert_array_equal(net.get_weights()[1], np.zeros(3))
        assert int(net.optimizer.iterations) == 0
        nets.append(net)
    assert (nets[0].get_weights()[0] != nets[1].get_weights()[0]).any()


@pytest.mark.parametrize("case", ["fresh", "dataset in order, eager", "trained"])
def test_the_training_after_it_is_the_training_without_it(case):
    def run(find):
        optimizer = keras.optimizers.SGD(momentum=0.9)  # its graph is smaller than Adam's
        net = small_net(optimizer, run_eagerly="eager" in case)
        data = (X, Y)
        if "dataset" in case:
            data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(48)
        if case == "trained":
            if STACK == "addons":  # a seed given to a layer, which Keras 2 counts up with every tracing
                net.layers[2]._random_generator._seed = 3
            trained(net, data)
        if find:
            lr_find(net, *(data if isinstance(data, tuple) else (data,)), **SHORT)
        return trained(net, data), random.random(), np.random.random()  # noqa: NPY002

    np.testing.assert_equal(run(find=True), run(find=False))


def test_divergence_is_undone(trained_net):
    before = state(trained_net)
    result = lr_find(trained_net, X, Y, start_lr=1e-3, end_lr=1e6, num_iter=60, batch_size=16)
    assert result.stopped
    assert not np.array_equal(result.losses[:1], result.losses[-1:])
    assert_same_state(state(trained_net), before)


def failing_data(fail, at=4):
    """Batches, the fifth of which fails. The finder looks at the first one beforehand."""
    count = iter(range(1000))

    def read(x, y):
        if next(count) > at:
            fail()
        return x, y

    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    return data.map(lambda x, y: tf.numpy_function(read, (x, y), (tf.float32, tf.float32))).map(
        lambda x, y: (tf.ensure_shape(x, (16, 4)), tf.ensure_shape(y, (16, 1)))
    )


def test_an_error_in_the_data_is_passed_on_and_all_is_undone(trained_net):
    def fail():
        raise ArithmeticError("the disk is on fire")

    before = state(trained_net)
    with pytest.raises(tf.errors.OpError, match="the disk is on fire"):
        lr_find(trained_net, failing_data(fail), num_iter=60, start_lr=1e-3, end_lr=1.0)
    assert_same_state(state(trained_net), before)


def test_after_ctrl_c_all_is_undone(trained_net, monkeypatch):
    before = state(trained_net)
    seen = []

    def interrupted(loss, real=math.isfinite):
        seen.append((loss, trained_net.get_weights()))
        if len(seen) == 4:
            signal.raise_signal(signal.SIGINT)  # what the terminal sends
        return real(loss)

    real_run = lr_finder._raise_rate

    def run(*args):  # only from here on: the settings are checked with isfinite too
        monkeypatch.setattr(lr_finder.math, "isfinite", interrupted)
        return real_run(*args)

    monkeypatch.setattr(lr_finder, "_raise_rate", run)
    with pytest.raises(KeyboardInterrupt):
        lr_find(trained_net, X, Y, **SHORT)
    monkeypatch.undo()
    assert len(seen) == 4
    assert (seen[-1][1][0] != before["weights"][0]).any(), "it was not in the middle of training"
    assert_same_state(state(trained_net), before)


# -- any compiled model -------------------------------------------------------------------------------------


def check(net, *data, compare=False, **more):
    """Find, and see that the rates were used, the losses are real, and nothing changed."""
    result = lr_find(net, *data, **{**SHORT, **more})
    assert len(result.losses) == 6
    assert (result.losses > 0).all()
    assert result.losses[-1] != result.losses[0]
    if compare:
        before = state(net)
        lr_find(net, *data, **{**SHORT, **more})
        assert_same_state(state(net), before)
    return result


def test_functional_with_two_inputs_and_outputs_from_dictionaries():
    one, two = keras.Input((4,), name="one"), keras.Input((4,), name="two")
    both = layers.Concatenate()([one, two])
    net = keras.Model(
        {"one": one, "two": two}, {"a": layers.Dense(1, name="a")(both), "b": layers.Dense(1, name="b")(both)}
    )
    net.compile("sgd", {"a": "mse", "b": "mae"}, metrics={"a": ["mae"]})
    check(net, {"one": X, "two": -X}, {"a": Y, "b": 2 * Y}, compare=True)


def test_lists_are_structures_as_in_fit():
    keras.utils.set_random_seed(0)
    one, two = keras.Input((4,)), keras.Input((4,))
    both = layers.Concatenate()([one, two])
    net = keras.Model([one, two], [layers.Dense(1)(both), layers.Dense(1)(both)])
    net.compile("sgd", ["mse", "mae"])
    first = lr_find(net, [X, -X], [Y, 2 * Y], **{**SHORT, "batch_size": 96}).losses[0]
    expected = net.evaluate([X, -X], [Y, 2 * Y], return_dict=True, batch_size=96, verbose=0)["loss"]
    assert first == pytest.approx(expected, rel=1e-5)
    weights = [np.full(96, 2.0), np.full(96, 2.0)]
    doubled = lr_find(net, [X, -X], [Y, 2 * Y], sample_weight=weights, **{**SHORT, "batch_size": 96})
    assert doubled.losses[0] == pytest.approx(2 * expected, rel=1e-5)


@pytest.mark.parametrize("targets", [Y, [Y], (Y,), Y[:, 0]], ids=["array", "list", "tuple", "one axis"])
def test_the_first_loss_is_what_evaluate_says(plain_net, targets):
    first = lr_find(plain_net, X, targets, **{**SHORT, "batch_size": 96}).losses[0]
    assert first == pytest.approx(plain_net.evaluate(X, Y, batch_size=96, verbose=0), rel=1e-5)


def test_adapted_layers_keep_their_state():
    normalize, lookup = layers.Normalization(), layers.IntegerLookup()
    normalize.adapt(3 * X + 1)
    lookup.adapt(np.array([3, 5, 7]))
    numbers, codes = keras.Input((4,)), keras.Input((1,), dtype="int64")
    embedded = layers.Flatten()(layers.Embedding(5, 2)(lookup(codes)))
    net = keras.Model([numbers, codes], layers.Dense(1)(layers.Concatenate()([normalize(numbers), embedded])))
    net.compile("sgd", "mse")
    data = [X, np.array([[3], [5], [8]] * 32)]
    before = net.predict(data, verbose=0)
    assert len(lr_find(net, data, Y, **SHORT).losses) == 6
    np.testing.assert_array_equal(net.predict(data, verbose=0), before)


def test_a_net_that_reads_text():
    vectorize = layers.TextVectorization(max_tokens=10, output_sequence_length=2)
    vectorize.adapt(["red blue", "green"])
    net = keras.Sequential([vectorize, layers.Embedding(10, 2), layers.Flatten(), layers.Dense(1)])
    net.compile("sgd", "mse", metrics=["mae"])
    text = np.array([["red green"], ["blue"]] * 48)
    assert len(lr_find(net, text, Y, **SHORT).losses) == 6
    assert vectorize.get_vocabulary()[2:] == ["red", "green", "blue"]


def test_sample_weights_count(plain_net):
    plain = check(plain_net, X, Y)
    doubled = check(plain_net, X, Y, sample_weight=np.full(96, 2.0))
    assert doubled.losses[0] == pytest.approx(2 * plain.losses[0], rel=1e-6)


class OwnStep(keras.Model):
    """A train_step, a metric, an untracked counter and a second optimizer of its own."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.mean = keras.metrics.Mean(name="loss")
        self.counter = [tf.Variable(0)]  # in a list: Keras 3 does not find it
        self.second = keras.optimizers.SGD(0.001)

    def call(self, x):
        return self.dense(x)

    @property
    def metrics(self):
        return [self.mean]

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
        kernel, bias = tape.gradient(loss, self.dense.trainable_variables)
        self.optimizer.apply_gradients([(kernel, self.dense.kernel)])
        self.second.apply_gradients([(bias, self.dense.bias)])
        self.counter[0].assign_add(1)
        self.mean.update_state(loss)
        return {"loss": self.mean.result()}


def test_subclassed_with_its_own_train_step():
    net = OwnStep()
    net.compile(keras.optimizers.SGD(0.01), steps_per_execution=4)
    net(X[:1])
    before = net.get_weights()
    result = check(net, X, Y, compare=True)
    np.testing.assert_equal(net.get_weights(), before)
    assert int(net.counter[0].numpy()) == 0
    assert int(net.second.iterations) == 0
    assert (np.diff(result.losses) != 0).all(), "a running mean, or one batch over and over"


def test_subclassed_and_never_called():
    net = OwnStep()
    net.compile(keras.optimizers.SGD(0.01))
    check(net, X, Y)
    assert int(net.counter[0].numpy()) == 0


def test_a_train_step_without_loss_is_named():
    class Silent(OwnStep):
        def train_step(self, data):
            super().train_step(data)
            return {"mse": self.mean.result()}

    net = Silent()
    net.compile("sgd")
    with pytest.raises(ValueError, match="dictionary with a 'loss'"):
        lr_find(net, X, Y)


def test_stateful_recurrent_net():
    keras.utils.set_random_seed(0)
    net = (
        keras.Sequential(
            [layers.Input(batch_shape=(16, 4, 1)), layers.SimpleRNN(2, stateful=True), layers.Dense(1)]
        )
        if STACK == "keras3"
        else keras.Sequential(
            [layers.SimpleRNN(2, stateful=True, batch_input_shape=(16, 4, 1)), layers.Dense(1)]
        )
    )
    net.compile("sgd", "mse", jit_compile=False)
    net.predict(X[:16, :, None], verbose=0)
    states = plain_values(net.layers[0].states)
    check(net, X[:, :, None], Y)
    np.testing.assert_equal(plain_values(net.layers[0].states), states)
    assert np.abs(states[0]).max() > 0


@pytest.mark.parametrize("eager", [False, True], ids=["graph", "eager"])
def test_mixed_precision_with_loss_scaling(eager):
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        net = keras.Sequential([keras.Input((4,)), layers.Dense(4, "relu"), layers.Dense(1, dtype="float32")])
        scaled = keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(), **GROWTH)
        net.compile(scaled, "mse", run_eagerly=eager)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    scale_before = loss_scale(net.optimizer)
    check(net, X, Y)
    assert int(net.optimizer.iterations) == 0
    assert loss_scale(net.optimizer) == scale_before


GROWTH = {"dynamic_growth_steps": 2}  # so that the scale grows within the few steps of a test


def loss_scale(optimizer):
    if STACK == "addons":
        return float(optimizer.loss_scale)
    return float(optimizer.dynamic_scale.numpy()) if optimizer.built else float(optimizer.initial_scale)


@pytest.mark.skipif(STACK != "addons", reason="the optimizers before Keras 2.11 ended with Keras 2")
@pytest.mark.parametrize("name", ["Adam", "ConditionalGradient", "Lookahead"])
def test_legacy_optimizers_and_those_of_addons(name):
    legacy = keras.optimizers.legacy
    if name == "Adam":
        optimizer = legacy.Adam(0.02)
    else:
        from course_utils.addons._stack import import_addons

        tfa = import_addons().optimizers
        if name == "Lookahead":
            optimizer = tfa.Lookahead(legacy.SGD(0.02), sync_period=2)
        else:
            optimizer = tfa.ConditionalGradient(0.02, lambda_=1.0)
    net = small_net(optimizer)
    rate = float(np.asarray(net.optimizer.learning_rate))
    weights = net.get_weights()
    check(net, X, Y, end_lr=0.9)
    assert float(net.optimizer.learning_rate) == rate == np.float32(0.02)
    np.testing.assert_equal(net.get_weights(), weights)


def test_a_dataset_is_read_again_as_often_as_needed(plain_net):
    data = tf.data.Dataset.from_tensor_slices((X[:10], Y[:10])).batch(4)
    check(plain_net, data)


# -- what it refuses ----------------------------------------------------------------------------------------


class Batches(keras.utils.Sequence if STACK == "addons" else keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, _):
        return X, Y


DATA = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start_lr": 0}, "`start_lr` should be a finite number > 0; received 0"),
        ({"end_lr": 1e-8}, "`end_lr` should be a finite number > 1e-07; received 1e-08"),
        ({"num_iter": 1}, "`num_iter` should be a whole number ≥ 2; received 1"),
        ({"smooth_f": 1.0}, "`smooth_f` should be a finite number ≥ 0 and < 1; received 1.0"),
        ({"diverge_th": 1}, "`diverge_th` should be a finite number > 1; received 1"),
        ({"batch_size": 0}, "`batch_size` should be a whole number ≥ 1; received 0"),
        ({"seed": 1.5}, "`seed` should be a whole number.*received 1.5"),
        ({"y": Y[:-1]}, r"same number of examples; received \[95, 96\]"),
        ({"sample_weight": np.ones(3)}, r"received \[3, 96\]"),
        ({"x": X[:0], "y": Y[:0]}, r"received \[0\]"),
        ({"x": (pair for pair in [])}, "`x` should be an array.*received <generator.*from_generator"),
        ({"x": Batches(), "y": None}, "received <.*Batches object.*tf.data.Dataset.from_generator"),
        ({"x": [1, 2, 3]}, "received 1"),
        ({"y": [Y, "red"]}, "`y` should be an array.*received 'red'"),
        ({"x": scipy.sparse.csr_matrix(X)}, r"`x` should be dense; received .*csr_matrix.*\.toarray"),
        (
            {"x": tf.sparse.from_dense(X)},
            r"`x` should be dense; received .*SparseTensor.*tf\.sparse\.to_dense",
        ),
        ({"y": tf.RaggedTensor.from_tensor(Y)}, r"`y` should be dense; received .*RaggedTensor.*\.to_tensor"),
        ({"x": DATA}, "`y` should be None if x is a dataset"),
        ({"x": DATA, "y": None, "sample_weight": Y}, "`sample_weight` should be None if x is a dataset"),
        ({"x": DATA.take(0), "y": None}, "data with at least one example"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(plain_net, settings, message):
    before = state(plain_net)
    with pytest.raises(ValueError, match=message):
        lr_find(plain_net, **{"x": X, "y": Y, **settings})
    assert_same_state(state(plain_net), before)


def test_data_that_cannot_be_read_again_is_named(plain_net):
    once = iter([(X[:8], Y[:8])] * 4)
    data = tf.data.Dataset.from_generator(
        lambda: once, output_signature=(tf.TensorSpec((8, 4)), tf.TensorSpec((8, 1)))
    )
    weights = plain_net.get_weights()
    with pytest.raises(ValueError, match="The data ended before 6 batches"):
        lr_find(plain_net, data, **SHORT)
    np.testing.assert_equal(plain_net.get_weights(), weights)


def test_models_that_cannot_be_used_are_told_what_to_do():
    with pytest.raises(ValueError, match=r"`model` should be a compiled keras.Model; received 'net'"):
        lr_find("net", X, Y)
    with pytest.raises(
        ValueError, match=r"`model` should be a compiled.*Call model.compile\(optimizer, loss\)"
    ):
        lr_find(keras.Sequential([keras.Input((4,)), layers.Dense(1)]), X, Y)


def test_a_net_under_a_strategy_is_refused():
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        net = small_net()
        with pytest.raises(ValueError, match=r"under a tf.distribute strategy.*outside the strategy's scope"):
            lr_find(net, X, Y)
    with pytest.raises(ValueError, match=r"under a tf.distribute strategy"):
        lr_find(net, X, Y)


def scheduled_optimizers():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    yield keras.optimizers.SGD(schedule)
    yield keras.mixed_precision.LossScaleOptimizer(keras.optimizers.SGD(schedule))
    if STACK == "keras3":
        yield keras.optimizers.SGD(lambda: 0.1)
    else:
        yield keras.optimizers.legacy.SGD(schedule)
        yield keras.optimizers.legacy.SGD(lambda: 0.1)
        yield keras.optimizers.legacy.SGD(0.1, decay=0.01)


def test_schedules_are_refused():
    for optimizer in scheduled_optimizers():
        net = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        net.compile(optimizer, "mse")
        weights = net.get_weights()
        with pytest.raises(
            ValueError, match=r"SGD follows a schedule.*Compile the model with a plain number"
        ):
            lr_find(net, X, Y)
        np.testing.assert_equal(net.get_weights(), weights)


# -- suggestions --------------------------------------------------------------------------------------------

RATES = np.geomspace(1e-6, 10, 71)  # ten points per decade


def bowl(lowest_at, width=1.0):
    """A parabola over the logarithm of the rate."""
    return 1 + ((np.log10(RATES) - np.log10(lowest_at)) / width) ** 2


def test_minimum_is_a_tenth_of_the_lowest_points_rate():
    assert minimum(RATES, bowl(0.1)) == pytest.approx(0.01)
    assert minimum(RATES, bowl(10)) == pytest.approx(1.0)  # the lowest point is the last one


def test_valley_is_the_middle_of_the_longest_fall():
    flat_fall_rise = np.concatenate([np.full(20, 2.0), np.linspace(2, 1, 31)[1:], np.linspace(1, 9, 21)])
    # The fall: 31 points, from the last flat one (19) to 49. Half of 31 before its end, rounded as in fastai.
    assert valley(RATES, flat_fall_rise) == RATES[49 - 31 + 10 + 5]
    # Interrupted by two higher points, which belong to no fall, it is still one fall.
    bumpy = flat_fall_rise.copy()
    bumpy[[30, 40]] = 2.5
    assert valley(RATES, bumpy) == RATES[49 - 29 + 9 + 4]


def test_valley_of_the_shortest_falls_is_a_point_of_the_curve():
    assert valley([1, 2, 3], np.array([3, 3, 2])) == 1.0  # the fall of two points: (0, 2)
    assert valley([1, 2, 3], np.array([3, 2, 1])) == 1.0


@settings(max_examples=40)
@given(st.lists(st.integers(0, 20), min_size=3, max_size=25))
def test_valleys_fall_is_the_longest(losses):
    """Against the definition, by a search that shares no code with it."""
    losses = np.array([21, *losses], float)  # so that the curve falls
    lrs = np.arange(1, len(losses) + 1)

    @functools.cache
    def longest_to(end):
        return 1 + max((longest_to(j) for j in range(end) if losses[j] > losses[end]), default=0)

    length = max(map(longest_to, range(len(losses))))
    end = next(end for end in range(len(losses)) if longest_to(end) == length)
    assert valley(lrs, losses) == lrs[max(end - length + int(length / 3) + int(length / 6), 0)]


def test_steep_is_where_the_loss_falls_fastest():
    step = 2 - 1 / (1 + np.exp(-4 * (np.log10(RATES) + 2)))  # steepest at 0.01
    assert steep(RATES, step) in (RATES[np.isclose(RATES, 0.01)][0], RATES[39])
    uneven = np.array(
        [1.0, 10.0, 11.0, 100.0]
    )  # the fall from 10 to 11 is the smaller, but over a shorter way
    assert steep(uneven, [3.0, 2.0, 1.5, 1.4]) == 10.0


def test_slide_stops_before_the_loss_bends():
    # A straight fall, and from point 50 on a rise that grows steeper, as a diverging loss does.
    falls_then_rises = np.concatenate([np.linspace(3, 1, 51), 1 + 0.01 * np.arange(1, 21) ** 2])
    # The marks stop with both on the fall; numpy.gradient sees the bend one point before it.
    assert slide(RATES, falls_then_rises) == RATES[50 - 15]
    assert slide(RATES, falls_then_rises, lr_diff=5) == RATES[50 - 5]
    # Nothing bends: the marks do not move.
    assert slide(RATES, np.linspace(3, 1, 71)) == RATES[70 - 15]
    assert slide(RATES, falls_then_rises, thresh=100) == RATES[70 - 15]


@pytest.mark.parametrize("method", lr_finder.SUGGESTIONS)
def test_a_suggestion_scales_with_the_rates_and_not_with_a_shift_of_the_loss(method):
    function = lr_finder.SUGGESTIONS[method]
    suggested = function(RATES, bowl(0.1))
    assert RATES[0] <= suggested < 0.1
    assert function(10 * RATES, bowl(0.1)) == pytest.approx(10 * suggested)
    assert function(RATES, bowl(0.1) - 5) == pytest.approx(suggested)


def some_result(losses=None, **more):
    losses = bowl(0.1) if losses is None else losses
    return LRFinderResult(RATES[: len(losses)], losses + 0.1, losses, **more)


def test_a_result_suggests_from_the_smoothed_curve_without_its_ends():
    losses = bowl(0.1)
    losses[3], losses[-2] = 0.5, 0.4  # outliers at the ends
    result = some_result(losses)
    assert result.suggestion("minimum") == pytest.approx(0.01)
    assert result.suggestion("minimum", skip_start=0) == RATES[3] / 10
    assert result.suggestion("minimum", skip_end=0) == RATES[-2] / 10
    assert result.suggestion() == valley(RATES[10:-5], losses[10:-5])


@pytest.mark.parametrize(
    ("losses", "how", "message"),
    [
        (bowl(0.1), {"method": "best"}, "`method` should be 'valley', .* or 'steep'; received 'best'"),
        (bowl(0.1), {"skip_start": True}, "`skip_start` should be a whole number ≥ 0; received True"),
        (bowl(0.1), {"skip_end": -1}, "`skip_end` should be a whole number ≥ 0; received -1"),
        (bowl(0.1)[:17], {}, "at least 3 points; 2 are left. Raise num_iter"),
        (bowl(0.1)[:30], {"method": "slide"}, "at least 16 points; 15 are left"),
        (bowl(0.1)[:3], {}, "0 are left"),
        (bowl(1e-6), {}, "never falls below its start .* Lower start_lr"),
        (np.ones(71), {"method": "steep"}, "never falls below its start"),
    ],
)
def test_a_result_refuses_what_it_cannot_do(losses, how, message):
    with pytest.raises(ValueError, match=message):
        some_result(losses).suggestion(**how)


# -- the figure ---------------------------------------------------------------------------------------------


def test_the_figure_shows_the_curve_and_marks_the_suggestions():
    result = some_result()
    before = dict(mpl.rcParams)
    _, given = plt.subplots()
    ax = result.plot(given)
    assert ax is given
    raw, line, *marks = ax.get_lines()
    np.testing.assert_array_equal(raw.get_ydata(), result.losses)
    np.testing.assert_array_equal(line.get_ydata(), result.smoothed)
    assert ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("learning rate", "loss")
    for method, mark in zip(lr_finder.SUGGESTIONS, marks, strict=True):
        assert mark.get_label() == f"{method}: {result.suggestion(method):.1e}"
        assert mark.get_xdata()[0] == result.suggestion(method)
        nearest = np.abs(np.log(RATES / mark.get_xdata()[0])).argmin()
        assert mark.get_ydata()[0] == pytest.approx(result.smoothed[nearest])
    assert len({mark.get_color() for mark in marks}) == len({mark.get_marker() for mark in marks}) == 4
    assert dict(mpl.rcParams) == before


def test_one_wild_batch_does_not_flatten_the_figure():
    result = some_result()
    result.losses[-1] = 1e6
    ax = result.plot()
    assert ax.get_ylim()[1] < 1.1 * result.smoothed.max()
    assert ax.get_ylim()[0] < result.smoothed.min()


@pytest.mark.parametrize("losses", [bowl(1e-6), bowl(1e-6)[:2], bowl(0.1)[:0], np.ones(1)])
def test_a_curve_without_suggestions_is_drawn_all_the_same(losses):
    labels = [text.get_text() for text in some_result(losses).plot().get_legend().get_texts()]
    assert labels == ["each batch", "smoothed"]
