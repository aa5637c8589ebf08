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
# Some deep nets learn, and others do not. This course explains why, and what you can change when a net does not learn. It follows five published
# documents: a chapter of a book, three tutorials and a memo. They contain code and numbers, and say that one method is better than another. This
# course repeats their experiments several times, with different random numbers and two versions of the software. Then it says which of their
# statements hold. You need no GPU.
#
# - **You will learn:** to run a lesson, in full or quickly · to read a learning curve · why one run proves little · what a seed fixes · what `fit`
#   does in this course.
# - **You need:** some Python, and an introduction to neural nets.
# - **Reproduces:** nothing. It explains how the other lessons reproduce their sources.
# - **Time:** about 15 minutes to read; a full run takes as long as the line above says, a run in quick mode less than a minute.
#
# Run the cells from top to bottom with Shift+Enter.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("00_start_here")

# %% [markdown]
# ## How to run a lesson
#
# Every lesson begins with these two lines. The output below them says what kind of run this is:
#
# - **The mode.** *Full mode* uses the settings of the sources: all images and all epochs. *Quick mode* uses about a thousand images and two epochs,
#   so that a whole lesson runs in less than a minute. The numbers of a quick run mean little. For quick mode, in Jupyter or on Colab, run this line
#   in a cell *before* the two lines above:
#
#   ```python
#   import os; os.environ["COURSE_MODE"] = "quick"
#   ```
#
# - **The stack** is the software. Python 3.10 or 3.11 has the *addons* stack: TensorFlow 2.15 with Keras 2 and TensorFlow Addons, which is close to
#   what the sources used. Python 3.12 or later has the *keras3* stack: Keras 3, and the course's own versions of the layers and optimizers from
#   Addons. The lessons are the same on both stacks. Older code from the web may run on neither; [a table](../docs/keras_2_to_3.md) says what to
#   write instead.
# - **The seed** is a number that fixes all random numbers of a run. It is 42 unless you change it. A section below explains what it does.
#
# A lesson asks a question, shows a small example, writes the idea in code, and repeats the experiment of its source. It ends with verdicts on the
# statements of the source, with questions whose answers you can unfold, and with exercises. An exercise has a cell to fill in. A cell below it
# checks your code and names a likely mistake.

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
# The whole course uses three sets of small images. The loaders search in the folder that the environment variable `COURSE_DATA_DIR` names, then in
# Keras' cache, then on the network. They check the files that they find. If there is no real data, they draw *stand-in* images and say so. A lesson
# then still runs, but its numbers say nothing about the real data.

# %%
for load in (load_mnist, load_fashion_mnist, load_cifar10):
    print(load())

# %% [markdown]
# Here is Fashion-MNIST: ten kinds of clothing, in grey images of 28 × 28 pixels. The first 5,000 of the 60,000 training images are kept apart for
# *validation*. Nets do not learn from them, and we compare nets on them.

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
# Many lessons use this net. We call it *300-100-10*, after the numbers of units in its layers. The function `trained` builds a new net from a seed
# and trains it. `fit(net, …)` takes the same arguments as Keras' own `net.fit(…)`. A section below shows what is different.


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
# We also want to know the accuracy on all *training* images at the end of every epoch. Keras calls `on_epoch_end` at that moment.


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

# %% tags=["figure"] alt="Accuracy over five epochs. The training accuracy that fit reports starts lowest and rises most. At first the training accuracy measured after the epoch lies well above it. The validation accuracy starts about as high as that and then rises more slowly."
fig, ax = plt.subplots()
for (name, values), dash in zip(curves.items(), ("o-", "o:", "s--")):
    ax.plot(values, dash, color=plotting.colour("plain" if "training" in name else "validation"), label=name)
ax.set(xlabel="epoch", ylabel="accuracy", xticks=curves.index)
ax.set_title("In the first epoch fit reports less than the net can do at its end")
ax.legend()
plt.show()

# %% [markdown]
# In the first epoch the validation accuracy is above the training accuracy that `fit` reports. But the net has never learned from the validation
# images. How can that be? The two are not measured at the same time. What `fit` reports for training is a *mean over the epoch*: each batch counts
# with the weights at its step, and at the first steps the net was untrained. Validation accuracy is measured *after* the epoch.
#
# So compare the second and the third column instead. Both belong to the same weights. Their difference is the gap between images from which the net
# has learned and images that it has not seen. After one or two epochs there is hardly any gap. It grows as the net sees the same images again.
# (Small differences of either sign are random, as the next section shows.) [Lesson 11](11_regularization.ipynb) is about this gap.
#
# ## Why one run proves little
#
# **Before you run the next cell:** it trains the same net from ten seeds. Will the validation accuracies agree to within $0.1$ percentage points?

# %%
final = []
for seed in progress_bar(lesson.seeds(10), "300-100-10, every seed"):
    _, history = trained(seed, verbose=0)
    final.append(history["val_accuracy"][-1])

# %% tags=["figure"] alt="A row of dots, one for each of ten seeds: the validation accuracies of the same net differ from seed to seed."
ax = plotting.seed_dots({"plain": final})
ax.set_yticks([0], ["300-100-10"])
ax.set(xlabel="validation accuracy after five epochs (a dot for each seed; the line is their mean)")
ax.set_title("One net, ten seeds: luck alone changes the accuracy")
plt.show()

# %%
pairs = [abs(a - b) for i, a in enumerate(final) for b in final[:i]]
print(f"from the worst to the best seed:        {100 * max(pairs):.2f} percentage points")
print(f"two seeds differ, in the middle case, by {100 * np.median(pairs):.2f} percentage points")
print(f"pairs more than half a point apart:     {sum(pair > 0.005 for pair in pairs)} of {len(pairs)}")

# %% [markdown]
# These runs differ only by *luck*: the random first weights, and the random order of the batches. Now suppose that a tutorial trains method A once
# and method B once, and B is half a percentage point better. The last line of the output says how often two runs differ by more than that although
# A and B are *the same*. So this course compares methods over several seeds, and shows a dot for each seed.
#
# ## The same seed, the same net
#
# A seed makes luck repeatable. The same code with the same seed on the same machine gives the same weights, to the last bit. (A GPU does this only
# after `tf.config.experimental.enable_op_determinism()`, which makes it slower.)


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
# You can write `net.fit(x_train, ...)` instead of `fit(net, x_train, ...)`, and the code still runs. The arguments are the same, except for
# `label`, and the history has the same form. Inside, both run the loop below. `net.train_step` is Keras' own step: it predicts a batch, computes
# the gradient of its loss, and lets the optimizer change the weights. `tf.function` turns it into one TensorFlow program.


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
# There is no difference at all. Why, then, does the course have a `fit` of its own? There are two reasons. The first is time. `fit` keeps the
# images in TensorFlow and runs the loop there, without going back to Python for every batch. For a long training of dense layers it also uses a
# compiler (XLA), which makes one program of the whole loop. XLA may add numbers in another order, so the last digit of a step may change. Such a
# change is luck too, like another seed.
#
# The second reason is the order of the batches. Both functions promise to shuffle the examples before every epoch. We can watch this: the layer
# below changes nothing, and notes which examples pass through it. The examples are the numbers 0 to 7.


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
# With Keras 3 and a seed, `net.fit` uses **the same order in every epoch**: its shuffling starts from the same random state each time (seen with
# Keras 3.15). Keras 2 draws a new order. No warning tells you so. `fit` draws a new order for every epoch on both stacks. It also shows one
# progress bar for the whole training, and in quick mode it stops after two epochs.
#
# ## How to read a verdict
#
# Each lesson ends with a table: what the source says, what our runs gave, and a verdict. Our runs start from several seeds, in full mode. A
# statement is one of three kinds:
#
# - **A number** is *reproduced* if it lies in a certain range, and *not reproduced* if it lies outside. One more run of ours would lie in this
#   range with a probability of $95\,\%$.
# - **An ordering** (“A beats B”) is judged by the differences between A and B, seed by seed. It *holds* if their mean is clearly above zero, and is
#   *reversed* if their mean is clearly below. Otherwise it is *within noise*.
# - **A property** (“always stays below 1”) *holds* if it held in every run. Otherwise it *fails*. The table names the worst case.
#
# With fewer than three seeds there is no verdict, and the table says how many seeds there are so far. [RESULTS](../RESULTS.md) shows all tables,
# and explains the rules for the verdicts.
#
# ## Where to go from here
#
# You can read every lesson alone. Take the one whose question interests you.
#
# - [01 · Initialization and activations](01_initialization_and_activations.ipynb): why do some deep nets not even start to learn?
# - [02 · Batch normalization](02_batch_normalization.ipynb): what does a net gain when every layer's inputs are brought to one scale, batch by batch?
# - [03 · Normalization layers](03_normalization_layers.ipynb): which values share a mean, and when do small batches hurt?
# - [04 · Normalization by hand](04_normalization_by_hand.ipynb): which mistakes in a gradient does a learning curve not show?
# - [05 · Weight normalization](05_weight_normalization.ipynb): does a net learn faster if the length and the direction of its weights are trained apart?
# - [06 · Transfer learning](06_transfer_learning.ipynb): how often does it help to start from another net's weights?
# - [07 · Optimizers and clipping](07_optimizers_and_clipping.ipynb): what does each optimizer remember, and when must a gradient be shortened?
# - [08 · Learning-rate schedules](08_learning_rate_schedules.ipynb): how high should the learning rate start, and how should it fall?
# - [09 · The learning-rate finder and 1cycle](09_lr_finder_and_1cycle.ipynb): can one short run find a good learning rate, and is a large rate
#   enough?
# - [10 · Conditional gradient](10_conditional_gradient.ipynb): what happens to weights that have to stay inside a ball?
# - [11 · Regularization](11_regularization.ipynb): how does one keep a net from learning its training images by heart?
# - [12 · Monte Carlo dropout](12_mc_dropout.ipynb): does a net know when it is unsure?
# - [13 · A deep net on CIFAR-10](13_deep_net_on_cifar10.ipynb): which of six nets is best, and which reaches its best first?
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
# - With Keras 3 and a seed, `net.fit` uses the same order of the batches in every epoch.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold our answer.
#
# **1.** Somebody trains method A and method B, each once and both from seed 42, and says: “It was the same seed, so luck plays no role.” What is
# wrong with that?
#
# <details><summary>An answer</summary>
#
# A seed makes luck repeatable. It does not remove luck. From this seed one of the two methods may have drawn good weights, and from the next seed
# the other. The two methods do not even share their luck. If they draw in another order, or have weights of other shapes, the same seed gives them
# different numbers. Only several seeds show how much luck can change.
#
# </details>
#
# **2.** Over five seeds the accuracies of A and B overlap widely. But A is ahead of B for every single seed. Does “A beats B” hold or not?
#
# <details><summary>An answer</summary>
#
# It may hold. Two runs from one seed share some of their luck, such as the order of the batches. What they share cancels in their difference. So
# look at the five differences, their mean and their spread. The overlap of the two ranges answers another question: would any single run of A beat
# any single run of B?
#
# </details>
#
# **3.** With Keras 3 and a seed, `net.fit` uses the same batches in every epoch. Would you notice this if one batch contained the whole training
# set?
#
# <details><summary>An answer</summary>
#
# No. With one batch for each epoch, every step takes the mean over all examples. Their order changes at most the last digits of a sum. With smaller
# batches it matters: the same examples always share a step, and the steps always follow one another in the same order.
#
# </details>
#
# **4.** After the first epoch a net's validation accuracy is five percentage points above its training accuracy. “The validation images are
# easier”, says a colleague. Which other reasons do you know, and how do you test them?
#
# <details><summary>An answer</summary>
#
# The training accuracy is a mean over the epoch, and at the start of the epoch the net was still bad. Also, some nets are worse while they train:
# dropout, for example, switches units off during training only. So evaluate the net on its training images after the epoch. If the lead of the
# validation images is then gone, it came from the way of measuring. If a lead remains, the validation images may really be easier.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each exercise has a cell to fill in. The check below it tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a separate notebook](solutions/00_start_here.ipynb). Any code that does what the card asks passes.

# %% tags=["given"]
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · A new order every epoch
#
# *15 minutes.* **What.** Write `batch_orders`, which draws the batches of a whole training. The images have the numbers 0, 1, 2, … The function
# returns a list with an entry for each epoch. An entry is a list of arrays, one for each batch, with the numbers of the batch's images. In an epoch
# every image comes once. The last batch may be smaller. Each epoch has a new order. `rng` is a generator of NumPy, such as
# `np.random.default_rng(42)`. Draw from it, so that a seed makes the orders repeatable.
#
# **Why.** The order of the batches is what differs between `fit` and the `net.fit` of Keras 3.


# %% tags=["exercise"]
def batch_orders(images, batch_size, epochs, rng):
    """The batches of every epoch: a list of lists of arrays of image numbers."""
    ...


# %% tags=["solution"]
def batch_orders(images, batch_size, epochs, rng):
    """The batches of every epoch: a list of lists of arrays of image numbers."""
    orders = []
    for _ in range(epochs):
        order = rng.permutation(images)  # drawn inside the loop: a new order in every epoch
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
# The optimizer takes one step for each batch. So the last line also counts the steps, and the smaller last batch of each epoch is one step too.
# Some schedules in [lesson 08](../08_learning_rate_schedules.ipynb) count steps.

# %% [markdown] tags=["exercise"]
# ### 2 · Without looking ahead
#
# *15 minutes.* **What.** Write `standardize_splits`. It gets training and test images and returns both standardized: subtract from each pixel its
# mean, and divide the result by the pixel's standard deviation. Compute both numbers from the training images alone. If a pixel is the same in all
# training images, divide by one there. Do not change the arrays that you get.
#
# **Why.** [Lesson 01](01_initialization_and_activations.ipynb) needs standardized inputs. A net in use gets one image at a time, so it cannot know
# the mean of the images on which it is tested.


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
# The *size* is the root of the mean square. It is about one for the images from which mean and deviation were computed. With few training images
# the validation images become far too large. The cause is a few pixels near the edge: they are dark in nearly all of the few training images, and
# bright more often in the other images. If the validation set were standardized by its own numbers, its size would be one, and you would not see
# the problem. The largest values are a warning even with many training images: where a pixel is nearly always dark, an image in which it is bright
# lies very many deviations from the mean.

# %% [markdown] tags=["exercise"]
# ### 3 · Where would a further run lie?
#
# *20 minutes.* **What.** Write `further_run`. From the results of $n$ runs it computes the range in which one more run lies with a probability of
# $95\,\%$, if the results are normally distributed: $m \pm t\,s\,\sqrt{1 + 1/n}$. Here $m$ is their mean, $s$ their standard deviation as a sample,
# and $t$ the quantile of Student's distribution with $n - 1$ degrees of freedom that leaves $2.5\,\%$ above it (`scipy.stats.t.ppf`).
#
# **Why.** The course uses this range to call a number *reproduced* or *not reproduced*. Try your function on `np.array(final)`.


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
# The table shows how often one more run lies inside the range, in 4,000 trials. Only the first rule gives $95\,\%$ for any number of runs. Two
# deviations are nearly right after twenty runs and too few after three. Between the worst and the best of three runs, the next run lies only half
# of the time. The first rule has a price, a wide range: after three runs $t$ is above four.

# %% [markdown] tags=["exercise"]
# ### 4 · Predict, run, explain
#
# *10 minutes.* **What.** The cell below trains the same small net four times from seed 42. The first time nothing else happens. The other three
# times something happens between the seed and the training: the code draws one number from NumPy; or it draws one from Python's `random`; or it
# builds a layer that the net does not use. **Which of these three nets begin with the weights of the first one, and which end with its weights?**
# Write down your six answers before you run the cell.
#
# **Why.** “I set the seed” is not enough to repeat a run. You have to know which code draws from which generator.

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
# `lesson.set_seed` sets three generators: Python's, NumPy's and TensorFlow's. Code that draws a number from a generator changes all later numbers
# of this generator. The order of the batches comes from NumPy's generator, and the first weights do not. So a number of NumPy changes the end and
# not the start. With Keras 3 each layer takes the seed of its weights from Python's `random`: there a number of Python changes both. Keras 2 has
# its own generator for that, so nothing changes. The unused layer has drawn weights of its own, so on both stacks the next layer gets other
# weights. To be safe, set the seed right before you build the net, as `trained` does.
#
# </details>

# %% [markdown]
# ## References
#
# - X. Bouthillier and others, *Accounting for Variance in Machine Learning Benchmarks*, 2021, [arXiv:2103.03098](https://arxiv.org/abs/2103.03098):
#   which choices besides the seed change a result, and how many runs a comparison needs.
# - D. Picard, *torch.manual_seed(3407) is all you need*, 2021, [arXiv:2109.08203](https://arxiv.org/abs/2109.08203): how much better or worse than
#   usual a seed can be.
