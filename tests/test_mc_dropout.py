"""MC dropout: the masks are those of dropout, the original stays, and what is not known is refused."""

import random

import keras
import numpy as np
import pytest

from course_utils.mc_dropout import mc_model, mc_predict, mc_samples
from course_utils.stack import STACK

layers = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 5)).astype("float32")


def stacked(*inside, shape=(5,), **inputs):
    return keras.Sequential([keras.Input(shape, **inputs), *inside])


def classifier():
    keras.utils.set_random_seed(42)
    hidden = layers.Dense(8, "selu"), layers.BatchNormalization(), layers.Dropout(0.5)
    return stacked(layers.Dropout(0.3), *hidden, layers.Dense(3, "softmax"))


@pytest.fixture(scope="module")
def net():
    model = classifier()
    model.compile("adam", lambda y, p: (y - p) ** 2)  # a loss that no configuration can hold
    model.fit(X, np.eye(3)[np.arange(7) % 3], verbose=0)
    return model


# --- masks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.2, 0.005])
def test_dropout_drops_each_unit_with_its_rate_and_scales_the_others(rate):
    drawn = mc_samples(stacked(layers.Dropout(rate), shape=(500,)), np.ones((40, 500)), 50, seed=1)
    np.testing.assert_allclose(np.unique(drawn), [0, 1 / (1 - rate)], rtol=1e-6)
    error = (rate * (1 - rate) / drawn.size) ** 0.5
    assert abs(np.mean(drawn == 0) - rate) < 5 * error
    # Images, units and samples have masks of their own: two of them agree as often as chance has it.
    alike = rate**2 + (1 - rate) ** 2
    for one, other in ((drawn[0], drawn[1]), (drawn[:, 0], drawn[:, 1]), (drawn[..., 0], drawn[..., 1])):
        assert abs(np.mean(one == other) - alike) < 5 * (alike * (1 - alike) / one.size) ** 0.5


def test_alpha_dropout_keeps_mean_and_variance():
    x = RNG.normal(size=(40, 500))
    drawn = mc_samples(stacked(layers.AlphaDropout(0.3), shape=(500,)), x, 50, seed=1)
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [0, 1], atol=0.02)
    # The arithmetic is Keras': the same two lines of values, dropped and kept.
    zeros = np.zeros((10, 500), "float32")
    ours = mc_samples(stacked(layers.AlphaDropout(0.3), shape=(500,)), zeros, 2, seed=1)
    keras_own = np.array(layers.AlphaDropout(0.3)(zeros, training=True))
    np.testing.assert_allclose(np.unique(ours), np.unique(keras_own), rtol=1e-5)


def test_gaussian_dropout_multiplies_by_noise():
    drawn = mc_samples(
        stacked(layers.GaussianDropout(0.2), shape=(500,)), np.full((40, 500), 3.0), 50, seed=1
    )
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [3, 3 * 0.5], rtol=0.01)


@pytest.mark.parametrize(
    ("layer", "shape", "once"),
    [
        (layers.SpatialDropout1D(0.5), (6, 50), np.s_[:, :, :1]),
        (layers.SpatialDropout2D(0.5), (3, 4, 50), np.s_[:, :, :1, :1]),
        (layers.SpatialDropout2D(0.5, "channels_first"), (50, 3, 4), np.s_[..., :1, :1]),
        (layers.SpatialDropout3D(0.5), (2, 3, 4, 50), np.s_[:, :, :1, :1, :1]),
        (layers.Dropout(0.5, noise_shape=(None, 1, 50)), (6, 50), np.s_[:, :, :1]),
    ],
    ids=["1D", "2D", "channels first", "3D", "noise shape"],
)
def test_whole_channels_are_dropped(layer, shape, once):
    drawn = mc_samples(stacked(layer, shape=shape), np.ones((3, *shape)), 20, seed=0)
    assert (drawn == drawn[once]).all()
    assert 0.45 < np.mean(drawn[once] == 0) < 0.55


def test_a_layer_that_is_called_twice_draws_twice():
    inputs, dropout = keras.Input((500,)), layers.Dropout(0.5)
    net = keras.Model(inputs, layers.Subtract()([dropout(inputs), dropout(inputs)]))
    assert np.mean(mc_samples(net, np.ones((2, 500)), 2, seed=0) != 0) > 0.4


# --- seeds --------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_numbers_again_and_another_others(net):
    first = mc_samples(net, X, 4, seed=np.int64(3))
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(mc_samples(net, X, 4, seed=3), first)
    np.testing.assert_array_equal(mc_samples(mc_model(net), X, 4, seed=3), first)
    assert (mc_samples(net, X, 4, seed=4) != first).any()
    assert (mc_samples(net, X, 4) != mc_samples(net, X, 4)).any()
    assert len(np.unique(first[:, 0, 0])) == 4


@pytest.mark.parametrize("batch_size", [1, 3, 20])
def test_every_image_is_predicted_in_its_place(net, batch_size):
    """With almost no dropout, the samples are the usual prediction."""
    quiet = stacked(layers.Dense(3), layers.Dropout(1e-7))
    drawn = mc_samples(quiet, X, 5, batch_size, seed=1)
    assert drawn.shape == (5, 7, 3)
    np.testing.assert_allclose(drawn, np.broadcast_to(np.array(quiet(X)), drawn.shape), rtol=1e-4, atol=1e-5)
    samples = mc_samples(net, X, 5, batch_size, seed=1)
    result = mc_predict(net, X, 5, batch_size, seed=1)
    np.testing.assert_allclose(result.mean, samples.mean(axis=0), rtol=1e-5)
    assert len(np.unique(samples[:, :, 0])) == 35  # no mask stands twice


# --- uncertainty --------------------------------------------------------------------------------------------


def test_mean_spread_and_entropies_are_those_of_the_samples(net):
    p = mc_samples(net, X, 20, seed=5).astype(float)
    result = mc_predict(net, X, 20, seed=5)
    np.testing.assert_allclose(result.mean, p.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(result.std, p.std(axis=0), rtol=1e-6)
    entropy = -(p.mean(axis=0) * np.log(p.mean(axis=0))).sum(axis=-1)
    np.testing.assert_allclose(result.entropy, entropy)
    np.testing.assert_allclose(
        result.mutual_information, entropy + (p * np.log(p)).sum(axis=-1).mean(axis=0), atol=1e-12
    )
    assert (result.mutual_information > 0).all()


def test_one_sigmoid_is_the_probability_of_one_of_two_classes():
    two = mc_predict(stacked(layers.Dropout(0.5), layers.Dense(1, "sigmoid")), X, 5, seed=0)
    p = two.mean[:, 0]
    np.testing.assert_allclose(two.entropy, -p * np.log(p) - (1 - p) * np.log(1 - p))
    by_layer = stacked(layers.Dropout(0.5), layers.Dense(1), layers.Activation("sigmoid"))
    assert mc_predict(by_layer, X, 3).entropy is not None


def test_other_outputs_have_no_entropy():
    for last in (layers.Dense(3), layers.Dense(1), layers.Dense(3, "softplus")):
        result = mc_predict(stacked(layers.Dropout(0.5), last), X, 3)
        assert result.entropy is result.mutual_information is None


# --- the original -------------------------------------------------------------------------------------------


def state(net):
    optimizer = net.optimizer.variables
    return {
        "weights": net.get_weights(),
        "optimizer": [v.numpy() for v in (optimizer() if callable(optimizer) else optimizer)],
        "trainable": [layer.trainable for layer in net.layers] + [len(net.trainable_weights)],
        "classes": [type(layer) for layer in net.layers],
        "outputs": [layer.output.shape for layer in net.layers],  # an error, if a layer had two places
        "predictions": np.array(net(X)),
        "random": (random.getstate(), np.random.get_state()[1].tolist()),  # noqa: NPY002
        "variables": [v.numpy() for v in net.variables],
    }


@pytest.mark.parametrize("use", [mc_predict, mc_samples])
def test_the_original_and_the_random_states_stay(net, use):
    net.layers[1].trainable = False
    before = state(net)
    use(net, X, 3, seed=0)
    np.testing.assert_equal(state(net), before)
    net.layers[1].trainable = True


def test_the_mc_net_shares_the_weights_and_not_the_places(net):
    before = state(net)
    mc_net = mc_model(net)
    after = state(net)
    np.testing.assert_equal(after | {"random": 0}, before | {"random": 0})
    assert all(one is other for one, other in zip(net.weights, mc_net.weights, strict=True))
    assert len({float(np.array(mc_net(X[:1]))[0, 0]) for _ in range(5)}) > 1
    assert (mc_net.predict(X, verbose=0) != mc_net.predict(X, verbose=0)).any()
    shared = classifier()
    mc_shared = mc_model(shared)
    shared.set_weights([w + 1 for w in shared.get_weights()])
    np.testing.assert_equal(mc_shared.get_weights(), shared.get_weights())


def test_the_original_trains_on_as_if_nothing_had_happened():
    results = []
    for use in (lambda net: None, lambda net: mc_predict(net, X, 3, seed=0)):
        net = classifier()
        net.compile("adam", "mse", run_eagerly=True)
        use(net)
        keras.utils.set_random_seed(7)
        net.fit(X, X[:, :3], epochs=2, verbose=0)
        results.append(net.get_weights())
    np.testing.assert_equal(*results)


def test_batch_normalization_stays_in_inference():
    net = stacked(layers.BatchNormalization(), layers.Dropout(0.5))
    net.layers[0].set_weights([np.full(5, v, "float32") for v in (2, 1, 3, 4)])
    drawn = mc_samples(net, X, 20, seed=0)
    expected = np.broadcast_to(2 * ((X - 3) / np.sqrt(4 + 1e-3) * 2 + 1), drawn.shape)  # kept: doubled
    np.testing.assert_allclose(drawn[drawn != 0], expected[drawn != 0], rtol=1e-5)
    np.testing.assert_array_equal(net.layers[0].get_weights()[2], np.full(5, 3))


# --- layers whose state is not learnt by gradient -----------------------------------------------------------


def normalization():
    layer = layers.Normalization()
    layer.adapt(5 * X + 3)
    return stacked(layer), X


def rescaling():
    return stacked(layers.Rescaling(1 / 255, offset=-1)), X


def discretization():
    layer = layers.Discretization(num_bins=3, output_mode="one_hot")
    layer.adapt(X[:, :1])
    return stacked(layer, shape=(1,)), X[:, :1]


def integer_lookup():
    layer = layers.IntegerLookup(output_mode="multi_hot")
    layer.adapt(np.array([3, 4, 5]))
    return stacked(layer, shape=(2,), dtype="int64"), np.array([[3, 5], [4, 9]])


def string_lookup():
    layer = layers.StringLookup(output_mode="multi_hot")
    layer.adapt(np.array(["a", "b"]))
    return stacked(layer, shape=(2,), dtype="string"), np.array([["a", "b"], ["b", "?"]])


def text_vectorization():
    layer = layers.TextVectorization(output_mode="count")
    layer.adapt(np.array(["one two", "two three"]))
    return stacked(layer, shape=(1,), dtype="string"), np.array([["two two"], ["three four"]])


ADAPTED = [normalization, rescaling, discretization, integer_lookup, string_lookup, text_vectorization]


@pytest.mark.parametrize("make", ADAPTED)
def test_adapted_layers_give_what_they_have_adapted(make):
    first, x = make()
    inputs = keras.Input(first.input_shape[1:], dtype=first.inputs[0].dtype)
    scores = layers.Dropout(1e-7)(layers.Dense(2)(first(inputs)))
    net = keras.Model(inputs, scores)
    drawn = mc_samples(net, x, 2, seed=0)
    expected = np.array(net(keras.ops.convert_to_tensor(x) if STACK == "keras3" else x))
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(drawn[0], expected, rtol=1e-5, atol=1e-6)


# --- nets ---------------------------------------------------------------------------------------------------


def test_nested_nets_with_two_inputs_by_list_and_by_name(net):
    one, two = keras.Input((5,), name="one"), keras.Input((5,), name="two")
    outputs = layers.Average()([net(one), net(two)])
    drawn = mc_samples(keras.Model([one, two], outputs), [X, -X], 4, seed=0)
    assert drawn.shape == (4, 7, 3)
    assert np.ptp(drawn, axis=0).min() > 0
    named = keras.Model({"one": one, "two": two}, outputs)
    np.testing.assert_allclose(mc_samples(named, {"one": X, "two": -X}, 4, seed=0), drawn, rtol=1e-6)


@pytest.mark.parametrize("training", [{}, {"training": False}, {"training": True}])
def test_it_drops_what_training_drops(training):
    """``base(x, training=False)`` is off in training with Keras 2, and on with Keras 3."""
    base = stacked(layers.Dropout(0.5), shape=(2000,))
    inputs, x = keras.Input((2000,)), np.ones((1, 2000), "float32")
    net = keras.Model(inputs, layers.Dropout(0.2)(base(inputs, **training)))
    if training.get("training") and STACK == "addons":
        with pytest.raises(ValueError, match="training="):
            mc_model(net)
        return
    trained = np.mean(np.array(net(x, training=True)) == 0)
    assert abs(np.mean(mc_samples(net, x, 2, seed=0) == 0) - trained) < 0.06
    # A base without dropout may be called in any way.
    quiet = stacked(layers.Dense(3), layers.BatchNormalization(), shape=(2000,))
    assert mc_model(keras.Model(inputs, layers.Dropout(0.2)(quiet(inputs, training=False))))


def test_a_base_that_is_called_both_ways_is_refused_or_dropped():
    base, inputs = stacked(layers.Dropout(0.5)), keras.Input((5,))
    net = keras.Model(inputs, layers.Add()([base(inputs), base(inputs, training=False)]))
    if STACK == "addons":
        with pytest.raises(ValueError, match=r"calls its layer .* with training=.*False"):
            mc_model(net)
    else:
        assert mc_samples(net, np.ones((50, 5)), 2, seed=0).min() == 0


def test_random_images_stay_as_they_are():
    images = RNG.normal(size=(3, 8, 8, 2)).astype("float32")
    drawn = mc_samples(stacked(layers.RandomFlip(), layers.Dropout(0.5), shape=(8, 8, 2)), images, 5, seed=0)
    np.testing.assert_allclose(drawn[drawn != 0], np.broadcast_to(2 * images, drawn.shape)[drawn != 0])


def test_lambdas_shared_layers_and_half_precision():
    dense = layers.Dense(5)
    inner = stacked(dense, layers.Dropout(0.5, dtype="mixed_float16"))
    inputs = keras.Input((5,))
    net = keras.Model(inputs, layers.Lambda(lambda x: 2 * x)(dense(inner(inputs))))
    assert len(mc_model(net).weights) == len(net.weights) == 2
    assert mc_samples(net, X, 3, seed=0).shape == (3, 7, 5)
    half = stacked(layers.Dropout(0.5, dtype="mixed_float16"))
    assert mc_samples(half, X, 3).dtype == np.float16


# --- refused ------------------------------------------------------------------------------------------------


class OwnDropout(layers.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=training) / 2


class Hidden(layers.Layer):
    """Dropout inside a layer, whose `call` does not speak of training."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dropout = layers.Dropout(0.5)

    def call(self, x):
        return self.dropout(x)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dropout, self.dense = layers.Dropout(0.5), layers.Dense(2)

    def call(self, x, training=None):
        return self.dense(self.dropout(x, training=training))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.GaussianNoise(0.5), (5,)),
        (layers.LSTM(3, dropout=0.5), (6, 4)),
        (layers.GRU(3, recurrent_dropout=0.5), (6, 4)),
        (layers.Bidirectional(layers.LSTM(3, dropout=0.5)), (6, 4)),
        (layers.RNN([layers.LSTMCell(3, dropout=0.5)]), (6, 4)),
        (layers.TimeDistributed(layers.Dropout(0.5)), (6, 4)),
        (OwnDropout(0.5), (5,)),
        (Hidden(), (5,)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_layer_that_is_random_in_another_way_is_refused(layer, shape):
    net = stacked(layer, layers.Dropout(0.5), shape=shape)
    with pytest.raises(
        ValueError, match=rf"{layer.name}' \({type(layer).__name__}\) .* is random in training"
    ):
        mc_model(net)


def test_attention_with_dropout_is_refused_and_without_taken():
    inputs = keras.Input((6, 4))
    for rate in (0.5, 0.0):
        attended = layers.MultiHeadAttention(2, 3, dropout=rate)(inputs, inputs)
        net = keras.Model(inputs, layers.Dropout(0.5)(attended))
        if rate:
            with pytest.raises(ValueError, match="MultiHeadAttention"):
                mc_model(net)
        else:
            assert mc_samples(net, RNG.normal(size=(2, 6, 4)), 2).shape == (2, 2, 6, 4)


def test_nets_that_cannot_be_asked_are_refused(net):
    subclassed = Subclassed()
    subclassed(X)
    for model, message in [
        ("net", r"`model` should be a keras.Model; received 'net'"),
        (layers.Dropout(0.5), "`model` should be a keras.Model"),
        (keras.Sequential([layers.Dropout(0.5), layers.Dense(2)]), "has no weights yet"),
        (stacked(layers.Dense(2), layers.Dropout(0.0), layers.LeakyReLU()), "drops no units"),
        (stacked(layers.Dense(2), layers.Dropout(1.0)), "with a rate below 1"),
        (subclassed, "should be Sequential or functional, not Subclassed"),
    ]:
        with pytest.raises(ValueError, match=message):
            mc_model(model)
    inputs = keras.Input((5,))
    with pytest.raises(ValueError, match="should have one output; it has 2"):
        mc_predict(keras.Model(inputs, [layers.Dropout(0.5)(inputs), inputs]), X, 3)
    diverged = stacked(
        layers.Dense(2, kernel_initializer=keras.initializers.Constant(np.nan)), layers.Dropout(0.5)
    )
    with pytest.raises(ValueError, match="returns NaN or infinity"):
        mc_predict(diverged, X, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_samples": 1}, r"`n_samples` should be a whole number ≥ 2; received 1"),
        ({"batch_size": 0}, r"`batch_size` should be a whole number ≥ 1; received 0"),
        ({"seed": -1}, "`seed` should be a whole number .*received -1"),
        ({"x": X[0]}, r"`x` should have the shape .*\(None, 5\).*received \[\(5,\)\].*x\[:1\]"),
        ({"x": [X, X]}, "`x` should have the shape"),
        ({"x": X[:, :4]}, "shape"),  # Keras' own words
        ({"x": X[:0]}, r"`x` should hold at least one image"),
        ({"x": np.where(X > 1, np.nan, X)}, "`x` should be an array of finite numbers"),
    ],
)
def test_bad_arguments_are_refused(net, change, message):
    with pytest.raises(ValueError, match=message):
        mc_predict(**{"model": net, "x": X, "n_samples": 3, "seed": 0, **change})
