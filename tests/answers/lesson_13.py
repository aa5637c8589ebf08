"""Answers to lesson 13's exercises."""

import tempfile
from functools import cache, partial

import keras
import numpy as np

from answers import right, wrong

layers = keras.layers
Elu = partial(layers.Dense, 100, activation="elu", kernel_initializer="he_normal")
Normalization = layers.BatchNormalization


@cache
def shared(number, make=layers.Dense, **settings):
    """The same layer in many answers: to build twenty takes longer than to check them."""
    return make(**settings)


def deep(activation, n=20, initializer="he_normal"):
    """Hidden layers whose weights several answers share."""
    dense = [shared(i, units=100, kernel_initializer=initializer) for i in range(n)]
    return [layer for one in dense for layer in (one, layers.Activation(activation))]


def sequential(*inner, shape=(32, 32, 3), output="softmax"):
    return keras.Sequential([keras.Input(shape), *inner, layers.Dense(10, output)])


# --- deep_net ---------------------------------------------------------------------------------------------


@right("deep_net")
def functional():
    x = image = keras.Input((32, 32, 3))
    x = layers.Reshape((3072,))(x)
    for _ in range(20):
        x = layers.Dense(100, kernel_initializer=keras.initializers.HeNormal())(x)
        x = layers.ELU()(x)
    return keras.Model(image, layers.Softmax()(layers.Dense(10)(x)))


@right("deep_net")
def nested():
    scaling = keras.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal")
    body = keras.Sequential([keras.Input((3072,))])
    for _ in range(20):
        body.add(layers.Dense(100, keras.activations.elu, kernel_initializer=scaling))
    return sequential(layers.Flatten(), body)


@wrong("deep_net", says="you have 19 hidden layers")
def counted_the_output():
    return sequential(layers.Flatten(), *deep("elu", n=19))


@wrong("deep_net", says="you have 21 hidden layers")
def one_too_many():
    return sequential(layers.Flatten(), *deep("elu", n=21))


@wrong("deep_net", says="you have Glorot's or LeCun's initialization")
def no_initializer():
    return sequential(layers.Flatten(), *[layers.Dense(100, "elu") for _ in range(20)])


@wrong("deep_net", says="he_uniform")
def he_uniform():
    return sequential(layers.Flatten(), *[Elu(kernel_initializer="he_uniform") for _ in range(20)])


@wrong("deep_net", says="the hidden layers use ReLU")
def relu():
    return sequential(layers.Flatten(), *deep("relu"))


@wrong("deep_net", says="no activation")
def linear():
    return sequential(layers.Flatten(), *deep(None))


@wrong("deep_net", says="the softmax is missing")
def logits():
    return sequential(layers.Flatten(), *deep("elu"), output=None)


@wrong("deep_net", says="the output uses sigmoid")
def sigmoid():
    return sequential(layers.Flatten(), *deep("elu"), output="sigmoid")


@wrong("deep_net", says="not flattened")
def pixel_by_pixel():
    return sequential(*[Elu() for _ in range(20)])


@wrong("deep_net", says="the net scales the pixels")
def rescaled():
    return sequential(layers.Rescaling(1 / 255), layers.Flatten(), *deep("elu"))


@wrong("deep_net", says="begin with `keras.Input")
def not_built():
    return keras.Sequential([layers.Flatten(), *[Elu() for _ in range(20)], layers.Dense(10, "softmax")])


# --- run_callbacks ----------------------------------------------------------------------------------------


def checkpoint(folder, **settings):
    settings = {"monitor": "val_loss", "save_best_only": True} | settings
    return keras.callbacks.ModelCheckpoint(str(folder / "best.keras"), **settings)


def stop(**settings):
    return keras.callbacks.EarlyStopping(**{"patience": 20} | settings)


@right("run_callbacks")
def strings_and_another_order(folder):
    return (
        keras.callbacks.TensorBoard(log_dir=str(folder / "logs"), histogram_freq=1),
        keras.callbacks.ModelCheckpoint(f"{folder}/best.keras", save_best_only=True),
        keras.callbacks.EarlyStopping(patience=20, restore_best_weights=True, mode="min"),
    )


class OwnStop(keras.callbacks.Callback):
    """Early stopping by hand."""

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["val_loss"])
        if len(self.losses) - 1 - int(np.argmin(self.losses)) >= 20:
            self.model.stop_training = True


@right("run_callbacks")
def stopping_by_hand(folder):
    return [OwnStop(), checkpoint(folder), keras.callbacks.TensorBoard(folder / "logs" / "first")]


def board(folder):
    return keras.callbacks.TensorBoard(folder / "logs")


@wrong("run_callbacks", says="the patience is 10")
def impatient(folder):
    return [stop(patience=10), checkpoint(folder), board(folder)]


@wrong("run_callbacks", says="the training loss, which always falls")
def training_loss(folder):
    return [stop(monitor="loss"), checkpoint(folder), board(folder)]


@wrong("run_callbacks", says="you monitor the validation accuracy")
def accuracy(folder):
    return [stop(monitor="val_accuracy", mode="max"), checkpoint(folder), board(folder)]


@wrong("run_callbacks", says="every epoch overwrites it")
def the_last(folder):
    return [stop(), checkpoint(folder, save_best_only=False), board(folder)]


@wrong("run_callbacks", says="you chose the best by validation accuracy")
def most_accurate(folder):
    return [stop(), checkpoint(folder, monitor="val_accuracy", mode="max"), board(folder)]


@wrong("run_callbacks", says="no callback saves it")
def keeps_nothing(folder):
    return [stop(restore_best_weights=True), board(folder)]


@wrong("run_callbacks", says="there is no TensorBoard callback")
def shared_logs(folder):
    shared = tempfile.mkdtemp()
    return [stop(), checkpoint(folder), keras.callbacks.TensorBoard(shared)]


@wrong("run_callbacks", says="`log_dir` should be the subfolder `logs`")
def logs_beside_the_model(folder):
    return [stop(), checkpoint(folder), keras.callbacks.TensorBoard(folder)]


# --- normalized_net ---------------------------------------------------------------------------------------


def normalized(after=False, first=True, last=False, activation="elu"):
    inner = [layers.Flatten(), *([shared(-1, Normalization)] if first else [])]
    for i in range(20):
        dense = shared(i, units=100, kernel_initializer="he_normal")
        pair = [shared(i, Normalization), layers.Activation(activation)]
        inner += [dense, *(reversed(pair) if after else pair)]
    return sequential(*inner, *([shared(20, Normalization)] if last else []))


@right("normalized_net")
def with_biases():
    return normalized()


@right("normalized_net")
def functional_with_momentum():
    x = image = keras.Input((32, 32, 3))
    x = layers.BatchNormalization(momentum=0.9)(layers.Flatten()(x))
    for _ in range(20):
        x = layers.Dense(100, kernel_initializer="he_normal", use_bias=False)(x)
        x = layers.ELU()(layers.BatchNormalization(epsilon=1e-5)(x))
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


@wrong("normalized_net", says="the normalization comes after the ELU")
def normalized_outputs():
    return normalized(after=True)


@wrong("normalized_net", says="the inputs are not normalized")
def no_normalized_input():
    return normalized(first=False)


@wrong("normalized_net", says="the output layer has one too")
def normalized_scores():
    return normalized(last=True)


@wrong("normalized_net", says="the first normalization is before Flatten")
def normalized_colours():
    inner = [layers.BatchNormalization(), layers.Flatten()]
    for i in range(20):
        inner += [shared(i, units=100, kernel_initializer="he_normal")]
        inner += [shared(i, Normalization), layers.Activation("elu")]
    return sequential(*inner)


@wrong("normalized_net", says="the hidden layers use SELU")
def selu_instead():
    return normalized(activation="selu")


# --- standardized -----------------------------------------------------------------------------------------


@right("standardized")
def by_scikit_learn(x_train, x_valid, x_test):
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x_train.reshape(len(x_train), -1))
    return [
        scaler.transform(x.reshape(len(x), -1)).reshape(x.shape).astype("float32")
        for x in (x_train, x_valid, x_test)
    ]


@right("standardized")
def with_a_small_number(x_train, x_valid, x_test):
    mean, variance = np.mean(x_train, axis=0, keepdims=True), np.var(x_train, axis=0, keepdims=True)
    scale = np.sqrt(variance + 1e-7)
    return tuple(np.float32((x - mean) / scale) for x in (x_train, x_valid, x_test))


@wrong("standardized", says="you used each set's own mean and deviation")
def each_by_itself(*sets):
    return tuple((x - x.mean(0)) / np.where(x.std(0) == 0, 1, x.std(0)) for x in sets)


@wrong("standardized", says="over all images")
def all_together(*sets):
    x = np.concatenate(sets)
    return tuple((s - x.mean(0)) / np.where(x.std(0) == 0, 1, x.std(0)) for s in sets)


@wrong("standardized", says="one mean for all inputs")
def one_mean(x_train, x_valid, x_test):
    return tuple((x - x_train.mean()) / x_train.std() for x in (x_train, x_valid, x_test))


@wrong("standardized", says="one mean for each colour")
def one_mean_a_colour(x_train, x_valid, x_test):
    mean, deviation = x_train.mean((0, 1, 2)), x_train.std((0, 1, 2))
    return tuple((x - mean) / deviation for x in (x_train, x_valid, x_test))


@wrong("standardized", says="you divided by the variance")
def by_the_variance(x_train, x_valid, x_test):
    variance = np.where(x_train.var(0) == 0, 1, x_train.var(0))
    return tuple((x - x_train.mean(0)) / variance for x in (x_train, x_valid, x_test))


@wrong("standardized", says="you divided by 0")
def divided_by_zero(x_train, x_valid, x_test):
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    return tuple((x - mean) / deviation for x in (x_train, x_valid, x_test))


@wrong("standardized", says="you subtracted the mean but did not divide by the")
def only_centred(x_train, x_valid, x_test):
    return tuple(x - x_train.mean(0) for x in (x_train, x_valid, x_test))


@wrong("standardized", says="takes twice the memory")
def in_double_precision(x_train, x_valid, x_test):
    mean, deviation = x_train.mean(0, dtype="float64"), x_train.std(0, dtype="float64")
    deviation[deviation == 0] = 1
    return tuple((x - mean) / deviation for x in (x_train, x_valid, x_test))


# --- selu_net ---------------------------------------------------------------------------------------------

Selu = partial(layers.Dense, 100, activation="selu", kernel_initializer="lecun_normal")
lecun = partial(deep, "selu", initializer="lecun_normal")


@right("selu_net")
def always_with_a_dropout_layer(dropout_rate=0.0):
    return sequential(layers.Flatten(), *[Selu() for _ in range(20)], layers.AlphaDropout(dropout_rate))


@right("selu_net")
def functional_selu(dropout_rate=0):
    x = image = keras.Input((32, 32, 3))
    x = layers.Flatten()(x)
    for _ in range(20):
        x = layers.Activation("selu")(Selu(activation=None)(x))
    if dropout_rate > 0:
        x = layers.AlphaDropout(rate=dropout_rate)(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


@wrong("selu_net", says="changes the variance that SELU keeps")
def ordinary_dropout(dropout_rate=0.0):
    return sequential(layers.Flatten(), *lecun(), layers.Dropout(dropout_rate))


@wrong("selu_net", says="you have several dropout layers")
def dropout_everywhere(dropout_rate=0.0):
    inner = []
    for layer in lecun():
        after = isinstance(layer, layers.Activation)
        inner += [layer, layers.AlphaDropout(dropout_rate)] if after else [layer]
    return sequential(layers.Flatten(), *inner)


@wrong("selu_net", says="the dropout layer is in the wrong place")
def dropped_inputs(dropout_rate=0.0):
    return sequential(layers.Flatten(), layers.AlphaDropout(dropout_rate), *lecun())


@wrong("selu_net", says="`dropout_rate` is not used")
def no_dropout(dropout_rate=0.0):
    return sequential(layers.Flatten(), *lecun())


@wrong("selu_net", says="you wrote a fixed rate into the function")
def a_tenth(dropout_rate=0.0):
    return sequential(layers.Flatten(), *lecun(), layers.AlphaDropout(0.1))


@wrong("selu_net", says="the share that is kept")
def the_kept_share(dropout_rate=0.0):
    return sequential(layers.Flatten(), *lecun(), layers.AlphaDropout(1 - dropout_rate))


@wrong("selu_net", says="you have He's initialization")
def with_hes_weights(dropout_rate=0.0):
    return sequential(layers.Flatten(), *deep("selu", initializer="he_normal"))


@wrong("selu_net", says="the hidden layers use ELU")
def with_elu(dropout_rate=0.0):
    return sequential(layers.Flatten(), *deep("elu", initializer="lecun_normal"))


# --- mc_probabilities -------------------------------------------------------------------------------------


@right("mc_probabilities")
def by_the_package(net, x, n_samples=10):
    from course_utils.mc_dropout import mc_predict

    return mc_predict(net, x, n_samples).mean


@right("mc_probabilities")
def adding_up(net, x, n_samples=10):
    total = 0
    for _ in range(n_samples):
        total = (
            total + keras.ops.convert_to_numpy(net(x, training=True))
            if hasattr(keras, "ops")
            else (total + net(x, training=True).numpy())
        )
    return total / n_samples


@wrong("mc_probabilities", says="dropout was off")
def with_predict(net, x, n_samples=10):
    return np.mean([net.predict(x, verbose=0) for _ in range(min(n_samples, 3))], axis=0)


@wrong("mc_probabilities", says="divide by their number")
def a_sum(net, x, n_samples=10):
    return np.sum([net(x, training=True) for _ in range(n_samples)], axis=0)


@wrong("mc_probabilities", says="you did not take the mean over the samples")
def all_samples(net, x, n_samples=10):
    return np.stack([net(x, training=True) for _ in range(n_samples)])


@wrong("mc_probabilities", says="over the images")
def mean_over_images(net, x, n_samples=10):
    return np.mean([net(x, training=True) for _ in range(n_samples)], axis=1)


@wrong("mc_probabilities", says="you returned classes")
def classes(net, x, n_samples=10):
    return np.mean([net(x, training=True) for _ in range(n_samples)], axis=0).argmax(axis=1)


@wrong("mc_probabilities", says="votes for a class")
def votes(net, x, n_samples=10):
    chosen = np.argmax([net(x, training=True) for _ in range(n_samples)], axis=-1)
    return np.eye(3)[chosen].mean(axis=0)


@wrong("mc_probabilities", says="you did not use `n_samples`")
def always_ten(net, x, n_samples=10):
    return np.mean([net(x, training=True) for _ in range(10)], axis=0)


@wrong("mc_probabilities", says="each call draws the same masks")
def the_same_masks(net, x, n_samples=10):
    from course_utils.mc_dropout import mc_predict

    return mc_predict(net, x, n_samples, seed=42).mean


# --- one_cycle_rate ---------------------------------------------------------------------------------------


@right("one_cycle_rate")
def by_cases(step, total_steps, max_lr):
    low, up = max_lr / 10, 0.45 * (total_steps - 1)
    if step <= up:
        return low + (max_lr - low) * step / up
    if step <= 2 * up:
        return max_lr - (max_lr - low) * (step - up) / up
    rest = (step - 2 * up) / (total_steps - 1 - 2 * up)
    return low + (low / 1000 - low) * rest


@right("one_cycle_rate")
def by_the_schedule(step, total_steps, max_lr):
    from course_utils.schedules import OneCycle

    cycle = OneCycle(
        max_lr,
        total_steps,
        pct_start=0.45,
        anneal_strategy="linear",
        div_factor=10,
        final_div_factor=1000,
        three_phase=True,
    )
    return cycle(step)


def interpolated(step, total_steps, max_lr, shares=(0, 0.45, 0.9, 1), rates=(0.1, 1, 0.1, 1e-4)):
    return np.interp(step / total_steps, shares, np.multiply(rates, max_lr))


@wrong("one_cycle_rate", says="you start from 0")
def from_zero(step, total_steps, max_lr):
    return interpolated(step, total_steps, max_lr, rates=(0, 1, 0.1, 1e-4))


@wrong("one_cycle_rate", says="you start at a 25th of the maximum")
def like_pytorch(step, total_steps, max_lr):
    return interpolated(step, total_steps, max_lr, rates=(0.04, 1, 0.04, 0.04e-3))


@wrong("one_cycle_rate", says="the last phase is missing")
def two_phases(step, total_steps, max_lr):
    return interpolated(step, total_steps, max_lr, rates=(0.1, 1, 0.1, 0.1))


@wrong("one_cycle_rate", says="takes half of all steps")
def half(step, total_steps, max_lr):
    return interpolated(step, total_steps, max_lr, shares=(0, 0.5, 0.9, 1))


@wrong("one_cycle_rate", says="your descent lasts until the end")
def one_descent(step, total_steps, max_lr):
    return interpolated(step, total_steps, max_lr, shares=(0, 0.45, 1), rates=(0.1, 1, 1e-4))


@wrong("one_cycle_rate", says="you returned a share of the maximum")
def a_share(step, total_steps, max_lr):
    return interpolated(step, total_steps, 1.0)


@wrong("one_cycle_rate", says="the last phase should end at a thousandth of its start")
def ends_at_a_hundredth(step, total_steps, max_lr):
    return interpolated(
        step,
        total_steps,
        max_lr,
        shares=(0, 0.45, 0.9, 0.992, 1),
        rates=(0.1, 1, 0.1, 0.1 - 0.0999 * 0.92, 0.005),
    )
