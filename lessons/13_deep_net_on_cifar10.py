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
# # 13 · A deep net on CIFAR-10
#
# This lesson trains twenty dense layers of a hundred units each, without convolutions, on small colour photographs. Nobody would choose such a net
# for this task. But it is hard to train, so you can try on it what the course has shown. You build it plain, with batch normalization, with SELU,
# and with dropout. You ask it ten times, and you train it in a hurry. A table of six rows is at the end. **Which row will be the most accurate, and
# which one needs the least time?**
#
# - **You will learn:** to build, train and compare six deep nets by yourself; to stop a training in time and keep its best model; to keep every run
#   in a folder of its own; to choose on validation images and report on test images.
# - **You need:** lessons 01, 02, 09, 11 and 12.
# - **Reproduces:** *Training Deep Neural Networks*, part G: exercise 8, a to f (chapter 11 of A. Géron's *Hands-On Machine Learning*, notebook of
#   the second edition, 2020).
# - **Time:** about two hours to work through; a run takes as long as the line above says (ten minutes or more for the slowest nets), in quick mode
#   under a minute.
#
# This lesson is one long exercise. Each part has a cell to fill in, and a check that answers in a sentence. Then comes a cell that trains what you
# have built. [The solutions](solutions/13_deep_net_on_cifar10.ipynb) show our code, our curves and our conclusions.

# %%
from course_utils.lesson import Lesson

lesson = Lesson("13_deep_net_on_cifar10")

# %%
import tempfile
from pathlib import Path
from types import SimpleNamespace

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter

from course_utils import plotting
from course_utils.checks import check
from course_utils.data import load_cifar10
from course_utils.lr_finder import lr_find
from course_utils.schedules import OneCycle
from course_utils.training import fit_once, progress_bar, tensorboard

# %% [markdown]
# ## The task
#
# CIFAR-10 has photographs of ten kinds of things, with 32 × 32 pixels in three colours. The first 5,000 training images are kept for validation, so
# 45,000 are left to learn from.

# %%
cifar = lesson.data(load_cifar10(validation=5_000))

raw = [images.astype("float32") for images in (cifar.x_train, cifar.x_valid, cifar.x_test)]
y_train, y_valid, y_test = cifar.y_train, cifar.y_valid, cifar.y_test

# %% tags=["figure"] alt="Ten rows of twelve small colour photographs, a row for each class: airplanes, cars, birds, cats, deer, dogs, frogs, horses, ships, trucks."
fig, ax = plt.subplots(figsize=(7.2, 5.4))
plotting.image_grid(cifar.x_train, cifar.y_train, cifar.class_names, per_class=12, ax=ax)
ax.set_title("CIFAR-10: what a net without convolutions sees as 3,072 numbers")
plt.show()

# %% [markdown]
# **The rules.** We choose everything (a rate, an epoch, a net) on the 5,000 *validation* images. We use the 10,000 *test* images once for each net,
# at the end, and choose nothing on them. The chapter chooses *and* reports on the same 5,000 images. The best of many tries on the same images
# looks better than it is. To see how much, compare the columns “validation” and “test” of the table at the end.
#
# One function trains all nets. It uses `fit_once`, which calls `fit` and keeps the result of a finished training on disk. If you start the notebook
# again, finished trainings are loaded and not repeated. (You will write `run_callbacks` in part 2.) In quick mode, plain gradient descent replaces
# Nadam, and a message says so.

# %%
place = Path(tempfile.mkdtemp()) if lesson.quick else Path("runs") / lesson.name
results = {}


def compiled(net, optimizer):
    if lesson.quick and isinstance(optimizer, keras.optimizers.Nadam):
        print(
            "(Quick mode: SGD, not Nadam, whose program for twenty layers takes longer to build than to run.)"
        )
        optimizer = keras.optimizers.SGD(1e-4)
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def accuracy(net, x, y):
    return float(np.mean(np.argmax(net(x, training=False), axis=1) == y))


# %%
def train(name, net, optimizer, data, callbacks, epochs=100, batch_size=32):
    """Train a net on (training, validation, test images), or load the same training; note how good it is."""
    if net is None or data is None or callbacks(place / name) is None:
        print(f"{name}: something above is not filled in yet.")
        return
    settings = dict(epochs=epochs, batch_size=batch_size, callbacks=callbacks, label=name)
    where = dict(folder=place / name, validation_data=(data[1], y_valid))
    run = fit_once(compiled(net, optimizer), data[0], y_train, **where, **settings)
    # If a callback saved the best epoch's model, the net has its weights now; otherwise the last epoch's.
    kept = run.best_epoch if (run.folder / "best.keras").exists() else len(run.history["loss"])
    results[name] = SimpleNamespace(
        net=net,
        run=run,
        epochs=kept,
        seconds=kept * run.seconds_per_epoch,
        valid=run.history["val_accuracy"][kept - 1],
        test=accuracy(net, data[2], y_test),
    )
    how = "loaded" if run.loaded else "trained"
    print(f"{name}: {how}; epoch {kept} of {len(run.history['loss'])} is kept")


# %% [markdown] tags=["exercise"]
# ### 1 · The net (exercise 8a)
#
# *10 minutes.* **What.** Write `deep_net`. It takes images of shape (32, 32, 3) and flattens them. Then come twenty dense layers of a hundred units
# with ELU and He's normal initialization, and an output layer of ten units with softmax. The net takes pixels as they are, from 0 to 255.
#
# **Why.** All later nets are compared with this one, the *plain* net.


# %% tags=["exercise"]
def deep_net():
    """A Keras model: 20 hidden layers of 100 ELU units, He normal; softmax over 10 classes."""
    ...


# %% tags=["solution"]
def deep_net():
    """A Keras model: 20 hidden layers of 100 ELU units, He normal; softmax over 10 classes."""
    hidden = [keras.layers.Dense(100, "elu", kernel_initializer="he_normal") for _ in range(20)]
    output = keras.layers.Dense(10, "softmax")
    return keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), *hidden, output])


# %% tags=["check"]
check("deep_net")

# %% [markdown] tags=["exercise"]
# ### 2 · Stop in time, keep the best, log everything (exercise 8b)
#
# *20 minutes.* **What.** Write `run_callbacks`. It takes the folder of one training (a `Path`; `ModelCheckpoint` of Keras 2 needs `str(path)`), and
# returns a list of Keras callbacks that
#
# - stop the training when the validation loss has not improved for 20 epochs,
# - keep the model with the lowest validation loss in that folder, as `best.keras`,
# - write TensorBoard's logs to its subfolder `logs`.
#
# **Why.** None of these nets needs a hundred epochs, and the last epoch is seldom the best. TensorBoard shows a curve for each folder, so each run
# needs its own.


# %% tags=["exercise"]
def run_callbacks(folder):
    """The callbacks of one training, which keeps its best model and its logs in this folder."""
    ...


# %% tags=["solution"]
def run_callbacks(folder):
    """The callbacks of one training, which keeps its best model and its logs in this folder."""
    # Both watch the validation loss unless told otherwise.
    return [
        keras.callbacks.EarlyStopping(patience=20),
        keras.callbacks.ModelCheckpoint(str(folder / "best.keras"), save_best_only=True),
        keras.callbacks.TensorBoard(folder / "logs"),
    ]


# %% tags=["check"]
check("run_callbacks")

# %% [markdown] tags=["solution"]
# First we search for the learning rate. The chapter tried seven rates, from `0.00001` to `0.01`, for ten epochs each. Then it tried `0.00003` and
# `0.0001` once more, and the value between them, `0.00005`, came out slightly better. Our search is shorter: the same seven rates, but three epochs
# on a third of the images, which is a tenth of the work. Such a search shows which rates are much too low or too high. It does not find the best
# one.

# %% tags=["solution"]
rates = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2]


def search(name, build, data, rates=rates):
    """For each rate, the lowest validation loss of three epochs on a third of the images."""
    lowest = {}
    for rate in progress_bar(rates[3:4] if lesson.quick else rates, f"rates for {name}", unit="rate"):
        lesson.set_seed()
        run = fit_once(
            compiled(build(), keras.optimizers.Nadam(rate)),
            data[0][::3],
            y_train[::3],
            validation_data=(data[1], y_valid),
            epochs=3,
            folder=place / "rates" / f"{name}, {rate:.0e}",
            verbose=0,
        )
        lowest[rate] = np.fmin.reduce(run.history["val_loss"])  # of those that are numbers
    return pd.Series(lowest, name=name)


searched = {"plain": search("plain", deep_net, raw)}
searched["plain"].to_frame("lowest validation loss").rename_axis("rate").round(3)

# %% [markdown] tags=["solution"]
# At the lowest rates the net learns slowly. At `0.0001` and above, the losses differ much less. So this search would choose a rate above the
# chapter's. But three epochs do not show how a long training ends: a high rate can fall behind later. We train at `0.00005`, because we want to
# check the chapter's number. (To try another rate: `train("plain, 0.001", deep_net(), keras.optimizers.Nadam(1e-3), raw, run_callbacks)`.)

# %% [markdown]
# ### Train it
#
# We train with Nadam at `0.00005`, the chapter's choice, in batches of 32, for at most a hundred epochs. This takes some minutes; the bar shows
# the progress.

# %% tags=["uses-answer"]
lesson.set_seed()
train("plain", deep_net(), keras.optimizers.Nadam(5e-5), raw, run_callbacks)

# %% [markdown]
# The logs are in the folder `runs`, one folder for each training. TensorBoard shows them in a notebook, also during a training. Run
# `%load_ext tensorboard`, then `%tensorboard --logdir runs`, or set the switch below to `True`. Our own figures do not need TensorBoard.

# %%
open_tensorboard = False

if open_tensorboard:
    tensorboard(place)


# %%
def curves(results, title):
    """Validation loss and accuracy over the epochs; a dot marks the epoch that was kept."""
    if not results:
        return
    _, panels = plt.subplots(1, 2, figsize=(11.5, 4.2))
    for ax, metric in zip(panels, ("loss", "accuracy")):
        histories = {name: result.run.history for name, result in results.items()}
        plotting.learning_curves(histories, metric, training=False, ax=ax)
        for line in ax.get_lines():
            line.set(linestyle="-", marker="")
        for name, result in results.items():
            value = histories[name]["val_" + metric][result.epochs - 1]
            ax.plot(result.epochs, value, "o", color=plotting.colour(name, ax), markersize=9)
        ax.set_ylabel(f"validation {metric}")
        ax.legend()
    panels[0].set(title=title, ylim=(1.2, 2.4))
    panels[1].set_title("The dot: the epoch that is kept")


# %% tags=["uses-answer", "figure"] alt="Validation loss and accuracy of the plain net over the epochs, with a dot at the kept epoch. The loss falls slowly, then rises a little."
curves(results, "The plain net")
plt.show()

# %% [markdown] tags=["solution"]
# The loss falls for a long time. Then it rises a little, and goes up and down from epoch to epoch. The accuracy hardly changes any more by then.
# The last twenty epochs bring nothing better. But only they show that the epoch with the dot was the best.

# %% [markdown] tags=["exercise"]
# ### 3 · Batch normalization (exercise 8c)
#
# *10 minutes.* **What.** Write `normalized_net`: the same net with batch normalization of its 3,072 inputs, and of the output of each hidden layer
# *before* the ELU. That makes twenty-one normalizations. The dense layers keep their biases, as in the chapter.
#
# **Why.** We ask three questions. Does it converge faster? Does it end better? What does an epoch cost?


# %% tags=["exercise"]
def normalized_net():
    """The deep net with batch normalization after its input and before each ELU."""
    ...


# %% tags=["solution"]
def normalized_net():
    """The deep net with batch normalization after its input and before each ELU."""
    net = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten()])
    net.add(keras.layers.BatchNormalization())
    for _ in range(20):
        net.add(keras.layers.Dense(100, kernel_initializer="he_normal"))
        net.add(keras.layers.BatchNormalization())
        net.add(keras.layers.Activation("elu"))
    net.add(keras.layers.Dense(10, "softmax"))
    return net


# %% tags=["check"]
check("normalized_net")

# %% [markdown]
# Here the chapter takes ten times the plain net's rate, `0.0005`. An epoch takes longer than before.

# %% tags=["uses-answer"]
lesson.set_seed()
train("batch normalization", normalized_net(), keras.optimizers.Nadam(5e-4), raw, run_callbacks)

# %% tags=["uses-answer", "figure"] alt="Validation loss and accuracy of the plain net and of the net with batch normalization over the epochs. The normalized net is far ahead from the first epochs on."
curves(results, "With and without batch normalization")
plt.show()

# %% [markdown] tags=["solution"]
# Faster? Yes: after a few epochs, the normalized net passes the best epoch of the plain net. Better? Yes, by several percentage points. Slower per
# epoch? Yes, because each step computes twenty-one means and variances. The table at the end has the numbers. But two things have changed, the
# normalization and the rate. Part 5 comes back to that.
#
# (A bias right before a normalization has no effect: the normalization subtracts the mean, and the bias with it. The chapter keeps the biases;
# [lesson 02](02_batch_normalization.ipynb) leaves them out.)

# %% [markdown] tags=["exercise"]
# ### 4 · Inputs for SELU
#
# *10 minutes.* **What.** Write `standardized`. It takes training, validation and test images, and returns all three as `float32`. Each of the 3,072
# inputs is shifted and scaled to mean 0 and standard deviation 1. (An input that never varies becomes 0.)
#
# **Why.** The theory of SELU assumes standardized inputs. When you standardize a *test* image, from which images should the mean come?


# %% tags=["exercise"]
def standardized(x_train, x_valid, x_test):
    """Three sets of images, shape (n, 32, 32, 3) each, standardized input by input; a tuple of three."""
    ...


# %% tags=["solution"]
def standardized(x_train, x_valid, x_test):
    """Three sets of images, shape (n, 32, 32, 3) each, standardized input by input; a tuple of three."""
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    deviation = np.where(deviation == 0, 1, deviation)
    return tuple(((x - mean) / deviation).astype("float32") for x in (x_train, x_valid, x_test))


# %% tags=["check"]
check("standardized")

# %% [markdown] tags=["exercise"]
# ### 5 · SELU, and alpha dropout (exercise 8d and e)
#
# *15 minutes.* **What.** Write `selu_net`: the deep net with SELU and LeCun's normal initialization. If `dropout_rate` is above zero, the net drops
# that share of the last hidden layer's outputs, with the kind of dropout that suits SELU. It drops nothing else.
#
# **Why.** SELU keeps the mean and variance of the activations without computing them. [Lesson 01](01_initialization_and_activations.ipynb) says
# what it needs for that. [Lesson 11](11_regularization.ipynb) says which dropout keeps them, too.


# %% tags=["exercise"]
def selu_net(dropout_rate=0.0):
    """The deep net with SELU, LeCun normal; above a rate of 0, alpha dropout before the output layer."""
    ...


# %% tags=["solution"]
def selu_net(dropout_rate=0.0):
    """The deep net with SELU, LeCun normal; above a rate of 0, alpha dropout before the output layer."""
    hidden = [keras.layers.Dense(100, "selu", kernel_initializer="lecun_normal") for _ in range(20)]
    dropout = [keras.layers.AlphaDropout(dropout_rate)] if dropout_rate else []
    output = keras.layers.Dense(10, "softmax")
    return keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), *hidden, *dropout, output])


# %% tags=["check"]
check("selu_net")

# %% [markdown]
# The chapter takes a rate of `0.0007` without dropout, and a rate of `0.0005` with a dropped share of `0.1`.

# %% tags=["uses-answer"]
scaled = standardized(*raw)

lesson.set_seed()
train("SELU", selu_net(), keras.optimizers.Nadam(7e-4), scaled, run_callbacks)

# %% tags=["uses-answer"]
lesson.set_seed()
train("alpha dropout", selu_net(0.1), keras.optimizers.Nadam(5e-4), scaled, run_callbacks)

# %% tags=["uses-answer", "figure"] alt="Validation loss and accuracy of four nets over the epochs. The two SELU nets reach their lowest loss after few epochs; then their loss rises, while the accuracy does not fall for long."
curves(results, "Four nets")
plt.show()

# %% [markdown] tags=["solution"]
# SELU starts about as fast as batch normalization, and its loss turns early. After the dot the *loss* rises, while the *accuracy* stays or still
# grows, apart from single epochs. The net gets as many images right, but it is more and more sure of those that it gets wrong. So the best epoch
# depends on the measure. The chapter uses the loss, and so do we.

# %% [markdown] tags=["solution"]
# **One search for all.** So far we trained every net at the chapter's rate. Is that a fair comparison? The chapter lists the rates that it tried
# only for the plain net and alpha dropout. So we make the same search for three nets:

# %% tags=["solution"]
if not lesson.quick:
    searched["batch normalization"] = search("batch normalization", normalized_net, raw)
    searched["SELU"] = search("SELU", selu_net, scaled)
pd.concat(searched.values(), axis=1).rename_axis("lowest validation loss").round(3)

# %% tags=["solution", "figure"] alt="Lowest validation loss of three short epochs against the learning rate on a log axis, one line for each of three nets. Dashed vertical lines mark the chapter's rates."
fig, ax = plt.subplots(figsize=(7.6, 4.2))
rate_of = {"plain": 5e-5, "batch normalization": 5e-4, "SELU": 7e-4}
for name, losses in searched.items():
    style = dict(color=plotting.colour(name, ax), marker=plotting.marker(name, ax))
    ax.plot(losses.index, losses, label=name, **style)
    ax.axvline(rate_of[name], color=style["color"], linestyle="--", linewidth=1)
ax.axhline(np.log(10), color="grey", linestyle=":")
ax.annotate("guessing", (1e-3, np.log(10)), va="bottom", color="grey")
ax.set(xscale="log", xlabel="learning rate", ylabel="lowest validation loss", ylim=(None, 2.5))
ax.set_title("Three short epochs at seven rates (dashed: the chapter's rates)")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown] tags=["solution"]
# Compare each line's lowest point with the chapter's rate for that net, the dashed line of the same colour. For batch normalization the two are
# close. For the plain net the search suggests a much higher rate, for SELU a lower one. So the chapter's rates do not suit all nets equally well.
# But the plain net's lowest point is still above those of the other two, so the rate is not the whole reason. This is one seed and three epochs.
# Below we keep the chapter's rates.

# %% [markdown] tags=["solution"]
# For alpha dropout the chapter tried shares from $5$ to $40\,\%$ and learning rates from `0.0001` to `0.001`. We do so, too: sixteen nets, again
# three epochs each on a third of the images.

# %% tags=["solution"]
drop_rates, learning_rates = [0.05, 0.1, 0.2, 0.4], [1e-4, 3e-4, 5e-4, 1e-3]
lowest = {
    f"{drop:.0%}": search(f"dropout {drop:.0%}", lambda drop=drop: selu_net(drop), scaled, learning_rates)
    for drop in ([] if lesson.quick else drop_rates)  # quick mode leaves it out
}
lowest = pd.DataFrame(lowest).T

# %% tags=["solution", "figure"] alt="A grid of validation losses, a row for each dropped share and a column for each learning rate, pale where the loss is low. The bottom row, with the largest share, has the highest losses."
if not lesson.quick:
    fig, ax = plt.subplots(figsize=(6.4, 4.4))
    shown = ax.imshow(lowest, cmap="cividis_r")
    for (i, j), value in np.ndenumerate(lowest.to_numpy()):
        light = value > (lowest.min().min() + lowest.max().max()) / 2
        ax.text(j, i, f"{value:.3f}", ha="center", va="center", color="white" if light else "black")
    ax.set_xticks(range(lowest.shape[1]), [f"{rate:g}" for rate in lowest.columns])
    ax.set_yticks(range(lowest.shape[0]), lowest.index)
    ax.set(xlabel="learning rate", ylabel="share dropped", title="Three short epochs: dropping more costs")
    ax.grid(False)
    fig.colorbar(shown, label="lowest validation loss")
    plt.show()

# %% [markdown] tags=["solution"]
# The losses with $5$ and $10\,\%$ differ little; dropping much more costs. But three epochs are too short to overfit, so there is nothing yet that
# dropout could improve. Such a short search is useful for learning rates, but unfair to regularizers. So we keep the chapter's choice.

# %% [markdown] tags=["exercise"]
# ### 6 · Ten predictions (exercise 8e, continued)
#
# *15 minutes.* **What.** Write `mc_probabilities`: the mean of the class probabilities over `n_samples` predictions with dropout on. Do not train
# or change the net.
#
# **Why.** With dropout on, each prediction comes from another net, with other units dropped ([lesson 12](12_mc_dropout.ipynb)). Their mean costs
# ten predictions and no training. Is it better?


# %% tags=["exercise"]
def mc_probabilities(net, x, n_samples=10):
    """Mean probabilities over n_samples predictions with dropout on; shape (images, classes)."""
    ...


# %% tags=["solution"]
def mc_probabilities(net, x, n_samples=10):
    """Mean probabilities over n_samples predictions with dropout on; shape (images, classes)."""
    # There is no batch normalization in this net, so training=True switches on nothing but the dropout.
    return np.mean([net(x, training=True) for _ in range(n_samples)], axis=0)


# %% tags=["check"]
check("mc_probabilities")


# %% tags=["uses-answer"]
def mc_accuracy(net, x, y):
    classes = np.argmax(mc_probabilities(net, x, n_samples=10), axis=1)
    return float(np.mean(classes == y))


asked = results.get("alpha dropout")
if asked is None or mc_probabilities(asked.net, scaled[1][:1]) is None:
    print("MC dropout: something above is not filled in yet.")
else:
    lesson.set_seed()
    results["MC dropout"] = SimpleNamespace(
        run=asked.run,
        epochs=asked.epochs,
        seconds=asked.seconds,
        valid=mc_accuracy(asked.net, scaled[1], y_valid),
        test=mc_accuracy(asked.net, scaled[2], y_test),
    )
    print(f"one answer, dropout off:  validation {asked.valid:.4f}")
    print(f"mean of ten, dropout on:  validation {results['MC dropout'].valid:.4f}")

# %% [markdown] tags=["solution"]
# In this net the two accuracies differ by a few images among five thousand. That proves nothing, in either direction. Only a tenth of one layer is
# dropped, so the ten predictions are nearly the same. [Lesson 12](12_mc_dropout.ipynb) asks the better question: does such a net know when it is
# unsure?

# %% [markdown] tags=["exercise"]
# ### 7 · Faster: 1cycle (exercise 8f)
#
# *15 minutes.* **What.** Write `one_cycle_rate`: the learning rate at a step. In the first $45\,\%$ of the steps the rate rises from a tenth of
# `max_lr` to `max_lr`. In the next $45\,\%$ it falls back to that tenth. In the last $10\,\%$ it falls from there to a thousandth of the tenth. All
# three lines are straight.
#
# **Why.** A high rate learns fast. A rate that is too high for a whole training can still be useful for a part of it. But how high? The finder of
# [lesson 09](09_lr_finder_and_1cycle.ipynb) gives an answer before the training starts.


# %% tags=["exercise"]
def one_cycle_rate(step, total_steps, max_lr):
    """The learning rate at a step (counted from 0) of a training of `total_steps` steps."""
    ...


# %% tags=["solution"]
def one_cycle_rate(step, total_steps, max_lr):
    """The learning rate at a step (counted from 0) of a training of `total_steps` steps."""
    shares, rates = [0, 0.45, 0.9, 1], [max_lr / 10, max_lr, max_lr / 10, max_lr / 10_000]
    return np.interp(step / total_steps, shares, rates)


# %% tags=["check"]
check("one_cycle_rate")

# %% [markdown] tags=["solution"]
# First we run the finder on the net with alpha dropout, with plain gradient descent and batches of 128. The rate grows from `0.00001` to 10, in as
# many steps as an epoch has.

# %% tags=["solution"]
lesson.set_seed()
net = compiled(selu_net(0.1), keras.optimizers.SGD())
steps_per_epoch = int(np.ceil(len(y_train) / 128))
found = lr_find(
    net,
    scaled[0],
    y_train,
    batch_size=128,
    start_lr=1e-5,
    end_lr=10,
    num_iter=max(40, steps_per_epoch),
    seed=lesson.seed,
)

# %% tags=["solution", "figure"] alt="Loss against learning rate on a log axis: it falls over a wide range of rates, then rises steeply. A dashed line marks the chapter's maximum, just before the rise."
ax = found.plot()
ax.axvline(0.05, color="black", linestyle="--")
ax.annotate("the chapter's 0.05", (0.05, 1.02), xycoords=("data", "axes fraction"), ha="center")
ax.set(title="Where the loss falls, and where it turns\n", ylim=(1.4, 4))
plt.show()

# %% [markdown] tags=["solution"]
# The smoothed loss falls over a wide range of rates, then turns. The chapter's `0.05` is close to the end of the fall. 1cycle needs such a maximum:
# as high as possible, but below the rates at which the loss grows. (Lesson 09 explains the four suggestions.)

# %% [markdown]
# The chapter takes `0.05` as the maximum, batches of 128, plain gradient descent, and fifteen epochs. `OneCycle` of the course computes the same
# three lines inside TensorFlow. Here we do not stop early, and we keep the last epoch's net, because the cycle ends there.

# %% tags=["uses-answer"]
epochs = 2 if lesson.quick else 15
steps = int(np.ceil(len(y_train) / 128)) * epochs
cycle = OneCycle(
    max_lr=0.05,
    total_steps=steps,
    pct_start=0.45,
    anneal_strategy="linear",
    div_factor=10,
    final_div_factor=1000,
    three_phase=True,
)


def logs_only(folder):
    return [keras.callbacks.TensorBoard(folder / "logs")]


lesson.set_seed()
hurry = dict(callbacks=logs_only, epochs=epochs, batch_size=128)
train("1cycle", selu_net(0.1), keras.optimizers.SGD(cycle), scaled, **hurry)

# %% tags=["solution", "figure"] alt="Learning rate against step: a straight rise to the maximum, a straight fall back, and a last short fall almost to zero. The line of the card and the line of OneCycle coincide."
fig, ax = plt.subplots(figsize=(7.2, 3.6))
plotting.schedule(lambda step: one_cycle_rate(step, steps, 0.05), steps, label="one_cycle_rate", ax=ax)
plotting.schedule(cycle, steps, label="OneCycle", ax=ax)
ax.get_lines()[1].set(linestyle="--", linewidth=3)
ax.set_title("The same cycle, written twice")
ax.legend()
plt.show()

# %% [markdown]
# ## The comparison
#
# The table shows for each net the epochs to the model that was kept, the seconds of an epoch (the median, with validation), and the seconds to that
# model. It also shows the accuracy on the images that chose the model, and on images that did not. (We leave out the seconds in which TensorFlow
# builds the programs of each net.) The last two columns are the chapter's numbers. For batch normalization, its text says only “the best model of
# all”; “0.5506” at epoch “18” are a stored output of revision e7658ef.

# %% [markdown] tags=["exercise"]
# ### 8 · Predict, run, explain: six rows
#
# *5 minutes.* **Predict.** You have seen the validation curves. Write down three answers. Which row has the highest validation accuracy? Which row
# needs the fewest seconds? In how many rows is the test accuracy below the validation accuracy, and by about how much? **Run** the cell.
# **Explain** what 1cycle gains, and why its epochs are fast.

# %% tags=["predict"]
chapters = pd.DataFrame.from_dict(
    {
        "plain": ["39", 0.47],
        "batch normalization": ["18", 0.5506],
        "SELU": ["13", 0.514],
        "alpha dropout": ["", 0.508],
        "MC dropout": ["", 0.509],
        "1cycle": ["15", 0.528],
    },
    orient="index",
    columns=["chapter: epochs", "chapter: validation"],
)
ours = {
    name: {
        "epochs": result.epochs,
        "seconds per epoch": round(result.run.seconds_per_epoch, 2),
        "seconds": round(result.seconds),
        "validation": round(result.valid, 4),
        "test": round(result.test, 4),
    }
    for name, result in results.items()
}
pd.DataFrame.from_dict(ours, orient="index").join(chapters)

# %% tags=["uses-answer", "figure", "cover"] alt="Accuracy against seconds of training on a log axis, a curve for each net, with a dot at the kept epoch's validation accuracy and a cross at its test accuracy. 1cycle's curve ends far to the left of the others' dots, and almost as high as the highest one."
fig, ax = plt.subplots(figsize=(8.6, 5.2))
for name, result in results.items():
    shade = plotting.colour(name, ax)
    if name != "MC dropout":  # it has no training of its own
        history = result.run.history["val_accuracy"]
        clock = result.run.seconds_per_epoch * np.arange(1, len(history) + 1)
        ax.plot(clock, history, color=shade, linewidth=1, alpha=0.6)
    # MC dropout costs no training, so its marker is at alpha dropout's seconds. It is hollow.
    kind = dict(marker="D", fillstyle="none") if name == "MC dropout" else dict(marker="o")
    ax.plot(result.seconds, result.valid, color=shade, markersize=10, linestyle="none", label=name, **kind)
    ax.plot(result.seconds, result.test, "x", color=shade, markersize=10, markeredgewidth=2.5)
ax.plot([], [], "x", color="grey", markersize=10, markeredgewidth=2.5, label="on test images")
ax.set(xscale="log", xlabel="seconds of training (log scale)", ylabel="accuracy", ylim=(0.25, None))
ax.set_title("Six nets: accuracy against time (thin line: validation, epoch by epoch)")
ax.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_locator=NullLocator())
ax.yaxis.set_major_formatter(PercentFormatter(1))
ax.legend(loc="lower right")
plt.show()

# %% tags=["solution", "record"]
for number, name in enumerate(results, start=1):  # in the chapter's order
    lesson.record(f"S5.cG{number}", val_accuracy=results[name].valid)

measure = {name: name.lower().replace(" ", "_").replace("1cycle", "one_cycle") for name in results}
lesson.record("S5.cG7", **{measure[name]: result.valid for name, result in results.items()})

first_three = {measure[name]: results[name] for name in ("plain", "batch normalization", "SELU")}
epochs_to_best = {name: result.epochs for name, result in first_three.items()}
lesson.record(
    "S5.cG8",
    **{f"{name}_epochs": number for name, number in epochs_to_best.items()},
    **{f"{name}_seconds": result.seconds for name, result in first_three.items()},
)
selu, hurried = (results[name].run.seconds_per_epoch for name in ("SELU", "1cycle"))
lesson.record("S5.cG9", times_faster=selu / hurried)
lesson.record("S5.cG10", **{f"{name}_epoch": number for name, number in epochs_to_best.items()})

# %% [markdown] tags=["exercise"]
# <details><summary>An explanation</summary>
#
# Batch normalization is the most accurate. 1cycle comes close to it in a fraction of the time, with the same layers as the dropout rows. So the way
# to train a net can matter as much as its layers. But 1cycle's epochs are fast for two other reasons: batches of 128 need a quarter of the steps,
# and a step of plain gradient descent does less work than a step of Nadam. The schedule itself neither costs nor saves time. Its gain is the
# accuracy after only fifteen epochs.
#
# Test and validation accuracy of one net differ by about a percentage point or less, in either direction. Chance alone makes such differences: for
# 5,000 images, one standard deviation is $\sqrt{0.5 \cdot 0.5 / 5000} \approx 0.7\,\%$. So the choice of an epoch on the validation images has
# raised our numbers by no more than chance does.
#
# An epoch with alpha dropout takes longer than one without: masks are drawn in every step, and `fit` does not use its compiler (XLA) for such nets.
#
# One seed cannot tell whether SELU beats alpha dropout or the reverse. The chapter's own editions disagree on it. The verdicts below count our
# seeds.
#
# </details>

# %% [markdown]
# ## Verdicts
#
# The table has what the chapter prints for its exercise. Our results are over several seeds on both stacks, in full mode on the real CIFAR-10.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("13_deep_net_on_cifar10")

# %% [markdown]
# ## What to take away
#
# - **Compare at equal time, not only at equal epochs.** A user waits for seconds, not for epochs, and the order of the six nets is
#   not the same for both.
# - **The way to train a net can matter as much as its layers.** 1cycle changes no layer.
# - **Give every net the same search for its rate** before you compare, or say that you did not.
# - **Choose on one set of images, report on another.** If only few candidates were tried, the difference is small, but you know that only after
#   measuring it.
# - **Define "best epoch".** Loss and accuracy can turn at different times. Say which one stops the training.
# - **Keep every run in a folder of its own**, with its logs and its best model. Then you can repeat it or resume it.
#
# **Today** nobody classifies photographs with such a net. The small convolutional net of [lesson 05](05_weight_normalization.ipynb) beats all six
# with an eighth of the weights, because its layers use the fact that neighbouring pixels belong together. But the routine is the same for any net:
# find the rate first, stop in time, change one thing, and measure twice.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** A colleague finds our comparison unfair: the plain net got a rate of `0.00005`, the normalized one ten times as much. She trains both with
# `0.0005`. Is that fairer?
#
# <details><summary>An answer</summary>
#
# No. The best rate depends on the net and the task, and one rate for both may favour one of the two. The same *effort* is fair: try as many rates
# for each net, on the same images, and take the best one, as in our short search. The chapter says which rates it tried for the plain net and for
# alpha dropout. It does not say how it found the others.
#
# </details>
#
# **2.** The chapter says that 1cycle made the net over three times faster than the fastest so far, SELU. Which training would tell how much of
# this, and of the accuracy, is due to the schedule?
#
# <details><summary>An answer</summary>
#
# Train the same net at a constant rate for fifteen epochs, with batches of 128 and plain gradient descent. An epoch takes as long as 1cycle's, so
# the schedule is not what makes it fast. Compare the accuracy after fifteen epochs. To be fair, search for the constant rate, too.
#
# </details>
#
# **3.** MC dropout is right on 10 of 5,000 images more than the net with dropout off. How would you find out whether it is better? Why does it not
# help to predict the 5,000 images once more?
#
# <details><summary>An answer</summary>
#
# Compare image by image. On how many do the two disagree, and how often is each of them right there? If they disagree on thirty images, a lead of
# ten is something; if they disagree on a thousand, it is chance. But all of this is about one trained net. Another seed gives another net, with
# another difference. Predicting the same images again only draws new masks. To say that MC dropout *helps*, you have to train several nets.
#
# </details>
#
# **4.** `fit_once` begins an interrupted training again from the start. It has the checkpoint of the best epoch: why does it not go on from there?
#
# <details><summary>An answer</summary>
#
# Because that would be another training. The checkpoint is from the best epoch, not from the last one. Nadam's averages, the number of epochs
# without improvement, and the order of the coming images would have to be kept as well. If one of them is lost, the result depends on how often
# somebody pressed stop. (Keras' `BackupAndRestore` keeps most of it. That is right for trainings that take days.)
#
# </details>

# %% [markdown]
# ## References
#
# - A. Krizhevsky, [*Learning Multiple Layers of Features from Tiny Images*](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf), 2009:
#   where CIFAR-10 comes from.
# - S. Ioffe, C. Szegedy, *Batch Normalization*, 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167).
# - G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, *Self-Normalizing Neural Networks*, 2017,
#   [arXiv:1706.02515](https://arxiv.org/abs/1706.02515): SELU and alpha dropout.
# - Y. Gal, Z. Ghahramani, *Dropout as a Bayesian Approximation*, 2015, [arXiv:1506.02142](https://arxiv.org/abs/1506.02142): MC dropout.
# - L. N. Smith, N. Topin, *Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates*, 2017,
#   [arXiv:1708.07120](https://arxiv.org/abs/1708.07120): 1cycle.
# - Z. Lin, R. Memisevic, K. Konda, *How far can we go without convolution: Improving fully-connected networks*, 2015,
#   [arXiv:1511.02580](https://arxiv.org/abs/1511.02580): what nets without convolutions can do on CIFAR-10.
# - G. C. Cawley, N. L. C. Talbot,
#   [*On Over-fitting in Model Selection and Subsequent Selection Bias in Performance Evaluation*](https://jmlr.org/papers/v11/cawley10a.html),
#   2010: why the images that choose should not also judge.
