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
# Some nets are slow to train not because the task is hard but because their weights are awkward to move:
# a step that is right for one direction is far too long for another. Weight normalization is the smallest
# remedy there is. It leaves the net, the loss and the optimizer as they are and only changes *what* is
# trained: instead of a weight vector, its length and its direction.
#
# | | |
# |---|---|
# | **You will learn** | to write a layer as length times direction · to predict what that does to the gradient · to compare two nets fairly · to read what a published figure leaves out |
# | **You need** | a convolutional net in Keras; lesson 00 |
# | **Reproduces** | the TensorFlow Addons tutorial [*Layers: WeightNormalization*](https://www.tensorflow.org/addons/tutorials/layers_weightnormalization) |
# | **The idea** | Salimans & Kingma 2016, [*Weight Normalization*](https://arxiv.org/abs/1602.07868) |
# | **Time** | in full mode as it says above; in quick mode (`COURSE_MODE=quick`) a minute or two |

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("05_weight_normalization")

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from course_utils import plotting
from course_utils.addons import WeightNormalization
from course_utils.data import load_cifar10, load_mnist
from course_utils.training import shuffled

# %% [markdown]
# ## A length and a direction
#
# A neuron computes $w \cdot x + b$. Weight normalization writes its weight vector as
#
# $$w = g\,\frac{v}{\lVert v \rVert}$$
#
# and trains the number $g$ and the vector $v$ in place of $w$. Whatever $v$ is, the length of $w$ is
# $\lvert g \rvert$; and only the direction of $v$ matters, not its length.


# %%
def weight(v, g):
    return g * v / np.linalg.norm(v)


# %% tags=["nbval-check-output"]
v = np.array([3.0, 4.0])
print("g = 2:             w =", weight(v, g=2.0))
print("v ten times longer: w =", weight(10 * v, g=2.0))

# %% [markdown]
# So the same net can be written in infinitely many ways, and nothing it can compute has changed. Why should
# it train differently?
#
# **Before you read on:** the loss does not change when $v$ gets longer. What does that say about the
# direction of its gradient with respect to $v$?

# %% tags=["nbval-check-output"]
v, g = tf.Variable([3.0, 4.0]), tf.Variable(2.0)
target = tf.constant([-1.0, 1.0])

with tf.GradientTape() as tape:
    w = g * v / tf.norm(v)
    loss = tf.reduce_sum((w - target) ** 2)

grad_v, grad_g = tape.gradient(loss, [v, g])
along = abs(float(tf.tensordot(grad_v, v / tf.norm(v), 1)))
print(f"length of the gradient with respect to v: {float(tf.norm(grad_v)):.4f}")
print(f"its part along v:                         {along:.4f}")

# %% [markdown]
# It has no part along $v$. The chain rule says the same:
#
# $$\nabla_g L = \nabla_w L \cdot \frac{v}{\lVert v\rVert}, \qquad
#   \nabla_v L = \frac{g}{\lVert v\rVert}\Big(\nabla_w L - \big(\nabla_w L\cdot\tfrac{v}{\lVert v\rVert}\big)\tfrac{v}{\lVert v\rVert}\Big)$$
#
# Length and direction are taken apart: the part of the gradient that would make $w$ longer goes to $g$, the
# rest turns $v$. And there is a consequence that is easy to miss. Each step of gradient descent is
# perpendicular to $v$, and a step at a right angle always leads away from the origin:
#
# $$\lVert v - \eta\nabla_v L \rVert^2 = \lVert v\rVert^2 + \eta^2 \lVert\nabla_v L\rVert^2 .$$
#
# **$v$ can only grow.** The longer it is, the less a step of the same length turns it. The net slows its own
# learning rate down, most where gradients are large.

# %%
path_v, path_w = [v.numpy()], [w.numpy()]
for _ in range(30):
    with tf.GradientTape() as tape:
        w = g * v / tf.norm(v)
        loss = tf.reduce_sum((w - target) ** 2)
    grad_v, grad_g = tape.gradient(loss, [v, g])
    v.assign_sub(2.0 * grad_v)
    g.assign_sub(0.1 * grad_g)
    path_v.append(v.numpy())
    path_w.append((g * v / tf.norm(v)).numpy())

# %% tags=["figure"]
fig, ax = plt.subplots(figsize=(5.6, 4.6))
for path, name, colour in [
    (path_v, "v", "#0072B2"),
    (path_w, "w = g v / ‖v‖", "#D55E00"),
]:
    ax.plot(*np.transpose(path), "o-", color=colour, label=name, markersize=4)
    ax.annotate("start", path[0], xytext=(8, -3), textcoords="offset points", color=colour)
ax.plot(*target.numpy(), "k*", markersize=13, label="where w should go")
radius = np.linalg.norm(path_v[0])
ax.add_patch(plt.Circle((0, 0), radius, fill=False, linestyle=":", color="grey"))
ax.plot(0, 0, "k+", markersize=10)
ax.set(aspect="equal", xlabel="first component", ylabel="second component")
ax.set_title("w finds its target; v leaves its circle, outwards")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# The orange point walks to the star. The blue one only has to point in the right direction, and on its way it
# drifts outwards, across the dotted circle of its first length. We will meet this drift again in a real net.
#
# Batch normalization has a similar effect and gets it from the examples in a batch, so each example's output
# depends on the others. Here nothing does: no batch statistics, nothing to keep for later, no difference between
# training and inference. That is why the paper recommends it where batch noise hurts: in recurrent nets,
# in reinforcement learning, in generative models.

# %% [markdown]
# ## The task: CIFAR-10
#
# 50,000 small photographs to train on, 10,000 to test on, ten classes. As in the source, pixels are scaled to
# [0, 1] and labels are one-hot.

# %%
cifar10 = lesson.data(load_cifar10())

x_train, x_test = cifar10.x_train / np.float32(255), cifar10.x_test / np.float32(255)
y_train = keras.utils.to_categorical(cifar10.y_train, 10)
y_test = keras.utils.to_categorical(cifar10.y_test, 10)

# %% tags=["figure"]
plotting.image_grid(cifar10.x_train, cifar10.y_train, cifar10.class_names)
plt.show()

# %% [markdown]
# ## Two nets
#
# The source's net is a small one: two convolutions, three dense layers. The second net is the same with each
# of its five weight layers wrapped. We write both with one function, so that they cannot differ by accident.


# %% tags=["needed"]
def lenet(wrap=lambda layer: layer):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            wrap(layers.Conv2D(6, 5)),
            layers.ReLU(),
            layers.MaxPooling2D(2, 2),
            wrap(layers.Conv2D(16, 5)),
            layers.ReLU(),
            layers.MaxPooling2D(2, 2),
            layers.Flatten(),
            wrap(layers.Dense(120)),
            layers.ReLU(),
            wrap(layers.Dense(84)),
            layers.ReLU(),
            wrap(layers.Dense(10, activation="softmax")),
        ]
    )


# %% tags=["nbval-check-output"]
def trainable(net):
    return sum(int(np.prod(w.shape)) for w in net.trainable_weights)


print("plain:            ", trainable(lenet()))
print("weight-normalized:", trainable(lenet(WeightNormalization)))

# %% [markdown]
# The difference is one $g$ for each of the 6 + 16 filters and 120 + 84 + 10 units.
#
# `WeightNormalization` does one more thing by default (`data_init=True`): with the first batch it sees, it
# sets $g$ and the biases from the spread of that batch, so that the net starts from outputs of a reasonable
# size. More on this below.
#
# **Which of the two do you expect to be ahead after one epoch? After ten?** Write it down.
#
# Settings are the source's: Adam with its defaults, batches of 32, ten epochs, and after each epoch a look at
# the test images. Both nets start from the same seed. (`shuffled` mixes the batches anew every epoch; lesson 00
# shows why we do not leave that to `fit`.)


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


# %%
def train(net, label, epochs, callbacks=()):
    net.compile("adam", "categorical_crossentropy", metrics=["accuracy"], **lesson.fast_conv)
    return net.fit(
        shuffled(x_train, y_train, batch_size=32),
        epochs=epochs,
        validation_data=(x_test, y_test),
        verbose=0,
        callbacks=[lesson.progress(label), *callbacks],
    )


# %%
histories = {}
lesson.set_seed()
histories["plain"] = train(lenet(), "plain net", lesson.epochs(10))

# %%
lengths = DirectionLengths()
lesson.set_seed()
net = lenet(WeightNormalization)
histories["weight normalization"] = train(net, "weight-normalized net", lesson.epochs(10), [lengths])

# %% [markdown]
# These are the epochs of both, in the columns that the source prints: accuracy on the training images, then
# loss and accuracy on the test images.

# %% tags=["figure"]
print("             plain                     weight normalization")
print("epoch     acc  val loss  val acc        acc  val loss  val acc")
columns = [run.history[key] for run in histories.values() for key in ("accuracy", "val_loss", "val_accuracy")]
for number, row in enumerate(zip(*columns), start=1):
    print("{:>5}  {:.4f}    {:.4f}   {:.4f}     {:.4f}    {:.4f}   {:.4f}".format(number, *row))

# %% [markdown]
# And the first and the last of them next to the numbers in the source.

# %%
source = {
    "plain": {
        "accuracy": [0.4014, 0.5106, 0.5571, 0.5916, 0.6118, 0.6311, 0.6496, 0.6633, 0.6772, 0.6891],
        "val_accuracy": [0.4774, 0.5369, 0.5441, 0.5858, 0.5898, 0.6047, 0.6101, 0.6028, 0.6132, 0.6045],
    },
    "weight normalization": {
        "accuracy": [0.4222, 0.5244, 0.5673, 0.5982, 0.6190, 0.6412, 0.6584, 0.6736, 0.6897, 0.7040],
        "val_accuracy": [0.4791, 0.5428, 0.5403, 0.5866, 0.5880, 0.6025, 0.6100, 0.6057, 0.6120, 0.6183],
    },
}

print("                          training          test")
print("epoch                   ours  source    ours  source")
for method, history in histories.items():
    for epoch in [1, lesson.epochs(10)]:
        ours, theirs = history.history, source[method]
        cells = [run[key][epoch - 1] for key in ("accuracy", "val_accuracy") for run in (ours, theirs)]
        print(f"{epoch:>2} {method:20}" + "".join(f"{cell:8.4f}" for cell in cells))

# %%
plain, normalized = (histories[method].history for method in ("plain", "weight normalization"))
lesson.record("S1.c1", val_accuracy=plain["val_accuracy"][-1], accuracy=plain["accuracy"][-1])
lesson.record("S1.c2", val_accuracy=normalized["val_accuracy"][-1], accuracy=normalized["accuracy"][-1])
lesson.record("S1.c3", weight_normalized=normalized["accuracy"], plain=plain["accuracy"])
lesson.record("S1.c4", weight_normalized=normalized["val_accuracy"][-1], plain=plain["val_accuracy"][-1])

# %% [markdown]
# The source draws one figure: training accuracy over the epochs. This is ours, drawn the same way.

# %% tags=["figure"]
fig, ax = plt.subplots()
for method, history in histories.items():
    values = history.history["accuracy"]
    ax.plot(np.linspace(0, 10, len(values)), values, color=plotting.colour(method), label=method)
ax.set(
    xlabel="“epoch” as the source draws it", ylabel="accuracy", title="The source's figure, with our numbers"
)
ax.legend()
plt.show()

# %% [markdown]
# ### Worth a second look: what the figure leaves out
#
# Two things. The x axis runs from 0 to 10 in ten even steps, so the accuracy *after* the first epoch stands
# at 0, where no training has happened yet. And it shows training accuracy only: how well the net does on
# images that it has seen. We draw epochs as epochs, and both accuracies.

# %% tags=["figure", "cover"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.0), sharey=True)
plotting.learning_curves(histories, validation=False, ax=axes[0])
plotting.learning_curves(histories, training=False, ax=axes[1])
axes[0].set(title="Training images", ylabel="accuracy")
axes[1].set(title="Test images", ylabel="")
lesson.save_figure(fig, "training-curves")
plt.show()

# %% [markdown]
# Look at the right panel before you decide whether weight normalization has won. One run of each cannot tell a
# difference of this size from luck: with another seed the curves cross elsewhere. The verdicts at the end of
# this lesson come from several seeds on two software stacks.
#
# ### Worth a second look: validating on the test set
#
# The source calls the test images its validation set. It chooses nothing by them, so its last-epoch numbers are
# honest. It would be easy to go wrong from here, though: quote the best epoch instead of the last, and the
# test set has chosen the model. How much would that flatter each run?

# %%
for method, history in histories.items():
    values = history.history["val_accuracy"]
    best = int(np.argmax(values))
    gain = 100 * (values[best] - values[-1])
    print(
        f"{method:20}: last epoch {values[-1]:.4f}, best (epoch {best + 1}) {values[best]:.4f}, {gain:+.1f} points"
    )

# %% [markdown]
# Sometimes much, sometimes little, but always upwards: the best of ten epochs cannot be worse than the last, for
# any net, however bad. A lead like the source's, of “0.6183” over “0.6045”, is easily made that way. In later lessons we
# hold out a validation set and use the test set once.

# %% [markdown]
# ## Worth a second look: the initialisation
#
# The paper sets $g$ and $b$ from the first batch, so that every unit starts with outputs of mean 0
# and standard deviation 1. With $t = v \cdot x / \lVert v \rVert$ over that batch:
#
# $$g = \frac{1}{\sigma[t]}, \qquad b = -\frac{\mu[t]}{\sigma[t]}.$$
#
# The Addons layer leaves out the division by $\lVert v \rVert$: it takes the mean and deviation of
# $v \cdot x$. Then $g$ is off by the factor $\lVert v\rVert$. Does it matter? We give three nets the same
# 512 images and look at the outputs of each hidden layer, before the ReLU.

# %%
batch = x_train[:512]


def pre_activations(net):
    weighted = [layer for layer in net.layers[:-1] if layer.weights]
    outputs = keras.Model(net.inputs, [layer.output for layer in weighted]).predict(batch, verbose=0)
    return [output.reshape(-1, output.shape[-1]) for output in outputs]


def paper_init(layer):
    return WeightNormalization(layer, data_init="paper")


# %%
starts = {}
for method, wrap in [
    ("plain", lambda layer: layer),
    ("weight normalization", WeightNormalization),
    ("weight normalization, paper's initialisation", paper_init),
]:
    lesson.set_seed()
    net = lenet(wrap)
    net(batch)  # the first call is the one that initialises
    starts[method] = pre_activations(net)

# %% tags=["figure"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.2))
for offset, (method, layers) in zip((-0.25, 0, 0.25), starts.items()):
    for position, outputs in enumerate(layers, start=1):
        for ax, statistic in zip(axes, (outputs.mean(axis=0), outputs.std(axis=0))):
            spread = np.linspace(-0.08, 0.08, len(statistic))
            dots = dict(color=plotting.colour(method), marker=plotting.MARKERS[method], alpha=0.6, s=14)
            ax.scatter(position + offset + spread, statistic, label=method if position == 1 else None, **dots)
for ax, what, ideal in zip(axes, ("mean", "standard deviation"), (0, 1)):
    ax.axhline(ideal, color="black", linewidth=1, linestyle=":")
    ax.set(title=f"{what.capitalize()} of each unit", ylabel=f"{what} over the batch")
    ax.set_xticks(range(1, 5), ["conv 1", "conv 2", "dense 1", "dense 2"])
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)
plt.show()

# %%
for method, layers in starts.items():
    mean = np.mean([np.abs(outputs.mean(axis=0)).mean() for outputs in layers])
    deviation = [outputs.std(axis=0).mean() for outputs in layers]
    print(f"{method}: |mean| {mean:.2f}, std by layer", *(f"{value:.2f}" for value in deviation))

# %% [markdown]
# The dotted lines are where the paper wants each unit, and only the paper's own rule puts them there. The
# Addons rule misses by an amount that we can compute. It chooses $g = 1/\sigma[v \cdot x] = 1/(\lVert v\rVert\,\sigma[t])$,
# and the unit's output is $g\,t + b$: its standard deviation is $1/\lVert v\rVert$ instead of 1. Glorot's
# initialisation gives $\lVert v\rVert^2 \approx 2\,n_\mathrm{in} / (n_\mathrm{in} + n_\mathrm{out})$, so we can
# predict each layer before we measure it.

# %%
measured = [outputs.std(axis=0).mean() for outputs in starts["weight normalization"]]
fans = {"conv 1": (75, 150), "conv 2": (150, 400), "dense 1": (400, 120), "dense 2": (120, 84)}
print("layer     std predicted   measured")
for (name, (fan_in, fan_out)), deviation in zip(fans.items(), measured):
    print(f"{name:10}{np.sqrt((fan_in + fan_out) / (2 * fan_in)):13.2f}{deviation:11.2f}")

# %% [markdown]
# It works because Glorot's columns happen to have a length not far from 1. Under an initialisation with longer
# columns the Addons rule would miss by as much as they are longer.
#
# **Does the better start show in training?** What do you think? If it does, then early: five epochs will tell.

# %%
lesson.set_seed()
net = lenet(paper_init)
histories["weight normalization, paper's initialisation"] = train(
    net, "paper's initialisation", lesson.epochs(5)
)

# %% tags=["figure"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.4), sharey=True)
plotting.learning_curves(histories, validation=False, ax=axes[0])
plotting.learning_curves(histories, training=False, ax=axes[1])
handles, labels = axes[0].get_legend_handles_labels()
for ax, title in zip(axes, ("Training images", "Test images")):
    ax.get_legend().remove()
    ax.set_title(title)
axes[1].set_ylabel("")
fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=10)
plt.show()

# %% [markdown]
# Look at the first epoch, where an initialisation has its best chance, and then at the fifth.

# %% [markdown]
# ## The learning rate that brakes itself
#
# We predicted that $v$ only grows under gradient descent. Adam rescales each component of a step, so a step
# need not be perpendicular to $v$ any more. Does it still grow? The callback has kept the lengths.

# %% tags=["figure"]
growth = np.array(lengths.lengths) / lengths.lengths[0]
fig, ax = plt.subplots()
for values, name, marker in zip(growth.T, ["conv 1", "conv 2", "dense 1", "dense 2", "dense 3"], "os^Dv"):
    ax.plot(values, marker=marker, label=name)
ax.axhline(1, color="black", linewidth=1, linestyle=":")
ax.set(xlabel="epoch", ylabel="mean ‖v‖, at the start = 1", title="How much longer v has become")
ax.set_xticks(range(len(growth)))
ax.legend(ncols=2)
plt.show()

# %% [markdown]
# Adam moves each component by about the learning rate, whatever the size of the gradient, so a step turns $v$
# by an angle proportional to $1/\lVert v\rVert$; for plain gradient descent, whose steps shrink with
# $\lVert v\rVert$ as well, it is $1/\lVert v\rVert^2$. A curve that doubles therefore means: by the end, this
# layer's direction turns half as fast per step as at the start. Weight normalization brings its own
# learning-rate schedule, one for each unit. (Lesson 08 writes schedules on purpose.)

# %% [markdown]
# ## What a step costs
#
# The source calls the overhead low. Its own log says otherwise: 3 ms a step for the plain net, 5 ms for the
# weight-normalized one, a factor of $5/3$. We time both as the source trained them, one step per call and
# without XLA, and take medians. The nets take turns, so that a busy machine slows both alike.

# %%
import time


def seconds_per_step(net, steps):
    start = time.perf_counter()
    net.fit(x_train[: 32 * steps], y_train[: 32 * steps], batch_size=32, verbose=0)
    return (time.perf_counter() - start) / steps


timed = {"plain": lenet(), "weight normalization": lenet(WeightNormalization)}
for net in timed.values():
    net.compile("adam", "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    seconds_per_step(net, 10)  # the first steps also build the program

rounds, steps = (2, 10) if lesson.quick else (7, 100)
times = {method: [] for method in timed}
for _ in range(rounds):
    for method, net in timed.items():
        times[method].append(seconds_per_step(net, steps))

# %%
medians = {method: float(np.median(values)) for method, values in times.items()}
ratio = medians["weight normalization"] / medians["plain"]
for method, seconds in medians.items():
    print(f"{method:20}: {1000 * seconds:.1f} ms a step")
print(f"ratio: {ratio:.2f} on the {lesson.stack} stack")
lesson.record("S1.c5", step_time_ratio=ratio)

# %% [markdown]
# The cost depends on how the layer is written. TensorFlow Addons asks in every step whether the
# initialisation has been done, and carries the code for it through every training step. The layer that this course
# brings for Keras 3 settles the question once and then drops it from the program; what remains,
# a norm and a factor for each unit, is little beside the convolutions, which use each weight
# many times. (Beside a wide dense layer, which uses it once per example, it is more: try
# `benchmarks/weight_normalization.py`.)
#
# And do not read too much into a factor made of whole milliseconds. What is logged as 3 and 5 may have been $3.4$ and
# $4.6$, or $2.6$ and $5.4$: a ratio anywhere from $1.35$ to $2.1$. The table at the end has ours, on both stacks.

# %% [markdown]
# ## Beyond the source: a recurrent net
#
# Weight normalization is recommended for recurrent nets, where batch normalization is awkward; the source says
# so and does not show it. Let a small LSTM read MNIST digits row by row: 28 steps of 28 pixels. Wrapping it
# normalizes the recurrent weights, the ones that are applied again and again.
#
# The initialisation from data is switched off: the paper advises against it here, as a recurrent layer has
# no single place where its inputs are known in advance.

# %%
mnist = lesson.data(load_mnist())
rows_train, rows_test = mnist.x_train / np.float32(255), mnist.x_test / np.float32(255)


def row_reader(wrap=lambda layer: layer):
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((28, 28)), wrap(layers.LSTM(64)), layers.Dense(10, activation="softmax")]
    )


def wrap_recurrent(layer):
    return WeightNormalization(layer, data_init=False)


# %%
readers = {}
for method, wrap in [("plain", lambda layer: layer), ("weight normalization", wrap_recurrent)]:
    lesson.set_seed()
    net = row_reader(wrap)
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **lesson.fast_conv)
    readers[method] = net.fit(
        shuffled(rows_train, mnist.y_train, batch_size=128),
        epochs=lesson.epochs(3),
        validation_data=(rows_test, mnist.y_test),
        verbose=0,
        callbacks=[lesson.progress(f"LSTM, {method}")],
    )

# %% tags=["figure"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.0), sharey=True)
plotting.learning_curves(readers, validation=False, ax=axes[0])
plotting.learning_curves(readers, training=False, ax=axes[1])
axes[0].set_title("Training digits")
axes[1].set(title="Test digits", ylabel="")
plt.show()

# %%
for method, history in readers.items():
    print(f"{method:20}:", *(f"{value:.4f}" for value in history.history["val_accuracy"]))

# %% [markdown]
# It runs, unchanged, where batch normalization would need a statistic for every time step. Whether it helps is
# another question: on a task that an LSTM learns this quickly there is little left to gain. Exercise 3 makes
# the task harder.

# %% [markdown]
# ## Verdicts
#
# Every number and every "better" of the source, measured again over several seeds on two software stacks, in
# full mode on the real CIFAR-10.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("S1")

# %% [markdown]
# ## What to take away
#
# - Weight normalization trains length and direction apart. The gradient of the direction is perpendicular to it,
#   so $v$ grows, and a growing $v$ is a falling learning rate.
# - A data-dependent start gives every unit a reasonable output. The Addons layer's rule is not quite the
#   paper's; under Glorot's initialisation it comes close.
# - A figure of training accuracy from one run says little. Draw validation too, and repeat.
# - What a layer costs depends on its code as much as on its mathematics.
#
# **Today** you would reach for batch or layer normalization first (lessons 02 to 04). Weight normalization lives
# on where batches are small or outputs must not depend on one another, in audio and generative models above all. PyTorch has
# `torch.nn.utils.parametrizations.weight_norm`; Keras 3 has no such layer of its own (its
# `SpectralNormalization` bounds the largest singular value instead), so the course brings one.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** After a long training by plain gradient descent a colleague finds the vectors $v$ "far too long", halves them all, and trains on. What
# changes in the net's predictions, and what in its training?
#
# <details><summary>An answer</summary>
#
# The predictions stay as they are, because only the direction of $v$ counts. The training does not. The gradient with respect to $v$ has a factor
# $1/\lVert v\rVert$ and becomes twice as long, while $v$ is half as long: the same rate now turns it by about four times the angle. What looked
# like untidiness was the brake, and the colleague has let it go.
#
# </details>
#
# **2.** To keep the weights small you give the wrapped layer `kernel_regularizer="l2"`, which acts on $v$. Why does that not keep the weights
# small, and what does it do?
#
# <details><summary>An answer</summary>
#
# The length of $w$ is $\lvert g\rvert$, and the penalty does not see $g$. It shrinks $v$, which changes nothing that the net computes but makes each step turn
# $v$ further: a penalty that was meant to restrain raises the effective learning rate. To keep the weights small, penalize $g$.
#
# </details>
#
# **3.** Before training you call the net, with the default `data_init=True`, on a single image to see whether it runs. Then you train. What has gone wrong?
#
# <details><summary>An answer</summary>
#
# The first call, whatever it is for, is the one that initialises. Over a single image a dense unit has no spread: $\sigma$ is zero, only the tiny constant
# in the code keeps $g=1/\sigma$ finite, and $g$ is huge. Training starts from there, without a warning. Build the net anew, and let its first batch be a real one.
#
# </details>
#
# **4.** The wrapped net has one trainable number more for each unit. Can it compute anything that the plain net cannot?
#
# <details><summary>An answer</summary>
#
# No. Every $g\,v/\lVert v\rVert$ is a weight vector that the plain net can have, and every weight vector can be written so. The additional number per unit is matched by one that
# does nothing, the length of $v$. What changes is the way the optimizer moves through the same set of nets, and that is why the wrapper can be taken off after training.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a notebook of their own](solutions/05_weight_normalization.ipynb); any code that does what the card asks passes.

# %% tags=["given"]
import numpy as np

from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Folded away
#
# *10 minutes.* **What.** Write `folded_kernel`, which gives the weights $g\,v/\lVert v\rVert$ of a whole layer as one array. The last axis is that of
# the units (or filters), and each has a norm of its own over all other axes: one in a dense layer, three in a `Conv2D`, where `np.linalg.norm` takes two at most. Leave `v`
# itself as it is.
#
# **Why.** After training nobody needs $v$ and $g$ any more. Folded into plain weights, the net gives the same answers with plain layers: no wrapper to carry along, no norm to compute.


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
import keras
import matplotlib.pyplot as plt
import tensorflow as tf

from course_utils.addons import WeightNormalization
from course_utils.data import load_cifar10

cifar10 = lesson.data(load_cifar10())
images = cifar10.x_train[:1024] / np.float32(255)
labels = keras.utils.to_categorical(cifar10.y_train[:1024], 10)
lesson.set_seed()
net, plain = lenet(WeightNormalization), lenet()
net.compile("adam", "categorical_crossentropy", **lesson.fast_conv)
history = net.fit(images, labels, batch_size=32, verbose=0)

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
# Both nets give the same answers up to rounding, and the plain one has neither $v$ nor $g$. How long a folded kernel is, no $v$ could have told:
# the first convolution's are several times longer than the $v$ they came from, those of the wide dense layer are shorter. The lengths are the $\lvert g\rvert$.

# %% [markdown] tags=["exercise"]
# ### 2 · A start from data
#
# *15 minutes.* **What.** Write `start_from_batch`, the paper's initialisation of a dense layer. From its `v` and a batch `x` it gives $g$ and $b$ such that
# every unit's output $g\,t + b$, with $t = v\cdot x/\lVert v\rVert$, has mean 0 and standard deviation 1 over the batch (`np.std`, which divides by n).
#
# **Why.** Lesson 01's initialisations keep the size of a signal by counting inputs; this one looks. So it does not matter how long or short the weights were drawn, and the deeper layers
# are served as well as the first.


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
# The paper's rule holds in every layer, whatever the length of the columns. The rule of the Addons layer holds where that length is 1. Elsewhere the deviation is off
# by $1/\lVert v\rVert$, as predicted above, and so is the mean from zero, since its bias fits a $g$ that the unit does not have. With long columns the last layer's units
# are so far from zero, for their spread, that hardly one can still cross ReLU's corner: they are linear, or dead.

# %% [markdown] tags=["exercise"]
# ### 3 · Where the gradient goes
#
# *25 minutes.* **What.** You are given the gradient of the loss with respect to a layer's weights $w = g\,v/\lVert v\rVert$. Write `split_gradient`,
# which turns it into the gradients with respect to $v$ and to $g$, for dense layers and convolutions alike; the last axis is that of the units.
#
# **Why.** The two formulas near the top of this lesson are all that weight normalization does to training: what makes $w$ longer goes to $g$, the rest turns $v$. Before you look:
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
# The backward pass of the plain net was enough: split, its gradient is what the tape finds for $v$ and $g$, up to rounding. And it is perpendicular to $v$, for each
# of the six filters.
#
# Now a start that is too long. One unit, the same $g$ and the same direction, $v$ of three lengths, plain gradient descent.

# %% tags=["solution"]
rng = np.random.default_rng(42)
start, target = rng.normal(size=(2, 20, 1)) / np.sqrt(20)
fig, ax = plt.subplots()
for size, colour, marker in [(1, "#0072B2", "o"), (3, "#D55E00", "s"), (10, "#009E73", "^")]:
    v, g, losses = size * start / np.linalg.norm(start), np.ones(1), []
    for _ in range(8_000):
        error = folded_kernel(v, g) - target
        losses.append(np.sum(error**2))
        grad_v, grad_g = split_gradient(2 * error, v, g)
        v, g = v - 0.05 * grad_v, g - 0.05 * grad_g
    steps = np.arange(1, len(losses) + 1)
    ax.loglog(steps, losses, color=colour, marker=marker, markevery=0.15, label=f"‖v‖ = {size} at the start")
    print(f"‖v‖ = {size:2} at the start: {np.argmax(np.array(losses) < 0.01):5} steps to a distance of 0.01")
ax.set(xlabel="step", ylabel="squared distance from the target", ylim=(1e-8, 10))
ax.set_title("The same unit: the longer v is, the longer it takes")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# Three phases. First $g$ finds the best length for the direction it has, at the same speed in all three, because it does not feel how long $v$ is. Then a plateau, while $v$ turns.
# Then the descent. The plateau grows with the square of the length: a step of $v$ is shorter by $1/\lVert v\rVert$, and turns a vector longer by $\lVert v\rVert$. Ten times as long is
# more than a hundred times as slow.

# %% [markdown]
# ## References
#
# - T. Salimans, D. P. Kingma, *Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep
#   Neural Networks*, 2016, [arXiv:1602.07868](https://arxiv.org/abs/1602.07868): the idea, the initialisation
#   from data, and the growth of $v$ (section 2).
# - X. Glorot, Y. Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010: the
#   initialisation that Keras uses by default.
