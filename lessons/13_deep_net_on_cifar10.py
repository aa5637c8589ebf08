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
# # 11 · A deep net on CIFAR-10
#
# Twenty layers of a hundred units, no convolution, on small colour photographs: a net nobody would build for the purpose, and for just this reason a good
# place to try everything the course has shown. You build it six times: plain, normalized, self-normalizing, with dropout, with a hundred opinions
# (well, ten), and in a hurry. At the end stands a table of six rows. **Which row do you expect at the top, and which one is done first?**
#
# | | |
# |---|---|
# | **You will do** | build, train and compare six deep nets by yourself · stop a training in time and keep its best model · log every run to a folder of its own · choose on validation images and report on test images |
# | **You need** | lessons 01, 02, 08 and 10 |
# | **Reproduces** | *Training Deep Neural Networks*, part G: exercise 8, a to f (chapter 11 of A. Géron's *Hands-On Machine Learning*, notebook of the second edition) |
# | **Time** | two hours of yours; for the machine in full mode as it says above, a few minutes for each net; in quick mode (`COURSE_MODE=quick`) under a minute |
#
# This lesson is one long exercise. Each part has a cell to fill in and a check that answers in a sentence; then comes a cell that trains what you have built.
# [The solutions](solutions/11_deep_net_on_cifar10.ipynb) hold our code, our curves and what we make of them.

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
from matplotlib.ticker import MaxNLocator, PercentFormatter

from course_utils import plotting
from course_utils.checks import check
from course_utils.data import load_cifar10
from course_utils.lr_finder import lr_find
from course_utils.schedules import OneCycle
from course_utils.training import fit_once, progress_bar, restart, tensorboard

# %% [markdown]
# ## The task
#
# CIFAR-10: ten kinds of things, photographs of 32 × 32 pixels in three colours. The first 5,000 training images are kept for validation, so 45,000 are left to
# learn from.

# %%
cifar = lesson.data(load_cifar10(validation=5_000))

raw = [images.astype("float32") for images in (cifar.x_train, cifar.x_valid, cifar.x_test)]
y_train, y_valid, y_test = cifar.y_train, cifar.y_valid, cifar.y_test

# %% tags=["figure"]
fig, ax = plt.subplots(figsize=(7.2, 5.4))
plotting.image_grid(cifar.x_train, cifar.y_train, cifar.class_names, per_class=12, ax=ax)
ax.set_title("CIFAR-10: what a net without convolutions sees as 3,072 numbers")
plt.show()

# %% [markdown]
# **The rules of the game.** Whatever is chosen (a rate, an epoch, a net) is chosen by the 5,000 *validation* images. The 10,000 *test* images are asked once per net, at
# the end, and nothing is chosen by them. The chapter selects *and* reports on the same 5,000 images, which favours the best of many tries; how
# much, the last column of our table will show.
#
# One function trains them all. It keeps what it finishes: stop the notebook, start it again, and `fit_once` loads every training that reached its end
# instead of repeating it. (`run_callbacks` is yours to write, in part b.)

# %%
place = Path(tempfile.mkdtemp()) if lesson.quick else Path("runs") / lesson.name
results = {}


def compiled(net, optimizer):
    # XLA makes these nets faster, except where it meets the dropout of Keras 3: there it gains nothing.
    dropout = any("Dropout" in type(layer).__name__ for layer in net.layers)
    fast = lesson.fast | {"jit_compile": not dropout or keras.__version__ < "3"}
    if lesson.quick:
        # Programs for twenty layers take longer to build than quick mode trains: XLA's, and Nadam's.
        fast = lesson.fast | {"jit_compile": False}
        nadam = isinstance(optimizer, keras.optimizers.Nadam)
        optimizer = keras.optimizers.SGD(1e-4) if nadam else optimizer
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **fast)
    return net


# %%
def train(name, net, optimizer, data, callbacks, epochs=100, batch_size=32):
    """Train a net, or load the same training; then note how good it is, and how long it took."""
    if net is None or data is None or callbacks(place / name) is None:
        print(f"{name}: something above is not filled in yet.")
        return
    run = fit_once(
        compiled(net, optimizer),
        data[0],
        y_train,
        validation_data=(data[1], y_valid),
        epochs=lesson.epochs(epochs),
        batch_size=batch_size,
        folder=place / name,
        callbacks=lambda folder: [*callbacks(folder), lesson.progress(name)],
    )
    # What a callback kept is the best epoch's model, else it is the last one's.
    epochs_used = run.best_epoch if (run.folder / "best.keras").exists() else len(run.history["loss"])
    valid, test = (
        net.evaluate(x, y, batch_size=1000, verbose=0)[1] for x, y in [(data[1], y_valid), (data[2], y_test)]
    )
    results[name] = SimpleNamespace(
        net=net,
        run=run,
        epochs=epochs_used,
        seconds=epochs_used * run.seconds_per_epoch,
        valid=valid,
        test=test,
    )
    told = "loaded" if run.loaded else "trained"
    print(
        f"{name}: {told}; epoch {epochs_used} of {len(run.history['loss'])} is kept, validation {valid:.4f}"
    )


# %% [markdown] tags=["exercise"]
# ### 1 · The net (exercise 8a)
#
# *10 minutes.* **What.** Write `deep_net`: images of shape (32, 32, 3), flattened, then twenty dense layers of a hundred units with ELU and He's normal
# initialization, then ten with softmax. It takes pixels as they are, from 0 to 255.
#
# **Why.** It is the yardstick. Everything later differs from it in one thing, so it has to be exactly this.


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
# *20 minutes.* **What.** Write `run_callbacks`: for the folder of one training (a `Path`; Keras 2 wants `str(path)`), a list of Keras callbacks that
#
# - stops once the validation loss has not improved for 20 epochs,
# - keeps the model with the lowest validation loss in that folder, as `best.keras`,
# - writes TensorBoard's logs to its subfolder `logs`.
#
# **Why.** A hundred epochs are more than any of these nets needs, and the last epoch is seldom the best. One folder for each run is what keeps TensorBoard's curves apart.


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
# The rate comes first. Seven of them, from `0.00001` to `0.01` in steps of about three. A search may be coarser than the training that follows: a third of the
# images, three epochs each. That tells a good rate from a bad one, though not a good one from the best. A minute or two.

# %% tags=["solution"]
rates = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
tried = {}
net = compiled(deep_net(), keras.optimizers.Nadam())
for rate in progress_bar(rates[::3] if lesson.quick else rates, "rates", unit="rate"):
    restart(net, lesson.seed)
    net.optimizer.learning_rate = rate
    tried[rate] = fit_once(
        net,
        raw[0][::3],
        y_train[::3],
        validation_data=(raw[1], y_valid),
        epochs=lesson.epochs(3, quick=1),
        folder=place / "rates" / f"{rate:.0e}",
    ).history

# %% tags=["solution", "figure"]
fig, ax = plt.subplots(figsize=(7.6, 4.2))
looks = [("#56B4E9", "^:"), ("#0072B2", "s--"), ("#000000", "o-")]
for epoch, (shade_of_epoch, line) in enumerate(looks[-len(tried[rates[0]]["loss"]) :]):
    losses = [history["val_loss"][epoch] for history in tried.values()]
    ax.plot(list(tried), losses, line, color=shade_of_epoch, label=f"after epoch {epoch + 1}")
ax.axvline(5e-5, color="#D55E00", linestyle="--")
ax.annotate("the chapter's rate", (6e-5, 3.1), color="#D55E00")
ax.axhline(np.log(10), color="grey", linestyle=":")
ax.annotate("guessing", (1.05e-2, np.log(10)), va="bottom", ha="right", color="grey")
ax.set(xscale="log", xlabel="learning rate", ylabel="validation loss", ylim=(1.8, 3.3))
ax.set_title("Three short epochs favour rates above the chapter's")
ax.legend(loc="upper right")
plt.show()

# %% [markdown] tags=["solution"]
# Below `0.0001` the net is slow; above, the losses hardly differ, and even `0.01` does not run away. So by this search one would take a rate well above
# the chapter's. Whether the lead lasts, three epochs do not say: high rates often fall behind later. We stay with `0.00005`, for it is the chapter's number
# that we check. (You can find out with one line: `train("plain, 0.001", deep_net(), keras.optimizers.Nadam(1e-3), raw, run_callbacks)`.)

# %% [markdown]
# ### Train it
#
# Nadam with a rate of `0.00005`, which is the chapter's choice; batches of 32; at most a hundred epochs. Ten minutes or so; the bar shows how far it is.

# %% tags=["uses-answer"]
lesson.set_seed()
train("plain", deep_net(), keras.optimizers.Nadam(5e-5), raw, run_callbacks)

# %% [markdown]
# The logs lie in the folder `runs`, one folder for each training. TensorBoard shows them in a notebook, also while a training is going on: `%load_ext tensorboard`, then
# `%tensorboard --logdir runs`, or set the switch below. Our own curves need nothing.

# %%
open_tensorboard = False

if open_tensorboard:
    tensorboard(place)


# %%
def curves(names, title):
    """Validation loss and accuracy over the epochs; a dot marks the epoch that was kept."""
    if not names:
        return
    _, panels = plt.subplots(1, 2, figsize=(11.5, 4.2))
    for name in names:
        history, kept = results[name].run.history, results[name].epochs
        for ax, metric in zip(panels, ("val_loss", "val_accuracy")):
            ax.plot(range(1, len(history[metric]) + 1), history[metric], color=shade[name], label=name)
            ax.plot(kept, history[metric][kept - 1], "o", color=shade[name], markersize=9)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.set_xlabel("epoch")
    panels[0].set(ylabel="validation loss", title=title, ylim=(1.2, 2.4))
    panels[1].set(ylabel="validation accuracy", title="The dot: the epoch that is kept")
    panels[1].yaxis.set_major_formatter(PercentFormatter(1))
    panels[1].legend()
    plt.show()


shade = {
    "plain": "#595959",
    "batch normalization": "#009E73",
    "SELU": "#0072B2",
    "alpha dropout": "#CC79A7",
    "MC dropout": "#000000",
    "1cycle": "#D55E00",
}

# %% tags=["uses-answer"]
curves(results, "The plain net")

# %% [markdown] tags=["solution"]
# The loss comes down for a long time, then turns up a little and trembles. The accuracy has reached its level by then and stays there. The twenty epochs after the dot are the
# price of not knowing beforehand where it would be.

# %% [markdown] tags=["exercise"]
# ### 3 · Batch normalization (exercise 8c)
#
# *10 minutes.* **What.** Write `normalized_net`: the same net with batch normalization of its 3,072 inputs, and of each layer's sums *before* the ELU.
# Twenty-one of them in all.
#
# **Why.** Does it converge faster? To something better? And what does an epoch cost? Three questions that are often answered together, and should
# not be.


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
        # The normalization subtracts a mean, so a bias before it would be lost.
        net.add(keras.layers.Dense(100, kernel_initializer="he_normal", use_bias=False))
        net.add(keras.layers.BatchNormalization())
        net.add(keras.layers.Activation("elu"))
    net.add(keras.layers.Dense(10, "softmax"))
    return net


# %% tags=["check"]
check("normalized_net")

# %% [markdown]
# Normalized nets bear higher rates: ten times the plain net's, in the chapter. Again ten minutes or so: an epoch takes longer than before.

# %% tags=["uses-answer"]
lesson.set_seed()
train("batch normalization", normalized_net(), keras.optimizers.Nadam(5e-4), raw, run_callbacks)

# %% tags=["uses-answer"]
curves(results, "With and without batch normalization")

# %% [markdown] tags=["solution"]
# Three questions, three answers. Faster? In epochs, clearly: it passes the plain net's best within the first ten. Better? Clearly as well, the gap is several times what two nets
# of one kind differ by. And an epoch takes longer, because twenty-one means and variances cost something. The table at the end sets one against the other.

# %% [markdown] tags=["exercise"]
# ### 4 · Inputs for SELU
#
# *10 minutes.* **What.** Write `standardized`, which takes training, validation and test images and returns all three as `float32`, each of the 3,072 inputs shifted and
# scaled to mean 0 and standard deviation 1. (An input that never varies becomes 0.)
#
# **Why.** SELU's proof starts from standardized inputs. Of which images must the mean be that is subtracted from a *test* image?


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
# *15 minutes.* **What.** Write `selu_net`: the deep net with SELU and LeCun's normal initialization; with a `dropout_rate` above zero it drops that share of the last
# hidden layer's outputs, in the way that suits SELU, and nothing else.
#
# **Why.** A net that keeps its signal in place by itself does not have to compute means. Lesson 01 says what it demands in return, and lesson 10 which dropout
# leaves it intact.


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
# The chapter takes a rate of `0.0007` without dropout, and `0.0005` with a tenth dropped. Both trainings together take ten to fifteen minutes.

# %% tags=["uses-answer"]
scaled = standardized(*raw)

lesson.set_seed()
train("SELU", selu_net(), keras.optimizers.Nadam(7e-4), scaled, run_callbacks)

# %% tags=["uses-answer"]
lesson.set_seed()
train("alpha dropout", selu_net(0.1), keras.optimizers.Nadam(5e-4), scaled, run_callbacks)

# %% tags=["uses-answer"]
curves(results, "Four nets")

# %% [markdown] tags=["solution"]
# SELU starts about as fast as batch normalization, and soon turns: from its dot on the *loss* rises while the *accuracy* still creeps up. The net gets more images right, and is ever more
# sure of those it gets wrong. Which epoch is the best depends on what you ask; the chapter asks the loss, and so do we. A loss that leaves the panel, and the dip in the accuracy beside
# it, is a bad step, as these nets without brakes make now and then.

# %% [markdown] tags=["solution"]
# The chapter tried dropout rates from $5$ to $40\,\%$ with learning rates from `0.0001` to `0.001`. So do we: sixteen nets, again three epochs
# each on a third of the images. Four minutes or so.

# %% tags=["solution"]
drop_rates, learning_rates = [0.05, 0.1, 0.2, 0.4], [1e-4, 3e-4, 5e-4, 1e-3]
if lesson.quick:
    drop_rates, learning_rates = drop_rates[:1], learning_rates[::3]
lowest = np.empty((len(drop_rates), len(learning_rates)))
for i, drop in enumerate(progress_bar(drop_rates, "dropout rates", unit="rate")):
    net = compiled(selu_net(drop), keras.optimizers.Nadam())
    for j, rate in enumerate(learning_rates):
        restart(net, lesson.seed)
        net.optimizer.learning_rate = rate
        run = fit_once(
            net,
            scaled[0][::3],
            y_train[::3],
            validation_data=(scaled[1], y_valid),
            epochs=lesson.epochs(3, quick=1),
            folder=place / "dropout rates" / f"{drop}, {rate:.0e}",
        )
        lowest[i, j] = min(run.history["val_loss"])

# %% tags=["solution", "figure"]
fig, ax = plt.subplots(figsize=(6.4, 4.4))
shown = ax.imshow(lowest, cmap="cividis_r")
for (i, j), value in np.ndenumerate(lowest):
    light = value > (lowest.min() + lowest.max()) / 2
    ax.text(j, i, f"{value:.3f}", ha="center", va="center", color="white" if light else "black")
ax.set_xticks(range(len(learning_rates)), [f"{rate:g}" for rate in learning_rates])
ax.set_yticks(range(len(drop_rates)), [f"{drop:.0%}" for drop in drop_rates])
ax.set(xlabel="learning rate", ylabel="dropped", title="Three short epochs: dropping more does not pay")
ax.grid(False)
fig.colorbar(shown, label="lowest validation loss")
plt.show()

# %% [markdown] tags=["solution"]
# Between a twentieth and a tenth dropped there is little to choose; beyond that it costs. No wonder: three epochs are too short to overfit, so there is nothing yet that dropout could cure. A
# search this short is right about learning rates and unfair to regularizers. The chapter's choice stays.

# %% [markdown] tags=["exercise"]
# ### 6 · Ten opinions (exercise 8e, continued)
#
# *15 minutes.* **What.** Write `mc_probabilities`: the mean of the class probabilities over `n_samples` predictions with dropout on. The net is not trained again, and not changed.
#
# **Why.** The net with alpha dropout holds many thinner nets. Their mean costs ten predictions and no training. Does it buy anything?


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
# The difference is a handful of images among five thousand, in one net: nothing to build on, in either direction. With a tenth of one layer dropped, the ten opinions are
# nearly the same. Lesson 10 asked the better question, whether such a net knows when it does not know.

# %% [markdown] tags=["exercise"]
# ### 7 · In a hurry: 1cycle (exercise 8f)
#
# *15 minutes.* **What.** Write `one_cycle_rate`: the learning rate at a step. Over the first $45\,\%$ of the steps it rises from a tenth of `max_lr` to `max_lr`, over the next $45\,\%$ it falls back to
# the tenth, and over the last $10\,\%$ from there to a thousandth of the tenth. All in straight lines.
#
# **Why.** High rates are fast and can be passed through where they cannot be kept. But how high? Lesson 08's finder says, before the training starts.


# %% tags=["exercise"]
def one_cycle_rate(step, total_steps, max_lr):
    """The learning rate at a step, counted from 0, of so many."""
    ...


# %% tags=["solution"]
def one_cycle_rate(step, total_steps, max_lr):
    """The learning rate at a step, counted from 0, of so many."""
    shares, rates = [0, 0.45, 0.9, 1], [max_lr / 10, max_lr, max_lr / 10, max_lr / 10_000]
    return np.interp(step / total_steps, shares, rates)


# %% tags=["check"]
check("one_cycle_rate")

# %% [markdown] tags=["solution"]
# First the finder, on the net with alpha dropout, with plain gradient descent and batches of 128.

# %% tags=["solution"]
lesson.set_seed()
net = compiled(selu_net(0.1), keras.optimizers.SGD())
found = lr_find(
    net,
    scaled[0],
    y_train,
    batch_size=128,
    start_lr=1e-5,
    end_lr=1,
    num_iter=40 if lesson.quick else 350,
    seed=lesson.seed,
)

# %% tags=["solution", "figure"]
ax = found.plot()
ax.axvline(0.05, color="black", linestyle="--")
ax.annotate("the chapter's 0.05", (0.05, 1.05), xycoords=("data", "axes fraction"), ha="center")
ax.set(title="Where the loss falls, and where it turns\n", ylim=(1.4, 4))
plt.show()

# %% [markdown] tags=["solution"]
# The smoothed loss falls for a hundredfold range of rates, then turns. The chapter's `0.05` lies at the end of the fall, as 1cycle likes it: too high
# to stay, not too high to pass through.

# %% [markdown]
# The chapter takes `0.05` at the top, batches of 128, plain gradient descent, fifteen epochs. The course's `OneCycle` draws the same three lines inside TensorFlow; here nothing is stopped early and
# nothing but the last epoch counts, for the cycle is made to end there. A minute or two.

# %% tags=["uses-answer"]
epochs = lesson.epochs(15)
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
hurry = dict(callbacks=logs_only, epochs=15, batch_size=128)
train("1cycle", selu_net(0.1), keras.optimizers.SGD(cycle), scaled, **hurry)

# %% tags=["solution", "figure"]
fig, ax = plt.subplots(figsize=(7.2, 3.6))
at = np.arange(0, steps, max(1, steps // 200))
ax.plot(at, [one_cycle_rate(k, steps, 0.05) for k in at], color="#0072B2", label="ours, by the card")
ax.plot(at, [float(cycle(k)) for k in at], "--", color="#D55E00", linewidth=3, label="OneCycle")
ax.set(xlabel="step", ylabel="learning rate", title="The same cycle, written twice")
ax.legend()
plt.show()

# %% [markdown]
# ## The comparison
#
# All that was trained, in one table: how many epochs to the model that was kept, how long an epoch took (the median, validation included), how long it took to get there, and how good the
# model is, on the images that chose it and on images that did not. (TensorFlow needs some seconds more to build the programs of each net; they are left out.)

# %% tags=["uses-answer"]
print("                      epochs   s/epoch   seconds   validation     test")
for name, result in results.items():
    print(
        f"{name:20}{result.epochs:8}{result.run.seconds_per_epoch:10.2f}{result.seconds:10.0f}"
        f"{result.valid:13.4f}{result.test:9.4f}"
    )

# %% tags=["uses-answer", "figure", "cover"]
fig, ax = plt.subplots(figsize=(8.6, 5.2))
for name, result in results.items():
    if name != "MC dropout":  # it has no training of its own
        history = result.run.history["val_accuracy"]
        clock = result.run.seconds_per_epoch * np.arange(1, len(history) + 1)
        ax.plot(clock, history, color=shade[name], linewidth=1, alpha=0.6)
    style = dict(color=shade[name], markersize=10, linestyle="none")
    # MC dropout stands where alpha dropout does: it costs no training. So its sign is one to look through.
    mark = dict(marker="D", fillstyle="none") if name == "MC dropout" else dict(marker="o")
    ax.plot(result.seconds, result.valid, label=name, **mark, **style)
    ax.plot(result.seconds, result.test, "x", markeredgewidth=2.5, **style)
ax.plot([], [], "x", color="grey", markersize=10, markeredgewidth=2.5, label="on test images")
ax.set(xlabel="seconds of training", ylabel="accuracy", ylim=(0.3, None), xlim=(0, None))
ax.set_title("Six nets: accuracy against time (thin line: validation, epoch by epoch)")
ax.yaxis.set_major_formatter(PercentFormatter(1))
ax.legend(loc="lower right")
lesson.save_figure(fig, "six-nets")
plt.show()

# %% tags=["solution"]
for number, name in enumerate(results, start=1):  # in the chapter's order
    lesson.record(f"S5.cG{number}", val_accuracy=results[name].valid)

measure = {name: name.lower().replace(" ", "_").replace("1cycle", "one_cycle") for name in results}
lesson.record("S5.cG7", **{measure[name]: result.valid for name, result in results.items()})

first_three = {name: results[name] for name in ("plain", "batch normalization", "SELU")}
lesson.record(
    "S5.cG8",
    **{f"{measure[name]}_epochs": result.epochs for name, result in first_three.items()},
    **{f"{measure[name]}_seconds": result.seconds for name, result in first_three.items()},
)
dropped, hurried = (results[name].run.seconds_per_epoch for name in ("alpha dropout", "1cycle"))
lesson.record("S5.cG9", times_faster=dropped / hurried)

# %% [markdown] tags=["solution"]
# The figure answers the question at the top. Batch normalization is the most accurate, and 1cycle is close behind in a fraction of the time, with the net of the dropout rows: same layers, other
# training. The plain net comes last in both. Validation and test agree within what five or ten thousand images can tell, so choosing among so few nets has spoiled little.
#
# And what one seed cannot tell: whether SELU beats alpha dropout or the reverse. The chapter's own editions disagree on it, and so do our seeds; with some, alpha dropout falls behind even the plain net. The
# ledger counts them.
#
# A last look at the seconds. With Keras 3 one layer of alpha dropout makes an epoch half as long again as SELU's, though it has a hundred numbers an image to look at; with Keras 2.15 it costs next to nothing. So
# 1cycle, which makes a quarter of the steps, gains more on one stack than on the other, and neither number is the schedule's doing (question 2).

# %% [markdown]
# ## Verdicts
#
# What the chapter prints for its exercise, measured over several seeds on two software stacks, in full mode on the real CIFAR-10.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("11_deep_net_on_cifar10")

# %% [markdown]
# ## What to take away
#
# - **Compare at equal time, not only at equal epochs.** An epoch is not a unit of anything a user waits for. The order of the six nets changes with the axis.
# - **How a net is trained can matter as much as how it is built.** 1cycle changes no layer.
# - **Choose by one set of images, report by another.** Where only few candidates were tried the difference is small, but you know it only once you have looked.
# - **"Best epoch" has to be defined.** Loss and accuracy can turn at different times; say which one stops the training.
# - **Keep every run in a folder of its own**, with its logs and its best model. A comparison that cannot be repeated or resumed is an anecdote.
#
# **Today** nobody classifies photographs this way: the small convolutional net of lesson 05 beats all six with an eighth of the weights, because it knows beforehand that neighbouring pixels belong together. What
# carries over to any net is the routine: rate first, stop in time, change one thing, measure twice.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** A colleague finds our comparison unfair: the plain net got a rate of `0.00005`, the normalized one ten times as much. She trains both with `0.0005`. Is that fairer?
#
# <details><summary>An answer</summary>
#
# No. A rate is not a property of the task but of a net on it, and `0.0005` suits one of the two. Fair is the same *effort*: as many rates tried for each net, on the same images, and the
# best one taken. By this measure the chapter's comparison leaves something to be desired as well. It says which rates it tried for the plain net and for
# alpha dropout; how it came by the others, it does not say.
#
# </details>
#
# **2.** An epoch of 1cycle takes a fraction of the time that alpha dropout's takes, on the same net. The chapter puts it down to 1cycle. What else has changed, and which training tells?
#
# <details><summary>An answer</summary>
#
# Two other things: batches of 128 instead of 32, a quarter of the steps, and plain gradient descent instead of Nadam, which keeps two averages for each weight. The schedule itself costs nothing. Train with a constant rate, batches
# of 128 and plain gradient descent: an epoch takes as long as 1cycle's. What the schedule may claim is the accuracy after fifteen epochs, and for that, too, the constant rate is the one to compare with.
#
# </details>
#
# **3.** MC dropout is right on 10 of 5,000 images more than one pass without dropout. How would you find out whether it is better, and why does it not help to go over the 5,000 images once more?
#
# <details><summary>An answer</summary>
#
# Compare image by image: on how many are the two of different opinion, and how do these split? Ten more out of thirty is something, ten out of a thousand is chance. But all of it belongs to one trained
# net. Another seed gives another net, and its difference varies too; going over the same images again only draws new masks. Whoever wants to say that MC dropout *helps* has
# to train several nets.
#
# </details>
#
# **4.** `fit_once` begins an interrupted training anew. It has the checkpoint of the best epoch: why does it not go on from there?
#
# <details><summary>An answer</summary>
#
# Because that would be another training. The checkpoint is the best epoch's, not the last one's; Nadam's averages, the patience that was used up and the order of images to come would have to be
# kept as well. Forget one of them and the result depends on how often somebody pressed stop. (Keras' `BackupAndRestore` keeps most of it, which is right for trainings of days.)
#
# </details>

# %% [markdown]
# ## References
#
# - A. Krizhevsky, [*Learning Multiple Layers of Features from Tiny Images*](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf), 2009: where CIFAR-10 comes from.
# - S. Ioffe, C. Szegedy, *Batch Normalization*, 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167).
# - G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, *Self-Normalizing Neural Networks*, 2017, [arXiv:1706.02515](https://arxiv.org/abs/1706.02515): SELU and alpha dropout.
# - Y. Gal, Z. Ghahramani, *Dropout as a Bayesian Approximation*, 2016, [arXiv:1506.02142](https://arxiv.org/abs/1506.02142): MC dropout.
# - L. N. Smith, N. Topin, *Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates*, 2017, [arXiv:1708.07120](https://arxiv.org/abs/1708.07120): 1cycle.
# - Z. Lin, R. Memisevic, K. Konda, *How far can we go without convolution: Improving fully-connected networks*, 2015, [arXiv:1511.02580](https://arxiv.org/abs/1511.02580): what nets
#   without convolutions can do on CIFAR-10.
# - G. C. Cawley, N. L. C. Talbot, [*On Over-fitting in Model Selection and Subsequent Selection Bias in Performance Evaluation*](https://jmlr.org/papers/v11/cawley10a.html), 2010: why
#   the images that choose should not also judge.
