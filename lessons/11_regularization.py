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
# # 10 · Regularization and MC dropout
#
# A net with a quarter of a million weights can learn fifty thousand images by heart. Regularizers stand in its way, each with a
# different idea of what a modest net is. One of them, dropout, has a second use: leave it on after training, ask the net a hundred
# times, and the scatter of its answers says how sure it is. Or does it? That can be measured.
#
# | | |
# |---|---|
# | **You will learn** | what ℓ1, ℓ2, dropout and max-norm do to the weights, and when they are worth having · to turn a trained net into a hundred opinions · to check whether a net's confidence deserves its name |
# | **You need** | a dense net in Keras; lesson 01 for SELU |
# | **Reproduces** | *Training Deep Neural Networks*, part F: avoiding overfitting (chapter 11 of A. Géron's *Hands-On Machine Learning*, notebook of the second edition) |
# | **The ideas** | Srivastava and others 2014, [*Dropout*](https://jmlr.org/papers/v15/srivastava14a.html) · Gal & Ghahramani 2015, [*Dropout as a Bayesian Approximation*](https://arxiv.org/abs/1506.02142) · Guo and others 2017, [*On Calibration of Modern Neural Networks*](https://arxiv.org/abs/1706.04599) |
# | **Time** | in full mode as it says above; in quick mode (`COURSE_MODE=quick`) under a minute |

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("11_regularization")

# %%
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy import stats

from course_utils.data import load_fashion_mnist, load_mnist
from course_utils.mc_dropout import mc_model, mc_predict, mc_samples
from course_utils.training import shuffled

# %% [markdown]
# ## The task
#
# Fashion-MNIST, standardized pixel by pixel, the first 5,000 training images for validation; 300-100-10 units.

# %%
fashion = lesson.data(load_fashion_mnist(validation=5_000))

pixel_mean = fashion.x_train.mean(axis=0)
pixel_std = fashion.x_train.std(axis=0)
pixel_std[pixel_std == 0] = 1


def standardized(images):
    return ((images - pixel_mean) / pixel_std).astype("float32")


x_train, x_valid, x_test = (standardized(x) for x in (fashion.x_train, fashion.x_valid, fashion.x_test))
y_train, y_valid, y_test = fashion.y_train, fashion.y_valid, fashion.y_test


# %%
def speed(layers):
    """Keras' options for speed. No XLA beside dropout, whose masks it draws twenty times slower in Keras 3."""
    drops = any("Dropout" in type(layer).__name__ for layer in layers)
    return lesson.fast | {"jit_compile": not (drops or lesson.quick)}


def train(layers, optimizer, epochs, label, batch_size=32):
    net = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), *layers])
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **speed(layers))
    history = net.fit(
        shuffled(x_train, y_train, batch_size),
        epochs=lesson.epochs(epochs),
        validation_data=(x_valid, y_valid),
        verbose=0,
        callbacks=[lesson.progress(label)],
    )
    return net, history.history


# %% [markdown]
# ## A price on weights
#
# **ℓ2** adds the sum of the squared weights to the loss, times a factor; **ℓ1** the sum of their absolute values. In Keras that is an
# argument of the layer. (`L1L2` is both prices at once. A *constraint*, further down, is a limit instead of a price.)

# %%
layer = keras.layers.Dense(
    100,
    activation="elu",
    kernel_initializer="he_normal",
    kernel_regularizer=keras.regularizers.L1L2(l1=0.001, l2=0.01),
)
layer.build((None, 784))
weights = layer.get_weights()[0]
print(
    f"by hand {0.001 * np.abs(weights).sum() + 0.01 * (weights**2).sum():.3f}; added to the loss {float(layer.losses[0]):.3f}"
)

# %% [markdown]
# Each layer has to say so for itself. `functools.partial` makes a layer with new defaults, and saves repeating them:

# %%
Dense = partial(keras.layers.Dense, activation="elu", kernel_initializer="he_normal")


def three_layers(Dense):
    return [
        Dense(300),
        Dense(100),
        Dense(10, activation="softmax", kernel_initializer="glorot_uniform"),
    ]


# %% [markdown]
# **What does each do to the gradient of one weight?** ℓ2 pulls in proportion to the weight: large ones strongly, small ones
# hardly. ℓ1 pulls with the same force at any size, all the way to zero. **Max-norm** does not pull; after each step it shortens every unit's
# weight vector that has become longer than it may. **Dropout** touches no weight; it switches inputs off at random, a fifth of them in each
# batch, so that no unit can rely on a single other one.
#
# The chapter gives them two epochs with Nadam each. We add the net without any, and ℓ1.

# %%
l1, l2 = keras.regularizers.L1, keras.regularizers.L2
drop = partial(keras.layers.Dropout, 0.2)


def with_dropout(Dense):
    return [layer for dense in three_layers(Dense) for layer in (drop(), dense)]


kinds = {
    "plain": lambda: three_layers(Dense),
    "ℓ2, 0.01": lambda: three_layers(partial(Dense, kernel_regularizer=l2(0.01))),
    "ℓ1, 0.001": lambda: three_layers(partial(Dense, kernel_regularizer=l1(0.001))),
    "dropout, 20 %": lambda: with_dropout(Dense),
    "max-norm, 1": lambda: three_layers(partial(Dense, kernel_constraint=keras.constraints.MaxNorm(1.0))),
}

# %%
nets, after_two = {}, {}
for name, layers in kinds.items():
    lesson.set_seed()
    nets[name], after_two[name] = train(layers(), keras.optimizers.Nadam(), epochs=2, label=name)

# %%
for name, history in after_two.items():
    print(f"{name:15} validation accuracy after two epochs {history['val_accuracy'][-1]:.4f}")

for claim, name in [("S5.cF1", "ℓ2, 0.01"), ("S5.cF2", "dropout, 20 %"), ("S5.cF6", "max-norm, 1")]:
    lesson.record(claim, val_accuracy=after_two[name]["val_accuracy"][-1])

# %% [markdown]
# Now the weights. Below, all 235,200 weights of each net's first layer, and the length of the weight vector of each of its 300 units.


# %%
def first_kernel(net):
    return next(layer for layer in net.layers if isinstance(layer, keras.layers.Dense)).get_weights()[0]


kernels = {name: first_kernel(net) for name, net in nets.items()}

# %% tags=["figure"]
palette = dict(zip(kinds, ["#595959", "#0072B2", "#56B4E9", "#D55E00", "#009E73"]))
fig, panels = plt.subplots(2, 5, figsize=(13, 5.2), sharex="row", sharey="row")
for (above, below), (name, kernel) in zip(panels.T, kernels.items()):
    above.hist(kernel.ravel(), bins=np.linspace(-0.25, 0.25, 81), color=palette[name], density=True)
    above.set(title=name, yscale="log", xlabel="weight")
    below.hist(np.linalg.norm(kernel, axis=0), bins=np.linspace(0, 3.5, 71), color=palette[name])
    below.set(xlabel="length of a unit's weights")
panels[0, 0].set_ylabel("density, log scale")
panels[1, 0].set_ylabel("units")
lesson.save_figure(fig, "weights")
plt.show()

# %%
print("first layer       middle half of the weights   below 0.001 in size   longest unit")
for name, kernel in kernels.items():
    low, high = np.percentile(kernel, [25, 75])
    tiny = np.mean(np.abs(kernel) < 1e-3)
    longest = np.linalg.norm(kernel, axis=0).max()
    print(f"{name:15}{low:15.3f} to {high:.3f}{tiny:22.1%}{longest:15.2f}")

# %% [markdown]
# Each regularizer has left its signature. **ℓ2** shrinks everything, and most units are as good as gone: at `0.01` the price is not
# a nudge, it is the largest part of the loss, and after two epochs it costs several points of accuracy. **ℓ1** pushes nearly all weights to zero and leaves a
# few alone: of three hundred units a dozen or so have any weights to speak of. **Max-norm** puts every unit at the limit exactly. No wonder: He's
# weights start with a length of √2, so the limit binds from the first step on. And **dropout**'s weights look like those of the plain net. What it
# changes is not their size but what they rely on.
#
# ## Are they worth having?
#
# Two epochs are too short to overfit, so they cannot show what regularizers are for. We train for fifteen, with batches of 128 to save time.
# **Sketch the curves before you look: which net will have the lowest training loss, and which the lowest validation loss?** (The price on weights is
# left out of the losses below; otherwise they could not be compared.)

# %%
milder = {
    "plain": kinds["plain"],
    "ℓ2, 0.01": kinds["ℓ2, 0.01"],
    "ℓ2, 0.0001": lambda: three_layers(partial(Dense, kernel_regularizer=l2(1e-4))),
    "dropout, 20 %": kinds["dropout, 20 %"],
    "max-norm, 1": kinds["max-norm, 1"],
}


class Losses(keras.callbacks.Callback):
    """The cross-entropy alone, with dropout off, on the first 5,000 training images and on the validation set."""

    def on_train_begin(self, logs=None):
        self.train, self.valid = [], []

    def on_epoch_end(self, epoch, logs=None):
        for x, y, losses in [(x_train[:5000], y_train[:5000], self.train), (x_valid, y_valid, self.valid)]:
            probabilities = self.model.predict(x, batch_size=1000, verbose=0)
            losses.append(cross_entropy(probabilities, y))


def cross_entropy(probabilities, y):
    return -np.mean(np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-7)))


# %%
losses = {}
for name, layers in milder.items():
    lesson.set_seed()
    net = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), *layers()])
    net.compile(keras.optimizers.Nadam(), "sparse_categorical_crossentropy", **speed(net.layers))
    losses[name] = Losses()
    net.fit(
        shuffled(x_train, y_train, 128),
        epochs=lesson.epochs(15),
        verbose=0,
        callbacks=[losses[name], lesson.progress(f"{name}, fifteen epochs")],
    )

# %% tags=["figure"]
shades = dict(zip(milder, ["#595959", "#0072B2", "#CC79A7", "#D55E00", "#009E73"]))
fig, panels = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True)
for name, found in losses.items():
    for ax, values in zip(panels, (found.train, found.valid)):
        ax.plot(range(1, len(values) + 1), values, color=shades[name], label=name)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
panels[0].set(title="On training images", xlabel="epoch", ylabel="cross-entropy", ylim=(0, 0.6))
panels[1].set(title="On validation images", xlabel="epoch")
fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
lesson.save_figure(fig, "overfitting")
plt.show()

# %%
print("                 training  validation, lowest  at epoch  at the end")
for name, found in losses.items():
    best = int(np.argmin(found.valid))
    print(f"{name:15}{found.train[-1]:10.3f}{found.valid[best]:20.3f}{best + 1:10}{found.valid[-1]:12.3f}")

# %% [markdown]
# The plain net does what the introduction says: its training loss goes on falling, while its validation loss turns round within ten epochs and ends far
# above its lowest point. The strong ℓ2 prevents that in the least useful way: it does not overfit because it hardly fits. A hundredth of it
# makes the turn milder. Dropout and max-norm fit the training images less well than the plain net and strangers better; dropout's validation loss is the lowest and stays there.
#
# So the strength of a regularizer is a hyperparameter like any other, and the chapter's `0.01` for ℓ2 an illustration, not advice. And notice what
# would have cost nothing: stopping the plain net where its validation loss was lowest. That is *early stopping*, the cheapest regularizer of all, and it takes the
# plain net most of the way.
#
# ## Alpha dropout
#
# SELU keeps its signal at mean 0 and variance 1 (lesson 01), and ordinary dropout disturbs the variance. **Alpha dropout** sets a
# dropped input not to zero but to SELU's lowest value, and then rescales, so that both are kept:

# %%
signal = np.random.default_rng(0).normal(size=(200, 1000)).astype("float32")
for layer in (keras.layers.Dropout(0.2, seed=1), keras.layers.AlphaDropout(0.2, seed=1)):
    after = np.array(layer(signal, training=True))
    print(f"{type(layer).__name__:13} mean {after.mean():6.3f}, standard deviation {after.std():.3f}")

# %% [markdown]
# The chapter trains such a net for twenty epochs, with momentum, and evaluates it.

# %%
Selu = partial(keras.layers.Dense, activation="selu", kernel_initializer="lecun_normal")


def with_alpha_dropout(AlphaDropout=keras.layers.AlphaDropout):
    return [
        AlphaDropout(0.2),
        Selu(300),
        AlphaDropout(0.2),
        Selu(100),
        AlphaDropout(0.2),
        keras.layers.Dense(10, activation="softmax"),
    ]


# %%
lesson.set_seed()
momentum = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
net, history = train(with_alpha_dropout(), momentum, epochs=20, label="alpha dropout")

# %%
on_train = net.evaluate(x_train, y_train, batch_size=1000, verbose=0)[1]
on_test = net.evaluate(x_test, y_test, batch_size=1000, verbose=0)[1]
print(f"training accuracy as fit reports it  {history['accuracy'][-1]:.4f}")
print(f"the same with dropout off            {on_train:.4f}")
print(f"validation accuracy                  {history['val_accuracy'][-1]:.4f}")
print(f"test accuracy                        {on_test:.4f}")
lesson.record("S5.cF3", val_accuracy=history["val_accuracy"][-1], test_accuracy=on_test)

# %% [markdown]
# The first two lines measure the same net on the same images. While it trains, `fit` sees it through dropout, each time with a fifth of its
# inputs missing; with dropout off it does better. That is why a net with dropout can show a *validation* accuracy above its training
# accuracy, as this one does, and no sign of a mistake. To compare training with validation, evaluate both the same way.
#
# ## A hundred opinions
#
# Dropout is off when a net is used. **Leave it on, and each call is another net**, one of the many that were trained together. Yarin
# Gal and Zoubin Ghahramani showed that their answers are samples from an approximate Bayesian posterior: their mean is a better
# prediction, their scatter a measure of doubt. It is called *Monte Carlo dropout* and needs no further training. The chapter's form is
# one line:

# %%
by_hand = np.stack([np.array(net(x_test[:1], training=True)) for _ in range(100)])
print("a hundred answers to one image:", by_hand.shape)

# %% [markdown]
# `training=True` has a catch: it puts *every* layer in training mode, batch normalization too (lesson 02 shows what that does). So one
# replaces the dropout layers only, by a kind that cannot be switched off:


# %%
class AlwaysOn(keras.layers.AlphaDropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


rebuilt = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), *with_alpha_dropout(AlwaysOn)])
rebuilt.set_weights(net.get_weights())
twice = [np.array(rebuilt(x_test[:1])) for _ in range(2)]
print("two calls, without training=True, give the same answer:", np.array_equal(*twice))

# %% [markdown]
# The course has such layers too. `mc_model` builds a trained net a second time with them, from the same layers and weights, and `mc_predict`
# asks it many times, in batches.

# %%
mc_net = mc_model(net)
print([type(layer).__name__ for layer in mc_net.layers])
print("the same weights:", all(np.array_equal(u, v) for u, v in zip(net.get_weights(), mc_net.get_weights())))

# %% [markdown]
# The first test image is an ankle boot. First the net's answer as usual, then a few of a hundred, then their mean and standard deviation.

# %%
boot = x_test[:1]
usual = net.predict(boot, verbose=0)[0]
samples = mc_samples(net, boot, n_samples=100, seed=lesson.seed)[:, 0]

# %% tags=["figure"]
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(12.5, 4.2), width_ratios=[0.7, 1, 1.6])
left.imshow(fashion.x_test[0], cmap="gray_r")
left.set(title=f"{fashion.class_names[fashion.y_test[0]]}, test image 0", xticks=[], yticks=[])
left.grid(False)
places = np.arange(10)
middle.barh(places, usual, color="#595959")
middle.set(title="One answer, dropout off", xlabel="probability", xlim=(0, 1))
middle.set_yticks(places, fashion.class_names)
middle.invert_yaxis()
jitter = np.random.default_rng(0).uniform(-0.3, 0.3, samples.shape)
right.plot(samples, places + jitter, ".", color="#56B4E9", markersize=4, zorder=1)
right.errorbar(
    samples.mean(axis=0), places, xerr=samples.std(axis=0), fmt="D", color="#D55E00", capsize=3, zorder=2
)
right.set(title="A hundred answers, their mean ± one deviation", xlabel="probability", xlim=(-0.02, 1.02))
right.set_yticks(places, [])
right.invert_yaxis()
plt.show()

# %%
print("class          usual   mean of 100   standard deviation")
for c in np.argsort(-usual)[:4]:
    print(
        f"{fashion.class_names[c]:12}{usual[c]:8.3f}{samples[:, c].mean():14.3f}{samples[:, c].std():21.3f}"
    )

# %% [markdown]
# With dropout off the net is all but certain. Ask it a hundred times, and some of its thinner selves see a sneaker, a few a sandal; the mean has come down to where
# a careful person might put it, and the spread says that no single answer should be taken at its word. The confusions are sensible ones: nobody sees trousers.
#
# And all ten thousand test images, a hundred times each:

# %%
n_samples = 20 if lesson.quick else 100
off = net.predict(x_test, batch_size=1000, verbose=0)
mc = mc_predict(net, x_test, n_samples, batch_size=5_000, seed=lesson.seed)

right_off, right_mc = (p.argmax(axis=1) == y_test for p in (off, mc.mean))
print(f"test accuracy, dropout off      {right_off.mean():.4f}")
print(f"test accuracy, mean of {n_samples:3}      {right_mc.mean():.4f}")
won, lost = np.sum(right_mc & ~right_off), np.sum(right_off & ~right_mc)
print(f"images won {won}, images lost {lost}")
if won + lost:
    p = stats.binomtest(int(won), int(won + lost)).pvalue
    print(f"a fair coin would differ at least as much with probability {p:.2f}")

# %%
lesson.record("S5.cF4", test_accuracy=right_mc.mean())
lesson.record("S5.cF5", mc=right_mc.mean(), without=right_off.mean())

# %% [markdown]
# The chapter's run gained a little by it, and the chapter says that MC dropout *beats* the same net with dropout off. This run did not: it lost more images than it won, though not more than chance would explain; with other seeds it won a few more than it lost. On
# ten thousand images a gain of two tenths of a percent is twenty images, of which some are won and others lost anew with each training; the verdict at the end
# counts over seeds. But a better accuracy is the least of what Gal and Ghahramani promise.
#
# ## Is its doubt any good?
#
# A net that says $80\,\%$ should be right in $80\,\%$ of those cases. Sort the test images by how sure the net was, and compare: that is a
# **reliability diagram**. The mean distance from the diagonal, weighted by the number of images, is the **expected calibration error**.


# %%
def reliability(probabilities, y, bins=15):
    """In each bin of confidence: number of images, mean confidence, accuracy; and the calibration error."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    filled = count > 0
    confidence = np.bincount(bin_of, confidence, bins)[filled] / count[filled]
    accuracy = np.bincount(bin_of, right, bins)[filled] / count[filled]
    error = np.sum(count[filled] * np.abs(accuracy - confidence)) / count.sum()
    return count[filled], confidence, accuracy, error


# %% tags=["nbval-check-output"]
honest = np.array([[0.75, 0.25]] * 4)
print("right in three of four, and 75 % sure: error", reliability(honest, np.array([0, 0, 0, 1]))[3])
print("right in two of four, and 75 % sure: error  ", reliability(honest, np.array([0, 0, 1, 1]))[3])

# %%
answers = {"dropout off": off, "MC dropout": mc.mean}
diagrams = {name: reliability(p, y_test) for name, p in answers.items()}
percent = FuncFormatter(lambda value, _: f"{100 * value:g}%")

# %% tags=["figure", "cover"]
fig, panels = plt.subplots(2, 2, figsize=(9.4, 6.2), sharex=True, sharey="row", height_ratios=[3, 1])
for (above, below), (name, found), shade in zip(panels.T, diagrams.items(), ["#595959", "#D55E00"]):
    count, confidence, accuracy, error = found
    enough = count >= 10  # the share that is right of one or two images says nothing
    above.plot([0.2, 1], [0.2, 1], "--", color="black", linewidth=1.5, label="as sure as it is right")
    above.plot(confidence[enough], accuracy[enough], "o-", color=shade, label=name)
    above.set_title(f"{name}: calibration error {error:.1%}")
    above.legend(loc="upper left")
    below.bar(confidence, count / count.sum(), width=0.04, color=shade)
    below.set(xlabel="how sure the net is", yscale="log")
    for axis in (above.xaxis, above.yaxis, below.yaxis):
        axis.set_major_formatter(percent)
panels[0, 0].set_ylabel("how often it is right")
panels[1, 0].set_ylabel("share of images")
lesson.save_figure(fig, "reliability")
plt.show()

# %%
print("                calibration error   cross-entropy on test images")
for name, p in answers.items():
    print(f"{name:15}{diagrams[name][3]:18.2%}{cross_entropy(p, y_test):21.4f}")

# %% [markdown]
# With dropout off the curve hangs far below the diagonal. The net is nearly certain of most images, and where it says $80\,\%$ it is right far less often. (Bins with fewer than ten images have no point.) The mean of a
# hundred opinions lies much closer, on the modest side of the line now: it is right a little *more* often than it says. Its cross-entropy, which punishes confident mistakes, is lower
# too. So the accuracy hardly moves, and the probabilities are far better: that is what MC dropout is for. (The cross-entropy fell with every seed. The calibration error fell with all
# but one, whose net ended as much too modest as it had been too sure. The rate of the dropout sets how far the doubt goes, and nothing stops it at the diagonal.)
#
# ### What it never saw
#
# The harder test is an image that belongs to no class at all. We show the net handwritten digits from MNIST, and pixels of pure noise. It has to
# name a piece of clothing; **a net that knows its limits would at least hesitate.** Hesitation is the entropy of its answer: 0 for
# certainty, $\ln 10 \approx 2.3$ for ten equal guesses. MC dropout has a second measure, the *mutual information* between answer and dropout mask: the part of
# the entropy that comes from the hundred nets disagreeing with each other.

# %%
digits = lesson.data(load_mnist())
rng = np.random.default_rng(lesson.seed)
noise = rng.integers(0, 256, digits.x_test.shape)
unseen = {"digits": standardized(digits.x_test), "noise": standardized(noise)}


def entropy(probabilities):
    return stats.entropy(probabilities, axis=1)


# %%
measures = ["entropy, dropout off", "entropy, MC dropout", "mutual information, MC dropout"]
doubt = {"clothes": (entropy(off), mc.entropy, mc.mutual_information)}
for name, images in unseen.items():
    asked = mc_predict(net, images, n_samples, batch_size=5_000, seed=lesson.seed)
    plain = entropy(net.predict(images, batch_size=1000, verbose=0))
    doubt[name] = plain, asked.entropy, asked.mutual_information

# %% tags=["figure"]
fig, panels = plt.subplots(1, 3, figsize=(13, 4.2), sharey=True)
sources = {"clothes": ("#0072B2", "-"), "digits": ("#D55E00", "--"), "noise": ("#009E73", ":")}
for ax, title, i in zip(panels, measures, range(3)):
    for name, (shade, dash) in sources.items():
        values = np.sort(np.clip(doubt[name][i], 0, None))
        share = np.arange(1, len(values) + 1) / len(values)
        ax.plot(values, share, color=shade, linestyle=dash, label=name)
    ax.set(title=title, xlabel="doubt (nats)", xlim=(-0.03, 2.35))
    ax.yaxis.set_major_formatter(percent)
panels[0].set_ylabel("images with at most so much doubt")
panels[0].legend(loc="lower right")
lesson.save_figure(fig, "unseen")
plt.show()


# %% [markdown]
# How well can one tell the strangers by their doubt? Take a piece of clothing and a stranger at random: how often does the stranger cause more
# doubt? (That is the area under the ROC curve; ½ is guessing.)


# %%
def told_apart(strangers, known):
    return stats.mannwhitneyu(strangers, known).statistic / (len(strangers) * len(known))


print(f"{'':32}digits    noise")
for i, measure in enumerate(measures):
    areas = [told_apart(doubt[name][i], doubt["clothes"][i]) for name in unseen]
    print(f"{measure:32}{areas[0]:6.3f}{areas[1]:9.3f}")

# %% [markdown]
# Look at noise first. With dropout off the net is nearly as sure of random pixels as it is of clothes: half of them cause it hardly any doubt, and its
# entropy tells noise from clothes not much better than a coin would. (That differs from net to net; one of ours happened to hesitate.) It has no idea that it has no idea. A hundred masks change that: they disagree about noise, and the mutual information, which measures just this disagreement, tells
# noise from clothes almost without fail, and digits nearly as well.
#
# Why so? Random pixels, standardized, are far larger than what the net has seen (in the corners of the
# pictures, where clothes hardly ever reach, a hundred times and more), so its sums are large and the softmax is certain. But the sums depend on which inputs are
# switched off, so that each mask is certain of something else. Two warnings remain. All of this was one net and two kinds of stranger, both easy; strangers that look like clothes are harder. And doubt cannot be
# read off without a scale: to turn it into an alarm you need a threshold, and images of both kinds to set it on.
#
# ## Verdicts
#
# What a published run of the chapter's notebook prints, measured over several seeds on two software stacks, in full mode on the real
# Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("10_regularization_and_mc_dropout")

# %% [markdown]
# ## What to take away
#
# - ℓ2 shrinks weights, ℓ1 empties them, max-norm caps them, dropout teaches units not to rely on one another. Their strength is a hyperparameter: at the wrong one they
#   only make a net worse.
# - Two epochs say nothing about a regularizer. It is there for the epoch in which the validation loss turns.
# - Training accuracy *with* dropout and validation accuracy *without* are not comparable.
# - MC dropout is one line on a trained net. Do not expect accuracy from it; expect probabilities that deserve the name, and doubt about what the net has never seen.
#
# **Today** large models are trained for an epoch or so on more data than they could learn by heart, and often without dropout; what has stayed of this
# lesson everywhere is ℓ2's younger relative, the decoupled weight decay of AdamW (lesson 07). Calibration has become a question of its own, with temperature scaling and ensembles as the methods to beat.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** You train with an ℓ1 price and Nadam, as above, and look for weights that are zero. Very many are tiny, and none is exactly zero. Does ℓ1 not empty the weights? What
# would you change to get zeros?
#
# <details><summary>An answer</summary>
#
# ℓ1 pulls with the same force at any size, so a step towards zero ends a little beyond it, and the next one pulls back. The weight trembles around zero by about
# the length of a step and hits it only by accident. For true zeros, shrink each weight by a fixed amount after the step and stop at zero (a *proximal* step), or
# cut off the tiny ones after training.
#
# </details>
#
# **2.** To save memory somebody keeps of each of a hundred answers only the class with the highest probability, and counts votes. What is lost?
#
# <details><summary>An answer</summary>
#
# How sure each net was. If all hundred give boot $55\,\%$ and sneaker $45\,\%$, the mean says $55\,\%$, and the votes say $100\,\%$: certainty out of nothing. Votes show only the doubt
# that comes from nets contradicting each other, never the doubt that they share. Average probabilities, and decide for a class at the end.
#
# </details>
#
# **3.** Five nets answer the same images. The cross-entropy of their mean answer is never above the mean of their five cross-entropies. Why? Is the same true of
# the share of mistakes?
#
# <details><summary>An answer</summary>
#
# $-\log$ is convex: of any numbers, $-\log$ of the mean is at most the mean of $-\log$. With the five probabilities of the true class that holds for each image, and so
# for their mean. Mistakes have no such law. Three nets can be right by a little and two wrong by much; then the mean is wrong where most of
# the five were right.
#
# </details>
#
# **4.** Half of all images show a cat. A net answers $50\,\%$ to every image. What is its expected calibration error? What should stand beside this number in a report?
#
# <details><summary>An answer</summary>
#
# Zero: it says $50\,\%$ and is right in half of the cases. Calibration asks whether a net means what it says, not whether it says anything. Beside it belongs a measure that also
# pays for knowing: the cross-entropy, or the accuracy. And a net that is always right but only $80\,\%$ sure has an error of $20\,\%$.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a notebook of their own](solutions/10_regularization_and_mc_dropout.ipynb); any code that does what the card asks passes.

# %% tags=["given"]
import keras
import matplotlib.pyplot as plt
import numpy as np

from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Max-norm for any kernel
#
# *10 minutes.* **What.** Write `capped_units`: the kernel in which every unit whose weights are longer than `limit` has been shortened to it, its direction kept. Others stay as
# they are, zeros too. The kernel may be dense, `(inputs, units)`, or a convolution's, `(height, width, channels, filters)`.
#
# **Why.** It is the whole of max-norm, done after each step. And it is a place where a wrong axis raises no error: the net trains, with another
# regularizer than the one you meant.


# %% tags=["exercise"]
def capped_units(kernel, limit):
    """The kernel, with no unit's weights longer than the limit; units (or filters) stand along the last axis."""
    ...


# %% tags=["solution"]
def capped_units(kernel, limit):
    """The kernel, with no unit's weights longer than the limit; units (or filters) stand along the last axis."""
    inputs = tuple(range(kernel.ndim - 1))  # all axes but the last
    length = np.sqrt(np.sum(kernel**2, axis=inputs, keepdims=True))
    return kernel * limit / np.maximum(length, limit)


# %% tags=["check"]
check("capped_units")

# %% [markdown] tags=["solution"]
# Keras has an `axis` for this, 0 unless one says otherwise. We cap fresh weights, dense and convolutional, at a length of 1.

# %% tags=["solution"]
rng = np.random.default_rng(42)
kernels = {"dense": (784, 300), "convolution": (3, 3, 64, 128)}
for kind, shape in kernels.items():
    kernel = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype("float32")
    inputs = list(range(len(shape) - 1))
    ways = {
        "not capped": kernel,
        "capped_units": capped_units(kernel, 1.0),
        "MaxNorm(1.0)": np.array(keras.constraints.MaxNorm(1.0)(kernel)),
        f"MaxNorm(1.0, axis={inputs})": np.array(keras.constraints.MaxNorm(1.0, axis=inputs)(kernel)),
    }
    for way, found in ways.items():
        longest = np.linalg.norm(found.reshape(-1, shape[-1]), axis=0).max()
        print(f"{kind:11}  {way:28}  longest unit {longest:.3f}")

# %% [markdown] tags=["solution"]
# For a dense kernel `MaxNorm(1.0)` does what we do. For a convolution it leaves the filters as long as they were: along axis 0 it finds columns of three weights,
# which are all short enough. Nothing fails and nothing is regularized. Say `axis=[0, 1, 2]` there.

# %% [markdown] tags=["exercise"]
# ### 2 · What alpha dropout makes good
#
# *20 minutes.* **What.** An input has mean 0 and standard deviation 1. A share `rate` of its values, chosen at random, is replaced by the number `low`. Write
# `alpha_affine`, which gives the two numbers $a > 0$ and $b$ for which $a x + b$, taken of what is left and what was replaced alike, has mean 0 and deviation 1 again.
#
# **Why.** The lesson said of alpha dropout that it “rescales, so that both are kept”. These two numbers are how. The same count tells what
# ordinary dropout, which puts in a zero and divides by $1 - \text{rate}$, does to the deviation.


# %% tags=["exercise"]
def alpha_affine(rate, low):
    """The numbers a and b that bring mean and deviation back to 0 and 1, once a share `rate` is `low`."""
    ...


# %% tags=["solution"]
def alpha_affine(rate, low):
    """The numbers a and b that bring mean and deviation back to 0 and 1, once a share `rate` is `low`."""
    mean = rate * low
    square = (1 - rate) * 1 + rate * low**2  # of what is kept, the mean square is 1
    a = 1 / np.sqrt(square - mean**2)
    return a, -a * mean


# %% tags=["check"]
check("alpha_affine")

# %% [markdown] tags=["solution"]
# Twenty SELU layers by hand, with LeCun's weights and a fifth dropped before each: once as ordinary dropout, once with our two numbers.

# %% tags=["solution"]
lowest = -1.0507009873554805 * 1.6732632423543772  # what SELU tends to on the far negative side
scale = 1 / (1 - 0.2)
kinds_of_dropout = {"ordinary": (0.0, scale, 0.0), "alpha": (lowest, *alpha_affine(0.2, lowest))}


def selu(z):
    return 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))


for name, (low, a, b) in kinds_of_dropout.items():
    rng = np.random.default_rng(42)
    h = rng.normal(size=(500, 300))
    for layer in range(1, 21):
        h = a * np.where(rng.random(h.shape) < 0.2, low, h) + b
        h = selu(h @ rng.normal(0, np.sqrt(1 / 300), (300, 300)))
        if layer in (1, 5, 20):
            print(f"{name:8}  layer {layer:2}: mean {h.mean():6.3f}, deviation {h.std():.3f}")

# %% tags=["solution"]
ones = np.ones((100, 100), "float32")
of_keras = np.unique(np.round(np.array(keras.layers.AlphaDropout(0.2, seed=1)(ones, training=True)), 5))
_, a, b = kinds_of_dropout["alpha"]
print(
    "what becomes of a 1, dropped or kept: Keras", of_keras, " by hand", np.round([a * lowest + b, a + b], 5)
)

# %% [markdown] tags=["solution"]
# With ordinary dropout the deviation grows from layer to layer: dividing by $1 - \text{rate}$ keeps the mean, and the mean square comes out larger by the same factor.
# With the two numbers, mean and deviation stay near 0 and 1 through twenty layers. Keras' layer does the same to a 1 as we do, dropped or kept.

# %% [markdown] tags=["exercise"]
# ### 3 · Doubt and contradiction
#
# *20 minutes.* **What.** Write `mutual_information`. `samples[i, j]` holds the probabilities that net $i$ gives the classes for image $j$. For each image: the entropy of
# the nets' mean answer, less the mean of the entropies of their single answers. Natural logarithms. A probability may be exactly 0, and then counts for nothing.
#
# **Why.** An image can be doubtful because it looks like two things, and then every net hesitates. Or because it looks like nothing known, and then every
# net may be sure of something else. The mean answer is the same; this difference tells the two apart.


# %% tags=["exercise"]
def mutual_information(samples):
    """How much the nets contradict each other, in nats, for each image; samples: (nets, images, classes)."""
    ...


# %% tags=["solution"]
from scipy.special import xlogy  # x log y, and 0 where x is 0


def mutual_information(samples):
    """How much the nets contradict each other, in nats, for each image; samples: (nets, images, classes)."""
    mean = samples.mean(axis=0)
    all_doubt = -xlogy(mean, mean).sum(axis=-1)
    own_doubt = -xlogy(samples, samples).sum(axis=-1).mean(axis=0)
    return all_doubt - own_doubt


# %% tags=["check"]
check("mutual_information")

# %% [markdown] tags=["solution"]
# The lesson's net with alpha dropout, after three epochs instead of twenty, with larger batches. We ask it fifty times about 500 clothes, as many digits, and
# as much noise.

# %% tags=["solution"]
from scipy.stats import entropy

from course_utils.data import load_fashion_mnist, load_mnist
from course_utils.mc_dropout import mc_samples
from course_utils.training import shuffled

fashion, digits = lesson.data(load_fashion_mnist(validation=5_000)), lesson.data(load_mnist())
noise = np.random.default_rng(lesson.seed).integers(0, 256, (500, 28, 28))

pixel_mean, pixel_std = fashion.x_train.mean(axis=0), fashion.x_train.std(axis=0)
pixel_std[pixel_std == 0] = 1


def standardized(images):
    return ((images - pixel_mean) / pixel_std).astype("float32")


# %% tags=["solution"]
layers = [keras.Input((28, 28)), keras.layers.Flatten()]
for units in (300, 100):
    dense = keras.layers.Dense(units, activation="selu", kernel_initializer="lecun_normal")
    layers += [keras.layers.AlphaDropout(0.2), dense]
layers += [keras.layers.AlphaDropout(0.2), keras.layers.Dense(10, activation="softmax")]

lesson.set_seed()
net = keras.Sequential(layers)
momentum = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
net.compile(momentum, "sparse_categorical_crossentropy", **lesson.fast | {"jit_compile": False})
batches = shuffled(standardized(fashion.x_train), fashion.y_train, 128)
history = net.fit(batches, epochs=lesson.epochs(3), verbose=0)

# %% tags=["solution"]
shown = {"clothes": fashion.x_test[:500], "digits": digits.x_test[:500], "noise": noise}
samples = {name: mc_samples(net, standardized(x), 50, seed=lesson.seed) for name, x in shown.items()}

print("median, in nats   entropy of the mean   mutual information")
for name, answers in samples.items():
    doubts = entropy(answers.mean(axis=0), axis=1), mutual_information(answers)
    print(f"{name:15}{np.median(doubts[0]):22.3f}{np.median(doubts[1]):21.3f}")

# %% tags=["solution"]
fig, ax = plt.subplots(figsize=(7.2, 4.6))
looks = {"clothes": ("#0072B2", "o"), "digits": ("#D55E00", "^"), "noise": ("#009E73", "s")}
for name, answers in samples.items():
    shade, marker = looks[name]
    doubts = entropy(answers.mean(axis=0), axis=1), mutual_information(answers)
    ax.plot(*doubts, marker, color=shade, markersize=4, alpha=0.5, label=name)
ax.plot([0, 1.75], [0, 1.75], "--", color="black", linewidth=1.2, label="contradiction is all of the doubt")
ax.set(xlabel="entropy of the mean answer (nats)", ylabel="mutual information (nats)")
ax.set_title("Equally in doubt, but about noise the nets contradict each other")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# Noise lies below the dashed line, but not far: most of its doubt is contradiction, each mask being sure of something else. Clothes and digits of the same entropy lie much
# lower; there each net hesitates by itself. The entropy of the mean answer hardly tells noise from digits, the mutual information does. (One net, trained for a
# short time.)

# %% [markdown]
# ## References
#
# - N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, *Dropout*, 2014,
#   [JMLR 15](https://jmlr.org/papers/v15/srivastava14a.html): dropout, and max-norm as its companion.
# - Y. Gal, Z. Ghahramani, *Dropout as a Bayesian Approximation*, 2015, [arXiv:1506.02142](https://arxiv.org/abs/1506.02142): why the scatter means something.
# - C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, *On Calibration of Modern Neural Networks*, 2017,
#   [arXiv:1706.04599](https://arxiv.org/abs/1706.04599): reliability diagrams, and temperature scaling, the one-number cure.
# - Y. Ovadia and others, *Can You Trust Your Model's Uncertainty?*, 2019, [arXiv:1906.02530](https://arxiv.org/abs/1906.02530): MC dropout, ensembles
#   and others, on data that drift away from the training set.
