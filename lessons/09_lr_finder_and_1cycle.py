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
# # 09 · The learning-rate finder and 1cycle
#
# In [lesson 08](08_learning_rate_schedules.ipynb), each schedule got its own best first rate, after many trainings. Leslie Smith has a cheaper way:
# one short test, in which the rate grows with every batch until the training explodes: the loss grows without limit. He also proposes 1cycle, a
# schedule that first goes *up*. It is said to train a net in a fraction of the time. We write both by hand, and then measure what is said of them.
#
# - **You will learn:** to find a learning rate in one epoch, and what the curve does not show; why the loss in a callback is not that of one batch;
#   what 1cycle does; how to tell the effect of a schedule from that of the batch size.
# - **You need:** schedules as functions of the step ([lesson 08](08_learning_rate_schedules.ipynb)).
# - **Reproduces:** *Training Deep Neural Networks*, part E: 1cycle scheduling (chapter 11 of A. Géron's *Hands-On Machine Learning*, second edition,
#   2019; notebook of 25 September 2020).
# - **Time:** about 20 minutes to read; a run takes as long as the line above says, in quick mode under a minute.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("09_lr_finder_and_1cycle")

# %% tags=["needed"]
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

from course_utils import plotting
from course_utils.data import load_fashion_mnist
from course_utils.lr_finder import lr_find
from course_utils.schedules import Exponential, OneCycle, PiecewiseConstant, Power
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## The test on a bowl
#
# First a case in which we know the answer. The loss is a bowl over two weights: $L = (w_1^2 + 100\,w_2^2)/2$. Its curvature is 1 in one direction and
# 100 in the other. A step of gradient descent with the rate $\eta$ multiplies $w_2$ by $1 - 100\,\eta$. If $\eta$ is above $2/100$, this factor is
# below $-1$, and the size of $w_2$ grows with every step. So `0.02` is the largest rate that can be used. (Each gradient also has some noise, which
# stands for the choice of the batch.)
#
# Now pretend not to know this. Multiply the rate by the same factor after every step, and note the loss. **At which rates will the loss fall, and
# where will it turn?**

# %%
curvatures, weights = np.array([1.0, 100.0]), np.array([3.0, 0.3])
random = np.random.default_rng(lesson.seed)
rates = np.geomspace(1e-4, 0.1, 400)
losses = []
for rate in rates:
    losses.append(np.sum(curvatures * weights**2) / 2)
    weights = weights - rate * (curvatures * weights + random.normal(size=2))
losses = np.array(losses)
print(f"lowest loss at a rate of {rates[losses.argmin()]:.3f}")
print(f"above its start from a rate of {rates[np.argmax(losses > losses[0])]:.3f} on")

# %% tags=["figure"] alt="The loss of a bowl over the learning rate, both on logarithmic axes. The loss is flat at the smallest rates, falls, is lowest close to a dashed line at 0.02, and then rises steeply."
fig, ax = plt.subplots()
ax.plot(rates, losses, color=plotting.OTHERS[3])
ax.axvline(0.02, color="black", linestyle="--", linewidth=1.2, label="largest usable rate, 2/100")
ax.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="loss", ylim=(0.1, 1e3))
ax.set_title("The loss turns close to the largest usable rate")
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# At the smallest rates the loss hardly moves, because the steps are too short. Then it falls. It turns a little *after* the limit of `0.02`, because
# a growing weight needs some steps before it shows in the loss. So the curve shows the limit, but late. For a net, nobody can compute the curvature
# so easily, and the test does not need it.
#
# ## The finder, in one loop
#
# Now we do the same test with a net. The images are those of Fashion-MNIST, standardized. The net has 300-100-10 units, SELU, and LeCun's weights.


# %% tags=["needed"]
def selu_net(optimizer, seed=lesson.seed):
    keras.utils.set_random_seed(seed)
    dense, settings = keras.layers.Dense, dict(activation="selu", kernel_initializer="lecun_normal")
    layers = [keras.layers.Flatten(), dense(300, **settings), dense(100, **settings)]
    net = keras.Sequential([keras.Input((28, 28)), *layers, dense(10, activation="softmax")])
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


fashion = lesson.data(load_fashion_mnist(validation=5_000))
pixel_mean, pixel_std = fashion.x_train.mean(axis=0), fashion.x_train.std(axis=0)
pixel_std[pixel_std == 0] = 1  # happens only with the few images of quick mode
x_train, x_valid = (
    ((x - pixel_mean) / pixel_std).astype("float32") for x in (fashion.x_train, fashion.x_valid)
)
y_train, y_valid = fashion.y_train, fashion.y_valid

# %% [markdown]
# The loop takes one batch for each rate, notes the loss of this batch, and makes one step of plain gradient descent. It stops when a loss is twice as
# high as the first one. Then it puts the weights back:


# %%
def range_test(net, x, y, rates, batch_size=128):
    """The loss of one batch at each rate, until it explodes. The net's weights are put back."""
    before, loss_of = net.get_weights(), keras.losses.SparseCategoricalCrossentropy()

    @tf.function(reduce_retracing=True)
    def step(images, labels, rate):
        with tf.GradientTape() as tape:
            loss = loss_of(labels, net(images, training=True))
        weights = net.trainable_weights
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(rate * gradient)
        return loss

    order = np.random.default_rng(lesson.seed).permutation(len(x))
    losses = []
    for number, rate in enumerate(rates):
        batch = order[number * batch_size : (number + 1) * batch_size]
        losses.append(float(step(x[batch], y[batch], tf.constant(rate, tf.float32))))
        if not losses[-1] < 2 * losses[0]:  # also true for "not a number"
            break
    net.set_weights(before)
    return np.array(losses)


# %% [markdown]
# The chapter has batches of 128. In one epoch the rate grows from `1e-5` to 10, by the same factor after every step.

# %%
net = selu_net(keras.optimizers.SGD())
before = net.get_weights()
batch_size = 16 if lesson.quick else 128
batches = int(np.ceil(len(x_train) / batch_size))
rates = np.geomspace(1e-5, 10, batches)
losses = range_test(net, x_train, y_train, rates, batch_size)
print(f"stopped after {len(losses)} of {batches} batches, at a rate of {rates[len(losses) - 1]:.2g}")
same = [np.array_equal(one, other) for one, other in zip(before, net.get_weights(), strict=True)]
print("the weights are as before:", all(same))

# %% [markdown]
# ### Whose loss?
#
# The chapter does the test with a callback, which reads `logs["loss"]` after each batch. When the chapter was written, this was the loss of that
# batch, and the callback was right. Since TensorFlow 2.2 (2020), it is the *running mean*: the mean over all examples since the epoch began. (Later
# revisions of the chapter's notebook say so, too.) The same code still runs, but it draws another curve. We can compute that curve from our losses:

# %%
running_mean = np.cumsum(losses) / np.arange(1, len(losses) + 1)


def what_it_says(curve):
    """Where a curve falls below its cut, where it is lowest, and where it is above the cut again."""
    cut = (curve[0] + curve.min()) / 2
    below, lowest = np.flatnonzero(curve < cut), curve.argmin()
    after = lowest + np.flatnonzero(curve[lowest:] > cut)
    return {
        "below the cut from": rates[below[0]] if len(below) else np.nan,
        "lowest at": rates[lowest],
        "above the cut from": rates[after[0]] if len(after) else np.nan,
        "lowest loss": curve[lowest],
    }


curves = {"the batches' own losses": losses, "their running mean": running_mean}
pd.DataFrame({name: what_it_says(curve) for name, curve in curves.items()}).T.map("{:.2g}".format)

# %% tags=["figure", "cover"] alt="Loss over the learning rate on a logarithmic axis, from 1e-5 to where the test stopped. The dots of single batches fall between about 1e-4 and 0.1, are lowest there, and then rise steeply. The running mean, dashed, lies higher, falls later, and is lowest further right, where the dots already rise. A dotted line for each shows the chapter's cut."
fig, ax = plt.subplots(figsize=(8, 4.6))
styles = {"the batches' own losses": (".", 6), "their running mean": ("--", 2)}
for name, curve in curves.items():
    dash, colour = styles[name][0], plotting.OTHERS[styles[name][1]]
    ax.plot(rates[: len(curve)], curve, dash, color=colour, label=name)
    ax.axhline((curve[0] + curve.min()) / 2, color=colour, linestyle=":", linewidth=1.2)
    ax.plot(rates[curve.argmin()], curve.min(), "o", color=colour, markersize=10, markerfacecolor="none")
ax.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(0, 1.15 * losses[0]))
ax.set_title("The running mean falls late and turns late")
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# The rings mark the lowest points. The dotted lines mark the chapter's cut, $(\text{first} + \text{smallest})/2$. The chapter's figure shows only
# what lies below it. The running mean still contains the high losses of the first batches. So it falls later, and its loss is higher. It is lowest
# where the losses of single batches already rise. (`nan` in the table: it does not rise above its cut again.) If you read the running mean, you choose too high a rate. (Exercise 1 gets the losses of the single
# batches back from a callback.)
#
# ### The course's finder
#
# `lr_find` is the same loop for any Keras model. It also smooths the curve and puts back everything that it has changed. It suggests a rate by one of
# four rules of thumb:
#
# - `steep`: where the smoothed loss falls fastest;
# - `valley`: in the middle of its longest fall;
# - `minimum`: a tenth of the rate with the lowest smoothed loss;
# - `slide`: just before the curve bends upwards.
#
# One test sees the batches in one order. Here are three orders:

# %%
settings = dict(batch_size=batch_size, start_lr=1e-5, end_lr=10, num_iter=batches)
found = {seed: lr_find(net, x_train, y_train, seed=seed, **settings) for seed in lesson.seeds(3)}
rules = ["steep", "valley", "minimum", "slide"]
suggestions = {
    f"order {number}": [result.suggestion(rule) for rule in rules]
    for number, result in enumerate(found.values(), start=1)
}
pd.DataFrame(suggestions, index=rules).map("{:.1e}".format)

# %% [markdown]
# The rules differ far more than the orders do. How good are the suggestions? We train the net for three epochs at several constant rates, and compare
# the results with the curve:

# %%
net = selu_net(keras.optimizers.SGD())
trial_rates = [0.01, 0.1] if lesson.quick else [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]


def error_after_three_epochs(rate, seed):
    """The share of wrong answers on the validation images, after three epochs at a constant rate."""
    net.set_weights(selu_net("sgd", seed).get_weights())
    for variable in net.optimizer.variables:  # Keras 2 stores the last step, and nan would stay there
        variable.assign(np.zeros_like(variable.numpy()))
    net.optimizer.learning_rate = rate
    given = dict(epochs=3, batch_size=batch_size, validation_data=(x_valid, y_valid), verbose=0)
    return 1 - fit(net, x_train, y_train, **given).history["val_accuracy"][-1]


trials = {
    seed: [error_after_three_epochs(rate, seed) for rate in trial_rates]
    for seed in progress_bar(lesson.seeds(2), f"{len(trial_rates)} rates", unit="seed")
}

# %% tags=["figure"] alt="Two panels with the same logarithmic axis of learning rates. Above, the smoothed losses of three range tests with four suggested rates as marks on each; steep, valley and minimum lie in the middle of the fall, slide where the curve begins to rise. Below, the validation error after three epochs at constant rates, a line for each of two seeds: it falls slowly as the rate grows, is lowest near the lowest part of the curve above, and jumps to that of guessing where the curve above explodes."
fig, (above, below) = plt.subplots(2, 1, figsize=(8, 6.4), sharex=True)
for result in found.values():
    above.plot(result.lrs, result.smoothed, color=plotting.OTHERS[6], linewidth=1)
    for rule, colour in zip(rules, plotting.OTHERS):
        label = rule if result is found[lesson.seed] else None
        rate = result.suggestion(rule)
        height = np.interp(rate, result.lrs, result.smoothed)
        above.plot(rate, height, plotting.MARKERS["plain"], color=colour, label=label)
for errors in trials.values():
    below.plot(trial_rates, errors, "o-", color=plotting.OTHERS[3], linewidth=1)
above.set(xscale="log", ylabel="smoothed loss", ylim=(0, 1.2 * losses[0]))
below.set(yscale="log", xlabel="learning rate", ylabel="validation error\nafter three epochs")
below.set_yticks([0.1, 0.2, 0.5, 1], ["10%", "20%", "50%", "100%"])
below.tick_params(axis="y", which="minor", labelleft=False)
above.set_title("Three rules suggest careful rates; one goes almost to the limit")
above.legend()
plt.show()

# %% [markdown]
# Read both panels together. Over a wide range of rates, the net learns almost equally well. `steep`, `valley` and `minimum` lie at the lower end of
# this range or below it, so with them training is safe and a little slow. `slide` lies at the upper end, close to where everything explodes. So the
# test shows well *how high* a rate can be. The best rate for a short training is somewhat lower. The chapter takes `0.05` as the highest rate of its
# 1cycle.
#
# The test has to put back one thing more. The chapter's callback restores the weights, but not what the *optimizer* remembers. For plain gradient
# descent, which the chapter uses, this does no harm, because it remembers nothing. But an optimizer with a memory would start the real training with
# the momentum of a test that exploded:

# %% tags=["nbval-check-output"]
few = x_train[:640], y_train[:640]
nadam_net = selu_net(keras.optimizers.Nadam())
lr_find(nadam_net, *few, batch_size=32, start_lr=1e-5, end_lr=1e-2, num_iter=20)
print("steps that Nadam remembers after lr_find:", int(nadam_net.optimizer.iterations.numpy()))

before = nadam_net.get_weights()
fit(nadam_net, *few, verbose=0)
nadam_net.set_weights(before)
print("after 20 steps of which only the weights were put back:", int(nadam_net.optimizer.iterations.numpy()))

# %% [markdown]
# ## 1cycle
#
# What can one do with the highest usable rate? Smith's answer is to use it only in the middle of the training. Start at a tenth of it, go *up* to it
# in a straight line, and come down again to the first rate. In the last tenth of the training, go down almost to zero. Early on, low rates bring a
# new net to weights where long steps are safe. In the middle, long steps bring fast progress. At the end, short steps follow the noise less, as in
# [lesson 08](08_learning_rate_schedules.ipynb). That is the idea. We now measure what it gains.
#
# The chapter's rule consists of straight lines between four corners. As a schedule, it is the first rate plus one ramp for each line. A ramp changes
# between its two corners, and is constant before and after them.


# %%
class StraightLines(keras.optimizers.schedules.LearningRateSchedule):
    """Straight lines from corner to corner; afterwards the last rate."""

    def __init__(self, steps, rates):
        self.steps, self.rates = tf.Variable(steps, dtype=tf.float32), tf.Variable(rates, dtype=tf.float32)

    def __call__(self, step):
        begin, end = self.steps[:-1], self.steps[1:]
        done = tf.clip_by_value((tf.cast(step, tf.float32) - begin) / (end - begin), 0, 1)
        return self.rates[0] + tf.reduce_sum(done * (self.rates[1:] - self.rates[:-1]))


def one_cycle_corners(iterations, max_rate):
    """The chapter's corners: half up, half down, and the last tenth to a thousandth of the first rate."""
    last_iterations = iterations // 10 + 1
    half = (iterations - last_iterations) // 2
    first = max_rate / 10
    return [0, half, 2 * half, iterations], [first, max_rate, first, first / 1000]


n_epochs = 25
iterations = len(x_train) // 128 * n_epochs  # the chapter's count; fit makes 25 steps more
corners = one_cycle_corners(iterations, max_rate=0.05)
pd.DataFrame(dict(zip(["step", "rate"], corners)), index=["start", "top", "as at the start", "end"])

# %% [markdown]
# (The two `tf.Variable`s let us change the corners later without building the training program again.)
#
# The course's `OneCycle` uses PyTorch's names for its settings. The chapter's rule is one choice of these settings. Are the rates the same?

# %%
_, half, _, _ = corners[0]
one_cycle = OneCycle(
    max_lr=0.05,
    total_steps=iterations + 1,  # steps 0 to `iterations`
    pct_start=(half + 1) / (iterations + 1),
    anneal_strategy="linear",
    div_factor=10,
    final_div_factor=1000,
    three_phase=True,
)
by_hand = StraightLines(*corners)
steps = np.linspace(0, iterations + 25, 500).astype(int)
by_hand_rates = np.array([float(by_hand(step)) for step in steps])
by_class_rates = np.array(one_cycle(tf.constant(steps)))
print(f"largest difference of two rates: {np.abs(by_hand_rates - by_class_rates).max():.0e}")

# %% tags=["figure"] alt="The learning rate over 25 epochs for two forms of 1cycle with the same highest rate. The chapter's rises in a straight line from a tenth of it to almost the middle of the training, falls back as fast, and goes almost to zero in the last tenth. PyTorch's default starts lower, reaches its top after three tenths of the steps, and comes down along half a cosine."
fig, ax = plt.subplots(figsize=(8, 4))
epochs = steps / iterations * n_epochs
ax.plot(epochs, by_hand_rates, color=plotting.colour("1cycle", ax), label="the chapter's rule")
torch_default = OneCycle(0.05, total_steps=iterations)
ax.plot(epochs, torch_default(tf.constant(steps)), "--", color="black", label="PyTorch's default")
ax.set(xlabel="epochs completed", ylabel="learning rate", ylim=(0, None))
ax.set_title("Two forms of 1cycle: three straight lines, or two half cosines")
ax.legend()
plt.show()

# %% [markdown]
# PyTorch's default has two phases, not three. The rate goes up for three tenths of the steps, and then down to the end, both along half a cosine. It
# starts lower (at a 25th of the top) and ends lower. In Smith's papers the momentum changes too: it falls while the rate rises. Keras' optimizers
# take no schedule for the momentum. The chapter leaves it out, and so do we.
#
# Now the chapter's training: plain gradient descent, batches of 128, 25 epochs, highest rate `0.05`. A callback notes the seconds of each epoch,
# because we need them later.


# %%
class Clock(keras.callbacks.Callback):
    """Note each epoch's seconds; stop as soon as the validation accuracy reaches a goal."""

    def __init__(self, goal=2.0):
        super().__init__()
        self.goal, self.seconds = goal, []

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begin)
        if logs["val_accuracy"] >= self.goal:
            self.model.stop_training = True


# %%
def timed(optimizer, batch_size, clock, callbacks=()):
    given = dict(epochs=n_epochs, batch_size=batch_size, validation_data=(x_valid, y_valid), verbose=0)
    history = fit(selu_net(optimizer), x_train, y_train, callbacks=[clock, *callbacks], **given).history
    return history | {"seconds per epoch": float(np.median(clock.seconds))}


runs = {"1cycle": timed(keras.optimizers.SGD(one_cycle), 128, Clock())}
reached = runs["1cycle"]["val_accuracy"]
print(f"validation accuracy after {len(reached)} epochs: {reached[-1]:.4f}")
print("stored output of revision e7658ef: 0.8934")

# %% tags=["record"]
lesson.record("S5.cE7", val_accuracy=runs["1cycle"]["val_accuracy"][-1])

# %% [markdown]
# ## Who gets there first?
#
# Is this fast? The course asks: does 1cycle reach its final accuracy in fewer seconds than the six schedules of lesson 08 need for the same accuracy?
# All have the chapter's settings. Each of the six stops when it reaches this accuracy, or after 25 epochs. **What do you expect? And which other
# settings will have an effect?**
#
# The seconds are the number of epochs times the median seconds of an epoch. So the time to build the training program does not count.

# %%
SGD, Nadam = keras.optimizers.SGD, keras.optimizers.Nadam
n = int(np.ceil(len(x_train) / 32))
s = 20 * len(x_train) // 32
rivals = {
    "power": SGD(Power(0.01, decay_steps=10_000)),
    "exponential, by epoch": Nadam(Exponential(0.01, decay_steps=20, steps_per_epoch=n)),
    "exponential, by step": Nadam(Exponential(0.01, decay_steps=s)),
    "piecewise constant": Nadam(PiecewiseConstant([5, 15], [0.01, 0.005, 0.001], steps_per_epoch=n)),
    "on plateau": SGD(0.02, momentum=0.9),
    "Keras' ExponentialDecay": SGD(keras.optimizers.schedules.ExponentialDecay(0.01, s, 0.1)),
}
goal = runs["1cycle"]["val_accuracy"][-1]
for name, optimizer in progress_bar(rivals.items(), "the six rivals", unit="net"):
    plateau = [keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=5)] if name == "on plateau" else []
    runs[name] = timed(optimizer, 32, Clock(goal), plateau)


# %%
def in_the_race(run):
    """Epochs until the goal (or to the end), and what they take."""
    there = np.flatnonzero(np.array(run["val_accuracy"]) >= goal)
    epochs = there[0] + 1 if len(there) else len(run["val_accuracy"])
    each = run["seconds per epoch"]
    return {
        "reached": "yes" if len(there) else "no",
        "epochs": epochs,
        "seconds per epoch": round(each, 2),
        "seconds": round(epochs * each, 1),
    }


race = pd.DataFrame({name: in_the_race(run) for name, run in runs.items()}).T
race

# %% tags=["record"]
seconds = {name: in_the_race(run)["seconds"] for name, run in runs.items()}
others = [taken for name, taken in seconds.items() if name != "1cycle"]
lesson.record("S5.qE8", others=others, one_cycle=[seconds["1cycle"]] * len(others))

# %% tags=["figure"] alt="Validation accuracy over seconds, on a logarithmic axis, for seven trainings. 1cycle, with batches of 128, reaches its final accuracy, a dashed line, at or near its end. The others have batches of 32. Their curves stop where they reach the line, or go on to their 25th epoch without reaching it."
fig, ax = plt.subplots(figsize=(8.6, 5.2))
for name, run in runs.items():
    times = run["seconds per epoch"] * np.arange(1, len(run["val_accuracy"]) + 1)
    style = dict(color=plotting.colour(name, ax), marker=plotting.marker(name, ax), markersize=4)
    ax.plot(times, run["val_accuracy"], label=name, linewidth=3 if name == "1cycle" else 1.4, **style)
ax.axhline(goal, color="black", linestyle="--", linewidth=1, label="1cycle's final accuracy")
ax.set(xscale="log", xlabel="seconds of training", ylabel="validation accuracy")
ax.set_ylim(goal - 0.08, goal + 0.01)  # the worst epochs lie below
ax.set_title("Seven trainings on their way to 1cycle's final accuracy")
fig.legend(loc="outside lower center", ncols=4, fontsize=9)
plt.show()

# %% [markdown]
# Look at the columns one by one.
#
# - *Seconds per epoch.* Nadam computes more in each step, so its epochs take longest. An epoch of 1cycle has a quarter of the steps, but each step
#   has four times as many images. On one processor core, the images take most of the time. So an epoch is somewhat shorter than with batches of 32,
#   but takes far more than a quarter of the time. On a GPU a large batch takes hardly longer than a small one, so there it saves much.
# - *Epochs.* 1cycle comes close to its final accuracy only near its end, when the rate is low.
# - *Reached* is partly luck. The accuracies jump, and one lucky epoch is enough.
#
# So one race proves little, and the table of verdicts has several. And these seven trainings differ in optimizer, batch size, rate *and* schedule.
# Whichever is fastest, we do not know why.
#
# ## Is it the cycle?
#
# Smith speaks of *super-convergence*: with 1cycle and a very high top rate, a net needs several times fewer steps. To see what the schedule adds, all
# trainings now have plain gradient descent and batches of 128. They last only five epochs, with
#
# - a **constant** rate;
# - a rate that goes **only down**, in a straight line from the top to almost zero;
# - **1cycle**, by the chapter's rule, over the five epochs.
#
# Each has three top rates and several seeds. One net serves for all, because the corners of its schedule can be changed. For comparison, the constant
# rate and 1cycle also train for all 25 epochs, with the top rate `0.05`.

# %%
lines = StraightLines([0, 1, 2, 3], [0.05] * 4)
net = selu_net(SGD(lines))


def final_accuracy(form, top, epochs, seed):
    """Validation accuracy after a training in batches of 128 with one form of schedule."""
    last = len(x_train) // 128 * epochs
    forms = {
        "constant": ([0, 1, 2, last], [top] * 4),
        "only down": ([0, 1, 2, last], [top, top, top, top / 1e4]),
        "1cycle": one_cycle_corners(last, top),
    }
    for variable, corners in zip((lines.steps, lines.rates), forms[form], strict=True):
        variable.assign(corners)
    net.set_weights(selu_net("sgd", seed).get_weights())  # plain gradient descent remembers nothing else
    net.optimizer.iterations.assign(0)
    check_on = dict(validation_data=(x_valid, y_valid), validation_batch_size=1000)
    given = dict(epochs=epochs, batch_size=128, verbose=0, **check_on)
    return fit(net, x_train, y_train, **given).history["val_accuracy"][-1]


# %%
tops = [0.05, 0.2] if lesson.quick else [0.05, 0.1, 0.2]
seeds, forms = lesson.seeds(3), ["constant", "only down", "1cycle"]
short = {
    (form, top): [final_accuracy(form, top, 5, seed) for seed in seeds]
    for form, top in progress_bar([(form, top) for form in forms for top in tops], "five epochs each")
}
long = {
    form: [final_accuracy(form, 0.05, 25, seed) for seed in seeds]
    for form in progress_bar(["constant", "1cycle"], "25 epochs each")
}

# %%
means = pd.Series({key: np.mean(found) for key, found in short.items()}).unstack().loc[forms]
means.columns = [f"5 epochs, top {top:g}" for top in means]
means["25 epochs, top 0.05"] = pd.Series({form: np.mean(found) for form, found in long.items()})
means.round(4)

# %% tags=["figure"] alt="Validation accuracy over the top rate, a dot for each seed, after five epochs, for a constant rate, for one that only goes down, and for 1cycle. Two dashed horizontal lines show the means of the constant rate and of 1cycle after 25 epochs. The forms that come down rise with the top rate and reach these lines at the highest one, where the constant rate stays below. 1cycle and only down lie close together."
fig, ax = plt.subplots(figsize=(8, 4.6))
for form in forms:
    style = dict(color=plotting.colour(form, ax), marker=plotting.marker(form, ax))
    for top in tops:
        ax.plot([top] * len(seeds), short[form, top], linestyle="", alpha=0.6, **style)
    ax.plot(tops, [np.mean(short[form, top]) for top in tops], label=f"{form}, 5 epochs", **style)
for form, found in long.items():
    label = f"{form}, 25 epochs, top 0.05 (mean)"
    ax.axhline(np.mean(found), color=plotting.colour(form, ax), linestyle="--", label=label)
ax.set(xscale="log", xlabel="top rate", ylabel="validation accuracy")
ax.set_xticks(tops, [f"{top:g}" for top in tops])
ax.minorticks_off()
ax.set_title("Five epochs: a high top rate helps only a rate that comes down")
ax.legend(fontsize=9)
plt.show()

# %% [markdown]
# The figure and the table show three things.
#
# - **Coming down matters.** At the highest top rate, both forms that come down are clearly ahead of the constant rate.
# - **The top rate matters.** The constant rate gains nothing from `0.2`, but the other two do. With this top rate they reach in five epochs about
#   what the constant rate `0.05` reaches in 25. That is a fifth of the steps, the effect that Smith describes. (After 25 epochs, 1cycle is ahead of
#   that constant rate, too.)
# - **Going up first adds little here.** 1cycle and “only down” cannot be told apart. This shallow net can train with the top rate from the first step
#   on. Where a new net cannot, the way up is needed. It is then called *warm-up*.
#
# So on this net the gain comes from a high rate that falls in time, and hardly from going up first.
#
# ## Verdicts
#
# The table compares the stored output of the chapter's notebook with our runs, and answers the course's own question. The runs have several seeds and
# two software stacks, in full mode on the real Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("09_lr_finder_and_1cycle")

# %% [markdown]
# ## What to take away
#
# - The finder costs less than an epoch. It shows which rates can be used, and where training explodes.
# - Read it from the losses of single batches (or their smoothed mean). The loss in a callback is the running mean of the epoch, which turns late.
# - A suggestion is a rule of thumb, and the rules can differ by a factor of ten or more. Try a few rates between the lowest and the highest
#   suggestion.
# - The test has to put back the weights *and* what the optimizer remembers.
# - 1cycle goes up, comes down, and ends far below its start. You have to know the length of the training beforehand.
# - On this net, a high rate that comes down before the end saves time. When a method is said to be fast, look for what else has changed: the batch
#   size, the optimizer, the rate.
#
# **Today** most large nets have a short way up (warm-up) and then come down along half a cosine. PyTorch's default of 1cycle is similar. The finder
# is common where a person watches the training. Where many trainings run by themselves, people try several rates.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold our answer.
#
# **1.** Why does the rate grow by a constant *factor* from batch to batch, and not by a constant amount?
#
# <details><summary>An answer</summary>
#
# Before the test we do not know the right rate even to a factor of ten. With a constant factor, each factor of ten gets the same number of batches.
# With a constant amount from `1e-5` to 10, almost all batches would have a rate above `0.1`. The second batch would already be at
# $10/430 \approx 0.02$, and the training would explode after a few more.
#
# </details>
#
# **2.** You planned 25 epochs with 1cycle, and the machine stops after 12. What have you got? And with the exponential schedule of lesson 08?
#
# <details><summary>An answer</summary>
#
# With 1cycle you have a net that was trained up to the highest rate. The way down is missing, and only the way down turns the progress into a low
# loss. So you have half a training, not a short one. The exponential schedule is not built for a certain end. Its rate after 12 epochs is higher than
# it would be after 25, but the net can be used.
#
# </details>
#
# **3.** Somebody runs the finder with batches of 32, takes the rate, and then trains with batches of 1,024. What goes wrong?
#
# <details><summary>An answer</summary>
#
# The gradients of larger batches have less noise, so they usually allow a higher rate. And an epoch has fewer steps. So the rate found is probably
# too low. The test should have the batch size, the optimizer and the regularization of the training.
#
# </details>
#
# **4.** In the race, the six schedules of lesson 08 have batches of 32, and 1cycle has batches of 128. How would you find out how much of the time
# saved is due to the batch size alone?
#
# <details><summary>An answer</summary>
#
# Train each of the six with batches of 128 as well (and 1cycle with 32). Give each its own best rate for its batch size, and use several seeds. Then
# compare trainings with the same batch size. The last experiment of the lesson does so for a constant rate.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each exercise has a cell to fill in and a check below it. The check tries your code on its own inputs and answers in a sentence. The solutions are
# in [a notebook of their own](solutions/09_lr_finder_and_1cycle.ipynb). Any code that does what the card asks passes.

# %% tags=["given"]
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · The losses behind the running mean
#
# *20 minutes.* **What.** In a callback `logs["loss"]` is the mean over all examples *since the epoch began*. Write `batch_losses`. From these means
# and the sizes of the batches, it computes the mean loss of each single batch. The last batch of an epoch is usually smaller.
#
# **Why.** A range test (the test of the finder) that uses the running mean falls late and turns late. But what a callback collects is not lost. The
# single losses can be computed from it.


# %% tags=["exercise"]
def batch_losses(means, sizes):
    """The mean loss of each batch of one epoch; means: logs["loss"] after each, sizes: examples in each."""
    ...


# %% tags=["solution"]
def batch_losses(means, sizes):
    """The mean loss of each batch of one epoch; means: logs["loss"] after each, sizes: examples in each."""
    sums = means * np.cumsum(sizes)  # over all examples so far
    return np.diff(sums, prepend=0) / sizes


# %% tags=["check"]
check("batch_losses")


# %% [markdown] tags=["exercise"]
# With `batch_losses`, the chapter's callback works again. Run the next two cells when your answer passes.


# %% tags=["uses-answer"]
class ChaptersFinder(keras.callbacks.Callback):
    """Raise the rate before each batch, and note what Keras logs after it."""

    def __init__(self, rates):
        super().__init__()
        self.rates, self.logged = rates, []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = float(self.rates[batch])

    def on_train_batch_end(self, batch, logs=None):
        self.logged.append(logs["loss"])


size = 16 if lesson.quick else 128
batches = int(np.ceil(len(x_train) / size))
sizes = np.minimum(size, len(x_train) - size * np.arange(batches))
rates = np.geomspace(1e-5, 10, batches)
finder = ChaptersFinder(rates)
fit(selu_net(keras.optimizers.SGD()), x_train, y_train, batch_size=size, verbose=0, callbacks=finder)
logged = np.array(finder.logged)
losses = batch_losses(logged, sizes)

# %% tags=["uses-answer", "figure"] alt="Loss over the learning rate for one training with a callback. What the callback was given, dashed, falls late and turns late. The batches' own losses, computed from it, are scattered dots that fall earlier and explode earlier."
fig, ax = plt.subplots(figsize=(7.6, 4))
ax.plot(rates, losses, ".", color=plotting.OTHERS[6], label="each batch, worked out from it")
ax.plot(rates, logged, "--", color=plotting.OTHERS[2], label='logs["loss"]')
ax.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(0, 1.2 * losses[0]))
ax.set_title("The running mean falls late and turns late")
ax.legend(loc="lower left")
plt.show()

# %% [markdown] tags=["solution"]
# Both curves come from the same training. The running mean is lowest at a higher rate, where the losses of single batches are already well above
# their lowest. It also hides how low the loss has been.

# %% [markdown] tags=["exercise"]
# ### 2 · A suggestion of your own
#
# *20 minutes.* **What.** Write `suggested_rate`, which reads a range test as the rule `minimum` does. First smooth the losses: start with $a_0 = 0$,
# take $a_i = 0.95\,a_{i-1} + 0.05\,\text{loss}_i$ for $i = 1, 2, \dots$, and divide each $a_i$ by $1 - 0.95^i$. Then return a tenth of the rate with
# the lowest smoothed loss. If a loss is infinite or not a number, the curve ends before it: leave out this loss and all later ones.
#
# **Why.** The lowest single loss is partly luck. The division also matters: the average begins at 0, so without the division the first values are far
# too low.


# %% tags=["exercise"]
def suggested_rate(rates, losses):
    """A tenth of the rate with the lowest smoothed loss; rates and losses are arrays of one length."""
    ...


# %% tags=["solution"]
def suggested_rate(rates, losses):
    """A tenth of the rate with the lowest smoothed loss; rates and losses are arrays of one length."""
    average, smoothed = 0.0, []
    for i, loss in enumerate(losses, start=1):
        if not np.isfinite(loss):
            break
        average = 0.95 * average + 0.05 * loss
        smoothed.append(average / (1 - 0.95**i))
    return rates[np.argmin(smoothed)] / 10


# %% tags=["check"]
check("suggested_rate")

# %% tags=["solution"]
settings = dict(batch_size=size, start_lr=1e-5, end_lr=10, num_iter=batches)
result = lr_find(selu_net(keras.optimizers.SGD()), x_train, y_train, **settings)
print(f"ours:                   {suggested_rate(result.lrs, result.losses):.2g}")
print(f"lr_find's rule minimum: {result.suggestion('minimum'):.2g}")

# %% [markdown] tags=["exercise"]
# ### 3 · Predict, run, explain: the test on a trained net
#
# *10 minutes.* **Predict.** The cell runs the finder on a new net, trains this net for three epochs at `0.05`, and runs the finder on it again. Draw
# both curves by hand on the same axes. At which rates does each curve fall, and at which does it explode? Can there be a suggestion for the trained
# net?
#
# **Run** the cell.
#
# **Explain** what the test measures. Why does it say little about the rates that a training needs late? Then unfold our explanation.

# %% tags=["predict"] alt="Smoothed losses of two range tests over the learning rate: one of a new net, one of the same net after three epochs."
net = selu_net(keras.optimizers.SGD(0.05))
settings = dict(batch_size=128, start_lr=1e-5, end_lr=10, num_iter=100 if lesson.quick else 430)
fresh = lr_find(net, x_train, y_train, **settings)
fit(net, x_train, y_train, batch_size=128, epochs=3, label="three epochs")
trained = lr_find(net, x_train, y_train, **settings)

fig, ax = plt.subplots(figsize=(8, 4.2))
for label, result, colour in [("new net", fresh, 6), ("after three epochs", trained, 3)]:
    ax.plot(result.lrs, result.smoothed, color=plotting.OTHERS[colour], label=label)
ax.set(xscale="log", xlabel="learning rate", ylabel="smoothed loss", ylim=(0, 1.2 * fresh.losses[0]))
ax.set_title("The finder, before and after three epochs")
ax.legend()
plt.show()

# %% [markdown] tags=["exercise"]
# <details><summary>What happens, and why</summary>
#
# The new net begins with a high loss. The loss falls as soon as the steps are long enough, and explodes at the end. The trained net begins with a low
# loss. Its curve stays almost flat, because a few more steps cannot improve this net much. Then it explodes, too. Where the curve hardly falls, there
# is nothing to suggest: `suggestion` raises an error, or picks a rate by chance.
#
# The test measures how long the steps of *this* net can be now. Short steps help only after many batches, so the test cannot show their benefit. That
# is why it gives the first or the highest rate, and a schedule has to say what comes later.
#
# </details>

# %% [markdown]
# ## References
#
# - L. N. Smith, [*Cyclical Learning Rates for Training Neural Networks*](https://arxiv.org/abs/1506.01186), 2015: the range test, in
#   section 3.3.
# - L. N. Smith, N. Topin, [*Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates*](https://arxiv.org/abs/1708.07120), 2017: 1cycle, and the claim of a far shorter training.
# - L. N. Smith, [*A disciplined approach to neural network hyper-parameters: Part 1*](https://arxiv.org/abs/1803.09820), 2018: 1cycle with momentum, as the chapter cites it.
# - A. Géron, *Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow*, 2nd edition, 2019, chapter 11, and [its notebook](https://github.com/ageron/handson-ml2): the finder and 1cycle as callbacks.
