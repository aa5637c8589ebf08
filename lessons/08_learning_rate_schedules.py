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
# # 08 · Learning-rate schedules
#
# Of all the numbers you set, the learning rate matters most, and no single one is right: far from the goal you want long steps, near
# it short ones. So one starts high and goes down, and there are many ways down. This lesson puts them all on one pair of
# axes, then asks how high to start, and ends with a schedule that first goes *up*.
#
# | | |
# |---|---|
# | **You will learn** | to write a schedule as a function of the step · to translate what older books do with `lr=`, `decay=` and callbacks · to find a rate in one short test · what 1cycle does and what it saves |
# | **You need** | a dense net in Keras; lesson 07 |
# | **Reproduces** | *Training Deep Neural Networks*, part E: learning-rate schedules (chapter 11 of A. Géron's *Hands-On Machine Learning*, notebook of the second edition) |
# | **The ideas** | Smith 2015, [*Cyclical Learning Rates*](https://arxiv.org/abs/1506.01186) · Smith & Topin 2017, [*Super-Convergence*](https://arxiv.org/abs/1708.07120) · Senior and others 2013, [*An empirical study of learning rates*](https://research.google/pubs/an-empirical-study-of-learning-rates-in-deep-neural-networks-for-speech-recognition/) |
# | **Time** | in full mode as it says above; in quick mode (`COURSE_MODE=quick`) under a minute |

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("08_learning_rate_schedules")

# %%
import logging
import time
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from course_utils import plotting
from course_utils.data import load_fashion_mnist
from course_utils.lr_finder import lr_find
from course_utils.schedules import Exponential, OneCycle, PiecewiseConstant, Power
from course_utils.training import shuffled

# %% [markdown]
# ## The task and the net
#
# Fashion-MNIST, standardized pixel by pixel, the first 5,000 training images for validation; 300-100-10 units, SELU, LeCun's weights, 25 epochs
# in batches of 32. Only the optimizer and its rate will differ.

# %%
fashion = lesson.data(load_fashion_mnist(validation=5_000))

pixel_mean = fashion.x_train.mean(axis=0)
pixel_std = fashion.x_train.std(axis=0)
pixel_std[pixel_std == 0] = 1
x_train, x_valid = (
    ((x - pixel_mean) / pixel_std).astype("float32") for x in (fashion.x_train, fashion.x_valid)
)
y_train, y_valid = fashion.y_train, fashion.y_valid

n_epochs = lesson.epochs(25)
steps_per_epoch = int(np.ceil(len(x_train) / 32))


# %%
SGD, Nadam = keras.optimizers.SGD, keras.optimizers.Nadam


def compiled(optimizer, **options):
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(300, activation="selu", kernel_initializer="lecun_normal"),
            layers.Dense(100, activation="selu", kernel_initializer="lecun_normal"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    # XLA would need longer to compile a net than quick mode to train it.
    options = lesson.fast | {"jit_compile": not lesson.quick} | options
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return net


# %% [markdown]
# ## A schedule is a function of the step
#
# Give an optimizer a function in place of a number, and it asks the function before each step. In Keras such a function is a
# `LearningRateSchedule`. It sees nothing but the number of the step, so it can be drawn before it is used.
#
# - **Power**: $\eta_0/(1+t/s)^c$. Halved after $s$ steps, a third after $2s$: quick at first, then ever slower.
# - **Exponential**: $\eta_0 \cdot 0.1^{t/s}$. A tenth every $s$ steps, for ever.
# - **Piecewise constant**: what somebody found out by watching.
#
# The chapter lets the exponential one change once an epoch, and then with every batch; the second form is smoother. **Can you
# tell from the figure which optimizer step will be the longest, and when the shortest one has a tenth of it?**

# %%
n = steps_per_epoch
schedules = {
    "power": Power(0.01, decay_steps=10_000),
    "exponential, by epoch": Exponential(0.01, decay_steps=20, steps_per_epoch=n),
    "exponential, by step": Exponential(0.01, decay_steps=20 * n),
    "piecewise constant": PiecewiseConstant([5, 15], [0.01, 0.005, 0.001], steps_per_epoch=n),
}

# %% tags=["figure"]
fig, ax = plt.subplots(figsize=(7.6, 4))
for name, schedule in schedules.items():
    plotting.schedule(schedule, n_epochs * n, steps_per_epoch=n, label=name, ax=ax)
ax.set_title("Four ways down")
ax.legend()
plt.show()

# %% [markdown]
# ## What the chapter writes instead
#
# The chapter changes the rate from outside, by callbacks. A function of the epoch for the `LearningRateScheduler` of Keras:


# %%
def exponential_decay(lr0, s):
    def exponential_decay_fn(epoch):
        return lr0 * 0.1 ** (epoch / s)

    return exponential_decay_fn


def exponential_from_the_rate(epoch, lr):
    return lr * 0.1 ** (1 / 20)


def piecewise_constant(boundaries, values):
    def piecewise_constant_fn(epoch):
        return values[np.searchsorted(boundaries, epoch, side="right")]

    return piecewise_constant_fn


# %% [markdown]
# The second one is handed the current rate by Keras, and multiplies. It needs no first rate, and it multiplies before the first epoch
# already, so it runs *one epoch ahead* of the first form. The third makes a function from boundaries and values; written out by hand, the chapter's is
# `0.01 if epoch < 5 else 0.005 if epoch < 15 else 0.001`.
#
# And for every batch a callback of its own. (In the chapter its method reads a variable `s` of the notebook, not the one it was
# given; it works as long as both are the same.)


# %%
class ExponentialDecay(keras.callbacks.Callback):
    def __init__(self, s):
        super().__init__()
        self.s = s

    def on_train_batch_end(self, batch, logs=None):
        rate = self.model.optimizer.learning_rate
        rate.assign(rate * 0.1 ** (1 / self.s))

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)  # for the history


# %% [markdown]
# All of them still work, with two costs. A callback runs between two steps, so TensorFlow has to come back to Python for it: with fifty steps per
# execution it would be called once in fifty steps, and the rates would be wrong. And what a callback does is not saved with the
# model. Do callback and schedule give the same training? Two short epochs of each, from the same seed. (With plain gradient descent: Nadam's first
# steps are as long for a tiny gradient as for a large one, and would blow up differences in the last digit.)


# %%
def weights_after(optimizer, callbacks=(), **options):
    lesson.set_seed()
    net = compiled(optimizer, **options)
    net.fit(shuffled(x_train[:640], y_train[:640], 32), epochs=2, verbose=0, callbacks=list(callbacks))
    return np.concatenate([w.ravel() for w in net.get_weights()])


one_by_one = dict(steps_per_execution=1)
by_epoch = keras.callbacks.LearningRateScheduler(exponential_decay(0.01, s=20))
from_the_rate = keras.callbacks.LearningRateScheduler(exponential_from_the_rate)
halved_after_one = keras.callbacks.LearningRateScheduler(piecewise_constant([1], [0.01, 0.005]))
pairs = {
    "by epoch": (
        weights_after(SGD(0.01), [by_epoch], **one_by_one),
        weights_after(SGD(Exponential(0.01, decay_steps=20, steps_per_epoch=20)), **one_by_one),
    ),
    "by epoch, from the rate": (
        weights_after(SGD(0.01), [from_the_rate], **one_by_one),
        weights_after(SGD(Exponential(0.01 * 0.1 ** (1 / 20), 20, steps_per_epoch=20)), **one_by_one),
    ),
    "piecewise constant": (
        weights_after(SGD(0.01), [halved_after_one], **one_by_one),
        weights_after(SGD(PiecewiseConstant([1], [0.01, 0.005], steps_per_epoch=20)), **one_by_one),
    ),
    "by step": (
        weights_after(SGD(0.01), [ExponentialDecay(s=400)], **one_by_one),
        weights_after(SGD(Exponential(0.01, decay_steps=400)), **one_by_one),
    ),
}

# %% tags=["nbval-check-output"]
for name, (callback, schedule) in pairs.items():
    print(f"{name}: the same weights:", np.allclose(callback, schedule, rtol=0, atol=1e-6))
print(
    "the test tells kinds apart:",
    not np.allclose(pairs["by epoch"][0], pairs["by step"][0], rtol=0, atol=1e-6),
)

# %% [markdown]
# “The same” means that no weight differs by more than a millionth. By step the rates do differ, in the last digit: the callback multiplies one rate over and over, and rounds each time; the schedule
# computes every rate afresh. As a rule the weights then agree to as many digits. But SELU has a kink at zero, and where that last digit decides on which side of it a sum falls, the slope jumps and the
# two nets part. With one of the seeds behind this course they did, and the fourth line said `False`; with ELU, which is smooth there, they agreed again.
#
# ### Worth a second look: off by one
#
# “`0.01` up to epoch 5, then `0.005`.” Is epoch 5 the last of the old or the first of the new? In the chapter's own function it is the first
# of the new (`epoch < 5`). Keras' `PiecewiseConstantDecay` counts steps and keeps the old rate *at* the boundary. And Keras counts epochs from 0
# but prints them from 1. One step does not matter; one epoch may, and a reader who compares two tables should know.

# %% tags=["nbval-check-output"]
ours = PiecewiseConstant([5], [0.01, 0.005])
keras_own = keras.optimizers.schedules.PiecewiseConstantDecay([5], [0.01, 0.005])
print("step       ", *[f"{step:6}" for step in (4, 5, 6)])
for name, schedule in [("ours", ours), ("Keras' own", keras_own)]:
    print(f"{name:11}", *[f"{float(schedule(step)):6.3f}" for step in (4, 5, 6)])

# %% [markdown]
# ### From Keras 2 to Keras 3: `lr=`, `decay=`, `K.get_value`, `history["lr"]`
#
# The chapter was written for Keras 2.2. Some of its spellings have changed since, and the worst of them fail *quietly*: the net trains, with another rate
# than you asked for. (Lesson 00 has the whole table.)
#
# | the chapter | Keras 2.11 to 2.15 | Keras 3 | write |
# |---|---|---|---|
# | `SGD(lr=0.02)` | a warning, and the rate is `0.01` | an error | `SGD(learning_rate=0.02)` |
# | `SGD(decay=1e-4)` | an error | a warning, and no decay | `SGD(Power(0.01, decay_steps=10_000))` |
# | `K.get_value(optimizer.lr)` | works | an error | `float(optimizer.learning_rate)` |
# | `K.set_value(optimizer.lr, 0.1)` | works | an error | `optimizer.learning_rate = 0.1` |
# | `history["lr"]` | works | an error | `history["learning_rate"]` |
#
# What happens where you are now:


# %%
def what_happens(**arguments):
    """The rate an optimizer starts with, or its error; the warning stands in the table."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f"a rate of {float(SGD(**arguments).learning_rate):.2f} at the start"
    except ValueError:
        return "an error"
    finally:
        logging.disable(logging.NOTSET)


print("Keras", keras.__version__)
print("SGD(lr=0.02):           ", what_happens(lr=0.02))
print("SGD(decay=1e-4):        ", what_happens(decay=1e-4))
print("SGD(learning_rate=0.02):", what_happens(learning_rate=0.02))

# %% [markdown]
# And today's forms. The rate is a plain attribute, to be read and assigned, and a schedule takes the place of `decay`:

# %% tags=["nbval-check-output"]
optimizer = SGD(learning_rate=0.02)
optimizer.learning_rate = 0.1
print("assigned and read:", round(float(optimizer.learning_rate), 3))

decaying = Power(0.01, decay_steps=10_000)
print("after 10,000 steps:", round(float(decaying(10_000)), 4))

# %%
constant = keras.callbacks.LearningRateScheduler(lambda epoch: 0.005)
history = compiled(SGD(), **one_by_one).fit(x_train[:64], y_train[:64], verbose=0, callbacks=[constant])
print("under what name the history keeps the rate:", history.history.keys() & {"lr", "learning_rate"})

# %% [markdown]
# ## All of them at work
#
# Now the chapter's runs: power with plain gradient descent, exponential and piecewise with Nadam; Keras' own `ExponentialDecay`, with
# plain gradient descent; and one that is no function of the step: **reduce on plateau** halves the rate whenever the validation loss has
# not improved for five epochs (with momentum `0.9`). **Which one would you bet on?**

# %%
keras_exponential = keras.optimizers.schedules.ExponentialDecay(0.01, 20 * n, 0.1)
optimizers = {
    "power": SGD(schedules["power"]),
    "exponential, by epoch": Nadam(schedules["exponential, by epoch"]),
    "exponential, by step": Nadam(schedules["exponential, by step"]),
    "piecewise constant": Nadam(schedules["piecewise constant"]),
    "on plateau": SGD(0.02, momentum=0.9),
    "Keras' ExponentialDecay": SGD(keras_exponential),
}


# %%
class Clock(keras.callbacks.Callback):
    """The seconds since the training began, and the rate, after each epoch."""

    def on_train_begin(self, logs=None):
        self.begin, self.seconds, self.rates = time.perf_counter(), [], []

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begin)
        self.rates.append(float(self.model.optimizer.learning_rate))


def train(name, optimizer, batch_size=32, epochs=n_epochs, callbacks=()):
    lesson.set_seed()
    clock = Clock()
    history = (
        compiled(optimizer)
        .fit(
            shuffled(x_train, y_train, batch_size),
            epochs=epochs,
            validation_data=(x_valid, y_valid),
            verbose=0,
            callbacks=[lesson.progress(name), clock, *callbacks],
        )
        .history
    )
    return history | {"seconds": clock.seconds, "rate": clock.rates}


# %%
runs = {}
for name, optimizer in optimizers.items():
    plateau = [keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=5)] if name == "on plateau" else []
    runs[name] = train(name, optimizer, callbacks=plateau)

# %% [markdown]
# The plateau is worth a look of its own, because here the rate follows from the loss:

# %% tags=["figure"]
fig, ax = plt.subplots(figsize=(7.6, 4))
numbers = range(1, n_epochs + 1)
ax.plot(numbers, runs["on plateau"]["rate"], "o-", color="#0072B2")
ax.set(xlabel="epoch", ylim=(0, None))
ax.set_ylabel("learning rate", color="#0072B2")
right = ax.twinx()
right.plot(numbers, runs["on plateau"]["val_loss"], "^--", color="#D55E00")
right.set_ylabel("validation loss", color="#D55E00")
right.grid(False)
ax.set_title("Reduce on plateau: five epochs without progress, and the rate is halved")
plt.show()

# %% [markdown]
# ## How high to start: the finder
#
# All this took a first rate for granted. Leslie Smith's test finds one in less than an epoch: raise the rate with every batch, from far too small to far too
# large, and watch the loss. It falls where the rate is useful and rises where it is too much.

# %%
lesson.set_seed()
net = compiled(SGD())
before = net.get_weights()
result = lr_find(
    net, x_train, y_train, batch_size=128, start_lr=1e-5, end_lr=10, num_iter=40 if lesson.quick else 430
)
same = [np.array_equal(u, v) for u, v in zip(net.get_weights(), before)]
print("afterwards the net is as it was:", all(same))

# %% tags=["figure"]
ax = result.plot()
running_mean = np.cumsum(result.losses) / np.arange(1, len(result.losses) + 1)
ax.plot(result.lrs, running_mean, "--", color="#D55E00", label="their running mean")
ax.set_ylim(0, 1.5 * result.losses[0])
ax.set_title("The loss of single batches, and what a callback gets to see")
ax.legend()
plt.show()

# %% [markdown]
# Up to a ten-thousandth nothing happens. Then the loss falls, over nearly three decades of rates; a little further on it explodes. The test says *up to where* with some
# certainty. Where to *start* is a matter of taste: four rules of thumb, four marks, and almost two decades between them. `valley` and `steep` sit in the
# middle of the fall, `minimum` stays a factor of ten below the lowest point, `slide` goes to the edge. The chapter takes `0.05` for the top of its 1cycle.
#
# The chapter writes this as a callback, in a dozen lines, and it has two faults that are easy to make. The loss that Keras hands to a
# callback is the running mean since the epoch began. So the curve comes down late and goes up late, and the rates read from it are too
# high: that is the dashed line. And it puts the weights back afterwards, but not what the optimizer remembers. An optimizer with a memory, as nearly all in
# lesson 07, then starts the real training with the momentum of a test that blew up, and counts on from its steps:

# %% tags=["nbval-check-output"]
net = compiled(Nadam(), **one_by_one)
few = x_train[:640], y_train[:640]
lr_find(net, *few, batch_size=32, start_lr=1e-5, end_lr=1e-2, num_iter=20)
print("steps in the optimizer's memory, after lr_find:              ", int(net.optimizer.iterations.numpy()))

before = net.get_weights()
net.fit(*few, batch_size=32, verbose=0)
net.set_weights(before)
print("after twenty steps of which only the weights were taken back:", int(net.optimizer.iterations.numpy()))

# %% [markdown]
# ## 1cycle
#
# Smith's second idea turns the schedule around. Start at a tenth of the highest rate, go *up* to it in a straight line over
# half of the training, come down again, and spend the last tenth far below the start. A rate that could never be kept from the first
# step on, or for long, can be passed through, and while it lasts it acts as a regularizer.
#
# The chapter's form is one setting of `OneCycle`, which has PyTorch's names: linear, three phases, from a tenth of the maximum, down to a thousandth of
# that at the end. With batches of 128, since long steps want better gradients.

# %%
iterations = int(np.ceil(len(x_train) / 128)) * n_epochs
last_iterations = iterations // 10 + 1
half = (iterations - last_iterations) // 2

one_cycle = OneCycle(
    max_lr=0.05,
    total_steps=iterations + 1,
    pct_start=(half + 1) / (iterations + 1),
    anneal_strategy="linear",
    div_factor=10,
    final_div_factor=1000,
    three_phase=True,
)
runs["1cycle"] = train("1cycle", SGD(one_cycle), batch_size=128)
schedules["1cycle"] = one_cycle

# %% tags=["figure", "cover"]
fig, (above, below) = plt.subplots(2, 1, figsize=(8.6, 7.4), sharex=True, height_ratios=[1, 1.2])
palette = dict(
    zip(runs, ["#595959", "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#D55E00"], strict=True)
)
for name, run in runs.items():
    style = dict(color=palette[name], linewidth=3 if name == "1cycle" else 1.8, label=name)
    above.plot(numbers, run["rate"], **style)
    below.plot(numbers, run["val_loss"], **style)
above.set(
    yscale="log", ylabel="learning rate", title="Seven schedules: the rate above, what came of it below"
)
below.set(xlabel="epoch", ylabel="validation loss")
below.xaxis.set_major_locator(MaxNLocator(integer=True))
fig.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=3)
lesson.save_figure(fig, "seven-schedules")
plt.show()

# %%
there = runs["1cycle"]["val_accuracy"][-1]


def seconds_until(accuracy, run):
    """When a training first reached an accuracy; where it never did, when it ended."""
    reached = [s for s, a in zip(run["seconds"], run["val_accuracy"]) if a >= accuracy]
    return reached[0] if reached else run["seconds"][-1]


print("                          validation   seconds   seconds until 1cycle's accuracy")
for name, run in runs.items():
    until = seconds_until(there, run)
    reached = "" if max(run["val_accuracy"]) >= there else "  (never)"
    print(f"{name:25}{run['val_accuracy'][-1]:11.4f}{run['seconds'][-1]:10.0f}{until:12.0f}{reached}")

# %%
for number, run in enumerate(runs.values(), start=1):  # in the chapter's order
    lesson.record(f"S5.cE{number}", val_accuracy=run["val_accuracy"][-1])

others = [seconds_until(there, run) for name, run in runs.items() if name != "1cycle"]
lesson.record("S5.cE8", others=others, one_cycle=[seconds_until(there, runs["1cycle"])] * len(others))

# %% [markdown]
# Look first at how little the accuracies differ: by a point or so, but for the piecewise constant one, whose loss was the most restless all along. (It also
# keeps Nadam at a high rate for longest; one run does not show that this is why. With another seed it may end among the others.) Then at the losses, where the nets fall into two groups.
# Nadam, and momentum on its plateaus, have their lowest loss somewhere half-way and climb from there: they are past learning and memorize, ever more sure of
# their mistakes. Plain gradient descent, with power, exponential or 1cycle, does not turn up at all.
#
# So is 1cycle the fastest? It needs a quarter of the steps, which is a matter of its batches. In most of our runs the rest come to its last accuracy later than 1cycle itself, or never; but not
# in all, and reduce on plateau is hard on its heels. And the seven differ in optimizer, batch size, first rate *and* schedule, so **no line in this figure shows
# what a schedule does**. The chapter does not claim it does; readers of such figures often do. Question 4 asks for the runs that would.
#
# ## Verdicts
#
# What a published run of the chapter's notebook prints, measured over several seeds on two software stacks, in full mode on the real
# Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("08_learning_rate_schedules")

# %% [markdown]
# ## What to take away
#
# - A schedule is a function of the step. Draw it before you train with it.
# - Know the unit: steps or epochs, counted from 0 or from 1, and which side a boundary belongs to.
# - Look for the first rate with a finder, and read it from the losses of single batches.
# - Compare schedules by what they cost as well as by where they end.
#
# **Today** most large nets are trained with a warm-up and half a cosine (`keras.optimizers.schedules.CosineDecay` has both). 1cycle is the fast choice where the
# length of the training is known beforehand, and reduce-on-plateau where it is not.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** You planned 25 epochs, and stop after 12. What have you got with 1cycle, and what with the exponential schedule? Which of the two has to
# know the length of the training beforehand?
#
# <details><summary>An answer</summary>
#
# 1cycle is then near its highest rate. All of the way down, which is to turn the progress into a low loss, is missing, so this is no shorter
# training but a broken one. The exponential schedule has no end: it stops at a rate that is higher than it would have been, and nothing else is lost.
# Only 1cycle has to know the length.
#
# </details>
#
# **2.** A callback multiplies the rate by $0.1^{1/s}$ after every batch. Somebody compiles the model with fifty steps per execution, to make
# it faster. How does the rate move now, and how would you notice?
#
# <details><summary>An answer</summary>
#
# Keras calls the callback once for every fifty steps, so the rate falls fifty times more slowly and the net trains on at nearly the first rate.
# Nothing fails and nothing warns. Only whoever draws the rate beside the loss sees it. A schedule is computed inside the program,
# and knows the step whatever the number of steps per execution.
#
# </details>
#
# **3.** Your validation set is small. What does its noise do to “reduce on plateau”, and what can you do about it?
#
# <details><summary>An answer</summary>
#
# A lucky epoch sets a record that the following ones miss, although the net is still learning. Five misses, and the rate is halved too early, perhaps
# several times over. More patience, a larger validation set, or a smoothed loss to watch make the rule less nervous. All of them also
# make it slower.
#
# </details>
#
# **4.** No line in the last figure shows what a schedule does. Which runs would?
#
# <details><summary>An answer</summary>
#
# Runs that differ in nothing else: one optimizer, one batch size, one number of epochs. Each schedule gets the first or highest rate
# that suits it, chosen on validation images, because at a shared rate you compare the rate (lesson 07). Then several seeds for each, the same ones for all, and test
# images that had no say.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a notebook of their own](solutions/08_learning_rate_schedules.ipynb); any code that does what the card asks passes.

# %% tags=["given"]
import keras
import numpy as np
import tensorflow as tf

from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · The right side of the boundary
#
# *10 minutes.* **What.** The chapter's rate changes *when the epochs 5 and 15 begin*, counted from 0. Write `keras_boundaries`, which turns such
# epochs into boundaries for Keras' own `PiecewiseConstantDecay`. That one counts steps from 0 and still has the old rate at the boundary. The examples need not fill
# the last batch of an epoch.
#
# **Why.** Three conventions meet here, and a mistake in any of them shows in no error message: what is counted, where counting
# begins, and whose side the boundary is on.


# %% tags=["exercise"]
def keras_boundaries(epochs, examples, batch_size):
    """The boundaries, a list of steps, for rates that change at the start of each of the epochs (a list)."""
    ...


# %% tags=["solution"]
def keras_boundaries(epochs, examples, batch_size):
    """The boundaries, a list of steps, for rates that change at the start of each of the epochs (a list)."""
    steps_per_epoch = int(np.ceil(examples / batch_size))
    return [epoch * steps_per_epoch - 1 for epoch in epochs]


# %% tags=["check"]
check("keras_boundaries")

# %% tags=["solution"]
steps_per_epoch = int(np.ceil(55_000 / 32))
boundaries = keras_boundaries([5, 15], 55_000, 32)
keras_own = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, [0.01, 0.005, 0.001])
print("step     epoch   Keras' rate   the chapter's")
for step in (boundaries[0], boundaries[0] + 1, boundaries[1], boundaries[1] + 1):
    epoch = step // steps_per_epoch
    chapter = 0.01 if epoch < 5 else 0.005 if epoch < 15 else 0.001
    print(f"{step:<9}{epoch:5}{float(keras_own(step)):14.3f}{chapter:16.3f}")

# %% [markdown] tags=["solution"]
# The boundary is the last step of the epoch before, and the rate changes with the first step of the next. The course's `PiecewiseConstant` does that
# reckoning itself: it takes epochs, and the number of steps in one.

# %% [markdown] tags=["exercise"]
# ### 2 · Warm-up and half a cosine
#
# *20 minutes.* **What.** Write the schedule of many of today's large nets. From 0 in step 0 the rate rises in a straight line to `peak` in step `warmup`. From there it
# falls along half a cosine to 0 in step `total`, and stays there. Keras hands `__call__` the step as a tensor, of which, in a
# training, only TensorFlow knows the value.
#
# **Why.** Whatever schedule you find in a paper, you can train with it once it is a function of the step. It has to be a function of tensors, though: a schedule
# with an `if` can be drawn, and fails in `fit`.


# %% tags=["exercise"]
class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Up to peak in so many steps of warm-up, then down to 0 in step total, along half a cosine."""

    def __init__(self, peak, warmup, total):
        self.peak, self.warmup, self.total = peak, warmup, total

    def __call__(self, step):
        """The rate in this step, which counts from 0."""
        step = tf.cast(step, tf.float32)
        return ...


# %% tags=["solution"]
class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Up to peak in so many steps of warm-up, then down to 0 in step total, along half a cosine."""

    def __init__(self, peak, warmup, total):
        self.peak, self.warmup, self.total = peak, warmup, total

    def __call__(self, step):
        """The rate in this step, which counts from 0."""
        step = tf.cast(step, tf.float32)
        way_down = tf.minimum((step - self.warmup) / (self.total - self.warmup), 1)
        cosine = (1 + tf.cos(np.pi * way_down)) / 2
        return self.peak * tf.where(step < self.warmup, step / self.warmup, cosine)


# %% tags=["check"]
check("WarmCosine")

# %% tags=["solution"]
import matplotlib.pyplot as plt

from course_utils import plotting
from course_utils.data import load_fashion_mnist
from course_utils.schedules import OneCycle
from course_utils.training import shuffled

# %% tags=["solution"]
total = 25 * 430
ours = WarmCosine(0.05, warmup=430, total=total)
keras_own = keras.optimizers.schedules.CosineDecay(0.0, total - 430, warmup_target=0.05, warmup_steps=430)
apart = max(abs(float(ours(step)) - float(keras_own(step))) for step in range(0, total + 100, 215))
print(f"largest difference from Keras' own CosineDecay: {apart:.0e}")

fig, ax = plt.subplots(figsize=(7.6, 4))
plotting.schedule(ours, total, steps_per_epoch=430, label="warm-up and half a cosine", ax=ax)
plotting.schedule(OneCycle(0.05, total), total, steps_per_epoch=430, label="1cycle, PyTorch's form", ax=ax)
ax.lines[-1].set_linestyle("--")
ax.set_title("One has its peak after an epoch, the other after 30 % of all steps")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# They differ most in where the peak is. Both end along a cosine, at zero or close to it; 1cycle also goes up along one, and from a little above zero.
# Keras has the first one built in. Mind its arguments: there the number of steps is that of the cosine alone, without the warm-up.

# %% [markdown] tags=["exercise"]
# ### 3 · The losses behind the running mean
#
# *20 minutes.* **What.** In a callback `logs["loss"]` is the mean over all examples *since the epoch began*. Write `batch_losses`, which gives every
# batch's own mean loss from those values and the sizes of the batches. The last batch of an epoch is usually smaller.
#
# **Why.** A range test read from the running mean comes down late and goes up late. What a callback collects is not wrong, however; it only
# has to be undone.


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


# %% tags=["solution"]
class RangeTest(keras.callbacks.Callback):
    def __init__(self, rates):
        super().__init__()
        self.rates, self.logged = rates, []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = float(self.rates[batch])

    def on_train_batch_end(self, batch, logs=None):
        self.logged.append(logs["loss"])


fashion = lesson.data(load_fashion_mnist(validation=5_000))
x, y = fashion.x_train[:20_000] / np.float32(255), fashion.y_train[:20_000]
sizes = np.array([len(x[begin : begin + 64]) for begin in range(0, len(x), 64)])
rates = np.geomspace(1e-4, 10, len(sizes))

# %% tags=["solution"]
layers = keras.layers
net = keras.Sequential(
    [
        keras.Input((28, 28)),
        layers.Flatten(),
        layers.Dense(100, activation="relu", kernel_initializer="he_normal"),
        layers.Dense(10, activation="softmax"),
    ]
)
one_by_one = lesson.fast | {"steps_per_execution": 1}
net.compile(keras.optimizers.SGD(), "sparse_categorical_crossentropy", **one_by_one)
test = RangeTest(rates)
net.fit(shuffled(x, y, 64), verbose=0, callbacks=[test])
losses = batch_losses(np.array(test.logged), sizes)

# %% tags=["solution"]
fig, ax = plt.subplots(figsize=(7.6, 4))
ax.plot(rates, losses, ".", color="#595959", label="each batch, worked out from them")
ax.plot(rates, test.logged, "--", color="#D55E00", label='logs["loss"]')
ax.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(0, 1.5 * losses[0]))
ax.set_title("The running mean comes down late and goes up late")
ax.legend(loc="upper left")
plt.show()
for name, values in [('logs["loss"]', test.logged), ("each batch", losses)]:
    print(f"lowest {name:13} {np.min(values):.2f} at a rate of {rates[np.argmin(values)]:.2f}")

# %% [markdown] tags=["solution"]
# Both come from the same training; only what is read from it differs. The running mean is lowest at a higher rate, where single batches jump up and down and are
# well above their lowest already. And it hides how low the loss has been. (Which single batch is the lowest is partly luck; read the band of points.)

# %% [markdown]
# ## References
#
# - L. N. Smith, *Cyclical Learning Rates for Training Neural Networks*, 2015, [arXiv:1506.01186](https://arxiv.org/abs/1506.01186): the range test, in
#   section 3.3.
# - L. N. Smith, N. Topin, *Super-Convergence*, 2017, [arXiv:1708.07120](https://arxiv.org/abs/1708.07120): 1cycle.
# - A. Senior, G. Heigold, M. Ranzato, K. Yang, *An empirical study of learning rates in deep neural networks for speech recognition*, 2013: power,
#   exponential, piecewise and performance scheduling side by side.
