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
# Batch normalization made deep nets easier to train. But it has a price: in training, what the net says about one image depends on the other images
# in the batch. Layer, instance and group normalization do not have this dependence. All four layers use the same formula. They differ in one decision
# only: which activations share a mean. This lesson looks at this decision, and then asks how it changes the accuracy.
#
# - **You will learn:** to say which cells share a mean, for any normalization layer and any `axis`; to test a layer by changing one of its inputs; to
#   predict where small batches hurt; to find out what a published accuracy measures.
# - **You need:** a convolutional net in Keras; [lesson 00](00_start_here.ipynb). [Lesson 02](02_batch_normalization.ipynb) explains batch
#   normalization itself.
# - **Reproduces:** the TensorFlow Addons tutorial [*Normalizations*](https://www.tensorflow.org/addons/tutorials/layers_normalizations), The
#   TensorFlow Authors, 2019. Below it is called “the source”.
# - **Time:** about 25 minutes to read; a run takes as long as the line above says, in quick mode under a minute.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("03_normalization_layers")

# %% tags=["needed"]
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from course_utils import plotting
from course_utils.addons import GroupNormalization, InstanceNormalization
from course_utils.data import load_mnist
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## One formula, one decision
#
# The outputs of a layer are its *activations*. If their scales differ much, training is slow. So a normalization layer brings them to a common scale.
# Every normalization layer of this lesson computes
#
# $$y = \gamma\,\frac{x - \mu}{\sigma} + \beta, \qquad \sigma = \sqrt{\operatorname{Var}[x] + \varepsilon}.$$
#
# Here $x$ is an activation, and $y$ is the layer's output for it. $\mu$ and $\sigma$ are the mean and the standard deviation of *some* of the
# activations. The small $\varepsilon$ avoids a division by zero. The scale $\gamma$ and the offset $\beta$ are trained. In Keras, `scale=False`
# leaves $\gamma$ out and `center=False` leaves $\beta$ out. Both take an initializer, a regularizer and a constraint, like any weight.
#
# The decision is: *which* activations? Here are two examples (rows) with three features each (columns).


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
# The first result is batch normalization. Look at its columns. With two examples, one value becomes −1 and the other +1, whatever the two values were
# (if they are not nearly equal). The layer keeps which of them is larger, but not how much larger. The second result is layer normalization. It
# treats each row by itself, so the other rows do not change its result.
#
# Now we test four layers. We keep the first image of a batch and multiply the other three by five. **For which layers does the output for the first
# image change?**

# %% tags=["nbval-check-output"]
layers = {
    "batch normalization": keras.layers.BatchNormalization(),
    "layer normalization": keras.layers.LayerNormalization(axis=(1, 2, 3)),
    "group normalization": GroupNormalization(groups=2, axis=3),
    "instance normalization": InstanceNormalization(axis=3),
}
x = np.random.default_rng(0).normal(size=(4, 5, 1, 6)).astype("float32")
with_others = np.concatenate([x[:1], 5 * x[1:]])

for name, layer in layers.items():
    first, again = layer(x, training=True)[0], layer(with_others, training=True)[0]
    print(f"{name:23} depends on the rest of the batch:", not np.allclose(first, again, atol=1e-5))

# %% [markdown]
# Only batch normalization depends on the batch. The other three work within one example. So a batch may hold a single example, and the layer computes
# the same in training and afterwards. A recurrent net needs no stored statistics for each of its time steps.
#
# ## Which cells share a mean
#
# The output of a convolution has four axes: batch N, height H, width W and channels C. We draw it as a block of cells, with H and W on one axis. Two
# cells *share a mean* if both enter the same mean. How can we see this without trusting the documentation? **Poke the layer:** change one cell of its
# input, and look which cells of its output change.


# %%
def answering(layer, x, cell=(0, 0, 0, 0)):
    """Which cells of the output change when one cell of the input changes?"""
    poked = x.copy()
    poked[cell] += 1.0
    change = layer(poked, training=True) - layer(x, training=True)
    return np.abs(np.array(change)) > 1e-7


# %% [markdown]
# The next cell defines a function that draws a block; you can skip it. Then we poke each of the four layers at the upper left corner of the front,
# and colour the cells of the output that change. All other cells are grey. **Cover the titles: which layer is which?**


# %%
def draw_block(panel, coloured, colour, names):
    """A block of cells: the first axis goes to the back, the second down, the third to the right."""
    depth, height, width = coloured.shape
    right, down, back = np.array([[1, 0], [0, -1], [0.55, 0.42]])
    n, h, w = range(depth), range(height), range(width)
    faces = [(j * down + k * right, right, down, coloured[0, j, k]) for j in h for k in w]
    faces += [(i * back + k * right, right, back, coloured[i, 0, k]) for i in n for k in w]
    side = width * right
    faces += [(side + i * back + j * down, back, down, coloured[i, j, -1]) for i in n for j in h]
    for start, one, other, answers in faces:
        corners = [start, start + one, start + one + other, start + other]
        fill = colour if answers else "gainsboro"
        panel.add_patch(plt.Polygon(corners, facecolor=fill, edgecolor="dimgrey", linewidth=0.7))
    panel.text(*(depth / 2 * back + [-0.3, 0.1]), names[0], ha="right", va="bottom")
    panel.text(*(height / 2 * down + [-0.3, 0]), names[1], ha="right", va="center")
    panel.text(*(height * down + width / 2 * right + [0, -0.2]), names[2], ha="center", va="top")
    panel.set(aspect="equal", xticks=[], yticks=[])
    panel.autoscale_view()
    panel.spines[:].set_visible(False)
    panel.grid(False)


# %% tags=["figure", "cover"] alt="Four blocks of cells with the axes N, C and H×W. In the first, one channel of all examples is coloured; in the second, all of the first example; in the third, half of the channels of the first example; in the fourth, one channel of the first example."
fig, panels = plt.subplots(1, 4, figsize=(11, 3.3))
for ax, (name, layer) in zip(panels, layers.items()):
    block = answering(layer, x)[:, :, 0]  # (N, H×W, C)
    draw_block(ax, block, plotting.COLOURS[name], ("N", "H×W", "C"))
    ax.set_title(name.removesuffix(" normalization").capitalize())
    ax.set_xlabel(f"{block.sum()} of {block.size} cells change", labelpad=12)
lesson.save_figure(fig, "who-shares-a-mean")
plt.show()

# %% [markdown]
# Batch normalization: one channel, in all examples. Layer normalization: one example, all channels. Instance normalization: one example and one
# channel. Group normalization stands between the last two: one example and a *group* of neighbouring channels. With a single group it takes the means
# of layer normalization; with as many groups as channels, those of instance normalization. (The picture follows figure 2 of Wu and He, 2018. Theirs
# is drawn by hand; this one is measured.)
#
# ## The task and the net
#
# The data are MNIST, with pixels divided by 255. The net is small: ten filters of 3×3, the normalization, a hidden layer of 128 ReLU units, dropout
# `0.2`, ten outputs. It is trained by Adam with its defaults, in batches of 32, for one epoch. One function builds a fresh net from a seed. (Its
# argument `after` is used in the section on small batches.)

# %% tags=["needed"]
mnist = lesson.data(load_mnist())
x_train, x_test = mnist.x_train / np.float32(255), mnist.x_test / np.float32(255)
y_train, y_test = mnist.y_train, mnist.y_test


# %% tags=["needed"]
def build(normalization, seed, after="convolution"):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((28, 28)), keras.layers.Reshape((28, 28, 1)), keras.layers.Conv2D(10, 3)]
    if normalization and after == "convolution":
        layers.append(normalization())
    layers += [keras.layers.Flatten(), keras.layers.Dense(128)]
    if normalization and after == "dense layer":
        layers.append(normalization())
    layers += [keras.layers.ReLU(), keras.layers.Dropout(0.2)]
    layers.append(keras.layers.Dense(10, activation="softmax"))
    net = keras.Sequential(layers)
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def share_right(net, x, y):
    """The accuracy on these images. (For a small net, calling it is faster than net.evaluate.)"""
    outputs = [np.array(net(part, training=False)) for part in np.array_split(x, len(x) // 500 + 1)]
    return float(np.mean(np.concatenate(outputs).argmax(axis=1) == y))


# %% [markdown]
# ## The source's three runs
#
# The source trains this net three times, each time with another normalization layer:
#
# - **group normalization** (TensorFlow Addons): the ten channels in five groups of two. The source says that on images it performs like batch
#   normalization, and better in small batches.
# - **instance normalization** (TensorFlow Addons): one channel in each group. The source says that it is good in style transfer, and used in GANs. It
#   draws $\gamma$ and $\beta$ with `random_uniform`.
# - **layer normalization** (Keras): all activations of one example. The source says that it is good for recurrent nets. It sets `axis=1`.

# %%
RANDOM = {"beta_initializer": "random_uniform", "gamma_initializer": "random_uniform"}
GROUP, INSTANCE, LAYER = "group normalization", "instance, source's γ", "layer, source's axis"
as_in_source = {
    GROUP: lambda: GroupNormalization(groups=5, axis=3),
    INSTANCE: lambda: InstanceNormalization(axis=3, center=True, scale=True, **RANDOM),
    LAYER: lambda: keras.layers.LayerNormalization(axis=1, center=True, scale=True),
}

# %% [markdown]
# The source passes `x_test` and `y_test` to `fit`. So do we, for now. After the epoch we measure two more accuracies of each net: on the images that
# it has just trained on, and on ten thousand images that it has never seen.

# %%
seeds = lesson.seeds(5)[:1] if lesson.quick else lesson.seeds(5)
plan = [(method, seed) for method in as_in_source for seed in seeds]
runs, nets = [], {}
for method, seed in progress_bar(plan, "the source's three nets", unit="training"):
    net = nets[method] = build(as_in_source[method], seed)
    history = fit(net, x_test, y_test, batch_size=32, epochs=1, verbose=0).history
    seen = share_right(net, x_test, y_test)
    unseen = share_right(net, x_train[:10_000], y_train[:10_000])
    runs.append((method, seed, history["loss"][0], history["accuracy"][0], seen, unseen))

columns = ["method", "seed", "loss, logged", "accuracy, logged", "after the epoch", "on unseen images"]
runs = pd.DataFrame(runs, columns=columns)

# %% tags=["figure"] alt="Three rows of dots, one for each net and a dot for each seed: the training accuracy that the log of the epoch shows. A dashed line in each row is the source's number."
printed = {GROUP: 0.8591, "instance normalization": 0.8432, "layer normalization": 0.8708}
dots = [list(values) for _, values in runs.groupby("method", sort=False)["accuracy, logged"]]
ax = plotting.seed_dots(dict(zip(printed, dots)), printed=printed)
ax.xaxis.set_major_formatter(PercentFormatter(1))
ax.set_xlabel("training accuracy logged in one epoch; a dot for each seed")
ax.set_title("Over axis 1, layer normalization logs the highest accuracy")
plt.show()

# %% tags=["record"]
own = runs[runs["seed"] == lesson.seed].set_index("method")
for claim, method in [("S2.c1", GROUP), ("S2.c2", INSTANCE), ("S2.c3", LAYER)]:
    row = own.loc[method]
    lesson.record(claim, loss=row["loss, logged"], accuracy=row["accuracy, logged"])
logged_own = own["accuracy, logged"]
lesson.record("S2.c4", layer=logged_own[LAYER], group=logged_own[GROUP], instance=logged_own[INSTANCE])

# %% [markdown]
# The settings are the source's, and the seeds are ours. Do the source's numbers lie among our dots? The verdicts below answer with more seeds. First
# we ask what the numbers mean.
#
# ### Which images were these?
#
# The source's log counts 313 batches. That many batches of 32 are 10,000 images, and MNIST's training set has 60,000. So the source trained **on the
# test set**. And its accuracies are *training* accuracies: Keras averages over the epoch, from the first batch on, when the net was still guessing.
# Here are the logged accuracy and the two that we measured afterwards, as means over the seeds.

# %%
runs.groupby("method", sort=False).mean().drop(columns="seed").round(4)

# %% [markdown]
# These three accuracies of one net answer three different questions. The logged one says how fast the net learned. The next says how well it fits the
# images that it has seen. Only the last one says how well it classifies new images, and this is what a reader expects of an “accuracy”.
#
# ### How long does a step take?
#
# The source's log also shows the time of a training step: “2”, “3” and “2” milliseconds. Our machine is not the source's, and other work may slow it
# down. So the three nets take turns, and we take the median time of each.

# %%
turns = 1 if lesson.quick else 3
milliseconds = {method: [] for method in nets}
for _ in progress_bar(range(turns), "three nets in turns", unit="turn"):
    for method, net in nets.items():
        started = time.perf_counter()
        fit(net, x_test, y_test, batch_size=32, epochs=1, verbose=0)
        milliseconds[method].append(1000 * (time.perf_counter() - started) / (len(x_test) / 32))

median = pd.DataFrame(milliseconds).median()
pd.DataFrame({"milliseconds a step": median, "source": [2, 3, 2]}).round(2)

# %% tags=["record"]
measures = {"group_milliseconds": GROUP, "instance_milliseconds": INSTANCE, "layer_milliseconds": LAYER}
lesson.record("S2.c7", **{measure: median[method] for measure, method in measures.items()})

# %% [markdown]
# ## Three details to look at
#
# ### “With group size 1”
#
# The source says that layer normalization is group normalization “with group size 1”. A comment in its code calls the instance normalization layer a
# “LayerNorm Layer”. A group's *size* is the number of its channels. We compare two cases: ten channels in ten groups of size one, and in one group of
# ten.

# %% tags=["nbval-check-output"]
x = np.random.default_rng(1).normal(size=(2, 26, 26, 10)).astype("float32") * np.arange(
    1, 11, dtype="float32"
)
others = {
    "layer normalization": keras.layers.LayerNormalization(axis=(1, 2, 3)),
    "instance normalization": InstanceNormalization(axis=3),
}
alike = pd.DataFrame(columns=list(others))
for groups, size in [(10, 1), (1, 10)]:
    values = np.array(GroupNormalization(groups=groups, axis=3)(x))
    for name, layer in others.items():
        alike.loc[f"group size {size}", name] = np.allclose(values, layer(x), atol=1e-3)
alike

# %% [markdown]
# Group size 1 is *instance* normalization. The source means one *group*.
#
# ### `axis=1`
#
# “All activations of one example”, says the source; its code says `axis=1`. The activations have the shape (batch, 26, 26, 10), and axis 1 counts
# image rows. **Which cells share a mean then?** We poke three layers, and draw one example as a block with the axes H, W and C. Below each block is
# what the layer makes of one channel of a real activation.

# %%
convolution = build(None, lesson.seed).layers[1]  # an untrained one is good enough to see it
digit = x_test[7:8]
activation = np.array(convolution(digit[..., None]))
axes = [1, 3, (1, 2, 3)]
normalized = {axis: np.array(keras.layers.LayerNormalization(axis=axis)(activation)) for axis in axes}
small = np.random.default_rng(2).normal(size=(1, 5, 5, 6)).astype("float32")
blocks = {axis: answering(keras.layers.LayerNormalization(axis=axis), small)[0] for axis in axes}

# %% tags=["figure"] alt="Upper row: a digit, and blocks with the axes W, H and C. For axis=1 one column of one channel is coloured, for axis=3 one pixel in all channels, for axis=(1, 2, 3) the whole block. Lower row: one channel of the activation, and the same channel after each of the three layers. Only the last looks like the activation."
fig, panels = plt.subplots(2, 4, figsize=(11, 5.8))
panels[0, 0].imshow(digit[0], cmap="gray_r")
panels[0, 0].set_title("The image")
pictures = {"One channel": activation, **normalized}
for ax, (name, values) in zip(panels[1], pictures.items()):
    image = ax.imshow(values[0, :, :, 0], cmap="cividis", vmin=-3, vmax=3)
    ax.set_title(name if isinstance(name, str) else f"after axis={name}", fontsize=11)
for ax, (axis, block) in zip(panels[0, 1:], blocks.items()):
    draw_block(ax, block.swapaxes(0, 1), plotting.COLOURS["layer normalization"], "WHC")
    ax.set_title(f"axis={axis}")
for ax in [panels[0, 0], *panels[1]]:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
fig.colorbar(image, ax=panels[1], label="activation", shrink=0.8)
plt.show()

# %% [markdown]
# With `axis=1`, each column of pixels is normalized by itself, in each channel. So differences between columns are lost: a column with little ink
# gets nearly the same mean and deviation as one full of ink. With `axis=3`, each pixel is compared with the same pixel of the other channels. Only
# `axis=(1, 2, 3)` normalizes the example as a whole, and keeps the picture.
#
# The axis changes one more thing. Keras gives layer normalization a $\gamma$ for each of the cells that *share* a mean; group normalization has one
# for each channel:

# %% tags=["nbval-check-output"]
made = {f"layer normalization, axis={axis}": keras.layers.LayerNormalization(axis=axis) for axis in axes}
made["group normalization, one group"] = GroupNormalization(groups=1, axis=3)
for name, layer in made.items():
    layer.build((None, 26, 26, 10))
    print(f"{name:38} γ has the shape {tuple(layer.gamma.shape)}")

# %% [markdown]
# So group normalization with one group takes the means of layer normalization, but has fewer weights.
#
# ### A scale near zero
#
# The source's instance normalization has `gamma_initializer="random_uniform"`, which draws $\gamma$ from $-0.05$ to $0.05$. The layer brings its
# input to a standard deviation near one, and then multiplies it by a number near zero. How large are its outputs then? And how does this change the
# training? We train with the source's $\gamma$ and with $\gamma = 1$ on the first images of the training set. After every 32 batches we note their
# mean loss.

# %%
scales = {"γ from ±0.05": as_in_source[INSTANCE], "γ = 1": lambda: InstanceNormalization(axis=3)}
size = 256 if lesson.quick else 1024
parts = [slice(i, i + size) for i in range(0, min(len(x_train), 10 * size), size)]
losses = {start: [] for start in scales}
deviation = {start: [] for start in scales}
for start, seed in progress_bar([(s, seed) for s in scales for seed in seeds[:3]], "two scales"):
    net = build(scales[start], seed)
    first_layers = keras.Sequential(net.layers[:3])
    deviation[start].append(np.std(first_layers(x_test[:256])))
    found = [fit(net, x_train[part], y_train[part], verbose=0).history["loss"][0] for part in parts]
    losses[start].append(found)

pd.DataFrame({"standard deviation of the layer's outputs": pd.DataFrame(deviation).mean()}).round(3)

# %% tags=["figure"] alt="Training loss against the training images seen, three thin lines for each start of γ and their means. With γ drawn near zero the curve begins higher; later the two curves meet."
fig, ax = plt.subplots()
seen_images = size * np.arange(1, len(parts) + 1)
shade = plotting.colour("instance normalization")
for (start, found), dash in zip(losses.items(), ("--", "-")):
    for values in found:
        ax.plot(seen_images, values, dash, color=shade, linewidth=0.8, alpha=0.5)
    ax.plot(seen_images, np.mean(found, axis=0), dash, color=shade, marker="X", label=start)
ax.set(xlabel="training images seen", ylabel="training loss", ylim=(0, None))
ax.set_title("With γ near zero, instance normalization learns more slowly at first")
ax.legend(title="thin: one seed; thick: their mean")
plt.show()

# %% [markdown]
# The source's $\gamma$ makes the hidden layer's inputs many times smaller. So at first a step changes the net's outputs less. (The source's $\beta$
# comes from the same range. It adds to each channel a constant that says nothing about the image.) Later the curves meet. But the logged accuracy is
# a mean over the whole epoch, so a late start lowers it. So the initializer is one reason for the last place of instance normalization in the
# source's table.

# %% [markdown]
# ## The same three, done right
#
# Now we make the comparison that the source meant to make. We train on images of the *training* set, again with 313 batches of 32. After the epoch we
# measure on the test set. Layer normalization gets `axis=(1, 2, 3)`, instance normalization $\gamma = 1$. We add two nets for comparison: one without
# normalization (*plain*), and one with batch normalization. We also train with the source's settings of layer and instance normalization. (Batch
# normalization is tested with its running averages. After 313 steps, $0.99^{313} \approx 4\,\%$ of their start is left in them; see [lesson
# 02](02_batch_normalization.ipynb).)

# %%
methods = {
    "plain": None,
    "batch normalization": keras.layers.BatchNormalization,
    GROUP: as_in_source[GROUP],
    "layer normalization": lambda: keras.layers.LayerNormalization(axis=(1, 2, 3)),
    "instance normalization": lambda: InstanceNormalization(axis=3),
}
if not lesson.quick:
    methods |= {LAYER: as_in_source[LAYER], INSTANCE: as_in_source[INSTANCE]}
steps = 8 if lesson.quick else 313


def accuracy_of(normalization, seed, batch_size=32, after="convolution"):
    """Test accuracy after this number of steps on the first images of the training set."""
    net = build(normalization, seed, after)
    n = steps * batch_size
    fit(net, x_train[:n], y_train[:n], batch_size=batch_size, epochs=1, verbose=0)
    return share_right(net, x_test, y_test)


# %%
accuracy = pd.DataFrame(columns=list(methods), index=seeds, dtype=float)
plan = [(method, seed) for method in methods for seed in seeds]
for method, seed in progress_bar(plan, "seven nets", unit="training"):
    accuracy.loc[seed, method] = accuracy_of(methods[method], seed)

# %% tags=["figure"] alt="Seven rows of dots: the test accuracy of the plain net, of batch, group, layer and instance normalization, and of the source's settings of layer and instance normalization. A dot for each seed, a short line for each mean. The rows overlap."
ax = plotting.seed_dots({method: list(values) for method, values in accuracy.items()})
ax.xaxis.set_major_formatter(PercentFormatter(1))
ax.set_xlabel("test accuracy after 313 batches of 32; a dot for each seed")
ax.set_title("On new images, the four normalizations gain nothing here")
plt.show()

# %% [markdown]
# The table shows the lead over the plain net, computed for each seed: its mean, its smallest and its largest value.

# %%
lead = accuracy.sub(accuracy["plain"], axis=0)
columns = {"mean": accuracy.mean(), "lead over plain": lead.mean(), "smallest": lead.min()}
pd.DataFrame({**columns, "largest": lead.max()}).round(4)

# %% [markdown]
# If the smallest value is negative and the largest positive, the seeds disagree. Look for normalizations that are ahead for every seed, and for those
# that are behind for every seed. (For two equal nets, five seeds would all have the same sign in $2$ of $2^5 = 32$ cases.) This net is shallow and
# the task is easy, so a normalization cannot improve much.
#
# Then compare the last two rows with the two above them. The source's settings change what the layers *compute*. Do they change the accuracy as much?
# A layer may compute something else than its name says without a clear change in accuracy. A poke shows it.
#
# ## Small batches
#
# The source says that group normalization keeps its accuracy in small batches, where batch normalization gets worse. It does not show this. We train
# with batches of 2, 8, 32 and 128. **Before you look, count:** how many values go into each mean?

# %% tags=["nbval-check-output"]
sizes = np.array([2, 8, 32, 128])
behind = {
    "batch normalization, after the convolution": sizes * 26 * 26,
    "group normalization, after the convolution": [26 * 26 * 2] * 4,  # two channels in a group
    "batch normalization, after the dense layer": sizes,
    "group normalization, after the dense layer": [16] * 4,  # 128 units in eight groups
}
pd.DataFrame(behind, index=pd.Index(sizes, name="batch size")).T

# %% [markdown]
# After a convolution, each image brings 676 values to each channel. So even with a batch of two, each mean has more than a thousand values. After a
# dense layer, a batch of two brings two values, and they become −1 and +1, as in the first example. So we test the layer in both places; the second
# is the course's own question. **In which place do you expect batch normalization to get worse?**
#
# Each training has 313 steps, so *a smaller batch means fewer images*: two against 128 for each step. For this reason all nets are worse with small
# batches. To see the normalization's own effect, we draw the difference from the plain net with the same seed and the same batch size.

# %%
compared = [
    ("convolution", "batch normalization", methods["batch normalization"]),
    ("convolution", GROUP, methods[GROUP]),
    ("dense layer", "batch normalization", methods["batch normalization"]),
    ("dense layer", GROUP, lambda: GroupNormalization(groups=8, axis=-1)),
    ("nowhere", "plain", None),
]
tried = [2, 32] if lesson.quick else [2, 8, 32, 128]
plan = [(*one, size, seed) for one in compared for size in tried for seed in seeds[:3]]
few = [2] if lesson.quick else [2, 32]
plan = [one for one in plan if one[0] != "dense layer" or one[3] in few]
rows = []
for place, method, normalization, size, seed in progress_bar(plan, "batch sizes", unit="training"):
    if size == 32 and place != "dense layer":
        found = accuracy.loc[seed, method]  # trained above
    else:
        found = accuracy_of(normalization, seed, size, after=place)
    rows.append((place, method, size, seed, found))
by_size = pd.DataFrame(rows, columns=["after", "method", "batch size", "seed", "accuracy"])
wide = by_size.pivot_table("accuracy", ["batch size", "seed"], ["after", "method"], sort=False)
difference = wide.sub(wide["nowhere", "plain"], axis=0)

# %%
table = by_size.pivot_table("accuracy", ["after", "method"], "batch size", sort=False)
table.round(4)

# %% [markdown]
# The table shows means over three seeds. After the dense layer we train with only two batch sizes, 2 and the source's 32. The figure shows the
# differences from the plain net.

# %% tags=["figure"] alt="Two panels, after the convolution and after the dense layer: test accuracy minus that of the plain net, against the batch size from 2 to 128, for batch and group normalization, with a dot for each seed and a line through the means. In the right panel the line of batch normalization falls far below zero at a batch size of two."
fig, panels = plt.subplots(1, 2, figsize=(10.5, 4.2), sharey=True)
for ax, place in zip(panels, ("convolution", "dense layer")):
    for method, shift in [("batch normalization", 0.95), (GROUP, 1.05)]:
        one = difference[place, method].unstack("seed").dropna()
        look = dict(color=plotting.colour(method, ax), marker=plotting.marker(method, ax))
        ax.plot(one.index * shift, one, linestyle="", alpha=0.5, **look)
        ax.plot(one.index * shift, one.mean(axis=1), **look, markersize=0, label=method)
    ax.axhline(0, color=plotting.COLOURS["plain"], linestyle="--", label="plain net")
    ax.set_xscale("log", base=2)
    ax.set_xticks(tried, tried)
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:+.3g}")
    ax.set(xlabel="batch size", title=f"After the {place}")
panels[0].set_ylabel("test accuracy minus plain net's\n(percentage points)")
panels[1].legend(loc="lower right")
plt.show()

# %% tags=["record"]
at = {method: table.loc["convolution", method] for method in ("batch normalization", GROUP)}
lost = {method: means[32] - means[2] for method, means in at.items()}
lesson.record(
    "S2.c5",
    group_accuracy_at_2=at[GROUP][2],
    batch_accuracy_at_2=at["batch normalization"][2],
    batch_lost_from_32_to_2=lost["batch normalization"],
    group_lost_from_32_to_2=lost[GROUP],
)
means = accuracy.mean()  # with batches of 32, over all seeds
lesson.record("S2.c6", difference=means[GROUP] - means["batch normalization"])

# %% [markdown]
# *After the dense layer*, batch normalization with a batch of two falls far behind, as the count predicted. Group normalization, which always has 16
# values, does not.
#
# *After the convolution*, in the source's own net, batch normalization never has fewer than a thousand values. So noisy statistics cannot explain
# much there. Look at group normalization at a batch size of two. It does not use the batch. If it is below zero as well, there must be another cause.
# Exercise 4 tests one.
#
# The rule is not “batches below sixteen are bad” but **count the values that go into a mean**. Near the end of a deep convolutional net they become
# few: its pictures have shrunk to a few pixels, and a large net leaves memory only for small batches. Group normalization was made for such nets.

# %% [markdown]
# ## Verdicts
#
# Here is every number and every order that the source states. We measured them over several seeds on two software stacks, in full mode on the real
# MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("03_normalization_layers")

# %% [markdown]
# ## What to take away
#
# - One formula; the only decision is which cells share a mean. Poke the layer to see it.
# - For layer normalization, `axis` names the axes that the mean is taken over. For images write `axis=(1, 2, 3)`.
# - Batch normalization gets worse if few values go into a mean. That depends on where the layer stands, not on the batch size alone.
# - Before you compare accuracies, ask: on which images, when in the epoch, and from how many seeds?
#
# **Today** all four are in Keras itself: `BatchNormalization`, `LayerNormalization`, `GroupNormalization(groups=...)`, and
# `GroupNormalization(groups=-1)` for instance normalization. The layers from `course_utils.addons` add the arguments of TensorFlow Addons.
# Transformers use layer normalization over the last axis, or RMS normalization, which divides by the root of the mean square and subtracts nothing.
# Many diffusion models and detectors use group normalization.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** You put `InstanceNormalization()` after a dense layer of 128 units, so its inputs have the shape (batch, 128). There are ten classes, equally
# frequent, and the loss stays near $\ln 10$ from the first epoch to the last. What has happened?
#
# <details><summary>An answer</summary>
#
# Count the values that go into each mean: one example, one channel and no positions, so a single value. It is its own mean, and the layer's output is
# $\beta$ for every image. The net can only learn how often each class occurs, and for ten equally frequent classes that is a loss of $\ln 10$. Layer
# normalization, or group normalization with a few groups, has more values to average.
#
# </details>
#
# **2.** On the same images, the log of an epoch shows a lower accuracy than `evaluate` right after it. The lesson gave one reason. This net has a
# second one. What is it, and how would you measure the share of each?
#
# <details><summary>An answer</summary>
#
# The log is a mean over the epoch, with the guesses at its start. The second reason is dropout: it works in training, and not in `evaluate`. After
# the epoch, compute the accuracy with `training=True` and the final weights. The difference between this accuracy and that of `evaluate` is the share
# of dropout. The difference between the log and this accuracy is the share of the mean over the epoch. With batch normalization there would be a
# third reason: training uses the statistics of the batch, `evaluate` the running averages.
#
# </details>
#
# **3.** RMS normalization divides by the root of the mean square and subtracts nothing. You add the same constant to all features of an example. In a
# second test you multiply them all by ten instead. Which of the two changes the output of layer normalization, and which that of RMS normalization?
#
# <details><summary>An answer</summary>
#
# Neither changes the output of layer normalization: the subtraction of the mean removes the constant, and the division by the standard deviation
# removes the factor. The constant changes the output of RMS normalization, because no mean is subtracted. The factor does not. (For the factor,
# $\varepsilon$ has to be small compared with the variance or the mean square.)
#
# </details>

# %% [markdown]
# ## Exercises
#
# Exercises 1 to 3 have a cell to fill in and a check below it. The check tries your code on inputs of its own and answers in a sentence. It accepts
# any code that does what the card asks. In exercise 4 you predict a result. The solutions are in [a notebook of their
# own](solutions/03_normalization_layers.ipynb).

# %% tags=["given"]
import keras
import numpy as np

from course_utils.addons import GroupNormalization, InstanceNormalization
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Count before you normalize
#
# *10 minutes.* **What.** Write `values_per_mean`: how many values go into each mean, for activations of any shape (batch first, channels last).
# `axes` are the axes that the mean is taken over. Negative axes count from the end, and `axes` may be empty. With `groups`, the channels are split
# into that many groups, and each mean is also taken over the channels of its group.
#
# **Why.** This number tells you where a normalization will be noisy, before you train anything.


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
# The shapes are those of a ResNet-50 for images of 224×224 pixels, from its first convolution to the pooling at its end. At the start both batch and
# group normalization have many values. Towards the end there are fewer positions and more channels. In the last row batch normalization has two
# values, one for each image. Group normalization has the channels of its group. Instance normalization has a single value, which is its own mean.

# %% [markdown] tags=["exercise"]
# ### 2 · Group normalization in a few lines
#
# *20 minutes.* **What.** Write `group_normalize` for arrays of any rank: batch on axis 0, channels on `axis`, positions on all other axes. The
# channels are split into `groups` of neighbours. Each group of each example is standardized over its channels and positions, with $\varepsilon$ added
# to the variance. There is no $\gamma$ and no $\beta$.
#
# **Why.** With one group it does what layer normalization does; with a group for each channel it does what instance normalization does. So one
# function covers three layers. And you will see a reshape that goes wrong without an error message.


# %% tags=["exercise"]
def group_normalize(x, groups, axis=-1, epsilon=1e-3):
    """Standardize x, (batch, ...), within each group of channels; returns an array of x's shape."""
    ...


# %% tags=["solution"]
def group_normalize(x, groups, axis=-1, epsilon=1e-3):
    """Standardize x, (batch, ...), within each group of channels; returns an array of x's shape."""
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
    deviations = [f"{deviation:4.1f}" for deviation in y.std(axis=(0, 1, 2))]
    print(f"groups={groups:<2}{alike!s:>15}   ", *deviations)

# %% [markdown] tags=["solution"]
# In the input each of the ten channels has a larger deviation than the one before. With a single group this order stays. With more groups it stays
# within a group only, and starts again with the next group. With a group for each channel it is lost: every channel comes out with the same
# deviation. So the number of groups decides how much the net can know about the relative strength of the channels.

# %% [markdown] tags=["exercise"]
# ### 3 · Which axes?
#
# *25 minutes.* **What.** Write `averaged_axes`, which finds out by poking which axes a layer averages over: the axes along which a change of one cell
# reaches *other* cells. `layer` takes an array of the given shape and returns one of the same shape; you cannot look inside. In group normalization
# the axis of the channels counts, although only some of the channels change. A layer that takes no mean has no such axes.
#
# **Why.** Documentation describes `axis` in words, and its meaning differs between layers. A poke shows what a layer does.


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
    answers = np.argwhere(change > 1e-7)  # a row for each answering cell: its place on every axis
    return tuple(axis for axis in range(len(shape)) if answers[:, axis].any())


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
# The same argument has opposite meanings. Layer normalization averages *over* the axis that you name. So does unit normalization, which divides by
# the length. Batch and instance normalization average over other axes, and compute separate means along this one. Group normalization splits this
# axis, and a mean is taken over a part of it. No layer complains if you meant the other.

# %% [markdown] tags=["exercise"]
# ### 4 · Predict, run, explain: shorter steps
#
# *15 minutes.* **What.** With batches of two, group normalization after the convolution can fall behind the plain net, although it does not use the
# batch. Here is a possible cause. A normalized signal is larger than the convolution's own output, so one step of Adam changes the net's outputs
# more. For small, noisy batches this may be too much. If so, what happens with a tenth of Adam's rate? **Write down, for each of the three nets: does
# its test accuracy rise or fall?** And what would you expect if the statistics of the batch were the cause? Then run the cell.
#
# **Why.** The two possible causes predict different results, so the experiment can tell them apart.

# %% tags=["predict"]
nets = {
    "plain": None,
    "batch normalization": keras.layers.BatchNormalization,
    "group normalization": lambda: GroupNormalization(groups=5, axis=3),
}
shorter = pd.DataFrame(0.0, index=list(nets), columns=["rate 0.001", "rate 0.0001"])
seeds = lesson.seeds(5)[:1] if lesson.quick else lesson.seeds(5)
for seed in progress_bar(seeds, "two rates", unit="seed"):
    for name, normalization in nets.items():
        for column, rate in zip(shorter, (0.001, 0.0001)):
            net = build(normalization, seed)
            net.optimizer.learning_rate = rate
            n = 16 if lesson.quick else 626
            fit(net, x_train[:n], y_train[:n], batch_size=2, epochs=1, verbose=0)
            shorter.loc[name, column] += share_right(net, x_test, y_test) / len(seeds)
shorter.round(4)

# %% [markdown] tags=["exercise"]
# <details><summary>Our explanation</summary>
#
# Suppose that Adam's steps are too long for the normalized nets. Then shorter steps help both of them. The plain net, whose steps are not too long,
# makes less progress in the same number of steps. Now suppose that the statistics of the batch are the cause. Then shorter steps help batch
# normalization at most. Group normalization does not use the batch, so it has no more reason to gain than the plain net. Compare the three rows with
# the two predictions. (Both causes may act together.)
#
# </details>

# %% [markdown]
# ## References
#
# - J. L. Ba, J. R. Kiros, G. E. Hinton, *Layer Normalization*, 2016, [arXiv:1607.06450](https://arxiv.org/abs/1607.06450):
#   statistics within one example, and why recurrent nets want that.
# - D. Ulyanov, A. Vedaldi, V. Lempitsky, *Instance Normalization: The Missing Ingredient for Fast Stylization*, 2016,
#   [arXiv:1607.08022](https://arxiv.org/abs/1607.08022): one example, one channel.
# - Y. Wu, K. He, *Group Normalization*, 2018, [arXiv:1803.08494](https://arxiv.org/abs/1803.08494): the block of
#   figure 2, and the experiments with small batches.
# - S. Ioffe, C. Szegedy, *Batch Normalization*, 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167): what the other three are compared with.
# - The source also lists a web page, *Complete Normalizations Overview*. In its place: L. Huang and others, *Normalization Techniques in Training
#   DNNs: Methodology, Analysis and Application*, 2020, [arXiv:2009.12836](https://arxiv.org/abs/2009.12836).
