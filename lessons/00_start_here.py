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
# # 00 · Start here
#
# Some deep nets learn and others do not. This course is about the reasons, and about what to change when a net does not learn. It retells five
# well-known documents: a chapter of a book, three tutorials and a memo. They show code, print numbers, and say that one method is better than
# another. This course runs their code again, from several random seeds and on two versions of the software, and says which of their statements hold.
# You need no GPU.
#
# - **You will learn:** how to run a lesson, in full or quickly · to read a learning curve · why one run proves little · what a seed fixes · what `fit`
#   does in this course.
# - **You need:** some Python, and to have seen a neural net before.
# - **Reproduces:** nothing. It explains how the other lessons reproduce their sources.
# - **Time:** about 15 minutes to read; a run takes as long as the line above says, in quick mode under a minute.
#
# Run the cells from top to bottom with Shift+Enter.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("00_start_here")

# %% [markdown]
# ## How to run a lesson
#
# Every lesson begins with these two lines. Below them stands what kind of run this is:
#
# - **The mode.** *Full mode* uses the sources' settings: all images, all epochs. *Quick mode* takes about a thousand images and two epochs, so that you can watch
#   a whole lesson in less than a minute. Its numbers mean little. To switch it on, in Jupyter or on Colab, put one line into a cell *before* the two lines above:
#
#   ```python
#   import os; os.environ["COURSE_MODE"] = "quick"
#   ```
#
# - **The stack** is the software. With Python 3.10 or 3.11 it is close to what the sources used: TensorFlow 2.15 with Keras 2 and TensorFlow Addons. With
#   Python 3.12 or later it is Keras 3, and the course brings its own versions of the layers and optimizers that Addons had. The lessons are the same on both.
#   Older code from the web may not run on either; [a table](../docs/keras_2_to_3.md) says what to write instead.
# - **The seed** is the number from which all random numbers follow, 42 unless you change it. A section below is about it.
#
# A lesson asks a question, shows the smallest example, writes the idea in code, and repeats the experiment of its source. It ends with verdicts, questions whose
# answers unfold, and exercises. An exercise has a cell to fill in and, below it, a cell that checks your code and names a likely mistake.

# %% tags=["needed"]
import platform
import random

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

from course_utils import plotting
from course_utils.data import load_cifar10, load_fashion_mnist, load_mnist
from course_utils.training import fit, progress_bar

# %%
print("Python    ", platform.python_version())
for module in (tf, keras, np):
    print(f"{module.__name__:10}", module.__version__)

# %% [markdown]
# ## The data
#
# Three sets of small images serve the whole course. The loaders look in the folder that the environment variable `COURSE_DATA_DIR` names, then in Keras' cache,
# then on the network, and check what they find. Where there is no real data they draw a *stand-in* and say so. A lesson then still
# runs, but its numbers mean something else.

# %%
for load in (load_mnist, load_fashion_mnist, load_cifar10):
    print(load())

# %% [markdown]
# Here is Fashion-MNIST: ten kinds of clothing, 28 × 28 grey pixels each. Of the 60,000 training images, the first 5,000 are kept apart for *validation*: nets do not learn from them, and we
# compare nets on them.

# %% tags=["needed"]
fashion = lesson.data(load_fashion_mnist(validation=5_000))
x_train, x_valid = fashion.x_train / np.float32(255), fashion.x_valid / np.float32(255)
y_train, y_valid = fashion.y_train, fashion.y_valid

# %% tags=["figure"] alt="Eight small grey pictures for each of ten kinds of clothing, from T-shirts to ankle boots."
plotting.image_grid(fashion.x_train, fashion.y_train, fashion.class_names)
plt.show()

# %% [markdown]
# ## One small net
#
# This net comes back in many lessons. We call it *300-100-10*, after the units of its layers. `trained` builds it anew from a seed and trains it; `fit` is Keras'
# own `net.fit` with one word changed. What it does stands further down.


# %% tags=["needed"]
def dense_net():
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(300, activation="relu"),
            layers.Dense(100, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


# %%
def trained(seed, **arguments):
    lesson.set_seed(seed)
    net = dense_net()
    history = fit(net, x_train, y_train, epochs=5, validation_data=(x_valid, y_valid), **arguments)
    return net, history.history


# %% [markdown]
# During the training we also evaluate the net on all its *training* images at the end of every epoch. Keras calls `on_epoch_end` for that.


# %%
class AfterEpoch(keras.callbacks.Callback):
    """The accuracy on the training images, with the weights at the end of each epoch."""

    def on_train_begin(self, logs=None):
        self.accuracy = []

    def on_epoch_end(self, epoch, logs=None):
        loss_and_accuracy = self.model.evaluate(x_train, y_train, batch_size=256, verbose=0)
        self.accuracy.append(loss_and_accuracy[1])


after_epoch = AfterEpoch()
net, history = trained(seed=42, callbacks=[after_epoch], label="300-100-10")

# %%
curves = pd.DataFrame(
    {
        "training, as fit reports it": history["accuracy"],
        "training, after the epoch": after_epoch.accuracy,
        "validation, after the epoch": history["val_accuracy"],
    },
    index=pd.RangeIndex(1, 1 + len(after_epoch.accuracy), name="epoch"),
)
curves.round(4)

# %% tags=["figure"] alt="Accuracy over five epochs. The training accuracy that fit reports starts lowest and rises most. The training accuracy measured after the epoch lies above it. The validation accuracy starts as high and then stays nearly level."
fig, ax = plt.subplots()
for (name, values), dash in zip(curves.items(), ("o-", "o:", "s--")):
    ax.plot(values, dash, color=plotting.colour("plain" if "training" in name else "validation"), label=name)
ax.set(xlabel="epoch", ylabel="accuracy", xticks=curves.index)
ax.set_title("What fit reports for an epoch is below what the net can do at its end")
ax.legend()
plt.show()

# %% [markdown]
# Validation accuracy above training accuracy, on images the net has never learned from? The two are not measured at the same time. What `fit` reports for training is a *mean over the epoch*: each batch counts
# with the weights of its moment, and the first of them were those of an untrained net. Validation is measured *after* the epoch. Compare the second and the
# third column instead. Both belong to the same weights, and their difference is the one between images the net has learned from and images it has not. After one or two epochs there is hardly any; it grows as the same images come again.
# (Small differences of either sign are luck, as the next section shows.) [Lesson 11](11_regularization.ipynb) is about this gap.
#
# ## Why one run proves little
#
# **Before you run the next cell:** train the same net from other seeds. Will the validation accuracies agree to within $0.1$ percentage points?

# %%
final = []
for seed in progress_bar(lesson.seeds(10), "300-100-10, every seed"):
    _, history = trained(seed, verbose=0)
    final.append(history["val_accuracy"][-1])

# %% tags=["figure"] alt="A row of dots, one for each of ten seeds, spread over the validation accuracies of one and the same net."
ax = plotting.seed_dots({"plain": final})
ax.set_yticks([0], ["300-100-10"])
ax.set(xlabel="validation accuracy after five epochs; a dot for each seed, the line their mean")
ax.set_title("One net, ten seeds: luck alone moves the accuracy")
plt.show()

# %%
pairs = [abs(a - b) for i, a in enumerate(final) for b in final[:i]]
print(f"from the worst to the best seed:        {100 * max(pairs):.2f} percentage points")
print(f"two seeds differ, in the middle case, by {100 * np.median(pairs):.2f} percentage points")
print(f"pairs more than half a point apart:     {sum(pair > 0.005 for pair in pairs)} of {len(pairs)}")

# %% [markdown]
# Nothing differs between these runs but luck: the first weights, and the order of the batches. Now suppose that a tutorial trains method A once and method B once, and B comes out half a
# point better. The last line says how often this happens where A and B are *the same*. So this course compares methods over several seeds, and shows a dot for each.
#
# ## The same seed, the same net
#
# A seed makes luck repeatable. The same code from the same seed on the same machine gives the same weights, to the last bit. (On a GPU only after
# `tf.config.experimental.enable_op_determinism()`, which makes it slower.)


# %% tags=["needed"]
def largest_difference(one, other):
    """The largest difference between two nets' weights."""
    return max(float(np.abs(a - b).max()) for a, b in zip(one.get_weights(), other.get_weights()))


# %% tags=["nbval-check-output"]
again, _ = trained(seed=42, verbose=0)
print("largest difference between two nets from the same seed:", largest_difference(net, again))

# %% [markdown]
# ## What `fit` does
#
# Take the word away, write `net.fit(x_train, ...)`, and the code still runs: the arguments are the same (but for `label`), and so is the history. Inside, both are this loop. `net.train_step` is Keras' own step: predict a batch, take the gradient of its loss, let the
# optimizer change the weights. `tf.function` makes one TensorFlow program of it.


# %%
def fit_by_hand(net, x, y, epochs, batch_size=32, shuffle=True):
    step = tf.function(net.train_step)
    for _ in range(epochs):
        order = np.random.permutation(len(x)) if shuffle else np.arange(len(x))  # noqa: NPY002
        for first in range(0, len(x), batch_size):
            batch = order[first : first + batch_size]
            step((x[batch], y[batch]))


# %%
few = {"x": x_train[:1000], "y": y_train[:1000], "epochs": 2}
ways = {
    "by hand, in order": lambda net: fit_by_hand(net, **few, shuffle=False),
    "net.fit, in order": lambda net: net.fit(**few, shuffle=False, verbose=0),
    "by hand, shuffled": lambda net: fit_by_hand(net, **few),
    "fit, shuffled": lambda net: fit(net, **few, verbose=0),
}
nets = {}
for way, train in ways.items():
    lesson.set_seed()
    nets[way] = dense_net()
    train(nets[way])

# %% tags=["nbval-check-output"]
for one, other in [("by hand, in order", "net.fit, in order"), ("by hand, shuffled", "fit, shuffled")]:
    print(f"{one} against {other}: largest difference", largest_difference(nets[one], nets[other]))

# %% [markdown]
# Not a bit of difference. So why another word? For two reasons. The first is time. `fit` keeps the images in TensorFlow and runs the loop there, without going back to Python for every batch; and it lets a compiler (XLA) translate a
# long training of dense layers into one program. XLA may add numbers in another order, so the last digit of a step may change. That is luck of the same kind as another seed's.
#
# The second reason is the order of the batches. Both promise to shuffle before every epoch. Let us look: the layer below changes nothing, and notes which examples pass. The examples are the
# numbers 0 to 7.


# %%
class Watch(keras.layers.Layer):
    """Pass its inputs on, and note them."""

    def call(self, inputs):
        tf.py_function(lambda batch: seen.extend(batch.numpy().ravel().astype(int)), [inputs], [])
        return inputs


def order_of_examples(train):
    lesson.set_seed()
    net = keras.Sequential([keras.Input((1,)), Watch(), keras.layers.Dense(1)])
    net.compile("sgd", "mse")
    seen.clear()
    train(net)
    return [" ".join(map(str, seen[start : start + 8])) for start in (0, 8)]


# %%
seen, numbers = [], np.arange(8, dtype="float32")[:, None]
arguments = {"x": numbers, "y": numbers, "batch_size": 4, "epochs": 2, "verbose": 0}
pd.DataFrame(
    {
        "net.fit": order_of_examples(lambda net: net.fit(**arguments)),
        "fit": order_of_examples(lambda net: fit(net, **arguments)),
    },
    index=["epoch 1", "epoch 2"],
)

# %% [markdown]
# With Keras 3 and a seed, `net.fit` brings **the same order in every epoch**: its shuffling starts from the same random state each time (seen with Keras 3.15; Keras 2 draws anew). Nothing warns you, and a
# comparison of Keras versions would blame something else. `fit` draws a new order for every epoch on both stacks. It also shows one bar, and in quick mode it stops after two epochs.
#
# ## How to read a verdict
#
# Each lesson ends with a table: what the source says, what our runs gave, and a verdict. Our runs start from several seeds, in full mode. A statement is one of three kinds:
#
# - **A number** is *reproduced* if it lies where one more run of ours would lie with $95\,\%$ probability, and *not reproduced* if it lies outside.
# - **An ordering** (“A beats B”) *holds* or is *reversed* if the differences between A and B, seed by seed, are clearly on one side. Otherwise it is *within noise*.
# - **A property** (“always stays below 1”) *holds* or *fails*, and the table names the worst case.
#
# With fewer than three seeds there is no verdict, and the table says how many seeds there are so far. [RESULTS](../RESULTS.md) shows all tables, and explains how the verdicts come about.
#
# ## Where to go from here
#
# Every lesson stands on its own. Take the one whose question is yours.
#
# - [01 · Initialization and activations](01_initialization_and_activations.ipynb): why do some deep nets not even start to learn?
# - [02 · Batch normalization](02_batch_normalization.ipynb): what does a net gain when every layer's inputs are brought to one scale, batch by batch?
# - [03 · Normalization layers](03_normalization_layers.ipynb): which values share a mean, and when do small batches hurt?
# - [04 · Normalization by hand](04_normalization_by_hand.ipynb): which mistakes in a gradient does a learning curve not show?
# - [05 · Weight normalization](05_weight_normalization.ipynb): does a net learn faster if the length and the direction of its weights are trained apart?
# - [06 · Transfer learning](06_transfer_learning.ipynb): how often does it help to start from another net's weights?
# - [07 · Optimizers and clipping](07_optimizers_and_clipping.ipynb): what does each optimizer remember, and when must a gradient be shortened?
# - [08 · Learning-rate schedules](08_learning_rate_schedules.ipynb): how high should the rate start, and how should it come down?
# - [09 · The learning-rate finder and 1cycle](09_lr_finder_and_1cycle.ipynb): can one short run find a good rate, and is a large one enough?
# - [10 · Conditional gradient](10_conditional_gradient.ipynb): what happens to weights that may not leave a ball?
# - [11 · Regularization](11_regularization.ipynb): how does one keep a net from learning its training images by heart?
# - [12 · Monte Carlo dropout](12_mc_dropout.ipynb): does a net know when it is unsure?
# - [13 · A deep net on CIFAR-10](13_deep_net_on_cifar10.ipynb): which of six nets is best, and which is trained first?
#
# How long a full run of each takes, on the two stacks:

# %% tags=["verdicts"]
lesson.times()

# %% [markdown]
# ## What to take away
#
# - What `fit` reports for training is a mean over the epoch. To compare with validation, evaluate on the training images after the epoch.
# - Two runs of one net differ by luck. Train from several seeds before you say that a method is better.
# - A seed makes luck repeatable. It does not remove it.
# - With Keras 3 and a seed, `net.fit` repeats the order of the batches.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** Somebody trains method A and method B, each once and both from seed 42, and says: “It was the same seed, so luck is ruled out.” What is
# wrong with that?
#
# <details><summary>An answer</summary>
#
# A seed makes luck repeatable, it does not remove it. From this seed one of the two may have drawn good weights, and from the next seed the
# other. Nor is it the same luck: as soon as the methods draw in another order, or weights of other shapes, one seed gives them different
# numbers. Only several seeds show how far luck reaches.
#
# </details>
#
# **2.** Over five seeds the accuracies of A and B overlap widely, and yet A is ahead of B for each single seed. Does “A beats B” hold or not?
#
# <details><summary>An answer</summary>
#
# It may well hold. Runs from one seed share some of their luck, such as the order of the batches, and a difference taken seed by seed is free of what
# they share. So look at the five differences, their mean and their spread. Two ranges that overlap answer another question: whether a
# single run of A would beat a single run of B.
#
# </details>
#
# **3.** With Keras 3 and a seed, `net.fit` brings the same batches in every epoch. Would you notice if every batch held the whole training
# set?
#
# <details><summary>An answer</summary>
#
# No. With one batch for each epoch, every step takes the mean over all examples, and their order changes at most the last digits of a sum. The trap
# needs smaller batches: then the same examples always share a step, and the steps always follow one another in the same order.
#
# </details>
#
# **4.** After the first epoch a net's validation accuracy is five points above its training accuracy. “The validation images are easier”, says a colleague. Which other reasons do you
# know, and how do you test them?
#
# <details><summary>An answer</summary>
#
# The training accuracy is a mean over an epoch in which the net was still bad. And some nets are worse while they train: dropout, for example, switches units off then, and only then. Evaluate the
# net on its training images after the epoch. If that accuracy lies above the validation accuracy, your colleague is wrong. If it still lies below, the validation images may
# be easier indeed.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a notebook of their own](solutions/00_start_here.ipynb); any code that does what the card asks passes.

# %% tags=["given"]
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · A new order every epoch
#
# *15 minutes.* **What.** Write `batch_orders`, which draws the batches of a whole training. The images have the numbers 0, 1, 2, … It returns a list with an entry for each
# epoch. An entry is a list of arrays, one for each batch, with the numbers of the batch's images. In an epoch every image comes once. The last batch may be smaller. Each epoch has a new order.
# `rng` is a generator of NumPy, such as `np.random.default_rng(42)`; draw from it, so that a seed makes the orders repeatable.
#
# **Why.** It is the part of a training that differs between `fit` and Keras 3's `net.fit`.


# %% tags=["exercise"]
def batch_orders(images, batch_size, epochs, rng):
    """The batches of every epoch: a list of lists of arrays of image numbers."""
    ...


# %% tags=["solution"]
def batch_orders(images, batch_size, epochs, rng):
    """The batches of every epoch: a list of lists of arrays of image numbers."""
    orders = []
    for _ in range(epochs):
        order = rng.permutation(images)  # drawn inside the loop: every epoch has another
        orders.append([order[first : first + batch_size] for first in range(0, images, batch_size)])
    return orders


# %% tags=["check"]
check("batch_orders")

# %% tags=["solution"]
for epoch, batches in enumerate(batch_orders(10, 4, 3, np.random.default_rng(42)), 1):
    print(f"epoch {epoch}:", *batches)

steps = sum(len(batches) for batches in batch_orders(55_000, 32, 5, np.random.default_rng(42)))
print(f"55,000 images in batches of 32, five epochs: {steps} steps")

# %% [markdown] tags=["solution"]
# A batch is a step of the optimizer. So the last line also counts steps, and the smaller last batch of each epoch makes one like any other. [Lesson 08](../08_learning_rate_schedules.ipynb)
# has schedules that count steps.

# %% [markdown] tags=["exercise"]
# ### 2 · Without looking ahead
#
# *15 minutes.* **What.** Write `standardize_splits`. It gets training and test images and returns both standardized: from each pixel its mean
# is subtracted, and the result is divided by its standard deviation. Both numbers come from the training images alone. Where all training images agree in a pixel, divide by
# one. The images it gets stay as they are.
#
# **Why.** [Lesson 01](01_initialization_and_activations.ipynb) wants standardized inputs. A net in use gets one image at a time, so it cannot know the mean of the images it
# is tested on.


# %% tags=["exercise"]
def standardize_splits(x_train, x_test):
    """Both sets standardized, pixel by pixel, by the training set's numbers; each: (images, height, width)."""
    ...


# %% tags=["solution"]
def standardize_splits(x_train, x_test):
    """Both sets standardized, pixel by pixel, by the training set's numbers; each: (images, height, width)."""
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    deviation = np.where(deviation == 0, 1, deviation)
    return (x_train - mean) / deviation, (x_test - mean) / deviation


# %% tags=["check"]
check("standardize_splits")

# %% tags=["solution"]
rows = {}
for n in (20, 100, 500, 5_000, 50_000):
    pair = standardize_splits(fashion.x_train[:n], fashion.x_valid)
    for name, x in zip(("training", "validation"), pair):
        rows.setdefault(f"size of {name}", []).append(np.sqrt(np.mean(x**2)))
        rows.setdefault(f"largest in {name}", []).append(np.abs(x).max())
index = pd.Index((20, 100, 500, 5_000, 50_000), name="training images")
pd.DataFrame(rows, index=index).round(2)

# %% [markdown] tags=["solution"]
# The *size* is the root of the mean square, about one for the images that were used to standardize. With few training images the validation images come out far too large. A few pixels near the rim cause
# it: they are dark in nearly all of the few images, and lit more often in the rest. Standardized by itself, the validation set would have a size of one and hide all this. The largest values are a warning for large
# sets too: where a pixel is nearly always dark, one image that lights it lies very many deviations from the mean.

# %% [markdown] tags=["exercise"]
# ### 3 · Where would a further run lie?
#
# *20 minutes.* **What.** Write `further_run`. From the results of $n$ runs it gives the range in which one more run lies with $95\,\%$ probability, if results scatter
# normally: $m \pm t\,s\,\sqrt{1 + 1/n}$. Here $m$ is their mean, $s$ their standard deviation as a sample, and $t$ the quantile of Student's distribution with
# $n - 1$ degrees of freedom that leaves $2.5\,\%$ above it (`scipy.stats.t.ppf`).
#
# **Why.** By this range the course calls a number *reproduced* or *off*. Try it on `np.array(final)`.


# %% tags=["exercise"]
def further_run(values):
    """The ends (low, high) of the 95 % range for one more value; values: an array of two or more."""
    ...


# %% tags=["solution"]
from scipy import stats


def further_run(values):
    """The ends (low, high) of the 95 % range for one more value; values: an array of two or more."""
    n, mean, spread = len(values), np.mean(values), np.std(values, ddof=1)
    half = stats.t.ppf(0.975, n - 1) * spread * np.sqrt(1 + 1 / n)
    return mean - half, mean + half


# %% tags=["check"]
check("further_run")

# %% tags=["solution"]
rules = {
    "further_run": further_run,
    "mean ± 2 deviations": lambda values: values.mean() + np.std(values, ddof=1) * np.array([-2, 2]),
    "worst to best": lambda values: (values.min(), values.max()),
}
rng = np.random.default_rng(42)
inside = pd.DataFrame(columns=list(rules), index=pd.Index([3, 5, 20], name="runs"), dtype=float)
for n in inside.index:
    runs, further = rng.normal(size=(4000, n)), rng.normal(size=4000)
    for name, rule in rules.items():
        hits = [low <= y <= high for (low, high), y in zip(map(rule, runs), further)]
        inside.loc[n, name] = np.mean(hits)
inside.round(3)

# %% [markdown] tags=["solution"]
# The table shows how often one more run lies inside, of 4,000 trials. Only the first rule keeps its promise of $95\,\%$, however few the runs. Two deviations are nearly right after twenty runs and
# too few after three. The best and the worst of three runs hold the next one only half of the time. The price of the first rule is a wide range: after three runs $t$ is above four.

# %% [markdown] tags=["exercise"]
# ### 4 · Predict, run, explain
#
# *10 minutes.* **What.** The cell below trains the same small net four times from seed 42. The first time nothing else happens. Then, between the seed and the training, the code draws one number from NumPy; or one from
# Python's `random`; or it builds a layer that the net does not use. **Which of the three nets begin with the weights of the first one, and which end with its weights?** Write your six answers down
# before you run it.
#
# **Why.** “I set the seed” is not enough to repeat a run. One has to know what draws from where.

# %% tags=["predict"]
between = {
    "nothing": lambda: None,
    "a number of NumPy": lambda: np.random.rand(),  # noqa: NPY002
    "a number of Python": lambda: random.random(),
    "an unused layer": lambda: keras.layers.Dense(1).build((None, 784)),
}
begin, end = [], []
for happens in between.values():
    lesson.set_seed(42)
    happens()
    net = dense_net()
    begin.append(net.get_weights()[0])
    fit(net, x_train[:1000], y_train[:1000], verbose=0)
    end.append(net.get_weights()[0])
same = {"same at the start": begin, "same at the end": end}
same = {name: [np.array_equal(one, found[0]) for one in found] for name, found in same.items()}
pd.DataFrame(same, index=list(between))

# %% [markdown] tags=["exercise"]
# <details><summary>What happened, and why</summary>
#
# `set_random_seed` sets three generators: Python's, NumPy's and TensorFlow's. Who draws from one moves it on for all who come after. The order of the batches comes from NumPy, and the
# first weights do not; so a number of NumPy changes the end and not the start. With Keras 3 each layer takes the seed of its weights from Python's `random`: there a number of
# Python changes both. Keras 2 has a generator of its own for that, and does not notice. The unused layer has drawn weights of its own, so on both stacks the next layer gets others. To be
# safe, set the seed right before you build the net, as `trained` does.
#
# </details>

# %% [markdown]
# ## References
#
# - X. Bouthillier and others, *Accounting for Variance in Machine Learning Benchmarks*, 2021, [arXiv:2103.03098](https://arxiv.org/abs/2103.03098): which choices
#   besides the seed move a result, and how many runs a comparison needs.
# - D. Picard, *torch.manual_seed(3407) is all you need*, 2021, [arXiv:2109.08203](https://arxiv.org/abs/2109.08203): how far a very good or a very bad seed reaches.
