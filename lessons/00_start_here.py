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
# This course is about training deep networks: why some nets learn and others don't, and what to change when
# they don't. It retells five well-known documents, and it does one thing that they do not: **it checks
# them**. Whatever they print, and wherever they say that one method beats another, we measure again, over
# several random seeds and on two versions of the software. Each lesson ends with the verdicts.
#
# | | |
# |---|---|
# | **You will learn** | what is installed and which data you have · how a lesson works · why one run proves little · how to make small nets train faster |
# | **You need** | some Python, and to have seen a neural net before |
# | **Time** | in full mode as it says above; in quick mode (`COURSE_MODE=quick`) a minute or two |
#
# Run the cells from top to bottom with Shift+Enter.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("00_start_here")

# %% [markdown]
# Every lesson starts with these two lines. They fix the random seed and say what kind of run this is:
#
# - **Full mode** is what the sources do: all the data, all the epochs.
# - **Quick mode** uses a few examples and epochs, so that you can see a whole lesson move in seconds. Set
#   `COURSE_MODE=quick` before you start Jupyter, or type `make run` in a terminal to run every lesson that way.
# - **The stack** is the software. With Python 3.10 or 3.11 it is the one that the sources use, TensorFlow 2.15
#   with TensorFlow Addons, whose development ended in 2024. With Python 3.12 or later it is today's Keras 3,
#   and the course brings its own versions of the pieces that went missing. The lessons are the same on both.

# %%
import platform

import keras
import matplotlib
import numpy as np
import tensorflow as tf

for name, version in [
    ("Python", platform.python_version()),
    ("TensorFlow", tf.__version__),
    ("Keras", keras.__version__),
    ("NumPy", np.__version__),
    ("Matplotlib", matplotlib.__version__),
]:
    print(f"{name:12}{version}")

# %% [markdown]
# ## Which data have you got?
#
# Three sets of small images serve the whole course. The loaders look in the folder that `COURSE_DATA_DIR` names,
# then in Keras' cache, then on the network, and check every byte. If there is no real data to be had, they draw a small
# stand-in and say so; the lessons still run, but their numbers mean something else.

# %%
from course_utils.data import load_cifar10, load_fashion_mnist, load_mnist

for load in (load_mnist, load_fashion_mnist, load_cifar10):
    print(load())

# %% [markdown]
# Here is Fashion-MNIST, with the first 5,000 training images held out for validation.

# %%
import matplotlib.pyplot as plt

from course_utils import plotting
from course_utils.training import shuffled

fashion = lesson.data(load_fashion_mnist(validation=5_000))

# %% tags=["figure"]
plotting.image_grid(fashion.x_train, fashion.y_train, fashion.class_names)
plt.show()

# %% [markdown]
# ## One small net
#
# Ten kinds of clothing, 28 × 28 grey pixels each. This net will come back often; we call it *300-100-10*
# after its layers.

# %%
x_train, x_valid = fashion.x_train / np.float32(255), fashion.x_valid / np.float32(255)


def dense_net():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(300, activation="relu"),
            layers.Dense(100, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def train(seed, epochs, **settings):
    lesson.set_seed(seed)
    net = dense_net()
    net.compile("nadam", "sparse_categorical_crossentropy", metrics=["accuracy"], **settings)
    history = net.fit(
        shuffled(x_train, fashion.y_train, batch_size=32),
        epochs=epochs,
        validation_data=(x_valid, fashion.y_valid),
        verbose=0,
        callbacks=[lesson.progress(f"300-100-10, seed {seed}")],
    )
    return net, history


# %%
net, history = train(seed=42, epochs=lesson.epochs(5), **lesson.fast)

# %% tags=["figure"]
plotting.learning_curves({"plain": history}).set_title("A net learning to tell clothes apart")
plt.show()

# %% [markdown]
# Two curves, and the distance between them is what the middle of this course is about: how well the net does on images it
# has seen, and on images it has not.
#
# ## Why one run proves little
#
# **Before you run the next cell:** if the same net is trained again from another seed, will its
# validation accuracy agree to the first digit after the percent sign?

# %%
final = {42: history.history["val_accuracy"][-1]}
for seed in (43, 44):
    final[seed] = train(seed, epochs=lesson.epochs(5), **lesson.fast)[1].history["val_accuracy"][-1]

for seed, accuracy in final.items():
    print(f"seed {seed}: validation accuracy {accuracy:.4f}")
print(f"from best to worst: {100 * (max(final.values()) - min(final.values())):.2f} points")

# %% [markdown]
# Nothing differs between these runs but luck: the first weights, and the order of the batches. When a tutorial
# reports that method A beats method B by half a point, from one run of each, this is the size of the coin it
# has tossed. That is why the course measures over several seeds and speaks of three kinds of verdict:
#
# - **A number** is *reproduced* if the printed value lies where a further run of ours would be expected to lie,
#   with $95\,\%$ probability, and *not reproduced* otherwise.
# - **An ordering** (“A beats B”) *holds*, is *within noise*, or is *reversed*, by the differences seed by seed.
# - **A property** (“always stays below 1”) *holds* or *fails*, with its worst case.
#
# With fewer than three seeds there is no verdict at all. And there is a second kind of luck: who asks fifty questions, each with
# $95\,\%$ confidence, gets two or three wrong answers. So *holds*, *reversed* and *not reproduced* have to stand when all claims
# are looked at together (Holm's correction). What falls then is *within noise*, and the table says which word it would have had alone.
#
# ## The same seed, the same net
#
# A seed makes luck repeatable. Same code, same seed, same machine: the very same weights, to the last bit.


# %%
def largest_difference(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one.get_weights(), other.get_weights()))


# %%
again, _ = train(seed=42, epochs=lesson.epochs(5), **lesson.fast)

# %% tags=["nbval-check-output"]
print("largest difference between two nets from the same seed:", largest_difference(net, again))

# %% [markdown]
# ## Worth a second look: does `fit` shuffle?
#
# `fit` promises to shuffle the training examples before each epoch. We let it: a net that does nothing but
# note which examples come by, three epochs over the numbers 0 to 7.


# %%
class Watch(keras.layers.Layer):
    def call(self, inputs):
        if tf.executing_eagerly():
            seen.extend(int(value) for value in inputs[:, 0])
        return inputs


def order_of_examples(*data, **arguments):
    lesson.set_seed()
    net = keras.Sequential([keras.Input((1,)), Watch(), keras.layers.Dense(1)])
    net.compile("sgd", "mse", run_eagerly=True)
    seen.clear()
    net.fit(*data, epochs=3, verbose=0, **arguments)
    return [seen[start : start + 8] for start in (0, 8, 16)]


seen = []
numbers = np.arange(8, dtype="float32").reshape(-1, 1)
print("fit, given arrays:    ", *order_of_examples(numbers, numbers, batch_size=4))
print("fit, given `shuffled`:", *order_of_examples(shuffled(numbers, numbers, batch_size=4)))

# %% [markdown]
# On the addons stack all rows differ. With Keras 3 and a seed, the first line shows **the same order in every
# epoch**: the shuffling starts from the same random state each time. A net that meets the same batches over and
# over generalises a little worse, and nothing warns you; a comparison between Keras versions would blame the wrong
# thing. So in this course batches come from `shuffled`, a few lines in `course_utils/training.py`.

# %% [markdown]
# ## Training small nets fast
#
# What is `**lesson.fast`? A step of a net this small is little arithmetic. Much of its time goes into Python calling
# TensorFlow, and into TensorFlow starting one small operation after the other. Two arguments of `compile` do
# something about it, one each:
#
# - `steps_per_execution=50`: TensorFlow runs fifty steps for each call from Python.
# - `jit_compile=True`: XLA compiles a whole step into one program, so that there is only one thing to start.
#
# Does that change the result? We train one net in each way, one epoch from the same seed, and compare the weights.

# %%
settings = {
    "one step per call": {"jit_compile": False},
    "50 steps per call": {"steps_per_execution": 50, "jit_compile": False},
    "50 steps per call and XLA": {"steps_per_execution": 50, "jit_compile": True},  # this is lesson.fast
}
nets = {name: train(seed=42, epochs=1, **setting)[0] for name, setting in settings.items()}
slow, grouped, compiled = nets.values()

# %% tags=["nbval-check-output"]
print("one step against 50 steps per call, largest difference:", largest_difference(slow, grouped))

# %%
print("with XLA or without, largest difference:", largest_difference(grouped, compiled))

# %% [markdown]
# Fifty steps per call are the same steps in the same order, and give the same bits. XLA may add numbers in another
# order, which changes the last digit of a step; and training amplifies it, step after step, until single weights are
# as far apart as you see. It is luck of the same kind as another seed's, and the course treats it so: a stack always
# uses the same setting, and we look at several seeds. And what does it save?

# %%
import time


def milliseconds_per_step(net, steps):
    start = time.perf_counter()
    net.fit(x_train[: 32 * steps], fashion.y_train[: 32 * steps], verbose=0)
    return 1000 * (time.perf_counter() - start) / steps


rounds, steps = (2, 20) if lesson.quick else (7, 400)
times = {name: [] for name in nets}
for _ in range(1 + rounds):  # in turns, so that a busy machine slows all three alike
    for name, timed in nets.items():
        times[name].append(milliseconds_per_step(timed, steps))
medians = [np.median(values[1:]) for values in times.values()]  # the first turn may have had to prepare

# %% tags=["figure"]
fig, ax = plt.subplots(figsize=(7.2, 2.4))
bars = ax.barh(list(times), medians, color=plotting.colour("plain"))
ax.bar_label(bars, [f"{value:.2f} ms" for value in medians], padding=4)
ax.invert_yaxis()
ax.grid(False)
ax.set(xlabel="milliseconds per step (median)", xlim=(0, 1.25 * max(medians)))
ax.set_title("The same steps, started in different ways")
plt.show()

# %% [markdown]
# Where the first two bars hardly differ, your machine was not waiting for Python but for TensorFlow starting its
# operations, and that is what XLA spares it. Convolutions are another matter: TensorFlow's own are faster than XLA's
# on a CPU, so nets with convolutions use `**lesson.fast_conv`, which leaves XLA out.
#
# One thing to remember: a callback that acts on every batch is called only once for each group of fifty.
#
# ## From Keras 2 to Keras 3
#
# Books and answers on the web are often older than your Keras. What has changed in the things this course touches; lessons 01, 02, 06 and 08 show each
# where it belongs, and a test of the course checks every line on both stacks.
#
# | older code | what it does today | write |
# |---|---|---|
# | `layer.updates` | Keras 2.15: empty, with a warning. Keras 3: an error | call the layer with `training=True`, and its averages move (lesson 02) |
# | `SGD(lr=0.02)` | Keras 2.15: a warning, and the rate stays the default. Keras 3: an error | `SGD(learning_rate=0.02)` (lesson 08) |
# | `SGD(decay=1e-4)` | Keras 2.15: an error. Keras 3: a warning, and no decay | `SGD(Power(0.01, decay_steps=10_000))` (lesson 08) |
# | `K.get_value(optimizer.lr)` | Keras 3: an error | `float(optimizer.learning_rate)` (lesson 08) |
# | `K.set_value(optimizer.lr, 0.1)` | Keras 3: an error | `optimizer.learning_rate = 0.1` (lesson 08) |
# | `history.history["lr"]` | Keras 3: an error | `history.history["learning_rate"]` (lesson 08) |
# | `model.save("net.h5")` | a warning; Keras 3 may fail to load it again | `model.save("net.keras")` (lesson 06) |
# | `LeakyReLU(alpha=0.2)` | Keras 3: a warning | `LeakyReLU(negative_slope=0.2)` (lesson 01) |
#
# ## Where to go from here
#
# Lessons stand on their own; take the one whose question is yours.
#
# | lesson | the question | checks |
# |---|---|---|
# | 01 · Initialization and activations | why does a deep net not even start to learn? | *Training Deep Neural Networks*, part A |
# | 02 · Batch normalization and gradient clipping | which of its two lives is a layer leading? | part B |
# | 03 · Normalization layers | which cells share a mean, and when do small batches hurt? | the TensorFlow Addons tutorial on normalization layers |
# | 04 · Normalization by hand | which mistakes does a learning curve never show? | an unpublished memo, with every gradient derived and checked |
# | 05 · Weight normalization | does training length and direction apart make a net learn faster? | the TensorFlow Addons tutorial on WeightNormalization |
# | 06 · Transfer learning | how often does another net's knowledge help? | *Training Deep Neural Networks*, part C |
# | 07 · Faster optimizers | what does each optimizer remember, and which wins at its own best rate? | part D |
# | 08 · Learning-rate schedules | how high to start, and how to come down? | part E |
# | 09 · Conditional gradient | weights that never leave a ball: was it the ball that helped? | the TensorFlow Addons tutorial on ConditionalGradient |
# | 10 · Regularization and MC dropout | does a net know when it does not know? | part F |
# | 11 · A deep net on CIFAR-10 | which of six nets is best, and which is done first? | part G, as one long exercise |
#
# How long a full run of each takes, on the two stacks:

# %% tags=["verdicts"]
lesson.times()

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
# A seed makes luck repeatable, it does not remove it. Under this seed one of the two may have drawn good weights, and under the next the
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
# **3.** On Keras 3, `fit` with arrays and a seed brings the same batches in every epoch. Would you notice if every batch held the whole training
# set?
#
# <details><summary>An answer</summary>
#
# No. With one batch for each epoch, every step takes the mean over all examples, and their order changes at most the last digits of a sum. The trap
# needs batches that are smaller: then the same examples always share a step, and the steps always follow one another in the same order.
#
# </details>
#
# **4.** You write a callback that stops training as soon as a batch's loss is not a number. It works; then you add `**lesson.fast`. What has changed?
#
# <details><summary>An answer</summary>
#
# Keras calls it once for each group of fifty steps. It may come 49 steps late, and training has gone on with broken weights that long. A callback that changes the
# learning rate batch by batch fails in the same way: the rate changes once in fifty steps. What has to happen
# at every step belongs in the step: a schedule in the optimizer, for example.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a notebook of their own](solutions/00_start_here.ipynb); any code that does what the card asks passes.

# %% tags=["given"]
import keras
import numpy as np

from course_utils.checks import check
from course_utils.data import load_fashion_mnist

# %% [markdown] tags=["exercise"]
# ### 1 · Steps and calls
#
# *10 minutes.* **What.** Write `steps_and_calls`: how many steps a training takes, and how often Python calls TensorFlow for them. Each epoch
# goes once through the images; its last batch may be smaller. With `steps_per_execution` steps to a call, the last call of an epoch may have fewer
# steps. No call reaches from one epoch into the next.
#
# **Why.** Learning-rate schedules count steps, and callbacks count calls. Who is wrong by one step per epoch decays the rate too early or too late.


# %% tags=["exercise"]
def steps_and_calls(images, batch_size, epochs, steps_per_execution):
    """Two whole numbers: the steps of a training on so many images, and the calls that make them."""
    ...


# %% tags=["solution"]
def steps_and_calls(images, batch_size, epochs, steps_per_execution):
    """Two whole numbers: the steps of a training on so many images, and the calls that make them."""
    steps = -(-images // batch_size)  # rounded up, without leaving the whole numbers
    calls = -(-steps // steps_per_execution)
    return epochs * steps, epochs * calls


# %% tags=["check"]
check("steps_and_calls")


# %% tags=["solution"]
class Count(keras.callbacks.Callback):
    """Count how often Keras calls what is to be called for every batch."""

    def on_train_begin(self, logs=None):
        self.calls = 0

    def on_train_batch_end(self, batch, logs=None):
        self.calls += 1


# %% tags=["solution"]
x, count = np.zeros((1000, 1), "float32"), Count()
for batch_size, settings in [
    (32, {}),
    (32, {"steps_per_execution": 7}),
    (32, lesson.fast),
    (300, lesson.fast),
]:
    together = settings.get("steps_per_execution", 1)
    net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    net.compile("sgd", "mse", **settings)
    net.fit(x, x, batch_size=batch_size, epochs=3, verbose=0, callbacks=[count])
    steps, calls = steps_and_calls(1000, batch_size, 3, together)
    print(f"batches of {batch_size:3}, {together:2} steps per call:", end=" ")
    print(f"{steps:2} steps, Keras counts {int(net.optimizer.iterations):2};", end=" ")
    print(f"{calls:2} calls, the callback counts {count.calls:2}")

# %% [markdown] tags=["solution"]
# Keras counts as we do. A thousand images in batches of 32 leave eight over, which make a step like any other. And the fifty steps per
# call of `lesson.fast` (in quick mode it asks for one) are no more than a wish: an epoch with fewer steps ends its call early.

# %% [markdown] tags=["exercise"]
# ### 2 · Without looking ahead
#
# *15 minutes.* **What.** Write `standardize_splits`. It gets training and test images and returns both standardized: from each pixel its mean
# is subtracted, and the rest divided by its standard deviation. Both numbers come from the training images alone. Where all training images agree in a pixel, divide by
# one. The images it gets stay as they are.
#
# **Why.** Lesson 01 wants standardized inputs. A mean over the test images is knowledge that a net in use does not have: there it gets one image
# at a time.


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
fashion = lesson.data(load_fashion_mnist(validation=5_000))

print("training images   size of training, of validation   largest value in training, in validation")
for n in (20, 100, 500, 5_000, 50_000):
    train, valid = standardize_splits(fashion.x_train[:n], fashion.x_valid)
    sizes = [np.sqrt(np.mean(x**2)) for x in (train, valid)]
    largest = [np.abs(x).max() for x in (train, valid)]
    print(f"{len(train):15} {sizes[0]:18.2f} {sizes[1]:15.2f} {largest[0]:25.0f} {largest[1]:15.0f}")

# %% [markdown] tags=["solution"]
# With few training images the others come out far too large. A few pixels do it, most of them near the rim: dark in nearly all of the few, lit more often in the
# rest. Standardized by itself, the validation set would have a size of one and hide all this. The last columns hold a warning for large sets
# too: a pixel that is nearly always dark lies, when it is lit, a hundred deviations and more from its mean.

# %% [markdown] tags=["exercise"]
# ### 3 · Where would a further run lie?
#
# *20 minutes.* **What.** Write `further_run`. From the results of $n$ runs it gives the range in which one more run lies with $95\,\%$ probability, if results scatter
# normally: $m \pm t\,s\,\sqrt{1 + 1/n}$. Here $m$ is their mean, $s$ their standard deviation as a sample, and $t$ the quantile of Student's distribution with
# $n - 1$ degrees of freedom that leaves $2.5\,\%$ above it (`scipy.stats.t.ppf`).
#
# **Why.** By this range the course calls a number *reproduced* or not. Try it on `np.array(list(final.values()))`.


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
print(f"share of further runs inside   {'   '.join(rules)}")
for n in (3, 5, 20):
    runs, further = rng.normal(size=(4000, n)), rng.normal(size=4000)
    inside = [
        np.mean([low <= y <= high for (low, high), y in zip(map(rule, runs), further)])
        for rule in rules.values()
    ]
    print(f"after {n:2} runs {inside[0]:26.1%} {inside[1]:20.1%} {inside[2]:19.1%}")

# %% [markdown] tags=["solution"]
# Only the first rule keeps its word, however few the runs. Two deviations are nearly right after twenty runs and far too few after three, and best and worst
# of three runs hold the next one only half of the time. What honesty costs is width: after three runs $t$ is above four.
