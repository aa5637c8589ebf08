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
# # 01 · Initialization and activations
#
# Each layer of a net multiplies the size of its signal by some factor. If this factor is a little below one, nothing is left after a hundred layers.
# If it is a little above one, the signal grows without limit. In both cases the net does not learn. This lesson shows how to keep the factor near
# one. Then it examines a net whose signal keeps the right size and which still learns badly.
#
# - **You will learn:** to see where a deep net loses its signal; to choose starting weights that fit an activation function; what leaky ReLU, PReLU,
#   ELU and SELU are for; to check a net before you train it.
# - **You need:** [lesson 00](00_start_here.ipynb); a dense net in Keras; the variance of a sum.
# - **Reproduces:** *Training Deep Neural Networks*, part A, vanishing and exploding gradients: chapter 11 of A. Géron, *Hands-On Machine Learning*,
#   2nd edition, notebook of 2020-09-25 (revision e7658ef). Below it is called “the chapter”.
# - **Time:** about 40 minutes to read; a run takes as long as the line above says, in quick mode under a minute.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("01_initialization_and_activations")

# %% tags=["needed"]
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.special import erfc

from course_utils import plotting
from course_utils.data import load_fashion_mnist
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## A small factor, a hundred times
#
# Suppose every layer passes on $90\,\%$ of its signal, or $110\,\%$. For one layer that is a small difference. **How large is it after a hundred
# layers?**

# %% tags=["nbval-check-output"]
for factor in (0.9, 0.99, 1.0, 1.01, 1.1):
    print(f"{factor:5} a hundred times over: {factor**100:12.5f}")

# %% [markdown]
# If the product goes towards zero, the signal *vanishes*. If it grows without limit, the signal *explodes*. This happens to the *activations*, the
# outputs of the layers, on the way forward. It also happens to the gradients on the way back: each layer multiplies them by its weights and by the
# slope of its activation function. Then the lower layers, those near the input, get very small or very large gradients. No single learning rate suits
# all layers.
#
# ## The sigmoid, and what it does to a gradient
#
# For decades the usual activation function was the sigmoid, $\sigma(z) = 1/(1 + e^{-z})$. It multiplies a gradient by its slope. **For which $z$ is
# the slope large, and how large can it be?**


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %% tags=["figure"] alt="The sigmoid between its asymptotes 0 and 1, with its tangent at 0. Arrows mark the two flat, saturating ends and the almost linear middle."
grid = np.linspace(-5, 5, 201)
fig, ax = plt.subplots(figsize=(7.6, 4))
for asymptote in (0, 1):
    ax.axhline(asymptote, color="black", linestyle=":", linewidth=1.5)
ax.plot(grid, grid / 4 + 0.5, "--", color=plotting.colour("tanh"), label="tangent at 0: slope ¼")
ax.plot(grid, sigmoid(grid), color=plotting.colour("sigmoid"), linewidth=3, label="σ(z)")
arrow = dict(arrowstyle="->", color="black")
ax.annotate("saturating", (3.8, sigmoid(3.8)), (3.4, 0.7), arrowprops=arrow, ha="center")
ax.annotate("saturating", (-3.8, sigmoid(-3.8)), (-3.4, 0.3), arrowprops=arrow, ha="center")
ax.annotate("almost linear", (0.3, sigmoid(0.3)), (1.9, 0.36), arrowprops=arrow, ha="center")
ax.text(-4.95, 1.02, "asymptote 1")
ax.text(4.95, 0.02, "asymptote 0", ha="right")
ax.set(xlabel="z", ylabel="σ(z)", xlim=(-5, 5), ylim=(-0.2, 1.2), title="The sigmoid is flat at both ends")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# At both ends the curve is flat. A unit there is *saturated*: it passes almost no gradient on. Even in the middle the slope is only ¼. So the slopes
# of ten sigmoid layers multiply a gradient by $4^{-10}$ at most, about a millionth. Starting weights of the usual sizes do not make up for this loss,
# as the diagnosis below shows.
#
# So we have to choose two things: the size of the starting weights, and an activation function that lets gradients pass.
#
# ## Weights that keep the factor at one
#
# Take a unit with $n$ inputs of mean 0 and variance 1. Draw its weights independently, with mean 0 and variance $s^2$. Then its sum $\sum_i w_i x_i$
# has the variance $n s^2$. To keep this variance at 1, choose $s^2 = 1/n$. This is **LeCun's** initialization. For gradients, which go from outputs
# to inputs, $n$ is the number of outputs. **Glorot's** initialization uses the mean of both numbers. ReLU, $\max(0, z)$, sets half of its inputs to
# zero, and so halves the mean of the squares. **He's** initialization makes up for this with twice the variance.
#
# | initialization | variance of a weight | made for |
# |---|---|---|
# | LeCun | $1/n_\mathrm{in}$ | SELU |
# | Glorot (Keras' default) | $2/(n_\mathrm{in} + n_\mathrm{out})$ | no activation, tanh, sigmoid |
# | He | $2/n_\mathrm{in}$ | ReLU, leaky ReLU, PReLU |
#
# To test these variances, we send 500 random inputs through fifty layers of a hundred ReLUs. In this lesson the *size* of a signal is the root of its
# mean square.


# %% tags=["needed"]
def size(values):
    return float(np.sqrt(np.mean(np.square(values))))


# %%
rng = np.random.default_rng(lesson.seed)
signal = rng.normal(size=(500, 100))

rows = {}
for name, variance in [("LeCun", 1 / 100), ("Glorot", 2 / 200), ("He", 2 / 100)]:
    x, sizes = signal, []
    for _ in range(50):
        x = np.maximum(x @ rng.normal(0, np.sqrt(variance), (100, 100)), 0)
        sizes.append(size(x))
    rows[name] = {f"after layer {layer}": f"{sizes[layer - 1]:.2g}" for layer in (1, 10, 25, 50)}
pd.DataFrame(rows).T.rename_axis("size of the activations")

# %% [markdown]
# These layers have as many outputs as inputs, so LeCun's and Glorot's variances are equal. Under both, the size shrinks by a factor of about $\sqrt
# 2$ in every layer. Under He's weights chance may make the size a few times larger or smaller, but it does not vanish.
#
# In Keras an initializer is an argument of the layer, `kernel_initializer="he_normal"`. Most initializers, `he_normal` and `glorot_uniform` among
# them, are settings of one class, `VarianceScaling`. Its variance is `scale` divided by `fan_in` (the inputs), `fan_out` (the outputs) or their mean
# `fan_avg`, and it draws from a normal or a uniform distribution. Here is the chapter's example, He's factor of two with the mean of both numbers:

# %% tags=["nbval-check-output"]
he_normal = keras.layers.Dense(10, activation="relu", kernel_initializer="he_normal").kernel_initializer
he_average = keras.initializers.VarianceScaling(scale=2.0, mode="fan_avg", distribution="uniform", seed=1)
kernel = np.array(he_average((300, 100)))
print("he_normal makes a", type(he_normal).__name__)
print(f"drawn from ±{np.abs(kernel).max():.3f}; by the formula ±{np.sqrt(3 * 2 / 200):.3f}")
print(f"standard deviation {kernel.std():.3f}; by the formula {np.sqrt(2 / 200):.3f}")

# %%
print(*(name for name in dir(keras.initializers) if name[0].isupper()), sep=", ")

# %% [markdown]
# ## Activations that let gradients pass
#
# For positive sums ReLU does not saturate. For negative sums its slope is exactly zero. A unit whose sum is negative for every image passes no
# gradient, so its own weights get no update: it is *dead*. In the first layer it stays dead, because its inputs are always the same images. In a
# higher layer the inputs change while the layers below learn, and this may revive the unit (exercise 1). Four relatives of ReLU have a slope for
# negative sums, too.
#
# **Leaky ReLU** has a small constant slope on the negative side. **PReLU** learns this slope, one for each unit. **ELU** bends smoothly towards
# $-\alpha$, so its mean output is nearer to zero.


# %%
def leaky_relu(z, slope=0.05):
    return np.maximum(slope * z, z)


def elu(z, alpha=1.0):
    return np.where(z < 0, alpha * np.expm1(np.minimum(z, 0)), z)


# %% [markdown]
# **SELU** is an ELU with two fixed constants, $\alpha$ and a scale. They make each layer *correct* its signal: if the mean comes in near 0 and the
# standard deviation near 1, they go out nearer to 0 and 1. The constants follow from one condition: a mean of exactly 0 and a standard deviation of
# exactly 1 stay as they are (equation 14 of the paper; `erfc` is the complementary error function).

# %% tags=["nbval-check-output"]
root_e, tail, tail_2 = np.sqrt(np.e), erfc(1 / np.sqrt(2)), erfc(np.sqrt(2))

alpha_01 = -np.sqrt(2 / np.pi) / (tail * root_e - 1)
bracket = 2 * tail_2 * np.e**2 + np.pi * tail**2 * np.e - 2 * (2 + np.pi) * tail * root_e + np.pi + 2
scale_01 = (1 - tail * root_e) * np.sqrt(2 * np.pi) / np.sqrt(bracket)
print(f"α = {alpha_01:.4f}, scale = {scale_01:.4f}, so the asymptote is {-alpha_01 * scale_01:.3f}")


# %%
def selu(z):
    return scale_01 * elu(z, alpha_01)


# %% tags=["figure"] alt="Three curves. Leaky ReLU has a small slope on the negative side, ELU approaches minus one there, SELU a lower asymptote."
fig, panels = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True)
grid = np.linspace(-5, 5, 401)
shown = [("leaky ReLU", leaky_relu, None), ("ELU", elu, -1), ("SELU", selu, -alpha_01 * scale_01)]
settings = ("slope 0.05", "α = 1", "α and scale by equation 14")
for ax, (name, function, asymptote), setting in zip(panels, shown, settings):
    ax.axhline(0, color="black", linewidth=1)
    ax.axvline(0, color="black", linewidth=1)
    if asymptote is not None:
        ax.axhline(asymptote, color="black", linestyle=":", linewidth=1.5)
        ax.text(4.9, asymptote, f"asymptote {asymptote:.4g}", ha="right", va="bottom")
    else:
        arrow = dict(arrowstyle="->")
        ax.annotate("the leak", (-4, leaky_relu(-4)), (-3, 1.1), arrowprops=arrow, ha="center")
    ax.plot(grid, function(grid), color=plotting.colour(name), linewidth=3)
    ax.set(title=f"{name}: {setting}", xlabel="z", ylim=(-2.2, 3.2))
panels[0].set_ylabel("activation")
plt.show()

# %% [markdown]
# In Keras, ELU and SELU are activation functions, `Dense(100, activation="elu")`. Leaky ReLU and PReLU have settings or weights of their own, so the
# chapter uses them as layers. (Keras 2 calls the slope of leaky ReLU `alpha`, Keras 3 `negative_slope`; the default is the same, `0.3`.)

# %%
rest = ("get", "serialize", "deserialize")
print(*(name for name in dir(keras.activations) if name[0].islower() and name not in rest), sep=", ")
print("layers:", *(name for name in dir(keras.layers) if "relu" in name.lower()))

# %% [markdown]
# ## A thousand layers of SELU
#
# Does SELU correct its signal in practice? We send the same 500 random inputs through a thousand layers of a hundred units, with LeCun-normal
# weights. **What will the mean and the standard deviation be after a thousand layers?**


# %%
def through_selu(x, variance=1 / 100, drop=0.0):
    """Mean and standard deviation of the activations, after every hundredth of a thousand layers."""
    found = []
    for layer in range(1000):
        x = selu(x @ rng.normal(0, np.sqrt(variance), (100, 100)))
        if drop:
            x = x * (rng.random(x.shape) >= drop) / (1 - drop)
        if layer % 100 == 0:
            found.append((x.mean(), x.std()))
    return pd.DataFrame(found, columns=["mean", "standard deviation"], index=range(0, 1000, 100))


# %%
moments = through_selu(signal)
moments.rename_axis("after layer").round(3).T

# %% [markdown]
# We trained nothing, and normalized no batch. The function alone holds mean and standard deviation near 0 and 1.

# %% tags=["record"]
off = np.abs(moments.to_numpy() - [0, 1])
lesson.record("S5.cA1", holds=bool((off <= [0.1, 0.2]).all()), worst=float(off.max()))

# %% [markdown]
# The proof has conditions: dense layers in plain sequence, LeCun-normal weights, standardized inputs. Several things violate them: other starting
# weights, ordinary dropout (use `AlphaDropout`), ℓ1, ℓ2 or max-norm on the weights, skip connections, recurrence. We try two:

# %%
broken = {
    "as the proof wants it": moments,
    "He's weights": through_selu(signal, variance=2 / 100),
    "ordinary dropout of 20 %": through_selu(signal, drop=0.2),
}
table = pd.DataFrame({case: found["standard deviation"] for case, found in broken.items()})
table.T[[0, 300, 600, 900]].rename_axis("standard deviation after layer").map("{:.3g}".format)

# %% [markdown]
# He's weights have twice the variance that SELU needs, and the signal explodes. With dropout the standard deviation stays finite, but it settles
# above 1.

# %% [markdown]
# ## The task and a shallow net
#
# The data are Fashion-MNIST, with pixels divided by 255. The first 5,000 training images are kept for validation. The chapter trains the net
# 300-100-10 (layers of 300 and 100 units and a softmax over 10 classes) with He-normal weights: once with leaky ReLU, once with PReLU. It uses plain
# gradient descent, rate `0.001`, batches of 32, ten epochs. We add ReLU and the sigmoid, and train each net from two seeds. **How much will the four
# activations differ in so shallow a net?**

# %% tags=["needed"]
fashion = lesson.data(load_fashion_mnist(validation=5_000))

x_train, x_valid = fashion.x_train / np.float32(255), fashion.x_valid / np.float32(255)
y_train, y_valid = fashion.y_train, fashion.y_valid


# %% tags=["needed"]
def train(net, images, epochs):
    x_train, x_valid = images
    net.compile(keras.optimizers.SGD(0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return fit(net, x_train, y_train, epochs=epochs, validation_data=(x_valid, y_valid), verbose=0)


# %%
def shallow_net(activation, seed):
    lesson.set_seed(seed)
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(300, kernel_initializer="he_normal"),
            activation(),
            keras.layers.Dense(100, kernel_initializer="he_normal"),
            activation(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


# %%
activation_layers = {
    "sigmoid": lambda: keras.layers.Activation("sigmoid"),
    "ReLU": keras.layers.ReLU,
    "leaky ReLU": keras.layers.LeakyReLU,
    "PReLU": keras.layers.PReLU,
}
seeds = lesson.seeds(1 if lesson.quick else 2)
nets = {
    (name, seed): shallow_net(activation_layers[name], seed) for name in activation_layers for seed in seeds
}
shallow = {name: [] for name in activation_layers}
for (name, _), net in progress_bar(nets.items(), "300-100-10 with four activations"):
    shallow[name].append(train(net, (x_train, x_valid), epochs=10).history["val_accuracy"])

# %%
last = {name: [one[-1] for one in found] for name, found in shallow.items()}
pd.DataFrame(last, index=[f"seed {seed}" for seed in seeds]).T.rename_axis("validation accuracy").round(4)

# %% tags=["figure"] alt="Validation accuracy of each seed after ten epochs. The sigmoid's dots lie far to the left; those of ReLU, leaky ReLU and PReLU lie close together, near the two numbers of the chapter."
stored = {"leaky ReLU": 0.8394, "PReLU": 0.8378}
ax = plotting.seed_dots(last, printed=stored, printed_label="stored output of e7658ef")
ax.xaxis.set_major_formatter(plotting.PercentFormatter(1))
ax.set(xlabel="validation accuracy after ten epochs", title="Even in a shallow net the choice matters")
plt.show()

# %% tags=["record"]
for claim, name in [("S5.cA5", "leaky ReLU"), ("S5.cA6", "PReLU")]:
    lesson.record(claim, val_accuracy=last[name][0])

# %% [markdown]
# The sigmoid falls far behind. On its way to the first layer's weights the gradient passes two sigmoids, each with a slope of ¼ at most. At this rate
# the first layer therefore takes much shorter steps. The other three lie close together; their order may change with the seed. (The chapter's stored
# outputs, of revision e7658ef, are “0.8394” for leaky ReLU and “0.8378” for PReLU.)
#
# In Keras the slopes of PReLU start at zero, so at the start PReLU *is* ReLU. How far have the slopes moved in ten epochs?

# %%
slopes = nets["PReLU", seeds[0]].layers[2].get_weights()[0]
print(f"slopes of {slopes.size} units: between {slopes.min():.4f} and {slopes.max():.4f}")

# %% [markdown]
# ## A hundred layers
#
# Now we take a deep net: one layer of 300 units, 99 layers of 100, and a softmax. The chapter compares SELU with LeCun's weights and ReLU with He's:
# each has the weights that its theory asks for. SELU also needs standardized inputs. So for both nets each pixel has its mean subtracted and is
# divided by its standard deviation. The rate stays `0.001`, now for five epochs. **Which net do you expect to be ahead, and by how much?**

# %% tags=["needed"]
pixel_mean, pixel_std = x_train.mean(axis=0), x_train.std(axis=0)
pixel_std[pixel_std == 0] = 1  # a pixel that never changes has nothing to scale
scaled = [(x - pixel_mean) / pixel_std for x in (x_train, x_valid)]


# %% tags=["needed"]
def deep_net(activation, initializer, depth, seed):
    lesson.set_seed(seed)
    layers = keras.layers
    hidden = [300] + [100] * (depth - 1)
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            *[layers.Dense(units, activation, kernel_initializer=initializer) for units in hidden],
            layers.Dense(10, activation="softmax"),
        ]
    )


# %%
depth = 12 if lesson.quick else 100
seeds = lesson.seeds(1 if lesson.quick else 2)
runs = [(name, seed) for seed in seeds for name in ("SELU", "ReLU")]
weights_for = {"SELU": "lecun_normal", "ReLU": "he_normal", "tanh": "lecun_normal"}
deep = {"SELU": [], "ReLU": []}
for name, seed in progress_bar(runs, f"{depth} layers, SELU and ReLU"):
    net = deep_net(name.lower(), weights_for[name], depth, seed)
    deep[name].append(train(net, scaled, epochs=5).history["val_accuracy"])

# %% tags=["figure"] alt="Validation accuracy over five epochs, thin curves for the seeds. SELU's curves lie above ReLU's."
histories = {name: [{"val_accuracy": one} for one in deep[name]] for name in ("SELU", "ReLU")}
ax = plotting.learning_curves(histories, training=False)
ax.axhline(0.1, color="black", linestyle=":", linewidth=1.5)
ax.text(1, 0.11, "guessing")
ax.set(title="A hundred layers: ReLU learns more slowly", ylabel="validation accuracy", ylim=(0, 1))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
last = {name: [one[-1] for one in deep[name]] for name in ("SELU", "ReLU")}
pd.DataFrame(last, index=[f"seed {seed}" for seed in seeds]).T.rename_axis("validation accuracy").round(4)

# %% tags=["record"]
lesson.record("S5.cA2", selu=last["SELU"][0], relu=last["ReLU"][0])
lesson.record("S5.cA3", val_accuracy=last["SELU"][0])
lesson.record("S5.cA4", val_accuracy=last["ReLU"][0])

# %% [markdown]
# In these runs SELU is ahead from the first epoch on. ReLU learns too, but more slowly. The stored outputs of revision e7658ef are “0.8312” for SELU
# and “0.5702” for ReLU, which lost points in its last epoch. Nets of this depth can do so, and a single number is unreliable here. The verdicts below
# come from more seeds.

# %% [markdown]
# ## Look before you train
#
# The chapter says why the ReLU net learns badly: its gradients vanish or explode. **Is that so?** We can find out without training. We send one batch
# forward through the untrained net and the gradients back.


# %% tags=["needed"]
activations = {
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "ReLU": tf.nn.relu,
    "leaky ReLU": lambda z: tf.nn.leaky_relu(z, 0.3),
    "ELU": tf.nn.elu,
    "SELU": tf.nn.selu,
}
deviations = {  # the standard deviation of the weights of a layer with n_in inputs
    "fixed, 0.01": lambda n_in: 0.01,
    "LeCun": lambda n_in: np.sqrt(1 / n_in),
    "He": lambda n_in: np.sqrt(2 / n_in),
}
x_batch, y_batch = scaled[0][:256].reshape(256, -1).astype("float64"), y_train[:256].astype("int32")


# %% tags=["needed"]
def signals(activation, deviation, depth=100):
    """Of each layer: its activations for one batch, and the gradients of the loss that arrive there."""
    rng = np.random.default_rng(lesson.seed)
    h, layers = tf.constant(x_batch), []
    with tf.GradientTape() as tape:
        tape.watch(h)
        for units in [300] + [100] * (depth - 1) + [10]:
            sums = h @ rng.normal(0, deviation(h.shape[1]), (h.shape[1], units))
            h = activation(sums)
            layers.append(h)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y_batch, sums)
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, layers[:-1])
    return [one.numpy() for one in layers[:-1]], [one.numpy() for one in gradients]


# %% [markdown]
# A histogram counts the activations over all units and images of a layer. (It leaves zeros out, and its last bar holds everything above 3. Glorot's
# weights are missing: in layers with as many outputs as inputs they are LeCun's.)

# %%
shown = [("sigmoid", "LeCun"), ("ReLU", "LeCun"), ("ReLU", "He"), ("SELU", "LeCun")]
examined = {pair: signals(activations[pair[0]], deviations[pair[1]])[0] for pair in shown}

# %% tags=["figure"] alt="Histograms of activations in layers 1, 10, 30 and 100. Sigmoid: around one half. ReLU with LeCun's weights: shrinks to a spike at zero. ReLU with He's and SELU with LeCun's weights: still wide at layer 100."
fig, panels = plt.subplots(4, 4, figsize=(11, 7), sharex=True)
bins = np.linspace(-3, 3, 61)
for row, ((name, weights), layers) in zip(panels, examined.items()):
    for ax, layer in zip(row, (1, 10, 30, 100)):
        values = np.clip(layers[layer - 1].ravel(), -3, 3)
        counts = np.histogram(values[values != 0], bins)[0]
        ax.bar(bins[:-1], counts / counts.max(), width=0.1, align="edge", color=plotting.colour(name, ax))
        ax.set_yticks([])
    row[0].set_ylabel(f"{name},\n{weights}")
for ax, layer in zip(panels[0], (1, 10, 30, 100)):
    ax.set_title(f"layer {layer}")
for ax in panels[-1]:
    ax.set_xlabel("activation, not 0")
fig.suptitle("ReLU needs He's weights to keep its size; SELU keeps it with LeCun's", fontweight="bold")
plt.show()

# %% [markdown]
# With LeCun's weights the activations of ReLU vanish, as computed above. With He's weights they are still wide at layer 100. So their size is not the
# problem.
#
# The gradient of a weight is the product of two things: the activation from below and the gradient from above. So we look at the size of both. And we
# ask a third question: **how alike do two different images look to a layer?** The *likeness* of two images is the cosine of the angle between their
# activations, here averaged over all pairs of images. It is near 0 for images that have nothing in common. It is 1 for images that differ only in
# brightness.


# %% tags=["needed"]
def likeness(h):
    """The mean cosine between two different rows."""
    rows = h / np.linalg.norm(h, axis=1, keepdims=True)
    n = len(rows)
    return (np.sum(rows.sum(axis=0) ** 2) - n) / (n * (n - 1))


# %% tags=["needed"]
def diagnosis(activation, deviation, depth=100):
    layers, gradients = signals(activation, deviation, depth)
    table = pd.DataFrame(index=pd.RangeIndex(1, depth + 1, name="layer"))
    table["size"] = [size(one) for one in layers]
    table["gradient"] = [size(one) / size(gradients[-1]) for one in gradients]
    table["likeness"] = [likeness(one) for one in layers]
    return table


# %%
diagnoses = {
    (name, weights): diagnosis(activations[name], deviations[weights])
    for name in activations
    for weights in deviations
}
healthy = {"size": (1e-3, 1e3), "gradient": (1e-3, 1e3), "likeness": (-0.1, 0.5)}

# %% [markdown]
# The figure has a column for each activation function and a row for each question. Gradients are divided by that of the last hidden layer. The shaded
# band is our rule of thumb for a healthy net: sizes and gradients between a thousandth and a thousand, likeness below `0.5`. Values that are too
# small for the axis lie at its lower edge.

# %% tags=["figure", "cover"] alt="Three rows of panels: size of activations, size of gradients and likeness of two images over a hundred layers, for six activations and three initializations. ReLU with He's weights stays in the shaded band in the first two rows and leaves it at once in the third."
fig, panels = plt.subplots(3, 6, figsize=(13, 7.2), sharex=True, sharey="row")
styles = dict(zip(deviations, [(":", 5), ("-", 3), ("--", 1.5)]))  # where lines coincide, all show
for column, name in zip(panels.T, activations):
    for ax, (question, band) in zip(column, healthy.items()):
        ax.axhspan(*band, color=plotting.colour("healthy", ax), alpha=0.15, linewidth=0)
        for weights, (dash, width) in styles.items():
            values = diagnoses[name, weights][question]
            values = values if question == "likeness" else values.clip(lower=1e-19)
            ax.plot(values, dash, color=plotting.colour(weights, ax), label=weights, linewidth=width)
    column[0].set_title(name)
    column[-1].set_xlabel("layer")
panels[0, 0].set(ylabel="size of activations", yscale="log", ylim=(1e-20, 1e5))
panels[1, 0].set(ylabel="gradient ÷ last layer's", yscale="log", ylim=(1e-20, 1e5))
panels[2, 0].set(ylabel="likeness of two images", ylim=(-0.1, 1.05))
fig.align_ylabels(panels[:, 0])
fig.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, title="weights")
fig.suptitle("With He's weights ReLU keeps its sizes, but all images come to look alike", fontweight="bold")
lesson.save_figure(fig, "diagnosis")
plt.show()


# %%
def unhealthy(table):
    """The questions for which some layer lies outside the band."""
    out = [q for q, (low, high) in healthy.items() if not table[q].between(low, high).all()]
    return ", ".join(out) or "–"


failures = pd.Series({pair: unhealthy(table) for pair, table in diagnoses.items()}).unstack()
failures.loc[list(activations), list(deviations)].rename_axis("outside the band:")

# %% [markdown]
# With weights of the fixed deviation `0.01`, which AlexNet used in 2012, sizes and gradients vanish. (The sigmoid's activations do not vanish, but
# its gradients do.) With LeCun's weights tanh, ELU and SELU stay in the band through a hundred layers. The sigmoid's gradients vanish under all three
# initializations.
#
# **Now look at ReLU with He's weights.** Its activations and its gradients keep their size. Nothing vanishes, and nothing explodes. The fault shows
# in the lowest row: after some twenty layers all images look alike. At layer 100 they differ in little more than brightness.
#
# Why? ReLU's outputs are never negative, so the outputs for two images always have something in common, and each layer adds to it. For wide layers a
# cosine of $c$ becomes $\left(\sqrt{1 - c^2} + c\,(\pi - \arccos c)\right)/\pi$ after one layer, whatever the variance of the weights (Cho & Saul
# 2009). We start from images with nothing in common, and apply the formula layer by layer:

# %%
c, by_formula = 0.0, []
for _ in range(100):
    c = (np.sqrt(1 - c**2) + c * (np.pi - np.arccos(c))) / np.pi
    by_formula.append(c)

columns = {
    f"{name}, {weights}": diagnoses[name, weights]["likeness"]
    for name, weights in [("ReLU", "He"), ("SELU", "LeCun"), ("tanh", "LeCun")]
}
table = pd.DataFrame({"ReLU, by the formula": pd.Series(by_formula, range(1, 101))} | columns)
table.loc[[1, 2, 5, 10, 20, 50, 100]].T.rename_axis("likeness after layer").round(3)

# %% [markdown]
# The formula uses no data and no weights, and it comes close to the likeness that we measured for ReLU. SELU and tanh have outputs on both sides of
# zero. With LeCun's weights their images stay unlike.
#
# So for each image the last layer gets little more than one number, its brightness in that layer. One number cannot tell ten classes apart. Before
# the net can learn more, its lower layers have to make the images differ again.
#
# ### A prediction, tested
#
# It is easy to find an explanation for a known result. So we use the diagnosis to *predict* a new one. With LeCun's weights tanh has smaller
# activations than ReLU with He's, and smaller gradients in the lower layers. Judged by size alone, it should learn more slowly. But its images stay
# unlike. The chapter never tries this net; it is the course's own question. **Will a hundred tanh layers learn, and will they be ahead of ReLU?**
# Epochs and seeds are the same:

# %%
deep["tanh"] = []
for seed in progress_bar(seeds, f"{depth} layers, tanh"):
    net = deep_net("tanh", weights_for["tanh"], depth, seed)
    deep["tanh"].append(train(net, scaled, epochs=5).history["val_accuracy"])

# %% tags=["figure"] alt="Validation accuracy over five epochs of SELU, tanh and ReLU with a hundred layers. tanh lies well above ReLU and near SELU."
histories = {name: [{"val_accuracy": one} for one in found] for name, found in deep.items()}
ax = plotting.learning_curves(histories, training=False)
ax.set(title="tanh keeps images apart, and learns", ylabel="validation accuracy", ylim=(0, 1))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
rows = [f"{name}, seed {seed}" for name, found in deep.items() for seed, _ in zip(seeds, found)]
values = [one for found in deep.values() for one in found]
pd.DataFrame(values, rows, [f"epoch {n + 1}" for n in range(len(values[0]))]).round(3)

# %% [markdown]
# In these runs the tanh nets learn, are ahead of ReLU, and come close to SELU. One success does not prove an explanation, but this prediction could
# have failed. The theory behind it is called *deep information propagation* (Schoenholz and others 2016). It says how deep a net can be before its
# last layers cannot tell two images apart.
#
# If a net does not train, ask three questions: how large are the activations, how large are the gradients, and how alike are two images?

# %% [markdown]
# ## Verdicts
#
# Here is what the chapter says, and what stored outputs of its notebook show (revision e7658ef). We measured it over several seeds on two software
# stacks, in full mode on the real Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("01_initialization_and_activations")

# %% [markdown]
# ## What to take away
#
# - A deep net multiplies factors. Keep the factor of a layer near one: He's weights for ReLU and its leaky relatives, LeCun's for SELU, Glorot's or
#   LeCun's for tanh.
# - Do not use the sigmoid in the hidden layers of a deep net. Its slope of ¼ at most makes gradients vanish under every initialization tried here.
#   (tanh saturates too, but its slope at 0 is one.)
# - A healthy size is not enough. A net also has to keep two images apart. Many layers of ReLU with He's weights do not.
# - One batch shows all this before the first step of training.
# - Standardize the inputs: the rules for starting weights assume it.
#
# **Today** nobody stacks a hundred plain dense layers. Batch normalization ([lesson 02](02_batch_normalization.ipynb)), layer normalization ([lesson
# 03](03_normalization_layers.ipynb)) and residual connections keep the signal's size by other means. With them ReLU, or its smooth relatives GELU and
# SiLU, is enough. The starting weights of large transformers are still chosen by counting variances.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** In the diagnosis the activations of leaky ReLU with He's weights grow with depth. Those of ReLU do not. Which variance of the weights would
# suit a leaky ReLU with slope $a$ on the negative side?
#
# <details><summary>An answer</summary>
#
# ReLU removes half of the mean square, and He's factor of two makes up for it. A leaky ReLU keeps a share $a^2$ of this half, so a factor of two is
# too much. It leaves $(1 + a^2)/2$ of the mean square, so the variance should be $2/((1 + a^2)\,n_\mathrm{in})$. `he_normal` does not know the slope.
# The paper of He and others has this formula, for PReLU.
#
# </details>
#
# **2.** Glorot's variance contains the *mean* of the numbers of inputs and outputs. What would be wrong with either number alone, and for which
# layers does it make no difference?
#
# <details><summary>An answer</summary>
#
# The number of inputs decides how activations grow on the way forward, the number of outputs how gradients grow on the way back. A layer from 300 to
# 100 units can keep only one of the two factors at one; the mean is a compromise. In layers with as many outputs as inputs all three choices agree.
#
# </details>
#
# **3.** Two deep nets have gradients of the same healthy size in every layer. One learns, the other does not. How can that be?
#
# <details><summary>An answer</summary>
#
# Gradients of a healthy size may still be nearly the same for all images. If all images look alike to the upper layers, the net gives them all nearly
# the same answer. Ask the third question of the diagnosis.
#
# </details>
#
# **4.** SELU keeps mean and standard deviation in place. You add a skip connection around every second layer: $h \leftarrow h + f(h)$, where $f$ is
# two layers. By what factor does the standard deviation grow at the first connection? Does it grow by the same factor at the next ones?
#
# <details><summary>An answer</summary>
#
# At the first connection two nearly independent signals of standard deviation one are added. Their variances add, so the standard deviation grows by
# about $\sqrt 2$. From then on the standard deviation of $h$ is above one, and SELU pulls a large signal back towards one. So the next $f(h)$ is
# smaller than $h$, and the factor is below $\sqrt 2$. But it stays above one: the signal goes on growing. Exercise 2 asks what to do about this.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each of the first three has a cell to fill in and a check below it. The check tries your code on inputs of its own and answers in a sentence. It
# accepts any code that does what the card asks. The solutions are in [a notebook of their own](solutions/01_initialization_and_activations.ipynb).

# %% tags=["given"]
import numpy as np

from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Dead units
#
# *10 minutes.* **What.** Write `dead_share`: the share of a layer's units that give zero for *every* image of a batch. It gets the activations, one
# row per image and one column per unit.
#
# **Why.** A ReLU unit that is zero for all images passes no gradient, so its own weights get no update. This one number tells you for each layer what
# share of its units gets no updates at the start.


# %% tags=["exercise"]
def dead_share(activations):
    """The share of units, between 0 and 1, that are zero for all images; activations: (images, units)."""
    ...


# %% tags=["solution"]
def dead_share(activations):
    """The share of units, between 0 and 1, that are zero for all images; activations: (images, units)."""
    return np.mean(np.all(activations == 0, axis=0))


# %% tags=["check"]
check("dead_share")


# %% tags=["solution"]
def relu_layers(net, images):
    """The activations of the hidden layers of a ReLU net, layer by layer."""
    h, found = images.reshape(len(images), -1), []
    for layer in net.layers[1:-1]:
        kernel, bias = layer.get_weights()
        h = np.maximum(h @ kernel + bias, 0)
        found.append(h)
    return found


depth = 6 if lesson.quick else 20
net = deep_net("relu", "he_normal", depth, lesson.seed)
before = relu_layers(net, scaled[0][:2000])
train(net, scaled, epochs=2)
after = relu_layers(net, scaled[0][:2000])

# %% tags=["solution"]
dead = [[np.all(h == 0, axis=0) for h in layers] for layers in (before, after)]
table = pd.DataFrame({"dead at the start": [np.sum(one) for one in dead[0]]}, index=range(1, depth + 1))
table["of these dead after two epochs"] = [np.sum(one & two) for one, two in zip(*dead)]
table["share at the start"] = [dead_share(h) for h in before]
table.loc[sorted({1, 2, depth // 2, depth})].rename_axis("layer")

# %% [markdown] tags=["solution"]
# In the first layer hardly any unit is dead: nearly every unit has a positive sum for at least one image. In higher layers the images resemble each
# other more and more. So a unit gives nearly the same output for all of them, and for many units this output is zero. A dead unit in a higher layer
# may come back: its own weights stay as they are, but the layers below it change, and so do its inputs.

# %% [markdown] tags=["exercise"]
# ### 2 · A residual connection
#
# *20 minutes.* **What.** In a residual net each layer *adds* to its input: $h \leftarrow h + f \cdot \mathrm{relu}(h w)$. With He's weights and $f=1$
# the signal explodes. Write `residual_factor`, which gives a suitable $f$ for a net of any depth. After every layer the size of the signal (the root
# of the mean square) should be more than half and less than ten times that of the input.
#
# **Why.** All of today's large nets are residual, and each has to solve this problem. Count variances, as above. Then try your answer on a net of 10
# layers and on one of 400: the count may leave something out.


# %% tags=["exercise"]
def residual_factor(depth):
    """The factor f in h + f * relu(h @ w), for a net with this number of layers."""
    ...


# %% tags=["solution"]
def residual_factor(depth):
    """The factor f in h + f * relu(h @ w), for a net with this number of layers."""
    return 1 / depth


# %% tags=["check"]
check("residual_factor")

# %% tags=["solution"]
rng = np.random.default_rng(42)
rows = {}
for name, f in [("1/√depth", lambda depth: depth**-0.5), ("1/depth", residual_factor)]:
    rows[name] = {}
    for layers in (10, 100, 400):
        h = rng.normal(size=(200, 100))
        for _ in range(layers):
            h = h + f(layers) * np.maximum(h @ rng.normal(0, np.sqrt(2 / 100), (100, 100)), 0)
        rows[name][f"{layers} layers"] = f"{size(h):.3g}"
pd.DataFrame(rows).T.rename_axis("size of the signal")

# %% [markdown] tags=["solution"]
# Counting variances gives $f = 1/\sqrt{\text{depth}}$: each layer then adds a share of $1/\text{depth}$ to the variance. After all layers the
# variance has grown by less than a factor of $e$, whatever the depth. This count assumes that what a layer adds is independent of its input. But
# ReLU's outputs are never negative, so what each layer adds has a positive mean. The means of all layers add up, and their sum grows with the number
# of layers, not with its root. For tanh the factor $1/\sqrt{\text{depth}}$ is enough; ReLU needs $1/\text{depth}$.

# %% [markdown] tags=["exercise"]
# ### 3 · Orthogonal weights
#
# *15 minutes.* **What.** Write `orthogonal`, which draws a matrix of shape `(n_in, n_out)` with orthonormal columns. If it has more columns than
# rows, its rows are orthonormal instead. `rng` is a NumPy generator, and a second call draws another matrix. `np.linalg.qr` helps.
#
# **Why.** Random matrices keep the size of a signal on average. Square orthogonal matrices keep the length of *every* input, layer after layer, up to
# rounding. So recurrent nets, which apply one matrix hundreds of times, often start with orthogonal weights.


# %% tags=["exercise"]
def orthogonal(n_in, n_out, rng):
    """A random matrix of shape (n_in, n_out) with orthonormal columns (or rows, if n_in < n_out)."""
    ...


# %% tags=["solution"]
def orthogonal(n_in, n_out, rng):
    """A random matrix of shape (n_in, n_out) with orthonormal columns (or rows, if n_in < n_out)."""
    tall = rng.normal(size=(max(n_in, n_out), min(n_in, n_out)))
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))  # without this the signs are not random
    return q if n_in >= n_out else q.T


# %% tags=["check"]
check("orthogonal")

# %% tags=["solution"]
draws = {
    "normal": lambda: rng.normal(0, np.sqrt(1 / 100), (100, 100)),
    "orthogonal": lambda: orthogonal(100, 100, rng),
}
rows = {}
for name, draw in draws.items():
    rows[name] = {}
    for label, function in [("no activation", lambda z: z), ("tanh", np.tanh)]:
        x = start = rng.normal(size=(500, 100))
        for _ in range(100):
            x = function(x @ draw())
        rows[name][label] = size(x) / size(start)
pd.DataFrame(rows).T.rename_axis("size after 100 layers ÷ before").round(6)

# %% [markdown] tags=["solution"]
# Without an activation function, the net with orthogonal weights keeps the size exactly; with normal weights the result depends on chance. With tanh
# both signals shrink: tanh itself makes every value a little smaller, in every layer. Starting weights that are a little larger can make up for this
# loss.

# %% [markdown] tags=["exercise"]
# ### 4 · Predict, run, explain: tanh with weights that are too large
#
# *15 minutes.* **Predict.** He's weights have twice the variance that tanh needs. Many texts say that weights which are too large saturate tanh, so
# that its gradients vanish. Take sixty tanh layers, once with He's weights and once with LeCun's. Write down three answers. With He's weights, are
# many units saturated (beyond ±`0.95`) in the upper layers? Do the gradients vanish on their way to the first layer? Does the net learn, and does the
# net with LeCun's weights learn much more in two epochs?
#
# **Run** the two cells below.
#
# **Explain** what you see, before you unfold our explanation.

# %% tags=["predict"]
rows = {}
for weights in ("LeCun", "He"):
    layers, gradients = signals(tf.tanh, deviations[weights], depth=60)
    sizes = [size(one) for one in gradients]
    rows[weights] = {
        "saturated in layer 10": f"{np.mean(np.abs(layers[9]) > 0.95):.1%}",
        "saturated in layer 60": f"{np.mean(np.abs(layers[59]) > 0.95):.1%}",
        "gradient, layer 1 ÷ layer 60": f"{sizes[0] / sizes[-1]:.2g}",
        "size of activations, layer 60": f"{size(layers[59]):.2g}",
    }
pd.DataFrame(rows)

# %% tags=["predict"]
depth = 12 if lesson.quick else 60
rows = {}
for weights, initializer in [("LeCun", "lecun_normal"), ("He", "he_normal")]:
    for seed in lesson.seeds(1 if lesson.quick else 2):
        net = deep_net("tanh", initializer, depth, seed)
        history = train(net, scaled, epochs=2).history
        rows[f"{weights}, seed {seed}"] = {"accuracy after two epochs": history["val_accuracy"][-1]}
pd.DataFrame(rows).T.rename_axis("validation").round(3)

# %% [markdown] tags=["exercise"]
# <details><summary>An explanation</summary>
#
# Few units saturate. tanh limits its outputs to ±1, so the sums of the next layer are at most of moderate size. tanh shrinks the signal and the
# weights enlarge it, and the signal settles where the two effects balance. There most units have a slope clearly above zero. On the way back a
# gradient is multiplied by weights that are $\sqrt 2$ times too large and by slopes below one. The slopes make up for only a part of this factor. So
# the gradients do not vanish: they *grow* towards the first layer. The images stay unlike, since tanh is symmetric. In all three questions the net is
# healthy, and it learns.
#
# Try a variance of twenty times LeCun's. Then most units are saturated, and the gradients *explode*. The few units with a large slope count more than
# the saturated ones, because the weights are so large.
#
# </details>

# %% [markdown]
# ## References
#
# - X. Glorot, Y. Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010,
#   [PMLR 9](https://proceedings.mlr.press/v9/glorot10a.html): the count of variances, forward and back.
# - K. He, X. Zhang, S. Ren, J. Sun, *Delving Deep into Rectifiers*, 2015, [arXiv:1502.01852](https://arxiv.org/abs/1502.01852): PReLU, and
#   the factor of two.
# - D.-A. Clevert, T. Unterthiner, S. Hochreiter, *Fast and Accurate Deep Network Learning by Exponential Linear Units*, 2015,
#   [arXiv:1511.07289](https://arxiv.org/abs/1511.07289): ELU.
# - G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, *Self-Normalizing Neural Networks*, 2017,
#   [arXiv:1706.02515](https://arxiv.org/abs/1706.02515): SELU, its constants, its conditions.
# - Y. Cho, L. Saul, *Kernel Methods for Deep Learning*, 2009, NeurIPS 22: the cosine after a wide ReLU layer.
# - S. S. Schoenholz, J. Gilmer, S. Ganguli, J. Sohl-Dickstein, *Deep Information Propagation*, 2016,
#   [arXiv:1611.01232](https://arxiv.org/abs/1611.01232): how alike two inputs become with depth, and how deep a net can be trained.
