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
# # 11 · Regularization
#
# A net with a quarter of a million weights can learn thousands of images by heart. That does not help it with images that it has not seen. A
# *regularizer* makes learning by heart harder. It can be a price on large weights, a limit on their size, inputs that are switched off at random,
# or an earlier end of the training. This lesson shows the problem, what each regularizer does to the weights, and when it helps.
#
# - **You will learn:** to recognize overfitting · what ℓ1, ℓ2, dropout, alpha dropout and max-norm do, by hand and in Keras · to stop a training at
#   the right time · to test whether a regularizer helps
# - **You need:** dense nets in Keras; ELU and SELU from [lesson 01](01_initialization_and_activations.ipynb); Nadam from
#   [lesson 07](07_optimizers_and_clipping.ipynb)
# - **Reproduces:** *Training Deep Neural Networks*, the part on overfitting (chapter 11 of A. Géron's *Hands-On Machine Learning*, second edition,
#   notebook of 2020). Its last topic, Monte Carlo dropout, is in [lesson 12](12_mc_dropout.ipynb)
# - **Time:** about 20 minutes to read; a run takes as long as the line above says, in quick mode under a minute

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("11_regularization")

# %%
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from course_utils import plotting
from course_utils.data import load_fashion_mnist
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## The task
#
# The data are Fashion-MNIST, as in the chapter: 55,000 images for training, 5,000 for validation (the first of the training set), and 10,000 for
# the test. Each pixel is *standardized*: we subtract its mean over the training images, and divide by its standard deviation. The net has dense
# layers of 300, 100 and 10 units; we call it 300-100-10.

# %%
fashion = lesson.data(load_fashion_mnist(validation=5_000))

pixel_mean = fashion.x_train.mean(axis=0)
pixel_std = fashion.x_train.std(axis=0)
pixel_std[pixel_std == 0] = 1


def standardized(images):
    return ((images - pixel_mean) / pixel_std).astype("float32")


x_train, x_valid, x_test = (standardized(x) for x in (fashion.x_train, fashion.x_valid, fashion.x_test))
y_train, y_valid, y_test = fashion.y_train, fashion.y_valid, fashion.y_test

# %% [markdown]
# Every comparison below calls one function. It builds a new net from each of several seeds, and trains it with Nadam at its default rate, in
# batches of 32.

# %%
seeds = lesson.seeds(1 if lesson.quick else 3)
CROSS_ENTROPY = "sparse_categorical_crossentropy"  # as a metric, too: the loss without any price on weights


def train(layers, label, epochs, images=None, callbacks=None):
    """Build and train a fresh net from each seed, on the first images; return the nets and their histories."""
    nets, histories = [], []
    for seed in progress_bar(seeds, label):
        lesson.set_seed(seed)
        net = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), *layers()])
        net.compile("nadam", CROSS_ENTROPY, metrics=["accuracy", CROSS_ENTROPY])
        examples = x_train[:images], y_train[:images]
        settings = {"validation_data": (x_valid, y_valid), "callbacks": callbacks, "verbose": 0}
        histories.append(fit(net, *examples, epochs=epochs, **settings).history)
        nets.append(net)
    return nets, histories


# %% [markdown]
# ## Overfitting
#
# First we train the *plain* net, without any regularizer (ELU, He's weights), for twenty epochs on only 10,000 images. A net knows fewer images by
# heart sooner. **Before you run the cells: what will the training loss do, and what the validation loss?**


# %%
def plain():
    return [
        keras.layers.Dense(300, activation="elu", kernel_initializer="he_normal"),
        keras.layers.Dense(100, activation="elu", kernel_initializer="he_normal"),
        keras.layers.Dense(10, activation="softmax"),
    ]


few = {"epochs": 20, "images": 10_000}
long_nets, long_histories = {}, {}
long_nets["plain"], long_histories["plain"] = train(plain, "the plain net, 20 epochs", **few)

# %%
rows = []
for seed, history in zip(seeds, long_histories["plain"]):
    losses = history["val_loss"]
    best = int(np.argmin(losses))
    rows.append(
        {
            "seed": seed,
            "epoch of the lowest validation loss": best + 1,
            "validation loss there": losses[best],
            "at the end": losses[-1],
            "validation accuracy there": history["val_accuracy"][best],
            "accuracy at the end": history["val_accuracy"][-1],
        }
    )
pd.DataFrame(rows).set_index("seed").round(4)

# %% tags=["figure"] alt="Training and validation loss over twenty epochs, a thin curve for each seed. The training loss falls to the end. The validation loss falls for some epochs, then rises."
ax = plotting.learning_curves({"plain": long_histories["plain"]}, "loss")
ax.set_title("The training loss keeps falling, the validation loss turns and rises")
ax.set_ylabel("cross-entropy (nats)")
lesson.save_figure(ax.figure, "overfitting")
plt.show()

# %% [markdown]
# The training loss falls from the first epoch to the last. The validation loss falls for a few epochs. Then it rises, far above its lowest point.
# From there on, the net learns details of the training images that other images do not share. This is *overfitting*.
#
# Look at the validation accuracy in the table, too. It changes little, while the validation loss grows by more than half. The net makes about as
# many mistakes as before, but it is more and more certain of them, and the cross-entropy punishes certain mistakes most. So overfitting shows in
# the loss before it shows in the accuracy.
#
# ## A price on weights
#
# A price on weights is a term that is added to the loss. **ℓ2** adds $\lambda \sum w^2$, **ℓ1** adds $\lambda \sum |w|$, and ℓ1ℓ2 adds both. The
# factor $\lambda$ is the strength. The training then looks for weights that fit the images *and* are small. In Keras, a price is an argument of the
# layer. Below are the chapter's three prices, with its factors, for one layer with new weights.

# %%
ways = {
    "ℓ2, 0.01": (keras.regularizers.L2(0.01), lambda w: 0.01 * np.sum(w**2)),
    "ℓ1, 0.1": (keras.regularizers.L1(0.1), lambda w: 0.1 * np.sum(np.abs(w))),
    "ℓ1ℓ2, 0.1 and 0.01": (
        keras.regularizers.L1L2(l1=0.1, l2=0.01),
        lambda w: 0.1 * np.sum(np.abs(w)) + 0.01 * np.sum(w**2),
    ),
}
rows = {}
for name, (regularizer, price) in ways.items():
    lesson.set_seed()
    layer = keras.layers.Dense(
        100, activation="elu", kernel_initializer="he_normal", kernel_regularizer=regularizer
    )
    layer.build((None, 784))
    weights = layer.get_weights()[0]
    rows[name] = {"price by hand": float(price(weights)), "price in Keras": float(layer.losses[0])}
pd.DataFrame.from_dict(rows, orient="index").round(3)

# %% [markdown]
# Compare these prices with the loss of a net that knows nothing: its cross-entropy is $\ln 10 \approx 2.3$. Under ℓ1 with `0.1`, the price of this
# one layer is more than a hundred times as large. So the training would do little but make weights smaller. The same factor means a much stronger
# price in ℓ1 than in ℓ2, because $|w|$ is much larger than $w^2$ for a small weight.
#
# The chapter trains 300-100-10 for two epochs with ℓ2 of `0.01` on every layer. We do the same, and train the plain net beside it:


# %%
def with_l2():
    l2 = keras.regularizers.L2
    return [
        keras.layers.Dense(
            300, activation="elu", kernel_initializer="he_normal", kernel_regularizer=l2(0.01)
        ),
        keras.layers.Dense(
            100, activation="elu", kernel_initializer="he_normal", kernel_regularizer=l2(0.01)
        ),
        keras.layers.Dense(10, activation="softmax", kernel_regularizer=l2(0.01)),
    ]


short_nets, short_histories = {}, {}
short_nets["plain"], short_histories["plain"] = train(plain, "plain, two epochs", epochs=2)
short_nets["ℓ2"], short_histories["ℓ2"] = train(with_l2, "ℓ2 of 0.01, two epochs", epochs=2)

# %% [markdown]
# In this cell the same arguments stand three times. `functools.partial` avoids that. It takes a function and some of its arguments, and returns a
# function with these arguments filled in. The chapter builds its second net with it.


# %%
def with_price(regularizer):
    """Return a function that gives the three layers with this price on all of them."""
    RegularizedDense = partial(
        keras.layers.Dense,
        activation="elu",
        kernel_initializer="he_normal",
        kernel_regularizer=regularizer,
    )
    return lambda: [RegularizedDense(300), RegularizedDense(100), RegularizedDense(10, activation="softmax")]


by_partial = with_price(keras.regularizers.L2(0.01))
_, short_histories["ℓ2, partial"] = train(by_partial, "ℓ2 of 0.01 by partial, two epochs", epochs=2)


# %%
def after_two(name):
    """Give the validation accuracy of each seed's net after two epochs."""
    return [history["val_accuracy"][-1] for history in short_histories[name]]


by_seed = pd.Index(seeds, name="validation accuracy, seed")
pd.DataFrame({name: after_two(name) for name in ("ℓ2", "ℓ2, partial")}, index=by_seed).round(4)

# %% tags=["record"]
lesson.record(
    "S5.cF1",
    val_accuracy=after_two("ℓ2")[0],
    val_accuracy_with_partial=after_two("ℓ2, partial")[0],
)

# %% [markdown]
# The chapter's run gave “0.8338” for the first net and “0.8356” for the second (stored outputs of revision e7658ef). The two nets differ only in
# the starting weights of the output layer: He's in the second, because `partial` fills that in for all three layers, and Keras' default, Glorot's,
# in the first. Does the difference of accuracy mean anything? In the table, two seeds differ by about as much. So one run of each net cannot tell.
#
# **How much of the loss is the price?** The price is the sum of `net.losses`. We compute it at the start and after two epochs.


# %%
def parts_of_the_loss(net):
    total = net.evaluate(x_valid, y_valid, batch_size=1000, verbose=0)[0]
    price = sum(float(one) for one in net.losses)
    return {"cross-entropy": total - price, "price": price, "price's share of the loss": price / total}


trained = short_nets["ℓ2"][0]
lesson.set_seed()
fresh = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), *with_l2()])
fresh.compile("nadam", "sparse_categorical_crossentropy", metrics=["accuracy"])
rows = {"at the start": parts_of_the_loss(fresh), "after two epochs": parts_of_the_loss(trained)}
pd.DataFrame.from_dict(rows, orient="index").round(3)

# %% [markdown]
# At the start, the price is most of the loss. After two epochs it is a small fraction of what it was, and the smaller part of the loss.
#
# The two prices pull differently. The gradient of $\lambda w^2$ is $2 \lambda w$. It pulls large weights strongly and small ones hardly at all, so
# they become small, but not zero. The gradient of $\lambda |w|$ is $\lambda$ or $-\lambda$. It pulls every weight towards zero with the same force,
# however small the weight is.
#
# ## Dropout
#
# *Dropout* does not act on weights. In training, it sets each input of a layer to zero with probability `rate`, so no unit can rely on one input
# alone. The inputs that are left are divided by $1 - \text{rate}$, so that the mean stays the same on average (*inverted dropout*). When the
# trained net predicts, dropout does nothing. By hand it is two lines:

# %%
rng = np.random.default_rng(lesson.seed)


def dropped(inputs, rate):
    kept = rng.random(inputs.shape) >= rate
    return inputs * kept / (1 - rate)


ones = np.ones((3, 12), "float32")
dropout = keras.layers.Dropout(0.2, seed=lesson.seed)
print("by hand\n", dropped(ones, 0.2))
print("Keras, in training\n", np.array(dropout(ones, training=True)))
print("Keras, in use: unchanged", np.array_equal(dropout(ones, training=False), ones))
print("mean of a million ones afterwards", dropped(np.ones(1_000_000), 0.2).mean().round(3))

# %% [markdown]
# Each row is one example of a batch. Each example has its own *mask*, the pattern of inputs that are switched off. A fifth of the inputs is off *on
# average*. The masks are drawn again in each step.
#
# The chapter's net has dropout of `0.2` before each of its three layers, so the pixels are dropped, too.


# %%
def with_dropout():
    return [layer for dense in plain() for layer in (keras.layers.Dropout(0.2), dense)]


short_nets["dropout"], short_histories["dropout"] = train(with_dropout, "dropout, two epochs", epochs=2)

# %%
in_training = [history["accuracy"][-1] for history in short_histories["dropout"]]
columns = {"accuracy in training": in_training, "validation accuracy": after_two("dropout")}
pd.DataFrame(columns, index=pd.Index(seeds, name="seed")).round(4)

# %% tags=["record"]
lesson.record("S5.cF2", val_accuracy=after_two("dropout")[0])

# %% [markdown]
# The validation accuracy is *above* the training accuracy. That is not an error: `fit` reports the training accuracy with dropout on, and as a mean
# over the epoch. To compare the two, evaluate both with dropout off, as the next section does.
#
# ## Alpha dropout
#
# SELU keeps its activations near mean 0 and standard deviation 1 ([lesson 01](01_initialization_and_activations.ipynb)). Dropout keeps the mean,
# but not the standard deviation. **Alpha dropout** does not set a dropped input to zero. It sets it to the value that SELU approaches for very
# negative inputs. Then it scales and shifts all inputs, so that mean and standard deviation are both kept. We try both layers on random numbers
# with mean 0 and standard deviation 1:

# %%
signal = np.random.default_rng(0).normal(size=(200, 1000)).astype("float32")
rows = {}
for layer in (keras.layers.Dropout(0.2, seed=1), keras.layers.AlphaDropout(0.2, seed=1)):
    after = np.array(layer(signal, training=True))
    rows[type(layer).__name__] = {"mean": after.mean(), "standard deviation": after.std()}
pd.DataFrame.from_dict(rows, orient="index").round(3)

# %% [markdown]
# The chapter's net has SELU, LeCun's weights and alpha dropout of `0.2` before each layer. It is trained for twenty epochs with SGD at `0.01` and
# Nesterov momentum `0.9`. We train it from one seed.

# %%
SeluDense = partial(keras.layers.Dense, activation="selu", kernel_initializer="lecun_normal")
drop = partial(keras.layers.AlphaDropout, 0.2)

lesson.set_seed()
net = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten()])
for layer in [drop(), SeluDense(300), drop(), SeluDense(100), drop()]:
    net.add(layer)
net.add(keras.layers.Dense(10, activation="softmax"))
momentum = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
net.compile(momentum, "sparse_categorical_crossentropy", metrics=["accuracy"])
history = fit(
    net, x_train, y_train, epochs=20, validation_data=(x_valid, y_valid), label="alpha dropout"
).history

# %%
measured = {
    "training images, as fit reports it": history["accuracy"][-1],
    "training images, dropout off": net.evaluate(x_train, y_train, batch_size=1000, verbose=0)[1],
    "validation images": history["val_accuracy"][-1],
    "test images": net.evaluate(x_test, y_test, batch_size=1000, verbose=0)[1],
}
pd.Series(measured, name="accuracy").to_frame().round(4)

# %% tags=["record"]
in_training, on_train, on_valid, on_test = measured.values()
lesson.record("S5.cF3", val_accuracy=on_valid, test_accuracy=on_test, train_accuracy=on_train)

# %% [markdown]
# The first two rows measure the same net on the same images. With dropout off, the accuracy is higher. The second row is the one to compare with
# validation and test. It lies above both, because the net was trained on these images.
#
# ## Max-norm
#
# **Max-norm** is a limit, not a price. If the vector of a unit's weights is longer than the limit after a step, it is shortened to the limit. Its
# direction stays. (Exercise 1 writes it by hand.) The chapter puts a limit of 1 on both hidden layers, with SELU and LeCun's weights, and none on
# the output layer. With LeCun's weights, each vector starts with a length of about 1, so the limit acts from the first step.
#
# Here the chapter contradicts itself. Its section on SELU says that SELU nets do not normalize themselves any more under ℓ1, ℓ2, ordinary dropout
# *or max-norm*. Does it matter in this net? We train the same SELU net without the limit, too.


# %%
def selu_net(limit=None):
    """Return a function that gives the SELU net, with this limit on its two hidden layers."""
    limited = partial(SeluDense, kernel_constraint=limit and keras.constraints.MaxNorm(limit))
    return lambda: [limited(300), limited(100), keras.layers.Dense(10, activation="softmax")]


for name, layers in {"plain, SELU": selu_net(), "max-norm": selu_net(1.0)}.items():
    short_nets[name], short_histories[name] = train(layers, f"{name}, two epochs", epochs=2)

pd.DataFrame({name: after_two(name) for name in ("plain, SELU", "max-norm")}, index=by_seed).round(4)

# %% tags=["record"]
lesson.record("S5.cF6", val_accuracy=after_two("max-norm")[0])

# %% [markdown]
# The two columns differ by little. The net has only two hidden layers, and self-normalization matters in deep nets.
#
# ## The weights that each method leaves
#
# We train one more net, with an ℓ1 of `0.001`. Then we look at the weights of the first layer of each net. Each of its 300 units has 784 weights,
# one for each pixel, so we can draw them as an image. **Which regularizer will leave weights that are exactly zero?**

# %%
by_l1 = with_price(keras.regularizers.L1(0.001))
short_nets["ℓ1"], short_histories["ℓ1"] = train(by_l1, "ℓ1 of 0.001, two epochs", epochs=2)

kernels, rows = {}, {}
for name in ("plain", "ℓ1", "ℓ2", "dropout", "plain, SELU", "max-norm"):
    dense = next(layer for layer in short_nets[name][0].layers if isinstance(layer, keras.layers.Dense))
    kernels[name] = dense.get_weights()[0]
    length = np.linalg.norm(kernels[name], axis=0)
    rows[name] = {
        "typical size of a weight": np.median(np.abs(kernels[name])),
        "share below 0.001": np.mean(np.abs(kernels[name]) < 0.001),
        "share exactly 0": np.mean(kernels[name] == 0),
        "longest unit": length.max(),
        "units longer than half of that": np.sum(length > length.max() / 2),
    }
pd.DataFrame.from_dict(rows, orient="index").round(4)

# %% tags=["figure", "cover"] alt="Four rows of ten small square images, blue for positive and red for negative weights, the longest unit first. Plain: noise in all ten. ℓ1: a few sharp spots in the first images, the last ones nearly blank. ℓ2: smooth pale shapes like shirts in the first images, the last ones nearly blank. Max-norm: paler noise in all ten."
shown = {name: kernels[name] for name in ("plain", "ℓ1", "ℓ2", "max-norm")}
fig, panels = plt.subplots(4, 10, figsize=(10.5, 5.0))
for row, (name, kernel) in zip(panels, shown.items()):
    ranked = np.argsort(-np.linalg.norm(kernel, axis=0))
    for ax, rank in zip(row, (0, 1, 2, 3, 5, 10, 20, 50, 100, 299)):
        ax.imshow(kernel[:, ranked[rank]].reshape(28, 28), cmap="RdBu", vmin=-0.15, vmax=0.15)
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        if name == "plain":
            ax.set_title(f"no. {rank + 1}", loc="center", fontsize=9, weight="normal")
    row[0].set_ylabel(name)
fig.suptitle("ℓ1 and ℓ2 leave most units almost no weights (longest first; −0.15 red, 0.15 blue)")
lesson.save_figure(fig, "weights")
plt.show()

# %% [markdown]
# - **Plain**: two epochs have changed the starting weights only a little, so the images look like noise.
# - **ℓ2** has made all weights smaller. A few units keep smooth shapes that look like clothes. Most units have almost nothing left.
# - **ℓ1** leaves a few units with sharp spots, and nearly nothing elsewhere. Yet the table shows a share of 0 for weights that are exactly zero
#   (question 1 asks why).
# - **Max-norm** limits the length, and nothing else. All units keep their weights, and most look like noise.
# - **Dropout** (only in the table) leaves weights as large as the plain net's.
#
# ## After two epochs
#
# The figure shows all nets of two epochs, a dot for each seed, and the chapter's numbers (stored outputs of revision e7658ef).

# %% tags=["figure"] alt="Rows of dots for validation accuracy after two epochs, a dot for each seed, with the source's numbers. The plain nets lie at the right, near dropout and max-norm. The nets with ℓ1 and ℓ2 lie several points to the left."
rows = ("plain", "ℓ1", "ℓ2", "ℓ2, partial", "dropout", "plain, SELU", "max-norm")
ax = plotting.seed_dots(
    {name: after_two(name) for name in rows},
    printed={"ℓ2": 0.8338, "ℓ2, partial": 0.8356, "dropout": 0.8730, "max-norm": 0.8746},
    printed_label="stored outputs of e7658ef",
)
ax.set_title("After two epochs ℓ1 and ℓ2 cost several points")
ax.set_xlabel("validation accuracy")
ax.xaxis.set_major_formatter("{x:.1%}")
lesson.save_figure(ax.figure, "two-epochs")
plt.show()

# %% [markdown]
# Two epochs are too short to overfit. So they cannot show the use of a regularizer, only its cost. Under ℓ2 of `0.01`, the cost is several
# percentage points. The strength is a hyperparameter like any other, and the chapter's is an illustration, not advice.
#
# ## Where the net overfits
#
# So we ask a question of the course: do regularizers help where the net overfits? We train for twenty epochs on 10,000 images, as at the beginning.
# Each net is the plain net with one thing added: ℓ2 of `0.001`, a tenth of the strength above; max-norm of 1; or dropout of `0.2`. (With ℓ2, the
# output layer also starts from He's weights.)

# %%
ELUDense = partial(keras.layers.Dense, activation="elu", kernel_initializer="he_normal")


def with_max_norm():
    limited = partial(ELUDense, kernel_constraint=keras.constraints.MaxNorm(1.0))
    return [limited(300), limited(100), keras.layers.Dense(10, activation="softmax")]


kinds = {
    "ℓ2": with_price(keras.regularizers.L2(0.001)),
    "max-norm": with_max_norm,
    "dropout": with_dropout,
}
for name, layers in kinds.items():
    long_nets[name], long_histories[name] = train(layers, f"{name}, 20 epochs", **few)

# %% [markdown]
# The last one is *early stopping*. It does not change the net. It watches the validation loss. When the loss has not improved for some epochs (the
# `patience`), it stops the training, and puts back the weights of the best epoch. We use it with the plain net, from the same seeds:

# %%
stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)
long_nets["early stopping"], long_histories["early stopping"] = train(
    plain, "the plain net with early stopping", callbacks=[stopping], **few
)
for seed, history in zip(seeds, long_histories["early stopping"]):
    losses = history["val_loss"]
    print(
        f"seed {seed}: stopped after {len(losses)} epochs, kept the weights of epoch {np.argmin(losses) + 1}"
    )

# %% [markdown]
# The validation images choose where to stop. So the loss there is the lowest of many, and too low as an estimate. We compare the nets on the test
# images, which have chosen nothing.

# %%
on_test, on_train = {}, {}
for name, nets in long_nets.items():
    answers = [net.evaluate(x_test, y_test, batch_size=1000, verbose=0) for net in nets]
    on_test[name] = np.array([[accuracy, cross_entropy] for _, accuracy, cross_entropy in answers])
    on_train[name] = [net.evaluate(x_train[:10_000], y_train[:10_000], verbose=0)[2] for net in nets]
rows = {
    name: {
        "cross-entropy, training images": np.mean(on_train[name]),
        "cross-entropy, test images": found[:, 1].mean(),
        "test accuracy": found[:, 0].mean(),
    }
    for name, found in on_test.items()
}
pd.DataFrame.from_dict(rows, orient="index").rename_axis(f"mean of {len(seeds)} seeds").round(4)

# %% tags=["figure"] alt="Left: validation cross-entropy over twenty epochs; the plain net's curve rises most steeply, the others rise less. Right: rows of dots for test accuracy, a dot for each seed; dropout's lie furthest to the right."
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.3), width_ratios=[1.1, 1])
curves = {name: long_histories[name] for name in ("plain", "ℓ2", "max-norm", "dropout")}
plotting.learning_curves(curves, CROSS_ENTROPY, training=False, ax=left)
left.set(title="Dropout and ℓ2 keep the loss low", ylabel="validation cross-entropy (nats)", ylim=(0.3, 1.0))
plotting.seed_dots({name: found[:, 0] for name, found in on_test.items()}, ax=right)
right.set(title="In accuracy, dropout is ahead", xlabel="test accuracy")
right.xaxis.set_major_formatter("{x:.1%}")
lesson.save_figure(fig, "where-it-overfits")
plt.show()

# %% [markdown]
# Each of the four lowers the test loss, and fits the training images less closely, which is the purpose. The validation loss rises least with ℓ2
# and dropout; max-norm slows its rise. Early stopping takes the plain net at its lowest validation loss. It needs no change of the net, and saves
# epochs.
#
# The accuracy gains less. Only dropout is clearly ahead of the plain net. The other nets make about as many mistakes as the plain net, but they are
# less certain of them.
#
# This is a result for one net, one task and one strength of each regularizer. For another net, ask again. Does it overfit? Does a regularizer help,
# and at which strength?
#
# ## Verdicts
#
# The numbers are from the stored outputs of revision e7658ef. Ours are over several seeds on both stacks, in full mode on the real Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("11_regularization")

# %% [markdown]
# ## What to take away
#
# - Overfitting shows in the validation loss first. The accuracy may hardly change while the loss grows.
# - ℓ2 makes weights small, ℓ1 makes nearly all of them tiny, max-norm limits the length of each unit's weights, dropout stops units from relying on
#   single inputs.
# - A regularizer can cost accuracy at first. It can help only where the net would overfit, so two epochs cannot judge it.
# - Early stopping saves time *and* regularizes. Try it first.
# - Compare training and validation accuracy only with dropout off in both.
# - The strength is a hyperparameter. Choose it on the validation set, and report on the test set.
#
# **Today** large language models are often trained for about one epoch, on more data than they could learn by heart, and often without dropout. A
# relative of ℓ2 is still in use: the decoupled weight decay of AdamW ([lesson 07](07_optimizers_and_clipping.ipynb)).

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** You train with an ℓ1 price and Nadam, as above, and look for weights that are zero. Very many are tiny, and none is exactly zero. Why? What
# would you change to get zeros?
#
# <details><summary>An answer</summary>
#
# ℓ1 pulls with the same force at any size. So a step towards zero ends a little beyond it, and the next one pulls back. The weight moves back and
# forth around zero, by about the length of a step, and is exactly zero only by accident. To get true zeros, make each weight smaller by a fixed
# amount after the step, and stop at zero (a *proximal* step). Or set the tiny ones to zero after the training.
#
# </details>
#
# **2.** With plain gradient descent, ℓ2 multiplies each weight by the same factor in every step, besides the change that the images cause. Which
# factor? Why is that not so with Nadam?
#
# <details><summary>An answer</summary>
#
# The price's gradient is $2 \lambda w$, so a step with rate $\eta$ gives $w - 2 \eta \lambda w = (1 - 2 \eta \lambda)\, w$. That is *weight decay*.
# Nadam divides each weight's gradient by its usual size, and the gradient contains the price's part. So a weight whose gradients are large decays
# less than one whose gradients are small. AdamW leaves the price out of the gradient, and multiplies the weight by the factor itself.
#
# </details>
#
# **3.** A colleague has 200 validation images, stops early with a patience of 1, and reports the lowest validation loss. What is wrong?
#
# <details><summary>An answer</summary>
#
# With so few images the validation loss is noisy. A rise by chance ends the training too early, and a fall by chance picks an epoch that is not the
# best. Also, the lowest of many noisy values lies below the true one. The colleague needs more validation images and more patience, and should
# report the loss on the test set.
#
# </details>
#
# **4.** A dense layer has a max-norm of 1, and batch normalization follows it. What does the limit change in what the two layers can compute?
#
# <details><summary>An answer</summary>
#
# Nothing (up to the normalization's small ε). Multiply all weights of a unit by a number. Then its outputs' deviations from their mean, and their
# standard deviation, are multiplied by it, too, and batch normalization divides it out. For the same reason, ℓ2 does not limit what the two layers
# can compute. What remains is an effect on the training: for short weights, a step of the same length is a larger turn.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each of the first two has a cell to fill in and a check below it. The check tries your code on inputs of its own, and answers in a sentence. In
# the third you predict a result. The solutions are in [a notebook of their own](solutions/11_regularization.ipynb). Any code that does what the
# card asks passes.

# %% tags=["given"]
import keras
import numpy as np
import pandas as pd

from course_utils.checks import check
from course_utils.data import load_fashion_mnist
from course_utils.training import fit

# %% [markdown] tags=["exercise"]
# ### 1 · Max-norm for any kernel
#
# *10 minutes.* **What.** Write `capped_units`. It returns the kernel with the weights of each unit shortened to the length `limit`, in the same
# direction, if they are longer. All other units stay as they are, also units of zeros. The kernel may be dense, `(inputs, units)`, or a
# convolution's, `(height, width, channels, filters)`; there a unit is a filter.
#
# **Why.** This is all that max-norm does after a step. A wrong axis raises no error here: the net trains, but with another regularizer than you
# meant.


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
# Keras' `MaxNorm` has an argument `axis`, with the default 0. We limit new weights, dense and convolutional, to a length of 1.

# %% tags=["solution"]
rng = np.random.default_rng(42)
rows = {}
for kind, shape in {"dense": (784, 300), "convolution": (3, 3, 64, 128)}.items():
    kernel = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype("float32")
    inputs = list(range(len(shape) - 1))
    ways = {
        "not capped": kernel,
        "capped_units": capped_units(kernel, 1.0),
        "MaxNorm(1.0)": np.array(keras.constraints.MaxNorm(1.0)(kernel)),
        "MaxNorm(1.0, axis=all inputs)": np.array(keras.constraints.MaxNorm(1.0, axis=inputs)(kernel)),
    }
    rows[kind] = {
        way: np.linalg.norm(found.reshape(-1, shape[-1]), axis=0).max() for way, found in ways.items()
    }
pd.DataFrame(rows).rename_axis("length of the longest unit").round(3)

# %% [markdown] tags=["solution"]
# For a dense kernel `MaxNorm(1.0)` does what we do. For a convolution it leaves the filters as long as they were. Along axis 0 it finds columns of
# three weights, which are all short enough. There is no error, and no regularization. Write `axis=[0, 1, 2]` for a convolution.

# %% [markdown] tags=["exercise"]
# ### 2 · The rescaling of alpha dropout
#
# *20 minutes.* **What.** The values $x$ have mean 0 and standard deviation 1. A share `rate` of them, chosen at random, is replaced by the number
# `low`. Write `alpha_affine`. It returns two numbers, $a > 0$ and $b$. If $a x + b$ is applied to all values, kept and replaced, mean and standard
# deviation are 0 and 1 again.
#
# **Why.** The lesson said that alpha dropout “scales and shifts” its inputs. These two numbers are the scale and the shift. The same calculation
# tells what ordinary dropout does to the standard deviation.


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
# We compute twenty SELU layers by hand, with LeCun's weights. A fifth of the inputs is dropped before each layer: once with ordinary dropout, once
# with our two numbers.

# %% tags=["solution"]
lowest = -1.0507009873554805 * 1.6732632423543772  # what SELU tends to on the far negative side
scale = 1 / (1 - 0.2)
kinds_of_dropout = {"ordinary": (0.0, scale, 0.0), "alpha": (lowest, *alpha_affine(0.2, lowest))}


def selu(z):
    return 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))


rows = {}
for name, (low, a, b) in kinds_of_dropout.items():
    rng = np.random.default_rng(42)
    h = rng.normal(size=(500, 300))
    for layer in range(1, 21):
        h = a * np.where(rng.random(h.shape) < 0.2, low, h) + b
        h = selu(h @ rng.normal(0, np.sqrt(1 / 300), (300, 300)))
        if layer in (1, 5, 20):
            rows[name, layer] = {"mean": h.mean(), "standard deviation": h.std()}
pd.DataFrame.from_dict(rows, orient="index").rename_axis(["dropout", "layer"]).round(3)

# %% tags=["solution"]
ones = np.ones((100, 100), "float32")
of_keras = np.unique(np.round(np.array(keras.layers.AlphaDropout(0.2, seed=1)(ones, training=True)), 5))
_, a, b = kinds_of_dropout["alpha"]
print("what becomes of a 1, dropped or kept")
print("Keras  ", of_keras)
print("by hand", np.round([a * lowest + b, a + b], 5))

# %% [markdown] tags=["solution"]
# With ordinary dropout the standard deviation grows in the first layers, and then stays too large. Dividing by $1 - \text{rate}$ keeps the mean,
# but it makes the mean square larger by the factor $1 / (1 - \text{rate})$. With the two numbers, mean and deviation stay near 0 and 1 through
# twenty layers. The last cell shows that Keras' layer turns a 1 into the same values as we do, dropped or kept.

# %% [markdown] tags=["exercise"]
# ### 3 · Predict, run, explain: labels without a meaning
#
# *10 minutes.* We take 1,000 training images and give each a label drawn at random, so there is no rule to learn. A plain net 300-100-10, and one
# with dropout of `0.2`, learn these labels for 100 epochs.
#
# **Predict** the accuracy of both nets, dropout off, on these 1,000 images, and on 1,000 other images with random labels. Write down four numbers.
#
# **Run** the cell.
#
# **Explain** what you see. What does each net know about clothes? What did dropout prevent?

# %% tags=["predict"]
images = lesson.data(load_fashion_mnist(validation=5_000)).x_train[:2000].astype("float32") / 255
labels = np.random.default_rng(lesson.seed).integers(0, 10, len(images))
half = len(images) // 2

rows = {}
for name, rate in {"plain": 0.0, "dropout": 0.2}.items():
    lesson.set_seed()
    net = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten()])
    for units in (300, 100):
        net.add(keras.layers.Dropout(rate))
        net.add(keras.layers.Dense(units, activation="elu", kernel_initializer="he_normal"))
    net.add(keras.layers.Dropout(rate))
    net.add(keras.layers.Dense(10, activation="softmax"))
    net.compile("nadam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fit(net, images[:half], labels[:half], epochs=100, label=name)
    seen, others = (
        net.evaluate(images[part], labels[part], verbose=0)[1] for part in (slice(half), slice(half, None))
    )
    rows[name] = {"these images": seen, "other images": others}
pd.DataFrame.from_dict(rows, orient="index").round(3)

# %% [markdown] tags=["exercise"]
# <details><summary>What happens, and why</summary>
#
# The plain net learns all 1,000 labels by heart, or nearly all. It has more than 200 weights for each image. On the other images it is right about
# one time in ten, which is chance: there was no rule to learn. So a high training accuracy alone says nothing. Only images that the net has not
# seen can tell whether it has learned a rule.
#
# Dropout makes learning by heart slower: every mask hides other pixels and units, so a label must be stored in many places. But dropout does not
# prevent it. With dropout off, the net knows most of the labels, and more epochs bring more of them. A regularizer makes learning by heart harder;
# it cannot make a rule where there is none.
#
# </details>

# %% [markdown]
# ## References
#
# - N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, *Dropout*, 2014,
#   [JMLR 15](https://jmlr.org/papers/v15/srivastava14a.html): dropout, also together with max-norm.
# - G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, *Self-Normalizing Neural Networks*, 2017,
#   [arXiv:1706.02515](https://arxiv.org/abs/1706.02515): SELU and alpha dropout.
# - C. Zhang, S. Bengio, M. Hardt, B. Recht, O. Vinyals, *Understanding deep learning requires rethinking generalization*, 2016,
#   [arXiv:1611.03530](https://arxiv.org/abs/1611.03530): nets learn random labels by heart, regularized or not.
# - I. Loshchilov, F. Hutter, *Decoupled Weight Decay Regularization*, 2017, [arXiv:1711.05101](https://arxiv.org/abs/1711.05101): AdamW, and why
#   ℓ2 is not weight decay under Adam.
# - L. Prechelt, *Early Stopping, But When?*, 1998, [in *Neural Networks: Tricks of the Trade*](https://doi.org/10.1007/3-540-49430-8_3): when to stop.
