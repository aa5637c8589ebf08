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
# The learning rate is the setting that matters most, and often no single rate is good for a whole training. At the start, a high rate saves time.
# Near the end, it keeps the net away from the best weights. A *schedule* changes the rate while the net trains. This lesson writes a schedule, draws
# the common ones, and trains with all of them. Then it asks what the source does not ask: do they beat one good constant rate?
#
# - **You will learn:** to write a schedule as a function of the step; to tell steps from epochs; to say in which step a rate changes; what “reduce on
#   plateau” does; how to compare schedules and nothing else.
# - **You need:** a dense net in Keras, and optimizers ([lesson 07](07_optimizers_and_clipping.ipynb)).
# - **Reproduces:** *Training Deep Neural Networks*, part E (chapter 11 of A. Géron's *Hands-On Machine Learning*, second edition, 2019; notebook of
#   25 September 2020). The learning-rate finder and 1cycle follow in [lesson 09](09_lr_finder_and_1cycle.ipynb).
# - **Time:** about 20 minutes to read; a run takes as long as the line above says, in quick mode under a minute.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("08_learning_rate_schedules")

# %% tags=["needed"]
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

from course_utils import plotting
from course_utils.data import load_fashion_mnist
from course_utils.schedules import Exponential, PiecewiseConstant, Power
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## One rate for the whole training?
#
# Start with the smallest training there is: one weight $w$ with the loss $w^2/2$. Its best value is 0, and its gradient is $w$. But a batch is only a
# sample of the data. So each step uses the gradient plus noise, here a random number with standard deviation 1. The weight starts at 10.
#
# We train it with a large constant rate, with a small constant rate, and with a rate that falls. **Which weight is closest to 0 after 5 steps? After
# 20? After 400?**


# %%
def distances(rate):
    """How far from 0 the weight is after each step: the root mean square over 500 trainings."""
    random = np.random.default_rng(lesson.seed)
    weights, found = np.full(500, 10.0), []
    for step in range(400):
        gradients = weights + random.normal(size=500)
        weights = weights - rate(step) * gradients
        found.append(np.sqrt(np.mean(weights**2)))
    return found


walks = {
    "large: 0.5": distances(lambda step: 0.5),
    "small: 0.02": distances(lambda step: 0.02),
    "falling: 0.5 / (1 + step / 5)": distances(lambda step: 0.5 / (1 + step / 5)),
}
pd.DataFrame(walks, index=range(1, 401)).loc[[5, 20, 400]].rename_axis("after step").round(2)

# %% tags=["figure"] alt="Distance from the best weight over 400 steps, on a logarithmic axis. The large rate comes close within a few steps and then stays at one distance. The small rate comes down slowly and ends lower. The falling rate comes down almost as fast as the large one, and ends lowest."
fig, ax = plt.subplots()
for (name, walk), colour in zip(walks.items(), plotting.OTHERS[2:]):
    ax.plot(range(1, 401), walk, color=colour, label=f"rate {name}")
ax.set(yscale="log", xlabel="step", ylabel="distance from the best weight")
ax.set_title("A constant rate stops at some distance; a falling rate gets nearer")
ax.legend()
plt.show()

# %% [markdown]
# With the large rate the weight is near 0 after a few steps. Then it gets no nearer, because each step also follows the noise of its batch. With the
# small rate it gets nearer, but only after far more steps. The falling rate is almost as fast as the large one, and ends nearest. This is the reason
# for schedules. (A net has many weights. At the end of the lesson we measure whether a net gains anything.)
#
# ## A schedule is a function of the step
#
# A *step* is one update of the weights, from one batch. Steps are counted from 0 through the whole training. A schedule takes the number of a step
# and returns its rate. In Keras a schedule is a class with a method `__call__`:


# %%
class PowerByHand(keras.optimizers.schedules.LearningRateSchedule):
    """Power scheduling: the first rate, divided by 1 + step / s."""

    def __init__(self, first_rate, s):
        self.first_rate, self.s = first_rate, s

    def __call__(self, step):
        return self.first_rate / (1 + tf.cast(step, tf.float32) / self.s)


# %% [markdown]
# Give the schedule to an optimizer in place of a number. The optimizer calls it in every step. To see this, take a single weight and tell the
# optimizer that its gradient is always 1. Plain gradient descent then moves the weight by exactly the rate:

# %% tags=["nbval-check-output"]
unit = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
unit.build((None, 1))
optimizer = keras.optimizers.SGD(PowerByHand(0.01, s=2))
places = [0.0]
for _ in range(5):
    optimizer.apply_gradients([(tf.ones((1, 1)), unit.kernel)])
    places.append(unit.get_weights()[0].item())
formula = [0.01 / (1 + step / 2) for step in range(5)]
pd.DataFrame({"rate by the formula": formula, "how far the weight moved": -np.diff(places)}).round(5)

# %% [markdown]
# The chapter has these schedules. $\eta_0$ is the first rate, and $t$ is the step:
#
# - **Power:** $\eta_0/(1+t/s)^c$, with $c=1$. After $s$ steps the rate is a half of $\eta_0$, after $2s$ steps a third. It falls fast at first, then
#   ever more slowly. The chapter writes `decay=1e-4` (older Keras), which means $s=10{,}000$.
# - **Exponential:** $\eta_0 \cdot 0.1^{t/s}$. Every $s$ steps divide the rate by ten. In the chapter the rate first changes in every epoch, then in
#   every step.
# - **Piecewise constant:** the rate stays the same, and drops at chosen times.
#
# The course's `Power`, `Exponential` and `PiecewiseConstant` are classes like `PowerByHand`. They also check their arguments, are saved with the net,
# and can count epochs.
#
# ### How many steps are 20 epochs?
#
# The data are Fashion-MNIST in batches of 32. The first 5,000 images are kept for validation. Each pixel is *standardized*: over the training images
# it has mean 0 and standard deviation 1.

# %% tags=["needed"]
fashion = lesson.data(load_fashion_mnist(validation=5_000))
pixel_mean, pixel_std = fashion.x_train.mean(axis=0), fashion.x_train.std(axis=0)
pixel_std[pixel_std == 0] = 1  # happens only with the few images of quick mode
x_train, x_valid = (
    ((x - pixel_mean) / pixel_std).astype("float32") for x in (fashion.x_train, fashion.x_valid)
)
y_train, y_valid = fashion.y_train, fashion.y_valid

# %%
n_epochs = 25
steps_per_epoch = int(np.ceil(len(x_train) / 32))
s = 20 * len(x_train) // 32  # the chapter's line for "the steps in 20 epochs"
print("images:", len(x_train), " steps in 20 epochs of fit:", 20 * steps_per_epoch, " the chapter's s:", s)

# %% [markdown]
# $55{,}000/32 = 1718.75$. So an epoch has 1,718 full batches and a smaller last one: 1,719 steps. The chapter counts in two other ways. Its $s$ is
# $20 \cdot 55{,}000/32 = 34{,}375$, five steps less than `fit` makes. For one figure and one list of boundaries it rounds down to 1,718 steps an
# epoch. Such differences do not matter for a training. But they explain why two programs that “do the same” print different rates. We keep the
# chapter's $s$ where it uses it.

# %%
n = steps_per_epoch
schedules = {
    "power": Power(0.01, decay_steps=10_000),
    "exponential, by epoch": Exponential(0.01, decay_steps=20, steps_per_epoch=n),
    "exponential, by step": Exponential(0.01, decay_steps=s),
    "piecewise constant": PiecewiseConstant([5, 15], [0.01, 0.005, 0.001], steps_per_epoch=n),
    "Keras' ExponentialDecay": keras.optimizers.schedules.ExponentialDecay(0.01, s, 0.1),
}

# %% [markdown]
# **Before you look:** which schedule keeps its first rate longest? And when has each one fallen to a half of it, and to a tenth?

# %% tags=["figure"] alt="The learning rate over 25 epochs for four schedules that start at 0.01. Piecewise constant stays at 0.01 for five epochs, at 0.005 until epoch 15, then at 0.001. The two exponential schedules fall together, one in stairs and one smoothly. Power falls fastest at first and is the highest of all at the end."
fig, ax = plt.subplots(figsize=(8, 4.2))
steps = np.linspace(0, n_epochs * n - 1, 2000).astype(int)
for name in list(schedules)[:4]:
    rates = schedules[name](tf.constant(steps))
    ax.plot(steps / n, rates, color=plotting.colour(name, ax), label=name)
ax.set(xlabel="epochs completed", ylabel="learning rate", ylim=(0, None))
ax.set_title("Power ends highest; piecewise constant keeps its first rate longest")
ax.legend()
plt.show()


# %%
def epochs_until(share, schedule):
    """After how many epochs the rate is down to a share of the first one; None if not in 100 epochs."""
    rates = np.array(schedule(tf.range(100 * n)))
    low = np.flatnonzero(rates <= share * rates[0] * (1 + 1e-6))
    return round(low[0] / n, 2) if len(low) else None


rows = {
    name: {
        "a half after (epochs)": epochs_until(1 / 2, schedule),
        "a tenth after (epochs)": epochs_until(1 / 10, schedule),
        "rate of the last step": round(float(schedule(n_epochs * n - 1)), 5),
    }
    for name, schedule in schedules.items()
}
pd.DataFrame(rows).T

# %% [markdown]
# Piecewise constant keeps its first rate longest, for five epochs. It is also the first to fall to a tenth, after 15 epochs. The two exponential
# schedules reach a tenth after 20 epochs. Power reaches a half a little before these two, but no tenth within the 25 epochs. Keras' own
# `ExponentialDecay` is the same function as our exponential schedule by step. (In quick mode an epoch has fewer steps, so there power hardly falls.)

# %% [markdown]
# ### On which side of the boundary?
#
# “`0.01` up to epoch 5, then `0.005`.” Is epoch 5 the last one with the old rate, or the first one with the new rate? The chapter writes the rule by
# hand, and then as a function that makes such rules. Both take the number of the epoch, and Keras counts epochs from 0:


# %%
def by_hand(epoch):
    return 0.01 if epoch < 5 else 0.005 if epoch < 15 else 0.001


def piecewise_constant(boundaries, values):
    def rate(epoch):
        return values[np.searchsorted(boundaries, epoch, side="right")]

    return rate


# %% tags=["nbval-check-output"]
keras_own = keras.optimizers.schedules.PiecewiseConstantDecay([5 * n, 15 * n], [0.01, 0.005, 0.001])
from_lists = piecewise_constant([5, 15], [0.01, 0.005, 0.001])
moments = {"epoch 4, last step": 5 * n - 1, "epoch 5, first step": 5 * n, "epoch 5, second step": 5 * n + 1}
rows = {
    moment: {
        "by hand": by_hand(step // n),
        "from lists": from_lists(step // n),
        "course": float(schedules["piecewise constant"](step)),
        "Keras' own": float(keras_own(step)),
    }
    for moment, step in moments.items()
}
pd.DataFrame(rows).T.round(4)

# %% [markdown]
# In the chapter's rule, epochs 0 to 4 have the first rate. These are five epochs, so the figure above drops at “5 epochs completed”. Epoch 5 is the
# first one with the new rate.
#
# Keras' `PiecewiseConstantDecay` counts steps. In the step *at* the boundary it still has the old rate, so it changes one step later. (The chapter's
# own boundaries for it are $5 \cdot 1718$ and $15 \cdot 1718$, so its rate drops a few steps too early.) A few steps do no harm, but an epoch can.
# That mistake is easy to make: Keras prints epoch 5 as “Epoch 6”.
#
# ### From outside: callbacks
#
# A callback can also set the rate, from outside, between two steps. Keras' `LearningRateScheduler` does so before each epoch. It takes a function of
# the epoch, or of the epoch and the current rate. The chapter makes the first kind with a function that returns a function:


# %%
def exponential_decay(first_rate, s):
    def rate(epoch):
        return first_rate * 0.1 ** (epoch / s)

    return rate


def from_the_current_rate(epoch, current):
    return current * 0.1 ** (1 / 20)


# %% [markdown]
# `from_the_current_rate` needs no first rate, because it multiplies the current one. But it also multiplies before the first epoch. So it is always
# *one epoch ahead* of the other function.
#
# For a rate that changes in every step, the chapter writes a callback. It multiplies the rate before each batch. (The chapter's method reads a
# variable `s` of the notebook, not `self.s`. That works only while the two are equal. Here it is `self.s`.)


# %%
class ExponentialDecay(keras.callbacks.Callback):
    def __init__(self, s):
        super().__init__()
        self.s = s

    def on_train_batch_begin(self, batch, logs=None):
        rate = float(self.model.optimizer.learning_rate)
        self.model.optimizer.learning_rate = rate * 0.1 ** (1 / self.s)

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)  # for the history


# %% [markdown]
# A callback runs in Python, *between* two calls of TensorFlow. To save time, Keras can make several steps in one call (`steps_per_execution`). **What
# does the callback do then?** Here are 16 steps. After them the rate should be a tenth of the first rate:


# %% tags=["nbval-check-output"]
def after_16_steps(optimizer, steps_per_call, callbacks=()):
    net = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(optimizer, loss, steps_per_execution=steps_per_call)
    net.fit(x_train[:512], y_train[:512], batch_size=32, verbose=0, callbacks=list(callbacks))
    return optimizer


SGD, Nadam = keras.optimizers.SGD, keras.optimizers.Nadam
falling = Exponential(0.01, decay_steps=16)
found = {
    "callback, 1 step a call": after_16_steps(SGD(0.01), 1, [ExponentialDecay(s=16)]).learning_rate,
    "callback, 8 steps a call": after_16_steps(SGD(0.01), 8, [ExponentialDecay(s=16)]).learning_rate,
    "schedule, 8 steps a call": falling(after_16_steps(SGD(falling), 8).iterations),
}
pd.DataFrame({"rate after 16 steps": {name: round(float(rate), 4) for name, rate in found.items()}})

# %% [markdown]
# With eight steps in a call, the callback ran twice instead of 16 times. So the rate fell by only a quarter, because $0.1^{2/16} \approx 0.75$. There
# was no error and no warning. A schedule is a part of the step itself, so its rate is always right. It is also saved with the net. So below, all
# rates that change in every step come from schedules. (A callback that acts once in an epoch is safe.)
#
# <details><summary>Aside: what older books write, and what to write today</summary>
#
# The chapter was written for Keras 2.2. Today some of its code fails, and some of its settings are ignored.
#
# | older code | Keras 2.11 to 2.15 | Keras 3 | write today |
# |---|---|---|---|
# | `SGD(lr=0.02)` | a warning; the rate is the default | an error | `SGD(learning_rate=0.02)` |
# | `SGD(decay=1e-4)` | an error | a warning, and no decay | `SGD(Power(0.01, decay_steps=10_000))` |
# | `K.get_value(optimizer.lr)` | works | an error | `float(optimizer.learning_rate)` |
# | `K.set_value(optimizer.lr, 0.1)` | works | an error | `optimizer.learning_rate = 0.1` |
# | `history["lr"]` | works | an error | `history["learning_rate"]`, in Keras 3 |
#
# The whole table is on the page [From Keras 2 to Keras 3](../docs/keras_2_to_3.md).
#
# </details>
#
# ## The chapter's six schedules
#
# We now run the chapter's trainings with its own settings: 300-100-10 units, SELU, LeCun's weights, 25 epochs, batches of 32. They use three
# optimizers:
#
# - plain gradient descent (SGD): power, and Keras' `ExponentialDecay`;
# - Nadam: exponential by epoch, exponential by step, piecewise constant;
# - SGD with momentum `0.9`: **reduce on plateau**.
#
# Reduce on plateau is no function of the step. A callback halves the rate (factor `0.5`) when the validation loss has not reached a new lowest value
# for five epochs (patience 5). The first rate is `0.02`.


# %% tags=["needed"]
def selu_net(optimizer, seed=lesson.seed):
    keras.utils.set_random_seed(seed)
    dense, settings = keras.layers.Dense, dict(activation="selu", kernel_initializer="lecun_normal")
    layers = [keras.layers.Flatten(), dense(300, **settings), dense(100, **settings)]
    net = keras.Sequential([keras.Input((28, 28)), *layers, dense(10, activation="softmax")])
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


# %%
by_epoch = keras.callbacks.LearningRateScheduler(exponential_decay(0.01, s=20))
in_pieces = keras.callbacks.LearningRateScheduler(piecewise_constant([5, 15], [0.01, 0.005, 0.001]))
plateau = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=5)
chapter = {  # optimizer, callback
    "power": (SGD(schedules["power"]), None),
    "exponential, by epoch": (Nadam(), by_epoch),
    "exponential, by step": (Nadam(schedules["exponential, by step"]), None),
    "piecewise constant": (Nadam(), in_pieces),
    "on plateau": (SGD(0.02, momentum=0.9), plateau),
    "Keras' ExponentialDecay": (SGD(schedules["Keras' ExponentialDecay"]), None),
}

# %%
runs = {}
for name, (optimizer, callback) in progress_bar(chapter.items(), "six schedules", unit="net"):
    runs[name] = fit(
        selu_net(optimizer),
        x_train,
        y_train,
        epochs=n_epochs,
        validation_data=(x_valid, y_valid),
        callbacks=callback,
        verbose=0,
    ).history

# %%
stored = dict(zip(runs, [0.8934, 0.8850, 0.8952, 0.8714, 0.8940, 0.8892]))
rows = {
    name: {
        "optimizer": "momentum" if name == "on plateau" else type(chapter[name][0]).__name__,
        "training accuracy": run["accuracy"][-1],
        "validation accuracy": run["val_accuracy"][-1],
        "stored output of revision e7658ef": stored[name],
    }
    for name, run in runs.items()
}
pd.DataFrame.from_dict(rows, orient="index").round(4)

# %% tags=["record"]
for number, run in enumerate(runs.values(), start=1):  # in the chapter's order
    lesson.record(f"S5.cE{number}", val_accuracy=run["val_accuracy"][-1])

# %% [markdown]
# The figure shows rates and validation losses, in one column for each optimizer:

# %% tags=["figure", "cover"] alt="Two rows of three panels, one column for each optimizer. Above, the learning rate over 25 epochs on a logarithmic axis. Below, the validation loss. With plain SGD the loss falls and stays low. With Nadam it jumps up and down and ends high. With momentum and reduce on plateau it falls, then rises again while the rate is halved."
columns = {
    "SGD": ["power", "Keras' ExponentialDecay"],
    "Nadam": ["exponential, by epoch", "exponential, by step", "piecewise constant"],
    "momentum": ["on plateau"],
}
fig, panels = plt.subplots(2, 3, figsize=(11.5, 6.4), sharex=True, sharey="row")
for (optimizer, names), (above, below) in zip(columns.items(), panels.T):
    for name in names:
        style = dict(color=plotting.colour(name, above), label=name)
        trained = len(runs[name]["loss"])
        if name == "on plateau":
            rates = runs[name].get("learning_rate", runs[name].get("lr"))
            above.stairs(rates, range(trained + 1), baseline=None, linewidth=2, **style)
        else:
            steps = np.linspace(0, trained * n - 1, 500).astype(int)
            above.plot(steps / n, schedules[name](tf.constant(steps)), **style)
        dash = "--" if name == "power" else "-"  # it lies on the other one
        below.plot(range(1, trained + 1), runs[name]["val_loss"], dash, marker=".", zorder=3, **style)
    above.set(title=optimizer, yscale="log")
    below.set(xlabel="epochs completed")
    below.legend(fontsize=9)
panels[0, 0].set_ylabel("learning rate")
panels[1, 0].set_ylabel("validation loss")
fig.suptitle("The validation loss is calm with SGD, and jumps with Nadam and momentum", weight="bold")
plt.show()

# %% [markdown]
# The final accuracies differ little; piecewise constant is often the lowest, as among the stored outputs. The validation losses differ more:
#
# - With plain SGD the loss falls and then stays low. (Its two curves almost coincide.)
# - With Nadam, from the first rate `0.01`, the loss jumps up and down until the rate is low. It ends far higher.
# - With momentum the loss also jumps. It falls at the first halving of the rate, and later rises. The net becomes more certain of its answers, also
#   of the wrong ones.
#
# At the same rate, different optimizers make steps of different lengths. So we see the effect of the optimizer first of all.
#
# Reduce on plateau has a figure of its own, because here the rate follows from the loss:

# %% tags=["figure"] alt="Two axes over the epochs. On the left axis, as stairs, the learning rate, which starts at 0.02 and is halved several times. On the right axis, the validation loss as triangles and the training loss as a thin line. The training loss goes on falling to the end. The validation loss drops at the first halving, and later rises."
run = runs["on plateau"]
rates = np.array(run.get("learning_rate", run.get("lr")))  # Keras 3, Keras 2
epochs = np.arange(1, len(rates) + 1)
fig, ax = plt.subplots(figsize=(8, 4.2))
ax.stairs(
    rates, np.arange(len(rates) + 1), baseline=None, color=plotting.colour("on plateau", ax), linewidth=2.5
)
ax.set(xlabel="epochs completed", ylim=(0, None))
ax.set_ylabel("learning rate (stairs)", color=plotting.colour("on plateau", ax))
right = ax.twinx()
right.plot(epochs, run["val_loss"], "^-", color=plotting.OTHERS[7], label="validation loss")
right.plot(epochs, run["loss"], "-", color=plotting.OTHERS[7], linewidth=1, label="training loss")
right.set(ylabel="loss", ylim=(0, None))
right.grid(False)
right.spines["right"].set_visible(True)
right.legend(loc="upper right")
ax.set_title("The training loss goes on falling; the validation loss soon rises")
plt.show()

# %% [markdown]
# When five epochs have brought no new lowest validation loss, the rate is halved. After the first halving both losses drop at once, so the steps had
# been too long. Later only the training loss goes on falling. The validation loss rises although the rate is low, because the net now memorizes the
# training images. A lower rate does not prevent that ([lesson 11](11_regularization.ipynb) shows what does). Reduce on plateau also has a price: it
# uses the validation images, so their loss is no longer a fair test of the net.
#
# These six trainings differ in optimizer, first rate *and* schedule. So **no line in these figures shows what a schedule does**, and the chapter does
# not claim that one does. It also has no training with a constant rate. So we need another experiment.
#
# ## One optimizer for all
#
# This question is the course's own: *does a schedule beat a constant rate?* All trainings now have
#
# - the same optimizer (plain gradient descent), batch size (32) and number of epochs (25);
# - the same training images: a fifth of them, so that 25 epochs take seconds;
# - each its own best first rate. With one for all, we would compare the rate ([lesson 07](07_optimizers_and_clipping.ipynb)).
#
# The *shape* of a schedule is a factor that depends on the epoch. The rate is the first rate times this factor. The shapes are the chapter's. Power
# is a half after $10{,}000/1719 \approx 5.8$ epochs, as in the chapter. Reduce on plateau is the callback from above.

# %%
shapes = {
    "constant": lambda epoch: 1.0,
    "power": lambda epoch: 1 / (1 + epoch / 5.8),
    "exponential, by epoch": lambda epoch: 0.1 ** (epoch / 20),
    "piecewise constant": piecewise_constant([5, 15], [1.0, 0.5, 0.1]),
}
few = len(x_train) // 5
net = selu_net(SGD())


def train_with(shape, first_rate, seed):
    """Train the net from a seed with one shape and one first rate; what Keras noted."""
    net.set_weights(selu_net("sgd", seed).get_weights())
    for variable in net.optimizer.variables:  # Keras 2 stores the last step, and nan would stay there
        variable.assign(np.zeros_like(variable.numpy()))
    net.optimizer.learning_rate = first_rate
    if shape == "on plateau":
        callback = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=5)
    else:
        factor = shapes[shape]
        callback = keras.callbacks.LearningRateScheduler(lambda epoch: first_rate * factor(epoch))
    check_on = dict(validation_data=(x_valid, y_valid), validation_batch_size=1000)
    given = dict(epochs=n_epochs, callbacks=callback, verbose=0, **check_on)
    return fit(net, x_train[:few], y_train[:few], **given).history


# %% [markdown]
# First comes a sweep: each shape is trained with four first rates, from one seed. The best one has the highest validation accuracy. One epoch is
# partly luck, so we take the mean over the last five.

# %%
names = [*shapes, "on plateau"]
first_rates = [0.03] if lesson.quick else [0.01, 0.03, 0.1, 0.2]
sweep_seed, *seeds = lesson.seeds(4)
sweep = pd.DataFrame(index=names, columns=first_rates, dtype=float).rename_axis(columns="first rate")
for name in progress_bar(names, f"{len(first_rates)} first rates each", unit="shape"):
    for rate in first_rates:
        sweep.loc[name, rate] = np.mean(train_with(name, rate, sweep_seed)["val_accuracy"][-5:])
best = sweep.idxmax(axis=1)
sweep.assign(**{"best first rate": best}).round(4)

# %% [markdown]
# Then each shape is trained with its best first rate, from other seeds. The sweep has chosen what was best for its own seed, so with that seed every
# row would look too good.
# **How large do you expect the gain to be: ten points of accuracy, one point, a tenth of a point?**

# %%
finals = {name: [] for name in names}
for seed in progress_bar(seeds, "each at its best first rate", unit="seed"):
    for name in names:
        finals[name].append(train_with(name, best[name], seed))

accuracies = {name: [run["val_accuracy"][-1] for run in finals[name]] for name in names}
means = pd.Series({name: np.mean(found) for name, found in accuracies.items()})
gain = (100 * (means - means["constant"])).round(2)
pd.DataFrame({"validation accuracy": means.round(4), "points more than constant": gain})

# %% tags=["record"]
scheduled = [means[name] for name in names if name != "constant"]
lesson.record("S5.qE9", scheduled=scheduled, constant=[means["constant"]] * len(scheduled))

# %% tags=["figure"] alt="Left: validation accuracy over 25 epochs for the constant rate and for the piecewise constant one, a thin curve for each seed. The constant rate's curves jump up and down to the end; the other's become calmer when the rate drops. Right: the validation accuracy after the last epoch, a dot for each seed and a row for each schedule."
fig, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.2), width_ratios=[1.25, 1])
shown = {name: finals[name] for name in ("constant", "piecewise constant")}
plotting.learning_curves(shown, "accuracy", training=False, ax=left)
left.set_title("A falling rate makes the curve calmer")
plotting.seed_dots(accuracies, ax=right)
right.set(xlabel="validation accuracy", title="After the last epoch, a dot for each seed")
plt.show()

# %% [markdown]
# The gain is small, but it costs nothing: the net, the images and the number of steps are the same. The left figure shows where the gain comes from.
# With the constant rate the accuracy still jumps in the last epochs, so the result depends on when you stop. When the piecewise constant rate drops,
# after 5 and 15 epochs, its curve becomes calmer and moves up.
#
# The sweep shows when a schedule helps. At `0.2` every training explodes in the first epochs, and no later fall of the rate repairs it. At low rates
# a schedule gains little or nothing. It gains most at the highest rate that does not explode: first long steps bring fast progress, then short steps
# follow the noise less. Three seeds cannot rank the schedules, because their dots overlap. It matters more that the rate falls than how it falls.
#
# ## Verdicts
#
# The table compares the stored outputs of the chapter's notebook with our runs, and answers the course's own question. The runs have several seeds
# and two software stacks, in full mode on the real Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("08_learning_rate_schedules")

# %% [markdown]
# ## What to take away
#
# - A constant rate stops at some distance from the best weights, because every batch is noisy. A falling rate gets nearer. A net gains a little from
#   this, at no cost.
# - A schedule is a function of the step. Draw it before you train with it.
# - Know what is counted: steps or epochs, from 0 or from 1. Know in which step a rate changes.
# - A callback acts between calls of TensorFlow. A schedule acts in every step.
# - To compare schedules, keep everything else equal, give each its own best first rate, and train from several seeds.
#
# **Today** most large nets are trained with a short warm-up and half a cosine (exercise 2; `keras.optimizers.schedules.CosineDecay` has both). Reduce
# on plateau is still a good choice if you do not know the length of the training.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold our answer.
#
# **1.** You train for 10 epochs, look at the result, and call `fit` again for 10 epochs. What does the rate do in the second call with
# `LearningRateScheduler(exponential_decay(0.01, s=20))`, with `LearningRateScheduler(from_the_current_rate)`, and with the schedule `Exponential` in
# the optimizer?
#
# <details><summary>An answer</summary>
#
# Each call of `fit` counts its epochs from 0 again. So the function of the epoch starts again at the first rate. The function of the current rate
# continues from the last rate and goes on falling. The schedule also continues, because it counts the optimizer's steps, and the optimizer keeps its
# count. (With `fit(..., initial_epoch=10, epochs=20)` the function of the epoch continues as well.)
#
# </details>
#
# **2.** You planned 25 epochs, and now you have time for 50. Which of the chapter's schedules do you have to change? What happens if you do not?
#
# <details><summary>An answer</summary>
#
# Exponential and piecewise constant. After 25 epochs their rates are so low that 25 more epochs change little. Their $s$ and their boundaries should
# grow with the length of the training. Power falls so slowly that it can stay as it is. Reduce on plateau needs no change, because it does not use
# the length of the training.
#
# </details>
#
# **3.** Your validation set is small, so its loss is noisy. What does this noise do to “reduce on plateau”, and what can you do about it?
#
# <details><summary>An answer</summary>
#
# One lucky epoch sets a new lowest loss. The next epochs do not reach it, although the net is still learning. After five of them the rate is halved
# too early, perhaps several times. More patience, a larger validation set, or the training loss in place of the validation loss (`monitor="loss"`)
# make this less likely. More patience also makes the rule slower.
#
# </details>
#
# **4.** Somebody compares a constant rate with an exponential schedule. With the first rate `0.01` for both, the constant rate learns better. With
# the first rate `0.1` for both, the schedule learns better. How can both be true?
#
# <details><summary>An answer</summary>
#
# With the same first rate, the schedule has the lower rate in all later steps. If the first rate is too low, the schedule makes it even lower, and
# learns more slowly. If the first rate is too high for a whole training, only the schedule comes down to a good rate. So both results are about the
# rate, not about the schedule. Each needs its own best first rate.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each exercise has a cell to fill in and a check below it. The check tries your code on its own inputs and answers in a sentence. The solutions are
# in [a notebook of their own](solutions/08_learning_rate_schedules.ipynb). Any code that does what the card asks passes.

# %% tags=["given"]
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · The right side of the boundary
#
# *10 minutes.* **What.** The chapter's rate changes *when epochs 5 and 15 begin*, counted from 0. Write `keras_boundaries`. It turns such epochs into
# boundaries for Keras' own `PiecewiseConstantDecay`. That class counts steps from 0, and in the step at the boundary it still has the old rate. The
# last batch of an epoch may be smaller than the others.
#
# **Why.** You have to get three things right: what is counted, where counting begins, and on which side of the boundary the rate changes. A mistake
# in any of them gives no error message.


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
boundaries = keras_boundaries([5, 15], 55_000, 32)
keras_own = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, [0.01, 0.005, 0.001])
rows = {}
for step in (boundaries[0], boundaries[0] + 1, boundaries[1], boundaries[1] + 1):
    epoch = step // 1719
    chapter = 0.01 if epoch < 5 else 0.005 if epoch < 15 else 0.001
    rows[step] = {"epoch": epoch, "Keras' rate": float(keras_own(step)), "the chapter's": chapter}
pd.DataFrame(rows).T.rename_axis("step").astype({"epoch": int}).round(3)

# %% [markdown] tags=["solution"]
# The boundary is the last step of the epoch before, and the rate changes in the first step of the new epoch. The course's `PiecewiseConstant` does
# this calculation itself, if you give it epochs and the number of steps in an epoch.

# %% [markdown] tags=["exercise"]
# ### 2 · Warm-up and half a cosine
#
# *20 minutes.* **What.** Write the schedule that many of today's large nets use. The rate rises in a straight line from 0 in step 0 to `peak` in step
# `warmup`. This rise is called *warm-up*. Then the rate falls along half a cosine to 0 in step `total`, and stays 0. Keras gives `__call__` the step
# as a tensor. During a training, only TensorFlow knows its value.
#
# **Why.** You can train with any schedule that you find in a paper, if you can write it as a function of the step. But it has to be a function of
# tensors. A schedule with a Python `if` can be drawn, but it fails in `fit`.


# %% tags=["exercise"]
class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Up to peak in `warmup` steps, then down to 0 in step `total`, along half a cosine."""

    def __init__(self, peak, warmup, total):
        self.peak, self.warmup, self.total = peak, warmup, total

    def __call__(self, step):
        """The rate in this step, which counts from 0."""
        step = tf.cast(step, tf.float32)
        return ...


# %% tags=["solution"]
class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Up to peak in `warmup` steps, then down to 0 in step `total`, along half a cosine."""

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

# %% tags=["solution", "figure"] alt="Two schedules over 25 epochs. Warm-up and half a cosine rises in a straight line during the first epoch, then falls slowly, quickly in the middle, and slowly again to zero. The exponential schedule starts at the same peak and falls fastest at once."
n, total = 1719, 25 * 1719
ours = WarmCosine(0.05, warmup=n, total=total)
keras_own = keras.optimizers.schedules.CosineDecay(0.0, total - n, warmup_target=0.05, warmup_steps=n)
apart = max(abs(float(ours(step)) - float(keras_own(step))) for step in range(0, total + 100, 215))
print(f"largest difference from Keras' own CosineDecay: {apart:.0e}")

fig, ax = plt.subplots(figsize=(7.6, 4))
plotting.schedule(ours, total, steps_per_epoch=n, label="warm-up and half a cosine", ax=ax)
exponential = Exponential(0.05, decay_steps=20 * n)
plotting.schedule(exponential, total, steps_per_epoch=n, label="exponential, by step", ax=ax)
ax.set_title("The cosine stays high for longer, and ends at zero")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# Keras has this schedule built in. Note its arguments: there the number of steps is that of the cosine alone, without the warm-up.

# %% [markdown] tags=["exercise"]
# ### 3 · Predict, run, explain: a late drop
#
# *10 minutes.* **Predict.** Two nets train for 25 epochs with plain gradient descent at `0.1`, from the same start, with a fifth of the images. One
# net keeps this rate. The other has a tenth of it after 20 epochs. By how many points will their validation accuracies differ at the end? What will
# the *training* loss do in the first epoch after the drop?
#
# **Run** the cell.
#
# **Explain** what you see. Does a schedule bring its gain little by little, or all at once? Then unfold our explanation.

# %% tags=["predict"] alt="Training loss and validation accuracy over 25 epochs, for a constant rate and for one that drops to a tenth after 20 epochs."
few = len(x_train) // 5
curves = {}
for name, late_rate in [("constant", 0.1), ("a tenth after 20 epochs", 0.01)]:
    steps = int(np.ceil(few / 32))
    net = selu_net(keras.optimizers.SGD(PiecewiseConstant([20], [0.1, late_rate], steps_per_epoch=steps)))
    given = dict(epochs=25, validation_data=(x_valid, y_valid), label=name)
    curves[name] = fit(net, x_train[:few], y_train[:few], **given).history

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
plotting.learning_curves(curves, "loss", validation=False, ax=left)
plotting.learning_curves(curves, "accuracy", training=False, ax=right)
left.set_title("Training loss")
right.set_title("Validation accuracy")
plt.show()
table = pd.DataFrame({name: run["val_accuracy"] for name, run in curves.items()})
table.set_axis(table.index + 1).rename_axis("epoch").tail(6).round(4)

# %% [markdown] tags=["exercise"]
# <details><summary>What happens, and why</summary>
#
# After the drop, the training loss falls by a large part within one epoch. The net has not learned that much in one epoch. The long steps had kept it
# at a distance from better weights, as in the example with one weight. With short steps this distance shrinks at once. The validation accuracy also
# rises, by a point or so, and then changes little. The accuracy of the constant rate goes on jumping. So the difference at the end depends on its
# last jump, and with another seed it may be larger or smaller. A schedule brings most of its gain when the rate drops, not little by little.
#
# </details>

# %% [markdown]
# ## References
#
# - A. Géron, *Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow*, 2nd edition, 2019, chapter 11, and [its notebook](https://github.com/ageron/handson-ml2): the six schedules and their settings.
# - H. Robbins, S. Monro, [*A Stochastic Approximation Method*](https://doi.org/10.1214/aoms/1177729586), 1951: why a rate has to fall where gradients are noisy, and how fast it may.
# - A. Senior, G. Heigold, M. Ranzato, K. Yang, [*An empirical study of learning rates in deep neural networks for speech recognition*](https://research.google/pubs/an-empirical-study-of-learning-rates-in-deep-neural-networks-for-speech-recognition/), 2013: power,
#   exponential, piecewise and performance scheduling side by side.
# - I. Loshchilov, F. Hutter, [*SGDR: Stochastic Gradient Descent with Warm Restarts*](https://arxiv.org/abs/1608.03983), 2016: the cosine.
