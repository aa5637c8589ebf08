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
# # 02 · Batch normalization
#
# [Lesson 01](01_initialization_and_activations.ipynb) chose starting weights that keep a signal at the right size. Training then changes the weights.
# Batch normalization measures the signal again in every batch and corrects it. But a trained net may get one image at a time, and then there is no
# batch to measure. So the layer computes one thing in training and another thing afterwards. This lesson shows both, and what goes wrong when they
# are confused. Then it measures how much batch normalization gains if each net may choose its learning rate.
#
# - **You will learn:** what batch normalization computes, and what it keeps from training; to tell training mode from inference mode by their
#   numbers; where to put the layer, and why the bias before it is redundant; to compare two nets fairly, each at its own best rate.
# - **You need:** [lesson 01](01_initialization_and_activations.ipynb); a dense net in Keras.
# - **Reproduces:** *Training Deep Neural Networks*, part B, batch normalization: chapter 11 of A. Géron, *Hands-On Machine Learning*, 2nd edition,
#   notebook of 2020-09-25 (revision e7658ef). Below it is called “the chapter”. The gradient clipping of part B is in [lesson
#   07](07_optimizers_and_clipping.ipynb).
# - **Time:** about 30 minutes to read; a run takes as long as the line above says, in quick mode under a minute.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("02_batch_normalization")

# %% tags=["needed"]
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

from course_utils import plotting
from course_utils.data import load_fashion_mnist
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## What it does to a signal
#
# For each unit, batch normalization takes the mean $\mu$ and the variance $\sigma^2$ of the unit's values over the images of a batch. It subtracts
# the mean and divides by the standard deviation. Then it multiplies by $\gamma$ and adds $\beta$. These are two numbers for each unit. They are
# trained like weights and start at 1 and 0:
#
# $$y = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta .$$
#
# The small $\varepsilon$ avoids a division by zero where a unit does not vary. In NumPy this is two lines:


# %%
def batch_normalized(x, gamma=1.0, beta=0.0, epsilon=0.001):
    mean, variance = x.mean(axis=0), x.var(axis=0)  # over the batch, for each unit
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


# %% [markdown]
# In lesson 01, ReLU layers with LeCun's weights had two faults. Each layer made the signal smaller by a factor of about $\sqrt 2$, and two images
# looked more alike from layer to layer. (*Likeness* is the mean cosine of the angle between the activations of two images: near 0 if they have
# nothing in common, 1 if they differ only in brightness.) We send 256 random inputs through fifty such layers, once as they are and once with batch
# normalization before each ReLU. **Which of the two faults will it prevent?**


# %%
def through_relu_layers(normalize, depth=50):
    rng = np.random.default_rng(lesson.seed)
    x, layers = rng.normal(size=(256, 100)), []
    for _ in range(depth):
        sums = x @ rng.normal(0, np.sqrt(1 / 100), (100, 100))
        x = np.maximum(batch_normalized(sums) if normalize else sums, 0)
        layers.append(x)
    return layers


def likeness(x):
    """The mean cosine between two different rows: 1 for images that differ in brightness only."""
    rows = x / np.linalg.norm(x, axis=1, keepdims=True)
    n = len(rows)
    return (np.sum(rows.sum(axis=0) ** 2) - n) / (n * (n - 1))


# %%
deep = {"plain": through_relu_layers(False), "batch normalization": through_relu_layers(True)}
looked_at = (1, 10, 25, 50)
rows = {}
for name, layers in deep.items():
    rows[f"{name}: size"] = {n: f"{np.sqrt(np.mean(layers[n - 1] ** 2)):.2g}" for n in looked_at}
    rows[f"{name}: likeness"] = {n: f"{likeness(layers[n - 1]):.2f}" for n in looked_at}
pd.DataFrame(rows).T.rename_axis("after layer")

# %% tags=["figure"] alt="Histograms of activations in layers 1, 10, 25 and 50. Without normalization they shrink to a spike at zero; with it they keep their width."
fig, panels = plt.subplots(2, 4, figsize=(11, 4.2), sharex=True)
bins = np.linspace(0, 3, 31)
for line, (name, layers) in zip(panels, deep.items()):
    for ax, n in zip(line, looked_at):
        values = np.clip(layers[n - 1].ravel(), 0, 3)
        counts = np.histogram(values[values > 0], bins)[0]
        ax.bar(bins[:-1], counts / counts.max(), width=0.1, align="edge", color=plotting.colour(name, ax))
        ax.set_yticks([])
    line[0].set_ylabel(name.replace(" ", "\n"))
for ax, n in zip(panels[0], looked_at):
    ax.set_title(f"layer {n}")
for ax in panels[1]:
    ax.set_xlabel("activation (zeros left out)")
fig.suptitle("Weights that are too small: batch normalization makes up for them", fontweight="bold")
plt.show()

# %% [markdown]
# It prevents both. The size is kept, because each batch is scaled to a variance of one, whatever the weights. And the images stay unlike: what all
# images have in common is part of the mean, and the mean is subtracted. The likeness stays near $1/\pi \approx 0.32$. This is its value after a
# single ReLU layer if the inputs have nothing in common. (Lesson 04 derives the [gradient](04_normalization_by_hand.ipynb); lesson 03 asks [which
# values should share a mean](03_normalization_layers.ipynb).)
#
# ## Two modes
#
# In training mode $\mu$ and $\sigma^2$ are those of the batch. In inference mode, after training, the layer uses *running averages* of the means and
# variances that it saw in training. Here are both modes in numbers: one unit, and a batch with the values 10 and 30.

# %% tags=["nbval-check-output"]
layer = keras.layers.BatchNormalization()
x = np.array([[10.0], [30.0]], "float32")


def look(what, **mode):
    out = np.ravel(layer(x, **mode))
    mean, variance = float(layer.moving_mean[0]), float(layer.moving_variance[0])
    print(f"{what:22} output {out.round(2)!s:15} running mean {mean:.2f}, running variance {variance:.2f}")


look("fresh, inference mode:", training=False)
look("training mode:", training=True)
look("inference mode again:", training=False)

# %% [markdown]
# In training mode the outputs are −1 and 1, and the running averages move. They begin at mean 0 and variance 1. Each batch moves them by a hundredth
# of the way (`momentum=0.99`) towards its own mean and variance, here 20 and 100. In inference mode the layer uses the running averages and does not
# change them. (The chapter looks at `updates`, the list of operations that move them. TensorFlow 2 runs these by itself, and Keras 3 has no such
# list: see [From Keras 2 to Keras 3](../docs/keras_2_to_3.md).)
#
# ### How long the averages take
#
# **After how many batches are the running averages close to the true values?** We feed layers of 50 units with random numbers of mean 3 and variance
# 4, in batches of three sizes.


# %%
def running_averages(batch_size, steps=600):
    """The running mean and variance after every step, averaged over 50 units."""
    layer = keras.layers.BatchNormalization()
    layer.build((None, 50))
    see = tf.function(lambda x: layer(x, training=True))
    rng = np.random.default_rng(lesson.seed)
    found = []
    for _ in range(steps):
        see(tf.constant(rng.normal(3, 2, (batch_size, 50)), tf.float32))
        found.append([layer.moving_mean.numpy().mean(), layer.moving_variance.numpy().mean()])
    return pd.DataFrame(found, columns=["running mean", "running variance"], index=range(1, steps + 1))


# %%
averages = {size: running_averages(size) for size in (2, 8, 32)}

# %% tags=["figure"] alt="Running mean and running variance over 600 steps. Both need several hundred steps. With batches of two the variance settles at half the true value."
fig, panels = plt.subplots(1, 2, figsize=(10.4, 4))
for ax, truth, column in zip(panels, (3, 4), ("running mean", "running variance")):
    for size, found in averages.items():
        ax.plot(found[column], color=plotting.colour(f"batches of {size}", ax), label=f"batches of {size}")
    ax.axhline(truth, color="black", linestyle="--", linewidth=1.5, label="true value")
    ax.set(xlabel="step", ylabel=column, ylim=(0, None))
panels[0].set_title("The mean needs several hundred steps")
panels[1].set_title("With batches of two the variance stays too small")
panels[0].legend(loc="lower right")
plt.show()

# %% tags=["nbval-check-output"]
last = {f"batches of {size}": found.iloc[-1] for size, found in averages.items()}
pd.DataFrame(last).T.rename_axis("after 600 steps").round(1)

# %% [markdown]
# The averages start at mean 0 and variance 1, whatever the data, and need several hundred steps to lose this start. A shorter training ends with
# wrong averages.
#
# With batches of two the running variance settles at *half* the true value. The variance of a batch is taken around the batch's own mean. This makes
# it too small by the factor $(n-1)/n$ on average: hardly anything for $n = 32$, one half for $n = 2$. PyTorch corrects its running variance for this.
# Keras does not do so for the outputs of dense layers.
#
# ## The task and three nets
#
# The data are Fashion-MNIST, with pixels divided by 255 and not standardized. The first 5,000 training images are kept for validation. The net is
# 300-100-10 (hidden layers of 300 and 100 units, a softmax over 10 classes) with ReLU, plain gradient descent at a rate of `0.001`, batches of 32,
# ten epochs. The chapter trains two nets with batch normalization. In both it is the very first layer. In one it also follows each activation; in the
# other it stands before each activation.

# %% tags=["needed"]
fashion = lesson.data(load_fashion_mnist(validation=5_000))

x_train, x_valid = fashion.x_train / np.float32(255), fashion.x_valid / np.float32(255)
y_train, y_valid = fashion.y_train, fashion.y_valid


# %% tags=["needed"]
def plain():
    layers = keras.layers
    return [layers.Dense(300, "relu"), layers.Dense(100, "relu")]


def after_the_activation():
    layers = keras.layers
    return [
        layers.BatchNormalization(),
        layers.Dense(300, "relu"),
        layers.BatchNormalization(),
        layers.Dense(100, "relu"),
        layers.BatchNormalization(),
    ]


# %% [markdown]
# Before the activation the dense layer needs no bias. A bias adds the same number for every image of the batch. So the mean contains this number too,
# and the subtraction removes it. $\beta$ does the work of the bias. A test:

# %% tags=["nbval-check-output"]
layer = keras.layers.BatchNormalization()
sums = np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
difference = np.abs(layer(sums + 100, training=True) - layer(sums, training=True)).max()
print(f"a bias of 100 changes the output by more than a thousandth: {difference > 1e-3}")


# %% tags=["needed"]
def before_the_activation():
    layers = keras.layers
    return [
        layers.BatchNormalization(),
        layers.Dense(300, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.Dense(100, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
    ]


# %% tags=["needed"]
def build(hidden, seed):
    lesson.set_seed(seed)
    layers = [keras.Input((28, 28)), keras.layers.Flatten(), *hidden()]
    net = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    net.compile(keras.optimizers.SGD(0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


# %%
kinds = {
    "plain": plain,
    "batch normalization": after_the_activation,
    "before the activation": before_the_activation,
}
nets = {name: build(hidden, lesson.seed) for name, hidden in kinds.items()}


def count(weights):
    return sum(int(np.prod(w.shape)) for w in weights)


# %%
layers = nets["batch normalization"].layers
summary = pd.DataFrame({"layer": [type(layer).__name__ for layer in layers]})
summary["trained"] = [count(layer.trainable_weights) for layer in layers]
summary["not trained"] = [count(layer.non_trainable_weights) for layer in layers]
summary

# %% [markdown]
# The table lists the layers of the net with batch normalization after each activation. (`net.summary()` shows the same, and the shapes.) Each
# normalization layer has four numbers for every value that it gets. Two of them, $\gamma$ and $\beta$, are trained. The other two are the running
# averages. Here are the variables of the first normalization layer:

# %% tags=["nbval-check-output"]
for variable in nets["batch normalization"].layers[1].variables:
    name = variable.name.split("/")[-1].split(":")[0]
    print(f"{name:16} {tuple(variable.shape)}  trainable: {variable.trainable}")

# %% [markdown]
# **Which of the three nets do you expect to be ahead after ten epochs? Does the place of the layer matter?** We train each net from three seeds. To
# save time, each net is compiled once, and every run gets fresh starting weights.


# %%
def run(name, seed, rate=0.001):
    """The validation accuracy after each epoch, from fresh weights of this seed."""
    net = nets[name]
    net.set_weights(build(kinds[name], seed).get_weights())
    for variable in net.optimizer.variables:  # Keras 2 stores the last step, and nan would stay there
        variable.assign(np.zeros_like(variable.numpy()))
    net.optimizer.learning_rate = rate
    history = fit(net, x_train, y_train, epochs=10, validation_data=(x_valid, y_valid), verbose=0)
    return history.history["val_accuracy"]


# %%
seeds = lesson.seeds(1 if lesson.quick else 3)
runs = {}  # by name, rate and seed
for seed in progress_bar(seeds[::-1], "three nets, each seed"):
    for name in nets:
        runs[name, 0.001, seed] = run(name, seed)
trained = nets["batch normalization"].get_weights()  # of the last seed: the lesson's own

# %% tags=["figure"] alt="Validation accuracy over ten epochs, thin curves for the seeds. Both nets with batch normalization lie above the plain net from the first epoch on."
histories = {name: [{"val_accuracy": runs[name, 0.001, seed]} for seed in seeds] for name in nets}
ax = plotting.learning_curves(histories, training=False)
ax.set_title("At a rate of 0.001 the normalized nets are ahead from the first epoch")
lesson.save_figure(ax.figure, "validation-accuracy")
plt.show()

# %%
last = {name: {f"seed {seed}": runs[name, 0.001, seed][-1] for seed in seeds} for name in nets}
pd.DataFrame(last).T.rename_axis("validation accuracy").round(4)

# %% tags=["record"]
without, after, before = (runs[name, 0.001, lesson.seed][-1] for name in nets)
lesson.record("S5.cB1", val_accuracy=after)
lesson.record("S5.cB2", val_accuracy=before)
lesson.record("S5.qB3", after=after, before=before, without=without)

# %% [markdown]
# Both normalized nets lead from the first epoch on. The place of the layer matters less than whether it is there. (The chapter's stored outputs, of
# revision e7658ef, are “0.8758” after the activation and “0.8732” before it. The chapter does not train the plain net in this way; this comparison is
# the course's own question.)
#
# ### How much of it is the first layer?
#
# The normalized nets differ from the plain net in a second way: their first layer standardizes the pixels. This alone needs no batch normalization;
# lesson 01 standardized the pixels once, before training. So we train a fourth net, normalized *only at the input*. **How much of the lead over the
# plain net does it have?**


# %%
def only_at_the_input():
    layers = keras.layers
    return [layers.BatchNormalization(), layers.Dense(300, "relu"), layers.Dense(100, "relu")]


kinds["only at the input"] = only_at_the_input
nets["only at the input"] = build(only_at_the_input, lesson.seed)
for seed in progress_bar(seeds, "normalized only at the input"):
    runs["only at the input", 0.001, seed] = run("only at the input", seed)

# %%
compared = ["plain", "only at the input", "batch normalization"]
last = {name: {f"seed {seed}": runs[name, 0.001, seed][-1] for seed in seeds} for name in compared}
pd.DataFrame(last).T.rename_axis("validation accuracy").round(4)

# %% [markdown]
# It has most of the lead. So at this rate, and in so shallow a net, most of the gain comes from standardized inputs.
#
# ## Both at their best rate
#
# All these nets had the same rate, `0.001`. Does a rate that suits the normalized net also suit the plain one? The chapter does not ask. In a fair
# comparison each net has its own best rate. So we train three nets at four rates, from two seeds. **Where will each net be at its best, and how much
# of the difference will be left?**

# %%
rates = [0.001, 0.1] if lesson.quick else [0.001, 0.01, 0.1, 1.0]
choosing = seeds[1:] or seeds
for rate in progress_bar(rates[1:], "three nets at other rates", unit="rate"):
    for name in compared:
        for seed in choosing:
            runs[name, rate, seed] = run(name, seed, rate)

mean = {name: [np.mean([runs[name, r, s][-1] for s in choosing]) for r in rates] for name in compared}
mean = pd.DataFrame(mean, rates)
mean.T.rename_axis("mean validation accuracy, by rate").round(4)

# %% [markdown]
# The highest of four values is partly luck. So these two seeds only *choose* the rate. We compare the nets at the chosen rates, in a run from another
# seed.

# %%
best = mean.idxmax()
judged = {name: run(name, lesson.seed, best[name])[-1] for name in compared}
pd.DataFrame({"best rate": best, "validation accuracy there, new seed": pd.Series(judged).round(4)})

# %% tags=["figure"] alt="Validation accuracy after ten epochs against the learning rate on a log axis, for three nets. The gap is wide at the smallest rate and narrow at each net's best rate."
fig, ax = plt.subplots(figsize=(7.6, 4.2))
for name in ("plain", "batch normalization", "only at the input"):
    shade, sign = plotting.colour(name, ax), plotting.marker(name, ax)
    each_seed = [[runs[name, rate, seed][-1] for seed in choosing] for rate in rates]
    ax.plot(rates, each_seed, sign, color=shade, alpha=0.6)
    ax.plot(rates, mean[name], color=shade, label=name)
    ax.plot(best[name], judged[name], "*", color=shade, markersize=16, label=f"{name}, new seed")
ax.set(xscale="log", xlabel="learning rate", ylabel="validation accuracy after ten epochs")
ax.set(ylim=(None if lesson.quick else 0.82, None))
ax.yaxis.set_major_formatter(plotting.PercentFormatter(1))
ax.set_title("Each at its best rate, the gap is small")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% tags=["record"]
lesson.record("S5.qB4", normalized=judged["batch normalization"], plain=judged["plain"])

# %% [markdown]
# (Accuracies below $82\,\%$ are not drawn; the table has them.) At the smallest rate the normalized net is far ahead of the plain one. Towards the
# best rates most of the gap closes. So most of the lead at `0.001` came from steps that were too short for the plain net. Is a difference left at the
# two best rates? This is question S5.qB4 in the verdicts below, measured over more seeds than here.
#
# The table shows a second gain. The normalized net is close to its best over a wider range of rates. Compare the three nets at the largest rate. One
# reason why batch normalization tolerates large rates: long steps make the weights larger. The larger the weights before a normalization, the less a step of the same length
# changes the outputs (question 4; lesson 04 derives it).
#
# ## The same net in its two modes
#
# Keras chooses the mode for you: `fit` uses training mode, `evaluate` and `predict` use inference mode. If you call the net yourself, you choose:
# `net(x, training=True)`. **What happens if a trained net predicts in the wrong mode?** We take the net with batch normalization that was trained at
# `0.001`. It predicts the validation images in inference mode, and in training mode in batches of different sizes. (A call in training mode moves the
# running averages, so we use a copy.)


# %% tags=["needed"]
def accuracy_in_training_mode(net, batches):
    """The share of right answers; batches: a list of (images, labels)."""
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    answer = tf.function(lambda images: tf.argmax(copy(images, training=True), axis=1))
    return np.mean([np.mean(answer(images) == labels) for images, labels in batches])


# %%
net = nets["batch normalization"]
net.set_weights(trained)
inference = net.evaluate(x_valid, y_valid, batch_size=250, verbose=0)[1]

accuracies = {}
for size in (1, 16, 256) if lesson.quick else (2**k for k in range(9)):
    n = min(len(x_valid), 1000 * size) // size * size
    batches = list(zip(np.split(x_valid[:n], n // size), np.split(y_valid[:n], n // size)))
    accuracies[size] = accuracy_in_training_mode(net, batches)
pd.DataFrame([accuracies], ["training mode"]).assign(inference=inference).round(3)

# %% tags=["figure", "cover"] alt="Accuracy of one trained net in training mode against the number of images predicted together: near ten per cent for a single image, rising to the accuracy of inference mode, which is a level line."
fig, ax = plt.subplots(figsize=(7.6, 4))
shade = plotting.colour("batch normalization", ax)
ax.plot(pd.Series(accuracies), "D-", color=shade, label="training mode: the batch's statistics")
ax.axhline(inference, color="black", linestyle="--", label="inference mode: running averages")
ax.set_xscale("log", base=2)
ax.set_xticks(list(accuracies), list(accuracies))
ax.yaxis.set_major_formatter(plotting.PercentFormatter(1))
ax.set(xlabel="images predicted together", ylabel="validation accuracy", ylim=(0, 1))
ax.set_title("In training mode the answer depends on the other images")
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# In inference mode it does not matter how many images are predicted together. In training mode it matters a lot. The mean of a single image is the
# image itself, so the subtraction leaves nothing of it. Every image gets the same answer, and about one in ten is right by chance. With more images
# the batch's statistics are closer to those of all images.
#
# Remember this curve. If the answers of a net depend on *what else is in the batch*, the net works in training mode.

# %% [markdown]
# ## Verdicts
#
# Here is what stored outputs of the chapter's notebook show (revision e7658ef), and the course's own questions. We measured it over several seeds on
# two software stacks, in full mode on the real Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("02_batch_normalization")

# %% [markdown]
# ## What to take away
#
# - Batch normalization keeps the size of a signal, and removes what all images have in common.
# - It has two modes. Training mode uses the batch and moves the running averages. Inference mode uses the running averages and does not move them.
# - Running averages start at mean 0 and variance 1 and need several hundred batches. With tiny batches the running variance becomes too small.
# - Say which mode you mean whenever you call a net yourself.
# - A dense layer directly before batch normalization needs no bias.
# - Compare nets each at its own best rate, and on the same inputs. At the chapter's rate, most of what batch normalization gains in this shallow net
#   comes from standardized inputs.
#
# **Today** batch normalization is still common in convolutional nets. Transformers use layer normalization ([lesson
# 03](03_normalization_layers.ipynb)), which has one mode only.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** You set `layer.trainable = False` on a batch normalization layer of a trained net, and continue to train the net. Which statistics does the
# layer use in training mode? Why is that useful?
#
# <details><summary>An answer</summary>
#
# It uses the running averages, and does not move them. In Keras a frozen batch normalization layer works in inference mode, even if it is called with
# `training=True`. Transfer learning ([lesson 06](06_transfer_learning.ipynb)) needs that: the layers above were trained on what the running averages
# give. Small batches of new images would replace these averages by noisy ones.
#
# </details>
#
# **2.** After fifty steps a net with batch normalization has a good training accuracy, and `evaluate` finds a much lower one on the same images. The
# code has no mistake. What do you suspect, and how do you test it?
#
# <details><summary>An answer</summary>
#
# The running averages are still close to their start. With `momentum=0.99`, the start still makes up more than half of them after fifty steps
# ($0.99^{50} \approx 0.6$). Predict one large batch with `training=True`, on a copy of the net. If the accuracy is good there, the weights are fine
# and only the averages are wrong. Train for more steps, or use a smaller momentum.
#
# </details>
#
# **3.** The dense layer before a batch normalization has kept its bias. Which gradient does the bias get in training? What happens to the bias in
# inference mode?
#
# <details><summary>An answer</summary>
#
# The gradient is zero, except for rounding. The output does not depend on the bias, because every batch's mean contains it and is subtracted. In
# inference mode the bias is added, and the running mean, measured with the bias in it, removes it again. The bias has an effect only while the
# running mean has not yet reached the true mean.
#
# </details>
#
# **4.** You multiply all weights of a dense layer before a batch normalization by ten. What changes in the net's outputs in training mode? What
# changes in the gradients of these weights, and so in the effect of one step?
#
# <details><summary>An answer</summary>
#
# The outputs stay the same, apart from $\varepsilon$: mean and standard deviation grow by the same factor. The gradients become ten times *smaller*,
# because the same change of a weight now changes the outputs by a tenth. Relative to the weights, a step of gradient descent is a hundred times
# smaller. So larger weights act like a smaller learning rate.
#
# </details>

# %% [markdown]
# ## Exercises
#
# The first two have a cell to fill in and a check below it. The check tries your code on inputs of its own and answers in a sentence. It accepts any
# code that does what the card asks. The solutions are in [a notebook of their own](solutions/02_batch_normalization.ipynb).

# %% tags=["given"]
import numpy as np

from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Both modes
#
# *25 minutes.* **What.** Write the layer in NumPy, without $\gamma$ and $\beta$, as the class `TwoLives`. Called with `training=True`, it normalizes
# a batch by the batch's own mean and variance. It also moves its running averages as Keras does: the new value is `momentum` times the old value plus
# `1 - momentum` times the batch's. Called with `training=False`, it normalizes by the running averages and does not change them. They start at mean 0
# and variance 1.
#
# **Why.** If you have written both branches once, you know where to look when they disagree.


# %% tags=["exercise"]
class TwoLives:
    """Batch normalization without scale and shift: what it does in training, and what afterwards."""

    def __init__(self, units, momentum=0.99, epsilon=0.001):
        """Start the running averages, one of each kind for every unit."""
        ...

    def __call__(self, x, training):
        """Normalize x, of shape (examples, units), in training or in inference mode."""
        ...


# %% tags=["solution"]
class TwoLives:
    """Batch normalization without scale and shift: what it does in training, and what afterwards."""

    def __init__(self, units, momentum=0.99, epsilon=0.001):
        """Start the running averages, one of each kind for every unit."""
        self.mean, self.variance = np.zeros(units), np.ones(units)
        self.momentum, self.epsilon = momentum, epsilon

    def __call__(self, x, training):
        """Normalize x, of shape (examples, units), in training or in inference mode."""
        mean, variance = self.mean, self.variance
        if training:
            mean, variance = x.mean(axis=0), x.var(axis=0)
            self.mean = self.momentum * self.mean + (1 - self.momentum) * mean
            self.variance = self.momentum * self.variance + (1 - self.momentum) * variance
        return (x - mean) / np.sqrt(variance + self.epsilon)


# %% tags=["check"]
check("TwoLives")

# %% tags=["solution"]
rng = np.random.default_rng(lesson.seed)
ours, keras_layer = TwoLives(50), keras.layers.BatchNormalization(center=False, scale=False)
for _ in range(100):
    x = rng.normal(3, 2, (32, 50)).astype("float32")
    pairs = {training: (ours(x, training), keras_layer(x, training=training)) for training in (True, False)}
for training, (one, other) in pairs.items():
    agree = np.allclose(one, other, atol=1e-4)
    print(f"after 100 batches, training={training!s:5}: our layer and Keras' agree to four digits: {agree}")

# %% tags=["solution"]
paths = {0.9: [], 0.99: [], 0.999: []}
for momentum, path in paths.items():
    layer = TwoLives(1, momentum)
    for _ in range(600):
        layer(rng.normal(3, 2, (32, 1)), training=True)
        path.append(layer.variance[0])

# %% tags=["solution", "figure"] alt="Running variance over 600 steps for three momenta: the smallest arrives first and scatters most, the largest has not arrived at the end."
fig, ax = plt.subplots(figsize=(7.2, 4))
for (momentum, path), shade in zip(paths.items(), plotting.OTHERS):
    ax.plot(range(1, 601), path, color=shade, label=f"momentum={momentum}")
ax.axhline(4 * 31 / 32, color="black", linestyle="--", linewidth=1.5, label="a batch's variance, on average")
ax.set(xlabel="step", ylabel="running variance of one unit", ylim=(0, None))
ax.set_title("A small momentum arrives early and scatters more")
ax.legend(loc="lower right")
plt.show()

# %% [markdown] tags=["solution"]
# With a momentum of `0.9` the start no longer counts after some fifty steps. From then on the average follows every single batch and scatters. With
# `0.999` it hardly scatters, but it is still far from the true value at the end of the figure. Keras' `0.99` stands between. A short training needs a
# smaller momentum; a long one can use a larger one.

# %% [markdown] tags=["exercise"]
# ### 2 · Folded away
#
# *20 minutes.* **What.** In inference mode, a batch normalization directly after a dense layer (before the activation) multiplies and adds fixed
# numbers. So one dense layer can replace the two layers. Write `folded`, which gives its kernel and its bias. For every $x$, $x\,w_{\text{new}} +
# b_{\text{new}}$ should be $\gamma\,(x\,w + b - \mu)/\sqrt{\sigma^2 + \varepsilon} + \beta$.
#
# **Why.** Trained nets are often used in this form: fewer layers, and the same answers.


# %% tags=["exercise"]
def folded(kernel, bias, gamma, beta, mean, variance, epsilon):
    """The kernel, (inputs, units), and the bias, (units,), that stand for a dense layer and its normalization."""
    ...


# %% tags=["solution"]
def folded(kernel, bias, gamma, beta, mean, variance, epsilon):
    """The kernel, (inputs, units), and the bias, (units,), that stand for a dense layer and its normalization."""
    scale = gamma / np.sqrt(variance + epsilon)  # one number for each unit, so for each column
    return kernel * scale, (bias - mean) * scale + beta


# %% tags=["check"]
check("folded")

# %% tags=["solution"]
net = build(before_the_activation, lesson.seed)
fit(net, x_train[:12_800], y_train[:12_800], label="a net to fold")

_, at_the_input, dense1, norm1, _, dense2, norm2, _, output = net.layers
bare1, bare2 = keras.layers.Dense(300, "relu"), keras.layers.Dense(100, "relu")
bare = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), at_the_input, bare1, bare2, output])
for dense, norm, new in [(dense1, norm1, bare1), (dense2, norm2, bare2)]:
    no_bias = np.zeros(dense.units)
    new.set_weights(list(folded(dense.get_weights()[0], no_bias, *norm.get_weights(), norm.epsilon)))

# %% tags=["solution"]
images = x_valid[:1000]
answers = bare(images, training=False).numpy()
print(f"layers: {len(net.layers)} before folding, {len(bare.layers)} after")
for training in (False, True):
    difference = np.abs(net(images, training=training).numpy() - answers).max()
    print(f"with training={training!s:5} their probabilities differ by {difference:.7f} at most")

# %% [markdown] tags=["solution"]
# In inference mode the net of five layers gives the answers of the net of nine, up to rounding. In training mode the net of nine uses the statistics
# of its batch, and no fixed numbers can replace these. So fold only after the last training step. The normalization at the input is still there. It
# could be folded into the dense layer after it, row by row.

# %% [markdown] tags=["exercise"]
# ### 3 · Predict, run, explain: a batch of one class
#
# *15 minutes.* **Predict.** A net with batch normalization is trained. Then it predicts the validation images in training mode by mistake, in batches
# of 100. First the batches are mixed, as in training. Then the images are sorted by class, so that each batch holds images of one class only. In the
# last figure a hundred images were enough for a high accuracy. Write down three accuracies: inference mode, mixed batches, batches of one class.
#
# **Run** the cell below.
#
# **Explain** the three numbers, before you unfold our explanation.

# %% tags=["predict"]
net = build(after_the_activation, lesson.seed)
fit(net, x_train, y_train, epochs=2, label="a net with batch normalization")


def in_batches(order):
    size = 10 if lesson.quick else 100
    whole = order[: len(order) // size * size].reshape(-1, size)
    return [(x_valid[rows], y_valid[rows]) for rows in whole]


mixed = in_batches(np.arange(len(x_valid)))
by_class = [in_batches(np.flatnonzero(y_valid == label)) for label in range(10)]
of_one_class = [batch for batches in by_class for batch in batches]
print(f"inference mode                {net.evaluate(x_valid, y_valid, verbose=0)[1]:.3f}")
print(f"training mode, mixed          {accuracy_in_training_mode(net, mixed):.3f}")
print(f"training mode, one class each {accuracy_in_training_mode(net, of_one_class):.3f}")

# %% [markdown] tags=["exercise"]
# <details><summary>An explanation</summary>
#
# With mixed batches training mode is nearly as good as inference mode. With batches of one class the accuracy is much lower. The mean of such a batch
# contains what the images of a class have in common, and this mean is subtracted. But this is what distinguishes a boot from a shirt. The net sees
# only how each boot differs from other boots, scaled up to variance one. So a large batch is not enough. It has to look like the batches of training.
# A milder form of this happens whenever a batch is not a random mixture, for example if a data set is sorted and not shuffled.
#
# </details>

# %% [markdown]
# ## References
#
# - S. Ioffe, C. Szegedy, *Batch Normalization*, 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167): the layer, before the activation.
# - Y. Wu, J. Johnson, *Rethinking “Batch” in BatchNorm*, 2021, [arXiv:2105.07576](https://arxiv.org/abs/2105.07576): what can go
#   wrong between the two modes.
