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
# # 03 · Normalization layers
#
# Batch normalization made deep nets easy to train, at a price: what the net says about one image depends on which
# other images happen to share its batch. Layer, instance and group normalization promise the same help without that
# price. Their formulas are one and the same. They differ in a single decision, and once you see it, you can
# tell in advance where each of them will do well.
#
# | | |
# |---|---|
# | **You will learn** | to say which cells share a mean, for any normalization layer and any `axis` · to find out by poking a layer instead of trusting its documentation · to predict where small batches hurt · to spot three ways in which a published comparison compares something else |
# | **You need** | a convolutional net in Keras; lesson 00 |
# | **Reproduces** | the TensorFlow Addons tutorial [*Normalizations*](https://www.tensorflow.org/addons/tutorials/layers_normalizations) |
# | **The ideas** | [layer](https://arxiv.org/abs/1607.06450), [instance](https://arxiv.org/abs/1607.08022) and [group](https://arxiv.org/abs/1803.08494) normalization |
# | **Time** | in full mode as it says above; in quick mode (`COURSE_MODE=quick`) a minute or two |

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("03_normalization_layers")

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from matplotlib.ticker import PercentFormatter
from scipy import stats

from course_utils import plotting
from course_utils.addons import GroupNormalization, InstanceNormalization
from course_utils.data import load_mnist
from course_utils.training import progress_bar, restart, shuffled

# %% [markdown]
# ## One formula, one decision
#
# Every normalization layer computes
#
# $$y = \gamma\,\frac{x - \mu}{\sigma} + \beta, \qquad \sigma = \sqrt{\operatorname{Var}[x] + \varepsilon}.$$
#
# $\mu$ and $\sigma$ are mean and standard deviation of *some* of the activations $x$; the small $\varepsilon$
# keeps the division safe. The scale $\gamma$ and the offset $\beta$ are trained, so that the layer can undo what it
# did where that is better. In Keras `scale=False` and `center=False` leave them out, and each takes an initializer, a
# regularizer and a constraint, like any weight.
#
# The decision is hidden in the word *some*. Here are two examples with three features each.


# %%
def normalize(x, axes, epsilon=1e-3):
    mean = x.mean(axis=axes, keepdims=True)
    variance = x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


# %% tags=["nbval-check-output"]
x = np.array([[1.0, 2.0, 6.0], [3.0, 6.0, 9.0]])
print("mean over the batch (axis 0):", normalize(x, axes=0).round(2), sep="\n")
print("mean over the features (axis 1):", normalize(x, axes=1).round(2), sep="\n")

# %% [markdown]
# The first is batch normalization. Look at its columns: with two examples, whatever the values are, each column becomes
# one of −1 and +1. Who is larger survives, how much larger is gone. The second is layer normalization: each
# row is treated by itself, and would come out the same alone.
#
# So let us ask four layers directly: does the output for the first image change when its companions do?

# %% tags=["nbval-check-output"]
layers_by_name = {
    "batch normalization": keras.layers.BatchNormalization(),
    "layer normalization": keras.layers.LayerNormalization(axis=(1, 2, 3)),
    "instance normalization": InstanceNormalization(axis=3),
    "group normalization": GroupNormalization(groups=2, axis=3),
}
activations = np.random.default_rng(0).normal(size=(4, 5, 5, 6)).astype("float32")

for name, layer in layers_by_name.items():
    together = layer(activations, training=True)[0]
    with_others = layer(np.concatenate([activations[:1], 5 * activations[1:]]), training=True)[0]
    print(f"{name:22}: depends on the rest of the batch:", not np.allclose(together, with_others, atol=1e-5))

# %% [markdown]
# Only batch normalization does. That is the case for the other three: they work within one example, so a batch may
# be as small as one, an example means the same in training and later, and a recurrent net needs no statistics
# for every time step.
#
# ## Which cells share a mean
#
# The output of a convolution has four axes: the batch N, height H, width W, and channels C. Picture it as a block of
# cells, H and W rolled into one. In each block below, the blue cells are those that share the mean of the nearest one,
# and a new shade is another mean. The picture is computed from the axes. **Cover the titles: which is which?**

# %% tags=["figure", "cover"]
fig, panels = plt.subplots(1, 4, figsize=(11, 3.3))
choices = {
    "batch": dict(axes=(0, 1)),
    "layer": dict(axes=(1, 2)),
    "instance": dict(axes=1),
    "group (two groups)": dict(axes=1, groups=2),
}
for ax, (name, choice) in zip(panels, choices.items()):
    plotting.normalization_axes((4, 5, 6), **choice, ax=ax)
    ax.set_title(name.capitalize())
lesson.save_figure(fig, "who-shares-a-mean")
plt.show()

# %% [markdown]
# Batch normalization goes through all examples, one channel at a time. Layer normalization takes all channels, one
# example at a time. Instance normalization is the strictest: one example *and* one channel. Group normalization stands
# between the last two: one group of channels. With a single group it takes the means of layer normalization, with one channel
# per group those of instance normalization.
#
# A picture can be wrong, and documentation is. **Poke the layer instead:** change one cell of its input and see
# which cells of its output answer. Those are the ones that share a mean with it.


# %%
def answering(layer, x, cell):
    poked = x.copy()
    poked[cell] += 1.0
    change = layer(poked, training=True) - layer(x, training=True)
    return np.abs(np.array(change)) > 1e-7


def agrees(layer, x, axes, groups=None, cell=(0, 0, 0, 0)):
    ids = plotting.shared_means(x.shape, axes, groups)
    return np.array_equal(answering(layer, x, cell), ids == ids[cell])


# %% tags=["nbval-check-output"]
pictured = {
    "batch normalization": dict(axes=(0, 1, 2)),
    "layer normalization": dict(axes=(1, 2, 3)),
    "instance normalization": dict(axes=(1, 2)),
    "group normalization": dict(axes=(1, 2), groups=2),
}
for name, choice in pictured.items():
    print(f"{name:22}: answers as pictured:", agrees(layers_by_name[name], activations, **choice))

# %% [markdown]
# All four do. Keep `answering` in mind; we shall need it for a layer that does not do what is said of it.
#
# ## The task and the net
#
# MNIST, and the smallest net with a place for a normalization layer: ten filters of 3×3, the normalization, one hidden
# layer of 128, dropout, ten outputs. Adam with its defaults, batches of 32, a single epoch. One function builds them all.

# %%
mnist = lesson.data(load_mnist())
x_train, x_test = mnist.x_train / np.float32(255), mnist.x_test / np.float32(255)
y_train, y_test = mnist.y_train, mnist.y_test


# %%
def compiled(normalization=None):
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(10, 3),
            *([normalization] if normalization else []),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **lesson.fast_conv)
    return net


# %% [markdown]
# ## The source's three runs
#
# The source trains this net with three layers, set as follows:
#
# - **group normalization**: the ten channels in five groups of two. Its paper finds it level with batch normalization on
#   image classification, and better where batches are small;
# - **instance normalization**: a group for each channel. It is at home in style transfer and in GANs, where the contrast
#   of a single image is to be removed. Here $\gamma$ and $\beta$ are drawn by `random_uniform`;
# - **layer normalization**: all activations of one example, says the source; and sets `axis=1`.
#
# **Which of the three do you expect to learn fastest in one epoch?**

# %%
nets = {
    "group normalization": compiled(GroupNormalization(groups=5, axis=3)),
    "instance normalization, source's": compiled(
        InstanceNormalization(
            axis=3,
            center=True,
            scale=True,
            beta_initializer="random_uniform",
            gamma_initializer="random_uniform",
        )
    ),
    "layer normalization, source's": compiled(
        keras.layers.LayerNormalization(axis=1, center=True, scale=True)
    ),
}

# %% [markdown]
# `restart` gives a compiled net fresh weights from a seed and clears the optimizer's memory. Building TensorFlow's
# program takes longer than one epoch here, and we shall train these nets many times.

# %%
runs = {}
for method, net in nets.items():
    history = restart(net, lesson.seed).fit(shuffled(x_test, y_test, 32), verbose=0)
    runs[method] = {name: values[0] for name, values in history.history.items()}

# %%
source = {
    "group normalization": {"loss": 0.4759, "accuracy": 0.8591},
    "instance normalization, source's": {"loss": 0.5241, "accuracy": 0.8432},
    "layer normalization, source's": {"loss": 0.4546, "accuracy": 0.8708},
}
print("                                         loss          accuracy")
print("                                    ours  source    ours  source")
for method, run in runs.items():
    cells = [values[name] for name in ("loss", "accuracy") for values in (run, source[method])]
    print(f"{method:33}" + "".join(f"{cell:8.4f}" for cell in cells))

# %%
group, instance, layered = runs.values()
lesson.record("S2.c1", **group)
lesson.record("S2.c2", **instance)
lesson.record("S2.c3", **layered)
lesson.record("S2.c4", layer=layered["accuracy"], group=group["accuracy"], instance=instance["accuracy"])

# %% [markdown]
# So far a reproduction: the same images, the same settings, our seeds. Whether the numbers and their order hold is for the
# ledger at the end to say. We have a more urgent question: what do they mean?
#
# ### Worth a second look: which images were these?
#
# The source's log counts 313 batches. That many batches of 32 are 10,000 images, and MNIST's training set has 60,000: it
# trained **on the test set**, and so did we just now. And its accuracies are *training* accuracies: Keras' running
# mean over the epoch, from the first batch, when the net was still guessing. After the epoch we ask the same nets
# again, on the images they have trained on, and on as many they have never seen.

# %%
print("                                  as logged   after the epoch   on unseen images")
for method, net in nets.items():
    seen = net.evaluate(x_test, y_test, batch_size=1000, verbose=0)[1]
    unseen = net.evaluate(x_train[:10_000], y_train[:10_000], batch_size=1000, verbose=0)[1]
    print(f"{method:33}{runs[method]['accuracy']:10.4f}{seen:18.4f}{unseen:19.4f}")

# %% [markdown]
# Three different numbers for one net. The first says how quickly it learned, the second how well it fits what it saw, and
# only the third is what “accuracy” promises. A log prints the first one, because it is the cheapest.
#
# ### Worth a second look: `axis=1`
#
# The text says: layer normalization uses all activations of one example. The code says `axis=1`, and the activations have
# the shape (batch, 26, 26, 10). Axis 1 counts image rows. **Which cells share a mean then?** Here is one example as a block of
# H, W and C, for three choices of `axis`; below, what each does to the same channel of a real activation.

# %%
convolution = nets["layer normalization, source's"].layers[1]
digit = x_test[7:8, :, :, None]
activation = np.array(convolution(digit))
normalized = {
    axis: np.array(keras.layers.LayerNormalization(axis=axis)(activation)) for axis in (1, 3, (1, 2, 3))
}

# %% tags=["figure"]
fig, panels = plt.subplots(2, 4, figsize=(11, 6), height_ratios=[1, 1])
for (top, below), (axis, values) in zip(panels.T[1:], normalized.items()):
    drawn = [one - 1 for one in (axis if isinstance(axis, tuple) else (axis,))]  # the block has no batch axis
    plotting.normalization_axes((5, 5, 6), tuple(drawn), names=("H", "W", "C"), ax=top)
    top.set_title(f"axis={axis}")
    below.imshow(values[0, :, :, 0], cmap="cividis")
panels[0, 0].imshow(digit[0, :, :, 0], cmap="gray_r")
panels[0, 0].set_title("The image")
panels[1, 0].imshow(activation[0, :, :, 0], cmap="cividis")
panels[1, 0].set_title("One channel of its activation", fontsize=11)
for ax in [panels[0, 0], *panels[1]]:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
plt.show()

# %% [markdown]
# With `axis=1` each column of the picture is normalized by itself, in each channel: a column without ink
# comes out as flat as one full of it, and how the columns compare is lost. With `axis=3` each pixel is compared with the
# same pixel of the other channels. Only `axis=(1, 2, 3)` takes the example as a whole and keeps the picture as it was. The numbers say it as
# well: where is the mean zero?

# %% tags=["nbval-check-output"]
where = {"of each column": 1, "of each pixel": 3, "of the example": (1, 2, 3)}
for axis, values in normalized.items():
    zero = [
        f"{place}: {bool(np.abs(values.mean(axis=cells)).max() < 1e-3)!s:6}" for place, cells in where.items()
    ]
    print(f"axis={axis!s:10} mean zero ", *zero)

# %% [markdown]
# And one more thing changes with the axis, which no picture shows: Keras gives layer normalization a $\gamma$ and a
# $\beta$ for every cell that *shares* a mean, group normalization one for each channel.

# %% tags=["nbval-check-output"]
for name, layer in [
    ("layer normalization, axis=1", keras.layers.LayerNormalization(axis=1)),
    ("layer normalization, axis=3", keras.layers.LayerNormalization(axis=3)),
    ("layer normalization, axis=(1, 2, 3)", keras.layers.LayerNormalization(axis=(1, 2, 3))),
    ("group normalization, one group", GroupNormalization(groups=1, axis=3)),
]:
    layer.build((None, 26, 26, 10))
    print(f"{name:36}: gamma of shape {tuple(layer.gamma.shape)}")

# %% [markdown]
# “Layer normalization is group normalization with a single group” is true of the means, and not of the weights.
#
# ### Worth a second look: a scale drawn near zero
#
# The source's instance normalization begins with `gamma_initializer="random_uniform"`, which draws from $-0.05$ to $0.05$. The
# layer brings its input to a standard deviation of one, and then multiplies it by almost nothing. How much is left?

# %%
nets["instance normalization"] = compiled(InstanceNormalization(axis=3))

for method in ("instance normalization, source's", "instance normalization"):
    net = restart(nets[method], lesson.seed)
    first_half = keras.Sequential(net.layers[:3])
    print(f"{method:33}: standard deviation of its outputs {np.std(first_half(x_test[:256])):.3f}")

# %% [markdown]
# What follows is easy to predict. The hidden layer sees inputs that are some thirty times smaller, so each of its weights moves the
# outputs by as much less; and half of the channels arrive with their sign turned. With Adam, whose steps do not depend on the size
# of the gradient, that is a slow start and not a standstill. We watch the first thousands of images, a thousand at a time, with
# $\gamma$ drawn near zero and with $\gamma = 1$.


# %%
def losses_on_the_way(net, chunk=256 if lesson.quick else 1024):
    """One epoch over the first images, in chunks of whole batches; the mean training loss of each."""
    starts = range(0, min(len(x_train), 10 * chunk) - chunk + 1, chunk)
    chunks = [(x_train[i : i + chunk], y_train[i : i + chunk]) for i in starts]
    return [net.fit(shuffled(*part, 32), verbose=0).history["loss"][0] for part in chunks]


# %%
on_the_way = {}
for method in ("instance normalization, source's", "instance normalization"):
    on_the_way[method] = losses_on_the_way(restart(nets[method], lesson.seed))

# %% tags=["figure"]
fig, ax = plt.subplots()
styles = {"instance normalization, source's": (":", "white"), "instance normalization": ("-", None)}
labels = ["γ drawn from ±0.05", "γ = 1"]
for (method, losses), label in zip(on_the_way.items(), labels):
    dash, fill = styles[method]
    shade = plotting.colour("instance normalization")
    seen = 1024 * np.arange(1, len(losses) + 1)
    ax.plot(
        seen, losses, dash, color=shade, marker="X", markerfacecolor=fill or shade, markersize=8, label=label
    )
ax.set(xlabel="training images seen", ylabel="training loss", ylim=(0, None))
ax.set_title("Instance normalization starts late when its scale is near zero")
ax.legend()
plt.show()

# %% [markdown]
# Look where the curves meet: what is lost at the start is soon made good. But the logged accuracy averages over the whole
# epoch, first batches included, so the third place of instance normalization in the source's table is at least in part
# the initializer's.
#
# ## The same three, done right
#
# Now the comparison that the source meant to make: trained on 10,000 images of the *training* set, so still 313 batches; measured on
# the test set, after the epoch; layer normalization over the whole example, instance normalization with $\gamma = 1$; with the net
# without normalization and batch normalization as yardsticks; and from five seeds.
#
# One worry about the second yardstick first. In training, batch normalization uses the mean and the variance of the batch;
# afterwards it has no batch and uses running averages. In Keras these start at mean 0 and variance 1, and every step replaces
# one hundredth of them (`momentum=0.99`). **How much of the start is left after 313 steps?** Not much, $0.99^{313}$. But it is
# a part of 1, and what a convolution makes of these images varies far less than 1.
#
# Adam has the same trouble with its own running averages, and its remedy works here as well: we know what is left of the start, so we
# can take it out.


# %%
def without_the_start(net, steps):
    """Take out of batch normalization's running averages what is left of their start, as Adam does with its own."""
    (layer,) = (one for one in net.layers if isinstance(one, keras.layers.BatchNormalization))
    left = layer.momentum**steps
    layer.moving_mean.assign(layer.moving_mean / (1 - left))
    layer.moving_variance.assign((layer.moving_variance - left) / (1 - left))


# %%
nets["batch normalization"] = compiled(keras.layers.BatchNormalization())
few = slice(None, 512 if lesson.quick else 10_000)  # of the training images

net = restart(nets["batch normalization"], lesson.seed)
batches = shuffled(x_train[few], y_train[few], 32)
net.fit(batches, verbose=0)
convolution, normalization = net.layers[1:3]
true_variance = np.var(convolution(x_train[:2000, :, :, None]), axis=(0, 1, 2))
print(f"Of the start is left: {normalization.momentum ** len(batches):.1%}")

print("                   running variance ÷ true variance   test loss   test accuracy")
for averages in ("as they are", "without the start"):
    if averages == "without the start":
        without_the_start(net, len(batches))
    ratio = np.median(normalization.moving_variance.numpy() / true_variance)
    loss, test = net.evaluate(x_test, y_test, batch_size=1000, verbose=0)
    print(f"{averages:18}{ratio:33.2f}{loss:12.4f}{test:16.4f}")

# %% [markdown]
# The layer divides by a variance several times too large, so what it hands on is too small. Its answers become less sure of
# themselves, and the loss shows that; accuracy only asks which answer comes first, and hardly moves. (When a net of yours has
# a far better loss in training than in validation after a short run, look here before you look for overfitting.) We compare
# accuracies, so we leave the layer as Keras makes it, and come back to this where batches are small.

# %%
nets["plain"] = compiled()
nets["layer normalization"] = compiled(keras.layers.LayerNormalization(axis=(1, 2, 3)))

# Numbers of their own for each seed of the lesson, so that two runs of it share none.
seeds = [10 * lesson.seed + i for i in range(2 if lesson.quick else 5)]
order = [
    "plain",
    "batch normalization",
    "layer normalization",
    "group normalization",
    "instance normalization",
]
order += ["layer normalization, source's", "instance normalization, source's"]

# %%
plan = [(method, seed) for method in order for seed in seeds]
accuracy = {method: [] for method in order}
for method, seed in progress_bar(plan, "seven nets, every seed", unit="training"):
    net = restart(nets[method], seed)
    net.fit(shuffled(x_train[few], y_train[few], 32), verbose=0)
    accuracy[method].append(net.evaluate(x_test, y_test, batch_size=1000, verbose=0)[1])

# %% tags=["figure"]
fig, ax = plt.subplots(figsize=(8.4, 4.2))
for row, (method, values) in enumerate(accuracy.items()):
    base = method.removesuffix(", source's")
    shade, marker = plotting.colour(base), plotting.MARKERS[base]
    fill = shade if base == method else "white"
    ax.plot(values, [row] * len(values), marker, color=shade, markerfacecolor=fill, markersize=7)
    ax.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=shade)
ax.set_yticks(range(len(accuracy)), list(accuracy))
ax.invert_yaxis()
ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=1))
ax.set(xlabel="test accuracy after 313 batches; each mark a seed, the line their mean")
ax.set_title("One epoch of 10,000 training images, done right")
plt.show()

# %%
print("                                    mean      sd   ahead of plain, 95 % interval")
for method, values in accuracy.items():
    lead = np.subtract(values, accuracy["plain"])
    half = stats.t.ppf(0.975, len(lead) - 1) * lead.std(ddof=1) / np.sqrt(len(lead))
    interval = f"{lead.mean() - half:+.4f} to {lead.mean() + half:+.4f}" if method != "plain" else ""
    print(f"{method:33}{np.mean(values):8.4f}{np.std(values, ddof=1):8.4f}   {interval}")

# %% [markdown]
# Before you crown a winner, look at the widths: the seeds of one method lie further apart than most methods do. Does
# any interval lie wholly above zero? The net is shallow and the task easy, so there is little for a normalization to repair.
#
# And compare the hollow marks with the full ones of their colour. The source's two choices changed what the layers
# *are*. Did that cost test accuracy? A layer that does something else than its name says need not show in the score. That is
# what makes such slips hard to find, and poking worth the minute.
#
# ## Small batches
#
# The source says of group normalization that it keeps its level where batches are small and batch normalization
# degrades. It does not show it. We do: batches of 2, 4, 8, 32 and 128, five seeds, the same number of steps for each.
#
# **Before you look, count.** How many values stand behind each mean?

# %% tags=["nbval-check-output"]
print("batch size                                 2      8     32")
for place, size_of_example, group_size in [("convolution", 26 * 26, 2 * 26 * 26), ("dense layer", 1, 16)]:
    behind = [size * size_of_example for size in (2, 8, 32)]
    print(f"batch normalization after a {place}:", *(f"{values:6}" for values in behind))
    print(f"group normalization after a {place}:", *[f"{group_size:6}"] * 3)

# %% [markdown]
# After a convolution every image brings 676 values for each channel. A batch of two is small, but its means are means of
# over a thousand numbers. After a dense layer a batch of two is two numbers, and we saw at the start what becomes of
# those: −1 and +1. So we put the layer in both places. **In which do you expect batch normalization to suffer?**


# %%
def compiled_dense(normalization):
    """The same net with the normalization after its dense layer."""
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(10, 3),
            layers.Flatten(),
            layers.Dense(128),
            normalization,
            layers.ReLU(),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **lesson.fast_conv)
    return net


# %%
after_convolution = {name: nets[name] for name in ("plain", "batch normalization", "group normalization")}
after_dense = {
    "batch normalization": compiled_dense(keras.layers.BatchNormalization()),
    "group normalization": compiled_dense(GroupNormalization(groups=8, axis=-1)),
}
sizes = [2, 32] if lesson.quick else [2, 4, 8, 32, 128]
sizes_dense = sizes[:1] if lesson.quick else [2, 8, 32]
steps = 4 if lesson.quick else 200
images, answers = tf.constant(x_train), tf.constant(y_train)  # an array would be copied for every net
some = slice(None, None, 5)  # every fifth test image: there are many nets to test


# %%
corrected = "batch normalization, without the start"
lines = ["plain", "group normalization", "batch normalization", corrected]


def test_accuracy(net):
    return net.evaluate(x_test[some], y_test[some], batch_size=1000, verbose=0)[1]


def accuracies(methods, sizes, task):
    """Test accuracies for each method and batch size, one from each seed."""
    found = {}
    plan = [(method, size, seed) for method in methods for size in sizes for seed in seeds]
    for method, size, seed in progress_bar(plan, task, unit="training"):
        net = restart(methods[method], seed)
        net.fit(shuffled(images, answers, size).take(steps), verbose=0)
        found.setdefault((method, size), []).append(test_accuracy(net))
        if method == "batch normalization":
            without_the_start(net, steps)
            found.setdefault((corrected, size), []).append(test_accuracy(net))
    return found


# %%
by_size = accuracies(after_convolution, sizes, "after the convolution")

# %%
by_size_dense = accuracies(after_dense, sizes_dense, "after the dense layer")
by_size_dense |= {key: values for key, values in by_size.items() if key[0] == "plain"}  # the same net

# %% tags=["figure"]
fig, panels = plt.subplots(1, 2, figsize=(10.4, 4.8), sharey=True)
titles = ["After the convolution", "After the dense layer"]
for ax, measured, title in zip(panels, (by_size, by_size_dense), titles):
    for offset, method in zip((0.92, 0.97, 1.03, 1.08), lines):
        drawn = [size for size in sizes if (method, size) in measured]
        values = np.array([measured[method, size] for size in drawn])
        half = stats.t.ppf(0.975, len(seeds) - 1) * values.std(axis=1, ddof=1) / np.sqrt(len(seeds))
        base = method.removesuffix(", without the start")
        look = dict(color=plotting.colour(base), marker=plotting.MARKERS[base], capsize=3)
        if method == corrected:
            look |= dict(linestyle=":", markerfacecolor="white")
        ax.errorbar(offset * np.array(drawn), values.mean(axis=1), half, label=method, **look)
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, sizes)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(xlabel="batch size", title=title)
panels[0].set_ylabel("test accuracy, mean and 95 % interval")
fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %%
print("after the    batch size" + " " * 23 + "".join(f"{size:9}" for size in sizes))
for place, measured in [("convolution", by_size), ("dense layer", by_size_dense)]:
    for method in lines:
        means = [np.mean(measured[method, size]) for size in sizes if (method, size) in measured]
        print(f"{place:13}{method:40}" + "".join(f"{mean:9.4f}" for mean in means))

# %%
mean_at = {key: float(np.mean(values)) for key, values in by_size.items()}
lesson.record(
    "S2.c5",
    group_accuracy_at_2=mean_at["group normalization", 2],
    batch_accuracy_at_2=mean_at["batch normalization", 2],
    batch_lost_from_32_to_2=mean_at["batch normalization", 32] - mean_at["batch normalization", 2],
    group_lost_from_32_to_2=mean_at["group normalization", 32] - mean_at["group normalization", 2],
)

# %% [markdown]
# Every line falls to the left, the grey one too: as many steps with smaller batches are fewer images and noisier gradients. What
# counts is how the lines fall beside each other. (The dotted one lies on the green: the start of the running averages is not what
# hurts.)
#
# On the right batch normalization breaks down at a batch of two, as the count predicted, and group normalization stays with the
# plain net.
#
# The left panel, with the source's own net, has a surprise. At small batches *both* normalized nets fall behind the plain one, although group
# normalization never looks at the batch, and batch normalization has over a thousand values behind each mean. So the batch's
# statistics cannot be the whole story. A suspect: a normalized signal is several times larger, and with it what one of Adam's steps does. Question 4
# is how to examine it. Which of the two normalizations is ahead there is for the ledger to say.
#
# The rule to keep is not “batches under sixteen are bad”. It is: **count the values behind a mean.** In a deep convolutional net they become
# few towards the end, where the pictures have shrunk to a few pixels and batches are small because the net is large. That is
# where group normalization was invented.

# %% [markdown]
# ## Verdicts
#
# Every number and every order of the source, measured again over several seeds on two software stacks, in
# full mode on the real MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("S2")

# %% [markdown]
# ## What to take away
#
# - One formula; the only decision is which cells share a mean. Draw the block, or poke the layer.
# - `axis` means what is normalized *together*. For layer normalization of images write `axis=(1, 2, 3)`, or use group
#   normalization with one group, which has a $\gamma$ and $\beta$ for each channel.
# - Batch normalization suffers when few values stand behind a mean, and that depends on where the layer stands, not on the batch
#   size alone.
# - A training accuracy from a log, measured on the test set, from one seed: three reasons why a table of three
#   numbers need not say what its caption says.
#
# **Today** all four are in Keras itself: `BatchNormalization`, `LayerNormalization`, `GroupNormalization(groups=...)`, and
# `GroupNormalization(groups=-1)` for instance normalization; the Addons layers of this lesson are a thin coat around it. Transformers use
# layer normalization over the last axis (or its simpler sister, `RMSNormalization`), diffusion models and
# detectors group normalization.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** You put `InstanceNormalization()` after a dense layer of 128 units, whose activations have the shape (batch, 128). There are ten
# classes, equally frequent, and the loss stays near $\ln 10$ from the first epoch to the last. What has happened?
#
# <details><summary>An answer</summary>
#
# Count the values behind each mean: one example, one channel and no positions, so a single value. It is its own mean, and the layer puts out
# $\beta$ whatever the image shows. What follows can only learn how often each class occurs, and for ten equally frequent classes that is
# a loss of $\ln 10$. Layer normalization, or group normalization with a few groups, has values to average over here.
#
# </details>
#
# **2.** On the same images, the log of an epoch shows a lower accuracy than `evaluate` right after it. The lesson gave one reason; this
# net has a second. Which is it, and how would you tell their shares apart?
#
# <details><summary>An answer</summary>
#
# The log averages over the epoch, first guesses included. And in training dropout is at work, in `evaluate` it is not. After the epoch, compute the
# accuracy with `training=True` and the weights as they are: from there to `evaluate` is dropout's share, from the log to
# there is the running mean's. With batch normalization there would be a third: the statistics of the batch against the running averages.
#
# </details>
#
# **3.** RMS normalization divides by the root of the mean square and subtracts nothing. You add the same constant to all features of an
# example, and then multiply them all by ten. Which of the two does layer normalization notice, and which RMS normalization?
#
# <details><summary>An answer</summary>
#
# Layer normalization notices neither: the constant goes with the mean, the factor with the deviation. RMS normalization notices the constant,
# for no mean takes it away, and it changes the mean square as well. The factor leaves both cold, as long as $\varepsilon$ is small beside
# what it is added to.
#
# </details>
#
# **4.** The suspect of the left panel: a normalized signal is several times larger, and with it what one of Adam's steps does. You repeat
# the panel at a batch size of two with a tenth of Adam's rate. What do you expect of the three nets if the suspect is guilty, and what if the
# batch's statistics are?
#
# <details><summary>An answer</summary>
#
# If steps were too long for the normalized nets, both gain from shorter ones; the plain net, whose steps were not too long, gets less far in
# as many and loses. If the batch's statistics were to blame, group normalization, which never looks at the batch, would have no
# more reason to gain than the plain net. Two suspects, two predictions: that makes the experiment worth running.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a notebook of their own](solutions/03_normalization_layers.ipynb); any code that does what the card asks passes.

# %% tags=["given"]
import keras
import numpy as np

from course_utils.addons import GroupNormalization, InstanceNormalization
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Count before you normalize
#
# *10 minutes.* **What.** Write `values_per_mean`: how many values stand behind each mean, for activations of any shape (batch first, channels
# last). `axes` are those the mean goes over; negative ones count from the end, and there may be none. With `groups`, the channels are split
# into so many groups, and a mean goes over the channels of its group as well.
#
# **Why.** This is the number that tells you where a normalization will be noisy, before you train anything.


# %% tags=["exercise"]
def values_per_mean(shape, axes, groups=None):
    """How many values share a mean; shape and axes: tuples of int. Groups split the last axis."""
    ...


# %% tags=["solution"]
def values_per_mean(shape, axes, groups=None):
    """How many values share a mean; shape and axes: tuples of int. Groups split the last axis."""
    count = 1
    for axis in axes:
        count *= shape[axis]
    return count if groups is None else count * (shape[-1] // groups)


# %% tags=["check"]
check("values_per_mean")

# %% tags=["solution"]
stages = [(112, 112, 64), (56, 56, 256), (28, 28, 512), (14, 14, 1024), (7, 7, 2048), (2048,)]
print("two images in a ResNet-50      batch   32 groups   instance")
for stage in stages:
    shape = (2, *stage)
    positions = tuple(range(1, len(shape) - 1))
    batch = values_per_mean(shape, (0, *positions))
    group = values_per_mean(shape, positions, groups=32)
    instance = values_per_mean(shape, positions)
    print(f"activations {shape!s:22}{batch:9,}{group:12,}{instance:11,}")

# %% [markdown] tags=["solution"]
# The shapes are those of a ResNet-50 for images of 224×224 pixels, from its first convolution to the pooling at its end. At the start both
# batch and group normalization have plenty. Towards the end the pictures shrink and the channels become more: batch normalization is left
# with the two images, group normalization with its channels. Instance normalization ends with a single value, and that is its own mean.

# %% [markdown] tags=["exercise"]
# ### 2 · Group normalization in a few lines
#
# *20 minutes.* **What.** Write `group_normalize` for arrays of any rank: batch on axis 0, channels on `axis`, everything else positions. The
# channels are split into `groups` of neighbours; each group of each example is standardized over its channels and positions, with
# $\varepsilon$ added to the variance. No $\gamma$, no $\beta$.
#
# **Why.** With one group it is layer normalization, with a group for each channel instance normalization: three layers for
# one. And you meet the reshape that goes wrong without an error message.


# %% tags=["exercise"]
def group_normalize(x, groups, axis=-1, epsilon=1e-3):
    """Standardize x, (batch, ...), within each of so many groups of channels; gives an array of x's shape."""
    ...


# %% tags=["solution"]
def group_normalize(x, groups, axis=-1, epsilon=1e-3):
    """Standardize x, (batch, ...), within each of so many groups of channels; gives an array of x's shape."""
    first = np.moveaxis(x, axis, 1)  # batch, channels, positions
    split = first.reshape(len(x), groups, -1)  # a row for each group: its channels are neighbours
    mean, variance = split.mean(axis=2, keepdims=True), split.var(axis=2, keepdims=True)
    normalized = (split - mean) / np.sqrt(variance + epsilon)
    return np.moveaxis(normalized.reshape(first.shape), 1, axis)


# %% tags=["check"]
check("group_normalize")

# %% tags=["solution"]
rng = np.random.default_rng(42)
x = rng.normal(size=(8, 26, 26, 10)) * np.arange(1, 11)  # each channel is stronger than the one before
print("          like the layer   deviation of each channel")
for groups in (1, 2, 5, 10):
    y = group_normalize(x, groups)
    layer = GroupNormalization(groups=groups, axis=3)
    alike = np.allclose(y, layer(x.astype("float32")), atol=1e-4)
    print(
        f"groups={groups:<2}{alike!s:>15}   ", *(f"{deviation:4.1f}" for deviation in y.std(axis=(0, 1, 2)))
    )

# %% [markdown] tags=["solution"]
# Ten channels go in, each stronger than the one before. With a single group their order of strength survives. With more groups it survives within
# a group only, and starts anew with the next. With a group for each channel it is gone: every channel comes out with the same deviation. The
# number of groups says how much of what channels mean *beside each other* the net may keep.

# %% [markdown] tags=["exercise"]
# ### 3 · Which axes?
#
# *25 minutes.* **What.** Write `averaged_axes`, which finds out by poking which axes a layer averages over: the axes along which a change of
# one cell reaches *other* cells. `layer` takes an array of the given shape and gives one of the same shape; you cannot look inside. In group
# normalization the channels' axis counts, although only some of the channels answer. A layer without any average has no axes.
#
# **Why.** Documentation describes `axis` in words, and not every layer means the same by it. A poke cannot be misread.


# %% tags=["exercise"]
def averaged_axes(layer, shape):
    """The axes, as a tuple of int, along which a change of one cell of the inputs reaches other cells."""
    ...


# %% tags=["solution"]
def averaged_axes(layer, shape):
    """The axes, as a tuple of int, along which a change of one cell of the inputs reaches other cells."""
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    poked = x.copy()
    poked[(0,) * len(shape)] += 1.0
    change = np.abs(np.array(layer(poked)) - np.array(layer(x)))
    answering = np.argwhere(change > 1e-7)  # a row for each answering cell: its place on every axis
    return tuple(axis for axis in range(len(shape)) if answering[:, axis].any())


# %% tags=["check"]
check("averaged_axes")

# %% tags=["solution"]
for layer in [
    keras.layers.LayerNormalization(axis=3),
    keras.layers.UnitNormalization(axis=3),
    keras.layers.BatchNormalization(axis=3),
    InstanceNormalization(axis=3),
    GroupNormalization(groups=2, axis=3),
]:
    axes = averaged_axes(lambda x, layer=layer: layer(x, training=True), (4, 5, 5, 6))
    print(f"{type(layer).__name__:22} with axis=3 averages over the axes {axes}")

# %% [markdown] tags=["solution"]
# The same argument, opposite meanings. Layer normalization, and unit normalization, which divides by the length, average *over* the axis that you name.
# Batch and instance normalization average over others and keep this one apart. Group normalization splits it, and a mean goes over a part of
# it. None of them complains when you meant the other.

# %% [markdown]
# ## References
#
# - J. L. Ba, J. R. Kiros, G. E. Hinton, *Layer Normalization*, 2016, [arXiv:1607.06450](https://arxiv.org/abs/1607.06450):
#   statistics within one example, and why recurrent nets want that.
# - D. Ulyanov, A. Vedaldi, V. Lempitsky, *Instance Normalization: The Missing Ingredient for Fast Stylization*, 2016,
#   [arXiv:1607.08022](https://arxiv.org/abs/1607.08022): one example, one channel.
# - Y. Wu, K. He, *Group Normalization*, 2018, [arXiv:1803.08494](https://arxiv.org/abs/1803.08494): the block of
#   figure 2, which ours follows, and the experiments with small batches.
# - S. Ioffe, C. Szegedy, *Batch Normalization*, 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167): the yardstick.
# - L. Huang and others, *Normalization Techniques in Training DNNs: Methodology, Analysis and Application*, 2020,
#   [arXiv:2009.12836](https://arxiv.org/abs/2009.12836): an overview of what came after.
