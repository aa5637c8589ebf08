"""What WeightNormalization promises: on both stacks where both have it, the rest on keras3."""

import gc
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.addons import WeightNormalization
from course_utils.stack import STACK

layers = keras.layers
keras3 = pytest.mark.skipif(
    STACK != "keras3", reason="this is our class; the addons stack has TensorFlow Addons' own, as it is"
)
addons = pytest.mark.skipif(STACK != "addons", reason="TensorFlow Addons is only on the addons stack")
quiet_rnn = pytest.mark.filterwarnings("ignore:data-dependent initialization of the recurrent layer")


def data(*shape, seed=0, shift=0.5, scale=2.0):
    rng = np.random.default_rng(seed)
    return (shift + scale * rng.normal(size=shape)).astype("float32")


def is_settled(wrapper):
    return bool((wrapper.initialized if STACK == "keras3" else wrapper._initialized).numpy())


def the_same(seed=7):
    """Draw the same in every net. A seed set for all would drop what TensorFlow has compiled so far."""
    return keras.initializers.GlorotUniform(seed=seed)


def small_net(data_init=True, jit_compile=False, convolution=True, **kwargs):
    """Two wrapped layers. A convolution takes TensorFlow, and XLA above all, longer to build."""
    if convolution:
        first = layers.Conv2D(3, 3, activation="relu", kernel_initializer=the_same())
    else:
        first = layers.Dense(3, activation="relu", kernel_initializer=the_same())
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            WeightNormalization(first, data_init=data_init),
            layers.Flatten(),
            WeightNormalization(layers.Dense(4, kernel_initializer=the_same()), data_init=data_init),
        ]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", jit_compile=jit_compile, **kwargs)
    return model


X, Y = data(40, 6, 6, 2), data(40, 4, seed=1)


def wrappers(model):
    return [layer for layer in model.layers if isinstance(layer, WeightNormalization)]


def trained_weights(model):
    """g, v and bias of each wrapper: what both stacks have in the same order."""
    return [w.numpy() for wrapper in wrappers(model) for w in (wrapper.g, wrapper.v, wrapper.layer.bias)]


def assert_same(found, expected, what, rtol=1e-6, atol=1e-6):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=what)


# -- what it computes (both stacks) --------------------------------------------------------------------------


@pytest.mark.parametrize("data_init", [True, False, "paper"])
def test_outputs_are_those_of_g_v_over_norm(data_init):
    wrapper = WeightNormalization(layers.Dense(4, activation="tanh"), data_init=data_init)
    x = data(16, 5)
    outputs = wrapper(x).numpy()
    v, g = wrapper.v.numpy(), wrapper.g.numpy()
    w = g * v / np.linalg.norm(v, axis=0)
    np.testing.assert_allclose(outputs, np.tanh(x @ w + wrapper.layer.bias.numpy()), atol=2e-6)


@pytest.mark.parametrize(
    ("make_layer", "shape"),
    [
        (lambda: layers.Dense(4, activation="relu", bias_initializer="ones"), (16, 5)),
        (lambda: layers.Conv1D(3, 3, activation="tanh"), (8, 9, 2)),
        (lambda: layers.Conv2D(3, 3, strides=2, activation="relu"), (8, 7, 7, 2)),
        (lambda: layers.Conv3D(2, 2), (4, 4, 4, 4, 2)),
        pytest.param(lambda: layers.Conv1DTranspose(3, 4, strides=2), (8, 5, 2), marks=keras3),
        pytest.param(lambda: layers.Conv2DTranspose(3, 3, activation="relu"), (8, 5, 5, 2), marks=keras3),
        pytest.param(lambda: layers.Conv3DTranspose(2, 2), (4, 3, 3, 3, 3), marks=keras3),
        pytest.param(
            lambda: layers.EinsumDense("abc,cd->abd", (4, 3), bias_axes="d"), (8, 4, 5), marks=keras3
        ),
    ],
)
def test_paper_initialization_standardises_the_first_batch(make_layer, shape):
    layer = make_layer()
    wrapper = WeightNormalization(layer, data_init="paper")
    x = data(*shape)
    wrapper(x)
    activation, layer.activation = layer.activation, keras.activations.linear
    pre_activations = wrapper(x).numpy().reshape(-1, wrapper.layer.bias.shape[0])
    layer.activation = activation
    np.testing.assert_allclose(pre_activations.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(pre_activations.std(0), 1, atol=1e-3)


def test_paper_initialization_without_bias_keeps_the_mean():
    wrapper = WeightNormalization(layers.Dense(4, use_bias=False), data_init="paper")
    outputs = wrapper(data(64, 5)).numpy()
    np.testing.assert_allclose(outputs.std(0), 1, atol=1e-3)
    assert np.abs(outputs.mean(0)).max() > 0.01


def test_addons_initialization_takes_the_moments_under_the_raw_v():
    x = data(32, 5)
    layer = layers.Dense(4, activation="relu", bias_initializer=keras.initializers.Constant(0.3))
    wrapper = WeightNormalization(layer)
    outputs_are_half = (wrapper(x).numpy() > 0).mean()
    raw = x @ wrapper.v.numpy() + 0.3
    np.testing.assert_allclose(wrapper.g.numpy(), 1 / raw.std(0), rtol=1e-5)
    np.testing.assert_allclose(wrapper.layer.bias.numpy(), -raw.mean(0) / raw.std(0), rtol=1e-4, atol=1e-5)
    assert 0.1 < outputs_are_half < 0.9


def test_data_init_false_leaves_a_trained_layer_as_it_is():
    for make_layer, shape in [(lambda: layers.Dense(3), (4, 5)), (lambda: layers.LSTM(3), (4, 6, 2))]:
        layer, x = make_layer(), data(*shape)
        plain = layer(x).numpy()
        # One division and one multiplication more than the plain layer.
        np.testing.assert_allclose(WeightNormalization(layer, data_init=False)(x).numpy(), plain, atol=2e-6)


def test_gradients_are_the_papers_formula():
    # Equation 3 of the paper, evaluated in float64 from the gradient for w of a plain matrix product.
    layer = layers.Dense(3, use_bias=False, dtype="float64")
    wrapper = WeightNormalization(layer, data_init=False, dtype="float64")
    x = tf.constant(data(6, 4), tf.float64)
    wrapper(x)
    wrapper.g.assign([0.5, -2.0, 3.0])
    v, g = wrapper.v.numpy(), wrapper.g.numpy()
    norm = np.linalg.norm(v, axis=0)
    w = tf.constant(g * v / norm)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(wrapper(x) ** 3)
    grad_g, grad_v = tape.gradient(loss, [wrapper.g, wrapper.v])
    with tf.GradientTape() as tape:
        tape.watch(w)
        loss = tf.reduce_sum((x @ w) ** 3)
    grad_w = tape.gradient(loss, w).numpy()
    expected_g = (grad_w * v).sum(0) / norm
    expected_v = g / norm * grad_w - g * expected_g / norm**2 * v
    np.testing.assert_allclose(grad_g, expected_g, rtol=1e-10)
    np.testing.assert_allclose(grad_v, expected_v, rtol=1e-9, atol=1e-9)


class TestProperties:
    wrapper = None

    def make(self):
        if TestProperties.wrapper is None:
            TestProperties.wrapper = WeightNormalization(layers.Dense(2, use_bias=False), data_init=False)
            TestProperties.wrapper(data(3, 3))
        return TestProperties.wrapper

    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(st.floats(1e-2, 1e3), st.integers(0, 1000))
    def test_outputs_do_not_depend_on_the_length_of_v(self, factor, seed):
        wrapper, x, v = self.make(), data(3, 3), data(3, 2, seed=seed)
        wrapper.v.assign(v)
        before = wrapper(x).numpy()
        wrapper.v.assign(v * np.float32(factor))
        np.testing.assert_allclose(wrapper(x).numpy(), before, rtol=1e-4, atol=1e-5)

    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=2), st.integers(0, 1000))
    def test_weights_have_the_length_g(self, g, seed):
        wrapper = self.make()
        wrapper.v.assign(data(3, 2, seed=seed))
        wrapper.g.assign(g)
        weights = wrapper(np.eye(3, dtype="float32")).numpy()
        np.testing.assert_allclose(np.linalg.norm(weights, axis=0), np.abs(g), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("data_init", [None, 1, "Paper", [True]])
def test_data_init_must_be_one_of_three(data_init):
    with pytest.raises(ValueError, match="`data_init` should be True, False or 'paper'; received "):
        WeightNormalization(layers.Dense(2), data_init=data_init)


def test_paper_initialization_is_not_for_recurrent_layers():
    with pytest.raises(
        ValueError, match=r"`data_init` should be False for a recurrent layer.*; received 'paper'"
    ):
        WeightNormalization(layers.LSTM(2), data_init="paper")


@pytest.mark.parametrize("data_init", [True, False, "paper"])
def test_config_round_trip(data_init):
    wrapper = WeightNormalization(layers.Dense(3, activation="relu"), data_init=data_init, name="wn")
    again = WeightNormalization.from_config(wrapper.get_config())
    assert (again.data_init, again.name, again.layer.units) == (data_init, "wn", 3)
    assert again.layer is not wrapper.layer
    assert again.get_config() == wrapper.get_config()


@pytest.mark.parametrize("data_init", [True, False, "paper"])
def test_remove_gives_a_plain_layer_with_the_same_outputs(data_init):
    x = data(16, 5)
    wrapper = WeightNormalization(layers.Dense(4, activation="tanh"), data_init=data_init)
    wrapper(x)
    wrapper.g.assign(wrapper.g.numpy() * [1, -1, 2, -2])
    before = wrapper(x).numpy()
    plain = wrapper.remove()
    assert type(plain) is layers.Dense
    np.testing.assert_allclose(plain(x).numpy(), before, atol=2e-6)


BIDIRECTIONAL = {
    "inside": lambda rnn: layers.Bidirectional(WeightNormalization(rnn(3), data_init=False)),
    "two inside": lambda rnn: layers.Bidirectional(
        WeightNormalization(rnn(3), data_init=False),
        backward_layer=WeightNormalization(rnn(3, go_backwards=True), data_init=False),
    ),
    "outside": lambda rnn: WeightNormalization(layers.Bidirectional(rnn(3)), data_init=False),
}


@pytest.mark.parametrize("rnn", [layers.GRU, layers.LSTM, layers.SimpleRNN])
@pytest.mark.parametrize("where", BIDIRECTIONAL)
def test_bidirectional_is_refused_with_the_form_that_works(where, rnn):
    with pytest.raises(ValueError, match=r"cannot be combined\..* go_backwards=True, and join their outputs"):
        BIDIRECTIONAL[where](rnn)


@pytest.mark.parametrize("return_sequences", [False, True])
def test_the_form_that_works_is_what_bidirectional_computes(return_sequences):
    x = data(4, 6, 2)
    plain = layers.Bidirectional(layers.GRU(3, return_sequences=return_sequences))
    expected = plain(x)
    both = []
    for layer in (plain.forward_layer, plain.backward_layer):
        own = layers.GRU.from_config(layer.get_config())
        own.build(x.shape)
        own.set_weights(layer.get_weights())
        wrapper = WeightNormalization(own, data_init=False)
        again = WeightNormalization.from_config(wrapper.get_config())
        assert again.layer.go_backwards == own.go_backwards
        both.append(wrapper(x).numpy())
    if return_sequences:
        both[1] = both[1][:, ::-1]
    np.testing.assert_allclose(np.concatenate(both, -1), expected, atol=1e-6)


# -- in models (both stacks) ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("data_init", "steps_per_execution"), [(True, 3), (False, 1), ("paper", 1)])
def test_fit_initializes_from_its_first_batch_as_a_call_by_hand_does(data_init, steps_per_execution):
    in_fit = small_net(data_init, steps_per_execution=steps_per_execution)
    in_fit.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    by_hand = small_net(data_init)
    by_hand(X[:8])
    by_hand.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    assert all(is_settled(wrapper) for wrapper in wrappers(in_fit))
    assert_same(trained_weights(in_fit), trained_weights(by_hand), "fit settles g on its first batch only")
    if STACK == "keras3":
        assert_no_check_left(in_fit)


@pytest.mark.parametrize("first", ["predict", "evaluate"])
def test_predict_or_evaluate_may_come_first(first):
    model, by_hand = small_net(), small_net()
    by_hand(X[:20])
    outputs = by_hand(X).numpy()
    if first == "predict":
        np.testing.assert_allclose(model.predict(X, batch_size=20, verbose=0), outputs, atol=1e-5)
    else:
        loss = model.evaluate(X, Y, batch_size=20, verbose=0)
        assert loss == pytest.approx(np.mean((outputs - Y) ** 2), rel=1e-5)
    settled = trained_weights(model)
    assert_same(settled, trained_weights(by_hand), "initial values")
    if STACK == "keras3":
        assert_no_check_left(model, {"predict": "predict", "evaluate": "test"}[first])
    model.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    assert np.abs(trained_weights(model)[0] - settled[0]).max() > 1e-6, "g was not trained"


def test_same_seed_gives_the_same_weights():
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(7)  # and so the order of the examples
        model = small_net(run_eagerly=True)
        model.fit(X[:16], Y[:16], batch_size=8, verbose=0)
        runs.append(trained_weights(model))
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


# -- TensorFlow Addons' own (addons stack) -------------------------------------------------------------------


@addons
def test_it_is_tensorflow_addons_class():
    import tensorflow_addons as tfa

    assert issubclass(WeightNormalization, tfa.layers.WeightNormalization)
    with pytest.raises(ValueError, match="per input channel"):
        WeightNormalization(layers.Conv2DTranspose(2, 3), data_init="paper")


# -- ours (keras3) -------------------------------------------------------------------------------------------


def tf_functions(function):
    """Every tf.function in the closures of one of a model's step functions."""
    found, queue, seen = [], [function], set()
    while queue:
        item = queue.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, tf.types.experimental.PolymorphicFunction):
            found.append(item)
            queue.append(item.python_function)
        elif inspect.isfunction(item):
            queue += [value for value in inspect.getclosurevars(item).nonlocals.values() if callable(value)]
            queue.append(getattr(item, "__wrapped__", None))
    return found


def checks_initialization(functions, wrapper):
    """Whether a traced graph still looks at the wrapper's flag."""
    traced = [one for function in functions for one in function._list_all_concrete_functions()]
    assert traced, "nothing was traced, so nothing was shown"
    handle = wrapper.initialized.value.handle
    return any(external is handle for one in traced for external, _ in one.graph.captures)


def assert_no_check_left(model, kind="train", of=None):
    for wrapper in wrappers(of or model):
        assert is_settled(wrapper)
        assert not checks_initialization(tf_functions(getattr(model, f"{kind}_function")), wrapper)


@keras3
def test_no_check_is_left_in_the_training_step_of_xla():
    model = small_net(jit_compile=True, convolution=False)
    model.fit(X, Y, batch_size=8, verbose=0)
    assert_no_check_left(model)


@keras3
def test_a_function_of_ones_own_keeps_the_check_and_is_right():
    model, by_hand = small_net(), small_net()
    traced = tf.function(lambda x: model(x))
    np.testing.assert_allclose(traced(X[:8]), by_hand(X[:8]), atol=1e-5)
    np.testing.assert_allclose(traced(X[8:16]), by_hand(X[8:16]), atol=1e-5)
    assert checks_initialization([traced], wrappers(model)[0])  # so the probe of the tests above can see one


@keras3
def test_fit_traces_twice_and_only_twice():
    calls = []

    class Counted(layers.Dense):
        def call(self, inputs):
            calls.append(tf.executing_eagerly())
            return super().call(inputs)

    def count(data_init):
        model = keras.Sequential([keras.Input((5,)), WeightNormalization(Counted(2), data_init=data_init)])
        model.compile(optimizer="sgd", loss="mse", jit_compile=False)
        calls.clear()
        model.fit(data(32, 5), data(32, 2), batch_size=8, epochs=2, verbose=0)
        return len(calls)

    # Nothing to look at in the data: one trace. Else two, the first with the trial call of the
    # initialization.
    assert (count(False), count(True)) == (1, 3)


@keras3
def test_nested_models_and_custom_train_steps():
    inner = keras.Sequential([WeightNormalization(layers.Dense(3, activation="relu")), layers.Dense(2)])

    class Trainer(keras.Model):
        """Calls a part of itself, as a GAN does: the outermost layer called is not the model that trains."""

        def __init__(self):
            super().__init__()
            self.part = inner

        def train_step(self, batch):
            x, y = batch
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self.part(x, training=True) - y) ** 2)
            variables = self.part.trainable_variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            return {"loss": loss}

    model = Trainer()
    model.compile(optimizer="sgd", jit_compile=False)
    model.fit(data(32, 5), data(32, 2), batch_size=8, verbose=0)
    assert_no_check_left(model, of=inner)

    middle = small_net(convolution=False)
    inputs = keras.Input((6, 6, 2))
    outer = keras.Model(inputs, layers.Dense(1)(keras.Sequential([middle])(inputs)))
    outer.compile(optimizer="sgd", loss="mse", jit_compile=False)
    outer.fit(X, Y[:, :1], batch_size=8, verbose=0)
    assert_no_check_left(outer, of=middle)


@keras3
def test_subclassed_model():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = WeightNormalization(layers.Dense(3, activation="relu"), data_init="paper")
            self.out = WeightNormalization(layers.Dense(1))

        def call(self, x):
            return self.out(self.hidden(x))

    model = Net()
    model.compile(optimizer="sgd", loss="mse", jit_compile=False)
    model.fit(data(32, 5), data(32, 1), batch_size=8, verbose=0)
    assert_no_check_left(model)
    assert model(data(4, 5)).shape == (4, 1)


@keras3
def test_one_wrapper_in_two_places_settles_at_the_first():
    def build():
        dense, inputs = layers.Dense(5, kernel_initializer=the_same()), keras.Input((5,))
        shared = WeightNormalization(dense, name="wn")
        model = keras.Model(inputs, shared(shared(inputs)))
        model.compile(optimizer="sgd", loss="mse", jit_compile=False)
        return model

    x = data(16, 5)
    in_fit, by_hand = build(), build()
    outputs = by_hand(x)
    np.testing.assert_allclose(in_fit.predict(x, verbose=0), outputs, atol=1e-5)
    raw = x @ by_hand.get_layer("wn").v.numpy()
    np.testing.assert_allclose(by_hand.get_layer("wn").g.numpy(), 1 / raw.std(0), rtol=1e-5)
    in_fit.fit(x, x, verbose=0)
    assert_no_check_left(in_fit)


@keras3
def test_gradient_tape_by_hand_trains_g_and_v():
    wrapper = WeightNormalization(layers.Dense(2))
    x = data(16, 5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(wrapper(x) ** 2)
    names = [variable.name for variable in wrapper.trainable_variables]
    gradients = tape.gradient(loss, wrapper.trainable_variables)
    assert names == ["g", "kernel", "bias"]
    # v only turns: its gradient has no part along v.
    g_v = gradients[1].numpy()
    np.testing.assert_allclose((g_v * wrapper.v.numpy()).sum(0), 0, atol=1e-5)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


@keras3
@pytest.mark.parametrize(
    ("make_layer", "shape"),
    [
        (lambda: layers.Conv2DTranspose(3, 2, strides=2), (4, 5, 5, 4)),
        (lambda: layers.Conv1DTranspose(4, 3), (4, 5, 2)),
    ],
)
def test_transposed_convolutions_have_one_norm_per_output_channel(make_layer, shape):
    wrapper = WeightNormalization(make_layer(), data_init=False)
    x = data(*shape)
    plain = make_layer()
    plain.build(shape)
    wrapper(x)
    g = np.linspace(-1, 2, wrapper.layer.filters).astype("float32")
    wrapper.g.assign(g)
    kernel = wrapper.v.numpy()
    norms = np.sqrt((kernel**2).sum(axis=(*range(kernel.ndim - 2), kernel.ndim - 1)))
    plain.set_weights([kernel * (g / norms)[:, None], wrapper.layer.bias.numpy()])
    np.testing.assert_allclose(wrapper(x), plain(x), atol=1e-5)


@keras3
def test_recurrent_layers_have_their_recurrent_kernel_normalised():
    wrapper = WeightNormalization(layers.LSTM(3), data_init=False)
    x = data(4, 6, 2)
    before = wrapper(x).numpy()
    assert wrapper.v is wrapper.layer.cell.recurrent_kernel
    assert wrapper.g.shape == (12,)
    wrapper.v.assign(wrapper.v * 5)
    np.testing.assert_allclose(wrapper(x), before, atol=1e-5)
    wrapper.layer.cell.kernel.assign(wrapper.layer.cell.kernel * 5)
    assert np.abs(wrapper(x) - before).max() > 0.1


@keras3
@pytest.mark.filterwarnings("error:Layer .* was passed an input with a mask")
def test_recurrent_layers_pass_states_and_masks():
    with pytest.warns(UserWarning, match="the paper advises against it") as warned:
        wrapper = WeightNormalization(layers.GRU(3, return_state=True, return_sequences=True))
    assert warned[0].filename == __file__, "the warning should point at the caller's line"
    x = data(4, 6, 2)
    outputs, state = wrapper(x, initial_state=tf.ones((4, 3)))
    assert outputs.shape == (4, 6, 3)
    np.testing.assert_allclose(outputs[:, -1], state)
    _, other = wrapper(x, initial_state=tf.zeros((4, 3)))
    assert np.abs(state - other).max() > 1e-4

    unmasked = layers.Dense(2)
    unmasked.supports_masking = False
    assert not WeightNormalization(unmasked).supports_masking

    tokens = np.array([[1, 2, 0, 0], [3, 1, 2, 0]])
    embedding = layers.Embedding(4, 2, mask_zero=True)
    lstm = WeightNormalization(layers.LSTM(3), data_init=False)
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(
        inputs, lstm(WeightNormalization(layers.Dense(2), data_init=False)(embedding(inputs)))
    )
    np.testing.assert_allclose(model(tokens)[0], model(tokens[:1, :2])[0], atol=1e-6)


@keras3
def test_time_distributed_takes_a_wrapped_layer():
    wrapper = WeightNormalization(layers.Dense(3), data_init=False)
    x = data(4, 6, 2)
    np.testing.assert_allclose(layers.TimeDistributed(wrapper)(x)[:, 2], wrapper(x[:, 2]), atol=1e-5)


@keras3
def test_what_the_layer_itself_updates_and_adds_is_kept():
    keras.utils.set_random_seed(0)
    wrapper = WeightNormalization(layers.LSTM(8, dropout=0.5), data_init=False)
    x = data(4, 6, 2)
    one, other = wrapper(x, training=True), wrapper(x, training=True)
    assert np.abs(one - other).max() > 1e-3, "dropout repeats its mask: the seed's update was lost"
    np.testing.assert_allclose(wrapper(x), wrapper(x))

    layer = layers.Dense(
        2, kernel_regularizer=keras.regularizers.L2(0.1), activity_regularizer=keras.regularizers.L2(1.0)
    )
    layer(x[:, 0])
    expected = sorted(float(loss) for loss in layer.losses)
    assert min(expected) > 0.01
    wrapper = WeightNormalization(layer, data_init=False)
    wrapper(x[:, 0])
    np.testing.assert_allclose(sorted(float(loss) for loss in wrapper.losses), expected, rtol=1e-5)
    wrapper.g.assign([0.0, 0.0])
    wrapper(x[:, 0])
    # The kernel's regularizer acts on v, which g leaves alone; the outputs are nothing but zeros now.
    weight = 0.1 * float(tf.reduce_sum(wrapper.v**2))
    np.testing.assert_allclose(sorted(float(loss) for loss in wrapper.losses), [0, weight], rtol=1e-5)


@keras3
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"activation": "tanh"}, {"use_bias": False}])
def test_scaling_a_dense_layers_outputs_is_the_same_as_scaling_its_weights(dtype, options):
    class Another(layers.Dense):  # a subclass may do anything in `call`, so its weights are scaled
        pass

    results = []
    for make_layer in (layers.Dense, Another):
        layer = make_layer(4, kernel_initializer=the_same(), bias_initializer="ones", dtype=dtype, **options)
        wrapper = WeightNormalization(layer, data_init=False)
        x = tf.Variable(data(3, 5, 6), dtype=dtype)
        wrapper(x)
        wrapper.g.assign([0.0, -1.0, 2.0, 0.5])
        with tf.GradientTape() as tape:
            outputs = wrapper(x)
            loss = tf.reduce_sum(outputs**2)
        gradients = tape.gradient(loss, [x, *wrapper.trainable_variables])
        results.append([outputs, *gradients])
        assert outputs.dtype == dtype
    # Rounding: nothing else may differ. Sums of terms that cancel round by the size of the terms.
    close = {"float16": 2e-2, "float32": 1e-5, "float64": 1e-13}[dtype]
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=close * np.abs(other).max())


@keras3
def test_an_argument_that_a_dense_layer_does_not_take_is_refused():
    wrapper = WeightNormalization(layers.Dense(3), data_init=False)
    wrapper(X[:, 0, 0], training=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        wrapper(X[:, 0, 0], colour="red")


@keras3
@pytest.mark.parametrize("data_init", [True, False, "paper"])
def test_save_and_load(tmp_path, data_init):
    model = small_net(data_init)
    model(X[:8])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert [wrapper.data_init for wrapper in wrappers(again)] == [data_init] * 2
    # On other data than the first batch: initializing again would show.
    np.testing.assert_allclose(again(X + 3), model(X + 3), atol=1e-5)
    assert_same(trained_weights(again), trained_weights(model), "weights after loading", rtol=0, atol=0)

    fresh = keras.models.clone_model(model)
    assert not any(is_settled(wrapper) for wrapper in wrappers(fresh))


@keras3
def test_a_model_saved_before_its_first_batch_initializes_after_loading(tmp_path):
    small_net(convolution=False).save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert not any(is_settled(wrapper) for wrapper in wrappers(again))
    again.fit(X, Y, batch_size=8, verbose=0)
    assert_no_check_left(again)


@keras3
@pytest.mark.parametrize("data_init", [True, False, "paper"])
def test_mixed_precision(data_init):
    x = data(64, 5, shift=30, scale=100)  # sums of squares of these leave half precision
    half, single = (
        WeightNormalization(layers.Dense(3, kernel_initializer=the_same(1), dtype=dtype), data_init=data_init)
        for dtype in ("mixed_float16", "float32")
    )
    outputs, expected = half(x), single(x)
    assert outputs.dtype == tf.float16
    assert {v.value.dtype for v in (half.g, half.v)} == {tf.float32}
    # Half precision has 11 bits, 5e-4, and there are five inputs to sum over.
    np.testing.assert_allclose(half.g, single.g, rtol=5e-3)
    np.testing.assert_allclose(outputs, expected, rtol=2e-2, atol=2e-2)


@keras3
def test_fit_under_a_mixed_policy():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = small_net(convolution=False)
        model.fit(X, Y, batch_size=8, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert wrappers(model)[0].compute_output_spec(keras.KerasTensor((1, 6, 6, 2))).dtype == "float16"
    assert all(np.isfinite(weight).all() for weight in trained_weights(model))
    assert_no_check_left(model)


@keras3
def test_dtype_is_the_wrapped_layers():
    assert WeightNormalization(layers.Dense(2), dtype="float32").dtype == "float32"
    with pytest.raises(
        ValueError, match=r"`dtype` should be left out.*\(float32\); received 'float16'\. Set it on"
    ):
        WeightNormalization(layers.Dense(2), dtype="float16")


@keras3
@quiet_rnn
@pytest.mark.parametrize(
    ("make_layer", "remedy"),
    [
        (lambda: layers.MaxPooling2D(name="odd"), "Do not wrap it"),
        (lambda: layers.Embedding(3, 2, name="odd"), "Do not wrap it"),
        (lambda: layers.SeparableConv2D(3, 2, name="odd"), "Do not wrap it"),
        (lambda: layers.DepthwiseConv2D(3, name="odd"), "Do not wrap it"),
        (lambda: layers.TimeDistributed(layers.Dense(2), name="odd"), r"TimeDistributed\(Weight"),
        (lambda: layers.SpectralNormalization(layers.Dense(2), name="odd"), "Wrap the layer inside it"),
        (lambda: layers.RNN(layers.StackedRNNCells([layers.LSTMCell(2)]), name="odd"), "instead of cells"),
        (lambda: layers.LSTMCell(2, name="odd"), "rather than its cell"),
        (lambda: keras.Sequential([layers.Dense(2)], name="odd"), "layers inside it"),
        (lambda: WeightNormalization(layers.Dense(2), name="odd"), "Wrap the layer inside it"),
    ],
)
def test_layers_without_a_kernel_of_their_own_are_refused(make_layer, remedy):
    layer = make_layer()
    shape = {"Embedding": (2, 3), "MaxPooling2D": (2, 4, 4, 3), "SeparableConv2D": (2, 4, 4, 3)}
    message = (
        rf"`layer` should have its own `kernel`.*; received 'odd' \({type(layer).__name__}\)\. .*{remedy}"
    )
    with pytest.raises(ValueError, match=message):
        WeightNormalization(layer).build(shape.get(type(layer).__name__, (2, 3, 3)))


@keras3
def test_what_is_not_a_layer_is_refused_as_keras_does():
    with pytest.raises(ValueError, match="isn't a supported layer type"):
        WeightNormalization("dense")


@pytest.fixture
def little_to_collect():
    """Spare the collector, which a wrapper may call, what was there before the test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@keras3
def test_a_layer_cannot_be_wrapped_twice_at_a_time(little_to_collect):
    layer = layers.Dense(2)
    first = WeightNormalization(layer, name="first")
    first(data(4, 3))
    before = [w.numpy() for w in first.weights]
    with pytest.raises(ValueError, match="shared with the wrapper 'first'"):
        WeightNormalization(layer)
    for weight, value in zip(first.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    # A notebook cell that runs again drops the wrapper it made before; so does remove().
    del first, weight
    second = WeightNormalization(layer, data_init=False)
    second(data(4, 3))
    second.remove()
    WeightNormalization(layer)
    gc.collect()


@keras3
def test_a_tied_kernel_is_refused():
    class Tied(layers.Dense):
        def __init__(self, source, **kwargs):
            super().__init__(source.units, use_bias=False, **kwargs)
            self.source = source

        def build(self, input_shape):
            self.built = True

        @property
        def kernel(self):
            return self.source.kernel

    source = layers.Dense(3, name="source")
    source.build((None, 3))
    before = source.kernel.numpy()
    with pytest.raises(ValueError, match=r"'tied' \(Tied\) is shared with the layer 'source'"):
        WeightNormalization(Tied(source, name="tied"))(data(4, 3))
    np.testing.assert_array_equal(source.kernel, before)


@keras3
def test_a_failing_first_step_changes_nothing_and_the_next_one_works():
    model = small_net(convolution=False)
    before = [weight.numpy() for weight in model.weights]
    with pytest.raises(ValueError, match=r"[Ii]ncompatible|shape|Dimensions"):
        model.fit(X, Y[:, :3], batch_size=8, verbose=0)
    with pytest.raises(ValueError, match=r"incompatible|expected"):
        wrappers(model)[0](data(4, 6, 6, 5))
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value, err_msg=weight.path)
    model.fit(X, Y, batch_size=8, verbose=0)
    assert_no_check_left(model)


@keras3
def test_building_a_model_initializes_nothing():
    model = small_net()
    model.summary(print_fn=lambda line: None)
    model.compute_output_spec(keras.KerasTensor((8, 6, 6, 2)))
    assert not any(is_settled(wrapper) for wrapper in wrappers(model))
    for wrapper in wrappers(model):
        np.testing.assert_array_equal(wrapper.g, np.ones(wrapper.g.shape))


@keras3
def test_remove_refuses_while_there_is_nothing_to_remove():
    with pytest.raises(ValueError, match=r"'wn' is not built.*call it on inputs"):
        WeightNormalization(layers.Dense(2), name="wn").remove()
    wrapper = WeightNormalization(layers.Dense(2), name="wn")
    wrapper.build((None, 3))
    before = wrapper.v.numpy()
    with pytest.raises(ValueError, match=r"'wn' has not seen data yet.*call it on a batch"):
        wrapper.remove()
    np.testing.assert_array_equal(wrapper.v, before)

    built = WeightNormalization(layers.Dense(2), data_init=False)
    built.build((None, 3))
    before = built.v.numpy()
    np.testing.assert_allclose(built.remove().kernel, before, atol=1e-6)


@keras3
@pytest.mark.parametrize("make_layer", [lambda: layers.Conv2DTranspose(3, 2), lambda: layers.Conv2D(3, 2)])
def test_a_wrapper_in_use_survives_remove(make_layer):
    wrapper = WeightNormalization(make_layer())
    x = data(4, 5, 5, 2)
    wrapper(x)
    wrapper.g.assign([1.0, -2.0, 0.5])
    before = wrapper(x).numpy()
    plain = wrapper.remove()
    np.testing.assert_allclose(plain(x), before, atol=1e-5)
    np.testing.assert_allclose(wrapper(x), before, atol=1e-5, err_msg="a negative g must not flip the sign")


@keras3
def test_stateless_call_returns_the_initialization_instead_of_doing_it():
    by_hand, wrapper = (WeightNormalization(layers.Dense(2, kernel_initializer="ones")) for _ in range(2))
    x = data(16, 5)
    expected = by_hand(x)
    wrapper.build(x.shape)

    # The state goes in as arguments, so inside it is symbolic, also the flag.
    run = tf.function(lambda trained, others, x: wrapper.stateless_call(trained, others, x))
    state = [
        [tf.convert_to_tensor(v) for v in vs]
        for vs in (wrapper.trainable_variables, wrapper.non_trainable_variables)
    ]
    outputs, (settled,) = run(*state, tf.constant(x))
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert bool(settled)
    assert not is_settled(wrapper)


@keras3
def test_channels_first_takes_the_moments_per_channel():
    wrapper = WeightNormalization(layers.Conv2D(3, 2, data_format="channels_first"), data_init="paper")
    # On a CPU only XLA has this convolution.
    outputs = tf.function(wrapper, jit_compile=True)(tf.constant(data(4, 2, 5, 5))).numpy()
    np.testing.assert_allclose(outputs.mean((0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(outputs.std((0, 2, 3)), 1, atol=1e-3)


@keras3
def test_an_activation_layer_is_put_back():
    activation = layers.LeakyReLU()
    wrapper = WeightNormalization(layers.Dense(3, activation=activation), data_init="paper")
    x = data(32, 5)
    outputs = wrapper(x).numpy()
    assert wrapper.layer.activation is activation
    assert (outputs < 0).any()
    np.testing.assert_allclose(np.where(outputs < 0, outputs / 0.3, outputs).mean(0), 0, atol=1e-3)
