# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · Weight normalization
#
# Gradient descent has one learning rate for all weights. Often the loss is steep along one direction and flat along another. The steep direction allows
# only short steps. With short steps, the way along the flat direction takes very long. Weight normalization leaves the net, the loss and the optimizer
# as they are. It only changes *what* is trained: the length and the direction of each weight vector, in place of the vector itself. This lesson shows
# why that can help, and builds it. Then it measures whether it did help in a published example.
#
# - **You will learn:** to write a layer as length times direction; to predict what that does to the gradient; to compare two nets fairly; to see what a
#   published figure leaves out.
# - **You need:** a convolutional net in Keras; [lesson 00](00_start_here.ipynb).
# - **Reproduces:** the TensorFlow Addons tutorial [*Layers:
#   WeightNormalization*](https://www.tensorflow.org/addons/tutorials/layers_weightnormalization), 2019. The idea comes from Salimans & Kingma, 2016,
#   [*Weight Normalization*](https://arxiv.org/abs/1602.07868).
# - **Time:** about 25 minutes to read; a run takes as long as the line below says, in quick mode under a minute.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("05_weight_normalization")

# %% tags=["needed"]
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

from course_utils import plotting
from course_utils.addons import WeightNormalization
from course_utils.data import load_cifar10
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## One learning rate, two directions
#
# Here is the smallest example. A neuron has two weights, and its loss is a long valley. At the same distance from the bottom, the loss is twenty times
# as steep across the valley as along it. We walk down by gradient descent with several learning rates. We count the steps until $98\,\%$ of the
# distance to the bottom is gone.

# %%
steepness = np.array([1.0, 20.0])
bottom, start = np.array([2.0, 0.0]), np.array([0.8, 0.3])


def slope(w):
    """The gradient of the loss, which is ½ Σ steepness · (w − bottom)²."""
    return steepness * (w - bottom)


def walk(rate, steps=300):
    path = [start]
    for _ in range(steps):
        path.append(path[-1] - rate * slope(path[-1]))
    return np.array(path)


def steps_needed(path):
    distances = np.hypot(*(path - bottom).T)
    near = np.flatnonzero(distances < 0.02 * distances[0])
    return int(near[0]) if len(near) else "never"


# %% tags=["nbval-check-output"]
for rate in [0.02, 0.05, 0.09, 0.11]:
    print(f"rate {rate}: {steps_needed(walk(rate))}")

# %% [markdown]
# A larger rate is faster, up to a limit. Beyond $2/20 = 0.1$ each step across the valley leads farther up on the other side, and the walk never arrives
# (“never” means: not within 300 steps). The steep direction sets the limit. For the flat direction such steps are much too short.
#
# ## A length and a direction
#
# A neuron computes $w \cdot x + b$. Weight normalization writes its weight vector as
#
# $$w = g\,\frac{v}{\lVert v \rVert}$$
#
# and trains the number $g$ and the vector $v$ in place of $w$. Whatever $v$ is, the length of $w$ is $\lvert g \rvert$. Only the direction of $v$
# matters, not its length. The neuron can still have every weight vector, so it can compute the same things as before.
#
# **Before you read on:** the loss does not change when $v$ gets longer. What does that say about its gradient with respect to $v$?
#
# The gradient has no part along $v$. The chain rule gives both gradients:
#
# $$\nabla_g L = \nabla_w L \cdot \frac{v}{\lVert v\rVert}, \qquad
#   \nabla_v L = \frac{g}{\lVert v\rVert}\Big(\nabla_w L - \nabla_g L\;\frac{v}{\lVert v\rVert}\Big)$$
#
# The part of $\nabla_w L$ that makes $w$ longer or shorter goes to $g$. The rest turns $v$, and it is perpendicular to $v$.


# %%
def walk_apart(rate, v_length=4.0, steps=300):
    """The same walk in g and v; returns the paths of w and of v."""
    g, v = np.linalg.norm(start), v_length * start / np.linalg.norm(start)
    path_w, path_v = [start], [v]
    for _ in range(steps):
        length = np.linalg.norm(v)
        direction = v / length
        grad_w = slope(g * direction)
        grad_g = grad_w @ direction
        grad_v = g / length * (grad_w - grad_g * direction)
        g, v = g - rate * grad_g, v - rate * grad_v
        path_w.append(g * v / np.linalg.norm(v))
        path_v.append(v)
    return np.array(path_w), np.array(path_v)


# %% tags=["nbval-check-output"]
rates = [0.02, 0.05, 0.09, 0.2, 0.4]
pd.DataFrame(
    {
        "w itself": [steps_needed(walk(rate)) for rate in rates],
        "length and direction": [steps_needed(walk_apart(rate)[0]) for rate in rates],
    },
    index=pd.Index(rates, name="rate"),
).rename_axis(columns="steps needed for")

# %% [markdown]
# At the three lower rates the walk in length and direction is not faster. But it also arrives at rates at which the walk in $w$ never does, and then it
# needs far fewer steps. How? Look at the two walks. ($v$ begins with the length `4.0`; the right panel tries other lengths.)

# %% tags=["figure"] alt="Left: a long narrow valley. The walk in w crosses the floor of the valley again and again and makes little way along it. The walk in length and direction goes back in its first step, then turns and reaches the bottom in a few steps. Right: the length of v over the steps, for four lengths at the start. No curve ever falls. The three short ones rise, and the longest hardly changes."
fig, axes = plt.subplots(1, 2, figsize=(10.4, 4.2))
x, y = np.meshgrid(np.linspace(0.4, 2.4, 200), np.linspace(-0.4, 0.5, 200))
height = (x - 2) ** 2 / 2 + 10 * y**2
axes[0].contour(x, y, height, levels=np.geomspace(0.02, 3, 9), colors="0.7", linewidths=0.8)
for path, name, label in [
    (walk(0.09), "plain", "w itself, rate 0.09"),
    (walk_apart(0.4)[0], "weight normalization", "length and direction, rate 0.4"),
]:
    look = dict(marker=plotting.marker(name), color=plotting.colour(name), linewidth=1.2)
    axes[0].plot(*path.T, **look, label=label)
axes[0].plot(*bottom, "k*", markersize=13)
axes[0].set(xlabel="first weight", ylabel="second weight", title="Length and direction: fewer, longer steps")
axes[0].legend(loc="lower right")
for first_length in (0.5, 1, 2, 4):
    path = walk_apart(0.2, first_length)[1]
    axes[1].plot(np.linalg.norm(path, axis=1)[:40], label=f"{first_length:g} at the start")
axes[1].set(xlabel="step", ylabel="length of v", ylim=(0, None), title="v only grows (rate 0.2)")
axes[1].legend()
plt.show()

# %% [markdown]
# Now look at the right panel. Each step of $v$ is perpendicular to $v$, and such a step always makes $v$ longer:
#
# $$\lVert v - \eta\nabla_v L \rVert^2 = \lVert v\rVert^2 + \eta^2 \lVert\nabla_v L\rVert^2 .$$
#
# **Under gradient descent $v$ can only grow.** And the longer $v$ is, the less a step turns it. So a rate that is too high for the steep direction
# corrects itself: the first steps turn $v$ too far, so $v$ grows, and later steps turn it less. In the figure a step turns the three short vectors too
# far, so they grow. The longest one is long enough from the start. Meanwhile $g$ keeps its full rate.
#
# This valley was chosen to suit the method: the loss is steep where $w$ turns, and flat where $w$ gets longer. In a real net nobody knows how the
# valleys lie. Whether the method helps there has to be measured.
#
# ## The layer in twenty lines


# %%
class WeightNormalizedDense(keras.layers.Layer):
    """A dense layer that trains g and v; one length, and one norm, for each unit (column)."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.v = self.add_weight(name="v", shape=shape, initializer="glorot_uniform")
        self.g = self.add_weight(name="g", shape=(self.units,), initializer="ones")
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        w = self.g * self.v / tf.norm(self.v, axis=0)
        return tf.matmul(inputs, w) + self.b


# %% [markdown]
# Our layer needs no code for the gradient: TensorFlow finds it. TensorFlow Addons has a wrapper, `WeightNormalization(layer)`, which does the same to
# any dense layer or convolution. (On the keras3 stack the course has its own.) We give both the same $g$ and $v$, and compare outputs and gradients.

# %%
rng = np.random.default_rng(42)
inputs, targets = rng.normal(size=(64, 5)).astype("float32"), rng.normal(size=(64, 3)).astype("float32")
ours, library = WeightNormalizedDense(3), WeightNormalization(keras.layers.Dense(3), data_init=False)
ours(inputs), library(inputs)  # the first call makes the weights
ours.v.assign(library.v)
ours.g.assign(library.g)


def gradients(layer, variables):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(layer(inputs) - targets))
    return tape.gradient(loss, variables)


# %% tags=["nbval-check-output"]
grads = gradients(ours, [ours.v, ours.g, ours.b])
library_grads = gradients(library, [library.v, library.g, library.layer.bias])
print("same outputs:", np.allclose(ours(inputs), library(inputs), atol=1e-6))
for name, one, other in zip(["v", "g", "b"], grads, library_grads):
    print(f"same gradient of {name}:", np.allclose(one, other, atol=1e-6))
print("∇v · v for each unit:", np.abs(np.sum(grads[0] * ours.v.numpy(), axis=0)).round(6))

# %% [markdown]
# ## The task: CIFAR-10
#
# CIFAR-10 has 50,000 small photographs to train on and 10,000 to test on, in ten classes. As in the source, pixels are scaled to [0, 1] and labels are
# one-hot.

# %%
cifar10 = lesson.data(load_cifar10())

x_train, x_test = cifar10.x_train / np.float32(255), cifar10.x_test / np.float32(255)
y_train = keras.utils.to_categorical(cifar10.y_train, 10)
y_test = keras.utils.to_categorical(cifar10.y_test, 10)

# %% tags=["figure"] alt="Eight photographs of each of the ten classes, a class a row: planes, cars, birds, cats, deer, dogs, frogs, horses, ships and trucks."
plotting.image_grid(cifar10.x_train, cifar10.y_train, cifar10.class_names)
plt.show()

# %% [markdown]
# The source's net has two convolutions and three dense layers. The second net is the same, with each of its five weight layers wrapped. One function
# makes both. It can also add batch normalization ([lesson 02](02_batch_normalization.ipynb)), which we need twice below.


# %% tags=["needed"]
def conv_net(wrap=lambda layer: layer, batch_norm=False):
    layers = keras.layers

    def block(layer):
        norm = [layers.BatchNormalization()] if batch_norm else []
        return [wrap(layer), *norm, layers.ReLU()]

    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            *block(layers.Conv2D(6, 5)),
            layers.MaxPooling2D(2, 2),
            *block(layers.Conv2D(16, 5)),
            layers.MaxPooling2D(2, 2),
            layers.Flatten(),
            *block(layers.Dense(120)),
            *block(layers.Dense(84)),
            wrap(layers.Dense(10, activation="softmax")),
        ]
    )


# %% [markdown]
# ## No example depends on another
#
# Batch normalization inspired weight normalization. Both set the scale of a unit's output. Batch normalization takes the scale from the examples of a
# batch, so the output for one image depends on the other images in its batch. Weight normalization uses the weights only. (Its initialization may look
# at the first batch; see below.) We put one image into two batches, beside other images. Then we compare the two outputs for this image, in training
# mode.

# %%
batches = [np.concatenate([x_train[:1], x_train[first : first + 31]]) for first in (1, 32)]
for name, net in [("weight", conv_net(WeightNormalization)), ("batch", conv_net(batch_norm=True))]:
    outputs = [np.asarray(net(batch, training=True))[0] for batch in batches]
    print(f"{name} normalization: the outputs differ by up to {np.abs(outputs[0] - outputs[1]).max():.0e}")

# %% [markdown]
# That is why the source recommends weight normalization where the noise of a batch hurts: in recurrent nets (LSTM), in reinforcement learning, in
# generative models. It shows none of them. Exercise 4 tries an LSTM.
#
# ## Two nets
#
# We use the source's settings: Adam with its defaults, batches of 32, categorical cross-entropy, ten epochs. After each epoch the net is tried on the
# test images, which the source calls its validation set. It selects nothing by them, so its test accuracy is not biased. By default the wrapper also
# computes first values of $g$ and of the bias $b$ from the first batch (`data_init=True`). “Two ways to start” says more about this.
#
# **Which of the two do you expect to be ahead after one epoch? After ten?** Write it down.


# %%
class DirectionLengths(keras.callbacks.Callback):
    """Keeps ‖v‖ of each weight-normalized layer, averaged over its units, before training and each epoch."""

    def on_train_begin(self, logs=None):
        self.lengths = [self.measure()]

    def on_epoch_end(self, epoch, logs=None):
        self.lengths.append(self.measure())

    def measure(self):
        wrapped = [layer for layer in self.model.layers if isinstance(layer, WeightNormalization)]
        kernels = [layer.v.numpy().reshape(-1, layer.v.shape[-1]) for layer in wrapped]
        return [np.linalg.norm(kernel, axis=0).mean() for kernel in kernels]


def train(wrap, seed, epochs, callbacks=(), **shown):
    lesson.set_seed(seed)
    net = conv_net(wrap)
    net.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    data = dict(batch_size=32, epochs=epochs, validation_data=(x_test, y_test))
    return fit(net, x_train, y_train, **data, callbacks=list(callbacks), **shown).history


# %%
methods = {"plain": lambda layer: layer, "weight normalization": WeightNormalization}
seeds = lesson.seeds(1 if lesson.quick else 2)
histories = {method: [] for method in methods}
lengths = {seed: DirectionLengths() for seed in seeds}

for seed in seeds:
    histories["plain"].append(train(methods["plain"], seed, 10, label=f"plain, seed {seed}"))
    run = train(WeightNormalization, seed, 10, [lengths[seed]], label=f"weight normalization, seed {seed}")
    histories["weight normalization"].append(run)

# %% [markdown]
# Here are the numbers that the source printed, every column, beside those of our first seed.

# %%
source = {
    "plain": {
        "accuracy": [0.4014, 0.5106, 0.5571, 0.5916, 0.6118, 0.6311, 0.6496, 0.6633, 0.6772, 0.6891],
        "val_loss": [1.4192, 1.3043, 1.2662, 1.1837, 1.1664, 1.1396, 1.1266, 1.1521, 1.1309, 1.1575],
        "val_accuracy": [0.4774, 0.5369, 0.5441, 0.5858, 0.5898, 0.6047, 0.6101, 0.6028, 0.6132, 0.6045],
    },
    "weight normalization": {
        "accuracy": [0.4222, 0.5244, 0.5673, 0.5982, 0.6190, 0.6412, 0.6584, 0.6736, 0.6897, 0.7040],
        "val_loss": [1.4270, 1.2732, 1.2939, 1.1730, 1.1559, 1.1333, 1.1257, 1.1275, 1.1257, 1.1223],
        "val_accuracy": [0.4791, 0.5428, 0.5403, 0.5866, 0.5880, 0.6025, 0.6100, 0.6057, 0.6120, 0.6183],
    },
}


def beside(method):
    """A table: for each measure, our first seed and the source, epoch by epoch."""
    ours, theirs = histories[method][0], source[method]
    columns = {}
    for measure, printed in theirs.items():
        columns[measure.replace("_", " "), "ours"] = pd.Series(ours[measure])
        columns[measure.replace("_", " "), "source"] = pd.Series(printed)
    table = pd.DataFrame(columns).round(4)
    return table.set_index(pd.Index(range(1, len(table) + 1), name="epoch")).rename_axis(columns=[method, ""])


# %%
beside("plain")

# %%
beside("weight normalization")

# %% [markdown]
# The source draws one figure: training accuracy of both nets. Its x axis has ten points, evenly spaced from 0 to 10. So the accuracy *after* the first
# epoch stands at 0, where no training has happened yet. We draw epochs as epochs, and the two other columns as well. The dotted lines are the source's
# numbers.

# %% tags=["figure", "cover"] alt="Three panels over ten epochs: training accuracy, test accuracy, test loss. Thin lines for each of our seeds, thick ones for their mean, dotted lines for the source's numbers, for the plain net and the weight-normalized one. The curves of both nets lie close together; in training accuracy they rise steadily, in the test panels they cross."
fig, axes = plt.subplots(1, 3, figsize=(11.4, 4.4))
panels = [("accuracy", "Training accuracy"), ("val_accuracy", "Test accuracy"), ("val_loss", "Test loss")]
for ax, (measure, title) in zip(axes, panels):
    test = measure.startswith("val_")
    plotting.learning_curves(
        histories, measure.removeprefix("val_"), training=not test, validation=test, ax=ax
    )
    for method, printed in source.items():
        numbers = range(1, len(printed[measure]) + 1)
        ax.plot(
            numbers, printed[measure], ":", color=plotting.colour(method, ax), label=f"{method}, the source"
        )
    handles = ax.get_legend_handles_labels()
    ax.get_legend().remove()
    ax.set(title=title)
axes[0].sharey(axes[1])
fig.suptitle("The two nets are hardly apart", x=0.01, ha="left", fontweight="bold")
fig.legend(*handles, loc="outside lower center", ncols=4, fontsize=10)
lesson.save_figure(fig, "training-curves")
plt.show()

# %% tags=["record"]
plain, normalized = (histories[method][0] for method in methods)
lesson.record("S1.c1", val_accuracy=plain["val_accuracy"][-1], accuracy=plain["accuracy"][-1])
lesson.record("S1.c2", val_accuracy=normalized["val_accuracy"][-1], accuracy=normalized["accuracy"][-1])
lesson.record("S1.c3", weight_normalized=normalized["accuracy"], plain=plain["accuracy"])
lesson.record("S1.c4", weight_normalized=normalized["val_accuracy"][-1], plain=plain["val_accuracy"][-1])
lesson.record(
    "S1.c6",
    **{f"plain_{measure}": plain[measure] for measure in source["plain"]},
    **{f"weight_normalized_{measure}": normalized[measure] for measure in source["plain"]},
)

# %% [markdown]
# Compare three distances: between the two nets, between two seeds of one net, and between the source's curves and ours. If two seeds of one net differ
# as much as the two nets, the figure cannot say which net is better. Two seeds are few; the verdicts below use more.
#
# ## Two ways to start
#
# The paper uses the first batch to set $g$ and $b$, so that every unit starts with outputs of mean 0 and standard deviation 1. With
# $t = v \cdot x / \lVert v \rVert$ over that batch:
#
# $$g = \frac{1}{\sigma[t]}, \qquad b = -\frac{\mu[t]}{\sigma[t]}.$$
#
# The Addons wrapper leaves out the division by $\lVert v \rVert$: it takes the mean and standard deviation of $v \cdot x$. So the standard deviation of
# its outputs is $1/\lVert v\rVert$, not 1. The course's `WeightNormalization` offers both rules. We give the plain net and a net with each rule the
# same 512 images, and look at each unit's output before the ReLU.

# %%
starts = {
    **methods,
    "weight normalization, paper's initialization": lambda layer: WeightNormalization(
        layer, data_init="paper"
    ),
}


def outputs_before_relu(wrap, images):
    """For each hidden layer, what its units give: an array of shape (positions, units)."""
    lesson.set_seed()
    net = conv_net(wrap)
    net(images)  # the first call chooses g and b
    hidden = [layer for layer in net.layers[:-1] if layer.weights]
    outputs = keras.Model(net.inputs[0], [layer.output for layer in hidden])(images)
    return [output.numpy().reshape(-1, output.shape[-1]) for output in outputs]


before = {method: outputs_before_relu(wrap, x_train[:512]) for method, wrap in starts.items()}

# %% tags=["figure"] alt="Mean and standard deviation of every unit at the start, by layer, for three nets. The units of the paper's rule lie on the dotted lines at mean 0 and standard deviation 1. Those of the Addons rule lie near the lines, at a distance that differs from layer to layer. Those of the plain net have smaller standard deviations."
fig, axes = plt.subplots(1, 2, figsize=(10.4, 4.2))
for offset, (method, layers) in zip((-0.25, 0, 0.25), before.items()):
    for position, outputs in enumerate(layers):
        for ax, statistic in zip(axes, (outputs.mean(axis=0), outputs.std(axis=0))):
            places = position + offset + np.linspace(-0.08, 0.08, len(statistic))
            style = dict(color=plotting.colour(method, ax), alpha=0.6, markersize=4, linestyle="none")
            label = None if position else method
            ax.plot(places, statistic, plotting.marker(method, ax), label=label, **style)
for ax, what, ideal in zip(axes, ("mean", "standard deviation"), (0, 1)):
    ax.axhline(ideal, color="black", linewidth=1, linestyle=":")
    ax.set(title=f"{what.capitalize()} of each unit", ylabel=f"{what} over the batch")
    ax.set_xticks(range(4), ["conv 1", "conv 2", "dense 1", "dense 2"])
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)
plt.show()

# %% [markdown]
# Only the paper's rule puts every unit on the dotted lines. The Addons rule misses by a factor that we can compute beforehand. Glorot's initialization,
# Keras' default, draws columns with $\lVert v\rVert^2 \approx 2\,n_\mathrm{in} / (n_\mathrm{in} + n_\mathrm{out})$.

# %%
fans = {"conv 1": (75, 150), "conv 2": (150, 400), "dense 1": (400, 120), "dense 2": (120, 84)}
deviations = {
    "predicted, 1/‖v‖": [np.sqrt((fan_in + fan_out) / (2 * fan_in)) for fan_in, fan_out in fans.values()],
    "Addons": [outputs.std(axis=0).mean() for outputs in before["weight normalization"]],
    "paper": [outputs.std(axis=0).mean() for outputs in [*before.values()][-1]],
}
pd.DataFrame(deviations, index=fans).round(2).rename_axis("standard deviation")

# %% [markdown]
# Glorot's columns happen to have a length near 1, so here both rules are close. With much longer columns the Addons rule would miss by more (exercise
# 2).
#
# **Does the paper's rule help in training?** If it does, we should see it after the first epoch. So we train each net for one epoch from five seeds.

# %%
first_epoch = {method: [run["val_accuracy"][0] for run in histories.get(method, [])] for method in starts}
seeds = lesson.seeds(1 if lesson.quick else 5)
missing = [(method, seed) for method, known in first_epoch.items() for seed in seeds[len(known) :]]
for method, seed in progress_bar(missing, "one epoch from each start", unit="training"):
    first_epoch[method].append(train(starts[method], seed, 1, verbose=0)["val_accuracy"][0])

# %% tags=["figure"] alt="Test accuracy after one epoch, a dot for each of five seeds, for the plain net and for the weight-normalized net with either initialization, and the source's two numbers."
printed = {method: source[method]["val_accuracy"][0] for method in source}
ax = plotting.seed_dots(first_epoch, printed=printed, ax=plt.subplots(figsize=(10.4, 2.6))[1])
ax.set(xlabel="test accuracy after one epoch", title="One epoch, a dot for each seed")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# The dots of the two rules overlap. So five seeds show no gain from the paper's rule, and neither rule is clearly ahead of the plain net. The paper's
# rule is more exact before training. After one epoch the difference no longer shows.
#
# ## A learning rate that falls by itself
#
# Under gradient descent $v$ can only grow. Adam gives each component a step size of its own, so its steps need not be perpendicular to $v$. Does $v$
# still grow? The callback has kept the lengths.

# %% tags=["figure"] alt="The mean length of v over ten epochs for the five weighted layers, as a multiple of its length at the start. All five curves rise. Each seed is a thin line."
fig, ax = plt.subplots()
layers = ["conv 1", "conv 2", "dense 1", "dense 2", "dense 3"]
growth = np.array([np.divide(kept.lengths, kept.lengths[0]) for kept in lengths.values()])
for number, name in enumerate(layers):
    style = dict(color=plotting.colour(name, ax))
    ax.plot(growth[:, :, number].T, linewidth=0.8, alpha=0.5, **style)
    ax.plot(growth[:, :, number].mean(axis=0), marker=plotting.marker(name, ax), label=name, **style)
ax.axhline(1, color="black", linewidth=1, linestyle=":")
ax.set(xlabel="epoch", ylabel="mean ‖v‖, as a multiple of the start", title="How much longer v has become")
ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True))
ax.legend(ncols=2)
plt.show()

# %% [markdown]
# It does, in every layer. Adam moves each component by about the learning rate, whatever the size of the gradient. So a step turns $v$ by an angle
# proportional to $1/\lVert v\rVert$. If a curve reaches 2, the direction in this layer turns half as far in each step as at the start: its **effective
# learning rate** has halved. (Plain gradient descent also turns $v$ less when $v$ is longer. There the effective rate falls with $1/\lVert v\rVert^2$.)
# So weight normalization brings a learning-rate schedule of its own, one for each unit. [Lesson 08](08_learning_rate_schedules.ipynb) is about
# schedules that we choose.
#
# ## What a step costs
#
# The source says that the overhead is low, lower than that of batch normalization. It trains no net with batch normalization, so we do. Ours has one
# such layer after each of the four hidden layers. The course adds a question. The source's log prints 3 ms a step for the plain net and 5 ms for the
# weight-normalized one, a factor of $5/3$. Is it the same here?
#
# We time all three nets with Keras' own `fit`, one step a call, as the source trained them. The nets take turns, so that a busy machine slows all of
# them. We compare medians.

# %%
import time


def seconds_per_step(net, steps):
    begin = time.perf_counter()
    net.fit(x_train[: 32 * steps], y_train[: 32 * steps], batch_size=32, verbose=0)
    return (time.perf_counter() - begin) / steps


timed = {
    "plain": conv_net(),
    "weight normalization": conv_net(WeightNormalization),
    "batch normalization": conv_net(batch_norm=True),
}
rounds, steps = (2, 8) if lesson.quick else (7, 200)
times = {method: [] for method in timed}
for net in timed.values():
    net.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    seconds_per_step(net, steps)  # the first steps also build the program
for _ in range(rounds):
    for method, net in timed.items():
        times[method].append(1000 * seconds_per_step(net, steps))

# %%
medians = pd.DataFrame({"median, ms a step": pd.DataFrame(times).median()})
medians["relative to plain"] = medians["median, ms a step"] / medians["median, ms a step"]["plain"]
medians.round(2)

# %% tags=["record"]
milliseconds = medians["median, ms a step"]
lesson.record(
    "S1.c5",
    weight_normalized=milliseconds["weight normalization"],
    batch_normalized=milliseconds["batch normalization"],
)
lesson.record("S1.q5", step_time_ratio=milliseconds["weight normalization"] / milliseconds["plain"])

# %% [markdown]
# Compare the two lower rows with the first one. Weight normalization computes a norm and a factor for each unit. That is little work beside
# convolutions, which use each weight many times. (The cost also depends on how the layer is written. TensorFlow Addons' wrapper asks in every step
# whether the initialization has been done, and carries the code for it through the whole training. The course's wrapper for Keras 3 drops that code
# after the first batch.)
#
# And the source's whole milliseconds are not exact. Anything from $2.5$ to $3.5$ is printed as 3, and anything from $4.5$ to $5.5$ as 5. So the
# source's ratio may be anything from $4.5/3.5 \approx 1.3$ to $5.5/2.5 = 2.2$.
#
# ## Verdicts
#
# Every number of the source and every comparison, measured over several seeds on both stacks, in full mode on the real CIFAR-10.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("05_weight_normalization")

# %% [markdown]
# ## What to take away
#
# - Weight normalization trains length and direction apart. The gradient with respect to $v$ is perpendicular to $v$. So under gradient descent $v$
#   grows, and a longer $v$ turns less: a learning rate that falls by itself.
# - It allows longer steps where the loss is steep for turning $w$ and flat for lengthening it. Whether that helps a net has to be measured.
# - **Here it helps little, if at all.** Two seeds of one net differ about as much as the two nets do. The source's lead of
#   $0.6183 - 0.6045 = 0.0138$ comes from one run of each. The verdicts say what is left of it over several seeds.
# - An initialization from data gives every unit outputs of a reasonable size. The Addons wrapper's rule is not quite the paper's. With Glorot's weights
#   it comes close, and the difference did not show in training.
# - A figure of training accuracy from one run says little. Draw validation too, and repeat.
#
# **Today** you would try batch or layer normalization first ([lessons 02](02_batch_normalization.ipynb) and [03](03_normalization_layers.ipynb)).
# Weight normalization is still used where batches are small or outputs must not depend on one another, above all in audio and generative models.
# PyTorch has `torch.nn.utils.parametrizations.weight_norm`. Keras 3 has no such layer of its own. (Its `SpectralNormalization` does something else: it
# divides the weights by their largest singular value.)

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** After a long training by plain gradient descent a colleague finds the vectors $v$ “far too long”, halves them all, and trains on. What changes
# in the net's predictions, and what in its training?
#
# <details><summary>An answer</summary>
#
# The predictions stay as they are, because only the direction of $v$ counts. The training changes. The gradient with respect to $v$ has a factor
# $1/\lVert v\rVert$ and becomes twice as long, while $v$ is half as long. So the same rate now turns $v$ by about four times the angle. The great
# length of $v$ had lowered the effective learning rate.
#
# </details>
#
# **2.** To keep the weights small you give the wrapped layer `kernel_regularizer="l2"`, which acts on $v$. Why does that not keep the weights small,
# and what does it do?
#
# <details><summary>An answer</summary>
#
# The length of $w$ is $\lvert g\rvert$, and the penalty does not contain $g$. It shrinks $v$, which changes nothing that the net computes. But each
# step now turns $v$ further: the penalty raises the effective learning rate. To keep the weights small, penalize $g$.
#
# </details>
#
# **3.** Before training you call the net, with the default `data_init=True`, on a single image to see whether it runs. Then you train. What has gone
# wrong?
#
# <details><summary>An answer</summary>
#
# The first call sets $g$ and $b$, for whatever reason you made it. Over a single image the output of a dense unit does not vary: $\sigma$ is zero. Only
# a tiny constant in the code keeps $g=1/\sigma$ finite, and $g$ is huge. Training starts from there, without a warning. Build the net anew, and let its
# first batch be a real one.
#
# </details>
#
# **4.** The wrapped net has one trainable number more for each unit. Can it compute anything that the plain net cannot?
#
# <details><summary>An answer</summary>
#
# No. Every $g\,v/\lVert v\rVert$ is a weight vector that the plain net can have, and every weight vector can be written in this form. There is one
# number more, $g$, and one that does nothing, the length of $v$. The optimizer moves through the same set of nets in another way. So the wrapper can be
# taken off after training.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Exercises 1 to 3 have a cell to fill in and a check below it. The check tries your code on inputs of its own and answers in a sentence. In exercise 4
# you predict a result. The solutions are in [a notebook of their own](solutions/05_weight_normalization.ipynb); any code that does what the card asks
# passes.

# %% tags=["given"]
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Folded away
#
# *10 minutes.* **What.** Write `folded_kernel`, which gives the weights $g\,v/\lVert v\rVert$ of a whole layer as one array. The last axis is that of
# the units (or filters). Each unit has a norm of its own, over all other axes: one in a dense layer, three in a `Conv2D`. (`np.linalg.norm` takes two
# at most.) Do not change `v`.
#
# **Why.** After training nobody needs $v$ and $g$ any more. With the folded weights, plain layers give the same answers, and compute no norm.


# %% tags=["exercise"]
def folded_kernel(v, g):
    """The kernel g v / ‖v‖, in the shape of v; v: (..., units), g: (units,)."""
    ...


# %% tags=["solution"]
def folded_kernel(v, g):
    """The kernel g v / ‖v‖, in the shape of v; v: (..., units), g: (units,)."""
    inputs = tuple(range(v.ndim - 1))
    return g * v / np.sqrt(np.sum(v**2, axis=inputs))


# %% tags=["check"]
check("folded_kernel")

# %% tags=["solution"]
cifar10 = lesson.data(load_cifar10())
images = cifar10.x_train[:1024] / np.float32(255)
labels = keras.utils.to_categorical(cifar10.y_train[:1024], 10)
lesson.set_seed()
net, plain = conv_net(WeightNormalization), conv_net()
net.compile("adam", "categorical_crossentropy")
history = fit(net, images, labels, batch_size=32, verbose=0)

# %% tags=["solution"]
print("v               mean length of v   of the folded kernel")
for layer, target in zip(net.layers, plain.layers):
    if isinstance(layer, WeightNormalization):
        v, g = layer.v.numpy(), layer.g.numpy()
        kernel = folded_kernel(v, g)
        target.set_weights([kernel, layer.layer.bias.numpy()])
        lengths = [np.linalg.norm(w.reshape(-1, len(g)), axis=0).mean() for w in (v, kernel)]
        print(f"{v.shape!s:16}{lengths[0]:16.3f}{lengths[1]:23.3f}")

answers = [model.predict(images[:256], verbose=0) for model in (net, plain)]
print(f"largest difference between the answers of both nets: {np.abs(answers[0] - answers[1]).max():.0e}")

# %% [markdown] tags=["solution"]
# Both nets give the same answers up to rounding, and the plain one has neither $v$ nor $g$. The length of a folded kernel is $\lvert g\rvert$, and $v$
# says nothing about it: the kernels of the first convolution are several times longer than their $v$, those of the first dense layer are shorter.

# %% [markdown] tags=["exercise"]
# ### 2 · A start from data
#
# *15 minutes.* **What.** Write `start_from_batch`, the paper's initialization of a dense layer. From its `v` and a batch `x` it gives $g$ and $b$ such
# that every unit's output $g\,t + b$, with $t = v\cdot x/\lVert v\rVert$, has mean 0 and standard deviation 1 over the batch (`np.std`, which divides
# by n).
#
# **Why.** The initializations of [lesson 01](01_initialization_and_activations.ipynb) count the inputs of a unit to keep the size of its outputs. This
# one measures the outputs. So the length of the drawn weights does not matter, and it works in deep layers as well as in the first.


# %% tags=["exercise"]
def start_from_batch(v, x):
    """g and b, one number per unit each; v: (inputs, units), x: (examples, inputs)."""
    ...


# %% tags=["solution"]
def start_from_batch(v, x):
    """g and b, one number per unit each; v: (inputs, units), x: (examples, inputs)."""
    t = x @ v / np.linalg.norm(v, axis=0)
    g = 1 / t.std(axis=0)
    return g, -g * t.mean(axis=0)


# %% tags=["check"]
check("start_from_batch")

# %% tags=["solution"]
rng = np.random.default_rng(42)
print("mean ‖v‖   rule       layer 1: |mean|     std    layer 5: |mean|     std")
for size in (0.3, 1, 3):
    for rule in ("Addons", "paper"):
        h, shown = images[:512].reshape(-1, 3072), []
        for _ in range(5):
            v = rng.normal(0, size / np.sqrt(h.shape[1]), (h.shape[1], 100))
            g, b = start_from_batch(v, h)
            norms = np.linalg.norm(v, axis=0)
            g = g / norms if rule == "Addons" else g
            outputs = h @ (g * v / norms) + b
            shown.append(f"{np.abs(outputs.mean(axis=0)).mean():8.3f}{outputs.std(axis=0).mean():8.3f}")
            h = np.maximum(outputs, 0)
        print(f"{size:8}   {rule:10}{shown[0]:>25}{shown[-1]:>27}")

# %% [markdown] tags=["solution"]
# The paper's rule gives mean 0 and standard deviation 1 in every layer, whatever the length of the columns. The Addons rule does so only where that
# length is 1. Elsewhere the standard deviation is off by the factor $1/\lVert v\rVert$, as predicted in the lesson. The mean is off, too, because the
# bias was computed for another $g$. With long columns the last layer's outputs lie far from zero compared with their standard deviation. Then a ReLU
# passes all outputs of a unit or none: the unit is linear, or dead.

# %% [markdown] tags=["exercise"]
# ### 3 · Where the gradient goes
#
# *25 minutes.* **What.** You are given the gradient of the loss with respect to a layer's weights $w = g\,v/\lVert v\rVert$. Write `split_gradient`,
# which computes the gradients with respect to $v$ and to $g$ from it, for dense layers and convolutions alike. The last axis is that of the units.
#
# **Why.** The two formulas near the top of this lesson are all that weight normalization changes in training. Before you look at the solution, predict:
# what happens to a unit whose $v$ starts ten times too long?


# %% tags=["exercise"]
def split_gradient(grad_w, v, g):
    """The gradients with respect to v and to g, in their shapes; grad_w, v: (..., units), g: (units,)."""
    ...


# %% tags=["solution"]
def split_gradient(grad_w, v, g):
    """The gradients with respect to v and to g, in their shapes; grad_w, v: (..., units), g: (units,)."""
    inputs = tuple(range(v.ndim - 1))
    length = np.sqrt(np.sum(v**2, axis=inputs))
    direction = v / length
    grad_g = np.sum(grad_w * direction, axis=inputs)
    return g / length * (grad_w - grad_g * direction), grad_g


# %% tags=["check"]
check("split_gradient")


# %% tags=["solution"]
def gradients(model, weights):
    """Gradients of the loss over 32 images with respect to some of a net's weights."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(labels[:32], model(images[:32])))
    return [gradient.numpy() for gradient in tape.gradient(loss, weights)]


conv = net.layers[0]
v, g = conv.v.numpy(), conv.g.numpy()
tape_v, tape_g = gradients(net, [conv.v, conv.g])
grad_v, grad_g = split_gradient(*gradients(plain, [plain.layers[0].kernel]), v, g)
columns = [w.reshape(-1, len(g)) for w in (grad_v, v, grad_v - tape_v)]
lengths = [np.linalg.norm(column, axis=0) for column in columns]
cosines = np.sum(columns[0] * columns[1], axis=0) / (lengths[0] * lengths[1])
print("filter   length of ∇v   its cosine with v   off from the tape's: ∇v        ∇g")
for unit, row in enumerate(zip(lengths[0], cosines, lengths[2], grad_g - tape_g), 1):
    print("{:6}{:15.4f}{:20.0e}{:27.0e}{:10.0e}".format(unit, *row))

# %% [markdown] tags=["solution"]
# The plain net's gradient is enough. Split in two, it agrees with what the tape finds for $v$ and $g$, up to rounding. And the gradient with respect to
# $v$ is perpendicular to $v$, for each of the six filters.
#
# Now a start that is too long: one unit, the same $g$ and the same direction, $v$ of three lengths, plain gradient descent.

# %% tags=["solution", "figure"] alt="The squared distance from the target over the steps, on logarithmic axes, for v of length 1, 3 and 10 at the start. All three fall at first and fall steeply in the end. In between, the curve of length 3 stays level for a while, and that of length 10 for much longer."
rng = np.random.default_rng(42)
start, target = rng.normal(size=(2, 20, 1)) / np.sqrt(20)
fig, ax = plt.subplots()
for size in (1, 3, 10):
    v, g, losses = size * start / np.linalg.norm(start), np.ones(1), []
    for _ in range(8_000):
        error = folded_kernel(v, g) - target
        losses.append(np.sum(error**2))
        grad_v, grad_g = split_gradient(2 * error, v, g)
        v, g = v - 0.05 * grad_v, g - 0.05 * grad_g
    steps = np.arange(1, len(losses) + 1)
    name = f"‖v‖ = {size} at the start"
    look = dict(color=plotting.colour(name, ax), marker=plotting.marker(name, ax), markevery=0.15)
    ax.loglog(steps, losses, **look, label=name)
    print(f"{name}: {np.argmax(np.array(losses) < 0.01):5} steps to a squared distance of 0.01")
ax.set(xlabel="step", ylabel="squared distance from the target", ylim=(1e-8, 10))
ax.set_title("The same unit: the longer v is, the longer it takes")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# For the two longer vectors there are three phases. First $g$ finds the best length for the direction that it has. This takes as many steps for all
# three, because the gradient with respect to $g$ does not depend on the length of $v$. Then comes a plateau, while $v$ turns. Then the curve falls
# steeply. The plateau grows with the square of the length: a step of $v$ is shorter by the factor $1/\lVert v\rVert$, and it turns a vector that is
# longer by the factor $\lVert v\rVert$. For the length 1 it is too short to see.

# %% [markdown] tags=["exercise"]
# ### 4 · Predict, run, explain: a recurrent net
#
# *10 minutes.* A small LSTM reads MNIST digits row by row: 28 steps of 28 pixels. We train it as it is, and with its recurrent weights normalized.
# (These are the weights that are applied again in every step.) `data_init=False` starts $g$ at $\lVert v\rVert$, so both nets start as the same
# function. The source recommends weight normalization for recurrent nets and shows none.
#
# **Predict.** Two epochs, three seeds for each net: which net is ahead, and is it ahead by more than the distance between two seeds? Write it down.
#
# **Run.** Run the two cells below.
#
# **Explain.** What does the method do for a recurrent net that batch normalization cannot easily do?

# %% tags=["predict"]
from course_utils.data import load_mnist

mnist = lesson.data(load_mnist())
rows, rows_test = mnist.x_train[:20_000] / np.float32(255), mnist.x_test / np.float32(255)


def read_rows(wrap, seed):
    lesson.set_seed(seed)
    layers = [
        keras.Input((28, 28)),
        wrap(keras.layers.LSTM(64)),
        keras.layers.Dense(10, activation="softmax"),
    ]
    net = keras.Sequential(layers)
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    test = (rows_test, mnist.y_test)
    history = fit(
        net, rows, mnist.y_train[:20_000], batch_size=128, epochs=2, validation_data=test, verbose=0
    )
    return history.history


# %% tags=["predict"] alt="Test accuracy of the LSTM after the first and the second epoch, a dot for each of three seeds, for the plain and the weight-normalized net. The dots of both lie in the same range."
wraps = {
    "plain": lambda layer: layer,
    "weight normalization": lambda layer: WeightNormalization(layer, data_init=False),
}
runs = [(method, seed) for method in wraps for seed in lesson.seeds(1 if lesson.quick else 3)]
readers = {method: [] for method in wraps}
for method, seed in progress_bar(runs, "reading digits", unit="training"):
    readers[method].append(read_rows(wraps[method], seed))

fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.0), sharey=True)
for epoch, ax in enumerate(axes):
    plotting.seed_dots(
        {method: [run["val_accuracy"][epoch] for run in found] for method, found in readers.items()}, ax=ax
    )
    ax.set(xlabel="test accuracy", title=f"LSTM, after epoch {epoch + 1}")
plt.show()

# %% [markdown] tags=["exercise"]
# <details><summary>An explanation</summary>
#
# In our runs the two nets are close together: their means differ by less than two seeds of one net. So weight normalization neither helps nor hurts
# here. But the run shows that the method works *unchanged* in a recurrent net. The recurrent kernel is used 28 times for each digit. It is the same
# kernel each time, so its length and direction can be trained as in any other layer. Batch normalization cannot simply be put in this place: means and
# variances differ from time step to time step. (`data_init` is off because the initialization from data looks at a layer's inputs, and part of a
# recurrent layer's inputs are its own outputs.)
#
# </details>

# %% [markdown]
# ## References
#
# - T. Salimans, D. P. Kingma, *Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep
#   Neural Networks*, 2016, [arXiv:1602.07868](https://arxiv.org/abs/1602.07868): the idea, the initialization
#   from data, and the growth of $v$ (section 2).
# - X. Glorot, Y. Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010: the
#   initialization that Keras uses by default.
