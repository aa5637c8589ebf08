"""MC dropout: the masks are those of dropout, the original stays, and the uncertainty is what theory says."""

import os
import random
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tensorflow.python.eager import context

from course_utils import mc_dropout
from course_utils.mc_dropout import MCAlphaDropout, MCDropout, mc_model, mc_predict, mc_samples

layers = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 5)).astype("float32")
ONE_NAN = X.copy()
ONE_NAN[2, 2] = np.nan


def classifier(dropout=layers.Dropout, units=8, last=None):
    keras.utils.set_random_seed(42)
    last = last or layers.Dense(3, "softmax")
    hidden = [dropout(0.3), layers.Dense(units, "selu"), layers.BatchNormalization(), dropout(0.5)]
    return keras.Sequential([keras.Input((5,)), *hidden, last])


def only(layer, units=500):
    """A net of one layer, so that its masks can be seen."""
    return keras.Sequential([keras.Input((units,)), layer])


def masks(rate=0.2, images=40, units=500, samples=50, **how):
    net = only(layers.Dropout(rate), units)
    return mc_samples(net, np.ones((images, units)), samples, **{"seed": 1, **how})


def random_states():
    rng = getattr(context.context(), "_rng", None)
    return random.getstate(), np.random.get_state()[1:], rng and rng.getstate()  # noqa: NPY002


def state(net):
    """All of a model that must not change, and the global random states."""
    optimizer = getattr(net, "optimizer", None)
    slots = [] if optimizer is None else optimizer.variables
    seeds = [g.state for layer in net._flatten_layers() for g in getattr(layer, "_seed_generators", [])]
    return {
        "weights": net.get_weights(),
        "slots": [v.numpy() for v in (slots() if callable(slots) else slots)],
        "optimizer": id(optimizer),
        "loss": getattr(net, "loss", None),
        "trainable": [layer.trainable for layer in net._flatten_layers()],
        "classes": [type(layer) for layer in net._flatten_layers()],
        "seeds": [seed.numpy() for seed in seeds],
        "counted": [
            layer._random_generator._seed
            for layer in net._flatten_layers()
            if hasattr(layer, "_random_generator")
        ],
        "random": random_states(),
    }


def differs(net, x, **how):
    return np.ptp(mc_samples(net, x, 6, seed=0, **how), axis=0).max() > 0


# -- the layers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [MCDropout, MCAlphaDropout])
def test_a_layer_drops_whatever_training_says(layer):
    x = np.ones((4, 1000), "float32")
    for training in (None, False, True):
        assert len(np.unique(layer(0.5)(x, training=training))) == 2
    net = only(layer(0.5), 1000)
    assert len(np.unique(net.predict(x, verbose=0))) == 2


@pytest.mark.parametrize("layer", [MCDropout, MCAlphaDropout])
def test_a_net_built_by_hand_is_saved_and_loaded(layer, tmp_path):
    net = classifier(layer)
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert [type(one) for one in loaded.layers] == [type(one) for one in net.layers]
    assert loaded.layers[0].rate == 0.3
    np.testing.assert_array_equal(mc_samples(net, X, 3, seed=1), mc_samples(loaded, X, 3, seed=1))


def test_the_mc_form_is_saved_and_loaded(tmp_path):
    form = mc_model(classifier())
    form.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(mc_samples(form, X, 3, seed=1), mc_samples(loaded, X, 3, seed=1))


# -- the masks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.001, 0.2, 0.5, 0.93])
def test_units_are_dropped_at_the_rate(rate):
    drawn = masks(rate)
    dropped = int((drawn == 0).sum())
    assert stats.binomtest(dropped, drawn.size, rate).pvalue > 1e-3
    np.testing.assert_allclose(drawn[drawn != 0], 1 / (1 - rate), rtol=1e-6)


def test_rates_too_small_for_sixteen_bits_are_left_to_keras():
    drawn = masks(1e-5, images=400, samples=40)  # eighty units; a step of sixteen bits would be 1.5e-5
    assert stats.binomtest(int((drawn == 0).sum()), drawn.size, 1e-5).pvalue > 1e-3


def test_masks_are_independent_over_images_units_and_samples():
    drawn = (masks(0.3) == 0).astype(float)
    for axis in range(3):
        moved = np.moveaxis(drawn, axis, 0)
        together = int((moved[:-1] * moved[1:]).sum())
        assert stats.binomtest(together, moved[1:].size, 0.09).pvalue > 1e-3
        # Each row's own share scatters as independent draws would.
        shares = moved.reshape(len(moved), -1).sum(axis=1)
        count = moved[0].size
        chi2 = ((shares - 0.3 * count) ** 2 / (count * 0.21)).sum()
        assert 1e-3 < stats.chi2.sf(chi2, len(shares)) < 1 - 1e-3


def test_layers_draw_masks_of_their_own_and_a_shared_layer_at_each_call():
    inputs = keras.Input((600,))
    shared = layers.Dropout(0.5)
    outputs = layers.Concatenate()([shared(inputs), shared(inputs), layers.Dropout(0.5)(inputs)])
    drawn = mc_samples(keras.Model(inputs, outputs), np.ones((4, 600)), 5, seed=0) == 0
    a, b, c = np.split(drawn, 3, axis=-1)
    for one, other in [(a, b), (b, c), (a, c)]:
        assert stats.binomtest(int((one == other).sum()), one.size, 0.5).pvalue > 1e-3


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(rate):
    x = np.random.default_rng(1).normal(size=(1, 4000)).astype("float32")
    x = (x - x.mean()) / x.std()
    drawn = mc_samples(only(layers.AlphaDropout(rate), 4000), x, 200, seed=2).astype(float)
    assert abs(drawn.mean()) < 0.01
    assert drawn.var() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_has_the_values_of_keras(rate):
    x = np.linspace(-2, 3, 400, dtype="float32")[None]
    ours = mc_samples(only(layers.AlphaDropout(rate), 400), x, 200, seed=2)[:, 0]
    theirs = np.array([layers.AlphaDropout(rate)(x, training=True)[0] for _ in range(200)])
    # Two values a unit: kept and dropped.
    for reduced in (np.min, np.max):
        np.testing.assert_allclose(reduced(ours, axis=0), reduced(theirs, axis=0), rtol=1e-5, atol=1e-5)
    low = ours == ours.min(axis=0)
    assert not low.all(axis=0).any()


def test_the_mean_is_that_of_the_loop_and_of_the_exact_sum():
    """A linear net: its mean is the prediction without dropout, its variance has a closed form."""
    dense = layers.Dense(1, use_bias=False)
    net = keras.Sequential([keras.Input((5,)), layers.Dropout(0.3), dense])
    samples = 3000
    result = mc_predict(net, X, samples, seed=0)
    terms = X * dense.kernel.numpy()[:, 0]
    std = np.sqrt((terms**2).sum(axis=1) * 0.3 / 0.7)
    assert (np.abs(result.mean[:, 0] - terms.sum(axis=1)) < 4 * std / np.sqrt(samples)).all()
    np.testing.assert_allclose(result.std[:, 0], std, rtol=0.06)  # its own error is about 1 / sqrt(2 · 3000)


# -- what it computes ---------------------------------------------------------------------------------------


def by_hand(samples):
    """Mean, standard deviation, entropy and mutual information from all samples, in double precision."""
    samples = samples.astype(float)
    mean = samples.mean(axis=0)
    entropy = stats.entropy(mean, axis=-1)
    return mean, samples.std(axis=0), entropy, entropy - stats.entropy(samples, axis=-1).mean(axis=0)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("dropout", [layers.Dropout, layers.AlphaDropout, layers.GaussianDropout])
def test_a_prediction_summarises_the_samples(dropout, xla, monkeypatch):
    monkeypatch.setattr(mc_dropout, "_XLA_FROM", 0 if xla else 10**9)
    net = classifier(dropout)
    result = mc_predict(net, X, 9, batch_size=3, seed=5)
    mean, std, entropy, information = by_hand(mc_samples(net, X, 9, batch_size=3, seed=5))
    np.testing.assert_allclose(result.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(result.std, std, rtol=1e-10)
    # scipy divides by the sum, which is 1 up to single precision.
    np.testing.assert_allclose(result.entropy, entropy, atol=1e-6)
    np.testing.assert_allclose(result.mutual_information, information, atol=1e-6)
    assert result.mean.shape == result.std.shape == (7, 3)
    assert result.entropy.shape == result.mutual_information.shape == (7,)
    assert (result.mutual_information > 0).all()


def test_one_sigmoid_is_the_probability_of_one_of_two_classes():
    net = classifier(last=layers.Dense(1, "sigmoid"))
    result = mc_predict(net, X, 9, seed=5)
    p = mc_samples(net, X, 9, seed=5)
    *_, entropy, information = by_hand(np.concatenate([p, 1 - p], axis=-1))
    np.testing.assert_allclose(result.entropy, entropy, atol=1e-6)
    np.testing.assert_allclose(result.mutual_information, information, atol=1e-6)


@pytest.mark.parametrize("last", [layers.Dense(1), layers.Dense(3), layers.Dense(2, "sigmoid")])
def test_values_that_are_no_probabilities_have_no_entropy(last):
    result = mc_predict(classifier(last=last), X, 9, seed=5)
    assert result.entropy is None
    assert result.mutual_information is None
    assert np.isfinite(result.mean).all()
    assert (result.std > 0).all()


def test_large_values_with_a_small_spread_keep_their_digits():
    outputs = [np.array([[1e8 + k, 3.0]]) for k in range(4)]
    moments = mc_dropout._Moments(outputs, one_sigmoid=False)
    np.testing.assert_allclose(moments.std, [[np.std([0, 1, 2, 3]), 0]])


def fail():
    raise ArithmeticError


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize(
    ("stop", "expected"),
    [(fail, ArithmeticError), (press_ctrl_c, KeyboardInterrupt)],
    ids=["failure", "Ctrl-C"],
)
def test_what_fails_in_one_batch_stops_the_others(stop, expected, failing, monkeypatch):
    passes = mc_dropout._Passes(
        around(layers.Dropout(0.5), (5,)), np.ones((6, 5), "float32"), 3000, 1, seed=0
    )
    seeds, drawn = mc_dropout._seeds, []

    def draw(seed, sample, first, count):
        drawn.append(first)
        if first == failing and sample == 3:
            stop()
        return seeds(seed, sample, first, count)

    monkeypatch.setattr(mc_dropout, "_seeds", draw)
    with pytest.raises(expected):
        passes.gathered(list)
    assert len(drawn) < 2000, "of six batches with three thousand passes each"


@pytest.mark.parametrize("xla", [False, True])
def test_the_hash_is_split_mix_64(xla):
    """The first words from the key 1234567, as Vigna's splitmix64.c gives them."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    hashed = tf.function(mc_dropout._split_mix_64, jit_compile=xla)
    places = tf.cast(tf.range(4, dtype=tf.int64), tf.uint64)
    assert hashed(tf.constant(1234567, tf.uint64), places).numpy().tolist() == published


def drawn_bits(seed, sample, first, images, *columns):
    """The bits of a net with layers of so many units each."""
    count = sum(-(-units // 4) for units in columns)
    key = tf.constant(mc_dropout._key(seed, sample))
    draws = mc_dropout._Draws(images, key, tf.constant(first, tf.int64), count)
    return np.concatenate([draws.bits(units).numpy() for units in columns], axis=1)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(1, 400), st.integers(0, 2**70))
@settings(max_examples=15)
def test_bits_belong_to_the_image_not_to_the_batch(columns, first, seed):
    whole = drawn_bits(seed, 3, 0, 700, *columns)
    assert whole.dtype == np.uint16
    np.testing.assert_array_equal(drawn_bits(seed, 3, first, 300, *columns), whole[first : first + 300])
    assert (drawn_bits(seed, 4, 0, 700, *columns) != whole).any()
    assert (drawn_bits(seed + 1, 3, 0, 700, *columns) != whole).any()


def test_no_word_is_used_twice():
    bits = drawn_bits(0, 0, 0, 1000, 40, 6, 4)
    used = np.concatenate([bits[:, :40], bits[:, 46:]], axis=1)  # six units leave half a word over
    used = np.ascontiguousarray(used).view(np.uint64)
    assert len(np.unique(used)) == used.size == 11_000


@pytest.mark.parametrize("bit", range(16))
def test_every_bit_is_a_fair_coin(bit):
    bits = drawn_bits(1, 0, 0, 2000, 64) >> bit & 1
    assert stats.binomtest(int(bits.sum()), bits.size, 0.5).pvalue > 1e-3


@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 10**6])
def test_the_batch_size_does_not_choose_the_masks(batch_size):
    expected = mc_predict(classifier(), X, 5, seed=1)
    result = mc_predict(classifier(), X, 5, batch_size, seed=1)
    # Other batches are other sums of eight float32 terms, in another order.
    np.testing.assert_allclose(result.mean, expected.mean, rtol=1e-5)
    np.testing.assert_allclose(result.std, expected.std, rtol=1e-4)


@pytest.mark.parametrize("dropout", [layers.Dropout, layers.AlphaDropout, layers.GaussianDropout])
def test_a_seed_gives_the_same_numbers_again_and_another_others(dropout):
    net = classifier(dropout)
    first = mc_samples(net, X, 4, seed=3)
    keras.utils.set_random_seed(1)
    tf.random.uniform((3,))
    np.testing.assert_array_equal(mc_samples(net, X, 4, seed=3), first)
    np.testing.assert_array_equal(mc_samples(mc_model(net), X, 4, seed=3), first)
    assert (mc_samples(net, X, 4, seed=4) != first).any()
    assert (mc_samples(net, X, 4) != mc_samples(net, X, 4)).any()
    # More samples begin with the same ones.
    np.testing.assert_array_equal(mc_samples(net, X, 6, seed=3)[:4], first)
    assert len(np.unique(first[:, 0, 0])) == 4


def test_memory_is_that_of_a_batch(monkeypatch):
    """Nothing with the size of all images by their units, or by the samples, is ever made."""
    passes = mc_dropout._Passes(classifier(), np.ones((1000, 5), "float32"), 2, 100, seed=0)
    outputs = list(passes.of(300))
    assert [output.shape for output in outputs] == [(100, 3)] * 2
    largest = max(
        value.shape.num_elements() or 0
        for operation in passes.program.graph.get_operations()
        for value in operation.outputs
        if value.shape.rank is not None and value.shape.is_fully_defined()
    )
    assert largest == 100 * 8


# -- it leaves no trace -------------------------------------------------------------------------------------


def trained(dropout=layers.Dropout):
    net = classifier(dropout)
    net.layers[1].trainable = False
    net.compile("adam", "sparse_categorical_crossentropy")
    net.fit(X, np.arange(7) % 3, epochs=2, verbose=0)
    return net


@pytest.mark.parametrize("dropout", [layers.Dropout, layers.GaussianDropout])
@pytest.mark.parametrize("use", [mc_model, lambda net: mc_predict(net, X, 3, seed=0)], ids=["mc", "predict"])
def test_the_original_is_as_before(use, dropout):
    net = trained(dropout)
    before = state(net)
    use(net)
    after = state(net)
    for what, value in before.items():
        np.testing.assert_equal(after[what], value, err_msg=f"{what} changed")
    # And it goes on training as if nothing had happened.
    other = trained(dropout)
    for one in (net, other):
        keras.utils.set_random_seed(7)
        one.fit(X, np.arange(7) % 3, epochs=2, verbose=0)
    np.testing.assert_equal(net.get_weights(), other.get_weights())


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ArithmeticError])
def test_the_original_is_as_before_after_an_interruption(failure, monkeypatch):
    net = trained()
    form = mc_model(net)
    before = state(net), state(form)

    def fail(*args):
        random.random()
        raise failure

    monkeypatch.setattr(mc_dropout, "_are_probabilities", fail)
    for model in (net, form):
        with pytest.raises(failure):
            mc_predict(model, X, 3, seed=0)
    np.testing.assert_equal(state(net)["weights"], before[0]["weights"])
    np.testing.assert_equal(state(net)["seeds"], before[0]["seeds"])
    np.testing.assert_equal(state(form)["seeds"], before[1]["seeds"])
    assert mc_dropout._current.get() is None


def test_the_form_is_not_changed_by_predicting():
    form = mc_model(trained())
    before = state(form)
    mc_predict(form, X, 3, seed=0)
    np.testing.assert_equal(state(form), before)


def test_batch_normalization_stays_in_inference():
    net = keras.Sequential([keras.Input((5,)), layers.BatchNormalization(), layers.Dropout(0.5)])
    net.layers[0].set_weights([np.full(5, v, "float32") for v in (2, 1, 3, 4)])
    drawn = mc_samples(net, X, 20, seed=0)
    expected = 2 * ((X - 3) / np.sqrt(4 + 1e-3) * 2 + 1)  # kept units are doubled
    np.testing.assert_allclose(
        drawn[drawn != 0], np.broadcast_to(expected, drawn.shape)[drawn != 0], rtol=1e-5
    )
    form = mc_model(net)
    form(X)
    np.testing.assert_array_equal(form.layers[0].get_weights()[2], np.full(5, 3))


# -- any model ----------------------------------------------------------------------------------------------

SEQUENCE = RNG.normal(size=(3, 6, 4)).astype("float32")
IMAGES = RNG.normal(size=(3, 8, 8, 2)).astype("float32")


def attention():
    inputs = keras.Input((6, 4))
    return keras.Model(inputs, layers.MultiHeadAttention(2, 3, dropout=0.5)(inputs, inputs))


def additive_attention():
    inputs = keras.Input((6, 4))
    return keras.Model(inputs, layers.Attention(dropout=0.5)([inputs, inputs]))


def around(layer, shape):
    return keras.Sequential([keras.Input(shape), layer])


RANDOM = {
    "SpatialDropout1D": lambda: (around(layers.SpatialDropout1D(0.5), (6, 4)), SEQUENCE),
    "SpatialDropout2D": lambda: (around(layers.SpatialDropout2D(0.5), (8, 8, 2)), IMAGES),
    "SpatialDropout3D": lambda: (
        around(layers.SpatialDropout3D(0.5), (2, 8, 8, 2)),
        np.ones((3, 2, 8, 8, 2)),
    ),
    "GaussianDropout": lambda: (around(layers.GaussianDropout(0.5), (4,)), np.ones((3, 4))),
    "GaussianNoise": lambda: (around(layers.GaussianNoise(0.5), (4,)), np.ones((3, 4))),
    "noise shape": lambda: (around(layers.Dropout(0.5, noise_shape=(None, 1, 4)), (6, 4)), SEQUENCE),
    "LSTM": lambda: (around(layers.LSTM(5, dropout=0.5), (6, 4)), SEQUENCE),
    "LSTM, recurrent": lambda: (around(layers.LSTM(5, recurrent_dropout=0.5), (6, 4)), SEQUENCE),
    "SimpleRNN": lambda: (around(layers.SimpleRNN(5, dropout=0.5), (6, 4)), SEQUENCE),
    "cells": lambda: (
        around(layers.RNN([layers.LSTMCell(5, dropout=0.5), layers.LSTMCell(3)]), (6, 4)),
        SEQUENCE,
    ),
    "Bidirectional": lambda: (around(layers.Bidirectional(layers.LSTM(5, dropout=0.5)), (6, 4)), SEQUENCE),
    "TimeDistributed": lambda: (around(layers.TimeDistributed(layers.Dropout(0.5)), (6, 4)), SEQUENCE),
    "MultiHeadAttention": lambda: (attention(), SEQUENCE),
    "Attention": lambda: (additive_attention(), SEQUENCE),
}


@pytest.mark.parametrize("name", RANDOM)
def test_every_layer_that_drops_in_training_is_active(name):
    net, x = RANDOM[name]()
    form = mc_model(net)
    drawn = mc_samples(form, x, 3, seed=1)
    assert np.ptp(drawn, axis=0).max() > 0
    np.testing.assert_array_equal(mc_samples(form, x, 3, seed=1), drawn)
    assert (np.array(form(x)) != np.array(form(x))).any(), "not random when called by hand"
    np.testing.assert_array_equal(np.array(net(x)), np.array(net(x)))


def test_spatial_dropout_drops_whole_channels():
    drawn = mc_samples(around(layers.SpatialDropout2D(0.5), (8, 8, 2)), np.ones((3, 8, 8, 2)), 5, seed=0)
    assert (drawn == drawn[:, :, :1, :1]).all()


def test_functional_with_two_inputs_and_a_model_inside():
    one, two = keras.Input((5,), name="one"), keras.Input((5,), name="two")
    inner = classifier()
    net = keras.Model([one, two], layers.Average()([inner(one), inner(two)]))
    drawn = mc_samples(net, [X, -X], 4, seed=0)
    assert drawn.shape == (4, 7, 3)
    assert np.ptp(drawn, axis=0).max() > 0
    named = keras.Model({"one": one, "two": two}, net([one, two]))
    np.testing.assert_array_equal(mc_samples(named, {"one": X, "two": -X}, 4, seed=0), drawn)


def test_a_layer_shared_with_a_model_inside_stays_shared():
    dense = layers.Dense(5)
    inner = keras.Sequential([keras.Input((5,)), dense, layers.Dropout(0.5)])
    inputs = keras.Input((5,))
    net = keras.Model(inputs, dense(inner(inputs)))
    form = mc_model(net)
    assert len(form.weights) == len(net.weights) == 2
    np.testing.assert_equal(form.get_weights(), net.get_weights())


class OwnDropout(layers.Dropout):
    """The class of many a book."""

    def call(self, inputs):
        return super().call(inputs, training=True)


class Halved(layers.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=training) / 2


def test_subclasses_of_dropout_keep_their_own_arithmetic():
    assert differs(classifier(OwnDropout), X)
    drawn = mc_samples(only(Halved(0.5)), np.ones((2, 500)), 3, seed=0)
    assert set(np.unique(drawn)) == {0, 1}


@keras.saving.register_keras_serializable(package="test_mc_dropout")
class Subclassed(keras.Model):
    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense, self.dropout = layers.Dense(units), layers.Dropout(0.5)

    def call(self, x, training=False):
        return self.dropout(self.dense(x), training=training)

    def build(self, input_shape):
        self.dense.build(input_shape)
        super().build(input_shape)

    def get_config(self):
        return {"units": self.units}


class Secretive(Subclassed):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def get_config(self):
        raise NotImplementedError


def test_a_subclassed_model_with_a_configuration():
    net = Subclassed(6)
    net(X)
    assert differs(net, X)
    np.testing.assert_equal(mc_model(net).get_weights(), net.get_weights())


def test_a_subclassed_model_without_one_is_refused():
    net = Secretive(abs)
    net(X)
    with pytest.raises(ValueError, match=r"Secretive\) cannot be copied.*get_config.*MCDropout"):
        mc_model(net)


def test_lambdas_are_no_obstacle():
    net = keras.Sequential([keras.Input((5,)), layers.Lambda(lambda x: 2 * x), layers.Dropout(0.5)])
    net.compile("sgd", lambda y, p: (y - p) ** 2)
    assert differs(net, X)


def test_random_images_stay_as_they_are():
    net = keras.Sequential([keras.Input((8, 8, 2)), layers.RandomFlip(), layers.Dropout(0.5)])
    drawn = mc_samples(net, IMAGES, 5, seed=0)
    np.testing.assert_allclose(drawn[drawn != 0], np.broadcast_to(2 * IMAGES, drawn.shape)[drawn != 0])


def test_half_precision():
    net = around(layers.Dropout(0.5, dtype="mixed_float16"), (5,))
    drawn = mc_samples(net, X, 3, seed=0)
    assert drawn.dtype == np.float16
    assert differs(net, X)


def test_xla_changes_rounding_only(monkeypatch):
    expected = mc_samples(classifier(), X, 5, seed=1)
    monkeypatch.setattr(mc_dropout, "_XLA_FROM", 0)
    np.testing.assert_allclose(mc_samples(classifier(), X, 5, seed=1), expected, rtol=1e-5)


class Looped(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dropout = layers.Dropout(0.5)

    def compute_output_shape(self, shape):
        return shape

    def call(self, x):
        return tf.map_fn(self.dropout, x)


def test_a_loop_that_is_not_over_a_cell_is_refused():
    with pytest.raises(ValueError, match="inside a loop over time steps"):
        mc_predict(around(Looped(), (5,)), X, 3)


def test_convolutions_run_without_xla():
    conv = keras.Sequential([keras.Input((8, 8, 2)), layers.Conv2D(2, 3), layers.Dropout(0.5)])
    assert not mc_dropout._xla_pays(conv)
    assert mc_dropout._xla_pays(classifier())
    assert differs(conv, IMAGES)


# -- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"n_samples": 1}, r"n_samples should be a whole number ≥ 2 .*received 1\."),
        ({"n_samples": 2.0}, r"n_samples .*received 2\.0"),
        ({"n_samples": True}, "n_samples .*received True"),
        ({"batch_size": 0}, "batch_size should be a whole number ≥ 1 .*received 0"),
        ({"batch_size": "8"}, "batch_size .*received '8'"),
        ({"seed": -1}, "seed should be a whole number ≥ 0 .*received -1"),
        ({"seed": 0.5}, r"seed .*received 0\.5"),
        ({"x": X[0]}, r"x should have the shape .*\(None, 5\).*received \[\(5,\)\].*x\[:1\]"),
        ({"x": X[:, :4]}, r"received \[\(7, 4\)\]"),
        ({"x": [X, X]}, "x should have the shape"),
        ({"x": X[:0]}, r"one or more images.*received \[0\]"),
        ({"x": ONE_NAN}, "x should be finite; received 1 value"),
        ({"x": "images"}, "array of numbers.*'images'"),
        ({"x": tf.data.Dataset.from_tensors(X)}, "not a dataset"),
        ({"model": "net"}, "model should be a keras.Model; received 'net'"),
        ({"model": layers.Dropout(0.5)}, "model should be a keras.Model"),
    ],
)
@pytest.mark.parametrize("function", [mc_predict, mc_samples])
def test_bad_arguments_are_refused_by_name_and_value(function, how, message):
    net = classifier()
    before = state(net)
    with pytest.raises(ValueError, match=message):
        function(**{"model": net, "x": X, "n_samples": 3, "seed": 0, **how})
    np.testing.assert_equal(state(net), before)


@pytest.mark.parametrize("function", [mc_model, lambda net: mc_predict(net, X, 3)])
def test_a_model_that_drops_nothing_is_refused(function):
    for rest in ([], [layers.Dropout(0.0)], [layers.BatchNormalization()]):
        net = keras.Sequential([keras.Input((5,)), layers.Dense(2), *rest])
        with pytest.raises(ValueError, match="no layer that drops at random"):
            function(net)
    with pytest.raises(ValueError, match="has no weights yet"):
        function(keras.Sequential([layers.Dense(2), layers.Dropout(0.5)]))


def test_recurrent_layers_that_drop_nothing_are_refused():
    for layer in (layers.LSTM(3), layers.RNN(layers.GRUCell(3)), layers.Dropout(1.0)):
        with pytest.raises(ValueError, match="no layer that drops at random"):
            mc_model(around(layer, (6, 4)))


def test_several_outputs_are_refused():
    inputs = keras.Input((5,))
    net = keras.Model(inputs, [layers.Dropout(0.5)(inputs), inputs])
    with pytest.raises(ValueError, match="should have one output; it has 2"):
        mc_predict(net, X, 3)


def test_a_net_whose_training_diverged_is_refused():
    net = classifier()
    net.layers[1].set_weights([np.full((5, 8), np.nan), np.zeros(8)])
    with pytest.raises(ValueError, match="puts out NaN or infinity"):
        mc_predict(net, X, 3)


def test_dropout_that_is_never_called_is_refused():
    class Idle(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.idle = layers.Dropout(0.5)

        def call(self, x):
            return x

    with pytest.raises(ValueError, match="drops nothing when it is called"):
        mc_predict(around(Idle(), (5,)), X, 3)
